//! Where a statement starts from, and the counts that help to choose.

use super::{
    ASK_WEIGHT, Densities, FAN_WEIGHT, MAX_WALKS, PROBE_CAP, Page, Probe, SAMPLE, SOURCE_CAP, WIDE_CAP, scope,
};
use crate::access::AccessPlan;
use crate::contained::Scope;
use crate::filter;
use crate::part::{Part, Sql, parts};
use crate::query::{Condition, Criterion, Query, Test};
use crate::registry::Registry;
use crate::sort;
use crate::sql::{Dialect, Writer};

/// Where a statement starts from.
pub(super) enum Driver<'q> {
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
    pub(super) fn place(&self) -> Option<usize> {
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
        | Test::OfType(..)
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

    fn has_sources(&self) -> bool {
        self.criteria.iter().any(|criterion| matches!(criterion.test, Test::Has(_)))
    }

    /// Up to how many rows are counted; so many or more are many.
    fn cap(&self) -> i64 {
        let has = self.has_sources();
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
    let cx = Sql { plan, registry, scope: scope(query) };
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
    let sampled: Vec<_> = all.iter().filter(|c| c.has_sources() && cx.scope == Scope::Own).collect();
    for candidate in &sampled {
        w.push(", ");
        sample(&mut w, &cx, query, candidate);
    }
    let sort: Vec<_> = sort::counted(query).collect();
    for (_, key) in &sort {
        w.push(", ");
        sort::count(&mut w, &cx, key);
    }
    Some(Probe {
        statement: w.finish(),
        criteria: all.iter().map(|candidate| candidate.place).collect(),
        sampled: sampled.iter().map(|candidate| candidate.place).collect(),
        sort: sort.iter().map(|(place, _)| *place).collect(),
    })
}

/// Writes how many of the newest resources meet a condition that has many sources; 0 when it has few.
/// Sources do not tell how many resources they point to.
fn sample(w: &mut Writer, cx: &Sql<'_>, query: &Query, candidate: &Candidate<'_>) {
    let (n, r) = (w.alias(), w.alias());
    let page = Page { query, cx: *cx };
    w.push("(select case when ")
        .push(&n)
        .push(".n < ")
        .number(PROBE_CAP)
        .push(" then 0 else (select count(*) from ");
    w.push(page.table()).push(" ").push(&r).push(" where ").push(&r).push(".rid in (select r.rid from ");
    w.push(page.table()).push(" r where ");
    page.live(w);
    w.push(" order by r.rid desc limit ").number(SAMPLE).push(") and ");
    filter::condition(w, cx, &query.criteria[candidate.place], &format!("{r}.rid"), &r);
    w.push(") end from (select count(*) as n from (");
    let parts = candidate.parts();
    w.list(&parts, " union all ", |w, part| part.counted(w, cx));
    let alias = w.alias();
    w.push(" limit ").number(PROBE_CAP).push(") ").push(&alias).push(") ").push(&n).push(")");
}

/// What a statement is to give.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The first matches in order.
    Page,
    /// Their number.
    Count,
}

/// What walking resources costs until a page is full, in sources that could be collected meanwhile, when
/// so many of a sample meet the condition.
fn walk_cost(page: usize, met: i64) -> i64 {
    (page as i64 + 1) * SAMPLE / met * ASK_WEIGHT
}

/// Chooses the driver: the criterion with the fewest rows, or by rank where nothing is counted.
pub(super) fn drive<'q>(query: &'q Query, densities: &Densities, wanted: Wanted) -> Driver<'q> {
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
    let is_dense = count(place).is_some_and(|n| match densities.sampled.get(place).copied().flatten() {
        Some(met) => n >= best.cap() || (met > 0 && walk_cost(query.count, met) < n),
        None => n >= best.cap(),
    });
    let is_fan = best.is_chain() && query.sort.is_empty();
    let fans: Vec<Part<'q>> = parts.iter().flat_map(Part::by_parameter).collect();
    match walks {
        _ if parts.is_empty() => Driver::Resources,
        Some(walks) if walks.len() <= MAX_WALKS && query.sort.is_empty() => Driver::Walks(place, walks),
        _ if is_dense && sort::has_walk(query) && wanted == Wanted::Page => Driver::Resources,
        _ if is_fan && fans.len() <= MAX_WALKS => Driver::Fan(place, fans),
        _ => Driver::Collected(place, parts),
    }
}
