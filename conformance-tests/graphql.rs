//! The official GraphQL cases of FHIR, asked of the server over HTTP, on both databases.

use crate::data;
use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use serde_json::{Value, json};
use std::path::Path;

/// The resources that the cases speak of. There are no others, because lists are compared whole; they
/// are stored in this order, because the cases list the last one first.
const RESOURCES: [(&str, &str); 7] = [
    ("Patient", "xds"),
    ("Patient", "example"),
    ("Observation", "example"),
    ("Observation", "20minute-apgar-score"),
    ("MedicationDispense", "meddisp008"),
    ("Condition", "example"),
    ("List", "long"),
];

/// Stored for its own cases only: those about lists of patients do not know it.
const VISITOR: (&str, &str) = ("Patient", "glossy");

/// Cases that do not hold, with the reason.
const FAILURES: [(&str, &str); 1] =
    [("search-full", "its count, page size, score and cursor are those of one server's made-up answer")];

struct Case {
    name: String,
    source: String,
    output: String,
    context: String,
    operation: Option<String>,
}

/// The cases of the manifest, in order.
fn cases(manifest: &str) -> Vec<Case> {
    let attribute = |line: &str, name: &str| {
        let rest = line.split(&format!("{name}=\"")).nth(1)?;
        rest.split('"').next().map(str::to_owned)
    };
    let lines = manifest.lines().filter(|line| line.trim_start().starts_with("<test "));
    let read = |line: &str| {
        Some(Case {
            name: attribute(line, " name")?,
            source: attribute(line, " source")?,
            output: attribute(line, " output")?,
            context: attribute(line, " context")?,
            operation: attribute(line, " operation"),
        })
    };
    lines.map(|line| read(line).unwrap_or_else(|| panic!("cannot read {line}"))).collect()
}

/// Examples by type and id.
fn examples() -> Option<Vec<Value>> {
    let examples = data::examples()?;
    Some(examples.iter().filter_map(|(_, text)| serde_json::from_slice(text).ok()).collect())
}

fn store(client: &mut Client, examples: &[Value], (ty, id): (&str, &str)) {
    let found = examples.iter().find(|e| e["resourceType"] == ty && e["id"] == id);
    let mut resource = found.unwrap_or_else(|| panic!("there is no example {ty}/{id}")).clone();
    if ty == "List" {
        // The cases know it under another id than the examples do.
        resource["id"] = json!("example-long");
    }
    let target = format!("{ty}/{}", resource["id"].as_str().expect("an id"));
    client.put(&target, &resource).expect(201);
}

fn run(client: &mut Client, folder: &Path, case: &Case) -> Result<(), String> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of the cases");
    let target = if case.context.is_empty() { "$graphql" } else { &case.context };
    let mut body = json!({ "query": read(&case.source) });
    if let Some(operation) = &case.operation {
        // The variable that the runner of these cases sets.
        body["operationName"] = json!(operation);
        body["variables"] = json!({ "var": true });
    }
    let headers = [("Content-Type", "application/json"), ("Accept", "application/json")];
    let answer = client.send("POST", target, &headers, body.to_string().as_bytes());
    let answer = answer.map_err(|e| e.to_string())?;
    if answer.header("content-type") != Some("application/json; charset=utf-8") {
        return Err(format!("the answer is {:?}", answer.header("content-type")));
    }
    let found = answer.json();
    if case.output == "$error" {
        return match (answer.status, found["errors"][0]["message"].as_str()) {
            (400, Some(_)) => Ok(()),
            _ => Err(format!("{}: {found} is no error", answer.status)),
        };
    }
    let expected: Value = serde_json::from_str(&read(&case.output)).expect("JSON of the cases");
    match found["data"] == expected {
        true => Ok(()),
        false => Err(format!("{}: expected {expected}, got {found}", answer.status)),
    }
}

#[test]
fn the_official_graphql_cases_hold() {
    let Some(folder) = data::path("suites/official-r4/graphql") else { return };
    let manifest = std::fs::read_to_string(folder.join("manifest.xml")).expect("the manifest of the cases");
    let cases = cases(&manifest);
    assert_eq!(cases.len(), 29, "the cases are not all there");
    let Some(examples) = examples() else { return };
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        RESOURCES.iter().for_each(|resource| store(&mut client, &examples, *resource));
        let mut faults = Vec::new();
        for case in &cases {
            let known = FAILURES.iter().find(|(name, _)| *name == case.name);
            let visits = case.context.starts_with("Patient/glossy/");
            if visits {
                store(&mut client, &examples, VISITOR);
            }
            let result = run(&mut client, &folder, case);
            if visits {
                client.delete("Patient/glossy").expect(204);
            }
            match (result, known) {
                (Err(fault), None) => faults.push(format!("{}: {fault}", case.name)),
                (Ok(()), Some((name, _))) => faults.push(format!("{name} holds now; take it off the list")),
                (Ok(()), None) | (Err(_), Some(_)) => {}
            }
        }
        assert!(faults.is_empty(), "{:?}: {} faults:\n{}", database.kind(), faults.len(), faults.join("\n"));
    }
}
