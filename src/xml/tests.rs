//! Both directions against tables of cases and the official examples, which are read from
//! `REMIT_TEST_DATA`, or from `shared/data` beside the repository.

mod cases;
mod examples;
mod hostile;

use crate::{Layout, Limits, convert, from_json, to_json};
use remit_fhir::{Document, json};
use remit_spec::Definitions;
use std::path::{Path, PathBuf};

/// The folder of test data, or a loud word that it is not there.
fn data(inside: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder =
        std::env::var_os("REMIT_TEST_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let path = folder.join(inside);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there; set REMIT_TEST_DATA", path.display());
    None
}

fn read(xml: &str) -> Result<String, String> {
    to_json(xml.as_bytes(), Definitions::r4(), &Limits::default())
        .map(|json| String::from_utf8(json).unwrap())
        .map_err(|e| e.issues.iter().map(|i| i.diagnostics.as_str()).collect::<Vec<_>>().join("\n"))
}

fn write(document: &Document) -> Result<String, String> {
    let mut out = Vec::new();
    from_json(document.root(), Definitions::r4(), Layout::Compact, &mut out).map_err(|e| e.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}
