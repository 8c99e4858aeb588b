//! Parameters that say how to answer (<https://hl7.org/fhir/R4/search.html#return>): `_count`,
//! `_sort`, `_total`, `_summary`, `_elements`, `_contained`, `_containedType`, `_type`.

use super::{Context, refuse, unsupported};
use crate::contained::{Contained, ContainedType};
use crate::custom::State;
use crate::include::{self, MAX_INCLUDES};
use crate::query::{Direction, Query, References, SortBy, SortKey, Summary, Total};
use remit_fhir::Result;
use remit_spec::{SearchKind, TypeId};

/// What can be said once only; with two values nobody can tell which is meant.
const ONCE: [&str; 6] = ["_count", "_sort", "_total", "_summary", "_contained", "_containedType"];

/// Most elements that `_elements` names; the largest resource has fewer.
const MAX_ELEMENTS: usize = 100;

impl Query {
    /// A query without criteria.
    pub(super) fn of(types: Vec<TypeId>, count: usize) -> Query {
        Query { types, count, ..Query::default() }
    }
}

/// Reads a parameter of this kind; `None` when it is none.
pub(super) fn read(query: &mut Query, name: &str, value: &str, context: &Context<'_>) -> Result<Option<()>> {
    is_said_once(query, name, value)?;
    match name {
        "_type" => {}
        "_count" => {
            let count =
                value.parse::<u64>().map_err(|_| refuse(name, "it is a whole number of 0 or more".into()))?;
            query.count = usize::try_from(count).unwrap_or(usize::MAX).min(context.limits.max_count);
            if count == 0 {
                query.summary = Summary::Count;
            }
        }
        "_sort" => query.sort = sort(&query.types, value, context)?,
        "_total" => {
            query.total = match value {
                "none" => Total::None,
                "estimate" => Total::Estimate,
                "accurate" => Total::Accurate,
                _ => return Err(refuse(name, "it is none, estimate or accurate".into())),
            }
        }
        "_summary" => {
            query.summary = match value {
                "true" => Summary::True,
                "false" => Summary::False,
                "text" => Summary::Text,
                "data" => Summary::Data,
                "count" => Summary::Count,
                _ => return Err(refuse(name, "it is true, false, text, data or count".into())),
            }
        }
        "_elements" => {
            let names: Vec<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
            let fine = |name: &String| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
            };
            if names.len() > MAX_ELEMENTS || !names.iter().all(fine) {
                return Err(refuse(name, format!("it is a list of up to {MAX_ELEMENTS} names of elements")));
            }
            query.elements.extend(names);
        }
        "_contained" => {
            query.contained = match value {
                "false" => Contained::No,
                "true" => Contained::Only,
                "both" => Contained::Both,
                _ => return Err(refuse(name, "it is false, true or both".into())),
            };
            if query.contained != Contained::No && context.registry.contained() == State::Filling {
                let reason = "contained resources are not indexed yet; POST [base]/$reindex makes them searchable, and it is not done";
                return Err(unsupported(name, reason.into()));
            }
        }
        "_containedType" => {
            query.contained_type = match value {
                "container" => ContainedType::Container,
                "contained" => ContainedType::Contained,
                _ => return Err(refuse(name, "it is container or contained".into())),
            }
        }
        _ if is_include(name) => {
            if query.includes.len() == MAX_INCLUDES {
                return Err(refuse(name, format!("there are more than {MAX_INCLUDES} of them")));
            }
            query.includes.push(include::parse(name, value, context)?);
        }
        _ => return Ok(None),
    }
    Ok(Some(()))
}

fn is_said_once(query: &Query, name: &str, value: &str) -> Result<()> {
    match ONCE.contains(&name) && query.pairs.iter().any(|(n, v)| n == name && v != value) {
        true => Err(refuse(name, "it stands twice, with different values".into())),
        false => Ok(()),
    }
}

fn is_include(name: &str) -> bool {
    matches!(name.split(':').next(), Some("_include" | "_revinclude"))
}

/// `_type`, which only a search of the whole system takes.
pub(super) fn types(query: &mut Query, given: &[TypeId], value: &str, context: &Context<'_>) -> Result<()> {
    if !given.is_empty() {
        return Err(refuse("_type", "the address of the search says the type already".into()));
    }
    for name in value.split(',') {
        let Some(ty) = context.registry.definitions().resource_named(name.trim()) else {
            let shown: String = name.chars().take(80).collect();
            return Err(refuse("_type", format!("'{shown}' is no resource type")));
        };
        if !query.types.contains(&ty) {
            query.types.push(ty);
        }
    }
    Ok(())
}

fn sort(types: &[TypeId], value: &str, context: &Context<'_>) -> Result<Vec<SortKey>> {
    let keys: Vec<&str> = value.split(',').collect();
    if keys.len() > context.limits.sort_keys {
        return Err(refuse("_sort", format!("it has more than {} keys", context.limits.sort_keys)));
    }
    let mut sort: Vec<SortKey> = Vec::with_capacity(keys.len());
    for key in keys {
        let (direction, code) = match key.strip_prefix('-') {
            Some(code) => (Direction::Falling, code),
            None => (Direction::Rising, key),
        };
        let by = sort_by(types, code, context)?;
        if sort.iter().any(|key| key.by == by) {
            return Err(refuse("_sort", format!("it names '{code}' twice")));
        }
        sort.push(SortKey { by, direction });
    }
    Ok(sort)
}

fn sort_by(types: &[TypeId], code: &str, context: &Context<'_>) -> Result<SortBy> {
    match code {
        "_lastUpdated" => return Ok(SortBy::Updated),
        "_id" => return Ok(SortBy::Id),
        _ => {}
    }
    let found = super::parameters(types, code, context).map_err(|reason| unsupported("_sort", reason))?;
    let params: Vec<i32> = found.iter().map(|p| p.number).collect();
    match found.first().map(|p| p.definition.kind) {
        Some(SearchKind::Date) => Ok(SortBy::Date(params)),
        Some(SearchKind::String) => Ok(SortBy::String(params)),
        Some(SearchKind::Number) => Ok(SortBy::Number(params)),
        Some(SearchKind::Quantity) => Ok(SortBy::Quantity(params)),
        Some(SearchKind::Token) => Ok(SortBy::Token(params)),
        Some(SearchKind::Uri) => Ok(SortBy::Uri(params)),
        Some(SearchKind::Reference) => {
            let urls = found.iter().map(|p| p.beside).collect();
            Ok(SortBy::Reference(References { params, only: found.first().and_then(|p| p.only), urls }))
        }
        kind => {
            let kind = kind.map_or("unknown", SearchKind::code);
            Err(unsupported("_sort", format!("'{code}' is a {kind} parameter; its values have no order")))
        }
    }
}
