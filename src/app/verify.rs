//! The mart held against the resources: its rows from the snapshot and the log, and rows made afresh.

use super::{feed, open_mart, shipped_views};
use remit_fhir::Result;
use remit_mart::Mart;
use remit_store::{Config, Store};
use std::sync::Arc;

/// Recomputes the mart from the whole change log and compares it with the one that a server would
/// open. One line for each difference; none when they agree.
pub async fn verify_mart(store: &Store, config: &Config) -> Result<Vec<String>> {
    let kept = Arc::new(open_mart(store, config, None).await?);
    let fresh = Arc::new(Mart::open(remit_mart::Config::default(), shipped_views()?)?);
    feed::replay(store, &kept).await?;
    feed::replay(store, &fresh).await?;
    kept.differences(&fresh)
}
