//! SearchParameter resources that are taken, refused, changed.

use super::{Change, Row, State, changes};
use crate::registry::Registry;
use crate::tests::registry;
use crate::{IndexRows, extract};
use remit_fhir::json;

fn parameter(rest: &str) -> String {
    format!(
        r#"{{"resourceType":"SearchParameter","url":"http://acme.org/p","name":"P","status":"active","description":"x",{rest}}}"#
    )
}

fn faults(registry: &Registry, text: &str) -> Vec<(String, String)> {
    let document = json::parse(text.to_owned()).unwrap();
    match changes(registry, &[("p", Some(document.root()))]) {
        Ok(_) => Vec::new(),
        Err(error) => {
            assert_eq!(error.status(), 422);
            let issues = error.issues.into_iter();
            issues.map(|i| (i.expression.join(","), i.diagnostics)).collect()
        }
    }
}

/// The registry after the changes of these resources were stored.
fn stored(before: &Registry, sources: &[(&str, &str)]) -> (Registry, Vec<Change>) {
    let documents: Vec<_> =
        sources.iter().map(|(id, text)| (*id, json::parse((*text).to_owned()).unwrap())).collect();
    let writes: Vec<_> = documents.iter().map(|(id, document)| (*id, Some(document.root()))).collect();
    let all = changes(before, &writes).unwrap();
    let dropped: Vec<i32> =
        all.iter().filter_map(|c| if let Change::Drop(n) = c { Some(*n) } else { None }).collect();
    let mut rows: Vec<Row> = before
        .custom()
        .filter(|(c, _)| !dropped.contains(&c.parameter.number))
        .map(|(c, state)| Row {
            number: c.parameter.number,
            type_number: before.type_number(c.ty).unwrap(),
            source: c.source.to_string(),
            state,
        })
        .collect();
    for (change, number) in all.iter().zip(1_000_000 + before.epoch() as i32 * 1000..) {
        if let Change::Add { ty, source, .. } = change {
            let type_number = before.type_number(*ty).unwrap();
            rows.push(Row { number, type_number, source: source.clone(), state: State::Usable });
        }
    }
    let find = |id: &str| documents.iter().find(|(known, _)| *known == id).map(|(_, d)| d.root());
    (before.with_custom(before.epoch() + 1, &rows, find).unwrap(), all)
}

fn rows_of(registry: &Registry, resource: &str) -> IndexRows {
    let document = json::parse(resource.to_owned()).unwrap();
    let ty = document.root().resource_type().and_then(|n| registry.definitions().resource_named(&n)).unwrap();
    extract(document.root(), ty, registry, "").unwrap()
}

#[test]
fn what_cannot_be_indexed_is_refused_at_its_element() {
    let registry = registry();
    for (rest, element, reason) in [
        (
            r#""code":"x","base":["Patient"],"type":"string","expression":"Patient.nothing""#,
            "expression",
            "refused",
        ),
        (
            r#""code":"x","base":["Patient"],"type":"string","expression":"Patient.name.""#,
            "expression",
            "refused",
        ),
        (r#""code":"x","base":["Patient"],"type":"date","expression":"Patient.name""#, "type", "HumanName"),
        (
            r#""code":"x:y","base":["Patient"],"type":"string","expression":"Patient.name""#,
            "code",
            "characters",
        ),
        (r#""code":"_x","base":["Patient"],"type":"string","expression":"Patient.name""#, "code", "_"),
        (r#""code":"name","base":["Patient"],"type":"token","expression":"Patient.name""#, "code", "already"),
        (r#""code":"x","base":["Patient"],"type":"date","expression":"now()""#, "expression", "stale"),
        (
            r#""code":"x","base":["Patient"],"type":"string","expression":"Patient.managingOrganization.resolve().name""#,
            "expression",
            "resolve()",
        ),
        (
            r#""code":"x","base":["Patient"],"type":"string","expression":"Claim.use""#,
            "expression",
            "No alternative",
        ),
        (
            r#""code":"x","base":["Patient"],"type":"token","expression":"Patient.gender","component":[{"definition":"a","expression":"b"}]"#,
            "component",
            "composite",
        ),
        (
            r#""code":"x","base":["Patient"],"type":"composite","expression":"Patient.contact","component":[{"definition":"http://hl7.org/fhir/SearchParameter/individual-gender","expression":"gender"}]"#,
            "component",
            "2 to 3",
        ),
    ] {
        let found = faults(&registry, &parameter(rest));
        let is_there = found
            .iter()
            .any(|(at, text)| at == &format!("SearchParameter.{element}") && text.contains(reason));
        assert!(is_there, "{rest}: {found:?}");
    }
    let deep = format!(
        r#""code":"x","base":["Patient"],"type":"string","expression":"{}Patient.name""#,
        "(".repeat(5000)
    );
    assert!(!faults(&registry, &parameter(&deep)).is_empty());
}

#[test]
fn a_parameter_makes_rows_and_follows_its_definition() {
    let name = parameter(
        r#""code":"kin","base":["Patient"],"type":"string","expression":"Patient.contact.name.family""#,
    );
    let resource = r#"{"resourceType":"Patient","contact":[{"name":{"family":"Doe"},"gender":"male"}]}"#;
    let standard = registry();
    let (first, changed) = stored(&standard, &[("p", &name)]);
    assert_eq!(changed.len(), 1);
    let patient = first.definitions().resource_named("Patient").unwrap();
    let number = first.parameter(patient, "kin").expect("it is usable").number;
    let rows = rows_of(&first, resource);
    assert_eq!(rows.epoch, 1);
    assert!(rows.strings.iter().any(|r| r.param == number && &*r.norm == "doe"));
    // Other words in the resource change nothing; another expression is another parameter.
    assert!(stored(&first, &[("p", &name.replace("\"x\"", "\"other words\""))]).1.is_empty());
    let gender = name.replace("name.family", "gender").replace("string", "token");
    let (second, changed) = stored(&first, &[("p", &gender)]);
    assert_eq!(changed[0], Change::Drop(number));
    let rows = rows_of(&second, resource);
    assert!(rows.strings.iter().all(|r| r.param != number));
    assert!(rows.tokens.iter().any(|r| r.param >= 1_000_000 && &*r.code == "male"));
    let retired = gender.replace("active", "retired");
    let (third, changed) = stored(&second, &[("p", &retired)]);
    assert_eq!((changed.len(), third.custom().count()), (1, 0));
}

#[test]
fn an_abstract_base_stands_for_all_types_below() {
    let text = parameter(r#""code":"lang","base":["Resource"],"type":"token","expression":"language""#);
    let (registry, changed) = stored(&registry(), &[("p", &text)]);
    assert_eq!(changed.len(), registry.definitions().resource_types().count());
    let rows = rows_of(&registry, r#"{"resourceType":"Basic","language":"de"}"#);
    assert!(rows.tokens.iter().any(|r| &*r.code == "de"));
}

#[test]
fn an_expression_that_fails_on_a_resource_gives_it_no_rows() {
    let text = parameter(
        r#""code":"only","base":["Patient"],"type":"string","expression":"Patient.name.family.single().upper()""#,
    );
    let (registry, _) = stored(&registry(), &[("p", &text)]);
    let custom = |rows: IndexRows| rows.strings.iter().filter(|r| r.param >= 1_000_000).count();
    assert_eq!(custom(rows_of(&registry, r#"{"resourceType":"Patient","name":[{"family":"A"}]}"#)), 1);
    let two = r#"{"resourceType":"Patient","name":[{"family":"A"},{"family":"B"}]}"#;
    assert_eq!(custom(rows_of(&registry, two)), 0);
}

#[test]
fn two_resources_cannot_give_one_type_the_same_code() {
    let one =
        parameter(r#""code":"kin","base":["Patient"],"type":"token","expression":"Patient.contact.gender""#);
    let (registry, _) = stored(&registry(), &[("one", &one)]);
    let clash = faults(&registry, &one);
    assert!(clash[0].1.contains("SearchParameter/one"), "{clash:?}");
    let document = json::parse(one.clone()).unwrap();
    let moved = changes(&registry, &[("p", Some(document.root())), ("one", None)]).unwrap();
    assert_eq!(moved.len(), 2, "{moved:?}");
}
