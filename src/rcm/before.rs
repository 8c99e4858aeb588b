//! The day from which the months before a period are counted.

use super::request::MeasureRequest;
use remit_fhir::date::Moment;

impl MeasureRequest {
    /// The day three months before the period begins.
    pub(super) fn prior_start(&self) -> String {
        let (year, rest) = self.period_start.0.split_once('-').unwrap_or_default();
        let (month, day) = rest.split_once('-').unwrap_or_default();
        let number = |text: &str| text.parse::<i64>().unwrap_or(1);
        let months = number(year) * 12 + number(month) - 4;
        // A day that the month has not is its last, which no month puts before its 28th.
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let last =
            (28..=31).rev().find(|day| Moment::parse(&format!("{year:04}-{month:02}-{day}")).is_some());
        format!("{year:04}-{month:02}-{:02}", number(day).min(last.unwrap_or(28)))
    }
}
