//! The Juniper Practice: the figures before a claim is sent and after it is paid, worked out by hand
//! (`juniper/expected.json`), on both databases; the lists behind them; what breaks when a rule is broken;
//! and the figures of the Cedar Clinic by formulas that are known to be wrong.

use crate::cedar::{self, differences, drill, figure, items, load, parsed, report};
use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use serde_json::{Value, json};

const PRACTICE: &str = include_str!("juniper/practice.json");
const EXPECTED: &str = include_str!("juniper/expected.json");

/// Every measure that only this practice has something for.
const MEASURES: &[&str] = &[
    "rcm-pre-registration-rate",
    "rcm-insurance-verification-rate",
    "rcm-uninsured-conversion",
    "rcm-service-authorization-rate",
    "rcm-schedule-occupancy",
    "rcm-no-show-rate",
    "rcm-charge-lag",
    "rcm-encounter-to-claim",
    "rcm-unbilled-days",
    "rcm-late-charges",
    "rcm-timely-filing-loss",
    "rcm-timely-filing-limit",
    "rcm-prior-authorization",
    "rcm-prior-authorization-time",
    "rcm-credit-balance",
    "rcm-net-days-in-ar",
    "rcm-auto-post-rate",
    "rcm-clinic-day-productivity",
    "rcm-claim-data-quality",
    "rcm-denial-rate-seed-compat",
    "rcm-days-in-ar-seed-compat",
];

/// Runs a check on a server of each database with these Bundles.
fn with(bundles: &[&str], check: impl Fn(&mut Client)) {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        load(&mut client, bundles);
        check(&mut client);
    }
}

fn faults(client: &mut Client, all: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for expected in all.as_array().expect("a list") {
        let text = |name: &str| expected[name].as_str().unwrap_or_default();
        let report = report(client, text("measure"), &expected["ask"]);
        let found = figure(&report, text("group"), &expected["stratum"]);
        let told = match found {
            None => vec!["there is no such figure".to_owned()],
            Some(found) => differences(found, expected),
        };
        faults.extend(told.into_iter().map(|fault| format!("{}: {fault}", text("what"))));
    }
    faults
}

#[test]
fn every_figure_of_the_juniper_practice_is_as_worked_out_by_hand() {
    with(&[PRACTICE], |client| {
        let faults = faults(client, &parsed(EXPECTED));
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    });
}

#[test]
fn every_number_of_the_juniper_practice_leads_to_what_is_behind_it() {
    let cases: [(&str, &str, &str); 16] = [
        ("rcm-pre-registration-rate", "pre-registration-rate", "Encounter/V1 Encounter/V10 Encounter/V4"),
        ("rcm-insurance-verification-rate", "numerator", "Encounter/V1 Encounter/V10 Encounter/V4"),
        ("rcm-uninsured-conversion", "denominator", "Encounter/V3 Encounter/V4 Encounter/V5"),
        ("rcm-no-show-rate", "numerator", "Appointment/AP11 Appointment/AP12"),
        ("rcm-schedule-occupancy", "numerator", "Slot/SL1 Slot/SL5"),
        (
            "rcm-charge-lag",
            "mean",
            "ChargeItem/CH1 ChargeItem/CH2 ChargeItem/CH3 ChargeItem/CH4 ChargeItem/CH5 ChargeItem/CH8",
        ),
        ("rcm-encounter-to-claim", "unbilled", "Encounter/V4 Encounter/V5 Encounter/V6"),
        ("rcm-unbilled-days", "dnfb", "ChargeItem/CH4"),
        ("rcm-unbilled-days", "dnsp", "ChargeItem/CH4 Claim/CLD"),
        ("rcm-timely-filing-limit", "near-limit", "Claim/CL6"),
        ("rcm-prior-authorization", "denied&stratum=urgency%7Cstandard", "Claim/PR2"),
        ("rcm-credit-balance", "credits", "Claim/CL1 Encounter/V3"),
        (
            "rcm-payment-adjustments",
            "recoupments",
            "PaymentReconciliation/era-0415 PaymentReconciliation/era-0420",
        ),
        ("rcm-auto-post-rate", "numerator", "ClaimResponse/R1"),
        ("rcm-claim-data-quality", "failures", "Claim/CL2 Claim/CL3 Claim/CL5 Claim/CL6 Claim/CL8"),
        (
            "rcm-net-days-in-ar",
            "denominator",
            "Claim/CL1 Claim/CL2 Claim/CL3 Claim/CL6 Claim/CL8 Encounter/V3",
        ),
    ];
    with(&[PRACTICE], |client| {
        for (measure, population, expected) in cases {
            let target = format!(
                "Measure/{measure}/$rcm-drilldown?periodStart=2026-04-01&periodEnd=2026-04-30&_count=2&population={population}"
            );
            let found: Vec<String> = drill(client, &target).into_iter().map(|(id, ..)| id).collect();
            assert_eq!(found.join(" "), expected, "{target}");
        }
    });
}

#[test]
fn what_the_record_does_not_hold_is_told_and_never_a_zero() {
    let ask = json!({ "periodStart": "1990-01-01", "periodEnd": "1990-01-31" });
    with(&[PRACTICE], |client| {
        for measure in MEASURES {
            let report = report(client, measure, &ask);
            let groups: Vec<&Value> = items(&report, "group").collect();
            for group in groups.iter().filter(|group| group["population"].as_array().map_or(0, Vec::len) > 1)
            {
                assert!(group["measureScore"]["value"].is_null(), "{measure}: {group}");
                assert_eq!(group["measureScore"]["extension"][0]["valueCode"], "not-applicable", "{measure}");
            }
        }
        // Nobody says of a service of that time that it needs an authorization.
        let report = report(client, "rcm-service-authorization-rate", &ask);
        let told = &report["group"][0]["extension"][0];
        assert_eq!(told["url"], "https://remit.example/fhir/rcm/StructureDefinition/rcm-missing-input");
        assert!(
            told["valueString"].as_str().is_some_and(|text| text.contains("CoverageEligibilityResponse"))
        );
    });
}

#[test]
fn inputs_that_a_measure_cannot_use_are_refused() {
    let period = "periodStart=2026-04-01&periodEnd=2026-04-30";
    with(&[PRACTICE], |client| {
        for (measure, inputs, at) in [
            ("rcm-net-days-in-ar", "npsr=2160&groupBy=payer", "npsr"),
            ("rcm-net-days-in-ar", "npsr=2160&facility=Location/north", "npsr"),
            ("rcm-credit-balance", "npsr=0", "npsr"),
            ("rcm-credit-balance", "npsr=-1", "npsr"),
            ("rcm-no-show-rate", "npsr=1", "npsr"),
            ("rcm-no-show-rate", "withinDays=1", "withinDays"),
            ("rcm-late-charges", "withinDays=-1", "withinDays"),
            ("rcm-late-charges", "withinDays=3661", "withinDays"),
            ("rcm-no-show-rate", "groupBy=payer", "groupBy"),
            ("rcm-pre-registration-rate", "payer=Organization/Q1", "payer"),
            ("rcm-payment-adjustments", "facility=Location/north", "facility"),
        ] {
            let answer = client.get(&format!("Measure/{measure}/$evaluate-measure?{period}&{inputs}"));
            let answer = answer.expect(400).json();
            assert_eq!(answer["issue"][0]["expression"][0], at, "{measure} {inputs}: {answer}");
        }
    });
}

type Change = fn(&mut Value);

/// A resource, a change to it, and what a figure must then be: measure, group, values.
fn broken_rules() -> Vec<(&'static str, Change, &'static str, &'static str, Value)> {
    vec![
        (
            "ConceptMap/authorization-q2",
            |map| map["status"] = json!("retired"),
            "rcm-service-authorization-rate",
            "service-authorization-rate",
            json!({ "denominator": { "count": 2 }, "score": "0.5000" }),
        ),
        (
            "ClaimResponse/PD1",
            |answer| answer["preAuthPeriod"]["end"] = json!("2026-04-01"),
            "rcm-service-authorization-rate",
            "service-authorization-rate",
            json!({ "numerator": { "count": 0 } }),
        ),
        (
            "Task/appeal-pr2",
            |task| task["status"] = json!("cancelled"),
            "rcm-prior-authorization",
            "approved-after-appeal",
            json!({ "numerator": { "count": 0 } }),
        ),
        (
            "Task/unknown-ru",
            |task| task["status"] = json!("entered-in-error"),
            "rcm-auto-post-rate",
            "auto-post-rate",
            json!({ "score": "0.6667" }),
        ),
        (
            "CoverageEligibilityResponse/EL3",
            |answer| answer["created"] = json!("2026-04-08T15:01:00Z"),
            "rcm-insurance-verification-rate",
            "insurance-verification-rate",
            json!({ "numerator": { "count": 2 } }),
        ),
        (
            "Coverage/cov-d",
            |coverage| coverage["status"] = json!("entered-in-error"),
            "rcm-uninsured-conversion",
            "uninsured-conversion",
            json!({ "numerator": { "count": 0 }, "denominator": { "count": 2 } }),
        ),
        (
            "Contract/contract-q1",
            |contract| contract["extension"][0]["extension"][1]["valueDuration"]["value"] = json!(1),
            "rcm-timely-filing-limit",
            "near-limit",
            json!({ "numerator": { "count": 1, "amount": "250.00" } }),
        ),
        (
            "Contract/contract-q1",
            |contract| contract["status"] = json!("revoked"),
            "rcm-timely-filing-limit",
            "without-limit",
            json!({ "numerator": { "count": 3, "amount": "440.00" } }),
        ),
    ]
}

#[test]
fn broken_rules_show_in_the_front_office_too() {
    let ask = json!({ "periodStart": "2026-04-01", "periodEnd": "2026-04-30" });
    with(&[PRACTICE], |client| {
        for (target, change, measure, group, expected) in &broken_rules() {
            let mut resource = client.get(target).expect(200).json();
            change(&mut resource);
            client.put(target, &resource).expect(200);
            let report = report(client, measure, &ask);
            let faults = differences(figure(&report, group, &Value::Null).expect("the group"), expected);
            assert!(faults.is_empty(), "{target} {measure}: {}", faults.join(", "));
        }
    });
}

#[test]
fn denials_can_be_set_against_the_three_months_before() {
    let ask = json!({ "periodStart": "2026-01-01", "periodEnd": "2026-01-31", "asOf": "2026-03-31" });
    // Before January there are O1 and O2 of October and December; in it, four are denied.
    let all = json!([
        { "what": "volume", "measure": "rcm-initial-denial-rate-3m", "group": "volume", "ask": ask,
          "score": "6.0000", "numerator": { "count": 4 }, "denominator": { "count": 2 } },
        { "what": "claims", "measure": "rcm-initial-denial-rate-3m", "group": "dollars-claim", "ask": ask,
          "score": "2.7600", "numerator": { "amount": "1380.00" }, "denominator": { "amount": "1500.00" } },
        { "what": "lines", "measure": "rcm-initial-denial-rate-3m", "group": "dollars-line", "ask": ask,
          "score": "2.1600", "numerator": { "amount": "1080.00" } },
    ]);
    with(&[cedar::PRACTICE, cedar::JANUARY, cedar::LATER], |client| {
        let faults = faults(client, &all);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    });
}

#[test]
fn known_wrong_formulas_stand_under_their_own_names() {
    let denials = json!({ "periodStart": "2026-01-01", "periodEnd": "2026-01-31", "asOf": "2026-03-31" });
    // Claims C1 C2 C3 C3s C4 C4b C5 C6 C6v C7 C8 C9 C10; the newest answers deny C5 and C10.
    let all = json!([
        { "what": "denials by claim", "measure": "rcm-denial-rate-seed-compat", "group": "denial-rate", "ask": denials,
          "score": "15.3846", "numerator": { "count": 2 }, "denominator": { "count": 13 } },
        { "what": "a month of 30 days", "measure": "rcm-days-in-ar-seed-compat", "group": "gross", "ask": denials,
          "score": "23.8", "numerator": { "amount": "3014.00" }, "denominator": { "amount": "3800.00" } },
        { "what": "the right one", "measure": "rcm-days-in-ar", "group": "gross", "ask": denials, "score": "71.4" },
        { "what": "the right one", "measure": "rcm-initial-denial-rate", "group": "volume", "ask": denials, "score": "0.5000" },
    ]);
    with(&[cedar::PRACTICE, cedar::JANUARY, cedar::LATER], |client| {
        let faults = faults(client, &all);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let report = report(client, "rcm-denial-rate-seed-compat", &denials);
        assert_eq!(report["group"][0]["measureScore"]["unit"], "%");
    });
}

/// Rows of `rcm-facility-month` with more charges than these.
fn facility_months(client: &mut Client, charges: &str) -> Vec<Value> {
    let values = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "as_of", "valueDate": "2026-03-31" }, { "name": "currency", "valueCode": "USD" },
        { "name": "timezone", "valueCode": "America/Denver" }, { "name": "minCharges", "valueDecimal": parsed(charges) } ] });
    let body = json!({ "resourceType": "Parameters", "parameter": [
        { "name": "subjectCanonical", "valueCanonical": "https://remit.example/fhir/rcm/Library/facility-month" },
        { "name": "_format", "valueCode": "json" }, { "name": "parameters", "resource": values } ] });
    client.post("$sql-run", &body).expect(200).json().as_array().expect("rows").clone()
}

#[test]
fn facilities_by_month_count_a_claim_with_two_payers_once() {
    with(&[cedar::PRACTICE, cedar::JANUARY, cedar::LATER], |client| {
        let rows = facility_months(client, "1000");
        assert_eq!(rows.len(), 1, "{rows:?}");
        // January: the charges of E1 to E5 and E8 to E10. E3 was paid by two payers: 500 once, not twice.
        let january = &rows[0];
        for (column, expected) in [
            ("month", "\"2026-01\""),
            ("charges", "3150"),
            ("payments", "1336"),
            ("collection_rate", "0.424127"),
            ("encounters", "8"),
            ("patients", "8"),
            ("mean_payment_days", "25.5"),
        ] {
            let found = january[column].to_string();
            let same = match (found.parse::<rust_decimal::Decimal>(), expected.parse()) {
                (Ok(found), Ok(expected)) => found == expected,
                _ => found == expected,
            };
            assert!(same, "{column}: {found} instead of {expected}");
        }
        let mut months: Vec<String> =
            facility_months(client, "999.99").iter().map(|row| row["month"].to_string()).collect();
        months.sort();
        assert_eq!(months, ["\"2025-10\"", "\"2026-01\""]);
    });
}
