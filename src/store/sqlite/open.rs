//! Opening connections with the settings that durability and speed need.

use super::error::from_sqlite;
use remit_fhir::{Error, Result};
use remit_search::Registry;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// How long a connection waits for another process (an administration command) to let go.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Statements kept prepared on each connection; the server uses fewer, searches vary.
const STATEMENTS: usize = 128;

/// Migrations in order; `user_version` of the file says how many it has seen.
const MIGRATIONS: [&str; 6] = [
    include_str!("../../../migrations/sqlite/0001_store.sql"),
    include_str!("../../../migrations/sqlite/0002_parameters.sql"),
    include_str!("../../../migrations/sqlite/0003_words.sql"),
    include_str!("../../../migrations/sqlite/0004_contained.sql"),
    include_str!("../../../migrations/sqlite/0005_words_kept.sql"),
    include_str!("../../../migrations/sqlite/0006_asked.sql"),
];

/// The connection that writes; makes the file and brings its tables up to date.
pub(super) fn writer(path: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| cannot_open(path, e))?;
    let prepare = || {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Page size counts only while the file is empty. A commit writes whole pages, and most of those
        // are leaves of indexes with one new row: small pages make small commits.
        connection.execute_batch(
            "pragma page_size = 4096; pragma journal_mode = wal; pragma synchronous = full;",
        )?;
        // 40 MiB of pages: the inner pages of all indexes of a practice. The log is checkpointed at
        // 64 MiB, so that a page changed often is copied home once; it is cut back to 64 MiB after.
        connection.execute_batch("pragma cache_size = -40960; pragma wal_autocheckpoint = 16384; pragma journal_size_limit = 67108864; pragma temp_store = memory;")?;
        settle(&connection)?;
        migrate(&connection)
    };
    prepare().map_err(|e| cannot_open(path, e))?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection
        .execute_batch("pragma query_only = on; pragma cache_size = -8192; pragma temp_store = memory;")?;
    settle(&connection)?;
    Ok(connection)
}

/// What writers and readers share.
fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Plans do not depend on bound values. Otherwise SQLite plans a statement anew for every value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    add_functions(connection)
}

/// The functions of trigonometry that a search by distance needs, and that SQLite is built without.
fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    type Function = fn(f64) -> f64;
    let functions: [(&str, Function); 3] =
        [("sin", f64::sin), ("cos", f64::cos), ("radians", f64::to_radians)];
    for (name, function) in functions {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        connection.create_scalar_function(name, 1, flags, move |args| Ok(function(args.get(0)?)))?;
    }
    Ok(())
}

fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    let version = || {
        connection
            .query_row("pragma user_version", [], |row| row.get::<_, u32>(0))
            .map(|version| version as usize)
    };
    if version()? >= MIGRATIONS.len() {
        return Ok(());
    }
    // The lock comes first: of two processes that start at once, the second finds the work done.
    connection.execute_batch("begin exclusive")?;
    let done = (|| {
        for sql in MIGRATIONS.iter().skip(version()?) {
            connection.execute_batch(sql)?;
        }
        connection.execute_batch(&format!("pragma user_version = {}; commit", MIGRATIONS.len()))
    })();
    if done.is_err() {
        connection.execute_batch("rollback")?;
    }
    done
}

fn cannot_open(path: &Path, error: rusqlite::Error) -> Error {
    let said = format!("The database {} cannot be opened: {error}.", path.display());
    let mut answer = from_sqlite(error);
    for issue in &mut answer.issues {
        issue.diagnostics.clone_from(&said);
    }
    answer
}

/// Gives every type and parameter of the definitions its number; those of earlier versions keep theirs.
pub(super) fn registry(connection: &Connection) -> Result<Registry> {
    // What is already numbered answers without a write, so that a start does not wait for the lock.
    if let Ok(registry) = numbered(connection).map_err(from_sqlite)? {
        return Ok(registry);
    }
    number(connection).map_err(from_sqlite)?;
    numbered(connection).map_err(from_sqlite)?
}

fn numbered(connection: &Connection) -> rusqlite::Result<Result<Registry>> {
    let mut statement = connection.prepare("select id, name from resource_type")?;
    let types = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let types: Vec<(i32, String)> = types.collect::<rusqlite::Result<_>>()?;
    let mut statement = connection.prepare("select id, type, code from search_parameter")?;
    let parameters = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let parameters: Vec<(i32, i32, String)> = parameters.collect::<rusqlite::Result<_>>()?;
    Ok(Registry::new(types, parameters))
}

fn number(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("begin immediate")?;
    let mut add_type = connection.prepare("insert or ignore into resource_type (name) values (?1)")?;
    let sql = "insert or ignore into search_parameter (type, code) select id, ?2 from resource_type where name = ?1";
    let mut add_parameter = connection.prepare(sql)?;
    for (name, codes) in Registry::required() {
        add_type.execute([name])?;
        for code in codes {
            add_parameter.execute([name, code])?;
        }
    }
    connection.execute_batch("commit")
}
