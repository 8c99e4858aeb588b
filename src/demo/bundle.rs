//! One Bundle a patient: the patient, the coverage, every visit and what became of it.

use super::calendar::{Day, date, date_time};
use super::catalogue::{DIAGNOSES, FAMILY, GIVEN, LOCATIONS, PAYERS, PRACTITIONERS, SERVICES};
use super::claim;
use super::episode::{Episode, PayerIndex};
use super::money::money;
use super::random::{Random, mix};
use serde_json::{Value, json};

/// The canonical base of the codes and extensions of the revenue cycle.
pub(super) const BASE: &str = "https://remit.example/fhir/rcm";
/// Where a resource of the demo would live: makes each entry's `fullUrl`.
const SERVER: &str = "https://remit.example/fhir";
/// Streams of random numbers for people lie beyond those of their visits.
const PEOPLE: u64 = 1 << 40;

/// Ids and references. Each id holds six digits of the seed.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub seed: u64,
    tag: String,
}

impl Names {
    pub(super) fn new(seed: u64) -> Names {
        Names { seed, tag: format!("demo-{:06x}", mix(seed) & 0xff_ffff) }
    }

    pub(super) fn id(&self, rest: &str) -> String {
        format!("{}-{rest}", self.tag)
    }

    pub(super) fn practice(&self) -> String {
        format!("Organization/{}-practice", self.tag)
    }

    pub(super) fn payer(&self, place: usize) -> String {
        format!("Organization/{}-payer-{}", self.tag, place + 1)
    }

    pub(super) fn practitioner(&self, place: usize) -> String {
        format!("Practitioner/{}-provider-{}", self.tag, place + 1)
    }

    pub(super) fn location(&self, place: usize) -> String {
        format!("Location/{}-location-{}", self.tag, place + 1)
    }
}

/// What a visit's resources have in common.
pub(super) struct Visit<'a> {
    pub names: &'a Names,
    pub episode: &'a Episode,
    /// Number of the patient, from 1, as in ids.
    patient: u32,
    /// Number of the visit, from 1.
    number: usize,
}

impl Visit<'_> {
    /// An id of a resource of this visit.
    pub(super) fn id(&self, rest: &str) -> String {
        self.names.id(&format!("p{:06}-v{:02}{rest}", self.patient, self.number))
    }

    pub(super) fn patient(&self) -> Value {
        json!({ "reference": format!("Patient/{}", self.names.id(&format!("p{:06}", self.patient))) })
    }

    pub(super) fn coverage(&self) -> String {
        format!("Coverage/{}", self.names.id(&format!("p{:06}-coverage", self.patient)))
    }

    pub(super) fn encounter(&self) -> Value {
        json!({ "reference": format!("Encounter/{}", self.id("")) })
    }

    pub(super) fn practitioner(&self) -> Value {
        let place = self.episode.provider;
        let (given, family, suffix) = PRACTITIONERS[place];
        json!({ "reference": self.names.practitioner(place), "display": format!("{given} {family}, {suffix}") })
    }

    pub(super) fn location(&self) -> Value {
        let place = self.episode.facility;
        json!({ "reference": self.names.location(place), "display": LOCATIONS[place].0 })
    }

    pub(super) fn practice(&self) -> Value {
        json!({ "reference": self.names.practice() })
    }

    pub(super) fn insurer(&self) -> Value {
        match self.episode.payer {
            Some(place) => json!({ "reference": self.names.payer(place), "display": PAYERS[place].name }),
            None => self.practice(),
        }
    }
}

/// A CodeableConcept with one coding.
pub(super) fn coded(system: &str, code: &str, display: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code, "display": display }] })
}

/// A transaction of PUTs.
pub(super) fn transaction(resources: Vec<Value>) -> String {
    let entries: Vec<Value> = resources
        .into_iter()
        .map(|resource| {
            let path = format!(
                "{}/{}",
                resource["resourceType"].as_str().unwrap_or_default(),
                resource["id"].as_str().unwrap_or_default()
            );
            json!({
                "fullUrl": format!("{SERVER}/{path}"),
                "resource": resource,
                "request": { "method": "PUT", "url": path },
            })
        })
        .collect();
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }).to_string()
}

/// The resources of a patient, counted from 0, that say who it is and what was done.
pub(super) fn clinical(
    names: &Names,
    patient: u32,
    payer: PayerIndex,
    since: Day,
    episodes: &[Episode],
) -> Vec<Value> {
    let id = names.id(&format!("p{:06}", patient + 1));
    let mut resources = person(names, patient + 1, &id, payer, since);
    for visit in visits(names, patient, episodes) {
        resources.push(encounter(&visit));
        if visit.episode.payer.is_none() {
            resources.extend(charge_items(&visit, &id));
        }
    }
    resources
}

/// The visits of a patient, counted from 0.
pub(super) fn visits<'a>(
    names: &'a Names,
    patient: u32,
    episodes: &'a [Episode],
) -> impl Iterator<Item = Visit<'a>> {
    let numbered = episodes.iter().enumerate();
    numbered.map(move |(place, episode)| Visit { names, episode, patient: patient + 1, number: place + 1 })
}

/// Who a patient is.
pub(super) struct Person {
    pub given: &'static str,
    pub family: &'static str,
    pub gender: &'static str,
    pub birth: Day,
    phone: i64,
    street: i64,
    /// The number that the payer knows the patient by.
    pub member: Option<String>,
}

impl Person {
    /// The patient of this number, from 1.
    pub(super) fn of(names: &Names, patient: u32, payer: PayerIndex, since: Day) -> Person {
        let mut random = Random::new(names.seed, PEOPLE + u64::from(patient));
        let (given, gender) = *random.pick(GIVEN);
        let family = *random.pick(FAMILY);
        let birth = since - random.between(18 * 365, 88 * 365);
        let (phone, street) = (random.between(0, 99), random.between(1, 999));
        let member = random.between(100_000_000, 999_999_999);
        let member = payer.map(|place| format!("{}{member}", ["BM", "PM", "HP"][place % 3]));
        Person { given, family, gender, birth, phone, street, member }
    }

    /// The line of the address.
    pub(super) fn street(&self) -> String {
        format!("{} Mesa Street", self.street)
    }
}

fn person(names: &Names, patient: u32, id: &str, payer: PayerIndex, since: Day) -> Vec<Value> {
    let person = Person::of(names, patient, payer, since);
    let reference = format!("Patient/{id}");
    let identifier_type = "http://terminology.hl7.org/CodeSystem/v2-0203";
    let mut identifiers = vec![json!({
        "type": coded(identifier_type, "MR", "Medical record number"),
        "system": format!("{SERVER}/mrn/{}", names.id("practice")),
        "value": format!("{patient:06}"),
    })];
    if let (Some(member), Some(place)) = (&person.member, payer) {
        identifiers.push(json!({
            "type": coded(identifier_type, "MB", "Member Number"),
            "system": format!("{BASE}/member-id/{}", super::place::payer_id(names, place)),
            "value": member,
        }));
    }
    let mut resources = vec![json!({
        "resourceType": "Patient",
        "id": id,
        "identifier": identifiers,
        "active": true,
        "name": [{ "use": "official", "family": person.family, "given": [person.given] }],
        "telecom": [{ "system": "phone", "value": format!("720-555-01{:02}", person.phone) }],
        "gender": person.gender,
        "birthDate": date(person.birth),
        "address": [{
            "line": [person.street()],
            "city": "Juniper Ridge", "state": "CO", "postalCode": "80999",
        }],
        "managingOrganization": { "reference": names.practice() },
    })];
    resources.push(coverage(names, id, &reference, payer, since, person.member));
    if payer.is_none() {
        resources.push(json!({
            "resourceType": "Account",
            "id": format!("{id}-account"),
            "status": "active",
            "subject": [{ "reference": reference }],
            "coverage": [{ "coverage": { "reference": format!("Coverage/{id}-coverage") }, "priority": 1 }],
            "owner": { "reference": names.practice() },
        }));
    }
    resources
}

fn coverage(
    names: &Names,
    id: &str,
    patient: &str,
    payer: PayerIndex,
    since: Day,
    member: Option<String>,
) -> Value {
    let mut coverage = json!({
        "resourceType": "Coverage",
        "id": format!("{id}-coverage"),
        "status": "active",
        "type": coded("http://terminology.hl7.org/CodeSystem/coverage-selfpay", "pay", "Pay"),
        "beneficiary": { "reference": patient },
        "relationship": coded("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "self", "Self"),
        "payor": [{ "reference": patient }],
    });
    if let Some(place) = payer {
        let act_code = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
        coverage["type"] = coded(act_code, "EHCPOL", "extended healthcare");
        coverage["subscriberId"] = json!(member);
        coverage["period"] = json!({ "start": date(since - 365) });
        coverage["payor"] = json!([{ "reference": names.payer(place), "display": PAYERS[place].name }]);
        coverage["order"] = json!(1);
    }
    coverage
}

fn encounter(visit: &Visit<'_>) -> Value {
    let episode = visit.episode;
    let reasons: Vec<Value> = episode.diagnoses.iter().map(|place| diagnosis(*place)).collect();
    json!({
        "resourceType": "Encounter",
        "id": visit.id(""),
        "status": "finished",
        "class": {
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory",
        },
        "subject": visit.patient(),
        "participant": [{ "individual": visit.practitioner() }],
        "period": {
            "start": date_time(episode.day, episode.minute),
            "end": date_time(episode.day, episode.minute + 15),
        },
        "reasonCode": reasons,
        "location": [{ "location": visit.location() }],
        "serviceProvider": visit.practice(),
    })
}

/// An ICD-10-CM code.
pub(super) fn diagnosis(place: usize) -> Value {
    let (code, display) = DIAGNOSES[place];
    coded("http://hl7.org/fhir/sid/icd-10-cm", code, display)
}

/// What a patient without insurance is charged for.
fn charge_items<'a>(visit: &'a Visit<'_>, patient: &'a str) -> impl Iterator<Item = Value> + 'a {
    visit.episode.lines.iter().enumerate().map(move |(place, line)| {
        json!({
            "resourceType": "ChargeItem",
            "id": visit.id(&format!("-s{}", place + 1)),
            "status": "billable",
            "code": claim::service_code(&SERVICES[line.service]),
            "subject": visit.patient(),
            "context": visit.encounter(),
            "occurrenceDateTime": date(visit.episode.day),
            "performer": [{ "actor": visit.practitioner() }],
            "performingOrganization": visit.practice(),
            "quantity": { "value": line.units },
            "priceOverride": money(line.charge()),
            "enteredDate": date_time(visit.episode.day, visit.episode.minute + 30),
            "account": [{ "reference": format!("Account/{patient}-account") }],
        })
    })
}
