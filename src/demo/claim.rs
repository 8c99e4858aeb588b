//! The resources that say how a visit was billed, answered, paid and worked on: Claim, ClaimResponse,
//! PaymentReconciliation, Task.

use super::bundle::{BASE, Visit, coded, diagnosis};
use super::calendar::{date, date_time};
use super::catalogue::{SERVICES, Service};
use super::episode::{Answer, Kind, LineAnswer, PatientPayment, Submission, Work, WriteOff};
use super::money::money;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CLAIM_TYPE: &str = "http://terminology.hl7.org/CodeSystem/claim-type";
const ADJUDICATION: &str = "http://terminology.hl7.org/CodeSystem/adjudication";
const CARIN: &str = "http://hl7.org/fhir/us/carin-bb/CodeSystem";
const PAYMENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/payment-type";
const PAYMENT_ISSUER: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-PaymentReconciliation.paymentIssuer";
/// Remittances are posted at noon.
const NOON: i64 = 12 * 60;

/// Appends what passed between the practice and the payer of a visit.
pub(super) fn billing(visit: &Visit<'_>, to: &mut Vec<Value>) {
    let episode = visit.episode;
    to.extend(episode.submissions.iter().enumerate().map(|(place, s)| claim(visit, place, s)));
    to.extend(episode.answers.iter().enumerate().map(|(place, a)| response(visit, place, a)));
    to.extend(remittances(visit));
}

/// Appends what the practice and the patient did besides: payments, write-offs, work.
pub(super) fn own_books(visit: &Visit<'_>, to: &mut Vec<Value>) {
    let episode = visit.episode;
    to.extend(episode.payments.iter().enumerate().map(|(place, p)| patient_payment(visit, place, p)));
    to.extend(episode.write_offs.iter().enumerate().map(|(place, w)| write_off(visit, place, w)));
    to.extend(episode.work.iter().enumerate().map(|(place, w)| task(visit, place, w)));
}

/// The code of a service.
pub(super) fn service_code(service: &Service) -> Value {
    if service.visit {
        coded(&format!("{BASE}/CodeSystem/demo-service"), service.code, service.display)
    } else {
        coded("http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", service.code, service.display)
    }
}

fn claim_reference(visit: &Visit<'_>, place: usize) -> Value {
    json!({ "reference": format!("Claim/{}", visit.id(&format!("-c{}", place + 1))) })
}

fn claim(visit: &Visit<'_>, place: usize, submission: &Submission) -> Value {
    let episode = visit.episode;
    let id = visit.id(&format!("-c{}", place + 1));
    let mut claim = json!({
        "resourceType": "Claim",
        "id": id,
        "identifier": [{ "system": format!("{BASE}/demo/patient-control-number"), "value": id }],
        "status": "active",
        "type": coded(CLAIM_TYPE, "professional", "Professional"),
        "use": "claim",
        "patient": visit.patient(),
        "billablePeriod": { "start": date(episode.day), "end": date(episode.day) },
        "created": date_time(submission.day, submission.minute),
        "insurer": visit.insurer(),
        "provider": visit.practice(),
        "priority": coded("http://terminology.hl7.org/CodeSystem/processpriority", "normal", "Normal"),
        "facility": visit.location(),
        "careTeam": [{
            "sequence": 1,
            "provider": visit.practitioner(),
            "role": coded(&format!("{CARIN}/C4BBClaimCareTeamRole"), "rendering", "Rendering provider"),
        }],
    });
    if submission.frequency != 1 {
        claim["supportingInfo"] = json!([{
            "sequence": 1,
            "category": { "coding": [{
                "system": format!("{BASE}/CodeSystem/rcm-supporting-info"), "code": "claim-frequency",
            }] },
            "code": { "coding": [{
                "system": format!("{BASE}/CodeSystem/rcm-claim-frequency"),
                "code": submission.frequency.to_string(),
            }] },
        }]);
    }
    if let Some(earlier) = submission.follows {
        let system = "http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship";
        claim["related"] = json!([{ "claim": claim_reference(visit, earlier), "relationship": coded(system, "prior", "Prior Claim") }]);
    }
    let diagnoses = episode.diagnoses.iter().enumerate();
    claim["diagnosis"] = diagnoses
        .map(|(place, code)| json!({ "sequence": place + 1, "diagnosisCodeableConcept": diagnosis(*code) }))
        .collect();
    claim["insurance"] =
        json!([{ "sequence": 1, "focal": true, "coverage": { "reference": visit.coverage() } }]);
    claim["item"] = items(visit, submission);
    claim["total"] = money(submission.total());
    claim
}

fn items(visit: &Visit<'_>, submission: &Submission) -> Value {
    let lines = submission.lines.iter().enumerate().map(|(place, line)| {
        let service = &SERVICES[line.service];
        json!({
            "sequence": place + 1,
            "careTeamSequence": [1],
            "diagnosisSequence": [line.diagnosis],
            "productOrService": service_code(service),
            "servicedDate": date(visit.episode.day),
            "quantity": { "value": line.units },
            "unitPrice": money(service.fee),
            "net": money(line.charge()),
            "encounter": [visit.encounter()],
        })
    });
    lines.collect()
}

fn response(visit: &Visit<'_>, place: usize, answer: &Answer) -> Value {
    let mut response = json!({
        "resourceType": "ClaimResponse",
        "id": visit.id(&format!("-r{}", place + 1)),
        "status": "active",
        "type": coded(CLAIM_TYPE, "professional", "Professional"),
        "use": "claim",
        "patient": visit.patient(),
        "created": date_time(answer.day, NOON),
        "insurer": visit.insurer(),
        "requestor": visit.practice(),
        "request": claim_reference(visit, answer.submission),
        "outcome": "complete",
    });
    if answer.kind == Kind::Rejected {
        response["outcome"] = json!("error");
        response["disposition"] = json!("Rejected before adjudication: correct and send again.");
        response["error"] =
            json!([{ "code": { "text": "Subscriber identifier is not in the payer's format" } }]);
        return response;
    }
    let status = if answer.kind == Kind::Reversal { "22" } else { "1" };
    response["extension"] =
        json!([{ "url": format!("{BASE}/StructureDefinition/rcm-claim-status-code"), "valueCode": status }]);
    let lines = answer.lines.iter().enumerate();
    response["item"] = lines
        .map(|(place, line)| json!({ "itemSequence": place + 1, "adjudication": adjudication(line) }))
        .collect();
    let charge: i64 = answer.lines.iter().map(|line| line.charge).sum();
    response["total"] = json!([
        { "category": coded(ADJUDICATION, "submitted", "Submitted Amount"), "amount": money(charge) },
        { "category": coded(ADJUDICATION, "benefit", "Benefit Amount"), "amount": money(answer.paid()) },
    ]);
    response["payment"] = json!({
        "type": coded("http://terminology.hl7.org/CodeSystem/ex-paymenttype", "complete", "Complete"),
        "date": date(answer.day),
        "amount": money(answer.paid()),
    });
    response
}

fn adjudication(line: &LineAnswer) -> Vec<Value> {
    let base = |code: &str, display: &str, amount: i64| json!({ "category": coded(ADJUDICATION, code, display), "amount": money(amount) });
    let mut rows = vec![base("submitted", "Submitted Amount", line.charge)];
    if line.denied.is_none() {
        rows.push(base("eligible", "Eligible Amount", line.allowed));
    }
    if line.deductible != 0 {
        rows.push(base("deductible", "Deductible", line.deductible));
    }
    if line.copay != 0 {
        rows.push(base("copay", "CoPay", line.copay));
    }
    if line.coinsurance != 0 {
        let category = coded(&format!("{CARIN}/C4BBAdjudication"), "coinsurance", "Coinsurance");
        rows.push(json!({ "category": category, "amount": money(line.coinsurance) }));
    }
    rows.push(base("benefit", "Benefit Amount", line.paid));
    for (group, reason, amount) in [
        ("CO", "45", line.contractual()),
        ("PR", "1", line.deductible),
        ("PR", "2", line.coinsurance),
        ("PR", "3", line.copay),
    ] {
        if amount != 0 {
            rows.push(adjustment(group, reason, amount));
        }
    }
    if let Some((group, reason, remark, _)) = line.denied {
        rows.push(adjustment(group, reason, line.charge));
        if let Some(remark) = remark {
            rows.push(json!({
                "category": coded(
                    &format!("{CARIN}/C4BBAdjudicationDiscriminator"), "denialreason", "Denial Reason",
                ),
                "reason": { "coding": [{
                    "system": "https://x12.org/codes/remittance-advice-remark-codes", "code": remark,
                }] },
            }));
        }
    }
    rows
}

fn adjustment(group: &str, reason: &str, amount: i64) -> Value {
    json!({
        "category": { "coding": [{ "system": "https://x12.org/codes/claim-adjustment-group-codes", "code": group }] },
        "reason": { "coding": [{ "system": "https://x12.org/codes/claim-adjustment-reason-codes", "code": reason }] },
        "amount": money(amount),
    })
}

fn payment(visit: &Visit<'_>, rest: &str, day: i64, amount: i64, details: Vec<Value>) -> Value {
    json!({
        "resourceType": "PaymentReconciliation",
        "id": visit.id(rest),
        "status": "active",
        "created": date_time(day, NOON),
        "requestor": visit.practice(),
        "outcome": "complete",
        "paymentDate": date(day),
        "paymentAmount": money(amount),
        "paymentIdentifier": { "system": format!("{BASE}/demo/trace-number"), "value": visit.id(rest) },
        "detail": details,
    })
}

/// What the payer sent on a day for this visit: one payment, a detail for each answer.
fn remittances<'a>(visit: &'a Visit<'_>) -> impl Iterator<Item = Value> + 'a {
    let mut days: BTreeMap<i64, Vec<(usize, &Answer)>> = BTreeMap::new();
    let answers = visit.episode.answers.iter().enumerate();
    for (place, answer) in answers.filter(|(_, answer)| answer.kind != Kind::Rejected) {
        days.entry(answer.day).or_default().push((place, answer));
    }
    days.into_iter().enumerate().map(move |(number, (day, answers))| {
        let amount = answers.iter().map(|(_, answer)| answer.paid()).sum();
        let details = answers.iter().map(|(place, answer)| {
            json!({
                "type": coded(PAYMENT_TYPE, "payment", "Payment"),
                "request": claim_reference(visit, answer.submission),
                "response": { "reference": format!("ClaimResponse/{}", visit.id(&format!("-r{}", place + 1))) },
                "date": date(day),
                "amount": money(answer.paid()),
            })
        });
        let mut payment = payment(visit, &format!("-i{}", number + 1), day, amount, details.collect());
        payment["paymentIssuer"] = visit.insurer();
        payment
    })
}

/// What a payment of the patient is for: the first claim, or the visit.
fn purpose(visit: &Visit<'_>) -> Value {
    if visit.episode.submissions.is_empty() { visit.encounter() } else { claim_reference(visit, 0) }
}

fn patient_payment(visit: &Visit<'_>, place: usize, paid: &PatientPayment) -> Value {
    let detail = json!({
        "type": coded(PAYMENT_TYPE, "payment", "Payment"),
        "request": purpose(visit),
        "date": date(paid.day),
        "amount": money(paid.amount),
    });
    let mut payment = payment(visit, &format!("-b{}", place + 1), paid.day, paid.amount, vec![detail]);
    payment["extension"] = json!([{ "url": PAYMENT_ISSUER, "valueReference": visit.patient() }]);
    payment
}

fn write_off(visit: &Visit<'_>, place: usize, write_off: &WriteOff) -> Value {
    let detail = json!({
        "type": { "coding": [
            { "system": PAYMENT_TYPE, "code": "adjustment", "display": "Adjustment" },
            { "system": format!("{BASE}/CodeSystem/rcm-adjustment"), "code": write_off.kind },
        ] },
        "request": purpose(visit),
        "date": date(write_off.day),
        "amount": money(write_off.amount),
    });
    payment(visit, &format!("-w{}", place + 1), write_off.day, 0, vec![detail])
}

fn task(visit: &Visit<'_>, place: usize, work: &Work) -> Value {
    let mut task = json!({
        "resourceType": "Task",
        "id": visit.id(&format!("-t{}", place + 1)),
        "status": if work.done.is_some() { "completed" } else { "in-progress" },
        "intent": "order",
        "priority": if work.amount >= 40_000 { "urgent" } else { "routine" },
        "code": { "coding": [{ "system": format!("{BASE}/CodeSystem/rcm-task"), "code": work.code }] },
        "focus": claim_reference(visit, work.submission),
        "for": visit.patient(),
        "authoredOn": date_time(work.day, NOON),
        "owner": visit.practice(),
        "restriction": { "period": { "end": date(work.due) } },
    });
    if let Some(done) = work.done {
        task["executionPeriod"] = json!({ "start": date(work.day), "end": date(done) });
    }
    if let Some(overturned) = work.overturned {
        let code = if overturned { "overturned" } else { "upheld" };
        task["businessStatus"] =
            json!({ "coding": [{ "system": format!("{BASE}/CodeSystem/rcm-appeal-status"), "code": code }] });
    }
    task
}
