//! Every official example is stored, read back unchanged as JSON, and again after a round through XML.

use crate::data;
use crate::database::Database;
use crate::http::Client;
use crate::server::{Server, remit};
use serde_json::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Clients at once.
const CLIENTS: usize = 8;
/// The examples of R4 4.0.1; fewer means that the archive is not whole.
const EXAMPLES: usize = 5_306;

/// Examples that break the definitions, with the element at fault; the server rightly refuses them.
const FAULTY: [(&str, &str); 15] = [
    ("ImplementationGuide-fhir.json", "ImplementationGuide.name"),
    ("Questionnaire-qs1.json", "Questionnaire.item[0].item[0].linkId"),
    ("SearchParameter-codesystem-extensions-CodeSystem-author.json", "SearchParameter.base"),
    ("SearchParameter-codesystem-extensions-CodeSystem-effective.json", "SearchParameter.base"),
    ("SearchParameter-codesystem-extensions-CodeSystem-end.json", "SearchParameter.base"),
    ("SearchParameter-codesystem-extensions-CodeSystem-keyword.json", "SearchParameter.base"),
    ("SearchParameter-codesystem-extensions-CodeSystem-workflow.json", "SearchParameter.base"),
    // Its expression is about another type than its base.
    ("SearchParameter-example-extension.json", "SearchParameter.expression"),
    // Its id has more than 64 characters, so it cannot even be addressed.
    ("SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json", ""),
    ("SearchParameter-valueset-extensions-ValueSet-author.json", "SearchParameter.base"),
    ("SearchParameter-valueset-extensions-ValueSet-effective.json", "SearchParameter.base"),
    ("SearchParameter-valueset-extensions-ValueSet-end.json", "SearchParameter.base"),
    ("SearchParameter-valueset-extensions-ValueSet-keyword.json", "SearchParameter.base"),
    ("SearchParameter-valueset-extensions-ValueSet-workflow.json", "SearchParameter.base"),
    ("ig-r4.json", "ImplementationGuide.name"),
];

/// A narrative as XML keeps it: line ends are one character, white space around it is not kept.
fn narrative(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

/// Without what the server says about a version.
fn bare(mut resource: Value) -> Value {
    if let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("versionId");
        meta.remove("lastUpdated");
        if meta.is_empty() {
            resource.as_object_mut().map(|members| members.remove("meta"));
        }
    }
    resource
}

/// Where two values differ first.
fn difference(path: &str, a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            if let Some(name) =
                x.keys().chain(y.keys()).find(|name| x.contains_key(*name) != y.contains_key(*name))
            {
                return Some(format!("{path}.{name} is on one side only"));
            }
            x.iter().find_map(|(name, value)| difference(&format!("{path}.{name}"), value, &y[name]))
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            let mut pairs = x.iter().zip(y).enumerate();
            pairs.find_map(|(n, (a, b))| difference(&format!("{path}[{n}]"), a, b))
        }
        (Value::String(x), Value::String(y)) if path.ends_with(".div") && narrative(x) == narrative(y) => {
            None
        }
        (Value::Number(x), Value::Number(y)) if x.to_string() == y.to_string() => None,
        _ if a == b => None,
        _ => Some(format!("{path}: {a} became {b}")),
    }
}

fn same(example: &Value, answer: Value) -> Result<(), String> {
    difference("$", example, &bare(answer)).map_or(Ok(()), Err)
}

fn ask(client: &mut Client, method: &str, target: &str, kind: &str, body: &[u8]) -> Result<Vec<u8>, String> {
    let headers = [("Content-Type", kind), ("Accept", kind)];
    let answer =
        client.send(method, target, &headers, body).map_err(|e| format!("{method} {target}: {e}"))?;
    match answer.status {
        200 | 201 => Ok(answer.body),
        status => Err(format!("{method} {target}: {status}: {}", answer.text())),
    }
}

fn round_trip(first: &mut Client, second: &mut Client, text: &[u8]) -> Result<(), String> {
    const JSON: &str = "application/fhir+json";
    const XML: &str = "application/fhir+xml";
    let example: Value = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let ty = example["resourceType"].as_str().ok_or("no resourceType")?;
    let id = example["id"].as_str().ok_or("no id")?;
    let target = format!("{ty}/{id}");
    let read = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).map_err(|e| e.to_string());
    ask(first, "PUT", &target, JSON, text)?;
    let example = bare(example);
    same(&example, read(ask(first, "GET", &target, JSON, b"")?)?)?;
    let xml = ask(first, "GET", &target, XML, b"")?;
    ask(second, "PUT", &target, XML, &xml).map_err(|e| format!("as XML: {e}"))?;
    let again = read(ask(second, "GET", &target, JSON, b"")?)?;
    same(&example, again).map_err(|e| format!("after XML: {e}"))
}

fn all_examples(database: &Database) {
    let Some(examples) = data::examples() else { return };
    assert!(examples.len() >= EXAMPLES, "only {} examples", examples.len());
    let server = Server::start(database, &[]);
    let (code, _, error) = remit(&["tenant", "add", "xml", "--database", &database.url()]);
    assert_eq!(code, 0, "{error}");
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let (mut first, mut second) = (server.client(), server.client_of("xml"));
                while let Some((name, text)) = examples.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let known = FAULTY.iter().find(|(file, _)| name.ends_with(file));
                    let done = match (known, round_trip(&mut first, &mut second, text)) {
                        (Some((_, place)), Err(fault))
                            if (fault.contains(": 400: ") || fault.contains(": 422: "))
                                && fault.contains(place) =>
                        {
                            Ok(())
                        }
                        (Some(_), Ok(())) => Err("it is listed as faulty and was taken".to_owned()),
                        (_, done) => done,
                    };
                    if let Err(fault) = done {
                        let fault: String = fault.chars().take(400).collect();
                        faults.lock().expect("no panic under this lock").push(format!("{name}: {fault}"));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic under this lock");
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), examples.len(), faults.join("\n"));
}

#[test]
fn every_official_example_comes_back_unchanged() {
    Database::both().iter().for_each(all_examples);
}
