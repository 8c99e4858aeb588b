//! Requests that are answered in the background: only the caller who asked may look, the number of each
//! caller is bounded, what is called off ends, and what is lost with a process is said to be lost.

use crate::cedar_files::cedar;
use crate::database::Database;
use crate::http::{Client, Response};
use crate::server::{Server, remit};
use crate::x12::{locations, parameters, process};
use remit_search::{Access, AccessPlan};
use remit_store::{Config, JobState, Store};
use serde_json::{Value, json};
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
    finished(client, address).expect(200).json()
}

fn finished(client: &mut Client, address: &str) -> Response {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = client.get(address);
        if answer.status != 202 {
            return answer;
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

/// Sends a file in the background; gives the address of the answer.
fn send(client: &mut Client, text: &str) -> String {
    let body = parameters("content", text).to_string();
    let headers = [("Prefer", "respond-async"), ("Content-Type", "application/fhir+json")];
    let answer = client.send("POST", "$process-x12", &headers, body.as_bytes()).expect("it answers");
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.header("content-location").expect("an address").to_owned()
}

#[test]
fn a_file_taken_in_in_the_background_is_taken_in_once() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let files = cedar();
        let text = files[0].to_string();
        let address = send(&mut client, &text);
        let first = locations(&wait(&mut client, &address));
        assert!(first.iter().any(|place| place.contains("Claim/")), "{first:?}");
        // Whoever does not know whether it was done sends it again, this way or the other.
        let address = send(&mut client, &text);
        assert_eq!(locations(&wait(&mut client, &address)), first);
        assert_eq!(locations(&process(&mut client, &text, 200)), first);
        // What is wrong with a file is told at once or by its address, and never taken in.
        let body = parameters("content", "ISA*00").to_string();
        let headers = [("Prefer", "respond-async"), ("Content-Type", "application/fhir+json")];
        let answer = client.send("POST", "$process-x12", &headers, body.as_bytes()).expect("it answers");
        match answer.header("content-location").map(str::to_owned) {
            Some(address) => assert_eq!(finished(&mut client, &address).status, 400),
            None => assert_eq!(answer.status, 400, "{}", answer.text()),
        }
        // An operation that would do its work a second time is not put off.
        let body = json!({ "resourceType": "Parameters" }).to_string();
        let answer = client.send("POST", "Encounter/none/$generate-claim", &headers, body.as_bytes());
        assert_eq!(answer.expect("it answers").status, 404);
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
