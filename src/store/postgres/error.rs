//! What PostgreSQL's errors mean to a client.

use deadpool_postgres::PoolError;
use remit_fhir::{Error, Kind};
use tokio_postgres::error::SqlState;

pub(crate) fn from_postgres(error: tokio_postgres::Error) -> Error {
    let Some(state) = error.code() else {
        // No answer from the server: the connection is gone.
        return Error::unavailable("The database does not answer; try again.").because(error);
    };
    let answer = match state.code() {
        "53100" => Error::new(
            Kind::InsufficientStorage,
            "There is no room left on the database's disk; nothing was written.",
        ),
        "57014" => Error::new(
            Kind::TimedOut,
            "The request took longer than the server allows; ask for less at once.",
        ),
        "40001" | "40P01" | "55P03" => {
            Error::unavailable("Another request holds what this one needs; try again.")
        }
        // 08 connection, 53 resources, 57P shutdown, 58 system error
        code if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => {
            Error::unavailable("The database cannot answer now; try again.")
        }
        _ => Error::internal(Hidden(
            error
                .as_db_error()
                .map_or_else(|| state.code().to_owned(), |e| format!("{} {}", state.code(), e.message())),
        )),
    };
    match answer.cause {
        Some(_) => answer,
        None => answer.because(error),
    }
}

pub(crate) fn from_pool(error: PoolError) -> Error {
    match error {
        PoolError::Timeout(_) => Error::unavailable("All database connections are busy; try again shortly."),
        PoolError::Backend(error) => from_postgres(error),
        other => Error::unavailable("The database cannot be reached; try again.").because(other),
    }
}

/// Whether a write that failed so may succeed when it is prepared again.
pub(super) fn is_race(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|state| {
        [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::UNIQUE_VIOLATION]
            .contains(state)
    })
}

/// A cause without the detail line, which can quote row values.
#[derive(Debug)]
struct Hidden(String);

impl std::fmt::Display for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Hidden {}
