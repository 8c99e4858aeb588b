//! Modifiers: `:text`, `:code-text`, `:of-type`, `:above`, `:below`, `:not`.

use super::cases::check;
use super::database::Database;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"1","status":"final",
    "code":{"coding":[{"system":"http://loinc.org","code":"8480-6","display":"Systolic blood pressure"},{"code":"BPsys"}],"text":"Blutdruck (systolisch)"},
    "subject":{"reference":"Patient/1","display":"Peter James Chalmers"},"performer":[{"display":"Dr. Ann O'Hara"}]}"#;

const PATIENT: &str = r#"{"resourceType":"Patient","id":"1","gender":"female","active":true,
    "identifier":[
        {"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}],"text":"Medical Record Number"},"system":"urn:a","value":"446053"},
        {"type":{"coding":[{"code":"SS"}]},"value":"9"},
        {"type":{"text":"Badge"}}],
    "meta":{"tag":[{"system":"urn:t","code":"one","display":"Number One"}]}}"#;

const SET: &str =
    r#"{"resourceType":"ValueSet","id":"1","status":"active","url":"http://acme.example/fhir/ValueSet/123"}"#;

#[test]
fn the_text_beside_a_code_is_searched_by_its_words() {
    check(&[
        (OBSERVATION, "Observation?code:text=systolic", true),
        (OBSERVATION, "Observation?code:text=Systolic Blood", true),
        (OBSERVATION, "Observation?code:text=BLOOD PRESS", true),
        (OBSERVATION, "Observation?code:text=lood", false),
        (OBSERVATION, "Observation?code:text=blutdruck", true),
        (OBSERVATION, "Observation?code:text=systolisch", true),
        (OBSERVATION, "Observation?code:text=8480-6", false),
        (OBSERVATION, "Observation?code:text=diastolic,systolic", true),
        (OBSERVATION, "Observation?code:text=systolic&status=final", true),
        (OBSERVATION, "Observation?code:text=systolic&status=amended", false),
        (OBSERVATION, "Observation?combo-code:text=systolic", true),
        (OBSERVATION, "Observation?subject:text=james", true),
        (OBSERVATION, "Observation?subject:text=chalmers p", false),
        (OBSERVATION, "Observation?performer:text=o'hara", true),
        (OBSERVATION, "Observation?performer:text=hara", true),
        (OBSERVATION, "Observation?_id=1&code:text=pressure", true),
        (PATIENT, "Patient?identifier:text=medical rec", true),
        (PATIENT, "Patient?identifier:text=badge", true),
        (PATIENT, "Patient?identifier:text=446053", false),
        (PATIENT, "Patient?_tag:text=one", true),
        (PATIENT, "?_tag:text=number one", true),
        (PATIENT, "?_type=Patient,Group&_tag:text=two", false),
    ]);
}

#[test]
fn a_code_is_searched_by_its_start() {
    check(&[
        (OBSERVATION, "Observation?code:code-text=8480", true),
        (OBSERVATION, "Observation?code:code-text=480", false),
        (OBSERVATION, "Observation?code:code-text=bps", true),
        (OBSERVATION, "Observation?code:code-text=BPSYS", true),
        (OBSERVATION, "Observation?code:code-text=BPSYST", false),
        (OBSERVATION, "Observation?code:code-text=x,8480&status:code-text=fin", true),
        (PATIENT, "Patient?gender:code-text=FE", true),
        (PATIENT, "Patient?gender:code-text=m", false),
    ]);
}

#[test]
fn an_identifier_is_searched_with_its_type() {
    let mr = "http://terminology.hl7.org/CodeSystem/v2-0203|MR";
    let searches = [
        (format!("Patient?identifier:of-type={mr}|446053"), true),
        (format!("Patient?identifier:of-type={mr}|446054"), false),
        (format!("Patient?identifier:of-type=x|y|z,{mr}|446053"), true),
        (format!("Patient?identifier:of-type={mr}|446053&gender=female"), true),
        (
            "Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|SS|446053".to_owned(),
            false,
        ),
        ("Patient?identifier:of-type=urn:other|MR|446053".to_owned(), false),
    ];
    for (search, expected) in &searches {
        check(&[(PATIENT, search, *expected)]);
    }
    // The rows for types are no identifiers.
    check(&[(PATIENT, "Patient?identifier=446053", true), (PATIENT, "Patient?identifier=MR", false)]);
}

#[test]
fn urls_are_searched_above_and_below() {
    check(&[
        (SET, "ValueSet?url:below=http://acme.example/fhir", true),
        (SET, "ValueSet?url:below=http://acme.example/fhir/", true),
        (SET, "ValueSet?url:below=http://acme.example/fhir/ValueSet/123", true),
        (SET, "ValueSet?url:below=http://acme.example/fhir/ValueSet/12", false),
        (SET, "ValueSet?url:below=http://acme.example/fhir/ValueSet/123/4", false),
        (SET, "ValueSet?url:below=http://other.example,http://acme.example", true),
        (SET, "ValueSet?url:above=http://acme.example/fhir/ValueSet/123/_history/5", true),
        (SET, "ValueSet?url:above=http://acme.example/fhir/ValueSet/123", true),
        (SET, "ValueSet?url:above=http://acme.example/fhir/ValueSet", false),
        (SET, "ValueSet?url:below=http://acme.example&status=active", true),
    ]);
}

#[test]
fn not_means_that_no_value_is_among_them() {
    check(&[
        (OBSERVATION, "Observation?code:not=8480-6", false),
        (OBSERVATION, "Observation?code:not=x,y", true),
        (OBSERVATION, "Observation?code:not=x,BPsys", false),
        (OBSERVATION, "Observation?code:not=x&code:not=BPsys", false),
        (OBSERVATION, "Observation?code:not=x&code=BPsys", true),
        (OBSERVATION, "Observation?category:not=x", true),
    ]);
}

#[test]
fn a_modifier_that_does_not_fit_is_refused() {
    let database = Database::new();
    for (search, reason) in [
        ("Patient?gender:text=female", "no text stands beside its codes"),
        ("Patient?name:text=x", "a string parameter does not take this modifier"),
        ("Patient?identifier:text=%", "letter or digit"),
        ("Patient?gender:of-type=a|b|c", "no identifiers"),
        ("Patient?identifier:of-type=a|b", "system|code|value"),
        ("Patient?identifier:of-type=|b|c", "system|code|value"),
        ("Patient?birthdate:code-text=2", "does not take this modifier"),
        ("Patient?organization:code-text=2", "a reference has no code"),
        ("ValueSet?url:below=urn:oid:1.2", "has no path"),
        ("ValueSet?url:above=urn:oid:1.2", "has no path"),
        ("Patient?name:above=x", "does not take this modifier"),
        ("Patient?general-practitioner:below=x", "does not take this modifier"),
        ("Patient?name:not=x", "does not take this modifier"),
    ] {
        let (kind, url) = search.split_once('?').unwrap();
        let error = database.parse(kind, url).map(|p| p.query).expect_err(search);
        assert_eq!(error.status(), 400, "{search}");
        assert!(error.to_string().contains(reason), "{search}: {error}");
    }
}
