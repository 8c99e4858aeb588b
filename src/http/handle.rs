//! The one layer that every request passes: request id, panic guard, metrics, and one line of log.
//!
//! The line names the interaction, the type and the template of the path. It holds no query, no id
//! of a resource and nothing of a body, so no health information can get into a log through it.

use super::App;
use super::ask::Ask;
use super::compatibility;
use super::connection::Traffic;
use super::cors;
use super::fhir::{Endpoint, respond_to};
use super::metrics::Done;
use super::respond;
use crate::rest::route::Route;
use axum::body::Body;
use futures_util::FutureExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use remit_fhir::Error;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use tower::ServiceExt;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from a caller.
const MAX_REQUEST_ID: usize = 64;

/// Logs panics by their place only. The message of a panic may quote what was being worked on, and
/// that may be health information.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}

/// What is logged and counted of a request: names of the specification only.
#[derive(Debug)]
pub(super) struct Note {
    interaction: &'static str,
    type_name: &'static str,
    route: &'static str,
    received_bytes: u64,
}

impl Note {
    const NONE: Note = Note { interaction: "unknown", type_name: "", route: "", received_bytes: 0 };

    /// Notes what a path and a method mean.
    pub(super) fn route(&mut self, app: &App, route: &Route<'_>, method: &Method) {
        self.type_name = route.ty().map_or("", |ty| app.defs.name(ty));
        self.route = route.template();
        self.interaction = interaction(route, method);
    }

    /// Notes a compatibility route by its path in the table.
    pub(super) fn facade(&mut self, path: &'static str) {
        (self.route, self.interaction) = (path, "facade");
    }

    /// Notes the size of the body.
    pub(super) fn received(&mut self, bytes: usize) {
        self.received_bytes = bytes as u64;
    }
}

/// The code of the interaction (<https://hl7.org/fhir/R4/valueset-type-restful-interaction.html> and
/// `system-restful-interaction`).
fn interaction(route: &Route<'_>, method: &Method) -> &'static str {
    match (route, method.as_str()) {
        (Route::System, "POST") => "batch",
        (Route::System, "OPTIONS") | (Route::Metadata, _) => "capabilities",
        (Route::Job(_), _) => "job",
        (Route::System | Route::SystemSearch, _) => "search-system",
        (Route::SystemHistory, _) => "history-system",
        (Route::SystemOperation(_) | Route::TypeOperation(..), _) => "operation",
        (Route::InstanceOperation(..) | Route::VersionOperation(..), _) => "operation",
        (Route::Type(_), "POST") => "create",
        (Route::Type(_) | Route::Instance(..), "PUT") => "update",
        (Route::Type(_) | Route::Instance(..), "PATCH") => "patch",
        (Route::Type(_) | Route::Instance(..), "DELETE") => "delete",
        (Route::Type(_) | Route::TypeSearch(_), _) => "search-type",
        (Route::Compartment(..) | Route::CompartmentSearch(..), _) => "search-compartment",
        (Route::TypeHistory(_), _) => "history-type",
        (Route::Instance(..), _) => "read",
        (Route::InstanceHistory(..), _) => "history-instance",
        (Route::Version(..), _) => "vread",
    }
}

/// Answers a request, whatever happens.
pub(super) async fn handle(
    app: Arc<App>,
    traffic: Arc<Traffic>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let _working = traffic.request();
    let _in_flight = app.metrics.in_flight();
    let start = Instant::now();
    let id = request_id(request.headers());
    let ask = Ask::plain(request.method());
    let mut note = Note::NONE;
    let routed = cors::answer(app.cors.as_ref(), request, |request| route(&app, request, &mut note));
    let answered = AssertUnwindSafe(routed).catch_unwind().await;
    let mut response = match answered {
        Ok(response) => response,
        Err(_) => {
            app.metrics.panicked();
            tracing::error!(request_id = id.to_str().unwrap_or_default(), "a request ended in a panic");
            let error = Error::internal("a panic, whose place is in the log");
            respond::error(&app, &ask, &error, HeaderMap::new()).await
        }
    };
    let done = Done {
        interaction: note.interaction,
        type_name: note.type_name,
        status: response.status().as_u16(),
        elapsed: start.elapsed(),
        received_bytes: note.received_bytes,
        sent_bytes: response.body().size_hint().exact().unwrap_or_default(),
    };
    app.metrics.answered(&done);
    tracing::info!(
        target: "remit::request",
        request_id = id.to_str().unwrap_or_default(),
        interaction = done.interaction,
        r#type = done.type_name,
        route = note.route,
        status = done.status,
        duration_us = done.elapsed.as_micros() as u64,
        bytes = done.sent_bytes,
    );
    response.headers_mut().insert(REQUEST_ID, id);
    Ok(response)
}

async fn route(app: &Arc<App>, request: Request<Incoming>, note: &mut Note) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Some(endpoint) = Endpoint::of(parts.uri.path()) {
        return respond_to(app, endpoint, &parts, body, note).await;
    }
    if let Some(place) = compatibility::Place::of(parts.uri.path()) {
        return compatibility::respond_to(app, place, &parts, body, note).await;
    }
    note.interaction = "other";
    let request = Request::from_parts(parts, Body::new(body));
    // The error type of a router has no value.
    app.routes.clone().oneshot(request).await.unwrap_or_default()
}

/// The caller's id when it is sane, otherwise a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_sane = |value: &&HeaderValue| {
        let fits = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        (1..=MAX_REQUEST_ID).contains(&value.len()) && value.as_bytes().iter().all(fits)
    };
    headers.get(REQUEST_ID).filter(is_sane).cloned().unwrap_or_else(new_id)
}

/// 16 hexadecimal digits that differ from request to request and from start to start.
fn new_id() -> HeaderValue {
    static SEED: std::sync::LazyLock<u64> = std::sync::LazyLock::new(|| uuid::Uuid::new_v4().as_u64_pair().0);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // An odd factor makes neighbours look unlike; no two counts give the same.
    let id = SEED.wrapping_add(COUNT.fetch_add(1, Relaxed)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let text: [u8; 16] = std::array::from_fn(|n| HEX[(id >> (60 - 4 * n)) as usize & 15]);
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_request_id_is_taken_over_and_any_other_replaced() {
        let given = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_static(text));
            request_id(&headers)
        };
        assert_eq!(given("a-1.B_2:3"), "a-1.B_2:3");
        for text in
            ["", "a b", "x\"y", "0123456789012345678901234567890123456789012345678901234567890123456789"]
        {
            let id = given(text);
            assert!(id.len() == 16 && id != text, "{text}");
        }
        assert_ne!(new_id(), new_id());
    }
}
