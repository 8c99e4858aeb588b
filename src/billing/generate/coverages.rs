//! Who is billed for a visit, in which order.

use crate::billing::request::{day, has_code, local, named};
use crate::edi::find::{self, Found, items};
use crate::rest::Context;
use remit_fhir::{Error, IssueType, Result};
use serde_json::Value;

/// The coverages of a claim, the first to be billed first: those asked for, else those that held. 422
/// when there is none, or one asked for does not hold.
pub(super) async fn of(
    cx: &Context<'_>,
    encounter: &Value,
    asked: &[String],
    days: Option<&(String, String)>,
) -> Result<Vec<Found>> {
    let Some(patient) = encounter["subject"]["reference"].as_str().map(|one| local(cx, one)) else {
        return Err(Error::unprocessable("The visit has no patient.").at("Encounter.subject"));
    };
    if !asked.is_empty() {
        let mut chosen = Vec::with_capacity(asked.len());
        for reference in asked {
            let found = named(cx, reference, "Coverage", "coverage").await?;
            fits(cx, &found.resource, patient, days)
                .map_err(|text| Error::unprocessable(text).coded(IssueType::BusinessRule).at("coverage"))?;
            chosen.push(found);
        }
        return Ok(chosen);
    }
    let pairs = [("beneficiary".to_owned(), patient.to_owned()), ("status".to_owned(), "active".to_owned())];
    let mut found = Vec::new();
    find::search(cx, "Coverage", &pairs, &mut found).await?;
    found.retain(|one| fits(cx, &one.resource, patient, days).is_ok());
    if found.is_empty() {
        let text =
            "The patient has no active coverage on the days of service; a self-pay visit needs no claim.";
        return Err(Error::unprocessable(text).coded(IssueType::BusinessRule).at("coverage"));
    }
    let order = of_accounts(cx, encounter).await?;
    found.sort_by_key(|one| {
        let in_account = order.iter().find(|(name, _)| *name == one.reference).map(|(_, n)| *n);
        let own = one.resource["order"].as_u64().unwrap_or(u64::MAX);
        (in_account.unwrap_or(u64::MAX), own, one.reference.clone())
    });
    Ok(found)
}

/// Why a coverage cannot be billed.
fn fits(
    cx: &Context<'_>,
    coverage: &Value,
    patient: &str,
    days: Option<&(String, String)>,
) -> Result<(), &'static str> {
    if coverage["beneficiary"]["reference"].as_str().map(|one| local(cx, one)) != Some(patient) {
        return Err("The coverage is that of another patient.");
    }
    if coverage["status"] != "active" {
        return Err("The coverage is not active.");
    }
    if has_code(&coverage["type"], "pay") {
        return Err("The coverage is self-pay; no payer takes a claim for it.");
    }
    let (start, end) = (day(&coverage["period"]["start"]), day(&coverage["period"]["end"]));
    let Some((first, last)) = days else { return Ok(()) };
    match start.is_some_and(|start| first.as_str() < start) || end.is_some_and(|end| last.as_str() > end) {
        true => Err("The coverage does not hold on the days of service."),
        false => Ok(()),
    }
}

/// The order of coverages in the accounts of the visit.
async fn of_accounts(cx: &Context<'_>, encounter: &Value) -> Result<Vec<(String, u64)>> {
    let accounts: Vec<String> = items(encounter, "account")
        .filter_map(|one| one["reference"].as_str())
        .map(|one| local(cx, one).to_owned())
        .collect();
    let mut order = Vec::new();
    for account in find::read(cx, &accounts).await? {
        for one in items(&account.resource, "coverage") {
            if let Some(name) = one["coverage"]["reference"].as_str() {
                order.push((local(cx, name).to_owned(), one["priority"].as_u64().unwrap_or(u64::MAX)));
            }
        }
    }
    Ok(order)
}
