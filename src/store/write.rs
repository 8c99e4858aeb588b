//! Writing: guards are compiled, the set goes to the database's writer.

use crate::side::{Side, epoch_of};
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
            let statement = self.ids_statement(plan, &*self.resolved(plan, &guard.query).await?, 2);
            guards.push(GuardQuery { statement, ty, expect: guard.expect.clone() });
        }
        let tenant = plan.tenant();
        // A set that only asks its guards again has no rows.
        let epoch = match set.writes.is_empty() {
            true => Some(self.registry_of(tenant).epoch()),
            false => epoch_of(&set),
        };
        let side = epoch.ok_or(WriteError::Stale).and_then(|epoch| self.side(tenant, &set, epoch));
        let done = match side {
            Ok(side) => self.apply(tenant, set, guards, side).await,
            Err(error) => Err(error),
        };
        if matches!(done, Err(WriteError::Stale)) {
            // It may have been prepared with search parameters that are no longer those of the tenant.
            self.current_registry(tenant).await?;
        }
        done
    }

    /// Applies a set with what goes beside it.
    pub(crate) async fn apply(
        &self,
        tenant: i32,
        set: WriteSet,
        guards: Vec<GuardQuery>,
        side: Side,
    ) -> Result<Vec<Written>, WriteError> {
        let changes_parameters = side.changes_parameters;
        let done = match &self.inner.database {
            Database::Sqlite(sqlite) => sqlite.write(tenant, set, guards, side).await,
            Database::Postgres(postgres) => postgres.write(tenant, set, guards, side).await,
        };
        if changes_parameters
            && done.is_ok()
            && let Err(error) = self.current_registry(tenant).await
        {
            // It is written all the same; whoever needs the parameters next reads them.
            tracing::warn!(%error, "the changed search parameters could not be read yet");
        }
        done
    }
}
