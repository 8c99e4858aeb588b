//! `Claim/$scrub`: what is wrong with a claim before it goes out, rule by rule.

use super::edits::{Finding, findings};
use super::known::Subject;
use super::request::{local, resource};
use crate::edi::find;
use crate::edi::find::target;
use crate::operation::{Invocation, Target};
use crate::rcm::Edits;
use crate::rest::{Answer, sound};
use remit_fhir::{Error, Issue, IssueType, Kind, Result, json, operation_outcome};
use serde_json::{Value, json};

/// Sets of rules that a call may bring.
const MAX_GIVEN: usize = 20;

pub(super) async fn run(call: Invocation<'_>) -> Result<Answer> {
    let cx = &call.cx;
    let is_instance = matches!(call.target, Target::Instance(..));
    call.parameters.only(if is_instance { &["payerRules"][..] } else { &["claim", "payerRules"][..] })?;
    let (claim, own) = match is_instance {
        true => {
            let found = target(&call).await?;
            (found.resource, Some(found.reference))
        }
        false => {
            let claim = resource(&call, "claim", "Claim")?.ok_or_else(|| {
                Error::invalid("Give a Claim in the parameter claim, or call the operation on a stored one.")
                    .coded(IssueType::Required)
                    .at("claim")
            })?;
            let parsed = json::parse(claim.to_string()).map_err(Error::internal)?;
            sound(cx, parsed.root(), Kind::Invalid)?;
            let own = claim["id"].as_str().map(|id| format!("Claim/{id}"));
            (claim, own)
        }
    };
    let given = given(&call).await?;
    let subject = Subject::of(cx, claim, own.as_deref(), Vec::new()).await?;
    let findings = findings(cx, &subject, &given).await?;
    Ok(Answer::of(report(&findings).to_string()))
}

/// The sets of rules in `payerRules`: PlanDefinitions, or references to stored ones.
async fn given(call: &Invocation<'_>) -> Result<Vec<Edits>> {
    let cx = &call.cx;
    let mut sets = Vec::new();
    for part in call.parameters.named("payerRules") {
        let Some(node) = part.get("resource") else { continue };
        if node.resource_type().as_deref() != Some("PlanDefinition") {
            return Err(Error::invalid("payerRules is a PlanDefinition or names one.").at("payerRules"));
        }
        sets.push(super::request::value(node)?);
    }
    for text in super::request::references(call, "payerRules") {
        let found = match local(cx, &text) {
            reference if reference.starts_with("PlanDefinition/") => {
                find::read(cx, &[reference.to_owned()]).await?
            }
            canonical => {
                let (url, version) = canonical.split_once('|').unwrap_or((canonical, ""));
                let mut found = find::by(cx, "PlanDefinition", "url", [url]).await?;
                found.retain(|one| version.is_empty() || one.resource["version"] == version);
                found
            }
        };
        let found = found
            .into_iter()
            .next_back()
            .ok_or_else(|| Error::not_found("There is no such PlanDefinition here.").at("payerRules"))?;
        sets.push(found.resource);
    }
    if sets.len() > MAX_GIVEN {
        return Err(Error::invalid(format!("At most {MAX_GIVEN} sets of rules are taken.")).at("payerRules"));
    }
    let read = |set: &Value| {
        Edits::read(set).map_err(|(text, place)| {
            let issue = Issue::error(IssueType::Invalid, format!("The rules cannot be run: {text}"));
            Error::with_issues(Kind::Unprocessable, vec![issue.at(format!("payerRules.{place}"))])
        })
    };
    sets.iter().map(read).collect()
}

/// The findings as Parameters.
fn report(findings: &[Finding]) -> Value {
    let issues: Vec<Issue> = findings.iter().map(Finding::issue).collect();
    let is_clean = !findings.iter().any(Finding::is_error);
    let mut list = vec![
        json!({ "name": "clean", "valueBoolean": is_clean }),
        json!({ "name": "outcome", "resource": operation_outcome(&issues) }),
    ];
    list.extend(findings.iter().map(part));
    json!({ "resourceType": "Parameters", "parameter": list })
}

fn part(finding: &Finding) -> Value {
    let mut parts = vec![
        json!({ "name": "rule", "valueCode": finding.rule }),
        json!({ "name": "severity", "valueCode": finding.severity.code() }),
        json!({ "name": "text", "valueString": finding.title }),
    ];
    if !finding.fix.is_empty() {
        parts.push(json!({ "name": "fix", "valueString": finding.fix }));
    }
    let places = finding.places.iter();
    parts.extend(places.map(|place| json!({ "name": "expression", "valueString": place })));
    parts.push(json!({ "name": "source", "valueString": finding.source }));
    json!({ "name": "edit", "part": parts })
}
