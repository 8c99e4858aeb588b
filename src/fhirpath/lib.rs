//! FHIRPath (<https://hl7.org/fhirpath/N1/>, <https://hl7.org/fhir/R4/fhirpath.html>): an expression is
//! parsed, compiled against the definitions of FHIR, and evaluated over borrowed JSON.
//!
//! The way of an expression: [`parse`] makes a [`Syntax`] tree of the text; [`compile`] gives names a
//! meaning and makes an [`Expression`]; [`Expression::evaluate`] walks it over a document. Paths
//! copy nothing: an [`Element`] is a pair of handles into the document. Time, other resources,
//! terminology and profiles come from the caller, through [`Environment`] and [`Host`].

mod boundary;
mod compile;
mod conversion;
#[cfg(test)]
mod differential;
mod environment;
mod equality;
mod error;
mod eval;
mod existence;
mod fhir_function;
mod filter;
mod function;
#[cfg(test)]
mod hostile;
mod item;
mod lexer;
mod math;
mod op;
mod operator;
mod parser;
mod place;
mod quantity;
mod regex;
mod string_function;
#[cfg(test)]
mod suite;
mod syntax;
mod temporal;
#[cfg(test)]
mod tests;
mod text_coding;
mod ucum;
mod ucum_atoms;
mod utility;
mod walk;

pub use compile::is_reserved_variable;
pub use environment::{Environment, Host, Resolution};
pub use error::{
    CompileError, CompileErrorKind, EvaluationError, Limits, MAX_DEPTH, MAX_EXPRESSION_BYTES, MAX_REGEX_BYTES,
};
pub use item::{Collection, Element, Item, TypeInfo};
pub use op::{Expression, Mode, Options, compile, compile_with};
pub use parser::parse;
pub use place::Place;
pub use quantity::Quantity;
pub use syntax::{Literal, Operator, Syntax, SyntaxKind, TypeSpecifier};
pub use temporal::{Precision, Temporal};
pub use ucum::CanonicalUnit;
