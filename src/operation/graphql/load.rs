//! What a query needs, and loading it: all references of a level in one statement, and so all its
//! searches, such as what points to each resource of a list.

use super::fault::{Failure, Fault};
use super::search::Search;
use crate::rest::Context;
use async_graphql_parser::Pos;
use remit_fhir::{Document, json};
use remit_search::Query;
use remit_spec::TypeId;
use remit_store::Stored;
use std::collections::{HashMap, HashSet};

/// Resources that one query loads.
const MAX_RESOURCES: usize = 5_000;

/// Searches that one query makes; a search within every match of another is one for each.
const MAX_SEARCHES: usize = 100;

/// What is missing for an answer.
#[derive(Default)]
pub(super) struct Needs {
    resources: HashSet<(TypeId, Box<str>)>,
    searches: HashMap<String, (Search, Pos)>,
}

impl Needs {
    pub(super) fn resource(&mut self, ty: TypeId, id: &str) {
        self.resources.insert((ty, id.into()));
    }

    pub(super) fn search(&mut self, search: Search, pos: Pos) {
        self.searches.entry(search.key.clone()).or_insert((search, pos));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.searches.is_empty()
    }
}

/// A page of a search.
pub(super) struct Found {
    pub(super) documents: Vec<Document>,
    pub(super) total: Option<u64>,
    pub(super) next: Option<String>,
}

/// What was loaded.
#[derive(Default)]
pub(super) struct Loaded {
    resources: HashMap<TypeId, HashMap<Box<str>, Option<Document>>>,
    searches: HashMap<String, Found>,
    count: usize,
}

impl Loaded {
    /// A resource; `Some(None)` when it is not there or may not be seen, `None` when nobody has looked.
    pub(super) fn resource(&self, ty: TypeId, id: &str) -> Option<&Option<Document>> {
        self.resources.get(&ty)?.get(id)
    }

    pub(super) fn search(&self, key: &str) -> Option<&Found> {
        self.searches.get(key)
    }

    /// Loads what is missing, under the access plan.
    pub(super) async fn load(&mut self, cx: &Context<'_>, needs: Needs) -> Result<(), Failure> {
        if self.searches.len() + needs.searches.len() > MAX_SEARCHES {
            return Err(Fault::new(format!("The query makes more than {MAX_SEARCHES} searches.")).into());
        }
        let mut targets: Vec<(TypeId, Box<str>)> = needs.resources.into_iter().collect();
        targets.sort_unstable();
        self.charge(targets.len())?;
        for (ty, id) in &targets {
            self.resources.entry(*ty).or_default().insert(id.clone(), None);
        }
        for found in cx.store.by_id(cx.plan, &targets).await? {
            let (ty, id) = (found.stored.ty, found.stored.id.as_str().into());
            let document = document(found.stored)?;
            self.resources.entry(ty).or_default().insert(id, document);
        }
        let mut searches: Vec<(Search, Pos)> = needs.searches.into_values().collect();
        // Those of one field stand together, and are one statement.
        searches.sort_by_key(|(_, pos)| (pos.line, pos.column));
        for (search, pos) in &mut searches {
            match cx.store.find_codes(cx.plan, &mut search.query).await {
                Err(error) if error.status() < 500 => return Err(Fault::of(*pos, &error).into()),
                found => found?,
            }
        }
        let queries: Vec<&Query> = searches.iter().map(|(search, _)| &search.query).collect();
        let found = cx.store.searches(cx.plan, &queries).await?;
        for ((search, _), found) in searches.into_iter().zip(found) {
            self.charge(found.entries.len())?;
            let documents = found.entries.into_iter().filter_map(|stored| document(stored).transpose());
            let documents = documents.collect::<remit_fhir::Result<_>>()?;
            self.searches.insert(search.key, Found { documents, total: found.total, next: found.next });
        }
        Ok(())
    }

    fn charge(&mut self, more: usize) -> Result<(), Failure> {
        self.count += more;
        match self.count > MAX_RESOURCES {
            true => Err(Fault::new(format!(
                "The query loads more than {MAX_RESOURCES} resources; ask for less, or with _count."
            ))
            .into()),
            false => Ok(()),
        }
    }
}

fn document(stored: Stored) -> remit_fhir::Result<Option<Document>> {
    stored.body.map(json::parse).transpose().map_err(Into::into)
}
