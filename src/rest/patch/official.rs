//! The official cases of FHIRPath Patch and JSON Patch, where the test data is present.

use super::{fhirpath, json};
use remit_fhir::Document;
use remit_spec::Definitions;
use serde_json::Value;
use std::path::PathBuf;

fn suite(name: &str) -> Option<String> {
    let data = std::env::var_os("REMIT_TEST_DATA").map(PathBuf::from);
    let data = data.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let path = data.join("suites/official-r4/patch").join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!(
            "SKIPPED: {} is not there; REMIT_TEST_DATA names the folder of the test data",
            path.display()
        );
    }
    text
}

fn within<'t>(text: &'t str, tag: &str) -> Option<&'t str> {
    let start = text.find(&format!("<{tag}>"))? + tag.len() + 2;
    let end = text.find(&format!("</{tag}>"))?;
    text.get(start..end)
}

fn from_xml(xml: &str) -> Document {
    let json = remit_xml::to_json(xml.trim().as_bytes(), Definitions::r4(), &remit_xml::Limits::default());
    remit_fhir::json::parse(json.unwrap_or_else(|e| panic!("{e:?} {xml}"))).unwrap().into_compact()
}

/// JSON with runs of white space in texts as one space and quotes unescaped: the cases lay out
/// narratives anew.
fn normal(text: &str) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::String(text) => {
                let words: Vec<_> = text.split_whitespace().collect();
                *text = words.join(" ").replace("> <", "><").replace("&quot;", "\"");
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::Object(members) => members.values_mut().for_each(walk),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(text).unwrap();
    walk(&mut value);
    value
}

#[test]
fn the_official_cases_of_fhirpath_patch_pass() {
    let Some(text) = suite("fhir-patch-tests.xml") else { return };
    let mut cases = 0;
    let mut failures = Vec::new();
    for case in text.split("<case ").skip(1) {
        let case = case.split("</case>").next().unwrap();
        let name = case.split('"').nth(1).unwrap();
        let input = from_xml(within(case, "input").unwrap());
        let patch = from_xml(within(case, "diff").unwrap());
        let result = fhirpath::apply(Definitions::r4(), input, &patch);
        match (within(case, "output"), result) {
            (Some(output), Ok(done)) => {
                let (expected, found) = (normal(from_xml(output).text()), normal(done.text()));
                if expected != found {
                    failures.push(format!("{name}: expected {expected}, found {found}"));
                }
            }
            (None, Err(error)) if case.contains("<error") => assert_eq!(error.status(), 422, "{name}"),
            (_, Ok(done)) => failures.push(format!("{name}: an error was expected, not {}", done.text())),
            (_, Err(error)) => failures.push(format!("{name}: {error}")),
        }
        cases += 1;
    }
    assert_eq!(failures, Vec::<String>::new());
    assert!(cases >= 30, "only {cases} cases were found");
}

#[test]
fn the_official_cases_of_json_patch_pass() {
    let Some(text) = suite("json-patch-tests.json") else { return };
    let suite = remit_fhir::json::parse(text).unwrap();
    let mut cases = 0;
    for case in suite.root().items() {
        let name = case.get_str("comment").unwrap_or_default();
        let result =
            json::apply(case.get("doc").unwrap().to_document(), &case.get("patch").unwrap().to_document());
        match case.get("expected") {
            Some(expected) => assert_eq!(normal(result.unwrap().text()), normal(expected.json()), "{name}"),
            None => assert_eq!(result.unwrap_err().status(), 422, "{name}"),
        }
        cases += 1;
    }
    assert!(cases >= 15, "only {cases} cases were found");
}
