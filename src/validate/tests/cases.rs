use super::*;
use crate::{structure_at, structure_of};
use proptest::prelude::*;

/// Each fault as `code expression`.
fn found(text: &str) -> Vec<String> {
    faults(text).iter().map(|i| format!("{} {}", i.code.code(), i.expression.join(","))).collect()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(found(text), expected, "{text}");
}

#[test]
fn the_type_of_a_resource_is_present_and_known() {
    check(r#"{"resourceType":"Patient"}"#, &[]);
    check(r#"{}"#, &["structure Resource"]);
    check(r#"[]"#, &["structure Resource"]);
    check(r#"{"resourceType":1}"#, &["structure Resource"]);
    check(r#"{"resourceType":"Patiend"}"#, &["structure Patiend"]);
    check(r#"{"resourceType":"HumanName"}"#, &["structure HumanName"]);
    check(r#"{"resourceType":"DomainResource"}"#, &["structure DomainResource"]);
    check(r#"{"resourceType":"Patient","resourceType":"Patient"}"#, &["structure Patient"]);
    check(
        r#"{"resourceType":"Patient","contact":[{"resourceType":"x","gender":"male"}]}"#,
        &["structure Patient.contact[0].resourceType"],
    );
}

#[test]
fn names_of_elements_are_known() {
    check(r#"{"resourceType":"Patient","nmae":[]}"#, &["structure Patient.nmae"]);
    check(r#"{"resourceType":"Patient","name":[{"famly":"x"}]}"#, &["structure Patient.name[0].famly"]);
    check(r#"{"resourceType":"Patient","a b'c":1}"#, &["structure Patient"]);
    check(r#"{"resourceType":"Patient","":1,"_":{}}"#, &["structure Patient", "structure Patient._"]);
    check(r#"{"resourceType":"Patient","fhir_comments":["x"]}"#, &["structure Patient.fhir_comments"]);
    let issues = faults(r#"{"resourceType":"Patient","birthdate":"1970"}"#);
    assert_eq!(
        issues[0].diagnostics,
        "'birthdate' is no element of Patient; the nearest name is 'birthDate'."
    );
}

#[test]
fn arrays_stand_where_elements_repeat() {
    check(r#"{"resourceType":"Patient","name":{"family":"x"}}"#, &["structure Patient.name"]);
    check(r#"{"resourceType":"Patient","gender":["male"]}"#, &["structure Patient.gender"]);
    check(r#"{"resourceType":"Patient","name":[]}"#, &["structure Patient.name"]);
    check(r#"{"resourceType":"Patient","name":[[{"family":"x"}]]}"#, &["structure Patient.name[0]"]);
    check(r#"{"resourceType":"Patient","name":["x"]}"#, &["structure Patient.name[0]"]);
    check(r#"{"resourceType":"Patient","name":[{}]}"#, &["structure Patient.name[0]"]);
    check(r#"{"resourceType":"Patient","name":null}"#, &["structure Patient.name"]);
    check(r#"{"resourceType":"Patient","name":[null]}"#, &["structure Patient.name[0]"]);
    check(r#"{"resourceType":"Patient","gender":null}"#, &["structure Patient.gender"]);
    check(r#"{"resourceType":"Patient","gender":{}}"#, &["structure Patient.gender"]);
    check(r#"{"resourceType":"Patient","maritalStatus":"M"}"#, &["structure Patient.maritalStatus"]);
}

#[test]
fn required_elements_are_there_and_all_faults_are_told_at_once() {
    check(
        r#"{"resourceType":"Claim","item":[{"sequence":1},{"sequence":0},{"net":{"currency":" USD"}}]}"#,
        &[
            "required Claim.item[0].productOrService",
            "value Claim.item[1].sequence",
            "required Claim.item[1].productOrService",
            "value Claim.item[2].net.currency",
            "required Claim.item[2].sequence",
            "required Claim.item[2].productOrService",
            "required Claim.status",
            "required Claim.type",
            "required Claim.use",
            "required Claim.patient",
            "required Claim.created",
            "required Claim.provider",
            "required Claim.priority",
            "required Claim.insurance",
        ],
    );
}

#[test]
fn a_choice_has_one_value_of_an_allowed_type() {
    let observation = |members: &str| {
        found(&format!(
            r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{members}}}"#
        ))
    };
    assert!(observation(r#""valueQuantity":{"value":1.00}"#).is_empty());
    assert!(observation(r#""valueString":"x","_valueString":{"id":"a"}"#).is_empty());
    assert!(observation(r#""_valueString":{"id":"a"}"#).is_empty());
    let two = ["structure Observation.value"];
    assert_eq!(observation(r#""valueQuantity":{"value":1},"valueString":"x""#), two);
    assert_eq!(observation(r#""_valueString":{"id":"a"},"valueQuantity":{"value":1}"#), two);
    assert_eq!(observation(r#""valueString":"x","valueString":"y""#), two);
    assert_eq!(observation(r#""valueMoney":{"value":1}"#), ["structure Observation.valueMoney"]);
    assert_eq!(observation(r#""value":{"value":1}"#), ["structure Observation.value"]);
    assert_eq!(observation(r#""value[x]":1"#), ["structure Observation"]);
    assert_eq!(observation(r#""valueQuantity":{"value":"1"}"#), ["structure Observation.value.value"]);
}

#[test]
fn a_required_choice_is_missed_by_its_name() {
    let issues = faults(
        r#"{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}}"#,
    );
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].diagnostics, "'medication[x]' is required in MedicationRequest and is missing.");
    assert_eq!(issues[0].expression, ["MedicationRequest.medication"]);
}

#[test]
fn repeated_members_are_found_however_they_are_spelled() {
    check(r#"{"resourceType":"Patient","gender":"male","gender":"male"}"#, &["structure Patient.gender"]);
    check(
        r#"{"resourceType":"Patient","gender":"male","\u0067ender":"male"}"#,
        &["structure Patient.gender"],
    );
    check(
        r#"{"resourceType":"Patient","_gender":{"id":"a"},"_gender":{"id":"b"}}"#,
        &["structure Patient.gender"],
    );
    check(
        r#"{"resourceType":"Patient","name":[{"family":"x","family":"y"}]}"#,
        &["structure Patient.name[0].family"],
    );
}

#[test]
fn primitives_pair_with_their_extensions() {
    let names = |members: &str| found(&format!(r#"{{"resourceType":"Patient","name":[{{{members}}}]}}"#));
    assert!(names(r#""given":["a",null],"_given":[null,{"id":"x"}]"#).is_empty());
    assert!(names(r#""_given":[{"id":"x"}]"#).is_empty());
    assert!(names(r#""family":"a","_family":{"extension":[{"url":"http://x","valueCode":"y"}]}"#).is_empty());
    let given = ["structure Patient.name[0].given"];
    assert_eq!(names(r#""given":["a"],"_given":[null,{"id":"x"}]"#), given);
    assert_eq!(names(r#""given":["a","b"],"_given":[{"id":"x"}]"#), given);
    assert_eq!(names(r#""given":["a"],"_given":{"id":"x"}"#), given);
    assert_eq!(names(r#""_given":[]"#), given);
    assert_eq!(names(r#""given":["a",null]"#), ["structure Patient.name[0].given[1]"]);
    assert_eq!(
        names(r#""given":["a",null],"_given":[{"id":"x"},null]"#),
        ["structure Patient.name[0].given[1]"]
    );
    assert_eq!(names(r#""_given":[null,{"id":"x"}]"#), ["structure Patient.name[0].given[0]"]);
    assert_eq!(names(r#""_family":[{"id":"x"}]"#), ["structure Patient.name[0].family"]);
    assert_eq!(names(r#""_family":"x""#), ["structure Patient.name[0].family"]);
    assert_eq!(names(r#""_family":{}"#), ["structure Patient.name[0].family"]);
    assert_eq!(names(r#""_family":null"#), ["structure Patient.name[0].family"]);
    assert_eq!(names(r#""_family":{"value":"x"}"#), ["structure Patient.name[0].family.value"]);
    assert_eq!(names(r#""family":"x","_period":{"id":"x"}"#), ["structure Patient.name[0].period"]);
    assert_eq!(names(r#""family":"x","_id":{"id":"x"}"#), ["structure Patient.name[0].id"]);
}

#[test]
fn an_extension_has_a_url_and_either_a_value_or_extensions() {
    let extension =
        |members: &str| found(&format!(r#"{{"resourceType":"Patient","extension":[{{{members}}}]}}"#));
    assert!(extension(r#""url":"http://x","valueString":"y""#).is_empty());
    assert!(extension(r#""url":"http://x","extension":[{"url":"a","valueCode":"b"}]"#).is_empty());
    assert_eq!(extension(r#""valueString":"y""#), ["required Patient.extension[0].url"]);
    assert_eq!(extension(r#""url":"http://x""#), ["structure Patient.extension[0]"]);
    assert_eq!(
        extension(r#""url":"http://x","valueString":"y","extension":[{"url":"a","valueCode":"b"}]"#),
        ["structure Patient.extension[0]"]
    );
    assert_eq!(extension(r#""url":"http://x y","valueString":"y""#), ["value Patient.extension[0].url"]);
    assert_eq!(
        extension(r#""url":"http://x","valueFoo":"y""#),
        ["structure Patient.extension[0].valueFoo", "structure Patient.extension[0]"]
    );
}

#[test]
fn resources_inside_others_are_checked_where_they_stand() {
    check(
        r#"{"resourceType":"Bundle","type":"batch","entry":[{},{"resource":{"resourceType":"Patient","gender":1}},{"resource":{}}]}"#,
        &[
            "structure Bundle.entry[0]",
            "structure Bundle.entry[1].resource.gender",
            "structure Bundle.entry[2].resource",
        ],
    );
    check(
        r#"{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Patient","x":1}},{"name":"b","part":[{"valueDate":"x"}]}]}"#,
        &[
            "structure Parameters.parameter[0].resource.x",
            "value Parameters.parameter[1].part[0].value",
            "required Parameters.parameter[1].part[0].name",
        ],
    );
    check(
        r#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a","contained":[{"resourceType":"Patient"}],"active":"x"}]}"#,
        &["structure Patient.contained[0].contained", "structure Patient.contained[0].active"],
    );
    // A Bundle in a contained resource would be contained itself, but its entries hold their own.
    check(
        r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a"}]}}]}"#,
        &[],
    );
}

#[test]
fn ids_have_their_form() {
    check(r#"{"resourceType":"Patient","id":"a_b"}"#, &["value Patient.id"]);
    check(r#"{"resourceType":"Patient","id":""}"#, &["value Patient.id"]);
    check(r#"{"resourceType":"Patient","id":1}"#, &["structure Patient.id"]);
}

#[test]
fn narratives_are_harmless_xhtml() {
    let narrative = |div: &str| {
        found(&format!(
            r#"{{"resourceType":"Patient","text":{{"status":"generated","div":{}}}}}"#,
            json::quote(div)
        ))
    };
    assert!(narrative("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x</p></div>").is_empty());
    assert_eq!(
        narrative("<div xmlns=\"http://www.w3.org/1999/xhtml\"><script/></div>"),
        ["value Patient.text.div"]
    );
    assert_eq!(narrative("<p>x</p>"), ["value Patient.text.div"]);
    assert_eq!(narrative(""), ["value Patient.text.div"]);
}

#[test]
fn errors_show_little_of_a_record() {
    let long = "x y".repeat(100);
    let issues = faults(&format!(r#"{{"resourceType":"Patient","id":"{long}","birthDate":"yesterday"}}"#));
    assert!(issues.iter().all(|i| i.diagnostics.len() < 200), "{issues:?}");
    assert!(issues[1].diagnostics.starts_with("'yesterday' is no valid date: "));
}

#[test]
fn the_number_of_faults_that_are_told_is_bounded() {
    let names = vec!["{}"; 1000].join(",");
    let issues = faults(&format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#));
    assert_eq!(issues.len(), 101);
    assert_eq!(issues[100].diagnostics, "900 more faults are left out.");
}

#[test]
fn depth_is_bounded() {
    let depth = 2000;
    let open = r#"{"url":"http://x","extension":["#.repeat(depth);
    let close = "]}".repeat(depth);
    let text =
        format!(r#"{{"resourceType":"Patient","extension":[{open}{{"url":"x","valueCode":"y"}}{close}]}}"#);
    let document = json::parse_with(text, json::Limits { depth: 10_000 }).unwrap();
    let issues = structure(document.root(), Definitions::r4(), &Limits::default());
    assert_eq!(issues.len(), 1);
    assert_eq!(issues[0].diagnostics, "Objects are nested more than 100 deep.");
}

#[test]
fn parts_are_checked_with_the_expression_that_leads_to_them() {
    let defs = Definitions::r4();
    let document = json::parse(r#"{"resourceType":"Patient","name":[{"x":1}]}"#).unwrap();
    let issues = structure_at(document.root(), defs, &Limits::default(), "Bundle.entry[3].resource");
    assert_eq!(issues[0].expression, ["Bundle.entry[3].resource.name[0].x"]);
    let name = document.root().at(&["name", "0"]).unwrap();
    let ty = defs.type_named("HumanName").unwrap();
    let issues = structure_of(name, ty, defs, &Limits::default(), "Parameters.parameter[0].value");
    assert_eq!(issues[0].expression, ["Parameters.parameter[0].value.x"]);
}

#[test]
fn no_type_has_more_elements_than_can_be_noted() {
    let defs = Definitions::r4();
    let most = defs.types().map(|ty| defs.ty(ty).elements.len()).max().unwrap();
    assert!(most <= crate::cardinality::MAX_ELEMENTS, "{most}");
}

fn any_resource() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let name = proptest::sample::select(vec![
        "resourceType",
        "name",
        "_name",
        "given",
        "_given",
        "contained",
        "extension",
        "url",
        "valueString",
        "text",
        "div",
        "gender",
        "_gender",
        "x",
        "contact",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(Value::from("Patient")),
        "[a-z<>/ \u{1}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_ends_in_an_answer(mut value in any_resource()) {
        if let Some(object) = value.as_object_mut() {
            object.insert("resourceType".into(), "Patient".into());
        }
        let issues = faults(&value.to_string());
        prop_assert!(issues.iter().all(|i| !i.diagnostics.is_empty() && !i.expression.is_empty()));
    }
}
