//! The adjudication once more for the patient: an ExplanationOfBenefit in the shape of CARIN BB
//! (<https://hl7.org/fhir/R4/explanationofbenefit.html>,
//! <http://hl7.org/fhir/us/carin-bb/StructureDefinition/C4BB-ExplanationOfBenefit>).

use serde_json::{Map, Value, json};

use super::claim_response::without_nulls;
use super::{Context, Known};
use crate::model::{Remittance, RemittanceClaim};

/// What identifiers of a claim are.
const IDENTIFIER_TYPE: &str = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBIdentifierType";

/// The payer's side of paid, denied or partly paid.
const PAYER_STATUS: &str = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBPayerAdjudicationStatus";

/// What of a line the explanation repeats from the claim.
const OF_A_LINE: [&str; 12] = [
    "careTeamSequence",
    "diagnosisSequence",
    "revenue",
    "productOrService",
    "modifier",
    "servicedDate",
    "servicedPeriod",
    "locationCodeableConcept",
    "quantity",
    "unitPrice",
    "net",
    "bodySite",
];

/// What it repeats from the claim as a whole.
const OF_A_CLAIM: [&str; 9] = [
    "subType",
    "billablePeriod",
    "provider",
    "facility",
    "careTeam",
    "diagnosis",
    "procedure",
    "accident",
    "related",
];

/// The ExplanationOfBenefit beside a ClaimResponse; `None` for reversals, which explain nothing, and
/// for claims that are not known here.
pub fn explanation_of_benefit(
    context: &Context,
    remittance: &Remittance,
    claim: &RemittanceClaim,
    known: &Known,
    response: (&str, &Value),
) -> Option<Value> {
    let billed = known.resource.as_ref().filter(|_| !claim.is_reversal() && claim.status != "25")?;
    let (reference, response) = response;
    let mut explained = Map::new();
    let mut put = |name: &str, value: Value| explained.insert(name.to_owned(), value);
    put("resourceType", json!("ExplanationOfBenefit"));
    put("identifier", json!(identifiers(context, claim)));
    put("status", json!("active"));
    for name in [
        "type",
        "use",
        "patient",
        "created",
        "insurer",
        "outcome",
        "addItem",
        "adjudication",
        "total",
        "processNote",
    ] {
        put(name, response[name].clone());
    }
    for name in OF_A_CLAIM {
        put(name, billed[name].clone());
    }
    put("contained", json!(contained(billed)));
    put("claim", json!({ "reference": known.claim }));
    put("claimResponse", json!({ "reference": reference }));
    put(
        "payee",
        json!({
            "type": super::concept("http://terminology.hl7.org/CodeSystem/payeetype", "provider"),
            "party": context.requestor,
        }),
    );
    put("insurance", json!(insurance(billed)));
    put("item", json!(items(billed, response)));
    put(
        "payment",
        json!({
            "type": super::concept(PAYER_STATUS, status(claim)),
            "date": remittance.payment.date.map(|day| day.to_string()),
            "amount": response["payment"]["amount"],
            "identifier": { "value": remittance.trace.number },
        }),
    );
    let whole = without_nulls(Value::Object(explained));
    // A claim that names no coverage or provider cannot be explained in this form.
    let has = |name: &str| {
        whole.get(name).is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()))
    };
    (has("insurance") && has("provider")).then_some(whole)
}

/// What the repeated parts may point to inside of the claim.
fn contained(billed: &Value) -> Option<Vec<&Value>> {
    let all = super::list(billed, "contained").filter(|one| one["id"] != super::RESIDUAL);
    Some(all.collect::<Vec<_>>()).filter(|list| !list.is_empty())
}

fn identifiers(context: &Context, claim: &RemittanceClaim) -> Option<Value> {
    let number = claim.payer_claim.as_ref()?;
    Some(json!([{
        "type": { "coding": [{ "system": IDENTIFIER_TYPE, "code": "uc" }] },
        "system": format!("{}/payer-claim-control-number", context.base),
        "value": number,
    }]))
}

fn status(claim: &RemittanceClaim) -> &'static str {
    let is_denied = |one: &crate::model::Adjustment| one.group != "PR" && one.reason != "45";
    match claim.paid.is_zero() {
        true if claim.all_adjustments().any(is_denied) => "denied",
        true => "paid",
        false if claim.all_adjustments().any(is_denied) => "partiallypaid",
        false => "paid",
    }
}

fn insurance(billed: &Value) -> Vec<Value> {
    let all = billed["insurance"].as_array().into_iter().flatten();
    all.filter(|one| one["coverage"].is_object())
        .map(|one| json!({ "focal": one["focal"], "coverage": one["coverage"], "preAuthRef": one["preAuthRef"] }))
        .collect()
}

/// Lines of the claim with what was decided on each; lines without a decision are left out.
fn items(billed: &Value, response: &Value) -> Option<Vec<Value>> {
    let line = |decided: &Value| {
        let own = billed["item"].as_array()?.iter().find(|own| own["sequence"] == decided["itemSequence"])?;
        let mut item = Map::new();
        item.insert("sequence".into(), own["sequence"].clone());
        for name in OF_A_LINE {
            item.insert(name.into(), own[name].clone());
        }
        item.insert("adjudication".into(), decided["adjudication"].clone());
        Some(Value::Object(item))
    };
    let list: Vec<Value> = response["item"].as_array()?.iter().filter_map(line).collect();
    Some(list).filter(|list| !list.is_empty())
}
