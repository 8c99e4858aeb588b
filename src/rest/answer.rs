//! What an interaction answers, before any format or transport: status, JSON text, version, time,
//! location (<https://hl7.org/fhir/R4/http.html>).
//!
//! The same value becomes an HTTP response and an entry of a batch response.

use bytes::Bytes;
use parking_lot::Mutex;
use remit_fhir::{Issue, Result};
use remit_spec::TypeId;
use remit_store::Stored;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

type Parts = dyn futures_util::Stream<Item = Result<Bytes>> + Send;

/// Bytes that are made while they are sent. They can be taken once; an error breaks the answer off.
#[derive(Clone)]
pub struct Stream(Arc<Mutex<Option<Pin<Box<Parts>>>>>);

impl Stream {
    /// An answer of these parts.
    pub fn new(parts: impl futures_util::Stream<Item = Result<Bytes>> + Send + 'static) -> Stream {
        Stream(Arc::new(Mutex::new(Some(Box::pin(parts)))))
    }

    /// The parts; `None` when they were taken already.
    pub fn take(&self) -> Option<Pin<Box<Parts>>> {
        self.0.lock().take()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// The answer to one interaction.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// A resource as JSON without white space between tokens; `None` when there is nothing to show.
    pub body: Option<Bytes>,
    /// Version of the resource: the `ETag`.
    pub version: Option<i64>,
    /// When that version was committed, microseconds since 1970: `Last-Modified`.
    pub updated_us: Option<i64>,
    /// The resource that was written: `Location` is its versioned URL.
    pub location: Option<(TypeId, String)>,
    /// What the body is when it is no resource; it is sent as it is, whatever format was asked for.
    pub content_type: Option<&'static str>,
    /// The body of an answer that is made while it is sent, in place of `body`.
    pub stream: Option<Stream>,
    /// What the caller should be told beside it, for `Prefer: return=OperationOutcome` and for a
    /// batch entry's `outcome`.
    pub issues: Vec<Issue>,
    /// Further headers, by their names in small letters.
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// An answer with a body that is no stored resource: a Bundle, a CapabilityStatement.
    pub fn of(body: impl Into<Bytes>) -> Answer {
        Answer {
            status: 200,
            body: Some(body.into()),
            version: None,
            updated_us: None,
            location: None,
            content_type: None,
            stream: None,
            issues: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Answer {
        Answer { status, body: None, ..Answer::of(Bytes::new()) }
    }

    /// 200 with a stored resource.
    pub fn stored(stored: Stored) -> Answer {
        Answer {
            body: stored.body,
            version: Some(stored.version),
            updated_us: Some(stored.updated_us),
            ..Answer::empty(200)
        }
    }

    /// 304: the caller's copy is good.
    pub fn not_modified(version: i64, updated_us: i64) -> Answer {
        Answer { version: Some(version), updated_us: Some(updated_us), ..Answer::empty(304) }
    }
}
