//! Date parameters: intervals of time (<https://hl7.org/fhir/R4/search.html#date>).
//!
//! A value in a resource and a value in a search are both intervals, as wide as their precision. Of a
//! Timing only the outer limits count.

use crate::extract::Item;
use crate::prefix::Prefix;
use crate::rows::DateRow;
use crate::sql::{Arg, Writer};
use remit_fhir::date::{Micros, Moment};
use remit_fhir::{Error, Node, Result};

/// A date searched for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Value {
    /// How they compare.
    pub prefix: Prefix,
    /// First microsecond.
    pub low: Micros,
    /// One past the last microsecond.
    pub high: Micros,
}

/// The interval of a dateTime, date, instant, Period or Timing; `None` when there is none in it.
pub(crate) fn interval(item: &Item<'_>) -> Option<(Micros, Micros)> {
    match item.type_name() {
        "date" | "dateTime" => moment(item.node),
        // A point in time, whatever digits it is written with.
        "instant" => moment(item.node).map(|(low, _)| (low, low + 1)),
        "Period" => period(item.node),
        "Timing" => timing(item.node),
        _ => None,
    }
}

fn moment(node: Node<'_>) -> Option<(Micros, Micros)> {
    Moment::parse(&node.string()?).map(|m| (m.low, m.high))
}

/// A limit that is missing, or cannot be read, is open; with neither there is nothing to find.
fn period(node: Node<'_>) -> Option<(Micros, Micros)> {
    let start = node.get("start").and_then(moment);
    let end = node.get("end").and_then(moment);
    (start.is_some() || end.is_some())
        .then(|| (start.map_or(i64::MIN, |(low, _)| low), end.map_or(i64::MAX, |(_, high)| high)))
        .filter(|(low, high)| low < high)
}

fn timing(node: Node<'_>) -> Option<(Micros, Micros)> {
    let bounds = node.at(&["repeat", "boundsPeriod"]).and_then(period);
    let events = node.get("event").into_iter().flat_map(Node::each).filter_map(moment);
    events.chain(bounds).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

pub(crate) fn index(item: &Item<'_>, param: i32, rows: &mut Vec<DateRow>) {
    if let Some((low, high)) = interval(item) {
        rows.push(DateRow { param, low, high });
    }
}

/// Reads a value of the URL. `now` is what `ap` is measured from.
pub(crate) fn parse(text: &str, now: Micros) -> Result<Value> {
    let (prefix, rest) = Prefix::split(text);
    let Some(moment) = Moment::parse(rest) else {
        // The `+` of a time zone that is written as it is arrives as a blank.
        let plus = if rest.contains(' ') { " A plus sign is written %2B in a URL." } else { "" };
        return Err(Error::invalid(format!(
            "'{text}' is no date: write a prefix if any, then a date such as 2024, 2024-05, 2024-05-06 or 2024-05-06T07:08:09Z.{plus}"
        )));
    };
    let Moment { mut low, mut high, .. } = moment;
    if prefix == Prefix::Approximate {
        let tenth = low.abs_diff(now) as i64 / 10;
        (low, high) = (low.saturating_sub(tenth), high.saturating_add(tenth));
    }
    Ok(Value { prefix, low, high })
}

/// A time that others shall overlap: `po` of `_filter`.
pub(crate) fn overlapping(text: &str) -> Result<Value> {
    let (_, rest) = Prefix::split(text);
    // Only `ap` widens, when it is read.
    parse(if rest.len() == text.len() { text } else { "" }, 0)
        .map(|value| Value { prefix: Prefix::Approximate, ..value })
}

impl Value {
    /// Whether the interval `[low, high)` of a resource stands so to this value.
    pub(crate) fn holds(&self, low: Micros, high: Micros) -> bool {
        match self.prefix {
            Prefix::Equal => low >= self.low && high <= self.high,
            Prefix::NotEqual => low < self.low || high > self.high,
            Prefix::Greater => high > self.high,
            Prefix::Less => low < self.low,
            Prefix::GreaterOrEqual => high > self.high || low >= self.low,
            Prefix::LessOrEqual => low < self.low || high <= self.high,
            Prefix::StartsAfter => low >= self.high,
            Prefix::EndsBefore => high <= self.low,
            Prefix::Approximate => low < self.high && high > self.low,
        }
    }

    /// The same as [`holds`](Self::holds), of the columns `low` and `high` of a table.
    pub(crate) fn sql(&self, w: &mut Writer, low: &str, high: &str) {
        self.compare(w, low, high, Arg::Int(self.low), Arg::Int(self.high));
    }

    fn compare(&self, w: &mut Writer, low: &str, high: &str, from: Arg, to: Arg) {
        let pair = |w: &mut Writer, parts: [(&str, &str, Arg); 2], joint: &str| {
            w.push("(");
            w.list(parts, joint, |w, (column, operator, arg)| _ = w.push(column).push(operator).arg(arg));
            w.push(")");
        };
        match self.prefix {
            // `low < to` and `high > from` follow from the rest; they bound both columns for an index.
            Prefix::Equal => {
                w.push(low).push(" >= ").arg(from).push(" and ").push(low).push(" < ").arg(to.clone());
                w.push(" and ").push(high).push(" <= ").arg(to);
            }
            Prefix::NotEqual => pair(w, [(low, " < ", from), (high, " > ", to)], " or "),
            Prefix::Greater => _ = w.push(high).push(" > ").arg(to),
            Prefix::Less => _ = w.push(low).push(" < ").arg(from),
            Prefix::GreaterOrEqual => pair(w, [(high, " > ", to), (low, " >= ", from)], " or "),
            Prefix::LessOrEqual => pair(w, [(low, " < ", from), (high, " <= ", to)], " or "),
            Prefix::StartsAfter => _ = w.push(low).push(" >= ").arg(to),
            Prefix::EndsBefore => _ = w.push(high).push(" <= ").arg(from),
            Prefix::Approximate => pair(w, [(low, " < ", to), (high, " > ", from)], " and "),
        }
    }

    /// The same value for columns of floating point numbers, whose `high` is one past the end too.
    pub(crate) fn sql_of_reals(&self, w: &mut Writer, low: &str, high: &str) {
        let (from, to) = (Arg::Float(self.low as f64), Arg::Float(self.high as f64));
        self.compare(w, low, high, from, to);
    }

    /// The same question asked of one point in time, the column `column`.
    pub(crate) fn sql_of_point(&self, w: &mut Writer, column: &str) {
        let (from, to) = (Arg::Int(self.low), Arg::Int(self.high));
        let (open, first, between, second) = match self.prefix {
            Prefix::Equal | Prefix::Approximate => (" >= ", from, " and ", Some((" < ", to))),
            Prefix::NotEqual => (" < ", from, " or ", Some((" >= ", to))),
            Prefix::Greater | Prefix::StartsAfter => (" >= ", to, "", None),
            Prefix::Less | Prefix::EndsBefore => (" < ", from, "", None),
            Prefix::GreaterOrEqual => (" >= ", from, "", None),
            Prefix::LessOrEqual => (" < ", to, "", None),
        };
        w.push("(").push(column).push(open).arg(first).push(between);
        if let Some((operator, arg)) = second {
            w.push(column).push(operator).arg(arg);
        }
        w.push(")");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval_of(text: &str) -> (Micros, Micros) {
        let moment = Moment::parse(text).unwrap();
        (moment.low, moment.high)
    }

    #[test]
    fn a_value_compares_with_the_interval_that_its_precision_gives() {
        let cases = [
            ("2013-01-14", "2013-01-14T10:00:00Z", true),
            ("2013-01-14", "2013-01-15T00:00:00Z", false),
            ("2013-01", "2013-01-14", true),
            ("2013-01-14", "2013-01", false),
            ("ne2013-01-14", "2013-01-15T00:00:00Z", true),
            ("ne2013-01-14", "2013-01-14T00:00:00Z", false),
            ("ne2013-01-14", "2013-01", true),
            ("lt2013-01-14T10:00", "2013-01-14", true),
            ("lt2013-01-14", "2013-01-14", false),
            ("gt2013-01-14T10:00", "2013-01-14", true),
            ("gt2013-01-14", "2013-01-14", false),
            ("gt2013-01-14", "2013-01", true),
            ("ge2013-03-14", "2013-03-14", true),
            ("ge2013-03-14", "2013-03-13", false),
            ("ge2013-03-14", "2013", true),
            ("le2013-03-14", "2013-03-14", true),
            ("le2013-03-14", "2013-03-15", false),
            ("le2013-03-14", "2013", true),
            ("sa2013-03-14", "2013-03-15", true),
            ("sa2013-03-14", "2013-03-14T23:59:59Z", false),
            ("sa2013-03-14", "2013", false),
            ("eb2013-03-14", "2013-03-13", true),
            ("eb2013-03-14", "2013-03-14", false),
            ("ap2014-01-01", "2013-12-20", true),
            ("ap2014-01-01", "2012-01-01", false),
            ("2013-01-14T10:00:00+02:00", "2013-01-14T08:00:00Z", true),
        ];
        let now = interval_of("2015-01-01").0;
        for (search, stored, expected) in cases {
            let (low, high) = interval_of(stored);
            assert_eq!(parse(search, now).unwrap().holds(low, high), expected, "{search} of {stored}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "ge", "today", "2013-13", "xx2013", "eq eq2013", "é013"] {
            assert!(parse(text, 0).is_err(), "{text}");
        }
    }
}
