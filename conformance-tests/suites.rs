//! Runs every plain-text suite on SQLite and on PostgreSQL, each in a tenant of its own.

use crate::database::{Database, Kind};
use crate::server::{Server, remit};
use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder of the suites") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "test") {
            found.push(path);
        }
    }
}

/// Name of the suite's tenant: its path with what a name may hold.
fn tenant(name: &str) -> String {
    name.trim_end_matches(".test").replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_lowercase()
}

fn run_all(kind: Kind) {
    let Some(database) = Database::new(kind) else { return };
    // Words of all texts, so that suites can search for them; `words.rs` has the other settings.
    let server = Server::start(&database, &["--index-text", "content"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance-tests/suites");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "no suites in {}", root.display());
    let only = std::env::var("SUITE").unwrap_or_default();
    // Answers may differ in nothing between the databases, so one of them is enough to write from.
    let update = std::env::var_os("UPDATE").is_some() && kind == Kind::Sqlite;
    let mut failed = Vec::new();
    for path in &paths {
        let name = path.strip_prefix(&root).expect("a file below the root").to_string_lossy().into_owned();
        if !name.contains(&only) {
            continue;
        }
        let tenant = tenant(&name);
        let (code, _, error) = remit(&["tenant", "add", &tenant, "--database", &database.url()]);
        assert_eq!(code, 0, "tenant add {tenant}: {error}");
        let base = format!("http://{}/t/{tenant}/fhir", server.address);
        let faults = crate::suite::run(path, &mut server.client_of(&tenant), &base, update);
        for fault in &faults {
            eprintln!("{kind:?} {name} {fault}");
        }
        if !faults.is_empty() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{kind:?}: {} of {} suites fail: {failed:#?}", failed.len(), paths.len());
}

#[test]
fn every_suite_holds_on_sqlite() {
    run_all(Kind::Sqlite);
}

#[test]
fn every_suite_holds_on_postgresql() {
    run_all(Kind::Postgres);
}
