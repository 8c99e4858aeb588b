//! `remit serve`.

use super::DatabaseArgs;
use crate::app::{App, Keeping};
use crate::http::{self, AppState, Metrics};
use crate::rest::{self, ConditionalDelete};
use clap::{Args, ValueEnum};
use hyper::header::HeaderValue;
use remit_fhir::{Error, Kind, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;

#[derive(Args, Clone)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub(super) database: DatabaseArgs,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// Settings of the HTTP server.
#[derive(Args, Clone)]
pub(super) struct ServerArgs {
    /// Address and port to listen on
    #[arg(long, env = "REMIT_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(super) listen: SocketAddr,
    /// How callers are told apart. Without sign-in the server answers on loopback addresses only
    #[arg(long, env = "REMIT_AUTH", value_enum, default_value = "none", value_name = "HOW")]
    auth: Auth,
    /// The address that clients know the server by, e.g. https://fhir.example.org; else that of each request
    #[arg(long, env = "REMIT_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// An origin whose pages may call the server from a browser, e.g. https://dashboard.example.org; may be repeated
    #[arg(long = "allow-origin", env = "REMIT_ALLOW_ORIGIN", value_delimiter = ',', value_parser = http::origin, value_name = "ORIGIN")]
    allowed_origins: Vec<HeaderValue>,
    /// Where the figures' columns are kept between starts; else beside an SQLite file
    #[arg(long, env = "REMIT_MART", value_name = "FOLDER")]
    mart: Option<PathBuf>,
    /// MiB that the figures' columns may take in memory; past it stored views are given up, largest first
    #[arg(long, env = "REMIT_MART_MEMORY", default_value_t = 2048, value_name = "MIB")]
    mart_memory: usize,
    /// Largest request body in bytes, after unpacking
    #[arg(long, env = "REMIT_MAX_BODY", default_value_t = 64 << 20, value_name = "BYTES")]
    max_body: usize,
    /// Bytes of request bodies held at once; more wait
    #[arg(long, env = "REMIT_BODY_BUDGET", default_value_t = 64 << 20, value_name = "BYTES")]
    body_budget: usize,
    /// Longest URL in bytes
    #[arg(long, env = "REMIT_MAX_URL", default_value_t = 16 << 10, value_name = "BYTES")]
    max_url: usize,
    /// Request line and headers in bytes
    #[arg(long, env = "REMIT_MAX_HEADERS", default_value_t = 64 << 10, value_name = "BYTES")]
    max_headers: usize,
    /// Connections at once; more wait
    #[arg(long, env = "REMIT_MAX_CONNECTIONS", default_value_t = 8192, value_name = "N")]
    max_connections: usize,
    /// Seconds that a client may take for its headers
    #[arg(long, env = "REMIT_HEADER_TIMEOUT", default_value_t = 30, value_name = "SECONDS")]
    header_timeout: u64,
    /// Seconds after which a connection on which nothing moves is cut
    #[arg(long, env = "REMIT_IDLE_TIMEOUT", default_value_t = 60, value_name = "SECONDS")]
    idle_timeout: u64,
    /// Seconds that the work on one request may take
    #[arg(long, env = "REMIT_REQUEST_TIMEOUT", default_value_t = 120, value_name = "SECONDS")]
    request_timeout: u64,
    /// Seconds that running requests get when the server is stopped
    #[arg(long, env = "REMIT_DRAIN_TIMEOUT", default_value_t = 30, value_name = "SECONDS")]
    drain_timeout: u64,
    /// Entries of one batch or transaction
    #[arg(long, env = "REMIT_BUNDLE_ENTRIES", default_value_t = 10_000, value_name = "N")]
    bundle_entries: usize,
    /// Whether /api answers under the names that dashboards before FHIR used
    #[arg(long, env = "REMIT_COMPATIBILITY_ROUTES", default_value_t = true, action = clap::ArgAction::Set, value_name = "TRUTH")]
    compatibility_routes: bool,
    /// Whether a conditional delete may delete several resources
    #[arg(long, env = "REMIT_CONDITIONAL_DELETE", value_enum, default_value = "single", value_name = "HOW")]
    conditional_delete: HowMany,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Auth {
    /// Everybody may do everything; on loopback addresses only
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum HowMany {
    /// It refuses when several match
    Single,
    /// It deletes all that match
    Multiple,
}

pub(super) async fn run(args: ServeArgs) -> Result<ExitCode> {
    let (listener, app) = start(&args).await?;
    tracing::info!(address = %args.server.listen, "serving FHIR at /fhir");
    serve(app, listener, &args.server).await?;
    Ok(ExitCode::SUCCESS)
}

/// Takes the address and opens the database.
pub(super) async fn start(args: &ServeArgs) -> Result<(TcpListener, App)> {
    let Auth::None = args.server.auth;
    let listen = args.server.listen;
    if !listen.ip().is_loopback() {
        return Err(Error::invalid(format!(
            "{listen} can be reached from outside, and without sign-in everybody could read everything. \
             Listen on 127.0.0.1 or [::1], behind something that signs people in."
        )));
    }
    let listener = TcpListener::bind(listen).await.map_err(|e| {
        Error::new(
            Kind::Conflict,
            format!("The address {listen} cannot be listened on; is another server running there?"),
        )
        .because(e)
    })?;
    let keeping = Keeping {
        folder: args.server.mart.clone(),
        memory: Some(args.server.mart_memory.saturating_mul(1 << 20)),
    };
    let app = App::open(&args.database.config()?, &keeping).await?;
    Ok((listener, app))
}

/// Serves until the process is told to stop.
pub(super) async fn serve(app: App, listener: TcpListener, args: &ServerArgs) -> Result<()> {
    app.work(args.public_url.as_deref());
    let state = AppState::new(
        app.store.clone(),
        args.settings(),
        rest::Settings { derived: app.derived(), ..args.rules() },
        app.operations()?,
        Metrics::default(),
        http::Routes::new(),
    );
    http::serve(state, listener, told_to_stop()).await.map_err(Error::internal)?;
    app.close().await;
    Ok(())
}

impl ServerArgs {
    fn settings(&self) -> http::Settings {
        http::Settings {
            public_url: self.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            allowed_origins: self.allowed_origins.clone(),
            max_body_bytes: self.max_body,
            body_budget_bytes: self.body_budget,
            max_url_bytes: self.max_url,
            max_header_bytes: self.max_headers,
            max_connections: self.max_connections,
            header_timeout: Duration::from_secs(self.header_timeout),
            idle_timeout: Duration::from_secs(self.idle_timeout),
            request_timeout: Duration::from_secs(self.request_timeout),
            drain_timeout: Duration::from_secs(self.drain_timeout),
            compatibility: self.compatibility_routes,
            ..http::Settings::default()
        }
    }

    fn rules(&self) -> rest::Settings {
        rest::Settings {
            public_url: self.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            bundle_entries: self.bundle_entries,
            conditional_delete: match self.conditional_delete {
                HowMany::Single => ConditionalDelete::Single,
                HowMany::Multiple => ConditionalDelete::Multiple,
            },
            ..rest::Settings::default()
        }
    }
}

/// Ends when the process is asked to stop: Ctrl-C or SIGTERM.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be caught; Ctrl-C still stops the server in good order");
            let _ = interrupt.await;
        }
    }
    tracing::info!("stopping: no new connections, running requests are finished");
}
