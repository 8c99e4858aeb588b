use super::*;
use std::time::Instant;

/// Run with `cargo test --release -p remit-validate -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement, not a check"]
fn speed_over_synthetic_patients() {
    /// Bundles that are read; more give the same figure.
    const BUNDLES: usize = 6;
    let Some(path) = data("patients/synthea-118.tgz") else { return };
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut resources = Vec::new();
    let bundles = archive
        .entries()
        .unwrap()
        .map(Result::unwrap)
        .filter(|e| e.path().unwrap().extension().is_some_and(|e| e == "json"));
    for mut entry in bundles.take(BUNDLES) {
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        let bundle = json::parse(text).unwrap();
        let entries = bundle.root().get("entry").unwrap();
        resources.extend(entries.items().filter_map(|e| e.get("resource")).map(|r| r.to_document()));
    }
    let bytes: usize = resources.iter().map(|r| r.text().len()).sum();
    let defs = Definitions::r4();
    let limits = Limits::default();
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        let faults: usize = resources.iter().map(|r| structure(r.root(), defs, &limits).len()).sum();
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(faults, 0);
    }
    println!(
        "structure: {} resources of {} bytes on average, {:.2} µs each, {:.0} MB/s",
        resources.len(),
        bytes / resources.len(),
        best * 1e6 / resources.len() as f64,
        bytes as f64 / best / 1e6,
    );
}
