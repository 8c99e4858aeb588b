//! Derives the value sets that bindings need, and the code systems that these draw from; the other
//! value sets and code systems of the package go into files of their own, which are read on demand.
//! <https://hl7.org/fhir/R4/valueset.html>, <https://hl7.org/fhir/R4/codesystem.html>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::build::{copy, list, note, text};

/// Where the URLs of HL7's code systems start. Those of others are not copied: the value sets list
/// what they need of them.
const OWN_SYSTEMS: [&str; 2] = ["http://hl7.org/fhir/", "http://terminology.hl7.org/CodeSystem/"];

/// What was derived.
pub(crate) struct Terms {
    pub(crate) value_sets: Vec<String>,
    pub(crate) code_systems: Vec<String>,
    /// The value sets that no binding needs.
    pub(crate) more_value_sets: Vec<String>,
    /// The code systems that these draw from, and those of others.
    pub(crate) more_code_systems: Vec<String>,
    /// Value sets and code systems that are referred to but not taken.
    pub(crate) missing: Vec<String>,
}

/// Takes the value sets in `wanted`, those that they draw from, and the code systems of both.
pub(crate) fn derive(wanted: BTreeSet<String>, value_sets: Vec<Value>, code_systems: Vec<Value>) -> Terms {
    let value_sets = by_url(value_sets);
    let code_systems = by_url(code_systems);
    let mut terms = Terms {
        value_sets: Vec::new(),
        code_systems: Vec::new(),
        more_value_sets: Vec::new(),
        more_code_systems: Vec::new(),
        missing: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    let mut systems = BTreeSet::new();
    let mut queue: Vec<String> = wanted.into_iter().collect();
    let mut lines = BTreeMap::new();
    while let Some(url) = queue.pop() {
        if !seen.insert(url.clone()) {
            continue;
        }
        let Some(value_set) = value_sets.get(&url) else {
            terms.missing.push(url);
            continue;
        };
        for part in parts(value_set) {
            systems.extend(part["system"].as_str().map(str::to_owned));
            let imports = list(part, "valueSet").iter().filter_map(Value::as_str);
            queue.extend(imports.map(|url| without_version(url).to_owned()));
        }
        lines.insert(url, value_set_line(value_set, &code_systems));
    }
    let others = value_sets.iter().filter(|(url, _)| !lines.contains_key(*url) && !url.is_empty());
    terms.more_value_sets = others.map(|(_, set)| value_set_line(set, &code_systems)).collect();
    terms.value_sets = lines.into_values().collect();
    let mut taken = BTreeSet::new();
    for url in systems {
        let system = code_systems.get(&url).filter(|_| is_own(&url));
        match system.filter(|system| !list(system, "concept").is_empty()) {
            Some(system) => {
                terms.code_systems.push(code_system_lines(system, &value_sets));
                taken.insert(url);
            }
            None => terms.missing.push(url),
        }
    }
    let others = code_systems.iter().filter(|(url, _)| !taken.contains(*url) && !url.is_empty());
    terms.more_code_systems = others.map(|(_, system)| code_system_lines(system, &value_sets)).collect();
    terms.missing.sort();
    terms
}

fn by_url(all: Vec<Value>) -> BTreeMap<String, Value> {
    all.into_iter().map(|value| (text(&value, "url").to_owned(), value)).collect()
}

fn without_version(url: &str) -> &str {
    url.split_once('|').map_or(url, |(url, _)| url)
}

fn parts(value_set: &Value) -> impl Iterator<Item = &Value> {
    let compose = &value_set["compose"];
    list(compose, "include").iter().chain(list(compose, "exclude"))
}

fn is_own(system: &str) -> bool {
    OWN_SYSTEMS.iter().any(|start| system.starts_with(start))
}

fn value_set_line(value_set: &Value, code_systems: &BTreeMap<String, Value>) -> String {
    let include = |part: &Value| include(part, code_systems);
    let mut line = Map::new();
    copy(value_set, &mut line, &["url", "version", "name"]);
    let compose = &value_set["compose"];
    line.insert("include".into(), list(compose, "include").iter().map(&include).collect());
    if !list(compose, "exclude").is_empty() {
        line.insert("exclude".into(), list(compose, "exclude").iter().map(&include).collect());
    }
    Value::Object(line).to_string()
}

fn include(part: &Value, code_systems: &BTreeMap<String, Value>) -> Value {
    let mut line = Map::new();
    copy(part, &mut line, &["system"]);
    let system = text(part, "system");
    // The displays of a system that is not copied are kept here.
    let displays = match code_systems.get(system) {
        Some(definition) if !is_own(system) => displays(definition),
        _ => BTreeMap::new(),
    };
    if part.get("concept").is_some() {
        let concept = |concept: &Value| {
            let code = text(concept, "code");
            json!([code, concept["display"].as_str().or(displays.get(code).copied())])
        };
        line.insert("concepts".into(), list(part, "concept").iter().map(concept).collect());
    }
    if part.get("filter").is_some() {
        let filter = |filter: &Value| {
            let mut fields = Map::new();
            copy(filter, &mut fields, &["property", "op", "value"]);
            Value::Object(fields)
        };
        line.insert("filters".into(), list(part, "filter").iter().map(filter).collect());
    }
    let imports: Vec<&str> =
        list(part, "valueSet").iter().filter_map(Value::as_str).map(without_version).collect();
    if !imports.is_empty() {
        line.insert("valueSets".into(), json!(imports));
    }
    Value::Object(line)
}

/// The displays of a code system by code.
fn displays(system: &Value) -> BTreeMap<&str, &str> {
    let mut concepts = Vec::new();
    flatten(list(system, "concept"), None, &mut concepts, &mut Parents::new());
    concepts.into_iter().map(|concept| (text(concept, "code"), text(concept, "display"))).collect()
}

/// A code system, each concept on its own line. The value set of all its codes is named where no
/// definition of that value set is in the package.
fn code_system_lines(system: &Value, value_sets: &BTreeMap<String, Value>) -> String {
    let mut head = Map::new();
    copy(system, &mut head, &["url", "version", "name", "content"]);
    if !value_sets.contains_key(without_version(text(system, "valueSet"))) {
        copy(system, &mut head, &["valueSet"]);
    }
    if system["caseSensitive"] == false {
        head.insert("caseSensitive".into(), json!(false));
    }
    let mut concepts = Vec::new();
    let mut parents = BTreeMap::new();
    flatten(list(system, "concept"), None, &mut concepts, &mut parents);
    let lines: Vec<String> = concepts.iter().map(|concept| concept_line(concept, &parents)).collect();
    let mut text = Value::Object(head).to_string();
    text.pop();
    text.push_str(",\"concepts\":[\n");
    text.push_str(&lines.join(",\n"));
    text.push_str("\n]}");
    text
}

type Parents<'v> = BTreeMap<&'v str, Vec<&'v str>>;

/// Lists the concepts in order and notes who is above whom: by nesting, or by the property `child`.
fn flatten<'v>(
    list_of: &'v [Value],
    parent: Option<&'v str>,
    out: &mut Vec<&'v Value>,
    parents: &mut Parents<'v>,
) {
    for concept in list_of {
        let code = text(concept, "code");
        let mut relate = |child: &'v str, parent: &'v str| {
            let known = parents.entry(child).or_default();
            if !known.contains(&parent) {
                known.push(parent);
            }
        };
        if let Some(parent) = parent {
            relate(code, parent);
        }
        for property in list(concept, "property") {
            if let (true, Some(child)) = (property["code"] == "child", property["valueCode"].as_str()) {
                relate(child, code);
            }
        }
        out.push(concept);
        flatten(list(concept, "concept"), Some(code), out, parents);
    }
}

fn concept_line(concept: &Value, parents: &Parents<'_>) -> String {
    let mut line = Map::new();
    copy(concept, &mut line, &["code", "display"]);
    let selects_only = |property: &Value| {
        matches!(text(property, "code"), "notSelectable" | "abstract") && property["valueBoolean"] == true
    };
    note(&mut line, "abstract", list(concept, "property").iter().any(selects_only));
    if let Some(parents) = parents.get(text(concept, "code")) {
        line.insert("parents".into(), json!(parents));
    }
    Value::Object(line).to_string()
}
