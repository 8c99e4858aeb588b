//! The compatibility routes show the figures of the FHIR operations behind them, digit by digit; they have
//! no other rights, no other errors, and can be switched off.

use crate::database::Database;
use crate::http::Client;
use crate::server::{Server, remit};
use serde_json::{Value, json};

const PRACTICE: [&str; 3] = [
    include_str!("cedar/practice.json"),
    include_str!("cedar/january.json"),
    include_str!("cedar/later.json"),
];

fn load(client: &mut Client) {
    for bundle in PRACTICE {
        client.post("", &serde_json::from_str(bundle).expect("JSON")).expect(200);
    }
}

fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

fn code(value: &Value) -> &str {
    value["coding"][0]["code"].as_str().unwrap_or_default()
}

fn group<'v>(report: &'v Value, wanted: &str) -> &'v Value {
    items(report, "group").find(|group| code(&group["code"]) == wanted).expect("a group")
}

fn amount<'v>(of: &'v Value, population: &str) -> &'v Value {
    let found = items(of, "population").find(|p| code(&p["code"]) == population).expect("a population");
    &found["extension"][0]["valueMoney"]["value"]
}

fn stratifier<'v>(group: &'v Value, wanted: &str) -> &'v Value {
    items(group, "stratifier").find(|s| items(s, "code").map(code).eq([wanted])).expect("a stratifier")
}

fn the_dashboard_is_that_of_the_measure(client: &mut Client) {
    let seen = client.get("/api/dashboard/kpis?start=2026-01-01&end=2026-01-31&asOf=2026-03-31").expect(200);
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let seen = seen.json();
    let report =
        "Measure/rcm-dashboard/$evaluate-measure?periodStart=2026-01-01&periodEnd=2026-01-31&asOf=2026-03-31";
    let report = client.get(report).expect(200).json();
    let score = |name: &str| group(&report, name)["measureScore"]["value"].clone();
    let charges = amount(group(&report, "rcm-gross-collection-rate"), "denominator");
    assert_eq!(seen["total_charges"].to_string(), charges.to_string());
    assert_eq!(seen["total_charges"].to_string(), "3250.00");
    assert_eq!(seen["collection_rate"].to_string(), score("rcm-gross-collection-rate").to_string());
    assert_eq!(seen["denial_rate"].to_string(), score("rcm-initial-denial-rate").to_string());
    assert_eq!(seen["denial_rate"].to_string(), "0.500000");
    assert_eq!(seen["ar_days"].to_string(), score("rcm-days-in-ar").to_string());
    assert_eq!(seen["period"], report["period"]);
    assert!(seen["timestamp"].is_string());
    let members: Vec<&String> = seen.as_object().expect("an object").keys().collect();
    assert_eq!(members.len(), 6, "{members:?}");
    // Nothing happened in a year to come: no figure is made up.
    let none = client.get("/api/dashboard/kpis?start=2036-01-01&end=2036-01-31").expect(200).json();
    assert_eq!(none["denial_rate"], Value::Null);
    // Without a period it is the last quarter, and says so.
    let usual = client.get("/api/dashboard/kpis").expect(200).json();
    assert!(usual["period"]["start"].is_string() && usual["period"]["end"].is_string(), "{usual}");
}

fn trends_and_ageing_are_those_of_the_operations(client: &mut Client) {
    let query = "2026-01-01&periodEnd=2026-03-31&groupBy=payer";
    let seen = client.get(&format!("/api/denials/trends?periodStart={query}")).expect(200).json();
    let report = client.get(&format!("$denial-trends?periodStart={query}")).expect(200).json();
    let volume = group(&report, "volume");
    assert_eq!(seen["denial_rate"].to_string(), volume["measureScore"]["value"].to_string());
    let mut compared = 0;
    for name in ["month", "payer"] {
        let list = seen["trends"][name].as_array().expect("a list");
        let strata: Vec<&Value> = items(stratifier(volume, name), "stratum").collect();
        assert_eq!(list.len(), strata.len());
        for (row, stratum) in list.iter().zip(strata) {
            assert_eq!(row["key"], code(&stratum["value"]));
            assert_eq!(row["denial_rate"].to_string(), stratum["measureScore"]["value"].to_string());
            assert_eq!(row["denied_claims"], stratum["population"][0]["count"]);
            assert_eq!(row["claims"], stratum["population"][1]["count"]);
            assert_eq!(row["denied_amount"].to_string(), amount(stratum, "numerator").to_string());
            compared += 1;
        }
    }
    assert!(compared >= 3, "{seen}");

    let seen = client.get("/api/ar/aging?as_of=2026-03-31&group_by=payer").expect(200).json();
    let report = client.get("$ar-aging?asOf=2026-03-31&groupBy=payer").expect(200).json();
    let open = group(&report, "open-balance");
    assert_eq!(seen["total"].to_string(), "3014.0000");
    assert_eq!(seen["credits"].to_string(), group(&report, "credits")["measureScore"]["value"].to_string());
    let buckets = seen["buckets"].as_object().expect("an object");
    let strata: Vec<&Value> = items(stratifier(open, "bucket"), "stratum").collect();
    assert_eq!(buckets.len(), strata.len());
    for stratum in strata {
        let expected = stratum["measureScore"]["value"].to_string();
        assert_eq!(buckets[code(&stratum["value"])].to_string(), expected);
    }
    assert!(seen["strata"]["payer"].as_array().is_some_and(|list| list.len() >= 3), "{seen}");
    assert!(seen["strata"]["payer_bucket"].is_array());
}

fn the_rest_is_fhir(client: &mut Client) {
    let status = client.get("/api/v1/claims/C2/status").expect(200).json();
    let claim = client.get("Claim/C2").expect(200).json();
    assert_eq!((&status["claim_id"], &status["status"]), (&json!("C2"), &claim["status"]));
    assert_eq!(status["total"], claim["total"]);
    let found = client.get("ClaimResponse?request=Claim/C2&_summary=count").expect(200).json();
    assert_eq!(Some(items(&status, "responses").count() as u64), found["total"].as_u64());
    assert!(items(&status, "responses").all(|response| response["outcome"].is_string()), "{status}");
    let mut one =
        client.get("/api/v1/kpis/rcm-money?periodStart=2026-01-01&periodEnd=2026-01-31").expect(200).json();
    let other = "Measure/rcm-money/$evaluate-measure?periodStart=2026-01-01&periodEnd=2026-01-31";
    let mut other = client.get(other).expect(200).json();
    (one["date"], other["date"]) = (Value::Null, Value::Null);
    assert_eq!(one, other);
    let run = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "subjectCanonical", "valueCanonical": "https://remit.example/fhir/rcm/ViewDefinition/claim" },
        { "name": "_format", "valueCode": "csv" }] });
    let rows = client.post("/api/reports/generate", &run).expect(200).text();
    assert_eq!(rows, client.post("$sql-run", &run).expect(200).text());
    assert!(rows.lines().count() > 5, "{rows}");
    let empty = json!({ "resourceType": "Parameters" });
    for (route, operation) in [
        ("/api/v1/claims/payment-posting", "$process-remittance"),
        ("/api/v1/claims/C2/appeal", "Claim/C2/$rcm-appeal"),
        ("/api/v1/claims/none/appeal", "Claim/none/$rcm-appeal"),
        ("/api/v1/claims/generate?encounter=none", "Encounter/none/$generate-claim"),
    ] {
        let (refused, same) = (client.post(route, &empty), client.post(operation, &empty));
        assert!((400..500).contains(&refused.status), "{route}: {}", refused.text());
        assert_eq!((refused.status, refused.json()), (same.status, same.json()), "{route}");
    }
    client.post("/api/v1/claims/generate", &empty).expect(400);
}

fn errors_are_outcomes(client: &mut Client) {
    for (target, status, at) in [
        ("/api/dashboard/kpis?start=2026-01-31&end=2026-01-01", 400, "periodEnd"),
        ("/api/dashboard/kpis?start=2026-01-01&end=2026-01-01", 400, "periodEnd"),
        ("/api/dashboard/kpis?start=2026-01-01", 400, "periodEnd"),
        ("/api/dashboard/kpis?start=x&end=y", 400, "periodStart"),
        ("/api/dashboard/kpis?colour=red", 400, "colour"),
        ("/api/dashboard/kpis?facility_ids=a%20b", 400, "facility"),
        ("/api/ar/aging?asOf=2026-03-31&buckets=60,30", 400, "buckets"),
        ("/api/v1/kpis/a%20b", 400, "id"),
    ] {
        let answer = client.get(target).expect(status).json();
        assert_eq!(answer["resourceType"], "OperationOutcome", "{target}");
        assert_eq!(answer["issue"][0]["expression"][0], at, "{target}");
    }
    let reversed = client.get("/api/dashboard/kpis?start=2026-01-31&end=2026-01-01").json();
    assert_eq!(reversed["issue"][0]["code"], "invariant");
    for target in
        ["/api", "/api/nothing", "/api/users/profile", "/api/v1/claims/none/status", "/t/none/api/ar/aging"]
    {
        assert_eq!(client.get(target).expect(404).json()["resourceType"], "OperationOutcome", "{target}");
    }
    let wrong = client.post("/api/ar/aging", &json!({})).expect(405);
    assert_eq!(wrong.header("allow"), Some("GET"));
    assert_eq!(wrong.json()["resourceType"], "OperationOutcome");
}

#[test]
fn compatibility_routes_show_what_the_fhir_operations_say() {
    for database in Database::both() {
        let (code, _, error) = remit(&["tenant", "add", "other", "--database", &database.url()]);
        assert_eq!(code, 0, "{error}");
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client);
        the_dashboard_is_that_of_the_measure(&mut client);
        trends_and_ageing_are_those_of_the_operations(&mut client);
        the_rest_is_fhir(&mut client);
        errors_are_outcomes(&mut client);
        // Another tenant sees its own.
        let mut other = server.client_of("other");
        let seen = other.get("/t/other/api/ar/aging?asOf=2026-03-31").expect(200).json();
        assert_eq!(seen["total"].to_string(), "0.0000");
        other.get("/t/other/api/v1/claims/C2/status").expect(404);
    }
}

#[test]
fn compatibility_routes_can_be_switched_off() {
    let server = Server::fresh(&["--compatibility-routes", "false"]);
    let answer = server.client().get("/api/dashboard/kpis").expect(404).json();
    assert_eq!(answer["resourceType"], "OperationOutcome");
}
