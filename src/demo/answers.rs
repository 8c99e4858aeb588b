//! The known answers: sums that the generator keeps while it makes the practice.

use super::calendar::month;
use super::episode::Episode;
use rust_decimal::{Decimal, RoundingStrategy};
use std::collections::BTreeMap;

/// Sums over some episodes. Amounts in US dollars, exact.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Claim resources, voids and replacements included.
    pub claims: u64,
    /// Episodes with a charge: the denominator's count.
    pub episodes: u64,
    /// Episodes with an applied payment: the numerator's count.
    pub paid_episodes: u64,
    /// Episodes whose first adjudication denied a line.
    pub denied_episodes: u64,
    /// Gross charges.
    pub charges: Decimal,
    /// Payments less credits.
    pub payments: Decimal,
    /// Contractual adjustments.
    pub contractual: Decimal,
    /// Write-offs of the practice.
    pub write_offs: Decimal,
    /// What is owed to the practice.
    pub open: Decimal,
    /// What the practice owes back.
    pub credits: Decimal,
}

impl Tally {
    fn add(&mut self, episode: &Episode) {
        let cents = |amount: i64| Decimal::new(amount, 2);
        let (charge, balance) = (episode.charge(), episode.balance());
        self.claims += episode.submissions.len() as u64;
        self.denied_episodes += u64::from(episode.is_denied());
        self.contractual += cents(episode.contractual());
        self.write_offs += cents(episode.written_off());
        self.open += cents(balance.max(0));
        self.credits += cents((-balance).max(0));
        if charge > 0 {
            let applied = episode.insurer_paid() + episode.patient_paid() - (-balance).max(0);
            self.episodes += 1;
            self.paid_episodes += u64::from(applied > 0);
            self.charges += cents(charge);
            self.payments += cents(applied);
        }
    }

    /// Payments by charges, six decimals half up; none without charges.
    pub fn gross_collection_rate(&self) -> Option<Decimal> {
        let rate = self.payments.checked_div(self.charges)?;
        Some(rate.round_dp_with_strategy(6, RoundingStrategy::MidpointAwayFromZero))
    }
}

/// The truth about a practice, up to its reference date.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KnownAnswers {
    /// Everything.
    pub total: Tally,
    /// By `Organization/…` of the payer; `SELF` for visits without insurance.
    pub by_payer: BTreeMap<String, Tally>,
    /// By month of service, `2026-01`.
    pub by_month: BTreeMap<String, Tally>,
    /// By `Practitioner/…`.
    pub by_provider: BTreeMap<String, Tally>,
    /// By `Location/…`.
    pub by_facility: BTreeMap<String, Tally>,
    /// Names of payers and providers, by the same keys.
    pub names: BTreeMap<String, String>,
}

impl KnownAnswers {
    pub(super) fn add(&mut self, episode: &Episode, payer: String, provider: String, facility: String) {
        self.total.add(episode);
        for (map, key) in [
            (&mut self.by_payer, payer),
            (&mut self.by_month, month(episode.day)),
            (&mut self.by_provider, provider),
            (&mut self.by_facility, facility),
        ] {
            map.entry(key).or_default().add(episode);
        }
    }
}
