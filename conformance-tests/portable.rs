//! The SQL that comes with the program gives the same rows on DataFusion, PostgreSQL and Spark, over the
//! same Parquet of two small made-up practices. `portable/pack.py` compares; it can be run by hand too.
//!
//! PostgreSQL is asked whenever the tests have it; Spark where Java and pyspark are.

use crate::database::{Database, Kind};
use crate::server::{Server, remit};
use std::path::Path;
use std::process::Command;

/// Claims of the practice: enough for each rule of the queries to meet some.
const CLAIMS: &str = "150";

#[test]
fn shipped_sql_gives_the_same_rows_on_every_engine() {
    let has = |module: &str| {
        let probe = Command::new("python3").args(["-c", &format!("import {module}")]).output();
        probe.is_ok_and(|output| output.status.success())
    };
    if !has("pyarrow") {
        eprintln!("SKIPPED: pyarrow is not installed, so no Parquet can be read; .ci/run installs it.");
        assert!(std::env::var_os("REMIT_TEST_CLIENTS").is_none(), "REMIT_TEST_CLIENTS asks for pyarrow");
        return;
    }
    let practice = Database::sqlite();
    let (code, out, error) =
        remit(&["demo", "--database", &practice.url(), "--claims", CLAIMS, "--no-serve"]);
    assert_eq!(code, 0, "{out}{error}");
    let server = Server::start(&practice, &[]);
    // The practice that is made up has no front office; this one has.
    let juniper: serde_json::Value =
        serde_json::from_str(include_str!("juniper/practice.json")).expect("a file of the tests");
    server.client().post("", &juniper).expect(200);
    let mut command = Command::new("python3");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance-tests/portable");
    command.arg(folder.join("pack.py")).arg(server.base()).env("PYTHONDONTWRITEBYTECODE", "1");
    let beside = Database::new(Kind::Postgres);
    if let Some(Database::Postgres(url)) = &beside {
        let (address, _) = url.rsplit_once('/').expect("an address and a name");
        command.args(["--postgres", address, "--require", "postgres"]);
    }
    if std::env::var_os("REMIT_TEST_SPARK").is_some() {
        command.args(["--require", "spark"]);
    }
    let done = command.output().expect("python3 starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let skipped: Vec<String> =
        text(&done.stderr).lines().filter(|line| line.starts_with("SKIPPED")).map(str::to_owned).collect();
    eprintln!("{}", skipped.join("\n"));
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
}
