//! Finding what is to be run, and what that depends on: given inline, shipped with the program, or stored.

use super::library;
use super::request::{Given, Kind, Request};
use crate::rcm;
use crate::rest::{Context, reader};
use remit_fhir::{Document, Error, Node, Result, json};
use remit_search::{Handling, Query};
use remit_sof::View;
use std::cmp::Reverse;
use std::sync::Arc;

/// Versions of one canonical that are looked at, newest first.
const MAX_VERSIONS: usize = 100;

/// Where a definition comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// The request brings it.
    Inline,
    /// The program brings it; the view's name.
    Shipped(String),
    /// A stored resource: its id and version.
    Stored(String, i64),
}

/// A definition.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) document: Document,
    pub(super) origin: Origin,
}

impl Definition {
    /// Its canonical URL with its version; empty when it has none.
    pub(super) fn canonical(&self) -> String {
        canonical(self.document.root())
    }

    /// Whether it is a ViewDefinition.
    pub(super) fn is_view(&self) -> bool {
        self.document.root().resource_type().is_some_and(|ty| ty == "ViewDefinition")
    }
}

fn canonical(root: Node<'_>) -> String {
    let text = |name: &str| root.get_str(name).unwrap_or_default();
    match (text("url"), text("version")) {
        (url, version) if version.is_empty() => url.into_owned(),
        (url, version) => format!("{url}|{version}"),
    }
}

/// What a request runs.
pub(super) enum Subject {
    View(Arc<View>),
    Library(Box<Definition>),
}

/// The subject of a request: 404 when there is none, 422 when it is of another kind.
pub(super) async fn subject(cx: &Context<'_>, request: &Request) -> Result<Subject> {
    let found = match &request.given {
        Given::Inline(document) => Definition { document: document.clone(), origin: Origin::Inline },
        Given::Stored(kind, id) => stored(cx, request, kind, id).await?,
        Given::Canonical(url) => by_canonical(cx, &request.context, url)
            .await?
            .ok_or_else(|| Error::not_found("There is no view or query of this URL here.").at(request.at))?,
    };
    let root = found.document.root();
    let is_library = root.resource_type().is_some_and(|ty| ty == "Library");
    if found.is_view() && request.kind != Kind::Query {
        return view(&found.document, request.at).map(|view| Subject::View(Arc::new(view)));
    }
    if is_library && library::is_sql(root) && request.kind != Kind::View {
        return Ok(Subject::Library(Box::new(found)));
    }
    Err(Error::unprocessable(match request.kind {
        Kind::View => "This is no ViewDefinition.",
        Kind::Query => "This is no Library that holds SQL.",
        Kind::Any => "This is neither a ViewDefinition nor a Library that holds SQL.",
    })
    .at(request.at))
}

/// A view that can be run; every fault of one that cannot.
pub(super) fn view(document: &Document, at: &str) -> Result<View> {
    View::parse(document.root(), remit_spec::Definitions::r4())
        .map_err(|issues| Error::with_issues(remit_fhir::Kind::Unprocessable, issues).at(at.to_owned()))
}

async fn stored(cx: &Context<'_>, request: &Request, kind: &str, id: &str) -> Result<Definition> {
    let ty = cx.defs.resource_named(kind).filter(|_| matches!(kind, "ViewDefinition" | "Library"));
    let ty = ty.ok_or_else(|| {
        Error::unprocessable("Only a ViewDefinition or a Library can be run.").at(request.at)
    })?;
    let found = cx.store.read(cx.plan, ty, id).await.map_err(|error| error.at(request.at))?;
    let body = found.body.ok_or_else(|| Error::internal("a resource that was read has no body"))?;
    Ok(Definition { document: json::parse(body)?, origin: Origin::Stored(found.id, found.version) })
}

/// The definition of a canonical URL, perhaps with `|version`. What the request brings goes first, then
/// what the program brings, then what is stored; of several versions the active ones, then the highest.
pub(super) async fn by_canonical(
    cx: &Context<'_>,
    context: &[Document],
    canonical: &str,
) -> Result<Option<Definition>> {
    let (url, version) = match canonical.split_once('|') {
        Some((url, version)) => (url, Some(version)),
        None => (canonical, None),
    };
    let is_it = |root: Node<'_>| {
        root.get_str("url").is_some_and(|own| own == url)
            && version.is_none_or(|version| root.get_str("version").is_some_and(|own| own == version))
    };
    if let Some(document) = context.iter().find(|document| is_it(document.root())) {
        return Ok(Some(Definition { document: document.clone(), origin: Origin::Inline }));
    }
    for kind in ["ViewDefinition", "Library"] {
        for artefact in rcm::artefacts_of(kind) {
            let document = json::parse(artefact.json)?;
            if is_it(document.root()) {
                let name = document.root().get_str("name").unwrap_or_default().into_owned();
                return Ok(Some(Definition { document, origin: Origin::Shipped(name) }));
            }
        }
    }
    let mut found = Vec::new();
    for kind in ["ViewDefinition", "Library"] {
        found.extend(stored_of(cx, kind, url, version).await?);
    }
    // The newest comes first, and the first of equals counts.
    found.sort_by_key(|definition: &Definition| Reverse(rank(definition.document.root())));
    Ok(found.into_iter().next())
}

pub(super) async fn stored_of(
    cx: &Context<'_>,
    kind: &str,
    url: &str,
    version: Option<&str>,
) -> Result<Vec<Definition>> {
    let Some(ty) = cx.defs.resource_named(kind) else { return Ok(Vec::new()) };
    // A comma or a bar of the text is no sign of the search.
    let escape =
        |text: &str| text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$");
    let mut pairs = vec![("url".to_owned(), escape(url))];
    pairs.extend(version.map(|version| ("version".to_owned(), escape(version))));
    let reader = reader(cx, cx.store.registry(), Handling::Strict);
    let parsed = remit_search::parse(&[ty], &pairs, &reader)?;
    let query = Query { count: MAX_VERSIONS, ..parsed.query };
    let (matches, _) = cx.store.matches(cx.plan, &query).await?;
    let mut found = Vec::new();
    for one in matches {
        let Some(body) = one.stored.body else { continue };
        let origin = Origin::Stored(one.stored.id, one.stored.version);
        found.push(Definition { document: json::parse(body)?, origin });
    }
    Ok(found)
}

/// Active goes before the rest, then the higher version; versions are compared number by number.
pub(super) fn rank(root: Node<'_>) -> (bool, Vec<u64>) {
    let version = root.get_str("version").unwrap_or_default();
    let numbers = version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok());
    (root.get_str("status").is_some_and(|status| status == "active"), numbers.collect())
}
