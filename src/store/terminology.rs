//! The codes of the value sets and code systems that a search names
//! (<https://hl7.org/fhir/R4/search.html#token>, `:in`, `:not-in`, `:above`, `:below`).
//!
//! Definitions are those that the tenant stored, newest active version first, then those that R4
//! publishes. They are read under the plan of the caller. What was worked out is kept until a ValueSet
//! or CodeSystem of the tenant changes, on whichever node: each use asks the change log first.

mod definitions;
mod expansions;

pub(crate) use expansions::Expansions;

use crate::value::Value;
use crate::{Database, Store};
use expansions::Check;
use remit_fhir::{Error, IssueType, Result};
use remit_search::{Access, AccessPlan, CodeSets, Query, Set};
use remit_spec::TypeId;
use remit_terminology::{Codes, MAX_CODES};
use std::borrow::Cow;
use std::sync::Arc;

impl Store {
    /// Replaces the sets of codes that a query names by their codes, wherever in it they stand. What
    /// cannot be worked out is an error with its reason.
    pub async fn find_codes(&self, plan: &AccessPlan, query: &mut Query) -> Result<()> {
        let open = remit_search::open_sets(query);
        if open.is_empty() {
            return Ok(());
        }
        let check = self.check(plan).await?;
        for sets in open {
            let codes = self.codes(plan, check, sets).await;
            sets.codes = Some(codes.map_err(|error| said_of(&sets.name, error))?);
        }
        Ok(())
    }

    /// The codes of value sets by their canonical URLs, for each the reason when they cannot be worked
    /// out.
    pub async fn value_set_codes(
        &self,
        plan: &AccessPlan,
        urls: &[String],
    ) -> Result<Vec<Result<Arc<Codes>>>> {
        let check = self.check(plan).await?;
        let mut found = Vec::with_capacity(urls.len());
        for url in urls {
            found.push(self.codes_of(plan, check, &Set::ValueSet(url.as_str().into())).await);
        }
        Ok(found)
    }

    /// A query whose sets of codes are replaced.
    pub(crate) async fn resolved<'q>(&self, plan: &AccessPlan, query: &'q Query) -> Result<Cow<'q, Query>> {
        if !remit_search::has_open_sets(query) {
            return Ok(Cow::Borrowed(query));
        }
        let mut query = query.clone();
        self.find_codes(plan, &mut query).await?;
        Ok(Cow::Owned(query))
    }

    async fn codes(
        &self,
        plan: &AccessPlan,
        check: Option<Check>,
        sets: &CodeSets,
    ) -> Result<Vec<Arc<Codes>>> {
        let mut found = Vec::with_capacity(sets.sets.len());
        for set in &sets.sets {
            found.push(self.codes_of(plan, check, set).await?);
        }
        if found.iter().map(|codes| codes.len()).sum::<usize>() > MAX_CODES {
            return Err(Error::unprocessable(format!("its sets have more than {MAX_CODES} codes in all"))
                .coded(IssueType::TooCostly));
        }
        Ok(found)
    }

    async fn codes_of(&self, plan: &AccessPlan, check: Option<Check>, set: &Set) -> Result<Arc<Codes>> {
        let expansions = &self.inner.expansions;
        if let Some(codes) = check.and_then(|_| expansions.get(plan.tenant(), set)) {
            return Ok(codes);
        }
        let codes = Arc::new(self.work_out(plan, check, set).await?);
        if let Some(check) = check {
            expansions.keep(plan.tenant(), check, set, &codes);
        }
        Ok(codes)
    }

    /// Forgets what a change of the tenant's definitions has made old. `None` for a caller who may not
    /// see all of them: what such a caller gets is worked out each time.
    async fn check(&self, plan: &AccessPlan) -> Result<Option<Check>> {
        let (value_set, code_system) = (self.ty("ValueSet")?, self.ty("CodeSystem")?);
        if [value_set, code_system].iter().any(|ty| *plan.access(*ty) != Access::Allow) {
            return Ok(None);
        }
        let expansions = &self.inner.expansions;
        let since = expansions.mark(plan.tenant());
        let types = [value_set, code_system].map(|ty| self.inner.number_of(ty));
        // What is read from here on is at least as new as this statement's snapshot. The signs keep
        // SQLite with the newest changes instead of all changes of the types.
        let sql = match &self.inner.database {
            Database::Sqlite(_) => format!(
                "select (select coalesce(max(seq), 0) from change), case when exists (select 1 from change c \
                 where c.seq > $1 and +c.tenant = $2 and +c.type in ({}, {})) then 1 else 0 end",
                types[0], types[1]
            ),
            // A transaction that is still under way may commit before a later one: everything from the
            // oldest of these on is looked at again.
            Database::Postgres(_) => format!(
                "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, \
                 case when exists (select 1 from change c where c.xid >= $1::text::xid8 \
                 and c.tenant = $2 and c.type in ({}, {})) then 1 else 0 end",
                types[0], types[1]
            ),
        };
        let args = [Value::Int(since.unwrap_or(i64::MAX)), Value::from(plan.tenant())];
        let rows = self.inner.database.scan(&sql, &args).await?;
        let mut row = rows.into_iter().next().ok_or_else(|| Error::internal("the change log gave no row"))?;
        let (mark, has_changed) = (row.int()?, row.int()? != 0);
        Ok(Some(expansions.checked(plan.tenant(), mark, since.is_none() || has_changed)))
    }

    fn ty(&self, name: &str) -> Result<TypeId> {
        let found = self.inner.registry.definitions().resource_named(name);
        found.ok_or_else(|| Error::internal(format!("R4 has no resource type {name}")))
    }
}

/// The same error, said of a parameter.
fn said_of(name: &str, mut error: Error) -> Error {
    for issue in &mut error.issues {
        issue.diagnostics =
            format!("The search parameter '{name}' cannot be answered: {}", issue.diagnostics);
    }
    error
}
