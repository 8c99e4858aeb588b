//! What the record knows of the things that a file names: claims by their control numbers, organizations
//! and people by their identifiers. Many are asked for with one search.

use crate::rest::{Context, read_with, reader};
use futures_util::future::BoxFuture;
use remit_fhir::{Error, Result};
use remit_search::{Handling, Query, Registry};
use remit_store::Stored;
use serde_json::Value;
use std::collections::HashMap;

use super::record::type_of;

/// Values of one search. Control numbers have at most 38 characters, so the parameter stays within its
/// length.
const VALUES: usize = 200;

/// Resources that one statement reads.
const CHUNK: usize = 1_000;

/// Resources that one file may find. Each control number is mostly that of one claim.
const MAX_FOUND: usize = 200_000;

/// A resource that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its reference, `Claim/…`.
    pub(super) reference: String,
    /// As it is stored.
    pub(super) stored: Stored,
    /// What it says.
    pub(super) resource: Value,
}

/// The resources of a type of which a parameter has one of some values, whatever the system.
pub(super) fn by<'a>(
    cx: &'a Context<'_>,
    ty: &'a str,
    parameter: &'a str,
    values: impl IntoIterator<Item = &'a str>,
) -> BoxFuture<'a, Result<Vec<Found>>> {
    let mut all: Vec<&str> = values.into_iter().filter(|value| !value.trim().is_empty()).collect();
    all.sort_unstable();
    all.dedup();
    Box::pin(by_all(cx, ty, parameter, all))
}

async fn by_all(cx: &Context<'_>, ty: &str, parameter: &str, all: Vec<&str>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for some in all.chunks(VALUES) {
        let text = some.iter().map(|value| escaped(value)).collect::<Vec<_>>().join(",");
        search(cx, ty, &[(parameter.to_owned(), text)], &mut found).await?;
    }
    Ok(found)
}

/// The resources of a type that have an identifier.
pub(super) async fn identified(cx: &Context<'_>, ty: &str, system: &str, value: &str) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let text = format!("{}|{}", escaped(system), escaped(value));
    search(cx, ty, &[("identifier".to_owned(), text)], &mut found).await?;
    Ok(found)
}

/// A value as it stands in a search, whatever characters it has.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | '|' | '$' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// Whether a search finds anything.
pub(super) async fn any(cx: &Context<'_>, ty: &str, pairs: &[(String, String)]) -> Result<bool> {
    let number = type_of(cx, ty)?;
    let read =
        |registry: &Registry| remit_search::parse(&[number], pairs, &reader(cx, registry, Handling::Strict));
    let parsed = read_with(cx, pairs, read, |_| true).await?;
    Ok(!cx.store.ids(cx.plan, &parsed.query, 1).await?.is_empty())
}

/// All resources that a search finds.
pub(super) async fn search(
    cx: &Context<'_>,
    ty: &str,
    pairs: &[(String, String)],
    found: &mut Vec<Found>,
) -> Result<()> {
    let number = type_of(cx, ty)?;
    let read =
        |registry: &Registry| remit_search::parse(&[number], pairs, &reader(cx, registry, Handling::Strict));
    let parsed = read_with(cx, pairs, read, |_| true).await?;
    let mut query = Query { count: CHUNK, ..parsed.query };
    loop {
        let (some, more) = cx.store.matches(cx.plan, &query).await?;
        query.cursor = some.last().map(|one| one.keys.clone());
        for one in some {
            let Some(body) = &one.stored.body else { continue };
            let resource: Value = serde_json::from_slice(body).map_err(Error::internal)?;
            let reference = super::record::reference(ty, &one.stored.id);
            found.push(Found { reference, stored: one.stored, resource });
        }
        if found.len() > MAX_FOUND {
            return Err(Error::unprocessable(format!(
                "More than {MAX_FOUND} resources of type {ty} have the identifiers of this file; split it."
            )));
        }
        if !more {
            return Ok(());
        }
    }
}

/// Items of a list, none where there is no list.
pub(super) fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

/// Values of the identifiers of a resource.
pub(super) fn identifiers(resource: &Value) -> impl Iterator<Item = &str> {
    items(resource, "identifier").filter_map(|one| one["value"].as_str())
}

/// Found resources by each of their identifiers.
pub(super) fn by_identifier(all: Vec<Found>) -> HashMap<String, Vec<Found>> {
    let mut map: HashMap<String, Vec<Found>> = HashMap::new();
    for one in all {
        let values: Vec<String> = identifiers(&one.resource).map(str::to_owned).collect();
        for value in values {
            map.entry(value).or_default().push(one.clone());
        }
    }
    map
}

/// The resources behind references, in their order; what is not there is left out.
pub(super) async fn read(cx: &Context<'_>, references: &[String]) -> Result<Vec<Found>> {
    let mut keys = Vec::with_capacity(references.len());
    for reference in references {
        if let Some((ty, id)) = reference.split_once('/')
            && let Some(ty) = cx.defs.resource_named(ty)
        {
            keys.push((ty, id.to_owned()));
        }
    }
    let mut found = Vec::with_capacity(keys.len());
    for stored in cx.store.current(cx.plan, &keys).await?.into_iter().flatten() {
        let Some(body) = &stored.body else { continue };
        let resource: Value = serde_json::from_slice(body).map_err(Error::internal)?;
        let reference = super::record::reference(cx.defs.name(stored.ty), &stored.id);
        found.push(Found { reference, stored, resource });
    }
    Ok(found)
}
