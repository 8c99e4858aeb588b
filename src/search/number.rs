//! Number parameters, and how ranges of numbers compare (<https://hl7.org/fhir/R4/search.html#number>).
//!
//! A number in a resource is a point. A number in a search stands for the range that its digits leave
//! open: 100 is `[99.5, 100.5)`, 100.00 is `[99.995, 100.005)`, 1e2 is `[50, 150)`. The range counts for
//! `eq` and `ne`; `gt lt ge le sa eb` take the number as exact.

use crate::extract::Item;
use crate::prefix::Prefix;
use crate::rows::{NumberRow, Real};
use crate::sql::{Arg, Writer};
use remit_fhir::{Error, Node, Result};

/// A number searched for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Value {
    /// How they compare.
    pub prefix: Prefix,
    /// As written.
    pub exact: f64,
    /// Least value that is equal.
    pub low: f64,
    /// First value above that is no longer equal; for `ap` the greatest that still is.
    pub high: f64,
}

/// The greatest number of digits read; more than any 64-bit number can tell apart.
const MAX_DIGITS: usize = 34;

pub(crate) fn index(item: &Item<'_>, param: i32, rows: &mut Vec<NumberRow>) {
    let range = match item.type_name() {
        "Range" => range(item.node),
        _ => decimal(item.node).map(|v| (v, v)),
    };
    if let Some((low, high)) = range {
        rows.push(NumberRow { param, low: Real(low), high: Real(high) });
    }
}

/// The number in a node, when it is finite.
pub(crate) fn decimal(node: Node<'_>) -> Option<f64> {
    node.number()?.parse().ok().filter(|v: &f64| v.is_finite()).map(|v| v + 0.0)
}

/// Least and greatest value of a Range; a missing end is open.
pub(crate) fn range(node: Node<'_>) -> Option<(f64, f64)> {
    let end = |name| node.get(name).and_then(|q| q.get("value")).and_then(decimal);
    let (low, high) = (end("low"), end("high"));
    (low.is_some() || high.is_some()).then(|| (low.unwrap_or(-f64::MAX), high.unwrap_or(f64::MAX)))
}

/// Reads a value of the URL.
pub(crate) fn parse(text: &str) -> Result<Value> {
    let (prefix, rest) = Prefix::split(text);
    bounds(rest)
        .map(|(exact, low, high)| match prefix {
            Prefix::Approximate => {
                let tenth = exact.abs() / 10.0;
                Value {
                    prefix,
                    exact,
                    low: f64::min(low, exact - tenth),
                    high: f64::max(high, exact + tenth),
                }
            }
            _ => Value { prefix, exact, low, high },
        })
        .ok_or_else(|| {
            Error::invalid(format!(
                "'{text}' is no number: write a prefix if any, then a number such as 100, 5.40 or 1e-3."
            ))
        })
}

/// The number and the range that its digits leave open.
fn bounds(text: &str) -> Option<(f64, f64, f64)> {
    let exact: f64 = text.parse().ok().filter(|v: &f64| v.is_finite())?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.len() + fraction.len();
    let plain = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if digits == 0 || digits > MAX_DIGITS || !plain || exponent.abs() > 400 {
        return None;
    }
    let number: i128 = format!("{whole}{fraction}").parse().ok()?;
    let number = if negative { -number } else { number };
    // Half a unit of the last digit, read back from text so that no rounding comes in.
    let scale = exponent - fraction.len() as i32 - 1;
    let end = |n: i128| format!("{n}e{scale}").parse::<f64>().ok().filter(|v| v.is_finite());
    Some((exact + 0.0, end(number * 10 - 5)?, end(number * 10 + 5)?))
}

impl Value {
    /// Whether the range from `low` to `high` of a resource, both included, stands so to this value.
    pub(crate) fn holds(&self, low: f64, high: f64) -> bool {
        match self.prefix {
            Prefix::Equal => low >= self.low && high < self.high,
            Prefix::NotEqual => low < self.low || high >= self.high,
            Prefix::Greater => high > self.exact,
            Prefix::Less => low < self.exact,
            Prefix::GreaterOrEqual => high >= self.exact,
            Prefix::LessOrEqual => low <= self.exact,
            Prefix::StartsAfter => low > self.exact,
            Prefix::EndsBefore => high < self.exact,
            Prefix::Approximate => low <= self.high && high >= self.low,
        }
    }

    /// The same as [`holds`](Self::holds), of the columns `low` and `high` of a table.
    pub(crate) fn sql(&self, w: &mut Writer, low: &str, high: &str) {
        let (exact, from, to) = (Arg::Float(self.exact), Arg::Float(self.low), Arg::Float(self.high));
        match self.prefix {
            // The bound of `low` from above follows from the rest; an index can use it.
            Prefix::Equal => {
                w.push(low).push(" >= ").arg(from).push(" and ").push(low).push(" < ").arg(to.clone());
                w.push(" and ").push(high).push(" < ").arg(to);
            }
            Prefix::NotEqual => {
                w.push("(")
                    .push(low)
                    .push(" < ")
                    .arg(from)
                    .push(" or ")
                    .push(high)
                    .push(" >= ")
                    .arg(to)
                    .push(")");
            }
            Prefix::Greater => _ = w.push(high).push(" > ").arg(exact),
            Prefix::Less => _ = w.push(low).push(" < ").arg(exact),
            Prefix::GreaterOrEqual => _ = w.push(high).push(" >= ").arg(exact),
            Prefix::LessOrEqual => _ = w.push(low).push(" <= ").arg(exact),
            Prefix::StartsAfter => _ = w.push(low).push(" > ").arg(exact),
            Prefix::EndsBefore => _ = w.push(high).push(" < ").arg(exact),
            Prefix::Approximate => {
                _ = w.push(low).push(" <= ").arg(to).push(" and ").push(high).push(" >= ").arg(from)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_of_a_number_give_its_range() {
        for (text, low, high) in [
            ("100", 99.5, 100.5),
            ("100.00", 99.995, 100.005),
            ("1e2", 50.0, 150.0),
            ("1.0e2", 95.0, 105.0),
            ("5.40", 5.395, 5.405),
            ("0", -0.5, 0.5),
            ("-2.5", -2.55, -2.45),
            ("1e-3", 0.0005, 0.0015),
        ] {
            let value = parse(text).unwrap();
            assert_eq!((value.low, value.high), (low, high), "{text}");
        }
    }

    #[test]
    fn prefixes_compare_points_and_ranges() {
        for (search, low, high, expected) in [
            ("100", 99.5, 99.5, true),
            ("100", 100.5, 100.5, false),
            ("100", 99.0, 101.0, false),
            ("ne100", 100.0, 100.0, false),
            ("ne100", 99.0, 101.0, true),
            ("gt100", 100.0, 100.0, false),
            ("gt100", 100.1, 100.1, true),
            ("ge100", 100.0, 100.0, true),
            ("lt100", 99.9, 99.9, true),
            ("le100", 100.0, 100.0, true),
            ("sa100", 99.0, 101.0, false),
            ("sa100", 100.1, 101.0, true),
            ("eb100", 99.0, 99.9, true),
            ("eb100", 99.0, 101.0, false),
            ("ap100", 90.0, 90.0, true),
            ("ap100", 89.0, 89.0, false),
            ("ap-100", -109.0, -109.0, true),
        ] {
            assert_eq!(parse(search).unwrap().holds(low, high), expected, "{search} of {low}..{high}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "ge", "abc", "1e", "NaN", "inf", "1e999", "1_000", "0x10", "--1", "1e99999999999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn a_number_is_in_its_own_range(text in "-?[0-9]{1,12}(\\.[0-9]{1,6})?(e-?[0-9]{1,2})?") {
            let value = parse(&text).unwrap();
            proptest::prop_assert!(value.low <= value.exact && value.exact <= value.high);
        }
    }
}
