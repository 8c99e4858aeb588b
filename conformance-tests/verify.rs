//! `remit verify` finds every index row that is missing, wrong or too many, and `--repair` puts it right;
//! a database of before contained resources were indexed is filled in by `$reindex`.

use crate::database::{Database, Kind};
use crate::http::Client;
use crate::server::{Server, remit};
use serde_json::json;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A resource with a narrative, that contains another with one.
fn fill(client: &mut Client) {
    let narrative = |text: &str| json!({ "status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{text}</div>") });
    let patient = json!({ "resourceType": "Patient", "id": "inner", "text": narrative("quartz"),
        "name": [{ "family": "Inner" }] });
    for id in ["a", "b"] {
        let observation = json!({ "resourceType": "Observation", "id": id, "text": narrative("granite"),
            "status": "final", "code": { "coding": [{ "code": "x", "display": "Some text" }] },
            "contained": [patient], "subject": { "reference": "#inner" } });
        client.put(&format!("Observation/{id}"), &observation).expect(201);
    }
}

fn verify(database: &Database, more: &[&str]) -> (i32, String) {
    let url = database.url();
    let (code, out, error) = remit(&[&["verify", "--database", url.as_str()][..], more].concat());
    (code, format!("{out}{error}"))
}

/// What breaks the rows of Observation/a, and a search that shows it: its address, then what it should
/// count.
fn breaks(kind: Kind) -> Vec<(String, &'static str, u64)> {
    let rid = "(select min(rid) from resource where version > 0)";
    let inner = "(select min(rid) from contained)";
    let words = |rid: &str| match kind {
        Kind::Sqlite => format!("delete from ix_words where rowid = {rid}"),
        Kind::Postgres => format!("delete from ix_words where rid = {rid}"),
    };
    let other_words = match kind {
        Kind::Sqlite => format!("insert or replace into ix_words (rowid, words) values ({rid}, '1tbasalt')"),
        Kind::Postgres => format!("update ix_words set words = '1tbasalt' where rid = {rid}"),
    };
    let stray_words = match kind {
        Kind::Sqlite => "insert into ix_words (rowid, words) values (987654, '1tgranite')".to_owned(),
        Kind::Postgres => "insert into ix_words values (987654, 1, '1tgranite')".to_owned(),
    };
    vec![
        (words(rid), "Observation?_text=granite", 2),
        (other_words, "Observation?_text=granite", 2),
        (stray_words, "Observation?_text=granite&_summary=count", 2),
        (words(inner), "Patient?_text=quartz&_contained=true", 2),
        (format!("delete from ix_token where rid = {rid}"), "Observation?code=x", 2),
        (format!("delete from ix_text where rid = {rid}"), "Observation?code:text=some", 2),
        (format!("delete from ix_string where rid = {inner}"), "Observation?subject.name=inner", 2),
        (format!("delete from ix_reference where rid = {rid}"), "Observation?subject.name=inner", 2),
        (format!("delete from contained where rid = {inner}"), "Patient?name=inner&_contained=true", 2),
        (
            format!("update ix_token set code = 'y' where rid = {rid} and code = 'x'"),
            "Observation?code=y&_summary=count",
            0,
        ),
    ]
}

#[test]
fn index_rows_that_are_wrong_are_found_and_put_right() {
    for database in Database::both() {
        {
            let server = Server::start(&database, &[]);
            fill(&mut server.client());
        }
        assert_eq!(verify(&database, &[]).0, 0, "{}", verify(&database, &[]).1);
        for (sql, search, count) in breaks(database.kind()) {
            database.execute(&sql);
            let (code, said) = verify(&database, &[]);
            assert_eq!(code, 1, "{sql}: {said}");
            assert!(said.contains("1 resources are wrong"), "{sql}: {said}");
            let (code, said) = verify(&database, &["--repair"]);
            assert_eq!(code, 0, "{sql}: {said}");
            assert!(said.contains("made anew"), "{sql}: {said}");
            let server = Server::start(&database, &[]);
            assert_eq!(server.client().count(search), count, "{sql}: {search}");
        }
    }
}

/// Makes the database what it was before contained resources had rows.
fn age(database: &Database) {
    let tables =
        ["token", "reference", "uri", "string", "date", "number", "quantity", "composite", "position"];
    for table in tables.iter().chain(&["text"]) {
        database.execute(&format!("delete from ix_{table} where rid < 0"));
    }
    database.execute("delete from ix_reference where target < 0");
    database.execute("drop table asked");
    database.execute("drop view contained_resource");
    database.execute("drop table contained");
    database.execute("alter table tenant drop column contained_ready");
    match database.kind() {
        Kind::Sqlite => {
            database.execute(
                "delete from ix_words where rowid < 0; drop table ix_words_kept; pragma user_version = 3",
            );
        }
        Kind::Postgres => {
            database.execute("delete from ix_words where rid < 0; delete from migration where version > 3");
        }
    }
}

#[test]
fn contained_resources_of_a_database_of_before_are_filled_in_by_reindex() {
    for database in Database::both() {
        {
            let server = Server::start(&database, &[]);
            fill(&mut server.client());
        }
        age(&database);
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let refused = client.get("Patient?name=inner&_contained=true").expect(400);
        assert!(refused.text().contains("$reindex"), "{}", refused.text());
        assert_eq!(client.count("Observation?code=x"), 2, "all else is found");
        assert_eq!(verify(&database, &[]).0, 0, "what is not filled in yet is not wrong");
        let job = client.post("$reindex", &json!({ "resourceType": "Parameters" })).expect(202);
        let address = job.header("content-location").expect("the address of the job").to_owned();
        let until = Instant::now() + PATIENCE;
        while client.get(&address).status == 202 {
            assert!(Instant::now() < until, "the job does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(client.count("Patient?name=inner&_contained=true"), 2);
        assert_eq!(client.count("Patient?_text=quartz&_contained=true"), 2);
        assert_eq!(client.count("Observation?subject.name=inner"), 2);
        let (code, said) = verify(&database, &[]);
        assert_eq!(code, 0, "{said}");
    }
}
