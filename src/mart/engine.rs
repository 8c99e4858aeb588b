//! Runs queries in DataFusion, on threads of its own: a query that computes for long does not keep
//! the server's threads busy. Nothing is set up before the first query.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::{DataFusionError, ParamValues, ScalarValue};
use datafusion::datasource::ViewTable;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{collect, execute_stream};
use datafusion::prelude::{SQLOptions, SessionConfig};
use datafusion::sql::parser::Statement;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use remit_fhir::{Error, IssueType, Kind, Result};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::cage::{self, Caged};
use crate::functions;
use crate::kept::{Kept, KeptKey};
use crate::query::{Limits, Query, Source};
use crate::stored::Views;
use crate::table::Table;
use crate::tenant::Tenant;
use crate::visible::{PARTITIONS, Visible};

/// Stack of a planning thread. Planning recurses over expressions, and a statement may chain
/// thousands of them; memory is only taken as far as the stack is used.
pub(crate) const STACK_BYTES: usize = 128 << 20;
/// Batches that wait for a slow reader.
const BATCHES_AHEAD: usize = 4;
/// Queries that name queries that name queries.
const MAX_DEPTH: usize = 20;
/// Views that one query may stand on.
const MAX_BRANCHES: usize = 64;
/// Characters of a planner's message that a caller is shown.
const MAX_MESSAGE: usize = 600;

const CATALOG: &str = "mart";
const SCHEMA: &str = "views";

pub(crate) struct Engine {
    turns: Arc<Semaphore>,
    parts: OnceLock<Parts>,
}

struct Parts {
    /// Only `None` while it is shut down.
    runtime: Option<Runtime>,
    template: SessionState,
}

impl Drop for Parts {
    fn drop(&mut self) {
        // A runtime must not be dropped where another one runs; this way it may.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("is_set_up", &self.parts.get().is_some()).finish_non_exhaustive()
    }
}

type Batches = mpsc::Receiver<Result<RecordBatch>>;

impl Engine {
    pub(crate) fn new(concurrent: usize) -> Engine {
        Engine { turns: Arc::new(Semaphore::new(concurrent.max(1))), parts: OnceLock::new() }
    }

    fn parts(&self) -> Result<&Parts> {
        if let Some(parts) = self.parts.get() {
            return Ok(parts);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(PARTITIONS)
            .thread_name("mart")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()
            .map_err(Error::internal)?;
        let parts = Parts { runtime: Some(runtime), template: template() };
        Ok(self.parts.get_or_init(|| parts))
    }

    /// Plans a query and begins to run it.
    pub(crate) async fn start(
        &self,
        query: Query,
        tenant: Option<Arc<RwLock<Tenant>>>,
        views: Arc<Views>,
        kept: Arc<Kept>,
    ) -> Result<(SchemaRef, Batches)> {
        let limits = query.limits;
        let deadline = Instant::now() + limits.time;
        let turn = tokio::time::timeout_at(deadline, self.turns.clone().acquire_owned())
            .await
            .map_err(|_| Error::unavailable("Too many queries are running; try again."))?
            .map_err(Error::internal)?;
        let parts = self.parts()?;
        let runtime = parts.runtime.as_ref().ok_or_else(|| Error::internal("the mart is shutting down"))?;
        let (schema_sender, schema) = oneshot::channel();
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let template = parts.template.clone();
        runtime.spawn(async move {
            let _turn = turn;
            // Rows that not everybody may see are kept for this query only.
            let kept = if query.rule.is_some() { Arc::default() } else { kept };
            let work = run(Planner { query, tenant, views, template, kept }, schema_sender, sender.clone());
            let outcome = tokio::select! {
                () = sender.closed() => return,
                outcome = tokio::time::timeout_at(deadline, work) => outcome.unwrap_or_else(|_| Err(timed_out(limits))),
            };
            if let Err(error) = outcome {
                // Nobody listens any more when this fails.
                let _ = sender.send(Err(error)).await;
            }
        });
        let mut receiver = receiver;
        match schema.await {
            Ok(schema) => Ok((schema, receiver)),
            Err(_) => match receiver.recv().await {
                Some(Err(error)) => Err(error),
                _ => Err(Error::internal("a query ended without an answer")),
            },
        }
    }
}

/// The session that all queries start from. It knows functions, and nothing that could be read.
fn template() -> SessionState {
    let mut config = SessionConfig::new()
        .with_target_partitions(PARTITIONS)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    // A column made by COALESCE is never null by its expression, and may be null by its plan; the engine
    // holds that against its own planner and would refuse the query.
    config.options_mut().execution.skip_physical_aggregate_schema_check = true;
    let parser = &mut config.options_mut().sql_parser;
    // 0.1 in SQL is a decimal, as it is in FHIR.
    parser.parse_float_as_decimal = true;
    parser.map_string_types_to_utf8view = false;
    SessionStateBuilder::new()
        .with_config(config)
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(functions::scalar())
        .with_aggregate_functions(functions::aggregate())
        .with_window_functions(functions::window())
        .build()
}

fn environment(limits: Limits) -> Result<Arc<RuntimeEnv>> {
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
        .map_err(Error::internal)
}

async fn run(
    planner: Planner,
    schema: oneshot::Sender<SchemaRef>,
    sender: mpsc::Sender<Result<RecordBatch>>,
) -> Result<()> {
    let limits = planner.query.limits;
    let environment = environment(limits)?;
    let (state, plan) = planner.plan_query(environment).await?;
    let physical = state.create_physical_plan(&plan).await.map_err(plan_error)?;
    let mut stream = execute_stream(physical, state.task_ctx()).map_err(|error| run_error(&error, limits))?;
    if schema.send(stream.schema()).is_err() {
        return Ok(());
    }
    let (mut rows, mut bytes) = (0, 0);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| run_error(&error, limits))?;
        if batch.num_rows() == 0 {
            continue;
        }
        rows += batch.num_rows();
        bytes += batch.get_array_memory_size();
        if rows > limits.rows {
            return Err(too_costly(format!(
                "The answer has over {} rows; narrow it down or add a LIMIT.",
                limits.rows
            )));
        }
        if bytes > limits.bytes {
            return Err(too_costly(format!(
                "The answer has over {} MiB; narrow it down.",
                limits.bytes >> 20
            )));
        }
        if sender.send(Ok(batch)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

struct Planner {
    query: Query,
    tenant: Option<Arc<RwLock<Tenant>>>,
    views: Arc<Views>,
    template: SessionState,
    kept: Arc<Kept>,
}

impl Planner {
    async fn plan_query(&self, environment: Arc<RuntimeEnv>) -> Result<(SessionState, LogicalPlan)> {
        let by_name;
        let relations = match &self.query.relations {
            Some(relations) => relations,
            None => {
                by_name = self
                    .views
                    .by_name
                    .keys()
                    .map(|name| (name.clone(), Source::View(name.clone())))
                    .collect();
                &by_name
            }
        };
        let caged = Arc::new(cage::check(&self.query.sql)?);
        let mut reading = Reading { views: BTreeSet::new(), done: HashMap::new() };
        let tree = self.read(&self.query.sql, caged, relations, 0, &mut reading)?;
        let tables = self.capture(&reading.views)?;
        self.plan(&tree, &tables, &environment).await
    }

    /// Collects what a statement stands on, down to the views at the bottom.
    fn read(
        &self,
        sql: &str,
        caged: Arc<Caged>,
        relations: &BTreeMap<String, Source>,
        depth: usize,
        reading: &mut Reading,
    ) -> Result<Tree> {
        if depth > MAX_DEPTH {
            return Err(too_costly(format!("Queries that name each other go deeper than {MAX_DEPTH}.")));
        }
        let mut below = Vec::new();
        let mut views = BTreeSet::new();
        for name in &caged.tables {
            let branch = match relations.get(name) {
                Some(Source::View(view)) => {
                    reading.view(view)?;
                    views.insert(view.clone());
                    Branch::View(view.clone())
                }
                Some(Source::Sql(layer)) => {
                    let address = Arc::as_ptr(layer).addr();
                    let tree = match reading.done.get(&address) {
                        Some(tree) => tree.clone(),
                        None => {
                            let read =
                                |caged| self.read(layer.sql(), caged, layer.relations(), depth + 1, reading);
                            let tree = layer.caged().and_then(read).map_err(|e| e.at(name.clone()))?;
                            let tree = Arc::new(Tree { is_kept: layer.is_kept, ..tree });
                            reading.done.insert(address, tree.clone());
                            tree
                        }
                    };
                    views.extend(tree.views.iter().cloned());
                    Branch::Tree(tree)
                }
                None => {
                    let known = relations.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                    let text = format!("There is no table '{name}' here. There are: {known}.");
                    return Err(Error::unprocessable(text));
                }
            };
            below.push((name.clone(), branch));
        }
        let print = self.print(sql, &caged, &below);
        Ok(Tree { caged, below, views, print, is_kept: false })
    }

    /// What the rows of a statement follow from, beside the rows of views.
    fn print(&self, sql: &str, caged: &Caged, below: &[(String, Branch)]) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut put = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        put(sql.as_bytes());
        for (name, branch) in below {
            put(name.as_bytes());
            match branch {
                Branch::View(view) => put(view.as_bytes()),
                Branch::Tree(tree) => put(&tree.print),
            }
        }
        for name in &caged.parameters {
            put(name.as_bytes());
            put(format!("{:?}", self.query.parameters.get(name)).as_bytes());
        }
        hash.finalize().into()
    }

    /// The visible rows of all views at one moment. A view that the tenant has no rows of is an
    /// empty table.
    fn capture(&self, views: &BTreeSet<String>) -> Result<Captured> {
        let tenant = self.tenant.as_ref().map(|tenant| tenant.read());
        let mut tables = Captured::new();
        for name in views {
            let view = match (self.views.by_name.get(name), &tenant) {
                (Some(view), _) => view,
                (None, Some(tenant)) => tenant.ready(name)?,
                (None, None) => return Err(no_view(name)),
            };
            let rows = match &tenant {
                Some(tenant) => Visible::of(tenant, name, self.query.known_at, self.query.rule.as_ref())?,
                None => None,
            };
            let shard = tenant.as_ref().and_then(|tenant| tenant.table(name));
            let revision = shard.map_or(0, |(shard, _)| shard.versions.len());
            let rows = rows.unwrap_or_else(|| Visible::empty(Table::new(view.clone()).schema));
            tables.insert(name.clone(), (Arc::new(rows), revision));
        }
        Ok(tables)
    }

    /// The rows of a layer that is kept: made now unless they are there.
    fn layer<'p>(
        &'p self,
        tree: &'p Tree,
        tables: &'p Captured,
        environment: &'p Arc<RuntimeEnv>,
    ) -> BoxFuture<'p, Result<Arc<Visible>>> {
        Box::pin(async move {
            let key = KeptKey { tenant: self.query.tenant, known_at: self.query.known_at, layer: tree.print };
            let revision: Vec<usize> =
                tree.views.iter().map(|view| tables.get(view).map_or(0, |(_, revision)| *revision)).collect();
            let cell = self.kept.cell(key.clone(), &revision);
            let make = || async {
                let limits = self.query.limits;
                let (state, plan) = self.plan(tree, tables, environment).await?;
                let physical = state.create_physical_plan(&plan).await.map_err(plan_error)?;
                let schema = physical.schema();
                let batches =
                    collect(physical, state.task_ctx()).await.map_err(|error| run_error(&error, limits))?;
                let rows = Visible::made(schema, batches);
                if rows.bytes() > limits.memory {
                    let text = format!("The query needs over {} MiB of memory.", limits.memory >> 20);
                    return Err(too_costly(text));
                }
                Ok(Arc::new(rows))
            };
            let was_there = cell.initialized();
            let rows = cell.get_or_try_init(make).await?.clone();
            if !was_there {
                self.kept.settle(&key);
            }
            Ok(rows)
        })
    }

    /// Plans a statement in a session that knows its tables and no others.
    async fn plan(
        &self,
        tree: &Tree,
        tables: &Captured,
        environment: &Arc<RuntimeEnv>,
    ) -> Result<(SessionState, LogicalPlan)> {
        let schema = MemorySchemaProvider::new();
        for (name, branch) in &tree.below {
            let table: Arc<dyn TableProvider> = match branch {
                Branch::View(view) => match tables.get(view) {
                    Some((rows, _)) => rows.clone(),
                    None => return Err(Error::internal("a view was not captured")),
                },
                Branch::Tree(tree) if tree.is_kept => self.layer(tree, tables, environment).await?,
                Branch::Tree(tree) => {
                    let (_, plan) = Box::pin(self.plan(tree, tables, environment)).await?;
                    Arc::new(ViewTable::new(plan, None))
                }
            };
            schema.register_table(name.clone(), table).map_err(Error::internal)?;
        }
        let state = self.session(schema, environment.clone())?;
        let statement = Statement::Statement(Box::new(tree.caged.statement.clone()));
        let plan = state.statement_to_plan(statement).await.map_err(plan_error)?;
        // Before anything walks the whole plan.
        cage::check_plan(&plan)?;
        let reading =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reading.verify_plan(&plan).map_err(plan_error)?;
        let values = self.values(&tree.caged.parameters)?;
        let plan = match values.is_empty() {
            true => plan,
            false => plan.with_param_values(ParamValues::from(values)).map_err(plan_error)?,
        };
        Ok((state, plan))
    }

    fn values(&self, names: &BTreeSet<String>) -> Result<Vec<(String, ScalarValue)>> {
        let value = |name: &String| match self.query.parameters.get(name) {
            Some(value) => Ok((name.clone(), value.scalar().map_err(|error| error.at(name.clone()))?)),
            None => Err(Error::invalid(format!("The parameter '{name}' has no value.")).at(name.clone())),
        };
        names.iter().map(value).collect()
    }

    fn session(&self, schema: MemorySchemaProvider, environment: Arc<RuntimeEnv>) -> Result<SessionState> {
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(schema)).map_err(Error::internal)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        Ok(SessionStateBuilder::new_from_existing(self.template.clone())
            .with_runtime_env(environment)
            .with_catalog_list(Arc::new(catalogs))
            .build())
    }
}

/// The views below a query, each with its visible rows and how many versions there are of its type.
type Captured = BTreeMap<String, (Arc<Visible>, usize)>;

/// What was read so far.
struct Reading {
    views: BTreeSet<String>,
    /// Layers by their addresses.
    done: HashMap<usize, Arc<Tree>>,
}

impl Reading {
    fn view(&mut self, view: &str) -> Result<()> {
        if self.views.len() >= MAX_BRANCHES && !self.views.contains(view) {
            return Err(too_costly(format!("The query stands on over {MAX_BRANCHES} views.")));
        }
        self.views.insert(view.to_owned());
        Ok(())
    }
}

/// A checked statement and what stands behind its names.
struct Tree {
    caged: Arc<Caged>,
    below: Vec<(String, Branch)>,
    /// The views at the bottom.
    views: BTreeSet<String>,
    print: [u8; 32],
    is_kept: bool,
}

enum Branch {
    View(String),
    Tree(Arc<Tree>),
}

/// The mart has no view of this name.
pub(crate) fn no_view(name: &str) -> Error {
    Error::unprocessable(format!("There is no view '{name}' in the mart."))
}

fn too_costly(reason: String) -> Error {
    Error::unprocessable(reason).coded(IssueType::TooCostly)
}

fn timed_out(limits: Limits) -> Error {
    let seconds = limits.time.as_secs_f64();
    Error::new(Kind::TimedOut, format!("The query was stopped at its time limit of {seconds} s."))
}

/// The planner has seen the statement and the names of columns, never a row.
fn plan_error(error: DataFusionError) -> Error {
    let text: String = error.strip_backtrace().chars().take(MAX_MESSAGE).collect();
    Error::unprocessable(format!("The SQL cannot be planned: {text}")).because(error)
}

/// The message of a running query may quote a row, so the caller gets one of ours.
fn run_error(error: &DataFusionError, limits: Limits) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => {
            too_costly(format!("The query needs over {} MiB of memory.", limits.memory >> 20))
        }
        DataFusionError::ArrowError(error, _) => Error::unprocessable(match **error {
            ArrowError::DivideByZero => "The query divides by zero.",
            ArrowError::ArithmeticOverflow(_) => "A number of the query is too large.",
            ArrowError::CastError(_) | ArrowError::ParseError(_) | ArrowError::InvalidArgumentError(_) => {
                "A value cannot be converted as the query asks."
            }
            _ => "The query cannot be run on these rows.",
        }),
        _ => Error::unprocessable("The query cannot be run on these rows."),
    }
}
