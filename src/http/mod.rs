//! The HTTP interface: the only room that knows axum and hyper (<https://hl7.org/fhir/R4/http.html>).
//!
//! A request meets one layer ([`handle`]): request id, panic guard, metrics, log. Paths of FHIR are
//! matched by hand and answered by the rooms below; all other paths belong to an axum router.

mod access;
mod ask;
mod binary;
mod body;
mod capability;
mod compatibility;
mod connection;
mod cors;
mod fhir;
mod format;
mod gzip;
mod handle;
mod health;
mod metrics;
mod respond;
mod serve;
mod settings;
#[cfg(test)]
mod tests;

/// Routes beside FHIR, health and metrics.
pub use axum::Router as Routes;
pub use cors::origin;
pub use format::Format;
pub use handle::log_panics;
pub use metrics::Metrics;
pub use serve::serve;
pub use settings::Settings;

use crate::operation::Operations;
use crate::rest;
use remit_fhir::date::Micros;
use remit_spec::Definitions;
use remit_store::{Store, system_clock};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tower_http::cors::CorsLayer;

/// What the server is made of. Cloning shares it.
#[derive(Clone)]
pub struct AppState {
    inner: Arc<App>,
}

/// The parts of a server.
struct App {
    store: Store,
    defs: &'static Definitions,
    settings: Settings,
    rules: rest::Settings,
    operations: Operations,
    metrics: Metrics,
    routes: axum::Router,
    tenants: access::Tenants,
    capabilities: capability::Cache,
    budget: body::Budget,
    /// What pages of other origins are told.
    cors: Option<CorsLayer>,
    started_us: Micros,
    /// Set once the server was told to stop.
    is_draining: AtomicBool,
}

impl AppState {
    /// A server over a store. `routes` answers paths that are neither FHIR nor health nor metrics.
    pub fn new(
        store: Store,
        settings: Settings,
        rules: rest::Settings,
        operations: Operations,
        metrics: Metrics,
        routes: axum::Router,
    ) -> AppState {
        let budget = body::Budget::new(&settings);
        let cors = cors::layer(&settings.allowed_origins);
        let inner = Arc::new_cyclic(|app| App {
            store,
            defs: Definitions::r4(),
            settings,
            rules,
            operations,
            metrics,
            routes: routes.merge(health::routes(app.clone())),
            tenants: access::Tenants::default(),
            capabilities: capability::Cache::default(),
            budget,
            cors,
            started_us: system_clock(),
            is_draining: AtomicBool::new(false),
        });
        AppState { inner }
    }
}
