//! The progress bar: bytes read of all there are, resources, rate, time left. Where nobody looks on
//! (no terminal), a plain line now and then.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Between two plain lines; a log of an hour's load stays readable.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Counts what has been done. Shared by reader and senders.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total_bytes: u64,
    bytes: AtomicU64,
    resources: AtomicU64,
    rejected: AtomicU64,
    begin: Instant,
    next_line_ms: AtomicU64,
}

impl Progress {
    pub(super) fn new(total_bytes: u64) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total_bytes);
            let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}  {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Progress {
            bar,
            total_bytes,
            bytes: AtomicU64::new(0),
            resources: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            begin: Instant::now(),
            next_line_ms: AtomicU64::new(LINE_EVERY.as_millis() as u64),
        }
    }

    /// Bytes of the input that were read.
    pub(super) fn read(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Resources that were acknowledged, and items that were rejected.
    pub(super) fn settled(&self, resources: u64, rejected: u64) {
        let resources = self.resources.fetch_add(resources, Relaxed) + resources;
        let rejected = self.rejected.fetch_add(rejected, Relaxed) + rejected;
        let elapsed = self.begin.elapsed();
        let text = format!(
            "{resources} resources, {:.0}/s, {rejected} rejected",
            resources as f64 / elapsed.as_secs_f64().max(0.001)
        );
        let bytes = self.bytes.load(Relaxed).min(self.total_bytes);
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(text);
            return;
        }
        let now = elapsed.as_millis() as u64;
        let due = self.next_line_ms.load(Relaxed);
        let next = now + LINE_EVERY.as_millis() as u64;
        if now >= due && self.next_line_ms.compare_exchange(due, next, Relaxed, Relaxed).is_ok() {
            let left = (self.total_bytes - bytes) as f64 / bytes.max(1) as f64 * elapsed.as_secs_f64();
            let percent = bytes * 100 / self.total_bytes.max(1);
            eprintln!("{percent}%: {text}, about {left:.0} s left");
        }
    }

    /// Seconds since the start.
    pub(super) fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
