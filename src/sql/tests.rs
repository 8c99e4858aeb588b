//! The SQL that comes with the program.

use super::library::Library;
use crate::rcm;

#[test]
fn every_shipped_query_keeps_to_the_portable_subset() {
    let mut count = 0;
    for artefact in rcm::artefacts_of("Library") {
        let document = remit_fhir::json::parse(artefact.json).expect("an artefact is JSON");
        let library = Library::read(document.root()).expect("a shipped Library holds SQL");
        let findings = remit_mart::portable(&library.sql).expect("it is a query");
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{}:\n{}", artefact.path, shown.join("\n"));
        count += 1;
    }
    assert!(count > 0, "no SQL comes with the program");
}
