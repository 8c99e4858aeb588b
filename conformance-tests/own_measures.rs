//! A user's own measure beyond one request: what was known earlier, a report that is kept and leads back to
//! its claims, and callers who may not read everything.

use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use remit::app::{App, Keeping};
use remit::operation::{Invocation, Method, Parameters, Target};
use remit::rest;
use remit_fhir::base64::encode;
use remit_search::{Access, AccessPlan, Context, Handling, Limits};
use remit_spec::Definitions;
use remit_store::Config;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The longest that rows of a view may take to be made below.
const PATIENCE: Duration = Duration::from_secs(120);
const YEAR: &str = "periodStart=2026-01-01&periodEnd=2026-12-31";

const SQL: &str = "SELECT x.unit_id, COUNT(*) AS claims, SUM(x.total) AS charged FROM \
    (SELECT CASE WHEN :by_episode = 1 THEN c.claim_id END AS unit_id, c.total FROM claim c \
    WHERE c.created >= :period_start AND c.created <= :period_end) x GROUP BY x.unit_id";

fn definitions() -> [(&'static str, Value); 3] {
    let column = |name: &str, path: &str, ty: &str| json!({ "name": name, "path": path, "type": ty });
    let view = json!({ "resourceType": "ViewDefinition", "id": "own", "url": "http://acme.org/own", "name": "own",
        "status": "active", "resource": "Claim", "select": [{ "column": [
            column("claim_id", "getResourceKey()", "string"), column("total", "total.value", "decimal"),
            column("created", "created.toString().substring(0, 10)", "date") ] }] });
    let parameter = |name: &str, ty: &str| json!({ "name": name, "use": "in", "type": ty });
    let library = json!({ "resourceType": "Library", "id": "own", "url": "http://acme.org/q", "status": "active",
        "type": { "coding": [{ "code": "sql-query" }] },
        "relatedArtifact": [{ "type": "depends-on", "label": "claim", "resource": "http://acme.org/own" }],
        "parameter": [parameter("period_start", "date"), parameter("period_end", "date"),
            parameter("by_episode", "integer")],
        "content": [{ "contentType": "application/sql", "data": encode(SQL.as_bytes()) }] });
    let quantity = "https://remit.example/fhir/rcm/StructureDefinition/rcm-population-quantity";
    let population = json!([{ "extension": [{ "url": quantity, "valueString": "charged" }],
        "code": { "coding": [{ "code": "initial-population" }] },
        "criteria": { "language": "application/sql", "expression": "claims" } }]);
    let measure = json!({ "resourceType": "Measure", "id": "own", "url": "http://acme.org/m", "status": "active",
        "library": ["http://acme.org/q"], "scoring": { "coding": [{ "code": "cohort" }] },
        "group": [{ "code": { "coding": [{ "code": "claims" }] }, "population": population }] });
    [("ViewDefinition/own", view), ("Library/own", library), ("Measure/own", measure)]
}

fn put_claim(client: &mut Client, id: &str, total: f64) -> String {
    let claim = json!({ "resourceType": "Claim", "id": id, "status": "active", "use": "claim",
        "type": { "text": "x" }, "patient": { "reference": "Patient/p" }, "created": "2026-02-01",
        "provider": { "display": "x" }, "priority": { "text": "x" },
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "display": "c" } }],
        "total": { "value": total, "currency": "USD" } });
    let written = client.put(&format!("Claim/{id}"), &claim).json();
    written["meta"]["lastUpdated"].as_str().expect("a time").to_owned()
}

fn practice(client: &mut Client) {
    client.put("Patient/p", &json!({ "resourceType": "Patient", "id": "p" }));
    for (name, definition) in definitions() {
        client.put(name, &definition).expect(201);
    }
    for (id, total) in [("a", 100.1), ("b", 20.0), ("c", 7.25)] {
        put_claim(client, id, total);
    }
}

fn wait_until_ready(client: &mut Client) {
    let until = Instant::now() + PATIENCE;
    while !client.get("ViewDefinition/own/$view-status").expect(200).text().contains("\"ready\"") {
        assert!(Instant::now() < until, "the rows of the view are not made");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Count and amount.
fn figures(report: &Value) -> (i64, String) {
    let population = &report["group"][0]["population"][0];
    let amount = &population["extension"][0]["valueMoney"]["value"];
    (population["count"].as_i64().unwrap_or(-1), amount.to_string())
}

fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["resource"]["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_users_measure_tells_what_was_known_earlier_and_a_kept_report_leads_to_its_claims() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        practice(&mut client);
        wait_until_ready(&mut client);
        let ask = format!("Measure/own/$evaluate-measure?{YEAR}");
        let report = client.get(&ask).expect(200).json();
        assert_eq!(figures(&report), (3, "127.35".to_owned()));
        let kept = client.post("MeasureReport", &report).expect(201).location();
        let known = report["date"].as_str().expect("an instant").to_owned();
        std::thread::sleep(Duration::from_millis(5));
        // The record goes on: one more, one changed, one gone.
        put_claim(&mut client, "d", 1000.0);
        put_claim(&mut client, "b", 30.0);
        client.delete("Claim/c").expect(204);
        assert_eq!(figures(&client.get(&ask).expect(200).json()), (3, "1130.10".to_owned()));
        let then = client.get(&format!("{ask}&knownAt={known}")).expect(200).json();
        assert_eq!(figures(&then), (3, "127.35".to_owned()));
        let inputs = &then["extension"][0]["extension"];
        assert_eq!((&inputs[0]["valueCode"], &inputs[1]["valueString"]), (&json!("knownAt"), &json!(known)));
        for target in ["Measure/$rcm-drilldown", "Measure/own/$rcm-drilldown"] {
            let list = format!("{target}?report={kept}&population=initial-population");
            let page = client.get(&list).expect(200).json();
            assert_eq!((&page["total"], ids(&page)), (&json!(3), vec!["a".to_owned(), "b".to_owned()]));
            // What is deleted since is said, not shown; what is changed adds what it added then.
            let outcome = &page["entry"][2]["resource"]["issue"][0]["diagnostics"];
            assert!(outcome.as_str().is_some_and(|text| text.starts_with("1 of this page")), "{page}");
            let added = &page["entry"][1]["search"]["extension"][0]["extension"][1]["valueMoney"]["value"];
            assert_eq!(added.to_string(), "20");
        }
        refusals(&mut client, &kept);
    }
}

fn refusals(client: &mut Client, kept: &str) {
    let population = "population=initial-population";
    let unknown = json!({ "resourceType": "MeasureReport", "status": "complete", "type": "summary",
        "measure": "http://acme.org/none", "date": "2026-01-01T00:00:00Z",
        "period": { "start": "2026-01-01", "end": "2026-01-31" } });
    let unknown = client.post("MeasureReport", &unknown).expect(201).location();
    let undated = json!({ "resourceType": "MeasureReport", "status": "complete", "type": "summary",
        "measure": "http://acme.org/m", "period": { "start": "2026-01-01", "end": "2026-01-31" } });
    let undated = client.post("MeasureReport", &undated).expect(201).location();
    for (query, status) in [
        (format!("Measure/$rcm-drilldown?report=MeasureReport/none&{population}"), 404),
        (format!("Measure/$rcm-drilldown?report=Claim/a&{population}"), 400),
        (format!("Measure/$rcm-drilldown?report={kept}&{population}&periodStart=2026-01-01"), 400),
        (format!("Measure/$rcm-drilldown?report={kept}&population=moon"), 422),
        (format!("Measure/$rcm-drilldown?report={unknown}&{population}"), 422),
        (format!("Measure/$rcm-drilldown?report={undated}&{population}"), 422),
        (format!("Measure/rcm-money/$rcm-drilldown?report={kept}&{population}"), 422),
    ] {
        let answer = client.get(&query).expect(status).json();
        assert!(answer["issue"][0]["expression"][0].is_string(), "{query}: {answer}");
    }
}

#[test]
fn a_users_measure_counts_only_what_its_caller_may_read() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        practice(&mut client);
        wait_until_ready(&mut client);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(limited(&database));
    }
}

async fn limited(database: &Database) {
    let config = Config::new(database.url().parse().expect("an address"));
    let app = App::open(&config, &Keeping::default()).await.expect("it opens");
    let ty = |name: &str| Definitions::r4().resource_named(name).expect("a type");
    let registry = app.store.registry();
    let (now, limits) = (remit_store::system_clock(), Limits::default());
    let context = Context { registry, base: "http://h/fhir", now, handling: Handling::Strict, limits };
    let one = remit_search::condition(&[ty("Claim")], "_id", "a", &context).expect("it is a search");
    let tenant = app.store.tenant("default").await.expect("answers").expect("is there").id;
    let plan = |name: &str| AccessPlan::of(tenant, name, Access::Allow);
    let cases = [
        (plan("all"), Ok((3, "127.35".to_owned()))),
        (plan("some").with(ty("Claim"), Access::Where(one)), Ok((1, "100.10".to_owned()))),
        (plan("none").with(ty("Claim"), Access::Deny), Err(403)),
        // Who may not read the measure does not learn that it is there.
        (plan("blind").with(ty("Measure"), Access::Deny), Err(404)),
        (plan("half-blind").with(ty("Library"), Access::Deny), Err(422)),
    ];
    let operations = app.operations().expect("all have definitions");
    let (defs, settings) = (Definitions::r4(), rest::Settings::default());
    for (plan, expected) in cases {
        let target = Target::Instance(ty("Measure"), "own");
        let run = operations.find(defs, "evaluate-measure", &target, Method::Get).expect("it is there");
        let cx = rest::Context {
            store: &app.store,
            plan: &plan,
            defs,
            base: "http://h/fhir",
            settings: &settings,
        };
        let pairs = YEAR.split('&').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let call = Invocation { cx, target, parameters: Parameters::new(pairs, None) };
        let found = run(call).await.map_err(|error| error.status());
        let found = found.map(|answer| {
            let body = answer.body.expect("a report");
            figures(&serde_json::from_slice(&body).expect("JSON"))
        });
        assert_eq!(found, expected, "{}", plan.principal());
    }
}
