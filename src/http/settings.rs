//! The settings of the HTTP server: limits and times, each with its default and the reason for it.

use hyper::header::HeaderValue;
use std::time::Duration;

/// Settings of the server. The defaults suit a small machine that strangers can reach.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address that clients know the server by, without the path (`https://fhir.example.org`).
    /// `None` takes the `Host` of each request.
    pub public_url: Option<String>,
    /// Origins whose pages may read answers. None by default: a page from anywhere could read everything
    /// that the browser's machine can.
    pub allowed_origins: Vec<HeaderValue>,
    /// Largest request body, also after it is unpacked. A year of a patient's records as one
    /// transaction is some 10 MiB.
    pub max_body_bytes: usize,
    /// Bytes of all request bodies that may be held at once. Parsed and indexed, a body takes
    /// several times its size; this keeps the process within a few hundred MiB.
    pub body_budget_bytes: usize,
    /// Longest path with query. Longer searches are sent as POST `_search`.
    pub max_url_bytes: usize,
    /// Request line and headers together; more gets 431. It leaves room for a large token and cookies.
    pub max_header_bytes: usize,
    /// Connections at once. More wait at the door.
    pub max_connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub max_streams: u32,
    /// How long a client may take for its request line and headers, and how long a connection of
    /// HTTP/1.1 may rest between requests.
    pub header_timeout: Duration,
    /// A connection on which no byte moves for this long, and for which nothing is being worked on, is cut.
    pub idle_timeout: Duration,
    /// How long a body may take beyond what [`min_body_pace`](Self::min_body_pace) allows for its size.
    pub body_grace: Duration,
    /// Bytes per second that a body must bring on average.
    pub min_body_pace: usize,
    /// How long the work on a request may take before it is given up.
    pub request_timeout: Duration,
    /// How long requests that were being worked on may still take after the server was told to stop.
    pub drain_timeout: Duration,
    /// Smaller answers are never compressed: they fit into one packet.
    pub min_gzip_bytes: usize,
    /// Whether `/api` answers under the names that dashboards before FHIR used.
    pub compatibility: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            public_url: None,
            allowed_origins: Vec::new(),
            max_body_bytes: 64 << 20,
            body_budget_bytes: 64 << 20,
            max_url_bytes: 16 << 10,
            max_header_bytes: 64 << 10,
            max_connections: 8192,
            max_streams: 128,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            body_grace: Duration::from_secs(20),
            min_body_pace: 32 << 10,
            request_timeout: Duration::from_secs(120),
            drain_timeout: Duration::from_secs(30),
            min_gzip_bytes: 1400,
            compatibility: true,
        }
    }
}
