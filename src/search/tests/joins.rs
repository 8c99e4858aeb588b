//! Chains and reverse chains: what they find by every way to run them, under plans, and what is refused.

use super::database::{Database, ty};
use crate::*;

fn clinic() -> Database {
    let mut database = Database::new();
    let observation = |id: &str, status: &str, code: &str, subject: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"{status}","code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},"subject":{{"reference":"{subject}"}},"performer":[{{"reference":"Practitioner/p"}}],"encounter":{{"reference":"Encounter/e"}}}}"#
        )
    };
    let patient = |id: &str, gender: &str, rest: &str| {
        format!(
            r#"{{"resourceType":"Patient","id":"{id}","gender":"{gender}","name":[{{"family":"Smith"}}]{rest}}}"#
        )
    };
    database.load([
        r#"{"resourceType":"Organization","id":"o","name":"Good Health"}"#.to_owned(),
        r#"{"resourceType":"Practitioner","id":"p","name":[{"family":"Welby"}]}"#.to_owned(),
        patient("1", "female", r#","managingOrganization":{"reference":"Organization/o"}"#),
        patient("2", "male", ""),
        patient("3", "female", r#","generalPractitioner":[{"reference":"Practitioner/p"}]"#),
        r#"{"resourceType":"Group","id":"1","type":"person","actual":true,"code":{"coding":[{"code":"c"}]}}"#.to_owned(),
        r#"{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/1"},"serviceProvider":{"reference":"Organization/o"}}"#.to_owned(),
        observation("a", "final", "x", "Patient/1"),
        observation("b", "final", "y", "Patient/1"),
        observation("c", "amended", "x", "Patient/2"),
        observation("d", "final", "x", "Group/1"),
        observation("e", "final", "z", "Patient/never-stored"),
        r#"{"resourceType":"AuditEvent","id":"v","type":{"code":"rest"},"recorded":"2020-01-01T00:00:00Z","agent":[{"requestor":true,"who":{"reference":"Practitioner/p"}}],"source":{"observer":{"reference":"Practitioner/p"}},"entity":[{"what":{"reference":"Observation/b"}}]}"#.to_owned(),
        r#"{"resourceType":"List","id":"l","status":"current","mode":"working","entry":[{"item":{"reference":"Patient/2"}},{"item":{"reference":"Patient/3"}},{"item":{"reference":"Observation/a"}}]}"#.to_owned(),
        r#"{"resourceType":"List","id":"m","status":"current","mode":"working"}"#.to_owned(),
    ]);
    database
}

/// Ids found, newest first, whatever the statement starts from.
fn find(database: &Database, search: &str, plan: &AccessPlan) -> String {
    let (kind, url) = search.split_once('?').unwrap();
    let query = database.parse(kind, url).unwrap_or_else(|e| panic!("{search}: {e}")).query;
    let id = |rid: &i64| database.all.iter().find(|s| s.rid == *rid).unwrap().id.as_str();
    let first = database.pages(kind, url, 1, plan, false);
    assert_eq!(database.pages(kind, url, 1, plan, true), first, "probed: {search}");
    assert_eq!(database.pages(kind, url, 100, plan, true), first, "one page: {search}");
    assert_eq!(database.total(&query, plan), first.len() as i64, "total: {search}");
    // As if every criterion had many matches.
    if let Some(probe) = probes(&query, plan, &database.registry, Dialect::Sqlite) {
        let dense = probe.densities(&[i64::MAX / 1000; 32]);
        let statement = page(&query, plan, &database.registry, Dialect::Sqlite, &dense);
        let rows = database.rows(&statement);
        let rids: Vec<i64> = rows.iter().map(|row| super::database::integer(&row[0])).collect();
        assert_eq!(rids, first, "dense: {search}");
    }
    assert!(!is_self_contained(&query), "{search}");
    first.iter().map(id).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_reverse_chain_finds_what_is_pointed_to() {
    let database = clinic();
    let plan = database.plan();
    for (search, expected) in [
        ("Patient?_has:Observation:patient:code=x", "2 1"),
        ("Patient?_has:Observation:patient:code=y", "1"),
        ("Patient?_has:Observation:patient:code=z", ""),
        ("Patient?_has:Observation:patient:code=http://loinc.org|x,y", "2 1"),
        ("Patient?_has:Observation:subject:code=x", "2 1"),
        ("Group?_has:Observation:subject:code=x", "1"),
        ("Patient?_has:Observation:patient:code:not=x", "1"),
        ("Patient?_has:Observation:patient:_id=c", "2"),
        ("Patient?_has:Observation:patient:_id=d", ""),
        ("Patient?_has:Observation:patient:_lastUpdated=gt2000", "2 1"),
        ("Patient?_has:Observation:patient:code:missing=true", ""),
        ("Patient?_has:Observation:patient:code=x&gender=female", "1"),
        ("Patient?_has:Observation:patient:code=x&_has:Observation:patient:code=y", "1"),
        ("Patient?_has:Encounter:patient:service-provider.name=good", "1"),
        ("Patient?_has:Encounter:patient:service-provider.name:contains=health", "1"),
        ("Patient?_has:Encounter:patient:service-provider.name=bad", ""),
        ("Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/p", "1"),
        ("Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/q", ""),
        ("Patient?_has:Observation:patient:_has:AuditEvent:entity:agent.name=welby", "1"),
        ("Practitioner?_has:Observation:performer:patient.gender=male", "p"),
        ("Encounter?_has:Observation:encounter:patient._has:AuditEvent:entity:agent=Practitioner/p", ""),
        ("Observation?subject._has:Observation:patient:code=y", "b a"),
        ("Observation?patient._has:Observation:patient:code=y&status=final", "b a"),
        ("Observation?subject:Group._has:Observation:subject:code=x", "d"),
        ("Practitioner?_has:Patient:general-practitioner:gender=female", "p"),
        ("?_has:Observation:patient:code=x", "2 1"),
        ("?_has:Observation:subject:code=x", "1 2 1"),
        ("?_type=Group,Patient&_has:Observation:subject:code=x", "1 2 1"),
        ("?_has:AuditEvent:entity:agent=Practitioner/p", "b"),
    ] {
        assert_eq!(find(&database, search, &plan), expected, "{search}");
    }
}

#[test]
fn the_members_of_a_list_are_found() {
    let database = clinic();
    let plan = database.plan();
    for (search, expected) in [
        ("Patient?_list=l", "3 2"),
        ("Patient?_list=l&gender=male", "2"),
        ("Observation?_list=l", "a"),
        ("Patient?_list=m", ""),
        ("Patient?_list=m,l", "3 2"),
        ("Patient?_list=unknown", ""),
        ("?_list=l", "a 3 2"),
        ("Observation?patient._list=l", "c"),
    ] {
        assert_eq!(find(&database, search, &plan), expected, "{search}");
    }
}

#[test]
fn a_reverse_chain_sees_what_its_plan_allows() {
    let database = clinic();
    let finals = condition(&[ty("Observation")], "status", "final", &database.context()).unwrap();
    let everything = || AccessPlan::of(7, "someone", Access::Allow);
    let some = everything().with(ty("Observation"), Access::Where(finals));
    let none = everything().with(ty("Observation"), Access::Deny);
    let blind = everything().with(ty("AuditEvent"), Access::Deny);
    for (search, seen, left) in [
        ("Patient?_has:Observation:patient:code=x", "1", ""),
        ("Patient?_has:Observation:patient:_id=c", "", ""),
        ("Patient?gender=male&_has:Observation:patient:code=x", "", ""),
        ("Practitioner?_has:Observation:performer:patient.gender=male", "", ""),
        ("Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/p", "1", ""),
        ("Encounter?patient._has:Observation:patient:code=y", "e", ""),
    ] {
        assert_eq!(find(&database, search, &some), seen, "{search}");
        assert_eq!(find(&database, search, &none), left, "{search}");
    }
    let search = "Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/p";
    assert_eq!(find(&database, search, &blind), "");
}

#[test]
fn a_join_that_cannot_be_is_refused_with_its_reason() {
    let database = Database::new();
    for (search, reason) in [
        ("Patient?_has=x", "_has:Type:reference:parameter"),
        ("Patient?_has:Observation=x", "_has:Type:reference:parameter"),
        ("Patient?_has:Observation:patient=x", "_has:Type:reference:parameter"),
        ("Patient?_has:Nothing:patient:code=x", "'Nothing' is no resource type"),
        ("Patient?_has:Observation:nothing:code=x", "no reference parameter 'nothing'"),
        ("Patient?_has:Observation:code:code=x", "no reference parameter 'code'"),
        ("Patient?_has:Observation:encounter:code=x", "does not point to Patient"),
        ("Group?_has:Observation:patient:code=x", "does not point to Group"),
        ("Patient?_has:Observation:patient:nothing=x", "no search parameter 'nothing'"),
        ("Patient?_has:Observation:patient:code:exact=x", "modifier"),
        ("Patient?_has:Observation:patient:=x", "no search parameter"),
        ("Patient?_has:Observation:patient:date=x", "date"),
        (
            "Patient?_has:Observation:patient:patient._has:Observation:patient:patient._has:Observation:patient:patient.name=x",
            "more than 5 references",
        ),
        ("Observation?patient.general-practitioner.name.x.x.x.x=x", "more than 5 references"),
        ("Provenance?target.target.target.target.target.name=x", "say the types"),
        ("Patient?_has:Provenance:target:target.target.target.target.name=x", "say the types"),
        ("AuditEvent?entity._id=a&entity._id=b", "say the types"),
        ("Patient?_list=$current-allergies", "functional lists"),
        ("Patient?_list:not=x", "no modifier"),
    ] {
        let (kind, url) = search.split_once('?').unwrap();
        let error = database.parse(kind, url).map(|p| p.query).expect_err(search);
        assert_eq!(error.status(), 400, "{search}: {error}");
        assert!(error.to_string().contains(reason), "{search}: {error}");
    }
}
