//! Synthetic patients are loaded with the command, and counted against their files.

use crate::data;
use crate::database::Database;
use crate::server::{Server, remit};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Bundles that an unoptimised build loads in reasonable time, besides hospitals and practitioners.
const BUNDLES: usize = 12;

/// Writes the first Bundles of the archive into a folder; how many resources of each type they hold.
fn unpack(archive: &Path, folder: &Path) -> BTreeMap<String, u64> {
    let files = data::archive(archive);
    let (shared, own): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(name, _)| name.contains("nformation"));
    let mut counts = BTreeMap::new();
    for (name, text) in shared.iter().chain(own.iter().take(BUNDLES)) {
        let bundle: Value = serde_json::from_slice(text).expect("a Bundle");
        for entry in bundle["entry"].as_array().expect("entries") {
            let ty = entry["resource"]["resourceType"].as_str().expect("a type").to_owned();
            *counts.entry(ty).or_default() += 1;
        }
        std::fs::write(folder.join(name.replace('/', "_")), text).expect("room for a test");
    }
    counts
}

fn load(database: &Database, archive: &Path) {
    let folder =
        std::env::temp_dir().join(format!("remit-synthea-{}-{:?}", std::process::id(), database.kind()));
    std::fs::create_dir_all(&folder).expect("a folder for a test");
    let counts = unpack(archive, &folder);
    let (input, journal) = (folder.display().to_string(), folder.join("load.journal").display().to_string());
    let rejects = folder.join("rejects.txt").display().to_string();
    let url = database.url();
    let arguments =
        ["load", &input, "--database", &url, "--journal", &journal, "--rejects", &rejects, "--json"];
    let (code, summary, error) = remit(&arguments);
    assert_eq!(code, 0, "{summary}{error}");
    let summary: Value = serde_json::from_str(&summary).expect("a summary in JSON");
    assert_eq!(summary["loaded"], counts.values().sum::<u64>(), "{summary}");
    let server = Server::start(database, &[]);
    let mut client = server.client();
    let check = |client: &mut crate::http::Client| {
        for (ty, count) in &counts {
            assert_eq!(client.count(ty), *count, "{ty}");
        }
    };
    check(&mut client);
    // Again: everything is known, and a server is a target as good as its database.
    let (code, summary, error) = remit(&arguments);
    assert_eq!(code, 0, "{summary}{error}");
    let summary: Value = serde_json::from_str(&summary).expect("a summary in JSON");
    assert_eq!((&summary["loaded"], &summary["skipped"]), (&0.into(), &counts.values().sum::<u64>().into()));
    check(&mut client);
    let claim = client.get("Claim?_count=1").expect(200).json()["entry"][0]["resource"].clone();
    let patient = claim["patient"]["reference"].as_str().expect("a patient").to_owned();
    assert!(client.count(&format!("Claim?patient={patient}")) > 0, "a loaded claim is found by its patient");
    client.get(&patient).expect(200);
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn synthetic_patients_are_loaded_and_counted() {
    let Some(archive) = data::path("patients/synthea-118.tgz") else { return };
    Database::both().iter().for_each(|database| load(database, &archive));
}
