//! Billing beside its plain-text suites: what is sent at once, and what a caller sees who may not see
//! everything.

use crate::database::Database;
use crate::server::Server;
use remit::app::{App, Keeping};
use remit::operation::{Invocation, Parameters, Target};
use remit::rest;
use remit_search::{Access, AccessPlan, Context, Handling, Limits};
use remit_spec::{Definitions, TypeId};
use remit_store::Config;
use serde_json::{Value, json};

fn ty(name: &str) -> TypeId {
    Definitions::r4().resource_named(name).expect("a type of R4")
}

fn claim(id: &str, number: &str, facility: &str, day: &str) -> Value {
    let money = json!({ "value": 100, "currency": "USD" });
    json!({
        "resourceType": "Claim", "id": id, "identifier": [{ "system": "urn:clinic", "value": number }],
        "status": "active", "use": "claim",
        "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional" }] },
        "patient": { "reference": "Patient/p1" }, "created": "2026-01-09",
        "insurer": { "reference": "Organization/payer" }, "provider": { "reference": "Organization/clinic" },
        "facility": { "reference": format!("Location/{facility}") },
        "priority": { "coding": [{ "code": "normal" }] },
        "diagnosis": [{ "sequence": 1, "diagnosisCodeableConcept": { "coding": [{ "code": "J02.0" }] } }],
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "reference": "Coverage/v1" } }],
        "item": [{
            "sequence": 1, "diagnosisSequence": [1], "servicedDate": day,
            "productOrService": { "coding": [{ "code": "99213" }] }, "net": money,
        }],
        "total": money,
    })
}

fn practice() -> Vec<Value> {
    let npi = json!([{ "system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893" }]);
    vec![
        json!({ "resourceType": "Organization", "id": "payer", "name": "Payer" }),
        json!({ "resourceType": "Organization", "id": "clinic", "name": "Clinic", "identifier": npi }),
        json!({ "resourceType": "Patient", "id": "p1" }),
        json!({ "resourceType": "Location", "id": "north" }),
        json!({ "resourceType": "Location", "id": "south" }),
        json!({
            "resourceType": "Coverage", "id": "v1", "status": "active", "subscriberId": "M1",
            "beneficiary": { "reference": "Patient/p1" }, "payor": [{ "reference": "Organization/payer" }],
        }),
        json!({
            "resourceType": "Account", "id": "a1", "status": "active",
            "subject": [{ "reference": "Patient/p1" }],
        }),
    ]
}

/// The payer leaves all of a claim to the patient.
fn answer(claim: &str) -> Value {
    let group = "https://x12.org/codes/claim-adjustment-group-codes";
    json!({
        "resourceType": "ClaimResponse", "id": format!("r-{claim}"), "status": "active", "use": "claim",
        "type": { "coding": [{ "code": "professional" }] }, "patient": { "reference": "Patient/p1" },
        "created": "2026-01-20", "insurer": { "reference": "Organization/payer" }, "outcome": "complete",
        "request": { "reference": format!("Claim/{claim}") },
        "item": [{ "itemSequence": 1, "adjudication": [{
            "category": { "coding": [{ "system": group, "code": "PR" }] },
            "reason": { "coding": [{ "system": "https://x12.org/codes/claim-adjustment-reason-codes", "code": "1" }] },
            "amount": { "value": 100, "currency": "USD" },
        }] }],
    })
}

#[test]
fn a_claim_submitted_by_several_at_once_goes_out_once() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let endpoint = json!({
            "resourceType": "Endpoint", "id": "e", "status": "active", "address": "https://payer.example",
            "connectionType": { "code": "direct-project" }, "payloadType": [{ "text": "837" }],
            "payloadMimeType": ["application/EDI-X12"], "identifier": [{ "value": "PAYER" }],
        });
        client.put("Endpoint/e", &endpoint).expect(201);
        for resource in full_practice() {
            client.put(&crate::asking::name_of(&resource), &resource).expect(201);
        }
        let senders: Vec<_> = (0..8)
            .map(|n| {
                let mut client = server.client();
                // Two claims, each sent by four.
                let day = format!("2026-01-0{}", n % 2 + 1);
                let mut claim = claim("x", &format!("C{}", n % 2), "north", &day);
                claim.as_object_mut().expect("an object").remove("id");
                std::thread::spawn(move || client.post("Claim/$submit", &claim).expect(200).json())
            })
            .collect();
        let mut receipts: Vec<String> = senders
            .into_iter()
            .map(|sender| sender.join().expect("it answers")["id"].as_str().expect("an id").to_owned())
            .collect();
        receipts.sort();
        receipts.dedup();
        assert_eq!(receipts.len(), 2);
        assert_eq!(client.count("Claim"), 2);
        assert_eq!(client.count("ClaimResponse"), 2);
        // Two files under two numbers.
        assert_eq!(client.count("Task?code=x12-interchange"), 2);
        for number in ["000000001", "000000002"] {
            let name = format!("ZZ:1234567893%5C%7CZZ:PAYER%5C%7C{number}");
            assert_eq!(client.count(&format!("Task?identifier={name}")), 1, "{number}");
        }
    }
}

/// The practice with what an 837 needs beside.
fn full_practice() -> Vec<Value> {
    let address = json!([{ "line": ["1 Main"], "city": "Denver", "state": "CO", "postalCode": "802021234" }]);
    let mut all = practice();
    for one in &mut all {
        match one["id"].as_str() {
            Some("payer") => {
                one["endpoint"] = json!([{ "reference": "Endpoint/e" }]);
                one["identifier"] = json!([{ "system": "urn:payers", "value": "PAYER" }]);
            }
            Some("clinic") => {
                one["address"] = address.clone();
                one["telecom"] = json!([{ "system": "phone", "value": "3035550100" }]);
                let tax = json!({ "system": "urn:oid:2.16.840.1.113883.4.4", "value": "841234567" });
                one["identifier"].as_array_mut().expect("a list").push(tax);
            }
            Some("p1") => {
                one["name"] = json!([{ "family": "Fern", "given": ["Ada"] }]);
                one["birthDate"] = json!("1980-02-03");
                one["gender"] = json!("female");
                one["address"] = address.clone();
            }
            Some("north" | "south") => {
                one["name"] = json!("Site");
                one["address"] = address[0].clone();
            }
            _ => {}
        }
    }
    all
}

#[test]
fn what_a_caller_may_not_read_is_in_no_statement_and_no_finding() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let claims = [claim("c1", "C1", "north", "2026-01-05"), claim("c2", "C2", "south", "2026-01-05")];
        for resource in practice().into_iter().chain(claims).chain([answer("c1"), answer("c2")]) {
            client.put(&crate::asking::name_of(&resource), &resource).expect(201);
        }
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(limited(&database));
    }
}

/// Runs an operation under a plan; the answer, or its status.
async fn ask(
    app: &App,
    plan: &AccessPlan,
    target: Target<'_>,
    name: &str,
    pairs: &[(&str, &str)],
) -> Result<Value, u16> {
    let settings = rest::Settings::default();
    let defs = Definitions::r4();
    let cx = rest::Context { store: &app.store, plan, defs, base: "http://h/fhir", settings: &settings };
    let operations = app.operations().expect("operations");
    let run = operations
        .find(defs, name, &target, remit::operation::Method::Get)
        .map_err(|error| error.status())?;
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let parameters = Parameters::new(pairs, None);
    let answer = run(Invocation { cx, target, parameters }).await.map_err(|error| error.status())?;
    Ok(serde_json::from_slice(&answer.body.expect("a body")).expect("JSON"))
}

async fn limited(database: &Database) {
    let config = Config::new(database.url().parse().expect("an address"));
    let app = App::open(&config, &Keeping::default()).await.expect("it opens");
    let registry = app.store.registry();
    let (now, limits) = (remit_store::system_clock(), Limits::default());
    let context = Context { registry, base: "http://h/fhir", now, handling: Handling::Strict, limits };
    let north =
        remit_search::condition(&[ty("Claim")], "facility", "Location/north", &context).expect("a search");
    let tenant = app.store.tenant("default").await.expect("answers").expect("is there").id;
    let all = AccessPlan::open(tenant);
    let some = AccessPlan::of(tenant, "north", Access::Allow).with(ty("Claim"), Access::Where(north));
    let none = AccessPlan::of(tenant, "nobody", Access::Allow).with(ty("Claim"), Access::Deny);

    let account = || Target::Instance(ty("Account"), "a1");
    let day = [("asOf", "2026-03-31")];
    let due = |document: &Value| document["entry"][1]["resource"]["totalNet"]["value"].to_string();
    let document = ask(&app, &all, account(), "statement", &day).await.expect("a statement");
    assert_eq!(due(&document), "200.00");
    let document = ask(&app, &some, account(), "statement", &day).await.expect("a statement");
    assert_eq!(due(&document), "100.00");
    assert!(!document.to_string().contains("Claim/c2"), "{document}");
    assert_eq!(ask(&app, &none, account(), "statement", &day).await, Err(403));

    // The other site's claim is a duplicate for who may see it only.
    let first = || Target::Instance(ty("Claim"), "c1");
    let rules = |report: &Value| report.to_string().contains("\"duplicate\"");
    assert!(rules(&ask(&app, &all, first(), "scrub", &[]).await.expect("a report")));
    assert!(!rules(&ask(&app, &some, first(), "scrub", &[]).await.expect("a report")));
    assert_eq!(ask(&app, &some, Target::Instance(ty("Claim"), "c2"), "scrub", &[]).await, Err(404));
}
