//! What the record knows of the things that a file names: claims by their control numbers, organizations
//! and people by their identifiers. Many are asked for with one search.

use crate::operation::{Invocation, Target};
use crate::rest::{Context, read_with, reader};
use futures_util::future::BoxFuture;
use remit_fhir::{Error, Result};
use remit_search::{Handling, Query, Registry};
use remit_store::Stored;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

use super::record::{Record, type_of};

/// Values of one search. Control numbers have at most 38 characters, so the parameter stays within its
/// length.
const VALUES: usize = 200;

/// Resources that one statement reads.
const CHUNK: usize = 1_000;

/// Resources that one file may find. Each control number is mostly that of one claim.
const MAX_FOUND: usize = 200_000;

/// A resource that was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Its reference, `Claim/…`.
    pub(crate) reference: String,
    /// As it is stored.
    pub(crate) stored: Stored,
    /// What it says.
    pub(crate) resource: Value,
}

/// The resource that an operation is called on: 404 and 410 as a read.
pub(crate) async fn target(call: &Invocation<'_>) -> Result<Found> {
    let Target::Instance(ty, id) = call.target else {
        return Err(Error::internal("an operation was called where its definition does not put it"));
    };
    let stored = call.cx.store.read(call.cx.plan, ty, id).await?;
    let body = stored.body.as_deref().unwrap_or_default();
    let resource = serde_json::from_slice(body).map_err(Error::internal)?;
    Ok(Found { reference: format!("{}/{id}", call.cx.defs.name(ty)), stored, resource })
}

/// The resources of a type of which a parameter has one of some values, whatever the system.
pub(crate) fn by<'a>(
    cx: &'a Context<'_>,
    ty: &'a str,
    parameter: &'a str,
    values: impl IntoIterator<Item = &'a str>,
) -> BoxFuture<'a, Result<Vec<Found>>> {
    by_with(cx, ty, parameter, values, Vec::new())
}

/// The same of those that meet more criteria.
pub(crate) fn by_with<'a>(
    cx: &'a Context<'_>,
    ty: &'a str,
    parameter: &'a str,
    values: impl IntoIterator<Item = &'a str>,
    more: Vec<(String, String)>,
) -> BoxFuture<'a, Result<Vec<Found>>> {
    let mut all: Vec<&str> = values.into_iter().filter(|value| !value.trim().is_empty()).collect();
    all.sort_unstable();
    all.dedup();
    Box::pin(by_all(cx, ty, parameter, all, more))
}

async fn by_all(
    cx: &Context<'_>,
    ty: &str,
    parameter: &str,
    all: Vec<&str>,
    more: Vec<(String, String)>,
) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for some in all.chunks(VALUES) {
        let text = some.iter().map(|value| escaped(value)).collect::<Vec<_>>().join(",");
        let mut pairs = vec![(parameter.to_owned(), text)];
        pairs.extend_from_slice(&more);
        search(cx, ty, &pairs, &mut found).await?;
    }
    Ok(found)
}

/// The resources of a type that have an identifier.
pub(crate) async fn identified(cx: &Context<'_>, ty: &str, system: &str, value: &str) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let text = format!("{}|{}", escaped(system), escaped(value));
    search(cx, ty, &[("identifier".to_owned(), text)], &mut found).await?;
    Ok(found)
}

/// A value as it stands in a search, whatever characters it has.
pub(super) fn escaped(value: &str) -> String {
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
pub(crate) async fn any(cx: &Context<'_>, ty: &str, pairs: &[(String, String)]) -> Result<bool> {
    let number = type_of(cx, ty)?;
    let read =
        |registry: &Registry| remit_search::parse(&[number], pairs, &reader(cx, registry, Handling::Strict));
    let parsed = read_with(cx, pairs, read, |_| true).await?;
    Ok(!cx.store.ids(cx.plan, &parsed.query, 1).await?.is_empty())
}

/// The newest resources that a search finds, at most so many.
pub(crate) async fn newest(
    cx: &Context<'_>,
    ty: &str,
    pairs: &[(String, String)],
    most: usize,
) -> Result<Vec<Found>> {
    let number = type_of(cx, ty)?;
    let read =
        |registry: &Registry| remit_search::parse(&[number], pairs, &reader(cx, registry, Handling::Strict));
    let parsed = read_with(cx, pairs, read, |_| true).await?;
    let (matches, _) = cx.store.matches(cx.plan, &Query { count: most, ..parsed.query }).await?;
    let found = matches.into_iter().filter_map(|one| {
        let body = one.stored.body.as_ref()?;
        let resource = serde_json::from_slice(body).map_err(Error::internal);
        let reference = super::record::reference(ty, &one.stored.id);
        Some(resource.map(|resource| Found { reference, stored: one.stored, resource }))
    });
    found.collect()
}

/// All resources that a search finds.
pub(crate) async fn search(
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
pub(crate) fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

/// Values of the identifiers of a resource.
pub(crate) fn identifiers(resource: &Value) -> impl Iterator<Item = &str> {
    items(resource, "identifier").filter_map(|one| one["value"].as_str())
}

/// Found resources by each of their identifiers.
pub(crate) fn by_identifier(all: Vec<Found>) -> HashMap<String, Vec<Found>> {
    let mut map: HashMap<String, Vec<Found>> = HashMap::new();
    for one in all {
        let values: Vec<String> = identifiers(&one.resource).map(str::to_owned).collect();
        for value in values {
            map.entry(value).or_default().push(one.clone());
        }
    }
    map
}

/// A claim: its reference and what it says.
pub(super) type KnownClaim = (String, Value);

/// The claims that have these numbers, in the record or sent before in the same file.
pub(super) async fn claims(
    cx: &Context<'_>,
    record: &Record,
    numbers: Vec<&str>,
) -> Result<HashMap<String, Vec<KnownClaim>>> {
    let stored = by(cx, "Claim", "identifier", numbers.clone()).await?;
    let numbers: HashSet<&str> = numbers.into_iter().collect();
    let mut map: HashMap<String, Vec<KnownClaim>> = HashMap::new();
    let mut add = |reference: &str, claim: &Value| {
        for number in identifiers(claim).filter(|value| numbers.contains(value)) {
            map.entry(number.to_owned()).or_default().push((reference.to_owned(), claim.clone()));
        }
    };
    stored.iter().for_each(|found| add(&found.reference, &found.resource));
    record.sent.iter().for_each(|(reference, claim)| add(reference, claim));
    Ok(map)
}

/// The resources behind references, in their order; what is not there is left out.
pub(crate) async fn read(cx: &Context<'_>, references: &[String]) -> Result<Vec<Found>> {
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
