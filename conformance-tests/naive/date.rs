//! Dates as intervals of time (<https://hl7.org/fhir/R4/search.html#date>), in microseconds. Without a
//! time zone they are of UTC.

use super::number::prefixed;
use super::{Micros, Value};
use jiff::civil;
use serde_json::Value as Json;

const SECOND: Micros = 1_000_000;
const DAY: Micros = 86_400 * SECOND;
/// Before and after every date.
const OPEN: (Micros, Micros) = (Micros::MIN, Micros::MAX);

fn midnight(year: i16, month: i8, day: i8) -> Option<Micros> {
    let date = civil::Date::new(year, month, day).ok()?;
    let first = civil::date(1970, 1, 1);
    Some(Micros::from(date.since(first).ok()?.get_days()) * DAY)
}

/// The first microsecond of a date, and the one after its last.
pub(super) fn parse(text: &str) -> Option<(Micros, Micros)> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let parts: Vec<&str> = date.split('-').collect();
    let number = |place: usize| parts.get(place).map_or(Some(1), |part| part.parse::<i8>().ok());
    let (year, month, day) = (parts.first()?.parse().ok()?, number(1)?, number(2)?);
    let low = midnight(year, month, day)?;
    let first = civil::Date::new(year, month, day).ok()?;
    let days = match parts.len() {
        1 => first.days_in_year(),
        2 => first.days_in_month().into(),
        _ => 1,
    };
    match time {
        None => Some((low, low + Micros::from(days) * DAY)),
        Some(time) => clock(time).map(|(from, to)| (low + from, low + to)),
    }
}

/// The interval of a time of the day with its offset, from midnight of UTC.
fn clock(text: &str) -> Option<(Micros, Micros)> {
    let zone = text.find(['Z', '+', '-']);
    let (time, zone) = text.split_at(zone.unwrap_or(text.len()));
    let minutes = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        Some(hours.parse::<Micros>().ok()? * 60 + minutes.parse::<Micros>().ok()?)
    };
    let offset = match zone.split_at_checked(1) {
        Some(("+", rest)) => minutes(rest)?,
        Some(("-", rest)) => -minutes(rest)?,
        _ => 0,
    };
    let (start, seconds) = (time.get(..5)?, time.get(6..).unwrap_or_default());
    let low = (minutes(start)? - offset) * 60 * SECOND;
    if seconds.is_empty() {
        return Some((low, low + 60 * SECOND));
    }
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let fraction = &fraction[..fraction.len().min(6)];
    let unit = SECOND / Micros::pow(10, fraction.len() as u32);
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<Micros>().ok()? * unit };
    let low = low + whole.parse::<Micros>().ok()? * SECOND + part;
    Some((low, low + unit))
}

/// What a date parameter finds in a value.
pub(super) fn of(value: &Value) -> Option<(Micros, Micros)> {
    let json = &value.json;
    match value.ty {
        "Period" => period(json),
        "Timing" => {
            let events = json["event"].as_array().map_or(&[][..], Vec::as_slice);
            let events = events.iter().filter_map(|event| parse(event.as_str()?));
            let all = events.chain(period(&json["repeat"]["boundsPeriod"]));
            all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        }
        // A point in time, however it is written.
        "instant" => parse(json.as_str()?).map(|(low, _)| (low, low + 1)),
        "date" | "dateTime" => parse(json.as_str()?),
        _ => None,
    }
}

fn period(json: &Json) -> Option<(Micros, Micros)> {
    let end = |name: &str| parse(json[name].as_str()?);
    let (start, end) = (end("start"), end("end"));
    (start.is_some() || end.is_some()).then(|| (start.unwrap_or(OPEN).0, end.unwrap_or(OPEN).1))
}

/// A date searched for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'t> {
    prefix: &'t str,
    low: Micros,
    high: Micros,
}

impl<'t> Search<'t> {
    pub(super) fn parse(text: &'t str, now: Micros) -> Option<Search<'t>> {
        let (prefix, rest) = prefixed(text);
        let (low, high) = parse(rest)?;
        let around = if prefix == "ap" { (low - now).abs() / 10 } else { 0 };
        Some(Search { prefix, low: low - around, high: high + around })
    }

    /// Whether the interval of a resource stands so to this date.
    pub(super) fn holds(&self, low: Micros, high: Micros) -> bool {
        let is_contained = low >= self.low && high <= self.high;
        let (is_above, is_below) = (high > self.high, low < self.low);
        match self.prefix {
            "ne" => !is_contained,
            "gt" => is_above,
            "lt" => is_below,
            "ge" => is_above || is_contained,
            "le" => is_below || is_contained,
            "sa" => low >= self.high,
            "eb" => high <= self.low,
            "ap" => low < self.high && high > self.low,
            _ => is_contained,
        }
    }
}
