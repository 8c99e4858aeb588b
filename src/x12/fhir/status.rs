//! What a 277CA says of a claim as a ClaimResponse: taken in, or rejected before adjudication.

use serde_json::{Value, json};

use super::claim_response::without_nulls;
use super::{Context, Known, concept};
use crate::model::{Acceptance, ClaimStatus, Status, StatusReport};

const CATEGORIES: &str = "https://x12.org/codes/claim-status-category-codes";
const STATUSES: &str = "https://x12.org/codes/claim-status-codes";

/// The ClaimResponse of a claim of a 277CA; `None` when it says neither accepted nor rejected.
pub fn acknowledgement_response(
    context: &Context,
    report: &StatusReport,
    claim: &ClaimStatus,
    known: &Known,
) -> Option<Value> {
    let outcome = match claim.acceptance() {
        Acceptance::Accepted => "queued",
        Acceptance::Rejected => "error",
        Acceptance::Other => return None,
    };
    let lines = claim.lines.iter().flat_map(|line| &line.statuses);
    let all: Vec<&Status> = claim.statuses.iter().chain(lines).collect();
    let messages: Vec<&str> = all.iter().filter_map(|status| status.message.as_deref()).collect();
    let errors: Vec<Value> = all
        .iter()
        .filter(|status| status.acceptance() == Acceptance::Rejected)
        .flat_map(|status| &status.codes)
        .map(|(category, status, _)| {
            json!({ "code": { "coding": [
                { "system": CATEGORIES, "code": category },
                { "system": STATUSES, "code": status },
            ] } })
        })
        .collect();
    let request = match &known.claim {
        Some(reference) => json!({ "reference": reference }),
        None => json!({ "type": "Claim", "identifier": {
            "system": format!("{}/patient-control-number", context.base), "value": claim.id,
        } }),
    };
    let system = format!("{}/payer-claim-control-number", context.base);
    let number = claim.reference("1K").map(|value| json!([{ "system": system, "value": value }]));
    Some(without_nulls(json!({
        "resourceType": "ClaimResponse",
        "identifier": number,
        "status": "active",
        "type": concept("http://terminology.hl7.org/CodeSystem/claim-type", &known.kind),
        "use": "claim",
        "patient": known.patient,
        "created": report.date.map(|day| day.to_string()),
        "insurer": context.insurer,
        "requestor": context.requestor,
        "request": request,
        "outcome": outcome,
        "disposition": (!messages.is_empty()).then(|| messages.join(" ")),
        "error": (!errors.is_empty()).then_some(errors),
    })))
}
