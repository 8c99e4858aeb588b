//! `/metrics` in the text format of Prometheus (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! Labels are names of the specification only: an interaction, a resource type, a class of status.
//! Nothing of a caller or a patient is in them.

use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::time::Duration;

/// Upper bounds of the latency histogram in seconds: a cached read to a bundle of thousands of entries.
const BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Request {
    interaction: &'static str,
    r#type: &'static str,
    status: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Interaction {
    interaction: &'static str,
}

/// The figures of one server. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Family<Request, Counter>,
    seconds: Family<Interaction, Histogram>,
    in_flight: Gauge,
    received: Counter,
    sent: Counter,
    panics: Counter,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::with_prefix("remit");
        let requests = Family::default();
        let seconds: Family<Interaction, Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let (in_flight, received, sent, panics) =
            (Gauge::default(), Counter::default(), Counter::default(), Counter::default());
        registry.register("http_requests", "Answered requests", Family::clone(&requests));
        let help = "Time from the request line to the answer";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, Family::clone(&seconds));
        registry.register("http_requests_in_flight", "Requests being worked on", in_flight.clone());
        registry.register_with_unit("http_received", "Request bodies", Unit::Bytes, received.clone());
        registry.register_with_unit("http_sent", "Answer bodies", Unit::Bytes, sent.clone());
        registry.register("http_panics", "Requests that ended in a defect of the server", panics.clone());
        let registry = Arc::new(Mutex::new(registry));
        Metrics { registry, requests, seconds, in_flight, received, sent, panics }
    }
}

impl Metrics {
    /// Adds figures of other rooms: register them in the registry that is handed in.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock());
    }

    /// Counts a request as being worked on for as long as the result lives.
    pub(super) fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts an answered request.
    pub(super) fn answered(&self, done: &Done) {
        let interaction = done.interaction;
        let request = Request { interaction, r#type: done.type_name, status: class(done.status) };
        self.requests.get_or_create(&request).inc();
        self.seconds.get_or_create(&Interaction { interaction }).observe(done.elapsed.as_secs_f64());
        self.received.inc_by(done.received_bytes);
        self.sent.inc_by(done.sent_bytes);
    }

    /// Counts a panic.
    pub(super) fn panicked(&self) {
        self.panics.inc();
    }

    /// All figures as text.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail; a figure that cannot be encoded is left out.
        let _ = encode(&mut text, &self.registry.lock());
        text
    }
}

/// What is counted of an answered request.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) interaction: &'static str,
    pub(super) type_name: &'static str,
    pub(super) status: u16,
    pub(super) elapsed: Duration,
    pub(super) received_bytes: u64,
    pub(super) sent_bytes: u64,
}

/// A request that is being worked on.
#[derive(Debug)]
pub(super) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_with_names_of_the_specification_only() {
        let metrics = Metrics::default();
        let done = Done {
            interaction: "read",
            type_name: "Patient",
            status: 404,
            elapsed: Duration::from_micros(300),
            received_bytes: 0,
            sent_bytes: 12,
        };
        metrics.answered(&done);
        let working = metrics.in_flight();
        let text = metrics.render();
        for line in [
            "remit_http_requests_total{interaction=\"read\",type=\"Patient\",status=\"4xx\"} 1",
            "remit_http_request_duration_seconds_bucket{le=\"0.0005\",interaction=\"read\"} 1",
            "remit_http_requests_in_flight 1",
            "remit_http_sent_bytes_total 12",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        drop(working);
        assert!(metrics.render().contains("remit_http_requests_in_flight 0"));
    }
}
