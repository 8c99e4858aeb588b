//! The commands, as a user types them: exit codes, JSON, rejects, going on after a stop.

use crate::database::Database;
use crate::http::Client;
use crate::server::{REMIT, Server, remit, signal};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("remit-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder for a test");
        Folder(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("a folder for a test");
        std::fs::write(&path, content).expect("room for a test");
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("packing into memory");
    encoder.finish().expect("packing into memory")
}

fn tgz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).expect("packing into memory");
    }
    gzip(&tar.into_inner().expect("packing into memory"))
}

/// Loads with a summary.
fn load(folder: &Folder, target: [&str; 2], paths: &[&str], more: &[&str]) -> (i32, Value) {
    let (journal, rejects) = (folder.path("load.journal"), folder.path("rejects.out"));
    let mut arguments = vec!["load", "--json", "--journal", &journal, "--rejects", &rejects];
    arguments.extend(target);
    arguments.extend(more);
    arguments.extend(paths);
    let (code, out, error) = remit(&arguments);
    let summary = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{error}"));
    (code, summary)
}

fn transaction(n: usize) -> Value {
    let url = format!("urn:uuid:00000000-0000-4000-8000-{n:012}");
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        { "fullUrl": url, "request": { "method": "POST", "url": "Patient" }, "resource": {
            "resourceType": "Patient", "identifier": [{ "system": "urn:load", "value": n.to_string() }] } },
        { "request": { "method": "POST", "url": "Encounter" }, "resource": {
            "resourceType": "Encounter", "status": "finished", "class": { "code": "AMB" },
            "subject": { "reference": url },
            "participant": [{ "individual": { "reference": "Practitioner?identifier=urn:npi|1" } }] } } ] })
}

/// Files of every kind; the practitioners stand last by name and must come first.
fn inputs(folder: &Folder) -> Vec<String> {
    let practitioner = r#"{"resourceType":"Practitioner","identifier":[{"system":"urn:npi","value":"1"}]}"#;
    let batch = format!(
        r#"{{"resourceType":"Bundle","type":"batch","entry":[{{"resource":{practitioner},"request":{{"method":"POST","url":"Practitioner"}}}}]}}"#
    );
    let lines: String =
        (0..150).map(|n| format!("{{\"resourceType\":\"Patient\",\"id\":\"n{n}\"}}\n")).collect();
    let collection = r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"c"}}]}"#;
    folder.file("in/a.json", transaction(1).to_string());
    folder.file("in/deep/b.json.gz", gzip(transaction(2).to_string().as_bytes()));
    folder.file("in/lines.ndjson", lines);
    folder.file("in/single.json", "{\"resourceType\": \"Patient\", \"id\": \"s\"}");
    folder.file("in/notes.txt", "nothing");
    let three = transaction(3).to_string();
    folder
        .file("in/pack.tgz", tgz(&[("x/three.json", three.as_bytes()), ("x/c.json", collection.as_bytes())]));
    folder.file("in/zz.json", batch);
    vec![folder.path("in")]
}

fn check_loaded(client: &mut Client) {
    assert_eq!(client.count("Patient"), 3 + 150 + 1 + 1);
    assert_eq!(client.count("Encounter"), 3);
    assert_eq!(client.count("Practitioner"), 1);
    let practitioner = client.get("Practitioner").expect(200).json()["entry"][0]["resource"]["id"].clone();
    let id = practitioner.as_str().expect("an id");
    assert_eq!(client.count(&format!("Encounter?practitioner=Practitioner/{id}")), 3);
}

#[test]
fn load_takes_every_kind_of_file_and_can_be_repeated() {
    for database in Database::both() {
        let url = database.url();
        let direct = ["--database", url.as_str()];
        let folder = Folder::new("load");
        let paths = inputs(&folder);
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        let (code, summary) = load(&folder, direct, &paths, &[]);
        assert_eq!(
            (code, &summary["loaded"], &summary["ignoredFiles"]),
            (0, &json!(159), &json!(1)),
            "{summary}"
        );
        let server = Server::start(&database, &[]);
        check_loaded(&mut server.client());
        let (code, summary) = load(&folder, direct, &paths, &[]);
        assert_eq!((code, &summary["loaded"], &summary["skipped"]), (0, &json!(0), &json!(159)), "{summary}");
        check_loaded(&mut server.client());
        // A journal of another database does not count.
        let other = Database::new(database.kind()).expect("a second database of the same kind");
        let second = Server::start(&other, &[]);
        let base = second.base();
        let (code, summary) = load(&folder, ["--base", &base], &paths, &[]);
        assert_eq!((code, &summary["loaded"]), (0, &json!(159)), "{summary}");
        check_loaded(&mut second.client());
    }
}

#[test]
fn load_keeps_what_is_rejected_with_the_reason() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let folder = Folder::new("rejects");
    let lines = "{\"resourceType\":\"Patient\",\"id\":\"good\"}\n{\"resourceType\":\"Patient\",\"id\":\"bad\",\"birthDate\":\"x\"}\n\
                 {broken\n\n{\"no\":\"resource\"}\n{\"resourceType\":\"Patient\",\"id\":\"good2\"}\n";
    let input = folder.file("in.ndjson", lines);
    let (code, summary) = load(&folder, ["--base", &server.base()], &[&input], &[]);
    assert_eq!((code, &summary["loaded"], &summary["rejected"]), (1, &json!(2), &json!(3)), "{summary}");
    let rejects = std::fs::read_to_string(folder.path("rejects.out")).expect("the rejects");
    let rejects: Vec<Value> = rejects.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |line: usize| {
        let end = format!("in.ndjson:{line}");
        rejects
            .iter()
            .find(|r| r["where"].as_str().is_some_and(|w| w.ends_with(&end)))
            .expect("the line is named")
    };
    assert_eq!(of(2)["item"]["resource"]["id"], "bad");
    assert!(of(2)["reason"].to_string().contains("birthDate"), "{}", of(2)["reason"]);
    assert_eq!(of(3)["reason"]["resourceType"], "OperationOutcome");
    assert!(of(3)["item"].as_str().is_some_and(|text| text.starts_with("{broken")));
    assert!(of(5)["reason"].to_string().contains("resourceType"));
    // The mended line is loaded by the next run, the others are known.
    let input = folder.file("in.ndjson", lines.replace("\"x\"", "\"1970\""));
    let (_, summary) = load(&folder, ["--base", &server.base()], &[&input], &[]);
    assert_eq!((&summary["loaded"], &summary["skipped"]), (&json!(1), &json!(2)), "{summary}");
}

/// Starts a load of many transactions in the background.
fn start_load(folder: &Folder, server: &Server, input: &str) -> std::process::Child {
    Command::new(REMIT)
        .args(["load", input, "--base", &server.base(), "--jobs", "2"])
        .args(["--journal", &folder.path("load.journal"), "--rejects", &folder.path("rejects.out")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

#[test]
fn a_load_that_was_stopped_or_killed_goes_on_without_duplicates() {
    const TRANSACTIONS: usize = 300;
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let mut client = server.client();
    client
        .post(
            "Practitioner",
            &json!({ "resourceType": "Practitioner",
        "identifier": [{ "system": "urn:npi", "value": "1" }] }),
        )
        .expect(201);
    let folder = Folder::new("resume");
    for n in 0..TRANSACTIONS {
        folder.file(&format!("in/{n:04}.json"), transaction(n).to_string());
    }
    let input = folder.path("in");
    for (round, name) in ["INT", "KILL", "KILL", "INT"].into_iter().enumerate() {
        let mut running = start_load(&folder, &server, &input);
        // Not a time but a state: some more have been loaded.
        let enough = (round as u64 + 1) * 20;
        while client.count("Patient") < enough && running.try_wait().is_ok_and(|ended| ended.is_none()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if running.try_wait().is_ok_and(|ended| ended.is_none()) {
            signal(running.id(), name);
        }
        let status = running.wait().expect("a child to wait for");
        assert!(name == "KILL" || matches!(status.code(), Some(130 | 0)), "{status}");
    }
    let (code, summary) = load(&folder, ["--base", &server.base()], &[&input], &[]);
    assert_eq!(code, 0, "{summary}");
    assert_eq!(client.count("Patient"), TRANSACTIONS as u64);
    assert_eq!(client.count("Encounter"), TRANSACTIONS as u64);
}

#[test]
fn mistakes_are_told_with_exit_codes() {
    let folder = Folder::new("mistakes");
    let text = folder.file("a.txt", "x");
    let database = format!("sqlite:{}", folder.path("a.db"));
    let cases: [(&[&str], i32, &str); 8] = [
        (&["load"], 2, "PATH"),
        (&["load", "/nowhere/at/all", "--database", &database], 2, "/nowhere/at/all"),
        (&["load", &text, "--database", &database], 2, "kind"),
        (&["load", &text, "--base", "https://x/fhir"], 2, "http"),
        (&["serve", "--database", "mysql://x"], 2, "sqlite:"),
        (&["serve", "--listen", "127.0.0.1:99999"], 2, "listen"),
        (&["nonsense"], 2, "nonsense"),
        (&["tenant", "add", "Not Good", "--database", &database], 2, "tenant"),
    ];
    for (arguments, code, word) in cases {
        let (got, out, error) = remit(arguments);
        assert_eq!(got, code, "{arguments:?}: {out}{error}");
        assert!(error.contains(word), "{arguments:?}: {error}");
        assert!(!error.contains("panicked"), "{error}");
    }
}

#[test]
fn a_taken_port_and_an_unreachable_database_are_told_plainly() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let other = Database::sqlite();
    let (code, _, error) =
        remit(&["serve", "--listen", &server.address.to_string(), "--database", &other.url()]);
    assert_ne!(code, 0);
    assert!(error.contains(&server.address.port().to_string()), "{error}");
    let closed = crate::server::free_address();
    let url = format!("postgres://nobody@{closed}/none");
    let (code, _, error) = remit(&["tenant", "list", "--database", &url]);
    assert_ne!(code, 0);
    assert!(!error.contains("panicked") && !error.is_empty(), "{error}");
}

#[test]
fn tenants_are_made_while_the_server_runs() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client_of("north");
        assert_eq!(client.get("Patient").status, 404);
        let (code, out, error) = remit(&["tenant", "add", "north", "--database", &database.url(), "--json"]);
        assert_eq!(code, 0, "{error}");
        let made: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((&made["name"], &made["path"]), (&json!("north"), &json!("/t/north/fhir")));
        client.put("Patient/a", &json!({ "resourceType": "Patient", "id": "a" })).expect(201);
        assert_eq!(server.client().get("Patient/a").status, 404);
        let (code, _, error) = remit(&["tenant", "add", "north", "--database", &database.url()]);
        assert!(code != 0 && error.contains("north"), "{error}");
        let (_, out, _) = remit(&["tenant", "list", "--database", &database.url(), "--json"]);
        let listed: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    }
}

#[test]
fn bench_checks_answers_and_compares() {
    let folder = Folder::new("bench");
    let file = folder.path("figures.json");
    let arguments = ["bench", "crud", "--connections", "4", "--seconds", "1", "--save", &file];
    let (code, out, error) = remit(&arguments);
    assert_eq!(code, 0, "{out}{error}");
    for step in ["create", "read", "update", "vread", "delete"] {
        assert!(out.contains(step), "{out}");
    }
    let (code, out, error) =
        remit(&["bench", "crud", "--connections", "4", "--seconds", "1", "--compare", &file]);
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.contains("times that"), "{out}");
}

#[test]
fn bench_of_views_runs_to_its_end() {
    let (code, out, error) = remit(&["bench", "views", "--observations", "1000"]);
    assert_eq!(code, 0, "{out}{error}");
    for step in ["first materialisation", "rows of a view, ndjson", "a second view", "write with two views"] {
        assert!(out.contains(step), "{out}");
    }
}

#[test]
fn bench_of_growth_says_what_it_needs() {
    let (code, _, error) = remit(&["bench", "scale", "crud"]);
    assert!(code != 0 && error.contains("--bundles"), "{code}: {error}");
}
