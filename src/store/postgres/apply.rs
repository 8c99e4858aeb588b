//! Applying many writes inside one transaction: a dozen statements, whatever the number of writes.

mod beside;
mod index;

use super::rows;
use super::writer::Shared;
use crate::sqlite::GuardQuery;
use crate::symbols::Key;
use crate::value::Value;
use crate::{Action, Expect, Write};
use deadpool_postgres::Object;
use futures_util::future::{BoxFuture, try_join_all};
use index::{Columns, Known};
use remit_fhir::date;
use remit_search::Arg;
use std::collections::HashMap;
use tokio_postgres::Error;
use tokio_postgres::types::ToSql;

pub(super) enum Applied {
    Done,
    Stale,
}

/// A statement under way.
type Running<'a> = BoxFuture<'a, Result<(), Error>>;

type Args<'a> = [&'a (dyn ToSql + Sync)];

async fn execute(client: &Object, sql: &str, args: &Args<'_>) -> Result<u64, Error> {
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, args).await
}

async fn query(client: &Object, sql: &str, args: &Args<'_>) -> Result<Vec<tokio_postgres::Row>, Error> {
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, args).await
}

impl Shared {
    /// Asks the guards under the locks of their types; `false` when one no longer holds.
    pub(super) async fn hold(&self, client: &Object, guards: &[(i32, &GuardQuery)]) -> Result<bool, Error> {
        let mut locks: Vec<(i32, i32)> = guards
            .iter()
            .map(|(tenant, guard)| (*tenant, crate::number_of(&self.registry, guard.ty)))
            .collect();
        // One order for all keeps two transactions from waiting for each other.
        locks.sort_unstable();
        locks.dedup();
        for (tenant, number) in &locks {
            execute(client, "select pg_advisory_xact_lock($1, $2)", &[tenant, number]).await?;
        }
        for (tenant, guard) in guards {
            if !self.holds(client, *tenant, guard).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn holds(&self, client: &Object, tenant: i32, guard: &GuardQuery) -> Result<bool, Error> {
        let mut args = Vec::with_capacity(guard.statement.args.len());
        for arg in &guard.statement.args {
            args.push(match arg {
                Arg::Int(n) => Value::Int(*n),
                Arg::Float(n) => Value::Real(*n),
                Arg::Text(text) => Value::Text(text.clone()),
                Arg::List(texts) => Value::List(texts.clone()),
                Arg::System(uri) => match self.symbols.get(uri) {
                    Some(number) => Value::from(number),
                    None => {
                        let found = query(client, "select id from symbol where uri = $1", &[uri]).await?;
                        Value::from(found.first().map_or(-1, |row| row.get::<_, i32>(0)))
                    }
                },
                Arg::Target(ty, id) => {
                    let sql = "select rid from resource where tenant = $1 and type = $2 and id = $3";
                    let found =
                        query(client, sql, &[&tenant, &crate::number_of(&self.registry, *ty), id]).await?;
                    Value::Int(found.first().map_or(-1, |row| row.get(0)))
                }
            });
        }
        let found = rows::query_raw(client, &guard.statement.sql, &args).await?;
        Ok(match &guard.expect {
            Expect::Nothing => found.is_empty(),
            // The third column of a page statement is the logical id.
            Expect::Only(id) => found.len() == 1 && found[0].get::<_, String>(2) == *id,
        })
    }

    /// Row numbers for new resources, from the block of this node.
    async fn number_rows(&self, client: &Object, count: usize) -> Result<Vec<i64>, Error> {
        /// The step of the sequence, see the migration.
        const BLOCK: i64 = 1000;
        let mut block = self.block.lock().await;
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            match block.next() {
                Some(number) => numbers.push(number),
                None => {
                    let first: i64 = query(client, "select nextval('rid')", &[]).await?[0].get(0);
                    *block = first..first + BLOCK;
                }
            }
        }
        Ok(numbers)
    }

    /// Row number and version of each resource that is there.
    async fn find(&self, client: &Object, keys: &[&Key]) -> Result<HashMap<Key, (i64, i64)>, Error> {
        let tenants: Vec<i32> = keys.iter().map(|key| key.0).collect();
        let types: Vec<i32> = keys.iter().map(|key| crate::number_of(&self.registry, key.1)).collect();
        let ids: Vec<&str> = keys.iter().map(|key| &*key.2).collect();
        let sql = "select k.n, r.rid, r.version \
                   from unnest($1::int4[], $2::int4[], $3::text[]) with ordinality as k (tenant, type, id, n) \
                   join resource r on r.tenant = k.tenant and r.type = k.type and r.id = k.id";
        let rows = query(client, sql, &[&tenants, &types, &ids]).await?;
        let found = rows.iter().filter_map(|row| {
            let key = keys.get(row.get::<_, i64>(0) as usize - 1)?;
            Some(((*key).clone(), (row.get(1), row.get(2))))
        });
        Ok(found.collect())
    }

    /// Row numbers of all targets; those never stored get a place to point at.
    async fn targets(
        &self,
        client: &Object,
        writes: &[(i32, &mut Write)],
        own: &HashMap<Key, i64>,
    ) -> Result<HashMap<Key, i64>, Error> {
        let mut targets = HashMap::new();
        let mut missing: Vec<Key> = Vec::new();
        for (tenant, write) in writes {
            let all = write.add.each().chain(write.remove.each());
            for row in all.flat_map(|rows| &rows.references) {
                let key = (*tenant, row.ty, row.id.clone());
                match own.get(&key).copied().or_else(|| self.rids.get(&key)) {
                    Some(rid) => drop(targets.insert(key, rid)),
                    None => missing.push(key),
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        // Another node may make the same place at the same moment; then it is found the next time.
        while !missing.is_empty() {
            let found = self.find(client, &missing.iter().collect::<Vec<_>>()).await?;
            missing.retain(|key| !found.contains_key(key));
            let known: Vec<(Key, i64)> = found.into_iter().map(|(key, (rid, _))| (key, rid)).collect();
            self.rids.add(known.iter().cloned());
            targets.extend(known);
            if missing.is_empty() {
                break;
            }
            let rids = self.number_rows(client, missing.len()).await?;
            let tenants: Vec<i32> = missing.iter().map(|key| key.0).collect();
            let types: Vec<i32> = missing.iter().map(|key| crate::number_of(&self.registry, key.1)).collect();
            let ids: Vec<&str> = missing.iter().map(|key| &*key.2).collect();
            let sql = "insert into resource (rid, tenant, type, id, version, updated_us, deleted) \
                       select n.rid, n.tenant, n.type, n.id, 0, 0, 1 \
                       from unnest($1::int8[], $2::int4[], $3::int4[], $4::text[]) n (rid, tenant, type, id) \
                       on conflict (tenant, type, id) do nothing";
            let made = execute(client, sql, &[&rids, &tenants, &types, &ids]).await?;
            if made as usize == missing.len() {
                targets.extend(missing.drain(..).zip(rids));
            }
        }
        Ok(targets)
    }
}

/// Applies the writes; the transaction has begun, and the caller ends it.
pub(super) async fn apply(
    shared: &Shared,
    client: &Object,
    writes: &mut [(i32, &mut Write)],
    now_us: i64,
) -> Result<Applied, Error> {
    let keys: Vec<Key> = writes.iter().map(|(tenant, w)| (*tenant, w.ty, w.id.as_str().into())).collect();
    let found = shared.find(client, &keys.iter().collect::<Vec<_>>()).await?;
    for (key, (_, write)) in keys.iter().zip(writes.iter()) {
        if found.get(key).map_or(0, |(_, version)| *version) != write.follows {
            return Ok(Applied::Stale);
        }
    }
    let fresh = shared.number_rows(client, keys.len() - found.len()).await?;
    let mut fresh = fresh.into_iter();
    let mut own: HashMap<Key, i64> = HashMap::with_capacity(keys.len());
    for key in &keys {
        let rid = found.get(key).map(|(rid, _)| *rid).or_else(|| fresh.next());
        // There is a number for each key by the count above.
        own.insert(key.clone(), rid.unwrap_or_default());
    }
    let rids: Vec<i64> = keys.iter().map(|key| own[key]).collect();
    stamp(writes, now_us);
    let resources = Resources::of(shared, writes, &rids, |n| found.contains_key(&keys[n]));
    // New places for targets must stand before index rows name them, resources before targets: a
    // target may be one of them.
    if !resources.put(client, now_us).await? {
        return Ok(Applied::Stale);
    }
    let targets = shared.targets(client, writes, &own).await?;
    let symbols = index::symbols(shared, client, writes).await?;
    let known = Known { registry: &shared.registry, targets: &targets, symbols: &symbols };
    let mut remove = Columns::default();
    let mut add = Columns::default();
    for ((tenant, write), rid) in writes.iter().zip(&rids) {
        remove.push_all(*tenant, *rid, &write.remove, &known);
        add.push_all(*tenant, *rid, &write.add, &known);
    }
    let mut running: Vec<Running<'_>> = Vec::new();
    remove.run(client, &index::REMOVE, &mut running);
    add.run(client, &index::ADD, &mut running);
    running.push(Box::pin(resources.log(client, now_us)));
    try_join_all(running).await?;
    Ok(Applied::Done)
}

fn stamp(writes: &mut [(i32, &mut Write)], now_us: i64) {
    let stamp = date::instant(now_us);
    for (_, write) in writes {
        if let Some(body) = &mut write.body
            && let Some(place) = body.text.get_mut(body.stamp_at..body.stamp_at + stamp.len())
        {
            place.copy_from_slice(stamp.as_bytes());
        }
    }
}

/// Columns of the resources that are written: first those that are new to the table.
#[derive(Default)]
struct Resources<'a> {
    new: Rows<'a>,
    old: Rows<'a>,
    log: Log,
}

/// Columns of the change log, one row for each write in order.
#[derive(Default)]
struct Log {
    tenants: Vec<i32>,
    types: Vec<i32>,
    rids: Vec<i64>,
    versions: Vec<i64>,
    actions: Vec<i32>,
}

#[derive(Default)]
struct Rows<'a> {
    rids: Vec<i64>,
    tenants: Vec<i32>,
    types: Vec<i32>,
    ids: Vec<&'a str>,
    versions: Vec<i64>,
    deleted: Vec<i32>,
    bodies: Vec<Option<&'a str>>,
    texts: Vec<Option<&'a str>>,
}

impl<'a> Resources<'a> {
    fn of(
        shared: &Shared,
        writes: &'a [(i32, &mut Write)],
        rids: &[i64],
        is_old: impl Fn(usize) -> bool,
    ) -> Self {
        let mut all = Resources::default();
        for (n, ((tenant, write), rid)) in writes.iter().zip(rids).enumerate() {
            let number = crate::number_of(&shared.registry, write.ty);
            let text = write.body.as_ref().and_then(|body| std::str::from_utf8(&body.text).ok());
            let rows = if is_old(n) { &mut all.old } else { &mut all.new };
            rows.rids.push(*rid);
            rows.tenants.push(*tenant);
            rows.types.push(number);
            rows.ids.push(&write.id);
            rows.versions.push(write.follows + 1);
            rows.deleted.push(i32::from(write.action == Action::Delete));
            rows.bodies.push(text);
            rows.texts.push(text.filter(|text| jsonb_respells(text)));
            all.log.tenants.push(*tenant);
            all.log.types.push(number);
            all.log.rids.push(*rid);
            all.log.versions.push(write.follows + 1);
            all.log.actions.push(write.action.number() as i32);
        }
        all
    }

    /// Writes the resources and what they were before into history; `false` when one has moved on.
    async fn put(&self, client: &Object, now_us: i64) -> Result<bool, Error> {
        let new = &self.new;
        if !new.rids.is_empty() {
            let sql = "insert into resource (rid, tenant, type, id, version, updated_us, deleted, body, text) \
                       select n.rid, n.tenant, n.type, n.id, n.version, $9, n.deleted, n.body::jsonb, n.text \
                       from unnest($1::int8[], $2::int4[], $3::int4[], $4::text[], $5::int8[], $6::int4[], $7::text[], $8::text[]) \
                       n (rid, tenant, type, id, version, deleted, body, text) on conflict (tenant, type, id) do nothing";
            let args: [&(dyn ToSql + Sync); 9] = [
                &new.rids,
                &new.tenants,
                &new.types,
                &new.ids,
                &new.versions,
                &new.deleted,
                &new.bodies,
                &new.texts,
                &now_us,
            ];
            if execute(client, sql, &args).await? as usize != new.rids.len() {
                return Ok(false);
            }
        }
        self.put_old(client, now_us).await
    }

    async fn put_old(&self, client: &Object, now_us: i64) -> Result<bool, Error> {
        let old = &self.old;
        if old.rids.is_empty() {
            return Ok(true);
        }
        // Rows are locked in one order, so that two transactions cannot wait for each other.
        let keep = "with locked as (select r.* from resource r where r.rid = any($1) order by r.rid for update), \
                    kept as (insert into history (rid, version, tenant, updated_us, deleted, body, text) \
                      select l.rid, l.version, l.tenant, l.updated_us, l.deleted, l.body, l.text from locked l where l.version > 0) \
                    select count(*) from locked l join unnest($1::int8[], $2::int8[]) v (rid, version) \
                      on v.rid = l.rid and v.version = l.version + 1";
        let kept: i64 = query(client, keep, &[&old.rids, &old.versions]).await?[0].get(0);
        if kept as usize != old.rids.len() {
            return Ok(false);
        }
        let sql = "update resource r set version = n.version, updated_us = $6, deleted = n.deleted, body = n.body::jsonb, text = n.text \
                   from unnest($1::int8[], $2::int8[], $3::int4[], $4::text[], $5::text[]) n (rid, version, deleted, body, text) \
                   where r.rid = n.rid";
        execute(client, sql, &[&old.rids, &old.versions, &old.deleted, &old.bodies, &old.texts, &now_us])
            .await?;
        Ok(true)
    }

    async fn log(&self, client: &Object, now_us: i64) -> Result<(), Error> {
        let sql = "insert into change (tenant, type, rid, version, action, at_us) \
                   select n.tenant, n.type, n.rid, n.version, n.action, $6 \
                   from unnest($1::int4[], $2::int4[], $3::int8[], $4::int8[], $5::int4[]) \
                   with ordinality n (tenant, type, rid, version, action, place) order by n.place";
        let Log { tenants, types, rids, versions, actions } = &self.log;
        execute(client, sql, &[tenants, types, rids, versions, actions, &now_us]).await.map(drop)
    }
}

/// Whether jsonb would give a number of this JSON back in other letters: one with an exponent, or
/// minus zero.
fn jsonb_respells(json: &str) -> bool {
    let bytes = json.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let start = at;
                while at < bytes.len() && matches!(bytes[at], b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
                {
                    at += 1;
                }
                let number = &bytes[start..at];
                let zero = number.iter().all(|b| matches!(b, b'-' | b'0' | b'.'));
                if number.iter().any(|b| matches!(b, b'e' | b'E')) || (zero && number[0] == b'-') {
                    return true;
                }
            }
            _ => at += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_exponents_and_minus_zero_are_respelled() {
        let cases = [
            (r#"{"a":1.00,"b":[-1,0,0.10]}"#, false),
            (r#"{"a":"1e5 \" -0","b":true}"#, false),
            (r#"{"a":1.10e2}"#, true),
            (r#"{"a":[1,-0.0]}"#, true),
            (r#"{"a":-0}"#, true),
            (r#""unfinished\"#, false),
        ];
        for (json, expected) in cases {
            assert_eq!(super::jsonb_respells(json), expected, "{json}");
        }
    }
}
