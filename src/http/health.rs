//! `/health/live`, `/health/ready` and `/metrics`.

use super::App;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Weak;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How long the database may take to answer a readiness probe.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The routes. They hold the server weakly, because it holds them.
pub(super) fn routes(app: Weak<App>) -> Router {
    let ready = app.clone();
    Router::new()
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(move || readiness(ready.clone())))
        .route("/metrics", get(move || metrics(app.clone())))
}

/// Whether requests should be sent here: not while the database is away, and not any more once the
/// server was told to stop.
async fn readiness(app: Weak<App>) -> (StatusCode, &'static str) {
    let Some(app) = app.upgrade() else { return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n") };
    if app.is_draining.load(Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match tokio::time::timeout(PING_TIMEOUT, app.store.ping()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}

async fn metrics(app: Weak<App>) -> impl IntoResponse {
    let text = app.upgrade().map(|app| app.metrics.render()).unwrap_or_default();
    ([(CONTENT_TYPE, METRICS_TYPE)], text)
}
