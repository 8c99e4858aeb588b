//! Which of several claims that share a control number an answer is about; and answers that go to
//! another of them when that one comes later, so that the order of arrival changes nothing.

use super::find::{self, Found, KnownClaim, items};
use super::origin::day;
use super::record::{Record, reference};
use super::reversals::{explanation_id, sums};
use crate::rcm::frequency;
use crate::rest::Context;
use remit_fhir::Result;
use remit_x12::Decimal;
use remit_x12::fhir::explanation_of_benefit;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The extension of an answer with the payment that it came with.
pub(super) const PAYMENT_URL: &str = "https://remit.example/fhir/rcm/StructureDefinition/rcm-payment";

/// What an answer tells of the claim that it is about.
#[derive(Default)]
pub(super) struct Said<'s> {
    /// The payer's reference, where it is known.
    pub(super) insurer: Option<&'s str>,
    /// What was charged.
    pub(super) charge: Option<Decimal>,
    /// The first day of the services, where it is told.
    pub(super) service: Option<&'s str>,
    /// The day of the answer; empty where it is not told.
    pub(super) day: &'s str,
}

impl<'s> Said<'s> {
    /// What a ClaimResponse tells.
    pub(super) fn by(answer: &'s Value) -> Said<'s> {
        let (charge, _) = sums(answer);
        Said {
            insurer: answer["insurer"]["reference"].as_str(),
            charge: (answer["outcome"] == "complete").then_some(charge.abs()),
            // Lines of claims that were not known are told with their days.
            service: items(answer, "addItem").filter_map(|line| line["servicedDate"].as_str()).min(),
            day: day(answer, "created"),
        }
    }
}

/// The claim that an answer is about: sent before it, of its payer, with its charge and day of service,
/// not void, and of several the newest.
pub(super) fn choose<'c>(
    claims: impl IntoIterator<Item = &'c KnownClaim>,
    said: &Said<'_>,
) -> Option<&'c KnownClaim> {
    let candidates = claims.into_iter().filter(|(_, claim)| {
        claim["use"] == "claim" && claim["status"] == "active" && was_sent(claim, said.day)
    });
    candidates.max_by_key(|(reference, claim)| {
        let total = claim["total"]["value"].as_number().and_then(|n| n.to_string().parse::<Decimal>().ok());
        let created = day(claim, "created");
        (
            said.insurer.is_some() && said.insurer == claim["insurer"]["reference"].as_str(),
            said.charge.is_some() && said.charge == total.map(|total| total.abs()),
            said.service.is_some() && said.service == service(claim),
            frequency(claim) != "8",
            said.day.is_empty() || created <= said.day,
            claim["created"].as_str().unwrap_or_default(),
            reference.as_str(),
        )
    })
}

/// The first day of the services of a claim.
fn service(claim: &Value) -> Option<&str> {
    let of_lines = items(claim, "item")
        .filter_map(|line| line["servicedDate"].as_str().or(line["servicedPeriod"]["start"].as_str()));
    claim["billablePeriod"]["start"].as_str().or(of_lines.min()).and_then(|text| text.get(..10))
}

/// Whether a claim had been sent when it was answered on a day. A day more is let pass: the clocks of
/// those who write to each other differ.
pub(super) fn was_sent(claim: &Value, answered: &str) -> bool {
    let created = day(claim, "created");
    let next = || answered.parse::<jiff::civil::Date>().ok()?.tomorrow().ok();
    created <= answered || next().is_none_or(|next| created <= next.to_string().as_str())
}

/// Gives stored answers to claims of the same number, patient and day that fit them better. `all` are the
/// claims of these numbers, as they are now.
pub(super) async fn again(
    cx: &Context<'_>,
    record: &mut Record,
    answers: &mut [Found],
    all: &[KnownClaim],
) -> Result<()> {
    let mut by_number: HashMap<&str, Vec<&KnownClaim>> = HashMap::new();
    let mut by_reference: HashMap<&str, &KnownClaim> = HashMap::new();
    for claim in all {
        by_reference.insert(&claim.0, claim);
        find::identifiers(&claim.1).for_each(|number| by_number.entry(number).or_default().push(claim));
    }
    let mut moved: Vec<(&Found, &KnownClaim)> = Vec::new();
    for answer in answers.iter_mut() {
        let current = answer.resource["request"]["reference"].as_str().unwrap_or_default();
        let Some((_, own)) = by_reference.get(current) else { continue };
        let same = find::identifiers(own).flat_map(|number| by_number.get(number).into_iter().flatten());
        // A number may be that of an account with many visits: only the same visit was sent again.
        let is_same = |claim: &Value| claim["patient"] == own["patient"] && service(claim) == service(own);
        let same = same.copied().filter(|(_, claim)| is_same(claim));
        let Some(best) = choose(same, &Said::by(&answer.resource)).filter(|best| best.0 != current) else {
            continue;
        };
        answer.resource["request"]["reference"] = json!(best.0);
        record.change(cx, answer.stored.clone(), &answer.resource)?;
        moved.push((answer, best));
    }
    follow(cx, record, &moved).await
}

/// What names the claim of an answer beside it: its explanation and its payment.
async fn follow(cx: &Context<'_>, record: &mut Record, moved: &[(&Found, &KnownClaim)]) -> Result<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let explanation = |answer: &Found| reference("ExplanationOfBenefit", &explanation_id(&answer.reference));
    let payment = |answer: &Found| {
        let mut all = items(&answer.resource, "extension").filter(|one| one["url"] == PAYMENT_URL);
        all.find_map(|one| one["valueReference"]["reference"].as_str()).map(str::to_owned)
    };
    let mut names: Vec<String> = moved.iter().map(|(answer, _)| explanation(answer)).collect();
    names.extend(moved.iter().filter_map(|(answer, _)| payment(answer)));
    names.sort_unstable();
    names.dedup();
    for found in find::read(cx, &names).await? {
        let mut resource = record.latest(&found);
        for (answer, (claim, billed)) in moved {
            if explanation(answer) == found.reference
                && let Some(mut anew) =
                    explanation_of_benefit((&answer.reference, &answer.resource), (claim, billed))
            {
                anew["id"] = resource["id"].clone();
                anew["status"] = resource["status"].clone();
                resource = anew;
            }
            let details = resource.get_mut("detail").and_then(Value::as_array_mut).into_iter().flatten();
            for detail in details.filter(|one| one["response"]["reference"] == answer.reference.as_str()) {
                detail["request"] = json!({ "reference": claim });
            }
        }
        record.change(cx, found.stored, &resource)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(id: &str, created: &str, insurer: &str, total: i64) -> KnownClaim {
        let served = format!("2026-01-{}", 10 + id.len());
        let claim = json!({ "use": "claim", "status": "active", "created": created,
            "billablePeriod": { "start": served }, "insurer": { "reference": insurer }, "total": { "value": total } });
        (id.to_owned(), claim)
    }

    #[test]
    fn an_answer_is_about_the_last_claim_that_was_sent_before_it_and_fits() {
        let all = [
            claim("first", "2026-01-20", "P2", 150),
            claim("second", "2026-01-23T09:00:00-07:00", "P2", 150),
            claim("other-payer", "2026-01-26", "P3", 150),
            claim("other-charge", "2026-01-27", "P2", 170),
        ];
        let chosen = |insurer, charge: Option<i64>, day| {
            let said = Said { insurer, charge: charge.map(Decimal::from), day, service: None };
            choose(&all, &said).map(|one| one.0.as_str())
        };
        let served = Said { service: Some("2026-01-15"), day: "2026-02-06", ..Said::default() };
        assert_eq!(choose(&all, &served).map(|one| one.0.as_str()), Some("first"));
        assert_eq!(chosen(Some("P2"), Some(150), "2026-02-06"), Some("second"));
        assert_eq!(chosen(None, Some(150), "2026-01-21"), Some("first"));
        assert_eq!(chosen(Some("P3"), Some(150), "2026-02-06"), Some("other-payer"));
        assert_eq!(chosen(Some("P2"), Some(170), "2026-02-06"), Some("other-charge"));
        assert_eq!(chosen(None, None, ""), Some("other-charge"));
        // The clock of the sender may be a day ahead, and not more.
        assert_eq!(chosen(None, None, "2026-01-19"), Some("first"));
        assert_eq!(chosen(None, None, "2026-01-18"), None);
    }
}
