//! The interactions of the RESTful API, seen from a client.

use super::{Response, Server};
use remit_fhir::json;
use remit_spec::Definitions;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1","active":true,"name":[{"family":"Chalmers"}],"maritalStatus":{"text":"x"}}"#;

async fn with_patient() -> Server {
    let server = Server::start().await;
    let made = server.put("/fhir/Patient/1", PATIENT).await;
    assert_eq!(made.status, 201, "{made:?}");
    server
}

fn check_outcome(response: &Response, status: u16, text: &str) {
    assert_eq!(response.status, status, "{response:?}");
    let outcome = response.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    let said = outcome["issue"][0]["diagnostics"].as_str().unwrap_or_default();
    assert!(said.contains(text), "{said}");
}

#[tokio::test]
async fn a_resource_is_created_read_and_read_by_version() {
    let server = Server::start().await;
    let json = [("Content-Type", "application/fhir+json")];
    let made = server.send("POST", "/fhir/Patient", &json, PATIENT.as_bytes()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let location = made.header("Location").unwrap();
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("http://localhost/fhir/Patient/{id}/_history/1"));
    assert_eq!(made.header("ETag"), Some("W/\"1\""));
    let read = server.get(&format!("/fhir/Patient/{id}")).await;
    assert_eq!((read.status, read.body == made.body), (200, true));
    assert_eq!(read.header("Last-Modified"), made.header("Last-Modified"));
    assert_eq!(read.header("Content-Type"), Some("application/fhir+json; charset=utf-8"));
    let version = server.get(&format!("/fhir/Patient/{id}/_history/1")).await;
    assert_eq!((version.status, version.body == made.body), (200, true));
    assert_eq!(server.get(&format!("/fhir/Patient/{id}/_history/2")).await.status, 404);
    check_outcome(&server.get("/fhir/Patient/none").await, 404, "");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = with_patient().await;
    for path in
        ["/fhir/Patient/1", "/fhir/Patient", "/fhir/metadata", "/fhir/Patient/1/_history", "/fhir/Patient/0"]
    {
        let (get, head) = (server.get(path).await, server.send("HEAD", path, &[], b"").await);
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"), "{path}");
        assert_eq!(head.header("ETag"), get.header("ETag"), "{path}");
        let length = head.header("Content-Length").map(str::to_owned);
        assert_eq!(length, Some(get.body.len().to_string()), "{path}");
    }
}

#[tokio::test]
async fn a_reader_who_holds_the_version_gets_304() {
    let server = with_patient().await;
    let modified = server.get("/fhir/Patient/1").await.header("Last-Modified").unwrap().to_owned();
    for (name, value, status) in [
        ("If-None-Match", "W/\"1\"", 304),
        ("If-None-Match", "W/\"2\"", 200),
        ("If-Modified-Since", modified.as_str(), 304),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 200),
    ] {
        let read = server.send("GET", "/fhir/Patient/1", &[(name, value)], b"").await;
        assert_eq!((read.status, read.body.is_empty()), (status, status == 304), "{name}: {value}");
        assert_eq!(read.header("ETag"), Some("W/\"1\""));
    }
}

#[tokio::test]
async fn updates_patches_and_deletes_obey_their_conditions() {
    let server = with_patient().await;
    let json = ("Content-Type", "application/fhir+json");
    let changed = PATIENT.replace("true", "false");
    let send = |method: &'static str, headers: Vec<(&'static str, &'static str)>, body: String| {
        let server = &server;
        async move { server.send(method, "/fhir/Patient/1", &headers, body.as_bytes()).await.status }
    };
    assert_eq!(send("PUT", vec![json, ("If-Match", "W/\"7\"")], changed.clone()).await, 412);
    assert_eq!(send("PUT", vec![json, ("If-Match", "W/\"1\"")], changed.clone()).await, 200);
    assert_eq!(send("PUT", vec![json, ("If-None-Match", "*")], changed).await, 412);
    let patch = r#"[{"op":"replace","path":"/active","value":true}]"#.to_owned();
    assert_eq!(
        send("PATCH", vec![("Content-Type", "application/json-patch+json")], patch.clone()).await,
        200
    );
    assert_eq!(send("PATCH", vec![("Content-Type", "text/plain")], patch).await, 415);
    assert_eq!(server.get("/fhir/Patient/1").await.json()["active"], true);
    assert_eq!(send("DELETE", vec![], String::new()).await, 204);
    assert_eq!(send("GET", vec![], String::new()).await, 410);
    assert_eq!(server.get("/fhir/Patient/1/_history/3").await.status, 200);
    assert_eq!(server.get("/fhir/Patient/1/_history/4").await.status, 410);
}

#[tokio::test]
async fn a_preference_says_what_is_shown_of_a_write() {
    let server = Server::start().await;
    for (prefer, applied, kind) in [
        ("return=minimal", Some("return=minimal"), ""),
        ("return=representation", Some("return=representation"), "Patient"),
        ("return=OperationOutcome", Some("return=OperationOutcome"), "OperationOutcome"),
        ("respond-async", None, "Patient"),
    ] {
        let headers = [("Content-Type", "application/fhir+json"), ("Prefer", prefer)];
        let made = server.send("POST", "/fhir/Patient", &headers, PATIENT.as_bytes()).await;
        assert_eq!((made.status, made.header("Preference-Applied")), (201, applied), "{prefer}");
        match kind {
            "" => assert!(made.body.is_empty()),
            kind => assert_eq!(made.json()["resourceType"], kind),
        }
    }
}

#[tokio::test]
async fn history_comes_newest_first_in_pages() {
    let server = with_patient().await;
    for active in ["false", "true"] {
        server.put("/fhir/Patient/1", &PATIENT.replace("true", active)).await;
    }
    server.send("DELETE", "/fhir/Patient/1", &[], b"").await;
    let mut url = "/fhir/Patient/1/_history?_count=3".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = server.get(&url).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        assert_eq!((&page["type"], &page["total"]), (&"history".into(), &4.into()));
        for entry in page["entry"].as_array().unwrap() {
            let method = entry["request"]["method"].as_str().unwrap();
            assert_eq!(entry.get("resource").is_none(), method == "DELETE");
            seen.push((method.to_owned(), entry["response"]["etag"].as_str().unwrap().to_owned()));
        }
        let links = page["link"].as_array().unwrap();
        let Some(next) = links.iter().find(|link| link["relation"] == "next") else { break };
        url = next["url"].as_str().unwrap().strip_prefix("http://localhost").unwrap().to_owned();
    }
    let seen: Vec<_> = seen.iter().map(|(method, tag)| (method.as_str(), tag.as_str())).collect();
    assert_eq!(seen, [("DELETE", "W/\"4\""), ("PUT", "W/\"3\""), ("PUT", "W/\"2\""), ("POST", "W/\"1\"")]);
    assert_eq!(server.get("/fhir/Patient/_history").await.json()["entry"].as_array().unwrap().len(), 4);
    assert_eq!(server.get("/fhir/_history?_count=1").await.json()["entry"].as_array().unwrap().len(), 1);
    assert_eq!(server.get("/fhir/Patient/2/_history").await.status, 404);
}

#[tokio::test]
async fn searches_come_as_a_bundle_with_links_that_say_what_was_understood() {
    let server = with_patient().await;
    let found = server.get("/fhir/Patient?_count=5&_id=1&_pretty=true").await.json();
    assert_eq!((&found["type"], &found["total"]), (&"searchset".into(), &1.into()));
    assert_eq!(found["entry"][0]["fullUrl"], "http://localhost/fhir/Patient/1");
    assert_eq!(found["entry"][0]["search"]["mode"], "match");
    assert_eq!(found["link"][0]["url"], "http://localhost/fhir/Patient?_count=5&_id=1&_pretty=true");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let posted = server.send("POST", "/fhir/Patient/_search?_count=5", &form, b"_id=1").await.json();
    assert_eq!(posted["link"][0]["url"], "http://localhost/fhir/Patient?_count=5&_id=1");
    check_outcome(&server.get("/fhir/Patient?nothing=1").await, 400, "nothing");
    let lenient = server.send("GET", "/fhir/Patient?nothing=1", &[("Prefer", "handling=lenient")], b"").await;
    assert_eq!(lenient.header("Preference-Applied"), Some("handling=lenient"));
    let lenient = lenient.json();
    assert_eq!(lenient["link"][0]["url"], "http://localhost/fhir/Patient");
    assert_eq!(lenient["entry"][1]["search"]["mode"], "outcome");
    let counted = server.get("/fhir/Patient?_summary=count").await.json();
    assert_eq!((&counted["total"], counted.get("entry")), (&1.into(), None));
    assert_eq!(
        server.send("POST", "/fhir/Patient/_search", &[("Content-Type", "text/plain")], b"x").await.status,
        415
    );
}

#[tokio::test]
async fn parts_of_a_resource_are_marked() {
    let server = with_patient().await;
    for (query, has, lacks) in [
        ("_summary=true", "\"name\"", "maritalStatus"),
        ("_elements=name", "SUBSETTED", "\"active\""),
        ("_summary=data", "maritalStatus", "\"text\":{"),
    ] {
        for url in [format!("/fhir/Patient/1?{query}"), format!("/fhir/Patient?{query}")] {
            let read = server.get(&url).await;
            assert!(read.text().contains(has) && !read.text().contains(lacks), "{url}: {}", read.text());
            assert!(read.text().contains("SUBSETTED"));
        }
    }
    check_outcome(&server.get("/fhir/Patient/1?_summary=count").await, 400, "count");
    check_outcome(&server.get("/fhir/Patient/1?_summary=x").await, 400, "_summary");
}

#[tokio::test]
async fn a_batch_runs_every_kind_of_entry() {
    let server = with_patient().await;
    let entry = |method: &str, url: &str| format!(r#"{{"request":{{"method":"{method}","url":"{url}"}}}}"#);
    let list = [
        entry("GET", "Patient/1"),
        entry("GET", "Patient?_id=1"),
        entry("GET", "Patient/1/_history"),
        entry("GET", "metadata"),
        entry("GET", "Patient/1/$everything?x=1"),
        entry("GET", "Patient/none"),
        entry("DELETE", "Patient/9"),
    ];
    let bundle = format!(r#"{{"resourceType":"Bundle","type":"batch","entry":[{}]}}"#, list.join(","));
    let json = [("Content-Type", "application/fhir+json")];
    let answer = server.send("POST", "/fhir", &json, bundle.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let statuses: Vec<_> = answer["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["response"]["status"].as_str().unwrap()[..3].to_owned())
        .collect();
    assert_eq!(statuses, ["200", "200", "200", "200", "200", "404", "204"], "{answer:#}");
}

#[tokio::test]
async fn operations_are_called_with_get_and_post() {
    let server = with_patient().await;
    let read = server.get("/fhir/Patient/1/$everything?a=1&_format=json").await.json();
    assert_eq!(read["code"]["text"], "a");
    let body = r#"{"resourceType":"Parameters","parameter":[{"name":"b","valueString":"2"}]}"#;
    let json = [("Content-Type", "application/fhir+json")];
    let posted = server.send("POST", "/fhir/Patient/$everything?a=1", &json, body.as_bytes()).await.json();
    assert_eq!(posted["code"]["text"], "a,b");
    let empty = server.send("POST", "/fhir/Patient/1/$everything", &[], b"").await;
    assert_eq!(empty.status, 200, "{empty:?}");
    check_outcome(&server.get("/fhir/Patient/1/$nothing").await, 404, "$nothing");
    check_outcome(&server.get("/fhir/$everything").await, 404, "not called here");
}

#[tokio::test]
async fn the_capability_statement_is_sound_and_true() {
    let server = Server::start().await;
    let defs = Definitions::r4();
    for mode in ["full", "normative", "terminology"] {
        let read = server.get(&format!("/fhir/metadata?mode={mode}")).await;
        assert_eq!(read.status, 200);
        let document = json::parse(read.body.clone()).unwrap();
        let faults = remit_validate::structure(document.root(), defs, &remit_validate::Limits::default());
        assert!(faults.is_empty(), "{mode}: {faults:?}");
    }
    let statement = server.get("/fhir/metadata").await.json();
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    assert_eq!(resources.len(), defs.resource_types().count());
    let patient = resources.iter().find(|r| r["type"] == "Patient").unwrap();
    assert_eq!(patient["operation"][0]["name"], "everything");
    let names: Vec<_> =
        patient["searchParam"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert!(unique.len() == names.len() && names.contains(&"_id") && names.contains(&"birthdate"));
    for name in names {
        let status = server.get(&format!("/fhir/Patient?{name}:missing=true")).await.status;
        assert!(status == 200 || name.starts_with('_'), "{name}: {status}");
    }
    check_outcome(&server.get("/fhir/metadata?mode=x").await, 400, "mode");
    let options = server.send("OPTIONS", "/fhir", &[], b"").await;
    assert_eq!(options.json()["resourceType"], "CapabilityStatement");
}

#[tokio::test]
async fn tenants_are_apart() {
    let server = with_patient().await;
    assert_eq!(server.get("/t/north/fhir/Patient/1").await.status, 404);
    let made = server.put("/t/north/fhir/Patient/2", &PATIENT.replace("\"1\"", "\"2\"")).await;
    assert_eq!(made.header("Location"), Some("http://localhost/t/north/fhir/Patient/2/_history/1"));
    assert_eq!(server.get("/fhir/Patient/2").await.status, 404);
    assert_eq!(server.get("/t/default/fhir/Patient/1").await.status, 200);
    check_outcome(&server.get("/t/south/fhir/Patient/1").await, 404, "tenant");
    check_outcome(&server.get("/t//fhir/metadata").await, 404, "tenant");
}

#[tokio::test]
async fn the_members_of_a_compartment_are_searched() {
    let server = with_patient().await;
    let observation = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"}}"#;
    let other = observation.replace("\"o\"", "\"p\"").replace("Patient/1", "Patient/2");
    assert_eq!(server.put("/fhir/Patient/2", &PATIENT.replace("\"1\"", "\"2\"")).await.status, 201);
    assert_eq!(server.put("/fhir/Observation/o", observation).await.status, 201);
    assert_eq!(server.put("/fhir/Observation/p", &other).await.status, 201);
    let found = server.get("/fhir/Patient/1/Observation").await.json();
    let ids: Vec<_> =
        found["entry"].as_array().unwrap().iter().map(|e| e["resource"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["o"]);
    check_outcome(&server.get("/fhir/Observation/o/Patient").await, 404, "compartment");
    assert_eq!(server.get("/fhir/Patient/1/*").await.status, 200);
}
