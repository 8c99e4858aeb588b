//! Writing: guards are compiled, the set goes to the database's writer.

use crate::sqlite::GuardQuery;
use crate::{Database, Store, WriteError, WriteSet, Written};
use remit_fhir::{Error, Kind};
use remit_search::{Access, AccessPlan};

impl Store {
    /// Applies a set of writes in one transaction; returns when they are on disk and searchable.
    /// The result is in the order of `set.writes`.
    pub async fn write(&self, plan: &AccessPlan, set: WriteSet) -> Result<Vec<Written>, WriteError> {
        if set.writes.iter().any(|write| *plan.access(write.ty) == Access::Deny) {
            return Err(Error::new(Kind::Forbidden, "You may not write resources of this type.").into());
        }
        let mut guards = Vec::with_capacity(set.guards.len());
        for guard in &set.guards {
            let [ty] = guard.query.types[..] else {
                return Err(Error::invalid("The criteria of a conditional write must name one type.").into());
            };
            // Two matches are enough to tell one from many.
            let statement = self.ids_statement(plan, &guard.query, 2);
            guards.push(GuardQuery { statement, ty, expect: guard.expect.clone() });
        }
        match &self.inner.database {
            Database::Sqlite(sqlite) => sqlite.write(plan.tenant(), set, guards).await,
            Database::Postgres(postgres) => postgres.write(plan.tenant(), set, guards).await,
        }
    }
}
