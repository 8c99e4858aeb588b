use serde_json::{Value, json};

use super::{
    Context, Entries, Known, KnownLine, RESIDUAL, acknowledgement_response, claim_response, claims,
    explanation_of_benefit, payment_reconciliation, residual, to_claim_set,
};
use crate::Raw;
use crate::model::{Adjustment, ClaimSet, ClaimStatus, Remittance, RemittanceClaim, Status, StatusReport};
use crate::tests::{CLAIM, REMITTANCE, canonical, each_tree};
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
        codes: vec![code.into()],
        service: Date::new(2026, 1, 5),
        charge: None,
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
fn interest_is_paid_and_not_allowed() {
    let mut remittance = remittance();
    let claim = &mut remittance.claims[0];
    let line = &mut claim.lines[0];
    let five = decimal(b"5").expect("an amount");
    line.amounts.clear();
    line.paid += five;
    let interest = Adjustment { group: "CO".into(), reason: "225".into(), amount: -five, quantity: None };
    line.adjustments.push(interest);
    let response = claim_response(&context(), &remittance, &remittance.claims[0], &known());
    let rows = &response["item"][0]["adjudication"];
    assert_eq!(
        (amounts(rows, "benefit"), amounts(rows, "eligible")),
        (vec!["75.00".into()], vec!["90.00".into()])
    );
}

#[test]
fn procedures_are_told_apart_by_their_level() {
    for (qualifier, code, system) in [
        ("HC", "99213", Some("http://www.ama-assn.org/go/cpt")),
        ("HC", "0001F", Some("http://www.ama-assn.org/go/cpt")),
        ("HC", "J1885", Some("http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets")),
        ("AD", "D1110", Some("http://www.ada.org/cdt")),
        ("ZZ", "X", None),
    ] {
        assert_eq!(super::claim_response::code_system(qualifier, code), system, "{qualifier} {code}");
    }
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

/// The claims of a file as resources, each with what it refers to.
fn taken_in(set: &ClaimSet) -> (Vec<Value>, Entries) {
    let mut entries = Entries::default();
    let mut list: Vec<Value> =
        claims("https://x", set, &mut entries).into_iter().map(|one| one.resource).collect();
    for (claim, source) in list.iter_mut().zip(&set.claims) {
        if let Some((text, _)) = residual(set, source) {
            let data = remit_fhir::base64::encode(&text);
            claim["contained"] = json!([{ "resourceType": "Binary", "id": RESIDUAL, "data": data }]);
        }
    }
    (list, entries)
}

/// Segments of a claim without those of the envelope, of levels and of the sender.
fn own(set: &ClaimSet) -> Vec<String> {
    let all = set.write().into_iter().skip_while(|raw| raw.id() != "HL");
    canonical(all.filter(|raw| raw.id() != "HL").collect::<Vec<Raw>>())
}

fn comes_back(name: &str, set: &ClaimSet) {
    let (list, entries) = taken_in(set);
    let find = |key: &str| entries.list.iter().find(|one| one.key == key).map(|one| one.resource.clone());
    for (claim, source) in list.iter().zip(&set.claims) {
        let back = to_claim_set("https://x", claim, &find).unwrap_or_else(|why| panic!("{name}: {why}"));
        let before = ClaimSet { claims: vec![source.clone()], ..set.clone() };
        assert_eq!(own(&back), own(&before), "{name}");
    }
}

#[test]
fn a_claim_comes_back_as_it_went_in() {
    each_tree(CLAIM.as_bytes(), |tree| {
        let set = ClaimSet::read(tree).expect("a claim");
        comes_back("the claim", &set);
        let (list, entries) = taken_in(&set);
        let claim = &list[0];
        assert!(claim.get("contained").is_none(), "everything of a plain claim has its place");
        assert_eq!(claim["identifier"][0]["value"], "C1");
        assert_eq!(claim["total"]["value"].to_string(), "200.00");
        assert_eq!(claim["created"], "2026-01-08");
        assert_eq!(claim["item"][0]["diagnosisSequence"], json!([1, 2]));
        assert_eq!(claim["item"][0]["modifier"][0]["coding"][0]["code"], "25");
        assert_eq!(claim["diagnosis"][1]["diagnosisCodeableConcept"]["coding"][0]["code"], "R50.9");
        assert_eq!(claim["careTeam"][0]["role"]["coding"][0]["code"], "rendering");
        assert_eq!(claim["insurance"][0]["focal"], true);
        let types: Vec<_> = entries.list.iter().map(|one| one.ty).collect();
        assert_eq!(types, ["Organization", "Patient", "Organization", "Coverage", "Practitioner"]);
        let known = Known::of("https://x", "Claim/1".into(), claim);
        assert_eq!(known.lines[0].control.as_deref(), Some("C1L1"));
    });
}

#[test]
fn claims_of_public_files_come_back_whole() {
    for (name, text) in crate::tests::corpus::files() {
        each_tree(&text, |tree| {
            let Some(set) = ClaimSet::read(tree) else { return };
            // Each by itself: in some of these files one number names two parties, and the first one's
            // details stand for both.
            for claim in &set.claims {
                comes_back(&name, &ClaimSet { claims: vec![claim.clone()], ..set.clone() });
            }
        });
    }
}

#[test]
fn a_claim_that_was_changed_is_written_as_it_is_now() {
    each_tree(CLAIM.replace("CLM*C1*", "CLM*C9*").as_bytes(), |tree| {
        let set = ClaimSet::read(tree).expect("a claim");
        let (list, entries) = taken_in(&set);
        let find = |key: &str| entries.list.iter().find(|one| one.key == key).map(|one| one.resource.clone());
        let mut claim = list[0].clone();
        claim["item"][0]["net"]["value"] = json!(130);
        claim["total"]["value"] = json!(210);
        let back = to_claim_set("https://x", &claim, &find).expect("a claim");
        assert_eq!(back.claims[0].total.to_string(), "210");
        assert_eq!(back.claims[0].lines[0].charge.to_string(), "130");
        assert_eq!(back.claims[0].lines[1], set.claims[0].lines[1]);
    });
}

#[test]
fn an_explanation_repeats_the_claim_with_what_was_decided() {
    let remittance = remittance();
    each_tree(CLAIM.as_bytes(), |tree| {
        let set = ClaimSet::read(tree).expect("a claim");
        let (list, _) = taken_in(&set);
        let context = context();
        let known = Known::of("https://x", "Claim/c1".into(), &list[0]);
        let claim = &remittance.claims[0];
        let response = claim_response(&context, &remittance, claim, &known);
        let of =
            |response: &Value| explanation_of_benefit(("ClaimResponse/r", response), ("Claim/c1", &list[0]));
        let explained = of(&response).expect("an explanation");
        assert_eq!(explained["claim"]["reference"], "Claim/c1");
        assert_eq!(explained["payment"]["type"]["coding"][0]["code"], "paid");
        assert_eq!(explained["identifier"][0]["value"], "P2-778");
        assert_eq!(explained["claimResponse"]["reference"], "ClaimResponse/r");
        assert_eq!(explained["item"][0]["productOrService"], list[0]["item"][0]["productOrService"]);
        assert_eq!(amounts(&explained["item"][1]["adjudication"], "benefit"), ["50.00"]);
        assert_eq!(explained["payment"]["amount"]["value"].to_string(), "120.00");
        for status in ["22", "25"] {
            let other = RemittanceClaim { status: status.into(), ..claim.clone() };
            let response = claim_response(&context, &remittance, &other, &known);
            assert_eq!(of(&response), None, "{status}");
        }
    });
}
