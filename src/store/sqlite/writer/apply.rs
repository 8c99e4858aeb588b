//! Applying one set of writes inside the running transaction.

use super::{GuardQuery, Outcome, Writer};
use crate::search::id_of;
use crate::side::Side;
use crate::sqlite::error::from_sqlite;
use crate::value::Value;
use crate::{Action, Expect, Write, WriteSet, Written};
use bytes::Bytes;
use remit_fhir::{Result, date};
use remit_search::{Arg, IndexRows, contained_number, words_of};
use remit_spec::TypeId;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// Memory that is used again by every set.
#[derive(Default)]
pub(super) struct Scratch {
    rids: HashMap<(TypeId, Box<str>), i64>,
    /// Of each tenant that the transaction has met, how often its search parameters have changed.
    pub(super) epochs: HashMap<i32, i64>,
}

type Sql<T> = rusqlite::Result<T>;

impl Writer {
    pub(super) fn write(
        &mut self,
        tenant: i32,
        set: &mut WriteSet,
        guards: &[GuardQuery],
        side: &Side,
        now_us: i64,
    ) -> Result<Outcome> {
        self.try_write(tenant, set, guards, side, now_us).map_err(from_sqlite)
    }

    fn try_write(
        &mut self,
        tenant: i32,
        set: &mut WriteSet,
        guards: &[GuardQuery],
        side: &Side,
        now_us: i64,
    ) -> Sql<Outcome> {
        if self.epoch(tenant)? != side.epoch {
            return Ok(Outcome::Stale);
        }
        for guard in guards {
            if !self.holds(tenant, guard)? {
                return Ok(Outcome::Stale);
            }
        }
        self.scratch.rids.clear();
        let mut rids = Vec::with_capacity(set.writes.len());
        for write in &set.writes {
            let found = self.find(tenant, write.ty, &write.id)?;
            if found.map_or(0, |(_, version)| version) != write.follows {
                return Ok(Outcome::Stale);
            }
            rids.push(found.map(|(rid, _)| rid));
        }
        let Some(fills) = self.fillable(tenant, &side.fills)? else { return Ok(Outcome::Stale) };
        if !self.steps(side)? {
            return Ok(Outcome::Stale);
        }
        for (write, rid) in set.writes.iter_mut().zip(&mut rids) {
            let known = self.put(tenant, write, *rid, now_us)?;
            *rid = Some(known);
            self.scratch.rids.insert((write.ty, write.id.as_str().into()), known);
        }
        self.index(tenant, &set.writes, &rids)?;
        self.index(tenant, &side.fills, &fills)?;
        let written = set.writes.iter_mut().map(|write| Written {
            version: write.follows + 1,
            updated_us: now_us,
            body: write.body.take().map(|body| Bytes::from(body.text)),
        });
        Ok(Outcome::Written(written.collect()))
    }

    /// How often the search parameters of a tenant have changed.
    fn epoch(&mut self, tenant: i32) -> Sql<i64> {
        if let Some(epoch) = self.scratch.epochs.get(&tenant) {
            return Ok(*epoch);
        }
        let mut statement = self.connection.prepare_cached("select parameters from tenant where id = ?1")?;
        let epoch = statement.query_row([tenant], |row| row.get(0)).optional()?.unwrap_or(0);
        drop(statement);
        self.scratch.epochs.insert(tenant, epoch);
        Ok(epoch)
    }

    /// The rids of resources to fill in; `None` when one has moved on.
    fn fillable(&self, tenant: i32, fills: &[Write]) -> Sql<Option<Vec<Option<i64>>>> {
        let mut rids = Vec::with_capacity(fills.len());
        for fill in fills {
            match self.find(tenant, fill.ty, &fill.id)? {
                Some((rid, version)) if version == fill.follows => rids.push(Some(rid)),
                _ => return Ok(None),
            }
        }
        Ok(Some(rids))
    }

    /// Runs what goes beside the writes; `false` when a step that must hold does not.
    fn steps(&mut self, side: &Side) -> Sql<bool> {
        for step in &side.steps {
            let rows = crate::sqlite::rows(&self.connection, step.sql, &step.args)?;
            if step.must_hold && rows.is_empty() {
                return Ok(false);
            }
        }
        if side.changes_parameters {
            self.scratch.epochs.clear();
        }
        Ok(true)
    }

    /// Whether a guard still finds what it found when the write was prepared.
    fn holds(&mut self, tenant: i32, guard: &GuardQuery) -> Sql<bool> {
        let mut args = Vec::with_capacity(guard.statement.args.len());
        for arg in &guard.statement.args {
            args.push(match arg {
                Arg::Int(n) => Value::Int(*n),
                Arg::Float(n) => Value::Real(*n),
                Arg::Text(text) => Value::Text(text.clone()),
                Arg::List(texts) => Value::List(texts.clone()),
                Arg::System(uri) => Value::Int(self.known_symbol(uri)?.map_or(-1, i64::from)),
                Arg::Target(ty, id) => Value::Int(self.find(tenant, *ty, id)?.map_or(-1, |(rid, _)| rid)),
            });
        }
        let rows = crate::sqlite::rows(&self.connection, &guard.statement.sql, &args)?;
        let ids: Vec<String> = rows.into_iter().filter_map(|row| id_of(row).ok()).collect();
        Ok(match &guard.expect {
            Expect::Nothing => ids.is_empty(),
            Expect::Only(id) => ids.len() == 1 && ids[0] == *id,
        })
    }

    fn find(&self, tenant: i32, ty: TypeId, id: &str) -> Sql<Option<(i64, i64)>> {
        let sql = "select rid, version from resource where tenant = ?1 and type = ?2 and id = ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let number = crate::number_of(&self.registry, ty);
        statement.query_row(params![tenant, number, id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
    }

    /// Writes the resource, what it was before into history, and the change log.
    fn put(&self, tenant: i32, write: &mut Write, rid: Option<i64>, now_us: i64) -> Sql<i64> {
        let connection = &self.connection;
        let number = crate::number_of(&self.registry, write.ty);
        let (version, deleted) = (write.follows + 1, i64::from(write.action == Action::Delete));
        let text = match &mut write.body {
            Some(body) => {
                let stamp = date::instant(now_us);
                if let Some(place) = body.text.get_mut(body.stamp_at..body.stamp_at + stamp.len()) {
                    place.copy_from_slice(stamp.as_bytes());
                }
                // The text came from a parsed document.
                std::str::from_utf8(&body.text).ok()
            }
            None => None,
        };
        let rid = match rid {
            Some(rid) => {
                if write.follows > 0 {
                    let keep = "insert into history (rid, version, tenant, updated_us, deleted, body) \
                                select rid, version, tenant, updated_us, deleted, body from resource where rid = ?1";
                    connection.prepare_cached(keep)?.execute([rid])?;
                }
                let sql = "update resource set version = ?2, updated_us = ?3, deleted = ?4, body = jsonb(?5) where rid = ?1";
                connection.prepare_cached(sql)?.execute(params![rid, version, now_us, deleted, text])?;
                rid
            }
            None => {
                let sql = "insert into resource (tenant, type, id, version, updated_us, deleted, body) \
                           values (?1, ?2, ?3, ?4, ?5, ?6, jsonb(?7))";
                let args = params![tenant, number, write.id, version, now_us, deleted, text];
                connection.prepare_cached(sql)?.insert(args)?
            }
        };
        let sql =
            "insert into change (tenant, type, rid, version, action, at_us) values (?1, ?2, ?3, ?4, ?5, ?6)";
        let args = params![tenant, number, rid, version, write.action.number(), now_us];
        connection.prepare_cached(sql)?.execute(args)?;
        Ok(rid)
    }

    /// The rid of a reference's target. A target that was never stored gets a place to point at.
    fn target(&mut self, tenant: i32, ty: TypeId, id: &str) -> Sql<i64> {
        let key = (ty, Box::from(id));
        if let Some(rid) = self.scratch.rids.get(&key) {
            return Ok(*rid);
        }
        let rid = match self.find(tenant, ty, id)? {
            Some((rid, _)) => rid,
            None => {
                let sql = "insert into resource (tenant, type, id, version, updated_us, deleted) values (?1, ?2, ?3, 0, 0, 1)";
                self.connection.prepare_cached(sql)?.insert(params![
                    tenant,
                    crate::number_of(&self.registry, ty),
                    id
                ])?
            }
        };
        self.scratch.rids.insert(key, rid);
        Ok(rid)
    }

    fn known_symbol(&self, uri: &str) -> Sql<Option<i32>> {
        if let Some(number) = self.symbols.get(uri) {
            return Ok(Some(number));
        }
        if let Some((_, number)) = self.fresh.iter().find(|(known, _)| **known == *uri) {
            return Ok(Some(*number));
        }
        let mut statement = self.connection.prepare_cached("select id from symbol where uri = ?1")?;
        statement.query_row([uri], |row| row.get(0)).optional()
    }

    /// The number of a uri, made when it is new.
    fn symbol(&mut self, uri: &str) -> Sql<i32> {
        if let Some(number) = self.symbols.get(uri) {
            return Ok(number);
        }
        let number = match self.known_symbol(uri)? {
            Some(number) => number,
            None => {
                self.connection.prepare_cached("insert into symbol (uri) values (?1)")?.insert([uri])? as i32
            }
        };
        self.fresh.push((uri.into(), number));
        Ok(number)
    }

    fn index(&mut self, tenant: i32, writes: &[Write], rids: &[Option<i64>]) -> Sql<()> {
        let each = || writes.iter().zip(rids).filter_map(|(write, rid)| Some((write, (*rid)?)));
        for (write, rid) in each() {
            self.change_all(tenant, rid, &write.remove, &REMOVE)?;
        }
        for (write, rid) in each() {
            self.change_all(tenant, rid, &write.add, &ADD)?;
        }
        Ok(())
    }

    /// Changes the rows of a resource and those of the resources that it contains.
    fn change_all(&mut self, tenant: i32, rid: i64, rows: &IndexRows, sql: &TableSql) -> Sql<()> {
        self.change_index(tenant, rid, rid, rows, sql)?;
        for (place, rows) in &rows.inside {
            let number = contained_number(rid, *place);
            self.change_index(tenant, number, rid, rows, sql)?;
            for r in &rows.contained {
                let kind = crate::number_of(&self.registry, r.ty);
                run(&self.connection, sql.contained, params![number, rid, tenant, kind, &*r.id])?;
            }
        }
        Ok(())
    }

    fn change_index(
        &mut self,
        t: i32,
        rid: i64,
        container: i64,
        rows: &IndexRows,
        sql: &TableSql,
    ) -> Sql<()> {
        for r in &rows.inner {
            let target = r.place.map_or(container, |place| contained_number(container, place));
            run(&self.connection, sql.reference, params![t, r.param, target, rid])?;
        }
        for r in &rows.tokens {
            let system = self.symbol(&r.system)?;
            run(&self.connection, sql.token, params![t, r.param, &*r.code, rid, system])?;
        }
        for r in &rows.references {
            let target = self.target(t, r.ty, &r.id)?;
            run(&self.connection, sql.reference, params![t, r.param, target, rid])?;
        }
        for r in &rows.uris {
            run(&self.connection, sql.uri, params![t, r.param, &*r.uri, rid])?;
        }
        for r in &rows.strings {
            run(&self.connection, sql.string, params![t, r.param, rid, &*r.norm, &*r.exact])?;
        }
        for r in &rows.dates {
            run(&self.connection, sql.date, params![t, r.param, rid, r.low, r.high])?;
        }
        for r in &rows.numbers {
            run(&self.connection, sql.number, params![t, r.param, rid, r.low.0, r.high.0])?;
        }
        for r in &rows.quantities {
            let (system, canonical) = (self.symbol(&r.system)?, self.symbol(&r.canonical)?);
            let key = params![
                t,
                r.param,
                rid,
                r.low.0,
                r.high.0,
                system,
                &*r.code,
                canonical,
                r.canonical_low.0,
                r.canonical_high.0
            ];
            run(&self.connection, sql.quantity, key)?;
        }
        for r in &rows.composites {
            let (system, system2) = (self.symbol(&r.system)?, self.symbol(&r.system2)?);
            let key = params![
                t, r.param, &*r.code, rid, system, &*r.code2, system2, r.low.0, r.high.0, r.low2.0, r.high2.0
            ];
            run(&self.connection, sql.composite, key)?;
        }
        for r in &rows.positions {
            run(&self.connection, sql.position, params![t, r.param, rid, r.latitude.0, r.longitude.0])?;
        }
        for r in &rows.texts {
            run(&self.connection, sql.text, params![t, r.param, &*r.norm, rid])?;
        }
        for r in &rows.words {
            run(&self.connection, sql.words, params![rid, words_of(t, r)])?;
        }
        Ok(())
    }
}

fn run(connection: &Connection, sql: &str, args: &[&dyn rusqlite::ToSql]) -> Sql<()> {
    connection.prepare_cached(sql)?.execute(args).map(drop)
}

/// One statement per index table, all with the same arguments for adding and removing.
struct TableSql {
    token: &'static str,
    reference: &'static str,
    uri: &'static str,
    string: &'static str,
    date: &'static str,
    number: &'static str,
    quantity: &'static str,
    composite: &'static str,
    position: &'static str,
    text: &'static str,
    words: &'static str,
    contained: &'static str,
}

// `or ignore`: two quantities that differ only in a canonical value that rounds alike are one row.
const ADD: TableSql = TableSql {
    token: "insert or ignore into ix_token (tenant, param, code, rid, system) values (?1, ?2, ?3, ?4, ?5)",
    reference: "insert or ignore into ix_reference (tenant, param, target, rid) values (?1, ?2, ?3, ?4)",
    uri: "insert or ignore into ix_uri (tenant, param, uri, rid) values (?1, ?2, ?3, ?4)",
    string: "insert or ignore into ix_string (tenant, param, rid, norm, exact) values (?1, ?2, ?3, ?4, ?5)",
    date: "insert or ignore into ix_date (tenant, param, rid, low, high) values (?1, ?2, ?3, ?4, ?5)",
    number: "insert or ignore into ix_number (tenant, param, rid, low, high) values (?1, ?2, ?3, ?4, ?5)",
    quantity: "insert or ignore into ix_quantity \
               (tenant, param, rid, low, high, system, code, canonical, canonical_low, canonical_high) \
               values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    composite: "insert or ignore into ix_composite \
                (tenant, param, code, rid, system, code2, system2, low, high, low2, high2) \
                values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    position: "insert or ignore into ix_position (tenant, param, rid, latitude, longitude) values (?1, ?2, ?3, ?4, ?5)",
    text: "insert or ignore into ix_text (tenant, param, norm, rid) values (?1, ?2, ?3, ?4)",
    words: "insert or replace into ix_words (rowid, words) values (?1, ?2)",
    contained: "insert or replace into contained (rid, container, tenant, type, id) values (?1, ?2, ?3, ?4, ?5)",
};

const REMOVE: TableSql = TableSql {
    token: "delete from ix_token where tenant = ?1 and param = ?2 and code = ?3 and rid = ?4 and system = ?5",
    reference: "delete from ix_reference where tenant = ?1 and param = ?2 and target = ?3 and rid = ?4",
    uri: "delete from ix_uri where tenant = ?1 and param = ?2 and uri = ?3 and rid = ?4",
    string: "delete from ix_string where tenant = ?1 and param = ?2 and rid = ?3 and norm = ?4 and exact = ?5",
    date: "delete from ix_date where tenant = ?1 and param = ?2 and rid = ?3 and low = ?4 and high = ?5",
    number: "delete from ix_number where tenant = ?1 and param = ?2 and rid = ?3 and low = ?4 and high = ?5",
    quantity: "delete from ix_quantity where tenant = ?1 and param = ?2 and rid = ?3 and low = ?4 and high = ?5 \
               and system = ?6 and code = ?7 and canonical = ?8 and canonical_low = ?9 and canonical_high = ?10",
    composite: "delete from ix_composite where tenant = ?1 and param = ?2 and code = ?3 and rid = ?4 and system = ?5 \
                and code2 = ?6 and system2 = ?7 and low = ?8 and high = ?9 and low2 = ?10 and high2 = ?11",
    position: "delete from ix_position where tenant = ?1 and param = ?2 and rid = ?3 and latitude = ?4 and longitude = ?5",
    text: "delete from ix_text where tenant = ?1 and param = ?2 and norm = ?3 and rid = ?4",
    // The second argument stands for the words, which the table cannot be asked for.
    words: "delete from ix_words where rowid = ?1 and ?2 is not null",
    contained: "delete from contained where rid = ?1 and container = ?2 and tenant = ?3 and type = ?4 and id = ?5",
};
