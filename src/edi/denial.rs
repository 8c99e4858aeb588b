//! Work that a denial leaves: a Task `denial-work` for each answer that denies something, with what was
//! denied, why, and until when something can be done. A later decision on the claim, or on the claim that
//! replaced it, ends the work. Whichever of two answers is posted first, the same tasks stand in the end.

use super::find::{self, Found, items};
use super::identity;
use super::late::Answered;
use super::origin::day;
use super::record::{Record, reference};
use super::rules::{self, Rules};
use super::task::{self, Work, add};
use crate::rcm::{
    BASE, CATEGORY, Days, DeadlineKind, Denial, REASONS, day_number, deadline, denial, is_decision,
    service_days,
};
use crate::rest::Context;
use futures_util::future::BoxFuture;
use remit_fhir::{Error, Result};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Statuses of work that nobody has finished.
pub(crate) const OPEN: &str = "draft,requested,received,accepted,ready,in-progress,on-hold";

/// Work whose limit is nearer is urgent: gathering records and writing a letter take about a month.
pub(crate) const URGENT_DAYS: i64 = 30;

/// An answer that is posted now.
struct Posted<'a> {
    answered: &'a Answered,
    response: Value,
    day: String,
}

impl Posted<'_> {
    fn payer(&self) -> &str {
        payer(&self.answered.claim, &self.response)
    }
}

/// Who decides on a claim: the insurer that it names, else the one that answered.
pub(crate) fn payer<'v>(claim: &'v Value, response: &'v Value) -> &'v str {
    let of = |resource: &'v Value| resource["insurer"]["reference"].as_str();
    of(claim).or_else(|| of(response)).unwrap_or_default()
}

/// Adds the work that the answers of a file leave, and ends what they finish. What a file led to holds the
/// work on the answers in it, when it comes again, too.
pub(super) async fn work(
    cx: &Context<'_>,
    record: &mut Record,
    answered: &[Answered],
    now: i64,
) -> Result<()> {
    let before: Vec<String> = record
        .outcome
        .iter()
        .filter(|one| one.starts_with("ClaimResponse/") && !record.creates(one))
        .map(|response| reference("Task", &task_id(response)))
        .collect();
    leave(cx, record, answered, now).await?;
    record.outcome.extend(before);
    record.distinct();
    Ok(())
}

async fn leave(cx: &Context<'_>, record: &mut Record, answered: &[Answered], now: i64) -> Result<()> {
    let posted = posted(record, answered)?;
    if posted.is_empty() {
        return Ok(());
    }
    finish(cx, record, &posted).await?;
    let rules = rules::rules(cx, posted.iter().map(Posted::payer)).await?;
    let denied: Vec<(&Posted<'_>, Denial)> = posted
        .iter()
        .filter_map(|one| Some((one, denial(&one.response, &rules.classes, one.payer())?)))
        .collect();
    if denied.is_empty() {
        return Ok(());
    }
    let later = Decisions::find(cx, record, &posted, &denied).await?;
    let ids: Vec<String> = denied.iter().map(|(one, _)| task_id(&one.answered.response)).collect();
    let tasks: Vec<String> = ids.iter().map(|id| reference("Task", id)).collect();
    let there: HashSet<String> = find::read(cx, &tasks).await?.into_iter().map(|one| one.reference).collect();
    for ((one, denial), id) in denied.iter().zip(&ids) {
        if there.contains(&reference("Task", id)) {
            continue;
        }
        let mut task = self::task(one, denial, &rules, now);
        if let Some(day) = later.after(one) {
            end(&mut task, &day);
        }
        let is_of_the_file = record.creates(&one.answered.response);
        record.create(cx, id, task)?;
        // An answer that came in another file and waited for this claim.
        if !is_of_the_file {
            record.outcome.pop();
        }
    }
    Ok(())
}

/// The id of the work that an answer leaves.
pub(crate) fn task_id(response: &str) -> String {
    identity::id("denial-work", &[response])
}

/// The decisions among the answers, as they will be written.
fn posted<'a>(record: &Record, answered: &'a [Answered]) -> Result<Vec<Posted<'a>>> {
    let texts: HashMap<&str, &[u8]> =
        record.drafts.iter().map(|draft| (draft.id.as_str(), draft.text.as_ref())).collect();
    let mut posted = Vec::new();
    for one in answered {
        let id = one.response.split('/').nth(1).unwrap_or_default();
        let Some(text) = texts.get(id) else { continue };
        let response: Value = serde_json::from_slice(text).map_err(Error::internal)?;
        if is_decision(&response) {
            let day = day(&response, "created").to_owned();
            posted.push(Posted { answered: one, response, day });
        }
    }
    Ok(posted)
}

/// Claims that a claim follows.
fn originals(claim: &Value) -> impl Iterator<Item = &str> {
    items(claim, "related").filter_map(|one| one["claim"]["reference"].as_str())
}

/// Ends the work on earlier answers of the same claims, and of those that they replace.
async fn finish(cx: &Context<'_>, record: &mut Record, posted: &[Posted<'_>]) -> Result<()> {
    let mut days: HashMap<&str, &str> = HashMap::new();
    for one in posted {
        let own = std::iter::once(one.answered.claim_reference.as_str());
        for claim in own.chain(originals(&one.answered.claim)) {
            let day = days.entry(claim).or_default();
            *day = (*day).max(one.day.as_str());
        }
    }
    for task in open_work(cx, days.keys().copied()).await? {
        let focus = task.resource["focus"]["reference"].as_str().unwrap_or_default();
        let notice = task.resource["restriction"]["period"]["start"].as_str().unwrap_or_default();
        let Some(day) = days.get(focus).filter(|day| **day > notice) else { continue };
        let mut resource = task.resource.clone();
        end(&mut resource, day);
        record.change(cx, task.stored, &resource)?;
    }
    Ok(())
}

/// The unfinished work on denials of some claims.
pub(crate) fn open_work<'c>(
    cx: &'c Context<'_>,
    claims: impl IntoIterator<Item = &'c str>,
) -> BoxFuture<'c, Result<Vec<Found>>> {
    let system = format!("{BASE}/CodeSystem/rcm-task|denial-work");
    let more = vec![("code".to_owned(), system), ("status".to_owned(), OPEN.to_owned())];
    find::by_with(cx, "Task", "focus", claims, more)
}

fn end(task: &mut Value, day: &str) {
    task["status"] = json!("completed");
    task["statusReason"] = json!({ "text": format!("The payer decided again on {day}.") });
}

/// Claims of the record that the file changes, as they will be: one that waited for what it replaces follows
/// it now.
fn changed(cx: &Context<'_>, record: &Record) -> Result<Vec<(String, Value)>> {
    let is_claim = |ty| cx.defs.name(ty) == "Claim";
    let drafts = record.drafts.iter().filter(|draft| is_claim(draft.ty) && draft.before.is_some());
    drafts
        .map(|draft| {
            let claim = serde_json::from_slice(&draft.text).map_err(Error::internal)?;
            Ok((reference("Claim", &draft.id), claim))
        })
        .collect()
}

/// The days of all decisions on claims and on what replaced them.
struct Decisions {
    days: HashMap<String, Vec<String>>,
}

impl Decisions {
    async fn find(
        cx: &Context<'_>,
        record: &Record,
        posted: &[Posted<'_>],
        denied: &[(&Posted<'_>, Denial)],
    ) -> Result<Decisions> {
        let claims: Vec<&str> = denied.iter().map(|(one, _)| one.answered.claim_reference.as_str()).collect();
        let stored = find::by(cx, "Claim", "related", claims.iter().copied()).await?;
        let mut others: Vec<(String, Value)> =
            stored.into_iter().map(|one| (one.reference, one.resource)).collect();
        others.extend(changed(cx, record)?);
        // Of a claim that follows another the decisions count for that one, too.
        let mut follows: HashMap<&str, Vec<&str>> = HashMap::new();
        for (reference, claim) in others.iter().chain(&record.sent) {
            for original in originals(claim) {
                follows.entry(reference).or_default().push(original);
            }
        }
        let all = claims.iter().copied().chain(others.iter().map(|one| one.0.as_str()));
        let answers = find::by(cx, "ClaimResponse", "request", all).await?;
        let known = answers.iter().filter(|one| is_decision(&one.resource)).map(|one| {
            (one.resource["request"]["reference"].as_str().unwrap_or_default(), day(&one.resource, "created"))
        });
        let own = posted.iter().map(|one| (one.answered.claim_reference.as_str(), one.day.as_str()));
        let mut days: HashMap<String, Vec<String>> = HashMap::new();
        for (claim, day) in known.chain(own) {
            for claim in std::iter::once(claim).chain(follows.get(claim).into_iter().flatten().copied()) {
                days.entry(claim.to_owned()).or_default().push(day.to_owned());
            }
        }
        Ok(Decisions { days })
    }

    /// The day of the last decision that is later than this one.
    fn after(&self, posted: &Posted<'_>) -> Option<String> {
        let days = self.days.get(&posted.answered.claim_reference)?;
        days.iter().filter(|day| **day > posted.day).max().cloned()
    }
}

/// The work on one answer.
fn task(posted: &Posted<'_>, denial: &Denial, rules: &Rules, now: i64) -> Value {
    let claim = &posted.answered.claim;
    let days = Days { service: service_days(claim).map_or("", |(first, _)| first), notice: &posted.day };
    let limit = |kind| deadline(&rules.deadlines, posted.payer(), kind, None, days);
    let (action, limit) = match denial.is_unprocessable {
        true => {
            ("correct", limit(DeadlineKind::CorrectedClaim).or_else(|| limit(DeadlineKind::TimelyFiling)))
        }
        false => ("appeal", limit(DeadlineKind::Appeal)),
    };
    let text = description(denial, limit.as_ref().map(|limit| limit.0.as_str()));
    let mut task = task::work(Work::Denial, &text, Some(&posted.answered.claim_reference), now);
    task["basedOn"] = json!([{ "reference": posted.answered.response }]);
    if claim["patient"].is_object() {
        task["for"] = claim["patient"].clone();
    }
    task["reasonCode"] = reason(denial);
    task["extension"] = json!([{ "url": format!("{BASE}/StructureDefinition/rcm-amount"),
        "valueMoney": money(denial.amount(), &denial.currency) }]);
    task["restriction"] = json!({ "period": { "start": posted.day } });
    if let Some((day, contract)) = limit {
        let today = now.div_euclid(86_400_000_000);
        let is_urgent = day_number(&day).is_some_and(|last| last - today < URGENT_DAYS);
        task["priority"] = json!(if is_urgent { "urgent" } else { "routine" });
        task["restriction"]["period"]["end"] = json!(day);
        add(&mut task, "input", "contract", ("valueReference", json!({ "reference": contract })));
    }
    add(&mut task, "input", "action", ("valueCode", json!(action)));
    task
}

/// Category and codes of a denial.
pub(crate) fn reason(denial: &Denial) -> Value {
    let mut codes: Vec<&str> = denial
        .lines
        .iter()
        .flat_map(|line| &line.reasons)
        .filter_map(|reason| reason.split_once('-').map(|(_, code)| code))
        .collect();
    codes.sort_unstable();
    codes.dedup();
    let mut coding = vec![json!({ "system": CATEGORY, "code": denial.category() })];
    coding.extend(codes.iter().map(|code| json!({ "system": REASONS, "code": code })));
    json!({ "coding": coding })
}

/// What was denied, in a sentence.
fn description(denial: &Denial, limit: Option<&str>) -> String {
    let places: Vec<String> = denial
        .lines
        .iter()
        .map(|line| match line.line {
            ..=0 => format!("the claim ({})", line.reasons.join(", ")),
            number => format!("line {number} ({})", line.reasons.join(", ")),
        })
        .collect();
    let action = match (denial.is_unprocessable, limit) {
        (true, Some(day)) => format!("Correct and send it again by {day}; it cannot be appealed."),
        (true, None) => "Correct and send it again; it cannot be appealed.".to_owned(),
        (false, Some(day)) => format!("Appeal by {day}."),
        (false, None) => "No contract says until when it can be appealed.".to_owned(),
    };
    let amount = with_cents(denial.amount());
    format!("Denied {amount} {} on {}. {action}", denial.currency, places.join(", "))
}

/// An amount as people write it, with all its digits.
pub(crate) fn with_cents(amount: rust_decimal::Decimal) -> String {
    let mut amount = amount.normalize();
    amount.rescale(amount.scale().max(2));
    amount.to_string()
}

/// Money with cents.
pub(crate) fn money(amount: rust_decimal::Decimal, currency: &str) -> Value {
    let value: Value = serde_json::from_str(&with_cents(amount)).unwrap_or_default();
    json!({ "value": value, "currency": currency })
}
