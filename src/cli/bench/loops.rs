//! Closed loops: so many clients, each sends its next request when the last was answered.

use super::table::Row;
use remit_fhir::Result;
use std::future::Future;
use std::time::{Duration, Instant};

/// What one client did.
#[derive(Default)]
struct Tally {
    latencies: Vec<Duration>,
    wrong: u64,
    first_fault: Option<String>,
}

/// Runs the clients until the time is over or their work is done. `step(worker, n)` sends the n-th
/// request of a worker; `None` says that there is no more work, a text says what was wrong.
pub(super) async fn drive<S, F>(name: &str, workers: usize, time: Duration, step: S) -> Row
where
    S: Fn(usize, usize) -> F + Clone + Send + 'static,
    F: Future<Output = Option<Result<(), String>>> + Send,
{
    let begin = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for worker in 0..workers {
        let step = step.clone();
        clients.spawn(async move {
            let mut tally = Tally::default();
            for n in 0.. {
                let sent = Instant::now();
                if sent.duration_since(begin) >= time {
                    break;
                }
                match step(worker, n).await {
                    None => break,
                    Some(Ok(())) => tally.latencies.push(sent.elapsed()),
                    Some(Err(fault)) => {
                        tally.wrong += 1;
                        tally.first_fault.get_or_insert(fault);
                    }
                }
            }
            tally
        });
    }
    let mut all = Tally::default();
    while let Some(done) = clients.join_next().await {
        // A client that panicked counts as one wrong answer.
        let tally =
            done.unwrap_or_else(|e| Tally { wrong: 1, first_fault: Some(e.to_string()), ..Tally::default() });
        all.latencies.extend(tally.latencies);
        all.wrong += tally.wrong;
        all.first_fault = all.first_fault.or(tally.first_fault);
    }
    row(name, all, begin.elapsed())
}

fn row(name: &str, mut tally: Tally, took: Duration) -> Row {
    tally.latencies.sort_unstable();
    let count = tally.latencies.len();
    let at = |share: f64| {
        let place = ((count as f64 * share) as usize).min(count.saturating_sub(1));
        tally.latencies.get(place).map_or(0.0, |d| d.as_secs_f64() * 1000.0)
    };
    Row {
        name: name.to_owned(),
        per_s: count as f64 / took.as_secs_f64().max(1e-9),
        p50_ms: at(0.50),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
        wrong: tally.wrong,
        fault: tally.first_fault,
    }
}
