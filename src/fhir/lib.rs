//! The vocabulary of FHIR that every room speaks: JSON text with a tape of nodes over it, points in
//! time with their precision, issues and errors.
//!
//! A resource stays the text that a client sent. Nothing here knows what types exist; that is the
//! business of the `spec` room.

pub mod base64;
pub mod date;
mod error;
mod issue;
pub mod json;
mod path;
mod reference;

pub use error::{Error, Kind, Result};
pub use issue::{Issue, IssueType, Severity, operation_outcome};
pub use json::{Document, Node};
pub use path::Path;
pub use reference::{Reference, is_id};
