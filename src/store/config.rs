//! Where the store is and how much it may use.

use remit_fhir::{Error, Result};
use remit_search::TextLevel;
use std::path::PathBuf;
use std::time::Duration;

/// The database's address as the user writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`: one file; made when it is not there.
    Sqlite(PathBuf),
    /// `postgres://…` or `postgresql://…`: a PostgreSQL database that exists.
    Postgres(String),
}

impl std::str::FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<DatabaseUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path == ":memory:" {
                return Err(Error::invalid("The database needs a file: sqlite:PATH."));
            }
            return Ok(DatabaseUrl::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(DatabaseUrl::Postgres(text.to_owned()));
        }
        Err(Error::invalid("The database address must be sqlite:PATH or postgres://USER@HOST/NAME."))
    }
}

/// Room for the resources that a few hundred people work with at a time, at 1 to 4 KiB each, well within
/// what a small machine has.
const KEPT_BODIES: usize = 32 << 20;

/// Settings of the store, with defaults for a small machine.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the data is.
    pub url: DatabaseUrl,
    /// Connections that read (SQLite) or all connections (PostgreSQL) of this process.
    pub connections: usize,
    /// How long a request waits for a free connection before it gets 503.
    pub acquire_timeout: Duration,
    /// How long one statement may run before it is stopped and the request gets 503.
    pub statement_timeout: Duration,
    /// Writes that may wait for the writer. More than that and a write waits at the door.
    pub write_queue: usize,
    /// Which words of resources are indexed; `None` leaves it as it is in the database.
    pub text: Option<TextLevel>,
    /// Bytes of resource texts that are kept after they were read, about; 0 keeps none.
    pub kept_bodies: usize,
    /// The clock, microseconds since 1970.
    pub clock: fn() -> i64,
}

impl Config {
    /// Defaults for a database.
    pub fn new(url: DatabaseUrl) -> Config {
        let connections = match url {
            // A reader is a few microseconds of one core; more readers than cores only cost memory.
            DatabaseUrl::Sqlite(_) => 4,
            DatabaseUrl::Postgres(_) => 16,
        };
        Config {
            url,
            connections,
            acquire_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(60),
            write_queue: 1024,
            text: None,
            kept_bodies: KEPT_BODIES,
            clock: system_clock,
        }
    }
}

/// Microseconds since 1970 by the machine's clock.
pub fn system_clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |elapsed| i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
}
