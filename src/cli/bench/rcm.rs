//! `remit bench rcm`: how fast the measures of the revenue cycle are over many claims, beside what they
//! shall reach. The practice is the one of `remit demo`, with about five lines a claim. Remittances are
//! written meanwhile; a figure that does not change by exactly what was written is a wrong answer.

use super::loops::drive;
use super::phases::{LOAD_CONNECTIONS, NO_LIMIT, ask, post_bundle};
use super::rcm_writes::{PAID, Writes, decimal_of};
use super::server::Server;
use super::table;
use crate::cli::load::Client;
use crate::demo::{Options, Practice};
use bytes::Bytes;
use hyper::Method;
use remit_fhir::{Error, Result};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The seed of the practice, another than that of `remit demo`: both fit into one database.
const SEED: u64 = 7;
/// Lines that a claim has beside those of the demo: about five in all.
const MORE_LINES: u32 = 3;
/// How often each question is asked.
const ROUNDS: usize = 20;
/// Pages of the drilldown that are read one after the other.
const PAGES: usize = 10;

const START: &str = "2025-07-01";
const END: &str = "2026-06-30";
const GROSS: &str = "Measure/rcm-gross-collection-rate/$evaluate-measure?periodStart=2025-07-01&periodEnd=2026-06-30&asOf=2026-06-30";

/// Periods and groupings that dashboards are opened with, seen from the last day of the practice.
const DASHBOARDS: &[(&str, &str, &str)] = &[
    (START, END, ""),
    ("2026-04-01", END, ""),
    ("2026-01-01", END, "&groupBy=payer"),
    ("2026-06-01", END, "&groupBy=provider"),
    ("2025-10-01", "2025-12-31", ""),
    ("2026-01-01", "2026-03-31", "&groupBy=facility"),
];

/// One line of the table: what was measured, what it shall be, in milliseconds.
struct Line {
    name: String,
    times: Vec<Duration>,
    goal_ms: f64,
    wrong: usize,
    fault: Option<String>,
}

impl Line {
    fn new(name: &str, goal_ms: f64) -> Line {
        Line { name: name.to_owned(), times: Vec::new(), goal_ms, wrong: 0, fault: None }
    }

    /// Takes the time of one answer, or what was wrong with it.
    fn add(&mut self, begun: Instant, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.times.push(begun.elapsed()),
            Err(fault) => {
                self.wrong += 1;
                self.fault.get_or_insert(fault);
            }
        }
    }

    fn at(&self, share: f64) -> f64 {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }
}

struct Bench {
    server: Server,
    client: Client,
    lines: Vec<Line>,
}

/// Fills a database, unless it is filled, and measures.
pub(super) async fn run(
    database: Option<&str>,
    claims: u32,
    is_filled: bool,
    as_json: bool,
) -> Result<ExitCode> {
    let reference = jiff::civil::date(2026, 6, 30);
    let options = Options { more_lines: MORE_LINES, ..Options::with_claims(SEED, reference, claims) };
    let practice = Arc::new(Practice::generate(options));
    let server = Server::start(database).await?;
    let client = Client::new(server.base.clone());
    let mut bench = Bench { server, client, lines: Vec::new() };
    if !is_filled {
        bench.fill(&practice).await?;
    }
    let writes = Writes::of(&practice);
    bench.first(&practice, is_filled).await;
    writes.claims(&bench.client).await?;
    bench.dashboards(&writes).await?;
    bench.questions().await;
    bench.drilldown().await?;
    bench.remittances(&writes).await?;
    bench.snapshot_and_restart().await?;
    let memory = bench.server.memory_mib().unwrap_or(f64::NAN);
    match as_json {
        true => println!("{}", bench.to_json(memory)),
        false => print!("{}", bench.render(practice.answers.total.claims, memory)),
    }
    let is_right = bench.lines.iter().all(|line| line.wrong == 0);
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl Bench {
    async fn fill(&mut self, practice: &Arc<Practice>) -> Result<()> {
        let begun = Instant::now();
        let (sender, receiver) = tokio::sync::mpsc::channel::<String>(2 * LOAD_CONNECTIONS);
        let source = practice.clone();
        let made = tokio::task::spawn_blocking(move || {
            for bundle in source.bundles() {
                if sender.blocking_send(bundle).is_err() {
                    break;
                }
            }
        });
        let (client, receiver) = (self.client.clone(), Arc::new(tokio::sync::Mutex::new(receiver)));
        let row = drive("fill", LOAD_CONNECTIONS, NO_LIMIT, move |_, _| {
            let (client, receiver) = (client.clone(), receiver.clone());
            async move {
                let bundle = receiver.lock().await.recv().await?;
                let entries = bundle.matches("\"fullUrl\"").count();
                Some(post_bundle(&client, Bytes::from(bundle), entries).await)
            }
        })
        .await;
        made.await.map_err(Error::internal)?;
        if let Some(fault) = row.fault {
            return Err(Error::unprocessable(format!("The practice could not be written: {fault}")));
        }
        eprintln!("filled in {:.0} s", begun.elapsed().as_secs_f64());
        Ok(())
    }

    async fn get(&self, target: &str) -> Result<Json, String> {
        let answer = ask(&self.client, Method::GET, target, Bytes::new(), 200).await?;
        serde_json::from_slice(&answer.body).map_err(|e| e.to_string())
    }

    /// The first figure after the fill; on a new database it must be what the generator knows.
    async fn first(&mut self, practice: &Practice, is_filled: bool) {
        let mut line = Line::new("first KPI after the fill", f64::INFINITY);
        let begun = Instant::now();
        let known = &practice.answers.total;
        let outcome = self.patiently(GROSS).await.and_then(|report| {
            let found = (decimal_of(&report, "numerator"), decimal_of(&report, "denominator"));
            let is_known = is_filled || found == (Some(known.payments), Some(known.charges));
            is_known.then_some(()).ok_or(format!("{found:?}, not {} of {}", known.payments, known.charges))
        });
        line.add(begun, outcome);
        self.lines.push(line);
    }

    /// Asks until the server has taken in what was written before.
    async fn patiently(&self, target: &str) -> Result<Json, String> {
        loop {
            match self.get(target).await {
                Err(fault) if fault.contains("503") => tokio::time::sleep(Duration::from_millis(200)).await,
                other => return other,
            }
        }
    }

    async fn dashboards(&mut self, writes: &Writes) -> Result<()> {
        let target = |(start, end, by): &(&str, &str, &str)| {
            format!(
                "Measure/rcm-dashboard/$evaluate-measure?periodStart={start}&periodEnd={end}&asOf={END}{by}"
            )
        };
        let mut first = Line::new("dashboard, first of a kind", f64::INFINITY);
        for question in DASHBOARDS {
            let begun = Instant::now();
            first.add(begun, self.patiently(&target(question)).await.map(drop));
        }
        let mut still = Line::new("dashboard", 150.0);
        let mut moving = Line::new("dashboard, after a write", 150.0);
        for _ in 0..ROUNDS {
            for question in DASHBOARDS {
                let begun = Instant::now();
                still.add(begun, self.get(&target(question)).await.map(drop));
            }
        }
        for round in 0..ROUNDS {
            writes.remittance(&self.client).await?;
            let begun = Instant::now();
            moving.add(begun, self.get(&target(&DASHBOARDS[round % DASHBOARDS.len()])).await.map(drop));
        }
        self.lines.extend([first, still, moving]);
        // Without asOf the balances are those of the end of the period.
        let mut other = Line::new("dashboard of another day", f64::INFINITY);
        let begun = Instant::now();
        let target = "Measure/rcm-dashboard/$evaluate-measure?periodStart=2026-01-01&periodEnd=2026-03-31";
        other.add(begun, self.patiently(target).await.map(drop));
        self.lines.push(other);
        Ok(())
    }

    async fn questions(&mut self) {
        let questions = [
            (
                "initial denials by three",
                100.0,
                format!(
                    "Measure/rcm-initial-denial-rate/$evaluate-measure?periodStart={START}&periodEnd={END}&groupBy=payer&groupBy=facility&groupBy=month"
                ),
            ),
            ("collections by three", 100.0, format!("{GROSS}&groupBy=payer&groupBy=provider&groupBy=month")),
            ("ageing", 100.0, format!("$ar-aging?asOf={END}&groupBy=holder")),
        ];
        for (name, goal, target) in questions {
            let mut first = Line::new(&format!("{name}, first"), f64::INFINITY);
            let begun = Instant::now();
            first.add(begun, self.patiently(&target).await.map(drop));
            let mut line = Line::new(name, goal);
            for _ in 0..ROUNDS {
                let begun = Instant::now();
                line.add(begun, self.get(&target).await.map(drop));
            }
            self.lines.extend([first, line]);
        }
    }

    /// From the first page to the next ones, by their links.
    async fn drilldown(&mut self) -> Result<()> {
        let mut next = Some(format!(
            "Measure/$rcm-drilldown?measure=rcm-initial-denial-rate&population=numerator&periodStart={START}&periodEnd={END}&_count=50"
        ));
        let (mut first, mut line) =
            (Line::new("drilldown, first page", f64::INFINITY), Line::new("drilldown, next page", 50.0));
        let mut first_page = true;
        for _ in 0..PAGES {
            let Some(target) = next.take() else { break };
            let begun = Instant::now();
            let page = self.get(&target).await;
            let into = if std::mem::take(&mut first_page) { &mut first } else { &mut line };
            match page {
                Ok(page) => {
                    into.add(begun, Ok(()));
                    let links = page["link"].as_array().into_iter().flatten();
                    let mut links = links.filter(|link| link["relation"] == "next");
                    let url = links.next().and_then(|link| link["url"].as_str()).unwrap_or_default();
                    next = url.split_once("/fhir/").map(|(_, rest)| rest.to_owned());
                }
                Err(fault) => into.add(begun, Err(fault)),
            }
        }
        self.lines.extend([first, line]);
        Ok(())
    }

    /// From the 2xx of a remittance to the figure that contains it.
    async fn remittances(&mut self, writes: &Writes) -> Result<()> {
        let mut line = Line::new("remittance to figure", f64::INFINITY);
        let numerator = |report: Json| decimal_of(&report, "numerator").ok_or("no numerator".to_owned());
        let mut before: Decimal = self.get(GROSS).await.and_then(numerator).map_err(Error::unprocessable)?;
        for _ in 0..ROUNDS {
            writes.remittance(&self.client).await?;
            let begun = Instant::now();
            let outcome = self.get(GROSS).await.and_then(numerator).and_then(|now| {
                let change = now - std::mem::replace(&mut before, now);
                (change == PAID).then_some(()).ok_or(format!("the figure changed by {change}, not by {PAID}"))
            });
            line.add(begun, outcome);
        }
        self.lines.push(line);
        Ok(())
    }

    async fn snapshot_and_restart(&mut self) -> Result<()> {
        let before = self.get(GROSS).await.map_err(Error::unprocessable)?;
        let mut line = Line::new("restart to first KPI", 5_000.0);
        let begun = self.server.restart().await?;
        self.client = Client::new(self.server.base.clone());
        let outcome = self.patiently(GROSS).await.and_then(|report| {
            let is_same = decimal_of(&report, "numerator") == decimal_of(&before, "numerator");
            is_same.then_some(()).ok_or("the figure is another after the restart".to_owned())
        });
        line.add(begun, outcome);
        self.lines.push(line);
        Ok(())
    }

    fn render(&self, claims: u64, memory: f64) -> String {
        let mut out = format!("{}\n", table::machine(self.server.database_kind()));
        let _ = writeln!(out, "about {claims} claims with {} lines each\n", 2 + MORE_LINES);
        let _ = writeln!(out, "{:<30}{:>11}{:>11}{:>9}{:>7}", "", "p50 ms", "p95 ms", "goal", "wrong");
        for line in &self.lines {
            let goal = if line.goal_ms.is_finite() { format!("{:.0}", line.goal_ms) } else { "-".to_owned() };
            let missed = if line.at(0.95) > line.goal_ms { "  missed" } else { "" };
            let (p50, p95) = (line.at(0.5), line.at(0.95));
            let _ =
                writeln!(out, "{:<30}{p50:>11.1}{p95:>11.1}{goal:>9}{:>7}{missed}", line.name, line.wrong);
            if let Some(fault) = &line.fault {
                let _ = writeln!(out, "    wrong: {fault}");
            }
        }
        let missed = if memory > 2048.0 { "  missed" } else { "" };
        let _ = writeln!(out, "{:<30}{memory:>11.0}{:>11}{:>9}{missed}", "memory, MiB", "", 2048);
        out
    }

    fn to_json(&self, memory: f64) -> String {
        let line = |line: &Line| json!({ "name": line.name, "p50_ms": line.at(0.5), "p95_ms": line.at(0.95), "wrong": line.wrong, "fault": line.fault });
        let lines: Vec<Json> = self.lines.iter().map(line).collect();
        let machine = table::machine(self.server.database_kind());
        let all = json!({ "machine": machine, "lines": lines, "memory_mib": memory });
        serde_json::to_string_pretty(&all).unwrap_or_default()
    }
}
