//! Finding the definitions that a set of codes draws from: those of the tenant first, then those that
//! R4 publishes (<https://hl7.org/fhir/R4/references.html#canonical>).

use super::expansions::{Check, Implicit};
use crate::{Store, Stored};
use remit_fhir::{Document, Error, IssueType, Node, Result, json};
use remit_search::{AccessPlan, Condition, Criterion, Query, Set, Test};
use remit_terminology::{Canonical, CodeSystem, Codes, Definitions, Rank, ValueSet, Wanted};
use std::collections::HashMap;
use std::sync::Arc;

/// Versions of definitions that are read for one step of an expansion. Definitions have a few versions.
const MAX_READ: usize = 500;

/// Code systems of a tenant that are looked through for the name of an implicit value set.
const MAX_SYSTEMS: usize = 10_000;

/// How many of these are read at once.
const PAGE: usize = 100;

impl Store {
    /// The codes of a set, from the definitions.
    pub(super) async fn work_out(&self, plan: &AccessPlan, check: Option<Check>, set: &Set) -> Result<Codes> {
        let in_system = |system: &str| Canonical::parse(system);
        match set {
            Set::ValueSet(text) => {
                let canonical = Canonical::parse(text);
                let root = self.value_set(plan, check, &canonical).await?;
                self.expand(plan, check, &root).await
            }
            Set::Stored(id) => {
                let root = self.value_set_with_id(plan, id).await?;
                self.expand(plan, check, &root).await
            }
            Set::Below(system, code) => self.code_system(plan, &in_system(system)).await?.below(code),
            Set::Above(system, code) => self.code_system(plan, &in_system(system)).await?.above(code),
        }
    }

    async fn expand(&self, plan: &AccessPlan, check: Option<Check>, root: &ValueSet) -> Result<Codes> {
        let mut known = Definitions::default();
        loop {
            let wanted = known.wanted(root)?;
            if wanted.is_empty() {
                return known.expand(root);
            }
            let (mut value_sets, mut code_systems) = (Vec::new(), Vec::new());
            for wanted in wanted {
                match wanted {
                    Wanted::ValueSet(canonical) => value_sets.push(canonical),
                    Wanted::CodeSystem(canonical) => code_systems.push(canonical),
                }
            }
            known.value_sets.extend(self.value_sets(plan, check, value_sets).await?);
            known.code_systems.extend(self.code_systems(plan, code_systems).await?);
        }
    }

    async fn value_set(
        &self,
        plan: &AccessPlan,
        check: Option<Check>,
        canonical: &Canonical,
    ) -> Result<ValueSet> {
        let found = self.value_sets(plan, check, vec![canonical.clone()]).await?;
        found.into_values().next().flatten().ok_or_else(|| {
            Error::invalid(format!("The value set {canonical} is not known here: store it as a ValueSet."))
                .coded(IssueType::NotFound)
        })
    }

    async fn value_set_with_id(&self, plan: &AccessPlan, id: &str) -> Result<ValueSet> {
        let found = self.stored(plan, "ValueSet", Test::Id(vec![id.into()]), Vec::new()).await?;
        let Some(stored) = found.first() else {
            return Err(Error::invalid(format!("There is no ValueSet/{id}.")).coded(IssueType::NotFound));
        };
        ValueSet::parse(document(stored)?.root())
    }

    async fn code_system(&self, plan: &AccessPlan, canonical: &Canonical) -> Result<CodeSystem> {
        let found = self.code_systems(plan, vec![canonical.clone()]).await?;
        found.into_values().next().flatten().ok_or_else(|| {
            Error::unprocessable(format!(
                "The code system {canonical} is not known here, so nothing is known of what is above or below \
                 its codes: store it as a CodeSystem."
            ))
            .coded(IssueType::NotFound)
        })
    }

    async fn value_sets(
        &self,
        plan: &AccessPlan,
        check: Option<Check>,
        wanted: Vec<Canonical>,
    ) -> Result<HashMap<Canonical, Option<ValueSet>>> {
        let own = self.newest_definitions(plan, "ValueSet", &wanted).await?;
        let mut found = HashMap::with_capacity(wanted.len());
        for (canonical, own) in wanted.into_iter().zip(own) {
            let value_set = match own {
                Some(document) => Some(ValueSet::parse(document.root())?),
                None => match self.implicit(plan, check, &canonical).await? {
                    Some(value_set) => Some(value_set),
                    None => published(&canonical),
                },
            };
            found.insert(canonical, value_set);
        }
        Ok(found)
    }

    async fn code_systems(
        &self,
        plan: &AccessPlan,
        wanted: Vec<Canonical>,
    ) -> Result<HashMap<Canonical, Option<CodeSystem>>> {
        let own = self.newest_definitions(plan, "CodeSystem", &wanted).await?;
        let mut found = HashMap::with_capacity(wanted.len());
        for (canonical, own) in wanted.into_iter().zip(own) {
            let code_system = match own {
                Some(document) => Some(CodeSystem::parse(document.root())?),
                None => CodeSystem::published(&canonical),
            };
            found.insert(canonical, code_system);
        }
        Ok(found)
    }

    /// For each name the stored definition that it means: of the versions that fit, the highest rank.
    async fn newest_definitions(
        &self,
        plan: &AccessPlan,
        kind: &str,
        wanted: &[Canonical],
    ) -> Result<Vec<Option<Document>>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let ty = self.ty(kind)?;
        let parameter = self.inner.registry.parameter(ty, "url");
        let number = parameter.ok_or_else(|| Error::internal(format!("{kind} has no parameter url")))?.number;
        let mut urls: Vec<Box<str>> = wanted.iter().map(|canonical| canonical.url.clone()).collect();
        urls.sort_unstable();
        urls.dedup();
        let stored = self.stored(plan, kind, Test::Uri(urls), vec![number]).await?;
        if stored.len() > MAX_READ {
            return Err(Error::unprocessable(format!(
                "There are more than {MAX_READ} versions of its definitions."
            ))
            .coded(IssueType::TooCostly));
        }
        let mut best: Vec<Option<(Rank, Document)>> = wanted.iter().map(|_| None).collect();
        for stored in &stored {
            let fits = |root: Node<'_>, canonical: &Canonical| {
                root.get_str("url").as_deref() == Some(&*canonical.url)
                    && canonical.takes(root.get_str("version").as_deref())
            };
            let document = document(stored)?;
            let rank = ValueSet::rank(document.root());
            for (canonical, best) in wanted.iter().zip(&mut best) {
                if fits(document.root(), canonical) && best.as_ref().is_none_or(|(other, _)| rank > *other) {
                    *best = Some((rank.clone(), document.clone()));
                }
            }
        }
        Ok(best.into_iter().map(|best| best.map(|(_, document)| document)).collect())
    }

    /// The value set of all codes of a stored code system, by the name that this gives it.
    async fn implicit(
        &self,
        plan: &AccessPlan,
        check: Option<Check>,
        canonical: &Canonical,
    ) -> Result<Option<ValueSet>> {
        let expansions = &self.inner.expansions;
        let known = match check.and_then(|_| expansions.implicit(plan.tenant())) {
            Some(known) => known,
            None => {
                let found = Arc::new(self.implicit_names(plan).await?);
                if let Some(check) = check {
                    expansions.keep_implicit(plan.tenant(), check, &found);
                }
                found
            }
        };
        let systems = known.get(&*canonical.url).map_or(&[][..], Vec::as_slice);
        let system = systems.iter().rfind(|system| canonical.takes(system.version.as_deref()));
        Ok(system.map(|system| ValueSet::of_system(&canonical.url, &system.url, system.version.as_deref())))
    }

    /// Every `CodeSystem.valueSet` of the tenant, with the code systems in the order of their rank.
    async fn implicit_names(&self, plan: &AccessPlan) -> Result<Implicit> {
        let mut found: HashMap<Box<str>, Vec<(Rank, Canonical)>> = HashMap::new();
        let mut query = Query { types: vec![self.ty("CodeSystem")?], count: PAGE, ..Query::default() };
        let mut read = 0;
        loop {
            let page = self.page(plan, &query).await?;
            read += page.entries.len();
            if read > MAX_SYSTEMS {
                return Err(Error::unprocessable(format!(
                    "More than {MAX_SYSTEMS} code systems would have to be looked through for this value set: \
                     store it as a ValueSet."
                ))
                .coded(IssueType::TooCostly));
            }
            for stored in &page.entries {
                let document = document(stored)?;
                let root = document.root();
                if let (Some(value_set), Some(url)) = (root.get_str("valueSet"), root.get_str("url")) {
                    let version = root.get_str("version").map(Into::into);
                    let name = Canonical::parse(&value_set).url;
                    let system = Canonical { url: url.into(), version };
                    found.entry(name).or_default().push((CodeSystem::rank(root), system));
                }
            }
            query.cursor = match page.next {
                Some(next) => Some(remit_search::read_cursor(&query, &next)?.0),
                None => break,
            };
        }
        let in_order = |(name, mut systems): (Box<str>, Vec<(Rank, Canonical)>)| {
            systems.sort_by(|(a, _), (b, _)| a.cmp(b));
            (name, systems.into_iter().map(|(_, system)| system).collect())
        };
        Ok(found.into_iter().map(in_order).collect())
    }

    async fn stored(
        &self,
        plan: &AccessPlan,
        kind: &str,
        test: Test,
        params: Vec<i32>,
    ) -> Result<Vec<Stored>> {
        let criteria = vec![Condition::Criterion(Criterion { params, test })];
        // One more than is allowed tells that there are too many.
        let query = Query { types: vec![self.ty(kind)?], criteria, count: MAX_READ + 1, ..Query::default() };
        Ok(self.page(plan, &query).await?.entries)
    }
}

/// What R4 publishes under this name: a value set, or all codes of a code system.
fn published(canonical: &Canonical) -> Option<ValueSet> {
    ValueSet::published(canonical).or_else(|| {
        let system = CodeSystem::published_of_value_set(canonical)?;
        Some(ValueSet::of_system(&canonical.url, &system.url, system.version.as_deref()))
    })
}

fn document(stored: &Stored) -> Result<Document> {
    let body = stored.body.as_ref().ok_or_else(|| Error::internal("a match has no body"))?;
    // What is stored was parsed when it came.
    json::parse(body.clone()).map_err(|error| Error::internal(error.to_string()))
}
