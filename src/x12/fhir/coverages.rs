//! The patient of a claim and the coverages that it is billed to.

use serde_json::{Value, json};

use super::claim_response::without_nulls;
use super::entries::{Entries, Entry, address, name};
use crate::model::{Claim, OtherCoverage, Party};

/// Codes of SBR02 and PAT01 as subscriber-relationship.
const RELATIONSHIPS: [(&str, &str); 6] =
    [("18", "self"), ("01", "spouse"), ("19", "child"), ("20", "other"), ("21", "other"), ("53", "common")];

const RELATIONSHIP: &str = "http://terminology.hl7.org/CodeSystem/subscriber-relationship";
const CLASS: &str = "http://terminology.hl7.org/CodeSystem/coverage-class";

/// The system of claim filing indicators, SBR09.
pub(crate) const FILING: &str = "https://x12.org/codes/claim-filing-indicator-codes";

/// What one payer is to a claim.
#[derive(Clone, Debug, Default)]
pub(crate) struct Insurance {
    pub(crate) coverage: Value,
    pub(crate) payer: Value,
    /// P, S or T as 1, 2, 3.
    pub(crate) order: u32,
    pub(crate) is_focal: bool,
    /// The payer's number of the claim that it has decided on.
    pub(crate) decided: Option<String>,
}

/// Whose coverage it is and by which payer.
struct Terms<'c> {
    sequence: &'c str,
    relationship: Option<&'c str>,
    group_number: Option<&'c str>,
    group_name: Option<&'c str>,
    filing: Option<&'c str>,
    subscriber: &'c Party,
    payer: &'c Party,
}

fn id_of(party: &Party) -> &str {
    party.id.as_ref().map_or(party.name.as_str(), |id| id.value.as_str())
}

pub(crate) fn order(sequence: &str) -> u32 {
    match sequence {
        "P" => 1,
        "S" => 2,
        "T" => 3,
        // A to H are the fourth to the eleventh payer.
        other => other.bytes().next().filter(u8::is_ascii_uppercase).map_or(1, |b| u32::from(b - b'A') + 4),
    }
}

/// The patient, known by the member number of the first payer in order, so that claims to different
/// payers have the same one.
pub(crate) fn patient(entries: &mut Entries, base: &str, claim: &Claim) -> Value {
    let party = claim.patient_party();
    let (payer, subscriber) = first_payer(claim);
    let mut words = vec![id_of(payer).to_owned(), id_of(subscriber).to_owned()];
    // Those who share a member number are told apart by birth and first name.
    words.extend(party.birth_date.map(|day| day.compact()));
    words.extend(party.first.as_ref().map(|first| first.to_lowercase()));
    let value = words.join("-");
    let member = id_of(subscriber).to_owned();
    let resource = without_nulls(json!({
        "resourceType": "Patient",
        "identifier": [
            { "system": format!("{base}/patient"), "value": value },
            { "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MB" }] },
              "system": format!("{base}/member-id/{}", id_of(payer)), "value": member },
        ],
        "name": [name(party)],
        "gender": party.gender.as_deref().map(gender),
        "birthDate": party.birth_date.map(|day| day.to_string()),
        "address": party.address.as_ref().map(|one| vec![address(one)]),
    }));
    let key = format!("Patient?{value}");
    entries.add(Entry { key, ty: "Patient", known_by: vec![value, member], resource })
}

fn gender(code: &str) -> &'static str {
    match code {
        "F" => "female",
        "M" => "male",
        _ => "unknown",
    }
}

/// The payer that comes first in order, and who is insured with it.
fn first_payer(claim: &Claim) -> (&Party, &Party) {
    let own = (order(&claim.subscriber.sequence), &claim.subscriber.payer, &claim.subscriber.party);
    let others = claim.coverages.iter().filter_map(|other| {
        Some((order(&other.sequence), other.payer.as_ref()?, other.subscriber.as_ref()?))
    });
    let first = others.chain([own]).min_by_key(|one| one.0).unwrap_or(own);
    (first.1, first.2)
}

/// All coverages of a claim in order; the one that is billed is focal.
pub(crate) fn insurance(entries: &mut Entries, base: &str, claim: &Claim, patient: &Value) -> Vec<Insurance> {
    let subscriber = &claim.subscriber;
    let relationship = claim.patient.as_ref().map(|one| one.relationship.as_str());
    let own = Terms {
        sequence: &subscriber.sequence,
        relationship: relationship.or(subscriber.relationship.as_deref()),
        group_number: subscriber.group_number.as_deref(),
        group_name: subscriber.group_name.as_deref(),
        filing: subscriber.filing.as_deref(),
        subscriber: &subscriber.party,
        payer: &subscriber.payer,
    };
    let mut all = vec![Insurance { is_focal: true, ..one(entries, base, &own, patient) }];
    for other in &claim.coverages {
        all.extend(of_other(entries, base, other, patient));
    }
    all.sort_by_key(|insurance| (insurance.order, !insurance.is_focal));
    all
}

fn of_other(entries: &mut Entries, base: &str, other: &OtherCoverage, patient: &Value) -> Option<Insurance> {
    let (payer, subscriber) = (other.payer.as_ref()?, other.subscriber.as_ref()?);
    let terms = Terms {
        sequence: &other.sequence,
        relationship: other.relationship.as_deref(),
        group_number: other.group_number.as_deref(),
        group_name: other.group_name.as_deref(),
        filing: other.filing.as_deref(),
        subscriber,
        payer,
    };
    let decided = payer.reference("F8").map(str::to_owned);
    Some(Insurance { decided, ..one(entries, base, &terms, patient) })
}

fn one(entries: &mut Entries, base: &str, terms: &Terms<'_>, patient: &Value) -> Insurance {
    let payer = entries.payer(base, terms.payer);
    let class = |code: &str, value: &str, name: Option<&str>| json!({ "type": { "coding": [{ "system": CLASS, "code": code }] }, "value": value, "name": name });
    let group = terms.group_number.or(terms.group_name);
    let relationship = terms.relationship.unwrap_or("18");
    let relationship = RELATIONSHIPS.iter().find(|one| one.0 == relationship).map_or("other", |one| one.1);
    let member = terms.subscriber.id.as_ref().map(|id| id.value.as_str()).filter(|id| !id.is_empty());
    let key = format!(
        "{}-{}-{}-{}",
        id_of(terms.payer),
        member.unwrap_or_default(),
        order(terms.sequence),
        patient["reference"].as_str().unwrap_or_default().trim_start_matches("Patient?")
    );
    let mut holder = json!({ "display": display(terms.subscriber) });
    if relationship == "self" {
        holder = patient.clone();
    }
    let resource = without_nulls(json!({
        "resourceType": "Coverage",
        "identifier": [{ "system": format!("{base}/coverage"), "value": key }],
        "status": "active",
        "type": terms.filing.map(|code| json!({ "coding": [{ "system": FILING, "code": code }] })),
        "subscriber": holder,
        "subscriberId": member,
        "beneficiary": patient,
        "relationship": { "coding": [{ "system": RELATIONSHIP, "code": relationship }] },
        "payor": [payer],
        "class": group.map(|group| vec![class("group", group, terms.group_name)]),
        "order": order(terms.sequence),
    }));
    let entry = Entry { key: format!("Coverage?{key}"), ty: "Coverage", known_by: vec![key], resource };
    let coverage = entries.add(entry);
    Insurance { coverage, payer, order: order(terms.sequence), ..Insurance::default() }
}

fn display(party: &Party) -> String {
    match &party.first {
        Some(first) => format!("{first} {}", party.name),
        None if party.name.is_empty() => "unknown".to_owned(),
        None => party.name.clone(),
    }
}
