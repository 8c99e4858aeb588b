//! People, organizations and coverages as the parties of an 837.

use serde_json::Value;

use super::claim::ROLES;
use super::coverages::FILING;
use super::entries::{NPI, TAX_ID, TAXONOMY};
use super::{day_of, list};
use crate::model::{Address, Contact, Entity, Identifier, Party, Reference};

/// The code of a concept in a system; of any system where none is asked for.
pub(crate) fn code_in<'v>(concept: &'v Value, system: &str) -> Option<&'v str> {
    let mut all = list(concept, "coding");
    all.find(|one| system.is_empty() || one["system"] == system)?["code"].as_str()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A person or an organization in a role.
pub(crate) fn party(resource: &Value, role: &str) -> Party {
    let is_person = matches!(resource["resourceType"].as_str(), Some("Patient" | "Practitioner"));
    let name = &resource["name"];
    let human = &name[0];
    let mut party = Party {
        role: role.to_owned(),
        entity: if is_person { Entity::Person } else { Entity::Organization },
        name: if is_person { text(&human["family"]) } else { text(name) }.unwrap_or_default(),
        first: if is_person { text(&human["given"][0]) } else { None },
        middle: if is_person { text(&human["given"][1]) } else { None },
        prefix: if is_person { text(&human["prefix"][0]) } else { None },
        suffix: if is_person { text(&human["suffix"][0]) } else { None },
        id: identifier(resource),
        address: address(if resource["address"].is_array() {
            &resource["address"][0]
        } else {
            &resource["address"]
        }),
        birth_date: resource["birthDate"].as_str().and_then(day_of),
        contacts: contacts(resource),
        ..Party::default()
    };
    party.gender = resource["gender"].as_str().map(|gender| match gender {
        "female" => "F".to_owned(),
        "male" => "M".to_owned(),
        _ => "U".to_owned(),
    });
    let kinds = list(resource, "type").chain(list(resource, "qualification").map(|one| &one["code"]));
    party.taxonomy = kinds.filter_map(|one| code_in(one, TAXONOMY)).next().map(str::to_owned);
    let is_tax = |one: &&Value| one["system"] == TAX_ID;
    let numbers = list(resource, "identifier").filter(is_tax).filter_map(|one| text(&one["value"]));
    let own = party.id.as_ref().map(|id| id.value.clone());
    party.references = numbers
        .filter(|number| Some(number) != own.as_ref())
        .map(|value| Reference { qualifier: "EI".into(), value })
        .collect();
    party
}

/// The identifier that stands beside a name: the NPI, else the first.
fn identifier(resource: &Value) -> Option<Identifier> {
    let all = || list(resource, "identifier").filter(|one| one["value"].is_string());
    let found = all().find(|one| one["system"] == NPI).or_else(|| all().next())?;
    let system = found["system"].as_str().unwrap_or_default();
    let qualifier = match system {
        NPI => "XX".to_owned(),
        TAX_ID => "FI".to_owned(),
        other => match other.rsplit_once("/x12-id/") {
            Some((_, kind)) => kind.to_uppercase(),
            None => "PI".to_owned(),
        },
    };
    Some(Identifier { qualifier, value: text(&found["value"])? })
}

pub(crate) fn address(value: &Value) -> Option<Address> {
    value.is_object().then(|| Address {
        lines: list(value, "line").filter_map(text).collect(),
        city: text(&value["city"]).unwrap_or_default(),
        state: text(&value["state"]),
        postal_code: text(&value["postalCode"]).map(|code| code.replace('-', "")),
        country: text(&value["country"]).filter(|country| country != "US"),
        subdivision: None,
    })
}

fn contacts(resource: &Value) -> Vec<Contact> {
    let number = |one: &Value| {
        let kind = match one["system"].as_str()? {
            "phone" => "TE",
            "fax" => "FX",
            "email" => "EM",
            "url" => "UR",
            _ => return None,
        };
        let value = text(&one["value"])?;
        let value = if matches!(kind, "TE" | "FX") {
            value.chars().filter(char::is_ascii_digit).collect()
        } else {
            value
        };
        Some((kind.to_owned(), value))
    };
    let numbers: Vec<_> = list(resource, "telecom").filter_map(number).take(3).collect();
    match numbers.is_empty() {
        true => Vec::new(),
        false => vec![Contact { function: "IC".into(), name: None, numbers }],
    }
}

/// SBR02 of a relationship.
pub(crate) fn relationship(coverage: &Value) -> &'static str {
    match code_in(&coverage["relationship"], "").unwrap_or("self") {
        "self" => "18",
        "spouse" => "01",
        "child" => "19",
        "common" => "53",
        _ => "G8",
    }
}

/// SBR01 of an order.
pub(crate) fn sequence(order: u64) -> String {
    match order {
        0 | 1 => "P".into(),
        2 => "S".into(),
        3 => "T".into(),
        // The fourth to the eleventh payer are A to H.
        other => char::from(b'A' + u8::try_from(other.min(11) - 4).unwrap_or(0)).to_string(),
    }
}

/// SBR09.
pub(crate) fn filing(coverage: &Value) -> Option<String> {
    code_in(&coverage["type"], FILING).map(str::to_owned)
}

/// NM101 of a role in a care team.
pub(crate) fn role(member: &Value) -> &'static str {
    let code = code_in(&member["role"], "").unwrap_or("rendering");
    ROLES.iter().find(|one| one.1 == code).map_or("82", |one| one.0)
}
