//! From a query to the SQL of one page, and to the SQL of its count.
//!
//! A statement starts from a driver and checks the other criteria by probes. Three drivers:
//!
//! - a **walk** of an index by value, in which resources stand newest first; several values are several
//!   walks, merged;
//! - **collected** rows of a criterion that matches few, sorted afterwards;
//! - the **resources** themselves, newest first or in the order asked, when no criterion is rare.
//!
//! Index rows stand for live resources only, so an index alone can count.

use crate::access::AccessPlan;
use crate::cursor::Key;
use crate::filter;
use crate::part::{Part, Sql, integers, parts};
use crate::query::{Condition, Criterion, Query, Test};
use crate::registry::Registry;
use crate::sort;
use crate::sql::{Arg, Dialect, Statement, Writer};

/// Rows that a probe counts at most. A criterion with more is dense: sorting its matches would cost
/// more than walking resources until a page is full.
pub const PROBE_CAP: i64 = 1000;

/// Most walks that are merged. Each reads a page of its own.
const MAX_WALKS: usize = 16;

/// How many rows each criterion has, as far as a probe has counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Densities(Vec<Option<i64>>);

/// A statement that counts rows of criteria, each up to [`PROBE_CAP`], in one row.
#[derive(Clone, PartialEq, Debug)]
pub struct Probe {
    /// Gives one row with one integer for each criterion probed.
    pub statement: Statement,
    criteria: Vec<usize>,
}

impl Probe {
    /// The answer of the statement, column by column.
    pub fn densities(&self, counts: &[i64]) -> Densities {
        let mut all = vec![None; self.criteria.last().map_or(0, |last| last + 1)];
        for (criterion, count) in self.criteria.iter().zip(counts) {
            all[*criterion] = Some(*count);
        }
        Densities(all)
    }
}

/// Where a statement starts from.
enum Driver<'q> {
    /// The resources themselves.
    Resources,
    /// Walks that each give resources newest first, of the criterion at this place.
    Walks(usize, Vec<Part<'q>>),
    /// All matches of the criterion at this place.
    Collected(usize, Vec<Part<'q>>),
}

impl Driver<'_> {
    fn place(&self) -> Option<usize> {
        match self {
            Driver::Resources => None,
            Driver::Walks(place, _) | Driver::Collected(place, _) => Some(*place),
        }
    }
}

/// How few matches a criterion promises before anything is counted; least is best. `None` never drives.
fn rank(criterion: &Criterion) -> Option<u8> {
    Some(match &criterion.test {
        Test::Reference(values) if values.len() == 1 => 1,
        Test::Uri(_) | Test::Reference(_) => 2,
        Test::Composite(_) => 3,
        Test::Token(values) if values.len() == 1 => 4,
        Test::Token(_) => 5,
        Test::Chain(_) => 6,
        Test::String(_) | Test::Date(_) | Test::Number(_) | Test::Quantity(_) | Test::Near(_) => 9,
        Test::Id(_) | Test::Updated(_) | Test::Present(_) => return None,
    })
}

/// From this rank on, nothing tells how many matches there are but a count.
const UNCERTAIN: u8 = 4;

fn candidates(query: &Query) -> impl Iterator<Item = (usize, &Criterion, u8)> {
    query.criteria.iter().enumerate().filter_map(|(place, condition)| match condition {
        Condition::Criterion(criterion) => rank(criterion).map(|rank| (place, criterion, rank)),
        _ => None,
    })
}

/// The counts that would help to choose where to start. `None` when there is nothing to choose: an
/// id is given, a criterion that is rare by its kind drives, or there is one walk alone.
pub fn probes(query: &Query, plan: &AccessPlan, registry: &Registry, dialect: Dialect) -> Option<Probe> {
    let has_id =
        query.criteria.iter().any(|c| matches!(c, Condition::Criterion(Criterion { test: Test::Id(_), .. })));
    let all: Vec<_> = candidates(query).collect();
    let best = all.iter().map(|(.., rank)| *rank).min()?;
    let one_walk = all.len() == 1 && best <= 5 && query.sort.is_empty();
    let is_sure = best < UNCERTAIN && query.sort.is_empty();
    if has_id || is_sure || one_walk {
        return None;
    }
    let cx = Sql { plan, registry };
    let mut w = Writer::new(dialect);
    w.push("select ");
    w.list(&all, ", ", |w, (_, criterion, _)| {
        let parts = parts(criterion);
        w.push("(select count(*) from (");
        w.list(&parts, " union all ", |w, part| part.rids(w, &cx));
        let alias = w.alias();
        w.push(" limit ").number(PROBE_CAP).push(") ").push(&alias).push(")");
    });
    Some(Probe { statement: w.finish(), criteria: all.iter().map(|(place, ..)| *place).collect() })
}

/// Chooses the driver: the criterion with the fewest rows, or by rank where nothing is counted.
fn drive<'q>(query: &'q Query, densities: &Densities) -> Driver<'q> {
    let count = |place: usize| densities.0.get(place).copied().flatten();
    let best = candidates(query).min_by_key(|(place, _, rank)| (count(*place).unwrap_or(PROBE_CAP), *rank));
    let Some((place, criterion, _)) = best else { return Driver::Resources };
    let parts = parts(criterion);
    let walks: Option<Vec<Vec<Part<'q>>>> = parts.iter().map(Part::walks).collect();
    let walks: Option<Vec<Part<'q>>> = walks.map(|w| w.into_iter().flatten().collect());
    let is_dense = count(place).is_some_and(|n| n >= PROBE_CAP);
    match walks {
        _ if parts.is_empty() => Driver::Resources,
        Some(walks) if walks.len() <= MAX_WALKS && query.sort.is_empty() => Driver::Walks(place, walks),
        _ if is_dense && sort::has_walk(query) => Driver::Resources,
        _ => Driver::Collected(place, parts),
    }
}

/// The statement of one page. Columns: `rid`, `type`, `id`, `version`, `updated_us`, the body as JSON
/// text, then one for each sort key. It gives one row more than the page holds when there is a next
/// page; [`crate::cursor()`] of the sort keys and `rid` of the page's last row starts it.
pub fn page(
    query: &Query,
    plan: &AccessPlan,
    registry: &Registry,
    dialect: Dialect,
    densities: &Densities,
) -> Statement {
    let page = Page { query, cx: Sql { plan, registry } };
    let mut w = Writer::new(dialect);
    match drive(query, densities) {
        Driver::Walks(place, walks) => match &walks[..] {
            [walk] => page.one_walk(&mut w, place, walk),
            walks => page.merged(&mut w, walks.iter().map(|walk| Arm::Walk(place, walk))),
        },
        driver if query.sort.is_empty() && driver.place().is_none() && page.has_few_types() => {
            let types = query.types.iter().map(|ty| page.cx.type_number(*ty));
            page.merged(&mut w, types.map(Arm::Type));
        }
        driver if sort::is_columns(query) && driver.place().is_none() => page.resources(&mut w),
        driver => page.sorted(&mut w, &driver),
    }
    w.finish()
}

/// One of several walks that are merged.
enum Arm<'p, 'q> {
    Walk(usize, &'p Part<'q>),
    Type(i64),
}

struct Page<'a> {
    query: &'a Query,
    cx: Sql<'a>,
}

impl Page<'_> {
    fn has_few_types(&self) -> bool {
        (2..=MAX_WALKS).contains(&self.query.types.len())
    }

    /// One more than the page holds tells whether there is a next page.
    fn limit(&self, w: &mut Writer) {
        w.push(" limit ").number(self.query.count as i64 + 1);
    }

    fn columns(&self, w: &mut Writer) {
        let body = w.dialect.body();
        w.push("select r.rid, r.type, r.id, r.version, r.updated_us, ").push(body);
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
    }

    /// Writes ` and rid < …` when this is not the first page of a newest-first search.
    fn after(&self, w: &mut Writer, rid: &str) {
        if let (true, Some([Key::Int(last)])) = (self.query.sort.is_empty(), self.query.cursor.as_deref()) {
            w.push(" and ").push(rid).push(" < ").arg(Arg::Int(*last));
        }
    }

    fn live(&self, w: &mut Writer) {
        // All types are walked by number, for which no index with the tenant is of use: the sign says so.
        w.push(if self.query.types.is_empty() { "+r.tenant = " } else { "r.tenant = " });
        w.arg(Arg::Int(self.cx.plan.tenant().into()));
        if !self.query.types.is_empty() {
            w.push(" and r.type");
            let numbers: Vec<i32> =
                self.query.types.iter().map(|ty| self.cx.registry.type_number(*ty).unwrap_or(0)).collect();
            integers(w, &numbers);
        }
        // Written out, so that the partial indexes apply.
        w.push(" and r.deleted = 0");
    }

    /// One index walk joined with its resources; no sort.
    fn one_walk(&self, w: &mut Writer, place: usize, walk: &Part<'_>) {
        self.columns(w);
        self.walk(w, place, walk);
    }

    /// Writes the walk from `from` on.
    fn walk(&self, w: &mut Writer, place: usize, walk: &Part<'_>) {
        let join = w.dialect.join();
        w.push(" from ").push(walk.table()).push(" d").push(join).push("resource r on r.rid = d.rid where ");
        walk.sql(w, self.cx.plan.tenant(), "d");
        self.after(w, "d.rid");
        w.push(" and r.deleted = 0");
        self.filters(w, Some(place), "d.rid");
        if !walk.is_unique() {
            // PostgreSQL takes the other columns from the primary key; SQLite sees the walk's order.
            w.push(if w.dialect == Dialect::Sqlite { " group by d.rid" } else { " group by r.rid, d.rid" });
        }
        w.push(" order by d.rid desc");
        self.limit(w);
    }

    /// Several walks, each cut to a page, then the newest of all.
    fn merged<'p, 'q: 'p>(&self, w: &mut Writer, arms: impl Iterator<Item = Arm<'p, 'q>>) {
        self.columns(w);
        w.push(" from resource r where r.rid in (");
        w.list(arms, " union ", |w, arm| {
            let alias = w.alias();
            w.push("select ").push(&alias).push(".rid from (select r.rid as rid");
            match arm {
                Arm::Walk(place, walk) => self.walk(w, place, walk),
                Arm::Type(number) => {
                    w.push(" from resource r where r.tenant = ").arg(Arg::Int(self.cx.plan.tenant().into()));
                    w.push(" and r.type = ").number(number).push(" and r.deleted = 0");
                    self.after(w, "r.rid");
                    self.filters(w, None, "r.rid");
                    w.push(" order by r.rid desc");
                    self.limit(w);
                }
            }
            w.push(") ").push(&alias);
        });
        w.push(") order by r.rid desc");
        self.limit(w);
    }

    /// The resources in the order of one of their own indexes.
    fn resources(&self, w: &mut Writer) {
        self.columns(w);
        sort::column_keys(w, self.query);
        w.push(" from resource r where ");
        self.live(w);
        self.after(w, "r.rid");
        sort::after_columns(w, self.query);
        self.filters(w, None, "r.rid");
        sort::order_by_columns(w, self.query);
        self.limit(w);
    }

    /// Numbers and keys first, sorted and cut; then the bodies of what is left.
    fn sorted(&self, w: &mut Writer, driver: &Driver<'_>) {
        let keys = self.query.sort.len();
        self.columns(w);
        for n in 1..=keys {
            w.push(", p.k").number(n as i64);
        }
        w.push(" from (select s.*");
        w.push(" from (select r.rid as rid");
        sort::keys(w, &self.cx, self.query);
        self.from(w, driver);
        self.after(w, "r.rid");
        self.filters(w, driver.place(), "r.rid");
        w.push(") s");
        sort::after(w, self.query, "s");
        sort::order_by(w, self.query, "s");
        self.limit(w);
        let join = w.dialect.join();
        w.push(") p").push(join).push("resource r on r.rid = p.rid");
        sort::order_by(w, self.query, "p");
    }

    /// Writes from `from` to the first condition.
    fn from(&self, w: &mut Writer, driver: &Driver<'_>) {
        let join = w.dialect.join();
        match driver {
            Driver::Resources => w.push(" from resource r where "),
            Driver::Walks(_, parts) | Driver::Collected(_, parts) => {
                w.push(" from (");
                self.collected(w, parts);
                w.push(") d").push(join).push("resource r on r.rid = d.rid where ")
            }
        };
        if driver.place().is_some() {
            w.push("r.deleted = 0");
        } else {
            self.live(w);
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

/// The statement that counts the matches: one row with one integer.
pub fn count(
    query: &Query,
    plan: &AccessPlan,
    registry: &Registry,
    dialect: Dialect,
    densities: &Densities,
) -> Statement {
    let page = Page { query, cx: Sql { plan, registry } };
    let mut w = Writer::new(dialect);
    let driver = drive(query, densities);
    let (Driver::Walks(place, parts) | Driver::Collected(place, parts)) = &driver else {
        w.push("select count(*) from resource r where ");
        page.live(&mut w);
        page.filters(&mut w, None, "r.rid");
        return w.finish();
    };
    let others = query.criteria.iter().enumerate().filter(|(n, _)| n != place);
    let needs_resource =
        !plan.is_unrestricted() || others.into_iter().any(|(_, c)| filter::needs_resource(c));
    match &parts[..] {
        [part] if part.is_unique() => {
            w.push("select count(*) from ").push(part.table()).push(" d");
            page.count_where(&mut w, *place, needs_resource, Some(part));
        }
        parts => {
            w.push("select count(*) from (");
            page.collected(&mut w, parts);
            w.push(") d");
            page.count_where(&mut w, *place, needs_resource, None);
        }
    }
    w.finish()
}

impl Page<'_> {
    fn count_where(&self, w: &mut Writer, place: usize, needs_resource: bool, part: Option<&Part<'_>>) {
        if needs_resource {
            let join = w.dialect.join();
            w.push(join).push("resource r on r.rid = d.rid");
        }
        w.push(" where ");
        match part {
            Some(part) => part.sql(w, self.cx.plan.tenant(), "d"),
            None => _ = w.push("1 = 1"),
        }
        self.filters(w, Some(place), "d.rid");
    }
}
