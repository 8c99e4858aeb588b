//! The server put together: the store, the mart that follows it, the operations, the HTTP front.

mod evaluate;
mod feed;
mod reindex;
mod verify;

use crate::operation::{self, Operations};
use remit_fhir::{Error, Result};
use remit_mart::Mart;
use remit_sof::View;
use remit_spec::Definitions;
use remit_store::{Config, DatabaseUrl, Store};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;

pub use feed::Feed;
pub use verify::verify_mart;

/// Everything that requests and jobs share.
#[derive(Clone)]
pub struct App {
    /// Resources.
    pub store: Store,
    /// Views as columns, for figures.
    pub mart: Arc<Mart>,
    /// Keeps the mart in step.
    pub feed: Feed,
    /// Wakes the work on jobs.
    jobs: Arc<Notify>,
}

impl App {
    /// Opens the database and the mart beside it. `folder` is where the mart keeps its snapshots;
    /// `None` takes the folder `FILE.mart` beside an SQLite file, and none for PostgreSQL.
    pub async fn open(config: &Config, folder: Option<PathBuf>) -> Result<App> {
        let store = Store::open(config).await?;
        let mart = Arc::new(open_mart(&store, config, folder).await?);
        let feed = Feed::start(store.clone(), mart.clone());
        Ok(App { store, mart, feed, jobs: Arc::default() })
    }
}

impl App {
    /// The operations that this server has.
    pub fn operations(&self) -> Result<Operations> {
        let mut all = vec![self.evaluate_measure(), self.reindex()];
        all.extend(operation::everything());
        all.extend(operation::meta());
        all.push(operation::lastn());
        all.push(operation::graphql());
        Operations::new(Definitions::r4(), all)
    }

    /// Writes what makes the next start quick. Nothing is lost without it.
    pub async fn close(&self) {
        if let Err(error) = self.mart.snapshot().await {
            tracing::error!(%error, "the mart's snapshot was not written; the next start replays more");
        }
    }
}

async fn open_mart(store: &Store, config: &Config, folder: Option<PathBuf>) -> Result<Mart> {
    let beside = match &config.url {
        DatabaseUrl::Sqlite(path) => {
            let mut name = path.as_os_str().to_owned();
            name.push(".mart");
            Some(PathBuf::from(name))
        }
        DatabaseUrl::Postgres(_) => None,
    };
    let source = store.identity().await?;
    let config = remit_mart::Config { folder: folder.or(beside), source, ..remit_mart::Config::default() };
    Mart::open(config, shipped_views()?)
}

/// The views that come with the program.
fn shipped_views() -> Result<Vec<View>> {
    let definitions = Definitions::r4();
    crate::rcm::artefacts_of("ViewDefinition")
        .map(|artefact| {
            let document = remit_fhir::json::parse(artefact.json)?;
            View::parse(document.root(), definitions)
                .map_err(|issues| Error::with_issues(remit_fhir::Kind::Internal, issues))
        })
        .collect()
}
