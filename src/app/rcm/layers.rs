//! The shipped SQL as the mart reads it: each Library once, over views and other Libraries, and which
//! resource types a question looks at.

use crate::rcm::{self, Library, Table};
use remit_fhir::{Error, Result};
use remit_mart::{Layer, Source};
use remit_spec::{Definitions, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

/// Libraries that stand on each other go no deeper; the planner sets the same limit.
const MAX_DEPTH: usize = 20;

/// A Library with everything below it.
#[derive(Debug)]
pub(super) struct Relations {
    /// The names that its SQL may use.
    pub(super) tables: BTreeMap<String, Source>,
    /// The resource types at the bottom.
    pub(super) types: Vec<TypeId>,
}

static ALL: LazyLock<HashMap<&'static str, Arc<Relations>>> = LazyLock::new(|| {
    let mut build = Build::default();
    for library in Library::all() {
        build.relations(library, 0);
    }
    build.relations
});

/// What stands below a shipped Library.
pub(super) fn relations(library: &Library) -> Result<Arc<Relations>> {
    let found = ALL.get(library.url.as_str()).cloned();
    found.ok_or_else(|| Error::internal(format!("{} stands on what is not there", library.url)))
}

/// The layers that questions read at once: those of Libraries that no other stands on.
pub(in crate::app) fn asked_layers() -> Vec<Arc<Layer>> {
    let below: Vec<&str> = Library::all().iter().flat_map(|library| below(library)).collect();
    let mut layers: BTreeMap<&str, Arc<Layer>> = BTreeMap::new();
    for library in Library::all().iter().filter(|library| !below.contains(&library.url.as_str())) {
        let Some(relations) = ALL.get(library.url.as_str()) else { continue };
        for (label, table) in &library.tables {
            if let (Table::Library(url), Some(Source::Sql(layer))) = (table, relations.tables.get(label)) {
                layers.insert(url, layer.clone());
            }
        }
    }
    layers.into_values().collect()
}

/// The URLs of the Libraries that one stands on.
fn below(library: &'static Library) -> impl Iterator<Item = &'static str> {
    library.tables.iter().filter_map(|(_, table)| match table {
        Table::Library(canonical) => Library::find(canonical).map(|library| library.url.as_str()),
        Table::View(_) => None,
    })
}

#[derive(Default)]
struct Build {
    relations: HashMap<&'static str, Arc<Relations>>,
    layers: HashMap<&'static str, Arc<Layer>>,
}

impl Build {
    /// `None` when a dependency is missing; a test asks for every Library.
    fn relations(&mut self, library: &'static Library, depth: usize) -> Option<Arc<Relations>> {
        if let Some(known) = self.relations.get(library.url.as_str()) {
            return Some(known.clone());
        }
        if depth > MAX_DEPTH {
            return None;
        }
        let (mut tables, mut types) = (BTreeMap::new(), Vec::new());
        for (label, table) in &library.tables {
            let source = match table {
                Table::View(view) => {
                    types.push(*VIEWS.get(view.as_str())?);
                    Source::View(view.clone())
                }
                Table::Library(canonical) => {
                    let below = Library::find(canonical)?;
                    let relations = self.relations(below, depth + 1)?;
                    types.extend(relations.types.iter().copied());
                    let make = || Arc::new(Layer::new(&below.sql, relations.tables.clone()).kept());
                    Source::Sql(self.layers.entry(&below.url).or_insert_with(make).clone())
                }
            };
            tables.insert(label.clone(), source);
        }
        types.sort_unstable();
        types.dedup();
        let relations = Arc::new(Relations { tables, types });
        self.relations.insert(&library.url, relations.clone());
        Some(relations)
    }
}

/// The resource type that each shipped view reads.
static VIEWS: LazyLock<HashMap<String, TypeId>> = LazyLock::new(|| {
    let definitions = Definitions::r4();
    rcm::artefacts_of("ViewDefinition")
        .filter_map(|artefact| {
            let json: serde_json::Value = serde_json::from_str(artefact.json).ok()?;
            let ty = definitions.resource_named(json["resource"].as_str()?)?;
            Some((json["name"].as_str()?.to_owned(), ty))
        })
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_library_stands_on_what_is_shipped() {
        for library in Library::all() {
            let found = relations(library);
            assert!(found.is_ok(), "{}: {:?}", library.url, found.err());
        }
    }
}
