//! Search parameters of a tenant: SearchParameter resources that it stored beside those of the
//! specification (<https://hl7.org/fhir/R4/searchparameter.html>).
//!
//! On each resource type a parameter has a number of its own, which is never used again: a changed
//! definition gets a new one, so that rows of the old and the new never mix. Rows are written from the
//! moment that the resource is stored; searches may use them once all older resources have theirs.

mod changes;
mod check;
#[cfg(test)]
mod tests;

pub use changes::{Change, changes};

use crate::registry::{Extractor, Parameter};
use remit_fhir::{Error, Result};
use remit_spec::{SearchComponent, SearchKind, SearchParameter, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Whether searches may use a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Writes make its rows; resources from before may lack theirs.
    Filling,
    /// Every resource has its rows.
    Usable,
}

/// What a SearchParameter resource says of one resource type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Definition {
    pub(crate) url: Box<str>,
    pub(crate) code: Box<str>,
    pub(crate) kind: SearchKind,
    pub(crate) base: TypeId,
    pub(crate) expression: Box<str>,
    pub(crate) targets: Box<[TypeId]>,
    /// Canonical URL of the parameter that says how a part compares, and the part's expression.
    pub(crate) components: Box<[(Box<str>, Box<str>)]>,
}

/// A parameter of a tenant on one resource type, compiled.
#[derive(Debug)]
pub struct Custom {
    /// The resource type.
    pub ty: TypeId,
    /// Logical id of the SearchParameter resource.
    pub source: Box<str>,
    /// The parameter with its number.
    pub parameter: Parameter,
    pub(crate) definition: Definition,
    pub(crate) extractor: Extractor,
}

/// Where a parameter of a tenant comes from, as the database has it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number.
    pub number: i32,
    /// The number of its resource type.
    pub type_number: i32,
    /// Logical id of the SearchParameter resource.
    pub source: String,
    /// Whether searches may use it.
    pub state: State,
}

/// All parameters of one tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Customs {
    /// Counts the changes of the tenant's parameters.
    pub(crate) epoch: i64,
    /// By type, then by code.
    pub(crate) all: Vec<(Arc<Custom>, State)>,
}

impl Customs {
    pub(crate) fn of(&self, ty: TypeId) -> &[(Arc<Custom>, State)] {
        let start = self.all.partition_point(|(c, _)| c.ty < ty);
        let end = self.all.partition_point(|(c, _)| c.ty <= ty);
        &self.all[start..end]
    }

    pub(crate) fn find(&self, ty: TypeId, code: &str) -> Option<(&Custom, State)> {
        let of_type = self.of(ty);
        let place = of_type.binary_search_by(|(c, _)| (*c.definition.code).cmp(code)).ok()?;
        of_type.get(place).map(|(custom, state)| (&**custom, *state))
    }
}

/// Different definitions that one process keeps. Each is some hundred bytes; a thousand packages have
/// fewer.
const MAX_KEPT: usize = 200_000;

/// A definition that lives as long as the process, like those of the specification, so that whatever
/// names a parameter may hold it. The same definition is kept once, for all tenants.
pub(crate) fn keep(definition: &Definition) -> Result<&'static SearchParameter> {
    static KEPT: OnceLock<Mutex<HashMap<Definition, &'static SearchParameter>>> = OnceLock::new();
    let mut kept = KEPT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(definition) {
        return Ok(known);
    }
    if kept.len() >= MAX_KEPT {
        return Err(Error::unavailable(
            "This server process has seen too many different search parameters; it must be started again.",
        ));
    }
    let text = |text: &str| -> &'static str { Box::leak(Box::from(text)) };
    let component = |(url, expression): &(Box<str>, Box<str>)| SearchComponent {
        definition: text(url),
        expression: text(expression),
    };
    let parameter: &'static SearchParameter = Box::leak(Box::new(SearchParameter {
        url: text(&definition.url),
        code: text(&definition.code),
        kind: definition.kind,
        base: definition.base,
        expression: Some(text(&definition.expression)),
        targets: definition.targets.clone(),
        components: definition.components.iter().map(component).collect(),
        multiple_or: None,
        multiple_and: None,
        comparators: Box::default(),
        modifiers: Box::default(),
    }));
    kept.insert(definition.clone(), parameter);
    Ok(parameter)
}
