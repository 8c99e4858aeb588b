//! Nothing of a patient gets into the log: canaries are planted wherever a request has a place, and
//! looked for in what the server has written.

use crate::database::Database;
use crate::server::Server;
use serde_json::json;

#[test]
fn no_canary_gets_into_the_log() {
    for database in Database::both() {
        let server = Server::start(&database, &["--log-level", "debug"]);
        let mut client = server.client();
        let canary = "Canary7391";
        let patient = json!({ "resourceType": "Patient", "id": "c", "name": [{ "family": canary }],
            "identifier": [{ "system": "urn:s", "value": canary }], "birthDate": "1923-07-13" });
        client.put("Patient/c", &patient).expect(201);
        for target in [
            format!("Patient?family={canary}"),
            format!("Patient?identifier=urn:s%7C{canary}"),
            format!("Patient?{canary}=1"),
            format!("Patient?birthdate={canary}"),
            format!("Patient/{canary}%zz"),
            format!("{canary}/1"),
            format!("?{canary}"),
        ] {
            client.get(&target);
        }
        let json = ("Content-Type", "application/fhir+json");
        for (headers, body) in [
            (vec![json], format!(r#"{{"resourceType":"Patient","birthDate":"{canary}"}}"#)),
            (vec![json], format!(r#"{{"resourceType":"Patient","{canary}":1}}"#)),
            (vec![json], format!(r#"{{"resourceType":"{canary}"}}"#)),
            (vec![json], format!(r#"{{"{canary}"#)),
            (vec![json, ("If-None-Exist", "identifier=urn:s|Canary7391")], patient.to_string()),
            (vec![("Content-Type", "application/fhir+xml")], format!("<Patient><{canary}>")),
            (vec![("Content-Type", canary)], canary.to_owned()),
            (
                vec![json, ("If-Match", canary), ("Prefer", canary), ("Authorization", canary)],
                canary.to_owned(),
            ),
        ] {
            client.send("POST", "Patient", &headers, body.as_bytes()).expect("an answer");
        }
        let entry = json!({ "resource": patient, "request": { "method": "PUT", "url": "Patient/c" } });
        client.post(
            "",
            &json!({ "resourceType": "Bundle", "type": "transaction", "entry": [entry.clone(), entry] }),
        );
        client.delete("Patient/c");
        server.signal("TERM");
        std::thread::sleep(std::time::Duration::from_millis(500));
        let log = server.log();
        assert!(!log.is_empty(), "the server logs its start at least");
        for line in log.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "no JSON: {line}");
        }
        for secret in [canary, "1923-07-13"] {
            let found: Vec<_> = log.lines().filter(|line| line.contains(secret)).collect();
            assert!(found.is_empty(), "{:?}: {secret} in the log: {found:#?}", database.kind());
        }
    }
}
