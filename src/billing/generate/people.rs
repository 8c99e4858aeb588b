//! Who did the work at a visit, and where.

use super::draft::{Charge, Kind, Place};
use crate::billing::request::{behind, has_code, local};
use crate::edi::find::{self, items};
use crate::rest::Context;
use remit_fhir::Result;
use serde_json::Value;
use std::collections::HashMap;

/// Systems of place of service codes.
const PLACES: [&str; 2] = [
    "https://www.cms.gov/Medicare/Coding/place-of-service-codes",
    "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set",
];

/// Place of service by the class of the visit, for a location that tells none: office, emergency room,
/// hospital, home, telehealth.
const OF_CLASS: [(&str, &str); 8] = [
    ("AMB", "11"),
    ("EMER", "23"),
    ("IMP", "21"),
    ("ACUTE", "21"),
    ("NONAC", "21"),
    ("OBSENC", "22"),
    ("HH", "12"),
    ("VR", "02"),
];

/// The facility, what is its place of service, and who bills.
pub(super) async fn place(cx: &Context<'_>, encounter: &Value) -> Result<Place> {
    let reference =
        items(encounter, "location").map(|one| &one["location"]).find(|one| one["reference"].is_string());
    let location = match reference {
        Some(reference) => behind(cx, reference).await?,
        None => None,
    };
    let resource = location.as_ref().map(|found| &found.resource);
    let codings =
        resource.into_iter().flat_map(|one| items(one, "type")).flat_map(|one| items(one, "coding"));
    let told = codings
        .filter(|one| one["system"].as_str().is_some_and(|system| PLACES.contains(&system)))
        .find_map(|one| one["code"].as_str());
    let class = encounter["class"]["code"].as_str().unwrap_or_default();
    let of_class = OF_CLASS.iter().find(|(known, _)| *known == class).map(|(_, code)| *code);
    let managing = resource.map(|one| one["managingOrganization"].clone()).filter(Value::is_object);
    let provider = Some(encounter["serviceProvider"].clone()).filter(Value::is_object).or(managing);
    Ok(Place {
        service: told.or(of_class).map(str::to_owned),
        is_told: told.is_some(),
        facility: location.map(|found| found.reference),
        provider,
    })
}

/// The care team: references of people, each in a role once. Charges are told who did them.
pub(super) async fn team(
    cx: &Context<'_>,
    encounter: &Value,
    charges: &mut [Charge],
    kind: Kind,
) -> Result<Vec<(String, &'static str)>> {
    let mut named: Vec<(String, &'static str)> = Vec::new();
    for charge in charges.iter() {
        named.extend(charge.performers().map(|actor| (local(cx, actor).to_owned(), "rendering")));
    }
    let has_rendering = !named.is_empty();
    for one in items(encounter, "participant") {
        let Some(person) = one["individual"]["reference"].as_str() else { continue };
        let has = |code: &str| items(one, "type").any(|concept| has_code(concept, code));
        let role = match kind {
            Kind::Institutional if has("ATND") => "attending",
            _ if has("REF") => "referring",
            _ if !has_rendering && (has("PPRF") || has("ATND")) => "rendering",
            _ => continue,
        };
        named.push((local(cx, person).to_owned(), role));
    }
    let people = people(cx, &named).await?;
    for charge in charges {
        let actors = charge.performers().map(|actor| person(&people, local(cx, actor)));
        charge.people = actors.collect();
    }
    let mut team: Vec<(String, &'static str)> = Vec::new();
    for (name, role) in named {
        let name = person(&people, &name);
        let is_known = ["Practitioner/", "Organization/"].iter().any(|ty| name.starts_with(ty));
        if is_known && !team.iter().any(|known| known.0 == name && known.1 == role) {
            team.push((name, role));
        }
    }
    Ok(team)
}

/// The person of each PractitionerRole.
async fn people(cx: &Context<'_>, named: &[(String, &'static str)]) -> Result<HashMap<String, String>> {
    let roles: Vec<String> = named
        .iter()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("PractitionerRole/"))
        .cloned()
        .collect();
    let found = find::read(cx, &roles).await?.into_iter().filter_map(|one| {
        let person = local(cx, one.resource["practitioner"]["reference"].as_str()?).to_owned();
        Some((one.reference, person))
    });
    Ok(found.collect())
}

fn person(people: &HashMap<String, String>, name: &str) -> String {
    people.get(name).cloned().unwrap_or_else(|| name.to_owned())
}
