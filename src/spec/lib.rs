//! The definitions of FHIR R4 as data: types, search parameters, operations, compartments and the
//! code lists that bindings need. <https://hl7.org/fhir/R4/conformance-module.html>
//!
//! The only room that reads `profiles/` and `terminology/`. Their texts are embedded in the binary
//! and loaded once, on first use: [`Definitions::r4`], and apart from them [`Terminology::r4`].
//! [`build::build`] derives the texts from the published package.

pub mod build;
mod build_terminology;
mod build_types;
mod data;
mod definitions;
mod expansion;
mod load;
mod load_types;
mod names;
mod open_systems;
mod operation;
mod package;
mod published;
mod search_parameter;
mod terminology;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_build;
#[cfg(test)]
mod tests_facts;
#[cfg(test)]
mod tests_terminology;
mod text;
mod types;

pub use definitions::{Definitions, Source, WellKnown};
pub use expansion::{Entry, Expansion};
pub use operation::{Compartment, Operation, OperationParameter};
pub use search_parameter::{
    SearchComponent, SearchKind, SearchParameter, SearchParameterId, alternatives, first_name,
};
pub use terminology::{CodeSystem, Concept, Filter, Include, Listed, Membership, Terminology, ValueSet};
pub use types::{
    Binding, Element, ElementType, Invariant, Kind, Primitive, Severity, Strength, SystemType, Type, TypeId,
};
