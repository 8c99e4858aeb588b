//! Batches and transactions.

use super::*;
use crate::rest::{Preference, bundle, create, update};
use serde_json::json;
use std::time::Instant;

fn transaction(entries: Vec<Value>) -> Value {
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

fn batch(entries: Vec<Value>) -> Value {
    json!({"resourceType": "Bundle", "type": "batch", "entry": entries})
}

fn entry(method: &str, url: &str, resource: Value) -> Value {
    json!({"resource": resource, "request": {"method": method, "url": url}})
}

fn plain(method: &str, url: &str) -> Value {
    json!({"request": {"method": method, "url": url}})
}

fn with(mut value: Value, path: &str, member: Value) -> Value {
    *value
        .pointer_mut(path.rsplit_once('/').unwrap().0)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .entry(path.rsplit_once('/').unwrap().1.to_owned())
        .or_insert(Value::Null) = member;
    value
}

fn patient(id: Option<&str>, identifier: &str) -> Value {
    let mut patient =
        json!({"resourceType": "Patient", "identifier": [{"system": "http://x", "value": identifier}]});
    if let Some(id) = id {
        patient["id"] = json!(id);
    }
    patient
}

fn statuses(response: &Value) -> Vec<String> {
    let entries = response["entry"].as_array().unwrap();
    entries.iter().map(|entry| entry["response"]["status"].as_str().unwrap()[..3].to_owned()).collect()
}

/// `Type/id` of an entry of a response.
fn place(response: &Value, at: usize) -> String {
    let location = response["entry"][at]["response"]["location"].as_str().unwrap();
    location.split("/_history/").next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_between_entries_are_rewritten_everywhere() {
    let server = Server::open().await;
    let urn = "urn:uuid:0cae2a47-1f4d-4e8b-9d35-2f0a1f0b7b11";
    let observation = json!({
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "text": {"status": "generated", "div": format!(
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{urn}\">x</a><img src=\"{urn}#f\" alt=\"{urn}\"/></div>")},
        "contained": [{"resourceType": "Group", "id": "g", "type": "person", "actual": true,
            "member": [{"entity": {"reference": urn}}]}],
        "extension": [
            {"url": "http://x/uri", "valueUri": urn},
            {"url": "http://x/url", "valueUrl": urn},
            {"url": "http://x/uuid", "valueUuid": urn},
            {"url": "http://x/canonical", "valueCanonical": urn},
            {"url": "http://x/string", "valueString": urn}],
        "subject": {"reference": urn},
        "focus": [{"reference": "http://other/fhir/Device/d1"}, {"reference": "Device/d1"},
            {"reference": "http://other/fhir/Device/d1/_history/4"}, {"reference": "Device/unknown"}]
    });
    let device = json!({"resourceType": "Device", "id": "d1"});
    let response = server
        .send(transaction(vec![
            with(
                entry("POST", "Observation", observation),
                "/fullUrl",
                json!("http://other/fhir/Observation/o1"),
            ),
            with(entry("POST", "Patient", patient(None, "1")), "/fullUrl", json!(urn)),
            with(entry("PUT", "Device/d1", device), "/fullUrl", json!("http://other/fhir/Device/d1")),
        ]))
        .await
        .unwrap();
    assert_eq!(statuses(&response), ["201", "201", "201"]);
    let patient = place(&response, 1);
    let stored = server.read(&place(&response, 0)).await.unwrap();
    assert_eq!(stored["subject"]["reference"], json!(patient));
    assert_eq!(stored["contained"][0]["member"][0]["entity"]["reference"], json!(patient));
    let extension = |at: usize, name: &str| stored["extension"][at][name].as_str().unwrap().to_owned();
    for (at, name) in [(0, "valueUri"), (1, "valueUrl"), (2, "valueUuid")] {
        assert_eq!(extension(at, name), patient, "{name}");
    }
    for (at, name) in [(3, "valueCanonical"), (4, "valueString")] {
        assert_eq!(extension(at, name), urn, "{name}");
    }
    assert_eq!(
        stored["text"]["div"],
        json!(format!(
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{patient}\">x</a><img src=\"{patient}#f\" alt=\"{urn}\"/></div>"
        ))
    );
    let focus: Vec<_> =
        stored["focus"].as_array().unwrap().iter().map(|f| f["reference"].as_str().unwrap()).collect();
    assert_eq!(focus, ["Device/d1", "Device/d1", "Device/d1/_history/1", "Device/unknown"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canonical_url_is_no_link_but_for_references() {
    let server = Server::open().await;
    let url = "http://x/fhir/ValueSet/v";
    let set = json!({"resourceType": "ValueSet", "url": url, "status": "active"});
    let list = json!({"resourceType": "List", "status": "current", "mode": "working",
        "entry": [{"item": {"reference": url}}], "extension": [{"url": url, "valueUri": url}]});
    let response = server
        .send(transaction(vec![
            with(entry("POST", "ValueSet", set), "/fullUrl", json!(url)),
            entry("POST", "List", list),
        ]))
        .await
        .unwrap();
    assert_eq!(server.read(&place(&response, 0)).await.unwrap()["url"], json!(url));
    let list = server.read(&place(&response, 1)).await.unwrap();
    assert_eq!(list["entry"][0]["item"]["reference"], json!(place(&response, 0)));
    assert_eq!(list["extension"][0], json!({"url": url, "valueUri": url}));
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_references_find_what_is_stored_and_what_is_sent() {
    let server = Server::open().await;
    let cx = server.cx();
    let stored = create(&cx, ty_of("Patient"), document(patient(None, "old")), None).await.unwrap();
    let observation = |criteria: &str| {
        entry(
            "POST",
            "Observation",
            json!({"resourceType": "Observation", "status": "final",
            "code": {"text": "x"}, "subject": {"reference": format!("Patient?{criteria}")}}),
        )
    };
    let response = server
        .send(transaction(vec![
            observation("identifier=http://x|new"),
            entry("POST", "Patient", patient(None, "new")),
            observation("identifier=http://x%7Cold"),
        ]))
        .await
        .unwrap();
    let subject =
        async |at: usize| server.read(&place(&response, at)).await.unwrap()["subject"]["reference"].clone();
    assert_eq!(subject(0).await, json!(place(&response, 1)));
    assert_eq!(subject(2).await, json!(format!("Patient/{}", id_of(&stored))));
    for (criteria, code) in [
        ("identifier=http://x|none", (412, "not-found")),
        ("identifier=http://x|", (412, "multiple-matches")),
        ("nonsense=1", (400, "not-supported")),
        ("", (400, "invalid")),
    ] {
        let (status, outcome) = server
            .send(transaction(vec![plain("DELETE", "Patient/none"), observation(criteria)]))
            .await
            .unwrap_err();
        assert_eq!((status, outcome["issue"][0]["code"].as_str().unwrap()), code, "{criteria}");
        assert_eq!(outcome["issue"][0]["expression"], json!(["Bundle.entry[1]"]), "{criteria}");
    }
    let deleting =
        vec![plain("DELETE", &format!("Patient/{}", id_of(&stored))), observation("identifier=http://x|old")];
    assert_eq!(server.send(transaction(deleting)).await.unwrap_err().0, 412);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_all_or_nothing_and_names_the_entry() {
    let server = Server::open().await;
    let good = || entry("PUT", "Patient/good", patient(Some("good"), "1"));
    let many = || entry("POST", "Patient", patient(None, "x"));
    server.send(transaction(vec![many(), many()])).await.unwrap();
    let if_match =
        |tag: &str| with(entry("PUT", "Patient/b", patient(Some("b"), "1")), "/request/ifMatch", json!(tag));
    let cases = [
        (entry("PUT", "Patient/b", patient(Some("c"), "1")), 400, "Bundle.entry[1].resource.id"),
        (
            entry("PUT", "Patient/b", json!({"resourceType": "Patient", "id": "b", "x": 1})),
            400,
            "Bundle.entry[1].resource.x",
        ),
        (entry("POST", "Claim", patient(None, "1")), 400, "Bundle.entry[1].resource.resourceType"),
        (if_match("W/\"1\""), 412, "Bundle.entry[1]"),
        (if_match(""), 400, "Bundle.entry[1].request.ifMatch"),
        (entry("PATCH", "Patient/none", json!({"resourceType": "Parameters"})), 404, "Bundle.entry[1]"),
        (entry("PUT", "Patient?identifier=http://x|x", patient(None, "1")), 412, "Bundle.entry[1]"),
        (plain("DELETE", "Patient?identifier=http://x|x"), 412, "Bundle.entry[1]"),
        (with(many(), "/request/ifNoneExist", json!("identifier=http://x|x")), 412, "Bundle.entry[1]"),
        (with(many(), "/request/ifNoneExist", json!("nonsense=x")), 400, "Bundle.entry[1]"),
        (entry("PUT", "Patient/good", patient(Some("good"), "2")), 400, "Bundle.entry[1]"),
        (plain("DELETE", "Patient/good"), 400, "Bundle.entry[0]"),
        (plain("GET", "Patient/none"), 404, "Bundle.entry[1]"),
        (plain("POST", "Patient"), 400, "Bundle.entry[1].resource"),
        (plain("POST", BASE), 405, "Bundle.entry[1].request.url"),
        (plain("DELETE", "Patient"), 400, "Bundle.entry[1].request.url"),
        (plain("GET", "Nothing/1"), 404, "Bundle.entry[1].request.url"),
        (plain("BREW", "Patient/1"), 400, "Bundle.entry[1].request.method"),
        (json!({"resource": patient(None, "1")}), 400, "Bundle.entry[1].request"),
        (with(good(), "/colour", json!(1)), 400, "Bundle.entry[1].colour"),
    ];
    for (bad, status, expression) in cases {
        let (found, outcome) = server.send(transaction(vec![good(), bad.clone()])).await.unwrap_err();
        let places: Vec<_> =
            outcome["issue"].as_array().unwrap().iter().map(|i| &i["expression"][0]).collect();
        assert_eq!(found, status, "{bad}: {outcome}");
        assert!(places.contains(&&json!(expression)), "{bad}: {outcome}");
        assert_eq!(server.read("Patient/good").await.unwrap_err().status(), 404, "{bad}");
    }
    let url = json!("urn:uuid:0cae2a47-1f4d-4e8b-9d35-2f0a1f0b7b11");
    let twice = vec![with(many(), "/fullUrl", url.clone()), with(many(), "/fullUrl", url)];
    assert_eq!(server.send(transaction(twice)).await.unwrap_err().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_run_as_deletes_creates_updates_reads() {
    let server = Server::open().await;
    server.send(transaction(vec![entry("PUT", "Patient/old", patient(Some("old"), "1"))])).await.unwrap();
    let if_none_exist = |value: &str| {
        with(
            entry("POST", "Patient", patient(None, value)),
            "/request/ifNoneExist",
            json!(format!("identifier=http://x|{value}")),
        )
    };
    let response = server
        .send(transaction(vec![
            plain("GET", "Patient/new"),
            entry("PUT", "Patient/new", patient(Some("new"), "2")),
            if_none_exist("1"),
            if_none_exist("1"),
            plain("DELETE", "Patient/old"),
            plain("HEAD", "Patient/new"),
        ]))
        .await
        .unwrap();
    assert_eq!(statuses(&response), ["200", "201", "201", "200", "204", "200"], "{response}");
    assert_eq!(response["entry"][0]["resource"]["id"], json!("new"));
    assert_eq!(response["entry"][5].get("resource"), None);
    assert_eq!(place(&response, 2), place(&response, 3));
    assert_eq!(server.read("Patient/old").await.unwrap_err().status(), 410);
    // An update by criteria meets the resource that the same transaction creates.
    let overlap = vec![
        entry("PUT", "Patient?identifier=http://x|9", patient(None, "9")),
        entry("POST", "Patient", patient(None, "9")),
    ];
    assert_eq!(server.send(transaction(overlap)).await.unwrap_err().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_of_entries_are_kept() {
    let server = Server::open().await;
    let put =
        |tag: &str| with(entry("PUT", "Patient/a", patient(Some("a"), "1")), "/request/ifMatch", json!(tag));
    server.send(transaction(vec![entry("PUT", "Patient/a", patient(Some("a"), "1"))])).await.unwrap();
    let response = server.send(transaction(vec![put("W/\"1\"")])).await.unwrap();
    assert_eq!(response["entry"][0]["response"]["etag"], json!("W/\"2\""));
    assert_eq!(response["entry"][0]["response"]["location"], json!("Patient/a/_history/2"));
    assert!(response["entry"][0]["response"]["lastModified"].is_string());
    let fresh = with(entry("PUT", "Patient/a", patient(Some("a"), "1")), "/request/ifNoneMatch", json!("*"));
    assert_eq!(server.send(transaction(vec![fresh])).await.unwrap_err().0, 412);
    let by_criteria = entry("PUT", "Patient?identifier=http://x|1", patient(None, "1"));
    let response =
        server.send_with(transaction(vec![by_criteria]), Preference::Representation).await.unwrap();
    assert_eq!(response["entry"][0]["response"]["location"], json!("Patient/a/_history/3"));
    assert_eq!(response["entry"][0]["resource"]["meta"]["versionId"], json!("3"));
    assert_eq!(response["entry"][0]["fullUrl"], json!("http://localhost/fhir/Patient/a"));
    let binary = json!({"resourceType": "Binary", "contentType": "application/json-patch+json",
        "data": "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2dlbmRlciIsInZhbHVlIjoibWFsZSJ9XQ=="});
    let response = server
        .send_with(
            transaction(vec![entry("PATCH", "Patient?identifier=http://x|1", binary)]),
            Preference::OperationOutcome,
        )
        .await
        .unwrap();
    assert_eq!(statuses(&response), ["200"]);
    assert_eq!(response["entry"][0]["response"]["outcome"]["resourceType"], json!("OperationOutcome"));
    assert_eq!(server.read("Patient/a").await.unwrap()["gender"], json!("male"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_runs_every_entry_for_itself() {
    let server = Server::open().await;
    let response = server
        .send(batch(vec![
            plain("GET", "Patient/a"),
            entry("PUT", "Patient/a", patient(Some("a"), "1")),
            entry("PUT", "Patient/b", patient(Some("c"), "1")),
            entry("POST", "Patient", json!({"resourceType": "Patient", "active": "yes"})),
            plain("BREW", "x"),
            plain("DELETE", "Patient/never"),
            with(entry("POST", "Patient", patient(None, "1")), "/colour", json!("red")),
            entry("POST", "/Patient", patient(None, "1")),
            plain("GET", "http://localhost/fhir/Patient/a"),
        ]))
        .await
        .unwrap();
    assert_eq!(response["type"], json!("batch-response"));
    assert_eq!(
        statuses(&response),
        ["200", "201", "400", "400", "400", "204", "400", "201", "200"],
        "{response}"
    );
    let issue = &response["entry"][3]["response"]["outcome"]["issue"][0];
    assert_eq!(issue["expression"], json!(["Bundle.entry[3].resource.active"]));
    assert_eq!(
        server.send(json!({"resourceType": "Bundle", "type": "collection"})).await.unwrap_err().0,
        400
    );
    assert_eq!(server.send(patient(None, "1")).await.unwrap_err().0, 400);
    let empty = server.send(json!({"resourceType": "Bundle", "type": "batch"})).await.unwrap();
    assert_eq!(empty, json!({"resourceType": "Bundle", "type": "batch-response"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_conditional_entries_as_entries() {
    let server = Server::open().await;
    let entries = || {
        let entry = |n: usize| {
            let entry = entry("POST", "Patient", patient(None, &n.to_string()));
            with(entry, "/request/ifNoneExist", json!(format!("identifier=http://x|{n}")))
        };
        (0..1_000).map(entry).collect()
    };
    let response = server.send(transaction(entries())).await.unwrap();
    assert!(statuses(&response).iter().all(|status| status == "201"));
    let response = server.send(transaction(entries())).await.unwrap();
    assert!(statuses(&response).iter().all(|status| status == "200"));
    let too_many = vec![plain("DELETE", "Patient/x"); server.settings.bundle_entries + 1];
    assert_eq!(server.send(batch(too_many)).await.unwrap_err().0, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_of_many_clients_are_retried() {
    let server = Server::open().await;
    let cx = server.cx();
    update(&cx, ty_of("Patient"), "a", document(patient(Some("a"), "0")), None, None).await.unwrap();
    let sent = transaction(vec![
        entry("PUT", "Patient/a", patient(Some("a"), "1")),
        with(
            entry("POST", "Patient", patient(None, "only")),
            "/request/ifNoneExist",
            json!("identifier=http://x|only"),
        ),
    ]);
    let runs = (0..16).map(|_| server.send(sent.clone()));
    let responses = futures_util::future::join_all(runs).await;
    let created = responses.iter().filter(|r| statuses(r.as_ref().unwrap())[1] == "201").count();
    assert_eq!(created, 1);
    assert_eq!(server.read("Patient/a").await.unwrap()["meta"]["versionId"], json!("17"));
}

/// Prints its rate; the figure depends on the machine, so none is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_synthetic_patient_is_loaded_and_its_references_hold() {
    let Some(folder) = std::env::var_os("REMIT_TEST_BUNDLES").map(PathBuf::from) else {
        eprintln!("SKIPPED: REMIT_TEST_BUNDLES names no folder of unpacked transaction Bundles");
        return;
    };
    let server = Server::open().await;
    let cx = server.cx();
    let mut count = 0;
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    // Hospitals and practitioners are what the patients refer to by criteria.
    files.sort_by_key(|path| !path.to_string_lossy().contains("Information"));
    let mut took = std::time::Duration::ZERO;
    for path in files.iter().take(20) {
        let body = remit_fhir::json::parse(std::fs::read(path).unwrap()).unwrap();
        let run = |request: Request| -> Running<'_> { Box::pin(get(cx, request)) };
        let started = Instant::now();
        let answer = bundle(&cx, body, Preference::Minimal, &run).await;
        took += started.elapsed();
        let response = json(&answer.unwrap_or_else(|e| panic!("{}: {:?}", path.display(), e.issues)));
        count += response["entry"].as_array().unwrap().len();
        for at in 0..response["entry"].as_array().unwrap().len() {
            let stored = server.read(&place(&response, at)).await.unwrap().to_string();
            assert!(!stored.contains("\"reference\":\"urn:"), "{stored}");
        }
    }
    eprintln!("{count} resources in {took:?}");
}
