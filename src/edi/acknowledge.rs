//! Acknowledgements into the record: the 999 of a functional group and the TA1 of an interchange. What
//! was refused becomes a Task with the places that the other side names, and a ClaimResponse with the
//! outcome `error` for each claim that never got through.

use super::find::{self, Found, items};
use super::identity;
use super::interchange;
use super::payers;
use super::record::{Record, own_code};
use super::task::{self, Work, add};
use crate::rcm::BASE;
use crate::rest::Context;
use remit_fhir::{Result, date};
use remit_x12::model::{Acknowledgement, InterchangeAnswer, Party, SetAnswer};
use serde_json::{Value, json};

/// Places told in one Task.
const MAX_PLACES: usize = 50;

/// Who answers whom: the receiver of the answer has sent what is answered.
pub(super) struct Sides<'s> {
    /// GS03 or ISA08 of the answer.
    pub(super) sender: &'s str,
    /// GS02 or ISA06 of the answer.
    pub(super) receiver: &'s str,
    /// What identifies the answer among others.
    pub(super) key: String,
}

/// Adds what a 999 says.
pub(super) async fn group(
    cx: &Context<'_>,
    record: &mut Record,
    answer: &Acknowledgement,
    sides: &Sides<'_>,
    now: i64,
) -> Result<()> {
    let is_refused = answer.result == "R" || answer.sets.iter().any(|set| set.result == "R");
    let text = format!(
        "Functional group {} of {} was answered with {}: {} of {} sets accepted.",
        answer.group, sides.sender, answer.result, answer.accepted, answer.received
    );
    let mut task = note(&text, is_refused, now);
    for place in answer.sets.iter().flat_map(places).take(MAX_PLACES) {
        add(&mut task, "output", "place", ("valueString", json!(place)));
    }
    let note = record.create(cx, &identity::id("group-answer", &[&sides.key]), task)?;
    let refused = answer.sets.iter().filter(|set| set.result == "R" || answer.result == "R");
    for set in refused {
        let value = [sides.sender, sides.receiver, &answer.group, &set.name.control].join("|");
        let sent = find::identified(cx, "Task", interchange::SET, &value).await?;
        for claim in claims_of(cx, &sent, &set.name.control).await? {
            rejected(cx, record, &claim, &note, &sides.key, now)?;
        }
    }
    Ok(())
}

/// Adds what a TA1 says.
pub(super) async fn of_interchange(
    cx: &Context<'_>,
    record: &mut Record,
    answer: &InterchangeAnswer,
    sides: &Sides<'_>,
    now: i64,
) -> Result<()> {
    let is_refused = answer.result == "R";
    let text = format!(
        "Interchange {} of {} was answered with {} (note {}).",
        answer.control, sides.sender, answer.result, answer.note
    );
    let note = record.create(
        cx,
        &identity::id("interchange-answer", &[&sides.key]),
        note(&text, is_refused, now),
    )?;
    if !is_refused {
        return Ok(());
    }
    let value = [sides.sender, sides.receiver, &answer.control].join("|");
    let sent = find::identified(cx, "Task", interchange::INTERCHANGE, &value).await?;
    for claim in claims_of(cx, &sent, "").await? {
        rejected(cx, record, &claim, &note, &sides.key, now)?;
    }
    Ok(())
}

fn note(text: &str, is_refused: bool, now: i64) -> Value {
    if is_refused {
        return task::work(Work::Refused, text, None, now);
    }
    json!({
        "resourceType": "Task", "status": "completed", "intent": "order",
        "code": own_code("rcm-task", "x12-answer"), "description": text,
        "authoredOn": date::instant(now), "lastModified": date::instant(now),
    })
}

/// `ST 0001, 2300/CLM[12]-05: code 7`.
fn places(set: &SetAnswer) -> Vec<String> {
    let control = &set.name.control;
    let mut all = Vec::new();
    for error in &set.errors {
        let loop_id = error.loop_id.as_ref().map(|id| format!("{id}/")).unwrap_or_default();
        let at = format!("ST {control}, {loop_id}{}[{}]", error.segment, error.position);
        if error.elements.is_empty() {
            all.push(format!("{at}: code {}", error.code.as_deref().unwrap_or("not told")));
        }
        all.extend(error.elements.iter().map(|one| format!("{at}-{:02}: code {}", one.element, one.code)));
    }
    all
}

/// The claims that notes of interchanges led to.
async fn claims_of(cx: &Context<'_>, sent: &[Found], set: &str) -> Result<Vec<Found>> {
    let references: Vec<String> = sent
        .iter()
        .flat_map(interchange::outcome)
        .filter(|one| one.starts_with("Claim/"))
        .map(str::to_owned)
        .collect();
    let mut claims = find::read(cx, &references).await?;
    if !set.is_empty() {
        let is_of_set = |claim: &Found| {
            items(&claim.resource, "extension")
                .filter(|one| one["url"] == super::claims::SET_URL)
                .all(|one| one["valueString"] == set)
        };
        claims.retain(is_of_set);
    }
    Ok(claims)
}

/// A claim that never entered adjudication.
fn rejected(
    cx: &Context<'_>,
    record: &mut Record,
    claim: &Found,
    note: &str,
    key: &str,
    now: i64,
) -> Result<()> {
    let resource = &claim.resource;
    let insurer = Some(&resource["insurer"]).filter(|one| one.is_object()).cloned();
    let response = json!({
        "resourceType": "ClaimResponse",
        "status": "active",
        "type": resource["type"],
        "use": "claim",
        "patient": resource["patient"],
        "created": date::instant(now),
        "insurer": insurer.unwrap_or_else(|| payers::words(&Party::default(), None)),
        "requestor": resource["provider"],
        "request": { "reference": claim.reference },
        "outcome": "error",
        "disposition": format!("The file with the claim was refused; see {note}."),
        "error": [{ "code": { "coding": [{
            "system": format!("{BASE}/CodeSystem/rcm-rejection"), "code": "file-refused",
        }] } }],
    });
    record.create(cx, &identity::id("file-refused", &[key, &claim.reference]), response)?;
    Ok(())
}
