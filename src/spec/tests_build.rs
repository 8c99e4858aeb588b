//! The derivation on a small package made here, and on input that is no package.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::build::build;

/// A folder that is removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("remit-spec-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder can be made");
        Folder(path)
    }

    fn put(&self, name: &str, value: &Value) -> &Folder {
        fs::write(self.0.join(name), value.to_string()).expect("a file can be written");
        self
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).expect("the file was written")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn structure(name: &str, base: Option<&str>, elements: Value) -> Value {
    json!({
        "resourceType": "StructureDefinition",
        "name": name,
        "url": format!("http://hl7.org/fhir/StructureDefinition/{name}"),
        "kind": "complex-type",
        "abstract": base.is_none(),
        "baseDefinition": base.map(|base| format!("http://hl7.org/fhir/StructureDefinition/{base}")),
        "snapshot": { "element": elements },
    })
}

fn rule(key: &str) -> Value {
    json!({ "key": key, "severity": "error", "human": "left out", "expression": "true" })
}

fn small_package(name: &str) -> Folder {
    let folder = Folder::new(name);
    let id = |path: &str| {
        json!({
            "path": path, "min": 0, "max": "1", "base": { "path": "Element.id" },
            "representation": ["xmlAttr"],
            "type": [{ "code": "http://hl7.org/fhirpath/System.String" }],
        })
    };
    let element = json!([{ "path": "Element", "constraint": [rule("ele-1")] }, id("Element.id")]);
    let thing = json!([
        { "path": "Thing", "constraint": [rule("ele-1"), rule("thi-1")] },
        id("Thing.id"),
        {
            "path": "Thing.part", "min": 1, "max": "*", "base": { "path": "Thing.part" },
            "definition": "left out", "isSummary": true, "type": [{ "code": "Element" }],
            "constraint": [rule("ele-1"), rule("thi-2")],
        },
        id("Thing.part.id"),
        {
            "path": "Thing.part.more", "min": 0, "max": "*", "base": { "path": "Thing.part.more" },
            "contentReference": "#Thing.part",
        },
        {
            "path": "Thing.part.kind", "min": 0, "max": "1", "base": { "path": "Thing.part.kind" },
            "type": [{ "code": "Element" }],
            "binding": { "strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/k|4.0.1" },
        },
    ]);
    let value_set = json!({
        "resourceType": "ValueSet", "url": "http://hl7.org/fhir/ValueSet/k", "name": "K",
        "compose": { "include": [{ "system": "http://hl7.org/fhir/k" }] },
    });
    let code_system = json!({
        "resourceType": "CodeSystem", "url": "http://hl7.org/fhir/k", "name": "K", "content": "complete",
        "concept": [{ "code": "a", "display": "A", "definition": "left out", "concept": [{ "code": "b" }] }],
    });
    folder
        .put("package.json", &json!({ "name": "@org/small", "version": "1" }))
        .put("StructureDefinition-Element.json", &structure("Element", None, element))
        .put("StructureDefinition-Thing.json", &structure("Thing", Some("Element"), thing))
        .put("ValueSet-k.json", &value_set)
        .put("CodeSystem-k.json", &code_system);
    folder
}

#[test]
fn a_small_package_gives_its_facts_and_nothing_else() {
    let (package, out) = (small_package("small"), Folder::new("small-out"));
    let report = build(&package.0, None, &out.0.join("p"), &out.0.join("t")).expect("the package is sound");
    assert_eq!(report.package, "small 1");
    assert_eq!((report.types, report.value_sets, report.code_systems), (2, 1, 1));
    let rule = |key: &str| format!(r#"[{{"key":"{key}","severity":"error","expression":"true"}}]"#);
    let types = [
        format!(
            r#"{{"name":"Element","kind":"complex-type","abstract":true,"invariants":{},"elements":["#,
            rule("ele-1")
        ),
        r#"{"path":"id","types":["string"],"attribute":true}"#.into(),
        "]}".into(),
        format!(
            r#"{{"name":"Thing","kind":"complex-type","base":"Element","invariants":{},"elements":["#,
            rule("thi-1")
        ),
        format!(
            r#"{{"path":"part","min":1,"max":"*","types":["Element"],"summary":true,"invariants":{}}},"#,
            rule("thi-2")
        ),
        r#"{"path":"part.more","max":"*","content":"part"},"#.into(),
        concat!(
            r#"{"path":"part.kind","types":["Element"],"#,
            r#""binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/k"}}"#
        )
        .into(),
        "]}\n".into(),
    ];
    assert_eq!(out.read("p/r4/types.json"), types.join("\n"));
    let codes = concat!(
        r#"{"url":"http://hl7.org/fhir/k","name":"K","content":"complete","concepts":["#,
        "\n{\"code\":\"a\",\"display\":\"A\"},\n{\"code\":\"b\",\"parents\":[\"a\"]}\n]}\n"
    );
    assert_eq!(out.read("t/r4/code-systems.json"), codes);
}

#[test]
fn what_is_no_package_is_refused_with_a_sentence() {
    let out = Folder::new("bad-out");
    let message = |package: &Path, official: Option<&Path>| {
        build(package, official, &out.0, &out.0).expect_err("this is no package").to_string()
    };
    let missing = out.0.join("missing.tgz");
    assert!(message(&missing, None).contains("missing.tgz"));

    let text = Folder::new("text");
    text.put("plain.tgz", &json!("not packed"));
    assert!(message(&text.0.join("plain.tgz"), None).contains("plain.tgz"));
    assert!(message(&text.0, None).ends_with("has no package.json"));

    let broken = small_package("broken");
    fs::write(broken.0.join("StructureDefinition-Bad.json"), "{").expect("a file can be written");
    assert!(message(&broken.0, None).contains("StructureDefinition-Bad.json is not JSON"));

    let hollow = Folder::new("hollow");
    let bare = json!({ "resourceType": "StructureDefinition", "name": "Bare", "kind": "resource" });
    hollow.put("package.json", &json!({})).put("StructureDefinition-Bare.json", &bare);
    assert_eq!(message(&hollow.0, None), "the StructureDefinition Bare has no snapshot");
    assert!(message(&hollow.0, Some(&text.0)).contains("search-parameters.json.gz"));
}
