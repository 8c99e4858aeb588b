//! What the operations are called with and on: a claim, and references of the caller.

use crate::edi::find::{self, Found};
use crate::operation::Invocation;
use crate::rcm::timezone;
use crate::rest::Context;
use remit_fhir::{Error, IssueType, Result};
use serde_json::Value;

/// The claim that an operation is called on.
pub(super) async fn claim(call: &Invocation<'_>) -> Result<Found> {
    let found = find::target(call).await?;
    if found.resource["use"] != "claim" || found.resource["status"] != "active" {
        return Err(Error::conflict(
            "The claim is not an active claim (use claim, status active), so nothing was sent that could be changed.",
        )
        .at("Claim.status"));
    }
    Ok(found)
}

/// The references in a parameter, as `Type/id`; 400 for one that leads elsewhere.
pub(super) fn references(call: &Invocation<'_>, name: &str, types: &[&str]) -> Result<Vec<String>> {
    let nodes = call.parameters.named(name);
    let texts = nodes.map(|node| {
        let reference = node.get("valueReference").and_then(|value| value.get_str("reference"));
        reference.or_else(|| node.get_str("valueString")).or_else(|| node.get_str("valueUri"))
    });
    texts
        .map(|text| {
            let text = text.unwrap_or_default();
            let local = text.strip_prefix(call.cx.base).map_or(&*text, |rest| rest.trim_start_matches('/'));
            let is_one =
                local.split_once('/').is_some_and(|(ty, id)| types.contains(&ty) && remit_fhir::is_id(id));
            match is_one {
                true => Ok(local.to_owned()),
                false => {
                    Err(Error::invalid(format!("{name} is a reference to a {} here.", types.join(" or ")))
                        .coded(IssueType::Value)
                        .at(name))
                }
            }
        })
        .collect()
}

/// The resource behind a reference; 404 when it is not there or not the caller's to read.
pub(super) async fn there(cx: &Context<'_>, reference: &str, name: &str) -> Result<Found> {
    let found = find::read(cx, &[reference.to_owned()]).await?.pop();
    found.ok_or_else(|| Error::not_found(format!("There is no {reference} here.")).at(name))
}

/// The time zone of a claim's business days: that of its facility, of whoever manages that, of who bills.
pub(super) async fn zone(cx: &Context<'_>, claim: &Value) -> Result<Option<String>> {
    let mut next = vec![claim["facility"]["reference"].as_str(), claim["provider"]["reference"].as_str()];
    let mut found: Vec<Option<String>> = Vec::new();
    if let Some(facility) = next[0] {
        let location = find::read(cx, &[facility.to_owned()]).await?.pop();
        found.push(location.as_ref().and_then(|one| timezone(&one.resource).map(str::to_owned)));
        let manager = location
            .and_then(|one| one.resource["managingOrganization"]["reference"].as_str().map(str::to_owned));
        if let Some(manager) = manager {
            found.push(
                find::read(cx, &[manager])
                    .await?
                    .pop()
                    .and_then(|one| timezone(&one.resource).map(str::to_owned)),
            );
        }
    }
    let provider = next.pop().flatten().filter(|reference| reference.starts_with("Organization/"));
    if found.iter().all(Option::is_none)
        && let Some(provider) = provider
    {
        found.push(
            find::read(cx, &[provider.to_owned()])
                .await?
                .pop()
                .and_then(|one| timezone(&one.resource).map(str::to_owned)),
        );
    }
    Ok(found.into_iter().flatten().next())
}
