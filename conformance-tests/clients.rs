//! Real clients, unmodified, against the server: fhirpy (Python), fhir-kit-client (JavaScript) and the
//! client of fhir-sdk (Rust).
//! Each makes a round of writes, reads, searches and pages, and fails when an answer is not what
//! its library expects.

use crate::database::Database;
use crate::server::Server;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a script with the base of a server; says loudly when the client is not installed.
fn run(name: &str, probe: &mut Command, script: &mut dyn FnMut(&str) -> Command) {
    if !probe.output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: {name} is not installed; .ci/run installs it.");
        assert!(std::env::var_os("REMIT_TEST_CLIENTS").is_none(), "REMIT_TEST_CLIENTS asks for {name}");
        return;
    }
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let done = script(&server.base()).output().expect("the client starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(done.status.success(), "{name}: {}{}", text(&done.stdout), text(&done.stderr));
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance-tests/clients")
}

#[test]
fn fhirpy_works() {
    run("fhirpy", Command::new("python3").args(["-c", "import fhirpy"]), &mut |base| {
        let mut command = Command::new("python3");
        command.arg(folder().join("fhirpy_client.py")).arg(base);
        command
    });
}

#[test]
fn fhir_kit_client_works() {
    // Where npm has put it: one of the folders of NODE_PATH, or beside the script.
    let places = std::env::var_os("NODE_PATH").unwrap_or_default();
    let places = std::env::split_paths(&places).chain([folder().join("node_modules")]);
    let package = places.map(|place| place.join("fhir-kit-client")).find(|package| package.exists());
    let probe = format!("require('fs').statSync({:?})", package.clone().unwrap_or_default());
    run("fhir-kit-client", Command::new("node").args(["-e", &probe]), &mut |base| {
        let mut command = Command::new("node");
        command.arg(folder().join("fhir_kit_client.mjs")).arg(base).args(&package);
        command
    });
}

/// Its models take minutes to compile, so it is run when REMIT_TEST_FHIR_SDK names the program:
/// `cargo build --manifest-path conformance-tests/clients/fhir-sdk/Cargo.toml`.
#[test]
fn fhir_sdk_works() {
    let Some(program) = std::env::var_os("REMIT_TEST_FHIR_SDK") else {
        eprintln!("SKIPPED: fhir-sdk is not built; REMIT_TEST_FHIR_SDK names its program.");
        return;
    };
    run("fhir-sdk", Command::new("test").arg("-x").arg(&program), &mut |base| {
        let mut command = Command::new(&program);
        // Its URLs are joined to the base, which therefore ends in a slash.
        command.arg(format!("{base}/"));
        command
    });
}
