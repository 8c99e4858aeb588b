//! The check against tables of cases, the official examples and changed copies of them. The examples
//! are read from `REMIT_TEST_DATA`, or from `shared/data` beside the repository.

mod cases;
mod examples;
mod lexical;
mod speed;

use crate::{Limits, structure};
use remit_fhir::{Document, Issue, json};
use remit_spec::Definitions;
use std::io::Read;
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

/// The JSON resources of a package or an archive, with their file names.
fn archive(path: &Path) -> Vec<(String, Document)> {
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut documents = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".json") || matches!(name.as_str(), "package.json" | ".index.json") {
            continue;
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        documents.push((name, json::parse(text).unwrap()));
    }
    documents
}

fn faults(text: &str) -> Vec<Issue> {
    let document = json::parse(text.to_owned()).unwrap();
    structure(document.root(), Definitions::r4(), &Limits::default())
}
