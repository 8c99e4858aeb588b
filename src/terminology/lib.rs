//! Terminology: the codes that a value set holds, and what lies above and below a code
//! (<https://hl7.org/fhir/R4/terminology-module.html>).
//!
//! Pure: definitions come in, codes go out. Whoever expands a value set brings the definitions that
//! [`Definitions::wanted`] names, so that this room reads no database. A value set that cannot be
//! worked out is an error with its reason, never fewer codes.

mod canonical;
mod code_system;
mod codes;
mod expand;
mod filter;
mod hierarchy;
#[cfg(test)]
mod tests;
mod value_set;

pub use canonical::{Canonical, Rank};
pub use code_system::{CodeSystem, Content};
pub use codes::{Codes, Group};
pub use expand::{Definitions, MAX_CODES, MAX_DEFINITIONS, Wanted};
pub use value_set::ValueSet;
