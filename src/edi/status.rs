//! Claim acknowledgements (277CA) into the record: a ClaimResponse for each claim that was taken in or
//! rejected.

use super::choice::{self, Said};
use super::file::Set;
use super::find::{self, KnownClaim};
use super::identity;
use super::late::{self, AWAITS_CLAIM, Answered, Kind};
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
    let claims = find::claims(cx, record, numbers.collect()).await?;
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
fn choose<'f>(found: &'f [KnownClaim], report: &StatusReport, claim: &ClaimStatus) -> Option<&'f KnownClaim> {
    let day = report.date.map(|day| day.to_string()).unwrap_or_default();
    let charge = claim.statuses.iter().find_map(|status| status.amount);
    choice::choose(found, &Said { charge, day: &day, ..Said::default() })
}

fn add_claim(
    cx: &Context<'_>,
    record: &mut Record,
    report: &StatusReport,
    (id, patient, claim, found): (&str, &PatientStatus, &ClaimStatus, Option<&KnownClaim>),
    source: Option<&Value>,
    now: i64,
) -> Result<()> {
    let known = match found {
        Some((reference, resource)) => Known::of(BASE, reference.clone(), resource),
        None => Known { kind: "professional".to_owned(), ..Known::of_party(Some(&patient.patient)) },
    };
    let insurer = found.map(|found| found.1["insurer"].clone()).filter(Value::is_object);
    let requestor = found.map(|found| found.1["provider"].clone()).filter(Value::is_object);
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
        record.rejected.push(found.0.clone());
    }
    let response = record.create(cx, id, response)?;
    if let (Some((reference, resource)), Some(number)) = (found, claim.reference("1K")) {
        record.answered.push(Answered {
            response: response.clone(),
            claim: resource.clone(),
            claim_reference: reference.clone(),
            number: Some(number.to_owned()),
            kind: Kind::Acknowledgement,
        });
    }
    if found.is_none() {
        let text = format!("No claim with the control number {} is in the record.", claim.id);
        record.issues.push(Issue::warning(IssueType::NotFound, text.clone()).at("TRN-02"));
        let task = task::work(Work::UnknownClaim, &text, Some(&response), now);
        record.create(cx, &identity::id("unknown-claim", &[id]), task)?;
    }
    Ok(())
}
