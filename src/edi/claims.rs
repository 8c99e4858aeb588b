//! Claims of an 837 into the record: whoever a claim speaks of is found by identifiers or created, what
//! it follows is linked, and the claim is created.

use super::file::Set;
use super::find::items;
use super::identity;
use super::late;
use super::origin::{Origins, is_later};
use super::parties;
use super::places::Places;
use super::record::{Record, own_code, reference, tag};
use crate::rcm::BASE;
use crate::rest::Context;
use remit_fhir::{Issue, Result};
use remit_x12::fhir::{self, ClaimEntry, Entries};
use remit_x12::model::ClaimSet;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The extension with ST02 of the set that a claim was sent in, by which a 999 names it.
pub(super) const SET_URL: &str = "https://remit.example/fhir/rcm/StructureDefinition/rcm-x12-set";

/// Waits for the answer of the payer before.
pub(super) const AWAITS_ANSWER: &str = "awaits-prior-response";

/// Waits for the claim that it replaces or voids.
pub(super) const AWAITS_ORIGINAL: &str = "awaits-original";

/// Adds the claims of a set.
pub(super) async fn add(cx: &Context<'_>, record: &mut Record, set: &Set, claims: &ClaimSet) -> Result<()> {
    let mut entries = Entries::default();
    let mut list = fhir::claims(BASE, claims, &mut entries);
    let names = parties::resolve(cx, record, &entries).await?;
    for one in &mut list {
        named(&mut one.resource, &names);
        for decided in &mut one.decided {
            if let Some(name) = names.get(&decided.payer) {
                decided.payer.clone_from(name);
            }
        }
        one.resource["extension"] = json!([{ "url": SET_URL, "valueString": set.control[3] }]);
    }
    let places = Places::find(cx, &list).await?;
    list.iter_mut().for_each(|one| places.settle(&mut one.resource, claims.date, &claims.time));
    let ids: Vec<String> = list.iter().enumerate().map(|(n, one)| id(claims, n, one)).collect();
    let origins = Origins::find(cx, &list, &ids).await?;
    for (n, one) in list.into_iter().enumerate() {
        let reference = reference("Claim", &ids[n]);
        if origins.is_there(&reference) || record.creates(&reference) {
            record.outcome.push(reference);
            continue;
        }
        let residual = &claims.claims[n];
        let claim = linked(record, &origins, one);
        let claim = with_residual(record, claims, residual, claim);
        record.sent.push((reference, claim.clone()));
        record.create(cx, &ids[n], claim)?;
    }
    record.issues.extend(set.warnings.iter().map(|finding| finding.issue()));
    record.issues.extend(set.unbalanced.iter().map(|finding| finding.issue()));
    Ok(())
}

/// The id of a claim: who bills, its number, the batch (BHT03) and day it was sent in, its place there.
fn id(claims: &ClaimSet, n: usize, one: &ClaimEntry) -> String {
    let claim = &claims.claims[n];
    let provider = one.resource["provider"]["reference"].as_str().unwrap_or_default();
    let day = claims.date.map(|day| day.compact()).unwrap_or_default();
    let same = claims.claims[..n].iter().filter(|other| other.id == claim.id).count().to_string();
    let total = claim.total.normalize().to_string();
    let words = [
        provider,
        &claim.id,
        &claims.reference,
        &day,
        &claim.frequency,
        &claim.subscriber.sequence,
        &total,
        &same,
    ];
    identity::id("claim", &words)
}

/// Puts references in the place of the keys of entries.
pub(crate) fn named(value: &mut Value, names: &HashMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "reference" => {
                        if let Some(known) = names.get(text.as_str()) {
                            text.clone_from(known);
                        }
                    }
                    other => named(other, names),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|one| named(one, names)),
        _ => {}
    }
}

/// The claim with what it follows, or marked as waiting for it.
fn linked(record: &Record, origins: &Origins, one: ClaimEntry) -> Value {
    let mut claim = one.resource;
    let original = origins.original(record, &claim, one.follows.as_deref());
    match original {
        Some(original) => late::follow(&mut claim, &original),
        None if one.follows.is_some() || is_later(&claim) => tag(&mut claim, AWAITS_ORIGINAL, true),
        None => {}
    }
    for decided in &one.decided {
        match origins.answer(record, &claim, decided) {
            Some(answer) => {
                claim["insurance"][decided.place]["claimResponse"] = json!({ "reference": answer })
            }
            None => tag(&mut claim, AWAITS_ANSWER, true),
        }
    }
    claim
}

/// What has no place in the claim is kept with it as it came, and told.
fn with_residual(
    record: &mut Record,
    claims: &ClaimSet,
    source: &remit_x12::model::Claim,
    mut claim: Value,
) -> Value {
    let Some((text, count)) = fhir::residual(claims, source) else { return claim };
    claim["contained"] = json!([{
        "resourceType": "Binary", "id": fhir::RESIDUAL, "contentType": super::interchange::MEDIA_TYPE,
        "data": remit_fhir::base64::encode(&text),
    }]);
    let info = json!({
        "sequence": items(&claim, "supportingInfo").count() + 1,
        "category": own_code("rcm-supporting-info", fhir::RESIDUAL),
        "valueReference": { "reference": format!("#{}", fhir::RESIDUAL) },
    });
    match claim["supportingInfo"].as_array_mut() {
        Some(list) => list.push(info),
        None => claim["supportingInfo"] = json!([info]),
    }
    record.issues.push(Issue::information(format!(
        "Claim {}: {count} segments have no place in a Claim; they are kept with it in the contained Binary {}.",
        source.id,
        fhir::RESIDUAL
    )));
    claim
}
