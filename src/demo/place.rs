//! The first Bundle: the practice, its places and people, the payers and their contracts.

use super::bundle::{BASE, Names, coded, transaction};
use super::calendar::{Day, date};
use super::catalogue::{LOCATIONS, PAYERS, PRACTITIONERS, SERVICES, contract_price, npi};
use super::claim::service_code;
use super::money::money;
use super::random::mix;
use serde_json::{Value, json};

const NPI: &str = "http://hl7.org/fhir/sid/us-npi";
const ORGANIZATION_TYPE: &str = "http://terminology.hl7.org/CodeSystem/organization-type";

/// The practice's name.
pub(super) const PRACTICE: &str = "Juniper Ridge Family Medicine";

pub(super) fn practice_npi(names: &Names) -> String {
    npi(mix(names.seed))
}

pub(super) fn practitioner_npi(names: &Names, place: usize) -> String {
    npi(mix(names.seed ^ (place as u64 + 1)))
}

pub(super) fn location_npi(names: &Names, place: usize) -> String {
    npi(mix(names.seed ^ (place as u64 + 1_001)))
}

/// By what a payer is known in X12.
pub(super) fn payer_id(names: &Names, place: usize) -> String {
    names.id(&format!("payer-{}", place + 1))
}

pub(super) fn bundle(names: &Names, first: Day, last: Day) -> String {
    let mut resources = vec![services(names), practice(names)];
    resources.extend((0..PAYERS.len()).map(|place| payer(names, place)));
    resources.extend((0..LOCATIONS.len()).map(|place| location(names, place)));
    resources.extend((0..PRACTITIONERS.len()).map(|place| practitioner(names, place)));
    resources.extend((0..PAYERS.len()).map(|place| contract(names, place, first, last)));
    transaction(resources)
}

/// The codes of the practice's own.
fn services(names: &Names) -> Value {
    let concepts: Vec<Value> = SERVICES
        .iter()
        .filter(|service| service.visit)
        .map(|service| json!({ "code": service.code, "display": service.display }))
        .collect();
    json!({
        "resourceType": "CodeSystem",
        "id": names.id("services"),
        "url": format!("{BASE}/CodeSystem/demo-service"),
        "name": "DemoService",
        "status": "active",
        "experimental": true,
        "content": "complete",
        "concept": concepts,
    })
}

fn practice(names: &Names) -> Value {
    json!({
        "resourceType": "Organization",
        "id": names.id("practice"),
        "identifier": [{ "system": NPI, "value": practice_npi(names) }],
        "active": true,
        "type": [coded(ORGANIZATION_TYPE, "prov", "Healthcare Provider")],
        "name": PRACTICE,
    })
}

fn payer(names: &Names, place: usize) -> Value {
    json!({
        "resourceType": "Organization",
        "id": names.id(&format!("payer-{}", place + 1)),
        "identifier": [{ "system": format!("{BASE}/payer-id"), "value": payer_id(names, place) }],
        "active": true,
        "type": [coded(ORGANIZATION_TYPE, "pay", "Payer")],
        "name": PAYERS[place].name,
    })
}

fn location(names: &Names, place: usize) -> Value {
    let (name, line, postal_code) = LOCATIONS[place];
    json!({
        "resourceType": "Location",
        "id": names.id(&format!("location-{}", place + 1)),
        "identifier": [{ "system": NPI, "value": location_npi(names, place) }],
        "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/timezone",
            "valueCode": "America/Denver",
        }],
        "status": "active",
        "name": name,
        "address": { "line": [line], "city": "Juniper Ridge", "state": "CO", "postalCode": postal_code },
        "managingOrganization": { "reference": names.practice() },
    })
}

fn practitioner(names: &Names, place: usize) -> Value {
    let (given, family, suffix) = PRACTITIONERS[place];
    json!({
        "resourceType": "Practitioner",
        "id": names.id(&format!("provider-{}", place + 1)),
        "identifier": [{ "system": NPI, "value": practitioner_npi(names, place) }],
        "active": true,
        "name": [{ "family": family, "given": [given], "suffix": [suffix] }],
    })
}

/// The fee schedule agreed with a payer.
fn contract(names: &Names, place: usize, first: Day, last: Day) -> Value {
    let payer = &PAYERS[place];
    let prices: Vec<Value> = SERVICES
        .iter()
        .map(|service| {
            json!({
                // A code of the practice's own is the same in whatever system a claim has it.
                "entityCodeableConcept": match service.visit {
                    true => json!({ "coding": [{ "code": service.code, "display": service.display }] }),
                    false => service_code(service),
                },
                "unitPrice": money(contract_price(payer, service)),
            })
        })
        .collect();
    json!({
        "resourceType": "Contract",
        "id": names.id(&format!("contract-{}", place + 1)),
        "status": "executed",
        "applies": { "start": date(first), "end": date(last + 365) },
        "subject": [{ "reference": names.payer(place), "display": payer.name }],
        "authority": [{ "reference": names.practice() }],
        "term": [{
            "offer": { "text": format!("Fee schedule of {}", payer.name) },
            "asset": [{ "valuedItem": prices }],
        }],
    })
}
