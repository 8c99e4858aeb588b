//! The structure of a resource against the definitions: names, shapes, cardinality, choices, and the
//! lexical form of every primitive value (<https://hl7.org/fhir/R4/validation.html>, the aspects
//! structure, cardinality and value domains of datatypes; <https://hl7.org/fhir/R4/json.html>).
//!
//! It runs on every write, so a resource without faults costs no allocation but for strings with
//! escapes. Profiles, bindings, invariants and the targets of references are no business of this check.

mod cardinality;
mod element;
mod faults;
mod lexical;
mod object;
mod suggest;
#[cfg(test)]
mod tests;

pub use lexical::fits;

use faults::Faults;
use remit_fhir::{Issue, IssueType, Node, Path};
use remit_spec::{Definitions, Kind, TypeId};

/// Bounds of the check.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Faults that are told one by one. Nobody reads more, and a hostile body could hold millions.
    pub issues: usize,
    /// Objects inside each other. Official examples stay below 30; each level costs stack.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { issues: 100, depth: 100 }
    }
}

/// All faults of a resource; empty when it is well made.
pub fn structure(resource: Node<'_>, defs: &Definitions, limits: &Limits) -> Vec<Issue> {
    let kind = resource.resource_type().unwrap_or_default();
    let root = if kind.is_empty() { "Resource" } else { faults::short(&kind) };
    check(resource, defs, limits, &Path::root(root))
}

/// The same for a resource inside another. Expressions begin with `prefix`, e.g.
/// `Bundle.entry[3].resource`.
pub fn structure_at(resource: Node<'_>, defs: &Definitions, limits: &Limits, prefix: &str) -> Vec<Issue> {
    check(resource, defs, limits, &Path::root(prefix))
}

fn check(resource: Node<'_>, defs: &Definitions, limits: &Limits, path: &Path<'_>) -> Vec<Issue> {
    let mut check = Check::new(defs, limits);
    check.resource(resource, path, Container::None);
    check.faults.finish()
}

/// All faults of a value of a datatype. Expressions begin with `prefix`.
pub fn structure_of(
    value: Node<'_>,
    ty: TypeId,
    defs: &Definitions,
    limits: &Limits,
    prefix: &str,
) -> Vec<Issue> {
    let mut check = Check::new(defs, limits);
    let path = Path::root(prefix);
    match defs.ty(ty).kind {
        Kind::Resource => check.resource(value, &path, Container::None),
        Kind::Primitive if value.is_null() => {
            check.faults.note(&path, IssueType::Required, format_args!("There is no value."));
        }
        Kind::Primitive => check.primitive(value, ty, &path),
        _ => check.object(value, ty, &path, Container::None),
    }
    check.faults.finish()
}

/// What a resource lies in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Container {
    /// Nothing, a Bundle or Parameters.
    None,
    /// The `contained` of another, which allows no `contained` of its own.
    Resource,
}

/// One run over one resource.
struct Check<'d> {
    defs: &'d Definitions,
    faults: Faults,
    depth: usize,
    max_depth: usize,
}

impl<'d> Check<'d> {
    fn new(defs: &'d Definitions, limits: &Limits) -> Check<'d> {
        Check { defs, faults: Faults::new(limits.issues), depth: 0, max_depth: limits.depth }
    }
}
