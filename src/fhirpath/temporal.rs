//! Dates, times of day and both together, with the precision at which they are known
//! (<https://hl7.org/fhirpath/N1/#date>, <https://hl7.org/fhirpath/N1/#datetime-arithmetic>).

use std::cmp::Ordering;
use std::fmt;

use remit_fhir::date::{Micros, civil_from_days, days_from_civil};

/// How far a date or time is given. Seconds and their fraction are one step, as FHIRPath compares them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Precision {
    /// `2024`
    Year,
    /// `2024-05`
    Month,
    /// `2024-05-06`
    Day,
    /// `2024-05-06T07`
    Hour,
    /// `2024-05-06T07:08`
    Minute,
    /// `2024-05-06T07:08:09`, with a fraction or without
    Second,
}

/// The value of a `Date`, `DateTime` or `Time`. A time of day has the date 0000-01-01.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Temporal {
    pub(crate) year: u16,
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
    /// How many digits of the fraction of a second are given.
    pub(crate) fraction_digits: u8,
    pub(crate) nanos: u32,
    pub(crate) precision: Precision,
    pub(crate) offset_minutes: Option<i16>,
    pub(crate) is_time: bool,
}

impl std::hash::Hash for Precision {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (*self as u8).hash(state);
    }
}

/// A step of the calendar or clock by which a date moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Year,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const SECONDS_PER_DAY: i128 = 86_400;
/// The zones of the world reach from -12:00 to +14:00; two unknown places differ by this at most.
const ZONE_SLACK_NANOS: i128 = 14 * 3600 * NANOS_PER_SECOND;

pub(crate) fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Reads fixed fields from the front of a text.
struct Fields<'t>(&'t [u8]);

impl Fields<'_> {
    fn digits(&mut self, count: usize) -> Option<u16> {
        let (head, rest) = self.0.split_at_checked(count)?;
        let number = head
            .iter()
            .try_fold(0u16, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u16::from(b - b'0')))?;
        self.0 = rest;
        Some(number)
    }

    fn two(&mut self) -> Option<u8> {
        self.digits(2).map(|n| n as u8)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }
}

impl Temporal {
    const EMPTY: Temporal = Temporal {
        year: 0,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        fraction_digits: 0,
        nanos: 0,
        precision: Precision::Year,
        offset_minutes: None,
        is_time: false,
    };

    /// Reads `2024`, `2024-05` or `2024-05-06`.
    pub fn parse_date(text: &str) -> Option<Temporal> {
        let mut fields = Fields(text.as_bytes());
        let date = Temporal::date_fields(&mut fields)?;
        fields.0.is_empty().then_some(date)
    }

    /// Reads a date, and behind a `T` what is given of the time and the zone. The `T` may end it.
    pub fn parse_date_time(text: &str) -> Option<Temporal> {
        let mut fields = Fields(text.as_bytes());
        let mut value = Temporal::date_fields(&mut fields)?;
        if fields.eat(b'T') && !fields.0.is_empty() {
            if value.precision != Precision::Day {
                return None;
            }
            value.time_fields(&mut fields)?;
            value.offset_minutes = offset(&mut fields)?;
        }
        fields.0.is_empty().then_some(value)
    }

    /// Reads `07`, `07:08`, `07:08:09` or `07:08:09.123`.
    pub fn parse_time(text: &str) -> Option<Temporal> {
        let mut fields = Fields(text.as_bytes());
        let mut value = Temporal { is_time: true, ..Temporal::EMPTY };
        value.time_fields(&mut fields)?;
        fields.0.is_empty().then_some(value)
    }

    fn date_fields(fields: &mut Fields<'_>) -> Option<Temporal> {
        let mut value = Temporal { year: fields.digits(4)?, ..Temporal::EMPTY };
        if value.year == 0 {
            return None;
        }
        if fields.eat(b'-') {
            value.month = fields.two().filter(|month| (1..=12).contains(month))?;
            value.precision = Precision::Month;
            if fields.eat(b'-') {
                let last = days_in_month(value.year, value.month);
                value.day = fields.two().filter(|day| (1..=last).contains(day))?;
                value.precision = Precision::Day;
            }
        }
        Some(value)
    }

    fn time_fields(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        self.hour = fields.two().filter(|hour| *hour < 24)?;
        self.precision = Precision::Hour;
        if !fields.eat(b':') {
            return Some(());
        }
        self.minute = fields.two().filter(|minute| *minute < 60)?;
        self.precision = Precision::Minute;
        if !fields.eat(b':') {
            return Some(());
        }
        // Second 60 is a leap second.
        self.second = fields.two().filter(|second| *second <= 60)?;
        self.precision = Precision::Second;
        if fields.eat(b'.') {
            let count = fields.0.iter().take_while(|b| b.is_ascii_digit()).count();
            if count == 0 {
                return None;
            }
            let mut unit = 100_000_000;
            for digit in fields.0.iter().take(count) {
                self.nanos += u32::from(digit - b'0') * unit;
                unit /= 10;
            }
            self.fraction_digits = count.min(9) as u8;
            fields.0 = &fields.0[count..];
        }
        Some(())
    }

    /// A point in time as a `DateTime` in UTC with milliseconds.
    pub fn from_micros(at: Micros) -> Temporal {
        let mut value = Temporal { precision: Precision::Second, ..Temporal::EMPTY };
        value.set_nanos(i128::from(at) * 1000);
        value.nanos -= value.nanos % 1_000_000;
        value.fraction_digits = 3;
        value.offset_minutes = Some(0);
        value
    }

    /// The date part of a date and time.
    pub fn date(self) -> Temporal {
        Temporal {
            year: self.year,
            month: self.month,
            day: self.day,
            precision: self.precision.min(Precision::Day),
            ..Temporal::EMPTY
        }
    }

    /// The time of day of a date and time; `None` when none is given.
    pub fn time_of_day(self) -> Option<Temporal> {
        (self.precision >= Precision::Hour).then_some(Temporal {
            year: 0,
            month: 1,
            day: 1,
            offset_minutes: None,
            is_time: true,
            ..self
        })
    }

    /// How far the value is given.
    pub fn precision(self) -> Precision {
        self.precision
    }

    /// The offset from UTC in minutes, when given.
    pub fn offset_minutes(self) -> Option<i16> {
        self.offset_minutes
    }

    /// How many digits are given, as `precision()` counts them. Milliseconds have three.
    pub(crate) fn digits(self) -> i64 {
        let of_time = match self.precision {
            Precision::Second if self.fraction_digits > 0 => 6 + i64::from(self.fraction_digits),
            Precision::Second => 6,
            Precision::Minute => 4,
            Precision::Hour => 2,
            Precision::Day => return 8,
            Precision::Month => return 6,
            Precision::Year => return 4,
        };
        of_time + if self.is_time { 0 } else { 8 }
    }

    /// Nanoseconds since 1970 of the first instant, as if the local time were UTC.
    fn local_nanos(self) -> i128 {
        let days = days_from_civil(i64::from(self.year), u32::from(self.month), u32::from(self.day));
        let seconds = i128::from(days) * SECONDS_PER_DAY
            + i128::from(self.hour) * 3600
            + i128::from(self.minute) * 60
            + i128::from(self.second);
        seconds * NANOS_PER_SECOND + i128::from(self.nanos)
    }

    fn utc_nanos(self) -> i128 {
        let offset = i128::from(self.offset_minutes.unwrap_or(0));
        self.local_nanos() - offset * 60 * NANOS_PER_SECOND
    }

    /// Sets date and time; precision and zone stay. False when the year has no four digits.
    fn set_nanos(&mut self, nanos: i128) -> bool {
        let seconds = nanos.div_euclid(NANOS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY) as i64);
        if !(1..=9999).contains(&year) {
            return false;
        }
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY) as u32;
        (self.year, self.month, self.day) = (year as u16, month as u8, day as u8);
        self.hour = (of_day / 3600) as u8;
        self.minute = (of_day / 60 % 60) as u8;
        self.second = (of_day % 60) as u8;
        self.nanos = nanos.rem_euclid(NANOS_PER_SECOND) as u32;
        true
    }

    /// The order of two values, or `None` when their precision or a missing zone leaves it open.
    pub fn compare(self, other: Temporal) -> Option<Ordering> {
        let zoned = |t: Temporal| t.offset_minutes.is_some() && t.precision >= Precision::Hour;
        match (zoned(self), zoned(other)) {
            (true, true) => self.in_utc().compare_fields(other.in_utc()),
            (false, false) => self.compare_fields(other),
            _ => self.compare_across_zones(other),
        }
    }

    fn in_utc(self) -> Temporal {
        let mut value = self;
        let in_range = value.set_nanos(self.utc_nanos());
        if in_range { value } else { self }
    }

    /// Field by field; open when one ends before they differ.
    fn compare_fields(self, other: Temporal) -> Option<Ordering> {
        let shared = self.precision.min(other.precision);
        let fields = |t: Temporal| {
            [
                (Precision::Year, u32::from(t.year)),
                (Precision::Month, u32::from(t.month)),
                (Precision::Day, u32::from(t.day)),
                (Precision::Hour, u32::from(t.hour)),
                (Precision::Minute, u32::from(t.minute)),
                (Precision::Second, u32::from(t.second)),
            ]
        };
        for ((precision, left), (_, right)) in fields(self).into_iter().zip(fields(other)) {
            if precision > shared {
                break;
            }
            if left != right {
                return Some(left.cmp(&right));
            }
        }
        if self.precision != other.precision {
            return None;
        }
        Some(if shared == Precision::Second { self.nanos.cmp(&other.nanos) } else { Ordering::Equal })
    }

    /// One value has a zone, the other has not: known only when no zone could change the order.
    fn compare_across_zones(self, other: Temporal) -> Option<Ordering> {
        if self.last_nanos() + ZONE_SLACK_NANOS < other.utc_nanos() {
            Some(Ordering::Less)
        } else if other.last_nanos() + ZONE_SLACK_NANOS < self.utc_nanos() {
            Some(Ordering::Greater)
        } else {
            None
        }
    }

    /// The last instant that the precision leaves possible.
    fn last_nanos(self) -> i128 {
        let mut last = self;
        last.fill_high();
        last.utc_nanos()
    }

    /// Fills what is not given with the least values, up to milliseconds.
    pub(crate) fn fill_low(&mut self) {
        if self.precision < Precision::Second || self.fraction_digits < 3 {
            self.fraction_digits = 3;
        }
        self.precision = Precision::Second;
    }

    /// Fills what is not given with the greatest values, up to milliseconds.
    pub(crate) fn fill_high(&mut self) {
        if self.precision < Precision::Month {
            self.month = 12;
        }
        if self.precision < Precision::Day {
            self.day = days_in_month(self.year, self.month);
        }
        if self.precision < Precision::Hour {
            self.hour = 23;
        }
        if self.precision < Precision::Minute {
            self.minute = 59;
        }
        if self.precision < Precision::Second {
            self.second = 59;
        }
        if self.fraction_digits < 3 {
            // The missing digits of the fraction are nines.
            let unit = 10u32.pow(9 - u32::from(self.fraction_digits));
            self.nanos += unit - 1_000_000;
            self.fraction_digits = 3;
        }
        self.precision = Precision::Second;
    }

    /// The value moved by an amount of a unit; `None` when it leaves the years 1 to 9999.
    /// `nanos` is the whole amount for seconds and milliseconds, `amount` for the others.
    pub(crate) fn plus(self, amount: i64, unit: Unit, nanos: i128) -> Option<Temporal> {
        let (amount, unit) = self.at_own_precision(amount, unit, nanos);
        match unit {
            Unit::Year => self.plus_months(amount.checked_mul(12)?),
            Unit::Month => self.plus_months(amount),
            Unit::Week => self.plus_seconds(i128::from(amount) * 7 * SECONDS_PER_DAY, 0),
            Unit::Day => self.plus_seconds(i128::from(amount) * SECONDS_PER_DAY, 0),
            Unit::Hour => self.plus_seconds(i128::from(amount) * 3600, 0),
            Unit::Minute => self.plus_seconds(i128::from(amount) * 60, 0),
            Unit::Second | Unit::Millisecond => self.plus_seconds(0, nanos),
        }
    }

    /// What is finer than the value is turned into its unit, and the rest dropped: `@2016 + 365 days`
    /// is 2017.
    fn at_own_precision(self, amount: i64, unit: Unit, nanos: i128) -> (i64, Unit) {
        let seconds = match unit {
            Unit::Year => return (amount, unit),
            Unit::Month if self.precision == Precision::Year => return (amount / 12, Unit::Year),
            Unit::Month => return (amount, unit),
            Unit::Week => i128::from(amount) * 7 * SECONDS_PER_DAY,
            Unit::Day => i128::from(amount) * SECONDS_PER_DAY,
            Unit::Hour => i128::from(amount) * 3600,
            Unit::Minute => i128::from(amount) * 60,
            Unit::Second | Unit::Millisecond => nanos / NANOS_PER_SECOND,
        };
        let days = seconds / SECONDS_PER_DAY;
        match self.precision {
            Precision::Year => ((days / 365) as i64, Unit::Year),
            Precision::Month => ((days / 30) as i64, Unit::Month),
            Precision::Day => (days as i64, Unit::Day),
            Precision::Hour => ((seconds / 3600) as i64, Unit::Hour),
            Precision::Minute => ((seconds / 60) as i64, Unit::Minute),
            Precision::Second => (amount, unit),
        }
    }

    /// Days that the new month does not have become its last day.
    fn plus_months(self, months: i64) -> Option<Temporal> {
        let total = (i64::from(self.year) * 12 + i64::from(self.month) - 1).checked_add(months)?;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u8 + 1);
        let year = u16::try_from(year).ok().filter(|year| (1..=9999).contains(year))?;
        Some(Temporal { year, month, day: self.day.min(days_in_month(year, month)), ..self })
    }

    fn plus_seconds(self, seconds: i128, nanos: i128) -> Option<Temporal> {
        let mut moved = self;
        let total = self.local_nanos() + seconds * NANOS_PER_SECOND + nanos;
        if self.is_time {
            // A time of day goes round the clock.
            let base = Temporal { is_time: true, ..Temporal::EMPTY }.local_nanos();
            let day = SECONDS_PER_DAY * NANOS_PER_SECOND;
            let mut clock = Temporal { year: 1970, ..self };
            clock.set_nanos((total - base).rem_euclid(day));
            moved = Temporal { year: 0, month: 1, day: 1, ..clock };
        } else if total.unsigned_abs() > 1 << 80 || !moved.set_nanos(total) {
            return None;
        }
        let is_fraction = moved.nanos != 0 && moved.fraction_digits < 3;
        if is_fraction && moved.precision == Precision::Second {
            moved.fraction_digits = 3;
        }
        Some(moved)
    }

    /// The value with less precision: digits as [`Temporal::digits`] counts them.
    pub(crate) fn cut(mut self, digits: i64) -> Option<Temporal> {
        let of_time = if self.is_time { digits } else { digits - 8 };
        self.precision = match (self.is_time, digits, of_time) {
            (false, 4, _) => Precision::Year,
            (false, 6, _) => Precision::Month,
            (false, 8, _) => Precision::Day,
            (_, _, 2) => Precision::Hour,
            (_, _, 4) => Precision::Minute,
            (_, _, 6) => {
                (self.fraction_digits, self.nanos) = (0, 0);
                Precision::Second
            }
            (_, _, 9) => Precision::Second,
            _ => return None,
        };
        if self.precision < Precision::Hour {
            self.offset_minutes = None;
        }
        Some(self)
    }
}

/// A zone if there is one; `None` when it is none that exists.
fn offset(fields: &mut Fields<'_>) -> Option<Option<i16>> {
    if fields.eat(b'Z') {
        return Some(Some(0));
    }
    let sign = match fields.0.first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Some(None),
    };
    fields.0 = &fields.0[1..];
    let hours = i16::from(fields.two()?);
    let minutes = if fields.eat(b':') { i16::from(fields.two()?) } else { return None };
    (hours <= 14 && minutes < 60).then_some(Some(sign * (hours * 60 + minutes)))
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_time {
            write!(f, "{:04}", self.year)?;
            if self.precision >= Precision::Month {
                write!(f, "-{:02}", self.month)?;
            }
            if self.precision >= Precision::Day {
                write!(f, "-{:02}", self.day)?;
            }
            if self.precision >= Precision::Hour {
                f.write_str("T")?;
            }
        }
        if self.precision >= Precision::Hour {
            write!(f, "{:02}", self.hour)?;
        }
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
        }
        if self.fraction_digits > 0 && self.precision == Precision::Second {
            let digits = usize::from(self.fraction_digits);
            write!(f, ".{:0digits$}", self.nanos / 10u32.pow(9 - u32::from(self.fraction_digits)))?;
        }
        match self.offset_minutes {
            Some(0) => f.write_str("Z"),
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
            None => Ok(()),
        }
    }
}
