//! Figures as a table and as a file.

use super::expressions::Figures;
use super::server::Server;
use remit_fhir::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::Path;

/// One measured step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    /// Right answers (for loads: resources) a second.
    pub(super) per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
    /// Wrong answers; none are expected.
    pub(super) wrong: u64,
    /// The first wrong answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fault: Option<String>,
}

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Results {
    /// Processor, cores, memory, database.
    pub(super) machine: String,
    pub(super) rows: Vec<Row>,
    /// Memory of the server at the end, when it was ours.
    pub(super) memory_mib: Option<f64>,
    /// FHIRPath by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fhirpath: Option<Figures>,
}

impl Results {
    pub(super) fn new(server: Option<&Server>) -> Results {
        let database = server.map_or("a running server", |server| server.database_kind());
        Results { machine: machine(database), rows: Vec::new(), memory_mib: None, fhirpath: None }
    }

    pub(super) fn read(path: &Path) -> Result<Results> {
        let fault = || Error::invalid(format!("{} holds no figures of an earlier run.", path.display()));
        let text = std::fs::read(path).map_err(|e| fault().because(e))?;
        serde_json::from_slice(&text).map_err(|e| fault().because(e))
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.to_json()).map_err(|e| {
            Error::new(Kind::Unprocessable, format!("{} cannot be written.", path.display())).because(e)
        })
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The table, with an earlier run's figures where it has the same step.
    pub(super) fn render(&self, earlier: Option<&Results>) -> String {
        let mut out = format!("{}\n", self.machine);
        if let Some(earlier) = earlier {
            let _ = writeln!(out, "compared with: {}", earlier.machine);
        }
        if let Some(figures) = &self.fhirpath {
            figures.render(&mut out);
        }
        if self.rows.is_empty() {
            return out;
        }
        let _ = writeln!(
            out,
            "\n{:<24}{:>10}{:>10}{:>10}{:>10}{:>8}",
            "", "per s", "p50 ms", "p95 ms", "p99 ms", "wrong"
        );
        for row in &self.rows {
            let _ = write!(
                out,
                "{:<24}{:>10.0}{:>10.2}{:>10.2}{:>10.2}{:>8}",
                row.name, row.per_s, row.p50_ms, row.p95_ms, row.p99_ms, row.wrong
            );
            let before = earlier.and_then(|results| results.rows.iter().find(|other| other.name == row.name));
            if let Some(before) = before.filter(|before| before.per_s > 0.0) {
                let _ =
                    write!(out, "   was {:.0}, now {:.2} times that", before.per_s, row.per_s / before.per_s);
            }
            out.push('\n');
            if let Some(fault) = &row.fault {
                let _ = writeln!(out, "    wrong: {fault}");
            }
        }
        if let Some(memory) = self.memory_mib {
            let _ = writeln!(out, "\nmemory of the server at the end: {memory:.0} MiB");
        }
        out
    }
}

/// Processor, cores, memory, database, version.
pub(super) fn machine(database: &str) -> String {
    let line_of = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let cpu = line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = line_of("/proc/meminfo", "MemTotal").unwrap_or_default();
    let memory_kib: f64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    format!(
        "{cores} cores of {cpu}, {:.0} GiB; {database}; remit {}{}",
        memory_kib / f64::from(1 << 20),
        env!("CARGO_PKG_VERSION"),
        if cfg!(debug_assertions) { ", UNOPTIMISED BUILD" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_the_earlier_run_and_what_was_wrong() {
        let row = Row {
            name: "read".into(),
            per_s: 3000.0,
            p50_ms: 1.0,
            p95_ms: 2.0,
            p99_ms: 3.0,
            wrong: 1,
            fault: Some("status 500".into()),
        };
        let results =
            Results { machine: "a machine".into(), rows: vec![row], memory_mib: Some(12.0), fhirpath: None };
        let mut earlier: Results = serde_json::from_str(&results.to_json()).unwrap();
        earlier.rows[0].per_s = 1500.0;
        let text = results.render(Some(&earlier));
        for part in ["a machine", "was 1500, now 2.00 times", "wrong: status 500", "12 MiB"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
