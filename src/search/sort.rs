//! Sort keys and the place where a page starts, as SQL (<https://hl7.org/fhir/R4/search.html#sort>).
//!
//! Missing values come last in both directions; equal ones are told apart by `rid`, which runs in the
//! direction of the last key.

use crate::cursor::{Key, Side};
use crate::part::Sql;
use crate::query::{Direction, Query, References, SortBy, SortKey};
use crate::sql::{Arg, Writer};

impl SortBy {
    /// Whether a cursor may hold this key here.
    pub(crate) fn takes(&self, key: &Key) -> bool {
        match (self, key) {
            (SortBy::Updated | SortBy::Date(_), Key::Int(_)) => true,
            (SortBy::Id | SortBy::String(_) | SortBy::Token(_) | SortBy::Uri(_), Key::Text(_)) => true,
            (SortBy::Reference(..), Key::Text(_)) => true,
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

    /// The table and column of values that an index does not keep by resource.
    fn by_value(&self) -> Option<(&'static str, &'static str, &[i32])> {
        match self {
            SortBy::Token(params) => Some(("ix_token", "code", params)),
            SortBy::Uri(params) => Some(("ix_uri", "uri", params)),
            SortBy::Reference(references) => Some(("ix_uri", "uri", &references.urls)),
            _ => None,
        }
    }
}

/// How many different values a sort key has when a probe has counted fewer than [`FEW_VALUES`]; by
/// place in the order.
pub(crate) type Variety = [Option<i64>];

/// With fewer different values, a resource is asked for each of them; with more, the keys of all
/// resources are read from the index at once.
pub(crate) const FEW_VALUES: i64 = 300;

fn has_few(variety: &Variety, place: usize) -> bool {
    variety.get(place).copied().flatten().is_some_and(|n| n < FEW_VALUES)
}

/// Leaves out rows of a system without a code, which have nothing to sort by.
fn has_value(w: &mut Writer, table: &str, column: &str) {
    if table == "ix_token" {
        w.push(" and ").push(column).push(" > ''");
    }
}

/// Writes the different values of a column in order, as a recursive query over `name(n)`.
fn different(w: &mut Writer, cx: &Sql<'_>, name: &str, (table, column, params): (&str, &str, &[i32])) {
    let least = |w: &mut Writer| {
        w.push("select (select min(").push(column).push(") from ").push(table).push(" where tenant = ");
        w.arg(Arg::Int(cx.plan.tenant().into())).push(" and param");
        cx.scope.params(w, params);
    };
    least(w);
    has_value(w, table, column);
    w.push(") union all ");
    least(w);
    w.push(" and ").push(column).push(" > ").push(name).push(".n) from ").push(name).push(" where ");
    w.push(name).push(".n is not null");
}

/// The keys whose different values a probe should count.
pub(crate) fn counted(query: &Query) -> impl Iterator<Item = (usize, &SortKey)> {
    query.sort.iter().enumerate().filter(|(_, key)| matches!(key.by, SortBy::Token(_) | SortBy::Uri(_)))
}

/// Writes a select of the number of different values of a key, counted up to [`FEW_VALUES`].
pub(crate) fn count(w: &mut Writer, cx: &Sql<'_>, key: &SortKey) {
    let Some(values) = key.by.by_value() else { return };
    let name = w.alias();
    w.push("(select count(*) from (with recursive ").push(&name).push("(n) as (");
    different(w, cx, &name, values);
    w.push(") select n from ").push(&name).push(" limit ").number(FEW_VALUES).push(") ");
    let alias = w.alias();
    w.push(&alias).push(")");
}

/// Writes `with …` for the keys with few different values: `v1(n)` and so on.
pub(crate) fn with(w: &mut Writer, cx: &Sql<'_>, query: &Query, variety: &Variety) {
    let few: Vec<_> = counted(query).filter(|(place, _)| has_few(variety, *place)).collect();
    if few.is_empty() {
        return;
    }
    w.push("with recursive ").list(few, ", ", |w, (place, key)| {
        let Some(values) = key.by.by_value() else { return };
        let name = format!("v{}", place + 1);
        w.push(&name).push("(n) as materialized (");
        different(w, cx, &name, values);
        w.push(")");
    });
    w.push(" ");
}

/// Writes a join for each key whose values are read from the index at once: `j1.k` and so on.
pub(crate) fn joins(w: &mut Writer, cx: &Sql<'_>, query: &Query, variety: &Variety) {
    for (place, key) in query.sort.iter().enumerate().filter(|(place, _)| !has_few(variety, *place)) {
        let Some((table, column, params)) = key.by.by_value() else { continue };
        let pick = if key.direction == Direction::Rising { "min" } else { "max" };
        let j = format!("j{}", place + 1);
        w.push(" left join (select rid, ").push(pick).push("(").push(column).push(") as k from ").push(table);
        w.push(" where tenant = ").arg(Arg::Int(cx.plan.tenant().into())).push(" and param");
        cx.scope.params(w, params);
        has_value(w, table, column);
        w.push(" group by rid) ").push(&j).push(" on ").push(&j).push(".rid = r.rid");
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
        None => _ = w.push(" order by r.rid").push(newest(query)),
        Some((column, direction)) => {
            let direction = text(turned(query, direction));
            w.push(" order by ").push(column).push(direction).push(", r.rid").push(direction);
        }
    }
}

pub(crate) fn after_columns(w: &mut Writer, query: &Query) {
    if let (Some((column, direction)), Some([value, rid])) = (only_column(query), query.cursor.as_deref()) {
        w.push(" and (").push(column).push(", r.rid)").push(beyond(turned(query, direction)));
        w.push("(").arg(arg(value)).push(", ").arg(arg(rid)).push(")");
    }
}

/// The direction in which rows come: the opposite one for a page that lies before its cursor.
fn turned(query: &Query, direction: Direction) -> Direction {
    match (query.side, direction) {
        (Side::After, direction) => direction,
        (Side::Before, Direction::Rising) => Direction::Falling,
        (Side::Before, Direction::Falling) => Direction::Rising,
    }
}

/// ` desc` where the newest come first.
pub(crate) fn newest(query: &Query) -> &'static str {
    text(turned(query, Direction::Falling))
}

/// ` < `, where newest come first: how the number of the next match compares with that of the last.
pub(crate) fn next(query: &Query) -> &'static str {
    beyond(turned(query, Direction::Falling))
}

/// Writes ` and rid < …`: what lies beside the cursor of a search whose newest come first.
pub(crate) fn beside(w: &mut Writer, query: &Query, rid: &str) {
    if let (true, Some([Key::Int(last)])) = (query.sort.is_empty(), query.cursor.as_deref()) {
        w.push(" and ").push(rid).push(next(query)).arg(Arg::Int(*last));
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
    turned(query, query.sort.last().map_or(Direction::Falling, |key| key.direction))
}

/// Writes `, (…) as k1, …`: the keys of resource `r`.
pub(crate) fn keys(w: &mut Writer, cx: &Sql<'_>, query: &Query, variety: &Variety) {
    for (n, key) in query.sort.iter().enumerate() {
        w.push(", ");
        expression(w, cx, key, n, has_few(variety, n));
        w.push(" as k").number(n as i64 + 1);
    }
}

fn expression(w: &mut Writer, cx: &Sql<'_>, key: &SortKey, place: usize, has_few: bool) {
    let rising = key.direction == Direction::Rising;
    let range = if rising { "min(x.low)" } else { "max(x.high)" };
    let from = |w: &mut Writer, value: &str, table: &str, params: &[i32], and: &str| {
        w.push("(select ").push(value).push(" from ").push(table).push(" x where x.tenant = ");
        w.arg(Arg::Int(cx.plan.tenant().into())).push(" and x.param");
        cx.scope.params(w, params);
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
        SortBy::Token(_) | SortBy::Uri(_) if !has_few => _ = w.push("j").number(place as i64 + 1).push(".k"),
        SortBy::Token(params) | SortBy::Uri(params) => {
            let Some((table, column, _)) = key.by.by_value() else { return };
            let v = format!("v{}", place + 1);
            w.push("(select ").push(if rising { "min(" } else { "max(" }).push(&v).push(".n) from ").push(&v);
            w.push(" where exists ");
            let is = format!(" and x.{column} = {v}.n");
            from(w, "1", table, params, &is);
            w.push(")");
        }
        SortBy::Reference(References { params, only, .. }) => {
            let pick = if rising { "min" } else { "max" };
            let bytewise = w.dialect.bytewise();
            w.push("coalesce((select ").push(pick).push("((n.name || '/' || t.id)").push(bytewise);
            w.push(") from ix_reference x");
            w.push(" join resource t on t.rid = x.target join resource_type n on n.id = t.type");
            w.push(" where x.tenant = ").arg(Arg::Int(cx.plan.tenant().into())).push(" and x.param");
            cx.scope.params(w, params);
            w.push(" and x.rid = r.rid");
            if let Some(ty) = only {
                w.push(" and t.type = ").number(cx.type_number(*ty));
            }
            w.push("), j").number(place as i64 + 1).push(".k)");
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
            w.push(&column).push(" is null").push(if query.side == Side::Before { " desc, " } else { ", " });
        }
        w.push(&column).push(text(turned(query, key.direction))).push(", ");
    }
    w.push(alias).push(".rid").push(text(last_direction(query)));
}

/// Writes the order of the whole search, whichever side of its cursor the page lies on.
pub(crate) fn order_of_all(w: &mut Writer, query: &Query, alias: &str) {
    order_by(w, &Query { side: Side::After, sort: query.sort.clone(), ..Query::default() }, alias);
}

/// Writes ` and …`: what comes after the cursor in the order of all keys.
pub(crate) fn after(w: &mut Writer, query: &Query, alias: &str) {
    let Some(cursor) = query.cursor.as_deref().filter(|_| !query.sort.is_empty()) else { return };
    let Some((rid, values)) = cursor.split_last() else { return };
    w.push(" and (");
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
            (Some(key), Some(value)) => {
                beyond_key(w, query, &format!("{alias}.k{}", place + 1), key.direction, value);
            }
            _ => _ = w.push(alias).push(".rid").push(beyond(last_direction(query))).arg(arg(rid)),
        }
        w.push(")");
    }
    w.push(")");
}

/// Nothing comes after a missing value; missing values come after every other.
fn beyond_key(w: &mut Writer, query: &Query, column: &str, direction: Direction, value: &Key) {
    let beyond = beyond(turned(query, direction));
    match (query.side, value) {
        (Side::After, Key::Null) => _ = w.push("1 = 0"),
        (Side::Before, Key::Null) => _ = w.push(column).push(" is not null"),
        (Side::After, value) => {
            w.push("(").push(column).push(beyond).arg(arg(value));
            w.push(" or ").push(column).push(" is null)");
        }
        (Side::Before, value) => _ = w.push(column).push(beyond).arg(arg(value)),
    }
}
