//! `Encounter/[id]/$generate-claim`: a draft of the claim for a visit.

mod charges;
mod coverages;
mod draft;
mod people;

use super::edits::findings;
use super::known::Subject;
use super::request::{has_code, value};
use crate::edi::find::{self, Found, items, target};
use crate::edi::identity;
use crate::edi::record::{Record, reference};
use crate::operation::Invocation;
use crate::rcm::frequency;
use crate::rest::{Answer, Attempting, Context};
use draft::{Kind, Visit};
use remit_fhir::{Error, Issue, IssueType, Result, Severity, operation_outcome};
use remit_store::system_clock;
use serde_json::{Value, json};

pub(super) async fn run(call: Invocation<'_>) -> Result<Answer> {
    call.parameters.only(&["coverage", "claimType", "dryRun"])?;
    let cx = &call.cx;
    let is_dry_run = call.parameters.flag("dryRun")?;
    let asked = super::request::references(&call, "coverage");
    let mut attempts = Attempting::default();
    loop {
        let encounter = target(&call).await?;
        let kind = Kind::of(call.parameters.get("claimType").as_deref(), &encounter.resource)?;
        let mut issues = open(&encounter.resource)?;
        let before = claims(cx, &encounter.reference).await?;
        let visit = visit(cx, encounter, kind, &asked, &mut issues).await?;
        let id = identity::id("generated-claim", &[&visit.encounter.stored.id, &before.to_string()]);
        let claim = visit.claim(&id, system_clock(), &mut issues)?;
        let own = reference("Claim", &id);
        let subject = Subject::of(cx, claim.clone(), Some(&own), Vec::new()).await?;
        issues.extend(findings(cx, &subject, &[]).await?.iter().map(|finding| {
            // They are told now; they hold the claim only when it is submitted.
            let issue = finding.issue();
            match issue.severity {
                Severity::Error => Issue { severity: Severity::Warning, ..issue },
                _ => issue,
            }
        }));
        if is_dry_run {
            return Ok(answer(claim, &issues));
        }
        let mut record = Record::default();
        record.create(cx, &id, claim)?;
        record.revive(cx).await?;
        if let Some(written) = attempts.write(cx, &record.drafts).await? {
            let body = written[0].body.clone().unwrap_or_default();
            let parsed = remit_fhir::json::parse(body).map_err(Error::internal)?;
            return Ok(answer(value(parsed.root())?, &issues));
        }
    }
}

fn answer(claim: Value, issues: &[Issue]) -> Answer {
    Answer::of(
        json!({ "resourceType": "Parameters", "parameter": [
            { "name": "return", "resource": claim },
            { "name": "outcome", "resource": operation_outcome(issues) },
        ] })
        .to_string(),
    )
}

/// 422 for a visit that did not take place; a warning for one that is not over.
fn open(encounter: &Value) -> Result<Vec<Issue>> {
    match encounter["status"].as_str() {
        Some("finished") => Ok(Vec::new()),
        Some("planned" | "cancelled" | "entered-in-error") => {
            Err(Error::unprocessable("The visit did not take place, so there is nothing to bill.")
                .coded(IssueType::BusinessRule)
                .at("Encounter.status"))
        }
        _ => Ok(vec![
            Issue::warning(IssueType::BusinessRule, "The visit is not finished; charges may still come.")
                .at("Encounter.status"),
        ]),
    }
}

/// How many claims for the visit were there and are void or cancelled; 409 when one stands.
async fn claims(cx: &Context<'_>, encounter: &str) -> Result<usize> {
    let pairs = [("encounter".to_owned(), encounter.to_owned()), ("use".to_owned(), "claim".to_owned())];
    let mut found = Vec::new();
    find::search(cx, "Claim", &pairs, &mut found).await?;
    let voids: Vec<&Found> = found.iter().filter(|one| frequency(&one.resource) == "8").collect();
    let is_void = |claim: &Found| {
        voids.iter().any(|void| {
            void.reference == claim.reference
                || items(&void.resource, "related").any(|one| {
                    has_code(&one["relationship"], "prior")
                        && one["claim"]["reference"] == claim.reference.as_str()
                })
        })
    };
    let is_over = |claim: &Found| {
        matches!(claim.resource["status"].as_str(), Some("cancelled" | "entered-in-error")) || is_void(claim)
    };
    match found.iter().find(|claim| !is_over(claim)) {
        None => Ok(found.len()),
        Some(claim) => Err(Error::conflict(format!(
            "The visit is claimed already: {} (status {}). Correct or submit that claim.",
            claim.reference,
            claim.resource["status"].as_str().unwrap_or("unknown")
        ))
        .coded(IssueType::Duplicate)
        .at("Encounter")),
    }
}

/// Everything that the claim is made of.
async fn visit(
    cx: &Context<'_>,
    encounter: Found,
    kind: Kind,
    asked: &[String],
    issues: &mut Vec<Issue>,
) -> Result<Visit> {
    let mut charges = charges::of(cx, &encounter, issues).await?;
    let days = charges::days(&charges, &encounter.resource);
    let coverages = coverages::of(cx, &encounter.resource, asked, days.as_ref()).await?;
    let diagnoses = charges::diagnoses(cx, &encounter, issues).await?;
    let procedures = charges::procedures(cx, &encounter, &charges, kind, issues).await?;
    let place = people::place(cx, &encounter.resource).await?;
    let team = people::team(cx, &encounter.resource, &mut charges, kind).await?;
    Ok(Visit { encounter, kind, charges, days, coverages, diagnoses, procedures, place, team })
}
