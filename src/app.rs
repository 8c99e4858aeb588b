//! The server put together: the store, the mart that follows it, the operations, the HTTP front.

mod feed;
mod fill;
mod rcm;
mod reindex;
mod verify;
mod view_status;
mod views;

use crate::operation::{self, Operations};
use crate::{billing, edi, sql, work};
use futures_util::future::BoxFuture;
use remit_fhir::{Error, Result};
use remit_mart::{Links, Mart};
use remit_sof::View;
use remit_spec::Definitions;
use remit_store::{Config, DatabaseUrl, Store};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;

pub use feed::Feed;
pub use verify::{repair_mart, verify_mart};

/// How the mart is kept.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// Where it keeps its snapshots; `None` takes the folder `FILE.mart` beside an SQLite file, and
    /// none for PostgreSQL.
    pub folder: Option<PathBuf>,
    /// Bytes that its rows may take in memory; `None` is the default.
    pub memory: Option<usize>,
}

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
    /// Opens the database and the mart beside it.
    pub async fn open(config: &Config, keeping: &Keeping) -> Result<App> {
        let store = Store::open(config).await?;
        let mart = Arc::new(open_mart(&store, config, keeping).await?);
        let feed = Feed::start(store.clone(), mart.clone());
        Ok(App { store, mart, feed, jobs: Arc::default() })
    }
}

impl App {
    /// The operations that this server has.
    pub fn operations(&self) -> Result<Operations> {
        let mut all = vec![self.reindex(), self.view_status()];
        all.extend(self.revenue_operations());
        all.extend(sql::operations(self.tables()));
        all.extend(edi::operations());
        all.extend(work::operations());
        all.extend(billing::operations());
        all.extend(operation::everything());
        all.extend(operation::meta());
        all.push(operation::lastn());
        all.push(operation::graphql());
        all.push(operation::fhirpath());
        Operations::new(Definitions::r4(), all)
    }

    /// What the operations on views and queries ask.
    fn tables(&self) -> sql::Tables {
        let (feed, store, mart) = (self.feed.clone(), self.store.clone(), self.mart.clone());
        let caught_up = move || -> BoxFuture<'static, Result<()>> {
            let (feed, store, mart) = (feed.clone(), store.clone(), mart.clone());
            Box::pin(async move { feed.catch_up(&store, &mart).await })
        };
        sql::Tables { mart: self.mart.clone(), caught_up: Arc::new(caught_up) }
    }

    /// Writes what makes the next start quick. Nothing is lost without it.
    pub async fn close(&self) {
        if let Err(error) = self.mart.snapshot().await {
            tracing::error!(%error, "the mart's snapshot was not written; the next start replays more");
        }
    }
}

/// How the mart of a store is kept.
async fn mart_config(store: &Store, config: &Config, keeping: &Keeping) -> Result<remit_mart::Config> {
    let beside = match &config.url {
        DatabaseUrl::Sqlite(path) => {
            let mut name = path.as_os_str().to_owned();
            name.push(".mart");
            Some(PathBuf::from(name))
        }
        DatabaseUrl::Postgres(_) => None,
    };
    let source = store.identity().await?;
    let default = remit_mart::Config::default();
    let memory_limit = keeping.memory.unwrap_or(default.memory_limit);
    let links = Arc::new(Links::parse(crate::rcm::LINKS).map_err(Error::internal)?);
    Ok(remit_mart::Config {
        folder: keeping.folder.clone().or(beside),
        source,
        memory_limit,
        links,
        ..default
    })
}

async fn open_mart(store: &Store, config: &Config, keeping: &Keeping) -> Result<Mart> {
    let config = mart_config(store, config, keeping).await?;
    let mart = Mart::open_with(config, shipped_views()?, views::stored_views(store).await?)?;
    mart.keep(rcm::asked_layers());
    Ok(mart)
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
