//! Plain-text suites: a request above, the expected answer below.
//!
//! ```text
//! # A created resource can be read.
//!
//! --> POST /Patient
//! Content-Type: application/fhir+json
//!
//! {"resourceType": "Patient"}
//! <-- 201
//! ETag: W/"1"
//! Location: $base/Patient/$id/_history/1
//!
//! {"id": "$id"}
//! ```
//!
//! Targets are relative to the FHIR base of the suite's own tenant; `//health/live` is relative to the
//! server. `$base` is that base. A body without `Content-Type` is sent as FHIR JSON. Headers that are
//! not named are not looked at; `Name: $absent` says that there must be none. Without an expected body
//! none is compared. A GET that is answered with 202 where another status is expected asks for work in
//! the background, and is sent again until that is done. `pattern.rs` and `body.rs` say how texts and bodies are compared.

mod body;
mod pattern;

use crate::http::{Client, Response};
use pattern::Names;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long work in the background may take, and how often it is asked for.
const WORK_TIMEOUT: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A suite as it stands in its file.
pub(crate) struct Suite {
    head: String,
    exchanges: Vec<Exchange>,
}

#[derive(Default)]
struct Exchange {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u16,
    expected_headers: Vec<(String, String)>,
    expected_body: String,
    line: usize,
}

/// The text above and below the first empty line: headers and body.
fn split(lines: &[&str]) -> (Vec<(String, String)>, String) {
    let at = lines.iter().position(|line| line.trim().is_empty()).unwrap_or(lines.len());
    let headers = lines[..at].iter().filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
    (headers, lines[at..].join("\n").trim().to_owned())
}

impl Suite {
    pub(crate) fn parse(text: &str) -> Result<Suite, String> {
        let lines: Vec<_> = text.lines().collect();
        let starts: Vec<_> = (0..lines.len()).filter(|&n| lines[n].starts_with("--> ")).collect();
        let head_end = *starts.first().ok_or("no request (a line that begins with -->)")?;
        let mut suite = Suite { head: lines[..head_end].join("\n").trim().to_owned(), exchanges: Vec::new() };
        if !suite.head.starts_with("# ") {
            return Err("the first line must say what the suite shows: # A sentence.".into());
        }
        for (n, &start) in starts.iter().enumerate() {
            let end = starts.get(n + 1).copied().unwrap_or(lines.len());
            suite.exchanges.push(exchange(&lines[start..end], start + 1)?);
        }
        Ok(suite)
    }

    fn render(&self) -> String {
        let mut out = format!("{}\n", self.head);
        for e in &self.exchanges {
            let _ = writeln!(out, "\n--> {} {}", e.method, e.target);
            block(&mut out, &e.headers, &e.body);
            let _ = writeln!(out, "<-- {}", e.status);
            block(&mut out, &e.expected_headers, &e.expected_body);
        }
        out
    }

    /// Performs the requests in order; the faults found. The suite takes over what was answered.
    fn run(&mut self, client: &mut Client, base: &str) -> Vec<String> {
        let mut names = Names::from([("base".to_owned(), base.to_owned())]);
        let mut faults = Vec::new();
        for exchange in &mut self.exchanges {
            if let Err(fault) = exchange.run(client, &mut names, &mut faults) {
                faults.push(format!("line {}: {fault}", exchange.line));
                break;
            }
        }
        faults
    }
}

fn block(out: &mut String, headers: &[(String, String)], body: &str) {
    for (name, value) in headers {
        let _ = writeln!(out, "{name}: {value}");
    }
    if !body.is_empty() {
        let _ = writeln!(out, "\n{body}");
    }
}

fn exchange(lines: &[&str], line: usize) -> Result<Exchange, String> {
    let fault = |text: &str| format!("line {line}: {text}");
    let at = lines.iter().position(|l| l.starts_with("<-- ")).ok_or(fault("no answer (<-- status)"))?;
    let (method, target) = lines[0][4..].trim().split_once(' ').ok_or(fault("--> METHOD target"))?;
    let (headers, body) = split(&lines[1..at]);
    let (expected_headers, expected_body) = split(&lines[at + 1..]);
    let status = lines[at][4..].trim().parse().map_err(|_| fault("<-- needs a status"))?;
    let (method, target) = (method.to_owned(), target.trim().to_owned());
    Ok(Exchange { method, target, headers, body, status, expected_headers, expected_body, line })
}

impl Exchange {
    fn run(
        &mut self,
        client: &mut Client,
        names: &mut Names,
        faults: &mut Vec<String>,
    ) -> Result<(), String> {
        let target = pattern::fill(&self.target, names)?;
        let target = match target.strip_prefix("//") {
            Some(of_server) => format!("/{of_server}"),
            None => target.trim_start_matches('/').to_owned(),
        };
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            headers.push((name.clone(), pattern::fill(value, names)?));
        }
        // Bodies hold dollar signs of their own; only bound names are put in.
        let mut body = self.body.clone();
        for (name, value) in names.iter() {
            body = body.replace(&format!("${name}"), value);
        }
        if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("Content-Type".into(), "application/fhir+json".into()));
        }
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let until = Instant::now() + WORK_TIMEOUT;
        let answer = loop {
            let answer = client.send(&self.method, &target, &headers, body.as_bytes());
            let answer = answer.map_err(|e| format!("{} {target}: {e}", self.method))?;
            let is_working = answer.status == 202 && self.status != 202 && self.method == "GET";
            if !is_working || Instant::now() > until {
                break answer;
            }
            std::thread::sleep(ASK_AGAIN);
        };
        self.compare(&answer, names, faults);
        Ok(())
    }

    /// Notes each difference and takes over what was answered.
    fn compare(&mut self, answer: &Response, names: &mut Names, faults: &mut Vec<String>) {
        let place = format!("line {}: {} {}", self.line, self.method, self.target);
        if answer.status != self.status {
            faults.push(format!(
                "{place}: expected {}, got {}: {}",
                self.status,
                answer.status,
                answer.text()
            ));
            self.status = answer.status;
        }
        for (name, expected) in &mut self.expected_headers {
            let actual = answer.header(name);
            let fits = match actual {
                None => expected == "$absent",
                Some(_) if expected == "$absent" => false,
                Some(actual) => pattern::fits(expected, actual, names),
            };
            if !fits {
                faults.push(format!("{place}: {name}: expected {expected}, got {actual:?}"));
                *expected = actual.map_or("$absent".to_owned(), |value| pattern::unfill(value, names));
            }
        }
        if self.expected_body.is_empty() {
            return;
        }
        if let Some(difference) = body::difference(&self.expected_body, &answer.body, names) {
            faults.push(format!("{place}: {difference}"));
            self.expected_body = body::record(&answer.body, names);
        }
    }
}

/// Runs the suite in a file; with `update` the file is rewritten when it does not hold.
pub(crate) fn run(path: &Path, client: &mut Client, base: &str, update: bool) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("a suite that can be read");
    let mut suite = match Suite::parse(&text) {
        Ok(suite) => suite,
        Err(fault) => return vec![fault],
    };
    let faults = suite.run(client, base);
    if update && !faults.is_empty() {
        std::fs::write(path, suite.render()).expect("a suite that can be written");
    }
    faults
}

#[test]
fn a_suite_is_written_as_it_was_read() {
    let text = "# A sentence.\n\n--> GET /Patient/1\nAccept: x\n<-- 200\nETag: W/\"1\"\n\n{\"a\": 1}\n\n\
                --> PUT /Patient/1\n\n{}\n<-- 400\n";
    assert_eq!(Suite::parse(text).map(|s| s.render()).as_deref(), Ok(text));
}
