//! Views while other things happen: a full database, restarts, changes of the views themselves, other
//! tenants, callers who may not read everything, readers who go away.

use crate::database::Database;
use crate::http::Client;
use crate::server::{Server, remit};
use futures_util::StreamExt;
use remit::app::{App, Keeping};
use remit::operation::{Invocation, Method, Parameters, Target};
use remit::rest;
use remit_fhir::base64::encode;
use remit_search::{Access, AccessPlan, Context, Handling, Limits};
use remit_spec::Definitions;
use remit_store::Config;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The longest that rows of a view may take to be made below.
const PATIENCE: Duration = Duration::from_secs(120);

fn view(id: &str, path: &str) -> Value {
    json!({ "resourceType": "ViewDefinition", "id": id, "url": format!("http://acme.org/{id}"), "name": id,
        "status": "active", "resource": "Patient",
        "select": [{ "column": [{ "name": "id", "path": "id" }, { "name": "v", "path": path }] }] })
}

fn library(id: &str, sql: &str, tables: &[(&str, &str)]) -> Value {
    let related: Vec<Value> = tables
        .iter()
        .map(|(label, url)| json!({ "type": "depends-on", "label": label, "resource": url }))
        .collect();
    json!({ "resourceType": "Library", "id": id, "url": format!("http://acme.org/{id}"), "status": "active",
        "type": { "coding": [{ "code": "sql-query" }] }, "relatedArtifact": related,
        "content": [{ "contentType": "application/sql", "data": encode(sql.as_bytes()) }] })
}

fn fill(client: &mut Client, from: u64, count: u64) {
    let entry = |n: u64| {
        let gender = if n.is_multiple_of(2) { "male" } else { "female" };
        json!({ "resource": { "resourceType": "Patient", "id": format!("p{n}"), "gender": gender },
            "request": { "method": "PUT", "url": format!("Patient/p{n}") } })
    };
    let numbers: Vec<u64> = (from..from + count).collect();
    for some in numbers.chunks(500) {
        let entries: Vec<Value> = some.iter().map(|n| entry(*n)).collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
        client.post("", &bundle).expect(200);
    }
}

/// The state of a view, and its job while it is filled.
fn status(client: &mut Client, id: &str) -> (String, Option<String>) {
    let answer = client.get(&format!("ViewDefinition/{id}/$view-status")).expect(200).json();
    let parts = answer["parameter"][0]["part"].as_array().cloned().unwrap_or_default();
    let part = |name: &str, value: &str| {
        let part = parts.iter().find(|part| part["name"] == name);
        part.and_then(|part| part[value].as_str()).map(str::to_owned)
    };
    (part("state", "valueCode").unwrap_or_default(), part("job", "valueUri"))
}

fn wait_until_ready(client: &mut Client, id: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let (state, job) = status(client, id);
        match state.as_str() {
            "ready" => return,
            "filling" => {
                // Its progress can be asked for as soon as it has begun.
                let job = job.expect("a view that is filled names its job");
                let told = client.get(&format!("job/{}", job.rsplit('/').next().unwrap_or_default())).status;
                assert!(matches!(told, 200 | 202 | 404), "status {told}");
            }
            other => panic!("the view {id} is {other}"),
        }
        assert!(Instant::now() < until, "the rows of {id} are not made");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn rows(client: &mut Client, path: &str) -> Value {
    client.get(&format!("{path}?_format=json")).expect(200).json()
}

fn count(client: &mut Client) -> u64 {
    rows(client, "Library/count/$sqlquery-run")[0]["n"].as_u64().expect("a number")
}

#[test]
fn a_view_of_a_full_database_is_filled_and_follows_every_change() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        fill(&mut client, 0, 3000);
        client.put("ViewDefinition/people", &view("people", "gender")).expect(201);
        let sql = "select count(*) as n from p where v = 'male'";
        client.put("Library/count", &library("count", sql, &[("p", "http://acme.org/people")])).expect(201);
        // Before its rows are there the view is answered from the resources.
        assert_eq!(count(&mut client), 1500);
        wait_until_ready(&mut client, "people");
        assert_eq!(count(&mut client), 1500);
        // What is acknowledged is in the next answer.
        for n in 0..5 {
            let body = json!({ "resourceType": "Patient", "id": format!("new{n}"), "gender": "male" });
            client.put(&format!("Patient/new{n}"), &body).expect(201);
            assert_eq!(count(&mut client), 1501 + n);
        }
        client.delete("Patient/new0").expect(204);
        assert_eq!(count(&mut client), 1504);
        // Another meaning makes other rows; another title does not.
        client.put("ViewDefinition/people", &view("people", "'male'")).expect(200);
        assert_eq!(count(&mut client), 3004);
        wait_until_ready(&mut client, "people");
        assert_eq!(count(&mut client), 3004);
        let mut titled = view("people", "'male'");
        titled["title"] = json!("Other words");
        client.put("ViewDefinition/people", &titled).expect(200);
        assert_eq!(status(&mut client, "people").0, "ready");
        assert_eq!(count(&mut client), 3004);
        restarts(&database, server);
    }
}

/// The rows are there after a crash and after a stop, and those of a view that is deleted are gone.
fn restarts(database: &Database, server: Server) {
    server.kill();
    let mut server = Server::start(database, &[]);
    let mut client = server.client();
    wait_until_ready(&mut client, "people");
    assert_eq!(count(&mut client), 3004);
    server.signal("TERM");
    server.wait(PATIENCE).expect("it stops");
    let (code, out, error) = remit(&["verify", "--database", &database.url()]);
    assert_eq!(code, 0, "{out}{error}");
    let server = Server::start(database, &[]);
    let mut client = server.client();
    wait_until_ready(&mut client, "people");
    client.delete("ViewDefinition/people").expect(204);
    let answer = client.get("ViewDefinition/$view-status").expect(200).json();
    assert_eq!(answer["parameter"].as_array().map_or(0, Vec::len), 0, "{answer}");
    client.get("Library/count/$sqlquery-run").expect(404);
}

#[test]
fn a_mart_that_is_wrong_is_found_and_repaired() {
    let database = Database::sqlite();
    let mut server = Server::start(&database, &[]);
    let mut client = server.client();
    fill(&mut client, 0, 20);
    client.put("ViewDefinition/people", &view("people", "gender")).expect(201);
    wait_until_ready(&mut client, "people");
    server.signal("TERM");
    server.wait(PATIENCE).expect("it stops");
    let file = database.url().trim_start_matches("sqlite:").to_owned();
    let connection = rusqlite::Connection::open(file).expect("the database opens");
    let sql = "update resource set body = jsonb(replace(json(body), 'female', 'unknown'))";
    connection.execute(sql, []).expect("the bodies change");
    drop(connection);
    let verify = |more: &[&str]| {
        let url = database.url();
        let arguments: Vec<&str> =
            ["verify", "--database", &url].into_iter().chain(more.iter().copied()).collect();
        remit(&arguments)
    };
    let (_, out, _) = verify(&[]);
    assert!(out.contains("view ViewDefinition/people: 10 rows too many, 10 rows missing"), "{out}");
    let (_, out, _) = verify(&["--repair"]);
    assert!(out.contains("repaired: ") && out.contains("The mart's columns are those"), "{out}");
    let (_, out, _) = verify(&[]);
    assert!(out.contains("The mart's columns are those"), "{out}");
}

#[test]
fn views_of_tenants_are_their_own() {
    for database in Database::both() {
        for tenant in ["one", "two"] {
            let (code, _, error) = remit(&["tenant", "add", tenant, "--database", &database.url()]);
            assert_eq!(code, 0, "{error}");
        }
        let server = Server::start(&database, &[]);
        for (tenant, path) in [("one", "gender"), ("two", "id")] {
            let mut client = server.client_of(tenant);
            fill(&mut client, 0, if tenant == "one" { 2 } else { 4 });
            client.put("ViewDefinition/people", &view("people", path)).expect(201);
            let sql = "select v from p order by v";
            client
                .put("Library/count", &library("count", sql, &[("p", "http://acme.org/people")]))
                .expect(201);
        }
        let expected = [
            ("one", json!([{ "v": "female" }, { "v": "male" }])),
            ("two", json!([{ "v": "p0" }, { "v": "p1" }, { "v": "p2" }, { "v": "p3" }])),
        ];
        for round in 0..2 {
            for (tenant, expected) in &expected {
                let mut client = server.client_of(tenant);
                assert_eq!(rows(&mut client, "Library/count/$sqlquery-run"), *expected, "{tenant} {round}");
                wait_until_ready(&mut client, "people");
            }
        }
        server.client().get("ViewDefinition/people").expect(404);
    }
}

#[test]
fn a_view_that_does_not_fit_into_memory_is_refused_and_all_else_is_served() {
    let server = Server::fresh(&["--mart-memory", "1"]);
    let mut client = server.client();
    fill(&mut client, 0, 9000);
    client.put("ViewDefinition/people", &view("people", "gender & id & id & id & id & id & id")).expect(201);
    let sql = "select count(*) as n from p";
    client.put("Library/count", &library("count", sql, &[("p", "http://acme.org/people")])).expect(201);
    let until = Instant::now() + PATIENCE;
    while status(&mut client, "people").0 != "refused" {
        assert!(Instant::now() < until, "the view is not refused");
        std::thread::sleep(Duration::from_millis(20));
    }
    let answer = client.get("ViewDefinition/people/$view-status").expect(200).text();
    assert!(answer.contains("memory limit of 1 MiB"), "{answer}");
    // It is answered from the resources, as long as that fits.
    assert_eq!(count(&mut client), 9000);
    let rows = client.get("ViewDefinition/people/$viewdefinition-run").expect(200).text();
    assert_eq!(rows.lines().count(), 9000);
    fill(&mut client, 9000, 10);
    assert_eq!(count(&mut client), 9010);
}

#[test]
fn readers_who_go_away_leave_nothing_behind() {
    let server = Server::fresh(&[]);
    let mut client = server.client();
    fill(&mut client, 0, 4000);
    client.put("ViewDefinition/people", &view("people", "gender")).expect(201);
    let sql = "select a.id as a, b.id as b from p a, p b";
    client.put("Library/large", &library("large", sql, &[("p", "http://acme.org/people")])).expect(201);
    client
        .put(
            "Library/count",
            &library("count", "select count(*) as n from p", &[("p", "http://acme.org/people")]),
        )
        .expect(201);
    wait_until_ready(&mut client, "people");
    for path in ["Library/large/$sqlquery-run", "ViewDefinition/people/$viewdefinition-run"] {
        for _ in 0..12 {
            let mut stream = TcpStream::connect(server.address).expect("a connection");
            write!(stream, "GET /fhir/{path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is sent");
            let mut first = [0; 512];
            let read = stream.read(&mut first).expect("the answer begins");
            let text = String::from_utf8_lossy(&first[..read]);
            // It begins before its length is known.
            assert!(text.starts_with("HTTP/1.1 200") && text.contains("chunked"), "{text}");
        }
        let begun = Instant::now();
        assert_eq!(count(&mut client), 4000);
        assert!(begun.elapsed() < Duration::from_secs(20), "a question waits for those that nobody reads");
    }
}

#[test]
fn an_answer_that_breaks_off_is_told_from_one_that_is_whole() {
    let server = Server::fresh(&[]);
    let mut client = server.client();
    // The oldest comes last; the view fails there, when the answer has begun.
    let names = json!([{ "family": "a" }, { "family": "b" }]);
    client.put("Patient/old", &json!({ "resourceType": "Patient", "id": "old", "name": names })).expect(201);
    fill(&mut client, 0, 2500);
    client.put("ViewDefinition/people", &view("people", "name.family")).expect(201);
    let broken = client.send("GET", "ViewDefinition/people/$viewdefinition-run", &[], b"");
    assert!(broken.is_err(), "the connection ends before the answer does");
    client.get("Patient/old").expect(200);
}

/// Asks an operation with a plan of its own.
async fn ask(app: &App, plan: &AccessPlan, body: Value) -> Result<Vec<Value>, u16> {
    let operations = app.operations().expect("all have definitions");
    let (defs, settings) = (Definitions::r4(), rest::Settings::default());
    let run = operations.find(defs, "sql-run", &Target::System, Method::Post).expect("it is there");
    let cx = rest::Context { store: &app.store, plan, defs, base: "http://h/fhir", settings: &settings };
    let body = remit_fhir::json::parse(body.to_string()).expect("JSON");
    let parameters = Parameters::new(Vec::new(), Some(body));
    let answer = run(Invocation { cx, target: Target::System, parameters }).await.map_err(|e| e.status())?;
    let mut parts = answer.stream.and_then(|stream| stream.take()).expect("rows are streamed");
    let mut text = Vec::new();
    while let Some(part) = parts.next().await {
        text.extend_from_slice(&part.map_err(|e| e.status())?);
    }
    let lines = String::from_utf8(text).expect("UTF-8");
    Ok(lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect())
}

#[test]
fn rows_of_what_a_caller_may_not_read_are_in_no_answer() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        fill(&mut client, 0, 10);
        client.put("ViewDefinition/people", &view("people", "gender")).expect(201);
        wait_until_ready(&mut client, "people");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(hidden(&database));
    }
}

async fn hidden(database: &Database) {
    let config = Config::new(database.url().parse().expect("an address"));
    let app = App::open(&config, &Keeping::default()).await.expect("it opens");
    let patient = Definitions::r4().resource_named("Patient").expect("a type");
    let registry = app.store.registry();
    let (now, limits) = (remit_store::system_clock(), Limits::default());
    let context = Context { registry, base: "http://h/fhir", now, handling: Handling::Strict, limits };
    let women = remit_search::condition(&[patient], "gender", "female", &context).expect("it is a search");
    let tenant = app.store.tenant("default").await.expect("answers").expect("is there").id;
    let all = AccessPlan::open(tenant);
    let some = AccessPlan::of(tenant, "someone", Access::Allow).with(patient, Access::Where(women));
    let none = AccessPlan::of(tenant, "nobody", Access::Allow).with(patient, Access::Deny);
    let tables = [("p", "http://acme.org/people")];
    let of_view = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "subjectCanonical", "valueCanonical": "http://acme.org/people" }] });
    let of_query = library("q", "select v, count(*) as n from p group by v order by v", &tables);
    let inline = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "subjectResource", "resource": of_query },
        { "name": "context", "resource": view("people", "gender") }] });
    assert_eq!(ask(&app, &all, of_view.clone()).await.expect("rows").len(), 10);
    assert_eq!(ask(&app, &some, of_view.clone()).await.expect("rows").len(), 5);
    assert_eq!(ask(&app, &none, of_view).await, Err(403));
    // From the mart, and from a mart for this question.
    for query in [of_query.clone(), inline] {
        let both = vec![json!({ "v": "female", "n": 5 }), json!({ "v": "male", "n": 5 })];
        assert_eq!(ask(&app, &all, query.clone()).await.expect("rows"), both);
        assert_eq!(ask(&app, &some, query.clone()).await.expect("rows"), both[..1]);
        assert_eq!(ask(&app, &none, query).await, Err(403));
    }
}
