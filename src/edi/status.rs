//! Claim acknowledgements (277CA) into the record: a ClaimResponse for each claim that was taken in or
//! rejected.

use super::file::Set;
use super::find::{self, Found};
use super::identity;
use super::late::{self, AWAITS_CLAIM};
use super::payers::{self, Organizations};
use super::record::{Record, reference, tag};
use super::task::{self, Work};
use crate::rcm::BASE;
use crate::rest::Context;
use remit_fhir::{Issue, IssueType, Result};
use remit_x12::fhir::{self, Known};
use remit_x12::model::{Acceptance, ClaimStatus, PatientStatus, StatusReport};
use serde_json::Value;

/// Adds what a 277CA says of each claim.
pub(super) async fn add(
    cx: &Context<'_>,
    record: &mut Record,
    set: &Set,
    report: &StatusReport,
    now: i64,
) -> Result<()> {
    let numbers = report.claims().map(|(_, claim)| claim.id.as_str());
    let claims = find::by_identifier(find::by(cx, "Claim", "identifier", numbers).await?);
    let organizations = Organizations::find(cx, &[&report.source], &[]).await?;
    let source = organizations.one(&report.source, None);
    let ids: Vec<String> = (0..report.claims().count()).map(|n| id(set, report, n)).collect();
    let references: Vec<String> = ids.iter().map(|id| reference("ClaimResponse", id)).collect();
    let there = find::read(cx, &references).await?;
    for (n, (patient, claim)) in report.claims().enumerate() {
        if there.iter().any(|one| one.reference == references[n]) {
            record.outcome.push(references[n].clone());
            continue;
        }
        let found = choose(claims.get(&claim.id).map(Vec::as_slice).unwrap_or_default(), report, claim);
        add_claim(cx, record, report, (&ids[n], patient, claim, found), source.as_ref(), now)?;
    }
    let rejected = report.claims().filter(|(_, claim)| claim.acceptance() == Acceptance::Rejected);
    let numbers: Vec<String> = rejected.map(|(_, claim)| claim.id.clone()).collect();
    late::resubmitted(cx, record, &numbers).await?;
    record.issues.extend(set.warnings.iter().map(|finding| finding.issue()));
    Ok(())
}

fn id(set: &Set, report: &StatusReport, n: usize) -> String {
    let source = report.source.id.as_ref().map_or(report.source.name.as_str(), |id| id.value.as_str());
    identity::id("acknowledgement", &[source, &report.reference, &set.digest, &n.to_string()])
}

/// The claim of this number sent last before the report, with the charge that the report tells.
fn choose<'f>(found: &'f [Found], report: &StatusReport, claim: &ClaimStatus) -> Option<&'f Found> {
    let day = report.date.map(|day| day.to_string()).unwrap_or_default();
    let charge = claim.statuses.iter().find_map(|status| status.amount);
    found.iter().filter(|one| one.resource["use"] == "claim").max_by_key(|one| {
        let created = one.resource["created"].as_str().unwrap_or_default();
        let total: Option<remit_x12::Decimal> =
            one.resource["total"]["value"].as_number().and_then(|n| n.to_string().parse().ok());
        let is_before = day.is_empty() || created.get(..10).is_none_or(|created| created <= day.as_str());
        (charge.is_some() && charge == total, is_before, created, one.reference.as_str())
    })
}

fn add_claim(
    cx: &Context<'_>,
    record: &mut Record,
    report: &StatusReport,
    (id, patient, claim, found): (&str, &PatientStatus, &ClaimStatus, Option<&Found>),
    source: Option<&Value>,
    now: i64,
) -> Result<()> {
    let known = match found {
        Some(found) => Known::of(BASE, found.reference.clone(), found.resource.clone()),
        None => Known { kind: "professional".to_owned(), ..Known::of_party(Some(&patient.patient)) },
    };
    let insurer = found.map(|found| found.resource["insurer"].clone()).filter(Value::is_object);
    let requestor = found.map(|found| found.resource["provider"].clone()).filter(Value::is_object);
    let context = fhir::Context {
        base: BASE.to_owned(),
        currency: "USD".to_owned(),
        insurer: insurer.or(source.cloned()).unwrap_or_else(|| payers::words(&report.source, None)),
        requestor: requestor.unwrap_or_else(|| payers::words(&report.receiver, None)),
    };
    let Some(response) = fhir::acknowledgement_response(&context, report, claim, &known) else {
        let text = "The status of a claim says neither that it was taken in nor that it was rejected; it was left out.";
        record.issues.push(Issue::warning(IssueType::Processing, text).at("STC-01"));
        return Ok(());
    };
    let mut response = response;
    if found.is_none() {
        tag(&mut response, AWAITS_CLAIM, true);
    }
    if let Some(found) = found.filter(|_| claim.acceptance() == Acceptance::Rejected) {
        record.rejected.push(found.reference.clone());
    }
    let response = record.create(cx, id, response)?;
    if found.is_none() {
        let text = format!("No claim with the control number {} is in the record.", claim.id);
        record.issues.push(Issue::warning(IssueType::NotFound, text.clone()).at("TRN-02"));
        let task = task::work(Work::UnknownClaim, &text, Some(&response), now);
        record.create(cx, &identity::id("unknown-claim", &[id]), task)?;
    }
    Ok(())
}
