//! The people, organizations and coverages of claims: those that the record knows are taken, the others
//! are created under ids made of their keys.

use super::claims::named;
use super::find::{self, Found};
use super::identity;
use super::record::{Record, reference};
use crate::rest::Context;
use remit_fhir::Result;
use remit_x12::fhir::{Entries, Entry};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The types of entries in the order in which they name each other.
const TYPES: [&str; 5] = ["Organization", "Practitioner", "Location", "Patient", "Coverage"];

/// Gives each key of an entry the reference that it stands for.
pub(super) async fn resolve(
    cx: &Context<'_>,
    record: &mut Record,
    entries: &Entries,
) -> Result<HashMap<String, String>> {
    let mut names = HashMap::with_capacity(entries.list.len());
    for ty in TYPES {
        let of_type: Vec<&Entry> = entries.list.iter().filter(|entry| entry.ty == ty).collect();
        let mut known = known(cx, ty, &of_type).await?;
        if ty == "Coverage" {
            of_beneficiaries(cx, record, &names, &of_type, &mut known).await?;
        }
        // What was created under its key once and has other identifiers now is still the same.
        let own: Vec<String> =
            of_type.iter().map(|entry| reference(ty, &identity::id(ty, &[&entry.key]))).collect();
        let there: HashSet<String> =
            find::read(cx, &own).await?.into_iter().map(|found| found.reference).collect();
        for entry in of_type {
            let id = identity::id(ty, &[&entry.key]);
            let own = reference(ty, &id);
            if record.creates(&own) || there.contains(&own) {
                names.insert(entry.key.clone(), own);
                continue;
            }
            let mut resource = entry.resource.clone();
            named(&mut resource, &names);
            let name = match choose(entry, &resource, &known) {
                Some(found) => found.reference.clone(),
                None => record.create(cx, &id, resource)?,
            };
            names.insert(entry.key.clone(), name);
        }
    }
    Ok(names)
}

/// The types that are known by their names where no identifier is.
const NAMED: [&str; 2] = ["Organization", "Location"];

/// What the record has under the identifiers of these entries, and organizations and places of their
/// names.
async fn known(cx: &Context<'_>, ty: &str, entries: &[&Entry]) -> Result<HashMap<String, Vec<Found>>> {
    let values = entries.iter().flat_map(|entry| entry.known_by.iter().map(String::as_str));
    let found = find::by(cx, ty, "identifier", values).await?;
    let mut all = find::by_identifier(found);
    if NAMED.contains(&ty) {
        let names = entries.iter().filter_map(|entry| entry.resource["name"].as_str());
        let titles: Vec<String> = names.map(str::to_lowercase).collect();
        for one in find::by(cx, ty, "name", titles.iter().map(String::as_str)).await? {
            let name = one.resource["name"].as_str().unwrap_or_default().to_lowercase();
            all.entry(format!("name:{name}")).or_default().push(one);
        }
    }
    Ok(all)
}

/// Coverages are known by whom they cover, too: who made them outside of X12 gave them other identifiers.
async fn of_beneficiaries(
    cx: &Context<'_>,
    record: &Record,
    names: &HashMap<String, String>,
    entries: &[&Entry],
    known: &mut HashMap<String, Vec<Found>>,
) -> Result<()> {
    let people = entries.iter().filter_map(|entry| names.get(beneficiary(&entry.resource)));
    let people = people.filter(|one| !record.creates(one)).map(String::as_str);
    for found in find::by(cx, "Coverage", "beneficiary", people).await? {
        let key = format!("of:{}", beneficiary(&found.resource));
        known.entry(key).or_default().push(found);
    }
    Ok(())
}

fn beneficiary(coverage: &Value) -> &str {
    coverage["beneficiary"]["reference"].as_str().unwrap_or_default()
}

/// Whether a coverage is by the same payer under the same number, and in the same order where it has one.
fn is_same_cover(own: &Value, found: &Value) -> bool {
    own["payor"][0]["reference"] == found["payor"][0]["reference"]
        && own["subscriberId"] == found["subscriberId"]
        && (found["order"].is_null() || found["order"] == own["order"])
        && found["status"] == "active"
}

/// The resource that an entry is.
fn choose<'k>(entry: &Entry, resource: &Value, known: &'k HashMap<String, Vec<Found>>) -> Option<&'k Found> {
    let own_system = &resource["identifier"][0]["system"];
    let by_identifier = entry.known_by.iter().flat_map(|value| known.get(value).into_iter().flatten());
    let mut fitting: Vec<&Found> =
        by_identifier.filter(|found| fits(entry.ty, resource, &found.resource)).collect();
    if fitting.is_empty() && NAMED.contains(&entry.ty) {
        let name = resource["name"].as_str().unwrap_or_default().to_lowercase();
        // Who has another number of the same kind is somebody else of that name.
        let is_other = |found: &&Found| {
            find::items(&found.resource, "identifier").any(|one| one["system"] == *own_system)
        };
        let named = known.get(&format!("name:{name}")).into_iter().flatten();
        fitting.extend(named.filter(|found| own_system.is_null() || !is_other(found)));
    }
    if fitting.is_empty() && entry.ty == "Coverage" {
        let of_person = known.get(&format!("of:{}", beneficiary(resource))).into_iter().flatten();
        fitting.extend(of_person.filter(|found| is_same_cover(resource, &found.resource)));
    }
    // Of several the one that has our very identifier, else the first by its id, so that all agree.
    let has_own = |found: &Found| {
        find::items(&found.resource, "identifier").any(|one| {
            one["system"] == *own_system && Some(&one["value"]) == resource["identifier"][0].get("value")
        })
    };
    fitting.into_iter().min_by_key(|found| (!has_own(found), found.reference.as_str()))
}

/// A shared number is not enough for a person: birth and family name must agree.
fn fits(ty: &str, resource: &Value, found: &Value) -> bool {
    let family = |one: &Value| one["name"][0]["family"].as_str().unwrap_or_default().to_lowercase();
    let given = |one: &Value| one["name"][0]["given"][0].as_str().unwrap_or_default().to_lowercase();
    match ty {
        "Patient" => {
            found["birthDate"] == resource["birthDate"]
                && family(found) == family(resource)
                && given(found) == given(resource)
        }
        "Coverage" => found["beneficiary"]["reference"] == resource["beneficiary"]["reference"],
        _ => true,
    }
}
