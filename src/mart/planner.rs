//! Plans a query: what it stands on down to the views, each statement once, in a session that knows its
//! tables and no others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::datasource::ViewTable;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;
use datafusion::prelude::SQLOptions;
use datafusion::sql::parser::Statement;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use remit_fhir::{Error, Result};
use sha2::{Digest, Sha256};

use crate::cage::{self, Caged};
use crate::engine::{CATALOG, SCHEMA, no_view, plan_error, run_error, too_costly};
use crate::kept::{Kept, KeptKey};
use crate::query::{Query, Source};
use crate::standing::Standings;
use crate::step::{Print, Step};
use crate::stored::Views;
use crate::table::Table;
use crate::tenant::Tenant;
use crate::visible::Visible;

/// Queries that name queries that name queries.
const MAX_DEPTH: usize = 20;
/// Views that one query may stand on.
const MAX_BRANCHES: usize = 64;

/// One query with all that it may stand on.
pub(crate) struct Planner {
    pub(crate) query: Query,
    pub(crate) tenant: Option<Arc<RwLock<Tenant>>>,
    pub(crate) views: Arc<Views>,
    pub(crate) template: SessionState,
    pub(crate) kept: Arc<Kept>,
    pub(crate) standings: Arc<Standings>,
}

impl Planner {
    /// What the query stands on.
    pub(crate) fn tree(&self) -> Result<Tree> {
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
        self.read(&self.query.sql, caged, relations, 0, &mut Reading::default())
    }

    /// Plans it over all rows, and over layers that are kept by blocks.
    pub(crate) async fn plan_query(
        &self,
        tree: &Tree,
        environment: Arc<RuntimeEnv>,
    ) -> Result<(SessionState, LogicalPlan)> {
        let mut ground = Ground::default();
        self.survey(tree, &mut ground).await;
        let tables = self.capture_all(&ground, &tree.views, &environment).await?;
        self.plan(tree, &tables, &environment).await
    }

    /// What is read of views and what of layers that are kept by blocks.
    fn survey<'p>(&'p self, tree: &'p Tree, ground: &'p mut Ground) -> BoxFuture<'p, ()> {
        Box::pin(async move {
            for (_, branch) in &tree.below {
                match branch {
                    Branch::View(view) => {
                        ground.views.insert(view.clone());
                    }
                    Branch::Tree(tree) => match self.standing_step(tree).await {
                        Some(step) if ground.steps.iter().all(|other| other.print != step.print) => {
                            ground.steps.push(step);
                        }
                        Some(_) => {}
                        None => self.survey(tree, ground).await,
                    },
                }
            }
        })
    }

    /// Collects what a statement stands on, down to the views at the bottom.
    pub(crate) fn read(
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
    fn print(&self, sql: &str, caged: &Caged, below: &[(String, Branch)]) -> Print {
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

    /// The rows of views and of layers that are kept by blocks, all of one moment.
    async fn capture_all(
        &self,
        ground: &Ground,
        all: &BTreeSet<String>,
        environment: &Arc<RuntimeEnv>,
    ) -> Result<Captured> {
        if ground.steps.is_empty() {
            let tenant = self.tenant.as_ref().map(|tenant| tenant.read());
            return self.capture(&ground.views, all, tenant.as_deref());
        }
        let look = |tenant: &Tenant| self.capture(&ground.views, all, Some(tenant));
        let made = self.made(&ground.steps, &[], environment, look).await?;
        // Without blocks there is nothing that a layer could have rows of.
        let (mut captured, rows) = match made {
            Some(made) => made,
            None => {
                let tenant = self.tenant.as_ref().map(|tenant| tenant.read());
                (self.capture(&ground.views, all, tenant.as_deref())?, vec![Vec::new(); ground.steps.len()])
            }
        };
        for (step, rows) in ground.steps.iter().zip(rows) {
            captured.standing.insert(step.print, Arc::new(Visible::made(step.schema(), rows)));
        }
        Ok(captured)
    }

    /// The visible rows of views. A view that the tenant has no rows of is an empty table.
    fn capture(
        &self,
        views: &BTreeSet<String>,
        all: &BTreeSet<String>,
        tenant: Option<&Tenant>,
    ) -> Result<Captured> {
        let mut captured = Captured::default();
        for name in all {
            let shard = tenant.and_then(|tenant| tenant.table(name));
            captured.revisions.insert(name.clone(), shard.map_or(0, |(shard, _)| shard.versions.len()));
        }
        for name in views {
            let view = match (self.views.by_name.get(name), tenant) {
                (Some(view), _) => view,
                (None, Some(tenant)) => tenant.ready(name)?,
                (None, None) => return Err(no_view(name)),
            };
            let rows = match tenant {
                Some(tenant) => Visible::of(tenant, name, self.query.known_at, self.query.rule.as_ref())?,
                None => None,
            };
            let rows = rows.unwrap_or_else(|| Visible::empty(Table::new(view.clone()).schema));
            captured.rows.insert(name.clone(), Arc::new(rows));
        }
        Ok(captured)
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
                tree.views.iter().map(|view| tables.revisions.get(view).copied().unwrap_or(0)).collect();
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
                Branch::View(view) => match tables.rows.get(view) {
                    Some(rows) => rows.clone(),
                    None => return Err(Error::internal("a view was not captured")),
                },
                Branch::Tree(tree) if tree.is_kept => match tables.standing.get(&tree.print) {
                    Some(rows) => rows.clone(),
                    None => self.layer(tree, tables, environment).await?,
                },
                Branch::Tree(tree) => {
                    let (_, plan) = Box::pin(self.plan(tree, tables, environment)).await?;
                    Arc::new(ViewTable::new(plan, None))
                }
            };
            schema.register_table(name.clone(), table).map_err(Error::internal)?;
        }
        let state = self.session(&self.template, schema, environment.clone())?;
        let plan = self.statement(&tree.caged, &state).await?;
        Ok((state, plan))
    }

    /// The plan of a statement, checked, with the values of its parameters.
    pub(crate) async fn statement(&self, caged: &Caged, state: &SessionState) -> Result<LogicalPlan> {
        let statement = Statement::Statement(Box::new(caged.statement.clone()));
        let plan = state.statement_to_plan(statement).await.map_err(plan_error)?;
        // Before anything walks the whole plan.
        cage::check_plan(&plan)?;
        let reading =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        reading.verify_plan(&plan).map_err(plan_error)?;
        let values = self.values(&caged.parameters)?;
        match values.is_empty() {
            true => Ok(plan),
            false => plan.with_param_values(ParamValues::from(values)).map_err(plan_error),
        }
    }

    fn values(&self, names: &BTreeSet<String>) -> Result<Vec<(String, ScalarValue)>> {
        let value = |name: &String| match self.query.parameters.get(name) {
            Some(value) => Ok((name.clone(), value.scalar().map_err(|error| error.at(name.clone()))?)),
            None => Err(Error::invalid(format!("The parameter '{name}' has no value.")).at(name.clone())),
        };
        names.iter().map(value).collect()
    }

    pub(crate) fn session(
        &self,
        template: &SessionState,
        schema: MemorySchemaProvider,
        environment: Arc<RuntimeEnv>,
    ) -> Result<SessionState> {
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(schema)).map_err(Error::internal)?;
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        Ok(SessionStateBuilder::new_from_existing(template.clone())
            .with_runtime_env(environment)
            .with_catalog_list(Arc::new(catalogs))
            .build())
    }
}

/// What a query is planned over.
#[derive(Default)]
struct Ground {
    /// Views that are read whole.
    views: BTreeSet<String>,
    /// Layers that are kept by blocks.
    steps: Vec<Arc<Step>>,
}

/// What is below a query at one moment.
#[derive(Default)]
struct Captured {
    /// The visible rows of views that are read whole.
    rows: BTreeMap<String, Arc<Visible>>,
    /// The rows of layers that are kept by blocks.
    standing: HashMap<Print, Arc<Visible>>,
    /// How many versions there were of what each reads.
    revisions: BTreeMap<String, usize>,
}

/// What was read so far.
#[derive(Default)]
pub(crate) struct Reading {
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
pub(crate) struct Tree {
    pub(crate) caged: Arc<Caged>,
    pub(crate) below: Vec<(String, Branch)>,
    /// The views at the bottom.
    views: BTreeSet<String>,
    pub(crate) print: Print,
    pub(crate) is_kept: bool,
}

pub(crate) enum Branch {
    View(String),
    Tree(Arc<Tree>),
}
