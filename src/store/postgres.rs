//! PostgreSQL 15 and later: a pool of connections and a few writers that gather what waits.

mod apply;
mod connect;
mod error;
mod growth;
mod rows;
mod writer;

use crate::side::Side;
use crate::sqlite::GuardQuery;
use crate::symbols::{Rids, Symbols};
use crate::value::{Row, Value};
use crate::{Config, WriteError, WriteSet, Written};
use deadpool_postgres::{Object, Pool};
use error::{from_pool, from_postgres};
use futures_util::StreamExt;
use remit_fhir::{Error, Kind, Result};
use remit_search::Registry;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::types::{ToSql, Type};

pub(crate) struct Postgres {
    pool: Pool,
    writer: mpsc::Sender<writer::Job>,
}

impl Postgres {
    /// Connects, brings the tables up to date, numbers types and parameters.
    pub(crate) async fn open(
        url: &str,
        config: &Config,
        symbols: Arc<Symbols>,
        rids: Arc<Rids>,
    ) -> Result<(Postgres, Arc<Registry>)> {
        let pool = connect::pool(url, config)?;
        let registry = Arc::new(connect::migrate(&pool, (config.clock)()).await?);
        let (sender, receiver) = mpsc::channel(config.write_queue);
        writer::start(receiver, pool.clone(), registry.clone(), symbols, rids, config.clock);
        Ok((Postgres { pool, writer: sender }, registry))
    }

    async fn connection(&self) -> Result<Object> {
        self.pool.get().await.map_err(from_pool)
    }

    /// A statement that is prepared once and planned once: it touches a few rows by key.
    pub(crate) async fn point(&self, sql: &str, args: &[Value]) -> Result<Vec<Row>> {
        let client = self.connection().await?;
        let statement = client.prepare_cached(sql).await.map_err(from_postgres)?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as _).collect();
        let found = client.query(&statement, &args).await.map_err(from_postgres)?;
        found.iter().map(rows::read).collect()
    }

    /// A statement that may look at many rows. It is parsed and planned once a connection: which index leads was chosen before its text was written, and planning anew for
    /// every argument costs several times what running it does.
    pub(crate) async fn scan(&self, sql: &str, args: &[Value]) -> Result<Vec<Row>> {
        /// Statements that a connection keeps before it starts again from none; each holds its plan in
        /// the server's memory, about 50 KiB.
        const KEPT: usize = 300;
        let client = self.connection().await?;
        if client.statement_cache.size() >= KEPT {
            client.statement_cache.clear();
        }
        let types: Vec<Type> = args.iter().map(rows::type_of).collect();
        let statement = client.prepare_typed_cached(sql, &types).await.map_err(from_postgres)?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as _).collect();
        let found = client.query(&statement, &args).await.map_err(from_postgres)?;
        found.iter().map(rows::read).collect()
    }

    /// Number of the key, version, time and body of each resource that is there.
    pub(crate) async fn current(&self, tenant: i32, types: &[i32], ids: &[&str]) -> Result<Vec<Row>> {
        let sql = "select k.n - 1, r.version, r.updated_us, coalesce(r.text, r.body::text) \
                   from unnest($2::int4[], $3::text[]) with ordinality as k (type, id, n) \
                   join resource r on r.tenant = $1 and r.type = k.type and r.id = k.id";
        let client = self.connection().await?;
        let statement = client.prepare_cached(sql).await.map_err(from_postgres)?;
        let found = client.query(&statement, &[&tenant, &types, &ids]).await.map_err(from_postgres)?;
        found.iter().map(rows::read).collect()
    }

    /// Hands every row of a statement of ours to `visit`, however many there are.
    pub(crate) async fn each(&self, sql: &str, mut visit: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let client = self.connection().await?;
        let none: [&(dyn ToSql + Sync); 0] = [];
        let stream = client.query_raw(sql, none).await.map_err(from_postgres)?;
        let mut stream = std::pin::pin!(stream);
        while let Some(row) = stream.next().await {
            visit(rows::read(&row.map_err(from_postgres)?)?)?;
        }
        Ok(())
    }

    /// Applies writes; returns when they are on disk.
    pub(crate) async fn write(
        &self,
        tenant: i32,
        set: WriteSet,
        guards: Vec<GuardQuery>,
        side: Side,
    ) -> Result<Vec<Written>, WriteError> {
        let (reply, answer) = oneshot::channel();
        let gone = || Error::new(Kind::Unavailable, "The database writer has stopped.");
        let job = writer::Job { tenant, set, guards, side, reply };
        self.writer.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}
