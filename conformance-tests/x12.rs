//! X12 into the record: a practice's claims, acknowledgements and remittances as files, in any order,
//! twice, and twice at once.

use crate::cedar_files::{File, SENT, cedar, claim};
use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) fn binary(text: &str) -> Value {
    let data = remit_fhir::base64::encode(text.as_bytes());
    json!({ "resourceType": "Binary", "contentType": "application/EDI-X12", "data": data })
}

pub(crate) fn parameters(name: &str, text: &str) -> Value {
    json!({ "resourceType": "Parameters", "parameter": [{ "name": name, "resource": binary(text) }] })
}

pub(crate) fn process(client: &mut Client, text: &str, status: u16) -> Value {
    client.post("$process-x12", &parameters("content", text)).expect(status).json()
}

/// The locations of an answer, without versions.
pub(crate) fn locations(answer: &Value) -> BTreeSet<String> {
    let entries = answer["entry"].as_array().into_iter().flatten();
    let places = entries.filter_map(|entry| entry["response"]["location"].as_str());
    places.map(|place| place.split("/_history").next().unwrap_or_default().to_owned()).collect()
}

pub(crate) fn count(client: &mut Client, query: &str) -> u64 {
    let join = if query.contains('?') { "&" } else { "?" };
    let answer = client.get(&format!("{query}{join}_summary=count")).expect(200).json();
    answer["total"].as_u64().expect("a total")
}

/// Numerator and denominator of the gross collection rate of January.
fn collected(client: &mut Client) -> (String, String) {
    let query = "Measure/rcm-gross-collection-rate/$evaluate-measure?periodStart=2026-01-01&periodEnd=2026-01-31&asOf=2026-03-31";
    let report = client.get(query).expect(200).json();
    let money = |name: &str| {
        let populations = report["group"][0]["population"].as_array().into_iter().flatten();
        let of_name = populations.filter(|one| one["code"]["coding"][0]["code"] == name);
        let quantity = of_name.flat_map(|one| one["extension"].as_array().into_iter().flatten());
        let mut values =
            quantity.filter_map(|one| one["valueMoney"]["value"].as_number().map(ToString::to_string));
        values.next_back().unwrap_or_else(|| panic!("no {name} in {report}"))
    };
    (money("numerator"), money("denominator"))
}

pub(crate) fn resources(client: &mut Client, query: &str) -> Vec<Value> {
    let bundle = client.get(query).expect(200).json();
    bundle["entry"].as_array().into_iter().flatten().map(|entry| entry["resource"].clone()).collect()
}

#[test]
fn a_practice_comes_in_as_files_in_any_order() {
    for database in Database::both() {
        let files = cedar();
        let backwards: Vec<String> = files.iter().rev().cloned().collect();
        for (n, order) in [files, backwards].into_iter().enumerate() {
            let another = if n == 0 { None } else { Database::new(database.kind()) };
            let server = Server::start(another.as_ref().unwrap_or(&database), &[]);
            let mut client = server.client();
            for file in &order {
                process(&mut client, file, 200);
            }
            assert_eq!(collected(&mut client), ("1286.00".to_owned(), "3150.00".to_owned()), "{n}");
            assert_eq!(count(&mut client, "Patient"), 15);
            assert_eq!(count(&mut client, "ClaimResponse?outcome=error"), 1);
            assert_eq!(count(&mut client, "PaymentReconciliation"), 11);
            let secondary = resources(&mut client, "Claim?identifier=C3S");
            let insurance = &secondary[0]["insurance"];
            assert!(insurance[0]["claimResponse"]["reference"].is_string(), "{n}: {insurance}");
            assert_eq!((&insurance[0]["focal"], &insurance[1]["focal"]), (&json!(false), &json!(true)));
            for (number, original) in [("C5R", "C5"), ("C6V", "C6")] {
                let claims = resources(&mut client, &format!("Claim?identifier={number}"));
                let found = resources(&mut client, &format!("Claim?identifier={original}"));
                let expected = format!("Claim/{}", found[0]["id"].as_str().expect("an id"));
                assert_eq!(claims[0]["related"][0]["claim"]["reference"], expected, "{n} {number}");
            }
            let waiting = count(&mut client, "ClaimResponse?_tag=awaits-claim");
            assert_eq!(waiting, 0, "{n}");
        }
    }
}

#[test]
fn the_same_file_twice_at_once_is_posted_once() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let files = cedar();
        let text = files.last().expect("files").clone();
        let answers: Vec<Value> = std::thread::scope(|scope| {
            let posts: Vec<_> = (0..4)
                .map(|_| {
                    let (text, mut client) = (&text, server.client());
                    scope.spawn(move || process(&mut client, text, 200))
                })
                .collect();
            posts.into_iter().map(|post| post.join().expect("an answer")).collect()
        });
        let first = locations(&answers[0]);
        assert!(first.iter().any(|one| one.starts_with("PaymentReconciliation/")), "{first:?}");
        for other in &answers[1..] {
            assert_eq!(locations(other), first);
        }
        let mut client = server.client();
        assert_eq!(count(&mut client, "PaymentReconciliation"), 1);
        assert_eq!(count(&mut client, "ClaimResponse"), 2);
        // The same set in another envelope is the same payment.
        let again = text
            .replace("000000211", "000000999")
            .replace("*211*X", "*999*X")
            .replace("GE*1*211", "GE*1*999");
        let payments = |answer: &Value| -> BTreeSet<String> {
            locations(answer).into_iter().filter(|one| !one.starts_with("Task/")).collect()
        };
        assert_eq!(payments(&process(&mut client, &again, 200)), payments(&answers[0]));
        assert_eq!(count(&mut client, "PaymentReconciliation"), 1);
        // Other content under the same trace number is refused, and so is other content under the same
        // control number.
        let other = again.replace("000000999", "000000998").replace("P2-22", "P2-23");
        process(&mut client, &other, 409);
        process(&mut client, &text.replace("EFT211", "EFT212"), 409);
        assert_eq!(count(&mut client, "PaymentReconciliation"), 1);
    }
}

#[test]
fn what_does_not_balance_is_held_and_nothing_is_posted() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let text = cedar().last().expect("files").clone();
        for (old, new) in [
            ("BPR*I*220*", "BPR*I*221*"),
            ("CAS*CO*45*80", "CAS*CO*45*81"),
            ("SVC*HC:90021*300*220", "SVC*HC:99211*300*221"),
        ] {
            let wrong = text.replace(old, new);
            assert_ne!(wrong, text);
            let before = count(&mut client, "Task?status=on-hold");
            let outcome = process(&mut client, &wrong, 422);
            assert_eq!(outcome["resourceType"], "OperationOutcome");
            process(&mut client, &wrong, 422);
            assert_eq!(count(&mut client, "Task?status=on-hold"), before + 1, "{new}");
            for ty in ["PaymentReconciliation", "ClaimResponse", "ExplanationOfBenefit"] {
                assert_eq!(count(&mut client, ty), 0, "{ty} after {new}");
            }
        }
        // The whole file is one transaction: a good set beside a bad one is not posted either.
        let good = cedar()[cedar().len() - 2].clone();
        let both = format!("{good}{}", text.replace("BPR*I*220*", "BPR*I*221*"));
        process(&mut client, &both, 422);
        assert_eq!(count(&mut client, "PaymentReconciliation"), 0);
        // Unless the sender asks to post what balances.
        let mut asked = parameters("content", &both);
        let mode = json!({ "name": "mode", "valueCode": "post-and-flag" });
        asked["parameter"].as_array_mut().expect("parameters").push(mode);
        client.post("$process-x12", &asked).expect(200);
        assert_eq!(count(&mut client, "PaymentReconciliation"), 2);
        let flagged = count(&mut client, "Task?code=payment-difference");
        assert_eq!(flagged, 1);
    }
}

#[test]
fn a_claim_goes_out_as_it_came_in() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let text = cedar()[0].clone();
        process(&mut client, &text, 200);
        let claims = resources(&mut client, "Claim?identifier=C1");
        let id = claims[0]["id"].as_str().expect("an id");
        let binary = client.get(&format!("Claim/{id}/$to-x12")).expect(200).json();
        let data = remit_fhir::base64::decode(binary["data"].as_str().expect("data")).expect("base64");
        let written = String::from_utf8(data).expect("text");
        let envelope = ["ISA", "GS*", "ST*", "BHT", "NM1*41", "PER", "SE*", "GE*", "IEA"];
        for segment in text.lines() {
            if !envelope.iter().any(|start| segment.starts_with(start)) {
                assert!(written.contains(segment.trim_end()), "{segment} is not in {written}");
            }
        }
        let outcome = client.post("$validate-x12", &parameters("content", &written)).expect(200).json();
        assert_eq!(outcome["issue"][0]["severity"], "information", "{outcome}");
    }
}

#[test]
fn what_the_other_side_refused_is_a_rejection_of_its_claims_alone() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        // Names of partners may hold what separates values in a search.
        for (sender, number) in [("CE,DAR|$", 0), ("CE", 1), ("DAR|$", 3)] {
            process(&mut client, &File { sender, ..claim(&SENT[number], 100) }.text(), 200);
        }
        let refused = |control, body: &[&str]| File {
            sender: "P2",
            receiver: "CE,DAR|$",
            control,
            kind: ["FA", "999", "005010X231A1"],
            day: "20260109".into(),
            body: body.iter().map(|segment| (*segment).to_owned()).collect(),
        };
        let set = ["AK1*HC*100*005010X222A1", "AK2*837*0001*005010X222A1", "IK5*R*5", "AK9*R*1*1*0"];
        let text = refused(900, &set).text();
        process(&mut client, &text, 200);
        process(&mut client, &text, 200);
        let rejections = resources(&mut client, "ClaimResponse?outcome=error");
        assert_eq!(rejections.len(), 1, "{rejections:?}");
        let claim = rejections[0]["request"]["reference"].as_str().expect("a claim").to_owned();
        assert_eq!(client.get(&claim).expect(200).json()["identifier"][0]["value"], "C1");
        // The same said of the whole interchange.
        let text = refused(901, &[]).text();
        let (isa, rest) = text.split_once('\n').expect("lines");
        let end = &rest[rest.find("IEA").expect("an end")..];
        let answer = format!("{isa}\nTA1*000000100*260107*0930*R*006~\n{}", end.replace("IEA*1*", "IEA*0*"));
        process(&mut client, &answer, 200);
        let rejections = resources(&mut client, "ClaimResponse?outcome=error");
        let claims: BTreeSet<&str> =
            rejections.iter().filter_map(|one| one["request"]["reference"].as_str()).collect();
        assert_eq!((rejections.len(), claims.len()), (2, 1), "{rejections:?}");
    }
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_below(&path)),
            path => found.push(path),
        }
    }
    found.sort();
    found
}

#[test]
fn every_public_example_is_taken_in_or_refused_with_a_finding() {
    let Some(folder) = crate::data::path("x12") else { return };
    let database = Database::both().into_iter().next().expect("a database");
    let server = Server::start(&database, &[]);
    let mut client = server.client();
    let mut taken = 0;
    for path in files_below(&folder) {
        let name = path.display().to_string();
        if name.contains("pyx12-maps") || name.contains("LICENSE") {
            continue;
        }
        let text = std::fs::read(&path).expect("a file");
        let data = remit_fhir::base64::encode(&text);
        let body = json!({ "resourceType": "Binary", "contentType": "application/EDI-X12", "data": data });
        let body =
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "content", "resource": body }] });
        for operation in ["$validate-x12", "$process-x12"] {
            let answer = client.post(operation, &body);
            let allowed: &[u16] = if operation == "$validate-x12" { &[200] } else { &[200, 400, 409, 422] };
            assert!(
                allowed.contains(&answer.status),
                "{name} {operation}: {} {}",
                answer.status,
                answer.text()
            );
            if answer.status != 200 {
                assert!(answer.json()["issue"][0]["diagnostics"].is_string(), "{name}");
            } else if operation == "$process-x12" {
                taken += 1;
            }
        }
    }
    // Most of them share their control numbers, or hold sets that are not read here.
    assert!(taken > 5, "only {taken} were taken in");
}
