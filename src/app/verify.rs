//! The mart held against the resources: its rows from the snapshot and the log, and rows made afresh.

use super::{Keeping, feed, mart_config, open_mart, shipped_views, views};
use remit_fhir::Result;
use remit_mart::Mart;
use remit_store::{Config, Store};
use std::sync::Arc;

/// Recomputes the mart from the whole change log and compares it with the one that a server would
/// open. One line for each difference; none when they agree.
pub async fn verify_mart(store: &Store, config: &Config, keeping: &Keeping) -> Result<Vec<String>> {
    let kept = Arc::new(open_mart(store, config, keeping).await?);
    let fresh = fresh(store, remit_mart::Config::default()).await?;
    feed::replay(store, &kept).await?;
    feed::replay(store, &fresh).await?;
    kept.differences(&fresh)
}

/// Makes the rows of all views again from the whole change log and puts them in the place of those
/// that were kept. A server that runs meanwhile has its own until it is started again.
pub async fn repair_mart(store: &Store, config: &Config, keeping: &Keeping) -> Result<()> {
    let config = mart_config(store, config, keeping).await?;
    if let Some(folder) = &config.folder {
        Mart::discard(folder)?;
    }
    let fresh = fresh(store, config).await?;
    feed::replay(store, &fresh).await?;
    fresh.snapshot().await
}

/// A mart that takes up nothing that was kept.
async fn fresh(store: &Store, config: remit_mart::Config) -> Result<Arc<Mart>> {
    Ok(Arc::new(Mart::open_with(config, shipped_views()?, views::stored_views(store).await?)?))
}
