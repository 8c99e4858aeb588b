//! `Claim/$submit` (<https://hl7.org/fhir/R4/claim-operation-submit.html>): a claim goes out once.
//!
//! A claim is known by its first identifier. Sent again with the same content it is answered with the
//! same ClaimResponse; other content under the number of a claim that went out is 409. A claim that an
//! edit finds an error in is not sent: it is kept as a draft with a Task `edit-hold`, and the answer is
//! 422 with the findings. Requests for authorization and predetermination are refused.

mod package;
mod send;

use crate::operation::Invocation;
use crate::rest::{Answer, Context, etag};
use package::Package;
use remit_fhir::{Error, IssueType, Kind, Result, date};
use send::Sent;
use serde_json::{Value, json};

/// Claims of one Bundle. Each is a transaction of its own, with its own edits and file.
const MAX_CLAIMS: usize = 100;

pub(super) async fn run(call: Invocation<'_>) -> Result<Answer> {
    call.parameters.only(&["resource"])?;
    let node = call.parameters.resource("resource").ok_or_else(|| {
        Error::invalid("Give a Claim, or a Bundle with claims and what they refer to.")
            .coded(IssueType::Required)
            .at("resource")
    })?;
    let input = super::request::value(node)?;
    match input["resourceType"].as_str() {
        Some("Claim") => {
            let sent = send::one(&call.cx, Package::of(input)).await?;
            answer(&call.cx, &sent)
        }
        Some("Bundle") => bundle(&call.cx, &input).await,
        _ => Err(Error::invalid("What is submitted is a Claim or a Bundle.").at("resource")),
    }
}

/// The ClaimResponse of a single claim.
fn answer(cx: &Context<'_>, sent: &Sent) -> Result<Answer> {
    let ty = cx.defs.resource_named("ClaimResponse");
    let ty = ty.ok_or_else(|| Error::internal("there is no type ClaimResponse"))?;
    Ok(Answer {
        version: Some(sent.version),
        updated_us: Some(sent.updated_us),
        location: Some((ty, sent.id.clone())),
        ..Answer::of(sent.response.clone())
    })
}

/// A Bundle of claims, each answered by itself.
async fn bundle(cx: &Context<'_>, input: &Value) -> Result<Answer> {
    let packages = package::packages(cx, input)?;
    if packages.len() > MAX_CLAIMS {
        let text = format!("The Bundle has {} claims; at most {MAX_CLAIMS} are taken.", packages.len());
        return Err(Error::new(Kind::TooLarge, text).at("resource"));
    }
    let mut entries = Vec::with_capacity(packages.len());
    for package in packages {
        entries.push(match package {
            Ok(package) => entry(cx, send::one(cx, package).await)?,
            Err(error) => entry(cx, Err(error))?,
        });
    }
    Ok(Answer::of(
        json!({ "resourceType": "Bundle", "type": "batch-response", "entry": entries }).to_string(),
    ))
}

fn entry(cx: &Context<'_>, outcome: Result<Sent>) -> Result<Value> {
    match outcome {
        Ok(sent) => Ok(json!({
            "fullUrl": format!("{}/ClaimResponse/{}", cx.base, sent.id),
            "resource": serde_json::from_slice::<Value>(&sent.response).map_err(Error::internal)?,
            "response": {
                "status": if sent.is_new { "201 Created" } else { "200 OK" },
                "location": format!("ClaimResponse/{}/_history/{}", sent.id, sent.version),
                "etag": etag(sent.version),
                "lastModified": date::instant(sent.updated_us),
            },
        })),
        // A defect of ours ends the whole request, where it is logged.
        Err(error) if error.status() >= 500 => Err(error),
        Err(error) => Ok(json!({
            "response": { "status": error.status().to_string(), "outcome": error.outcome() },
        })),
    }
}
