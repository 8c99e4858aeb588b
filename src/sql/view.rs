//! A view by itself: run over the resources, one page after the other, while the answer is sent.

use super::request::Request;
use super::scope;
use super::writer::{self, Sender, Writer};
use crate::rest::{Answer, Context};
use bytes::Bytes;
use remit_fhir::{Document, Error, Result, json};
use remit_search::{AccessPlan, Query};
use remit_sof::{Limits, RunError, Value, View};
use remit_store::{Match, Store, system_clock};
use std::sync::Arc;

/// Resources that are read at once.
const PAGE: usize = 1_000;

pub(super) async fn run(cx: &Context<'_>, request: &Request, view: Arc<View>) -> Result<Answer> {
    let writer = Writer::of_view(&view, request)?;
    let (sender, receiver) = writer::channel();
    match &request.resources {
        Some(resources) => {
            let resources = resources.clone();
            tokio::spawn(async move { given(resources, view, writer, sender).await });
        }
        None => {
            scope::must_read(cx, view.resource())?;
            let query = scope::scope(cx, request).await?.query(cx, view.resource(), PAGE)?;
            let reading = Reading { store: cx.store.clone(), plan: cx.plan.clone(), query };
            tokio::spawn(async move { stored(reading, view, writer, sender).await });
        }
    }
    writer::answer(request.format, receiver).await
}

/// Rows of resources that came with the request.
async fn given(resources: Vec<Document>, view: Arc<View>, mut writer: Writer, sender: Sender) {
    for some in resources.chunks(PAGE) {
        let some = some.to_vec();
        let work = {
            let view = view.clone();
            move || write(&view, &some, writer)
        };
        match tokio::task::spawn_blocking(work).await.map_err(Error::internal).and_then(|done| done) {
            Ok(done) => writer = done,
            Err(error) => return drop(sender.send(Err(error)).await),
        }
        if !writer.pass_on(&sender).await || writer.is_full() {
            break;
        }
    }
    writer.end(sender).await;
}

/// A walk over the stored resources of a type.
struct Reading {
    store: Store,
    plan: AccessPlan,
    query: Query,
}

impl Reading {
    async fn page(&self, query: &Query) -> Result<(Vec<Match>, bool)> {
        self.store.matches(&self.plan, query).await
    }
}

/// Rows of stored resources. While a page is worked on, the next one is read.
async fn stored(reading: Reading, view: Arc<View>, mut writer: Writer, sender: Sender) {
    let mut query = reading.query.clone();
    let mut page = reading.page(&query).await;
    loop {
        let (matches, more) = match page {
            Ok(page) => page,
            Err(error) => return drop(sender.send(Err(error)).await),
        };
        query.cursor = matches.last().map(|found| found.keys.clone());
        let bodies: Vec<Bytes> = matches.into_iter().filter_map(|found| found.stored.body).collect();
        let work = {
            let view = view.clone();
            move || {
                let documents = bodies.into_iter().map(|body| Ok(json::parse(body)?));
                write(&view, &documents.collect::<Result<Vec<_>>>()?, writer)
            }
        };
        let next = async {
            match more {
                true => Some(reading.page(&query).await),
                false => None,
            }
        };
        let (next, done) = tokio::join!(next, tokio::task::spawn_blocking(work));
        match done.map_err(Error::internal).and_then(|done| done) {
            Ok(done) => writer = done,
            Err(error) => return drop(sender.send(Err(error)).await),
        }
        // Nobody listens any more, or all that was asked for is there.
        if !writer.pass_on(&sender).await || writer.is_full() {
            break;
        }
        match next {
            Some(next) => page = next,
            None => break,
        }
    }
    writer.end(sender).await;
}

/// Writes the rows of some resources.
fn write(view: &View, resources: &[Document], mut writer: Writer) -> Result<Writer> {
    let now = system_clock();
    for resource in resources {
        if writer.is_full() {
            break;
        }
        let sink =
            &mut |row: &[&Value<'_>]| writer.row(row).map_err(|error| RunError::new(error.to_string()));
        let done = view.run_with(resource.root(), now, Limits::default(), sink);
        done.map_err(|error| Error::unprocessable(format!("The view cannot be run on a resource. {error}")))?;
    }
    Ok(writer)
}
