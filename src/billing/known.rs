//! What edits know of a claim beside itself: its days and the last one to file it, its frequency, other
//! claims of the patient.

use super::request::local;
use crate::edi::find;
use crate::rcm::{Days, DeadlineKind, DeadlineRule, deadline, frequency, service_days};
use crate::rest::Context;
use remit_fhir::Result;
use serde_json::Value;

/// Other claims of a patient that are looked at for a duplicate: the newest. A person has a few dozen a
/// year.
const MAX_OTHERS: usize = 1_000;

/// A claim with what its edits need to know.
pub(super) struct Subject {
    /// The claim.
    pub(super) claim: Value,
    /// First and last day of service.
    pub(super) days: Option<(String, String)>,
    /// The last day that the payer's contract leaves for the claim.
    pub(super) filing_deadline: Option<String>,
    /// Other claims of the patient that are active.
    pub(super) others: Vec<Value>,
    /// Resources that it refers to and that are not stored yet.
    pub(super) with: Vec<(String, Value)>,
}

impl Subject {
    /// Looks up what the edits of a claim need. `own` is the claim's own reference.
    pub(super) async fn of(
        cx: &Context<'_>,
        claim: Value,
        own: Option<&str>,
        with: Vec<(String, Value)>,
    ) -> Result<Subject> {
        let others = others(cx, &claim, own).await?;
        let days = service_days(&claim).map(|(first, last)| (first.to_owned(), last.to_owned()));
        let filing_deadline = match &days {
            Some((first, _)) => filing_deadline(cx, &claim, first).await?,
            None => None,
        };
        Ok(Subject { days, filing_deadline, claim, others, with })
    }
}

/// The last day for a claim, or for the correction of one, where it counts from the service.
async fn filing_deadline(cx: &Context<'_>, claim: &Value, service: &str) -> Result<Option<String>> {
    let payer = claim["insurer"]["reference"].as_str().map(|name| local(cx, name));
    let Some(payer) = payer.filter(|name| name.starts_with("Organization/")) else { return Ok(None) };
    let contracts = find::by(cx, "Contract", "subject", [payer]).await?;
    let rules: Vec<DeadlineRule> = contracts.iter().flat_map(|one| DeadlineRule::of(&one.resource)).collect();
    let kind = match frequency(claim) {
        "1" => DeadlineKind::TimelyFiling,
        _ => DeadlineKind::CorrectedClaim,
    };
    let days = Days { service, notice: "" };
    Ok(deadline(&rules, payer, kind, None, days).map(|(day, _)| day))
}

async fn others(cx: &Context<'_>, claim: &Value, own: Option<&str>) -> Result<Vec<Value>> {
    let patient = claim["patient"]["reference"].as_str().map(|name| local(cx, name));
    // A patient inside the claim, or on another server, has no other claims here.
    let Some(patient) = patient.filter(|name| name.starts_with("Patient/")) else { return Ok(Vec::new()) };
    let pairs = [("patient", patient), ("status", "active"), ("use", "claim")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let found = find::newest(cx, "Claim", &pairs, MAX_OTHERS).await?;
    let number = &claim["identifier"][0];
    let is_same = |other: &Value| number.is_object() && other["identifier"][0] == *number;
    Ok(found
        .into_iter()
        .filter(|one| Some(one.reference.as_str()) != own && !is_same(&one.resource))
        .map(|one| one.resource)
        .collect())
}
