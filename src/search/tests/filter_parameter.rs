//! `_filter`: each operator on each type of parameter, chains, and what is refused.

use super::cases::check;
use super::database::Database;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1","gender":"female","birthDate":"1970-05-06","active":true,
    "name":[{"family":"Petersen","given":["Eve","Anna Marie"]}],"managingOrganization":{"reference":"Organization/o"},
    "identifier":[{"system":"urn:a","value":"X1"}],"meta":{"source":"http://a.example/source"}}"#;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"1","status":"final",
    "code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"subject":{"reference":"Patient/1"},
    "effectivePeriod":{"start":"2013-02-15","end":"2013-03-20"},
    "valueQuantity":{"value":150,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}"#;

fn filters(resource: &'static str, kind: &str, cases: &[(&str, bool)]) {
    for (filter, expected) in cases {
        check(&[(resource, &format!("{kind}?_filter={filter}"), *expected)]);
    }
}

#[test]
fn each_operator_compares_what_its_parameter_holds() {
    filters(
        PATIENT,
        "Patient",
        &[
            (r#"name co "eters""#, true),
            ("name co PETERS", true),
            ("name sw eve", true),
            ("name sw sen", false),
            ("name ew SEN", true),
            ("name ew pet", false),
            (r#"given eq "anna marie""#, true),
            ("given eq anna", false),
            ("given ne eve", true),
            ("family ne petersen", false),
            ("birthdate eq 1970", true),
            ("birthdate ne 1970", false),
            ("birthdate ge 1970-05-06", true),
            ("birthdate gt 1970-05-06", false),
            ("birthdate lt 1971", true),
            ("birthdate le 1969", false),
            ("birthdate sa 1970-05-05", true),
            ("birthdate eb 1970-05-06", false),
            ("birthdate ap 1970", true),
            ("birthdate po 1970", true),
            ("birthdate po 1971", false),
            ("gender eq female", true),
            ("gender eq http://hl7.org/fhir/administrative-gender|female", true),
            ("gender ne female", false),
            ("gender ne male", true),
            ("gender sw FEM", true),
            ("gender co MAL", true),
            ("gender ew x", false),
            ("active eq true", true),
            ("identifier eq urn:a|X1", true),
            ("identifier ne urn:b|X1", true),
            ("organization eq Organization/o", true),
            ("organization re Organization/o", true),
            ("organization re o", true),
            ("organization ne Organization/o", false),
            ("organization ne Organization/p", true),
            ("_source eq http://a.example/source", true),
            ("_source co EXAMPLE", true),
            ("_source ne http://a.example/source", false),
            ("name pr true", true),
            ("name pr false", false),
            ("general-practitioner pr false", true),
            ("id eq 1", true),
            ("_id ne 1", false),
            ("_lastUpdated gt 2000", true),
            ("_lastUpdated po 2025", true),
            ("_list eq 7", false),
        ],
    );
    filters(
        OBSERVATION,
        "Observation",
        &[
            ("date po 2013-03", true),
            ("date po 2013-04", false),
            ("date po 2012-01-01T00:00:00Z", false),
            ("value-quantity gt 100", true),
            ("value-quantity le 150|http://unitsofmeasure.org|mm[Hg", false),
            ("value-quantity gt \"100|http://unitsofmeasure.org|mm[Hg]\"", true),
            ("value-quantity ne 150", false),
            ("code-value-quantity eq 8480-6$ge150", true),
            ("subject eq 1", true),
            ("patient re Patient/1", true),
            ("patient ne Patient/2", true),
        ],
    );
}

#[test]
fn filters_combine() {
    filters(
        PATIENT,
        "Patient",
        &[
            ("gender eq female and name co eve", true),
            ("gender eq male and name co eve", false),
            ("gender eq male or name co eve", true),
            ("gender eq male or name co eve and birthdate lt 1960", false),
            ("gender eq female or (name co eve and birthdate lt 1960)", true),
            ("gender eq female or name co eve and birthdate lt 1960", false),
            ("not (gender eq male)", true),
            ("not (gender eq female or name pr false)", false),
            ("not (gender eq male) and not (birthdate lt 1970)", true),
            (r#"given eq "eve" and birthdate ge 1970-05-06"#, true),
        ],
    );
    check(&[
        (PATIENT, "Patient?gender=female&_filter=name co eve", true),
        (PATIENT, "Patient?gender=male&_filter=name co eve", false),
        (PATIENT, "?_filter=_id eq 1", true),
        (PATIENT, "?_type=Patient,Person&_filter=name co eve", true),
    ]);
}

#[test]
fn a_filter_follows_references() {
    let mut database = Database::new();
    let more = [
        r#"{"resourceType":"Organization","id":"o","name":"Good Health"}"#,
        r#"{"resourceType":"Patient","id":"2","name":[{"family":"Other"}]}"#,
        r#"{"resourceType":"Observation","id":"2","status":"amended","code":{"text":"x"},"subject":{"reference":"Patient/2"}}"#,
    ];
    database.load([PATIENT, OBSERVATION].into_iter().chain(more).map(str::to_owned));
    let plan = database.plan();
    for (search, expected) in [
        (r#"Observation?_filter=subject.name co "pet""#, "1"),
        ("Observation?_filter=subject.id eq 2", "2"),
        ("Observation?_filter=patient.organization.name sw good", "1"),
        ("Observation?_filter=subject[name co pet].birthdate ge 1970", "1"),
        ("Observation?_filter=subject[name co pet].birthdate ge 1980", ""),
        ("Observation?_filter=subject[name co pet or family eq other].name pr true", "2 1"),
        ("Observation?_filter=not (subject.name co pet)", "2"),
        ("Observation?_filter=subject.name co pet or status eq amended", "2 1"),
        ("Patient?_filter=_has:Observation:patient:status eq final", "1"),
        ("Patient?_filter=_has:Observation:patient:status ne final", "2"),
        ("Patient?_filter=not (_has:Observation:patient:status eq final)", "2"),
        ("Patient?_filter=_has:Observation:patient:patient.name co pet", "1"),
    ] {
        let (kind, url) = search.split_once('?').unwrap();
        let query = database.parse(kind, url).unwrap_or_else(|e| panic!("{search}: {e}")).query;
        for probed in [false, true] {
            let found = database.pages(kind, url, 1, &plan, probed);
            let ids: Vec<&str> = found
                .iter()
                .map(|rid| database.all.iter().find(|s| s.rid == *rid).unwrap().id.as_str())
                .collect();
            assert_eq!(ids.join(" "), expected, "{search}");
        }
        let count = expected.split(' ').filter(|id| !id.is_empty()).count() as i64;
        assert_eq!(database.total(&query, &plan), count, "{search}");
    }
}

#[test]
fn a_filter_that_means_nothing_is_refused() {
    let database = Database::new();
    for (search, reason) in [
        ("Patient?_filter=name", "a blank should stand"),
        ("Patient?_filter=nothing eq 1", "no search parameter 'nothing'"),
        ("Patient?_filter=name gt x", "a string parameter does not take this operator"),
        ("Patient?_filter=gender gt x", "a token parameter does not take this operator"),
        ("Patient?_filter=birthdate co 19", "does not take this operator"),
        ("Patient?_filter=birthdate eq soon", "takes a number or a date"),
        ("Patient?_filter=birthdate po soon", "no date"),
        ("Patient?_filter=birthdate po ap1970", "no date"),
        ("Patient?_filter=birthdate gt ge1970", "takes a number or a date"),
        ("Patient?_filter=name re x", "does not take this operator"),
        ("Patient?_filter=name pr maybe", "true or false"),
        ("Patient?_filter=identifier in http://x", "its values are no codes"),
        ("Observation?_filter=code in word", "names no value set"),
        ("Observation?_filter=code ss code", "write system|code"),
        ("Observation?_filter=code sb code", "write system|code"),
        ("Patient?_filter=name.family eq x", "only a reference can be followed"),
        ("Patient?_filter=organization[name eq x] pr true", "'.' should stand"),
        ("Patient?_filter=organization.nothing eq x", "no search parameter"),
        ("Patient?_filter=_has:Observation:code:status eq x", "no reference parameter 'code'"),
        (
            "Encounter?_filter=part-of.part-of.part-of.part-of.part-of.part-of.status eq x",
            "more than 5 references",
        ),
        ("Patient?_filter=_id co x", "an id takes eq and ne"),
        ("Patient?_filter=_list eq $current-problems", "functional lists"),
        ("Patient?_filter:not=name eq x", "no search parameter '_filter'"),
    ] {
        let (kind, url) = search.split_once('?').unwrap();
        let error = database.parse(kind, url).map(|p| p.query).expect_err(search);
        assert_eq!(error.status(), 400, "{search}");
        assert!(error.to_string().contains(reason), "{search}: {error}");
    }
}
