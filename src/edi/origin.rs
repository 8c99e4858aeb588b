//! What a claim follows: the claim that it replaces, voids or repeats, and the answer of the payer
//! before. Found by numbers, else by patient, payer, provider and day.

use super::find::{self, Found, items};
use super::record::{Record, reference};
use crate::rcm::frequency;
use crate::rest::Context;
use remit_fhir::Result;
use remit_x12::fhir::{ClaimEntry, Decided};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// What the record knows that claims of a set may follow.
pub(super) struct Origins {
    /// Claims by their identifiers.
    claims: HashMap<String, Vec<Found>>,
    /// Claims of the patients concerned.
    of_patients: Vec<Found>,
    /// Answers by the payer's numbers.
    answers: HashMap<String, Vec<Found>>,
    /// Answers for the patients concerned.
    answers_of_patients: Vec<Found>,
    there: HashSet<String>,
}

/// Whether a claim replaces or voids another.
pub(super) fn is_later(claim: &Value) -> bool {
    matches!(frequency(claim), "7" | "8")
}

pub(super) fn day<'v>(claim: &'v Value, name: &str) -> &'v str {
    claim[name].as_str().and_then(|text| text.get(..10)).unwrap_or_default()
}

impl Origins {
    /// Asks for everything that the claims of a set may follow.
    pub(super) async fn find(cx: &Context<'_>, list: &[ClaimEntry], ids: &[String]) -> Result<Origins> {
        let own: Vec<String> = ids.iter().map(|id| reference("Claim", id)).collect();
        let there = find::read(cx, &own).await?.into_iter().map(|found| found.reference).collect();
        let follows: Vec<&str> = list.iter().filter_map(|one| one.follows.as_deref()).collect();
        let decided = list.iter().flat_map(|one| &one.decided).filter_map(|one| one.number.as_deref());
        let numbers: Vec<&str> = follows.iter().copied().chain(decided).collect();
        let own_numbers = list.iter().flat_map(|one| find::identifiers(&one.resource)).chain(follows);
        let claims = find::by_identifier(find::by(cx, "Claim", "identifier", own_numbers).await?);
        let answers = find::by_identifier(find::by(cx, "ClaimResponse", "identifier", numbers).await?);
        let is_concerned = |one: &&ClaimEntry| {
            is_later(&one.resource)
                || !one.decided.is_empty()
                || find::identifiers(&one.resource).any(|id| claims.contains_key(id))
        };
        let patients: Vec<&str> = list
            .iter()
            .filter(is_concerned)
            .filter_map(|one| one.resource["patient"]["reference"].as_str())
            .collect();
        let of_patients = find::by(cx, "Claim", "patient", patients.iter().copied()).await?;
        let answers_of_patients = find::by(cx, "ClaimResponse", "patient", patients).await?;
        Ok(Origins { claims, of_patients, answers, answers_of_patients, there })
    }

    /// Whether a claim is in the record already.
    pub(super) fn is_there(&self, reference: &str) -> bool {
        self.there.contains(reference)
    }

    /// The claim that a claim follows.
    pub(super) fn original(&self, record: &Record, claim: &Value, follows: Option<&str>) -> Option<String> {
        if let Some(number) = follows {
            let by_answer = self.answers.get(number).into_iter().flatten();
            let requests = by_answer.filter_map(|one| one.resource["request"]["reference"].as_str());
            if let Some(request) = requests.last() {
                return Some(request.to_owned());
            }
            let numbered = self.numbered(record, number);
            if let Some(reference) = newest(numbered, claim) {
                return Some(reference);
            }
        }
        if !is_later(claim) {
            return None;
        }
        let own = find::identifiers(claim).next().unwrap_or_default();
        newest(self.numbered(record, own), claim).or_else(|| self.same_service(record, claim))
    }

    /// Claims with a number, in the record or in this file.
    fn numbered<'a>(
        &'a self,
        record: &'a Record,
        number: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let stored = self.claims.get(number).into_iter().flatten();
        let stored = stored.map(|found| (found.reference.as_str(), &found.resource));
        let sent = record.sent.iter().filter(move |one| find::identifiers(&one.1).any(|id| id == number));
        stored.chain(sent.map(|one| (one.0.as_str(), &one.1)))
    }

    /// The one earlier claim of the same patient, payer, provider and day of service.
    fn same_service(&self, record: &Record, claim: &Value) -> Option<String> {
        let is_same = |other: &Value| {
            ["patient", "insurer", "provider"]
                .iter()
                .all(|name| other[name]["reference"] == claim[name]["reference"])
                && other["billablePeriod"]["start"] == claim["billablePeriod"]["start"]
        };
        let stored = self.of_patients.iter().map(|found| (found.reference.as_str(), &found.resource));
        let all = stored.chain(record.sent.iter().map(|one| (one.0.as_str(), &one.1)));
        newest(all.filter(|one| is_same(one.1)), claim)
    }

    /// The answer of an earlier payer: by its number, else the one that this payer gave on a claim of
    /// the same patient, charge and day.
    pub(super) fn answer(&self, record: &Record, claim: &Value, decided: &Decided) -> Option<String> {
        if let Some(number) = &decided.number
            && let Some(found) =
                final_answer(self.answers.get(number).into_iter().flatten(), &decided.payer, true)
        {
            return Some(found.reference.clone());
        }
        let primary = self.primary(record, claim, decided)?;
        let of_claim = |one: &&Found| one.resource["request"]["reference"] == primary.as_str();
        let found = final_answer(self.answers_of_patients.iter().filter(of_claim), &decided.payer, false)?;
        Some(found.reference.clone())
    }

    /// The claim that the earlier payer decided on.
    fn primary(&self, record: &Record, claim: &Value, decided: &Decided) -> Option<String> {
        let is_same = |other: &Value| {
            other["patient"]["reference"] == claim["patient"]["reference"]
                && other["insurer"]["reference"] == decided.payer.as_str()
                && other["billablePeriod"]["start"] == claim["billablePeriod"]["start"]
                && other["total"]["value"] == claim["total"]["value"]
        };
        let stored = self.of_patients.iter().map(|found| (found.reference.as_str(), &found.resource));
        let all = stored.chain(record.sent.iter().map(|one| (one.0.as_str(), &one.1)));
        newest(all.filter(|one| is_same(one.1)), claim)
    }
}

/// The last answer that is no reversal and no acknowledgement.
pub(super) fn final_answer<'f>(
    all: impl Iterator<Item = &'f Found>,
    payer: &str,
    is_sure: bool,
) -> Option<&'f Found> {
    let is_reversal = |one: &Value| items(one, "extension").any(|extension| extension["valueCode"] == "22");
    all.filter(|one| one.resource["outcome"] == "complete" && !is_reversal(&one.resource))
        .filter(|one| {
            is_sure
                || one.resource["insurer"]["reference"] == payer
                || !one.resource["insurer"]["reference"].is_string()
        })
        .max_by_key(|one| (day(&one.resource, "created"), one.reference.as_str()))
}

/// The newest claim that was sent before (or on the same day) and is not void itself.
fn newest<'c>(all: impl Iterator<Item = (&'c str, &'c Value)>, claim: &Value) -> Option<String> {
    let sent = day(claim, "created");
    all.filter(|(_, one)| one["status"] == "active" && one["use"] == "claim" && frequency(one) != "8")
        .filter(|(_, one)| day(one, "created") <= sent)
        .max_by_key(|(reference, one)| (day(one, "created"), *reference))
        .map(|(reference, _)| reference.to_owned())
}
