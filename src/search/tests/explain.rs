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
        ("?", "r"),
    ] {
        let plan = plan_of(&database, search);
        assert!(plan.contains(index), "{search}:\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{search} sorts:\n{plan}");
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
