//! Sums and the scores that follow from them, exact up to the one division.

use super::measure::Score;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// A count and an amount.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Side {
    pub(super) count: i64,
    pub(super) amount: Decimal,
}

/// The figures of a report or of one stratum.
#[derive(Clone, Default, Debug)]
pub(super) struct Figures {
    pub(super) numerator: Side,
    pub(super) denominator: Side,
    /// What both are taken from, where it is told.
    pub(super) initial: Side,
    /// How often each value was observed.
    pub(super) values: BTreeMap<i64, i64>,
}

impl Figures {
    /// Adds a row; `None` when a figure is over what a decimal of 28 digits holds.
    pub(super) fn add(&mut self, row: &Figures) -> Option<()> {
        let sums = [&mut self.numerator, &mut self.denominator, &mut self.initial];
        for (sum, part) in sums.into_iter().zip([row.numerator, row.denominator, row.initial]) {
            sum.count = sum.count.checked_add(part.count)?;
            sum.amount = sum.amount.checked_add(part.amount)?;
        }
        for (value, times) in &row.values {
            let sum = self.values.entry(*value).or_default();
            *sum = sum.checked_add(*times)?;
        }
        Some(())
    }
}

/// The score; `None` when there is nothing to divide by.
pub(super) fn score(score: Score, figures: &Figures, window_days: i64) -> Option<Decimal> {
    let (top, bottom) = (figures.numerator, figures.denominator);
    match score {
        Score::CountRatio => Decimal::from(top.count).checked_div(Decimal::from(bottom.count)),
        Score::AmountRatio => top.amount.checked_div(bottom.amount),
        Score::Amount => Some(top.amount),
        Score::Count => Some(Decimal::from(top.count)),
        Score::Days => {
            top.amount.checked_mul(Decimal::from(window_days)).and_then(|d| d.checked_div(bottom.amount))
        }
        Score::Mean => {
            let sum: i128 = figures.values.iter().map(|(v, n)| i128::from(*v) * i128::from(*n)).sum();
            Decimal::try_from_i128_with_scale(sum, 0).ok()?.checked_div(Decimal::from(observed(figures)))
        }
        Score::Median => percentile(figures, Decimal::new(5, 1)),
        Score::P90 => percentile(figures, Decimal::new(9, 1)),
        Score::Maximum => {
            figures.values.iter().rev().find(|(_, times)| **times > 0).map(|(value, _)| Decimal::from(*value))
        }
        Score::AmountPerCount => top.amount.checked_div(Decimal::from(bottom.count)),
        Score::Percent => Decimal::from(top.count)
            .checked_mul(Decimal::ONE_HUNDRED)?
            .checked_div(Decimal::from(bottom.count)),
    }
}

fn observed(figures: &Figures) -> i64 {
    figures.values.values().sum()
}

/// As `percentile_cont` of SQL: between the two nearest values by distance.
fn percentile(figures: &Figures, part: Decimal) -> Option<Decimal> {
    let last = observed(figures).checked_sub(1).filter(|last| *last >= 0)?;
    let place = part.checked_mul(Decimal::from(last))?;
    let floor = place.floor();
    let low = nth(figures, floor)?;
    let high = nth(figures, place.ceil())?;
    (high - low).checked_mul(place - floor)?.checked_add(low)
}

/// The observation at a place of their order, counted from 0.
fn nth(figures: &Figures, place: Decimal) -> Option<Decimal> {
    let mut before = Decimal::ZERO;
    for (value, times) in &figures.values {
        before += Decimal::from(*times);
        if place < before {
            return Some(Decimal::from(*value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[i64]) -> Figures {
        let mut figures = Figures::default();
        for value in values {
            *figures.values.entry(*value).or_default() += 1;
        }
        figures
    }

    #[test]
    fn means_medians_and_percentiles_are_those_of_sql() {
        let cases: [(&[i64], Score, Option<&str>); 11] = [
            (&[14, 53, 15, 17, 37, 17], Score::Mean, Some("25.5")),
            (&[14, 53, 15, 17, 37, 17], Score::Median, Some("17")),
            (&[14, 53, 15, 17, 37, 17], Score::P90, Some("45")),
            (&[2, 2, 2, 12, 2, 2, 2, 1], Score::Mean, Some("3.125")),
            (&[1, 2], Score::Median, Some("1.5")),
            (&[7], Score::P90, Some("7")),
            (&[-3, 4], Score::Mean, Some("0.5")),
            (&[], Score::Mean, None),
            (&[], Score::Median, None),
            (&[3, 26, -4], Score::Maximum, Some("26")),
            (&[], Score::Maximum, None),
        ];
        for (values, kind, expected) in cases {
            let found = score(kind, &of(values), 90).map(|found| found.normalize().to_string());
            assert_eq!(found.as_deref(), expected, "{kind:?} of {values:?}");
        }
    }
}
