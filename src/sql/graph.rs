//! What a query stands on: views at the bottom, other queries between, each under the label that the
//! query above gives it. Circles are refused, and so is what is too deep or too wide.

use super::find::{self, Definition, Origin, by_canonical};
use super::library::Library;
use crate::rest::Context;
use futures_util::future::BoxFuture;
use remit_fhir::{Document, Error, IssueType, Result};
use remit_mart::{Layer, Source};
use remit_sof::View;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Queries that name queries that name queries; the planner goes no deeper either.
const MAX_DEPTH: usize = 20;
/// Tables of a query and of all below it, one that is named twice counted twice.
const MAX_TABLES: usize = 500;

/// A view at the bottom.
pub(super) struct Leaf {
    pub(super) view: Arc<View>,
    pub(super) definition: Definition,
}

/// What a query reads. A [`Source::View`] holds the place of its leaf.
pub(super) struct Graph {
    pub(super) relations: BTreeMap<String, Source>,
    pub(super) leaves: Vec<Leaf>,
}

/// Finds everything below a query.
pub(super) async fn build(
    cx: &Context<'_>,
    context: &[Document],
    library: &Library,
    canonical: String,
) -> Result<Graph> {
    let mut build = Build { cx, context, leaves: Vec::new(), layers: HashMap::new(), tables: 0 };
    let relations = build.relations(library, &[canonical]).await?;
    Ok(Graph { relations, leaves: build.leaves })
}

struct Build<'b> {
    cx: &'b Context<'b>,
    context: &'b [Document],
    leaves: Vec<Leaf>,
    /// What comes with the program, by its URL: it stands once, wherever it is read.
    layers: HashMap<String, Arc<Layer>>,
    tables: usize,
}

impl Build<'_> {
    fn relations<'s>(
        &'s mut self,
        library: &'s Library,
        above: &'s [String],
    ) -> BoxFuture<'s, Result<BTreeMap<String, Source>>> {
        Box::pin(async move {
            let mut relations = BTreeMap::new();
            for (label, canonical) in &library.tables {
                let at = || format!("Library.relatedArtifact.where(label='{label}').resource");
                let source = self.source(canonical, above).await.map_err(|error| error.at(at()))?;
                relations.insert(label.clone(), source);
            }
            Ok(relations)
        })
    }

    async fn source(&mut self, canonical: &str, above: &[String]) -> Result<Source> {
        self.tables += 1;
        if self.tables > MAX_TABLES {
            let text = format!("The query stands on over {MAX_TABLES} tables.");
            return Err(Error::unprocessable(text).coded(IssueType::TooCostly));
        }
        let found = by_canonical(self.cx, self.context, canonical).await?;
        let found = found.ok_or_else(|| {
            Error::not_found("There is no ViewDefinition and no SQLView of this URL here; value sets and concept maps are not read as tables.")
        })?;
        if found.is_view() {
            return self.leaf(found);
        }
        let own = found.canonical();
        if !own.is_empty() && above.contains(&own) {
            return Err(Error::unprocessable("The queries name each other in a circle.")
                .coded(IssueType::BusinessRule));
        }
        if above.len() >= MAX_DEPTH {
            let text = format!("Queries that name each other go deeper than {MAX_DEPTH}.");
            return Err(Error::unprocessable(text).coded(IssueType::TooCostly));
        }
        let library = Library::read(found.document.root())?;
        if !library.is_view {
            return Err(Error::unprocessable("Only a ViewDefinition or a SQLView can be read as a table."));
        }
        if let Some(layer) = self.layers.get(&own) {
            return Ok(Source::Sql(layer.clone()));
        }
        let is_shipped = matches!(found.origin, Origin::Shipped(_));
        let above: Vec<String> = above.iter().cloned().chain([own.clone()]).collect();
        let relations = self.relations(&library, &above).await?;
        let layer = Layer::new(library.sql, relations);
        if !is_shipped {
            return Ok(Source::Sql(Arc::new(layer)));
        }
        // What comes with the program is known to be worth keeping.
        let layer = Arc::new(layer.kept());
        self.layers.insert(own, layer.clone());
        Ok(Source::Sql(layer))
    }

    fn leaf(&mut self, definition: Definition) -> Result<Source> {
        let same = self.leaves.iter().position(|leaf| {
            let known = &leaf.definition;
            known.origin == definition.origin
                && (known.origin != Origin::Inline || known.document.text() == definition.document.text())
        });
        let place = match same {
            Some(place) => place,
            None => {
                let view = Arc::new(find::view(&definition.document, "Library.relatedArtifact")?);
                self.leaves.push(Leaf { view, definition });
                self.leaves.len() - 1
            }
        };
        Ok(Source::View(place.to_string()))
    }
}

/// The same relations with the names that a mart has for the leaves.
pub(super) fn named(relations: BTreeMap<String, Source>, keys: &[String]) -> BTreeMap<String, Source> {
    let mut done = HashMap::new();
    relations.into_iter().map(|(label, source)| (label, rename(&source, keys, &mut done))).collect()
}

/// Layers that are done, by their addresses: each stands once in what comes out, too.
type Done = HashMap<usize, Arc<Layer>>;

fn rename(source: &Source, keys: &[String], done: &mut Done) -> Source {
    let layer = match source {
        Source::View(place) => {
            let key = place.parse::<usize>().ok().and_then(|place| keys.get(place).cloned());
            return Source::View(key.unwrap_or_else(|| place.clone()));
        }
        Source::Sql(layer) => layer,
    };
    let address = Arc::as_ptr(layer).addr();
    if let Some(layer) = done.get(&address) {
        return Source::Sql(layer.clone());
    }
    let below = layer.relations().iter().map(|(label, source)| (label.clone(), rename(source, keys, done)));
    let layer = Arc::new(layer.over(below.collect()));
    done.insert(address, layer.clone());
    Source::Sql(layer)
}
