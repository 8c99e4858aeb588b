//! Quantities: a decimal with a UCUM unit or a calendar duration
//! (<https://hl7.org/fhirpath/N1/#quantity>, <https://hl7.org/fhir/R4/fhirpath.html#quantity>).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use remit_fhir::Node;
use remit_spec::{Definitions, TypeId};
use rust_decimal::Decimal;

use crate::item::parse_decimal;
use crate::temporal::Unit;
use crate::ucum;

/// A decimal with a unit.
#[derive(Clone, Debug)]
pub struct Quantity<'a> {
    /// The number, with its scale.
    pub value: Decimal,
    /// A UCUM code, `1` for none, or a calendar word such as `days`.
    pub unit: Cow<'a, str>,
    /// The unit is a word of the calendar.
    pub is_calendar: bool,
}

/// The code system of UCUM.
const UCUM: &str = "http://unitsofmeasure.org";

/// The words of the calendar, the UCUM codes that equal them, and what they are when dates move.
const CALENDAR: [(&str, &str, Unit); 8] = [
    ("year", "a", Unit::Year),
    ("month", "mo", Unit::Month),
    ("week", "wk", Unit::Week),
    ("day", "d", Unit::Day),
    ("hour", "h", Unit::Hour),
    ("minute", "min", Unit::Minute),
    ("second", "s", Unit::Second),
    ("millisecond", "ms", Unit::Millisecond),
];

/// Whether the word is a unit of the calendar, in singular or plural.
pub(crate) fn is_calendar_word(word: &str) -> bool {
    calendar(word).is_some()
}

fn calendar(word: &str) -> Option<(&'static str, Unit)> {
    let singular = word.strip_suffix('s').unwrap_or(word);
    CALENDAR.iter().find(|(name, ..)| *name == singular).map(|(_, code, unit)| (*code, *unit))
}

impl<'a> Quantity<'a> {
    /// A number without a unit.
    pub fn unity(value: Decimal) -> Quantity<'a> {
        Quantity { value, unit: Cow::Borrowed("1"), is_calendar: false }
    }

    /// The System value of a FHIR Quantity. One with a comparator is a range, and one with a unit
    /// that is not UCUM cannot be compared; they have none.
    pub(crate) fn of_element(node: Node<'a>, ty: Option<TypeId>, defs: &Definitions) -> Option<Quantity<'a>> {
        if !defs.is_a(ty?, defs.well_known().quantity) || node.get("comparator").is_some() {
            return None;
        }
        let value = parse_decimal(&node.get("value")?.scalar()?)?;
        let unit = match (node.get_str("system"), node.get_str("code")) {
            (Some(system), Some(code)) if system == UCUM => code,
            (None, None) if node.get("unit").is_none() => Cow::Borrowed("1"),
            _ => return None,
        };
        Some(Quantity { value, unit, is_calendar: false })
    }

    /// Reads `4 days`, `10 'mg'` and `5`.
    pub(crate) fn parse(text: &str) -> Option<Quantity<'static>> {
        let text = text.trim();
        let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let value = parse_plain_decimal(number)?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Some(Quantity::unity(value));
        }
        if let Some(code) = unit.strip_prefix('\'').and_then(|u| u.strip_suffix('\'')) {
            let is_code = !code.is_empty() && !code.contains('\'');
            return is_code.then(|| Quantity {
                value,
                unit: Cow::Owned(code.to_owned()),
                is_calendar: false,
            });
        }
        let spaced = text.as_bytes().get(end).is_some_and(u8::is_ascii_whitespace);
        (spaced && is_calendar_word(unit)).then(|| Quantity {
            value,
            unit: Cow::Owned(unit.to_owned()),
            is_calendar: true,
        })
    }

    /// The UCUM code of the unit.
    fn code(&self) -> &str {
        match self.is_calendar {
            true => calendar(&self.unit).map_or("1", |(code, _)| code),
            false => &self.unit,
        }
    }

    /// The step by which a date moves when this is added. A year or month of UCUM has a fixed number
    /// of seconds and is none.
    pub(crate) fn date_unit(&self) -> Option<Unit> {
        if let Some((_, unit)) = calendar(&self.unit) {
            return Some(unit);
        }
        let unit = CALENDAR.iter().find(|(_, code, _)| *code == self.unit).map(|(.., unit)| *unit)?;
        (!matches!(unit, Unit::Year | Unit::Month)).then_some(unit)
    }

    /// A year and a month of the calendar have no fixed length, so they equal nothing of UCUM.
    fn is_open_duration(&self) -> bool {
        matches!(calendar(&self.unit), Some((_, Unit::Year | Unit::Month)))
    }

    fn mixes_calendars(&self, other: &Quantity<'_>) -> bool {
        let is_long = |q: &Quantity<'_>| matches!(q.code(), "a" | "mo");
        self.is_calendar != other.is_calendar
            && (self.is_open_duration() || other.is_open_duration())
            && (is_long(self) || is_long(other))
    }

    /// The order of two quantities; `None` when their units do not compare.
    pub(crate) fn compare(&self, other: &Quantity<'_>) -> Option<Ordering> {
        if self.unit == other.unit {
            return Some(self.value.cmp(&other.value));
        }
        if self.mixes_calendars(other) {
            return None;
        }
        if self.is_calendar && other.is_calendar {
            return self.compare_durations(other);
        }
        ucum::compare(self.value, self.code(), other.value, other.code())
    }

    /// Among words of the calendar a year has 12 months or 365 days, and a month 30 days.
    fn compare_durations(&self, other: &Quantity<'_>) -> Option<Ordering> {
        let both_long = self.is_open_duration() && other.is_open_duration();
        let size = |q: &Quantity<'_>| -> Option<Decimal> {
            let milliseconds: i64 = match calendar(&q.unit)?.1 {
                Unit::Year if both_long => 12,
                Unit::Month if both_long => 1,
                Unit::Year => 365 * 86_400_000,
                Unit::Month => 30 * 86_400_000,
                Unit::Week => 7 * 86_400_000,
                Unit::Day => 86_400_000,
                Unit::Hour => 3_600_000,
                Unit::Minute => 60_000,
                Unit::Second => 1000,
                Unit::Millisecond => 1,
            };
            q.value.checked_mul(Decimal::from(milliseconds))
        };
        Some(size(self)?.cmp(&size(other)?))
    }

    /// Whether the two are the same within the precision of the less precise one.
    pub(crate) fn is_equivalent(&self, other: &Quantity<'_>) -> bool {
        let (left, right) = (self.code(), other.code());
        if left == right {
            return crate::equality::decimals_equivalent(self.value, other.value);
        }
        // Both are written in the larger unit, so that precision is not made up.
        let pair = match ucum::factor_order(left, right) {
            Some(Ordering::Less) => ucum::convert(self.value, left, right).map(|value| (value, other.value)),
            Some(_) => ucum::convert(other.value, right, left).map(|value| (self.value, value)),
            None => None,
        };
        pair.is_some_and(|(a, b)| crate::equality::decimals_equivalent(a, b))
    }

    /// Whether the units measure the same.
    pub(crate) fn is_comparable(&self, other: &Quantity<'_>) -> bool {
        ucum::factor_order(self.code(), other.code()).is_some()
    }

    /// The sum, in the finer unit of the two; `None` when the units do not compare.
    pub(crate) fn plus(&self, other: &Quantity<'_>, negative: bool) -> Option<Quantity<'static>> {
        let other_value = if negative { -other.value } else { other.value };
        let (value, unit) = if self.unit == other.unit {
            (self.value.checked_add(other_value)?, self)
        } else if self.mixes_calendars(other) {
            return None;
        } else if ucum::factor_order(self.code(), other.code())? == Ordering::Greater {
            let converted = ucum::convert(self.value, self.code(), other.code())?;
            return Some(Quantity {
                value: converted.checked_add(other_value)?,
                unit: Cow::Owned(other.unit.clone().into_owned()),
                is_calendar: other.is_calendar,
            });
        } else {
            (self.value.checked_add(ucum::convert(other_value, other.code(), self.code())?)?, self)
        };
        Some(Quantity {
            value,
            unit: Cow::Owned(unit.unit.clone().into_owned()),
            is_calendar: unit.is_calendar,
        })
    }

    /// The product or the quotient, with the unit that results.
    pub(crate) fn times(&self, other: &Quantity<'_>, is_division: bool) -> Option<Quantity<'static>> {
        let value = match is_division {
            true => self.value.checked_div(other.value)?,
            false => self.value.checked_mul(other.value)?,
        };
        let (value, unit) = ucum::combine(value, self.code(), other.code(), is_division)?;
        Some(Quantity { value, unit: Cow::Owned(unit), is_calendar: false })
    }

    /// The quantity in another unit; `None` when the units do not compare.
    pub(crate) fn converted_to<'b>(&self, unit: &str) -> Option<Quantity<'b>> {
        let is_calendar = is_calendar_word(unit);
        let code = calendar(unit).filter(|_| is_calendar).map_or(unit, |(code, _)| code);
        let value =
            if self.unit == unit { self.value } else { ucum::convert(self.value, self.code(), code)? };
        Some(Quantity { value, unit: Cow::Owned(unit.to_owned()), is_calendar })
    }

    /// The same unit with another number.
    pub(crate) fn with_value<'b>(&self, value: Decimal) -> Quantity<'b> {
        Quantity { value, unit: Cow::Owned(self.unit.clone().into_owned()), is_calendar: self.is_calendar }
    }
}

/// A decimal without an exponent: `1`, `-1.50`.
pub(crate) fn parse_plain_decimal(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    (all_digits(whole) && all_digits(fraction)).then(|| text.parse().ok())?
}

impl fmt::Display for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_calendar {
            true => write!(f, "{} {}", self.value, self.unit),
            false => write!(f, "{} '{}'", self.value, self.unit),
        }
    }
}
