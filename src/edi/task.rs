//! Work that a file leaves for people, and the note that it came: Task resources
//! (<https://hl7.org/fhir/R4/task.html>).

use super::record::own_code;
use remit_fhir::date;
use serde_json::{Value, json};

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Work {
    /// A remittance or answer names a claim that is not in the record.
    UnknownClaim,
    /// The payer knows the patient or the insured by other names or numbers.
    CorrectedParty,
    /// The payer has sent the claim on; the next payer's answer is awaited.
    Crossover,
    /// A payment was posted although it differs from its claims.
    Difference,
    /// A file was held.
    Held,
    /// The other side refused what was sent.
    Refused,
    /// A payer denied something.
    Denial,
}

impl Work {
    fn code(self) -> &'static str {
        match self {
            Work::UnknownClaim => "unknown-claim",
            Work::CorrectedParty => "corrected-party",
            Work::Crossover => "crossover",
            Work::Difference => "payment-difference",
            Work::Held => "held-file",
            Work::Refused => "refused-file",
            Work::Denial => "denial-work",
        }
    }
}

/// A task for people. `focus` is what it is about.
pub(super) fn work(work: Work, description: &str, focus: Option<&str>, now: i64) -> Value {
    let mut task = json!({
        "resourceType": "Task",
        "status": if work == Work::Held { "on-hold" } else { "requested" },
        "intent": "order",
        "priority": "routine",
        "code": own_code("rcm-task", work.code()),
        "description": description,
        "authoredOn": date::instant(now),
        "lastModified": date::instant(now),
    });
    if let Some(focus) = focus {
        task["focus"] = json!({ "reference": focus });
    }
    task
}

/// Adds an input or output to a task.
pub(crate) fn add(task: &mut Value, list: &str, text: &str, value: (&str, Value)) {
    let mut entry = json!({ "type": { "text": text } });
    entry[value.0] = value.1;
    match task[list].as_array_mut() {
        Some(all) => all.push(entry),
        None => task[list] = json!([entry]),
    }
}
