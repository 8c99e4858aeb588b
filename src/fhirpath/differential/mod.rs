//! A second implementation as a judge: generated expressions over synthetic patients are evaluated here
//! and by the npm package fhirpath, and the typed results are compared.
//!
//! The package is looked for in the folders of `NODE_PATH`, the patients in `REMIT_TEST_DATA` or in
//! `shared/data` beside the repository. `EXPRESSIONS` and `SEED` say how many are made, and which.

mod compare;
mod generate;
mod known;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use remit_fhir::json::{self, Document};
use remit_spec::Definitions;

use crate::{Element, Environment, Item, compile};
use generate::Generator;

/// Expressions of a run of all tests; they take some seconds.
const EXPRESSIONS: usize = 2_000;

/// Resources of each type that expressions are evaluated on.
const PER_TYPE: usize = 6;

/// The time that both may see: none of the expressions asks for it.
const NOW: i64 = 0;

#[test]
fn generated_expressions_mean_the_same_to_another_implementation() {
    let Some((package, resources)) = package().zip(resources()) else {
        let is_asked = std::env::var_os("REMIT_TEST_CLIENTS").is_some();
        assert!(!is_asked, "REMIT_TEST_CLIENTS asks for the npm package fhirpath and the patients");
        return;
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let count = number("EXPRESSIONS").map_or(EXPRESSIONS, |count| count as usize);
    let mut generator = Generator::new(number("SEED").unwrap_or(1));
    let cases: Vec<(usize, String)> = (0..count).map(|_| generator.case(&resources)).collect();
    let theirs = evaluate(&package, &resources, &cases);
    let mut faults = Vec::new();
    let (mut values, mut known) = (0, 0);
    for ((place, expression), theirs) in cases.iter().zip(&theirs) {
        let ours = ours(&resources[*place], expression);
        match compare::difference(&ours, theirs) {
            None => values += usize::from(ours.as_ref().is_ok_and(|items| !items.is_empty())),
            Some(_) if known::is_known(expression, &ours, theirs) => known += 1,
            Some(difference) => faults.push(format!("[{place}] {expression}\n    {difference}")),
        }
    }
    println!(
        "{count} expressions: {values} equal with values, {known} known differences, {} others",
        faults.len()
    );
    let shown = faults.len().min(number("SHOWN").map_or(40, |count| count as usize));
    assert!(faults.is_empty(), "{} differences:\n{}", faults.len(), faults[..shown].join("\n"));
    assert!(values * 2 > count, "only {values} of {count} expressions have a value");
}

fn package() -> Option<PathBuf> {
    let places = std::env::var_os("NODE_PATH").unwrap_or_default();
    let found = std::env::split_paths(&places).map(|place| place.join("fhirpath")).find(|p| p.exists());
    if found.is_none() {
        eprintln!("SKIPPED: the npm package fhirpath is not in NODE_PATH; .ci/run installs it.");
    }
    found
}

/// A few resources of each type of the first patients.
fn resources() -> Option<Vec<Document>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path =
        std::env::var_os("REMIT_TEST_DATA").map_or(root, PathBuf::from).join("patients/synthea-118.tgz");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!(
            "SKIPPED: {} is not there; set REMIT_TEST_DATA to the folder of the test data.",
            path.display()
        );
        return None;
    };
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut found: Vec<Document> = Vec::new();
    let mut of_type: std::collections::HashMap<String, usize> = Default::default();
    for entry in archive.entries().expect("a tar archive").take(14) {
        let mut text = String::new();
        entry.and_then(|mut entry| entry.read_to_string(&mut text)).expect("a whole archive");
        let Ok(bundle) = json::parse(text) else { continue };
        let entries = bundle.root().get("entry").into_iter().flat_map(|list| list.items());
        for resource in entries.filter_map(|entry| entry.get("resource")).step_by(7) {
            let kind = resource.resource_type().unwrap_or_default().into_owned();
            let count = of_type.entry(kind).or_default();
            if *count < PER_TYPE && resource.range().len() < 40_000 {
                *count += 1;
                found.push(resource.to_document());
            }
        }
    }
    Some(found)
}

/// What the other implementation gives: a line of JSON for each case.
fn evaluate(package: &Path, resources: &[Document], cases: &[(usize, String)]) -> Vec<Document> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance-tests/clients/fhirpath.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .arg(package)
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut input = node.stdin.take().expect("its input");
    let texts: Vec<String> = resources
        .iter()
        .map(|document| {
            let mut text = Vec::new();
            document.root().write_compact(&mut text);
            String::from_utf8(text).expect("UTF-8")
        })
        .collect();
    let mut lines = format!("[{}]\n", texts.join(","));
    for (place, expression) in cases {
        lines.push_str(&format!("[{place},{}]\n", json::quote(expression)));
    }
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).expect("node reads"));
    let output = BufReader::new(node.stdout.take().expect("its output"));
    let answers = output.lines().map(|line| json::parse(line.expect("a line")).expect("JSON")).collect();
    writer.join().expect("node has read");
    assert!(node.wait().is_ok_and(|status| status.success()), "node fails");
    answers
}

/// What we give: the items in a form that compares, or an error.
fn ours(document: &Document, expression: &str) -> Result<Vec<compare::Typed>, String> {
    let defs = Definitions::r4();
    let focus = Element::resource(document.root(), defs);
    let expression = compile(expression, focus.ty, defs).map_err(|e| format!("compile: {e}"))?;
    let found =
        expression.evaluate(Item::Element(focus), &Environment::new(NOW)).map_err(|e| e.to_string())?;
    Ok(found.iter().map(|item| compare::typed(item, defs)).collect())
}
