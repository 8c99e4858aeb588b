//! Definitions of users behind a figure: a Measure or a Library by its canonical URL, and the question to
//! the mart that a stored Library is.

use super::Tables;
use super::find::{rank, stored_of};
use super::graph;
use super::library::Library;
use super::query::Place;
use super::scope::{self, Scope};
use crate::rest::Context;
use remit_fhir::{Document, Error, Result};
use remit_mart::{Limits, Mart, Parameter, Query, ViewState};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::SemaphorePermit;

/// A question and the mart that answers it.
pub struct Asked {
    /// The mart of the server, or one for this question.
    pub mart: Arc<Mart>,
    /// The question, over the rows that the caller may see.
    pub query: Query,
    /// Held while a mart for this question is there.
    _turn: Option<SemaphorePermit<'static>>,
}

/// The stored definition of a type with this canonical URL, perhaps with `|version`; of several versions
/// the active ones, then the highest.
pub async fn stored(cx: &Context<'_>, kind: &str, canonical: &str) -> Result<Option<Document>> {
    let (url, version) = match canonical.split_once('|') {
        Some((url, version)) => (url, Some(version)),
        None => (canonical, None),
    };
    let mut found = stored_of(cx, kind, url, version).await?;
    // The newest comes first, and the first of equals counts.
    found.sort_by_key(|definition| Reverse(rank(definition.document.root())));
    Ok(found.into_iter().next().map(|definition| definition.document))
}

/// The stored Library of SQL with this canonical URL.
///
/// # Errors
/// 422 when it holds no SQL that can be run.
pub async fn stored_library(cx: &Context<'_>, canonical: &str) -> Result<Option<Document>> {
    let Some(document) = stored(cx, "Library", canonical).await? else { return Ok(None) };
    Library::read(document.root())?;
    Ok(Some(document))
}

/// The question that a stored Library is, with values for its parameters. What was known earlier is known
/// where the rows of all views below are kept.
///
/// # Errors
/// As running it; 503 while the rows of a view are still made and an earlier time is asked about.
pub async fn ask(
    tables: &Tables,
    cx: &Context<'_>,
    document: &Document,
    parameters: BTreeMap<String, Parameter>,
    known_at: Option<i64>,
    limits: Limits,
) -> Result<Asked> {
    let root = document.root();
    let library = Library::read(root)?;
    let url = root.get_str("url").unwrap_or_default();
    let canonical = match root.get_str("version") {
        Some(version) => format!("{url}|{version}"),
        None => url.into_owned(),
    };
    let graph = graph::build(cx, &[], &library, canonical).await?;
    for leaf in &graph.leaves {
        scope::must_read(cx, leaf.view.resource())?;
    }
    let place = Place::of_stored(tables, cx, &Scope::everything(), &graph.leaves).await?;
    if known_at.is_some() && place.turn.is_some() {
        return Err(not_kept(tables, cx.plan.tenant()));
    }
    let query = Query {
        relations: Some(graph::named(graph.relations, &place.keys)),
        parameters,
        known_at,
        rule: place.rule,
        limits,
        ..Query::new(cx.plan.tenant(), library.sql)
    };
    Ok(Asked { mart: place.mart, query, _turn: place.turn })
}

/// Earlier versions are known to the mart alone.
fn not_kept(tables: &Tables, tenant: i32) -> Error {
    let is_filling = tables.mart.statuses(tenant).iter().any(|view| view.state == ViewState::Filling);
    match is_filling {
        true => Error::unavailable("The rows of a view are still made; what was known earlier can be asked when they are there.").at("knownAt"),
        false => Error::unprocessable("The rows of a view are not kept here (ViewDefinition/$view-status says why), so what was known earlier is not known.").at("knownAt"),
    }
}
