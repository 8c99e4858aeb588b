//! One CLP of a remittance as a ClaimResponse.

use serde_json::{Value, json};

use super::adjudication::{Decided, rows};
use super::{ADJUDICATION, CARIN_ADJUDICATION, Context, Known, KnownLine, concept};
use crate::model::{Remittance, RemittanceClaim, RemittanceLine};
use crate::value::Decimal;

/// The ClaimResponse of a claim of a remittance. A reversal has its own, with negative amounts.
pub fn claim_response(
    context: &Context,
    remittance: &Remittance,
    claim: &RemittanceClaim,
    known: &Known,
) -> Value {
    let currency = remittance.currency.as_deref();
    let created = remittance.produced.or(remittance.payment.date);
    let mut response = json!({
        "resourceType": "ClaimResponse",
        "extension": [context.extension("rcm-claim-status-code", &claim.status)],
        "status": "active",
        "type": concept("http://terminology.hl7.org/CodeSystem/claim-type", &known.kind),
        "use": "claim",
        "patient": known.patient,
        "created": created.map(|day| day.to_string()),
        "insurer": context.insurer,
        "requestor": context.requestor,
        "request": request(context, claim, known),
        "outcome": "complete",
    });
    if let Some(number) = &claim.payer_claim {
        let system = format!("{}/payer-claim-control-number", context.base);
        response["identifier"] = json!([{ "system": system, "value": number }]);
    }
    items(context, currency, claim, known, &mut response);
    // Without lines, or with reasons of the whole claim, the claim itself is what was decided on.
    if claim.lines.is_empty() || !claim.adjustments.is_empty() {
        let decided = Decided {
            charge: claim.charge,
            allowed: claim.amount("AU"),
            paid: claim.paid,
            adjustments: &claim.adjustments,
            remarks: claim.remarks(),
        };
        response["adjudication"] = if claim.lines.is_empty() {
            rows(context, currency, &decided).into()
        } else {
            // The lines have the amounts; only the reasons are the claim's.
            let is_reason = |row: &Value| !row["reason"].is_null();
            rows(context, currency, &decided).into_iter().filter(is_reason).collect()
        };
    }
    totals(context, currency, claim, &mut response);
    response["payment"] = json!({
        "type": concept("http://terminology.hl7.org/CodeSystem/ex-paymenttype", "complete"),
        "date": remittance.payment.date.map(|day| day.to_string()),
        "amount": context.money(currency, claim.paid),
        "identifier": { "value": remittance.trace.number },
    });
    notes(claim, &mut response);
    without_nulls(response)
}

fn request(context: &Context, claim: &RemittanceClaim, known: &Known) -> Value {
    match &known.claim {
        Some(reference) => json!({ "reference": reference }),
        None => json!({ "type": "Claim", "identifier": {
            "system": format!("{}/patient-control-number", context.base), "value": claim.id,
        } }),
    }
}

/// The known line that a line of the remittance decides on: by its number, else by code and day when
/// only one fits.
fn matched<'k>(line: &RemittanceLine, known: &'k Known) -> Option<&'k KnownLine> {
    if let Some(control) = line.control() {
        let by_control = known.lines.iter().find(|own| own.control.as_deref() == Some(control));
        if by_control.is_some() {
            return by_control;
        }
    }
    let code = line.submitted.as_ref().map_or(&line.service.code, |service| &service.code);
    let day = line.services().map(|span| span.from);
    let fits = |own: &&KnownLine| own.code == *code && (day.is_none() || own.service == day);
    let mut found = known.lines.iter().filter(fits);
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

fn items(
    context: &Context,
    currency: Option<&str>,
    claim: &RemittanceClaim,
    known: &Known,
    response: &mut Value,
) {
    let (mut items, mut added) = (Vec::new(), Vec::new());
    let mut used = Vec::new();
    for line in &claim.lines {
        let share: Decimal = line.adjustments.iter().filter(|a| a.group == "PR").map(|a| a.amount).sum();
        let has_allowed = line.amounts.iter().any(|amount| amount.qualifier == "B6");
        let is_allowed = has_allowed || line.paid != Decimal::ZERO || share != Decimal::ZERO;
        let decided = Decided {
            charge: line.charge,
            allowed: is_allowed.then(|| line.allowed()),
            paid: line.paid,
            adjustments: &line.adjustments,
            remarks: line.remarks.iter().map(|remark| remark.code.as_str()).collect(),
        };
        let adjudication = rows(context, currency, &decided);
        match matched(line, known) {
            Some(own) if line.submitted.is_none() && !used.contains(&own.sequence) => {
                used.push(own.sequence);
                items.push(json!({ "itemSequence": own.sequence, "adjudication": adjudication }));
            }
            own => added.push(json!({
                "itemSequence": own.map(|own| vec![own.sequence]),
                "productOrService": service(line),
                "servicedDate": line.services().map(|span| span.from.to_string()),
                "adjudication": adjudication,
            })),
        }
    }
    if !items.is_empty() {
        response["item"] = items.into();
    }
    if !added.is_empty() {
        response["addItem"] = added.into();
    }
}

fn service(line: &RemittanceLine) -> Value {
    let system = match line.service.qualifier.as_str() {
        "HC" => "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        "AD" => "http://www.ada.org/cdt",
        "N4" => "http://hl7.org/fhir/sid/ndc",
        "NU" => "https://www.nubc.org/CodeSystem/RevenueCodes",
        _ => return json!({ "text": line.service.code }),
    };
    concept(system, &line.service.code)
}

fn totals(context: &Context, currency: Option<&str>, claim: &RemittanceClaim, response: &mut Value) {
    let total = |system: &str, code: &str, amount: Decimal| json!({ "category": concept(system, code), "amount": context.money(currency, amount) });
    let mut totals =
        vec![total(ADJUDICATION, "submitted", claim.charge), total(ADJUDICATION, "benefit", claim.paid)];
    let share = claim.patient_share.map(|share| total(CARIN_ADJUDICATION, "memberliability", share));
    totals.extend(share);
    response["total"] = totals.into();
}

/// Remark codes once more as notes, which is where people look.
fn notes(claim: &RemittanceClaim, response: &mut Value) {
    let of_lines = claim.lines.iter().flat_map(|line| line.remarks.iter().map(|remark| remark.code.as_str()));
    let mut codes: Vec<&str> = claim.remarks().into_iter().chain(of_lines).collect();
    codes.sort_unstable();
    codes.dedup();
    if !codes.is_empty() {
        let note = |(n, code): (usize, &&str)| json!({ "number": n + 1, "type": "print", "text": code });
        response["processNote"] = codes.iter().enumerate().map(note).collect();
    }
}

/// Members that nothing was said about are left out.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
