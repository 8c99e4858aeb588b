//! The Cedar Clinic once more, its claims and what payers answered as X12 files: every figure is the one
//! that was worked out by hand, in whatever order the files come, and what was known earlier is answered
//! again. What X12 has no file for (the practice, patient payments, write-offs, the appeal, a visit
//! without insurance, a preauthorization) comes as FHIR.

use crate::cedar::{
    JANUARY, LATER, PRACTICE, all_reports, check_every_value, differences, figure, items, parsed, report,
};
use crate::cedar_files::{halves, service_code};
use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use crate::x12::{count, parameters, process};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NPI: &str = "http://hl7.org/fhir/sid/us-npi";

/// Ids of what the files speak of, by the ids that the Bundles have for it.
type Names = BTreeMap<String, String>;

/// Whether X12 has a file for a resource, so that it is left out of the Bundles.
fn is_in_files(resource: &Value) -> bool {
    let id = resource["id"].as_str().unwrap_or_default();
    match resource["resourceType"].as_str().unwrap_or_default() {
        "Claim" => id != "CPA1",
        "ClaimResponse" => true,
        "PaymentReconciliation" => id.starts_with("era-"),
        "Patient" | "Coverage" => !id.contains("PA1") && !id.contains("s1"),
        _ => false,
    }
}

/// A Bundle without what comes as files.
fn without_files(bundle: &str) -> Vec<Value> {
    let all = parsed(bundle);
    items(&all, "entry").filter(|entry| !is_in_files(&entry["resource"])).cloned().collect()
}

/// The practice, with the numbers that its people have in the files.
fn practice() -> Vec<Value> {
    let mut entries = without_files(PRACTICE);
    for entry in &mut entries {
        let resource = &mut entry["resource"];
        match resource["id"].as_str() {
            Some("dr-oak") => resource["identifier"] = json!([{ "system": NPI, "value": "1245319599" }]),
            Some("dr-elm") => resource["identifier"] = json!([{ "system": NPI, "value": "1678901236" }]),
            Some("contract-p2") => {
                let items = resource["term"][0]["asset"][0]["valuedItem"].as_array_mut().expect("prices");
                for (item, patient) in items.iter_mut().zip([8, 1]) {
                    item["entityCodeableConcept"]["coding"][0]["code"] = json!(service_code(patient, 1));
                }
            }
            _ => {}
        }
    }
    entries
}

fn send(client: &mut Client, entries: &[Value], names: &Names) -> String {
    let mut text = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }).to_string();
    for (ours, theirs) in names {
        text = text.replace(&format!("\"{ours}\""), &format!("\"{theirs}\""));
    }
    let answer = client.post("", &parsed(&text)).expect(200).json();
    let times = items(&answer, "entry").filter_map(|entry| entry["response"]["lastModified"].as_str());
    times.max().unwrap_or_default().to_owned()
}

/// The claims and patients that the files led to, by the names that the Bundles have for them.
fn names(client: &mut Client) -> Names {
    let mut names = Names::new();
    let found = client.get("Claim?_count=100").expect(200).json();
    for claim in items(&found, "entry").map(|entry| &entry["resource"]) {
        let number = claim["identifier"][0]["value"].as_str().expect("a number");
        let name = match claim["related"].is_array() && number == "C4" {
            true => "Claim/C4b".to_owned(),
            false => format!("Claim/{number}"),
        };
        names.insert(name, format!("Claim/{}", claim["id"].as_str().expect("an id")));
        if number.starts_with('C') && number != "CPA1" {
            let patient = format!("Patient/pt-E{}", number.trim_matches(|c: char| !c.is_ascii_digit()));
            names.insert(patient, claim["patient"]["reference"].as_str().expect("a patient").to_owned());
        }
    }
    names
}

/// Loads everything in the order of events; gives the names, and the instant after January.
fn in_order(client: &mut Client) -> (Names, String) {
    let [january, later] = halves();
    send(client, &practice(), &Names::new());
    january.iter().for_each(|file| drop(process(client, file, 200)));
    let own = names(client);
    let known = send(client, &without_files(JANUARY), &own);
    later.iter().for_each(|file| drop(process(client, file, 200)));
    let names = names(client);
    send(client, &without_files(LATER), &names);
    (names, known)
}

#[test]
fn every_figure_is_the_same_by_files_in_any_order() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let (names, _) = in_order(&mut client);
        check_every_value(&mut client, "files in the order of events");
        // The other way round: answers before their claims, payments before what they pay.
        let another = Database::new(database.kind()).expect("another database");
        let server = Server::start(&another, &[]);
        let mut client = server.client();
        send(&mut client, &practice(), &Names::new());
        for (half, bundle) in halves().into_iter().zip([JANUARY, LATER]).rev() {
            send(&mut client, &without_files(bundle), &names);
            half.iter().rev().for_each(|file| drop(process(&mut client, file, 200)));
        }
        check_every_value(&mut client, "files backwards");
        assert_eq!(self::names(&mut client), names, "the ids of claims depend on the order");
        // What payers sent comes first, each half in its order.
        let other = Database::new(database.kind()).expect("another database");
        let server = Server::start(&other, &[]);
        let mut client = server.client();
        send(&mut client, &practice(), &Names::new());
        let (answers, claims): (Vec<String>, Vec<String>) =
            halves().concat().into_iter().partition(|file| !file.contains("ST*837"));
        answers.iter().chain(&claims).for_each(|file| drop(process(&mut client, file, 200)));
        send(&mut client, &without_files(JANUARY), &names);
        send(&mut client, &without_files(LATER), &names);
        check_every_value(&mut client, "answers before all claims");
        // The payment went on to the claim that was sent again, with all that names it.
        let second = &names["Claim/C4b"];
        for query in ["ClaimResponse?outcome=complete&request", "ExplanationOfBenefit?claim"] {
            assert_eq!(count(&mut client, &format!("{query}={second}")), 1, "{query}");
        }
        let paid = client.get("PaymentReconciliation?_count=100").expect(200).json();
        let details = items(&paid, "entry").flat_map(|entry| items(&entry["resource"], "detail"));
        let to_second = details.filter(|detail| detail["request"]["reference"] == second.as_str());
        assert_eq!(to_second.filter(|detail| detail["response"].is_object()).count(), 1);
        // Everything in one file, over `$process-remittance` for what payers sent.
        let third = Database::new(database.kind()).expect("another database");
        let server = Server::start(&third, &[]);
        let mut client = server.client();
        send(&mut client, &practice(), &Names::new());
        let files = halves().concat();
        let (remittances, others): (Vec<String>, Vec<String>) =
            files.into_iter().partition(|file| file.contains("ST*835"));
        let all = parameters("remittance", &remittances.concat());
        client.post("$process-remittance", &all).expect(200);
        process(&mut client, &others.concat(), 200);
        send(&mut client, &without_files(JANUARY), &names);
        send(&mut client, &without_files(LATER), &names);
        check_every_value(&mut client, "all in two files, remittances first");
    }
}

#[test]
fn what_files_had_said_earlier_is_answered_again() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let [january, later] = halves();
        send(&mut client, &practice(), &Names::new());
        january.iter().for_each(|file| drop(process(&mut client, file, 200)));
        let own = names(&mut client);
        let known = send(&mut client, &without_files(JANUARY), &own);
        let before = all_reports(&mut client, None);
        std::thread::sleep(std::time::Duration::from_millis(5));
        later.iter().for_each(|file| drop(process(&mut client, file, 200)));
        let own = names(&mut client);
        send(&mut client, &without_files(LATER), &own);
        for (was, is) in before.iter().zip(&all_reports(&mut client, Some(&known))) {
            assert_eq!(was, is);
        }
        check_every_value(&mut client, "both halves");
    }
}

#[test]
fn broken_rules_show_in_what_came_by_files() {
    let ask = json!({ "periodStart": "2026-01-01", "periodEnd": "2026-01-31", "asOf": "2026-03-31" });
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let (names, _) = in_order(&mut client);
        let is = |client: &mut Client, measure: &str, group: &str, expected: Value| {
            let report = report(client, measure, &ask);
            let found = figure(&report, group, &Value::Null).expect("the group");
            let faults = differences(found, &expected);
            assert!(faults.is_empty(), "{measure} {group}: {}", faults.join(", "));
        };
        // A claim that does not say what it follows, nor has its number, is an episode of its own.
        let second = &names["Claim/C4b"];
        let mut claim = client.get(second).expect(200).json();
        let related = claim.as_object_mut().expect("a claim").remove("related").expect("a link");
        claim["identifier"][0]["value"] = json!("C4B");
        client.put(second, &claim).expect(200);
        let broken = json!({ "score": "0.4444", "denominator": { "count": 9 } });
        is(&mut client, "rcm-initial-denial-rate", "volume", broken);
        claim["related"] = related;
        claim["identifier"][0]["value"] = json!("C4");
        client.put(second, &claim).expect(200);
        is(&mut client, "rcm-initial-denial-rate", "volume", json!({ "score": "0.5000" }));
        // The last day of January by the clock of Denver; in February by that of London.
        let last = &names["Claim/C10"];
        let mut claim = client.get(last).expect(200).json();
        assert_eq!(claim["created"], "2026-01-31T23:30:00-07:00");
        claim["created"] = json!("2026-02-01");
        client.put(last, &claim).expect(200);
        is(&mut client, "rcm-initial-denial-rate", "volume", json!({ "score": "0.4286" }));
    }
}
