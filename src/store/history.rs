//! History of an instance, a type, a system (<https://hl7.org/fhir/R4/http.html#history>), newest first.

use crate::value::{Row, Value};
use crate::{Action, Store, Stored};
use remit_fhir::{Error, Result};
use remit_search::AccessPlan;
use remit_spec::TypeId;
use std::fmt::Write as _;

/// Whose history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// One resource.
    Instance(TypeId, String),
    /// All resources of a type.
    Type(TypeId),
    /// All resources.
    System,
}

/// A page of history.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Whose.
    pub scope: Scope,
    /// Only versions committed at or after this time (`_since`), microseconds.
    pub since: Option<i64>,
    /// Only versions that were current at some time in this interval (`_at`), high exclusive.
    pub at: Option<(i64, i64)>,
    /// Where the page before ended.
    pub before: Option<(i64, i64)>,
    /// Entries on a page.
    pub count: usize,
    /// Whether to count all versions.
    pub total: bool,
}

/// Versions, newest first.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The versions and what each did.
    pub entries: Vec<(Stored, Action)>,
    /// Number of versions on all pages, when asked for.
    pub total: Option<u64>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<(i64, i64)>,
}

/// A statement that grows, with its arguments.
struct Sql {
    text: String,
    args: Vec<Value>,
}

impl Sql {
    fn push(&mut self, text: &str) -> &mut Sql {
        self.text.push_str(text);
        self
    }

    fn bind(&mut self, value: impl Into<Value>) -> &mut Sql {
        self.args.push(value.into());
        // Writing to a String cannot fail.
        let _ = write!(self.text, "${}", self.args.len());
        self
    }
}

impl Store {
    /// A page of history. 404 when the instance never existed or may not be seen, 403 when the history of
    /// a type or of the system may not be shown.
    pub async fn history(&self, plan: &AccessPlan, query: &HistoryQuery) -> Result<HistoryPage> {
        let types = self.visible_types(plan, &query.scope)?;
        if let Scope::Instance(ty, id) = &query.scope {
            self.must_see(plan, *ty, id).await?;
        }
        let mut sql = Sql { text: String::with_capacity(1024), args: Vec::new() };
        sql.push(
            "select c.type, r.id, c.version, c.at_us, c.action, c.seq, case when r.version = c.version then ",
        );
        sql.push(self.inner.database.body("r"))
            .push(" else ")
            .push(self.inner.database.body("h"))
            .push(" end");
        self.filter(&mut sql, plan, query, types.as_deref());
        if let Some((at_us, seq)) = query.before {
            sql.push(" and (c.at_us, c.seq) < (").bind(at_us).push(", ").bind(seq).push(")");
        }
        sql.push(" order by c.at_us desc, c.seq desc limit ").bind(query.count as i64 + 1);
        let rows = self.inner.database.scan(&sql.text, &sql.args).await?;
        let more = rows.len() > query.count;
        let mut entries = Vec::with_capacity(rows.len());
        let mut last = None;
        for row in rows.into_iter().take(query.count) {
            let (entry, place) = self.history_entry(row)?;
            entries.push(entry);
            last = Some(place);
        }
        if let (Scope::Instance(ty, id), true, None) = (&query.scope, entries.is_empty(), query.before) {
            self.must_exist(plan, *ty, id).await?;
        }
        let total = match query.total {
            true => Some(self.history_total(plan, query, types.as_deref()).await?),
            false => None,
        };
        Ok(HistoryPage { entries, total, next: last.filter(|_| more) })
    }

    async fn history_total(
        &self,
        plan: &AccessPlan,
        query: &HistoryQuery,
        types: Option<&[i32]>,
    ) -> Result<u64> {
        let mut sql = Sql { text: "select count(*)".to_owned(), args: Vec::new() };
        self.filter(&mut sql, plan, query, types);
        let rows = self.inner.database.scan(&sql.text, &sql.args).await?;
        let counted = rows.into_iter().next().map(|mut row| row.int()).transpose()?;
        Ok(counted.unwrap_or(0).unsigned_abs())
    }

    fn filter(&self, sql: &mut Sql, plan: &AccessPlan, query: &HistoryQuery, types: Option<&[i32]>) {
        sql.push(" from change c join resource r on r.rid = c.rid");
        sql.push(" left join history h on h.rid = c.rid and h.version = c.version");
        sql.push(" where c.tenant = ").bind(plan.tenant());
        match &query.scope {
            Scope::Instance(ty, id) => {
                let ty = self.inner.number_of(*ty);
                // The instance is found by key, its changes by the versions that exist.
                sql.push(" and c.rid = (select k.rid from resource k where k.tenant = ").bind(plan.tenant());
                sql.push(" and k.type = ").bind(ty).push(" and k.id = ").bind(id.as_str()).push(")");
            }
            Scope::Type(ty) => {
                sql.push(" and c.type = ").bind(self.inner.number_of(*ty));
            }
            Scope::System => {}
        }
        if let Some(types) = types {
            sql.push(" and c.type in (");
            for (n, ty) in types.iter().enumerate() {
                sql.push(if n > 0 { ", " } else { "" }).bind(*ty);
            }
            sql.push(")");
        }
        if let Some(since) = query.since {
            sql.push(" and c.at_us >= ").bind(since);
        }
        if let Some((low, high)) = query.at {
            sql.push(" and c.at_us < ").bind(high);
            sql.push(" and not exists (select 1 from change n where n.rid = c.rid and n.version = c.version + 1 and n.at_us <= ");
            sql.bind(low).push(")");
        }
    }

    fn history_entry(&self, mut row: Row) -> Result<((Stored, Action), (i64, i64))> {
        let ty = self.inner.registry.type_numbered(row.int()? as i32);
        let ty = ty.ok_or_else(|| Error::internal("a stored resource has a type that is not defined"))?;
        let (id, version, updated_us) = (row.text()?, row.int()?, row.int()?);
        let (action, seq) = (Action::of(row.int()?), row.int()?);
        let body = row.text_or_null()?.map(bytes::Bytes::from);
        Ok(((Stored { ty, id, version, updated_us, body }, action), (updated_us, seq)))
    }
}
