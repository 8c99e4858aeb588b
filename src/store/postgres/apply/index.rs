//! Index rows as columns, one statement a table.

use super::{Running, execute, query};
use crate::Write;
use crate::postgres::writer::Shared;
use crate::symbols::Key;
use deadpool_postgres::Object;
use remit_search::{IndexRows, Registry, contained_number, words_of};
use std::collections::{BTreeSet, HashMap};
use tokio_postgres::Error;
use tokio_postgres::types::ToSql;

/// Numbers of all uris that the writes name; new ones get their number now.
pub(super) async fn symbols(
    shared: &Shared,
    client: &Object,
    writes: &[(i32, &mut Write)],
) -> Result<HashMap<Box<str>, i32>, Error> {
    let mut numbers = HashMap::new();
    let mut missing: BTreeSet<Box<str>> = BTreeSet::new();
    let mut want = |uri: &str| match shared.symbols.get(uri) {
        Some(number) => drop(numbers.insert(uri.into(), number)),
        None => drop(missing.insert(uri.into())),
    };
    for rows in writes.iter().flat_map(|(_, write)| write.add.each().chain(write.remove.each())) {
        rows.tokens.iter().for_each(|r| want(&r.system));
        rows.quantities.iter().for_each(|r| [&r.system, &r.canonical].iter().for_each(|uri| want(uri)));
        rows.composites.iter().for_each(|r| [&r.system, &r.system2].iter().for_each(|uri| want(uri)));
    }
    if missing.is_empty() {
        return Ok(numbers);
    }
    // Ordered, so that two nodes that make the same symbols wait for each other in one direction only.
    let missing: Vec<&str> = missing.iter().map(|uri| &**uri).collect();
    let find = "select uri, id from symbol where uri = any($1)";
    let known = query(client, find, &[&missing]).await?;
    // What was committed before this transaction is safe to remember; what it makes itself is not yet.
    let committed: Vec<(Box<str>, i32)> =
        known.iter().map(|row| (row.get::<_, &str>(0).into(), row.get(1))).collect();
    let make = "insert into symbol (uri) select u from unnest($1::text[]) u \
                where not exists (select 1 from symbol s where s.uri = u) order by u on conflict (uri) do nothing";
    if committed.len() < missing.len() {
        execute(client, make, &[&missing]).await?;
        let all = query(client, find, &[&missing]).await?;
        numbers.extend(all.iter().map(|row| (Box::from(row.get::<_, &str>(0)), row.get::<_, i32>(1))));
    }
    numbers.extend(committed.iter().cloned());
    shared.symbols.add(committed);
    Ok(numbers)
}

/// One array for each column of a table.
enum Column<'a> {
    Int(Vec<i32>),
    Long(Vec<i64>),
    Real(Vec<f64>),
    Text(Vec<&'a str>),
    Owned(Vec<String>),
}

impl Column<'_> {
    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Column::Int(values) => values,
            Column::Long(values) => values,
            Column::Real(values) => values,
            Column::Text(values) => values,
            Column::Owned(values) => values,
        }
    }
}

macro_rules! tables {
    ($($table:ident { $($column:ident: $kind:ident $ty:ty),* $(,)? })*) => {
        /// Rows of every index table, column by column.
        #[derive(Default)]
        pub(super) struct Columns<'a> { $($table: $table::Table<'a>,)* }

        $(mod $table {
            #[derive(Default)]
            pub(super) struct Table<'a> { $(pub(super) $column: Vec<$ty>,)* pub(super) unused: std::marker::PhantomData<&'a ()> }
        })*

        /// Statements, one for each table.
        pub(super) struct TableSql { $($table: &'static str,)* }

        impl<'a> Columns<'a> {
            /// Starts a statement for each table that has rows.
            pub(super) fn run(self, client: &'a Object, sql: &'static TableSql, running: &mut Vec<Running<'a>>) {
                $({
                    let columns = [$(Column::$kind(self.$table.$column)),*];
                    let some = match &columns[0] { Column::Int(values) => !values.is_empty(), _ => false };
                    if some {
                        running.push(Box::pin(async move {
                            let args: Vec<_> = columns.iter().map(Column::as_sql).collect();
                            execute(client, sql.$table, &args).await.map(drop)
                        }));
                    }
                })*
            }
        }
    };
}

tables! {
    token { tenant: Int i32, param: Int i32, code: Text &'a str, rid: Long i64, system: Int i32 }
    reference { tenant: Int i32, param: Int i32, target: Long i64, rid: Long i64 }
    uri { tenant: Int i32, param: Int i32, uri: Text &'a str, rid: Long i64 }
    string { tenant: Int i32, param: Int i32, rid: Long i64, norm: Text &'a str, exact: Text &'a str }
    date { tenant: Int i32, param: Int i32, rid: Long i64, low: Long i64, high: Long i64 }
    number { tenant: Int i32, param: Int i32, rid: Long i64, low: Real f64, high: Real f64 }
    quantity {
        tenant: Int i32, param: Int i32, rid: Long i64, low: Real f64, high: Real f64, system: Int i32, code: Text &'a str,
        canonical: Int i32, canonical_low: Real f64, canonical_high: Real f64,
    }
    composite {
        tenant: Int i32, param: Int i32, code: Text &'a str, rid: Long i64, system: Int i32, code2: Text &'a str,
        system2: Int i32, low: Real f64, high: Real f64, low2: Real f64, high2: Real f64,
    }
    position { tenant: Int i32, param: Int i32, rid: Long i64, latitude: Real f64, longitude: Real f64 }
    text { tenant: Int i32, param: Int i32, norm: Text &'a str, rid: Long i64 }
    words { tenant: Int i32, rid: Long i64, words: Owned String }
    contained { tenant: Int i32, kind: Int i32, rid: Long i64, container: Long i64, id: Text &'a str }
}

/// What turns the texts of rows into numbers.
pub(super) struct Known<'k> {
    pub(super) registry: &'k Registry,
    pub(super) targets: &'k HashMap<Key, i64>,
    pub(super) symbols: &'k HashMap<Box<str>, i32>,
}

/// Appends one value to each column of a table.
macro_rules! push {
    ($columns:ident.$table:ident { $($column:ident: $value:expr),* $(,)? }) => {
        $($columns.$table.$column.push($value);)*
    };
}

impl<'a> Columns<'a> {
    /// The rows of a resource and those of the resources that it contains.
    pub(super) fn push_all(&mut self, t: i32, rid: i64, rows: &'a IndexRows, known: &Known<'_>) {
        self.push(t, rid, rid, rows, known);
        for (place, rows) in &rows.inside {
            let number = contained_number(rid, *place);
            self.push(t, number, rid, rows, known);
            for r in &rows.contained {
                let kind = crate::number_of(known.registry, r.ty);
                push!(self.contained { tenant: t, kind: kind, rid: number, container: rid, id: &r.id });
            }
        }
    }

    fn push(&mut self, t: i32, rid: i64, container: i64, rows: &'a IndexRows, known: &Known<'_>) {
        let symbol = |uri: &str| known.symbols.get(uri).copied().unwrap_or(0);
        for r in &rows.inner {
            let target = r.place.map_or(container, |place| contained_number(container, place));
            push!(self.reference { tenant: t, param: r.param, target: target, rid: rid });
        }
        for r in &rows.tokens {
            push!(self.token { tenant: t, param: r.param, code: &r.code, rid: rid, system: symbol(&r.system) });
        }
        for r in &rows.references {
            let target = known.targets.get(&(t, r.ty, r.id.clone())).copied().unwrap_or(-1);
            push!(self.reference { tenant: t, param: r.param, target: target, rid: rid });
        }
        for r in &rows.uris {
            push!(self.uri { tenant: t, param: r.param, uri: &r.uri, rid: rid });
        }
        for r in &rows.strings {
            push!(self.string { tenant: t, param: r.param, rid: rid, norm: &r.norm, exact: &r.exact });
        }
        for r in &rows.dates {
            push!(self.date { tenant: t, param: r.param, rid: rid, low: r.low, high: r.high });
        }
        for r in &rows.numbers {
            push!(self.number { tenant: t, param: r.param, rid: rid, low: r.low.0, high: r.high.0 });
        }
        for r in &rows.quantities {
            push!(self.quantity {
                tenant: t, param: r.param, rid: rid, low: r.low.0, high: r.high.0, system: symbol(&r.system),
                code: &r.code, canonical: symbol(&r.canonical), canonical_low: r.canonical_low.0,
                canonical_high: r.canonical_high.0
            });
        }
        for r in &rows.composites {
            push!(self.composite {
                tenant: t, param: r.param, code: &r.code, rid: rid, system: symbol(&r.system), code2: &r.code2,
                system2: symbol(&r.system2), low: r.low.0, high: r.high.0, low2: r.low2.0, high2: r.high2.0
            });
        }
        for r in &rows.positions {
            push!(self.position { tenant: t, param: r.param, rid: rid, latitude: r.latitude.0, longitude: r.longitude.0 });
        }
        for r in &rows.texts {
            push!(self.text { tenant: t, param: r.param, norm: &r.norm, rid: rid });
        }
        for r in &rows.words {
            push!(self.words { tenant: t, rid: rid, words: words_of(t, r) });
        }
    }
}

macro_rules! insert {
    ($table:literal, $columns:literal, $arrays:literal) => {
        concat!("insert into ", $table, " (", $columns, ") select * from unnest(", $arrays, ")")
    };
}

macro_rules! delete {
    ($table:literal, $columns:literal, $arrays:literal, $same:literal) => {
        concat!("delete from ", $table, " x using unnest(", $arrays, ") d (", $columns, ") where ", $same)
    };
}

pub(super) const ADD: TableSql = TableSql {
    token: insert!(
        "ix_token",
        "tenant, param, code, rid, system",
        "$1::int4[], $2::int4[], $3::text[], $4::int8[], $5::int4[]"
    ),
    reference: insert!(
        "ix_reference",
        "tenant, param, target, rid",
        "$1::int4[], $2::int4[], $3::int8[], $4::int8[]"
    ),
    uri: insert!("ix_uri", "tenant, param, uri, rid", "$1::int4[], $2::int4[], $3::text[], $4::int8[]"),
    string: insert!(
        "ix_string",
        "tenant, param, rid, norm, exact",
        "$1::int4[], $2::int4[], $3::int8[], $4::text[], $5::text[]"
    ),
    date: insert!(
        "ix_date",
        "tenant, param, rid, low, high",
        "$1::int4[], $2::int4[], $3::int8[], $4::int8[], $5::int8[]"
    ),
    number: insert!(
        "ix_number",
        "tenant, param, rid, low, high",
        "$1::int4[], $2::int4[], $3::int8[], $4::float8[], $5::float8[]"
    ),
    quantity: insert!(
        "ix_quantity",
        "tenant, param, rid, low, high, system, code, canonical, canonical_low, canonical_high",
        "$1::int4[], $2::int4[], $3::int8[], $4::float8[], $5::float8[], $6::int4[], $7::text[], $8::int4[], $9::float8[], $10::float8[]"
    ),
    composite: insert!(
        "ix_composite",
        "tenant, param, code, rid, system, code2, system2, low, high, low2, high2",
        "$1::int4[], $2::int4[], $3::text[], $4::int8[], $5::int4[], $6::text[], $7::int4[], $8::float8[], $9::float8[], $10::float8[], $11::float8[]"
    ),
    position: insert!(
        "ix_position",
        "tenant, param, rid, latitude, longitude",
        "$1::int4[], $2::int4[], $3::int8[], $4::float8[], $5::float8[]"
    ),
    text: insert!("ix_text", "tenant, param, norm, rid", "$1::int4[], $2::int4[], $3::text[], $4::int8[]"),
    words: "insert into ix_words (tenant, rid, words) select n.tenant, n.rid, n.words::tsvector \
            from unnest($1::int4[], $2::int8[], $3::text[]) n (tenant, rid, words) \
            on conflict (rid) do update set words = excluded.words",
    // Another may take its place in one set of writes, whose statements come in any order.
    contained: "insert into contained (tenant, type, rid, container, id) \
                select * from unnest($1::int4[], $2::int4[], $3::int8[], $4::int8[], $5::text[]) \
                on conflict (rid) do update set type = excluded.type, id = excluded.id",
};

pub(super) const REMOVE: TableSql = TableSql {
    token: delete!(
        "ix_token",
        "tenant, param, code, rid, system",
        "$1::int4[], $2::int4[], $3::text[], $4::int8[], $5::int4[]",
        "x.tenant = d.tenant and x.param = d.param and x.code = d.code and x.rid = d.rid and x.system = d.system"
    ),
    reference: delete!(
        "ix_reference",
        "tenant, param, target, rid",
        "$1::int4[], $2::int4[], $3::int8[], $4::int8[]",
        "x.tenant = d.tenant and x.param = d.param and x.target = d.target and x.rid = d.rid"
    ),
    uri: delete!(
        "ix_uri",
        "tenant, param, uri, rid",
        "$1::int4[], $2::int4[], $3::text[], $4::int8[]",
        "x.tenant = d.tenant and x.param = d.param and x.uri = d.uri and x.rid = d.rid"
    ),
    string: delete!(
        "ix_string",
        "tenant, param, rid, norm, exact",
        "$1::int4[], $2::int4[], $3::int8[], $4::text[], $5::text[]",
        "x.tenant = d.tenant and x.param = d.param and x.rid = d.rid and x.norm = d.norm and x.exact = d.exact"
    ),
    date: delete!(
        "ix_date",
        "tenant, param, rid, low, high",
        "$1::int4[], $2::int4[], $3::int8[], $4::int8[], $5::int8[]",
        "x.tenant = d.tenant and x.param = d.param and x.rid = d.rid and x.low = d.low and x.high = d.high"
    ),
    number: delete!(
        "ix_number",
        "tenant, param, rid, low, high",
        "$1::int4[], $2::int4[], $3::int8[], $4::float8[], $5::float8[]",
        "x.tenant = d.tenant and x.param = d.param and x.rid = d.rid and x.low = d.low and x.high = d.high"
    ),
    quantity: delete!(
        "ix_quantity",
        "tenant, param, rid, low, high, system, code, canonical, canonical_low, canonical_high",
        "$1::int4[], $2::int4[], $3::int8[], $4::float8[], $5::float8[], $6::int4[], $7::text[], $8::int4[], $9::float8[], $10::float8[]",
        "x.tenant = d.tenant and x.param = d.param and x.rid = d.rid and x.low = d.low and x.high = d.high and x.system = d.system \
         and x.code = d.code and x.canonical = d.canonical and x.canonical_low = d.canonical_low and x.canonical_high = d.canonical_high"
    ),
    composite: delete!(
        "ix_composite",
        "tenant, param, code, rid, system, code2, system2, low, high, low2, high2",
        "$1::int4[], $2::int4[], $3::text[], $4::int8[], $5::int4[], $6::text[], $7::int4[], $8::float8[], $9::float8[], $10::float8[], $11::float8[]",
        "x.tenant = d.tenant and x.param = d.param and x.code = d.code and x.rid = d.rid and x.system = d.system \
         and x.code2 = d.code2 and x.system2 = d.system2 and x.low = d.low and x.high = d.high and x.low2 = d.low2 and x.high2 = d.high2"
    ),
    position: delete!(
        "ix_position",
        "tenant, param, rid, latitude, longitude",
        "$1::int4[], $2::int4[], $3::int8[], $4::float8[], $5::float8[]",
        "x.tenant = d.tenant and x.param = d.param and x.rid = d.rid and x.latitude = d.latitude and x.longitude = d.longitude"
    ),
    text: delete!(
        "ix_text",
        "tenant, param, norm, rid",
        "$1::int4[], $2::int4[], $3::text[], $4::int8[]",
        "x.tenant = d.tenant and x.param = d.param and x.norm = d.norm and x.rid = d.rid"
    ),
    words: delete!("ix_words", "tenant, rid, words", "$1::int4[], $2::int8[], $3::text[]", "x.rid = d.rid"),
    contained: delete!(
        "contained",
        "tenant, type, rid, container, id",
        "$1::int4[], $2::int4[], $3::int8[], $4::int8[], $5::text[]",
        "x.rid = d.rid and x.type = d.type and x.id = d.id"
    ),
};
