//! The figures of `remit bench scale`: sizes side by side.

use super::table::Row;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// One size of the database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Size {
    pub(super) patients: usize,
    /// Rate of the load that led to this size.
    pub(super) resources_per_s: f64,
    /// All that was posted so far.
    pub(super) posted_mib: f64,
    /// Bytes of search indexes for each byte posted.
    pub(super) index_per_byte: f64,
    /// Memory of the server after the queries.
    pub(super) memory_mib: Option<f64>,
    /// One row for each class of query.
    pub(super) rows: Vec<Row>,
}

/// All sizes, smallest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Growth {
    pub(super) sizes: Vec<Size>,
    /// For each class its first query and the database's plan of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) plans: Vec<(String, Vec<String>)>,
}

impl Growth {
    /// A line for each class: p50 and p99 in ms at each size, and how often the last is the first.
    pub(super) fn render(&self) -> String {
        let mut out = format!("\n{:<34}", "patients");
        for size in &self.sizes {
            let _ = write!(out, "{:>18}", size.patients);
        }
        let _ = write!(out, "{:>14}\n{:<34}", "growth", "");
        for _ in &self.sizes {
            let _ = write!(out, "{:>9}{:>9}", "p50 ms", "p99 ms");
        }
        let _ = writeln!(out, "{:>7}{:>7}", "p50", "p99");
        let (Some(first), Some(last)) = (self.sizes.first(), self.sizes.last()) else { return out };
        for (place, row) in first.rows.iter().enumerate() {
            let _ = write!(out, "{:<34}", row.name);
            for row in self.sizes.iter().filter_map(|size| size.rows.get(place)) {
                let _ = write!(out, "{:>9.2}{:>9.2}", row.p50_ms, row.p99_ms);
            }
            let times = |of: fn(&Row) -> f64| {
                last.rows.get(place).map_or(f64::NAN, |end| of(end) / of(row).max(1e-9))
            };
            let _ = writeln!(out, "{:>7.2}{:>7.2}", times(|row| row.p50_ms), times(|row| row.p99_ms));
        }
        self.line(&mut out, "load, resources/s", |size| format!("{:.0}", size.resources_per_s));
        self.line(&mut out, "posted, MiB", |size| format!("{:.0}", size.posted_mib));
        self.line(&mut out, "index bytes for a byte posted", |size| format!("{:.2}", size.index_per_byte));
        self.line(&mut out, "memory of the server, MiB", |size| {
            size.memory_mib.map_or("-".to_owned(), |mib| format!("{mib:.0}"))
        });
        for row in self.sizes.iter().flat_map(|size| &size.rows) {
            if let Some(fault) = &row.fault {
                let _ = writeln!(out, "wrong: {}: {fault}", row.name);
            }
        }
        for (query, plan) in &self.plans {
            let _ = writeln!(out, "\n{query}");
            for line in plan {
                let _ = writeln!(out, "    {line}");
            }
        }
        out
    }

    fn line(&self, out: &mut String, name: &str, figure: impl Fn(&Size) -> String) {
        let _ = write!(out, "{name:<34}");
        for size in &self.sizes {
            let _ = write!(out, "{:>18}", figure(size));
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stand_side_by_side_with_their_growth() {
        let size = |patients, p50_ms: f64| Size {
            patients,
            resources_per_s: 5000.0,
            posted_mib: 100.0,
            index_per_byte: 0.5,
            memory_mib: None,
            rows: vec![Row {
                name: "Patient, name".into(),
                per_s: 1.0,
                p50_ms,
                p95_ms: 2.0,
                p99_ms: 2.0 * p50_ms,
                wrong: 0,
                fault: None,
            }],
        };
        let plans = vec![("Patient, name: Patient?name=A".to_owned(), vec!["SEARCH d".to_owned()])];
        let growth = Growth { sizes: vec![size(1000, 1.0), size(4000, 1.25)], plans };
        let text = growth.render();
        let line = text.lines().find(|line| line.starts_with("Patient, name ")).unwrap();
        let figures: Vec<&str> = line.split_whitespace().skip(2).collect();
        assert_eq!(figures, ["1.00", "2.00", "1.25", "2.50", "1.25", "1.25"]);
        assert!(text.contains("4000") && text.contains("    SEARCH d"), "{text}");
    }
}
