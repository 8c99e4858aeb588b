//! FHIR XML to JSON and back, driven by the definitions (<https://hl7.org/fhir/R4/xml.html>).
//!
//! [`to_json`] reads what a client sends and finds the faults that JSON cannot show: namespaces,
//! order, repetition, stray text. The values themselves are the business of the structure check,
//! which runs on the JSON. [`from_json`] writes what a client asks for. [`xhtml`] judges narratives.

mod chars;
mod faults;
mod narrative;
mod quote;
mod read;
mod run;
#[cfg(test)]
mod tests;
mod write;
pub mod xhtml;

pub use quote::is_number;
pub use read::{Converted, convert, to_json};
pub use write::{Layout, from_json};

/// The namespace of FHIR.
pub const NAMESPACE: &str = "http://hl7.org/fhir";

/// Bounds of what is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Elements inside each other. Official examples stay below 20; what is deeper is an attack on
    /// the stack of some reader.
    pub depth: usize,
    /// Faults that are told one by one. Nobody reads more, and a hostile text could hold millions.
    pub issues: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 64, issues: 100 }
    }
}
