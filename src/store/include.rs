//! Following `_include` and `_revinclude` (<https://hl7.org/fhir/R4/search.html#revinclude>).

use crate::search::Match;
use crate::{Store, Stored};
use remit_fhir::{Error, IssueType, Kind, Result, json};
use remit_search::{AccessPlan, Include, Query, Way, references};
use remit_spec::TypeId;
use std::collections::{HashMap, HashSet};

/// Resources that may come along with one page. A page with more is no page a client can use.
const MAX_INCLUDED: usize = 5000;

/// Rounds of `:iterate`; a chain of references that is longer is a loop or an attack.
const MAX_ROUNDS: usize = 16;

impl Store {
    /// What comes along with the matches, each once and none of the matches.
    pub(crate) async fn includes(
        &self,
        plan: &AccessPlan,
        query: &Query,
        matches: &[Match],
    ) -> Result<Vec<Stored>> {
        let mut seen: HashSet<i64> = matches.iter().map(|m| m.rid).collect();
        let mut all: Vec<Match> = Vec::new();
        let mut from = 0;
        for round in 0..MAX_ROUNDS {
            let fresh = if round == 0 { matches } else { &all[from..] };
            let includes: Vec<&Include> = query.includes.iter().filter(|i| round == 0 || i.iterate).collect();
            if fresh.is_empty() || includes.is_empty() {
                break;
            }
            let mut found = self.pointed_to(plan, &includes, fresh).await?;
            for include in includes.iter().filter(|i| i.way == Way::Reverse) {
                found.extend(self.pointing_at(plan, include, fresh).await?);
            }
            from = all.len();
            all.extend(found.into_iter().filter(|m| seen.insert(m.rid)));
            if all.len() > MAX_INCLUDED {
                return Err(Error::new(
                    Kind::Unprocessable,
                    format!("More than {MAX_INCLUDED} resources would come along with this page; ask for fewer with _count."),
                )
                .coded(IssueType::TooCostly));
            }
        }
        Ok(all.into_iter().map(|m| m.stored).collect())
    }

    /// Targets of `_include`.
    async fn pointed_to(
        &self,
        plan: &AccessPlan,
        includes: &[&Include],
        from: &[Match],
    ) -> Result<Vec<Match>> {
        let forward: Vec<&&Include> = includes.iter().filter(|i| i.way == Way::Forward).collect();
        if forward.is_empty() {
            return Ok(Vec::new());
        }
        let registry = self.registry_of(plan.tenant());
        let mut targets: HashMap<(TypeId, Box<str>), ()> = HashMap::new();
        for m in from {
            let Some(body) = &m.stored.body else { continue };
            let document = json::parse(body.clone())?;
            // A contained resource stands there as itself, with the type of its container.
            let named = document.root().resource_type();
            let ty = named.and_then(|name| registry.definitions().resource_named(&name));
            let ty = ty.unwrap_or(m.stored.ty);
            let wanted = |param| forward.iter().any(|include| include.follows(param));
            let rows = references(document.root(), ty, &registry, wanted)?;
            for include in &forward {
                targets.extend(remit_search::included(include, ty, &rows).into_iter().map(|t| (t, ())));
            }
        }
        let mut targets: Vec<(TypeId, Box<str>)> = targets.into_keys().collect();
        targets.sort_unstable();
        self.by_id(plan, &targets).await
    }

    /// The current versions of those of these resources that are there and may be seen, in no order.
    pub async fn by_id(&self, plan: &AccessPlan, targets: &[(TypeId, Box<str>)]) -> Result<Vec<Match>> {
        let mut found = Vec::with_capacity(targets.len());
        // A statement has room for a bounded number of arguments.
        for some in targets.chunks(500) {
            let statement = remit_search::by_id(some, plan, &self.inner.registry, self.dialect());
            found.extend(self.first(plan, statement, some.len()).await?.0);
        }
        Ok(found)
    }

    /// Sources of `_revinclude`.
    async fn pointing_at(&self, plan: &AccessPlan, include: &Include, at: &[Match]) -> Result<Vec<Match>> {
        let rids: Vec<i64> = at.iter().map(|m| m.rid).collect();
        let mut found = Vec::new();
        for some in rids.chunks(500) {
            let (registry, dialect) = (self.registry_of(plan.tenant()), self.dialect());
            let statement =
                remit_search::including(include, some, plan, &registry, dialect, MAX_INCLUDED + 1);
            for row in self.run(plan, &statement).await? {
                found.push(self.found(row)?);
            }
        }
        Ok(found)
    }
}
