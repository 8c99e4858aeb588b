//! Hands the store's change log to the mart, change by change.

use super::fill::Fills;
use super::views::{stored_view, view_type};
use remit_fhir::{Error, Result};
use remit_mart::Mart;
use remit_search::AccessPlan;
use remit_spec::{Definitions, TypeId};
use remit_store::{Change, Position, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Changes read at once: some megabytes of bodies.
pub(super) const BATCH: usize = 1000;

/// How long the feed rests when there is nothing new and nobody asks.
const REST: Duration = Duration::from_millis(500);

/// How long it waits after a fault of the database before it tries again.
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// How long a question waits until the mart holds every change made before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a snapshot is written at most; a start replays what came after the last one.
const SNAPSHOT: Duration = Duration::from_secs(60);

/// The task that keeps the mart in step.
#[derive(Clone)]
pub struct Feed {
    wake: Arc<Notify>,
}

impl Feed {
    /// Starts it.
    pub fn start(store: Store, mart: Arc<Mart>) -> Feed {
        let wake = Arc::new(Notify::new());
        tokio::spawn(follow(store, mart, wake.clone()));
        Feed { wake }
    }

    /// Waits until the mart holds everything that was committed before this call.
    pub async fn catch_up(&self, store: &Store, mart: &Mart) -> Result<()> {
        let position = store.position().await?.number();
        self.wake.notify_one();
        mart.wait_for(position, PATIENCE).await
    }
}

/// How far a step came.
struct Step {
    reached: Position,
    /// The log has more.
    has_more: bool,
}

async fn follow(store: Store, mart: Arc<Mart>, wake: Arc<Notify>) {
    let mut fills = Fills::new(store.clone(), mart.clone(), wake.clone());
    let mut position = store.position_numbered(mart.replay_from());
    let mut saved = (tokio::time::Instant::now(), mart.replay_from());
    loop {
        let step = step(&store, &mart, position).await;
        let tended = match &step {
            // Rows of new views are put in and begun between two batches, once the log is at its end.
            Ok(step) if !step.has_more => fills.tend(step.reached).await,
            _ => Ok(()),
        };
        match step.and_then(|step| tended.map(|()| step)) {
            Ok(step) if step.reached != position => position = step.reached,
            Ok(_) => {
                if saved.0.elapsed() > SNAPSHOT && mart.position() != saved.1 {
                    saved = (tokio::time::Instant::now(), mart.position());
                    if let Err(error) = mart.snapshot().await {
                        tracing::error!(%error, "the mart's snapshot was not written; a restart replays more");
                    }
                }
                // A wake-up that comes before this line is kept by Notify.
                let _ = tokio::time::timeout(REST, wake.notified()).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the mart cannot follow the store now");
                tokio::time::sleep(AFTER_FAULT).await;
            }
        }
    }
}

/// Takes in everything that is in the log now, and fills every view.
pub(super) async fn replay(store: &Store, mart: &Arc<Mart>) -> Result<()> {
    let mut position = store.position_numbered(mart.replay_from());
    loop {
        let step = step(store, mart, position).await?;
        if step.reached == position {
            break;
        }
        position = step.reached;
    }
    let mut fills = Fills::new(store.clone(), mart.clone(), Arc::default());
    fills.finish(position).await
}

/// The resource types that some view reads, and the views themselves.
fn types_of(mart: &Mart) -> Vec<TypeId> {
    let definitions = Definitions::r4();
    let read = mart.resource_types();
    let mut types: Vec<TypeId> =
        read.iter().filter_map(|name| definitions.resource_named(name)).chain(view_type()).collect();
    types.sort_unstable();
    types.dedup();
    types
}

/// Takes in one batch; says how far it came.
async fn step(store: &Store, mart: &Arc<Mart>, after: Position) -> Result<Step> {
    let plan = AccessPlan::system(0, "the mart follows the change log");
    let batch = store.changes(&plan, after, Some(&types_of(mart)), BATCH).await?;
    if batch.reached == after {
        return Ok(Step { reached: after, has_more: false });
    }
    let has_more = batch.entries.len() >= BATCH;
    let (mart, reached) = (mart.clone(), batch.reached);
    let apply = move || {
        let views = batch.entries.iter().filter(|change| Some(change.ty) == view_type());
        views.for_each(|change| mart.define(stored_view(change)));
        let changes: Vec<remit_mart::Change<'_>> = batch.entries.iter().map(of_store).collect();
        mart.apply(&changes)?;
        if !has_more {
            mart.advance(batch.reached.number());
        }
        Ok::<(), Error>(())
    };
    tokio::task::spawn_blocking(apply).await.map_err(Error::internal)??;
    Ok(Step { reached, has_more })
}

/// A change as the mart takes it.
pub(super) fn of_store(change: &Change) -> remit_mart::Change<'_> {
    remit_mart::Change {
        // A batch may end inside a transaction, whose number then is not reached yet.
        position: change.position.number() - i64::from(change.position.transaction > 0),
        tenant: change.tenant,
        resource_type: Definitions::r4().name(change.ty),
        id: &change.id,
        version: change.version,
        at_us: change.at_us,
        body: change.body.clone(),
    }
}
