//! A database in memory with the schema of the store.

use crate::*;
use remit_fhir::json;
use remit_spec::{Definitions, TypeId};
use rusqlite::{Connection, functions::FunctionFlags, types::Value};
use std::collections::HashMap;

pub(super) const BASE: &str = "http://localhost/fhir";
pub(super) const NOW: i64 = 1_750_000_000_000_000;
const TENANT: i32 = 7;

pub(super) struct Stored {
    pub(super) rid: i64,
    pub(super) ty: TypeId,
    pub(super) id: String,
    pub(super) updated: i64,
    pub(super) rows: IndexRows,
}

pub(super) struct Database {
    conn: Connection,
    pub(super) registry: Registry,
    symbols: HashMap<String, i64>,
    rids: HashMap<(TypeId, String), i64>,
    pub(super) all: Vec<Stored>,
}

pub(crate) fn registry() -> Registry {
    Registry::in_order().unwrap()
}

pub(super) fn ty(name: &str) -> TypeId {
    Definitions::r4().resource_named(name).unwrap()
}

impl Database {
    pub(super) fn new() -> Database {
        let conn = Connection::open_in_memory().unwrap();
        for sql in [
            include_str!("../../../migrations/sqlite/0001_store.sql"),
            include_str!("../../../migrations/sqlite/0002_parameters.sql"),
            include_str!("../../../migrations/sqlite/0004_contained.sql"),
        ] {
            conn.execute_batch(sql).unwrap();
        }
        // SQLite has these only when it is built with them; the store adds them in the same way.
        type Real = fn(f64) -> f64;
        let functions: [(&str, Real); 3] =
            [("sin", f64::sin), ("cos", f64::cos), ("radians", f64::to_radians)];
        for (name, function) in functions {
            let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
            conn.create_scalar_function(name, 1, flags, move |cx| Ok(function(cx.get(0)?))).unwrap();
        }
        let registry = registry();
        for ty in Definitions::r4().resource_types() {
            let name = Definitions::r4().name(ty);
            let row = (registry.type_number(ty), name);
            conn.execute("insert into resource_type (id, name) values (?, ?)", row).unwrap();
        }
        let symbols = HashMap::from([(String::new(), 0)]);
        Database { conn, registry, symbols, rids: HashMap::new(), all: Vec::new() }
    }

    /// Stores resources; one with an id that is there already is left out.
    pub(super) fn load(&mut self, texts: impl IntoIterator<Item = String>) {
        self.conn.execute_batch("begin").unwrap();
        for text in texts {
            self.store(&text);
        }
        self.conn.execute_batch("commit").unwrap();
    }

    fn store(&mut self, text: &str) {
        let document = json::parse(text.as_bytes().to_vec()).unwrap();
        let root = document.root();
        let Some(ty) = root.resource_type().and_then(|name| Definitions::r4().resource_named(&name)) else {
            return;
        };
        let id = root.get_str("id").unwrap().into_owned();
        let rid = self.rid(ty, &id);
        if self.all.iter().any(|s| s.rid == rid) {
            return;
        }
        // Several resources share a time, so that sorting has ties to break.
        let updated = NOW - rid % 50 * 1_000_000;
        let rows = extract(root, ty, &self.registry, BASE).unwrap();
        let sql =
            "update resource set version = 1, updated_us = ?, deleted = 0, body = jsonb(?) where rid = ?";
        self.conn.prepare_cached(sql).unwrap().execute((updated, text, rid)).unwrap();
        self.write(rid, rid, &rows);
        for (place, inside) in &rows.inside {
            let number = contained_number(rid, *place);
            self.write(number, rid, inside);
            for r in &inside.contained {
                let kind = self.registry.type_number(r.ty).unwrap();
                let sql = "insert into contained values (?, ?, ?, ?, ?)";
                self.conn.execute(sql, rusqlite::params![number, rid, TENANT, kind, &*r.id]).unwrap();
            }
        }
        self.all.push(Stored { rid, ty, id, updated, rows });
    }

    fn rid(&mut self, ty: TypeId, id: &str) -> i64 {
        if let Some(rid) = self.rids.get(&(ty, id.to_owned())) {
            return *rid;
        }
        let rid = self.rids.len() as i64 + 1;
        let number = self.registry.type_number(ty).unwrap();
        let sql = "insert into resource values (?, ?, ?, ?, 0, 0, 1, null)";
        self.conn.prepare_cached(sql).unwrap().execute((rid, TENANT, number, id)).unwrap();
        self.rids.insert((ty, id.to_owned()), rid);
        rid
    }

    fn symbol(&mut self, uri: &str) -> i64 {
        let next = self.symbols.len() as i64;
        *self.symbols.entry(uri.to_owned()).or_insert(next)
    }

    fn write(&mut self, rid: i64, container: i64, rows: &IndexRows) {
        let t = i64::from(TENANT);
        let int = Value::Integer;
        let text = |t: &str| Value::Text(t.to_owned());
        let mut out: Vec<(&str, Vec<Value>)> = Vec::new();
        for r in &rows.tokens {
            let s = self.symbol(&r.system);
            out.push(("ix_token", vec![int(t), int(r.param.into()), text(&r.code), int(rid), int(s)]));
        }
        for r in &rows.references {
            let target = self.rid(r.ty, &r.id);
            out.push(("ix_reference", vec![int(t), int(r.param.into()), int(target), int(rid)]));
        }
        for r in &rows.inner {
            let target = r.place.map_or(container, |place| contained_number(container, place));
            out.push(("ix_reference", vec![int(t), int(r.param.into()), int(target), int(rid)]));
        }
        for r in &rows.uris {
            out.push(("ix_uri", vec![int(t), int(r.param.into()), text(&r.uri), int(rid)]));
        }
        for r in &rows.strings {
            out.push((
                "ix_string",
                vec![int(t), int(r.param.into()), int(rid), text(&r.norm), text(&r.exact)],
            ));
        }
        for r in &rows.dates {
            out.push(("ix_date", vec![int(t), int(r.param.into()), int(rid), int(r.low), int(r.high)]));
        }
        let real = |r: Real| Value::Real(r.0);
        for r in &rows.numbers {
            out.push(("ix_number", vec![int(t), int(r.param.into()), int(rid), real(r.low), real(r.high)]));
        }
        for r in &rows.quantities {
            let (s, c) = (self.symbol(&r.system), self.symbol(&r.canonical));
            let mut row =
                vec![int(t), int(r.param.into()), int(rid), real(r.low), real(r.high), int(s), text(&r.code)];
            row.extend([int(c), real(r.canonical_low), real(r.canonical_high)]);
            out.push(("ix_quantity", row));
        }
        for r in &rows.composites {
            let (s, s2) = (self.symbol(&r.system), self.symbol(&r.system2));
            let mut row =
                vec![int(t), int(r.param.into()), text(&r.code), int(rid), int(s), text(&r.code2), int(s2)];
            row.extend([real(r.low), real(r.high), real(r.low2), real(r.high2)]);
            out.push(("ix_composite", row));
        }
        for r in &rows.positions {
            let row = vec![int(t), int(r.param.into()), int(rid), real(r.latitude), real(r.longitude)];
            out.push(("ix_position", row));
        }
        for r in &rows.texts {
            out.push(("ix_text", vec![int(t), int(r.param.into()), text(&r.norm), int(rid)]));
        }
        for (table, values) in out {
            let marks = vec!["?"; values.len()].join(", ");
            let sql = format!("insert into {table} values ({marks})");
            self.conn.prepare_cached(&sql).unwrap().execute(rusqlite::params_from_iter(values)).unwrap();
        }
    }

    pub(super) fn context(&self) -> Context<'_> {
        let limits = Limits::default();
        Context { registry: &self.registry, base: BASE, now: NOW, handling: Handling::Strict, limits }
    }

    /// Reads `a=b&c=d`; no percent encoding.
    pub(super) fn parse(&self, kind: &str, url: &str) -> remit_fhir::Result<Parsed> {
        let types: Vec<TypeId> = if kind.is_empty() { Vec::new() } else { vec![ty(kind)] };
        let pairs = url.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")));
        let pairs: Vec<_> = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let mut parsed = parse(&types, &pairs, &self.context())?;
        super::sets::fill(&mut parsed.query);
        Ok(parsed)
    }

    pub(super) fn rows(&self, statement: &Statement) -> Vec<Vec<Value>> {
        let mut prepared =
            self.conn.prepare_cached(&statement.sql).unwrap_or_else(|e| panic!("{e}: {}", statement.sql));
        let args: Vec<Value> = statement.args.iter().map(|arg| self.bind(arg)).collect();
        let columns = prepared.column_count();
        let rows = prepared.query_map(rusqlite::params_from_iter(args), |row| {
            (0..columns).map(|n| row.get::<_, Value>(n)).collect::<Result<Vec<_>, _>>()
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn bind(&self, arg: &Arg) -> Value {
        match arg {
            Arg::Int(i) => Value::Integer(*i),
            Arg::Float(f) => Value::Real(*f),
            Arg::Text(t) => Value::Text(t.clone()),
            Arg::List(texts) => Value::Text(format!("{texts:?}")),
            Arg::System(s) => Value::Integer(self.symbols.get(s).copied().unwrap_or(-1)),
            Arg::Target(ty, id) => Value::Integer(self.rids.get(&(*ty, id.clone())).copied().unwrap_or(-1)),
        }
    }

    pub(super) fn densities(&self, query: &Query, plan: &AccessPlan) -> Densities {
        let Some(probe) = probes(query, plan, &self.registry, Dialect::Sqlite) else {
            return Densities::default();
        };
        let rows = self.rows(&probe.statement);
        let counts: Vec<i64> = rows[0].iter().map(integer).collect();
        probe.densities(&counts)
    }

    /// All matches, page by page of this size, each by its link.
    pub(super) fn pages(
        &self,
        kind: &str,
        url: &str,
        count: usize,
        plan: &AccessPlan,
        probed: bool,
    ) -> Vec<i64> {
        let mut all = Vec::new();
        let mut link = format!("{url}&_count={count}");
        loop {
            let query = self.parse(kind, &link).unwrap_or_else(|e| panic!("{kind}?{link}: {e}")).query;
            let densities = if probed { self.densities(&query, plan) } else { Densities::default() };
            let mut rows = self.rows(&page(&query, plan, &self.registry, Dialect::Sqlite, &densities));
            let more = rows.len() > count;
            rows.truncate(count);
            all.extend(rows.iter().map(|row| integer(&row[0])));
            let Some(last) = rows.last().filter(|_| more) else { return all };
            let mut keys: Vec<Key> = last[6..].iter().map(key).collect();
            keys.push(key(&last[0]));
            link = format!("{url}&_count={count}&{CURSOR_PARAMETER}={}", cursor(&query, &keys, Side::After));
        }
    }

    /// All matches before the last one, by the links to previous pages.
    pub(super) fn pages_back(
        &self,
        kind: &str,
        url: &str,
        count: usize,
        plan: &AccessPlan,
        probed: bool,
    ) -> Vec<i64> {
        let all = self.parse(kind, &format!("{url}&_count=1000")).unwrap().query;
        let rows = self.rows(&page(&all, plan, &self.registry, Dialect::Sqlite, &Densities::default()));
        let Some(mut last) = rows.into_iter().next_back() else { return Vec::new() };
        let mut found = Vec::new();
        loop {
            let mut keys: Vec<Key> = last[6..].iter().map(key).collect();
            keys.push(key(&last[0]));
            let cursor = cursor(&all, &keys, Side::Before);
            let link = format!("{url}&_count={count}&{CURSOR_PARAMETER}={cursor}");
            let query = self.parse(kind, &link).unwrap_or_else(|e| panic!("{kind}?{link}: {e}")).query;
            let densities = if probed { self.densities(&query, plan) } else { Densities::default() };
            let mut rows = self.rows(&page(&query, plan, &self.registry, Dialect::Sqlite, &densities));
            let more = rows.len() > count;
            rows.truncate(count);
            // Nearest first: the page is read from its end.
            found.extend(rows.iter().map(|row| integer(&row[0])));
            match rows.into_iter().next_back().filter(|_| more) {
                Some(first) => last = first,
                None => break,
            }
        }
        found.reverse();
        found
    }

    pub(super) fn total(&self, query: &Query, plan: &AccessPlan) -> i64 {
        let densities = self.densities(query, plan);
        integer(&self.rows(&count(query, plan, &self.registry, Dialect::Sqlite, &densities))[0][0])
    }

    pub(super) fn plan(&self) -> AccessPlan {
        AccessPlan::open(TENANT)
    }

    /// The matches by comparing in memory, newest first.
    pub(super) fn expected(&self, query: &Query) -> Vec<i64> {
        let matching = self.all.iter().filter(|s| matches(query, s.ty, &s.id, s.updated, &s.rows));
        let mut rids: Vec<i64> = matching.map(|s| s.rid).collect();
        rids.sort_unstable_by(|a, b| b.cmp(a));
        rids
    }

    pub(super) fn explain(&self, statement: &Statement) -> String {
        let explained =
            Statement { sql: format!("explain query plan {}", statement.sql), args: statement.args.clone() };
        let rows = self.rows(&explained).into_iter();
        rows.map(|row| format!("{:?}\n", row[3])).collect()
    }
}

pub(super) fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(i) => *i,
        other => panic!("{other:?} is no integer"),
    }
}

fn key(value: &Value) -> Key {
    match value {
        Value::Null => Key::Null,
        Value::Integer(i) => Key::Int(*i),
        Value::Real(f) => Key::Float(*f),
        Value::Text(t) => Key::Text(t.clone()),
        Value::Blob(_) => panic!("a key is no blob"),
    }
}
