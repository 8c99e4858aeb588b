//! The access plan stands before every way to the store: what a caller may not see is not read, counted,
//! found, written or remembered.

use crate::database::Database;
use crate::server::Server;
use remit_search::{Access, AccessPlan, Context, Handling, Limits};
use remit_spec::{Definitions, TypeId};
use remit_store::{Config, HistoryQuery, Scope, Store};
use serde_json::json;

fn ty(name: &str) -> TypeId {
    Definitions::r4().resource_named(name).expect("a type of R4")
}

fn query(store: &Store, of: &str, name: &str, value: &str) -> remit_search::Query {
    let registry = store.registry();
    let (now, limits) = (remit_store::system_clock(), Limits::default());
    let context = Context { registry, base: "http://h/fhir", now, handling: Handling::Strict, limits };
    let pair = [(name.to_owned(), value.to_owned())];
    remit_search::parse(&[ty(of)], &pair, &context).expect("it is a search").query
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
