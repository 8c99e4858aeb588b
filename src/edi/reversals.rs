//! What a reversal takes back. An answer that is taken back stays in the ledger, where the reversal's
//! negative amounts meet it; its explanation for the patient holds no more and is cancelled. A reversal
//! may come before the answer that it takes back, and waits for it then.

use super::find::{self, items};
use super::identity;
use super::late::{Answered, Kind};
use super::origin::day;
use super::record::{Record, TAG, reference, tag};
use crate::rest::Context;
use remit_fhir::Result;
use remit_x12::Decimal;
use remit_x12::fhir::is_reversal;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A reversal that waits for what it takes back.
const AWAITS_REVERSED: &str = "awaits-reversed-response";

/// Claims of one search.
const CLAIMS: usize = 100;

/// The id of the explanation of an answer.
pub(super) fn explanation_id(response: &str) -> String {
    identity::id("explanation", &[response])
}

/// Cancels the explanations of answers that are taken back by what comes now, or that were taken back
/// before they came.
pub(super) async fn settle(cx: &Context<'_>, record: &mut Record, answered: &[Answered]) -> Result<()> {
    let claims = concerned(cx, answered).await?;
    if claims.is_empty() {
        return Ok(());
    }
    let mut by_claim: HashMap<String, BTreeMap<String, Value>> = HashMap::new();
    let mut stored = HashMap::new();
    for found in find::by(cx, "ClaimResponse", "request", claims.iter().map(String::as_str)).await? {
        let answer = record.latest(&found);
        let claim = answer["request"]["reference"].as_str().unwrap_or_default().to_owned();
        by_claim.entry(claim).or_default().insert(found.reference.clone(), answer);
        stored.insert(found.reference.clone(), found.stored);
    }
    for one in answered.iter().filter(|one| claims.contains(&one.claim_reference)) {
        let Some(answer) = record.draft(&one.response) else { continue };
        by_claim.entry(one.claim_reference.clone()).or_default().insert(one.response.clone(), answer);
    }
    let mut cancelled = HashSet::new();
    for answers in by_claim.values() {
        let pairs = pairs(answers);
        for (name, answer) in answers.iter().filter(|(_, answer)| is_reversal(answer)) {
            let is_waiting = items(&answer["meta"], "tag").any(|one| one["code"] == AWAITS_REVERSED);
            let waits = !pairs.contains_key(name.as_str());
            if is_waiting != waits {
                let mut answer = answer.clone();
                tag(&mut answer, AWAITS_REVERSED, waits);
                match stored.get(name) {
                    Some(before) => record.change(cx, before.clone(), &answer)?,
                    None => record.amend(name, &answer)?,
                }
            }
        }
        cancelled.extend(pairs.into_values().map(str::to_owned));
    }
    cancel(cx, record, &claims, &cancelled).await
}

/// The claims that have a reversal among the answers, or one that waits for them.
async fn concerned(cx: &Context<'_>, answered: &[Answered]) -> Result<HashSet<String>> {
    let of = |kind: Kind| {
        let all = answered.iter().filter(move |one| one.kind == kind);
        all.map(|one| one.claim_reference.as_str()).collect::<HashSet<&str>>()
    };
    let mut claims: HashSet<String> = of(Kind::Reversal).into_iter().map(str::to_owned).collect();
    let mut others: Vec<&str> = of(Kind::Decision).into_iter().filter(|one| !claims.contains(*one)).collect();
    let tagged = ("_tag".to_owned(), format!("{TAG}|{AWAITS_REVERSED}"));
    // Mostly none waits, and nothing more is asked.
    if others.is_empty() || !find::any(cx, "ClaimResponse", std::slice::from_ref(&tagged)).await? {
        return Ok(claims);
    }
    others.sort_unstable();
    for some in others.chunks(CLAIMS) {
        let mut waiting = Vec::new();
        let pairs = [tagged.clone(), ("request".to_owned(), some.join(","))];
        find::search(cx, "ClaimResponse", &pairs, &mut waiting).await?;
        let found = waiting.iter().filter_map(|one| one.resource["request"]["reference"].as_str());
        claims.extend(found.map(str::to_owned));
    }
    Ok(claims)
}

/// The sums of an answer that its reversal negates.
pub(super) fn sums(answer: &Value) -> (Decimal, Decimal) {
    let number = |value: &Value| -> Decimal {
        value.as_number().and_then(|number| number.to_string().parse().ok()).unwrap_or_default()
    };
    let of_total = |code: &str| {
        let is_it = |one: &&Value| items(&one["category"], "coding").any(|coding| coding["code"] == code);
        items(answer, "total").find(is_it).map(|one| number(&one["amount"]["value"])).unwrap_or_default()
    };
    (of_total("submitted"), of_total("benefit"))
}

/// For each reversal what it takes back: of the answers before it with the same sums, or with the payer's
/// number where no sums agree, the newest that is not taken back yet. Of several of one day the one that
/// came on an earlier day, for the correction stands beside its reversal.
fn pairs(answers: &BTreeMap<String, Value>) -> HashMap<&str, &str> {
    let number = |answer: &Value| find::identifiers(answer).next().map(str::to_owned);
    let mut reversals: Vec<_> = answers.iter().filter(|(_, answer)| is_reversal(answer)).collect();
    reversals.sort_by_key(|(name, answer)| (day(answer, "created").to_owned(), name.as_str()));
    let mut taken: HashMap<&str, &str> = HashMap::new();
    for (name, reversal) in reversals {
        let (charge, paid) = sums(reversal);
        let own = number(reversal);
        let candidates = answers.iter().filter(|(other, answer)| {
            answer["outcome"] == "complete"
                && !is_reversal(answer)
                && day(answer, "created") <= day(reversal, "created")
                && !taken.values().any(|one| one == other)
        });
        let ranked = candidates.map(|(other, answer)| {
            let has_sums = sums(answer) == (-charge, -paid);
            let has_number = own.is_some() && number(answer) == own;
            let is_before = day(answer, "created") < day(reversal, "created");
            ((has_sums, has_number, is_before, day(answer, "created")), other.as_str())
        });
        let found = ranked.filter(|one| one.0.0 || one.0.1).max();
        taken.extend(found.map(|(_, other)| (name.as_str(), other)));
    }
    taken
}

/// Cancels the explanations of answers.
async fn cancel(
    cx: &Context<'_>,
    record: &mut Record,
    claims: &HashSet<String>,
    cancelled: &HashSet<String>,
) -> Result<()> {
    for name in cancelled {
        let own = reference("ExplanationOfBenefit", &explanation_id(name));
        if let Some(mut explanation) = record.draft(&own)
            && record.creates(&own)
        {
            explanation["status"] = json!("cancelled");
            record.amend(&own, &explanation)?;
        }
    }
    let stored = find::by(cx, "ExplanationOfBenefit", "claim", claims.iter().map(String::as_str)).await?;
    for found in stored {
        let of = found.resource["claimResponse"]["reference"].as_str().unwrap_or_default();
        if cancelled.contains(of) && found.resource["status"] == "active" {
            let mut explanation = record.latest(&found);
            explanation["status"] = json!("cancelled");
            record.change(cx, found.stored, &explanation)?;
            record.outcome.push(found.reference);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, day: &str, number: &str, charge: i64, paid: i64) -> Value {
        let total = |code: &str, amount: i64| json!({ "category": { "coding": [{ "code": code }] }, "amount": { "value": amount } });
        json!({
            "extension": [{ "url": "x/rcm-claim-status-code", "valueCode": status }],
            "identifier": [{ "value": number }], "outcome": "complete", "created": day,
            "total": [total("submitted", charge), total("benefit", paid)],
        })
    }

    /// Answers in their order, each with its id, and which takes back which.
    type Case<'c> = (&'c [(&'c str, &'c Value)], &'c [(&'c str, &'c str)]);

    #[test]
    fn a_reversal_takes_back_what_it_negates() {
        let first = answer("1", "2026-01-10", "A", 300, 100);
        let correction = answer("1", "2026-02-10", "B", 300, 100);
        let reversal = answer("22", "2026-02-10", "A", -300, -100);
        let again = answer("22", "2026-03-10", "Z", -300, -100);
        let other = answer("22", "2026-03-10", "A", -250, -90);
        let strange = answer("22", "2026-03-10", "Q", -1, -1);
        let cases: [Case<'_>; 6] = [
            (&[("1", &first), ("2", &reversal)], &[("2", "1")]),
            // The correction of the same day stands although its sums are the same.
            (&[("9", &first), ("2", &reversal), ("3", &correction)], &[("2", "9")]),
            // Two reversals take back both.
            (
                &[("1", &first), ("2", &reversal), ("3", &correction), ("4", &again)],
                &[("2", "1"), ("4", "3")],
            ),
            // By the number where the sums do not agree.
            (&[("1", &first), ("2", &other)], &[("2", "1")]),
            (&[("1", &first), ("2", &strange)], &[]),
            // Nothing is taken back that came later.
            (&[("3", &again), ("2", &answer("1", "2026-03-11", "Z", 300, 100))], &[]),
        ];
        for (answers, expected) in cases {
            let all = answers.iter().map(|(name, one)| ((*name).to_owned(), (*one).clone())).collect();
            let mut found: Vec<(&str, &str)> = pairs(&all).into_iter().collect();
            found.sort_unstable();
            assert_eq!(found, expected);
        }
    }
}
