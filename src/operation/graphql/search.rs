//! Searches within a query: `PatientList(…)`, `PatientConnection(…)`, and within a resource what points
//! to it, `ConditionList(_reference: patient)` (<https://hl7.org/fhir/R4/graphql.html#searching>).

use super::document::Field;
use super::fault::Fault;
use crate::rest::{Context, reader};
use remit_search::{CURSOR_PARAMETER, Handling, Query, Total};
use remit_spec::{Definitions, TypeId};
use serde_json::Value;

/// What a field of the system, or an uppercase field of a resource, asks for.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// `Patient(id: 1)`
    One(TypeId),
    /// `PatientList(…)`
    List(TypeId),
    /// `PatientConnection(…)`
    Connection(TypeId),
}

impl Target {
    pub(super) fn named(defs: &Definitions, name: &str) -> Option<Target> {
        let of = |suffix: &str| name.strip_suffix(suffix).and_then(|name| defs.resource_named(name));
        let one = defs.resource_named(name).map(Target::One);
        one.or_else(|| of("List").map(Target::List)).or_else(|| of("Connection").map(Target::Connection))
    }

    pub(super) fn ty(self) -> TypeId {
        match self {
            Target::One(ty) | Target::List(ty) | Target::Connection(ty) => ty,
        }
    }

    pub(super) fn is_many(self) -> bool {
        !matches!(self, Target::One(_))
    }

    pub(super) fn is_connection(self) -> bool {
        matches!(self, Target::Connection(_))
    }
}

/// A search to be made: what tells it from others, and the query.
pub(super) struct Search {
    pub(super) key: String,
    pub(super) query: Query,
}

/// The search that a field asks for; of a resource, `owner` is its reference.
pub(super) fn search(
    cx: &Context<'_>,
    ty: TypeId,
    field: &Field,
    owner: Option<&str>,
    wants_count: bool,
) -> Result<Search, Fault> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in &field.arguments {
        match (&**name, owner) {
            ("_reference", None) => return Err(field.fault("_reference is for searches within a resource.")),
            ("_reference", Some(owner)) => {
                let parameter =
                    value.as_str().ok_or_else(|| field.fault("_reference names a search parameter."))?;
                pairs.push((code(cx, ty, parameter), owner.to_owned()));
            }
            (name, _) if is_refused(name) => {
                return Err(field.fault(format!("{name} is for searches whose answer is a Bundle.")));
            }
            (name, _) => pairs.push((code(cx, ty, name), text(value).ok_or_else(|| unfit(field, name))?)),
        }
    }
    if owner.is_some() && field.argument("_reference").is_none() {
        return Err(field.fault(format!(
            "Within a resource, {} needs _reference: the search parameter that points to the resource.",
            field.name
        )));
    }
    let of_field = |error: remit_fhir::Error| Fault::of(field.pos, &error);
    let registry = cx.store.registry_of(cx.plan.tenant());
    let reader = reader(cx, &registry, Handling::Strict);
    let mut parsed = remit_search::parse(&[ty], &pairs, &reader).map_err(of_field)?;
    if wants_count {
        parsed.query.total = Total::Accurate;
    }
    if parsed.query.count == 0 {
        return Err(
            field.fault("_count is 1 or more; for the number alone ask for the field count of a connection.")
        );
    }
    let key = format!("{} {pairs:?} {wants_count}", ty.index());
    Ok(Search { key, query: parsed.query })
}

/// Whether this is the first page of a search.
pub(super) fn is_first(field: &Field) -> bool {
    field.argument(CURSOR_PARAMETER).is_none()
}

fn is_refused(name: &str) -> bool {
    matches!(
        name,
        "_include"
            | "_revinclude"
            | "_summary"
            | "_elements"
            | "_total"
            | "_contained"
            | "_containedType"
            | "_format"
            | "_pretty"
            | "_offset"
    )
}

fn unfit(field: &Field, name: &str) -> Fault {
    field.fault(format!("The argument {name} is a text, a number, a truth value, or a list of these."))
}

/// A value as a search has it; of a list, any may match.
fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Array(all) => {
            let all: Option<Vec<String>> = all.iter().filter(|v| !v.is_array()).map(text).collect();
            all?.join(",")
        }
        Value::Null | Value::Object(_) => return None,
    })
}

/// The search parameter behind a name of GraphQL, which has no hyphens.
fn code(cx: &Context<'_>, ty: TypeId, name: &str) -> String {
    let is_known = cx.store.registry_of(cx.plan.tenant()).parameter(ty, name).is_some();
    if is_known || name.starts_with('_') { name.to_owned() } else { name.replace('_', "-") }
}
