//! Where the test data lies, and reading it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file of the test data; says loudly which is missing.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("REMIT_TEST_DATA").map_or_else(beside_the_repository, PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: {} is not there; set REMIT_TEST_DATA to the folder of the test data.",
        path.display()
    );
    None
}

fn beside_the_repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data")
}

/// The JSON files of a `.tgz`, by name.
pub(crate) fn archive(path: &Path) -> Vec<(String, Vec<u8>)> {
    let file = File::open(path).expect("test data that can be opened");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut files = Vec::new();
    for entry in archive.entries().expect("a tar archive") {
        let mut entry = entry.expect("a whole tar archive");
        let name = entry.path().expect("a path").to_string_lossy().into_owned();
        if name.ends_with(".json") {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("a whole entry");
            files.push((name, bytes));
        }
    }
    files.sort();
    files
}

/// The official R4 examples.
pub(crate) fn examples() -> Option<Vec<(String, Vec<u8>)>> {
    let mut files = archive(&path("examples/hl7.fhir.r4.examples-4.0.1.tgz")?);
    files.retain(|(name, _)| {
        let file = name.rsplit('/').next().unwrap_or_default();
        file != "package.json" && !file.starts_with('.')
    });
    Some(files)
}
