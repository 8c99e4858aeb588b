//! Who a claim speaks of, as resources: each once, by its identifier. Whoever writes them looks first
//! whether the record knows them; until then a reference is the key of its entry.

use serde_json::{Value, json};

use super::claim_response::without_nulls;
use crate::model::{Address, Entity, Party};

pub(crate) const NPI: &str = "http://hl7.org/fhir/sid/us-npi";
pub(crate) const TAX_ID: &str = "urn:oid:2.16.840.1.113883.4.4";
const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
pub(crate) const TAXONOMY: &str = "http://nucc.org/provider-taxonomy";

/// A resource that may be in the record already.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// What references to it say for the time being.
    pub key: String,
    /// `Patient`.
    pub ty: &'static str,
    /// Identifiers (values) by which it may be known.
    pub known_by: Vec<String>,
    /// The resource, for when it is not known.
    pub resource: Value,
}

/// All entries of a set, in the order in which they can be written.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    /// Each key once.
    pub list: Vec<Entry>,
    keys: std::collections::HashSet<String>,
}

impl Entries {
    /// Adds an entry unless its key is there. Gives the reference.
    pub(crate) fn add(&mut self, entry: Entry) -> Value {
        let reference = json!({ "reference": entry.key });
        if self.keys.insert(entry.key.clone()) {
            self.list.push(entry);
        }
        reference
    }

    /// An organization, or the practitioner that a person in this place is.
    pub(crate) fn provider(&mut self, base: &str, party: &Party) -> Value {
        match party.entity {
            Entity::Person => self.practitioner(base, party),
            _ => self.organization(base, party, "prov"),
        }
    }

    /// A payer.
    pub(crate) fn payer(&mut self, base: &str, party: &Party) -> Value {
        self.organization(base, party, "pay")
    }

    fn organization(&mut self, base: &str, party: &Party, kind: &str) -> Value {
        let identifiers = identifiers(base, party, kind == "pay");
        let resource = json!({
            "resourceType": "Organization",
            "identifier": some(identifiers.clone()),
            "active": true,
            "type": kinds(kind, party.taxonomy.as_deref()),
            "name": if party.name.is_empty() { "unknown" } else { &party.name },
            "telecom": some(telecom(party)),
            "address": party.address.as_ref().map(|one| vec![address(one)]),
        });
        self.add(entry("Organization", party, &identifiers, resource))
    }

    pub(crate) fn practitioner(&mut self, base: &str, party: &Party) -> Value {
        let identifiers = identifiers(base, party, false);
        let taxonomy = party
            .taxonomy
            .as_ref()
            .map(|code| json!([{ "code": { "coding": [{ "system": TAXONOMY, "code": code }] } }]));
        let resource = json!({
            "resourceType": "Practitioner",
            "identifier": some(identifiers.clone()),
            "name": [name(party)],
            "telecom": some(telecom(party)),
            "qualification": taxonomy,
        });
        self.add(entry("Practitioner", party, &identifiers, resource))
    }

    pub(crate) fn location(&mut self, base: &str, party: &Party) -> Value {
        let identifiers = identifiers(base, party, false);
        let resource = json!({
            "resourceType": "Location",
            "identifier": some(identifiers.clone()),
            "status": "active",
            "name": if party.name.is_empty() { "unknown" } else { &party.name },
            "address": party.address.as_ref().map(address),
        });
        self.add(entry("Location", party, &identifiers, resource))
    }
}

/// What an organization is: payer or provider, and its taxonomy.
fn kinds(kind: &str, taxonomy: Option<&str>) -> Vec<Value> {
    let own = super::concept("http://terminology.hl7.org/CodeSystem/organization-type", kind);
    std::iter::once(own).chain(taxonomy.map(|code| super::concept(TAXONOMY, code))).collect()
}

fn entry(ty: &'static str, party: &Party, identifiers: &[Value], resource: Value) -> Entry {
    // Several of one owner share a tax number, so they are known by the first identifier alone.
    let values: Vec<String> =
        identifiers.iter().take(1).filter_map(|one| one["value"].as_str()).map(str::to_owned).collect();
    // The first identifier tells them apart; without one the name must.
    let own = values.first().cloned().unwrap_or_else(|| {
        [party.name.as_str(), party.first.as_deref().unwrap_or_default()].join(" ").to_lowercase()
    });
    Entry { key: format!("{ty}?{own}"), ty, known_by: values, resource: without_nulls(resource) }
}

/// The identifiers of a party, the one beside its name first.
fn identifiers(base: &str, party: &Party, is_payer: bool) -> Vec<Value> {
    let mut list = Vec::new();
    if let Some(id) = party.id.as_ref().filter(|id| !id.value.is_empty()) {
        let system = match id.qualifier.as_str() {
            "XX" => NPI.to_owned(),
            "24" | "FI" => TAX_ID.to_owned(),
            _ if is_payer => format!("{base}/payer-id"),
            other => format!("{base}/x12-id/{}", other.to_lowercase()),
        };
        list.push(json!({ "system": system, "value": id.value }));
    }
    let tax = party.references.iter().filter(|one| matches!(one.qualifier.as_str(), "EI" | "TJ"));
    list.extend(tax.map(|one| {
        json!({
            "type": { "coding": [{ "system": IDENTIFIER_TYPE, "code": "TAX" }] },
            "system": TAX_ID, "value": one.value,
        })
    }));
    list
}

fn some(list: Vec<Value>) -> Option<Vec<Value>> {
    Some(list).filter(|list| !list.is_empty())
}

pub(crate) fn name(party: &Party) -> Value {
    let given: Vec<&String> = party.first.iter().chain(&party.middle).collect();
    without_nulls(json!({
        "family": if party.name.is_empty() { "unknown" } else { &party.name },
        "given": Some(given).filter(|list| !list.is_empty()),
        "prefix": party.prefix.as_ref().map(|one| vec![one]),
        "suffix": party.suffix.as_ref().map(|one| vec![one]),
    }))
}

fn telecom(party: &Party) -> Vec<Value> {
    let numbers = party.contacts.iter().flat_map(|contact| &contact.numbers);
    let point = |(kind, value): &(String, String)| {
        let system = match kind.as_str() {
            "TE" => "phone",
            "FX" => "fax",
            "EM" => "email",
            "UR" => "url",
            _ => return None,
        };
        Some(json!({ "system": system, "value": value }))
    };
    numbers.filter_map(point).collect()
}

pub(crate) fn address(address: &Address) -> Value {
    without_nulls(json!({
        "line": Some(&address.lines).filter(|lines| !lines.is_empty()),
        "city": Some(&address.city).filter(|city| !city.is_empty()),
        "state": address.state,
        "postalCode": address.postal_code,
        "country": address.country,
    }))
}
