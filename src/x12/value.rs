//! Values of elements: exact decimals, dates, and spans of dates.

use std::fmt;

pub use rust_decimal::Decimal;

/// Digits that a decimal may have. Type R has at most 18 here.
const MAX_DIGITS: usize = 20;

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A day, or a first and a last day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// First day.
    pub from: Date,
    /// Last day; absent where one day was given.
    pub to: Option<Date>,
}

impl Date {
    /// A day, if there is such a day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Date> {
        let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 => 28 + u8::from(is_leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        (year > 0 && (1..=days).contains(&day)).then_some(Date { year, month, day })
    }

    /// `CCYYMMDD`.
    pub fn parse(bytes: &[u8]) -> Option<Date> {
        if bytes.len() != 8 || !bytes.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |range: std::ops::Range<usize>| {
            bytes[range].iter().fold(0_u16, |sum, b| sum * 10 + u16::from(b - b'0'))
        };
        Date::new(number(0..4), number(4..6) as u8, number(6..8) as u8)
    }

    /// `CCYYMMDD`.
    pub fn compact(&self) -> String {
        format!("{:04}{:02}{:02}", self.year, self.month, self.day)
    }

    /// Days since 1970-01-01.
    pub fn days(&self) -> i64 {
        remit_fhir::date::days_from_civil(i64::from(self.year), u32::from(self.month), u32::from(self.day))
    }
}

/// `2026-01-31`, as FHIR writes it.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Span {
    /// `CCYYMMDD` or `CCYYMMDD-CCYYMMDD`.
    pub fn parse(bytes: &[u8]) -> Option<Span> {
        match bytes.len() {
            17 if bytes[8] == b'-' => {
                Some(Span { from: Date::parse(&bytes[..8])?, to: Some(Date::parse(&bytes[9..])?) })
            }
            _ => Some(Span { from: Date::parse(bytes)?, to: None }),
        }
    }

    /// The last day.
    pub fn last(&self) -> Date {
        self.to.unwrap_or(self.from)
    }

    /// Qualifier (`D8`, `RD8`) and text.
    pub fn compact(&self) -> (&'static str, String) {
        match self.to {
            None => ("D8", self.from.compact()),
            Some(to) => ("RD8", format!("{}-{}", self.from.compact(), to.compact())),
        }
    }
}

/// A time of day: `HHMM`, `HHMMSS` or with fractions.
pub fn is_time(bytes: &[u8]) -> bool {
    let is_digits = matches!(bytes.len(), 4 | 6 | 7 | 8) && bytes.iter().all(u8::is_ascii_digit);
    let below = |at: usize, limit: &[u8; 2]| bytes.get(at..at + 2).is_none_or(|part| part < limit.as_slice());
    is_digits && below(0, b"24") && below(2, b"60") && below(4, b"60")
}

/// A decimal as type R writes it: digits, at most one point, a minus in front. Exponents are not used by
/// the guides read here.
pub fn decimal(bytes: &[u8]) -> Option<Decimal> {
    let (is_negative, digits) = match bytes.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    if digits.len() <= MAX_QUICK {
        return quick(is_negative, digits);
    }
    let (mut value, mut scale, mut count, mut has_point) = (0_i128, 0_u32, 0, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + i128::from(byte - b'0');
                scale += u32::from(has_point);
                count += 1;
            }
            b'.' if !has_point => has_point = true,
            _ => return None,
        }
        if count > MAX_DIGITS {
            return None;
        }
    }
    let value = if is_negative { -value } else { value };
    (count > 0).then(|| Decimal::try_from_i128_with_scale(value, scale).ok()).flatten()
}

/// Bytes of a number that surely fits 64 bits: nearly all are that short.
const MAX_QUICK: usize = 17;

fn quick(is_negative: bool, digits: &[u8]) -> Option<Decimal> {
    let (mut value, mut scale, mut count, mut has_point) = (0_i64, 0_u32, 0, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + i64::from(byte - b'0');
                scale += u32::from(has_point);
                count += 1;
            }
            b'.' if !has_point => has_point = true,
            _ => return None,
        }
    }
    (count > 0).then(|| Decimal::new(if is_negative { -value } else { value }, scale))
}

/// Whether bytes are a decimal, without making one.
pub fn is_decimal(bytes: &[u8]) -> bool {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let count = digits.iter().filter(|byte| byte.is_ascii_digit()).count();
    let points = digits.iter().filter(|byte| **byte == b'.').count();
    count > 0 && count <= MAX_DIGITS && points <= 1 && count + points == digits.len()
}

/// A decimal as X12 wants it written: no zeros behind, no point without need.
pub fn write_decimal(value: Decimal) -> String {
    value.normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_and_strict() {
        for (text, expected) in [
            ("150", "150"),
            ("150.00", "150"),
            ("-6173.5", "-6173.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("0", "0"),
            ("-0", "0"),
            ("123456789012345.67", "123456789012345.67"),
        ] {
            assert_eq!(decimal(text.as_bytes()).map(write_decimal).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "-", ".", "1,000", "1e5", "+1", "1.2.3", "--1", " 1", "123456789012345678901"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
            assert!(!is_decimal(text.as_bytes()), "{text}");
        }
        assert!(["150", "-6173.5", ".5", "5.", "-0"].iter().all(|text| is_decimal(text.as_bytes())));
    }

    #[test]
    fn dates_exist_in_the_calendar() {
        assert_eq!(Date::parse(b"20240229").map(|d| d.to_string()).as_deref(), Some("2024-02-29"));
        for text in ["20230229", "20261301", "20260100", "2026010", "2026-1-1", "20990080", "00000101"] {
            assert_eq!(Date::parse(text.as_bytes()), None, "{text}");
        }
        let span = Span::parse(b"20260105-20260107").expect("a span");
        assert_eq!(span.compact(), ("RD8", "20260105-20260107".to_owned()));
        assert_eq!(span.last().days() - span.from.days(), 2);
        assert!(Span::parse(b"20260105/20260107").is_none());
    }

    #[test]
    fn times_are_of_a_day() {
        for (text, expected) in [
            ("2359", true),
            ("0000", true),
            ("23560000", true),
            ("2400", false),
            ("1260", false),
            ("1", false),
        ] {
            assert_eq!(is_time(text.as_bytes()), expected, "{text}");
        }
    }
}
