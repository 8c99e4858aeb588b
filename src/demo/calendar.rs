//! Days of the practice: numbers since 1970-01-01, and the clock of Denver, where it stands.

use remit_fhir::date::{civil_from_days, days_from_civil};

/// A day as a number since 1970-01-01.
pub(super) type Day = i64;

/// `2026-01-31`
pub(super) fn date(day: Day) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-01`
pub(super) fn month(day: Day) -> String {
    let (year, month, _) = civil_from_days(day);
    format!("{year:04}-{month:02}")
}

/// The month of the year, from 1.
pub(super) fn month_of_year(day: Day) -> u32 {
    civil_from_days(day).1
}

/// The calendar year.
pub(super) fn year(day: Day) -> i64 {
    civil_from_days(day).0
}

/// The day of the week, Sunday is 0.
fn weekday(day: Day) -> i64 {
    (day + 4).rem_euclid(7)
}

/// The same day, or the Monday after it when it lies in a weekend.
pub(super) fn working_day(day: Day) -> Day {
    day + [1, 0, 0, 0, 0, 0, 2][weekday(day) as usize]
}

/// The next day that is this day of the week.
pub(super) fn next_weekday(day: Day, wanted: i64) -> Day {
    day + (wanted - weekday(day)).rem_euclid(7)
}

/// A time of the day in Denver with its offset, e.g. `2026-01-31T23:30:00-07:00`.
/// Summer time is from the second Sunday in March to the first in November, changing at 2 o'clock.
pub(super) fn date_time(day: Day, minute: i64) -> String {
    let year = year(day);
    let start = next_weekday(days_from_civil(year, 3, 8), 0);
    let end = next_weekday(days_from_civil(year, 11, 1), 0);
    let summer = (day, minute) >= (start, 120) && (day, minute) < (end, 120);
    let offset = if summer { "-06:00" } else { "-07:00" };
    format!("{}T{:02}:{:02}:00{offset}", date(day), minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_follows_summer_time() {
        let day = |y, m, d| days_from_civil(y, m, d);
        for (at, minute, text) in [
            (day(2026, 3, 8), 119, "2026-03-08T01:59:00-07:00"),
            (day(2026, 3, 8), 180, "2026-03-08T03:00:00-06:00"),
            (day(2026, 11, 1), 30, "2026-11-01T00:30:00-06:00"),
            (day(2026, 11, 1), 150, "2026-11-01T02:30:00-07:00"),
            (day(2026, 1, 31), 1_410, "2026-01-31T23:30:00-07:00"),
        ] {
            assert_eq!(date_time(at, minute), text);
        }
    }

    #[test]
    fn weekends_are_skipped() {
        let saturday = days_from_civil(2026, 1, 31);
        assert_eq!(date(working_day(saturday)), "2026-02-02");
        assert_eq!(date(working_day(saturday + 1)), "2026-02-02");
        assert_eq!(date(working_day(saturday + 2)), "2026-02-02");
        assert_eq!(date(next_weekday(saturday, 3)), "2026-02-04");
        assert_eq!(date(next_weekday(saturday + 4, 3)), "2026-02-04");
    }
}
