//! `Claim/[id]/$rcm-appeal`: an appeal against what an answer of the payer denied, as a Task with its last
//! day, a Communication in preparation and the letter.

use super::packet::Packet;
use super::request::{claim, references, there, zone};
use crate::edi::denial::{OPEN, payer};
use crate::edi::find::{self, Found, items};
use crate::edi::rules;
use crate::operation::Invocation;
use crate::rcm::{
    BASE, Days, DeadlineKind, Denial, business_day, day_number, deadline, denial, is_decision, service_days,
};
use crate::rest::{Answer, Attempting, Context};
use remit_fhir::{Error, IssueType, Result};
use remit_store::system_clock;
use serde_json::Value;

/// Documents of one appeal: a packet that a person has put together has some dozens.
const MAX_DOCUMENTS: usize = 100;

/// Characters of a narrative: some thirty pages.
const MAX_NARRATIVE: usize = 100_000;

/// What is asked.
pub(super) struct Request {
    response: String,
    lines: Vec<i64>,
    /// The level of appeal, as the contract names it.
    pub(super) level: Option<String>,
    /// What the letter says.
    pub(super) narrative: Option<String>,
    /// `DocumentReference/…` that come with it.
    pub(super) documents: Vec<String>,
    /// Why it is appealed after the last day.
    pub(super) reason: Option<String>,
}

impl Request {
    fn read(call: &Invocation<'_>) -> Result<Request> {
        call.parameters.only(&["denialResponse", "line", "level", "narrative", "document", "override"])?;
        let mut responses = references(call, "denialResponse", &["ClaimResponse"])?;
        let response = responses.pop().filter(|_| responses.is_empty()).ok_or_else(|| {
            Error::invalid("denialResponse names the one ClaimResponse that denied.")
                .coded(IssueType::Required)
                .at("denialResponse")
        })?;
        let lines = call.parameters.all("line").into_iter().map(|text| match text.parse::<i64>() {
            Ok(line) if line > 0 => Ok(line),
            _ => Err(Error::invalid("line is the number of a line of the claim.")
                .coded(IssueType::Value)
                .at("line")),
        });
        let documents = references(call, "document", &["DocumentReference", "Binary"])?;
        if documents.len() > MAX_DOCUMENTS {
            return Err(
                Error::invalid(format!("An appeal has at most {MAX_DOCUMENTS} documents.")).at("document")
            );
        }
        let text = |name: &str| call.parameters.get(name).filter(|text| !text.trim().is_empty());
        let narrative = text("narrative");
        if narrative.as_ref().is_some_and(|text| text.chars().count() > MAX_NARRATIVE) {
            let sentence =
                format!("The narrative has more than {MAX_NARRATIVE} characters; send it as a document.");
            return Err(Error::invalid(sentence).coded(IssueType::TooLong).at("narrative"));
        }
        if call.parameters.named("override").next().is_some() && text("override").is_none() {
            return Err(
                Error::invalid("override is the reason for an appeal after the last day.").at("override")
            );
        }
        Ok(Request {
            response,
            lines: lines.collect::<Result<_>>()?,
            level: text("level"),
            narrative,
            documents,
            reason: text("override"),
        })
    }
}

pub(super) async fn run(call: Invocation<'_>) -> Result<Answer> {
    let request = Request::read(&call)?;
    let claim = claim(&call).await?;
    for document in &request.documents {
        there(&call.cx, document, "document").await?;
    }
    let mut attempts = Attempting::default();
    loop {
        let case = Case::find(&call.cx, &claim, &request).await?;
        let packet = Packet::of(&call.cx, &case, &request).await?;
        if let Some(written) = attempts.write(&call.cx, &packet.drafts).await? {
            return Ok(packet.answer(&call.cx, &written));
        }
    }
}

/// What is appealed, found to be open to appeal.
pub(super) struct Case<'c> {
    pub(super) claim: &'c Found,
    pub(super) response: Found,
    pub(super) denial: Denial,
    /// The day of the decision, in the practice's time zone.
    pub(super) notice: String,
    /// The last day, and the contract that says so.
    pub(super) limit: Option<(String, String)>,
    /// Today, in the practice's time zone.
    pub(super) today: String,
    /// Microseconds of the system's clock.
    pub(super) now: i64,
    /// How many appeals there are already.
    pub(super) appeals: usize,
}

impl<'c> Case<'c> {
    async fn find(cx: &Context<'_>, claim: &'c Found, request: &Request) -> Result<Case<'c>> {
        let response = there(cx, &request.response, "denialResponse").await?;
        if response.resource["request"]["reference"] != claim.reference.as_str() {
            let text = format!("{} is no answer to this claim.", request.response);
            return Err(refuse(text, "denialResponse"));
        }
        let payer = payer(&claim.resource, &response.resource);
        let rules = rules::rules(cx, [payer]).await?;
        let denial = denial(&response.resource, &rules.classes, payer)
            .ok_or_else(|| refuse(format!("{} denies nothing.", request.response), "denialResponse"))?;
        if denial.is_unprocessable {
            let text = "The payer could not process the claim (remark MA130). Such a claim has no right of appeal: correct it with $rcm-correct and send it again.";
            return Err(refuse(text, "denialResponse"));
        }
        let denial = of_lines(denial, &request.lines)?;
        let (zone, now) = (zone(cx, &claim.resource).await?, system_clock());
        let notice = business_day(response.resource["created"].as_str().unwrap_or_default(), zone.as_deref());
        stands(cx, claim, &response, &notice, zone.as_deref()).await?;
        let appeals = open_appeals(cx, claim, &denial).await?;
        let days =
            Days { service: service_days(&claim.resource).map_or("", |(first, _)| first), notice: &notice };
        let limit = deadline(&rules.deadlines, payer, DeadlineKind::Appeal, request.level.as_deref(), days)
            .map(|(day, contract)| (day, contract.to_owned()));
        let today = business_day(&remit_fhir::date::instant(now), zone.as_deref());
        if let Some((last, contract)) = &limit
            && *last < today
            && request.reason.is_none()
        {
            let text = format!(
                "The last day to appeal was {last} ({contract}). With a reason in the parameter override it is appealed all the same."
            );
            return Err(refuse(text, "denialResponse"));
        }
        Ok(Case { claim, response, denial, notice, limit, today, now, appeals })
    }

    /// Days until the last one; `None` when there is none.
    pub(super) fn days_left(&self) -> Option<i64> {
        Some(day_number(&self.limit.as_ref()?.0)? - day_number(&self.today)?)
    }
}

fn refuse(text: impl Into<String>, parameter: &str) -> Error {
    Error::unprocessable(text).coded(IssueType::BusinessRule).at(parameter)
}

/// The denial of some lines only; 422 for a line of which nothing was denied.
fn of_lines(denial: Denial, lines: &[i64]) -> Result<Denial> {
    if lines.is_empty() {
        return Ok(denial);
    }
    if let Some(other) = lines.iter().find(|line| !denial.lines.iter().any(|own| own.line == **line)) {
        return Err(refuse(format!("Nothing of line {other} was denied."), "line"));
    }
    let own = denial.lines.into_iter().filter(|own| lines.contains(&own.line)).collect();
    Ok(Denial { lines: own, ..denial })
}

/// 409 when the payer has decided on the claim again since.
async fn stands(
    cx: &Context<'_>,
    claim: &Found,
    response: &Found,
    notice: &str,
    zone: Option<&str>,
) -> Result<()> {
    let answers = find::by(cx, "ClaimResponse", "request", [claim.reference.as_str()]).await?;
    let later =
        answers.iter().filter(|one| one.reference != response.reference && is_decision(&one.resource));
    let later = later
        .map(|one| (business_day(one.resource["created"].as_str().unwrap_or_default(), zone), &one.reference))
        .filter(|(day, _)| day.as_str() > notice)
        .max();
    match later {
        None => Ok(()),
        Some((day, reference)) => Err(Error::conflict(format!(
            "The payer decided again on {day} ({reference}); this answer does not stand any more."
        ))
        .at("denialResponse")),
    }
}

/// How many appeals there are; 409 when one is open on a line of the denial.
async fn open_appeals(cx: &Context<'_>, claim: &Found, denial: &Denial) -> Result<usize> {
    let code = vec![("code".to_owned(), format!("{BASE}/CodeSystem/rcm-task|appeal"))];
    let all = find::by_with(cx, "Task", "focus", [claim.reference.as_str()], code).await?;
    let open = all.iter().find(|task| is_open(&task.resource) && is_about(&task.resource, denial));
    match open {
        None => Ok(all.len()),
        Some(task) => Err(Error::conflict(format!(
            "{} is an appeal against this that is not decided yet.",
            task.reference
        ))
        .coded(IssueType::Duplicate)
        .at("denialResponse")),
    }
}

fn is_open(task: &Value) -> bool {
    let status = task["status"].as_str().unwrap_or_default();
    let is_decided = items(&task["businessStatus"], "coding")
        .any(|coding| matches!(coding["code"].as_str(), Some("overturned" | "upheld")));
    OPEN.split(',').any(|open| open == status) && !is_decided
}

/// Whether an appeal is about one of these lines; one that names none is about all.
fn is_about(task: &Value, denial: &Denial) -> bool {
    let lines: Vec<i64> = items(task, "input").filter_map(|input| input["valueInteger"].as_i64()).collect();
    lines.is_empty() || denial.lines.iter().any(|own| lines.contains(&own.line))
}
