//! Views over many Observations: making their rows for the first time, running one, asking for sums,
//! and what a stored view costs a write.

use super::phases::{Bench, LOAD_CONNECTIONS, ask};
use super::table::Row;
use bytes::Bytes;
use hyper::Method;
use remit_fhir::{Error, Result, base64};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// Entries of a Bundle that writes Observations.
const PACK: usize = 500;
/// Observations that are the pattern of all others, when Bundles are given.
const PATTERNS: usize = 50_000;
/// How often a sum is asked for.
const SUMS: usize = 20;
/// Writes of each of the two comparisons.
const WRITES: usize = 400;
/// How long rows may take to be made.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One row for each Observation, and one for each of its components.
fn views() -> [Value; 2] {
    let view = |id: &str, select: Value| {
        json!({ "resourceType": "ViewDefinition", "id": id, "url": format!("https://bench.example/{id}"),
            "name": id.replace('-', "_"), "status": "active", "resource": "Observation", "select": select })
    };
    let columns = json!([
        { "name": "id", "path": "getResourceKey()", "type": "string" },
        { "name": "patient_id", "path": "subject.getReferenceKey(Patient)", "type": "string" },
        { "name": "code", "path": "code.coding.first().code", "type": "code" },
        { "name": "effective", "path": "effective.ofType(dateTime)", "type": "dateTime" },
        { "name": "value", "path": "value.ofType(Quantity).value", "type": "decimal" },
        { "name": "unit", "path": "value.ofType(Quantity).unit", "type": "string" },
    ]);
    let parts = json!([
        { "name": "part", "path": "code.coding.first().code", "type": "code" },
        { "name": "part_value", "path": "value.ofType(Quantity).value", "type": "decimal" },
    ]);
    let key = json!([{ "name": "id", "path": "getResourceKey()", "type": "string" }]);
    [
        view("bench-observations", json!([{ "column": columns }])),
        view("bench-parts", json!([{ "column": key }, { "forEachOrNull": "component", "column": parts }])),
    ]
}

fn sum() -> Bytes {
    let sql = "SELECT code, COUNT(*) AS n, SUM(value) AS total FROM o GROUP BY code ORDER BY code";
    let library = json!({ "resourceType": "Library", "status": "active",
        "type": { "coding": [{ "code": "sql-query" }] },
        "relatedArtifact": [{ "type": "depends-on", "label": "o", "resource": "https://bench.example/bench-observations" }],
        "content": [{ "contentType": "application/sql", "data": base64::encode(sql.as_bytes()) }] });
    Bytes::from(library.to_string())
}

impl Bench {
    /// The figures of views over `count` Observations.
    pub(super) async fn views(&self, folder: Option<&Path>, count: usize) -> Result<Vec<Row>> {
        let patterns = patterns(folder)?;
        let mut rows = vec![self.observations(&patterns, count).await?];
        let before = self.writes("write without views", "bench-before", &patterns).await?;
        let [plain, parts] = views();
        rows.push(self.first("first materialisation", &plain, count + WRITES).await?);
        rows.push(self.run_view(count).await?);
        rows.push(self.sums(count).await?);
        rows.push(self.first("a second view", &parts, count + WRITES).await?);
        let after = self.writes("write with two views", "bench-after", &patterns).await?;
        rows.extend([before, after]);
        Ok(rows)
    }

    async fn observations(&self, patterns: &[Value], count: usize) -> Result<Row> {
        let begun = Instant::now();
        let starts: Vec<usize> = (0..count).step_by(PACK).collect();
        for some in starts.chunks(LOAD_CONNECTIONS) {
            let sends = some.iter().map(|start| self.pack(patterns, *start, (start + PACK).min(count)));
            futures_util::future::try_join_all(sends).await?;
        }
        Ok(timed("write observations", count, &[begun.elapsed()]))
    }

    async fn pack(&self, patterns: &[Value], start: usize, end: usize) -> Result<()> {
        let entry = |n: usize| {
            let id = format!("bench-{n}");
            let mut observation = patterns[n % patterns.len()].clone();
            observation["id"] = json!(id);
            json!({ "resource": observation, "request": { "method": "PUT", "url": format!("Observation/{id}") } })
        };
        let entries: Vec<Value> = (start..end).map(entry).collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
        self.ask(Method::POST, "", Bytes::from(bundle.to_string()), 200).await.map(drop)
    }

    /// Stores a view and waits until its rows are there.
    async fn first(&self, name: &str, view: &Value, count: usize) -> Result<Row> {
        let id = view["id"].as_str().unwrap_or_default();
        let begun = Instant::now();
        self.ask(Method::PUT, &format!("ViewDefinition/{id}"), Bytes::from(view.to_string()), 201).await?;
        let path = format!("ViewDefinition/{id}/$view-status");
        while begun.elapsed() < PATIENCE {
            let answer = self.ask(Method::GET, &path, Bytes::new(), 200).await?;
            if answer.windows(7).any(|text| text == b"\"ready\"") {
                return Ok(timed(name, count, &[begun.elapsed()]));
            }
            if answer.windows(9).any(|text| text == b"\"refused\"") {
                return Err(Error::unprocessable("The server refuses to keep the rows of a view."));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(Error::unprocessable("The rows of a view were not made in time."))
    }

    /// All rows as lines of JSON.
    async fn run_view(&self, count: usize) -> Result<Row> {
        let begun = Instant::now();
        let path = "ViewDefinition/bench-observations/$viewdefinition-run?_format=ndjson";
        let rows = self.client.lines(path).await?;
        let mut row = timed("rows of a view, ndjson", rows, &[begun.elapsed()]);
        row.wrong = u64::from(rows < count);
        Ok(row)
    }

    /// A grouped sum over the rows that are kept.
    async fn sums(&self, count: usize) -> Result<Row> {
        let mut times = Vec::new();
        let mut wrong = 0;
        for _ in 0..SUMS {
            let begun = Instant::now();
            let answer = self.ask(Method::POST, "$sql-run?_format=ndjson", sum(), 200).await?;
            times.push(begun.elapsed());
            let lines = answer
                .split(|byte| *byte == b'\n')
                .filter_map(|line| serde_json::from_slice::<Value>(line).ok());
            let total: u64 = lines.filter_map(|line| line["n"].as_u64()).sum();
            wrong += u64::from((total as usize) < count);
        }
        let mut row = timed("grouped sum", SUMS, &times);
        row.wrong = wrong;
        Ok(row)
    }

    /// Writes one after the other, each a new Observation: an update costs more than a create does.
    async fn writes(&self, name: &str, prefix: &str, patterns: &[Value]) -> Result<Row> {
        let mut times = Vec::with_capacity(WRITES);
        for n in 0..WRITES {
            let id = format!("{prefix}-{n}");
            let mut observation = patterns[n % patterns.len()].clone();
            observation["id"] = json!(id);
            let body = Bytes::from(observation.to_string());
            let begun = Instant::now();
            let answer = self.client.send(Method::PUT, &format!("Observation/{id}"), &[], body).await?;
            times.push(begun.elapsed());
            if answer.status != 201 {
                return Err(Error::unprocessable(format!("A write was answered with {}.", answer.status)));
            }
        }
        Ok(timed(name, WRITES, &times))
    }

    pub(super) async fn ask(&self, method: Method, target: &str, body: Bytes, status: u16) -> Result<Bytes> {
        let answer = ask(&self.client, method, target, body, status).await;
        answer.map(|answer| answer.body).map_err(Error::unprocessable)
    }
}

pub(super) fn timed(name: &str, count: usize, times: &[Duration]) -> Row {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(place).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    let whole: Duration = times.iter().sum();
    Row {
        name: name.to_owned(),
        per_s: count as f64 / whole.as_secs_f64().max(1e-9),
        p50_ms: at(0.50),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
        wrong: 0,
        fault: None,
    }
}

/// The Observations that all others are made of: those of the Bundles, without references to what is
/// not loaded, or made-up ones.
fn patterns(folder: Option<&Path>) -> Result<Vec<Value>> {
    let Some(folder) = folder else { return Ok((0..1_000).map(made_up).collect()) };
    let mut patterns = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .map_err(|e| Error::invalid(format!("{} cannot be read.", folder.display())).because(e))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read(&file).map_err(Error::internal)?;
        let Ok(bundle) = serde_json::from_slice::<Value>(&text) else { continue };
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let observations = entries.into_iter().map(|mut entry| entry["resource"].take());
        patterns.extend(observations.filter(|r| r["resourceType"] == "Observation").map(detached));
        if patterns.len() >= PATTERNS {
            break;
        }
    }
    match patterns.is_empty() {
        true => Err(Error::invalid(format!("{} holds no Bundles with Observations.", folder.display()))),
        false => Ok(patterns),
    }
}

/// An Observation whose references stand for themselves.
fn detached(mut observation: Value) -> Value {
    if let Some(subject) = observation["subject"]["reference"].as_str() {
        let id = subject.rsplit([':', '/']).next().unwrap_or_default().to_owned();
        observation["subject"]["reference"] = json!(format!("Patient/{id}"));
    }
    if let Some(members) = observation.as_object_mut() {
        for name in ["encounter", "performer", "hasMember", "derivedFrom", "device", "specimen"] {
            members.remove(name);
        }
    }
    observation
}

fn made_up(n: usize) -> Value {
    json!({
        "resourceType": "Observation", "status": "final",
        "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs" }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": format!("{}-1", n % 80), "display": "Some measure" }], "text": "Some measure" },
        "subject": { "reference": format!("Patient/bench-{}", n % 118) },
        "effectiveDateTime": format!("20{:02}-{:02}-{:02}T08:30:00-05:00", n % 25, 1 + n % 12, 1 + n % 28),
        "issued": "2020-01-01T08:30:00.000-05:00",
        "valueQuantity": { "value": (n % 1000) as f64 / 10.0, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL" },
    })
}
