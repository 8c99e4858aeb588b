//! The plans of SQLite: which statements walk an index without sorting.

use super::database::Database;
use crate::*;

fn plan_of(database: &Database, search: &str) -> String {
    let (kind, url) = search.split_once('?').unwrap();
    let query = database.parse(kind, url).unwrap().query;
    let statement =
        page(&query, &database.plan(), &database.registry, Dialect::Sqlite, &Densities::default());
    database.explain(&statement)
}

#[test]
fn one_value_is_one_walk_without_a_sort() {
    let database = Database::new();
    for (search, index) in [
        ("Observation?patient=1", "d USING PRIMARY KEY (tenant=? AND param=? AND target=?)"),
        (
            "Observation?patient=1&code=http://loinc.org|8480-6&date=ge2020",
            "d USING PRIMARY KEY (tenant=? AND param=? AND target=?)",
        ),
        ("Observation?code=8480-6", "d USING PRIMARY KEY (tenant=? AND param=? AND code=?)"),
        ("Observation?code=http://loinc.org|8480-6", "d USING PRIMARY KEY (tenant=? AND param=? AND code=?)"),
        (
            "Observation?code=http://loinc.org|8480-6&value-quantity=gt100",
            "d USING PRIMARY KEY (tenant=? AND param=? AND code=?)",
        ),
        ("Patient?gender=male&birthdate=1970", "d USING PRIMARY KEY (tenant=? AND param=? AND code=?)"),
        ("ValueSet?url=http://x", "d USING PRIMARY KEY (tenant=? AND param=? AND uri=?)"),
        (
            "Observation?component-code-value-quantity=8480-6$gt100",
            "d USING PRIMARY KEY (tenant=? AND param=? AND code=?)",
        ),
        ("Patient?", "resource_live"),
        ("Patient?_sort=-_lastUpdated", "resource_updated"),
        ("Patient?_sort=_id", "resource_id"),
        ("Patient?_id=1", "resource_id"),
        ("?", "resource_tenant"),
        ("?_id=1", "i USING COVERING INDEX resource_id (tenant=? AND type=? AND id=?)"),
        ("?_type=Patient,Group", "resource_live"),
    ] {
        let plan = plan_of(&database, search);
        assert!(plan.contains(index), "{search}:\n{plan}");
        // Several walks are merged by a sort of their few rows.
        let merges = search.starts_with("?_type") || search.starts_with("?_id");
        assert!(merges || !plan.contains("TEMP B-TREE"), "{search} sorts:\n{plan}");
    }
}

#[test]
fn filters_are_probes() {
    let database = Database::new();
    for (search, probe) in [
        (
            "Observation?patient=1&code=8480-6",
            "USING PRIMARY KEY (tenant=? AND param=? AND code=? AND rid=?)",
        ),
        ("Observation?patient=1&date=ge2020", "USING PRIMARY KEY (tenant=? AND param=? AND rid=?"),
        ("Observation?patient=1&value-quantity=gt5", "USING PRIMARY KEY (tenant=? AND param=? AND rid=?"),
        ("Encounter?patient=1&date=2020", "USING PRIMARY KEY (tenant=? AND param=? AND rid=?"),
        ("Patient?gender=male&name=smith", "USING PRIMARY KEY (tenant=? AND param=? AND rid=?"),
        ("Patient?gender=male&name:missing=true", "USING PRIMARY KEY (tenant=? AND param=? AND rid=?"),
    ] {
        let plan = plan_of(&database, search);
        assert!(plan.contains(probe), "{search}:\n{plan}");
    }
}

/// The plan when every criterion has this many matches.
fn plan_with(database: &Database, search: &str, matches: i64) -> String {
    let (kind, url) = search.split_once('?').unwrap();
    let query = database.parse(kind, url).unwrap().query;
    let probe = probes(&query, &database.plan(), &database.registry, Dialect::Sqlite).unwrap();
    let densities = probe.densities(&[matches; 32]);
    database.explain(&page(&query, &database.plan(), &database.registry, Dialect::Sqlite, &densities))
}

#[test]
fn joins_start_where_the_fewest_rows_are() {
    let database = Database::new();
    let (rare, common) = (10, 1_000_000);
    let forward = "USING PRIMARY KEY (tenant=? AND param=? AND target=?";
    let source = "ix_reference_rid (tenant=? AND param=? AND rid=?)";
    for (search, matches, pieces) in [
        // Each target is a walk of what refers to it; the walks are merged step by step.
        (
            "Observation?patient.name=x",
            rare,
            &["ix_string_value", "RECURSIVE STEP", "(tenant=? AND param=? AND target=? AND rid<?)"][..],
        ),
        // Each resource is asked for its target.
        ("Observation?patient.name=x", common, &["r USING INDEX resource_live", source]),
        (
            "Patient?_has:Observation:patient:code=x",
            rare,
            &["USING PRIMARY KEY (tenant=? AND param=? AND code=?)", source],
        ),
        ("Patient?_has:Observation:patient:code=x", common, &["r USING INDEX resource_live", forward]),
        ("Patient?_list=x", rare, &["resource_id", source]),
    ] {
        let plan = plan_with(&database, search, matches);
        for piece in pieces {
            assert!(plan.contains(piece), "{search} with {matches}: no {piece} in\n{plan}");
        }
        assert!(!plan.contains("SCAN ix_") && !plan.contains("SCAN r"), "{search} with {matches}:\n{plan}");
    }
}
