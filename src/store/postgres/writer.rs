//! The writers: each takes all that waits and applies it in one transaction, so that one flush and a
//! dozen statements serve many requests.

use super::apply::{Applied, apply};
use super::error::{from_pool, from_postgres, is_race};
use super::growth::{Growth, care};
use crate::side::Side;
use crate::sqlite::GuardQuery;
use crate::symbols::{Rids, Symbols};
use crate::{Write, WriteError, WriteSet, Written};
use deadpool_postgres::{Object, Pool};
use futures_util::future::try_join;
use remit_fhir::Result;
use remit_search::Registry;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::{Mutex, mpsc, oneshot};

/// Transactions of this node at once: while one waits for the disk another is prepared.
const WRITERS: usize = 3;

/// Writes of one transaction at most.
const BATCH: usize = 256;

/// Rows of one transaction at most; a large set may exceed it alone.
const BATCH_ROWS: usize = 20_000;

pub(super) struct Job {
    pub(super) tenant: i32,
    pub(super) set: WriteSet,
    pub(super) guards: Vec<GuardQuery>,
    pub(super) side: Side,
    pub(super) reply: oneshot::Sender<Result<Vec<Written>, WriteError>>,
}

/// What all writers of a node share.
pub(super) struct Shared {
    pub(super) registry: Arc<Registry>,
    pub(super) symbols: Arc<Symbols>,
    pub(super) rids: Arc<Rids>,
    pub(super) block: Mutex<std::ops::Range<i64>>,
    pub(super) pool: Pool,
    clock: fn() -> i64,
    last_us: AtomicI64,
    pub(super) growth: Growth,
}

pub(super) fn start(
    receiver: mpsc::Receiver<Job>,
    pool: Pool,
    registry: Arc<Registry>,
    symbols: Arc<Symbols>,
    rids: Arc<Rids>,
    clock: fn() -> i64,
) {
    let (block, last_us) = (Mutex::new(0..0), AtomicI64::new(0));
    let shared =
        Arc::new(Shared { registry, symbols, rids, block, pool, clock, last_us, growth: Growth::default() });
    tokio::spawn(care(Arc::downgrade(&shared)));
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..WRITERS {
        let (shared, receiver) = (shared.clone(), receiver.clone());
        tokio::spawn(async move {
            while let Some(batch) = gather(&receiver).await {
                let rows = batch.iter().map(Job::rows).sum();
                shared.commit(batch).await;
                shared.growth.add(rows);
            }
        });
    }
}

async fn gather(receiver: &Mutex<mpsc::Receiver<Job>>) -> Option<Vec<Job>> {
    let mut receiver = receiver.lock().await;
    let first = receiver.recv().await?;
    let mut rows = first.rows();
    let mut batch = vec![first];
    while batch.len() < BATCH && rows < BATCH_ROWS {
        let Ok(next) = receiver.try_recv() else { break };
        rows += next.rows();
        batch.push(next);
    }
    Some(batch)
}

impl Job {
    fn rows(&self) -> usize {
        self.set.writes.iter().chain(&self.side.fills).map(|w| w.add.len() + w.remove.len() + 1).sum()
    }

    fn written(self, now_us: i64) {
        let told = self.set.writes.into_iter().map(|write| Written {
            version: write.follows + 1,
            updated_us: now_us,
            body: write.body.map(|body| bytes::Bytes::from(body.text)),
        });
        // A caller that has gone away needs no answer.
        drop(self.reply.send(Ok(told.collect())));
    }

    fn refused(self, error: WriteError) {
        drop(self.reply.send(Err(error)));
    }
}

impl Shared {
    /// Sets of different resources, without guards and without anything beside them, share a transaction;
    /// others go alone.
    async fn commit(&self, batch: Vec<Job>) {
        let mut seen = HashSet::new();
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        for job in batch {
            let keys: Vec<_> = job.set.writes.iter().map(|w| (job.tenant, w.ty, w.id.clone())).collect();
            let is_plain = job.guards.is_empty() && job.side.is_plain();
            if is_plain && keys.iter().all(|key| !seen.contains(key)) {
                seen.extend(keys);
                together.push(job);
            } else {
                alone.push(job);
            }
        }
        let mut now_us = 0;
        match self.try_commit(&mut together, &mut now_us).await {
            Ok(Applied::Done) => together.into_iter().for_each(|job| job.written(now_us)),
            // One of them is at fault; each for itself finds out which.
            Ok(Applied::Stale) | Err(_) if together.len() > 1 => alone.splice(0..0, together).for_each(drop),
            Ok(Applied::Stale) => together.into_iter().for_each(|job| job.refused(WriteError::Stale)),
            Err(error) => {
                if let Some(job) = together.pop() {
                    job.refused(WriteError::Failed(error));
                }
            }
        }
        for job in alone {
            let mut one = [job];
            let done = self.try_commit(&mut one, &mut now_us).await;
            let [job] = one;
            match done {
                Ok(Applied::Done) => job.written(now_us),
                Ok(Applied::Stale) => job.refused(WriteError::Stale),
                Err(error) => job.refused(WriteError::Failed(error)),
            }
        }
    }

    async fn try_commit(&self, jobs: &mut [Job], now_us: &mut i64) -> Result<Applied> {
        if jobs.is_empty() {
            return Ok(Applied::Done);
        }
        let client = self.pool.get().await.map_err(from_pool)?;
        *now_us = self.now();
        let done = self.in_transaction(&client, jobs, *now_us).await;
        let end = match &done {
            Ok(Applied::Done) => client.batch_execute("commit").await,
            _ => client.batch_execute("rollback").await,
        };
        if end.is_err() {
            // The state of this connection is unknown; it must not be used again.
            drop(Object::take(client));
        }
        match done {
            Ok(Applied::Done) => end.map(|()| Applied::Done).map_err(from_postgres),
            Ok(Applied::Stale) => Ok(Applied::Stale),
            Err(error) if is_race(&error) => Ok(Applied::Stale),
            Err(error) => Err(from_postgres(error)),
        }
    }

    async fn in_transaction(
        &self,
        client: &Object,
        jobs: &mut [Job],
        now_us: i64,
    ) -> Result<Applied, tokio_postgres::Error> {
        // The second is sent behind the first without waiting for its answer.
        let ((), are_current) = try_join(self.begin(client, jobs), self.are_current(client, jobs)).await?;
        let guards: Vec<(i32, &GuardQuery)> =
            jobs.iter().flat_map(|job| job.guards.iter().map(|guard| (job.tenant, guard))).collect();
        if !are_current || !self.hold(client, &guards).await? {
            return Ok(Applied::Stale);
        }
        drop(guards);
        for job in jobs.iter_mut() {
            let fills = job.side.fills.iter_mut().map(|fill| (job.tenant, fill)).collect();
            if !self.steps(client, &job.side.steps).await? || !self.fill(client, fills).await? {
                return Ok(Applied::Stale);
            }
        }
        let mut writes: Vec<(i32, &mut Write)> = jobs
            .iter_mut()
            .flat_map(|job| job.set.writes.iter_mut().map(|write| (job.tenant, write)))
            .collect();
        match writes.is_empty() {
            true => Ok(Applied::Done),
            false => apply(self, client, &mut writes, now_us).await,
        }
    }

    /// Times never run backwards on a node, whatever its clock does.
    fn now(&self) -> i64 {
        let now_us = (self.clock)() / 1000 * 1000;
        self.last_us.fetch_max(now_us, Ordering::Relaxed).max(now_us)
    }
}
