//! Dates and times of FHIR with their precision
//! (<https://hl7.org/fhir/R4/datatypes.html#dateTime>).
//!
//! Points in time are microseconds since 1970-01-01T00:00:00Z. A date of less precision is the
//! interval it covers; one without a time zone is read as UTC, the server's zone.

/// Microseconds since 1970-01-01T00:00:00Z.
pub type Micros = i64;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// How much of a date is given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Precision {
    /// `2024`
    Year,
    /// `2024-05`
    Month,
    /// `2024-05-06`
    Day,
    /// `2024-05-06T07:08` (search values only)
    Minute,
    /// `2024-05-06T07:08:09`
    Second,
    /// with a fraction of a second
    Fraction,
}

/// A date or time as given: the interval it covers, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// First microsecond.
    pub low: Micros,
    /// One past the last microsecond.
    pub high: Micros,
    /// How much is given.
    pub precision: Precision,
    /// Offset from UTC in minutes, when given.
    pub offset_minutes: Option<i16>,
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let shifted = i64::from((month + 9) % 12);
    let of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month, day of a number of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z - era * 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (head, rest) = self.0.split_at_checked(count)?;
        let value = head
            .iter()
            .try_fold(0u32, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))?;
        self.0 = rest;
        Some(value)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.0.first() == Some(&byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    /// A fraction in microseconds and the width of its last digit; digits past the sixth are dropped.
    fn fraction(&mut self) -> Option<(i64, i64)> {
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        if count == 0 {
            return None;
        }
        let mut value = 0;
        let mut unit = SECOND;
        for b in digits.iter().take(6) {
            unit /= 10;
            value += i64::from(b - b'0') * unit;
        }
        Some((value, unit))
    }

    fn offset(&mut self) -> Option<Option<i16>> {
        if self.eat(b'Z') {
            return Some(Some(0));
        }
        let sign = if self.eat(b'+') {
            1
        } else if self.eat(b'-') {
            -1
        } else {
            return Some(None);
        };
        let hours = self.digits(2)?;
        let minutes = if self.eat(b':') { self.digits(2)? } else { return None };
        (hours <= 14 && minutes <= 59 && (hours < 14 || minutes == 0))
            .then(|| Some(sign * (hours * 60 + minutes) as i16))
    }
}

impl Moment {
    /// Reads a `date`, `dateTime` or `instant`, and of search values also minutes without seconds
    /// and times without a zone. `None` when it is none of these or no such day exists.
    pub fn parse(text: &str) -> Option<Moment> {
        let mut r = Reader(text.as_bytes());
        let year = i64::from(r.digits(4)?);
        if year == 0 {
            return None;
        }
        let done =
            |low: i64, high: i64, precision| Some(Moment { low, high, precision, offset_minutes: None });
        if r.0.is_empty() {
            return done(
                days_from_civil(year, 1, 1) * DAY,
                days_from_civil(year + 1, 1, 1) * DAY,
                Precision::Year,
            );
        }
        let month = if r.eat(b'-') { r.digits(2)? } else { return None };
        if !(1..=12).contains(&month) {
            return None;
        }
        if r.0.is_empty() {
            let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            let high = days_from_civil(next_year, next, 1) * DAY;
            return done(days_from_civil(year, month, 1) * DAY, high, Precision::Month);
        }
        let day = if r.eat(b'-') { r.digits(2)? } else { return None };
        if !(1..=days_in_month(year, month)).contains(&day) {
            return None;
        }
        let midnight = days_from_civil(year, month, day) * DAY;
        if r.0.is_empty() {
            return done(midnight, midnight + DAY, Precision::Day);
        }
        if !r.eat(b'T') {
            return None;
        }
        Moment::time(r, midnight)
    }

    fn time(mut r: Reader<'_>, midnight: i64) -> Option<Moment> {
        let hour = i64::from(r.digits(2)?);
        let minute = if r.eat(b':') { i64::from(r.digits(2)?) } else { return None };
        let mut low = midnight + (hour * 60 + minute) * 60 * SECOND;
        let (mut precision, mut width) = (Precision::Minute, 60 * SECOND);
        let mut second = 0;
        if r.eat(b':') {
            second = i64::from(r.digits(2)?);
            low += second * SECOND;
            (precision, width) = (Precision::Second, SECOND);
            if r.eat(b'.') {
                let (value, unit) = r.fraction()?;
                low += value;
                (precision, width) = (Precision::Fraction, unit);
            }
        }
        // 24:00 is no time of FHIR; second 60 is a leap second and allowed.
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let offset_minutes = r.offset()?;
        if !r.0.is_empty() {
            return None;
        }
        low -= i64::from(offset_minutes.unwrap_or(0)) * 60 * SECOND;
        Some(Moment { low, high: low + width, precision, offset_minutes })
    }
}

/// An `instant` in UTC with milliseconds, e.g. `2024-05-06T07:08:09.123Z`.
pub fn instant(at: Micros) -> String {
    let (year, month, day) = civil_from_days(at.div_euclid(DAY));
    let of_day = at.rem_euclid(DAY);
    let (second, milli) = (of_day / SECOND, of_day % SECOND / 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{milli:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// A point in time as HTTP headers write it, e.g. `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
pub fn http_date(at: Micros) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let days = at.div_euclid(DAY);
    let (year, month, day) = civil_from_days(days);
    let second = at.rem_euclid(DAY) / SECOND;
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[days.rem_euclid(7) as usize],
        MONTHS[month as usize - 1],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads the form that [`http_date`] writes; older forms of RFC 9110 are not sent by clients today.
pub fn parse_http_date(text: &str) -> Option<Micros> {
    let mut parts = text.split_once(", ")?.1.split(' ');
    let day = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|m| *m == name)? as u32 + 1;
    let year = parts.next()?;
    let time = parts.next()?;
    (parts.next() == Some("GMT")).then_some(())?;
    let text = format!("{year}-{month:02}-{day:02}T{time}Z", day = u32::min(day, 99));
    Moment::parse(&text).map(|m| m.low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_follow_the_precision() {
        let cases = [
            ("2024", "2024-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"),
            ("2024-02", "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
            ("2024-12", "2024-12-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
            ("2024-02-29T10:00", "2024-02-29T10:00:00.000Z", "2024-02-29T10:01:00.000Z"),
            ("2024-02-29T10:00:01+02:00", "2024-02-29T08:00:01.000Z", "2024-02-29T08:00:02.000Z"),
            ("2024-02-29T10:00:01.5Z", "2024-02-29T10:00:01.500Z", "2024-02-29T10:00:01.600Z"),
            ("0001-01-01", "0001-01-01T00:00:00.000Z", "0001-01-02T00:00:00.000Z"),
            ("1969-12-31T23:59:59.999-05:00", "1970-01-01T04:59:59.999Z", "1970-01-01T05:00:00.000Z"),
        ];
        for (text, low, high) in cases {
            let moment = Moment::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((instant(moment.low).as_str(), instant(moment.high).as_str()), (low, high), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        let cases = [
            "",
            "24",
            "0000",
            "2024-13",
            "2024-00",
            "2023-02-29",
            "2024-04-31",
            "2024-1-1",
            "2024-01-01T",
            "2024-01-01T10",
            "2024-01-01T24:00:00Z",
            "2024-01-01T10:60Z",
            "2024-01-01T10:00:61Z",
            "2024-01-01T10:00:00.Z",
            "2024-01-01T10:00:00+15:00",
            "2024-01-01T10:00:00+1400",
            "2024-01-01 10:00",
            "2024-01-01Z",
            "２０２４",
        ];
        for text in cases {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn http_dates_are_written_and_read() {
        let at = Moment::parse("1994-11-06T08:49:37Z").unwrap().low;
        assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(at));
        assert_eq!(parse_http_date("yesterday"), None);
        assert_eq!(parse_http_date("Sun, 99 Nov 1994 08:49:37 GMT"), None);
    }

    proptest::proptest! {
        #[test]
        fn days_and_dates_are_inverse(days in -719_162i64..2_932_896) {
            let (y, m, d) = civil_from_days(days);
            proptest::prop_assert_eq!(days_from_civil(y, m, d), days);
        }

        #[test]
        fn instants_read_back(at in -62_135_596_800_000i64..253_402_300_799_999) {
            proptest::prop_assert_eq!(Moment::parse(&instant(at * 1000)).map(|m| m.low), Some(at * 1000));
        }

        #[test]
        fn any_text_ends_in_an_answer(text in "\\PC*") {
            let _ = Moment::parse(&text);
            let _ = parse_http_date(&text);
        }
    }
}
