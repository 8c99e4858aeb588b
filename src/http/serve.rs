//! Accepting connections, HTTP/1.1 and HTTP/2 without TLS on one port, and stopping in good order.

use super::connection::{Traffic, Watched};
use super::handle::handle;
use super::settings::Settings;
use super::{App, AppState};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Pause after an accept that failed for want of a file descriptor; some connection will have ended.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// The least that hyper takes for its buffer.
const MIN_BUFFER: usize = 8 << 10;

/// Serves until `shutdown` is done; then accepts no more, lets requests finish that are being worked
/// on, up to the drain timeout, and returns.
pub async fn serve(
    state: AppState,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let app = state.inner;
    let builder = Arc::new(builder(&app.settings));
    let limit = app.settings.max_connections;
    let slots = Arc::new(Semaphore::new(limit));
    let (stop, stopping) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, slot)) => {
                let connection =
                    connection(Arc::clone(&app), Arc::clone(&builder), stream, stopping.clone(), slot);
                tokio::spawn(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    app.is_draining.store(true, Relaxed);
    drop(stop);
    // All slots are free again when every connection has ended.
    let all_ended = slots.acquire_many(limit as u32);
    if tokio::time::timeout(app.settings.drain_timeout, all_ended).await.is_err() {
        tracing::warn!("some requests were not finished in time and are cut off");
    }
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are written whole; waiting for more to send only delays them.
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

fn builder(settings: &Settings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // What hyper calls the header timeout runs from the end of the request before.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        // The buffer holds request line and headers together, so its bound is theirs.
        .max_buf_size(settings.max_header_bytes.max(MIN_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_streams)
        .max_header_list_size(settings.max_header_bytes as u32)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    builder
}

async fn connection(
    app: Arc<App>,
    builder: Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    mut stopping: watch::Receiver<()>,
    slot: OwnedSemaphorePermit,
) {
    let traffic = Arc::new(Traffic::default());
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&traffic)));
    let idle_timeout = app.settings.idle_timeout;
    let of_service = Arc::clone(&traffic);
    let service = service_fn(move |request| handle(Arc::clone(&app), Arc::clone(&of_service), request));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut sweep = tokio::time::interval(idle_timeout);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    sweep.tick().await;
    let (mut moved, mut is_stopping) = (0, false);
    loop {
        tokio::select! {
            biased;
            // An error of a connection is the peer's: it went away or does not speak HTTP.
            _ = &mut connection => break,
            _ = sweep.tick() => {
                if traffic.bytes() == moved && !traffic.is_working() {
                    break;
                }
                moved = traffic.bytes();
            }
            _ = stopping.changed(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
    drop(slot);
}
