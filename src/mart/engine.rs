//! Runs queries in DataFusion, on threads of its own: a query that computes for long does not keep
//! the server's threads busy. Nothing is set up before the first query.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use futures_util::StreamExt;
use parking_lot::RwLock;
use remit_fhir::{Error, IssueType, Kind, Result};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use crate::functions;
use crate::kept::Kept;
use crate::planner::Planner;
use crate::query::{Limits, Query};
use crate::standing::Standings;
use crate::stored::Views;
use crate::tenant::Tenant;
use crate::visible::PARTITIONS;

/// Stack of a planning thread. Planning recurses over expressions, and a statement may chain
/// thousands of them; memory is only taken as far as the stack is used.
pub(crate) const STACK_BYTES: usize = 128 << 20;
/// Batches that wait for a slow reader.
const BATCHES_AHEAD: usize = 4;
/// Characters of a planner's message that a caller is shown.
const MAX_MESSAGE: usize = 600;

pub(crate) const CATALOG: &str = "mart";
pub(crate) const SCHEMA: &str = "views";

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

    /// The session that queries start from.
    pub(crate) fn template(&self) -> Result<SessionState> {
        Ok(self.parts()?.template.clone())
    }

    /// Plans a query and begins to run it.
    pub(crate) async fn start(
        &self,
        query: Query,
        tenant: Option<Arc<RwLock<Tenant>>>,
        views: Arc<Views>,
        kept: Arc<Kept>,
        standings: Arc<Standings>,
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
            let planner = Planner { query, tenant, views, template, kept, standings };
            let work = run(planner, schema_sender, sender.clone());
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
    let tree = planner.tree()?;
    if let Some((made, batches)) = planner.by_blocks(&tree, &environment).await? {
        return give(made, batches, limits, schema, &sender).await;
    }
    let (state, plan) = planner.plan_query(&tree, environment).await?;
    let physical = state.create_physical_plan(&plan).await.map_err(plan_error)?;
    let mut stream = execute_stream(physical, state.task_ctx()).map_err(|error| run_error(&error, limits))?;
    if schema.send(stream.schema()).is_err() {
        return Ok(());
    }
    let mut given = Given { rows: 0, bytes: 0, limits };
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| run_error(&error, limits))?;
        if batch.num_rows() > 0 {
            given.add(&batch)?;
            if sender.send(Ok(batch)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What was given of an answer.
struct Given {
    rows: usize,
    bytes: usize,
    limits: Limits,
}

impl Given {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        self.bytes += batch.get_array_memory_size();
        let Limits { rows, bytes, .. } = self.limits;
        if self.rows > rows {
            let text = format!("The answer has over {rows} rows; narrow it down or add a LIMIT.");
            return Err(too_costly(text));
        }
        if self.bytes > bytes {
            return Err(too_costly(format!("The answer has over {} MiB; narrow it down.", bytes >> 20)));
        }
        Ok(())
    }
}

/// Gives rows that are there.
async fn give(
    made: SchemaRef,
    batches: Vec<RecordBatch>,
    limits: Limits,
    schema: oneshot::Sender<SchemaRef>,
    sender: &mpsc::Sender<Result<RecordBatch>>,
) -> Result<()> {
    if schema.send(made).is_err() {
        return Ok(());
    }
    let mut given = Given { rows: 0, bytes: 0, limits };
    for batch in batches.into_iter().filter(|batch| batch.num_rows() > 0) {
        given.add(&batch)?;
        if sender.send(Ok(batch)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The mart has no view of this name.
pub(crate) fn no_view(name: &str) -> Error {
    Error::unprocessable(format!("There is no view '{name}' in the mart."))
}

pub(crate) fn too_costly(reason: String) -> Error {
    Error::unprocessable(reason).coded(IssueType::TooCostly)
}

fn timed_out(limits: Limits) -> Error {
    let seconds = limits.time.as_secs_f64();
    Error::new(Kind::TimedOut, format!("The query was stopped at its time limit of {seconds} s."))
}

/// The planner has seen the statement and the names of columns, never a row.
pub(crate) fn plan_error(error: DataFusionError) -> Error {
    let text: String = error.strip_backtrace().chars().take(MAX_MESSAGE).collect();
    Error::unprocessable(format!("The SQL cannot be planned: {text}")).because(error)
}

/// The message of a running query may quote a row, so the caller gets one of ours.
pub(crate) fn run_error(error: &DataFusionError, limits: Limits) -> Error {
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
