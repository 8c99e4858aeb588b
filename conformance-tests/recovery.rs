//! What can still be had of the Cedar Clinic's money, and searches by what follows from other resources:
//! lines below contract, ranked opportunities, where claims stand, last days, balances, visits without a
//! claim. Every expected value was worked out by hand from the clinic's table.

use crate::cedar::{JANUARY, LATER, PRACTICE, load};
use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use crate::work::rules;
use crate::x12::resources;
use remit::app::{App, Keeping};
use remit::operation::{Invocation, Method, Parameters, Target};
use remit::rest;
use remit_search::{Access, AccessPlan, Context, Handling, Limits};
use remit_spec::Definitions;
use remit_store::Config;
use serde_json::{Value, json};

fn amount(value: &Value) -> String {
    value["value"].as_number().map(ToString::to_string).unwrap_or_default()
}

/// A part of a Parameters resource or of a parameter, by its name.
fn named<'v>(value: &'v Value, list: &str, name: &str) -> &'v Value {
    let mut all = value[list].as_array().into_iter().flatten();
    all.find(|one| one["name"] == name).unwrap_or(&Value::Null)
}

const PERIOD: &str = "periodStart=2026-01-01&periodEnd=2026-01-31&asOf=2026-03-31";

#[test]
fn what_the_cedar_clinic_was_paid_below_contract_is_listed_with_its_clause_and_last_day() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        rules(&mut client);
        let list = client.get(&format!("$rcm-underpayments?{PERIOD}")).expect(200).json();
        let kinds: Vec<&str> = list["entry"]
            .as_array()
            .expect("entries")
            .iter()
            .map(|entry| entry["resource"]["resourceType"].as_str().expect("a type"))
            .collect();
        assert_eq!(kinds, ["Parameters", "DetectedIssue", "Claim"], "{list}");
        let sums = &list["entry"][0]["resource"];
        assert_eq!(amount(&named(sums, "parameter", "underpaid")["valueMoney"]), "50.00");
        assert_eq!(named(sums, "parameter", "claims")["valueInteger"], 1);
        assert_eq!(
            named(sums, "parameter", "withoutContract")["valueReference"]["reference"],
            "Organization/P1"
        );
        let issue = &list["entry"][1]["resource"];
        let parts = &issue["extension"][0]["extension"];
        let part = |url: &str| {
            parts.as_array().into_iter().flatten().find(|part| part["url"] == url).expect("a part")
        };
        assert_eq!(part("line")["valuePositiveInt"], 1);
        assert_eq!(amount(&part("expected")["valueMoney"]), "500.00");
        assert_eq!(amount(&part("allowed")["valueMoney"]), "450.00");
        assert_eq!(amount(&part("paid")["valueMoney"]), "350.00");
        assert_eq!(amount(&part("difference")["valueMoney"]), "50.00");
        assert_eq!(part("clause")["valueString"], "Fee schedule");
        assert_eq!(part("disputeBy")["valueDate"], "2026-04-09");
        assert_eq!(issue["implicated"][1]["reference"], "ClaimResponse/R8");
        assert_eq!(issue["implicated"][2]["reference"], "Contract/contract-p2");
        assert_eq!(list["entry"][2]["resource"]["id"], "C8");
        for (more, lines) in [
            ("&tolerance=49.99", 1),
            ("&tolerance=50", 0),
            ("&tolerance=9.9%25", 1),
            ("&tolerance=10%25", 0),
            ("&minTotal=50", 1),
            ("&minTotal=50.01", 0),
            ("&payer=Organization/P2", 1),
            ("&currency=CAD", 0),
        ] {
            let answer = client.get(&format!("$rcm-underpayments?{PERIOD}{more}"));
            if more == "&currency=CAD" {
                answer.expect(422);
                continue;
            }
            let list = answer.expect(200).json();
            assert_eq!(
                named(&list["entry"][0]["resource"], "parameter", "lines")["valueInteger"],
                lines,
                "{more}"
            );
        }
        let measure = "Measure/rcm-underpayment/$evaluate-measure";
        let report = client.get(&format!("{measure}?{PERIOD}")).expect(200).json();
        let numerator = &report["group"][0]["population"]
            .as_array()
            .expect("populations")
            .iter()
            .find(|one| one["code"]["coding"][0]["code"] == "numerator")
            .expect("a numerator")["extension"][0];
        assert_eq!(numerator["valueMoney"]["value"].as_f64(), Some(50.0));
    }
}

#[test]
fn underpayments_are_asked_for_with_a_query_or_a_body_and_refused_with_the_reason() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        for (query, status, at) in [
            ("periodStart=2026-01-01", 400, "periodEnd"),
            ("periodStart=2026-02-01&periodEnd=2026-01-01", 400, "periodEnd"),
            ("periodStart=x&periodEnd=2026-01-01", 400, "periodStart"),
            (format!("{PERIOD}&tolerance=-1").as_str(), 400, "tolerance"),
            (format!("{PERIOD}&minTotal=5%25").as_str(), 400, "minTotal"),
            (format!("{PERIOD}&payer=P1").as_str(), 400, "payer"),
            (format!("{PERIOD}&_after=x").as_str(), 400, "_after"),
            (format!("{PERIOD}&facility=Location/x").as_str(), 400, "facility"),
            (format!("{PERIOD}&payer=Organization/P1").as_str(), 422, "payer"),
        ] {
            let answer = client.get(&format!("$rcm-underpayments?{query}")).expect(status).json();
            assert_eq!(answer["issue"][0]["expression"][0], at, "{answer}");
        }
        let body = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "period", "valuePeriod": { "start": "2026-01-01", "end": "2026-01-31" } },
            { "name": "payer", "valueReference": { "reference": "Organization/P2" } },
            { "name": "tolerance", "valueQuantity": { "value": 5, "unit": "%", "code": "%" } },
            { "name": "minTotal", "valueMoney": { "value": 10.00, "currency": "USD" } },
        ] });
        let posted = client.post("$rcm-underpayments", &body).expect(200).json();
        assert_eq!(
            amount(&named(&posted["entry"][0]["resource"], "parameter", "underpaid")["valueMoney"]),
            "50.00"
        );
        let own = posted["link"][0]["url"].as_str().expect("an address").to_owned();
        let query = own.split("/fhir/").nth(1).expect("below the base").to_owned();
        let again = client.get(&query).expect(200).json();
        assert_eq!(again["entry"], posted["entry"]);
    }
}

#[test]
fn pages_of_underpayments_follow_each_other_without_a_gap() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        // Prices far above what was allowed make every line with an allowed amount of P2 short.
        let items: Vec<Value> = ["E1-1", "E2-1", "E4-1", "E8-1"].iter().map(|code| json!({
            "entityCodeableConcept": { "coding": [{ "system": "http://www.ama-assn.org/go/cpt", "code": code }] },
            "unitPrice": { "value": 9999.0, "currency": "USD" } })).collect();
        client
            .put(
                "Contract/dear",
                &json!({ "resourceType": "Contract", "id": "dear", "status": "executed",
            "subject": [{ "reference": "Organization/P2" }],
            "term": [{ "identifier": { "value": "4.2" }, "offer": { "text": "Prices" }, "asset": [{ "valuedItem": items }] }] }),
            )
            .expect(201);
        let mut next =
            Some("$rcm-underpayments?periodStart=2026-01-01&periodEnd=2026-01-31&_count=1".to_owned());
        let (mut seen, mut pages) = (Vec::new(), 0);
        while let Some(query) = next.take() {
            let list = client.get(&query).expect(200).json();
            pages += 1;
            for entry in list["entry"].as_array().into_iter().flatten() {
                if entry["resource"]["resourceType"] == "DetectedIssue" {
                    seen.push(
                        entry["resource"]["implicated"][0]["reference"].as_str().expect("a claim").to_owned(),
                    );
                }
            }
            let links = list["link"].as_array().expect("links");
            let link = links.iter().find(|link| link["relation"] == "next");
            next = link.and_then(|link| Some(link["url"].as_str()?.split("/fhir/").nth(1)?.to_owned()));
        }
        // 600-450, 300-220, 200-150, 150-120.
        assert_eq!(seen, ["Claim/C8", "Claim/C2", "Claim/C1", "Claim/C4b"]);
        assert_eq!(pages, 4);
    }
}

#[test]
fn opportunities_of_the_cedar_clinic_are_ranked_by_what_the_record_says_of_their_chance() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        rules(&mut client);
        let items = |answer: &Value| -> Vec<String> {
            let all =
                answer["parameter"].as_array().into_iter().flatten().filter(|one| one["name"] == "item");
            all.map(|item| {
                let of = |name: &str| named(item, "part", name);
                let probability =
                    of("probability")["valueDecimal"].as_number().map_or("-".to_owned(), ToString::to_string);
                [
                    of("rank")["valuePositiveInt"].to_string(),
                    of("type")["valueCode"].as_str().unwrap_or_default().to_owned(),
                    of("reference")["valueReference"]["reference"].as_str().unwrap_or_default().to_owned(),
                    amount(&of("amount")["valueMoney"]),
                    amount(&of("expectedAmount")["valueMoney"]),
                    probability,
                    format!("{}/{}", of("won")["valueInteger"], of("decided")["valueInteger"]),
                    of("deadline")["valueDate"].as_str().unwrap_or("-").to_owned(),
                ]
                .join(" ")
            })
            .collect()
        };
        let march = client.get("$rcm-opportunities?asOf=2026-03-31").expect(200).json();
        // P1 paid E3 and E5 of two decided; its answers took 15 and 16 days. P2's N1 is 13 days old, and nine
        // in ten of its answers took up to 18.
        assert_eq!(
            items(&march),
            [
                "1 no-response Claim/CO1 1000.00 1000.00 1 2/2 2026-10-15",
                "2 no-response Claim/C9 800.00 800.00 1 2/2 2027-01-26",
                "3 no-response Claim/CN2 330.00 330.00 1 2/2 2027-02-20",
                "4 underpayment Claim/C8 50.00  - 0/0 2026-04-09",
            ]
        );
        let total = named(&march, "parameter", "total");
        assert_eq!(named(total, "part", "count")["valueInteger"], 4);
        assert_eq!(amount(&named(total, "part", "amount")["valueMoney"]), "2180.00");
        // O2 is past the 90 days of P2.
        let expired = named(&march, "parameter", "expired");
        assert_eq!(amount(&named(expired, "part", "amount")["valueMoney"]), "500.00");
        let february = client.get("$rcm-opportunities?asOf=2026-02-28&top=20").expect(200).json();
        let denials: Vec<String> =
            items(&february).into_iter().filter(|item| item.contains(" denial ")).collect();
        assert_eq!(denials.len(), 2, "{february}");
        assert!(denials[0].ends_with("denial Claim/C3 200.00  - 0/0 2026-05-29"), "{denials:?}");
        assert!(denials[1].ends_with("denial Claim/C10 180.00  - 0/0 2026-05-19"), "{denials:?}");
        let first = client.get("$rcm-opportunities?asOf=2026-03-31&top=1").expect(200).json();
        assert_eq!(items(&first).len(), 1);
        for (query, at) in [
            ("", "asOf"),
            ("asOf=2026-13-01", "asOf"),
            ("asOf=2026-03-31&top=0", "top"),
            ("asOf=2026-03-31&payer=x", "payer"),
            ("asOf=2026-03-31&currency=dollars", "currency"),
        ] {
            let answer = client.get(&format!("$rcm-opportunities?{query}")).expect(400).json();
            assert_eq!(answer["issue"][0]["expression"][0], at, "{answer}");
        }
    }
}

/// The ids that a search finds, in order of ids.
fn ids(client: &mut Client, query: &str) -> Vec<String> {
    let mut all: Vec<String> = resources(client, &format!("{query}&_count=100"))
        .iter()
        .map(|one| one["id"].as_str().expect("an id").to_owned())
        .collect();
    all.sort();
    all
}

#[test]
fn claims_accounts_and_encounters_are_found_by_what_follows_from_other_resources() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        rules(&mut client);
        let cases: &[(&str, &[&str])] = &[
            ("Claim?rcm-state=rejected", &["C4"]),
            ("Claim?rcm-state=denied", &["C10", "C5"]),
            ("Claim?rcm-state=partial", &["C3"]),
            ("Claim?rcm-state=paid", &["C1", "C2", "C3s", "C4b", "C5r", "C7", "C8"]),
            ("Claim?rcm-state=sent", &["C6", "C6v", "C9", "CN1", "CN2", "CO1", "CO2", "CX1"]),
            ("Claim?rcm-state=corrected", &["C5"]),
            ("Claim?rcm-state=patient", &["C5", "C5r", "C8"]),
            ("Claim?rcm-state=written-off", &["C10", "C3", "C3s"]),
            ("Claim?rcm-state=denied&rcm-state=corrected", &["C5"]),
            ("Claim?rcm-state=denied,rejected&insurer=Organization/P2", &["C10", "C4"]),
            ("Claim?rcm-state:missing=true", &["CPA1"]),
            ("Claim?rcm-state:not=sent&insurer=Organization/P1&use=claim", &["C3", "C5", "C5r", "C7"]),
            ("Claim?rcm-state=none-such", &[]),
            (
                "Claim?rcm-filing-deadline=le2026-04-10&insurer=Organization/P2",
                &["C1", "C2", "C4", "C4b", "CO2"],
            ),
            ("Claim?rcm-filing-deadline=lt2026-10-16&rcm-state=sent&insurer=Organization/P1", &["CO1"]),
            ("Claim?rcm-filing-deadline=2026-03-20", &["CO2"]),
            ("Claim?rcm-filing-deadline=gt2027-01-26", &["CN2"]),
            ("Claim?rcm-filing-deadline=ge2027-01-26", &["C9", "CN2"]),
            ("Claim?rcm-filing-deadline:missing=true&use=claim", &["C3s"]),
            ("Encounter?rcm-unbilled=true", &[]),
            ("Encounter?rcm-unbilled=false", &["visit-s1"]),
            ("Account?rcm-balance=0", &["acc-s1"]),
        ];
        for (query, expected) in cases {
            assert_eq!(ids(&mut client, query), *expected, "{query}");
        }
    }
}

#[test]
fn what_follows_from_other_resources_is_found_as_soon_as_they_are_written() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        // Whatever is acknowledged is in the next answer.
        let account = json!({ "resourceType": "Account", "id": "acc-e1", "status": "active",
            "subject": [{ "reference": "Patient/pt-E1" }] });
        client.put("Account/acc-e1", &account).expect(201);
        assert_eq!(ids(&mut client, "Account?rcm-balance=lt0"), ["acc-e1"]);
        assert_eq!(ids(&mut client, "Account?rcm-balance=-30||USD"), ["acc-e1"]);
        assert_eq!(ids(&mut client, "Account?rcm-balance=lt0||EUR").len(), 0);
        let visit = json!({ "resourceType": "Encounter", "id": "visit-2", "status": "finished",
            "class": { "code": "AMB" }, "subject": { "reference": "Patient/pt-E1" } });
        client.put("Encounter/visit-2", &visit).expect(201);
        assert_eq!(ids(&mut client, "Encounter?rcm-unbilled=true"), ["visit-2"]);
        let mut claim = client.get("Claim/C9").expect(200).json();
        claim["item"][0]["encounter"] = json!([{ "reference": "Encounter/visit-2" }]);
        client.put("Claim/C9", &claim).expect(200);
        assert_eq!(ids(&mut client, "Encounter?rcm-unbilled=true").len(), 0);
        let rejection = json!({ "resourceType": "ClaimResponse", "id": "R9", "status": "active", "use": "claim",
            "type": { "text": "x" }, "patient": { "reference": "Patient/pt-E9" }, "created": "2026-03-30",
            "insurer": { "reference": "Organization/P1" }, "request": { "reference": "Claim/C9" },
            "outcome": "error", "error": [{ "code": { "text": "A7" } }] });
        client.put("ClaimResponse/R9", &rejection).expect(201);
        assert_eq!(ids(&mut client, "Claim?rcm-state=rejected"), ["C4", "C9"]);
    }
}

#[test]
fn searches_by_what_follows_from_other_resources_have_pages_and_refusals() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, &[PRACTICE, JANUARY, LATER]);
        // Pages and totals are those of any search.
        let page = client.get("Claim?rcm-state=paid&_count=3&_sort=_id&_total=accurate").expect(200).json();
        assert_eq!(page["total"], 7);
        let next = page["link"].as_array().into_iter().flatten().find(|link| link["relation"] == "next");
        let next = next.and_then(|link| link["url"].as_str()).expect("a next page");
        assert!(next.contains("rcm-state=paid"), "{next}");
        let next = next.split("/fhir/").nth(1).expect("below the base").to_owned();
        assert_eq!(client.get(&next).expect(200).json()["entry"][0]["resource"]["id"], "C4b");
        for query in [
            "Claim?rcm-state:exact=paid",
            "Claim?rcm-filing-deadline=soon",
            "Account?rcm-balance=lots",
            "Account?rcm-balance=ap5",
            "Claim?rcm-state:missing=maybe",
            "Claim?rcm-state=",
        ] {
            client.get(query).expect(400);
        }
        let statement = client.get("metadata").expect(200).json();
        let all = statement["rest"][0]["resource"]
            .as_array()
            .expect("types")
            .iter()
            .find(|one| one["type"] == "Claim")
            .expect("Claim")["searchParam"]
            .to_string();
        for code in ["rcm-state", "rcm-filing-deadline", "frequency", "related", "service-date", "total"] {
            assert!(all.contains(&format!("\"{code}\"")), "{code}");
        }
    }
}

/// Asks an operation with a plan of its own; the status where it is refused.
async fn ask(app: &App, plan: &AccessPlan, name: &str, id: &str, body: Value) -> Result<Value, u16> {
    let operations = app.operations().expect("all have definitions");
    let (defs, settings) = (Definitions::r4(), rest::Settings::default());
    let claim = defs.resource_named("Claim").expect("a type of R4");
    let target = if id.is_empty() { Target::System } else { Target::Instance(claim, id) };
    let run = operations.find(defs, name, &target, Method::Post).expect("it is there");
    let cx = rest::Context { store: &app.store, plan, defs, base: "http://h/fhir", settings: &settings };
    let body = remit_fhir::json::parse(body.to_string()).expect("JSON");
    let parameters = Parameters::new(Vec::new(), Some(body));
    let answer = run(Invocation { cx, target, parameters }).await.map_err(|error| error.status())?;
    Ok(serde_json::from_slice(&answer.body.expect("a body")).expect("JSON"))
}

#[test]
fn who_may_not_read_a_claim_neither_finds_nor_appeals_nor_corrects_it() {
    for database in Database::both() {
        {
            let server = Server::start(&database, &[]);
            let mut client = server.client();
            load(&mut client, &[PRACTICE, JANUARY, LATER]);
            rules(&mut client);
        }
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let config = Config::new(database.url().parse().expect("an address"));
            let app = App::open(&config, &Keeping::default()).await.expect("opens");
            let tenant = app.store.tenant("default").await.expect("answers").expect("is there").id;
            let defs = Definitions::r4();
            let claim = defs.resource_named("Claim").expect("a type of R4");
            let (registry, limits) = (app.store.registry(), Limits::default());
            let now = remit_store::system_clock();
            let context = Context { registry, base: "http://h/fhir", now, handling: Handling::Strict, limits };
            // Claims of P1 alone: C8, which is underpaid, is of P2.
            let own = remit_search::condition(&[claim], "insurer", "Organization/P1", &context).expect("a condition");
            let all = AccessPlan::open(tenant);
            let some = AccessPlan::of(tenant, "someone", Access::Allow).with(claim, Access::Where(own));
            let none = AccessPlan::of(tenant, "nobody", Access::Allow).with(claim, Access::Deny);
            let period = json!({ "resourceType": "Parameters", "parameter": [
                { "name": "period", "valuePeriod": { "start": "2026-01-01", "end": "2026-01-31" } } ] });
            let list = ask(&app, &all, "rcm-underpayments", "", period.clone()).await.expect("an answer");
            assert_eq!(named(&list["entry"][0]["resource"], "parameter", "lines")["valueInteger"], 1);
            let list = ask(&app, &some, "rcm-underpayments", "", period.clone()).await.expect("an answer");
            assert_eq!(named(&list["entry"][0]["resource"], "parameter", "lines")["valueInteger"], 0);
            assert_eq!(ask(&app, &none, "rcm-underpayments", "", period).await, Err(403));
            let day = json!({ "resourceType": "Parameters", "parameter": [{ "name": "asOf", "valueDate": "2026-03-31" }] });
            let found = ask(&app, &some, "rcm-opportunities", "", day.clone()).await.expect("an answer");
            let items = found["parameter"].as_array().into_iter().flatten().filter(|one| one["name"] == "item");
            let claims: Vec<&str> = items
                .filter_map(|item| named(item, "part", "reference")["valueReference"]["reference"].as_str())
                .collect();
            assert_eq!(claims, ["Claim/CO1", "Claim/C9", "Claim/CN2"]);
            assert_eq!(ask(&app, &none, "rcm-opportunities", "", day).await, Err(403));
            let appeal = json!({ "resourceType": "Parameters", "parameter": [
                { "name": "denialResponse", "valueReference": { "reference": "ClaimResponse/R10" } },
                { "name": "override", "valueString": "A test." } ] });
            assert_eq!(ask(&app, &some, "rcm-appeal", "C10", appeal.clone()).await, Err(404));
            assert!(ask(&app, &all, "rcm-appeal", "C10", appeal).await.is_ok());
            let void = json!({ "resourceType": "Parameters", "parameter": [{ "name": "frequency", "valueCode": "8" }] });
            assert_eq!(ask(&app, &some, "rcm-correct", "C8", void.clone()).await, Err(404));
            assert!(ask(&app, &some, "rcm-correct", "C3", void).await.is_ok());
        });
    }
}
