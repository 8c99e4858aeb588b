//! Putting index rows right that a check found wrong: all rows of the resource go, and those that its text
//! gives come.

use crate::side::Side;
use crate::verify::TABLES;
use crate::{Action, Database, Store, Verified, Write, WriteError, WriteSet};
use remit_fhir::{Error, Kind, Result, json};
use remit_search::{AccessPlan, Registry, extract};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// Resources put right at once. Each table is walked whole for them, because none is kept by resource.
const BATCH: usize = 1000;

impl Store {
    /// Makes the index rows of everything anew that a check found wrong. The plan must be a system plan.
    /// Run it on a quiet server: a search that runs meanwhile misses the resource.
    pub async fn repair(&self, plan: &AccessPlan, public_url: &str, found: &Verified) -> Result<()> {
        if plan.reason().is_none() {
            return Err(Error::new(Kind::Forbidden, "Only the server itself may repair the index."));
        }
        for some in found.rids.chunks(BATCH) {
            let list = some.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            for sql in self.removals(&list) {
                self.administer(sql, Vec::new()).await?;
            }
            while self.refill(public_url, &list).await? == Refilled::Stale {}
        }
        Ok(())
    }

    /// One statement for each table that takes away the rows of these resources and of those that they
    /// contain. The numbers are ours.
    fn removals(&self, list: &str) -> Vec<String> {
        let words = match &self.inner.database {
            Database::Sqlite(_) => ("ix_words", "rowid"),
            Database::Postgres(_) => ("ix_words", "rid"),
        };
        let tables = TABLES.iter().map(|(table, _)| (*table, "rid")).chain([("contained", "rid"), words]);
        let one = |(table, rid): (&str, &str)| {
            // The number of a contained resource begins with that of its container.
            format!(
                "delete from {table} where {rid} in ({list}) \
                 or ({rid} < 0 and (({rid} + {}) >> 16) in ({list}))",
                1i64 << 62
            )
        };
        tables.map(one).collect()
    }

    async fn refill(&self, public_url: &str, list: &str) -> Result<Refilled> {
        let bases = self.bases(public_url).await?;
        let body = self.inner.database.body("r");
        let sql = format!(
            "select r.tenant, r.type, r.id, r.version, {body} from resource r \
             where r.rid in ({list}) and r.deleted = 0"
        );
        let mut tenants: BTreeMap<i64, (Arc<Registry>, Vec<Write>)> = BTreeMap::new();
        for mut row in self.inner.database.scan(&sql, &[]).await? {
            let (tenant, number, id, version) = (row.int()?, row.int()?, row.text()?, row.int()?);
            let Some(ty) = self.inner.registry.type_numbered(number as i32) else { continue };
            let (registry, fills) = match tenants.entry(tenant) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert((self.current_registry(tenant as i32).await?, Vec::new())),
            };
            let base = bases.get(&tenant).map_or("", String::as_str);
            let rows = extract(json::parse(row.text()?)?.root(), ty, registry, base)?;
            fills.push(Write {
                ty,
                id,
                action: Action::Update,
                follows: version,
                body: None,
                add: rows.clone(),
                remove: rows,
            });
        }
        for (tenant, (registry, fills)) in tenants {
            let side = Side { epoch: registry.epoch(), fills, ..Side::default() };
            match self.apply(tenant as i32, WriteSet::default(), Vec::new(), side).await {
                Ok(_) => {}
                Err(WriteError::Stale) => return Ok(Refilled::Stale),
                Err(WriteError::Failed(error)) => return Err(error),
            }
        }
        Ok(Refilled::All)
    }
}

#[derive(PartialEq, Eq)]
enum Refilled {
    All,
    /// Something was written meanwhile.
    Stale,
}
