use serde_json::{Value, json};

use super::{Context, Known, KnownLine, acknowledgement_response, claim_response, payment_reconciliation};
use crate::model::{ClaimStatus, Remittance, RemittanceClaim, Status, StatusReport};
use crate::tests::{REMITTANCE, each_tree};
use crate::value::{Date, decimal};

fn context() -> Context {
    Context {
        base: "https://remit.example/fhir/rcm".into(),
        currency: "USD".into(),
        insurer: json!({ "reference": "Organization/P2" }),
        requestor: json!({ "reference": "Organization/cedar" }),
    }
}

fn remittance() -> Remittance {
    let mut read = None;
    each_tree(REMITTANCE.as_bytes(), |tree| read = Remittance::read(tree));
    read.expect("an 835")
}

fn known() -> Known {
    let line = |sequence: u32, control: Option<&str>, code: &str| KnownLine {
        sequence,
        control: control.map(str::to_owned),
        code: code.into(),
        service: Date::new(2026, 1, 5),
    };
    Known {
        claim: Some("Claim/c1".into()),
        patient: json!({ "reference": "Patient/p1" }),
        kind: "professional".into(),
        lines: vec![line(1, Some("C1L1"), "99213"), line(2, None, "87880")],
    }
}

/// Amounts of rows with a category code, as text.
fn amounts(rows: &Value, code: &str) -> Vec<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let of_code = rows.iter().filter(|row| row["category"]["coding"][0]["code"] == code);
    of_code.map(|row| row["amount"]["value"].to_string()).collect()
}

#[test]
fn a_claim_of_a_remittance_is_a_claim_response() {
    let remittance = remittance();
    let response = claim_response(&context(), &remittance, &remittance.claims[0], &known());
    assert_eq!(response["outcome"], "complete");
    assert_eq!(response["request"]["reference"], "Claim/c1");
    assert_eq!(response["identifier"][0]["value"], "P2-778");
    assert_eq!(response["extension"][0]["valueCode"], "1");
    assert_eq!(response["created"], "2026-01-20");
    assert_eq!(response["payment"]["amount"]["value"].to_string(), "120.00");
    let [first, second] = [&response["item"][0], &response["item"][1]];
    assert_eq!((&first["itemSequence"], &second["itemSequence"]), (&json!(1), &json!(2)));
    let rows = &first["adjudication"];
    for (code, expected) in [
        ("submitted", "120.00"),
        ("eligible", "90.00"),
        ("coinsurance", "20.00"),
        ("benefit", "70.00"),
        ("CO", "30.00"),
        ("PR", "20.00"),
    ] {
        assert_eq!(amounts(rows, code), [expected], "{code}");
    }
    assert_eq!(response["processNote"][0]["text"], "N130");
    assert!(response.get("addItem").is_none() && response.get("adjudication").is_none());
}

#[test]
fn lines_that_fit_no_line_of_the_claim_are_added() {
    let remittance = remittance();
    let response = claim_response(&context(), &remittance, &remittance.claims[0], &Known::default());
    assert!(response.get("item").is_none());
    assert_eq!(response["addItem"].as_array().map(Vec::len), Some(2));
    assert_eq!(response["request"]["identifier"]["value"], "C1");
    assert_eq!(response["addItem"][0]["productOrService"]["coding"][0]["code"], "99213");
}

#[test]
fn a_payment_has_a_detail_for_each_claim_and_takeback() {
    let remittance = remittance();
    let links = [(Some("Claim/c1".to_owned()), "ClaimResponse/r1".to_owned())];
    let payment = payment_reconciliation(&context(), &remittance, &links);
    assert_eq!(payment["paymentAmount"]["value"].to_string(), "95.00");
    assert_eq!(payment["paymentDate"], "2026-01-21");
    assert_eq!(payment["paymentIdentifier"]["value"], "EFT1001");
    assert_eq!(payment["detail"][0]["amount"]["value"].to_string(), "120.00");
    assert_eq!(payment["detail"][0]["response"]["reference"], "ClaimResponse/r1");
    assert_eq!(payment["detail"][1]["amount"]["value"].to_string(), "-25.00");
    assert_eq!(payment["detail"][1]["type"]["coding"][1]["code"], "WO");
    assert_eq!(payment["detail"][1]["identifier"]["value"], "OLD25");
}

#[test]
fn a_reversal_is_negative_and_names_what_it_takes_back() {
    let mut remittance = remittance();
    let amount = |text: &str| decimal(text.as_bytes()).expect("an amount");
    remittance.claims = vec![RemittanceClaim {
        id: "C2".into(),
        status: "22".into(),
        charge: amount("-300"),
        payer_claim: Some("P2-2".into()),
        ..RemittanceClaim::default()
    }];
    let response = claim_response(&context(), &remittance, &remittance.claims[0], &known());
    assert_eq!(response["extension"][0]["valueCode"], "22");
    assert_eq!(amounts(&response["adjudication"], "submitted"), ["-300.00"]);
    let payment = payment_reconciliation(&context(), &remittance, &[(None, "ClaimResponse/r2".into())]);
    assert_eq!(payment["detail"][0]["predecessor"]["value"], "P2-2");
}

#[test]
fn a_rejection_is_an_error_and_acceptance_waits() {
    let claim = |category: &str| ClaimStatus {
        id: "C4".into(),
        statuses: vec![Status { codes: vec![(category.into(), "562".into(), None)], ..Status::default() }],
        ..ClaimStatus::default()
    };
    let answer = |category: &str| {
        acknowledgement_response(&context(), &StatusReport::default(), &claim(category), &known())
    };
    let rejected = answer("A7").expect("a rejection");
    assert_eq!(
        (&rejected["outcome"], rejected["error"].as_array().map(Vec::len)),
        (&json!("error"), Some(1))
    );
    assert_eq!(answer("A2").expect("an acceptance")["outcome"], "queued");
    assert_eq!(answer("F1"), None);
}
