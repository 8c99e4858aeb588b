//! Receiving request bodies: bounded in size, in pace, and together in memory.
//!
//! A body may be read once its bytes are granted from a budget; the grant is kept until the request is
//! answered, because the work on it takes memory in proportion. Small bodies have a budget of their
//! own, so that slow senders of large ones hold up no one else.

use super::format::unsupported;
use super::gzip;
use super::settings::Settings;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use remit_fhir::{Error, Kind, Result};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// Budgets are counted in units of this many bytes.
const UNIT: usize = 1 << 10;
/// Bodies up to this size share the small budget. Single resources are nearly always smaller.
const SMALL: usize = 256 << 10;
/// The small budget. A few hundred writers at once fit into it.
const SMALL_BUDGET: usize = 16 << 20;
/// First grant to a body that does not say how long it is; each further one doubles it.
const FIRST_GRANT: usize = 256 << 10;
/// How long a body waits for its grant before the client is asked to come back.
const GRANT_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that request bodies may hold at once.
#[derive(Debug)]
pub(super) struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    large_units: usize,
}

impl Budget {
    pub(super) fn new(settings: &Settings) -> Budget {
        // The largest body must fit, or it would wait for ever.
        let large_units = settings.body_budget_bytes.max(settings.max_body_bytes).div_ceil(UNIT);
        Budget {
            small: Arc::new(Semaphore::new(SMALL_BUDGET / UNIT)),
            large: Arc::new(Semaphore::new(large_units)),
            large_units,
        }
    }

    async fn grant(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let pool = if bytes <= SMALL { &self.small } else { &self.large };
        let units = bytes.div_ceil(UNIT).min(self.large_units) as u32;
        match timeout(GRANT_TIMEOUT, Arc::clone(pool).acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Error::unavailable(
                "The server is busy with other large requests; try again in a moment.",
            )),
        }
    }
}

/// A received body with its share of the budget.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    _grants: Vec<OwnedSemaphorePermit>,
}

/// Receives the body of a request, unpacked.
pub(super) async fn receive(
    body: Incoming,
    headers: &HeaderMap,
    settings: &Settings,
    budget: &Budget,
) -> Result<Received> {
    let encoding = match headers.get(CONTENT_ENCODING) {
        Some(value) => Some(value.to_str().map_err(|_| unsupported("The Content-Encoding cannot be read."))?),
        None => None,
    };
    let is_packed = gzip::is_packed(encoding)?;
    let mut received = collect(body, settings, budget).await?;
    if is_packed {
        let packed = received.bytes.clone();
        let limit = settings.max_body_bytes;
        let len = blocking(packed.len(), move || gzip::unpacked_len(&packed, limit)).await?;
        let grant = budget.grant(len).await?;
        let packed = received.bytes;
        let bytes = blocking(len, move || gzip::unpack(&packed, len)).await?;
        received = Received { bytes, _grants: vec![grant] };
    }
    Ok(received)
}

async fn collect(mut body: Incoming, settings: &Settings, budget: &Budget) -> Result<Received> {
    let limit = settings.max_body_bytes;
    let declared = body.size_hint().exact();
    if declared.is_some_and(|len| len > limit as u64) {
        return Err(too_large(limit));
    }
    let declared = declared.map(|len| len as usize);
    let mut granted = declared.unwrap_or(FIRST_GRANT);
    let mut grants = vec![budget.grant(granted).await?];
    let start = Instant::now() + settings.body_grace;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut len = 0;
    loop {
        let deadline = start + Duration::from_secs((len / settings.min_body_pace.max(1)) as u64);
        let Ok(frame) = timeout_at(deadline, body.frame()).await else { return Err(too_slow()) };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(cut_off)?.into_data() else { continue };
        len += data.len();
        if len > limit {
            return Err(too_large(limit));
        }
        if len > granted {
            let more = granted.min(limit - granted).max(data.len());
            grants.push(budget.grant(more.max(SMALL + 1)).await?);
            granted += more;
        }
        // A body that arrives in one piece is not copied.
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(declared.unwrap_or(len * 2).max(len));
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    let bytes = if rest.is_empty() { first } else { rest.freeze() };
    Ok(Received { bytes, _grants: grants })
}

/// Work on so many bytes that it would hold up other requests goes to a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    len: usize,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    /// A few hundred microseconds of packing or parsing.
    const INLINE: usize = 64 << 10;
    if len <= INLINE {
        return work();
    }
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

/// 413 with the limit.
pub(super) fn too_large(limit: usize) -> Error {
    Error::new(
        Kind::TooLarge,
        format!("The body is larger than the {} KiB that this server takes.", limit >> 10),
    )
}

fn too_slow() -> Error {
    Error::new(Kind::RequestTimeout, "The body did not arrive in time.")
}

fn cut_off(cause: hyper::Error) -> Error {
    Error::invalid("The body ended before it was complete, or it is not framed as HTTP asks.").because(cause)
}
