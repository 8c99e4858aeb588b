//! The revenue cycle as questions that are data: a ViewDefinition makes the rows, a Library holds the
//! SQL, a Measure says what the figures mean, and a MeasureReport answers.
//!
//! This room is pure. [`Measure::find`] gives the measure, [`MeasureRequest::parse`] checks what is
//! asked, [`Measure::query`] says which SQL to run with which parameters, and [`Measure::report`]
//! turns the rows into the MeasureReport. Running the SQL is the caller's.

mod artefacts;
mod measure;
mod report;
mod request;
#[cfg(test)]
mod tests;

pub use artefacts::{ARTEFACTS, Artefact, artefacts_of};
pub use measure::{Measure, Parameter, Population, Stratifier};
pub use report::{Rows, Value};
pub use request::{Day, Filter, MeasureRequest};

/// The canonical base of every artefact of the revenue cycle.
pub const BASE: &str = "https://remit.example/fhir/rcm";

/// The code of an episode's payer when the patient pays, or when no payer is named.
pub const SELF_PAY: &str = "SELF";
