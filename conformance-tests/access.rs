//! The access plan stands before every way to the store: what a caller may not see is not read, counted,
//! found, written or remembered.

use crate::database::Database;
use crate::server::Server;
use remit_search::{Access, AccessPlan, Context, Handling, Limits};
use remit_spec::{Definitions, TypeId};
use remit_store::{Config, HistoryQuery, Scope, Store};
use serde_json::{Value, json};

fn ty(name: &str) -> TypeId {
    Definitions::r4().resource_named(name).expect("a type of R4")
}

fn query(store: &Store, of: &str, name: &str, value: &str) -> remit_search::Query {
    several(store, of, &[(name, value)])
}

fn several(store: &Store, of: &str, pairs: &[(&str, &str)]) -> remit_search::Query {
    let registry = store.registry();
    let (now, limits) = (remit_store::system_clock(), Limits::default());
    let context = Context { registry, base: "http://h/fhir", now, handling: Handling::Strict, limits };
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    remit_search::parse(&[ty(of)], &pairs, &context).expect("it is a search").query
}

fn history(scope: Scope) -> HistoryQuery {
    HistoryQuery { scope, since: None, at: None, before: None, count: 10, total: true }
}

#[test]
fn what_a_plan_hides_is_nowhere_to_be_seen() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        for (id, gender) in [("f", "female"), ("m", "male")] {
            client.put(
                &format!("Patient/{id}"),
                &json!({ "resourceType": "Patient", "id": id, "gender": gender }),
            );
            let subject = json!({ "reference": format!("Patient/{id}") });
            let code = json!({ "text": "x" });
            client.put(
                &format!("Observation/{id}"),
                &json!({ "resourceType": "Observation", "id": id, "status": "final", "code": code, "subject": subject }),
            );
        }
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(looks(&database));
    }
}

/// Asks the store with a plan that shows some patients and no observation.
async fn looks(database: &Database) {
    let store = Store::open(&Config::new(database.url().parse().expect("an address"))).await.expect("opens");
    let everyone = AccessPlan::open(store.tenant("default").await.expect("answers").expect("is there").id);
    let women = query(&store, "Patient", "gender", "female").criteria.remove(0);
    let plan = AccessPlan::of(everyone.tenant(), "someone", Access::Allow)
        .with(ty("Patient"), Access::Where(women))
        .with(ty("Observation"), Access::Deny);

    for (of, id, is_seen) in [("Patient", "f", true), ("Patient", "m", false), ("Observation", "f", false)] {
        let key = [(ty(of), id.to_owned())];
        let one = history(Scope::Instance(ty(of), id.to_owned()));
        assert_eq!(store.read(&plan, ty(of), id).await.is_ok(), is_seen, "read {of}/{id}");
        assert_eq!(store.vread(&plan, ty(of), id, "1").await.is_ok(), is_seen, "vread {of}/{id}");
        assert_eq!(store.current(&plan, &key).await.is_ok(), is_seen, "current {of}/{id}");
        assert_eq!(store.history(&plan, &one).await.is_ok(), is_seen, "history {of}/{id}");
        assert!(store.read(&everyone, ty(of), id).await.is_ok());
    }
    let all = query(&store, "Patient", "_lastUpdated", "gt2000");
    assert_eq!(store.count(&plan, &all).await.expect("counts"), 1);
    assert_eq!(store.search(&plan, &all).await.expect("finds").entries.len(), 1);
    let hidden = query(&store, "Patient", "gender", "male");
    assert!(store.ids(&plan, &hidden, 2).await.expect("finds").is_empty());
    let by_chain = query(&store, "Observation", "subject:Patient.gender", "female");
    assert!(store.search(&plan, &by_chain).await.expect("finds").entries.is_empty());
    // A condition speaks of what is current, so the history of the whole type is not shown.
    assert!(store.history(&plan, &history(Scope::Type(ty("Patient")))).await.is_err());
    assert!(store.history(&plan, &history(Scope::Type(ty("Observation")))).await.is_err());
}

/// Two orders that differ in their status and patient only; each contains a medication and its maker.
fn orders() -> Vec<Value> {
    let mut all = vec![json!({"resourceType": "Organization", "id": "real", "name": "Real"})];
    for (id, status) in [("seen", "active"), ("hidden", "cancelled")] {
        let name = format!("Maker {id}");
        let own = json!({"resourceType": "Medication", "id": "m", "manufacturer": {"reference": "#o"},
            "code": {"coding": [{"system": "urn:c", "code": "abc"}]}});
        let other = json!({"resourceType": "Medication", "id": "n", "manufacturer": {"reference": "Organization/real"},
            "code": {"coding": [{"system": "urn:c", "code": "abc"}, {"system": "urn:c", "code": id}]}});
        let maker = json!({"resourceType": "Organization", "id": "o", "name": name});
        all.push(json!({"resourceType": "Patient", "id": id}));
        all.push(json!({
            "resourceType": "MedicationRequest", "id": id, "status": status, "intent": "order",
            "subject": {"reference": format!("Patient/{id}")}, "contained": [maker, own, other],
            "medicationReference": {"reference": "#m"},
        }));
        all.push(json!({
            "resourceType": "MedicationDispense", "id": id, "status": "completed",
            "medicationReference": {"reference": "Medication/none"},
            "authorizingPrescription": [{"reference": format!("MedicationRequest/{id}")}],
        }));
    }
    all
}

#[test]
fn what_a_hidden_resource_contains_is_not_found() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        for resource in orders() {
            client.put(&crate::asking::name_of(&resource), &resource).expect(201);
        }
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(looks_inside(&database));
    }
}

/// A search and what it finds for one who sees all, and for one who sees the active order alone.
type Case =
    (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str], &'static [&'static str]);

const INSIDE: [Case; 14] = [
    ("Medication", &[("code", "abc"), ("_contained", "true")], &["hidden", "seen"], &["seen"]),
    (
        "Medication",
        &[("code", "abc"), ("_contained", "true"), ("_containedType", "contained")],
        &["hidden#m", "hidden#n", "seen#m", "seen#n"],
        &["seen#m", "seen#n"],
    ),
    ("Medication", &[("code", "hidden"), ("_contained", "both")], &["hidden"], &[]),
    ("Medication", &[("code:not", "seen"), ("_contained", "true")], &["hidden", "seen"], &["seen"]),
    ("Medication", &[("_contained", "true"), ("_sort", "code")], &["hidden", "seen"], &["seen"]),
    (
        "Organization",
        &[("name", "maker"), ("_contained", "true"), ("_containedType", "contained"), ("_sort", "name")],
        &["hidden#o", "seen#o"],
        &["seen#o"],
    ),
    ("Organization", &[("_id", "o"), ("_contained", "both")], &["hidden", "seen"], &["seen"]),
    (
        "Medication",
        &[("manufacturer.name", "maker"), ("_contained", "true"), ("_containedType", "contained")],
        &["hidden#m", "seen#m"],
        &["seen#m"],
    ),
    ("MedicationRequest", &[("medication.code", "abc")], &["hidden", "seen"], &["seen"]),
    (
        "MedicationDispense",
        &[("prescription.medication:Medication.code", "abc")],
        &["hidden", "seen"],
        &["seen"],
    ),
    (
        "MedicationDispense",
        &[("prescription.medication:Medication.manufacturer.name", "maker hidden")],
        &["hidden"],
        &[],
    ),
    (
        "Patient",
        &[("_has:MedicationRequest:subject:medication:Medication.code", "abc")],
        &["hidden", "seen"],
        &["seen"],
    ),
    (
        "Medication",
        &[("_has:MedicationRequest:medication:intent", "order"), ("_contained", "true")],
        &["hidden", "seen"],
        &["seen"],
    ),
    (
        "MedicationDispense",
        &[("_filter", "prescription.medication.manufacturer.name sw maker")],
        &["hidden", "seen"],
        &["seen"],
    ),
];

async fn looks_inside(database: &Database) {
    let store = Store::open(&Config::new(database.url().parse().expect("an address"))).await.expect("opens");
    let everyone = AccessPlan::open(store.tenant("default").await.expect("answers").expect("is there").id);
    let active = query(&store, "MedicationRequest", "status", "active").criteria.remove(0);
    let request = ty("MedicationRequest");
    let some =
        AccessPlan::of(everyone.tenant(), "someone", Access::Allow).with(request, Access::Where(active));
    let none = AccessPlan::of(everyone.tenant(), "someone", Access::Allow).with(request, Access::Deny);

    for (of, pairs, all, seen) in INSIDE {
        let query = several(&store, of, pairs);
        for (plan, expected) in [(&everyone, all), (&some, seen), (&none, &[][..])] {
            let mut found: Vec<String> = Vec::new();
            for entry in store.search(plan, &query).await.expect("finds").entries {
                found.push(entry.id.to_string());
            }
            found.sort_unstable();
            assert_eq!(found, expected, "{of} {pairs:?} for {plan:?}");
            let count = store.count(plan, &query).await.expect("counts");
            assert_eq!(count, expected.len() as u64, "count of {of} {pairs:?} for {plan:?}");
        }
    }

    // What comes along comes with what is seen.
    let pairs = [
        ("code", "abc"),
        ("_contained", "true"),
        ("_containedType", "contained"),
        ("_include", "Medication:manufacturer"),
        ("_revinclude", "MedicationRequest:medication"),
        ("_revinclude", "MedicationDispense:prescription"),
    ];
    let query = several(&store, "Medication", &pairs);
    for (plan, expected) in
        [(&everyone, &["hidden", "real", "seen"][..]), (&some, &["real", "seen"]), (&none, &[])]
    {
        let found = store.search(plan, &query).await.expect("finds");
        let mut along: Vec<String> = found.includes.iter().map(|stored| stored.id.to_string()).collect();
        along.sort_unstable();
        assert_eq!(along, expected, "what comes along for {plan:?}");
    }
}
