//! `Claim/$to-x12`: a claim as an 837, checked before it is given.

use super::file::refuse;
use super::find;
use super::interchange::MEDIA_TYPE;
use crate::operation::Invocation;
use crate::rcm::BASE;
use crate::rest::{Answer, Context};
use remit_fhir::{Error, IssueType, Kind, Result, base64};
use remit_x12::compose::{Address, Group, Interchange, LineEnd, Usage, write};
use remit_x12::model::{ClaimSet, Party};
use remit_x12::{Delimiters, Document, Finding, Level, check, fhir};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};

/// How far references are followed: claim → coverage → payer.
const DEPTH: usize = 2;

pub(super) async fn run(call: Invocation<'_>) -> Result<Answer> {
    call.parameters.only(&["partner", "guide"])?;
    let cx = &call.cx;
    let claim = find::target(&call).await?.resource;
    let set = set(cx, &claim, HashMap::new()).await?;
    let guide = call.parameters.get("guide");
    if guide.as_deref().is_some_and(|guide| guide != set.version) {
        return Err(Error::unprocessable(format!("This claim is written by the guide {}.", set.version))
            .coded(IssueType::NotSupported)
            .at("guide"));
    }
    let text = interchange(&set, &Envelope::of(&set, call.parameters.get("partner").as_deref()))?;
    sound(&text)?;
    Ok(Answer::of(
        json!({ "resourceType": "Binary", "contentType": MEDIA_TYPE, "data": base64::encode(&text) })
            .to_string(),
    ))
}

/// A claim as the set that it is sent as. `known` are resources that are not stored yet.
pub(super) async fn set(cx: &Context<'_>, claim: &Value, known: HashMap<String, Value>) -> Result<ClaimSet> {
    let known = references(cx, claim, known).await?;
    let resolve = |reference: &str| known.get(reference).cloned();
    fhir::to_claim_set(BASE, claim, &resolve)
        .map_err(|missing| Error::unprocessable(format!("The claim cannot be written: {missing}.")))
}

/// 422 with the findings when the file breaks a rule.
pub(super) fn sound(text: &[u8]) -> Result<()> {
    let document = Document::parse(text);
    let own = document.transactions().flat_map(|one| check(one.transaction, Level::Situation));
    let faults: Vec<Finding> = own.filter(Finding::is_error).collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(refuse(Kind::Unprocessable, &faults)),
    }
}

/// What stands on the envelopes of a file with one claim.
pub(super) struct Envelope {
    /// ISA06
    pub(super) sender: String,
    /// ISA08
    pub(super) receiver: String,
    /// ISA13 and GS06
    pub(super) control: u32,
    /// ISA09, with the century
    pub(super) date: String,
    /// ISA10
    pub(super) time: String,
}

impl Envelope {
    /// The envelope of a claim for a partner, without one for the payer itself. The day is that of the
    /// claim, so that the same claim gives the same file.
    pub(super) fn of(set: &ClaimSet, partner: Option<&str>) -> Envelope {
        let id =
            |party: &Party| party.id.as_ref().map_or(party.name.as_str(), |id| id.value.as_str()).to_owned();
        let short = |text: &str| text.chars().filter(char::is_ascii).take(15).collect::<String>();
        Envelope {
            sender: short(&id(&set.submitter)),
            receiver: partner.map_or_else(|| short(&id(&set.receiver)), short),
            control: 1,
            date: set.date.map_or_else(|| "20000101".to_owned(), |day| day.compact()),
            time: "0000".to_owned(),
        }
    }
}

/// The file of a set.
pub(super) fn interchange(set: &ClaimSet, envelope: &Envelope) -> Result<Vec<u8>> {
    let address = |id: &str| Address { qualifier: "ZZ".into(), id: id.into() };
    let group = Group {
        functional: "HC".into(),
        sender: envelope.sender.clone(),
        receiver: envelope.receiver.clone(),
        control: envelope.control,
        version: set.version.clone(),
        sets: vec![set.write()],
    };
    let whole = Interchange {
        sender: address(&envelope.sender),
        receiver: address(&envelope.receiver),
        date: envelope.date.clone(),
        time: envelope.time.clone(),
        control: envelope.control,
        usage: Usage::Production,
        delimiters: Delimiters::default(),
        line_end: LineEnd::None,
        acknowledgements: Vec::new(),
        groups: vec![group],
    };
    write(&whole).map_err(|refused| {
        Error::unprocessable(format!("The claim cannot be written: {refused}")).at(refused.place.expression())
    })
}

/// Everything that the claim refers to, by the references as they stand.
async fn references(
    cx: &Context<'_>,
    claim: &Value,
    mut known: HashMap<String, Value>,
) -> Result<HashMap<String, Value>> {
    let mut open = BTreeSet::new();
    named(claim, &mut open);
    known.values().for_each(|one| named(one, &mut open));
    for _ in 0..=DEPTH {
        let wanted: Vec<String> = open.iter().filter(|one| !known.contains_key(*one)).cloned().collect();
        if wanted.is_empty() {
            break;
        }
        for found in find::read(cx, &wanted).await? {
            named(&found.resource, &mut open);
            known.insert(found.reference, found.resource);
        }
    }
    Ok(known)
}

/// The types that an 837 speaks of.
const TYPES: [&str; 6] = ["Patient", "Practitioner", "Organization", "Location", "Coverage", "RelatedPerson"];

fn named(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(text) = members.get("reference").and_then(Value::as_str)
                && text.split_once('/').is_some_and(|(ty, _)| TYPES.contains(&ty))
            {
                found.insert(text.to_owned());
            }
            members.values().for_each(|one| named(one, found));
        }
        Value::Array(list) => list.iter().for_each(|one| named(one, found)),
        _ => {}
    }
}
