//! The revenue cycle as questions that are data: a ViewDefinition makes the rows, a Library holds the
//! SQL, a Measure says what the figures mean, and a MeasureReport answers.
//!
//! This room is pure. [`Measure::find`] gives the measure, [`MeasureRequest::parse`] checks what is
//! asked, [`Measure::bind`] says with which parameters its SQL runs, and [`Measure::report`]
//! turns the rows into the MeasureReport. Running the SQL is the caller's.

mod artefacts;
mod drill;
mod figures;
mod library;
mod measure;
mod report;
mod request;
mod rows;
#[cfg(test)]
mod tests;
mod variance;

pub use artefacts::{ARTEFACTS, Artefact, artefacts_of};
pub use drill::{Drill, contribution};
pub use library::{Library, Table};
pub use measure::{Group, Measure, Parameter, Population, Score, Stratifier};
pub use request::{Basis, Day, Filter, MeasureRequest};
pub use rows::{Rows, Value};
pub use variance::variance;

/// The canonical base of every artefact of the revenue cycle.
pub const BASE: &str = "https://remit.example/fhir/rcm";

/// The code of an episode's payer when the patient pays, or when no payer is named.
pub const SELF_PAY: &str = "SELF";

/// The code of what the patient owes, among those who owe.
pub const PATIENT: &str = "patient";
