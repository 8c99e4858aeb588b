//! The official test suite of FHIRPath for FHIR R4, unmodified
//! (<https://github.com/FHIR/fhir-test-cases/tree/master/r4/fhirpath>).
//!
//! It is read from `REMIT_TEST_DATA`, or from `shared/data` beside the repository. Cases that fail
//! are listed in `suite-failures.txt` with the reason; a listed case that passes fails the test.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use quick_xml::events::Event;
use remit_fhir::json::{self, Document};
use remit_spec::Definitions;

use crate::*;

/// 2026-11-22T08:30:00Z
const NOW: i64 = 1_795_336_200_000_000;

const FAILURES: &str = include_str!("suite-failures.txt");

fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var_os("REMIT_TEST_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let folder = data.join("suites/official-r4");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: {} is not there; set REMIT_TEST_DATA", folder.display());
    None
}

#[derive(Default, Debug)]
struct Case {
    name: String,
    input: Option<String>,
    expression: String,
    invalid: Option<String>,
    is_predicate: bool,
    is_unordered: bool,
    checks_order: bool,
    outputs: Vec<(Option<String>, String)>,
}

fn read_cases(xml: &str) -> Vec<Case> {
    let mut reader = quick_xml::Reader::from_str(xml);
    let (mut cases, mut case, mut text, mut group) =
        (Vec::new(), Case::default(), String::new(), String::new());
    loop {
        match reader.read_event().expect("the suite is XML") {
            Event::Start(tag) => {
                let attribute = |name: &str| {
                    let found = tag.try_get_attribute(name).expect("an attribute")?;
                    Some(
                        found
                            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                            .expect("its value")
                            .into_owned(),
                    )
                };
                text.clear();
                match tag.name().as_ref() {
                    "group" => group = attribute("name").unwrap_or_default(),
                    "test" => {
                        case = Case {
                            name: format!("{group}/{}", attribute("name").unwrap_or_default()),
                            input: attribute("inputfile"),
                            is_predicate: attribute("predicate").as_deref() == Some("true"),
                            is_unordered: attribute("ordered").as_deref() == Some("false"),
                            checks_order: attribute("checkOrderedFunctions").as_deref() == Some("true"),
                            ..Case::default()
                        };
                    }
                    "expression" => case.invalid = attribute("invalid"),
                    "output" => case.outputs.push((attribute("type"), String::new())),
                    _ => {}
                }
            }
            Event::Text(part) => text.push_str(&part),
            Event::CData(part) => text.push_str(&part),
            Event::GeneralRef(part) => match part.resolve_char_ref().expect("an entity") {
                Some(c) => text.push(c),
                None => {
                    text.push_str(quick_xml::escape::resolve_predefined_entity(&part).expect("an entity"))
                }
            },
            Event::End(tag) => match tag.name().as_ref() {
                "expression" => case.expression = std::mem::take(&mut text),
                "output" => case.outputs.last_mut().expect("an output").1 = std::mem::take(&mut text),
                "test" => cases.push(std::mem::take(&mut case)),
                _ => {}
            },
            Event::Eof => return cases,
            _ => {}
        }
    }
}

fn read_input(folder: &Path, name: &str) -> Document {
    let bytes = std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let json = match name.ends_with(".xml") {
        true => {
            let text = in_order(std::str::from_utf8(&bytes).expect("UTF-8"));
            remit_xml::to_json(text.as_bytes(), Definitions::r4(), &Default::default())
                .unwrap_or_else(|error| panic!("{name}: {error:?}"))
        }
        false => bytes,
    };
    json::parse(json).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// In the example of an Observation the status stands before the extensions, which is not FHIR.
fn in_order(xml: &str) -> String {
    let status = "</text><status value=\"final\"/>";
    match xml.contains(status) {
        true => xml.replace(status, "</text>").replacen(
            "</extension>",
            "</extension><status value=\"final\"/>",
            1,
        ),
        false => xml.to_owned(),
    }
}

/// `None` when the case passes, else what went wrong.
fn failure(case: &Case, document: &Document) -> Option<String> {
    let defs = Definitions::r4();
    let focus = Element::resource(document.root(), defs);
    let options = Options { context: focus.ty, checks_order: case.checks_order, ..Options::default() };
    let expression = match compile_with(&case.expression, options, defs) {
        Ok(expression) => expression,
        Err(_) if case.invalid.is_some() => return None,
        Err(error) => return Some(format!("is not compiled: {error}")),
    };
    let found = match expression.evaluate(Item::Element(focus), &Environment::new(NOW)) {
        Ok(found) => found,
        Err(_) if matches!(case.invalid.as_deref(), Some("semantic" | "execution")) => return None,
        Err(error) => return Some(format!("is not evaluated: {error}")),
    };
    let mut found: Vec<(String, String)> = found.iter().map(|item| shown(item, defs)).collect();
    if case.invalid.is_some() {
        return Some(format!("should be refused, and gives {found:?}"));
    }
    if case.is_predicate {
        found = vec![("boolean".into(), (!found.is_empty()).to_string())];
    }
    let mut expected = case.outputs.clone();
    if case.is_unordered {
        found.sort_by(|a, b| a.1.cmp(&b.1));
        expected.sort_by(|a, b| a.1.cmp(&b.1));
    }
    let fits = |(found, expected): (&(String, String), &(Option<String>, String))| {
        let text = expected.1.strip_prefix("@T").or(expected.1.strip_prefix('@')).unwrap_or(&expected.1);
        found.1 == text && expected.0.as_ref().is_none_or(|ty| *ty == found.0)
    };
    let passes = found.len() == expected.len() && found.iter().zip(&expected).all(fits);
    (!passes).then(|| format!("gives {found:?}, not {expected:?}"))
}

fn shown(item: &Item<'_>, defs: &Definitions) -> (String, String) {
    let info = item.type_info(defs).map_or("", |info| info.name);
    let mut ty = info.to_owned();
    if info != "Quantity" {
        ty = ty[..1].to_lowercase() + &ty[1..];
    }
    (ty, item.text(defs).unwrap_or_default().into_owned())
}

#[test]
fn the_official_suite_passes_but_for_the_listed_cases() {
    let Some(folder) = folder() else { return };
    let suite = std::fs::read_to_string(folder.join("fhirpath/tests-fhir-r4.xml")).expect("the suite");
    let cases = read_cases(&suite);
    assert_eq!(cases.len(), 935, "the suite has changed");
    let listed: HashMap<&str, &str> = FAILURES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once(": ").expect("a line is a case, a colon and the reason"))
        .collect();
    let empty = json::parse("{}").expect("JSON");
    let mut inputs: HashMap<String, Document> = HashMap::new();
    let (mut wrong, mut passed) = (Vec::new(), 0);
    for case in &cases {
        if let Some(name) = &case.input {
            inputs.entry(name.clone()).or_insert_with(|| read_input(&folder, name));
        }
        let document = case.input.as_ref().map_or(&empty, |name| &inputs[name]);
        match (failure(case, document), listed.contains_key(case.name.as_str())) {
            (None, false) => passed += 1,
            (Some(_), true) => {}
            (None, true) => wrong.push(format!("{} is listed as failing and passes", case.name)),
            (Some(what), false) => wrong.push(format!("{} `{}` {what}", case.name, case.expression.trim())),
        }
    }
    println!("{passed} of {} cases pass, {} are listed as failing", cases.len(), listed.len());
    let known = |name: &&&str| cases.iter().any(|case| case.name == **name);
    let unknown: Vec<_> = listed.keys().filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "there are no such cases: {unknown:?}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}
