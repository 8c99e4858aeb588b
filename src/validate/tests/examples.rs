use super::*;
use remit_spec::{Kind, TypeId};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Read once for all tests; none where the data is not there.
static EXAMPLES: LazyLock<Option<Vec<(String, Document)>>> =
    LazyLock::new(|| data("examples/hl7.fhir.r4.examples-4.0.1.tgz").map(|path| archive(&path)));

/// Official examples that break the definitions: file, issue code, expression of the first fault.
const FAULTY: [(&str, &str, &str); 14] = [
    ("ImplementationGuide-fhir.json", "required", "ImplementationGuide.name"),
    ("Questionnaire-qs1.json", "required", "Questionnaire.item[0].item[0].linkId"),
    ("SearchParameter-codesystem-extensions-CodeSystem-author.json", "required", "SearchParameter.base"),
    ("SearchParameter-codesystem-extensions-CodeSystem-effective.json", "required", "SearchParameter.base"),
    ("SearchParameter-codesystem-extensions-CodeSystem-end.json", "required", "SearchParameter.base"),
    ("SearchParameter-codesystem-extensions-CodeSystem-keyword.json", "required", "SearchParameter.base"),
    ("SearchParameter-codesystem-extensions-CodeSystem-workflow.json", "required", "SearchParameter.base"),
    // Its id has more than 64 characters.
    (
        "SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json",
        "value",
        "SearchParameter.id",
    ),
    ("SearchParameter-valueset-extensions-ValueSet-author.json", "required", "SearchParameter.base"),
    ("SearchParameter-valueset-extensions-ValueSet-effective.json", "required", "SearchParameter.base"),
    ("SearchParameter-valueset-extensions-ValueSet-end.json", "required", "SearchParameter.base"),
    ("SearchParameter-valueset-extensions-ValueSet-keyword.json", "required", "SearchParameter.base"),
    ("SearchParameter-valueset-extensions-ValueSet-workflow.json", "required", "SearchParameter.base"),
    ("ig-r4.json", "required", "ImplementationGuide.name"),
];

#[test]
fn official_examples_are_accepted_but_for_those_with_known_faults() {
    let Some(examples) = &*EXAMPLES else { return };
    assert_eq!(examples.len(), 5306);
    let mut found = BTreeSet::new();
    for (name, document) in examples {
        let issues = structure(document.root(), Definitions::r4(), &Limits::default());
        if let Some(first) = issues.first() {
            found.insert((name.as_str(), first.code.code(), first.expression.concat()));
        }
    }
    let listed = FAULTY.map(|(name, code, expression)| (name, code, expression.to_owned())).into();
    let differences: Vec<_> = found.symmetric_difference(&listed).collect();
    assert!(differences.is_empty(), "not listed, or listed and accepted: {differences:#?}");
}

/// A way to spoil a member of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spoil {
    /// Take away an element that is required.
    Remove,
    /// Give it a name that does not exist.
    Rename,
    /// An array for one value, or one value for an array.
    Reshape,
    /// A value of another JSON type.
    Retype,
}

#[derive(Clone, Debug)]
struct Change {
    /// JSON pointer of the object.
    object: String,
    member: String,
    spoil: Spoil,
}

/// Every change of every member that the definitions know.
fn changes(object: &Map<String, Value>, ty: TypeId, pointer: &str, out: &mut Vec<Change>) {
    let defs = Definitions::r4();
    for (member, value) in object {
        let Some((element, value_type)) = defs.member(ty, member) else { continue };
        let change = |spoil| Change { object: pointer.to_owned(), member: member.clone(), spoil };
        out.extend([Spoil::Rename, Spoil::Reshape, Spoil::Retype].map(change));
        if element.min > 0 {
            out.push(change(Spoil::Remove));
        }
        let items: Vec<(String, &Value)> = match value {
            Value::Array(items) => {
                items.iter().enumerate().map(|(n, item)| (format!("{pointer}/{member}/{n}"), item)).collect()
            }
            one => vec![(format!("{pointer}/{member}"), one)],
        };
        for (pointer, item) in items {
            let Some(inner) = item.as_object() else { continue };
            let named = inner.get("resourceType").and_then(Value::as_str);
            let inner_type = match defs.ty(value_type).kind {
                Kind::Resource => named.and_then(|name| defs.resource_named(name)),
                _ => Some(value_type),
            };
            if let Some(inner_type) = inner_type {
                changes(inner, inner_type, &pointer, out);
            }
        }
    }
}

fn spoiled(resource: &Value, change: &Change) -> Value {
    let mut copy = resource.clone();
    let object = copy.pointer_mut(&change.object).and_then(Value::as_object_mut).unwrap();
    let old = object.remove(&change.member).unwrap();
    object.remove(&format!("_{}", change.member));
    let name = change.member.clone();
    match (change.spoil, old) {
        (Spoil::Remove, _) => None,
        (Spoil::Rename, old) => object.insert(format!("{name}Zz"), old),
        (Spoil::Reshape, Value::Array(mut items)) => object.insert(name, items.remove(0)),
        (Spoil::Reshape, one) => object.insert(name, Value::Array(vec![one])),
        (Spoil::Retype, Value::Array(_)) => object.insert(name, Value::Array(vec![Value::Array(vec![])])),
        (Spoil::Retype, Value::String(_)) => object.insert(name, Value::Bool(true)),
        (Spoil::Retype, _) => object.insert(name, Value::from("wrong type")),
    };
    copy
}

#[test]
fn examples_with_one_thing_spoiled_are_refused() {
    /// A smaller example spoils as much as a large one.
    const MAX_TEXT: usize = 6_000;
    let Some(examples) = &*EXAMPLES else { return };
    let mut of_type: BTreeMap<String, &Document> = BTreeMap::new();
    for (name, document) in examples {
        let is_good = FAULTY.iter().all(|(faulty, ..)| faulty != name) && document.text().len() <= MAX_TEXT;
        if let Some(kind) = document.root().resource_type().filter(|_| is_good) {
            of_type.entry(kind.into_owned()).or_insert(document);
        }
    }
    assert!(of_type.len() > 120, "{} types", of_type.len());
    let defs = Definitions::r4();
    let mut counts = BTreeMap::new();
    for (kind, document) in &of_type {
        let resource: Value = serde_json::from_str(document.text()).unwrap();
        let mut all = Vec::new();
        changes(resource.as_object().unwrap(), defs.resource_named(kind).unwrap(), "", &mut all);
        for change in all {
            let text = spoiled(&resource, &change).to_string();
            assert!(!faults(&text).is_empty(), "{kind} with {change:?} is accepted");
            *counts.entry(format!("{:?}", change.spoil)).or_insert(0usize) += 1;
        }
    }
    println!("refused: {counts:?} in {} types", of_type.len());
    assert!(counts.values().all(|count| *count > 100), "{counts:?}");
}
