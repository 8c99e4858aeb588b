//! Small resources made for one question each: what is found, and what is refused.

use super::database::{Database, ty};
use crate::*;

/// Runs a search over one resource in every way, and compares.
pub(super) fn check(cases: &[(&str, &str, bool)]) {
    for (resource, search, expected) in cases {
        let mut database = Database::new();
        database.load([(*resource).to_owned()]);
        let (kind, url) = search.split_once('?').unwrap();
        let query = database.parse(kind, url).unwrap_or_else(|e| panic!("{search}: {e}")).query;
        assert_eq!(!database.expected(&query).is_empty(), *expected, "in memory: {search} of {resource}");
        let plan = database.plan();
        for probed in [false, true] {
            let found = database.pages(kind, url, 10, &plan, probed);
            assert_eq!(!found.is_empty(), *expected, "in SQL: {search} of {resource}");
        }
        assert_eq!(database.total(&query, &plan), i64::from(*expected), "counted: {search} of {resource}");
    }
}

#[test]
fn tokens() {
    let patient = r#"{"resourceType":"Patient","id":"1","gender":"female","active":true,
        "identifier":[{"system":"urn:a","value":"X1"},{"value":"X2"}],
        "telecom":[{"system":"phone","value":"555"},{"system":"email","value":"a@b"}],
        "meta":{"tag":[{"system":"urn:t","code":"one"}],"profile":["http://p|2"],"source":"urn:s"}}"#;
    let observation = r#"{"resourceType":"Observation","id":"1","status":"final",
        "code":{"coding":[{"system":"http://loinc.org","code":"a,b|c"},{"code":"plain"}],"text":"words"}}"#;
    let bare = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"words only"},
        "category":[{"coding":[{"system":"urn:c"}]}],"subject":{"display":"Eve"}}"#;
    let foreign = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},
        "subject":{"reference":"http://elsewhere.org/fhir/Patient/5"}}"#;
    let set = r#"{"resourceType":"ValueSet","id":"1","status":"active","version":"1.0-Beta"}"#;
    check(&[
        (patient, "Patient?gender=female", true),
        (patient, "Patient?gender=http://hl7.org/fhir/administrative-gender|female", true),
        (patient, "Patient?gender=urn:other|female", false),
        (patient, "Patient?gender=Female", false),
        (patient, "Patient?gender=male,female", true),
        (patient, "Patient?gender:not=male", true),
        (patient, "Patient?gender:not=male,female", false),
        (patient, "Patient?active=true", true),
        (patient, "Patient?active=false", false),
        (patient, "Patient?identifier=X1", true),
        (patient, "Patient?identifier=x1", false),
        (patient, "Patient?identifier=urn:a|X1", true),
        (patient, "Patient?identifier=|X1", false),
        (patient, "Patient?identifier=|X2", true),
        (patient, "Patient?identifier=urn:a|", true),
        (patient, "Patient?identifier=urn:b|", false),
        (patient, "Patient?identifier=urn:b|,urn:a|X1", true),
        (patient, "Patient?phone=555", true),
        (patient, "Patient?email=555", false),
        (patient, "Patient?telecom=a@b", true),
        (patient, "Patient?deceased=false", true),
        (patient, "Patient?deceased=true", false),
        (patient, "Patient?_tag=urn:t|one", true),
        (patient, "Patient?_profile=http://p", true),
        (patient, "Patient?_profile=http://p|2", true),
        (patient, "Patient?_profile=http://p|3", false),
        (patient, "Patient?_source=urn:s", true),
        (patient, "Patient?_id=1,2", true),
        (patient, "Patient?_id=2", false),
        (patient, "?_id=1", true),
        (patient, "?_tag=one", true),
        (patient, "?_type=Observation,Group&_tag=one", false),
        (patient, "?_type=Observation,Patient&_tag=one", true),
        (patient, "?_lastUpdated=2025", true),
        (patient, "?_lastUpdated=gt2025-07", false),
        (patient, "Patient?gender:missing=true", false),
        (patient, "Patient?gender:missing=false", true),
        (patient, "Patient?language:missing=true", true),
        (patient, "Patient?general-practitioner:missing=true", true),
        (observation, r"Observation?code=a\,b\|c", true),
        (observation, r"Observation?code=http://loinc.org|a\,b\|c", true),
        (observation, "Observation?code=|plain", true),
        (observation, "Observation?code=words", false),
        (observation, "Observation?status=final&code=plain", true),
        (observation, "Observation?status=final&code=other", false),
        (bare, "Observation?code:missing=false", true),
        (bare, "Observation?category=urn:c|", true),
        (bare, "Observation?category=urn:d|", false),
        (bare, "Observation?category:missing=true", false),
        (bare, "Observation?subject:missing=true", false),
        (bare, "Observation?patient:missing=true", true),
        (foreign, "Observation?patient:missing=false", true),
        (foreign, "Observation?patient=http://elsewhere.org/fhir/Patient/5", true),
        (set, "ValueSet?version=1.0-BETA", true),
        (set, "ValueSet?version=1.0-Beta", true),
        (set, "ValueSet?version:not=1.0-beta", false),
        (set, "ValueSet?version=1.0", false),
        (set, "ValueSet?_filter=version eq 1.0-BETA", true),
    ]);
}

#[test]
fn strings() {
    let patient = r#"{"resourceType":"Patient","id":"1","name":[{"family":"van der Bérg","given":["Eve","Anna Marie"]}],
        "address":[{"line":["12 Main St"],"city":"Zürich","postalCode":"8001"}]}"#;
    let irish =
        r#"{"resourceType":"Patient","id":"1","name":[{"family":"O'Brien-Smith","given":["-","D+"]}]}"#;
    check(&[
        (patient, "Patient?name=eve", true),
        (patient, "Patient?name=VAN  DER", true),
        (patient, "Patient?name=berg", false),
        (patient, "Patient?name:contains=BERG", true),
        (patient, "Patient?name:contains=b%g", false),
        (patient, "Patient?name=eve anna marie van", true),
        (patient, "Patient?given:exact=Eve", true),
        (patient, "Patient?given:exact=eve", false),
        (patient, "Patient?given=anna", true),
        (patient, "Patient?given=marie", false),
        (patient, "Patient?family=van der berg", true),
        (patient, "Patient?address=12 main", true),
        (patient, "Patient?address-city=zurich", true),
        (patient, "Patient?address-postalcode=80", true),
        (patient, "Patient?name:missing=true", false),
        (patient, "Patient?family=a,van", true),
        (patient, "Patient?family=vander", false),
        (irish, "Patient?family=obrien", true),
        (irish, "Patient?family=O-B'r.i", true),
        (irish, "Patient?family:contains=nsmith", true),
        (irish, "Patient?family:exact=O'Brien-Smith", true),
        (irish, "Patient?family:exact=OBrienSmith", false),
        (irish, "Patient?given:exact=-", true),
        (irish, "Patient?given=d+", true),
        (irish, "Patient?given=dx", false),
    ]);
}

#[test]
fn dates() {
    let period = r#"{"resourceType":"Encounter","id":"1","status":"finished","class":{"code":"AMB"},
        "period":{"start":"2013-02-15","end":"2013-03-20"}}"#;
    let open = r#"{"resourceType":"Encounter","id":"1","status":"finished","class":{"code":"AMB"},
        "period":{"start":"2013-02-15"}}"#;
    let timing = r#"{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"plan","subject":{"reference":"Patient/1"},
        "occurrenceTiming":{"event":["2013-01-31","2013-03-24"]}}"#;
    let local = r#"{"resourceType":"Patient","id":"1","birthDate":"1970-05"}"#;
    let instant = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},"effectiveInstant":"2020-05-06T07:08:09Z"}"#;
    check(&[
        (period, "Encounter?date=2013", true),
        (period, "Encounter?date=2013-02", false),
        (period, "Encounter?date=ge2013-03-01", true),
        (period, "Encounter?date=ge2013-03", false),
        (period, "Encounter?date=gt2013-03-20", false),
        (period, "Encounter?date=le2013-02-15", false),
        (period, "Encounter?date=le2013-03-20", true),
        (period, "Encounter?date=lt2013-02-15", false),
        (period, "Encounter?date=sa2013-02-14", true),
        (period, "Encounter?date=sa2013-02-15", false),
        (period, "Encounter?date=eb2013-03-21", true),
        (period, "Encounter?date=ne2013-02", true),
        (period, "Encounter?date=gt2013-02-01&date=lt2013-04-01", true),
        (open, "Encounter?date=gt2050", true),
        (open, "Encounter?date=eb2050", false),
        (open, "Encounter?date=lt2013-02-15", false),
        (timing, "ServiceRequest?occurrence=ge2013-02-01", true),
        (timing, "ServiceRequest?occurrence=2013", true),
        (timing, "ServiceRequest?occurrence=sa2013-02", false),
        (local, "Patient?birthdate=1970-05", true),
        (local, "Patient?birthdate=1970", true),
        (local, "Patient?birthdate=1970-05-01", false),
        (local, "Patient?birthdate=lt1970-05-02", true),
        (local, "Patient?birthdate=ap1970", true),
        (instant, "Observation?date=eb2020-05-06T07:08:09.5Z", true),
        (instant, "Observation?date=2020-05-06T07:08:09Z", true),
        (instant, "Observation?date=gt2020-05-06T07:08:08Z", true),
        (instant, "Observation?date=gt2020-05-06T07:08:09.1Z", false),
    ]);
}

#[test]
fn numbers_and_quantities() {
    let observation = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},
        "valueQuantity":{"value":5.40,"unit":"milligrams","system":"http://unitsofmeasure.org","code":"mg"}}"#;
    let less = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},
        "valueQuantity":{"value":5,"comparator":"<","unit":"mg"}}"#;
    let money = r#"{"resourceType":"Invoice","id":"1","status":"issued","totalNet":{"value":12.50,"currency":"USD"}}"#;
    let risk = r#"{"resourceType":"RiskAssessment","id":"1","status":"final","subject":{"reference":"Patient/1"},
        "prediction":[{"probabilityDecimal":0.25}]}"#;
    check(&[
        (observation, "Observation?value-quantity=5.4", true),
        (observation, "Observation?value-quantity=5.40|http://unitsofmeasure.org|mg", true),
        (observation, "Observation?value-quantity=0.0054|http://unitsofmeasure.org|g", true),
        (observation, "Observation?value-quantity=5.4|http://unitsofmeasure.org|g", false),
        (observation, "Observation?value-quantity=5.4||mg", true),
        (observation, "Observation?value-quantity=5.4||milligrams", true),
        (observation, "Observation?value-quantity=5.4||g", false),
        (observation, "Observation?value-quantity=gt5.4|http://unitsofmeasure.org|mg", false),
        (observation, "Observation?value-quantity=ge5400|http://unitsofmeasure.org|ug", true),
        (observation, "Observation?value-quantity=le5.4&value-quantity=ge5.4", true),
        (observation, "Observation?value-quantity=ap5", true),
        (observation, "Observation?value-quantity=ap7", false),
        (observation, "Observation?value-quantity=5", true),
        (observation, "Observation?value-quantity=5.0", false),
        (observation, "Observation?value-quantity=1,5", true),
        (observation, "Observation?combo-value-quantity=5.4", true),
        (less, "Observation?value-quantity=lt5", true),
        (less, "Observation?value-quantity=ge5", false),
        (less, "Observation?value-quantity=5", false),
        (less, "Observation?value-quantity=lt1||mg", true),
        (money, "Invoice?totalnet=12.50|urn:iso:std:iso:4217|USD", true),
        (money, "Invoice?totalnet=12.50|urn:iso:std:iso:4217|EUR", false),
        (money, "Invoice?totalnet=gt12||USD", true),
        (risk, "RiskAssessment?probability=0.25", true),
        (risk, "RiskAssessment?probability=gt0.3", false),
        (risk, "RiskAssessment?probability=0.2", false),
    ]);
}

#[test]
fn references_and_uris() {
    let local = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},
        "subject":{"reference":"Patient/a"},"performer":[{"reference":"http://localhost/fhir/Practitioner/p"},
        {"identifier":{"system":"urn:npi","value":"77"}}],"encounter":{"reference":"http://elsewhere/Encounter/e"}}"#;
    let group = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"text":"x"},"subject":{"reference":"Group/a"}}"#;
    let set = r#"{"resourceType":"ValueSet","id":"1","status":"active","url":"http://x/vs","compose":{"include":[{"system":"http://y/cs"}]}}"#;
    let plan = r#"{"resourceType":"CarePlan","id":"1","status":"active","intent":"plan","subject":{"reference":"Patient/a"},
        "instantiatesCanonical":["http://c/plan|1"]}"#;
    let appointment = r#"{"resourceType":"Appointment","id":"1","status":"booked","participant":[
        {"status":"accepted","actor":{"reference":"Patient/a"}},{"status":"accepted","actor":{"reference":"Location/a"}}]}"#;
    check(&[
        (local, "Observation?subject=Patient/a", true),
        (local, "Observation?subject=a", true),
        (local, "Observation?subject=http://localhost/fhir/Patient/a", true),
        (local, "Observation?patient=a", true),
        (local, "Observation?patient=Patient/a", true),
        (local, "Observation?patient=Group/a", false),
        (local, "Observation?patient:missing=false", true),
        (local, "Observation?subject:Patient=a", true),
        (local, "Observation?subject:Group=a", false),
        (local, "Observation?performer=p", true),
        (local, "Observation?performer:identifier=urn:npi|77", true),
        (local, "Observation?performer:identifier=urn:npi|78", false),
        (local, "Observation?encounter=http://elsewhere/Encounter/e", true),
        (local, "Observation?encounter=e", false),
        (local, "Observation?encounter:missing=false", true),
        (local, "Observation?device:missing=true", true),
        (local, "Observation?subject=b,a", true),
        (group, "Observation?patient=a", false),
        (group, "Observation?subject=a", true),
        (group, "Observation?patient:missing=true", true),
        (group, "Observation?subject:missing=true", false),
        (set, "ValueSet?url=http://x/vs", true),
        (set, "ValueSet?url=http://x", false),
        (set, "ValueSet?reference=http://y/cs", true),
        (plan, "CarePlan?instantiates-canonical=http://c/plan", true),
        (plan, "CarePlan?instantiates-canonical=http://c/plan|1", true),
        (plan, "CarePlan?instantiates-canonical=http://c/plan|2", false),
        (appointment, "Appointment?patient=a", true),
        (appointment, "Appointment?location=a", true),
        (appointment, "Appointment?practitioner=a", false),
    ]);
}

#[test]
fn composites_and_places() {
    let pressure = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
        "component":[
          {"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
          {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}"#;
    let text = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"coding":[{"code":"c"}]},"valueString":"Größe"}"#;
    let at = r#"{"resourceType":"Observation","id":"1","status":"final","code":{"coding":[{"code":"c"}]},"valueDateTime":"2020-05-06"}"#;
    let document = r#"{"resourceType":"DocumentReference","id":"1","status":"current","content":[{"attachment":{}}],
        "relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/old"}}]}"#;
    let sequence = r#"{"resourceType":"MolecularSequence","id":"1","coordinateSystem":0,
        "referenceSeq":{"referenceSeqId":{"coding":[{"code":"NC"}]},"windowStart":10,"windowEnd":20}}"#;
    let library = r#"{"resourceType":"Library","id":"1","status":"active","type":{"text":"x"},
        "useContext":[{"code":{"code":"age"},"valueRange":{"low":{"value":5,"unit":"a"},"high":{"value":9,"unit":"a"}}}]}"#;
    let place = r#"{"resourceType":"Location","id":"1","position":{"longitude":-83.694,"latitude":42.256}}"#;
    check(&[
        (pressure, "Observation?component-code-value-quantity=8480-6$gt100", true),
        (pressure, "Observation?component-code-value-quantity=8480-6$80", false),
        (
            pressure,
            "Observation?component-code-value-quantity=http://loinc.org|8462-4$lt90|http://unitsofmeasure.org|mm[Hg]",
            true,
        ),
        (pressure, "Observation?component-code-value-quantity=8462-4$lt90||mmHg", true),
        (
            pressure,
            "Observation?component-code-value-quantity=8462-4$8.0|http://unitsofmeasure.org|cm[Hg]",
            true,
        ),
        (pressure, "Observation?component-code-value-quantity=8462-4$lt90||kg", false),
        (pressure, "Observation?combo-code-value-quantity=8480-6$gt100", true),
        (pressure, "Observation?code-value-quantity=8480-6$gt100", false),
        (pressure, "Observation?combo-code-value-quantity=8480-6$gt200,8462-4$lt90", true),
        (pressure, "Observation?combo-code-value-quantity=http://loinc.org|$gt100", true),
        (text, "Observation?code-value-string=c$grosse", false),
        (text, "Observation?code-value-string=c$groß", true),
        (at, "Observation?code-value-date=c$2020", true),
        (at, "Observation?code-value-date=c$gt2020-05", false),
        (document, "DocumentReference?relationship=DocumentReference/old$replaces", true),
        (document, "DocumentReference?relationship=old$replaces", true),
        (document, "DocumentReference?relationship=old$signs", false),
        (sequence, "MolecularSequence?referenceseqid-window-coordinate=NC$lt11$gt19", true),
        (sequence, "MolecularSequence?referenceseqid-window-coordinate=NC$lt11$gt20", false),
        (library, "Library?context-type-quantity=age$ge7||a", true),
        (library, "Library?context-type-quantity=age$gt9||a", false),
        (place, "Location?near=42.25475478|-83.6945691|11.2|km", true),
        (place, "Location?near=0|0|11.2|km", false),
    ]);
}

#[test]
fn what_is_not_understood_is_refused_with_its_reason() {
    let database = Database::new();
    let long = format!("Patient?name={}", "x".repeat(20_000));
    let many = format!("Patient?identifier={}", vec!["1"; 501].join(","));
    let crowd = format!("Patient?{}", vec!["name=x"; 33].join("&"));
    for (search, reason) in [
        ("Patient?nonsense=1", "no search parameter 'nonsense'"),
        ("Patient?name:nonsense=1", "modifier"),
        ("Patient?name:=1", "modifier"),
        ("Patient?birthdate:exact=2020", "does not take this modifier"),
        ("Patient?gender=", "no value"),
        ("Patient?gender=a,,b", "empty"),
        ("Patient?gender=a|b|c", "no token"),
        ("Patient?birthdate=yesterday", "no date"),
        ("Observation?value-quantity=5|mg", "no quantity"),
        ("Observation?value-quantity=5|http://unitsofmeasure.org|", "no quantity"),
        ("Observation?subject=Nothing/1", "no resource type"),
        ("Observation?subject=a_b", "no reference"),
        ("Observation?subject.nonsense=x", "no search parameter 'nonsense'"),
        ("Observation?code.name=x", "only a reference"),
        ("Observation?subject:Patient.birthdate=x", "no date"),
        ("Observation?subject:Claim.status=x", "does not point"),
        ("Encounter?part-of.part-of.part-of.part-of.part-of.part-of.part-of.status=x", "more than 5"),
        ("Observation?code-value-quantity=a", "takes 2"),
        ("Location?_sort=near", "its values have no order"),
        ("Patient?_sort=_id,_id", "twice"),
        ("Patient?_sort=", "no search parameter"),
        ("Patient?_count=-1", "whole number"),
        ("Patient?_count=many", "whole number"),
        ("Patient?_total=all", "accurate"),
        ("Patient?_summary=yes", "count"),
        ("Patient?_type=Patient", "already"),
        ("?_type=Nothing", "no resource type"),
        ("?name=x", "no search parameter"),
        ("Patient?_contained=yes", "false, true or both"),
        ("Patient?_containedType=both", "container or contained"),
        ("Patient?_cursor=abc", "paging link"),
        ("Patient?_cursor=0000000000000000-i1", "another search"),
        ("Patient?_text=x", "set not to index"),
        ("Location?near=here", "no place"),
        ("Patient?active:missing=maybe", "true or false"),
        ("Patient?name=a\\", "escapes nothing"),
        (&long, "longer than"),
        (&many, "more than 500 values"),
        (&crowd, "32 parameters"),
    ] {
        let (kind, url) = search.split_once('?').unwrap();
        let shown: String = search.chars().take(100).collect();
        let error = database.parse(kind, url).map(|p| p.query).expect_err(&shown);
        assert_eq!(error.status(), 400, "{shown}");
        assert!(error.to_string().contains(reason), "{shown}: {error}");
    }
}

#[test]
fn a_lenient_search_says_what_it_left_out() {
    let database = Database::new();
    let context = Context { handling: Handling::Lenient, ..database.context() };
    let pairs = [("nonsense", "1"), ("name:nonsense", "1"), ("name", "x"), ("_format", "json")];
    let pairs = pairs.map(|(n, v)| (n.to_owned(), v.to_owned()));
    let parsed = parse(&[ty("Patient")], &pairs, &context).unwrap();
    assert_eq!((parsed.ignored.len(), parsed.query.criteria.len()), (2, 1));
    assert_eq!(parsed.query.pairs, [("name".to_owned(), "x".to_owned())]);
    // A value that cannot be read is no unknown parameter.
    let bad = [("birthdate".to_owned(), "x".to_owned())];
    assert!(parse(&[ty("Patient")], &bad, &context).is_err());
}

#[test]
fn a_plan_hides_what_it_does_not_allow() {
    let mut database = Database::new();
    let patient =
        |id: &str, gender: &str| format!(r#"{{"resourceType":"Patient","id":"{id}","gender":"{gender}"}}"#);
    let group = r#"{"resourceType":"Group","id":"1","type":"person","actual":true}"#.to_owned();
    database.load([patient("1", "male"), patient("2", "female"), patient("3", "female"), group]);
    let open = database.plan();
    let deny = AccessPlan::of(7, "nobody", Access::Deny);
    let women = condition(&[ty("Patient")], "gender", "female", &database.context()).unwrap();
    let some = AccessPlan::of(7, "someone", Access::Deny).with(ty("Patient"), Access::Where(women));
    for (search, all, seen) in [
        ("Patient?", 3, 2),
        ("Patient?gender=male", 1, 0),
        ("Patient?gender=male,female", 3, 2),
        ("Patient?_id=1", 1, 0),
        ("Patient?_id=2", 1, 1),
        ("Patient?_sort=_id", 3, 2),
        ("Patient?_sort=birthdate", 3, 2),
        ("Group?", 1, 0),
        ("?", 4, 2),
        ("?_type=Group,Patient", 4, 2),
    ] {
        let (kind, url) = search.split_once('?').unwrap();
        let query = database.parse(kind, url).unwrap().query;
        for (plan, expected) in [(&open, all), (&deny, 0), (&some, seen)] {
            let found = database.pages(kind, url, 1, plan, false).len() as i64;
            assert_eq!(
                (found, database.total(&query, plan)),
                (expected, expected),
                "{search} for {}",
                plan.principal()
            );
        }
    }
    let other = AccessPlan::open(8);
    assert_eq!(database.pages("Patient", "", 10, &other, false), [0; 0], "another tenant");
    assert_eq!(database.pages("Patient", "gender=male", 10, &other, false), [0; 0], "another tenant");
}

proptest::proptest! {
    #[test]
    fn any_url_ends_in_an_answer(name in "[a-z_]{1,10}(:[a-zA-Z]{0,8})?", value in "\\PC{0,40}") {
        thread_local!(static DATABASE: Database = Database::new());
        DATABASE.with(|database| {
            let pairs = ["name", "birthdate", "identifier", "link", "_id", "_lastUpdated", "_sort", &name]
                .map(|n| [(n.to_owned(), value.clone())]);
            for pair in pairs {
                if let Ok(parsed) = parse(&[ty("Patient")], &pair, &database.context()) {
                    let plan = database.plan();
                    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                        let statement = page(&parsed.query, &plan, &database.registry, dialect, &Densities::default());
                        assert!(value.len() < 8 || !statement.sql.contains(&value), "text from outside in {}", statement.sql);
                    }
                    database.rows(&page(&parsed.query, &plan, &database.registry, Dialect::Sqlite, &Densities::default()));
                }
            }
        });
    }
}

#[test]
fn includes_follow_references_both_ways() {
    let mut database = Database::new();
    let observation = |id: &str, subject: &str| {
        format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"{subject}"}},"performer":[{{"reference":"Practitioner/p"}}]}}"#
        )
    };
    let patient =
        r#"{"resourceType":"Patient","id":"1","generalPractitioner":[{"reference":"Practitioner/p"}]}"#;
    let practitioner = r#"{"resourceType":"Practitioner","id":"p"}"#;
    database.load([
        patient.to_owned(),
        practitioner.to_owned(),
        observation("a", "Patient/1"),
        observation("b", "Group/1"),
    ]);
    let plan = database.plan();
    let first = |text: &str, id: &str| {
        let query = database.parse("Observation", text).unwrap().query;
        let stored = database.all.iter().find(|s| s.id == id).unwrap();
        let mut found = included(&query.includes[0], stored.ty, &stored.rows);
        found.retain(|_| query.includes.len() == 1);
        let statement = by_id(&found, &plan, &database.registry, Dialect::Sqlite);
        database.rows(&statement).len()
    };
    for (text, id, expected) in [
        ("_include=Observation:subject", "a", 1),
        ("_include=Observation:subject", "b", 0),
        ("_include=Observation:patient", "b", 0),
        ("_include=Observation:subject:Patient", "a", 1),
        ("_include=Observation:subject:Group", "a", 0),
        ("_include=Observation:*", "a", 2),
        ("_include=*", "a", 2),
        ("_include=Encounter:subject", "a", 0),
        ("_include:iterate=Patient:general-practitioner", "1", 1),
    ] {
        assert_eq!(first(text, id), expected, "{text} of {id}");
    }
    for (text, id, expected) in [
        ("_revinclude=Observation:subject", "1", 1),
        ("_revinclude=Observation:patient", "1", 1),
        ("_revinclude=Observation:performer", "p", 2),
        ("_revinclude=Observation:performer:Organization", "p", 0),
        ("_revinclude=*", "p", 3),
        ("_revinclude=Patient:*", "p", 1),
    ] {
        let query = database.parse("Patient", text).unwrap().query;
        let rid = database.all.iter().find(|s| s.id == id).unwrap().rid;
        for (plan, expected) in [(&plan, expected), (&AccessPlan::of(7, "nobody", Access::Deny), 0)] {
            let statement =
                including(&query.includes[0], &[rid], plan, &database.registry, Dialect::Sqlite, 10);
            assert_eq!(database.rows(&statement).len(), expected, "{text} of {id}");
        }
    }
    for text in [
        "_include=",
        "_include=Observation",
        "_include=Observation:code",
        "_include=x:y",
        "_include:all=*",
        "_include=a:b:c:d",
    ] {
        assert_eq!(database.parse("Observation", text).map(|p| p.query).unwrap_err().status(), 400, "{text}");
    }
}

#[test]
fn chains_ask_the_target_and_its_plan() {
    let mut database = Database::new();
    let text = [
        r#"{"resourceType":"Organization","id":"o","name":"Good Health"}"#,
        r#"{"resourceType":"Patient","id":"1","gender":"female","name":[{"family":"Smith"}],"managingOrganization":{"reference":"Organization/o"}}"#,
        r#"{"resourceType":"Patient","id":"2","gender":"male","name":[{"family":"Smith"}]}"#,
        r#"{"resourceType":"Group","id":"1","type":"person","actual":true,"code":{"coding":[{"code":"c"}]}}"#,
        r#"{"resourceType":"Observation","id":"a","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"}}"#,
        r#"{"resourceType":"Observation","id":"b","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/2"}}"#,
        r#"{"resourceType":"Observation","id":"c","status":"final","code":{"text":"x"},"subject":{"reference":"Group/1"}}"#,
        r#"{"resourceType":"Observation","id":"d","status":"amended","code":{"text":"x"},"subject":{"reference":"Patient/1"}}"#,
    ];
    database.load(text.map(str::to_owned));
    let open = database.plan();
    let women = condition(&[ty("Patient")], "gender", "female", &database.context()).unwrap();
    let some = AccessPlan::of(7, "someone", Access::Allow).with(ty("Patient"), Access::Where(women));
    let none = AccessPlan::of(7, "someone", Access::Allow).with(ty("Patient"), Access::Deny);
    for (url, all, seen, left) in [
        ("patient.name=smith", 3, 2, 0),
        ("subject.name=smith", 3, 2, 0),
        ("subject:Patient.gender=male", 1, 0, 0),
        ("subject:Patient.gender:not=male", 2, 2, 0),
        ("subject:Patient._id=2", 1, 0, 0),
        ("subject.code=c", 1, 1, 1),
        ("patient.organization.name=good", 2, 2, 0),
        ("patient.organization.name=bad", 0, 0, 0),
        ("patient.name=smith&status=final", 2, 1, 0),
        ("patient.name=smith&patient.gender=female", 2, 2, 0),
        ("patient.name=nobody,smith", 3, 2, 0),
    ] {
        let query = database.parse("Observation", url).unwrap().query;
        for (plan, expected) in [(&open, all), (&some, seen), (&none, left)] {
            for probed in [false, true] {
                assert_eq!(database.pages("Observation", url, 1, plan, probed).len(), expected, "{url}");
            }
            assert_eq!(database.total(&query, plan), expected as i64, "{url}");
        }
        assert!(!is_self_contained(&query), "{url}");
    }
}
