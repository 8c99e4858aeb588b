//! Things that come in the wrong order are linked when the second one comes: an answer before its claim,
//! a secondary claim before the answer of the payer before, a replacement before its original's answer.
//! What waits is tagged, so that few are looked at.

use super::choice::{self, Said};
use super::claims::{AWAITS_ANSWER, AWAITS_ORIGINAL};
use super::find::{self, Found, items};
use super::origin::{day, is_later};
use super::record::{Record, TAG, tag};
use super::remittance;
use crate::rcm::frequency;
use crate::rest::Context;
use remit_fhir::Result;
use remit_x12::fhir::is_reversal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// An answer that waits for its claim.
pub(super) const AWAITS_CLAIM: &str = "awaits-claim";

/// Control numbers of one search.
const NUMBERS: usize = 200;

/// Patients of one search.
const PATIENTS: usize = 100;

/// Everything of a type that waits.
async fn waiting(cx: &Context<'_>, ty: &str, code: &str, more: &[(String, String)]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut pairs = vec![("_tag".to_owned(), format!("{TAG}|{code}"))];
    pairs.extend(more.iter().cloned());
    find::search(cx, ty, &pairs, &mut found).await?;
    Ok(found)
}

/// Everything that waited for the claims that are sent now, once all of them are known.
pub(super) async fn sent(cx: &Context<'_>, record: &mut Record) -> Result<()> {
    answers(cx, record).await?;
    originals(cx, record).await?;
    let numbers = record.sent.iter().flat_map(|one| find::identifiers(&one.1)).map(str::to_owned);
    let numbers: Vec<String> = numbers.collect();
    resubmitted(cx, record, &numbers).await
}

/// Answers that waited for the claims that are sent now.
async fn answers(cx: &Context<'_>, record: &mut Record) -> Result<()> {
    let tagged = ("_tag".to_owned(), format!("{TAG}|{AWAITS_CLAIM}"));
    // Mostly none waits, and nothing more is asked.
    if record.sent.is_empty() || !find::any(cx, "ClaimResponse", std::slice::from_ref(&tagged)).await? {
        return Ok(());
    }
    let sent = std::mem::take(&mut record.sent);
    let linked = link_answers(cx, record, &sent, &tagged).await;
    record.sent = sent;
    details(cx, record, &linked?).await
}

/// Links the waiting answers that name one of these claims. Gives the answers with their claims.
async fn link_answers(
    cx: &Context<'_>,
    record: &mut Record,
    sent: &[(String, Value)],
    tagged: &(String, String),
) -> Result<Vec<(String, String)>> {
    let mut by_number: BTreeMap<&str, Vec<&(String, Value)>> = BTreeMap::new();
    for one in sent {
        find::identifiers(&one.1).for_each(|number| by_number.entry(number).or_default().push(one));
    }
    let numbers: Vec<&str> = by_number.keys().copied().collect();
    let mut waiting = Vec::new();
    for some in numbers.chunks(NUMBERS) {
        let some = some.iter().map(|number| find::escaped(number)).collect::<Vec<_>>().join(",");
        let pairs = [tagged.clone(), ("request:identifier".to_owned(), some)];
        find::search(cx, "ClaimResponse", &pairs, &mut waiting).await?;
    }
    let mut linked = Vec::new();
    for answer in waiting {
        let number = answer.resource["request"]["identifier"]["value"].as_str().unwrap_or_default();
        let all = by_number.get(number).into_iter().flatten().copied();
        let Some((claim, resource)) = choice::choose(all, &Said::by(&answer.resource)) else { continue };
        linked.push((answer.reference.clone(), claim.clone()));
        link_claim(cx, record, answer, (claim, resource))?;
    }
    Ok(linked)
}

/// An answer on a claim that came after it.
fn link_claim(
    cx: &Context<'_>,
    record: &mut Record,
    mut answer: Found,
    (claim, resource): (&String, &Value),
) -> Result<()> {
    let own = &mut answer.resource;
    own["request"]["reference"] = json!(claim);
    own["patient"] = resource["patient"].clone();
    own["type"] = resource["type"].clone();
    if resource["insurer"].is_object() {
        own["insurer"] = resource["insurer"].clone();
    }
    to_lines(own, resource);
    tag(own, AWAITS_CLAIM, false);
    if own["outcome"] == "error" {
        record.rejected.push(claim.clone());
    }
    if own["use"] == "claim" {
        record.answered.push(Answered {
            response: answer.reference.clone(),
            number: find::identifiers(own).next().map(str::to_owned),
            kind: match own["outcome"].as_str() {
                Some("complete") if is_reversal(own) => Kind::Reversal,
                Some("complete") => Kind::Decision,
                _ => Kind::Acknowledgement,
            },
            claim: resource.clone(),
            claim_reference: claim.clone(),
        });
    }
    remittance::explain(cx, record, (&answer.reference, &answer.resource), (claim, resource))?;
    record.change(cx, answer.stored, &answer.resource)
}

/// Decisions on lines that were not known find their lines.
fn to_lines(answer: &mut Value, claim: &Value) {
    let known = remit_x12::fhir::Known::of(crate::rcm::BASE, String::new(), claim);
    let Some(added) = answer["addItem"].as_array().cloned() else { return };
    let (mut matched, mut rest) = (Vec::new(), Vec::new());
    for one in added {
        let day = one["servicedDate"].as_str();
        let mut lines = known.lines.iter().filter(|line| {
            let is_code = items(&one["productOrService"], "coding").any(|coding| {
                coding["code"].as_str().is_some_and(|code| line.codes.iter().any(|own| own == code))
            });
            let is_free = !matched.iter().any(|item: &Value| item["itemSequence"] == line.sequence);
            is_code
                && is_free
                && (day.is_none() || line.service.is_none_or(|own| Some(own.to_string().as_str()) == day))
        });
        match lines.next().filter(|_| one["itemSequence"].is_null()) {
            Some(line) => {
                matched.push(json!({ "itemSequence": line.sequence, "adjudication": one["adjudication"] }));
            }
            None => rest.push(one),
        }
    }
    if !matched.is_empty() {
        answer["item"] = json!(matched);
    }
    match (rest.is_empty(), answer.as_object_mut()) {
        (true, Some(members)) => drop(members.remove("addItem")),
        (_, Some(members)) => drop(members.insert("addItem".into(), json!(rest))),
        _ => {}
    }
}

/// The payments of these answers name the claims too, and their tasks are done.
async fn details(cx: &Context<'_>, record: &mut Record, linked: &[(String, String)]) -> Result<()> {
    if linked.is_empty() {
        return Ok(());
    }
    let answers = linked.iter().map(|one| one.0.as_str());
    for mut task in find::by(cx, "Task", "focus", answers).await? {
        let is_unknown =
            items(&task.resource["code"], "coding").any(|coding| coding["code"] == "unknown-claim");
        if is_unknown && task.resource["status"] == "requested" {
            task.resource["status"] = json!("completed");
            record.change(cx, task.stored, &task.resource)?;
        }
    }
    let mut payments = Vec::new();
    let pairs = [("_tag".to_owned(), format!("{TAG}|{AWAITS_CLAIM}"))];
    find::search(cx, "PaymentReconciliation", &pairs, &mut payments).await?;
    for mut payment in payments {
        let mut is_changed = false;
        for detail in payment.resource["detail"].as_array_mut().into_iter().flatten() {
            let answer = detail["response"]["reference"].as_str().unwrap_or_default();
            if let Some((_, claim)) = linked.iter().find(|one| one.0 == answer) {
                detail["request"] = json!({ "reference": claim });
                is_changed = true;
            }
        }
        if is_changed {
            let is_response = |one: &&Value| one["response"].is_object();
            let waits =
                items(&payment.resource, "detail").filter(is_response).any(|one| one["request"].is_null());
            tag(&mut payment.resource, AWAITS_CLAIM, waits);
            record.change(cx, payment.stored, &payment.resource)?;
        }
    }
    Ok(())
}

/// An answer that is posted now.
pub(super) struct Answered {
    /// Its reference.
    pub(super) response: String,
    /// The claim that it is about.
    pub(super) claim: Value,
    pub(super) claim_reference: String,
    /// The payer's number of the claim.
    pub(super) number: Option<String>,
    pub(super) kind: Kind,
}

/// What an answer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It says only that the claim was taken in or rejected; it may tell the payer's number.
    Acknowledgement,
    /// A decision.
    Decision,
    /// It takes back an earlier decision.
    Reversal,
}

/// Claims that waited for the answers that are posted now.
pub(super) async fn claims(cx: &Context<'_>, record: &mut Record, answered: &[Answered]) -> Result<()> {
    let patients: Vec<&str> =
        answered.iter().filter_map(|one| one.claim["patient"]["reference"].as_str()).collect();
    each_waiting(cx, record, AWAITS_ANSWER, &patients, &|claim| link_answer(claim, answered)).await?;
    each_waiting(cx, record, AWAITS_ORIGINAL, &patients, &|claim| link_original(claim, answered)).await
}

/// Replacements that waited for the claims that are sent now.
async fn originals(cx: &Context<'_>, record: &mut Record) -> Result<()> {
    let sent = record.sent.clone();
    let patients: Vec<&str> = sent.iter().filter_map(|one| one.1["patient"]["reference"].as_str()).collect();
    each_waiting(cx, record, AWAITS_ORIGINAL, &patients, &|claim| link_sent(claim, &sent)).await
}

/// Links a claim where it can be linked now, and says so.
type Link<'l> = dyn Fn(&mut Value) -> bool + Send + Sync + 'l;

/// Calls `link` with every claim of these patients that waits; where it says so the claim is changed and
/// waits no more.
async fn each_waiting(
    cx: &Context<'_>,
    record: &mut Record,
    code: &str,
    patients: &[&str],
    link: &Link<'_>,
) -> Result<()> {
    for place in 0..record.sent.len() {
        let mut claim = record.sent[place].1.clone();
        if is_tagged(&claim, code) && link(&mut claim) {
            tag(&mut claim, code, false);
            record.amend_sent(place, claim)?;
        }
    }
    let mut patients = patients.to_vec();
    patients.sort_unstable();
    patients.dedup();
    // Mostly none waits, and nothing more is asked.
    let tagged = [("_tag".to_owned(), format!("{TAG}|{code}"))];
    if patients.is_empty() || !find::any(cx, "Claim", &tagged).await? {
        return Ok(());
    }
    for some in patients.chunks(PATIENTS) {
        for found in waiting(cx, "Claim", code, &[("patient".to_owned(), some.join(","))]).await? {
            let mut claim = record.latest(&found);
            if link(&mut claim) {
                tag(&mut claim, code, false);
                record.change(cx, found.stored, &claim)?;
            }
        }
    }
    Ok(())
}

fn is_tagged(claim: &Value, code: &str) -> bool {
    items(&claim["meta"], "tag").any(|one| one["system"] == TAG && one["code"] == code)
}

/// The answer of the payer before: of the same patient, charge and day.
fn link_answer(claim: &mut Value, answered: &[Answered]) -> bool {
    let Some(focal) = items(claim, "insurance").position(|one| one["focal"] == true) else { return false };
    let is_same = |one: &&Answered| {
        one.kind == Kind::Decision
            && one.claim["patient"]["reference"] == claim["patient"]["reference"]
            && one.claim["billablePeriod"]["start"] == claim["billablePeriod"]["start"]
            && one.claim["total"]["value"] == claim["total"]["value"]
            && one.claim["insurer"]["reference"] != claim["insurer"]["reference"]
    };
    let place = (0..focal).find(|place| claim["insurance"][*place]["claimResponse"].is_null());
    let (Some(place), Some(found)) = (place, answered.iter().rev().find(is_same)) else { return false };
    claim["insurance"][place]["claimResponse"] = json!({ "reference": found.response });
    (0..focal).all(|place| !claim["insurance"][place]["claimResponse"].is_null())
}

/// The claim that has the payer's number told with a replacement.
fn link_original(claim: &mut Value, answered: &[Answered]) -> bool {
    let number = claim["related"][0]["reference"]["value"].as_str().map(str::to_owned);
    let found = answered.iter().find(|one| number.is_some() && one.number == number);
    let Some(found) = found else { return false };
    follow(claim, &found.claim_reference);
    true
}

/// A claim among those sent now that a waiting one follows: by the number told, by its own number, by
/// patient, payer, provider and day.
fn link_sent(claim: &mut Value, sent: &[(String, Value)]) -> bool {
    let told = claim["related"][0]["reference"]["value"].as_str();
    let own = find::identifiers(claim).next();
    let is_earlier = |one: &&(String, Value)| {
        day(&one.1, "created") <= day(claim, "created") && frequency(&one.1) == "1" && is_later(claim)
    };
    let has = |one: &(String, Value), number: Option<&str>| {
        number.is_some() && find::identifiers(&one.1).any(|id| Some(id) == number)
    };
    let is_same = |one: &(String, Value)| {
        ["patient", "insurer", "provider"]
            .iter()
            .all(|name| one.1[name]["reference"] == claim[name]["reference"])
            && one.1["billablePeriod"]["start"] == claim["billablePeriod"]["start"]
    };
    let fits = |one: &&(String, Value)| has(one, told) || has(one, own) || is_same(one);
    let found = sent.iter().filter(is_earlier).filter(fits).map(|one| one.0.clone()).next_back();
    let Some(found) = found else { return false };
    follow(claim, &found);
    true
}

/// Says that a claim follows another.
pub(super) fn follow(claim: &mut Value, original: &str) {
    if !claim["related"].is_array() {
        claim["related"] = json!([{ "relationship": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "code": "prior",
        }] } }]);
    }
    claim["related"][0]["claim"] = json!({ "reference": original });
}

/// A claim sent again under its number follows the one that was rejected, whichever of claim, rejection
/// and second claim comes last. `numbers` are those of what came now.
pub(super) async fn resubmitted(cx: &Context<'_>, record: &mut Record, numbers: &[String]) -> Result<()> {
    let stored = find::by(cx, "Claim", "identifier", numbers.iter().map(String::as_str)).await?;
    let mut groups: HashMap<&str, usize> = HashMap::new();
    let of_sent = record.sent.iter().flat_map(|one| find::identifiers(&one.1));
    for number in stored.iter().flat_map(|one| find::identifiers(&one.resource)).chain(of_sent) {
        *groups.entry(number).or_default() += 1;
    }
    if !numbers.iter().any(|number| groups.get(number.as_str()).is_some_and(|count| *count > 1)) {
        return Ok(());
    }
    let claims = stored.iter().map(|one| one.reference.as_str());
    let mut answers = find::by(cx, "ClaimResponse", "request", claims).await?;
    let mut all: Vec<(String, Value)> =
        stored.iter().map(|one| (one.reference.clone(), record.latest(one))).collect();
    all.extend(record.sent.iter().cloned());
    choice::again(cx, record, &mut answers, &all).await?;
    let of_store = answers.iter().filter(|one| one.resource["outcome"] == "error");
    let mut rejected: Vec<String> =
        of_store.filter_map(|one| one.resource["request"]["reference"].as_str()).map(str::to_owned).collect();
    rejected.extend(record.rejected.iter().cloned());
    for found in &stored {
        let mut claim = record.latest(found);
        if follows_rejected(&mut claim, &found.reference, &all, &rejected) {
            record.change(cx, found.stored.clone(), &claim)?;
        }
    }
    for place in 0..record.sent.len() {
        let (reference, mut claim) = record.sent[place].clone();
        if follows_rejected(&mut claim, &reference, &all, &rejected) {
            record.amend_sent(place, claim)?;
        }
    }
    Ok(())
}

/// Links a first submission to the rejected one before it that has its number.
fn follows_rejected(
    claim: &mut Value,
    reference: &str,
    all: &[(String, Value)],
    rejected: &[String],
) -> bool {
    if frequency(claim) != "1" || claim["related"].is_array() {
        return false;
    }
    let number = find::identifiers(claim).next();
    let before = all.iter().filter(|one| {
        one.0 != reference
            && rejected.contains(&one.0)
            && find::identifiers(&one.1).any(|id| Some(id) == number)
            && one.1["patient"]["reference"] == claim["patient"]["reference"]
            && (day(&one.1, "created"), one.0.as_str()) < (day(claim, "created"), reference)
    });
    let found = before.max_by_key(|one| (day(&one.1, "created"), one.0.as_str())).map(|one| one.0.clone());
    let Some(found) = found else { return false };
    follow(claim, &found);
    true
}
