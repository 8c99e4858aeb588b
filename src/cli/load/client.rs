//! A small HTTP client for a FHIR base, used by `load` and `bench`: keep-alive, one address, plain HTTP.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::TokioExecutor;
use remit_fhir::{Error, Kind, Result};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A transaction of thousands of entries may wait for others on a small server.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// Largest answer that is taken. A transaction's answer with minimal entries is far smaller.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Address of a FHIR base, without a slash at the end: `http://127.0.0.1:8080/fhir`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url(Box<str>);

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let text = text.trim_end_matches('/');
        let uri: Uri =
            text.parse().map_err(|_| "it is no URL, such as http://127.0.0.1:8080/fhir".to_owned())?;
        match (uri.scheme_str(), uri.authority(), uri.query()) {
            (Some("http"), Some(_), None) => Ok(Url(text.into())),
            (Some("https"), ..) => {
                Err("https is not spoken here; load on the server's machine or through a tunnel".to_owned())
            }
            _ => Err("it needs the form http://HOST:PORT/PATH, without a query".to_owned()),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Connections to a FHIR base. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    base: Url,
}

impl Client {
    pub(crate) fn new(base: Url) -> Client {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Client { pool: Pool::builder(TokioExecutor::new()).build(connector), base }
    }

    /// Sends a request; `target` is what follows the base: empty, or `Patient/1`, or `?…`.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Answer> {
        let slash = if target.is_empty() || target.starts_with('?') { "" } else { "/" };
        let mut request = Request::builder().method(method).uri(format!("{}{slash}{target}", self.base));
        request = request.header(ACCEPT, HeaderValue::from_static("application/fhir+json"));
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/fhir+json"));
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(Error::internal)?;
        match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(Kind::TimedOut, format!("{} does not answer.", self.base))),
        }
    }

    /// The number of lines that a GET answers with. They are not kept, so there may be any number.
    pub(crate) async fn lines(&self, target: &str) -> Result<usize> {
        let request = Request::builder().uri(format!("{}/{target}", self.base)).body(Full::new(Bytes::new()));
        let request = request.map_err(Error::internal)?;
        let response = self.pool.request(request).await.map_err(|e| self.unreachable(e))?;
        if response.status() != StatusCode::OK {
            return Err(Error::unprocessable(format!("{target} was answered with {}.", response.status())));
        }
        let mut body = response.into_body();
        let mut lines = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| self.broken_off(e))?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            lines += data.iter().filter(|byte| **byte == b'\n').count();
        }
        Ok(lines)
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let response = self.pool.request(request).await.map_err(|e| self.unreachable(e))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|e| self.broken_off(e))?;
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() })
    }

    fn broken_off(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::new(Kind::Unavailable, format!("The answer of {} broke off.", self.base)).because(cause)
    }

    fn unreachable(&self, cause: PoolError) -> Error {
        let what = if cause.is_connect() { "cannot be reached" } else { "closed the connection" };
        Error::new(Kind::Unavailable, format!("{} {what}.", self.base)).because(cause)
    }
}
