//! Work on what was not paid: the denials of the Cedar Clinic, whether they come in files or as FHIR, leave
//! work with the last days that were worked out by hand, and two who appeal at once appeal once.

use crate::cedar::{JANUARY, LATER, PRACTICE, load};
use crate::cedar_files::cedar;
use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use crate::x12::{count, process, resources};
use serde_json::{Value, json};

const BASE: &str = "https://remit.example/fhir/rcm";

fn limit(kind: &str, days: i64, more: &[Value]) -> Value {
    let mut parts = vec![
        json!({ "url": "kind", "valueCode": kind }),
        json!({ "url": "limit", "valueDuration": {
            "value": days, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d" } }),
    ];
    parts.extend(more.iter().cloned());
    json!({ "url": format!("{BASE}/StructureDefinition/rcm-deadline"), "extension": parts })
}

/// P1 takes appeals for 120 days from receipt, presumed five days after the notice, and claims for a year;
/// P2 appeals and claims for 90 days, disputes for 60.
pub(crate) fn rules(client: &mut Client) {
    let receipt = [
        json!({ "url": "from", "valueCode": "receipt" }),
        json!({ "url": "presumedReceipt", "valueDuration": {
            "value": 5, "unit": "days", "system": "http://unitsofmeasure.org", "code": "d" } }),
    ];
    let first = [limit("appeal", 120, &receipt), limit("timely-filing", 365, &[])];
    let second = [limit("appeal", 90, &[]), limit("timely-filing", 90, &[]), limit("dispute", 60, &[])];
    for (payer, rules) in [("P1", &first[..]), ("P2", &second[..])] {
        let contract = json!({ "resourceType": "Contract", "id": format!("limits-{payer}"), "status": "executed",
            "subject": [{ "reference": format!("Organization/{payer}") }], "extension": rules });
        client.put(&format!("Contract/limits-{payer}"), &contract).expect(201);
    }
}

fn payers(client: &mut Client) {
    for (id, name) in [("P1", "ALPINE MUTUAL"), ("P2", "SUMMIT HEALTH"), ("P3", "PEAK CARE")] {
        let payer = json!({ "resourceType": "Organization", "id": id, "name": name,
            "identifier": [{ "system": "urn:payers", "value": id }] });
        client.put(&format!("Organization/{id}"), &payer).expect(201);
    }
}

/// What each denial left: the claim's number, category, amount, last day, status.
fn denial_work(client: &mut Client) -> Vec<[String; 5]> {
    let mut found: Vec<[String; 5]> = resources(client, "Task?code=denial-work&_count=100")
        .iter()
        .map(|task| {
            let claim = client.get(task["focus"]["reference"].as_str().expect("a claim")).expect(200).json();
            [
                &claim["identifier"][0]["value"],
                &task["reasonCode"]["coding"][0]["code"],
                &task["extension"][0]["valueMoney"]["value"],
                &task["restriction"]["period"]["end"],
                &task["status"],
            ]
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn files_of_denials_leave_the_same_work_in_any_order() {
    let expected = [
        ["C10", "non-covered", "180.00", "2026-05-19", "requested"],
        ["C2", "authorization", "300.00", "2026-04-23", "completed"],
        ["C3", "medical-necessity", "200.00", "2026-05-29", "requested"],
        ["C5", "missing-information", "400.00", "2026-06-04", "completed"],
    ];
    for database in Database::both() {
        let files = cedar();
        let backwards: Vec<String> = files.iter().rev().cloned().collect();
        for (n, order) in [files, backwards].into_iter().enumerate() {
            let another = if n == 0 { None } else { Database::new(database.kind()) };
            let server = Server::start(another.as_ref().unwrap_or(&database), &[]);
            let mut client = server.client();
            payers(&mut client);
            rules(&mut client);
            for file in &order {
                process(&mut client, file, 200);
            }
            assert_eq!(denial_work(&mut client), expected, "order {n}");
            for file in &order {
                process(&mut client, file, 200);
            }
            assert_eq!(denial_work(&mut client), expected, "order {n}, sent again");
            let list = "Task?code=denial-work&status=requested&_sort=restriction-end,-priority&_include=Task:focus&_include=Task:based-on";
            let kinds: Vec<String> =
                resources(&mut client, list).iter().map(|one| one["resourceType"].to_string()).collect();
            assert_eq!(kinds.iter().filter(|kind| *kind == "\"Claim\"").count(), 2, "{kinds:?}");
            assert_eq!(kinds.iter().filter(|kind| *kind == "\"ClaimResponse\"").count(), 2, "{kinds:?}");
        }
    }
}

/// The refusal of an appeal after its last day.
fn refusal(client: &mut Client, claim: &str, response: &str, line: Option<u32>) -> String {
    let mut parameters = vec![
        json!({ "name": "denialResponse", "valueReference": { "reference": format!("ClaimResponse/{response}") } }),
    ];
    parameters.extend(line.map(|line| json!({ "name": "line", "valuePositiveInt": line })));
    let body = json!({ "resourceType": "Parameters", "parameter": parameters });
    let answer = client.post(&format!("Claim/{claim}/$rcm-appeal"), &body).expect(422).json();
    answer["issue"][0]["diagnostics"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_last_days_of_the_cedar_clinic_are_those_of_its_contracts() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY]);
        rules(&mut client);
        assert!(refusal(&mut client, "C3", "R3", Some(2)).contains("2026-05-29"));
        assert!(refusal(&mut client, "C2", "R2", None).contains("2026-04-23"));
        load(&mut client, &[LATER]);
        assert!(refusal(&mut client, "C10", "R10", None).contains("2026-05-19"));
        assert!(refusal(&mut client, "C3", "R3", None).contains("2026-05-29"));
        // What a client writes is stored as it is; only files and operations leave work.
        assert_eq!(count(&mut client, "Task?code=denial-work"), 0);
    }
}

#[test]
fn two_who_appeal_at_once_appeal_once() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY]);
        let body = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "denialResponse", "valueReference": { "reference": "ClaimResponse/R3" } },
            { "name": "override", "valueString": "A test." },
        ] });
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| server.client().post("Claim/C3/$rcm-appeal", &body).status))
                .collect();
            all.into_iter().map(|one| one.join().expect("an answer")).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409]);
        assert_eq!(count(&mut client, "Task?code=appeal&focus=Claim/C3"), 1);
        assert_eq!(count(&mut client, "DocumentReference"), 1);
        let body =
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "frequency", "valueCode": "7" }] });
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| server.client().post("Claim/C5/$rcm-correct", &body).status))
                .collect();
            all.into_iter().map(|one| one.join().expect("an answer")).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409]);
        assert_eq!(count(&mut client, "Claim?related=Claim/C5&status=draft"), 1);
    }
}
