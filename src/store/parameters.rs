//! The search parameters of tenants: which there are now, and what writes of SearchParameter resources
//! change in them.
//!
//! Each tenant has a count of these changes, in its row. A process keeps the parameters of a tenant with
//! the count that they were read under; every write states the count of its index rows and is refused
//! as stale when it is no longer the current one, so no row is ever written that another process would
//! not write. Searches that may name a parameter of the tenant ask for the count first.

use crate::side::{Side, Step};
use crate::value::Value;
use crate::words::Words;
use crate::{Store, WriteError, WriteSet};
use remit_fhir::{Document, Error, Result, json};
use remit_search::{Change, CustomRow, Registry, State, changes};
use remit_spec::TypeId;
use std::collections::HashMap;
use std::sync::Arc;

/// How often the parameters are read again when they change meanwhile.
const MAX_READS: usize = 16;

impl Store {
    /// The types and search parameters of a tenant, as this process knows them.
    pub fn registry_of(&self, tenant: i32) -> Arc<Registry> {
        let known = self.inner.registries.read().get(&tenant).cloned();
        known.unwrap_or_else(|| self.inner.registry.clone())
    }

    /// The types and search parameters of a tenant, as they are at this moment.
    pub async fn current_registry(&self, tenant: i32) -> Result<Arc<Registry>> {
        let known = self.registry_of(tenant);
        match self.epoch(tenant).await? == known.epoch() {
            true => Ok(known),
            false => self.load_registry(tenant).await,
        }
    }

    async fn load_registry(&self, tenant: i32) -> Result<Arc<Registry>> {
        for _ in 0..MAX_READS {
            let epoch = self.epoch(tenant).await?;
            let registry = self.read_registry(tenant, epoch).await?;
            if self.epoch(tenant).await? == epoch {
                return Ok(self.keep_registry(tenant, registry));
            }
        }
        Err(Error::unavailable("The search parameters change at this moment; try again."))
    }

    /// Reads the parameters of every tenant that differs from what all have.
    pub(crate) async fn read_registries(&self) -> Result<()> {
        let sql = "select id from tenant where parameters <> $1 or words_ready = 0 or contained_ready = 0";
        for mut row in self.inner.database.point(sql, &[Value::Int(self.inner.registry.epoch())]).await? {
            self.load_registry(row.int()? as i32).await?;
        }
        Ok(())
    }

    fn keep_registry(&self, tenant: i32, registry: Registry) -> Arc<Registry> {
        let mut all = self.inner.registries.write();
        let known = all.entry(tenant).or_insert_with(|| self.inner.registry.clone());
        // Another request may have read a newer one meanwhile.
        if registry.epoch() >= known.epoch() {
            *known = Arc::new(registry);
        }
        known.clone()
    }

    async fn epoch(&self, tenant: i32) -> Result<i64> {
        let rows = self
            .inner
            .database
            .point("select parameters from tenant where id = $1", &[Value::from(tenant)])
            .await?;
        rows.into_iter().next().map_or(Ok(0), |mut row| row.int())
    }

    async fn read_registry(&self, tenant: i32, epoch: i64) -> Result<Registry> {
        let sql = "select id, type, source, state from custom_parameter where tenant = $1 and state < 2";
        let mut rows = Vec::new();
        for mut row in self.inner.database.point(sql, &[Value::from(tenant)]).await? {
            rows.push(CustomRow {
                number: row.int()? as i32,
                type_number: row.int()? as i32,
                source: row.text()?,
                state: if row.int()? == 1 { State::Usable } else { State::Filling },
            });
        }
        let sql = format!(
            "select r.id, {} from resource r where r.tenant = $1 and r.type = $2 and r.deleted = 0 \
             and r.id in (select source from custom_parameter where tenant = $1 and state < 2)",
            self.inner.database.body("r")
        );
        let number = self.search_parameter_type().map_or(0, |ty| self.inner.number_of(ty));
        let mut sources: HashMap<String, Document> = HashMap::new();
        for mut row in self.inner.database.scan(&sql, &[Value::from(tenant), Value::from(number)]).await? {
            sources.insert(row.text()?, json::parse(row.text()?)?);
        }
        let known = self.registry_of(tenant);
        let registry = known.with_custom(epoch, &rows, |source| sources.get(source).map(Document::root))?;
        let level = Words::read(&self.inner.database).await?.level;
        let sql = "select words_ready, contained_ready from tenant where id = $1";
        let (mut words, mut contained) = (State::Usable, State::Usable);
        for mut row in self.inner.database.point(sql, &[Value::from(tenant)]).await? {
            (words, contained) = (ready(row.int()?), ready(row.int()?));
        }
        Ok(registry.with_text(epoch, level, words).with_contained(contained))
    }

    fn search_parameter_type(&self) -> Option<TypeId> {
        self.inner.registry.definitions().resource_named("SearchParameter")
    }

    /// What goes with a set. The rows of a set that changes parameters must be of the registry that
    /// the changes are worked out against.
    pub(crate) fn side(&self, tenant: i32, set: &WriteSet, epoch: i64) -> Result<Side, WriteError> {
        let ty = self.search_parameter_type();
        let writes: Vec<_> = set.writes.iter().filter(|write| Some(write.ty) == ty).collect();
        let mut side = Side { epoch, ..Side::default() };
        if writes.is_empty() {
            return Ok(side);
        }
        let registry = self.registry_of(tenant);
        if registry.epoch() != epoch {
            return Err(WriteError::Stale);
        }
        let documents =
            writes.iter().map(|w| w.body.as_ref().map(|b| json::parse(b.text.clone())).transpose());
        let documents: Vec<Option<Document>> =
            documents.collect::<Result<_, _>>().map_err(|e| WriteError::Failed(e.into()))?;
        let written: Vec<_> = writes
            .iter()
            .zip(&documents)
            .map(|(write, document)| (write.id.as_str(), document.as_ref().map(Document::root)))
            .collect();
        let changes = changes(&registry, &written)?;
        side.changes_parameters = !changes.is_empty();
        side.steps = self.steps(tenant, changes);
        Ok(side)
    }

    /// What is no more goes first, so that its code is free.
    fn steps(&self, tenant: i32, changes: Vec<Change>) -> Vec<Step> {
        let now = Value::Int((self.inner.clock)());
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Drop(number) => {
                    let sql =
                        "update custom_parameter set state = 2, since_us = $3 where id = $1 and tenant = $2";
                    gone.push(Step::new(sql, vec![Value::from(number), Value::from(tenant), now.clone()]));
                }
                Change::Add { ty, code, source } => {
                    let sql = "insert into custom_parameter (tenant, type, code, source, state, since_us) \
                               values ($1, $2, $3, $4, 0, $5)";
                    let number = Value::from(self.inner.number_of(ty));
                    let args = vec![
                        Value::from(tenant),
                        number,
                        Value::from(&*code),
                        Value::Text(source),
                        now.clone(),
                    ];
                    new.push(Step::new(sql, args));
                }
            }
        }
        if !(gone.is_empty() && new.is_empty()) {
            new.push(count_on(tenant));
        }
        gone.extend(new);
        gone
    }
}

fn ready(flag: i64) -> State {
    if flag == 1 { State::Usable } else { State::Filling }
}

/// Counts a change of a tenant's parameters.
pub(crate) fn count_on(tenant: i32) -> Step {
    Step::new("update tenant set parameters = parameters + 1 where id = $1", vec![Value::from(tenant)])
}
