//! Derives the data of the types from StructureDefinition snapshots.
//! <https://hl7.org/fhir/R4/structuredefinition.html>
//!
//! An element that says what the base already says is left out, and so is a rule of the element's type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::build::{BuildError, STRUCTURE_DEFINITION, list, note, text};

/// StructureDefinitions by name.
pub(crate) type Structures = BTreeMap<String, Value>;

/// Where the codes of FHIRPath system types start.
const SYSTEM_TYPE: &str = "http://hl7.org/fhirpath/System.";
/// Says which FHIR type an element of a system type has.
const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
/// Gives the lexical form of a primitive.
const REGEX: &str = "http://hl7.org/fhir/StructureDefinition/regex";
/// Gives the widest allowed value set of a binding.
const MAX_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet";

/// The definitions of types; profiles and logical models are left out.
pub(crate) fn specialisations(all: Vec<Value>) -> Structures {
    let is_type = |structure: &Value| {
        matches!(text(structure, "kind"), "resource" | "complex-type" | "primitive-type")
            && text(structure, "resourceType") == "StructureDefinition"
            && structure["derivation"] != "constraint"
    };
    all.into_iter()
        .filter(is_type)
        .map(|structure| (text(&structure, "name").to_owned(), structure))
        .collect()
}

/// The value sets whose codes must be known: required and extensible bindings, and the widest
/// value set of any binding.
pub(crate) fn bound_value_sets(structures: &Structures) -> BTreeSet<String> {
    let elements = structures.values().flat_map(elements);
    let mut urls = BTreeSet::new();
    for binding in elements.filter_map(|element| element.get("binding")) {
        if matches!(text(binding, "strength"), "required" | "extensible") {
            urls.insert(without_version(text(binding, "valueSet")).to_owned());
        }
        urls.extend(extension(binding, MAX_VALUE_SET).map(|url| without_version(url).to_owned()));
    }
    urls.remove("");
    urls
}

/// The definitions of all types, sorted by name, each element on its own line.
pub(crate) fn lines(structures: &Structures) -> Result<Vec<String>, BuildError> {
    structures.values().map(|structure| lines_of_type(structure, structures)).collect()
}

fn lines_of_type(structure: &Value, structures: &Structures) -> Result<String, BuildError> {
    let name = text(structure, "name");
    let elements = elements(structure);
    let Some((root, rest)) = elements.split_first() else {
        return Err(BuildError::new(format!("the StructureDefinition {name} has no snapshot")));
    };
    let base = structures.get(text(structure, "baseDefinition").rsplit('/').next().unwrap_or_default());
    let mut head = Map::new();
    head.insert("name".into(), json!(name));
    head.insert("kind".into(), structure["kind"].clone());
    if let Some(base) = base {
        head.insert("base".into(), base["name"].clone());
    }
    note(&mut head, "abstract", structure["abstract"] == true);
    let is_primitive = text(structure, "kind") == "primitive-type";
    let mut own = Vec::new();
    for element in rest {
        let path = relative(text(element, "path"));
        if is_primitive && path == "value" {
            head.insert("value".into(), primitive_value(element));
        } else {
            own.extend(element_line(element, path, structures)?);
        }
    }
    let known = base.map(root_keys).unwrap_or_default();
    add_invariants(&mut head, root, &known);
    let mut text = Value::Object(head).to_string();
    text.pop();
    text.push_str(",\"elements\":[\n");
    text.push_str(&own.join(",\n"));
    text.push_str(if own.is_empty() { "]}" } else { "\n]}" });
    Ok(text)
}

fn elements(structure: &Value) -> &[Value] {
    list(&structure["snapshot"], "element")
}

/// `name.given` of `Patient.name.given`.
fn relative(path: &str) -> &str {
    path.split_once('.').map_or("", |(_, rest)| rest)
}

fn without_version(url: &str) -> &str {
    url.split_once('|').map_or(url, |(url, _)| url)
}

/// The value of an extension, whatever its type.
fn extension<'v>(owner: &'v Value, url: &str) -> Option<&'v str> {
    let extension = list(owner, "extension").iter().find(|extension| extension["url"] == url)?;
    let fields = extension.as_object()?;
    fields.iter().find(|(name, _)| name.starts_with("value"))?.1.as_str()
}

fn primitive_value(element: &Value) -> Value {
    let ty = &element["type"][0];
    let mut value = Map::new();
    value.insert("system".into(), json!(text(ty, "code").strip_prefix(SYSTEM_TYPE)));
    if let Some(regex) = extension(ty, REGEX) {
        value.insert("regex".into(), json!(regex));
    }
    if let Some(length) = element.get("maxLength") {
        value.insert("maxLength".into(), length.clone());
    }
    if let (Some(least), Some(greatest)) = (element.get("minValueInteger"), element.get("maxValueInteger")) {
        value.insert("range".into(), json!([least, greatest]));
    }
    Value::Object(value)
}

/// The line of an element, or nothing where it only repeats what it inherits.
fn element_line(element: &Value, path: &str, structures: &Structures) -> Result<Option<String>, BuildError> {
    let origin = text(&element["base"], "path");
    let facts = element_facts(element, structures)?;
    if origin != text(element, "path")
        && let Some(inherited) = find(origin, structures)
        && element_facts(inherited, structures)? == facts
    {
        return Ok(None);
    }
    let mut line = Map::new();
    line.insert("path".into(), json!(path));
    line.extend(facts);
    Ok(Some(Value::Object(line).to_string()))
}

fn find<'s>(path: &str, structures: &'s Structures) -> Option<&'s Value> {
    let owner = path.split('.').next().unwrap_or_default();
    elements(structures.get(owner)?).iter().find(|element| text(element, "path") == path)
}

fn element_facts(element: &Value, structures: &Structures) -> Result<Map<String, Value>, BuildError> {
    let mut facts = Map::new();
    if let Some(min) = element["min"].as_u64().filter(|min| *min > 0) {
        facts.insert("min".into(), json!(min));
    }
    if element["max"] != "1" {
        facts.insert("max".into(), element["max"].clone());
    }
    let mut known = BTreeSet::new();
    if let Some(reference) = element["contentReference"].as_str() {
        let target = reference.trim_start_matches('#');
        facts.insert("content".into(), json!(relative(target)));
        known = find(target, structures).map(keys).unwrap_or_default();
    } else {
        let mut types = Vec::new();
        for ty in list(element, "type") {
            let (name, notation) = element_type(element, ty)?;
            types.push(notation);
            known.extend(structures.get(name).map(root_keys).unwrap_or_default());
        }
        facts.insert("types".into(), merge(types));
    }
    if let Some(binding) = element.get("binding") {
        facts.insert("binding".into(), binding_facts(binding));
    }
    note(&mut facts, "summary", element["isSummary"] == true);
    note(&mut facts, "modifier", element["isModifier"] == true);
    note(&mut facts, "attribute", list(element, "representation").contains(&json!("xmlAttr")));
    add_invariants(&mut facts, element, &known);
    Ok(facts)
}

fn merge(types: Vec<String>) -> Value {
    types.into_iter().map(Value::String).collect()
}

/// The name of a type of an element, and how the data writes it.
fn element_type<'v>(element: &'v Value, ty: &'v Value) -> Result<(&'v str, String), BuildError> {
    let code = text(ty, "code");
    let name = match code.strip_prefix(SYSTEM_TYPE) {
        // The definition says string here; the page of Resource says id.
        Some(_) if element["base"]["path"] == "Resource.id" => "id",
        Some(system) => match (extension(ty, FHIR_TYPE), system) {
            (Some(name), _) => name,
            // `xhtml.id` leaves it out.
            (None, "String") => "string",
            (None, _) => {
                return Err(BuildError::new(format!("{} has no FHIR type", text(element, "path"))));
            }
        },
        None => code,
    };
    let names = |field: &str| -> Vec<&'v str> {
        let urls = list(ty, field).iter().filter_map(Value::as_str);
        urls.filter_map(|url| url.strip_prefix(STRUCTURE_DEFINITION)).collect()
    };
    let mut notation = name.to_owned();
    let profiles = names("profile");
    if !profiles.is_empty() {
        notation.push_str(&format!("[{}]", profiles.join("|")));
    }
    let targets = names("targetProfile");
    if !targets.is_empty() && targets != ["Resource"] {
        notation.push_str(&format!("({})", targets.join("|")));
    }
    Ok((name, notation))
}

fn binding_facts(binding: &Value) -> Value {
    let mut facts = Map::new();
    facts.insert("strength".into(), binding["strength"].clone());
    if let Some(url) = binding["valueSet"].as_str() {
        facts.insert("valueSet".into(), json!(without_version(url)));
    }
    if let Some(url) = extension(binding, MAX_VALUE_SET) {
        facts.insert("maxValueSet".into(), json!(without_version(url)));
    }
    Value::Object(facts)
}

/// The keys of the rules of a type.
fn root_keys(structure: &Value) -> BTreeSet<&str> {
    elements(structure).first().map(keys).unwrap_or_default()
}

fn keys(element: &Value) -> BTreeSet<&str> {
    list(element, "constraint").iter().map(|constraint| text(constraint, "key")).collect()
}

fn add_invariants(facts: &mut Map<String, Value>, element: &Value, known: &BTreeSet<&str>) {
    let own = list(element, "constraint").iter().filter(|constraint| {
        !known.contains(text(constraint, "key")) && constraint.get("expression").is_some()
    });
    let own: Vec<Value> = own
        .map(|constraint| {
            json!({
                "key": text(constraint, "key"),
                "severity": text(constraint, "severity"),
                "expression": text(constraint, "expression"),
            })
        })
        .collect();
    if !own.is_empty() {
        facts.insert("invariants".into(), Value::Array(own));
    }
}
