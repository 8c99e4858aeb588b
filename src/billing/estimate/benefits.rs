//! Benefits as a payer told them (<https://hl7.org/fhir/R4/coverageeligibilityresponse.html>).
//!
//! Of several benefits for a service the closest counts: one for its code, else one for its category,
//! else one for all services. Each kind of benefit is looked for by itself.

use super::arithmetic::{Cover, Left};
use super::services::Service;
use crate::billing::request::{amount, decimal, has_code};
use crate::edi::find::items;
use remit_fhir::{Error, IssueType, Result};
use rust_decimal::Decimal;
use serde_json::Value;

/// Codes of kinds of benefits: those of HL7, those of X12 (EB01), and in words.
const DEDUCTIBLE: &[&str] = &["deductible", "C"];
const COPAY: &[&str] = &["copay", "B"];
const COINSURANCE: &[&str] = &["copay-percent", "coinsurance", "A"];
const MAXIMUM: &[&str] = &["copay-maximum", "out-of-pocket-maximum", "G"];

/// Kinds that are told and change no share.
const SILENT: &[&str] = &["1"];

/// The benefits of one coverage.
pub(super) struct Benefits<'r> {
    items: Vec<&'r Value>,
    currency: String,
}

impl<'r> Benefits<'r> {
    /// The items of an entry of `insurance` in a network.
    pub(super) fn of(insurance: &'r Value, network: &str, currency: &str) -> Benefits<'r> {
        let is_in = |item: &&Value| {
            !item["network"].is_object()
                || items(&item["network"], "coding").any(|one| one["code"] == network)
        };
        Benefits { items: items(insurance, "item").filter(is_in).collect(), currency: currency.to_owned() }
    }

    /// What is left of all deductibles, in the order of the items, and to the maximum.
    pub(super) fn left(&self) -> Result<Left> {
        let mut left = Left::default();
        for n in 0..self.items.len() {
            left.deductibles.push(self.remaining(n, DEDUCTIBLE)?.unwrap_or_default());
            if level(self.items[n], None) == Some(0)
                && let Some(amount) = self.remaining(n, MAXIMUM)?
            {
                left.out_of_pocket = Some(left.out_of_pocket.map_or(amount, |known| known.min(amount)));
            }
        }
        Ok(left)
    }

    /// How the plan shares the costs of a service. 422 when nothing is told of it.
    pub(super) fn cover(&self, service: &Service) -> Result<Cover> {
        let excluded = self.closest(service, |item| item["excluded"].is_boolean());
        if excluded.first().is_some_and(|n| self.items[*n]["excluded"] == true) {
            return Ok(Cover::Excluded);
        }
        let has = |kinds: &'static [&'static str]| {
            move |item: &Value| items(item, "benefit").any(|one| is_kind(one, kinds))
        };
        let deductibles = self.closest(service, has(DEDUCTIBLE));
        let copays = self.closest(service, has(COPAY));
        let percents = self.closest(service, has(COINSURANCE));
        if deductibles.is_empty() && copays.is_empty() && percents.is_empty() {
            return Err(Error::unprocessable(format!(
                "The benefits say nothing of a deductible, copayment or coinsurance for {}.",
                service.code
            ))
            .coded(IssueType::Incomplete)
            .at("eligibilityResponse"));
        }
        let level_of = |found: &[usize]| found.first().and_then(|n| level(self.items[*n], Some(service)));
        for (found, kinds) in [(&deductibles, DEDUCTIBLE), (&copays, COPAY)] {
            for n in found {
                self.money(*n, kinds, "allowedMoney")?.ok_or_else(|| without_amount(kinds[0]))?;
            }
        }
        let copay = match copays.first() {
            Some(n) => self.money(*n, COPAY, "allowedMoney")?.map(|amount| (*n, amount)),
            None => None,
        };
        let mut percent = match percents.first() {
            Some(n) => self.percent(*n)?,
            None => None,
        };
        // What is closer than the deductible and names a copayment is not subject to the deductible, and
        // to a coinsurance only when it names one.
        let mut deductibles = deductibles;
        if copay.is_some() && level_of(&copays) > level_of(&deductibles) {
            deductibles.clear();
            if level_of(&copays) > level_of(&percents) {
                percent = None;
            }
        }
        Ok(Cover::Shared { deductibles, copay, percent })
    }

    /// Kinds of benefits for a service that the arithmetic does not know: they are told.
    pub(super) fn unknown(&self, service: &Service) -> Vec<String> {
        let known = [DEDUCTIBLE, COPAY, COINSURANCE, MAXIMUM, SILENT].concat();
        let own = self.items.iter().filter(|item| level(item, Some(service)).is_some());
        let kinds = own.flat_map(|item| items(item, "benefit")).filter(|one| !is_kind(one, &known));
        let name = |one: &Value| {
            let code = one["type"]["coding"][0]["code"].as_str().or(one["type"]["text"].as_str());
            code.unwrap_or("without a code").to_owned()
        };
        let mut names: Vec<String> = kinds.map(name).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The items of the closest level that have something.
    fn closest(&self, service: &Service, has: impl Fn(&Value) -> bool) -> Vec<usize> {
        let level_of = |n: usize| level(self.items[n], Some(service)).filter(|_| has(self.items[n]));
        let best = (0..self.items.len()).filter_map(level_of).max();
        (0..self.items.len()).filter(|n| best.is_some() && level_of(*n) == best).collect()
    }

    fn benefit(&self, n: usize, kinds: &[&str]) -> Option<&'r Value> {
        items(self.items[n], "benefit").find(|one| is_kind(one, kinds))
    }

    fn money(&self, n: usize, kinds: &[&str], name: &str) -> Result<Option<Decimal>> {
        let Some(money) = self.benefit(n, kinds).map(|one| &one[name]).filter(|one| one.is_object()) else {
            return Ok(None);
        };
        let own = money["currency"].as_str().unwrap_or(&self.currency);
        if own != self.currency {
            let text = format!("The benefits are in {own} and the services in {}.", self.currency);
            return Err(Error::unprocessable(text).coded(IssueType::BusinessRule).at("eligibilityResponse"));
        }
        Ok(amount(&money["value"]))
    }

    /// What is left of an amount; never less than nothing.
    fn remaining(&self, n: usize, kinds: &[&str]) -> Result<Option<Decimal>> {
        let Some(allowed) = self.money(n, kinds, "allowedMoney")? else { return Ok(None) };
        let used = self.money(n, kinds, "usedMoney")?.unwrap_or_default();
        Ok(Some((allowed - used).max(Decimal::ZERO)))
    }

    fn percent(&self, n: usize) -> Result<Option<Decimal>> {
        let Some(benefit) = self.benefit(n, COINSURANCE) else { return Ok(None) };
        let text = benefit["allowedString"].as_str().map(|text| text.trim().trim_end_matches('%').trim());
        let percent = decimal(&benefit["allowedUnsignedInt"]).or_else(|| text?.parse().ok());
        match percent.filter(|percent| *percent >= Decimal::ZERO && *percent <= Decimal::ONE_HUNDRED) {
            Some(percent) => Ok(Some(percent)),
            None => Err(Error::unprocessable("A coinsurance is no percentage from 0 to 100.")
                .coded(IssueType::Value)
                .at("eligibilityResponse")),
        }
    }
}

fn without_amount(kind: &str) -> Error {
    Error::unprocessable(format!("The benefit '{kind}' has no amount in allowedMoney."))
        .coded(IssueType::Incomplete)
        .at("eligibilityResponse")
}

fn is_kind(benefit: &Value, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| has_code(&benefit["type"], kind))
}

/// How close an item is to a service: 2 for its code, 1 for its category, 0 for all services; `None`
/// when it is about others.
fn level(item: &Value, service: Option<&Service>) -> Option<u8> {
    let names_code = item["productOrService"].is_object();
    let names_category = item["category"].is_object() && !is_general(&item["category"]);
    match (names_code, names_category, service) {
        (false, false, _) => Some(0),
        (true, _, Some(service)) => service.has_code(&item["productOrService"]).then_some(2),
        (false, true, Some(service)) => service.is_of(&item["category"]).then_some(1),
        (_, _, None) => None,
    }
}

/// Categories of all services: health benefit plan coverage, and medical care as a whole.
fn is_general(category: &Value) -> bool {
    ["30", "1"].iter().any(|code| has_code(category, code))
}
