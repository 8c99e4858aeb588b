//! The revenue cycle as questions that are data: a ViewDefinition makes the rows, a Library holds the
//! SQL, a Measure says what the figures mean, and a MeasureReport answers.
//!
//! This room is pure. [`Measure::find`] gives the measure, [`MeasureRequest::parse`] checks what is
//! asked, [`Measure::bind`] says with which parameters its SQL runs, and [`Measure::report`]
//! turns the rows into the MeasureReport. Running the SQL is the caller's.

mod artefacts;
mod before;
mod claim;
mod classes;
mod deadline;
mod denial;
mod drill;
mod edits;
mod figures;
mod library;
mod measure;
mod report;
mod report_type;
mod request;
mod rows;
mod saved;
mod subjects;
#[cfg(test)]
mod tests;
mod variance;

pub use artefacts::{ARTEFACTS, Artefact, LINKS, artefacts_of};
pub use claim::{frequency, service_days, timezone};
pub use classes::{CATEGORY, Classes, Meaning, REASONS};
pub use deadline::{Days, DeadlineKind, DeadlineRule, business_day, day_number, day_text, deadline};
pub use denial::{Denial, DeniedLine, denial, is_decision, is_reversal};
pub use drill::{Drill, contribution};
pub use edits::{Edit, Edits, TOPIC};
pub use library::{Library, Table};
pub use measure::{Group, Measure, Parameter, Population, Score, Stratifier};
pub use report_type::ReportType;
pub use request::{Basis, Day, Filter, MeasureRequest};
pub use rows::{Rows, Value};
pub use saved::{measure_of, question_of};
pub use variance::variance;

/// The canonical base of every artefact of the revenue cycle.
pub const BASE: &str = "https://remit.example/fhir/rcm";

/// The code of an episode's payer when the patient pays, or when no payer is named.
pub const SELF_PAY: &str = "SELF";

/// The code of what the patient owes, among those who owe.
pub const PATIENT: &str = "patient";
