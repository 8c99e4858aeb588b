//! SIGKILL under load, again and again: what was acknowledged is there, nothing is there by half.

use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CRASHES: usize = 10;
const WRITERS: usize = 8;

/// An acknowledged write: type and id, version, the value in it.
type Acknowledged = (String, String, u64);

fn patient(id: &str, n: u64) -> Value {
    json!({ "resourceType": "Patient", "id": id, "multipleBirthInteger": n,
        "identifier": [{ "system": "urn:crash", "value": format!("{id}-{n}") }] })
}

/// A transaction of two resources that must appear together.
fn pair(id: &str) -> Value {
    let entry = |ty: &str, extra: Value| {
        let mut resource = json!({ "resourceType": ty, "id": id,
            "identifier": [{ "system": "urn:pair", "value": id }] });
        if let (Some(to), Some(from)) = (resource.as_object_mut(), extra.as_object()) {
            to.extend(from.clone());
        }
        json!({ "resource": resource, "request": { "method": "PUT", "url": format!("{ty}/{id}") } })
    };
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        entry("Patient", json!({})),
        entry("Observation", json!({ "status": "final", "code": { "text": "x" },
            "subject": { "reference": format!("Patient/{id}") } })) ] })
}

/// Writes until the server is gone.
fn write(mut client: Client, prefix: &str, stop: &AtomicBool, done: &Mutex<Vec<Acknowledged>>) {
    let kind = [("Content-Type", "application/fhir+json")];
    for n in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("{prefix}-{}", n / 3);
        // Two versions of a resource of its own, then a pair.
        let (method, target, body) = match n % 3 {
            2 => ("POST", String::new(), pair(&format!("{id}-p"))),
            k => ("PUT", format!("Patient/{id}"), patient(&id, k)),
        };
        let Ok(answer) = client.send(method, &target, &kind, body.to_string().as_bytes()) else { return };
        if !matches!(answer.status, 200 | 201) {
            assert!(stop.load(Ordering::Relaxed), "status {}: {}", answer.status, answer.text());
            return;
        }
        let entry = match n % 3 {
            2 => (format!("{id}-p"), "pair".to_owned(), 0),
            k => (id, answer.header("etag").unwrap_or_default().to_owned(), k),
        };
        done.lock().expect("no panic under this lock").push(entry);
    }
}

fn verify(client: &mut Client, acknowledged: &[Acknowledged]) {
    for (id, etag, n) in acknowledged {
        let now = client.get(&format!("Patient/{id}"));
        assert_eq!(now.status, 200, "{id} was acknowledged");
        if etag == "pair" {
            client.get(&format!("Observation/{id}")).expect(200);
            assert_eq!(
                client.count(&format!("Observation?subject=Patient/{id}&identifier=urn:pair%7C{id}")),
                1
            );
            continue;
        }
        let version = etag.trim_matches(|c: char| !c.is_ascii_digit());
        let version = client.get(&format!("Patient/{id}/_history/{version}")).expect(200).json();
        assert_eq!(version["multipleBirthInteger"], *n, "{id}");
        let current = now.json()["multipleBirthInteger"].as_u64().expect("a number");
        assert_eq!(
            client.count(&format!("Patient?identifier=urn:crash%7C{id}-{current}")),
            1,
            "{id}: its index"
        );
        if current == 1 {
            assert_eq!(
                client.count(&format!("Patient?identifier=urn:crash%7C{id}-0")),
                0,
                "{id}: its old index"
            );
        }
    }
    // Pairs that nobody was told of are there as a whole or not at all.
    let pairs = "identifier=urn:pair%7C";
    assert_eq!(client.count(&format!("Patient?{pairs}")), client.count(&format!("Observation?{pairs}")));
}

#[test]
fn a_killed_server_has_lost_nothing_that_it_acknowledged() {
    for database in Database::both() {
        let mut total = 0;
        for round in 0..CRASHES {
            let server = Server::start(&database, &[]);
            let (stop, done) = (AtomicBool::new(false), Mutex::new(Vec::new()));
            std::thread::scope(|scope| {
                for writer in 0..WRITERS {
                    let (client, stop, done) = (server.client(), &stop, &done);
                    scope.spawn(move || write(client, &format!("r{round}w{writer}"), stop, done));
                }
                // Not a time but a state: the load is on its way; then a little more, another each round.
                while done.lock().expect("no panic under this lock").len() < WRITERS * 4 {
                    std::thread::sleep(Duration::from_millis(5));
                }
                std::thread::sleep(Duration::from_millis(37 * round as u64));
                stop.store(true, Ordering::Relaxed);
                server.kill();
            });
            let acknowledged = done.into_inner().expect("no panic under this lock");
            assert!(!acknowledged.is_empty(), "nothing was written before the crash");
            total += acknowledged.len();
            let server = Server::start(&database, &[]);
            verify(&mut server.client(), &acknowledged);
        }
        println!("{:?}: {total} acknowledged writes in {CRASHES} crashes", database.kind());
    }
}
