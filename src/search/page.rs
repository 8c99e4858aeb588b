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

use crate::access::AccessPlan;
use crate::chain;
use crate::filter;
use crate::part::{Part, Rows, Sql, integers, parts};
use crate::query::{Condition, Criterion, Query, Test};
use crate::registry::Registry;
use crate::sort;
use crate::sql::{Arg, Dialect, Statement, Writer};
use remit_spec::TypeId;

/// Rows that a probe counts at most. A criterion with more is dense: sorting its matches would cost
/// more than walking resources until a page is full.
pub const PROBE_CAP: i64 = 1000;

/// The same for the sources of `_has`, of which many may lead to one resource. Each resource walked has
/// to look through what points to it, so walking pays off later.
const SOURCE_CAP: i64 = 10_000;

/// The same for a search of all types: each resource walked has to be asked for the parameter of every
/// type.
const WIDE_CAP: i64 = 50_000;

/// How many of its rows a fan reads for each target, about, against one row of another criterion.
const FAN_WEIGHT: i64 = 10;

/// Most walks that are merged. Each reads a page of its own.
const MAX_WALKS: usize = 16;

/// How many rows each criterion has, as far as a probe has counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Densities {
    criteria: Vec<Option<i64>>,
    sort: Vec<Option<i64>>,
}

/// A statement that counts rows of criteria, each up to [`PROBE_CAP`], in one row.
#[derive(Clone, PartialEq, Debug)]
pub struct Probe {
    /// Gives one row with one integer for each criterion probed.
    pub statement: Statement,
    criteria: Vec<usize>,
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
        let (criteria, sort) = counts.split_at(self.criteria.len().min(counts.len()));
        Densities { criteria: by_place(&self.criteria, criteria), sort: by_place(&self.sort, sort) }
    }
}

/// Where a statement starts from.
enum Driver<'q> {
    /// The resources themselves.
    Resources,
    /// Walks that each give resources newest first, of the criterion at this place.
    Walks(usize, Vec<Part<'q>>),
    /// A walk for each target of the chain at this place.
    Fan(usize, Vec<Part<'q>>),
    /// All matches of the criterion at this place.
    Collected(usize, Vec<Part<'q>>),
}

impl Driver<'_> {
    fn place(&self) -> Option<usize> {
        match self {
            Driver::Resources => None,
            Driver::Walks(place, _) | Driver::Fan(place, _) | Driver::Collected(place, _) => Some(*place),
        }
    }
}

/// How few matches a criterion promises before anything is counted; least is best. `None` never drives.
fn rank(criterion: &Criterion) -> Option<u8> {
    Some(match &criterion.test {
        Test::Reference(values) if values.len() == 1 => 1,
        Test::Owned(_) => 1,
        Test::Uri(_) | Test::Reference(_) => 2,
        Test::Composite(_) => 3,
        Test::Token(values) if values.len() == 1 => 4,
        Test::Words(_) => 4,
        Test::Token(_) => 5,
        Test::Below(_) | Test::CodePiece(_) | Test::UriPiece(_) | Test::Text(_) => 6,
        Test::Codes(value) if value.codes.is_some() => match value.is_few() {
            true => 5,
            false => 7,
        },
        Test::Chain(_) => 6,
        Test::Has(_) => 7,
        Test::String(_) | Test::Date(_) | Test::Number(_) | Test::Quantity(_) | Test::Near(_) => 9,
        Test::Id(_)
        | Test::Updated(_)
        | Test::Type(_)
        | Test::Present(_)
        | Test::Unlike(_)
        | Test::Codes(_) => return None,
    })
}

/// From this rank on, nothing tells how many matches there are but a count.
const UNCERTAIN: u8 = 4;

/// A condition from which a statement may start: one criterion or several of which one must hold.
struct Candidate<'q> {
    place: usize,
    criteria: Vec<&'q Criterion>,
    rank: u8,
}

impl<'q> Candidate<'q> {
    fn parts(&self) -> Vec<Part<'q>> {
        self.criteria.iter().flat_map(|criterion| parts(criterion)).collect()
    }

    fn is_chain(&self) -> bool {
        self.criteria.iter().all(|criterion| matches!(criterion.test, Test::Chain(_)))
    }

    /// Up to how many rows are counted; so many or more are many.
    fn cap(&self) -> i64 {
        let has = self.criteria.iter().any(|criterion| matches!(criterion.test, Test::Has(_)));
        let is_wide = self.criteria.iter().any(|criterion| criterion.params.len() > MAX_WALKS);
        match (is_wide, has) {
            (true, _) => WIDE_CAP,
            (_, true) => SOURCE_CAP,
            _ => PROBE_CAP,
        }
    }
}

fn candidates(query: &Query) -> impl Iterator<Item = Candidate<'_>> {
    query.criteria.iter().enumerate().filter_map(|(place, condition)| {
        let criteria = alternatives(condition)?;
        let ranks: Option<Vec<u8>> = criteria.iter().map(|criterion| rank(criterion)).collect();
        Some(Candidate { place, criteria, rank: ranks?.into_iter().max()? })
    })
}

/// The criteria of which one must hold, when that is all that the condition asks.
fn alternatives(condition: &Condition) -> Option<Vec<&Criterion>> {
    match condition {
        Condition::Criterion(criterion) => Some(vec![criterion]),
        Condition::All(all) => match &all[..] {
            [only] => alternatives(only),
            _ => None,
        },
        Condition::Any(any) => {
            let all: Option<Vec<_>> = any.iter().map(alternatives).collect();
            all.map(|all| all.into_iter().flatten().collect())
        }
        Condition::Not(_) => None,
    }
}

/// The counts that would help to choose where to start. `None` when there is nothing to choose: an
/// id is given, a criterion that is rare by its kind drives, or there is one walk alone.
pub fn probes(query: &Query, plan: &AccessPlan, registry: &Registry, dialect: Dialect) -> Option<Probe> {
    let has_id =
        query.criteria.iter().any(|c| matches!(c, Condition::Criterion(Criterion { test: Test::Id(_), .. })));
    let all: Vec<_> = candidates(query).collect();
    let best = all.iter().map(|candidate| candidate.rank).min()?;
    let one_walk = all.len() == 1 && best <= 5 && query.sort.is_empty();
    let is_sure = best < UNCERTAIN && query.sort.is_empty();
    if has_id || is_sure || one_walk {
        return None;
    }
    let cx = Sql { plan, registry };
    let mut w = Writer::new(dialect);
    w.push("select ");
    w.list(&all, ", ", |w, candidate| {
        let parts = candidate.parts();
        w.push("(select count(*) from (");
        w.list(&parts, " union all ", |w, part| part.counted(w, &cx));
        if parts.is_empty() {
            w.push("select 1 where 1 = 0");
        }
        let alias = w.alias();
        w.push(" limit ").number(candidate.cap()).push(") ").push(&alias).push(")");
    });
    let sort: Vec<_> = sort::counted(query).collect();
    for (_, key) in &sort {
        w.push(", ");
        sort::count(&mut w, &cx, key);
    }
    Some(Probe {
        statement: w.finish(),
        criteria: all.iter().map(|candidate| candidate.place).collect(),
        sort: sort.iter().map(|(place, _)| *place).collect(),
    })
}

/// What a statement is to give.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The first matches in order.
    Page,
    /// Their number.
    Count,
}

/// Chooses the driver: the criterion with the fewest rows, or by rank where nothing is counted.
fn drive<'q>(query: &'q Query, densities: &Densities, wanted: Wanted) -> Driver<'q> {
    let count = |place: usize| densities.criteria.get(place).copied().flatten();
    let cost = |candidate: &Candidate<'_>| {
        let weight = if candidate.is_chain() { FAN_WEIGHT } else { 1 };
        count(candidate.place).map_or(PROBE_CAP, |n| n * weight)
    };
    let best = candidates(query).min_by_key(|candidate| (cost(candidate), candidate.rank));
    let Some(best) = best else { return Driver::Resources };
    let (place, parts) = (best.place, best.parts());
    let walks: Option<Vec<Vec<Part<'q>>>> = parts.iter().map(Part::walks).collect();
    let walks: Option<Vec<Part<'q>>> = walks.map(|w| w.into_iter().flatten().collect());
    let is_dense = count(place).is_some_and(|n| n >= best.cap());
    let is_fan = best.is_chain() && query.sort.is_empty();
    match walks {
        _ if parts.is_empty() => Driver::Resources,
        Some(walks) if walks.len() <= MAX_WALKS && query.sort.is_empty() => Driver::Walks(place, walks),
        _ if is_dense && sort::has_walk(query) && wanted == Wanted::Page => Driver::Resources,
        _ if is_fan => Driver::Fan(place, parts),
        _ => Driver::Collected(place, parts),
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
    let page = Page { query, cx: Sql { plan, registry } };
    let mut w = Writer::new(dialect);
    match drive(query, densities, Wanted::Page) {
        Driver::Walks(place, walks) => match &walks[..] {
            [walk] => page.one_walk(&mut w, place, walk),
            walks => page.merged(&mut w, walks.iter().map(|walk| Arm::Walk(place, walk))),
        },
        Driver::Fan(place, parts) => page.merged(&mut w, parts.iter().map(|part| Arm::Fan(place, part))),
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
        sort::beside(w, self.query, rid);
    }

    /// Writes ` order by rid desc`.
    fn newest(&self, w: &mut Writer, rid: &str) {
        w.push(" order by ").push(rid).push(sort::newest(self.query));
    }

    fn live(&self, w: &mut Writer) {
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
            w.push(" and r.rid in (select i.rid from resource i where i.tenant = ").arg(tenant());
            w.push(" and i.type");
            integers(w, &numbers);
            w.push(" and i.id in (").list(ids, ", ", |w, id| _ = w.arg(Arg::Text(id.to_string()))).push("))");
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
        let rid = format!("d{}", walk.rid(w.dialect));
        w.push(" from ").push(walk.table()).push(" d").push(join);
        w.push("resource r on r.rid = ").push(&rid).push(" where ");
        walk.sql(w, self.cx.plan.tenant(), "d");
        self.after(w, &rid);
        w.push(" and r.deleted = 0");
        self.of_types(w, walk);
        self.filters(w, Some(place), &rid);
        if !walk.is_unique() {
            // PostgreSQL takes the other columns from the primary key; SQLite sees the walk's order.
            w.push(if w.dialect == Dialect::Sqlite { " group by d.rid" } else { " group by r.rid, d.rid" });
        }
        self.newest(w, &rid);
        self.limit(w);
    }

    /// Several walks, each cut to a page, then the newest of all.
    fn merged<'p, 'q: 'p>(&self, w: &mut Writer, arms: impl Iterator<Item = Arm<'p, 'q>>) {
        self.columns(w);
        sort::column_keys(w, self.query);
        // Cut first: bodies are read for a page only.
        w.push(" from (select r.rid as rid from resource r where r.rid in (");
        w.list(arms, " union ", |w, arm| {
            if let Arm::Fan(place, part) = arm {
                return self.fan(w, place, part);
            }
            let alias = w.alias();
            w.push("select ").push(&alias).push(".rid from (select r.rid as rid");
            match arm {
                Arm::Fan(..) => {}
                Arm::Walk(place, walk) => self.walk(w, place, walk),
                Arm::Type(number) => {
                    w.push(" from resource r where r.tenant = ").arg(Arg::Int(self.cx.plan.tenant().into()));
                    w.push(" and r.type = ").number(number).push(" and r.deleted = 0");
                    self.after(w, "r.rid");
                    sort::after_columns(w, self.query);
                    self.filters(w, None, "r.rid");
                    sort::order_by_columns(w, self.query);
                    self.limit(w);
                }
            }
            w.push(") ").push(&alias);
        });
        w.push(")");
        sort::order_by_columns(w, self.query);
        self.limit(w);
        let join = w.dialect.join();
        w.push(") p").push(join).push("resource r on r.rid = p.rid");
        sort::order_by_columns(w, self.query);
    }

    /// For each target of a chain, a page of what refers to it.
    fn fan(&self, w: &mut Writer, place: usize, part: &Part<'_>) {
        let Rows::Chain(links) = part.rows else { return };
        let (t, x) = (w.alias(), w.alias());
        w.push("select ").push(&x).push(".rid from (");
        w.list(links, " union ", |w, link| chain::targets(w, &self.cx, link));
        w.push(") ").push(&t);
        let tenant = Arg::Int(self.cx.plan.tenant().into());
        let target = |w: &mut Writer, alias: &str| {
            w.push(alias).push(".tenant = ").arg(tenant.clone()).push(" and ").push(alias).push(".param");
            integers(w, part.params);
            w.push(" and ").push(alias).push(".target = ").push(&t).push(".rid");
        };
        if w.dialect == Dialect::Postgres {
            w.push(" cross join lateral (select d.rid");
        } else {
            // SQLite has no lateral joins; a list made anew for each target is the same.
            w.push(" cross join ix_reference ").push(&x).push(" where ");
            target(w, &x);
            w.push(" and ").push(&x).push(".rid in (select d.rid");
        }
        let join = w.dialect.join();
        w.push(" from ix_reference d").push(join).push("resource r on r.rid = d.rid where ");
        target(w, "d");
        self.after(w, "d.rid");
        w.push(" and r.deleted = 0");
        self.filters(w, Some(place), "d.rid");
        self.newest(w, "d.rid");
        self.limit(w);
        w.push(")");
        if w.dialect == Dialect::Postgres {
            w.push(" ").push(&x);
        }
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
    fn sorted(&self, w: &mut Writer, driver: &Driver<'_>, variety: &sort::Variety) {
        sort::with(w, &self.cx, self.query, variety);
        let keys = self.query.sort.len();
        self.columns(w);
        for n in 1..=keys {
            w.push(", p.k").number(n as i64);
        }
        w.push(" from (select s.*");
        w.push(" from (select r.rid as rid");
        sort::keys(w, &self.cx, self.query, variety);
        self.from(w, driver, variety);
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
    fn from(&self, w: &mut Writer, driver: &Driver<'_>, variety: &sort::Variety) {
        let join = w.dialect.join();
        match driver {
            Driver::Resources => w.push(" from resource r"),
            Driver::Walks(_, parts) | Driver::Fan(_, parts) | Driver::Collected(_, parts) => {
                w.push(" from (");
                self.collected(w, parts);
                w.push(") d").push(join).push("resource r on r.rid = d.rid")
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
    let driver = drive(query, densities, Wanted::Count);
    let (Driver::Walks(place, parts) | Driver::Fan(place, parts) | Driver::Collected(place, parts)) = &driver
    else {
        w.push("select count(*) from resource r where ");
        page.live(&mut w);
        page.filters(&mut w, None, "r.rid");
        return w.finish();
    };
    let others = query.criteria.iter().enumerate().filter(|(n, _)| n != place);
    let needs_resource = parts.iter().any(Part::is_of_all_types)
        || !plan.is_unrestricted()
        || others.into_iter().any(|(_, c)| filter::needs_resource(c));
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
        let rid = format!("d{}", part.map_or(".rid", |part| part.rid(w.dialect)));
        if needs_resource {
            let join = w.dialect.join();
            w.push(join).push("resource r on r.rid = ").push(&rid);
        }
        w.push(" where ");
        match part {
            Some(part) => part.sql(w, self.cx.plan.tenant(), "d"),
            None => _ = w.push("1 = 1"),
        }
        if let Some(part) = part {
            self.of_types(w, part);
        }
        self.filters(w, Some(place), &rid);
    }
}
