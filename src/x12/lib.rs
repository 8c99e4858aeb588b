//! X12 interchanges of health care: reading, checking and writing
//! (<https://x12.org/products/transaction-sets>).
//!
//! - [`Document`] and [`Reader`]: bytes to envelopes and transaction sets; every byte is kept.
//! - [`Tree`]: a transaction set as loops, by the tables of its [`Guide`].
//! - [`model`]: claims, remittances, claim status and acknowledgements as types, read and written.
//! - [`fhir`]: remittances and claim status as ClaimResponse and PaymentReconciliation.
//! - [`compose`]: interchanges written with given delimiters.
//! - [`answers`]: TA1 and 999 for what was received.
//! - [`check`]: findings of SNIP levels 1 to 4, each with its place.
//!
//! What is licensed (texts of the guides, code lists) is not here: tables hold structure alone.

pub mod acknowledge;
mod check;
pub mod compose;
pub mod delimiters;
pub mod dictionary;
pub mod document;
mod envelope;
pub mod fhir;
pub mod finding;
pub mod guide;
pub mod limits;
pub mod model;
pub mod parts;
pub mod raw;
pub mod segment;
pub mod throughput;
pub mod tree;
pub mod value;
mod walk;

pub use acknowledge::{Answers, answers};
pub use check::{check, check_tree, is_npi};
pub use delimiters::Delimiters;
pub use document::{Document, Enclosed, Reader, for_each_part};
pub use finding::{Answer, Finding, Findings, Gravity, Level, Place};
pub use guide::{Guide, Kind};
pub use parts::{Event, Part, Parts, Transaction};
pub use raw::Raw;
pub use segment::{Element, Segment};
pub use tree::{Loop, Tree, guide_of};
pub use value::{Date, Decimal, Span};

#[cfg(test)]
mod tests;
