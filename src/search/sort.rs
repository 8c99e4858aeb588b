//! Sort keys and the place where a page starts, as SQL (<https://hl7.org/fhir/R4/search.html#sort>).
//!
//! Missing values come last in both directions; equal ones are told apart by `rid`, which runs in the
//! direction of the last key.

use crate::cursor::Key;
use crate::part::{Sql, integers};
use crate::query::{Direction, Query, SortBy, SortKey};
use crate::sql::{Arg, Writer};

impl SortBy {
    /// Whether a cursor may hold this key here.
    pub(crate) fn takes(&self, key: &Key) -> bool {
        match (self, key) {
            (SortBy::Updated | SortBy::Date(_), Key::Int(_)) => true,
            (SortBy::Id | SortBy::String(_), Key::Text(_)) => true,
            (SortBy::Number(_) | SortBy::Quantity(_), Key::Float(_)) => true,
            (SortBy::Updated | SortBy::Id, Key::Null) => false,
            (_, Key::Null) => true,
            _ => false,
        }
    }

    fn column(&self) -> Option<&'static str> {
        match self {
            SortBy::Updated => Some("r.updated_us"),
            SortBy::Id => Some("r.id"),
            _ => None,
        }
    }
}

/// Whether resources can be walked in the order asked, so that a page ends early.
pub(crate) fn has_walk(query: &Query) -> bool {
    query.sort.is_empty() || is_columns(query)
}

/// Whether the order is that of one column of the resource, or of none.
pub(crate) fn is_columns(query: &Query) -> bool {
    match &query.sort[..] {
        [] => true,
        [key] => key.by.column().is_some(),
        _ => false,
    }
}

fn only_column(query: &Query) -> Option<(&'static str, Direction)> {
    match &query.sort[..] {
        [key] => Some((key.by.column()?, key.direction)),
        _ => None,
    }
}

pub(crate) fn column_keys(w: &mut Writer, query: &Query) {
    if let Some((column, _)) = only_column(query) {
        w.push(", ").push(column).push(" as k1");
    }
}

pub(crate) fn order_by_columns(w: &mut Writer, query: &Query) {
    match only_column(query) {
        None => _ = w.push(" order by r.rid desc"),
        Some((column, direction)) => {
            let direction = text(direction);
            w.push(" order by ").push(column).push(direction).push(", r.rid").push(direction);
        }
    }
}

pub(crate) fn after_columns(w: &mut Writer, query: &Query) {
    if let (Some((column, direction)), Some([value, rid])) = (only_column(query), query.cursor.as_deref()) {
        w.push(" and (").push(column).push(", r.rid)").push(beyond(direction));
        w.push("(").arg(arg(value)).push(", ").arg(arg(rid)).push(")");
    }
}

fn text(direction: Direction) -> &'static str {
    match direction {
        Direction::Rising => "",
        Direction::Falling => " desc",
    }
}

fn beyond(direction: Direction) -> &'static str {
    match direction {
        Direction::Rising => " > ",
        Direction::Falling => " < ",
    }
}

fn arg(key: &Key) -> Arg {
    match key {
        // No comparison is written with a missing value.
        Key::Null => Arg::Int(0),
        Key::Int(i) => Arg::Int(*i),
        Key::Float(f) => Arg::Float(*f),
        Key::Text(t) => Arg::Text(t.clone()),
    }
}

fn last_direction(query: &Query) -> Direction {
    query.sort.last().map_or(Direction::Falling, |key| key.direction)
}

/// Writes `, (…) as k1, …`: the keys of resource `r`.
pub(crate) fn keys(w: &mut Writer, cx: &Sql<'_>, query: &Query) {
    for (n, key) in query.sort.iter().enumerate() {
        w.push(", ");
        expression(w, cx, key);
        w.push(" as k").number(n as i64 + 1);
    }
}

fn expression(w: &mut Writer, cx: &Sql<'_>, key: &SortKey) {
    let rising = key.direction == Direction::Rising;
    let range = if rising { "min(x.low)" } else { "max(x.high)" };
    let from = |w: &mut Writer, value: &str, table: &str, params: &[i32], and: &str| {
        w.push("(select ").push(value).push(" from ").push(table).push(" x where x.tenant = ");
        w.arg(Arg::Int(cx.plan.tenant().into())).push(" and x.param");
        integers(w, params);
        w.push(" and x.rid = r.rid").push(and).push(")");
    };
    match &key.by {
        SortBy::Updated => _ = w.push("r.updated_us"),
        SortBy::Id => _ = w.push("r.id"),
        SortBy::Date(params) => from(w, range, "ix_date", params, ""),
        SortBy::Number(params) => from(w, range, "ix_number", params, ""),
        SortBy::String(params) => {
            from(w, if rising { "min(x.norm)" } else { "max(x.norm)" }, "ix_string", params, "");
        }
        SortBy::Quantity(params) => {
            let canonical = if rising { "min(x.canonical_low)" } else { "max(x.canonical_high)" };
            w.push("coalesce(");
            from(w, canonical, "ix_quantity", params, " and x.canonical <> 0");
            w.push(", ");
            from(w, range, "ix_quantity", params, "");
            w.push(")");
        }
    }
}

pub(crate) fn order_by(w: &mut Writer, query: &Query, alias: &str) {
    w.push(" order by ");
    for (n, key) in query.sort.iter().enumerate() {
        let column = format!("{alias}.k{}", n + 1);
        if key.by.column().is_none() {
            w.push(&column).push(" is null, ");
        }
        w.push(&column).push(text(key.direction)).push(", ");
    }
    w.push(alias).push(".rid").push(text(last_direction(query)));
}

/// Writes ` where …`: what comes after the cursor in the order of all keys.
pub(crate) fn after(w: &mut Writer, query: &Query, alias: &str) {
    let Some(cursor) = query.cursor.as_deref().filter(|_| !query.sort.is_empty()) else { return };
    let Some((rid, values)) = cursor.split_last() else { return };
    w.push(" where (");
    for place in 0..=values.len() {
        if place > 0 {
            w.push(" or ");
        }
        w.push("(");
        for (n, value) in values.iter().enumerate().take(place) {
            let column = format!("{alias}.k{}", n + 1);
            match value {
                Key::Null => w.push(&column).push(" is null and "),
                value => w.push(&column).push(" = ").arg(arg(value)).push(" and "),
            };
        }
        match (query.sort.get(place), values.get(place)) {
            (Some(key), Some(value)) => beyond_key(w, &format!("{alias}.k{}", place + 1), key, value),
            _ => _ = w.push(alias).push(".rid").push(beyond(last_direction(query))).arg(arg(rid)),
        }
        w.push(")");
    }
    w.push(")");
}

/// Nothing comes after a missing value; missing values come after every other.
fn beyond_key(w: &mut Writer, column: &str, key: &SortKey, value: &Key) {
    if *value == Key::Null {
        w.push("1 = 0");
        return;
    }
    w.push("(").push(column).push(beyond(key.direction)).arg(arg(value));
    w.push(" or ").push(column).push(" is null)");
}
