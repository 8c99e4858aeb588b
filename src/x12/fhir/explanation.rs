//! The adjudication once more for the patient: an ExplanationOfBenefit in the shape of CARIN BB
//! (<https://hl7.org/fhir/R4/explanationofbenefit.html>,
//! <http://hl7.org/fhir/us/carin-bb/StructureDefinition/C4BB-ExplanationOfBenefit>).

use serde_json::{Map, Value, json};

use super::claim_response::without_nulls;

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

/// What the explanation repeats from the answer.
const OF_A_RESPONSE: [&str; 10] = [
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

/// The ExplanationOfBenefit beside a ClaimResponse, made of it and of the claim that it is about, so
/// that it is the same whichever of both came first. `None` for what is no final decision: reversals,
/// predeterminations, acknowledgements.
pub fn explanation_of_benefit(response: (&str, &Value), claim: (&str, &Value)) -> Option<Value> {
    let ((reference, response), (claim, billed)) = (response, claim);
    let is_final = response["outcome"] == "complete" && response["use"] == "claim";
    if !is_final || is_reversal(response) {
        return None;
    }
    let mut explained = Map::new();
    let mut put = |name: &str, value: Value| explained.insert(name.to_owned(), value);
    put("resourceType", json!("ExplanationOfBenefit"));
    put("identifier", json!(identifiers(response)));
    put("status", json!("active"));
    for name in OF_A_RESPONSE {
        put(name, response[name].clone());
    }
    for name in OF_A_CLAIM {
        put(name, billed[name].clone());
    }
    put("contained", json!(contained(billed)));
    put("claim", json!({ "reference": claim }));
    put("claimResponse", json!({ "reference": reference }));
    put(
        "payee",
        json!({
            "type": super::concept("http://terminology.hl7.org/CodeSystem/payeetype", "provider"),
            "party": response["requestor"],
        }),
    );
    put("insurance", json!(insurance(billed)));
    put("item", json!(items(billed, response)));
    let mut payment = response["payment"].clone();
    payment["type"] = super::concept(PAYER_STATUS, status(response));
    put("payment", payment);
    let whole = without_nulls(Value::Object(explained));
    // A claim that names no coverage or provider cannot be explained in this form.
    let has = |name: &str| {
        whole.get(name).is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()))
    };
    (has("insurance") && has("provider")).then_some(whole)
}

/// Whether a ClaimResponse takes back an earlier one.
pub fn is_reversal(response: &Value) -> bool {
    super::list(response, "extension").any(|one| {
        let url = one["url"].as_str().unwrap_or_default();
        url.ends_with("/rcm-claim-status-code") && one["valueCode"] == "22"
    })
}

/// What the repeated parts may point to inside of the claim.
fn contained(billed: &Value) -> Option<Vec<&Value>> {
    let all = super::list(billed, "contained").filter(|one| one["id"] != super::RESIDUAL);
    Some(all.collect::<Vec<_>>()).filter(|list| !list.is_empty())
}

/// The payer's number of the claim.
fn identifiers(response: &Value) -> Option<Value> {
    let mut number = response["identifier"].get(0)?.clone();
    number["type"] = super::concept(IDENTIFIER_TYPE, "uc");
    Some(json!([number]))
}

fn status(response: &Value) -> &'static str {
    let lines = ["item", "addItem"].into_iter().flat_map(|name| super::list(response, name));
    let mut rows = lines.chain([response]).flat_map(|one| super::list(one, "adjudication"));
    let is_denied = rows.any(|row| {
        let group = &row["category"]["coding"][0];
        group["system"] == super::GROUPS
            && group["code"] != "PR"
            && row["reason"]["coding"][0]["code"] != "45"
    });
    let paid = super::decimal_of(&response["payment"]["amount"]["value"]).unwrap_or_default();
    match (paid.is_zero(), is_denied) {
        (true, true) => "denied",
        (false, true) => "partiallypaid",
        (_, false) => "paid",
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
