//! Requests that are answered in the background: only the caller who asked may look, the number of each
//! caller is bounded, what is called off ends, and what is lost with a process is said to be lost.

use crate::database::Database;
use crate::http::Client;
use crate::server::{Server, remit};
use remit_search::{Access, AccessPlan};
use remit_store::{Config, JobState, Store};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The longest that an answer may take below.
const PATIENCE: Duration = Duration::from_secs(60);

const QUESTION: &str =
    "Measure/rcm-dashboard/$evaluate-measure?periodStart=2026-01-01&periodEnd=2026-12-31&groupBy=payer";

/// Asks in the background; gives the address of the answer.
fn ask(client: &mut Client, target: &str) -> String {
    let answer = client.send("GET", target, &[("Prefer", "respond-async")], b"").expect("it answers");
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.header("content-location").expect("an address").to_owned()
}

fn wait(client: &mut Client, address: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = client.get(address);
        if answer.status != 202 {
            return answer.expect(200).json();
        }
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(Instant::now() < until, "there is no answer");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_answer_in_the_background_is_that_of_the_same_request_and_outlives_a_restart() {
    for database in Database::both() {
        let (code, _, error) = remit(&["tenant", "add", "other", "--database", &database.url()]);
        assert_eq!(code, 0, "{error}");
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let address = ask(&mut client, QUESTION);
        let mut later = wait(&mut client, &address);
        let mut now = client.get(QUESTION).expect(200).json();
        (later["date"], now["date"]) = (Value::Null, Value::Null);
        assert_eq!(later, now);
        // Another tenant has no such job.
        let path = address.split("/fhir/").nth(1).expect("below the base").to_owned();
        server.client_of("other").get(&path).expect(404);
        server.client_of("other").delete(&path).expect(404);
        drop(server);
        let server = Server::start(&database, &[]);
        let mut again = server.client().get(&path).expect(200).json();
        again["date"] = Value::Null;
        assert_eq!(again, now);
    }
}

fn plan(store_tenant: i32, name: &str) -> AccessPlan {
    AccessPlan::of(store_tenant, name, Access::Allow)
}

#[test]
fn a_request_is_its_callers_own_and_each_caller_has_a_bounded_number() {
    for database in Database::both() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let config = Config::new(database.url().parse().expect("an address"));
            let store = Store::open(&config).await.expect("it opens");
            let tenant = store.tenant("default").await.expect("answers").expect("is there").id;
            let (one, two) = (plan(tenant, "one"), plan(tenant, "two"));
            let id = store.open_asked(&one, "process").await.expect("it is taken");
            assert!(store.asked(&two, &id).await.expect("answers").is_none());
            assert!(!store.end_asked(&two, &id).await.expect("answers"));
            let state = store.asked(&one, &id).await.expect("answers").expect("is there").state;
            assert_eq!(state, JobState::Active);
            // Only the process that works on it answers, and only once.
            store.answer_asked(&id, "another", 200, "{}").await.expect("nothing happens");
            store.answer_asked(&id, "process", 422, "{\"a\":1}").await.expect("it is kept");
            store.answer_asked(&id, "process", 200, "{}").await.expect("nothing happens");
            let asked = store.asked(&one, &id).await.expect("answers").expect("is there");
            assert_eq!((asked.state, asked.status, &*asked.answer), (JobState::Done, 422, "{\"a\":1}"));
            assert!(asked.expires_us > asked.created_us + 86_399_000_000);
            let mut taken = Vec::new();
            let refused = loop {
                match store.open_asked(&one, "process").await {
                    Ok(id) => taken.push(id),
                    Err(error) => break error,
                }
            };
            assert_eq!((refused.status(), taken.len()), (429, 8));
            assert!(refused.retry_after.is_some());
            store.open_asked(&two, "process").await.expect("others are not held up");
            // What is called off makes room, and whoever works on it learns.
            assert!(store.keep_asked(&taken[0], "process").await.expect("answers"));
            assert!(store.end_asked(&one, &taken[0]).await.expect("answers"));
            assert!(!store.keep_asked(&taken[0], "process").await.expect("answers"));
            store.open_asked(&one, "process").await.expect("there is room");
        });
    }
}

#[test]
fn a_request_whose_process_is_gone_is_said_to_be_lost() {
    let database = Database::sqlite();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let id = runtime.block_on(async {
        let config = Config::new(database.url().parse().expect("an address"));
        let store = Store::open(&config).await.expect("it opens");
        let tenant = store.tenant("default").await.expect("answers").expect("is there").id;
        // A process that never says that it works on it.
        store.open_asked(&AccessPlan::open(tenant), "gone").await.expect("it is taken")
    });
    let server = Server::start(&database, &[]);
    let mut client = server.client();
    let until = Instant::now() + PATIENCE;
    let lost = loop {
        let answer = client.get(&format!("job/{id}"));
        if answer.status != 202 {
            break answer.expect(503).json();
        }
        assert!(Instant::now() < until, "it is never said");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(lost["issue"][0]["code"], "transient");
    assert!(lost["issue"][0]["diagnostics"].as_str().is_some_and(|text| text.contains("send it again")));
    client.delete(&format!("job/{id}")).expect(202);
    client.get(&format!("job/{id}")).expect(404);
}
