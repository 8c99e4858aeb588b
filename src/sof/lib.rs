//! SQL on FHIR v2: a ViewDefinition and the rows that it makes of a resource.
//! <https://sql-on-fhir.org/ig/2.0.0/StructureDefinition-ViewDefinition.html>
//!
//! [`View::parse`] checks a ViewDefinition and compiles its paths; [`View::run`] hands the rows of
//! one resource to a callback. What holds rows, and in which format they leave, is not known here.

mod constant;
pub mod library;
mod parse;
mod path;
mod run;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
mod value;
mod view;

pub use run::{Limits, RunError, Sink};
pub use value::{ColumnType, Value};
pub use view::{Column, View};
