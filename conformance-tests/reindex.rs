//! Search parameters of tenants while other things happen: writes, a crash, another node, a package.

use crate::data;
use crate::database::{Database, Kind};
use crate::http::Client;
use crate::server::{Server, remit};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest that any of the jobs below may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn nickname(code: &str, path: &str) -> Value {
    json!({ "resourceType": "SearchParameter", "id": code, "url": format!("http://acme.org/{code}"),
        "name": "X", "status": "active", "description": "x", "code": code, "base": ["Patient"],
        "type": "string", "expression": path })
}

fn patient(id: &str, n: u64) -> Value {
    json!({ "resourceType": "Patient", "id": id, "photo": [{ "title": format!("picture {}", n % 7) }] })
}

/// Starts a job over everything; its address.
pub(crate) fn start(client: &mut Client) -> String {
    let answer = client.post("$reindex", &json!({ "resourceType": "Parameters" })).expect(202);
    answer.header("content-location").expect("the address of the job").to_owned()
}

fn path_of(job: &str) -> String {
    format!("job/{}", job.rsplit('/').next().unwrap_or_default())
}

/// Waits for the end of a job; its answer.
pub(crate) fn finish(client: &mut Client, job: &str) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = client.get(&path_of(job));
        if answer.status != 202 {
            return answer.expect(200).json();
        }
        assert!(answer.header("x-progress").is_some(), "progress is told");
        assert!(Instant::now() < until, "the job does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn fill(client: &mut Client, count: u64) {
    let entry = |n: u64| {
        json!({ "resource": patient(&format!("p{n}"), n),
            "request": { "method": "PUT", "url": format!("Patient/p{n}") } })
    };
    let numbers: Vec<u64> = (0..count).collect();
    for some in numbers.chunks(500) {
        let entries: Vec<Value> = some.iter().map(|n| entry(*n)).collect();
        client
            .post("", &json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }))
            .expect(200);
    }
}

/// Every patient is found by the parameter under its present value, and under no other.
fn verify(client: &mut Client, code: &str, database: &Database) {
    let total = client.count("Patient?_summary=count");
    let by_value =
        (0..7).map(|n| client.count(&format!("Patient?{code}:exact=picture%20{n}&_summary=count")));
    assert_eq!(by_value.sum::<u64>(), total, "each patient once");
    let (exit, out, error) = remit(&["verify", "--database", &database.url()]);
    assert_eq!(exit, 0, "{out}{error}");
}

#[test]
fn a_reindex_goes_on_after_a_crash() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        fill(&mut client, 3000);
        client.put("SearchParameter/picture", &nickname("picture", "Patient.photo.title")).expect(201);
        let job = start(&mut client);
        // Not a time but a state: some batches are through.
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = client.get(&path_of(&job));
            let progress = answer.header("x-progress").unwrap_or_default().to_owned();
            let is_under_way =
                answer.status == 202 && progress.contains(" of ") && !progress.starts_with("0 ");
            if is_under_way || answer.status == 200 {
                break;
            }
            assert!(Instant::now() < until, "the job does not begin: {}", answer.status);
        }
        server.kill();
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let done = finish(&mut client, &job);
        assert_eq!(done["parameter"][0]["valueInteger"], 3000, "no resource is gone through twice");
        verify(&mut client, "picture", &database);
    }
}

#[test]
fn writes_go_on_while_parameters_are_indexed() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        fill(&mut client, 1500);
        let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for writer in 0..3u64 {
                let (mut client, stop, written) = (server.client(), &stop, &written);
                scope.spawn(move || {
                    let mut n = writer;
                    while !stop.load(Ordering::Relaxed) {
                        // Updates of what the job walks over, and new ones beside it.
                        let id = if n % 4 == 0 {
                            format!("new-{writer}-{n}")
                        } else {
                            format!("p{}", n * 13 % 1500)
                        };
                        let status = client.put(&format!("Patient/{id}"), &patient(&id, n + 1)).status;
                        assert!(matches!(status, 200 | 201), "status {status}");
                        written.fetch_add(1, Ordering::Relaxed);
                        n += 3;
                    }
                });
            }
            for round in 0..4 {
                let code = format!("picture{round}");
                let path = if round % 2 == 0 { "Patient.photo.title" } else { "Patient.photo.first().title" };
                client.put(&format!("SearchParameter/{code}"), &nickname(&code, path)).expect(201);
                let job = start(&mut client);
                finish(&mut client, &job);
                client.get(&format!("Patient?{code}=picture")).expect(200);
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(written.load(Ordering::Relaxed) > 0, "nothing was written meanwhile");
        for round in 0..4 {
            verify(&mut client, &format!("picture{round}"), &database);
        }
    }
}

#[test]
fn a_job_is_called_off() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        fill(&mut client, 2000);
        client.put("SearchParameter/picture", &nickname("picture", "Patient.photo.title")).expect(201);
        let job = start(&mut client);
        client.delete(&path_of(&job)).expect(202);
        client.get(&path_of(&job)).expect(404);
        let status = client.get("Patient?picture=x").status;
        assert_eq!(status, 400, "it is not usable");
        let job = start(&mut client);
        finish(&mut client, &job);
        verify(&mut client, "picture", &database);
    }
}

#[test]
fn another_node_sees_parameters_at_once() {
    let Some(database) = Database::new(Kind::Postgres) else { return };
    let nodes = [Server::start(&database, &[]), Server::start(&database, &[])];
    let [mut one, mut two] = [nodes[0].client(), nodes[1].client()];
    fill(&mut one, 50);
    for round in 0..6 {
        // The second node writes right after the first has answered, with what it knew before.
        let path = if round % 2 == 0 { "Patient.photo.title" } else { "Patient.photo.first().title" };
        let status = one.put("SearchParameter/picture", &nickname("picture", path)).status;
        assert!(matches!(status, 200 | 201), "status {status}");
        two.put(&format!("Patient/late{round}"), &patient(&format!("late{round}"), round));
        let refused = two.get("Patient?picture=picture").expect(400);
        assert!(refused.text().contains("not indexed yet"), "{}", refused.text());
        let job = start(&mut two);
        finish(&mut one, &job);
        assert_eq!(two.count("Patient?picture=picture&_summary=count"), 51 + round);
        assert_eq!(one.count("Patient?picture=picture&_summary=count"), 51 + round);
        let statement = two.get("metadata").expect(200).text();
        assert!(statement.contains("http://acme.org/picture"), "the statement names it");
    }
    verify(&mut one, "picture", &database);
    one.delete("SearchParameter/picture").expect(204);
    two.get("Patient?picture=x").expect(400);
    assert!(!two.get("metadata").expect(200).text().contains("http://acme.org/picture"));
}

#[test]
fn parameters_of_a_tenant_are_its_own() {
    for database in Database::both() {
        let (code, _, error) = remit(&["tenant", "add", "other", "--database", &database.url()]);
        assert_eq!(code, 0, "{error}");
        let server = Server::start(&database, &[]);
        let (mut client, mut other) = (server.client(), server.client_of("other"));
        fill(&mut client, 5);
        fill(&mut other, 5);
        client.put("SearchParameter/picture", &nickname("picture", "Patient.photo.title")).expect(201);
        let job = start(&mut client);
        finish(&mut client, &job);
        assert_eq!(client.count("Patient?picture=picture"), 5);
        other.get("Patient?picture=picture").expect(400);
        other.get(&path_of(&job)).expect(404);
        assert!(!other.get("metadata").expect(200).text().contains("acme.org"));
        // The same code with another meaning.
        other.put("SearchParameter/picture", &nickname("picture", "Patient.id")).expect(201);
        let job = start(&mut other);
        finish(&mut other, &job);
        assert_eq!(other.count("Patient?picture=p1"), 1);
        assert_eq!(client.count("Patient?picture=p1"), 0);
    }
}

#[test]
fn the_search_parameters_of_us_core_are_taken_from_their_package() {
    let Some(package) = data::path("packages/hl7.fhir.us.core-6.1.0.tgz") else { return };
    let parameters: Vec<Value> = data::archive(&package)
        .into_iter()
        .filter(|(name, _)| name.rsplit('/').next().is_some_and(|file| file.starts_with("SearchParameter-")))
        .map(|(_, text)| serde_json::from_slice(&text).expect("a resource"))
        .collect();
    assert!(parameters.len() > 90, "only {} parameters", parameters.len());
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        for parameter in &parameters {
            let target = format!("SearchParameter/{}", parameter["id"].as_str().expect("an id"));
            client.put(&target, parameter).expect(201);
        }
        let race = json!({ "resourceType": "Patient", "id": "r", "extension": [{
            "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [
                { "url": "ombCategory", "valueCoding": { "system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3" } },
                { "url": "text", "valueString": "White" }] }] });
        client.put("Patient/r", &race).expect(201);
        let asserted = json!({ "resourceType": "Condition", "id": "c", "subject": { "reference": "Patient/r" },
            "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
                "valueDateTime": "2021-05-06" }] });
        client.put("Condition/c", &asserted).expect(201);
        let job = start(&mut client);
        finish(&mut client, &job);
        assert_eq!(client.count("Patient?race=2106-3"), 1);
        assert_eq!(client.count("Condition?asserted-date=2021"), 1);
        let statement = client.get("metadata").expect(200).json();
        let types = statement["rest"][0]["resource"].as_array().expect("types");
        let of = |ty: &str| types.iter().find(|t| t["type"] == ty).expect("the type").clone();
        for (ty, code) in [
            ("Patient", "race"),
            ("CareTeam", "role"),
            ("Encounter", "discharge-disposition"),
            ("Goal", "description"),
        ] {
            let all = of(ty);
            let found = all["searchParam"].as_array().expect("parameters").iter().any(|p| p["name"] == code);
            assert!(found, "{ty}: {code}");
        }
    }
}

#[test]
fn a_package_is_loaded_and_its_search_parameters_become_usable() {
    let Some(package) = data::path("packages/hl7.fhir.us.core-6.1.0.tgz") else { return };
    let package = package.display().to_string();
    for database in Database::both() {
        let folder =
            std::env::temp_dir().join(format!("remit-package-{}-{:?}", std::process::id(), database.kind()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let path = |name: &str| folder.join(name).display().to_string();
        let (journal, rejects, url) = (path("journal"), path("rejects"), database.url());
        let arguments =
            ["load", &package, "--database", &url, "--journal", &journal, "--rejects", &rejects, "--json"];
        let (code, out, error) = remit(&arguments);
        let summary: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{error}"));
        assert_eq!((code, &summary["rejected"]), (0, &json!(0)), "{summary} {error}");
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        assert!(client.count("SearchParameter?_summary=count") > 90, "the parameters are there");
        assert_eq!(client.count("Patient?_summary=count"), 0, "examples are left out");
        let race = json!({ "resourceType": "Patient", "id": "r", "extension": [{
            "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [
                { "url": "ombCategory", "valueCoding": { "system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3" } },
                { "url": "text", "valueString": "White" }] }] });
        client.put("Patient/r", &race).expect(201);
        let refused = client.get("Patient?race=2106-3").expect(400);
        assert!(refused.text().contains("$reindex"), "{}", refused.text());
        let job = start(&mut client);
        finish(&mut client, &job);
        assert_eq!(client.count("Patient?race=2106-3"), 1);
        drop(server);
        let (code, out, error) = remit(&["verify", "--database", &url]);
        assert_eq!(code, 0, "{out}{error}");
        std::fs::remove_dir_all(&folder).expect("the folder goes");
    }
}

/// Index rows of parameters of tenants, those of contained resources too.
fn own_rows(database: &Database) -> i64 {
    database.number("select count(*) from ix_string where param >= 1000000 or param < -1000000")
}

#[test]
fn rows_of_a_dropped_parameter_are_swept_away() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        // More rows than one statement takes away, some of them of contained resources.
        fill(&mut client, 6000);
        let group = json!({ "resourceType": "Group", "id": "g", "type": "person", "actual": true,
            "contained": [patient("inner", 1)], "member": [{ "entity": { "reference": "#inner" } }] });
        client.put("Group/g", &group).expect(201);
        client.put("SearchParameter/picture", &nickname("picture", "Patient.photo.title")).expect(201);
        client.put("SearchParameter/kept", &nickname("kept", "Patient.photo.title")).expect(201);
        let job = start(&mut client);
        finish(&mut client, &job);
        assert_eq!(
            client.count("Patient?picture=picture&_contained=true"),
            1,
            "what is contained has its rows"
        );
        assert_eq!(own_rows(&database), 2 * 6001);
        client.delete("SearchParameter/picture").expect(204);
        client.get("Patient?picture=x").expect(400);
        assert_eq!(own_rows(&database), 2 * 6001, "searches that began before may still run");
        // The time of grace is over.
        database.execute("update custom_parameter set since_us = 0 where state = 2");
        let until = Instant::now() + PATIENCE;
        while database.number("select count(*) from custom_parameter") > 1 {
            assert!(Instant::now() < until, "the rows are not swept away");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(own_rows(&database), 6001, "those of the other parameter stay");
        assert_eq!(client.count("Patient?kept=picture&_summary=count"), 6000);
        verify(&mut client, "kept", &database);
    }
}
