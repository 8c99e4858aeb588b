//! One CLP of a remittance as a ClaimResponse.

use serde_json::{Value, json};

use super::adjudication::{Decided, rows};
use super::matching::Matching;
use super::{ADJUDICATION, CARIN_ADJUDICATION, Context, Known, concept, number};
use crate::model::{Remittance, RemittanceClaim, RemittanceLine, Service, allowed_besides};
use crate::value::Decimal;

/// Modifiers of procedure codes.
pub(crate) const MODIFIERS: &str = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets";

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
        "type": concept("http://terminology.hl7.org/CodeSystem/claim-type", kind(claim, known)),
        // A predetermination decides nothing that anybody owes.
        "use": if claim.status == "25" { "predetermination" } else { "claim" },
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
            allowed: allowed(claim),
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

/// The type of the claim, else what the remittance lets see of it.
fn kind<'k>(claim: &RemittanceClaim, known: &'k Known) -> &'k str {
    if !known.kind.is_empty() {
        return &known.kind;
    }
    let has = |qualifier: &str| claim.lines.iter().any(|line| line.service.qualifier == qualifier);
    match () {
        () if has("AD") => "oral",
        () if has("NU") || claim.drg.is_some() || claim.inpatient.is_some() => "institutional",
        () => "professional",
    }
}

/// What the payer allows of a claim without lines: AMT*AU, else what is paid or left to the patient.
fn allowed(claim: &RemittanceClaim) -> Option<Decimal> {
    let share = allowed_besides(&claim.adjustments);
    let is_allowed = claim.paid != Decimal::ZERO || share != Decimal::ZERO;
    claim.amount("AU").or(is_allowed.then_some(claim.paid + share))
}

fn request(context: &Context, claim: &RemittanceClaim, known: &Known) -> Value {
    match &known.claim {
        Some(reference) => json!({ "reference": reference }),
        None => json!({ "type": "Claim", "identifier": {
            "system": format!("{}/patient-control-number", context.base), "value": claim.id,
        } }),
    }
}

fn items(
    context: &Context,
    currency: Option<&str>,
    claim: &RemittanceClaim,
    known: &Known,
    response: &mut Value,
) {
    let (mut items, mut added) = (Vec::new(), Vec::new());
    let mut matching = Matching::new(&known.lines);
    for line in &claim.lines {
        let share = allowed_besides(&line.adjustments);
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
        let own = matching.find(line);
        match own {
            Some(own) if line.submitted.is_none() && matching.is_first(own) => {
                items.push(json!({ "itemSequence": own.sequence, "adjudication": adjudication }));
            }
            own => added.push(json!({
                "itemSequence": own.map(|own| vec![own.sequence]),
                "productOrService": product(line),
                "modifier": modifiers(&line.service),
                "servicedDate": line.services().map(|span| span.from.to_string()),
                "quantity": line.units.map(|units| json!({ "value": number(units, 0) })),
                "net": context.money(currency, line.charge),
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

/// The system of procedure codes by their qualifier. `HC` is both levels of HCPCS: a letter and four
/// digits are level II, everything else is level I, which is CPT and has a system of its own.
pub(crate) fn code_system(qualifier: &str, code: &str) -> Option<&'static str> {
    let is_level_two = || {
        let bytes = code.as_bytes();
        bytes.len() == 5 && bytes[0].is_ascii_uppercase() && bytes[1..].iter().all(u8::is_ascii_digit)
    };
    match qualifier {
        "HC" if is_level_two() => Some("http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"),
        "HC" => Some("http://www.ama-assn.org/go/cpt"),
        "AD" => Some("http://www.ada.org/cdt"),
        "N4" => Some("http://hl7.org/fhir/sid/ndc"),
        "NU" => Some("https://www.nubc.org/CodeSystem/RevenueCodes"),
        _ => None,
    }
}

fn product(line: &RemittanceLine) -> Value {
    let code =
        if line.service.code.is_empty() { line.revenue.as_deref() } else { Some(line.service.code.as_str()) };
    let Some(code) = code else { return json!({ "text": "not told" }) };
    match code_system(&line.service.qualifier, code) {
        Some(system) => concept(system, code),
        None => json!({ "text": code }),
    }
}

fn modifiers(service: &Service) -> Option<Vec<Value>> {
    let all = service.modifiers.iter().map(|code| concept(MODIFIERS, code));
    Some(all.collect::<Vec<_>>()).filter(|list| !list.is_empty())
}

fn totals(context: &Context, currency: Option<&str>, claim: &RemittanceClaim, response: &mut Value) {
    let total = |system: &str, code: &str, amount: Decimal| json!({ "category": concept(system, code), "amount": context.money(currency, amount) });
    let mut totals =
        vec![total(ADJUDICATION, "submitted", claim.charge), total(ADJUDICATION, "benefit", claim.paid)];
    let share = claim.patient_share.map(|share| total(CARIN_ADJUDICATION, "memberliability", share));
    totals.extend(share);
    // Interest is cash beside the benefit; it is told and not added.
    let own = format!("{}/CodeSystem/rcm-adjudication", context.base);
    totals.extend(claim.interest().map(|interest| total(&own, "interest", interest)));
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
