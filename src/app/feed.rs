//! Hands the store's change log to the mart, change by change.

use remit_fhir::{Error, Result};
use remit_mart::Mart;
use remit_search::AccessPlan;
use remit_spec::{Definitions, TypeId};
use remit_store::{Position, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Changes read at once: some megabytes of bodies.
const BATCH: usize = 1000;

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

async fn follow(store: Store, mart: Arc<Mart>, wake: Arc<Notify>) {
    let types = types_of(&mart);
    let mut position = store.position_numbered(mart.replay_from());
    let mut saved = (tokio::time::Instant::now(), mart.replay_from());
    loop {
        match step(&store, &mart, &types, position).await {
            Ok(reached) if reached != position => {
                position = reached;
                continue;
            }
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

/// Takes in everything that is in the log now.
pub(super) async fn replay(store: &Store, mart: &Arc<Mart>) -> Result<()> {
    let types = types_of(mart);
    let mut position = store.position_numbered(mart.replay_from());
    loop {
        let reached = step(store, mart, &types, position).await?;
        if reached == position {
            return Ok(());
        }
        position = reached;
    }
}

/// The resource types that some view reads.
fn types_of(mart: &Mart) -> Vec<TypeId> {
    let definitions = Definitions::r4();
    mart.resource_types().filter_map(|name| definitions.resource_named(name)).collect()
}

/// Takes in one batch; says how far it came.
async fn step(store: &Store, mart: &Arc<Mart>, types: &[TypeId], after: Position) -> Result<Position> {
    let plan = AccessPlan::system(0, "the mart follows the change log");
    let batch = store.changes(&plan, after, Some(types), BATCH).await?;
    if batch.reached == after {
        return Ok(after);
    }
    let whole = batch.entries.len() < BATCH;
    let (mart, reached) = (mart.clone(), batch.reached);
    let apply = move || {
        let definitions = Definitions::r4();
        let changes: Vec<remit_mart::Change<'_>> = batch
            .entries
            .iter()
            .map(|change| remit_mart::Change {
                // A batch may end inside a transaction, whose number then is not reached yet.
                position: change.position.number() - i64::from(change.position.transaction > 0),
                tenant: change.tenant,
                resource_type: definitions.name(change.ty),
                id: &change.id,
                version: change.version,
                at_us: change.at_us,
                body: change.body.as_deref(),
            })
            .collect();
        mart.apply(&changes)?;
        if whole {
            mart.advance(batch.reached.number());
        }
        Ok::<(), Error>(())
    };
    tokio::task::spawn_blocking(apply).await.map_err(Error::internal)??;
    Ok(reached)
}
