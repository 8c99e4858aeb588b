//! What was done at a visit and why: charges with their prices, diagnoses, procedures.

use super::draft::{Charge, Diagnosis, Kind};
use crate::billing::request::{MAX_AMOUNT, amount, cents, code_of, day, decimal, has_code, local};
use crate::edi::find::{self, Found, items};
use crate::rest::Context;
use remit_fhir::{Error, Issue, IssueType, Result};
use rust_decimal::Decimal;
use serde_json::Value;

pub(super) const ICD_10: &str = "http://hl7.org/fhir/sid/icd-10-cm";
pub(super) const ICD_10_PROCEDURES: &str = "http://www.cms.gov/Medicare/Coding/ICD10";

/// The billable charges of a visit, by day and then as they were made. 422 when there are none, when
/// one has no price, or when they are in several currencies.
pub(super) async fn of(cx: &Context<'_>, encounter: &Found, issues: &mut Vec<Issue>) -> Result<Vec<Charge>> {
    let pairs = [("context".to_owned(), encounter.reference.clone())];
    let mut found = Vec::new();
    find::search(cx, "ChargeItem", &pairs, &mut found).await?;
    // A search gives the newest first.
    found.reverse();
    let mut charges = Vec::new();
    let mut without = Vec::new();
    for one in found {
        match one.resource["status"].as_str() {
            Some("billable") => match price(cx, &one.resource).await? {
                Some((net, currency)) => {
                    charges.push(Charge { net, currency, found: one, people: Vec::new() })
                }
                None => without.push(one.reference),
            },
            Some("planned" | "billed") => issues.push(left_out(&one)),
            _ => {}
        }
    }
    if !without.is_empty() {
        let text = format!(
            "No price: {}. Give priceOverride, or a ChargeItemDefinition with a base price in definitionCanonical.",
            without.join(", ")
        );
        return Err(Error::unprocessable(text).coded(IssueType::BusinessRule).at("ChargeItem.priceOverride"));
    }
    let Some(first) = charges.first() else {
        let text = "The visit has no charges: no ChargeItem with it as context and the status billable.";
        return Err(Error::unprocessable(text).coded(IssueType::BusinessRule).at("Encounter"));
    };
    if charges.iter().any(|one| one.currency != first.currency) {
        let text = "The charges are in several currencies; a claim has one.";
        return Err(Error::unprocessable(text)
            .coded(IssueType::BusinessRule)
            .at("ChargeItem.priceOverride.currency"));
    }
    charges.sort_by(|a, b| a.start().cmp(&b.start()));
    Ok(charges)
}

fn left_out(one: &Found) -> Issue {
    let status = one.resource["status"].as_str().unwrap_or_default();
    let text = format!("{} has the status {status} and is not on the claim.", one.reference);
    Issue::warning(IssueType::BusinessRule, text).at("ChargeItem.status")
}

/// What is charged for a ChargeItem: its own price, else that of its definition for each unit.
async fn price(cx: &Context<'_>, item: &Value) -> Result<Option<(Decimal, String)>> {
    if let Some(found) = money(&item["priceOverride"]) {
        return Ok(Some(found));
    }
    for canonical in items(item, "definitionCanonical").filter_map(Value::as_str) {
        let (url, version) = canonical.split_once('|').unwrap_or((canonical, ""));
        let mut found = find::by(cx, "ChargeItemDefinition", "url", [url]).await?;
        found.retain(|one| {
            one.resource["status"] == "active" && (version.is_empty() || one.resource["version"] == version)
        });
        let base = found.iter().find_map(|one| base_price(&one.resource));
        let Some((unit, currency)) = base else { continue };
        let factor = decimal(&item["factorOverride"]).unwrap_or(Decimal::ONE);
        let net = unit.checked_mul(quantity(item)).and_then(|net| net.checked_mul(factor));
        return Ok(net.filter(|net| net.abs() <= MAX_AMOUNT).map(|net| (cents(net), currency)));
    }
    Ok(None)
}

fn base_price(definition: &Value) -> Option<(Decimal, String)> {
    let groups = items(definition, "propertyGroup");
    let mut components = groups.flat_map(|group| items(group, "priceComponent"));
    money(&components.find(|one| one["type"] == "base")?["amount"])
}

fn money(value: &Value) -> Option<(Decimal, String)> {
    Some((amount(&value["value"])?, value["currency"].as_str().unwrap_or("USD").to_owned()))
}

/// Units of a ChargeItem.
pub(super) fn quantity(item: &Value) -> Decimal {
    decimal(&item["quantity"]["value"]).unwrap_or(Decimal::ONE)
}

/// First and last day of service.
pub(super) fn days(charges: &[Charge], encounter: &Value) -> Option<(String, String)> {
    let own = [day(&encounter["period"]["start"]), day(&encounter["period"]["end"])];
    let mut all: Vec<&str> = charges.iter().flat_map(|one| [one.start(), one.end()]).flatten().collect();
    if all.is_empty() {
        all.extend(own.into_iter().flatten());
    }
    Some((all.iter().min()?.to_string(), all.iter().max()?.to_string()))
}

/// The diagnoses: those of the visit by rank, else the conditions that name it.
pub(super) async fn diagnoses(
    cx: &Context<'_>,
    encounter: &Found,
    issues: &mut Vec<Issue>,
) -> Result<Vec<Diagnosis>> {
    let mut listed: Vec<&Value> = items(&encounter.resource, "diagnosis").collect();
    listed.sort_by_key(|one| one["rank"].as_u64().unwrap_or(u64::MAX));
    let named: Vec<String> = listed
        .iter()
        .filter_map(|one| one["condition"]["reference"].as_str())
        .map(|one| local(cx, one).to_owned())
        .collect();
    let mut found = Vec::new();
    if named.is_empty() {
        let pairs = [("encounter".to_owned(), encounter.reference.clone())];
        find::search(cx, "Condition", &pairs, &mut found).await?;
        found.reverse();
    } else {
        let all = find::read(cx, &named).await?;
        found.extend(named.iter().filter_map(|name| all.iter().find(|one| one.reference == *name).cloned()));
    }
    let mut diagnoses: Vec<Diagnosis> = Vec::new();
    for one in found.iter().filter(|one| one.resource["resourceType"] == "Condition") {
        if has_code(&one.resource["verificationStatus"], "entered-in-error")
            || has_code(&one.resource["verificationStatus"], "refuted")
        {
            continue;
        }
        let Some(code) = code_of(&one.resource["code"], ICD_10) else {
            let text = format!("{} has no code of ICD-10-CM and is not on the claim.", one.reference);
            issues.push(Issue::warning(IssueType::BusinessRule, text).at("Condition.code"));
            continue;
        };
        if !diagnoses.iter().any(|known| known.code == code) {
            diagnoses.push(Diagnosis {
                code: code.to_owned(),
                concept: one.resource["code"].clone(),
                reference: one.reference.clone(),
            });
        }
    }
    Ok(diagnoses)
}

/// Procedures for the claim of an institution; for others, which were done and not charged.
pub(super) async fn procedures(
    cx: &Context<'_>,
    encounter: &Found,
    charges: &[Charge],
    kind: Kind,
    issues: &mut Vec<Issue>,
) -> Result<Vec<Value>> {
    let pairs = [
        ("encounter".to_owned(), encounter.reference.clone()),
        ("status".to_owned(), "completed".to_owned()),
    ];
    let mut found = Vec::new();
    find::search(cx, "Procedure", &pairs, &mut found).await?;
    found.reverse();
    if kind == Kind::Institutional {
        let coded =
            found.into_iter().filter(|one| code_of(&one.resource["code"], ICD_10_PROCEDURES).is_some());
        return Ok(coded.map(|one| one.resource).collect());
    }
    let is_charged = |procedure: &Found| {
        charges.iter().any(|charge| {
            let item = &charge.found.resource;
            let names = items(item, "service").any(|one| one["reference"] == procedure.reference.as_str());
            let mut codes =
                items(&procedure.resource["code"], "coding").filter_map(|one| one["code"].as_str());
            names || codes.any(|code| has_code(&item["code"], code))
        })
    };
    for one in found.iter().filter(|one| !is_charged(one)) {
        let text =
            format!("{} was done and is not charged: no ChargeItem has it or its code.", one.reference);
        issues.push(Issue::warning(IssueType::BusinessRule, text).at("Procedure"));
    }
    Ok(Vec::new())
}
