//! What goes beside the writes of a set: the check that their index rows were made under the search
//! parameters that the tenant has now, steps of administration, and rows filled in for resources as they
//! are.

use super::{Running, index, query};
use crate::Write;
use crate::postgres::rows;
use crate::postgres::writer::{Job, Shared};
use crate::side::Step;
use crate::symbols::Key;
use deadpool_postgres::Object;
use futures_util::future::try_join_all;
use index::{Columns, Known};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use tokio_postgres::Error;

impl Shared {
    /// Begins the transaction under the lock of each tenant's search parameters: shared, so that writes
    /// do not wait for each other, but a change of the parameters waits for every write under way, and
    /// those after it see it. No type has the number 0, so conditional writes have other locks.
    pub(in crate::postgres) async fn begin(&self, client: &Object, jobs: &[Job]) -> Result<(), Error> {
        let mut tenants: BTreeMap<i32, bool> = BTreeMap::new();
        for job in jobs {
            *tenants.entry(job.tenant).or_default() |= job.side.changes_parameters;
        }
        let mut sql = "begin".to_owned();
        for (tenant, is_changed) in tenants {
            let how = if is_changed { "" } else { "_shared" };
            // Writing to a String cannot fail.
            let _ = write!(sql, "; select pg_advisory_xact_lock{how}({tenant}, 0)");
        }
        client.batch_execute(&sql).await
    }

    /// Whether the index rows of all jobs were made under the parameters that their tenants have now.
    pub(in crate::postgres) async fn are_current(
        &self,
        client: &Object,
        jobs: &[Job],
    ) -> Result<bool, Error> {
        let mut tenants: Vec<i32> = jobs.iter().map(|job| job.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let found =
            query(client, "select id, parameters from tenant where id = any($1)", &[&tenants]).await?;
        let epochs: HashMap<i32, i64> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(jobs.iter().all(|job| epochs.get(&job.tenant).copied().unwrap_or(0) == job.side.epoch))
    }

    /// `false` when a step that must hold does not.
    pub(in crate::postgres) async fn steps(&self, client: &Object, steps: &[Step]) -> Result<bool, Error> {
        for step in steps {
            let found = rows::query_raw(client, step.sql, &step.args).await?;
            if step.must_hold && found.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes sure of index rows of resources as they are; `false` when one has moved on.
    pub(in crate::postgres) async fn fill(
        &self,
        client: &Object,
        fills: Vec<(i32, &mut Write)>,
    ) -> Result<bool, Error> {
        if fills.is_empty() {
            return Ok(true);
        }
        let keys: Vec<Key> = fills.iter().map(|(tenant, w)| (*tenant, w.ty, w.id.as_str().into())).collect();
        let found = self.find(client, &keys.iter().collect::<Vec<_>>()).await?;
        let mut rids = Vec::with_capacity(keys.len());
        let mut versions: HashMap<i64, i64> = HashMap::with_capacity(keys.len());
        for (key, (_, write)) in keys.iter().zip(&fills) {
            let Some((rid, _)) = found.get(key) else { return Ok(false) };
            rids.push(*rid);
            versions.insert(*rid, write.follows);
        }
        // Nobody may change them until these rows are in.
        let sql = "select r.rid, r.version from resource r where r.rid = any($1) order by r.rid for share";
        let locked = query(client, sql, &[&rids]).await?;
        let same = |row: &tokio_postgres::Row| versions.get(&row.get(0)) == Some(&row.get(1));
        if locked.len() != versions.len() || !locked.iter().all(same) {
            return Ok(false);
        }
        let own: HashMap<Key, i64> = keys.into_iter().zip(rids.iter().copied()).collect();
        let targets = self.targets(client, &fills, &own).await?;
        let symbols = index::symbols(self, client, &fills).await?;
        let known = Known { registry: &self.registry, targets: &targets, symbols: &symbols };
        // A row that is there already goes first, so that it is there once.
        for (is_new, sql) in [(false, &index::REMOVE), (true, &index::ADD)] {
            let mut columns = Columns::default();
            for ((tenant, write), rid) in fills.iter().zip(&rids) {
                let rows = if is_new { &write.add } else { &write.remove };
                columns.push_all(*tenant, *rid, rows, &known);
            }
            let mut running: Vec<Running<'_>> = Vec::new();
            columns.run(client, sql, &mut running);
            try_join_all(running).await?;
        }
        Ok(true)
    }
}
