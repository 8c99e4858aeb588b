//! 64 clients at once: conditional writes happen once, no update is lost.

use crate::database::Database;
use crate::server::Server;
use serde_json::json;
use std::sync::Mutex;

const CLIENTS: usize = 64;
/// Changes that each client makes to the same resource.
const CHANGES: usize = 4;

/// Runs the same thing in all clients at once; their results.
fn together<T: Send>(server: &Server, act: impl Fn(usize, &mut crate::http::Client) -> T + Sync) -> Vec<T> {
    let results = Mutex::new(Vec::new());
    let start = std::sync::Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (act, start, results) = (&act, &start, &results);
            scope.spawn(move || {
                let mut client = server.client();
                start.wait();
                let result = act(n, &mut client);
                results.lock().expect("no panic under this lock").push(result);
            });
        }
    });
    results.into_inner().expect("no panic under this lock")
}

#[test]
fn a_conditional_create_creates_once() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let patient =
            json!({ "resourceType": "Patient", "identifier": [{ "system": "urn:s", "value": "1" }] });
        let body = patient.to_string();
        let headers = [("Content-Type", "application/fhir+json"), ("If-None-Exist", "identifier=urn:s|1")];
        let mut answers = together(&server, |_, client| {
            let answer = client.send("POST", "Patient", &headers, body.as_bytes()).expect("an answer");
            (answer.status, answer.location())
        });
        answers.sort();
        let created: Vec<_> = answers.iter().filter(|(status, _)| *status == 201).collect();
        assert_eq!(created.len(), 1, "{:?}: {answers:?}", database.kind());
        assert!(answers.iter().all(|(status, place)| matches!(status, 200 | 201) && *place == created[0].1));
        assert_eq!(server.client().count("Patient?identifier=urn:s|1".replace('|', "%7C").as_str()), 1);
    }
}

#[test]
fn a_conditional_update_creates_once_and_keeps_every_version() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let statuses = together(&server, |n, client| {
            let patient = json!({ "resourceType": "Patient", "identifier": [{ "system": "urn:s", "value": "1" }],
                "multipleBirthInteger": n });
            client.put("Patient?identifier=urn:s%7C1", &patient).status
        });
        assert_eq!(statuses.iter().filter(|s| **s == 201).count(), 1, "{:?}: {statuses:?}", database.kind());
        assert!(statuses.iter().all(|s| matches!(s, 200 | 201)), "{statuses:?}");
        let mut client = server.client();
        assert_eq!(client.count("Patient"), 1);
        let found = client.get("Patient").expect(200).json();
        assert_eq!(found["entry"][0]["resource"]["meta"]["versionId"], CLIENTS.to_string());
    }
}

#[test]
fn conditional_creates_in_transactions_create_once() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        // Each transaction meets all others in each of its entries, in an order of its own.
        let statuses = together(&server, |n, client| {
            let entries: Vec<_> = (0..8)
                .map(|k| {
                    let value = ((n + k) % 8).to_string();
                    json!({ "resource": { "resourceType": "Patient",
                            "identifier": [{ "system": "urn:t", "value": value }] },
                        "request": { "method": "POST", "url": "Patient",
                            "ifNoneExist": format!("identifier=urn:t|{value}") } })
                })
                .collect();
            client
                .post("", &json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }))
                .status
        });
        assert!(statuses.iter().all(|status| *status == 200), "{:?}: {statuses:?}", database.kind());
        assert_eq!(server.client().count("Patient"), 8);
    }
}

#[test]
fn no_update_under_if_match_is_lost() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        server
            .client()
            .put("Patient/a", &json!({ "resourceType": "Patient", "id": "a", "multipleBirthInteger": 0 }));
        together(&server, |_, client| {
            for _ in 0..CHANGES {
                loop {
                    let now = client.get("Patient/a").expect(200);
                    let etag = now.header("etag").expect("an ETag").to_owned();
                    let mut patient = now.json();
                    patient["multipleBirthInteger"] =
                        json!(patient["multipleBirthInteger"].as_u64().expect("a number") + 1);
                    let headers = [("Content-Type", "application/fhir+json"), ("If-Match", etag.as_str())];
                    let body = patient.to_string();
                    match client
                        .send("PUT", "Patient/a", &headers, body.as_bytes())
                        .expect("an answer")
                        .status
                    {
                        200 => break,
                        409 | 412 => {}
                        status => panic!("status {status}"),
                    }
                }
            }
        });
        let patient = server.client().get("Patient/a").expect(200).json();
        assert_eq!(patient["multipleBirthInteger"], CLIENTS * CHANGES, "{:?}", database.kind());
    }
}
