//! What SQLite's errors mean to a client.

use remit_fhir::{Error, Kind};
use rusqlite::ErrorCode;

pub(crate) fn from_sqlite(error: rusqlite::Error) -> Error {
    let answer = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::new(
            Kind::InsufficientStorage,
            "There is no room left on the database's disk; nothing was written.",
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::unavailable("Another process holds the database; try again.")
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
            Error::unavailable("The database's file cannot be used now; nothing was written.")
        }
        Some(ErrorCode::OutOfMemory) => Error::unavailable("The server is out of memory; try again."),
        Some(ErrorCode::OperationInterrupted) => Error::new(
            Kind::TimedOut,
            "The request took longer than the server allows; ask for less at once.",
        ),
        Some(ErrorCode::TooBig) => {
            Error::new(Kind::TooLarge, "The resource is larger than the database can hold.")
        }
        _ => return Error::internal(error),
    };
    answer.because(error)
}
