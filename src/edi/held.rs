//! A file that does not balance is held: the file and a Task with the reason are written by themselves,
//! and nothing else. The same file is held once.

use super::file::Set;
use super::find;
use super::identity;
use super::interchange::MEDIA_TYPE;
use super::record::{Record, reference};
use super::task::{self, Work, add};
use crate::rest::{Attempting, Context};
use remit_fhir::{Result, base64};
use serde_json::{Value, json};

/// Reasons told in the Task.
const MAX_REASONS: usize = 20;

/// Marks what is held, so that nobody takes it for part of the record.
const TAG: (&str, &str) = ("https://remit.example/fhir/rcm/CodeSystem/rcm-tag", "quarantine");

/// The Task and the file of what is held, to be written with other things.
pub(super) fn drafts(
    cx: &Context<'_>,
    bytes: &[u8],
    digest: &str,
    sets: &[&Set],
    now: i64,
) -> Result<(Record, String)> {
    let mut record = Record::default();
    let tag = json!({ "tag": [{ "system": TAG.0, "code": TAG.1 }] });
    let file = json!({
        "resourceType": "Binary", "meta": tag, "contentType": MEDIA_TYPE, "data": base64::encode(bytes),
    });
    let file = record.create(cx, &identity::id("held-file", &[digest]), file)?;
    let mut task = task::work(Work::Held, &description(sets), None, now);
    task["meta"] = tag;
    task["statusReason"] = json!({ "text": reasons(sets) });
    add(&mut task, "input", "sha-256", ("valueString", json!(digest)));
    add(&mut task, "input", "file", ("valueReference", json!({ "reference": file })));
    let task = record.create(cx, &task_id(digest), task)?;
    Ok((record, task))
}

fn task_id(digest: &str) -> String {
    identity::id("held", &[digest])
}

/// The Task of what is held already.
pub(super) async fn known(cx: &Context<'_>, digest: &str) -> Result<Option<String>> {
    let task = reference("Task", &task_id(digest));
    Ok(find::read(cx, std::slice::from_ref(&task)).await?.pop().map(|found| found.reference))
}

/// Writes that a file is held, unless it is held already. Gives the Task.
pub(super) async fn write(
    cx: &Context<'_>,
    bytes: &[u8],
    digest: &str,
    sets: &[&Set],
    now: i64,
) -> Result<String> {
    let mut attempts = Attempting::default();
    loop {
        if let Some(task) = known(cx, digest).await? {
            return Ok(task);
        }
        let (record, task) = drafts(cx, bytes, digest, sets, now)?;
        if attempts.write(cx, &record.drafts).await?.is_some() {
            return Ok(task);
        }
    }
}

fn description(sets: &[&Set]) -> String {
    let names: Vec<String> = sets.iter().map(|set| format!("{} {}", set.name, set.control[3])).collect();
    format!("Held because sums do not agree: transaction set {}. No money was posted.", names.join(", "))
}

fn reasons(sets: &[&Set]) -> Value {
    let all = sets.iter().flat_map(|set| &set.unbalanced);
    let text = |finding: &remit_x12::Finding| format!("{}: {}", finding.place, finding.message);
    json!(all.take(MAX_REASONS).map(text).collect::<Vec<_>>().join(" "))
}
