//! A claim as a file that goes out: the 837 for a trading partner under a control number of its own,
//! with the note by which a TA1, a 999 and the same file coming back are recognized.

use super::file;
use super::find;
use super::identity;
use super::interchange::{self, id_of};
use super::record::{Record, own_code, reference};
use super::to_x12::{self, Envelope};
use crate::rcm::BASE;
use crate::rest::Context;
use remit_fhir::{Error, Result, date};
use remit_store::Stored;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// ISA13 has nine digits.
const MAX_CONTROL: u32 = 999_999_999;

/// Numbers that are looked at together for one that no file has.
const NUMBERS: u32 = 100;

/// How often the next numbers are looked at. Files that came in bring their own numbers; more of them
/// than this in a row are not skipped.
const ROUNDS: u32 = 100;

/// A file that can go out.
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    control: u32,
    counter: Counter,
}

/// The last number that was used between two partners.
struct Counter {
    id: String,
    last: u32,
    before: Option<Stored>,
}

/// Writes a claim for a partner (ISA08). 422 with the findings when it cannot be written by its guide.
/// `known` are resources that are not stored yet.
pub(crate) async fn claim(
    cx: &Context<'_>,
    claim: &Value,
    known: HashMap<String, Value>,
    partner: Option<&str>,
    now: i64,
) -> Result<Outgoing> {
    let set = to_x12::set(cx, claim, known).await?;
    let mut envelope = Envelope::of(&set, partner);
    let digits: String = date::instant(now).chars().filter(char::is_ascii_digit).collect();
    envelope.date = digits.get(..8).unwrap_or_default().to_owned();
    envelope.time = digits.get(8..12).unwrap_or_default().to_owned();
    let counter = Counter::read(cx, &envelope).await?;
    envelope.control = free(cx, &envelope, counter.last).await?;
    let bytes = to_x12::interchange(&set, &envelope)?;
    to_x12::sound(&bytes)?;
    Ok(Outgoing { bytes, control: envelope.control, counter })
}

impl Counter {
    async fn read(cx: &Context<'_>, envelope: &Envelope) -> Result<Counter> {
        let id = identity::id("x12-control-number", &[&envelope.sender, &envelope.receiver]);
        let before = find::read(cx, &[reference("Basic", &id)]).await?.pop();
        let last = before.as_ref().and_then(|found| found.resource["extension"][0]["valueInteger"].as_u64());
        let last = last.and_then(|last| u32::try_from(last).ok()).unwrap_or(0);
        Ok(Counter { id, last, before: before.map(|found| found.stored) })
    }
}

/// The next number after the last that no file between the two has.
async fn free(cx: &Context<'_>, envelope: &Envelope, last: u32) -> Result<u32> {
    let (sender, receiver) = (format!("ZZ:{}", envelope.sender), format!("ZZ:{}", envelope.receiver));
    let mut next = last;
    for _ in 0..ROUNDS {
        let mut numbers = Vec::new();
        for _ in 0..NUMBERS {
            next = if next >= MAX_CONTROL { 1 } else { next + 1 };
            numbers.push(next);
        }
        let note =
            |number: &u32| reference("Task", &id_of(&sender, &receiver, &format!("{number:09}"), "HC"));
        let notes: Vec<String> = numbers.iter().map(note).collect();
        let taken: HashSet<String> =
            find::read(cx, &notes).await?.into_iter().map(|found| found.reference).collect();
        if let Some(place) = notes.iter().position(|note| !taken.contains(note)) {
            return Ok(numbers[place]);
        }
    }
    Err(Error::conflict("No control number is free for a file to this partner; all of the next are in use."))
}

impl Outgoing {
    /// Adds the file, its note and the number that it took to what is written. `led_to` is the claim.
    pub(crate) fn add(self, cx: &Context<'_>, record: &mut Record, led_to: &str, now: i64) -> Result<()> {
        let file = file::read(&self.bytes)?;
        let one =
            file.interchanges.first().ok_or_else(|| Error::internal("a file without an interchange"))?;
        interchange::add_note(cx, record, one, &[led_to.to_owned()], now)?;
        let counter = json!({
            "resourceType": "Basic", "id": self.counter.id,
            "code": own_code("rcm-basic", "x12-control-number"),
            "extension": [{
                "url": format!("{BASE}/StructureDefinition/rcm-x12-control-number"),
                "valueInteger": self.control,
            }],
        });
        match self.counter.before {
            Some(before) => record.change(cx, before, &counter),
            None => record.create(cx, &self.counter.id, counter).map(drop),
        }
    }
}
