//! Views beyond the official suite: faults with their place, limits, exact values.

use proptest::prelude::*;
use remit_fhir::json::parse;
use remit_spec::Definitions;

use crate::{ColumnType, Limits, Value, View};

fn view(json: &str) -> Result<View, Vec<String>> {
    let document = parse(json.to_owned()).expect("the test writes JSON");
    View::parse(document.root(), Definitions::r4())
        .map_err(|issues| issues.into_iter().map(|i| i.expression.join(" ")).collect())
}

fn rows_with(view: &View, resource: &str, limits: Limits) -> Result<Vec<String>, String> {
    let document = parse(resource.to_owned()).expect("the test writes JSON");
    let mut rows = Vec::new();
    let sink = &mut |row: &[&Value<'_>]| {
        let mut json = Vec::new();
        for (n, value) in row.iter().enumerate() {
            if n > 0 {
                json.push(b' ');
            }
            value.write_json(&mut json);
        }
        rows.push(String::from_utf8(json).expect("JSON is UTF-8"));
        Ok(())
    };
    view.run_with(document.root(), 0, limits, sink).map_err(|error| error.to_string())?;
    Ok(rows)
}

fn rows(definition: &str, resource: &str) -> Result<Vec<String>, String> {
    let view = view(definition).map_err(|places| format!("{places:?}"))?;
    rows_with(&view, resource, Limits::default())
}

#[test]
fn every_fault_is_reported_at_its_place() {
    let cases: [(&str, &[&str]); 14] = [
        (r#"{}"#, &["ViewDefinition.resource"]),
        (r#"{"resource":"Patientt","select":[]}"#, &["ViewDefinition.resource"]),
        (r#"{"resource":"Patient"}"#, &["ViewDefinition.select"]),
        (r#"{"resource":"Patient","select":[{}]}"#, &["ViewDefinition"]),
        (r#"{"resource":"Patient","select":{"column":[]}}"#, &["ViewDefinition.select"]),
        (
            r#"{"resource":"Patient","select":[{"column":[{"name":"a-b","path":"id"},{"path":"id"},{"name":"c"}]}]}"#,
            &[
                "ViewDefinition.select[0].column[0].name",
                "ViewDefinition.select[0].column[1].name",
                "ViewDefinition.select[0].column[2].path",
            ],
        ),
        (
            r#"{"resource":"Patient","select":[{"column":[{"name":"a","path":"nosuch"}]}]}"#,
            &["ViewDefinition.select[0].column[0].path"],
        ),
        (
            r#"{"resource":"Patient","select":[{"forEach":"name","column":[{"name":"a","path":"birthDate"}]}]}"#,
            &["ViewDefinition.select[0].column[0].path"],
        ),
        (
            r#"{"resource":"Patient","select":[{"forEach":"name","repeat":["x"],"column":[{"name":"a","path":"id"}]}]}"#,
            &["ViewDefinition.select[0]"],
        ),
        (
            r#"{"resource":"Patient","select":[{"column":[{"name":"a","path":"id"},{"name":"A","path":"id"}]}]}"#,
            &["ViewDefinition.select"],
        ),
        (
            r#"{"resource":"Patient","select":[{"column":[{"name":"a","path":"id","type":"nosuch"}]}]}"#,
            &["ViewDefinition.select[0].column[0].type"],
        ),
        (
            r#"{"resource":"Patient","where":[{"path":"name.family"}],"select":[{"column":[{"name":"a","path":"id"}]}]}"#,
            &["ViewDefinition.where[0].path"],
        ),
        (
            r#"{"resource":"Patient","constant":[{"name":"c","valueString":"a","valueCode":"b"},{"name":"d","valueHumanName":{}}],
              "select":[{"column":[{"name":"a","path":"id"}]}]}"#,
            &["ViewDefinition.constant[0]", "ViewDefinition.constant[1]"],
        ),
        (
            r#"{"resource":"Patient","select":[{"unionAll":[{"column":[{"name":"a","path":"id","type":"id"}]},
              {"column":[{"name":"a","path":"active","type":"boolean"}]}]}]}"#,
            &["ViewDefinition.select[0].unionAll[1]"],
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(view(json).expect_err(json), expected, "{json}");
    }
}

#[test]
fn a_type_that_is_not_stated_follows_from_the_path() {
    let view = view(
        r#"{"resource":"Claim","select":[{"column":[{"name":"id","path":"id"},{"name":"created","path":"created"},
        {"name":"total","path":"total.value"},{"name":"status","path":"status","type":"http://hl7.org/fhir/StructureDefinition/code"}]},
        {"forEach":"item","column":[{"name":"sequence","path":"sequence"}]}]}"#,
    )
    .expect("the view is valid");
    let types: Vec<ColumnType> = view.columns().iter().map(|column| column.ty).collect();
    use ColumnType::{DateTime, Decimal, Integer, String};
    assert_eq!(types, [String, DateTime, Decimal, String, Integer]);
}

#[test]
fn decimals_and_partial_dates_come_out_as_they_were_written() {
    let definition = r#"{"resource":"Claim","select":[{"column":[{"name":"v","path":"total.value","type":"decimal"},
        {"name":"c","path":"created","type":"dateTime"}]}]}"#;
    let claim = r#"{"resourceType":"Claim","created":"2024-05","total":{"value":1.100000000000000000001}}"#;
    assert_eq!(rows(definition, claim), Ok(vec![r#"1.100000000000000000001 "2024-05""#.to_owned()]));
    let claim = r#"{"resourceType":"Claim","total":{"value":1.10e2}}"#;
    assert_eq!(rows(definition, claim), Ok(vec!["1.10e2 null".to_owned()]));
}

#[test]
fn lists_side_by_side_multiply_and_plain_columns_repeat() {
    let definition = r#"{"resource":"Patient","select":[
        {"forEach":"name","column":[{"name":"family","path":"family"}]},
        {"forEachOrNull":"telecom","column":[{"name":"i","path":"%rowIndex"},{"name":"tel","path":"value"}]},
        {"column":[{"name":"id","path":"id"}]}]}"#;
    let patient = r#"{"resourceType":"Patient","id":"p","name":[{"family":"A"},{"family":"B"}],
        "telecom":[{"value":"1"},{"value":"2"}]}"#;
    let expected = [r#""A" 0 "1" "p""#, r#""A" 1 "2" "p""#, r#""B" 0 "1" "p""#, r#""B" 1 "2" "p""#];
    assert_eq!(rows(definition, patient).expect("it runs"), expected);
    let patient = r#"{"resourceType":"Patient","id":"p","name":[{"family":"A"}]}"#;
    assert_eq!(rows(definition, patient).expect("it runs"), [r#""A" 0 null "p""#]);
}

#[test]
fn a_resource_of_another_type_has_no_rows() {
    let definition = r#"{"resource":"Patient","select":[{"column":[{"name":"id","path":"id"}]}]}"#;
    assert_eq!(rows(definition, r#"{"resourceType":"Claim","id":"c"}"#), Ok(Vec::new()));
    assert_eq!(rows(definition, r#"{"id":"c"}"#), Ok(Vec::new()));
}

#[test]
fn endless_views_end_at_a_limit() {
    let names: Vec<String> = (0..20).map(|n| format!(r#"{{"family":"{n}"}}"#)).collect();
    let patient = format!(r#"{{"resourceType":"Patient","name":[{}]}}"#, names.join(","));
    let lists: Vec<String> = (0..5)
        .map(|n| format!(r#"{{"forEach":"name","column":[{{"name":"c{n}","path":"family"}}]}}"#))
        .collect();
    let product = format!(r#"{{"resource":"Patient","select":[{}]}}"#, lists.join(","));
    let error = rows(&product, &patient).expect_err("20 to the fifth rows are too many");
    assert!(error.contains("over 100000 rows"), "{error}");
    let circle =
        r#"{"resource":"Patient","select":[{"repeat":["$this"],"column":[{"name":"id","path":"id"}]}]}"#;
    assert!(rows(circle, &patient).is_err());
    let wide = r#"{"resource":"Patient","select":[{"repeat":["$this | name", "$this"],"column":[{"name":"id","path":"id"}]}]}"#;
    assert!(rows(wide, &patient).is_err());
}

#[test]
fn too_many_and_too_deep_selects_are_refused() {
    let many: Vec<String> =
        (0..200).map(|n| format!(r#"{{"column":[{{"name":"c{n}","path":"id"}}]}}"#)).collect();
    assert!(view(&format!(r#"{{"resource":"Patient","select":[{}]}}"#, many.join(","))).is_err());
    let deep = format!(
        "{}{}{}",
        r#"{"select":["#.repeat(30),
        r#"{"column":[{"name":"a","path":"id"}]}"#,
        "]}".repeat(30)
    );
    assert!(view(&format!(r#"{{"resource":"Patient","select":[{deep}]}}"#)).is_err());
}

#[test]
fn a_misfit_names_the_column_and_not_its_content() {
    let definition = r#"{"resource":"Patient","select":[{"column":[{"name":"n","path":"name.first().family","type":"integer"}]}]}"#;
    let error = rows(definition, r#"{"resourceType":"Patient","name":[{"family":"Secret"}]}"#)
        .expect_err("no number");
    assert!(error.contains("'n'") && !error.contains("Secret"), "{error}");
}

proptest! {
    #[test]
    fn no_definition_makes_the_parser_panic(text in r#"[{}\[\]":, a-zA-Z0-9%()$.]{0,120}"#) {
        let json = format!(r#"{{"resource":"Patient","select":[{{"forEach":{0},"column":[{{"name":"a","path":{0}}}]}}]}}"#,
            remit_fhir::json::quote(&text));
        let _ = view(&json);
        if let Ok(document) = parse(text) {
            let _ = View::parse(document.root(), Definitions::r4());
        }
    }
}
