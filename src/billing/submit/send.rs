//! One claim on its way: known before, held by an edit, or sent.

use super::package::Package;
use crate::billing::edits::{Finding, findings};
use crate::billing::known::Subject;
use crate::billing::request::local;
use crate::edi::find::{self, Found, items};
use crate::edi::identity;
use crate::edi::record::{Record, own_code, reference};
use crate::edi::send::{self, Outgoing};
use crate::edi::task::add;
use crate::rcm::BASE;
use crate::rcm::frequency;
use crate::rest::{Attempting, Context, sound};
use bytes::Bytes;
use remit_fhir::{Error, Issue, IssueType, Kind, Result, date, json as text};
use remit_store::{Written, system_clock};
use serde_json::{Value, json};

/// The system of the identifier of a receipt: the digest of what was sent.
pub(crate) const SUBMISSION: &str = "https://remit.example/fhir/rcm/submission";

/// The media type of an Endpoint that takes claims as X12.
const X12: &str = "application/EDI-X12";

/// A claim that went out, now or before.
#[derive(Debug)]
pub(super) struct Sent {
    /// Id of the ClaimResponse.
    pub(super) id: String,
    /// The ClaimResponse.
    pub(super) response: Bytes,
    pub(super) version: i64,
    pub(super) updated_us: i64,
    /// Whether it went out now.
    pub(super) is_new: bool,
}

/// Sends one claim.
pub(super) async fn one(cx: &Context<'_>, package: Package) -> Result<Sent> {
    let parsed = text::parse(package.claim.to_string()).map_err(Error::internal)?;
    sound(cx, parsed.root(), Kind::Invalid)?;
    open(&package.claim)?;
    let mut attempts = Attempting::default();
    loop {
        let plan = match Plan::of(cx, &package).await? {
            Known::Before(sent) => return Ok(sent),
            Known::New(plan) => plan,
        };
        let mut outcome = plan.run(cx).await?;
        outcome.record.revive(cx).await?;
        let Some(written) = attempts.write(cx, &outcome.record.drafts).await? else { continue };
        return match outcome.held {
            Some(error) => Err(error),
            None => sent(&outcome, &written),
        };
    }
}

fn sent(outcome: &Outcome, written: &[Written]) -> Result<Sent> {
    let place = outcome.record.drafts.iter().position(|draft| draft.id == outcome.receipt);
    let missing = || Error::internal("a submission without its receipt");
    let place = place.ok_or_else(missing)?;
    Ok(Sent {
        id: outcome.receipt.clone(),
        response: written[place].body.clone().ok_or_else(missing)?,
        version: written[place].version,
        updated_us: written[place].updated_us,
        is_new: true,
    })
}

/// 422 for what is not a claim for payment that can go out.
fn open(claim: &Value) -> Result<()> {
    let refuse = |text: &str, code, at: &str| Err(Error::unprocessable(text).coded(code).at(at));
    match claim["use"].as_str() {
        Some("claim") => {}
        _ => {
            let text = "Only claims for payment are submitted here (use = claim). Prior authorization and predetermination need an exchange with the payer that this server does not have.";
            return refuse(text, IssueType::NotSupported, "Claim.use");
        }
    }
    if !matches!(claim["status"].as_str(), Some("active" | "draft")) {
        return refuse("A claim with this status is not sent.", IssueType::BusinessRule, "Claim.status");
    }
    if claim["identifier"][0]["value"].as_str().is_none_or(str::is_empty) {
        let text = "The claim has no number: give Claim.identifier, by which a repetition is known.";
        return refuse(text, IssueType::Required, "Claim.identifier");
    }
    Ok(())
}

/// The digest of what a claim says; of the claim itself, not of how and when it is kept.
fn digest(claim: &Value) -> String {
    let mut own = claim.clone();
    if let Some(members) = own.as_object_mut() {
        for name in ["id", "meta", "text", "status", "created"] {
            members.remove(name);
        }
    }
    sort(&mut own);
    identity::digest([own.to_string().as_bytes()])
}

/// Members in the order of their names: their order says nothing.
fn sort(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(sort);
            members.sort_keys();
        }
        Value::Array(list) => list.iter_mut().for_each(sort),
        _ => {}
    }
}

/// What is known of a claim that shall be sent.
enum Known {
    /// It went out before.
    Before(Sent),
    /// It is to be sent now.
    New(Box<Plan>),
}

/// A claim that is to be sent.
struct Plan {
    claim: Value,
    id: String,
    /// The claim as it is stored: a draft, or the same claim recorded otherwise.
    before: Option<Found>,
    receipt: String,
    digest: String,
    with: Vec<(String, Value)>,
    now: i64,
}

/// What is written, and the error that it is answered with when the claim is held.
struct Outcome {
    record: Record,
    receipt: String,
    held: Option<Error>,
}

impl Plan {
    async fn of(cx: &Context<'_>, package: &Package) -> Result<Known> {
        let number = &package.claim["identifier"][0];
        let part = |name: &str| number[name].as_str().unwrap_or_default().to_owned();
        let (system, value) = (part("system"), part("value"));
        let digest = digest(&package.claim);
        let receipt = identity::id("submission", &[&system, &value]);
        let known = find::read(cx, &[reference("ClaimResponse", &receipt)]).await?.pop();
        if let Some(found) = known {
            let is_same = items(&found.resource, "identifier")
                .any(|one| one["system"] == SUBMISSION && one["value"] == digest.as_str());
            return if is_same { Ok(Known::Before(again(found))) } else { Err(taken()) };
        }
        let before = recorded(cx, &package.claim, &system, &value).await?;
        if let Some(found) = &before
            && found.resource["status"] != "draft"
            && self::digest(&found.resource) != digest
        {
            return Err(taken());
        }
        let id = match &before {
            Some(found) => found.stored.id.clone(),
            None => identity::id("submitted-claim", &[&system, &value]),
        };
        let mut with = package.with.clone();
        let references: Vec<String> = with.iter().map(|(reference, _)| reference.clone()).collect();
        let there: Vec<String> =
            find::read(cx, &references).await?.into_iter().map(|found| found.reference).collect();
        with.retain(|(reference, _)| !there.contains(reference));
        let claim = package.claim.clone();
        let now = system_clock();
        Ok(Known::New(Box::new(Plan { claim, id, before, receipt, digest, with, now })))
    }

    async fn run(mut self: Box<Self>, cx: &Context<'_>) -> Result<Outcome> {
        self.follow(cx).await?;
        let own = reference("Claim", &self.id);
        let with = self.with.clone();
        let subject = Subject::of(cx, self.claim.clone(), Some(&own), with).await?;
        let findings = findings(cx, &subject, &[]).await?;
        let mut issues: Vec<Issue> = findings.iter().map(Finding::issue).collect();
        let mut file = None;
        if !findings.iter().any(Finding::is_error) {
            match self.file(cx).await {
                Ok(made) => file = made,
                Err(error) if error.kind == Kind::Unprocessable => issues.extend(error.issues),
                Err(error) => return Err(error),
            }
        }
        match issues.iter().any(|issue| issue.severity == remit_fhir::Severity::Error) {
            true => self.hold(cx, issues).await,
            false => self.send(cx, file).await,
        }
    }

    /// A replacement or void gets the payer's number of what it follows, where the record knows it.
    async fn follow(&mut self, cx: &Context<'_>) -> Result<()> {
        if !matches!(frequency(&self.claim), "7" | "8") {
            return Ok(());
        }
        let is_prior = |one: &&Value| crate::billing::request::has_code(&one["relationship"], "prior");
        let place = items(&self.claim, "related").position(|one| is_prior(&one));
        let Some(place) = place else { return Ok(()) };
        let at = format!("Claim.related[{place}].claim");
        let related = self.claim["related"][place].clone();
        let Some(prior) = related["claim"]["reference"].as_str().map(|one| local(cx, one).to_owned()) else {
            return Ok(());
        };
        let Some(original) = find::read(cx, std::slice::from_ref(&prior)).await?.pop() else { return Ok(()) };
        if original.resource["status"] != "active" {
            return Err(Error::conflict(
                "The claim that this one follows was never sent, or is cancelled; send a new claim instead.",
            )
            .at(at));
        }
        if related["reference"].is_null() {
            let pairs = [("request".to_owned(), prior)];
            let answers = find::newest(cx, "ClaimResponse", &pairs, MAX_ANSWERS).await?;
            let system = format!("{BASE}/payer-claim-control-number");
            let mut numbers = answers.iter().flat_map(|one| items(&one.resource, "identifier"));
            if let Some(number) = numbers.find(|one| one["system"] == system.as_str()) {
                self.claim["related"][place]["reference"] = number.clone();
            }
        }
        Ok(())
    }

    /// The 837, when the payer takes claims as X12.
    async fn file(&self, cx: &Context<'_>) -> Result<Option<Outgoing>> {
        let Some(partner) = self.partner(cx).await? else { return Ok(None) };
        let known = self.with.iter().cloned().collect();
        send::claim(cx, &self.claim, known, partner.as_deref(), self.now).await.map(Some)
    }

    /// The receiver at the payer's active Endpoint for X12; `None` in it when it tells no identifier.
    async fn partner(&self, cx: &Context<'_>) -> Result<Option<Option<String>>> {
        let resource = |reference: &str| {
            self.with.iter().find(|(known, _)| known == reference).map(|(_, resource)| resource.clone())
        };
        let Some(insurer) = self.claim["insurer"]["reference"].as_str() else { return Ok(None) };
        let insurer = local(cx, insurer).to_owned();
        let payer = match resource(&insurer) {
            Some(payer) => Some(payer),
            None => find::read(cx, &[insurer]).await?.pop().map(|found| found.resource),
        };
        let Some(payer) = payer else { return Ok(None) };
        let endpoints: Vec<String> = items(&payer, "endpoint")
            .filter_map(|one| one["reference"].as_str())
            .map(|one| local(cx, one).to_owned())
            .collect();
        let stored = find::read(cx, &endpoints).await?.into_iter().map(|found| found.resource);
        let mut all = endpoints.iter().filter_map(|one| resource(one)).chain(stored);
        let takes_x12 =
            |one: &Value| one["status"] == "active" && items(one, "payloadMimeType").any(|mime| mime == X12);
        let endpoint = all.find(takes_x12);
        Ok(endpoint.map(|one| one["identifier"][0]["value"].as_str().map(str::to_owned)))
    }

    /// The claim and what came with it, for a draft or for what goes out.
    fn keep(&mut self, cx: &Context<'_>, record: &mut Record, status: &str) -> Result<()> {
        for (reference, resource) in std::mem::take(&mut self.with) {
            if let Some((_, id)) = reference.split_once('/') {
                record.create(cx, id, resource)?;
            }
        }
        let mut claim = self.claim.clone();
        claim["status"] = json!(status);
        match self.before.take() {
            // Recorded as it is sent: nothing of it changes.
            Some(found) if found.resource["status"] == "active" => Ok(()),
            Some(found) => record.change(cx, found.stored, &claim),
            None => record.create(cx, &self.id, claim).map(drop),
        }
    }

    async fn hold(mut self: Box<Self>, cx: &Context<'_>, issues: Vec<Issue>) -> Result<Outcome> {
        let mut record = Record::default();
        self.keep(cx, &mut record, "draft")?;
        let reasons: Vec<&str> = issues.iter().map(|issue| issue.diagnostics.as_str()).collect();
        let mut task = json!({
            "resourceType": "Task", "status": "requested", "intent": "order", "priority": "routine",
            "code": own_code("rcm-task", "edit-hold"),
            "description": "An edit found an error in the claim; it was not sent.",
            "statusReason": { "text": reasons.join(" ") },
            "focus": { "reference": reference("Claim", &self.id) },
            "for": self.claim["patient"],
            "authoredOn": date::instant(self.now), "lastModified": date::instant(self.now),
        });
        for issue in &issues {
            add(&mut task, "input", "finding", ("valueString", json!(issue.diagnostics)));
        }
        let id = self.task();
        let name = reference("Task", &id);
        match self.held(cx).await? {
            Some(found) => {
                task["id"] = json!(id);
                task["authoredOn"] = found.resource["authoredOn"].clone();
                record.change(cx, found.stored, &task)?;
            }
            None => drop(record.create(cx, &id, task)?),
        }
        let mut error = Error::with_issues(Kind::Unprocessable, issues);
        let claim = reference("Claim", &self.id);
        error.issues.push(Issue::information(format!(
            "The claim was not sent. It is kept as {claim}; {name} says what to correct. Submit it again then."
        )));
        Ok(Outcome { record, receipt: self.receipt, held: Some(error) })
    }

    fn task(&self) -> String {
        identity::id("edit-hold", &[&self.id])
    }

    async fn held(&self, cx: &Context<'_>) -> Result<Option<Found>> {
        Ok(find::read(cx, &[reference("Task", &self.task())]).await?.pop())
    }

    async fn send(mut self: Box<Self>, cx: &Context<'_>, file: Option<Outgoing>) -> Result<Outcome> {
        let mut record = Record::default();
        self.keep(cx, &mut record, "active")?;
        let claim = reference("Claim", &self.id);
        if let Some(found) = self.held(cx).await?
            && found.resource["status"] != "completed"
        {
            let mut task = found.resource;
            task["status"] = json!("completed");
            task["lastModified"] = json!(date::instant(self.now));
            record.change(cx, found.stored, &task)?;
        }
        let is_filed = file.is_some();
        record.create(cx, &self.receipt, self.response(&claim, is_filed))?;
        if let Some(file) = file {
            file.add(cx, &mut record, &claim, self.now)?;
        }
        Ok(Outcome { record, receipt: self.receipt, held: None })
    }

    /// The receipt: the payer's answer is awaited.
    fn response(&self, claim: &str, is_filed: bool) -> Value {
        let how = match is_filed {
            true => "The claim was written as X12 for the payer; its answer is awaited.",
            false => "The claim is recorded as submitted; the payer's answer is awaited.",
        };
        let insurer = match self.claim["insurer"].is_object() {
            true => self.claim["insurer"].clone(),
            false => json!({ "display": "the payer of the coverage" }),
        };
        json!({
            "resourceType": "ClaimResponse",
            "identifier": [{ "system": SUBMISSION, "value": self.digest }],
            "status": "active",
            "type": self.claim["type"],
            "use": "claim",
            "patient": self.claim["patient"],
            "created": date::instant(self.now),
            "insurer": insurer,
            "requestor": self.claim["provider"],
            "request": { "reference": claim },
            "outcome": "queued",
            "disposition": how,
        })
    }
}

/// Answers to the original that are looked at for the payer's number: the newest.
const MAX_ANSWERS: usize = 20;

fn again(found: Found) -> Sent {
    Sent {
        id: found.stored.id,
        response: found.stored.body.unwrap_or_default(),
        version: found.stored.version,
        updated_us: found.stored.updated_us,
        is_new: false,
    }
}

fn taken() -> Error {
    Error::conflict(
        "Another claim was sent under this number. Give this one a number of its own; a replacement or void names the one it follows in Claim.related.",
    )
    .coded(IssueType::Duplicate)
    .at("Claim.identifier")
}

/// The claim as the record has it: by its number, else the draft of its id.
async fn recorded(cx: &Context<'_>, claim: &Value, system: &str, value: &str) -> Result<Option<Found>> {
    let mut found = find::identified(cx, "Claim", system, value).await?;
    found.retain(|one| {
        one.resource["identifier"][0]["value"] == value
            && !matches!(one.resource["status"].as_str(), Some("cancelled" | "entered-in-error"))
    });
    let id = claim["id"].as_str().unwrap_or_default();
    if let Some(place) = found.iter().position(|one| one.stored.id == id) {
        return Ok(Some(found.swap_remove(place)));
    }
    match found.len() {
        0 => {}
        1 => return Ok(found.pop()),
        _ => return Err(taken()),
    }
    if id.is_empty() {
        return Ok(None);
    }
    let own = find::read(cx, &[reference("Claim", id)]).await?.pop();
    match own {
        Some(found) if found.resource["status"] == "draft" => Ok(Some(found)),
        Some(_) => Err(Error::conflict(
            "The claim of this id was sent under another number; a claim that went out is not changed.",
        )
        .at("Claim.id")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_of_what_a_claim_says() {
        let own =
            json!({ "resourceType": "Claim", "status": "draft", "total": { "value": 1, "currency": "USD" } });
        let other = json!({
            "total": { "currency": "USD", "value": 1 }, "resourceType": "Claim", "status": "active",
            "id": "x", "created": "2026-01-01",
        });
        assert_eq!(digest(&own), digest(&other));
        let changed = json!({ "resourceType": "Claim", "total": { "value": 2, "currency": "USD" } });
        assert_ne!(digest(&own), digest(&changed));
    }
}
