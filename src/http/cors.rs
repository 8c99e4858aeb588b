//! Pages of other origins, such as a practice's dashboard (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! A browser lets them read answers only where the site has named their origin. Nobody is signed in by a
//! cookie here, so no answer allows credentials; tokens come in a header that the page sets itself.

use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use std::convert::Infallible;
use std::time::Duration;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;

/// How long a browser may rely on what it was told. A site that takes an origin back waits no longer.
const MAX_AGE: Duration = Duration::from_secs(600);

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The headers of requests that the RESTful API gives a meaning
/// (<https://hl7.org/fhir/R4/http.html#general>).
const ASKED: [HeaderName; 10] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    HeaderName::from_static("if-none-exist"),
    HeaderName::from_static("prefer"),
    HeaderName::from_static("x-request-id"),
];

/// The headers of answers that a page may need beyond those it may always read.
const ANSWERED: [HeaderName; 8] = [
    header::LOCATION,
    header::CONTENT_LOCATION,
    header::ETAG,
    header::DATE,
    header::RETRY_AFTER,
    header::ALLOW,
    HeaderName::from_static("x-progress"),
    HeaderName::from_static("x-request-id"),
];

/// An origin as browsers send it: scheme, host and perhaps a port, nothing more.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn origin(text: &str) -> Result<HeaderValue, String> {
    let said = || format!("'{text}' is no origin such as https://dashboard.example.org:8443.");
    let uri: Uri = text.parse().map_err(|_| said())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(said()) };
    let plain = format!("{scheme}://{}", authority.as_str().to_ascii_lowercase());
    let is_origin = matches!(scheme, "http" | "https") && !plain.contains('@') && plain == text;
    if !is_origin {
        return Err(said());
    }
    HeaderValue::from_str(text).map_err(|_| said())
}

/// What pages of these origins are told; `None` where the site names none, and browsers keep them out.
pub(super) fn layer(origins: &[HeaderValue]) -> Option<CorsLayer> {
    let layer = CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods(METHODS)
        .allow_headers(ASKED)
        .expose_headers(ANSWERED)
        .max_age(MAX_AGE);
    (!origins.is_empty()).then_some(layer)
}

/// Answers a request, by `handle` and with what the browser of a page of another origin must be told.
pub(super) async fn answer<Answering>(
    layer: Option<&CorsLayer>,
    request: Request<Incoming>,
    handle: impl FnOnce(Request<Incoming>) -> Answering,
) -> Response<Body>
where
    Answering: Future<Output = Response<Body>>,
{
    let Some(layer) = layer.filter(|_| is_of_a_page(&request)) else { return handle(request).await };
    let mut handle = Some(handle);
    let handled = service_fn(move |request| {
        let handle = handle.take();
        async move {
            Ok::<_, Infallible>(match handle {
                Some(handle) => handle(request).await,
                None => Response::default(),
            })
        }
    });
    // The error type has no value.
    layer.layer(handled).oneshot(request).await.unwrap_or_default()
}

/// Whether a browser sends it for a page. OPTIONS by itself asks for the capability statement.
fn is_of_a_page(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let is_preflight = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    headers.contains_key(header::ORIGIN) && (request.method() != Method::OPTIONS || is_preflight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_as_browsers_send_them() {
        for text in ["https://a.example", "http://localhost:3000", "http://[::1]:8080"] {
            assert_eq!(origin(text).as_ref().map(HeaderValue::as_bytes), Ok(text.as_bytes()));
        }
        let no = [
            "*",
            "null",
            "a.example",
            "https://a.example/",
            "https://A.example",
            "https://u@a.example",
            "ftp://a.example",
            "https://a.example/x",
            "",
        ];
        for text in no {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
