//! SQLite: one file, one writer thread, a few reading connections.
//!
//! WAL with `synchronous=FULL`: a commit is on disk before it is answered. Writes that arrive together
//! share one commit (see [`writer`]). Readers see the last commit and never wait.

mod error;
mod open;
mod writer;

pub(crate) use writer::{GuardQuery, Job};

use crate::side::Side;
use crate::symbols::Symbols;
use crate::value::{Row, Value};
use crate::{Config, WriteError, WriteSet, Written};
use error::from_sqlite;
use parking_lot::Mutex;
use remit_fhir::{Error, Kind, Result};
use remit_search::Registry;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, ToSql};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot};

pub(crate) struct Sqlite {
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
    permits: Semaphore,
    acquire_timeout: Duration,
    statement_timeout: Duration,
    writer: mpsc::Sender<Job>,
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null => rusqlite::types::Null.into(),
            Value::Int(n) => (*n).into(),
            Value::Real(n) => (*n).into(),
            Value::Text(text) => text.as_str().into(),
            // A list of texts is always JSON.
            Value::List(texts) => serde_json::to_string(&**texts).unwrap_or_default().into(),
        })
    }
}

fn read_value(value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Int(n),
        ValueRef::Real(n) => Value::Real(n),
        ValueRef::Text(text) => Value::Text(text_of(text)?),
        ValueRef::Blob(_) => return Err(rusqlite::Error::InvalidQuery),
    })
}

fn text_of(bytes: &[u8]) -> rusqlite::Result<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(rusqlite::Error::InvalidQuery),
    }
}

/// Runs a statement on a connection. Statements use `$1`, `$2`, … in order of their arguments.
pub(super) fn rows(connection: &Connection, sql: &str, args: &[Value]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    let columns = statement.column_count();
    let mut found = Vec::new();
    let mut cursor = statement.raw_query();
    while let Some(row) = cursor.next()? {
        let mut values = Vec::with_capacity(columns);
        for column in 0..columns {
            values.push(read_value(row.get_ref(column)?)?);
        }
        found.push(Row(values.into_iter()));
    }
    Ok(found)
}

fn bind(statement: &mut rusqlite::CachedStatement<'_>, args: &[Value]) -> rusqlite::Result<()> {
    for index in 1..=statement.parameter_count() {
        // `$3` is a name to SQLite, numbered by first appearance; the digits say which argument it is.
        let argument = statement.parameter_name(index).and_then(|name| name.get(1..)?.parse::<usize>().ok());
        let value =
            argument.and_then(|n| args.get(n.wrapping_sub(1))).ok_or(rusqlite::Error::InvalidQuery)?;
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

/// Stops what runs on a connection at a time limit.
fn rows_in_time<T>(
    connection: &mut Connection,
    limit: Duration,
    run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    /// Steps of SQLite's machine between two looks at the clock, well under a millisecond.
    const STEPS: i32 = 10_000;
    let deadline = Instant::now() + limit;
    connection.progress_handler(STEPS, Some(move || Instant::now() > deadline))?;
    let done = run(connection);
    connection.progress_handler(STEPS, None::<fn() -> bool>)?;
    done
}

/// Runs blocking work of the current task; other tasks move to another thread meanwhile.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl Sqlite {
    /// Opens or makes the file. The second part of the result numbers types and parameters.
    pub(crate) fn open(
        path: PathBuf,
        config: &Config,
        symbols: Arc<Symbols>,
    ) -> Result<(Sqlite, Arc<Registry>)> {
        let connection = open::writer(&path)?;
        let registry = Arc::new(open::registry(&connection)?);
        let (sender, receiver) = mpsc::channel(config.write_queue);
        writer::start(connection, receiver, registry.clone(), symbols, config.clock)?;
        let sqlite = Sqlite {
            path,
            readers: Mutex::new(Vec::new()),
            permits: Semaphore::new(config.connections),
            acquire_timeout: config.acquire_timeout,
            statement_timeout: config.statement_timeout,
            writer: sender,
        };
        Ok((sqlite, registry))
    }

    fn take(&self) -> Result<Connection> {
        match self.readers.lock().pop() {
            Some(connection) => Ok(connection),
            None => open::reader(&self.path).map_err(from_sqlite),
        }
    }

    /// A statement that touches a few rows by key: so short that handing it to another thread would
    /// cost more than it does.
    pub(crate) async fn point(&self, sql: &str, args: &[Value]) -> Result<Vec<Row>> {
        let _permit = self.permit().await?;
        let connection = self.take()?;
        let found = rows(&connection, sql, args).map_err(from_sqlite);
        self.readers.lock().push(connection);
        found
    }

    /// A statement that may take long; it is stopped at the time limit.
    ///
    /// It starts on the thread of the task, because most end before another thread would be awake. One
    /// that does not end soon starts again where it may block.
    pub(crate) async fn scan(&self, sql: &str, args: &[Value]) -> Result<Vec<Row>> {
        /// What other tasks of the thread may wait for.
        const SHORT: Duration = Duration::from_millis(3);
        let _permit = self.permit().await?;
        let mut connection = self.take()?;
        let short = rows_in_time(&mut connection, SHORT, |connection| rows(connection, sql, args));
        let found = match short {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                let limit = self.statement_timeout;
                blocking(|| rows_in_time(&mut connection, limit, |connection| rows(connection, sql, args)))
            }
            ended => ended,
        };
        self.readers.lock().push(connection);
        found.map_err(from_sqlite)
    }

    /// [`Sqlite::scan`] without the first, short attempt.
    pub(crate) async fn scan_much(&self, sql: &str, args: &[Value]) -> Result<Vec<Row>> {
        let _permit = self.permit().await?;
        let mut connection = self.take()?;
        let limit = self.statement_timeout;
        let found =
            blocking(|| rows_in_time(&mut connection, limit, |connection| rows(connection, sql, args)));
        self.readers.lock().push(connection);
        found.map_err(from_sqlite)
    }

    /// Hands every row of a statement of ours to `visit`, however many there are.
    pub(crate) async fn each(&self, sql: &str, mut visit: impl FnMut(Row) -> Result<()>) -> Result<()> {
        let connection = open::reader(&self.path).map_err(from_sqlite)?;
        blocking(|| {
            let mut statement = connection.prepare(sql).map_err(from_sqlite)?;
            let columns = statement.column_count();
            let mut cursor = statement.raw_query();
            while let Some(row) = cursor.next().map_err(from_sqlite)? {
                let values: rusqlite::Result<Vec<Value>> =
                    (0..columns).map(|column| row.get_ref(column).and_then(read_value)).collect();
                visit(Row(values.map_err(from_sqlite)?.into_iter()))?;
            }
            Ok(())
        })
    }

    async fn permit(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        // The usual case needs no timer.
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        match tokio::time::timeout(self.acquire_timeout, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Error::unavailable("All database connections are busy; try again shortly.")),
        }
    }

    async fn send<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let gone = |_| Error::new(Kind::Unavailable, "The database writer has stopped.");
        self.writer.send(job(reply)).await.map_err(|e| gone(e.to_string()))?;
        answer.await.map_err(|e| gone(e.to_string()))
    }

    /// Applies writes; returns when they are on disk.
    pub(crate) async fn write(
        &self,
        tenant: i32,
        set: WriteSet,
        guards: Vec<GuardQuery>,
        side: Side,
    ) -> Result<Vec<Written>, WriteError> {
        self.send(|reply| Job::Write { tenant, set: Box::new(set), guards, side: Box::new(side), reply })
            .await?
    }

    /// Runs a statement that changes something of administration.
    pub(crate) async fn execute(&self, sql: Cow<'static, str>, args: Vec<Value>) -> Result<Vec<Row>> {
        self.send(|reply| Job::Execute { sql, args, reply }).await?
    }
}
