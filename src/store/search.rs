//! Running searches. The search room writes the SQL; here its arguments become numbers, its rows
//! resources.

use crate::bodies::Stamp;
use crate::value::{Row, Value};
use crate::{Database, Store, Stored};
use bytes::Bytes;
use remit_fhir::{Error, Result};
use remit_search::{
    AccessPlan, Arg, Condition, Contained, Criterion, Densities, Query, Side, Statement, Test, Total,
};
use remit_spec::TypeId;
use std::collections::HashMap;

/// The largest page whose texts are looked for in memory. Larger ones are read by those who read
/// everything once; they would drive out what others ask for again.
const KEPT_PAGE: usize = 250;

/// A page of matches.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Matches, in order. A contained resource has the type and the version of its container, and
    /// `id#contained` as its id.
    pub entries: Vec<Stored>,
    /// Resources that `_include` and `_revinclude` ask for.
    pub includes: Vec<Stored>,
    /// Number of matches on all pages, when asked for or known without counting.
    pub total: Option<u64>,
    /// Cursor of the next page; `None` on the last.
    pub next: Option<String>,
    /// Cursor of the previous page; `None` on the first.
    pub previous: Option<String>,
}

/// A resource with its place in the order of a search.
#[derive(Clone, Debug)]
pub struct Match {
    /// The resource.
    pub stored: Stored,
    /// Its number, which rises with creation.
    pub rid: i64,
    /// Its sort keys, and its number last: what a cursor is made of.
    pub keys: Vec<remit_search::Key>,
}

impl Store {
    /// A page of a search.
    pub async fn search(&self, plan: &AccessPlan, query: &Query) -> Result<Found> {
        let query = &*self.resolved(plan, query).await?;
        let mut found = match query.count {
            0 => Found::default(),
            _ => self.page(plan, query).await?,
        };
        if needs_count(query, &mut found) {
            found.total = Some(self.counted(plan, query).await?);
        }
        Ok(found)
    }

    /// A page of matches without what comes along, and whether there are more.
    pub async fn matches(&self, plan: &AccessPlan, query: &Query) -> Result<(Vec<Match>, bool)> {
        has_addresses(query)?;
        self.matched(plan, &*self.resolved(plan, query).await?).await
    }

    async fn matched(&self, plan: &AccessPlan, query: &Query) -> Result<(Vec<Match>, bool)> {
        if query.contained != Contained::No {
            return self.matched_contained(plan, query).await;
        }
        let densities = self.densities(plan, query).await?;
        let statement = self.page_statement(plan, query, &densities);
        self.first(plan, statement, query.count).await
    }

    /// The first rows of a page statement, with texts from memory where they are there, and whether
    /// there are more.
    pub(crate) async fn first(
        &self,
        plan: &AccessPlan,
        statement: Statement,
        count: usize,
    ) -> Result<(Vec<Match>, bool)> {
        if count <= KEPT_PAGE {
            let apart = statement.clone().without_bodies(self.dialect());
            let (mut found, more) = self.rows(plan, &apart, count).await?;
            if self.put_bodies(&mut found).await? {
                return Ok((found, more));
            }
        }
        self.rows(plan, &statement, count).await
    }

    async fn rows(
        &self,
        plan: &AccessPlan,
        statement: &Statement,
        count: usize,
    ) -> Result<(Vec<Match>, bool)> {
        let rows = self.run(plan, statement).await?;
        let more = rows.len() > count;
        let found = rows.into_iter().take(count).map(|row| self.found(row)).collect::<Result<_>>()?;
        Ok((found, more))
    }

    /// Gives each match its text; `false` when one has changed since it was found.
    async fn put_bodies(&self, found: &mut [Match]) -> Result<bool> {
        let bodies = &self.inner.bodies;
        let mut missing: HashMap<i64, usize> = HashMap::new();
        for (place, one) in found.iter_mut().enumerate() {
            match bodies.get(one.rid) {
                Some((stamp, text)) if stamp == stamp_of(&one.stored) => one.stored.body = Some(text),
                _ => drop(missing.insert(one.rid, place)),
            }
        }
        if missing.is_empty() {
            return Ok(true);
        }
        let rids = missing.keys().map(|rid| rid.to_string().into()).collect();
        let join = match self.dialect() {
            remit_search::Dialect::Sqlite => "json_each($1) k cross join resource r on r.rid = k.value",
            remit_search::Dialect::Postgres => {
                "unnest($1::text[]) k (value) join resource r on r.rid = k.value::bigint"
            }
        };
        let sql = format!("select r.rid, r.version, r.updated_us, {} from {join}", self.dialect().body());
        let mut left = missing.len();
        for mut row in self.inner.database.scan(&sql, &[Value::List(rids)]).await? {
            let (rid, version, updated_us) = (row.int()?, row.int()?, row.int()?);
            let (stamp, text) = (Stamp { version, updated_us }, row.text_or_null()?.map(Bytes::from));
            let one = missing.get(&rid).and_then(|place| found.get_mut(*place));
            if let (Some(one), Some(text)) = (one, text)
                && stamp_of(&one.stored) == stamp
            {
                bodies.add(rid, stamp, &text);
                one.stored.body = Some(text);
                left -= 1;
            }
        }
        Ok(left == 0)
    }

    /// A page with what comes along, of a query whose codes are known.
    pub(crate) async fn page(&self, plan: &AccessPlan, query: &Query) -> Result<Found> {
        let (rows, more) = self.matched(plan, query).await?;
        self.paged(plan, query, rows, more).await
    }

    /// A page of matches in the order in which they were read.
    pub(crate) async fn paged(
        &self,
        plan: &AccessPlan,
        query: &Query,
        mut rows: Vec<Match>,
        more: bool,
    ) -> Result<Found> {
        // Where the page came from there is another: that of the cursor.
        let (is_next, is_previous) = match query.side {
            Side::After => (more, query.cursor.is_some()),
            Side::Before => {
                rows.reverse();
                (true, more)
            }
        };
        let cursor = |row: &Match, side| remit_search::cursor(query, &row.keys, side);
        let next = rows.last().filter(|_| is_next).map(|row| cursor(row, Side::After));
        let previous = rows.first().filter(|_| is_previous).map(|row| cursor(row, Side::Before));
        let includes = match query.includes.is_empty() {
            true => Vec::new(),
            false => self.includes(plan, query, &rows).await?,
        };
        let entries = rows.into_iter().map(|row| row.stored).collect();
        Ok(Found { entries, includes, total: None, next, previous })
    }

    /// Number of matches.
    pub async fn count(&self, plan: &AccessPlan, query: &Query) -> Result<u64> {
        self.counted(plan, &*self.resolved(plan, query).await?).await
    }

    async fn counted(&self, plan: &AccessPlan, query: &Query) -> Result<u64> {
        match query.contained {
            Contained::No => self.counted_one(plan, query).await,
            _ => self.counted_contained(plan, query).await,
        }
    }

    pub(crate) async fn counted_one(&self, plan: &AccessPlan, query: &Query) -> Result<u64> {
        let densities = self.densities(plan, query).await?;
        let statement = remit_search::count(query, plan, &self.inner.registry, self.dialect(), &densities);
        let rows = self.run(plan, &statement).await?;
        let counted = rows.into_iter().next().map(|mut row| row.int()).transpose()?;
        Ok(counted.unwrap_or(0).unsigned_abs())
    }

    /// Logical ids of the first matches, for conditions.
    pub async fn ids(&self, plan: &AccessPlan, query: &Query, limit: usize) -> Result<Vec<String>> {
        has_addresses(query)?;
        let statement = self.ids_statement(plan, &*self.resolved(plan, query).await?, limit);
        let rows = self.run(plan, &statement).await?;
        rows.into_iter().map(id_of).collect()
    }

    /// A statement whose rows [`id_of`] reads.
    pub(crate) fn ids_statement(&self, plan: &AccessPlan, query: &Query, limit: usize) -> Statement {
        // A page statement gives one row more than its page.
        let few = Query { count: limit.saturating_sub(1), ..query.clone() };
        self.page_statement(plan, &few, &Densities::default()).without_bodies(self.dialect())
    }

    /// Whether a condition of the plan lets the caller see this resource.
    pub(crate) async fn sees(&self, plan: &AccessPlan, ty: TypeId, id: &str) -> Result<bool> {
        let this = Criterion { params: Vec::new(), test: Test::Id(vec![id.into()]) };
        let query = Query { types: vec![ty], criteria: vec![Condition::Criterion(this)], ..Query::default() };
        Ok(!self.ids(plan, &query, 1).await?.is_empty())
    }

    pub(crate) fn page_statement(
        &self,
        plan: &AccessPlan,
        query: &Query,
        densities: &Densities,
    ) -> Statement {
        remit_search::page(query, plan, &self.inner.registry, self.dialect(), densities)
    }

    /// How many rows the parts of a search have, counted to a bound; what is sparse leads.
    pub(crate) async fn densities(&self, plan: &AccessPlan, query: &Query) -> Result<Densities> {
        let Some(probe) = remit_search::probes(query, plan, &self.inner.registry, self.dialect()) else {
            return Ok(Densities::default());
        };
        let counted = &self.inner.counted;
        let key = counted.key(&probe.statement);
        if let Some(densities) = counted.get(key) {
            return Ok(densities);
        }
        let mut counts = Vec::new();
        for row in self.run(plan, &probe.statement).await? {
            counts.extend(row.rest().into_iter().map(|value| match value {
                Value::Int(n) => n,
                _ => 0,
            }));
        }
        let densities = probe.densities(&counts);
        counted.add(key, densities.clone());
        Ok(densities)
    }

    pub(crate) async fn run(&self, plan: &AccessPlan, statement: &Statement) -> Result<Vec<Row>> {
        let mut args = Vec::with_capacity(statement.args.len());
        for arg in &statement.args {
            args.push(self.resolve(plan.tenant(), arg).await?);
        }
        self.inner.database.scan(&statement.sql, &args).await
    }

    async fn resolve(&self, tenant: i32, arg: &Arg) -> Result<Value> {
        Ok(match arg {
            Arg::Int(n) => Value::Int(*n),
            Arg::Float(n) => Value::Real(*n),
            Arg::Text(text) => Value::Text(text.clone()),
            Arg::List(texts) => Value::List(texts.clone()),
            Arg::System(uri) => match self.inner.symbols.get(uri) {
                Some(number) => Value::from(number),
                None => {
                    let sql = "select id from symbol where uri = $1";
                    let number = self.number(sql, &[Value::from(uri.as_str())]).await?;
                    if let Some(number) = number {
                        self.inner.symbols.add([(uri.as_str().into(), number as i32)]);
                    }
                    Value::Int(number.unwrap_or(-1))
                }
            },
            Arg::Target(ty, id) => {
                let key = (tenant, *ty, id.as_str().into());
                match self.inner.rids.get(&key) {
                    Some(rid) => Value::Int(rid),
                    None => {
                        let sql = "select rid from resource where tenant = $1 and type = $2 and id = $3";
                        let number = self.inner.number_of(*ty);
                        let args = [Value::from(tenant), Value::from(number), Value::from(id.as_str())];
                        let rid = self.number(sql, &args).await?;
                        self.inner.rids.add(rid.map(|rid| (key, rid)));
                        Value::Int(rid.unwrap_or(-1))
                    }
                }
            }
        })
    }

    async fn number(&self, sql: &str, args: &[Value]) -> Result<Option<i64>> {
        let rows = self.inner.database.point(sql, args).await?;
        rows.into_iter().next().map(|mut row| row.int()).transpose()
    }

    /// Columns: rid, type, id, version, updated_us, body, sort keys.
    pub(crate) fn found(&self, mut row: Row) -> Result<Match> {
        let rid = row.int()?;
        let ty = self.inner.registry.type_numbered(row.int()? as i32);
        let ty = ty.ok_or_else(|| Error::internal("a stored resource has a type that is not defined"))?;
        let (id, version, updated_us) = (row.text()?, row.int()?, row.int()?);
        let body = row.text_or_null()?.map(Bytes::from);
        let mut keys: Vec<remit_search::Key> = row.rest().into_iter().map(key).collect();
        keys.push(remit_search::Key::Int(rid));
        Ok(Match { stored: Stored { ty, id, version, updated_us, body }, rid, keys })
    }

    pub(crate) fn dialect(&self) -> remit_search::Dialect {
        match &self.inner.database {
            Database::Sqlite(_) => remit_search::Dialect::Sqlite,
            Database::Postgres(_) => remit_search::Dialect::Postgres,
        }
    }
}

fn stamp_of(stored: &Stored) -> Stamp {
    Stamp { version: stored.version, updated_us: stored.updated_us }
}

/// Whether the matches must be counted. Where the first page is the last, its length is the total, for
/// nothing.
pub(crate) fn needs_count(query: &Query, found: &mut Found) -> bool {
    if query.cursor.is_none() && found.next.is_none() && query.count > 0 && query.total != Total::None {
        found.total = Some(found.entries.len() as u64);
        return false;
    }
    matches!(query.total, Total::Accurate | Total::Estimate) || query.count == 0
}

/// 400 when a query that is to name resources asks for contained ones, which have no address.
fn has_addresses(query: &Query) -> Result<()> {
    match query.contained {
        Contained::No => Ok(()),
        _ => Err(Error::invalid("Contained resources have no address: leave _contained out here.")),
    }
}

/// The logical id in a row of a page statement.
pub(crate) fn id_of(mut row: Row) -> Result<String> {
    let (_rid, _type) = (row.int()?, row.int()?);
    row.text()
}

fn key(value: Value) -> remit_search::Key {
    match value {
        Value::Null => remit_search::Key::Null,
        Value::Int(n) => remit_search::Key::Int(n),
        Value::Real(n) => remit_search::Key::Float(n),
        Value::Text(text) => remit_search::Key::Text(text),
        // No column gives a list.
        Value::List(_) => remit_search::Key::Null,
    }
}
