//! The arithmetic of a patient's share. Pure and exact; each step is told.
//!
//! For a service: what goes to the deductible, then the copayment, then coinsurance on what is left of
//! the allowed amount. A share is never more than the allowed amount, and all shares together never more
//! than what is left to the out-of-pocket maximum. Coinsurance is rounded half up to the cent, for each
//! service by itself, since that is how it will be billed.

use rust_decimal::{Decimal, RoundingStrategy};

/// Digits after the point of an amount of money.
const CENTS: u32 = 2;

/// What a plan says of one service.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Cover {
    /// The plan does not pay for it.
    Excluded,
    /// The plan shares the costs.
    Shared {
        /// Places of the deductibles that it counts to; none when it is not subject to one.
        deductibles: Vec<usize>,
        /// The copayment, and the benefit that it is of: one copayment for each benefit.
        copay: Option<(usize, Decimal)>,
        /// Coinsurance in percent.
        percent: Option<Decimal>,
    },
}

/// A service with what it costs.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Line {
    /// Its code.
    pub(super) code: String,
    /// What the patient owes when the plan does not pay.
    pub(super) charge: Decimal,
    /// What the payer allows.
    pub(super) allowed: Decimal,
    pub(super) cover: Cover,
}

/// What is left of amounts that end.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Left {
    /// Of each deductible.
    pub(super) deductibles: Vec<Decimal>,
    /// To the out-of-pocket maximum; `None` when there is none.
    pub(super) out_of_pocket: Option<Decimal>,
}

/// A step that was done.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Step {
    pub(super) service: Option<String>,
    pub(super) text: String,
    pub(super) amount: Decimal,
}

/// What the patient will owe.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Estimate {
    pub(super) deductible: Decimal,
    pub(super) copay: Decimal,
    pub(super) coinsurance: Decimal,
    pub(super) noncovered: Decimal,
    pub(super) steps: Vec<Step>,
}

impl Estimate {
    /// The sum.
    pub(super) fn total(&self) -> Decimal {
        self.deductible + self.copay + self.coinsurance + self.noncovered
    }

    fn step(&mut self, service: &str, text: String, amount: Decimal) {
        let service = Some(service.to_owned()).filter(|code| !code.is_empty());
        self.steps.push(Step { service, text, amount });
    }
}

/// Works out the shares of all services in their order.
pub(super) fn estimate(lines: &[Line], left: &Left) -> Estimate {
    let mut all = Estimate::default();
    let mut left = left.clone();
    let mut paid: Vec<usize> = Vec::new();
    for line in lines {
        match &line.cover {
            Cover::Excluded => {
                all.noncovered += line.charge;
                all.step(
                    &line.code,
                    "The plan excludes the service: the charge is the patient's.".into(),
                    line.charge,
                );
            }
            Cover::Shared { deductibles, copay, percent } => {
                all.step(&line.code, "The allowed amount.".into(), line.allowed);
                let copay = copay.filter(|(benefit, _)| !paid.contains(benefit));
                paid.extend(copay.map(|(benefit, _)| benefit));
                share(&mut all, &mut left, line, deductibles, copay.map(|(_, amount)| amount), *percent);
            }
        }
    }
    let total = all.total();
    all.step("", "Deductible, copayments, coinsurance and what is not covered together.".into(), total);
    all
}

/// Adds the share of one service.
fn share(
    all: &mut Estimate,
    left: &mut Left,
    line: &Line,
    deductibles: &[usize],
    copay: Option<Decimal>,
    percent: Option<Decimal>,
) {
    let mut rest = line.allowed;
    let to_deductible = deductibles.iter().map(|n| left.deductibles[*n]).min().unwrap_or_default().min(rest);
    for n in deductibles {
        left.deductibles[*n] -= to_deductible;
    }
    if !deductibles.is_empty() {
        let text = "Goes to the deductible: the allowed amount, at most what is left of the deductible.";
        all.step(&line.code, text.into(), to_deductible);
    }
    rest -= to_deductible;
    let to_copay = copay.unwrap_or_default().min(rest);
    if let Some(amount) = copay {
        all.step(
            &line.code,
            format!("The copayment of {amount}, at most what is left of the allowed amount."),
            to_copay,
        );
    }
    rest -= to_copay;
    let to_coinsurance = percent.map_or(Decimal::ZERO, |percent| {
        (rest * percent / Decimal::ONE_HUNDRED)
            .round_dp_with_strategy(CENTS, RoundingStrategy::MidpointAwayFromZero)
            .min(rest)
    });
    if let Some(percent) = percent {
        all.step(&line.code, format!("Coinsurance: {percent} % of the remaining {rest}."), to_coinsurance);
    }
    // What goes beyond the maximum is taken off the last part first.
    let sum = to_deductible + to_copay + to_coinsurance;
    let mut beyond = left.out_of_pocket.map_or(Decimal::ZERO, |most| (sum - most).max(Decimal::ZERO));
    if beyond > Decimal::ZERO {
        all.step(&line.code, "Over the out-of-pocket maximum: the plan pays it.".into(), -beyond);
    }
    let mut taken = |part: Decimal| {
        let off = beyond.min(part);
        beyond -= off;
        part - off
    };
    let (coinsurance, copay) = (taken(to_coinsurance), taken(to_copay));
    let deductible = taken(to_deductible);
    if let Some(most) = &mut left.out_of_pocket {
        *most -= deductible + copay + coinsurance;
    }
    all.deductible += deductible;
    all.copay += copay;
    all.coinsurance += coinsurance;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn line(
        allowed: &str,
        deductibles: Vec<usize>,
        copay: Option<(usize, &str)>,
        percent: Option<&str>,
    ) -> Line {
        Line {
            code: "99213".into(),
            charge: decimal(allowed) + Decimal::TEN,
            allowed: decimal(allowed),
            cover: Cover::Shared {
                deductibles,
                copay: copay.map(|(benefit, amount)| (benefit, decimal(amount))),
                percent: percent.map(decimal),
            },
        }
    }

    fn left(deductibles: &[&str], out_of_pocket: Option<&str>) -> Left {
        Left {
            deductibles: deductibles.iter().map(|text| decimal(text)).collect(),
            out_of_pocket: out_of_pocket.map(decimal),
        }
    }

    /// Deductible, copay, coinsurance, total.
    fn check(lines: &[Line], left: &Left, expected: [&str; 4]) {
        let found = estimate(lines, left);
        let figures = [found.deductible, found.copay, found.coinsurance, found.total()];
        assert_eq!(figures, expected.map(decimal), "{found:#?}");
    }

    #[test]
    fn shares_by_hand() {
        // Allowed 150, 40 left of the deductible, 20 %: 40 + 22.
        check(
            &[line("150.00", vec![0], None, Some("20"))],
            &left(&["40.00"], None),
            ["40.00", "0", "22.00", "62.00"],
        );
        // A copayment alone.
        check(
            &[line("150.00", vec![], Some((0, "25.00")), None)],
            &left(&["40.00"], None),
            ["0", "25.00", "0", "25.00"],
        );
        // Deductible 40, copay 25, 20 % of 85.
        let all = line("150.00", vec![0], Some((0, "25.00")), Some("20"));
        check(std::slice::from_ref(&all), &left(&["40.00"], None), ["40.00", "25.00", "17.00", "82.00"]);
        // The same with 50 left to the maximum.
        check(&[all], &left(&["40.00"], Some("50.00")), ["40.00", "10.00", "0.00", "50.00"]);
        // The family's deductible is met first.
        check(
            &[line("150.00", vec![0, 1], None, Some("10"))],
            &left(&["100.00", "30.00"], None),
            ["30.00", "0", "12.00", "42.00"],
        );
        // Two services of one visit: one copayment.
        let visit = line("80.00", vec![], Some((7, "25.00")), None);
        check(&[visit.clone(), visit], &left(&[], None), ["0", "25.00", "0", "25.00"]);
        // Half a cent is rounded up.
        check(&[line("0.25", vec![], None, Some("50"))], &left(&[], None), ["0", "0", "0.13", "0.13"]);
    }

    #[test]
    fn an_excluded_service_costs_its_charge_and_counts_to_nothing() {
        let excluded = Line { cover: Cover::Excluded, ..line("150.00", vec![], None, None) };
        let found = estimate(&[excluded], &left(&[], Some("10.00")));
        assert_eq!((found.noncovered, found.total()), (decimal("160.00"), decimal("160.00")));
    }

    fn cents() -> impl Strategy<Value = Decimal> {
        (0_i64..200_000).prop_map(|cents| Decimal::new(cents, 2))
    }

    fn any_line() -> impl Strategy<Value = Line> {
        let cover =
            (any::<bool>(), proptest::option::of(cents()), proptest::option::of(0_i64..=100), any::<bool>());
        (cents(), cover).prop_map(|(allowed, (is_subject, copay, percent, is_excluded))| Line {
            code: "x".into(),
            charge: allowed,
            allowed,
            cover: match is_excluded {
                true => Cover::Excluded,
                false => Cover::Shared {
                    deductibles: if is_subject { vec![0, 1] } else { Vec::new() },
                    copay: copay.map(|amount| (0, amount)),
                    percent: percent.map(Decimal::from),
                },
            },
        })
    }

    proptest! {
        #[test]
        fn nobody_pays_more_than_is_allowed_or_than_the_maximum(
            lines in proptest::collection::vec(any_line(), 0..6),
            deductibles in (cents(), cents()),
            most in proptest::option::of(cents()),
        ) {
            let left = Left { deductibles: vec![deductibles.0, deductibles.1], out_of_pocket: most };
            let found = estimate(&lines, &left);
            let shared = found.deductible + found.copay + found.coinsurance;
            let of = |wanted: bool| lines.iter().filter(move |line| (line.cover == Cover::Excluded) == wanted);
            prop_assert!(shared <= of(false).map(|line| line.allowed).sum::<Decimal>());
            prop_assert_eq!(found.noncovered, of(true).map(|line| line.charge).sum::<Decimal>());
            prop_assert!(found.deductible <= deductibles.0.min(deductibles.1));
            prop_assert!(most.is_none_or(|most| shared <= most));
            prop_assert!([found.deductible, found.copay, found.coinsurance].iter().all(|part| *part >= Decimal::ZERO));
            prop_assert_eq!(found.total(), shared + found.noncovered);
            // A higher maximum never makes it cheaper.
            let free = estimate(&lines, &Left { out_of_pocket: None, ..left });
            prop_assert!(free.total() >= found.total());
        }
    }
}
