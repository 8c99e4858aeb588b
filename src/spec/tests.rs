//! The embedded data against the published definitions, where these are present: set
//! `REMIT_TEST_DATA`, or have a folder `shared/data` beside the repository.
//! `UPDATE=1` rewrites the data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::build::{Report, build, list, text};
use crate::build_types::{Structures, specialisations};
use crate::package::{Package, read_bundle};
use crate::*;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn package_and_official() -> Option<(PathBuf, PathBuf)> {
    let data = std::env::var_os("REMIT_TEST_DATA")
        .map_or_else(|| Path::new(ROOT).join("../shared/data"), PathBuf::from)
        .join("definitions");
    let package = data.join("hl7.fhir.r4.core-4.0.1.tgz");
    if package.is_file() {
        return Some((package, data.join("official")));
    }
    eprintln!("SKIPPED: {} is not there; set REMIT_TEST_DATA", package.display());
    None
}

#[test]
fn a_rebuild_from_the_package_gives_the_same_bytes() {
    let Some((package, official)) = package_and_official() else { return };
    if std::env::var_os("UPDATE").is_some() {
        let (profiles, terminology) = (format!("{ROOT}/profiles"), format!("{ROOT}/terminology"));
        let report = build(&package, Some(&official), profiles.as_ref(), terminology.as_ref());
        println!("{:#?}", report.expect("the data is rebuilt"));
        return;
    }
    let folder = std::env::temp_dir().join(format!("remit-spec-{}", std::process::id()));
    let report: Report =
        build(&package, Some(&official), &folder.join("profiles"), &folder.join("terminology"))
            .expect("the data is rebuilt");
    for name in [
        "profiles/r4/source.json",
        "profiles/r4/types.json",
        "profiles/r4/search-parameters.json",
        "profiles/r4/operations.json",
        "profiles/r4/compartments.json",
        "terminology/r4/value-sets.json",
        "terminology/r4/code-systems.json",
        "terminology/r4/more-value-sets.json",
        "terminology/r4/more-code-systems.json",
    ] {
        let rebuilt = std::fs::read(folder.join(name)).expect("the file was written");
        let kept = std::fs::read(Path::new(ROOT).join(name)).expect("the file is in the repository");
        assert!(rebuilt == kept, "{name} differs from a rebuild; run the test with UPDATE=1 and review");
    }
    assert_eq!(report.package, "hl7.fhir.r4.core 4.0.1");
    std::fs::remove_dir_all(&folder).expect("the folder of this test is removed");
}

fn structures(package: &Path) -> Structures {
    let package = Package::open(package).expect("the package opens");
    specialisations(package.all("StructureDefinition").expect("the package is JSON"))
}

/// Walks `Patient.contact.name` from its type. The last step is the element that holds it.
fn walk(d: &'static Definitions, path: &str) -> (&'static Type, &'static Element) {
    let mut names = path.split('.');
    let mut ty = d.type_named(names.next().expect("a path has a type")).expect("the type is known");
    let mut names = names.peekable();
    loop {
        let name = names.next().expect("a path has an element");
        let owner = d.ty(ty);
        let element =
            owner.child(name.trim_end_matches("[x]")).unwrap_or_else(|| panic!("{path} is missing"));
        if names.peek().is_none() {
            return (owner, element);
        }
        ty = element.types[0].ty;
    }
}

fn source_keys(element: &Value) -> BTreeSet<&str> {
    let rules = list(element, "constraint").iter().filter(|rule| rule.get("expression").is_some());
    rules.map(|rule| text(rule, "key")).collect()
}

fn source_type<'v>(element: &'v Value, ty: &'v Value) -> &'v str {
    let code = text(ty, "code");
    if !code.starts_with("http://hl7.org/fhirpath/") {
        return code;
    }
    match text(element, "path") {
        path if text(&element["base"], "path") == "Resource.id" && path.ends_with(".id") => "id",
        "Extension.url" => "uri",
        _ => "string",
    }
}

#[test]
fn every_element_says_what_its_snapshot_says() {
    let Some((package, _)) = package_and_official() else { return };
    let d = Definitions::r4();
    let structures = structures(&package);
    let mut checked = 0;
    for structure in structures.values() {
        let is_primitive = text(structure, "kind") == "primitive-type";
        for element in &list(&structure["snapshot"], "element")[1..] {
            let path = text(element, "path");
            if is_primitive && path.ends_with(".value") {
                continue;
            }
            check_element(d, path, element);
            checked += 1;
        }
    }
    // 7675 in all, less 209 roots and 20 values of primitives.
    assert_eq!(checked, 7675 - 209 - 20);
}

fn check_element(d: &'static Definitions, path: &str, source: &Value) {
    let (_, element) = walk(d, path);
    assert_eq!(element.is_choice, path.ends_with("[x]"), "{path}");
    assert_eq!(Some(u64::from(element.min)), source["min"].as_u64(), "{path}");
    assert_eq!(element.max.map_or("*".into(), |max| max.to_string()), text(source, "max"), "{path}");
    assert_eq!(element.is_list, source["base"]["max"] == "*", "{path}");
    assert_eq!(element.is_summary, source["isSummary"] == true, "{path}");
    assert_eq!(element.is_modifier, source["isModifier"] == true, "{path}");
    assert_eq!(element.is_attribute, source["representation"][0] == "xmlAttr", "{path}");
    let reference = source["contentReference"].as_str().map(|text| text.trim_start_matches('#'));
    assert_eq!(element.content_reference, reference, "{path}");
    let value_set = source["binding"]["valueSet"].as_str().and_then(|url| url.split('|').next());
    assert_eq!(element.binding.and_then(|binding| binding.value_set), value_set, "{path}");
    let strength = element.binding.map(|binding| binding.strength.code());
    assert_eq!(strength, source["binding"]["strength"].as_str(), "{path}");
    let types: Vec<&str> = list(source, "type").iter().map(|ty| source_type(source, ty)).collect();
    for (option, name) in element.types.iter().zip(&types) {
        let ty = d.ty(option.ty);
        match ty.kind {
            Kind::Backbone => assert_eq!(ty.base.map(|base| d.name(base)), Some(*name), "{path}"),
            _ => assert_eq!(ty.name, *name, "{path}"),
        }
    }
    assert_eq!(element.types.len(), types.len().max(1), "{path}");
    let mut keys: BTreeSet<&str> = element.invariants.iter().map(|rule| rule.key).collect();
    let wanted = source_keys(source);
    assert!(keys.is_subset(&wanted), "{path}");
    keys.extend(element.types.iter().flat_map(|option| &d.ty(option.ty).invariants).map(|rule| rule.key));
    assert!(keys.is_superset(&wanted), "{path}: {wanted:?} {keys:?}");
}

/// The type that SQL on FHIR adds to those of R4.
const ADDED: &str = "ViewDefinition";

#[test]
fn every_type_has_the_order_the_rules_and_the_base_of_its_snapshot() {
    let Some((package, _)) = package_and_official() else { return };
    let d = Definitions::r4();
    let structures = structures(&package);
    for (name, structure) in &structures {
        let ty = d.ty(d.type_named(name).expect("the type is known"));
        let elements = list(&structure["snapshot"], "element");
        let rules: BTreeSet<&str> = ty.invariants.iter().map(|rule| rule.key).collect();
        assert_eq!(rules, source_keys(&elements[0]), "{name}");
        assert_eq!(rules.len(), ty.invariants.len(), "{name}");
        assert_eq!(ty.url, text(structure, "url"));
        assert_eq!(ty.is_abstract, structure["abstract"] == true, "{name}");
        let base = ty.base.map(|base| d.ty(base).url);
        assert_eq!(base, structure["baseDefinition"].as_str(), "{name}");
        // The order of the elements, for the type and for each of its backbone elements.
        let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for element in &elements[1..] {
            let (parent, child) = text(element, "path").rsplit_once('.').expect("the path has a parent");
            if ty.kind != Kind::Primitive || child != "value" {
                children.entry(parent).or_default().push(child.trim_end_matches("[x]"));
            }
        }
        for (parent, wanted) in children {
            let parent = d.ty(d.type_named(parent).expect("the parent is a type"));
            let names: Vec<&str> = parent.elements.iter().map(|element| element.name).collect();
            assert_eq!(names, wanted, "{}", parent.name);
        }
    }
    let whole = d.types().filter(|ty| d.ty(*ty).kind != Kind::Backbone && d.name(*ty) != ADDED);
    assert_eq!(whole.count(), structures.len());
}

#[test]
fn every_type_has_the_search_parameters_of_the_official_build() {
    let Some((_, official)) = package_and_official() else { return };
    let (source, _) = read_bundle(&official.join("search-parameters.json.gz")).expect("the file opens");
    let d = Definitions::r4();
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for parameter in &source {
        for base in list(parameter, "base") {
            let codes = wanted.entry(base.as_str().expect("a base is text")).or_default();
            assert!(codes.insert(text(parameter, "code")), "two with one code");
        }
    }
    for ty in d.resource_types().filter(|ty| d.name(*ty) != ADDED) {
        let mut codes = BTreeSet::new();
        for ancestor in d.types().filter(|ancestor| d.is_a(ty, *ancestor)) {
            codes.extend(wanted.get(d.name(ancestor)).into_iter().flatten().copied());
        }
        // Beside those of R4 stand those of this server.
        let all = d.search_parameters(ty).iter().map(|id| d.parameter(*id));
        let official = all.filter(|parameter| parameter.url.starts_with("http://hl7.org/fhir/"));
        let found: Vec<&str> = official.map(|parameter| parameter.code).collect();
        assert_eq!(found, codes.into_iter().collect::<Vec<_>>(), "{}", d.name(ty));
    }
}
