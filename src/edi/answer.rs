//! The answer: a Bundle with everything that a file led to, the findings that did not keep it out, and
//! for remittances the sums.

use super::find;
use super::record::Record;
use crate::rest::{Answer, Context, Draft, etag};
use bytes::Bytes;
use remit_fhir::date;
use remit_fhir::json::quote;
use remit_fhir::{Result, operation_outcome};
use remit_store::Written;
use serde_json::{Value, json};

/// Up to this many resources stand in the answer in full; of larger files the answer has the payments,
/// tasks and sums in full and links to the rest. Some megabytes are more than anybody reads.
const MAX_FULL: usize = 1_000;

/// A Bundle under construction.
struct Text {
    text: Vec<u8>,
    is_first: bool,
}

impl Text {
    fn new() -> Text {
        Text {
            text: br#"{"resourceType":"Bundle","type":"transaction-response","entry":["#.to_vec(),
            is_first: true,
        }
    }

    fn entry(&mut self, url: Option<&str>, resource: Option<&[u8]>, response: &Value) {
        if !std::mem::take(&mut self.is_first) {
            self.text.push(b',');
        }
        self.text.push(b'{');
        if let Some(url) = url {
            self.text.extend(format!("\"fullUrl\":{},", quote(url)).bytes());
        }
        if let Some(resource) = resource {
            self.text.extend(b"\"resource\":");
            self.text.extend(resource);
            self.text.push(b',');
        }
        self.text.extend(format!("\"response\":{response}}}").bytes());
    }

    fn finish(mut self, is_empty: bool) -> Answer {
        if is_empty {
            return Answer::of(r#"{"resourceType":"Bundle","type":"transaction-response"}"#);
        }
        self.text.extend(b"]}");
        Answer::of(Bytes::from(self.text))
    }
}

/// What is shown in full however large the answer is.
fn is_head(name: &str) -> bool {
    matches!(name, "PaymentReconciliation" | "Task")
}

fn response(status: &str, reference: &str, version: i64, updated_us: i64) -> Value {
    json!({
        "status": status,
        "location": format!("{reference}/_history/{version}"),
        "etag": etag(version),
        "lastModified": date::instant(updated_us),
    })
}

/// The sums and the findings.
fn reports(text: &mut Text, record: &Record) {
    for balance in &record.balances {
        text.entry(None, Some(balance.to_string().as_bytes()), &json!({ "status": "200 OK" }));
    }
    if !record.issues.is_empty() {
        let outcome = operation_outcome(&record.issues);
        text.entry(None, Some(outcome.to_string().as_bytes()), &json!({ "status": "200 OK" }));
    }
}

/// The answer after a write. What was there before is read for it.
pub(super) async fn written(cx: &Context<'_>, record: &Record, written: &[Written]) -> Result<Answer> {
    let done: Vec<(String, &Draft, &Written)> = record
        .drafts
        .iter()
        .zip(written)
        .map(|(draft, written)| (format!("{}/{}", cx.defs.name(draft.ty), draft.id), draft, written))
        .collect();
    let places: std::collections::HashMap<&str, usize> =
        done.iter().enumerate().map(|(n, (reference, ..))| (reference.as_str(), n)).collect();
    let before: Vec<String> =
        record.outcome.iter().filter(|one| !places.contains_key(one.as_str())).cloned().collect();
    let before = find::read(cx, &before).await?;
    let before: std::collections::HashMap<&str, &find::Found> =
        before.iter().map(|one| (one.reference.as_str(), one)).collect();
    let mut text = Text::new();
    let is_small = record.outcome.len() <= MAX_FULL;
    for reference in &record.outcome {
        let name = reference.split('/').next().unwrap_or_default();
        let url = format!("{}/{reference}", cx.base);
        let is_full = is_small || is_head(name);
        if let Some((_, draft, written)) = places.get(reference.as_str()).and_then(|n| done.get(*n)) {
            let status = if draft.before.is_some() { "200 OK" } else { "201 Created" };
            let body = written.body.as_deref().filter(|_| is_full);
            let response = response(status, reference, written.version, written.updated_us);
            text.entry(Some(&url), body, &response);
        } else if let Some(found) = before.get(reference.as_str()) {
            let stored = &found.stored;
            let response = response("200 OK", reference, stored.version, stored.updated_us);
            text.entry(Some(&url), stored.body.as_deref().filter(|_| is_full), &response);
        }
    }
    reports(&mut text, record);
    Ok(text.finish(record.outcome.is_empty() && record.balances.is_empty() && record.issues.is_empty()))
}

/// The answer of a dry run: what would be written, with the ids that it would have.
pub(super) fn planned(cx: &Context<'_>, record: &Record) -> Answer {
    let mut text = Text::new();
    for draft in &record.drafts {
        let name = cx.defs.name(draft.ty);
        if name == "Binary" {
            continue;
        }
        let url = format!("{}/{name}/{}", cx.base, draft.id);
        text.entry(Some(&url), Some(draft.text.as_ref()), &json!({ "status": "200 OK" }));
    }
    reports(&mut text, record);
    text.finish(record.drafts.is_empty() && record.balances.is_empty() && record.issues.is_empty())
}
