//! The capability statement is walked, and each line of it is exercised.

use crate::data;
use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

fn codes<'v>(value: &'v Value, list: &str, member: &'v str) -> Vec<&'v str> {
    items(value, list).filter_map(|item| item[member].as_str()).collect()
}

/// A value that fits a search parameter's type.
fn sample(kind: &str) -> &'static str {
    match kind {
        "date" => "ge2020-01-01",
        "number" => "1.0",
        "quantity" => "gt1.5",
        "reference" => "Patient/none",
        "uri" => "http://example.org/none",
        "token" => "none",
        "composite" => "none$none",
        "special" => "0|0|1|km",
        _ => "none",
    }
}

/// The smallest official example of each type; an example is a resource that can surely be written.
fn smallest() -> Option<BTreeMap<String, Value>> {
    let mut found: BTreeMap<String, (usize, Value)> = BTreeMap::new();
    for (_, text) in data::examples()? {
        let Ok(value) = serde_json::from_slice::<Value>(&text) else { continue };
        let Some(ty) = value["resourceType"].as_str().map(str::to_owned) else { continue };
        if found.get(&ty).is_none_or(|(len, _)| text.len() < *len) {
            found.insert(ty, (text.len(), value));
        }
    }
    Some(found.into_iter().map(|(ty, (_, value))| (ty, value)).collect())
}

struct Walk<'c> {
    client: &'c mut Client,
    faults: Vec<String>,
}

impl Walk<'_> {
    fn check(&mut self, what: String, status: u16, wanted: &[u16]) {
        if !wanted.contains(&status) {
            self.faults.push(format!("{what}: {status} instead of {wanted:?}"));
        }
    }

    fn get(&mut self, target: &str, wanted: &[u16]) {
        let status = self.client.get(target).status;
        self.check(format!("GET {target}"), status, wanted);
    }

    fn resource(&mut self, resource: &Value, example: Option<&Value>) {
        let ty = resource["type"].as_str().expect("a type");
        let interactions = codes(resource, "interaction", "code");
        let says = |code: &str| interactions.contains(&code);
        if let Some(example) = example {
            let mut body = example.clone();
            body["id"] = json!("walk");
            let target = format!("{ty}/walk");
            if says("update") && resource["updateCreate"] == true {
                let status = self.client.put(&target, &body).status;
                self.check(format!("PUT {target}"), status, &[201]);
            }
            if ty == "SearchParameter" {
                // Two of one meaning would clash.
                body["code"] = json!("walk-two");
                body["url"] = json!("http://example.org/walk-two");
            }
            if says("create") {
                let status = self.client.post(ty, &body).status;
                self.check(format!("POST {ty}"), status, &[201]);
            }
            let patch = [("Content-Type", "application/json-patch+json")];
            if says("patch") {
                let operations = br#"[{"op":"test","path":"/id","value":"walk"}]"#;
                let status = self.client.send("PATCH", &target, &patch, operations).map_or(0, |a| a.status);
                self.check(format!("PATCH {target}"), status, &[200]);
            }
            for (code, path) in [("read", ""), ("vread", "/_history/1"), ("history-instance", "/_history")] {
                if says(code) {
                    self.get(&format!("{target}{path}"), &[200]);
                }
            }
        }
        if says("history-type") {
            self.get(&format!("{ty}/_history?_count=1"), &[200]);
        }
        if says("search-type") {
            self.get(&format!("{ty}?_count=1"), &[200]);
            for parameter in items(resource, "searchParam") {
                let name = parameter["name"].as_str().expect("a name");
                let value = sample(parameter["type"].as_str().expect("a type")).replace('|', "%7C");
                // A composite's or special parameter's value may not fit its parts; it is known all the same.
                let loose = matches!(parameter["type"].as_str(), Some("composite" | "special"));
                let target = format!("{ty}?{name}={value}&_count=1");
                let answer = self.client.get(&target);
                let fits = answer.status == 200 || (loose && answer.status == 400);
                if !fits {
                    self.faults.push(format!("GET {target}: {}: {}", answer.status, answer.text()));
                }
            }
        }
        for (member, name) in [("searchInclude", "_include"), ("searchRevInclude", "_revinclude")] {
            let all: Vec<_> = items(resource, member).filter_map(Value::as_str).collect();
            // As many as one search may have.
            for some in all.chunks(16) {
                let includes: String = some.iter().map(|value| format!("&{name}={value}")).collect();
                self.get(&format!("{ty}?_count=1{includes}"), &[200]);
            }
        }
        if says("delete") && example.is_some() {
            let status = self.client.delete(&format!("{ty}/walk")).status;
            self.check(format!("DELETE {ty}/walk"), status, &[200, 204]);
        }
        for operation in items(resource, "operation") {
            self.operation(operation);
        }
    }

    /// An operation has a definition that can be read here or is official; a call of it is not unknown.
    fn operation(&mut self, operation: &Value) {
        let name = operation["name"].as_str().unwrap_or_default().to_owned();
        match operation["definition"].as_str() {
            None => self.faults.push(format!("${name} has no definition")),
            Some(url) if !url.starts_with("http") => self.faults.push(format!("${name}: {url} is no URL")),
            Some(_) => {}
        }
    }
}

#[test]
fn every_line_of_the_capability_statement_holds() {
    let examples = smallest().unwrap_or_default();
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let statement = client.get("metadata").expect(200).json();
        assert_eq!(statement["fhirVersion"], "4.0.1");
        let rest = &statement["rest"][0];
        let resources: Vec<_> = items(rest, "resource").collect();
        assert!(resources.len() >= 146, "only {} types", resources.len());
        let mut walk = Walk { client: &mut client, faults: Vec::new() };
        for resource in resources {
            let ty = resource["type"].as_str().expect("a type");
            walk.resource(resource, examples.get(ty));
        }
        for parameter in items(rest, "searchParam") {
            let name = parameter["name"].as_str().expect("a name");
            let target = match name {
                "_filter" => "Patient?_filter=gender%20eq%20male&_count=1".to_owned(),
                "_has" => "Patient?_has:Observation:patient:status=final&_count=1".to_owned(),
                "_contained" => "Patient?_contained=both&_count=1".to_owned(),
                "_containedType" => "Patient?_contained=true&_containedType=contained&_count=1".to_owned(),
                _ => {
                    let value = sample(parameter["type"].as_str().expect("a type"));
                    let value = if name == "_list" { "none" } else { value };
                    format!("?{name}={value}&_count=1")
                }
            };
            walk.get(&target, &[200]);
        }
        for interaction in codes(rest, "interaction", "code") {
            match interaction {
                "history-system" => walk.get("_history?_count=1", &[200]),
                "search-system" => walk.get("?_type=Patient&_count=1", &[200]),
                "batch" | "transaction" => {
                    let bundle = json!({ "resourceType": "Bundle", "type": interaction });
                    let status = walk.client.post("", &bundle).status;
                    walk.check(format!("POST {interaction}"), status, &[200]);
                }
                other => walk.faults.push(format!("{other} is no interaction of the system")),
            }
        }
        items(rest, "operation").for_each(|operation| walk.operation(operation));
        let faults = walk.faults;
        assert!(faults.is_empty(), "{:?}: {} faults:\n{}", database.kind(), faults.len(), faults.join("\n"));
        // It is a resource like any other: what is stored must be right in structure.
        let mut copy = statement.clone();
        copy["id"] = json!("copy");
        client.put("CapabilityStatement/copy", &copy).expect(201);
    }
}
