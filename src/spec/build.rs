//! Derives the compact data in `profiles/r4` and `terminology/r4` from the published definitions.
//! <https://hl7.org/fhir/R4/downloads.html>
//!
//! Only facts are taken, no descriptions. The same input gives the same bytes. The package and its
//! checksum are written down in `profiles/r4/source.json`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::build_terminology;
use crate::build_types;
use crate::package::{Package, read_bundle};

/// Where the canonical URLs of the standard's operations start. One example in the package has another.
const OPERATION_DEFINITION: &str = "http://hl7.org/fhir/OperationDefinition/";
/// Where the canonical URLs of its types and profiles start.
pub(crate) const STRUCTURE_DEFINITION: &str = "http://hl7.org/fhir/StructureDefinition/";
/// The file of search parameters in the official build.
const OFFICIAL_SEARCH_PARAMETERS: &str = "search-parameters.json.gz";
/// The file of datatypes in the official build.
const OFFICIAL_TYPES: &str = "profiles-types.json.gz";

/// Why the data could not be derived.
#[derive(Debug)]
pub struct BuildError(String);

impl BuildError {
    pub(crate) fn new(message: String) -> BuildError {
        BuildError(message)
    }

    pub(crate) fn file(path: &Path, error: std::io::Error) -> BuildError {
        BuildError(format!("{}: {error}", path.display()))
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BuildError {}

/// What was derived: numbers of definitions and bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// `hl7.fhir.r4.core 4.0.1`
    pub package: String,
    /// Types, the backbone elements not counted.
    pub types: usize,
    /// Search parameters.
    pub search_parameters: usize,
    /// Operations.
    pub operations: usize,
    /// Compartments.
    pub compartments: usize,
    /// Value sets.
    pub value_sets: usize,
    /// Code systems.
    pub code_systems: usize,
    /// Value sets and code systems that bindings lead to but that are not in the package, or kept by
    /// others.
    pub left_out: Vec<String>,
    /// Bytes written.
    pub bytes: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} bytes", self.package, self.bytes)?;
        writeln!(f, "{} types, {} search parameters", self.types, self.search_parameters)?;
        writeln!(f, "{} operations, {} compartments", self.operations, self.compartments)?;
        writeln!(f, "{} value sets, {} code systems", self.value_sets, self.code_systems)?;
        write!(f, "left out: {}", self.left_out.join(", "))
    }
}

/// Derives the data from a package, packed or unpacked. Search parameters and datatypes come from
/// the official build where its folder is given. Writes into the folder `r4` of both places.
pub fn build(
    package: &Path,
    official: Option<&Path>,
    out_profiles: &Path,
    out_terminology: &Path,
) -> Result<Report, BuildError> {
    let package = Package::open(package)?;
    let mut source = Map::new();
    source.insert("package".into(), json!(package.name));
    source.insert("version".into(), json!(package.version));
    source.insert("sha256".into(), json!(package.sha256));
    let mut structures = build_types::specialisations(package.all("StructureDefinition")?);
    let mut parameters = package.all("SearchParameter")?;
    if let Some(folder) = official {
        let (official_parameters, checksum) = read_bundle(&folder.join(OFFICIAL_SEARCH_PARAMETERS))?;
        parameters = official_parameters;
        source.insert(OFFICIAL_SEARCH_PARAMETERS.into(), json!({ "sha256": checksum }));
        let (official_types, checksum) = read_bundle(&folder.join(OFFICIAL_TYPES))?;
        structures.extend(build_types::specialisations(official_types));
        source.insert(OFFICIAL_TYPES.into(), json!({ "sha256": checksum }));
    }
    let types = build_types::lines(&structures)?;
    let search = search_parameters(&parameters, &structures);
    let operations = operations(&package.all("OperationDefinition")?, &structures);
    let compartments = compartments(&package.all("CompartmentDefinition")?);
    let terms = build_terminology::derive(
        build_types::bound_value_sets(&structures),
        package.all("ValueSet")?,
        package.all("CodeSystem")?,
    );
    let mut report = Report {
        package: format!("{} {}", package.name, package.version),
        types: structures.len(),
        search_parameters: search.len(),
        operations: operations.len(),
        compartments: compartments.len(),
        value_sets: terms.value_sets.len() + terms.more_value_sets.len(),
        code_systems: terms.code_systems.len() + terms.more_code_systems.len(),
        left_out: terms.missing,
        bytes: 0,
    };
    let profiles = out_profiles.join("r4");
    let terminology = out_terminology.join("r4");
    let source = vec![Value::Object(source).to_string()];
    for (folder, name, lines) in [
        (&profiles, "source.json", &source),
        (&profiles, "types.json", &types),
        (&profiles, "search-parameters.json", &search),
        (&profiles, "operations.json", &operations),
        (&profiles, "compartments.json", &compartments),
        (&terminology, "value-sets.json", &terms.value_sets),
        (&terminology, "code-systems.json", &terms.code_systems),
        (&terminology, "more-value-sets.json", &terms.more_value_sets),
        (&terminology, "more-code-systems.json", &terms.more_code_systems),
    ] {
        report.bytes += write(folder, name, lines)?;
    }
    Ok(report)
}

fn write(folder: &Path, name: &str, definitions: &[String]) -> Result<usize, BuildError> {
    fs::create_dir_all(folder).map_err(|error| BuildError::file(folder, error))?;
    let mut text = definitions.join("\n");
    text.push('\n');
    let path = folder.join(name);
    fs::write(&path, &text).map_err(|error| BuildError::file(&path, error))?;
    Ok(text.len())
}

/// The text of a field, or nothing.
pub(crate) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// The items of a list field; none where it is missing.
pub(crate) fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// Copies fields that are there, under the same names.
pub(crate) fn copy(from: &Value, to: &mut Map<String, Value>, fields: &[&str]) {
    for field in fields {
        if let Some(value) = from.get(*field) {
            to.insert((*field).into(), value.clone());
        }
    }
}

/// Notes a fact that is true; what is not true is left out.
pub(crate) fn note(to: &mut Map<String, Value>, field: &str, is_true: bool) {
    if is_true {
        to.insert(field.into(), Value::Bool(true));
    }
}

/// One line for each definition, sorted by code and then URL.
fn search_parameters(all: &[Value], structures: &build_types::Structures) -> Vec<String> {
    let everything: BTreeSet<&str> = structures
        .values()
        .filter(|ty| text(ty, "kind") == "resource" && ty["abstract"] == false)
        .map(|ty| text(ty, "name"))
        .filter(|name| *name != "Parameters")
        .collect();
    let mut lines: Vec<_> = all
        .iter()
        .map(|parameter| {
            let mut line = Map::new();
            copy(parameter, &mut line, &["code", "url", "type", "base", "expression"]);
            copy(parameter, &mut line, &["target", "multipleOr", "multipleAnd", "comparator", "modifier"]);
            if let Some(Value::Array(targets)) = line.get_mut("target") {
                compress_targets(targets, &everything);
            }
            let parts: Vec<Value> = list(parameter, "component").iter().map(component).collect();
            if !parts.is_empty() {
                line.insert("component".into(), Value::Array(parts));
            }
            let key = (text(parameter, "code").to_owned(), text(parameter, "url").to_owned());
            (key, Value::Object(line).to_string())
        })
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Writes the list of all resource types as `*`. `Parameters` is never stored, so it is not among them.
fn compress_targets(targets: &mut Vec<Value>, everything: &BTreeSet<&str>) {
    if targets.len() == everything.len()
        && targets.iter().filter_map(Value::as_str).all(|t| everything.contains(t))
    {
        *targets = vec![json!("*")];
    }
}

fn component(part: &Value) -> Value {
    json!({ "definition": text(part, "definition"), "expression": text(part, "expression") })
}

/// One line for each operation, sorted by code and then URL.
fn operations(all: &[Value], structures: &build_types::Structures) -> Vec<String> {
    let own = all.iter().filter(|operation| text(operation, "url").starts_with(OPERATION_DEFINITION));
    let mut lines: Vec<_> = own
        .map(|operation| {
            let mut line = Map::new();
            copy(operation, &mut line, &["code", "url", "name"]);
            note(&mut line, "query", text(operation, "kind") == "query");
            for field in ["system", "type", "instance", "affectsState"] {
                note(&mut line, field, operation[field] == true);
            }
            copy(operation, &mut line, &["resource"]);
            line.insert("parameter".into(), parameters(operation, "parameter", structures));
            let key = (text(operation, "code").to_owned(), text(operation, "url").to_owned());
            (key, Value::Object(line).to_string())
        })
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

fn parameters(owner: &Value, field: &str, structures: &build_types::Structures) -> Value {
    let parameter = |parameter: &Value| {
        let mut line = Map::new();
        copy(parameter, &mut line, &["name", "use", "min", "max", "type", "searchType"]);
        let targets: Vec<&str> = list(parameter, "targetProfile")
            .iter()
            .filter_map(|url| url.as_str()?.strip_prefix(STRUCTURE_DEFINITION))
            .filter(|name| structures.contains_key(*name))
            .collect();
        if !targets.is_empty() {
            line.insert("target".into(), json!(targets));
        }
        if !list(parameter, "part").is_empty() {
            line.insert("part".into(), parameters(parameter, "part", structures));
        }
        Value::Object(line)
    };
    list(owner, field).iter().map(parameter).collect()
}

/// One line for each compartment, sorted by code. The package holds an example besides.
fn compartments(all: &[Value]) -> Vec<String> {
    let own = all.iter().filter(|compartment| text(compartment, "id") != "example");
    let mut lines: Vec<_> = own
        .map(|compartment| {
            let mut resources = Map::new();
            for resource in list(compartment, "resource") {
                if !list(resource, "param").is_empty() {
                    resources.insert(text(resource, "code").into(), resource["param"].clone());
                }
            }
            let mut line = Map::new();
            copy(compartment, &mut line, &["code", "url"]);
            line.insert("resources".into(), Value::Object(resources));
            Value::Object(line).to_string()
        })
        .collect();
    lines.sort();
    lines
}
