//! A query over views: answered by the mart, or by one that is made for this question when the rows of a
//! view below are not kept, or when the request brings its own resources.

use super::Tables;
use super::find::{self, Definition, Origin};
use super::graph::{self, Leaf};
use super::library::Library;
use super::parameters;
use super::request::Request;
use super::scope::{self, Scope};
use super::writer::{self, Sender, Writer};
use crate::rest::{Answer, Context};
use remit_fhir::{Document, Error, IssueType, Result};
use remit_mart::{Change, Limits, Mart, Query, RowRule, Rows, StoredView, ViewState};
use remit_spec::TypeId;
use remit_store::system_clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Resources that are read at once into a mart for one question.
const PAGE: usize = 1_000;
/// Bytes that the rows of a mart for one question may take.
const ASIDE_BYTES: usize = 256 << 20;
/// Marts for one question at a time.
const ASIDE_TURNS: usize = 2;
/// How long a question waits for such a mart.
const ASIDE_PATIENCE: Duration = Duration::from_secs(30);
/// What one query may take. Several run at a time, so it is less than the mart itself allows.
const QUERY_BYTES: usize = 256 << 20;

static ASIDE: Semaphore = Semaphore::const_new(ASIDE_TURNS);

pub(super) async fn run(
    tables: &Tables,
    cx: &Context<'_>,
    request: &Request,
    subject: Definition,
) -> Result<Answer> {
    let library = Library::read(subject.document.root())?;
    let values = parameters::bind(&library.parameters, request.values.as_ref())?;
    let graph = graph::build(cx, &request.context, &library, subject.canonical()).await?;
    if request.resources.is_none() {
        for leaf in &graph.leaves {
            scope::must_read(cx, leaf.view.resource())?;
        }
    }
    let place = match &request.resources {
        Some(resources) => Place::of_given(tables, cx, resources.clone(), &graph.leaves).await?,
        None => Place::of_stored(tables, cx, &scope::scope(cx, request).await?, &graph.leaves).await?,
    };
    let query = Query {
        relations: Some(graph::named(graph.relations, &place.keys)),
        parameters: values,
        rule: place.rule,
        limits: Limits { memory: QUERY_BYTES, ..Limits::default() },
        ..Query::new(cx.plan.tenant(), library.sql)
    };
    let rows = place.mart.stream(query).await?;
    let writer = Writer::of_rows(&rows, request)?;
    let (sender, receiver) = writer::channel();
    let turn = place.turn;
    tokio::spawn(async move {
        send(rows, writer, sender).await;
        drop(turn);
    });
    writer::answer(request.format, receiver).await
}

/// Sends the rows as they come. Dropping them ends the query.
async fn send(mut rows: Rows, mut writer: Writer, sender: Sender) {
    while !writer.is_full()
        && let Some(batch) = rows.next().await
    {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => return drop(sender.send(Err(error)).await),
        };
        let work = move || writer.batch(&batch).map(|()| writer);
        match tokio::task::spawn_blocking(work).await.map_err(Error::internal).and_then(|done| done) {
            Ok(done) => writer = done,
            Err(error) => return drop(sender.send(Err(error)).await),
        }
        if !writer.pass_on(&sender).await {
            return;
        }
    }
    writer.end(sender).await;
}

/// The mart that answers, its names for the views, and what of its rows may be seen.
pub(super) struct Place {
    pub(super) mart: Arc<Mart>,
    pub(super) keys: Vec<String>,
    pub(super) rule: Option<RowRule>,
    /// Held while a mart for this question is there.
    pub(super) turn: Option<SemaphorePermit<'static>>,
}

impl Place {
    /// Over the resources that a request brings.
    async fn of_given(
        tables: &Tables,
        cx: &Context<'_>,
        resources: Vec<Document>,
        leaves: &[Leaf],
    ) -> Result<Place> {
        let turn = Some(aside().await?);
        let (mart, keys) = beside(tables, cx, leaves)?;
        let mart = take(mart, cx.plan.tenant(), resources, 0).await?;
        Ok(Place { mart, keys, rule: None, turn })
    }

    /// Over what is stored, as far as the caller may see it.
    pub(super) async fn of_stored(
        tables: &Tables,
        cx: &Context<'_>,
        scope: &Scope,
        leaves: &[Leaf],
    ) -> Result<Place> {
        (tables.caught_up)().await?;
        if let Some(keys) = kept(tables, cx.plan.tenant(), leaves) {
            let rule = scope.rule(cx, &types(leaves)).await?;
            return Ok(Place { mart: tables.mart.clone(), keys, rule, turn: None });
        }
        let turn = Some(aside().await?);
        let (mut mart, keys) = beside(tables, cx, leaves)?;
        for ty in types(leaves) {
            mart = load(mart, cx, scope, ty).await?;
        }
        Ok(Place { mart, keys, rule: None, turn })
    }
}

/// The right to make a mart for one question.
async fn aside() -> Result<SemaphorePermit<'static>> {
    match tokio::time::timeout(ASIDE_PATIENCE, ASIDE.acquire()).await {
        Ok(turn) => turn.map_err(Error::internal),
        Err(_) => {
            Err(Error::unavailable("Too many questions about views whose rows are not kept; try again."))
        }
    }
}

fn types(leaves: &[Leaf]) -> Vec<TypeId> {
    let mut types: Vec<TypeId> = leaves.iter().map(|leaf| leaf.view.resource()).collect();
    types.sort_unstable();
    types.dedup();
    types
}

/// The names of the views in the mart, when it has all their rows in this very version.
fn kept(tables: &Tables, tenant: i32, leaves: &[Leaf]) -> Option<Vec<String>> {
    let statuses = tables.mart.statuses(tenant);
    let key = |leaf: &Leaf| match &leaf.definition.origin {
        Origin::Inline => None,
        Origin::Shipped(name) => Some(name.clone()),
        Origin::Stored(id, version) => {
            let status = statuses.iter().find(|status| status.id == *id)?;
            let is_there = status.version == *version && status.state == ViewState::Ready;
            is_there.then(|| StoredView::key(id))
        }
    };
    leaves.iter().map(key).collect()
}

/// An empty mart for the views of one question.
fn beside(tables: &Tables, cx: &Context<'_>, leaves: &[Leaf]) -> Result<(Arc<Mart>, Vec<String>)> {
    let mut views = Vec::new();
    for (place, leaf) in leaves.iter().enumerate() {
        let view = find::view(&leaf.definition.document, "Library.relatedArtifact")?;
        let id = place.to_string();
        views.push(StoredView { tenant: cx.plan.tenant(), id, version: 1, view: Some(view) });
    }
    let keys = views.iter().map(|view| StoredView::key(&view.id)).collect();
    Ok((Arc::new(tables.mart.beside(ASIDE_BYTES, views)?), keys))
}

/// Takes in what the caller may see of a type.
async fn load(mart: Arc<Mart>, cx: &Context<'_>, scope: &Scope, ty: TypeId) -> Result<Arc<Mart>> {
    let mut query = scope.query(cx, ty, PAGE)?;
    let (mut mart, mut count) = (mart, 0);
    loop {
        let (matches, more) = cx.store.matches(cx.plan, &query).await?;
        query.cursor = matches.last().map(|found| found.keys.clone());
        let mut documents = Vec::with_capacity(matches.len());
        for body in matches.into_iter().filter_map(|found| found.stored.body) {
            documents.push(remit_fhir::json::parse(body)?);
        }
        let taken = documents.len();
        mart = take(mart, cx.plan.tenant(), documents, count).await?;
        count += taken;
        if !more {
            return Ok(mart);
        }
    }
}

/// Takes resources in, each as one that is known since now. Their places name them, so that two of one
/// id are two.
async fn take(mart: Arc<Mart>, tenant: i32, resources: Vec<Document>, first: usize) -> Result<Arc<Mart>> {
    let work = move || {
        let at_us = system_clock();
        let names: Vec<String> = (first..first + resources.len()).map(|place| place.to_string()).collect();
        let types: Vec<_> =
            resources.iter().map(|resource| resource.root().resource_type().unwrap_or_default()).collect();
        let changes: Vec<Change<'_>> = resources
            .iter()
            .zip(names.iter().zip(&types))
            .map(|(resource, (id, ty))| Change {
                position: 1,
                tenant,
                resource_type: ty,
                id,
                version: 1,
                at_us,
                body: Some(resource.bytes().clone()),
            })
            .collect();
        mart.apply(&changes).map_err(|_| too_much())?;
        Ok(mart)
    };
    let mart: Result<Arc<Mart>> = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    let mart = mart?;
    // A mart gives up views at its limit; here all are needed.
    let is_whole = mart.statuses(tenant).iter().all(|status| status.state == ViewState::Ready);
    if is_whole { Ok(mart) } else { Err(too_much()) }
}

fn too_much() -> Error {
    let mib = ASIDE_BYTES >> 20;
    Error::unprocessable(format!(
        "The rows of a view are not kept here, and making them for this question takes over {mib} MiB. Store the view and ask again when its rows are there (ViewDefinition/$view-status), or ask about fewer patients."
    ))
    .coded(IssueType::TooCostly)
}
