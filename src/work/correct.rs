//! `Claim/[id]/$rcm-correct`: a replacement (frequency 7) or a void (8) of a claim that the payer has, as a
//! draft that follows it.

use super::packet::created;
use super::request::claim;
use crate::edi::find::{self, Found, identifiers, items};
use crate::edi::identity;
use crate::edi::record::own_code;
use crate::operation::Invocation;
use crate::rcm::{BASE, frequency, is_decision, is_reversal};
use crate::rest::{Answer, Attempting, Context, Patch};
use bytes::Bytes;
use remit_fhir::{Document, Error, IssueType, Node, Result, base64, date, json as text};
use remit_store::system_clock;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// A control number is not longer: payers need to give back only twenty characters of CLM01.
const MAX_NUMBER: usize = 20;

/// What stands for a file and not for the claim.
const OF_THE_FILE: &str = "https://remit.example/fhir/rcm/StructureDefinition/rcm-x12-set";

/// What is asked.
struct Request {
    frequency: &'static str,
    patch: Option<Patch>,
}

impl Request {
    fn read(call: &Invocation<'_>) -> Result<Request> {
        call.parameters.only(&["frequency", "patch"])?;
        let frequency = match call.parameters.get("frequency").as_deref() {
            Some("7") => "7",
            Some("8") => "8",
            given => {
                let code = if given.is_none() { IssueType::Required } else { IssueType::CodeInvalid };
                let sentence = "frequency is 7 for a replacement or 8 for a void.";
                return Err(Error::invalid(sentence).coded(code).at("frequency"));
            }
        };
        let patch = match call.parameters.named("patch").next() {
            None => None,
            Some(parameter) => Some(patch(parameter.get("resource"))?),
        };
        if frequency == "8" && patch.is_some() {
            let sentence = "A void repeats the claim as it was sent; it takes no patch.";
            return Err(Error::unprocessable(sentence).coded(IssueType::BusinessRule).at("patch"));
        }
        Ok(Request { frequency, patch })
    }
}

/// A FHIRPath Patch as Parameters, a JSON Patch as a Binary.
fn patch(resource: Option<Node<'_>>) -> Result<Patch> {
    let wrong = |sentence: &str| Error::invalid(sentence).at("patch");
    let parse = |bytes: Bytes| -> Result<Document> {
        text::parse(bytes).map_err(|error| Error::from(error).at("patch"))
    };
    let sentence =
        "patch is a Parameters resource (FHIRPath Patch) or a Binary of application/json-patch+json.";
    let resource = resource.ok_or_else(|| wrong(sentence))?;
    match resource.resource_type().as_deref() {
        Some("Parameters") => Ok(Patch::FhirPath(parse(Bytes::copy_from_slice(resource.json().as_bytes()))?)),
        Some("Binary")
            if resource.get_str("contentType").as_deref() == Some("application/json-patch+json") =>
        {
            let data = resource.get_str("data").and_then(|data| base64::decode(&data));
            Ok(Patch::Json(parse(Bytes::from(
                data.ok_or_else(|| wrong("The data of the Binary is no base64."))?,
            ))?))
        }
        _ => Err(wrong(sentence)),
    }
}

pub(super) async fn run(call: Invocation<'_>) -> Result<Answer> {
    let request = Request::read(&call)?;
    let original = claim(&call).await?;
    let mut attempts = Attempting::default();
    loop {
        let number = accepted(&call.cx, &original).await?;
        let followers = followers(&call.cx, &original).await?;
        let draft = corrected(&call.cx, &original, &request, number, followers)?;
        if let Some(written) = attempts.write(&call.cx, std::slice::from_ref(&draft)).await? {
            let body = written.into_iter().next().and_then(|one| one.body);
            return Ok(Answer::of(body.map_or(draft.text, |body| Bytes::copy_from_slice(&body))));
        }
    }
}

/// The payer's number of a claim that it has taken in; 409 when it has not. A decision shows that the
/// payer has the claim, even where it tells no number; an acknowledgement only with its number, since
/// others than the payer acknowledge, too.
async fn accepted(cx: &Context<'_>, original: &Found) -> Result<Option<Value>> {
    let answers = find::by(cx, "ClaimResponse", "request", [original.reference.as_str()]).await?;
    let taken = answers.iter().filter(|one| {
        let answer = &one.resource;
        is_decision(answer) || (answer["status"] == "active" && answer["outcome"] == "queued")
    });
    let newest = taken
        .filter(|one| is_decision(&one.resource) || identifiers(&one.resource).next().is_some())
        .max_by_key(|one| {
            let has_number = identifiers(&one.resource).next().is_some();
            let created = one.resource["created"].as_str().unwrap_or_default();
            (has_number, !is_reversal(&one.resource), created, one.reference.as_str())
        });
    match newest {
        Some(answer) => Ok(answer.resource["identifier"].get(0).cloned()),
        None => Err(Error::conflict(
            "The payer has not accepted this claim: no answer has a payer claim control number or a decision. A claim that was rejected is sent again as a new one.",
        )
        .coded(IssueType::BusinessRule)
        .at("Claim")),
    }
}

/// How many claims follow this one; 409 when one of them replaces or voids it already.
async fn followers(cx: &Context<'_>, original: &Found) -> Result<usize> {
    let all = find::by(cx, "Claim", "related", [original.reference.as_str()]).await?;
    let is_later = |one: &&Found| matches!(frequency(&one.resource), "7" | "8");
    let standing: Vec<&Found> = all
        .iter()
        .filter(is_later)
        .filter(|one| matches!(one.resource["status"].as_str(), Some("active" | "draft")))
        .collect();
    let answers =
        find::by(cx, "ClaimResponse", "request", standing.iter().map(|one| one.reference.as_str())).await?;
    for one in standing {
        let mut own = answers
            .iter()
            .filter(|a| a.resource["request"]["reference"] == one.reference.as_str())
            .peekable();
        let is_rejected = own.peek().is_some() && own.all(|answer| answer.resource["outcome"] == "error");
        if !is_rejected {
            let what = if frequency(&one.resource) == "8" { "voids" } else { "replaces" };
            let text = format!("{} {what} this claim already; go on with that one.", one.reference);
            return Err(Error::conflict(text).coded(IssueType::Duplicate).at("Claim"));
        }
    }
    if frequency(&original.resource) == "8" {
        return Err(Error::conflict("This claim is a void; there is nothing to correct in it.").at("Claim"));
    }
    Ok(all.len())
}

/// The draft of the new claim.
fn corrected(
    cx: &Context<'_>,
    original: &Found,
    request: &Request,
    number: Option<Value>,
    followers: usize,
) -> Result<crate::rest::Draft> {
    let mut claim = original.resource.clone();
    if let Some(patch) = &request.patch {
        let body = original.stored.body.clone().unwrap_or_default();
        let document = text::parse(body)?.into_compact();
        let patched = patch.apply(cx.defs, original.stored.ty, &original.stored.id, document);
        let patched = patched.map_err(|error| error.at("patch"))?;
        claim = serde_json::from_str(patched.text()).map_err(Error::internal)?;
    }
    if claim["patient"] != original.resource["patient"] || claim["use"] != "claim" {
        return Err(refused("A correction keeps patient and use of the claim."));
    }
    balanced(&claim)?;
    follow(&mut claim, original, request.frequency, number);
    claim["status"] = json!("draft");
    claim["created"] = json!(date::instant(system_clock()));
    renumber(&mut claim, request.frequency, followers);
    let id = identity::id("correction", &[&original.reference, &followers.to_string()]);
    if let Some(members) = claim.as_object_mut() {
        members.remove("text");
        members.remove("meta");
        if let Some(list) = members.get_mut("extension").and_then(Value::as_array_mut) {
            list.retain(|one| one["url"] != OF_THE_FILE);
        }
        if members.get("extension").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            members.remove("extension");
        }
    }
    created(cx, id, claim)
}

fn refused(sentence: &str) -> Error {
    Error::unprocessable(sentence).coded(IssueType::BusinessRule).at("patch")
}

/// 422 unless the total is the sum of the lines.
fn balanced(claim: &Value) -> Result<()> {
    let amount = |value: &Value| value["value"].as_number()?.to_string().parse::<Decimal>().ok();
    let lines: Option<Vec<Decimal>> = items(claim, "item").map(|item| amount(&item["net"])).collect();
    let (Some(lines), Some(total)) = (lines.filter(|lines| !lines.is_empty()), amount(&claim["total"]))
    else {
        return Ok(());
    };
    let sum: Decimal = lines.iter().sum();
    match sum == total {
        true => Ok(()),
        false => Err(refused(&format!(
            "The lines of the corrected claim sum up to {sum}, its total says {total}."
        ))
        .at("Claim.total")),
    }
}

/// Says which claim it follows and how.
fn follow(claim: &mut Value, original: &Found, frequency: &str, number: Option<Value>) {
    let mut related = json!({
        "claim": { "reference": original.reference },
        "relationship": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "code": "prior",
        }] },
    });
    if let Some(value) = number.as_ref().and_then(|number| number["value"].as_str()) {
        related["reference"] =
            json!({ "system": format!("{BASE}/payer-claim-control-number"), "value": value });
    }
    claim["related"] = json!([related]);
    let is_frequency =
        |info: &Value| items(&info["category"], "coding").any(|one| one["code"] == "claim-frequency");
    let mut all: Vec<Value> =
        items(claim, "supportingInfo").filter(|info| !is_frequency(info)).cloned().collect();
    let last = all.iter().filter_map(|info| info["sequence"].as_u64()).max().unwrap_or(0);
    all.push(json!({
        "sequence": last + 1,
        "category": own_code("rcm-supporting-info", "claim-frequency"),
        "code": own_code("rcm-claim-frequency", frequency),
    }));
    claim["supportingInfo"] = json!(all);
}

/// A number of its own, made of that of the original, so that answers tell the two apart.
fn renumber(claim: &mut Value, frequency: &str, followers: usize) {
    let letter = if frequency == "8" { 'V' } else { 'R' };
    let suffix = format!("-{letter}{}", followers + 1);
    let Some(first) = claim["identifier"].get_mut(0) else { return };
    let Some(value) = first["value"].as_str().map(str::to_owned) else { return };
    let number = match value.chars().count() + suffix.chars().count() <= MAX_NUMBER {
        true => format!("{value}{suffix}"),
        // One that would be too long is told by a part of its digest.
        false => {
            let digest = identity::id("control-number", &[&value]);
            let head: String = digest.chars().filter(|c| *c != '-').take(MAX_NUMBER - suffix.len()).collect();
            format!("{}{suffix}", head.to_uppercase())
        }
    };
    first["value"] = json!(number);
    if let Some(list) = claim["identifier"].as_array_mut() {
        list.truncate(1);
    }
}
