//! Reading one version of one resource.

use crate::bodies::Stamp;
use crate::value::{Row, Value};
use crate::{Database, Scope, Store, Stored};
use bytes::Bytes;
use remit_fhir::{Error, Kind, Result};
use remit_search::{Access, AccessPlan};
use remit_spec::{Definitions, TypeId};

impl Store {
    /// The current version. 404 when it never existed or may not be seen, 410 when it was deleted.
    pub async fn read(&self, plan: &AccessPlan, ty: TypeId, id: &str) -> Result<Stored> {
        self.must_see(plan, ty, id).await?;
        let number = self.inner.number_of(ty);
        let known = self.inner.rids.get(&(plan.tenant(), ty, id.into()));
        let kept = known.and_then(|rid| self.inner.bodies.get(rid));
        let stamp = kept.as_ref().map_or(Stamp::NONE, |(stamp, _)| *stamp);
        let known_as = [stamp.version, stamp.updated_us].map(Value::Int);
        let key = [Value::from(plan.tenant()), Value::from(number), Value::from(id)];
        let args: Vec<Value> = key.into_iter().chain(known_as).collect();
        let rows = self.inner.database.point(&self.inner.statements.read_unless, &args).await?;
        let mut row = rows.into_iter().next().ok_or_else(|| unknown(ty, id))?;
        let (rid, version, updated_us, deleted) = (row.int()?, row.int()?, row.int()?, row.int()?);
        let body = match (row.text_or_null()?, kept) {
            (Some(text), _) => {
                let text = Bytes::from(text);
                if known.is_none() {
                    self.inner.rids.add([((plan.tenant(), ty, id.into()), rid)]);
                }
                self.inner.bodies.add(rid, Stamp { version, updated_us }, &text);
                Some(text)
            }
            (None, Some((_, text))) if deleted == 0 => Some(text),
            _ => None,
        };
        present(Stored { ty, id: id.to_owned(), version, updated_us, body })
    }

    /// One version. 404 when there is none of that name, 410 when that version is a deletion.
    pub async fn vread(&self, plan: &AccessPlan, ty: TypeId, id: &str, version: &str) -> Result<Stored> {
        self.must_see(plan, ty, id).await?;
        let none = || Error::not_found(format!("{}/{id} has no version {version}.", name(ty)));
        let wanted = version.parse::<i64>().ok().filter(|n| n.to_string() == version).ok_or_else(none)?;
        let number = self.inner.number_of(ty);
        let args = [Value::from(plan.tenant()), Value::from(number), Value::from(id), Value::Int(wanted)];
        let rows = self.inner.database.point(&self.inner.statements.vread, &args).await?;
        match rows.into_iter().next() {
            Some(row) => present(stored(row, ty, id)?),
            None => Err(none()),
        }
    }

    /// Current versions for preparing writes, in the order of the keys. `None`: nothing was ever
    /// stored there; a body of `None`: it is deleted.
    ///
    /// 404 for one that is there and may not be seen: it can neither be changed nor made again.
    pub async fn current(&self, plan: &AccessPlan, keys: &[(TypeId, String)]) -> Result<Vec<Option<Stored>>> {
        let found = self.current_of_all(plan, keys).await?;
        if !plan.is_unrestricted() {
            for ((ty, id), stored) in keys.iter().zip(&found) {
                if stored.is_some() || *plan.access(*ty) == Access::Deny {
                    self.must_see(plan, *ty, id).await?;
                }
            }
        }
        Ok(found)
    }

    async fn current_of_all(
        &self,
        plan: &AccessPlan,
        keys: &[(TypeId, String)],
    ) -> Result<Vec<Option<Stored>>> {
        match &self.inner.database {
            Database::Sqlite(_) => {
                let mut found = Vec::with_capacity(keys.len());
                for (ty, id) in keys {
                    let number = self.inner.number_of(*ty);
                    let args = [Value::from(plan.tenant()), Value::from(number), Value::from(id.as_str())];
                    let rows = self.inner.database.point(&self.inner.statements.read, &args).await?;
                    found.push(rows.into_iter().next().map(|row| stored(row, *ty, id)).transpose()?);
                }
                Ok(found)
            }
            Database::Postgres(postgres) => {
                let numbers: Vec<_> = keys.iter().map(|(ty, _)| self.inner.number_of(*ty)).collect();
                let ids: Vec<_> = keys.iter().map(|(_, id)| id.as_str()).collect();
                let mut found: Vec<Option<Stored>> = vec![None; keys.len()];
                for mut row in postgres.current(plan.tenant(), &numbers, &ids).await? {
                    let place = row.int()? as usize;
                    if let (Some(slot), Some((ty, id))) = (found.get_mut(place), keys.get(place)) {
                        *slot = Some(stored(row, *ty, id)?);
                    }
                }
                Ok(found)
            }
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.inner.database.point("select 1", &[]).await.map(drop)
    }

    /// A name that tells this store from every other.
    pub async fn identity(&self) -> Result<String> {
        let rows = self.inner.database.point("select identity from store", &[]).await?;
        let mut row = rows.into_iter().next().ok_or_else(|| Error::internal("the store has no identity"))?;
        row.text()
    }

    pub(crate) async fn must_exist(&self, plan: &AccessPlan, ty: TypeId, id: &str) -> Result<()> {
        match self.read(plan, ty, id).await {
            Err(error) if error.kind != Kind::Gone => Err(error),
            _ => Ok(()),
        }
    }

    /// 404 unless the plan lets the caller see this resource.
    pub(crate) async fn must_see(&self, plan: &AccessPlan, ty: TypeId, id: &str) -> Result<()> {
        match plan.access(ty) {
            Access::Allow => Ok(()),
            Access::Deny => Err(unknown(ty, id)),
            Access::Where(_) => match self.sees(plan, ty, id).await? {
                true => Ok(()),
                false => Err(unknown(ty, id)),
            },
        }
    }

    /// Numbers of the types whose history may be shown; `None` when all may. Conditions speak of
    /// current versions only, so history of a type under a condition is not shown as a whole.
    pub(crate) fn visible_types(&self, plan: &AccessPlan, scope: &Scope) -> Result<Option<Vec<i32>>> {
        if plan.is_unrestricted() {
            return Ok(None);
        }
        let visible = |ty: &TypeId| *plan.access(*ty) == Access::Allow;
        let types: Vec<TypeId> = match scope {
            Scope::Instance(ty, _) => match plan.access(*ty) {
                Access::Deny => Vec::new(),
                _ => vec![*ty],
            },
            Scope::Type(ty) => vec![*ty].into_iter().filter(visible).collect(),
            Scope::System => Definitions::r4().resource_types().filter(visible).collect(),
        };
        if types.is_empty() {
            return Err(Error::new(Kind::Forbidden, "You may not see this history."));
        }
        Ok(Some(types.into_iter().map(|ty| self.inner.number_of(ty)).collect()))
    }
}

/// Columns: version, updated_us, body.
fn stored(mut row: Row, ty: TypeId, id: &str) -> Result<Stored> {
    let (version, updated_us) = (row.int()?, row.int()?);
    Ok(Stored { ty, id: id.to_owned(), version, updated_us, body: row.text_or_null()?.map(Bytes::from) })
}

fn present(stored: Stored) -> Result<Stored> {
    if stored.version == 0 {
        return Err(unknown(stored.ty, &stored.id));
    }
    if stored.body.is_none() {
        return Err(Error::gone(format!("{}/{} was deleted.", name(stored.ty), stored.id)));
    }
    Ok(stored)
}

fn name(ty: TypeId) -> &'static str {
    Definitions::r4().name(ty)
}

fn unknown(ty: TypeId, id: &str) -> Error {
    Error::not_found(format!("There is no {}/{id}.", name(ty)))
}
