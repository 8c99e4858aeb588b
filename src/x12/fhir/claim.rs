//! A claim of an 837 as a Claim (<https://hl7.org/fhir/R4/claim.html>), with the people, organizations
//! and coverages that it speaks of.
//!
//! What has no place in a Claim stays: the loops of the claim as they came are kept as the contained
//! Binary `x12-residual` then, and told.

use serde_json::{Value, json};

use super::claim_response::without_nulls;
use super::coverages::{Insurance, insurance, patient};
use super::entries::{Entries, Entry};
use super::info::{Info, diagnoses, procedures};
use super::lines::items;
use super::{concept, number};
use crate::guide::Kind;
use crate::model::{Claim, ClaimSet, Party};

/// Roles in a care team by NM101.
pub(crate) const ROLES: [(&str, &str); 9] = [
    ("82", "rendering"),
    ("71", "attending"),
    ("72", "operating"),
    ("ZZ", "otheroperating"),
    ("DN", "referring"),
    ("P3", "primary"),
    ("DQ", "supervisor"),
    ("DD", "assist"),
    ("QB", "purchasedservice"),
];

pub(crate) const ROLE: &str = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBClaimCareTeamRole";
pub(crate) const CLAIM_TYPE: &str = "http://terminology.hl7.org/CodeSystem/claim-type";
const RELATED: &str = "http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship";

/// A claim with what it refers to.
#[derive(Clone, Debug)]
pub struct ClaimEntry {
    /// The Claim; its references are keys of the entries.
    pub resource: Value,
    /// The payer's number of the claim that this one follows (REF*F8).
    pub follows: Option<String>,
    /// Decisions of earlier payers: place in `insurance`, that payer's number of the claim, its key.
    pub decided: Vec<Decided>,
}

/// What an earlier payer decided.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Place in `Claim.insurance`.
    pub place: usize,
    /// The payer's number of the claim, where it is told.
    pub number: Option<String>,
    /// The payer's reference.
    pub payer: String,
}

/// Makes the resources of each claim of a set; what they share stands in `entries` once.
pub fn claims(base: &str, set: &ClaimSet, entries: &mut Entries) -> Vec<ClaimEntry> {
    set.claims.iter().map(|claim| claim_entry(base, set, claim, entries)).collect()
}

/// The code of a kind of claim.
pub(crate) fn type_code(kind: Kind) -> &'static str {
    match kind {
        Kind::Institutional => "institutional",
        Kind::Dental => "oral",
        _ => "professional",
    }
}

fn claim_entry(base: &str, set: &ClaimSet, claim: &Claim, entries: &mut Entries) -> ClaimEntry {
    let currency = claim.billing.currency.as_deref().unwrap_or("USD");
    let provider = entries.provider(base, &billing(set, claim));
    let patient = patient(entries, base, claim);
    let insured = insurance(entries, base, claim, &patient);
    let focal = insured.iter().find(|one| one.is_focal).cloned().unwrap_or_default();
    let mut team = Team::of(base, entries, claim);
    let items = items(base, set.kind, claim, currency, &mut team, entries);
    let facility = claim.provider("77").map(|party| entries.location(base, party));
    let services = claim.services();
    let follows = claim.reference("F8").map(str::to_owned);
    let resource = without_nulls(json!({
        "resourceType": "Claim",
        "identifier": [{ "system": format!("{base}/patient-control-number"), "value": claim.id }],
        "status": "active",
        "type": concept(CLAIM_TYPE, type_code(set.kind)),
        "use": "claim",
        "patient": patient,
        "billablePeriod": services.map(|span| json!({
            "start": span.from.to_string(), "end": span.last().to_string(),
        })),
        "created": set.date.map(|day| day.to_string()),
        "insurer": focal.payer,
        "provider": provider,
        "priority": concept("http://terminology.hl7.org/CodeSystem/processpriority", "normal"),
        "related": follows.as_ref().map(|number| json!([related(base, number)])),
        "payee": payee(claim),
        "facility": facility,
        "careTeam": team.list(),
        "supportingInfo": Info::of(base, set.kind, claim, currency),
        "diagnosis": diagnoses(claim),
        "procedure": procedures(claim),
        "insurance": lines_of_insurance(&insured, claim),
        "accident": accident(claim),
        "item": items,
        "total": { "value": number(claim.total, 2), "currency": currency },
    }));
    let decided = insured.iter().enumerate().filter(|(_, one)| !one.is_focal && one.order < focal.order);
    let decided = decided.map(|(place, one)| Decided {
        place,
        number: one.decided.clone(),
        payer: one.payer["reference"].as_str().unwrap_or_default().to_owned(),
    });
    ClaimEntry { resource, follows, decided: decided.collect() }
}

/// Who bills; where that is who sends, with the numbers to call.
fn billing(set: &ClaimSet, claim: &Claim) -> Party {
    let mut provider = claim.billing.provider.clone();
    if provider.contacts.is_empty() && provider.name == set.submitter.name {
        provider.contacts.clone_from(&set.submitter.contacts);
    }
    provider
}

fn related(base: &str, number: &str) -> Value {
    json!({
        "relationship": concept(RELATED, "prior"),
        "reference": { "system": format!("{base}/payer-claim-control-number"), "value": number },
    })
}

fn payee(claim: &Claim) -> Option<Value> {
    let kind = match claim.benefits_assignment.as_deref()? {
        "Y" => "provider",
        _ => "subscriber",
    };
    Some(json!({ "type": concept("http://terminology.hl7.org/CodeSystem/payeetype", kind) }))
}

fn lines_of_insurance(insured: &[Insurance], claim: &Claim) -> Vec<Value> {
    let authorization = claim.reference("G1");
    let line = |(n, one): (usize, &Insurance)| {
        json!({
            "sequence": n + 1,
            "focal": one.is_focal,
            "coverage": one.coverage,
            "preAuthRef": authorization.filter(|_| one.is_focal).map(|number| vec![number]),
        })
    };
    insured.iter().enumerate().map(line).collect()
}

/// Causes of CLM11 as act codes of incidents; a date is needed.
fn accident(claim: &Claim) -> Option<Value> {
    let day = claim.span("439")?.from;
    let code = match claim.causes.first().map(String::as_str) {
        Some("AA") => "MVA",
        Some("EM") => "WPA",
        _ => "OTHER",
    };
    let state = claim.accident_state.as_ref().map(|state| json!({ "state": state }));
    let kind = match code {
        "OTHER" => json!({ "text": "other accident" }),
        code => concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", code),
    };
    Some(json!({ "date": day.to_string(), "type": kind, "locationAddress": state }))
}

/// The care team, each provider in a role once.
pub(crate) struct Team(Vec<(Value, String, Option<String>)>);

impl Team {
    fn of(base: &str, entries: &mut Entries, claim: &Claim) -> Team {
        let mut team = Team(Vec::new());
        for party in &claim.providers {
            team.add(base, entries, party);
        }
        // A person who bills is who did the work, where nobody else is named.
        let billing = &claim.billing.provider;
        let is_person = billing.entity == crate::model::Entity::Person;
        if is_person && !team.0.iter().any(|one| one.1 == "rendering") {
            let provider = entries.practitioner(base, billing);
            team.0.push((provider, "rendering".to_owned(), billing.taxonomy.clone()));
        }
        team
    }

    /// The number of a provider in the team.
    pub(crate) fn add(&mut self, base: &str, entries: &mut Entries, party: &Party) -> Option<usize> {
        let role = ROLES.iter().find(|one| one.0 == party.role)?.1;
        let provider = entries.provider(base, party);
        if let Some(at) = self.0.iter().position(|one| one.0 == provider && one.1 == role) {
            return Some(at + 1);
        }
        self.0.push((provider, role.to_owned(), party.taxonomy.clone()));
        Some(self.0.len())
    }

    fn list(&self) -> Option<Vec<Value>> {
        let member = |(n, (provider, role, taxonomy)): (usize, &(Value, String, Option<String>))| {
            json!({
                "sequence": n + 1,
                "provider": provider,
                "role": concept(ROLE, role),
                "qualification": taxonomy.as_ref().map(|code| concept("http://nucc.org/provider-taxonomy", code)),
            })
        };
        let list: Vec<Value> = self.0.iter().enumerate().map(member).collect();
        Some(list).filter(|list| !list.is_empty())
    }
}

impl Entry {
    /// Whether the resource says who it is by an identifier.
    pub fn has_identifier(&self) -> bool {
        !self.known_by.is_empty()
    }
}
