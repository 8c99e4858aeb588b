//! The Measure that a call names: one that comes with the program, or one that a user has stored, with the
//! Libraries below it. What comes with the program goes first, so nothing stored changes it.

use super::evaluate::Asker;
use crate::operation::{Invocation, Target};
use crate::rcm::{Library, Measure, MeasureRequest};
use crate::rest::Context;
use crate::sql;
use futures_util::future::BoxFuture;
use remit_fhir::{Document, Error, IssueType, Result};
use serde_json::Value as Json;
use std::sync::Arc;

/// Measures that a composed one may have below it.
const MAX_PARTS: usize = 50;

/// A Measure with what it stands on.
pub(super) enum Definition {
    /// It comes with the program.
    Shipped(&'static Measure),
    /// It is stored.
    Stored(Box<Measure>, Documents),
}

/// Stored Libraries, as they are read and as they are stored.
pub(super) type Documents = Vec<(Arc<Library>, Document)>;

impl Definition {
    /// The Measure.
    pub(super) fn measure(&self) -> &Measure {
        match self {
            Definition::Shipped(measure) => measure,
            Definition::Stored(measure, _) => measure,
        }
    }

    /// The document of a Library, when it is stored.
    pub(super) fn document(&self, library: &Arc<Library>) -> Option<&Document> {
        let Definition::Stored(_, documents) = self else { return None };
        documents.iter().find(|(known, _)| Arc::ptr_eq(known, library)).map(|(_, document)| document)
    }

    /// What a call names, in its URL or as the parameter `measure`.
    pub(super) async fn of_call(call: &Invocation<'_>, pairs: &[(String, String)]) -> Result<Definition> {
        let cx = &call.cx;
        match &call.target {
            Target::Instance(_, id) => {
                let found = Definition::of_id(cx, id).await?;
                found.ok_or_else(|| Error::not_found("There is no measure of that id here."))
            }
            _ => Definition::of_name(cx, &MeasureRequest::measure_name(pairs)?)
                .await?
                .ok_or_else(|| Error::not_found("There is no measure of that id or URL here.").at("measure")),
        }
    }

    /// What an id or a canonical names.
    pub(super) async fn of_name(cx: &Context<'_>, name: &str) -> Result<Option<Definition>> {
        let id = name.strip_prefix("Measure/").unwrap_or(name);
        if remit_fhir::is_id(id) {
            return Definition::of_id(cx, id).await;
        }
        if let Some(measure) = Measure::find(name) {
            return Ok(Some(Definition::Shipped(measure)));
        }
        match sql::stored(cx, "Measure", name).await? {
            Some(document) => Definition::of_document(cx, &document).await.map(Some),
            None => Ok(None),
        }
    }

    async fn of_id(cx: &Context<'_>, id: &str) -> Result<Option<Definition>> {
        let shipped = Measure::find(id);
        let ty = cx.defs.resource_named("Measure").ok_or_else(|| Error::internal("R4 has Measure"))?;
        let stored = match cx.store.read(cx.plan, ty, id).await {
            Ok(stored) => stored.body.map(remit_fhir::json::parse).transpose()?,
            Err(error) if matches!(error.status(), 403 | 404 | 410) => None,
            Err(error) => return Err(error),
        };
        match (shipped, stored) {
            (None, None) => Ok(None),
            (Some(measure), None) => Ok(Some(Definition::Shipped(measure))),
            (None, Some(document)) => Definition::of_document(cx, &document).await.map(Some),
            // A copy of what comes with the program names the same thing; anything else does not.
            (Some(measure), Some(document)) => match document.root().get_str("url") {
                Some(url) if *url == measure.url => Ok(Some(Definition::Shipped(measure))),
                _ => Err(Error::conflict(
                    "A measure of the program and a stored one have this id; name one by its canonical URL, as the parameter measure of Measure/$evaluate-measure.",
                )
                .at("measure")),
            },
        }
    }

    async fn of_document(cx: &Context<'_>, document: &Document) -> Result<Definition> {
        let mut documents = Documents::new();
        let measure = read(cx, document, &mut documents, true).await?;
        Ok(Definition::Stored(Box::new(measure), documents))
    }
}

/// Reads a stored Measure with its Libraries and, once, the Measures that it is composed of.
fn read<'r>(
    cx: &'r Context<'_>,
    document: &'r Document,
    documents: &'r mut Documents,
    is_top: bool,
) -> BoxFuture<'r, Result<Measure>> {
    Box::pin(async move {
        let json: Json = serde_json::from_str(document.text()).map_err(Error::internal)?;
        let mut libraries: Vec<(String, Arc<Library>)> = Vec::new();
        for (n, canonical) in json["library"].as_array().into_iter().flatten().enumerate() {
            let canonical = canonical.as_str().unwrap_or_default();
            let library = library(cx, canonical, documents).await;
            let library = library.map_err(|error| error.at(format!("Measure.library[{n}]")))?;
            libraries.push((canonical.to_owned(), library));
        }
        let find = |name: &str| libraries.iter().find(|(known, _)| known == name).map(|(_, found)| found);
        let mut measure = Measure::read(&json, find)?;
        measure.is_stored = true;
        if measure.url.is_empty() {
            measure.url = format!("{}/Measure/{}", cx.base, measure.id);
        }
        if !measure.composed_of.is_empty() {
            if !is_top {
                let text = "A measure is composed of measures that are not composed themselves.";
                return Err(Error::unprocessable(text).coded(IssueType::BusinessRule).at(COMPOSITION));
            }
            measure.found_parts = parts(cx, &measure.composed_of, documents).await?;
        }
        Ok(measure)
    })
}

const COMPOSITION: &str = "Measure.relatedArtifact.where(type='composed-of').resource";

async fn parts(
    cx: &Context<'_>,
    composed_of: &[String],
    documents: &mut Documents,
) -> Result<Vec<Arc<Measure>>> {
    if composed_of.len() > MAX_PARTS {
        let text = format!("The measure is composed of over {MAX_PARTS} others.");
        return Err(Error::unprocessable(text).coded(IssueType::TooCostly).at(COMPOSITION));
    }
    let mut parts = Vec::new();
    for canonical in composed_of {
        let part = match Measure::find(canonical) {
            Some(measure) if measure.composed_of.is_empty() => measure.clone(),
            Some(_) => {
                let text = "A measure is composed of measures that are not composed themselves.";
                return Err(Error::unprocessable(text).coded(IssueType::BusinessRule).at(COMPOSITION));
            }
            None => {
                let document = sql::stored(cx, "Measure", canonical).await?;
                let document = document.ok_or_else(|| {
                    Error::unprocessable(format!("The Measure {canonical} is not known.")).at(COMPOSITION)
                })?;
                read(cx, &document, documents, false).await?
            }
        };
        if part.groups.is_empty() {
            let text = format!("The Measure {canonical} has no group, so it has no figure.");
            return Err(Error::unprocessable(text).at(COMPOSITION));
        }
        parts.push(Arc::new(part));
    }
    Ok(parts)
}

/// The Library of a canonical: of the program, or stored.
async fn library(cx: &Context<'_>, canonical: &str, documents: &mut Documents) -> Result<Arc<Library>> {
    if let Some(library) = Library::find(canonical) {
        return Ok(library.clone());
    }
    let found = sql::stored_library(cx, canonical).await?;
    let document = found.ok_or_else(|| {
        Error::unprocessable("There is no Library of this URL here.").coded(IssueType::NotFound)
    })?;
    let json: Json = serde_json::from_str(document.text()).map_err(Error::internal)?;
    let library = Arc::new(Library::read(&json)?);
    documents.push((library.clone(), document));
    Ok(library)
}

/// The context of a caller; stored definitions have no other readers.
pub(super) fn reader<'a>(asker: Asker<'a>) -> Result<&'a Context<'a>> {
    match asker {
        Asker::Caller(cx) => Ok(cx),
        Asker::Server(_) => Err(Error::internal("the server asks its own measures only")),
    }
}
