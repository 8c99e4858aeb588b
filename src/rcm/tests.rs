//! The shipped artefacts are whole, requests are checked, reports have the shape on the wire.

use super::*;
use remit_fhir::base64;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn measure() -> &'static Measure {
    Measure::find("rcm-gross-collection-rate").unwrap()
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn ask(query: &str) -> MeasureRequest {
    let flat = MeasureRequest::flatten(&pairs(query), None).unwrap();
    MeasureRequest::parse(measure(), &flat).unwrap()
}

fn report(request: &MeasureRequest, rows: &Rows, date: &str) -> remit_fhir::Result<Json> {
    measure().report(request, &[(measure(), vec![rows.clone()])], date)
}

fn money(text: &str) -> Value {
    Value::Decimal(text.parse::<Decimal>().unwrap())
}

fn rows(rows: &[(&str, &str, &str, i64, i64, &str, &str)]) -> Rows {
    let names = [
        "payer_id",
        "payer_display",
        "facility_id",
        "facility_display",
        "provider_reference",
        "provider_display",
        "month",
        "episodes",
        "paid_episodes",
        "charges",
        "payments",
    ];
    let cell = |text: &str| if text.is_empty() { Value::Null } else { Value::Text(text.to_owned()) };
    Rows {
        columns: names.map(str::to_owned).to_vec(),
        rows: rows
            .iter()
            .map(|(payer, display, month, bottom, top, charges, payments)| {
                let mut row =
                    vec![cell(payer), cell(display), Value::Null, Value::Null, Value::Null, Value::Null];
                row.extend([cell(month), Value::Integer(*bottom), Value::Integer(*top)]);
                row.extend([money(charges), money(payments)]);
                row
            })
            .collect(),
    }
}

#[test]
fn every_artefact_is_listed_named_by_its_file_and_under_the_base() {
    let mut urls = std::collections::BTreeSet::new();
    for artefact in ARTEFACTS {
        let json: Json =
            serde_json::from_str(artefact.json).unwrap_or_else(|e| panic!("{}: {e}", artefact.path));
        assert_eq!(json["resourceType"], artefact.resource_type, "{}", artefact.path);
        let url = json["url"].as_str().unwrap();
        assert!(url.starts_with(&format!("{BASE}/{}/", artefact.resource_type)), "{url}");
        assert!(urls.insert(url.to_owned()), "{url} stands twice");
        if artefact.resource_type == "ViewDefinition" {
            assert_eq!(artefact.path, format!("views/{}.json", json["name"].as_str().unwrap()));
        }
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/rcm");
    let folders = [
        "views",
        "libraries",
        "measures",
        "operations",
        "search-parameters",
        "concept-maps",
        "extensions",
        "edits",
    ];
    let files = folders.iter().map(|folder| std::fs::read_dir(format!("{root}/{folder}")).unwrap().count());
    assert_eq!(files.sum::<usize>(), ARTEFACTS.len(), "a file in profiles/rcm is not listed");
}

/// The file that the text of a Library lies in; its description names it.
fn sql_file(library: &Json) -> String {
    let description = library["description"].as_str().unwrap();
    let name = description.split("sql/").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    format!("{}/profiles/rcm/sql/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_library_holds_its_sql_file_and_names_every_table_and_parameter() {
    let mut faults = Vec::new();
    for artefact in artefacts_of("Library") {
        let json: Json = serde_json::from_str(artefact.json).unwrap();
        let library = Library::read(&json).unwrap();
        let sql = std::fs::read_to_string(sql_file(&json)).unwrap();
        if library.sql != sql {
            // UPDATE=1 takes the file over.
            if std::env::var_os("UPDATE").is_some() {
                let path = format!("{}/profiles/rcm/{}", env!("CARGO_MANIFEST_DIR"), artefact.path);
                let text = std::fs::read_to_string(&path).unwrap();
                let old = json["content"][0]["data"].as_str().unwrap();
                std::fs::write(&path, text.replace(old, &base64::encode(sql.as_bytes()))).unwrap();
            }
            faults.push(format!("{} differs from its SQL file", artefact.path));
        }
        let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or("")).collect();
        let words: Vec<&str> = code.iter().flat_map(|line| line.split_whitespace()).collect();
        let read: Vec<&str> = words
            .windows(2)
            .filter(|pair| matches!(pair[0], "FROM" | "JOIN"))
            .map(|pair| pair[1].trim_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '_')))
            .collect();
        for (name, table) in &library.tables {
            if !read.contains(&name.as_str()) {
                faults.push(format!("{} does not read {name}", artefact.path));
            }
            let is_there = match table {
                Table::View(view) => artefacts_of("ViewDefinition")
                    .any(|view_artefact| view_artefact.path == format!("views/{view}.json")),
                Table::Library(canonical) => Library::find(canonical).is_some(),
            };
            if !is_there {
                faults.push(format!("{}: {name} is not shipped", artefact.path));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The parameters of a Library's own SQL and of all below it.
fn reached(library: &Library, found: &mut std::collections::BTreeSet<String>) {
    let code: Vec<&str> = library.sql.lines().map(|line| line.split("--").next().unwrap_or("")).collect();
    let code = code.join("\n");
    found.extend(code.split(':').skip(1).map(|rest| {
        rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or("").to_owned()
    }));
    found.retain(|name| !name.is_empty());
    for (_, table) in &library.tables {
        if let Table::Library(canonical) = table {
            reached(Library::find(canonical).unwrap(), found);
        }
    }
}

#[test]
fn every_query_declares_the_parameters_that_it_reaches() {
    for library in Library::all().iter().filter(|library| library.url.contains("/q-")) {
        let mut found = std::collections::BTreeSet::new();
        reached(library, &mut found);
        let declared: std::collections::BTreeSet<String> = library.parameters.iter().cloned().collect();
        assert_eq!(found, declared, "{}", library.url);
    }
}

#[test]
fn every_group_finds_its_columns_in_one_library() {
    for measure in Measure::all().iter().filter(|measure| measure.composed_of.is_empty()) {
        for group in &measure.groups {
            let name = format!("{} {}", measure.id, group.name());
            let gives = |library: &&Arc<Library>| group.columns().all(|column| library.gives(column));
            let found: Vec<_> = measure.libraries.iter().filter(gives).collect();
            assert_eq!(found.len(), 1, "{name}");
            for stratifier in &measure.stratifiers {
                assert!(found[0].sql.contains(&stratifier.column), "{name}: {}", stratifier.column);
            }
        }
    }
}

#[test]
fn a_measure_is_found_by_id_and_canonical() {
    let url = format!("{BASE}/Measure/rcm-gross-collection-rate");
    for name in
        ["rcm-gross-collection-rate", "Measure/rcm-gross-collection-rate", &url, &format!("{url}|1.0.0")]
    {
        assert!(Measure::find(name).is_some(), "{name}");
    }
    for name in
        ["", "rcm", &format!("{url}|9"), "https://elsewhere.example/Measure/rcm-gross-collection-rate"]
    {
        assert!(Measure::find(name).is_none(), "{name}");
    }
}

#[test]
fn a_measure_that_lacks_a_part_says_which() {
    let artefact =
        artefacts_of("Measure").find(|artefact| artefact.path.ends_with("/rcm-gross-collection-rate.json"));
    let whole: Json = serde_json::from_str(artefact.unwrap().json).unwrap();
    assert!(Measure::read(&whole, Library::find).is_ok());
    assert!(Measure::read(&whole, |_| None).unwrap_err().to_string().contains("not known"));
    type Break = fn(&mut Json);
    let breaks: [(&str, Break); 5] = [
        ("library", |m| m["library"] = Json::Null),
        ("numerator", |m| m["group"][0]["population"] = json!([m["group"][0]["population"][1].clone()])),
        ("amount", |m| m["group"][0]["population"][1]["extension"] = Json::Null),
        ("stratifier", |m| m["group"][0]["stratifier"][0]["criteria"] = Json::Null),
        ("rcm-score", |m| {
            m["group"][0]["extension"] = Json::Null;
            m["scoring"] = Json::Null;
        }),
    ];
    for (word, change) in breaks {
        let mut m = whole.clone();
        change(&mut m);
        let error = Measure::read(&m, Library::find).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
    let artefact = artefacts_of("Library").find(|a| a.path == "libraries/q-collections.json").unwrap();
    let library: Json = serde_json::from_str(artefact.json).unwrap();
    let mut broken = library.clone();
    broken["content"][0]["data"] = json!("***");
    assert!(Library::read(&broken).unwrap_err().to_string().contains("holds no SQL"));
    let mut broken = library.clone();
    broken["parameter"][0]["name"] = json!("by_moon");
    let broken = Arc::new(Library::read(&broken).unwrap());
    assert!(Measure::read(&whole, |_| Some(&broken)).unwrap_err().to_string().contains("by_moon"));
}

#[test]
fn requests_are_read_from_the_query_and_from_parameters_alike() {
    let flat = ask(
        "periodStart=2026-01&periodEnd=2026-03-31&groupBy=payer,month&groupBy=month&asOf=2026-04-15\
                    &knownAt=2026-05-01T00:00:00Z&payer=Organization/p1&practitioner=Practitioner/x&currency=CAD&_format=json",
    );
    let inner = json!({"resourceType": "Parameters", "parameter": [
        {"name": "groupBy", "valueCode": "payer"}, {"name": "groupBy", "valueString": "month"},
        {"name": "asOf", "valueDate": "2026-04-15"}, {"name": "knownAt", "valueInstant": "2026-05-01T00:00:00Z"},
        {"name": "payer", "valueReference": {"reference": "Organization/p1"}},
        {"name": "practitioner", "valueString": "Practitioner/x"}, {"name": "currency", "valueCode": "CAD"},
    ]});
    let body = json!({"resourceType": "Parameters", "parameter": [
        {"name": "measure", "valueString": "rcm-gross-collection-rate"},
        {"name": "periodStart", "valueDate": "2026-01"}, {"name": "periodEnd", "valueDate": "2026-03-31"},
        {"name": "reportType", "valueCode": "population"}, {"name": "parameters", "resource": inner},
    ]});
    let posted = MeasureRequest::flatten(&[], Some(&body)).unwrap();
    let found = MeasureRequest::measure(&posted).unwrap();
    assert_eq!(found.id, "rcm-gross-collection-rate");
    assert_eq!(MeasureRequest::parse(found, &posted).unwrap(), flat);
    assert_eq!((flat.period_start.0.as_str(), flat.period_end.0.as_str()), ("2026-01-01", "2026-03-31"));
    assert_eq!(flat.group_by, ["payer", "month"]);
    assert_eq!(flat.known_at, Some(1_777_593_600_999_999));
    assert_eq!(ask("periodStart=2024&periodEnd=2024-02").period_end.0, "2024-02-29");
}

#[test]
fn bad_requests_name_every_faulty_parameter() {
    let good = "periodStart=2026-01-01&periodEnd=2026-01-31&";
    let cases = [
        ("", 400, "periodStart periodEnd"),
        ("periodStart=2026-13-01&periodEnd=2026-01-31", 400, "periodStart"),
        ("periodStart=2026-01-01T00:00:00Z&periodEnd=x", 400, "periodStart periodEnd"),
        ("periodStart=2026-02-01&periodEnd=2026-01-31", 400, "periodEnd"),
        ("periodStart=2026-01-01&periodStart=2026-01-02&periodEnd=2026-01-31", 400, "periodStart"),
        (&format!("{good}groupBy=moon"), 400, "groupBy"),
        (&format!("{good}groupBy="), 400, "groupBy"),
        (&format!("{good}asOf=2026-13-01"), 400, "asOf"),
        (&format!("{good}knownAt=2026-01-01"), 400, "knownAt"),
        (&format!("{good}currency=usd"), 400, "currency"),
        (&format!("{good}payer=Patient/1&facility=Location/"), 400, "payer facility"),
        (&format!("{good}practitioner=Practitioner/a/b"), 400, "practitioner"),
        (&format!("{good}colour=red"), 400, "colour"),
        (&format!("{good}measure=other"), 400, "measure"),
        (&format!("{good}timezone=Mars/Olympus"), 400, "timezone"),
        (&format!("{good}minCell=-1&windowDays=0"), 400, "minCell windowDays"),
        (&format!("{good}basis=service"), 400, "basis"),
        (&format!("{good}buckets=30,60"), 400, "buckets"),
        (&format!("{good}buckets=60,30"), 400, "buckets"),
        (&format!("{good}reportType=individual"), 400, "reportType"),
        (&format!("{good}reportType=subject"), 501, "reportType"),
        (&format!("{good}groupBy=moon&asOf=x&currency=1"), 400, "asOf currency groupBy"),
        (&format!("{good}asOf={}", "9".repeat(3_000)), 400, "asOf"),
    ];
    for (query, status, expected) in cases {
        let flat = MeasureRequest::flatten(&pairs(query), None);
        let error = flat.and_then(|flat| MeasureRequest::parse(measure(), &flat)).expect_err(query);
        let at: Vec<&str> =
            error.issues.iter().flat_map(|i| i.expression.iter().map(String::as_str)).collect();
        assert_eq!((error.status(), at.join(" ").as_str()), (status, expected), "{query}");
        assert!(error.issues.iter().all(|issue| issue.diagnostics.len() > 10), "{query}");
    }
    let many = good.to_owned() + &"groupBy=payer&".repeat(300);
    assert_eq!(MeasureRequest::flatten(&pairs(&many), None).unwrap_err().status(), 400);
}

#[test]
fn bad_bodies_are_refused() {
    for body in [
        json!([]),
        json!({"resourceType": "Patient"}),
        json!({"resourceType": "Parameters", "parameter": [{"name": "periodStart"}]}),
        json!({"resourceType": "Parameters", "parameter": [{"name": "periodStart", "valueDate": null}]}),
        json!({"resourceType": "Parameters", "parameter": [{"name": "parameters", "resource": 1}]}),
        json!({"resourceType": "Parameters", "parameter": {"name": "x"}}),
    ] {
        assert_eq!(MeasureRequest::flatten(&[], Some(&body)).unwrap_err().status(), 400, "{body}");
    }
    let nobody = MeasureRequest::measure(&pairs("periodStart=2026&periodEnd=2026")).unwrap_err();
    assert_eq!((nobody.status(), nobody.issues[0].expression[0].as_str()), (400, "measure"));
    assert_eq!(MeasureRequest::measure(&pairs("measure=moon")).unwrap_err().status(), 404);
}

#[test]
fn the_query_groups_by_what_is_asked_and_filtered() {
    let request = ask("periodStart=2026-01-01&periodEnd=2026-01-31&groupBy=month&payer=SELF");
    let parameters = measure().bind(&measure().libraries[0], &request);
    let of =
        |name: &str| parameters.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone()).unwrap();
    assert_eq!(of("period_start"), Parameter::Date("2026-01-01".into()));
    assert_eq!(of("as_of"), Parameter::Date("9999-12-31".into()));
    assert_eq!(of("currency"), Parameter::Text("USD".into()));
    let flags = ["by_payer", "by_facility", "by_provider", "by_month", "by_episode"].map(of);
    assert_eq!(flags, [1, 0, 0, 1, 0].map(Parameter::Integer));
    let ageing = Measure::find("rcm-days-in-ar").unwrap();
    let request = MeasureRequest::parse(ageing, &pairs("periodStart=2026-01&periodEnd=2026-03")).unwrap();
    let parameters = ageing.bind(&ageing.libraries[0], &request);
    let of =
        |name: &str| parameters.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone()).unwrap();
    assert_eq!(of("as_of"), Parameter::Date("2026-03-31".into()));
    assert_eq!(of("window_start"), Parameter::Date("2026-01-01".into()));
    for (start, before) in
        [("2026-01-01", "2025-10-01"), ("2026-05-31", "2026-02-28"), ("2024-05-31", "2024-02-29")]
    {
        let request = ask(&format!("periodStart={start}&periodEnd=2026-12-31"));
        assert_eq!(request.prior_start(), before);
    }
}

#[test]
fn a_report_has_counts_amounts_and_scores() {
    let request =
        ask("periodStart=2026-01&periodEnd=2026-01-31&groupBy=payer&groupBy=month&groupBy=facility");
    let answer = rows(&[
        ("p2", "Prairie", "2026-01", 5, 4, "1430.00", "840.00"),
        ("Organization/p1", "", "2026-01", 3, 2, "1720.0000", "496.005"),
        ("", "", "2026-02", 1, 1, "100", "60"),
        ("", "private", "2026-02", 1, 0, "1", "0"),
        ("p2", "Prairie again", "2026-02", 0, 0, "0", "0"),
    ]);
    let report = report(&request, &answer, "2026-04-01T00:00:00.000Z").unwrap();
    assert_eq!(report["measure"], format!("{BASE}/Measure/rcm-gross-collection-rate|1.0.0"));
    assert_eq!(report["period"], json!({"start": "2026-01", "end": "2026-01-31"}));
    let group = &report["group"][0];
    assert_eq!(group["code"]["coding"][0]["code"], "gross-collection-rate");
    assert_eq!(figures(group), ("7 1396.01 10 3251.00".into(), "0.429408".into()));
    let payers = strata(&group["stratifier"][0]);
    let expected = [
        ("Organization/p1 Organization/p1", "2 496.01 3 1720.00", "0.288375"),
        ("Organization/p2 Prairie", "4 840.00 5 1430.00", "0.587413"),
        ("SELF SELF", "1 60.00 1 100.00", "0.600000"),
        ("private private", "0 0.00 1 1.00", "0.000000"),
    ];
    assert_eq!(payers, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    let months: Vec<String> = strata(&group["stratifier"][1]).into_iter().map(|s| s.0).collect();
    assert_eq!(months, ["2026-01 2026-01", "2026-02 2026-02"]);
    assert_eq!(strata(&group["stratifier"][2])[0].0, "unknown unknown");
}

#[test]
fn an_empty_denominator_has_no_score() {
    let request = ask("periodStart=2030-01-01&periodEnd=2030-01-31&groupBy=payer");
    let report = report(&request, &rows(&[]), "2030-02-01T00:00:00.000Z").unwrap();
    assert_eq!(figures(&report["group"][0]), ("0 0.00 0 0.00".into(), "null".into()));
    let score = &report["group"][0]["measureScore"];
    assert_eq!(score["extension"][0]["valueCode"], "not-applicable");
    assert!(report["group"][0]["stratifier"][0].get("stratum").is_none());
}

#[test]
fn filters_leave_the_others_out() {
    let request = ask("periodStart=2026&periodEnd=2026&payer=Organization/p1,SELF");
    let answer = rows(&[
        ("p1", "", "", 1, 1, "10", "5"),
        ("p2", "", "", 1, 1, "1000", "5"),
        ("", "", "", 1, 0, "1", "0"),
        ("", "SELF", "", 1, 0, "0.01", "0"),
    ]);
    let report = report(&request, &answer, "2026-02-01T00:00:00.000Z").unwrap();
    assert_eq!(figures(&report["group"][0]), ("1 5.00 3 11.01".into(), "0.454133".into()));
}

#[test]
fn rows_of_another_shape_are_a_defect_not_a_panic() {
    let request = ask("periodStart=2026&periodEnd=2026");
    let mut answer = rows(&[("p1", "", "", 1, 1, "10", "5")]);
    answer.rows[0].truncate(9);
    assert_eq!(report(&request, &answer, "2026").unwrap_err().status(), 500);
    answer.columns.truncate(3);
    assert_eq!(report(&request, &answer, "2026").unwrap_err().status(), 500);
    let huge = rows(&[("", "", "", 1, 1, "79228162514264337593543950335", "5"); 2]);
    assert_eq!(report(&request, &huge, "2026").unwrap_err().status(), 422);
}

/// Counts and amounts of both populations, and the score.
fn figures(of: &Json) -> (String, String) {
    let side = |place: usize| {
        let population = &of["population"][place];
        format!("{} {}", population["count"], population["extension"][0]["valueMoney"]["value"])
    };
    (format!("{} {}", side(0), side(1)), of["measureScore"]["value"].to_string())
}

fn strata(stratifier: &Json) -> Vec<(String, String, String)> {
    let strata = stratifier["stratum"].as_array().unwrap().iter();
    strata
        .map(|stratum| {
            let value = &stratum["value"];
            let name = format!(
                "{} {}",
                value["coding"][0]["code"].as_str().unwrap(),
                value["text"].as_str().unwrap()
            );
            let (sides, score) = figures(stratum);
            (name, sides, score)
        })
        .collect()
}

#[test]
fn a_kept_report_says_again_what_was_asked() {
    let asked = "groupBy=payer&groupBy=month&asOf=2026-03-31&knownAt=2026-05-01T00:00:00.500Z&currency=CAD\
                 &timezone=America/Denver&minCell=3&windowDays=30&payer=SELF,Organization/p1&practitioner=Practitioner/x";
    let request = ask(&format!("periodStart=2026-01&periodEnd=2026-01-31&{asked}"));
    let kept = report(&request, &rows(&[]), "2026-06-01T00:00:00.000Z").unwrap();
    assert_eq!(measure_of(&kept).unwrap(), measure().canonical());
    let again = MeasureRequest::parse(measure(), &question_of(&kept).unwrap()).unwrap();
    assert_eq!(again, request);
    // Nothing more was asked: what was known when it was made counts.
    let request = ask("periodStart=2026-01&periodEnd=2026-01-31");
    let kept = report(&request, &rows(&[]), "2026-06-01T00:00:00.000Z").unwrap();
    assert!(kept.get("extension").is_none());
    let again = MeasureRequest::parse(measure(), &question_of(&kept).unwrap()).unwrap();
    assert_eq!(again.known_at, Some(1_780_272_000_000_999));
    assert_eq!(MeasureRequest { known_at: None, ..again }, request);
    assert_eq!(measure_of(&json!({})).unwrap_err().status(), 422);
    assert_eq!(question_of(&json!({ "period": { "start": "2026" } })).unwrap_err().status(), 422);
}
