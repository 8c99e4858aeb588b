//! The writer: one thread, one connection, one transaction for all writes that wait.
//!
//! A commit costs one flush of the disk whatever is in it, so what arrives during a flush shares the
//! next one. Each set is checked whole before its first row is written; a set that is stale leaves
//! nothing behind and its neighbours do not notice.

mod apply;

use super::error::from_sqlite;
use crate::side::Side;
use crate::symbols::Symbols;
use crate::value::{Row, Value};
use crate::{Expect, WriteError, WriteSet, Written};
use remit_fhir::{Error, Kind, Result};
use remit_search::{Registry, Statement};
use remit_spec::TypeId;
use rusqlite::Connection;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Writes of one commit at most. More would keep the first one waiting for the last.
const BATCH: usize = 512;

/// Index rows and bodies of one commit, counted as rows; one large transaction may exceed it alone.
const BATCH_ROWS: usize = 20_000;

/// A guard as the writer asks it.
pub(crate) struct GuardQuery {
    pub(crate) statement: Statement,
    /// The type whose conditional writes are kept out meanwhile.
    pub(crate) ty: TypeId,
    pub(crate) expect: Expect,
}

/// Work for the writer.
pub(crate) enum Job {
    /// Apply a set of writes.
    Write {
        tenant: i32,
        set: Box<WriteSet>,
        guards: Vec<GuardQuery>,
        side: Box<Side>,
        reply: oneshot::Sender<Result<Vec<Written>, WriteError>>,
    },
    /// Run a statement of administration.
    Execute { sql: Cow<'static, str>, args: Vec<Value>, reply: oneshot::Sender<Result<Vec<Row>>> },
}

/// What a job came to, to be told after the commit.
enum Outcome {
    Written(Vec<Written>),
    Stale,
    Rows(Vec<Row>),
}

pub(super) struct Writer {
    connection: Connection,
    clock: fn() -> i64,
    last_us: i64,
    registry: Arc<Registry>,
    symbols: Arc<Symbols>,
    /// Symbols made by the transaction that runs.
    fresh: Vec<(Box<str>, i32)>,
    scratch: apply::Scratch,
}

/// Starts the thread. It ends when the store is dropped, after the last job.
pub(super) fn start(
    connection: Connection,
    mut jobs: mpsc::Receiver<Job>,
    registry: Arc<Registry>,
    symbols: Arc<Symbols>,
    clock: fn() -> i64,
) -> Result<()> {
    let last_us = connection
        .query_row(
            "select coalesce(max(at_us), 0) from change where seq = (select max(seq) from change)",
            [],
            |row| row.get(0),
        )
        .map_err(from_sqlite)?;
    let mut writer = Writer {
        connection,
        clock,
        last_us,
        registry,
        symbols,
        fresh: Vec::new(),
        scratch: apply::Scratch::default(),
    };
    let run = move || {
        while let Some(first) = jobs.blocking_recv() {
            let mut rows = first.rows();
            let mut batch = vec![first];
            while batch.len() < BATCH && rows < BATCH_ROWS {
                let Ok(next) = jobs.try_recv() else { break };
                rows += next.rows();
                batch.push(next);
            }
            writer.commit(batch);
        }
    };
    std::thread::Builder::new()
        .name("sqlite-writer".to_owned())
        .spawn(run)
        .map_err(|e| Error::unavailable("The database writer cannot be started.").because(e))?;
    Ok(())
}

impl Job {
    fn rows(&self) -> usize {
        match self {
            Job::Write { set, side, .. } => {
                let writes = set.writes.iter().chain(&side.fills);
                writes.map(|w| w.add.len() + w.remove.len() + 1).sum()
            }
            Job::Execute { .. } => 1,
        }
    }

    fn fail(self, error: Error) {
        // A caller that has gone away needs no answer.
        match self {
            Job::Write { reply, .. } => drop(reply.send(Err(WriteError::Failed(error)))),
            Job::Execute { reply, .. } => drop(reply.send(Err(error))),
        }
    }

    fn finish(self, outcome: Outcome) {
        match (self, outcome) {
            (Job::Write { reply, .. }, Outcome::Written(written)) => drop(reply.send(Ok(written))),
            (Job::Write { reply, .. }, _) => drop(reply.send(Err(WriteError::Stale))),
            (Job::Execute { reply, .. }, Outcome::Rows(rows)) => drop(reply.send(Ok(rows))),
            (Job::Execute { reply, .. }, _) => drop(reply.send(Ok(Vec::new()))),
        }
    }
}

impl Writer {
    /// Applies jobs in one transaction and answers them once it is on disk.
    fn commit(&mut self, mut batch: Vec<Job>) {
        match self.transaction(&mut batch) {
            Ok(outcomes) => batch.into_iter().zip(outcomes).for_each(|(job, outcome)| job.finish(outcome)),
            Err(error) => self.refuse(batch, error),
        }
    }

    /// After a failed transaction: a fault of the disk concerns all; any other may be the fault of one
    /// job, so each is tried alone.
    fn refuse(&mut self, batch: Vec<Job>, error: Error) {
        let alone = batch.len() == 1;
        let disk = matches!(error.kind, Kind::InsufficientStorage | Kind::Unavailable);
        let (kind, issues) = (error.kind, error.issues.clone());
        let mut first = Some(error);
        for job in batch {
            if alone || disk {
                job.fail(first.take().unwrap_or_else(|| Error::with_issues(kind, issues.clone())));
            } else {
                self.commit(vec![job]);
            }
        }
    }

    fn transaction(&mut self, batch: &mut [Job]) -> Result<Vec<Outcome>> {
        self.fresh.clear();
        self.scratch.epochs.clear();
        self.connection.execute_batch("begin immediate").map_err(from_sqlite)?;
        let done = self.run(batch).and_then(|outcomes| {
            self.connection.execute_batch("commit").map_err(from_sqlite)?;
            Ok(outcomes)
        });
        match &done {
            Ok(_) => self.symbols.add(self.fresh.drain(..)),
            // SQLite may have rolled back by itself (disk full), then there is nothing to roll back.
            Err(_) if !self.connection.is_autocommit() => {
                if let Err(error) = self.connection.execute_batch("rollback") {
                    tracing::error!(%error, "the failed transaction cannot be rolled back");
                }
            }
            Err(_) => {}
        }
        done
    }

    fn run(&mut self, batch: &mut [Job]) -> Result<Vec<Outcome>> {
        // Times never run backwards, whatever the machine's clock does; milliseconds are what
        // meta.lastUpdated shows.
        let now_us = ((self.clock)() / 1000 * 1000).max(self.last_us);
        self.last_us = now_us;
        batch
            .iter_mut()
            .map(|job| match job {
                Job::Write { tenant, set, guards, side, .. } => {
                    self.write(*tenant, set, guards, side, now_us)
                }
                Job::Execute { sql, args, .. } => {
                    super::rows(&self.connection, sql, args).map(Outcome::Rows).map_err(from_sqlite)
                }
            })
            .collect()
    }
}
