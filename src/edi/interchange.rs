//! The note that an interchange came: a Task under an id made of its sender, receiver and control
//! number. It holds the digest of the bytes, the file, and references to everything that the file led
//! to. By it the same bytes are known again, and other bytes under the same numbers refused.

use super::file::{File, Interchange};
use super::find::{self, Found, items};
use super::identity;
use super::record::{Record, own_code, reference};
use super::task::add;
use crate::rest::Context;
use remit_fhir::{Error, IssueType, Result, base64, date};
use serde_json::json;

/// The media type of X12 (RFC 1767).
pub(super) const MEDIA_TYPE: &str = "application/EDI-X12";

/// The system of the identifier of an interchange: sender, receiver and control number.
pub(super) const INTERCHANGE: &str = "https://remit.example/fhir/rcm/x12-interchange";

/// The system of the identifier of a set: GS02, GS03, GS06 and ST02.
pub(super) const SET: &str = "https://remit.example/fhir/rcm/x12-set";

/// The id of an interchange's note.
fn note_id(one: &Interchange<'_>) -> String {
    id_of(&one.sender, &one.receiver, &one.control, &one.functional)
}

/// The id of the note of an interchange with these numbers.
pub(super) fn id_of(sender: &str, receiver: &str, control: &str, functional: &str) -> String {
    identity::id("interchange", &[sender, receiver, control, functional])
}

/// The file of an interchange, as a reference.
pub(super) fn file_reference(one: &Interchange<'_>) -> String {
    reference("Binary", &file_id(&note_id(one)))
}

fn file_id(note: &str) -> String {
    identity::id("file", &[note])
}

/// The notes that are there of the interchanges of a file: `None` for those that are new. 409 when one
/// came before with other bytes.
pub(super) async fn notes(cx: &Context<'_>, file: &File<'_>) -> Result<Vec<Option<Found>>> {
    let references: Vec<String> =
        file.interchanges.iter().map(|one| reference("Task", &note_id(one))).collect();
    let found = find::read(cx, &references).await?;
    let mut notes = Vec::with_capacity(references.len());
    for (one, reference) in file.interchanges.iter().zip(&references) {
        let note = found.iter().find(|note| note.reference == *reference).cloned();
        if let Some(note) = &note {
            let known = items(&note.resource, "input").find_map(|input| input["valueString"].as_str());
            if known != Some(one.digest.as_str()) {
                return Err(other_bytes(one));
            }
        }
        notes.push(note);
    }
    Ok(notes)
}

fn other_bytes(one: &Interchange<'_>) -> Error {
    Error::conflict(format!(
        "Interchange {} of {} was taken in before with other content; a control number is used once. Send what is new under a new number.",
        one.control, one.sender
    ))
    .coded(IssueType::Duplicate)
    .at("ISA-13")
}

/// 409 when two interchanges of one file have the same numbers and other bytes.
pub(super) fn distinct(file: &File<'_>) -> Result<()> {
    for (n, one) in file.interchanges.iter().enumerate() {
        let same = |other: &&Interchange<'_>| note_id(other) == note_id(one) && other.digest != one.digest;
        if file.interchanges[..n].iter().any(|other| same(&other)) {
            return Err(other_bytes(one));
        }
    }
    Ok(())
}

/// What an interchange led to when it came first.
pub(super) fn outcome(note: &Found) -> impl Iterator<Item = &str> {
    items(&note.resource, "output").filter_map(|output| output["valueReference"]["reference"].as_str())
}

/// Adds the note of an interchange and its file. `led_to` is what it led to.
pub(super) fn add_note(
    cx: &Context<'_>,
    record: &mut Record,
    one: &Interchange<'_>,
    led_to: &[String],
    now: i64,
) -> Result<()> {
    let id = note_id(one);
    let mut extra = Record::default();
    let file = extra.create(
        cx,
        &file_id(&id),
        json!({ "resourceType": "Binary", "contentType": MEDIA_TYPE, "data": base64::encode(one.bytes) }),
    )?;
    let mut identifiers = vec![json!({
        "system": INTERCHANGE,
        "value": format!("{}|{}|{}", one.sender, one.receiver, one.control),
    })];
    identifiers.extend(
        one.sets
            .iter()
            .filter(|set| set.name != "TA1")
            .map(|set| json!({ "system": SET, "value": set.control.join("|") })),
    );
    let mut task = json!({
        "resourceType": "Task",
        "identifier": identifiers,
        "status": "completed",
        "intent": "order",
        "code": own_code("rcm-task", "x12-interchange"),
        "description": format!("Interchange {} of {} to {}", one.control, one.sender, one.receiver),
        "authoredOn": date::instant(now),
        "lastModified": date::instant(now),
    });
    add(&mut task, "input", "sha-256", ("valueString", json!(one.digest)));
    add(&mut task, "input", "file", ("valueReference", json!({ "reference": file })));
    for reference in led_to {
        let ty = reference.split('/').next().unwrap_or_default();
        add(&mut task, "output", ty, ("valueReference", json!({ "reference": reference })));
    }
    extra.create(cx, &id, task)?;
    record.absorb(extra);
    Ok(())
}
