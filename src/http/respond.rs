//! From an answer or an error to a response: format, headers, compression
//! (<https://hl7.org/fhir/R4/http.html#mime-type>, RFC 9110).

use super::App;
use super::ask::Ask;
use super::body::blocking;
use super::format::Format;
use super::gzip;
use crate::rest::{Answer, Context, Preference, etag, pretty};
use axum::body::Body;
use bytes::Bytes;
use futures_util::TryStreamExt;
use hyper::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, LAST_MODIFIED, LOCATION, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use remit_fhir::date::http_date;
use remit_fhir::{Error, Result, json, operation_outcome};
use remit_spec::Definitions;
use remit_xml::Layout;

/// A client may keep an answer but asks again whether it is still good; nobody else keeps it.
const CACHING: HeaderValue = HeaderValue::from_static("private, no-cache");
const VARIES: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The response to a read, a search, an operation.
pub(super) async fn answer(app: &App, ask: &Ask, cx: &Context<'_>, answer: Answer) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(12);
    describe(&mut headers, cx, &answer);
    if let Some(handling) = ask.prefer.handling.and(ask.prefer.applied().last()) {
        headers.append(PREFERENCE_APPLIED, HeaderValue::from_static(handling));
    }
    if let (Some(content_type), Some(parts)) = (answer.content_type, answer.stream.and_then(|s| s.take())) {
        headers.insert(VARY, VARIES);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let parts = parts.inspect_err(|error| {
            tracing::warn!(status = error.status(), cause = %Chain(error), "an answer was broken off");
        });
        return finish_body(
            answer.status,
            headers,
            if ask.is_head { Body::empty() } else { Body::from_stream(parts) },
        );
    }
    if let (Some(content_type), Some(body)) = (answer.content_type, &answer.body) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let body = pack(app, ask, &mut headers, body.clone()).await;
        return finish(ask, answer.status, headers, body);
    }
    written(app, ask, answer.status, headers, answer.body).await
}

/// The response to a write: what the caller prefers to see of it.
pub(super) async fn write(app: &App, ask: &Ask, cx: &Context<'_>, mut answer: Answer) -> Response<Body> {
    match ask.prefer.result {
        Some(Preference::Minimal) => answer.body = None,
        Some(Preference::OperationOutcome) => {
            answer.body = Some(operation_outcome(&answer.issues).to_string().into());
            if answer.status == 204 {
                answer.status = 200;
            }
        }
        // Without a wish the resource is shown: clients rely on it to learn the id and the version.
        Some(Preference::Representation) | None => {}
    }
    bundle(app, ask, cx, answer).await
}

/// The response to a batch or transaction. What the caller prefers has been applied to its entries;
/// the Bundle itself is always there.
pub(super) async fn bundle(app: &App, ask: &Ask, cx: &Context<'_>, answer: Answer) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(12);
    describe(&mut headers, cx, &answer);
    for applied in ask.prefer.applied() {
        headers.append(PREFERENCE_APPLIED, HeaderValue::from_static(applied));
    }
    written(app, ask, answer.status, headers, answer.body).await
}

/// The headers that say which version of what the body is.
fn describe(headers: &mut HeaderMap, cx: &Context<'_>, answer: &Answer) {
    headers.insert(CACHE_CONTROL, CACHING);
    if let Some(version) = answer.version {
        put(headers, ETAG, etag(version));
        if let Some((ty, id)) = &answer.location {
            put(headers, LOCATION, format!("{}/{}/{id}/_history/{version}", cx.base, cx.defs.name(*ty)));
        }
    }
    for (name, value) in &answer.headers {
        put(headers, HeaderName::from_static(name), value.clone());
    }
    if let Some(updated_us) = answer.updated_us {
        put(headers, LAST_MODIFIED, http_date(updated_us));
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: String) {
    // What we write holds no character that a header may not hold; if it did, the header is left out.
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
        headers.insert(name, value);
    }
}

/// The response to an error. Its cause is logged here, once.
pub(super) async fn error(app: &App, ask: &Ask, error: &Error, headers: HeaderMap) -> Response<Body> {
    let mut headers = headers;
    if let (500.., Some(cause)) = (error.status(), &error.cause) {
        tracing::error!(status = error.status(), kind = ?error.kind, cause = %Chain(&**cause), "request failed");
    }
    if let Some(seconds) = error.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    let outcome = Bytes::from(error.outcome().to_string());
    written(app, ask, error.status(), headers, Some(outcome)).await
}

/// The content of a Binary.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) content_type: HeaderValue,
    pub(super) bytes: Bytes,
}

/// The response to a read of a Binary in its native form. What it holds is a stranger's: a browser
/// neither guesses another type nor runs anything in it.
pub(super) fn native(ask: &Ask, cx: &Context<'_>, answer: &Answer, native: Native) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(12);
    describe(&mut headers, cx, answer);
    headers.insert(VARY, VARIES);
    headers.insert(CONTENT_TYPE, native.content_type);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    finish(ask, answer.status, headers, native.bytes)
}

/// An error with what it comes from.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut inner = self.0.source();
        while let Some(error) = inner {
            write!(f, ": {error}")?;
            inner = error.source();
        }
        Ok(())
    }
}

/// 200 with a text that is in the format asked for already.
pub(super) async fn ready(app: &App, ask: &Ask, text: Bytes) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CACHE_CONTROL, CACHING);
    headers.insert(VARY, VARIES);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(ask.format.content_type()));
    let body = pack(app, ask, &mut headers, text).await;
    finish(ask, 200, headers, body)
}

/// A response with a body that is JSON until here.
async fn written(
    app: &App,
    ask: &Ask,
    status: u16,
    mut headers: HeaderMap,
    body: Option<Bytes>,
) -> Response<Body> {
    let mut status = status;
    let body = match body.filter(|body| !body.is_empty()) {
        None => Bytes::new(),
        Some(json) => {
            headers.insert(VARY, VARIES);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(ask.format.content_type()));
            let written = match (ask.format, ask.is_pretty) {
                (Format::Json, false) => Ok(json),
                (Format::Json, true) => Ok(Bytes::from(pretty::pretty(&json))),
                (Format::Xml, is_pretty) => {
                    let defs = app.defs;
                    let layout = if is_pretty { Layout::Pretty } else { Layout::Compact };
                    blocking(json.len(), move || to_xml(defs, json, layout)).await
                }
            };
            match written {
                Ok(body) => pack(app, ask, &mut headers, body).await,
                Err(error) => {
                    tracing::error!(cause = %Chain(&error), "an answer could not be written as XML");
                    status = 500;
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static(Format::Json.content_type()));
                    Bytes::from(Error::internal("no XML").outcome().to_string())
                }
            }
        }
    };
    finish(ask, status, headers, body)
}

/// FHIR XML of a JSON text.
pub(super) fn to_xml(defs: &Definitions, json: Bytes, layout: Layout) -> Result<Bytes> {
    let len = json.len();
    let document = json::parse(json)?;
    let mut out = Vec::with_capacity(len + len / 4);
    remit_xml::from_json(document.root(), defs, layout, &mut out)?;
    Ok(Bytes::from(out))
}

async fn pack(app: &App, ask: &Ask, headers: &mut HeaderMap, body: Bytes) -> Bytes {
    if !ask.takes_gzip || body.len() < app.settings.min_gzip_bytes {
        return body;
    }
    let plain = body.clone();
    match blocking(body.len(), move || Ok(gzip::pack(&plain))).await {
        Ok(Some(packed)) => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            packed
        }
        _ => body,
    }
}

fn finish(ask: &Ask, status: u16, mut headers: HeaderMap, body: Bytes) -> Response<Body> {
    let body = if ask.is_head {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        Body::empty()
    } else {
        Body::from(body)
    };
    finish_body(status, headers, body)
}

fn finish_body(status: u16, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    response
}
