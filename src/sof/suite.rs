//! The official test suite of SQL on FHIR v2, unmodified.
//! <https://github.com/FHIR/sql-on-fhir-v2/tree/master/tests>

use std::path::PathBuf;

use remit_fhir::json::parse;
use remit_fhir::{Document, Node};
use remit_spec::Definitions;
use serde_json::{Map, Value as Json};

use crate::{Value, View};

/// Cases that are not passed: file, title, reason. A listed case that passes fails the test.
const EXCLUDED: [(&str, &str, &str); 0] = [];

fn folder() -> Option<PathBuf> {
    let data = std::env::var_os("REMIT_TEST_DATA").map(PathBuf::from);
    let data =
        data.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")));
    let folder = data.join("suites/sql-on-fhir/tests");
    folder.is_dir().then_some(folder)
}

/// The rows of a case, or why there are none.
fn rows(view: Node<'_>, resources: Node<'_>) -> Result<(Vec<String>, Vec<Json>), String> {
    let view = View::parse(view, Definitions::r4()).map_err(|issues| format!("{issues:?}"))?;
    let names: Vec<String> = view.columns().iter().map(|column| column.name.clone()).collect();
    let mut rows = Vec::new();
    for resource in resources.items() {
        let sink = &mut |row: &[&Value<'_>]| {
            let cells = names.iter().zip(row).map(|(name, value)| {
                let mut json = Vec::new();
                value.write_json(&mut json);
                let json = serde_json::from_slice(&json).expect("cells are valid JSON");
                (name.clone(), json)
            });
            rows.push(Json::Object(cells.collect::<Map<_, _>>()));
            Ok(())
        };
        view.run(resource, 0, sink).map_err(|error| error.to_string())?;
    }
    Ok((names, rows))
}

/// Numbers are compared as numbers, rows in any order, and a column that is absent as null.
fn sorted(rows: &[Json]) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(canonical).collect();
    rows.sort();
    rows
}

fn canonical(json: &Json) -> String {
    match json {
        Json::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| format!("{name}={}", canonical(value)))
                .collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Json::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |n| n.to_string()),
        other => other.to_string(),
    }
}

fn check(case: Node<'_>, resources: Node<'_>) -> Result<(), String> {
    let view = case.get("view").ok_or("the case has no view")?;
    let answer = rows(view, resources);
    if case.get("expectError").is_some() {
        return answer
            .map_or(Ok(()), |(_, rows)| Err(format!("an error was expected, found {} rows", rows.len())));
    }
    let (names, rows) = answer?;
    let expected = case.get("expect").ok_or("the case expects nothing")?;
    let expected: Vec<Json> = serde_json::from_str(expected.json()).map_err(|error| error.to_string())?;
    if sorted(&expected) != sorted(&rows) {
        return Err(format!("expected {:?}, found {:?}", sorted(&expected), sorted(&rows)));
    }
    let Some(columns) = case.get("expectColumns") else { return Ok(()) };
    let columns: Vec<_> = columns.items().filter_map(Node::string).collect();
    if columns != names { Err(format!("expected columns {columns:?}, found {names:?}")) } else { Ok(()) }
}

fn run_file(document: &Document, file: &str, failures: &mut Vec<String>) -> usize {
    let root = document.root();
    let resources = root.get("resources").expect("a suite has resources");
    let cases: Vec<_> = root.get("tests").expect("a suite has tests").items().collect();
    for case in &cases {
        let title = case.get_str("title").unwrap_or_default().into_owned();
        let is_excluded = EXCLUDED.iter().any(|(f, t, _)| *f == file && *t == title);
        match (check(*case, resources), is_excluded) {
            (Ok(()), false) | (Err(_), true) => {}
            (Ok(()), true) => failures.push(format!("{file} | {title}: is listed as excluded and passes")),
            (Err(reason), false) => failures.push(format!("{file} | {title}: {reason}")),
        }
    }
    cases.len()
}

#[test]
fn the_official_suite_passes() {
    let Some(folder) = folder() else {
        println!(
            "SKIPPED: the SQL on FHIR suite is not there; REMIT_TEST_DATA names the folder with suites/"
        );
        return;
    };
    let mut failures = Vec::new();
    let mut count = 0;
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|e| e.expect("an entry").path())
        .collect();
    files.sort();
    for path in files {
        let file = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let document = parse(std::fs::read(&path).expect("the file can be read")).expect("the file is JSON");
        count += run_file(&document, &file, &mut failures);
    }
    assert!(failures.is_empty(), "{} of {count} cases fail:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(count, 134, "the suite has another number of cases than expected");
}
