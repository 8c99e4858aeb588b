//! From a query to the SQL of one page, and to the SQL of its count.
//!
//! A statement starts from a driver and checks the other criteria by probes. Four drivers:
//!
//! - a **walk** of an index by value, in which resources stand newest first; several values are several
//!   walks, merged;
//! - a **fan** of walks, one for each target of a chain: what refers to it, newest first;
//! - **collected** rows of a criterion that matches few, sorted afterwards;
//! - the **resources** themselves, newest first or in the order asked, when no criterion is rare.
//!
//! Index rows stand for live resources only, so an index alone can count.

mod count;
mod driver;
mod fan;

use crate::access::AccessPlan;
use crate::contained::{Contained, ContainedType, Scope};
use crate::filter;
use crate::part::{Part, Sql, integers};
use crate::query::{Condition, Criterion, Query, Test};
use crate::registry::Registry;
use crate::sort;
use crate::sql::{Arg, Dialect, Statement, Writer};
use remit_spec::TypeId;

pub use count::count;
pub use driver::probes;

use driver::{Driver, Wanted, drive};

/// Rows that a probe counts at most. A criterion with more is dense: sorting its matches would cost
/// more than walking resources until a page is full.
pub const PROBE_CAP: i64 = 1000;

/// The same for the sources of `_has`, of which many may lead to one resource. Each resource walked has
/// to look through what points to it, so walking pays off later.
const SOURCE_CAP: i64 = 10_000;

/// The same for a search of all types: each resource walked has to be asked for the parameter of every
/// type.
const WIDE_CAP: i64 = 50_000;

/// How many rows of another criterion a target of a chain costs: its newest reference is looked up.
const FAN_WEIGHT: i64 = 2;

/// Of how many resources, the newest, a probe asks whether they meet a condition with many sources.
const SAMPLE: i64 = 64;

/// Asking one resource for its sources costs about as much as collecting so many sources.
const ASK_WEIGHT: i64 = 14;

/// Most walks that are merged. Each reads a page of its own.
const MAX_WALKS: usize = 16;

/// How many rows each criterion has, as far as a probe has counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Densities {
    criteria: Vec<Option<i64>>,
    sampled: Vec<Option<i64>>,
    sort: Vec<Option<i64>>,
}

/// A statement that counts rows of criteria, each up to [`PROBE_CAP`], in one row.
#[derive(Clone, PartialEq, Debug)]
pub struct Probe {
    /// Gives one row with one integer for each criterion probed.
    pub statement: Statement,
    criteria: Vec<usize>,
    sampled: Vec<usize>,
    sort: Vec<usize>,
}

impl Probe {
    /// The answer of the statement, column by column.
    pub fn densities(&self, counts: &[i64]) -> Densities {
        let by_place = |places: &[usize], counts: &[i64]| {
            let mut all = vec![None; places.last().map_or(0, |last| last + 1)];
            for (place, count) in places.iter().zip(counts) {
                all[*place] = Some(*count);
            }
            all
        };
        let (criteria, rest) = counts.split_at(self.criteria.len().min(counts.len()));
        let (sampled, sort) = rest.split_at(self.sampled.len().min(rest.len()));
        Densities {
            criteria: by_place(&self.criteria, criteria),
            sampled: by_place(&self.sampled, sampled),
            sort: by_place(&self.sort, sort),
        }
    }
}

/// The statement of one page. Columns: `rid`, `type`, `id`, `version`, `updated_us`, the body as JSON
/// text, then one for each sort key. It gives one row more than the page holds when there is a next
/// page; [`crate::cursor()`] of the sort keys and `rid` of the page's last row starts it. A page before its
/// cursor comes in the opposite order, so its first row is the page's last.
pub fn page(
    query: &Query,
    plan: &AccessPlan,
    registry: &Registry,
    dialect: Dialect,
    densities: &Densities,
) -> Statement {
    let page = Page { query, cx: Sql { plan, registry, scope: scope(query) } };
    let mut w = Writer::new(dialect);
    match drive(query, densities, Wanted::Page) {
        Driver::Walks(place, walks) => match &walks[..] {
            // PostgreSQL groups by the key of a table, but not by that of a view.
            [walk] if page.cx.scope == Scope::Own || walk.is_unique() => page.one_walk(&mut w, place, walk),
            walks => page.merged(&mut w, walks.iter().map(|walk| Arm::Walk(place, walk))),
        },
        Driver::Fan(place, parts) => page.merged(&mut w, parts.iter().map(|part| Arm::Fan(place, part))),
        driver if page.is_by_container() => page.sorted(&mut w, &driver, &densities.sort),
        driver if driver.place().is_none() && page.is_walked_by_type() => {
            page.merged(&mut w, page.types().into_iter().map(Arm::Type));
        }
        driver if sort::is_columns(query) && driver.place().is_none() => page.resources(&mut w),
        driver => page.sorted(&mut w, &driver, &densities.sort),
    }
    w.finish()
}

/// One of several walks that are merged.
enum Arm<'p, 'q> {
    Walk(usize, &'p Part<'q>),
    Fan(usize, &'p Part<'q>),
    Type(i64),
}

/// Whose rows a query is about. Of a query for both a statement finds the contained resources; the same
/// query for those that are not contained finds the rest.
fn scope(query: &Query) -> Scope {
    if query.contained == Contained::No { Scope::Own } else { Scope::Contained }
}

struct Page<'a> {
    query: &'a Query,
    cx: Sql<'a>,
}

impl Page<'_> {
    /// Whether the order asked for is that of an index by type, of which several are searched.
    fn is_walked_by_type(&self) -> bool {
        match (self.query.types.len(), self.query.sort.is_empty()) {
            (1, _) => false,
            (count, true) => (2..=MAX_WALKS).contains(&count),
            (_, false) => sort::is_columns(self.query),
        }
    }

    /// The numbers of the types searched.
    fn types(&self) -> Vec<i64> {
        let all = || self.cx.registry.definitions().resource_types();
        let of = |ty: TypeId| self.cx.type_number(ty);
        match &self.query.types[..] {
            [] => all().map(of).collect(),
            types => types.iter().copied().map(of).collect(),
        }
    }

    /// One more than the page holds tells whether there is a next page.
    fn limit(&self, w: &mut Writer) {
        w.push(" limit ").number(self.query.count as i64 + 1);
    }

    fn columns(&self, w: &mut Writer) {
        let body = w.dialect.body();
        // Of a contained resource its number, and the rest of its container.
        w.push(match self.cx.scope {
            Scope::Contained => "select r.rid, r.container_type, r.container_id, r.version, r.updated_us, ",
            _ => "select r.rid, r.type, r.id, r.version, r.updated_us, ",
        });
        w.push(body);
    }

    pub(super) fn table(&self) -> &'static str {
        self.cx.scope.table()
    }

    /// Whether containers are sorted, of which each comes once.
    fn is_by_container(&self) -> bool {
        let is_container = self.query.contained_type == ContainedType::Container;
        self.cx.scope == Scope::Contained && is_container && !self.query.sort.is_empty()
    }

    /// Writes ` and …` for every criterion but the one that drives, and for the access plan.
    fn filters(&self, w: &mut Writer, driver: Option<usize>, rid: &str) {
        for (place, condition) in self.query.criteria.iter().enumerate() {
            if Some(place) != driver {
                w.push(" and ");
                filter::condition(w, &self.cx, condition, rid, "r");
            }
        }
        filter::access(w, &self.cx, &self.query.types, rid, "r");
        if self.query.contained == Contained::Both && self.query.contained_type == ContainedType::Container {
            self.is_no_match_itself(w);
        }
    }

    /// Writes that the container is not found for its own sake.
    fn is_no_match_itself(&self, w: &mut Writer) {
        let o = w.alias();
        let rid = format!("{o}.rid");
        w.push(" and not exists (select 1 from resource ").push(&o).push(" where ").push(&rid);
        w.push(" = r.container");
        if !self.query.types.is_empty() {
            w.push(" and ").push(&o).push(".type");
            integers(w, &self.types().into_iter().map(|number| number as i32).collect::<Vec<_>>());
        }
        for condition in &self.query.criteria {
            w.push(" and ");
            filter::condition(w, &self.cx.of(Scope::Own), condition, &rid, &o);
        }
        w.push(")");
    }

    /// Writes ` and rid < …` when this is not the first page of a newest-first search.
    fn after(&self, w: &mut Writer, rid: &str) {
        sort::beside(w, self.query, rid);
    }

    /// Writes ` order by rid desc`.
    fn newest(&self, w: &mut Writer, rid: &str) {
        w.push(" order by ").push(rid).push(sort::newest(self.query));
    }

    pub(super) fn live(&self, w: &mut Writer) {
        let tenant = || Arg::Int(self.cx.plan.tenant().into());
        w.push("r.tenant = ").arg(tenant());
        let numbers: Vec<i32> = self.types().into_iter().map(|number| number as i32).collect();
        let ids = self.query.criteria.iter().find_map(|condition| match condition {
            Condition::Criterion(Criterion { test: Test::Id(ids), .. }) if !ids.is_empty() => Some(ids),
            _ => None,
        });
        if !self.query.types.is_empty() {
            w.push(" and r.type");
            integers(w, &numbers);
        } else if let Some(ids) = ids {
            // An id is kept with its type.
            w.push(" and r.rid in (select i.rid from ").push(self.table()).push(" i where i.tenant = ");
            w.arg(tenant());
            w.push(" and i.type");
            integers(w, &numbers);
            w.push(" and i.id in (").list(ids, ", ", |w, id| _ = w.arg(Arg::Text(id.to_string()))).push("))");
        }
        // Written out, so that the partial indexes apply.
        w.push(" and r.deleted = 0");
    }

    /// Whether a statement must look at the resources themselves to tell its matches. Index rows stand for
    /// live resources of their type, so most criteria are answered by indexes alone.
    fn needs_resource(&self, driver: usize, parts: &[Part<'_>]) -> bool {
        let others = self.query.criteria.iter().enumerate().filter(|(place, _)| *place != driver);
        self.cx.scope != Scope::Own
            || !self.cx.plan.is_unrestricted()
            || parts.iter().any(Part::is_of_all_types)
            || others.into_iter().any(|(_, condition)| filter::needs_resource(condition))
    }

    /// One index walk, then the resources of a page; no sort.
    fn one_walk(&self, w: &mut Writer, place: usize, walk: &Part<'_>) {
        self.columns(w);
        let needs_resource = self.needs_resource(place, std::slice::from_ref(walk));
        if w.dialect == Dialect::Sqlite && needs_resource {
            return self.walk(w, place, walk);
        }
        // PostgreSQL would make text of every body before it cuts.
        let (rid, join) = (walk.rid(w.dialect), w.dialect.join());
        w.push(" from (select d").push(rid).push(" as rid");
        self.walk(w, place, walk);
        w.push(") p").push(join).push(self.table()).push(" r on r.rid = p.rid");
        self.newest(w, "p.rid");
    }

    /// Writes the walk from `from` on.
    fn walk(&self, w: &mut Writer, place: usize, walk: &Part<'_>) {
        let needs_resource = self.needs_resource(place, std::slice::from_ref(walk));
        let join = w.dialect.join();
        let rid = format!("d{}", walk.rid(w.dialect));
        w.push(" from ").push(walk.table()).push(" d");
        if needs_resource {
            w.push(join).push(self.table()).push(" r on r.rid = ").push(&rid);
        }
        w.push(" where ");
        walk.sql(w, &self.cx, "d");
        self.after(w, &rid);
        if needs_resource {
            w.push(" and r.deleted = 0");
            self.of_types(w, walk);
        }
        self.filters(w, Some(place), &rid);
        if !walk.is_unique() {
            // PostgreSQL takes the other columns from the primary key; SQLite sees the walk's order.
            let takes_others = w.dialect == Dialect::Postgres && needs_resource;
            w.push(if takes_others { " group by r.rid, d.rid" } else { " group by d.rid" });
        }
        self.newest(w, &rid);
        self.limit(w);
    }

    /// Several walks, each cut to a page, then the newest of all.
    fn merged<'p, 'q: 'p>(&self, w: &mut Writer, arms: impl Iterator<Item = Arm<'p, 'q>>) {
        self.columns(w);
        sort::column_keys(w, self.query);
        // Cut first: bodies are read for a page only.
        let from = match w.dialect {
            Dialect::Sqlite => [" from (select r.rid as rid from ", self.table(), " r where r.rid in ("],
            // Here the list itself must lead.
            Dialect::Postgres => [" from (select r.rid as rid from (select distinct a.rid from (", "", ""],
        };
        for text in from {
            w.push(text);
        }
        w.list(arms, " union ", |w, arm| {
            if let Arm::Fan(place, part) = arm {
                return self.fan(w, place, part);
            }
            let alias = w.alias();
            w.push("select ").push(&alias).push(".rid from (select ");
            match arm {
                Arm::Fan(..) => {}
                Arm::Walk(place, walk) => {
                    let rid = walk.rid(w.dialect);
                    w.push("d").push(rid).push(" as rid");
                    self.walk(w, place, walk);
                }
                Arm::Type(number) => {
                    w.push("r.rid as rid from ").push(self.table()).push(" r where r.tenant = ");
                    w.arg(Arg::Int(self.cx.plan.tenant().into()))
                        .push(" and r.type = ")
                        .number(number)
                        .push(" and r.deleted = 0");
                    self.after(w, "r.rid");
                    sort::after_columns(w, self.query);
                    self.filters(w, None, "r.rid");
                    sort::order_by_columns(w, self.query);
                    self.limit(w);
                }
            }
            w.push(") ").push(&alias);
        });
        match w.dialect {
            Dialect::Sqlite => _ = w.push(")"),
            Dialect::Postgres => {
                _ = w.push(") a) u join ").push(self.table()).push(" r on r.rid = u.rid");
            }
        }
        sort::order_by_columns(w, self.query);
        self.limit(w);
        let join = w.dialect.join();
        w.push(") p").push(join).push(self.table()).push(" r on r.rid = p.rid");
        sort::order_by_columns(w, self.query);
    }

    /// The resources in the order of one of their own indexes.
    fn resources(&self, w: &mut Writer) {
        self.columns(w);
        sort::column_keys(w, self.query);
        w.push(" from ").push(self.table()).push(" r where ");
        self.live(w);
        self.after(w, "r.rid");
        sort::after_columns(w, self.query);
        self.filters(w, None, "r.rid");
        sort::order_by_columns(w, self.query);
        self.limit(w);
    }

    /// Numbers and keys first, sorted and cut; then the bodies of what is left.
    fn sorted(&self, w: &mut Writer, driver: &Driver<'_>, variety: &sort::Variety) {
        sort::with(w, &self.cx, self.query, variety);
        let keys = self.query.sort.len();
        self.columns(w);
        for n in 1..=keys {
            w.push(", p.k").number(n as i64);
        }
        w.push(" from (select s.* from (");
        if self.is_by_container() {
            // The first match of each container stands for it.
            w.push("select s.*, row_number() over (partition by s.container");
            sort::order_of_all(w, self.query, "s");
            w.push(") as place from (");
        }
        w.push("select r.rid as rid");
        sort::keys(w, &self.cx, self.query, variety);
        w.push(if self.is_by_container() { ", r.container as container" } else { "" });
        self.from(w, driver, variety);
        self.after(w, "r.rid");
        self.filters(w, driver.place(), "r.rid");
        w.push(if self.is_by_container() { ") s) s where s.place = 1" } else { ") s where 1 = 1" });
        sort::after(w, self.query, "s");
        sort::order_by(w, self.query, "s");
        self.limit(w);
        let join = w.dialect.join();
        w.push(") p").push(join).push(self.table()).push(" r on r.rid = p.rid");
        sort::order_by(w, self.query, "p");
    }

    /// Writes from `from` to the first condition.
    fn from(&self, w: &mut Writer, driver: &Driver<'_>, variety: &sort::Variety) {
        let join = w.dialect.join();
        match driver {
            Driver::Resources => w.push(" from ").push(self.table()).push(" r"),
            Driver::Walks(_, parts) | Driver::Fan(_, parts) | Driver::Collected(_, parts) => {
                w.push(" from (");
                self.collected(w, parts);
                w.push(") d").push(join).push(self.table()).push(" r on r.rid = d.rid")
            }
        };
        sort::joins(w, &self.cx, self.query, variety);
        w.push(" where ");
        if driver.place().is_some() {
            w.push("r.deleted = 0");
        } else {
            self.live(w);
        }
        if let Driver::Walks(_, parts) | Driver::Collected(_, parts) = driver {
            parts.iter().take(1).for_each(|part| self.of_types(w, part));
        }
    }

    /// A parameter's number says the type of its resources; words stand for all types.
    fn of_types(&self, w: &mut Writer, part: &Part<'_>) {
        if part.is_of_all_types() && !self.query.types.is_empty() {
            let numbers = self.query.types.iter().map(|ty| self.cx.registry.type_number(*ty).unwrap_or(0));
            w.push(" and r.type");
            integers(w, &numbers.collect::<Vec<i32>>());
        }
    }

    /// Every resource with a matching row, once.
    fn collected(&self, w: &mut Writer, parts: &[Part<'_>]) {
        if let [part] = parts {
            let alias = w.alias();
            w.push("select distinct ").push(&alias).push(".rid from (");
            part.rids(w, &self.cx);
            w.push(") ").push(&alias);
        } else {
            w.list(parts, " union ", |w, part| part.rids(w, &self.cx));
        }
    }
}
