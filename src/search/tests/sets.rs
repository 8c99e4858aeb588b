//! Sets of codes in the place of `:in`, `:not-in`, `:below` and `:above`.

use super::database::{Database, integer, ty};
use crate::*;
use remit_terminology::{Codes, Definitions, ValueSet};
use std::sync::Arc;

/// The codes of a set that a test names: `urn:few` and `urn:many` hold `s|a` and `t|b`, the second with
/// a thousand more; `urn:none` none. Below and above a code is the code alone.
fn codes(set: &Set) -> Codes {
    let (system, listed) = match set {
        Set::ValueSet(url) => match &**url {
            "urn:few" => ("urn:s", vec!["a".to_owned()]),
            "urn:many" => ("urn:s", (0..1000).map(|n| format!("c{n}")).chain(["a".to_owned()]).collect()),
            _ => ("urn:s", Vec::new()),
        },
        Set::Stored(id) => ("urn:stored", vec![id.to_string()]),
        Set::Below(system, code) | Set::Above(system, code) => (&**system, vec![code.to_string()]),
    };
    let listed: Vec<String> = listed.iter().map(|code| format!(r#"{{"code": "{code}"}}"#)).collect();
    let other = match set {
        Set::ValueSet(url) if &**url != "urn:none" => {
            r#", {"system": "urn:t", "concept": [{"code": "b"}, {"code": "true"}]}"#
        }
        _ => "",
    };
    let text = format!(
        r#"{{"compose": {{"include": [{{"system": "{system}", "concept": [{}]}}{other}]}}}}"#,
        listed.join(",")
    );
    let document = remit_fhir::json::parse(text).unwrap();
    Definitions::default().expand(&ValueSet::parse(document.root()).unwrap()).unwrap()
}

/// Puts codes in the place of every set.
pub(super) fn fill(query: &mut Query) {
    for sets in open_sets(query) {
        sets.codes = Some(sets.sets.iter().map(|set| Arc::new(codes(set))).collect());
    }
}

const RESOURCES: [&str; 6] = [
    r#"{"resourceType":"Observation","id":"1","code":{"coding":[{"system":"urn:s","code":"a"}]},"subject":{"reference":"Patient/5"}}"#,
    r#"{"resourceType":"Observation","id":"2","code":{"coding":[{"system":"urn:s","code":"b"},{"system":"urn:t","code":"b"}]},"subject":{"reference":"Patient/6"}}"#,
    r#"{"resourceType":"Observation","id":"3","code":{"coding":[{"system":"urn:x","code":"a"},{"code":"a"}]},"subject":{"reference":"Patient/5"}}"#,
    r#"{"resourceType":"Observation","id":"4","code":{"text":"a"}}"#,
    r#"{"resourceType":"Patient","id":"5","active":true,"gender":"female"}"#,
    r#"{"resourceType":"Patient","id":"6","active":false}"#,
];

#[test]
fn a_set_holds_what_its_codes_say_in_memory_and_in_sql() {
    let mut database = Database::new();
    database.load(RESOURCES.map(str::to_owned));
    let plan = database.plan();
    for (search, expected) in [
        ("Observation?code:in=urn:few", &["2", "1"][..]),
        ("Observation?code:in=urn:many", &["2", "1"]),
        ("Observation?code:in=urn:none", &[]),
        ("Observation?code:in=urn:none,urn:many", &["2", "1"]),
        ("Observation?code:not-in=urn:few", &["4", "3"]),
        ("Observation?code:not-in=urn:many", &["4", "3"]),
        ("Observation?code:not-in=urn:none", &["4", "3", "2", "1"]),
        ("Observation?code:in=urn:many&patient=5", &["1"]),
        ("Observation?code:not-in=urn:many&patient=5", &["3"]),
        ("Observation?code:in=urn:many&_sort=_id", &["2", "1"]),
        ("Observation?code:below=urn:s|b", &["2"]),
        ("Observation?code:above=urn:x|a,urn:s|a", &["3", "1"]),
        // A truth value has no system; a code with a required value set has its own.
        ("Patient?active:in=urn:few", &["5"]),
        ("Patient?active:in=urn:many", &["5"]),
        ("Patient?active:not-in=urn:many", &["6"]),
        ("Patient?gender:below=http://hl7.org/fhir/administrative-gender|female", &["5"]),
        ("Patient?gender:below=urn:other|female", &[]),
    ] {
        let (kind, url) = search.split_once('?').unwrap();
        let query = database.parse(kind, url).unwrap_or_else(|e| panic!("{search}: {e}")).query;
        assert!(is_self_contained(&query) && !has_open_sets(&query));
        let ids = |rids: &[i64]| -> Vec<&str> {
            let of = |rid: &i64| database.all.iter().find(|s| s.rid == *rid).map(|s| s.id.as_str());
            rids.iter().filter_map(of).collect()
        };
        assert_eq!(ids(&database.expected(&query)), expected, "in memory: {search}");
        for (count, probed) in [(10, false), (10, true), (1, false), (1, true)] {
            let mut found = database.pages(kind, url, count, &plan, probed);
            found.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(ids(&found), expected, "in SQL: {search}");
        }
        assert_eq!(database.total(&query, &plan), expected.len() as i64, "counted: {search}");
    }
}

#[test]
fn sets_are_found_inside_chains() {
    let mut database = Database::new();
    database.load(RESOURCES.map(str::to_owned));
    let plan = database.plan();
    for (search, expected) in [
        ("Observation?patient.active:in=urn:many", 2),
        ("Observation?patient.active:not-in=urn:few", 1),
        ("Patient?_has:Observation:patient:code:in=urn:many", 2),
        ("Patient?_has:Observation:patient:code:not-in=urn:many", 1),
        ("Observation?_filter=code in urn:many", 2),
        ("Observation?_filter=not (code in urn:many)", 2),
        ("Observation?_filter=code ss urn:s|b", 1),
        ("Observation?_filter=code sb urn:s|a", 1),
        ("Observation?subject:Patient.gender:below=http://hl7.org/fhir/administrative-gender|female", 2),
    ] {
        let (kind, url) = search.split_once('?').unwrap();
        assert_eq!(database.pages(kind, url, 10, &plan, true).len(), expected, "{search}");
    }
}

#[test]
fn a_set_that_nobody_filled_is_neither_met_nor_missed() {
    let mut database = Database::new();
    database.load(RESOURCES.map(str::to_owned));
    let plan = database.plan();
    let context = database.context();
    for modifier in ["in", "not-in"] {
        let pairs = [(format!("code:{modifier}"), "urn:few".to_owned())];
        let query = parse(&[ty("Observation")], &pairs, &context).unwrap().query;
        assert!(has_open_sets(&query) && !is_self_contained(&query));
        assert_eq!(
            integer(
                &database.rows(&count(
                    &query,
                    &plan,
                    &database.registry,
                    Dialect::Sqlite,
                    &Densities::default()
                ))[0][0]
            ),
            0
        );
    }
}

#[test]
fn what_names_no_set_is_refused() {
    let database = Database::new();
    for (search, reason) in [
        ("Observation?code:in=word", "names no value set"),
        ("Observation?code:in=Patient/1", "names no value set"),
        ("Observation?code:in=ValueSet/1/_history/2", "names no value set"),
        ("Observation?code:below=code", "write system|code"),
        ("Observation?code:below=|code", "write system|code"),
        ("Observation?code:above=urn:s|", "write system|code"),
        ("Patient?identifier:in=urn:few", "its values are no codes"),
        ("Patient?phone:not-in=urn:few", "its values are no codes"),
        ("Patient?name:in=urn:few", "a string parameter does not take this modifier"),
        ("Patient?birthdate:not-in=urn:few", "a date parameter does not take this modifier"),
    ] {
        let (kind, url) = search.split_once('?').unwrap();
        let error = database.parse(kind, url).expect_err(search).to_string();
        assert!(error.contains(reason), "{search}: {error}");
    }
    let many = (0..21).map(|n| format!("urn:{n}")).collect::<Vec<_>>().join(",");
    let error = database.parse("Observation", &format!("code:in={many}")).expect_err("too many").to_string();
    assert!(error.contains("more than 20 sets"), "{error}");
    let here = format!("code:in={}/ValueSet/7", super::database::BASE);
    let mut query = database.parse("Observation", &here).unwrap().query;
    let Some(Condition::Criterion(Criterion { test: Test::Codes(value), .. })) = query.criteria.pop() else {
        panic!("a set of codes");
    };
    assert_eq!(value.sets, [Set::Stored("7".into())]);
}
