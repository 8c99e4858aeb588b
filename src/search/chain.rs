//! Chained parameters: what must hold of the target of a reference
//! (<https://hl7.org/fhir/R4/search.html#chaining>).
//!
//! Few targets are found first, under the access plan of their type, and the references to them by the
//! index of targets. Where many meet the condition, each resource is asked for its own targets instead.
//!
//! A chain is evaluated inside contained resources too
//! (<https://hl7.org/fhir/R4/search.html#contained>). Only its container refers to a contained resource,
//! so the access plan of what refers guards it.

use crate::contained::Scope;
use crate::filter;
use crate::parse::Context;
use crate::part::{self, Part, Sql};
use crate::query::{Condition, Criterion, Test};
use crate::registry::Parameter;
use crate::sql::{Arg, Writer};
use remit_fhir::{Error, IssueType, Result};
use remit_spec::{SearchKind, TypeId};

/// Most references that one chain follows.
pub const MAX_CHAIN: usize = 5;

/// Most links of one search, over all types that its references may point to. Each is a part of the
/// statement; the widest chain of one step has one for every type.
const MAX_LINKS: usize = 200;

/// What must hold of a target of one type.
#[derive(Clone, PartialEq, Debug)]
pub struct Link {
    /// The type of the target.
    pub target: TypeId,
    /// What must hold of it.
    pub condition: Condition,
}

/// Splits `subject:Patient.name:exact` into `subject:Patient` and `name:exact`.
pub(crate) fn split(name: &str) -> Option<(&str, &str)> {
    name.split_once('.').filter(|_| !name.starts_with("_has:"))
}

/// Refuses a name that follows too many references, in whichever direction.
pub(crate) fn bounded(name: &str) -> Result<(), String> {
    if name.matches('.').count() + name.matches("_has:").count() > MAX_CHAIN {
        return Err(format!("it follows more than {MAX_CHAIN} references"));
    }
    Ok(())
}

fn too_many() -> Error {
    Error::invalid(format!(
        "A chain whose references may point to many types is too wide (more than {MAX_LINKS} combinations): say the types, as in subject:Patient.name."
    ))
    .coded(IssueType::TooCostly)
}

/// Refuses a search with too many links.
pub(crate) fn few(criteria: &[Condition]) -> Result<()> {
    if criteria.iter().map(within).sum::<usize>() > MAX_LINKS { Err(too_many()) } else { Ok(()) }
}

/// How many links there are, those within links too.
fn count(links: &[Link]) -> usize {
    links.iter().map(|link| 1 + within(&link.condition)).sum()
}

fn within(condition: &Condition) -> usize {
    match condition {
        Condition::All(all) | Condition::Any(all) => all.iter().map(within).sum(),
        Condition::Not(inner) => within(inner),
        Condition::Criterion(Criterion { test: Test::Chain(links), .. }) => count(links),
        Condition::Criterion(Criterion { test: Test::Has(has), .. }) => {
            count(std::slice::from_ref(&has.source))
        }
        Condition::Criterion(_) => 0,
    }
}

/// Reads a chain whose first reference is found; `rest` is what follows it.
pub(crate) fn parse(
    found: &[&Parameter],
    only: Option<TypeId>,
    name: &str,
    rest: &str,
    value: &str,
    context: &Context<'_>,
) -> Result<Vec<Link>> {
    bounded(name).map_err(|reason| {
        let shown: String = name.chars().take(120).collect();
        Error::invalid(format!("The chain '{shown}' is refused: {reason}.")).coded(IssueType::NotSupported)
    })?;
    links(found, only, name, context, |target| crate::parse::condition(&[target], rest, value, context))
}

/// Makes the condition for each type that the reference may point to. A type that does not know
/// the parameter is no target; one at least must know it.
pub(crate) fn links(
    found: &[&Parameter],
    only: Option<TypeId>,
    name: &str,
    context: &Context<'_>,
    condition: impl Fn(TypeId) -> Result<Condition>,
) -> Result<Vec<Link>> {
    let refuse = |reason: String| {
        let shown: String = name.chars().take(120).collect();
        Error::invalid(format!("The chain '{shown}' is refused: {reason}.")).coded(IssueType::NotSupported)
    };
    if found.iter().any(|p| p.definition.kind != SearchKind::Reference) {
        return Err(refuse("only a reference can be followed".into()));
    }
    let definitions = context.registry.definitions();
    let mut targets: Vec<TypeId> = found.iter().flat_map(|p| p.targets()).copied().collect();
    if found.iter().any(|p| p.targets().is_empty()) {
        targets = definitions.resource_types().collect();
    }
    targets.sort_unstable();
    targets.dedup();
    targets.retain(|ty| only.is_none_or(|only| only == *ty));
    let mut links = Vec::new();
    let mut reason = refuse("the reference does not point to this type".into());
    for target in targets {
        match condition(target) {
            Ok(condition) => {
                links.push(Link { target, condition });
                if count(&links) > MAX_LINKS {
                    return Err(too_many());
                }
            }
            Err(error) if error.issues.iter().all(|i| i.code == IssueType::NotSupported) => reason = error,
            Err(error) => return Err(error),
        }
    }
    if links.is_empty() { Err(reason) } else { Ok(links) }
}

/// Writes a select of the resources whose reference leads to a target that meets its condition.
pub(crate) fn rids(w: &mut Writer, cx: &Sql<'_>, params: &[i32], links: &[Link]) {
    let (x, t) = (w.alias(), w.alias());
    w.push("select ").push(&x).push(".rid as rid from (");
    w.list(links, " union ", |w, link| targets(w, cx, link));
    let join = w.dialect.join();
    w.push(") ").push(&t).push(join).push("ix_reference ").push(&x).push(" on ");
    w.push(&x).push(".target = ").push(&t).push(".rid where ").push(&x).push(".tenant = ");
    w.arg(Arg::Int(cx.plan.tenant().into())).push(" and ").push(&x).push(".param");
    cx.scope.params(w, params);
}

/// Writes a condition on the resource whose number is `rid`: its own references lead to such a target.
pub(crate) fn filter(w: &mut Writer, cx: &Sql<'_>, params: &[i32], links: &[Link], rid: &str) {
    w.push("(").list([Scope::Own, Scope::Contained], " or ", |w, scope| {
        leads_to(w, cx, params, links, rid, scope);
    });
    w.push(")");
}

/// Writes that a reference leads to a target of this scope.
fn leads_to(w: &mut Writer, cx: &Sql<'_>, params: &[i32], links: &[Link], rid: &str, scope: Scope) {
    let (x, t) = (w.alias(), w.alias());
    let target = format!("{t}.rid");
    let (join, end) = (w.dialect.join(), w.dialect.asked());
    w.push("exists (select 1 from ix_reference ").push(&x).push(join).push(scope.table()).push(" ").push(&t);
    w.push(" on ").push(&target).push(" = ").push(&x).push(".target where ").push(&x).push(".tenant = ");
    w.arg(Arg::Int(cx.plan.tenant().into())).push(" and ").push(&x).push(".param");
    cx.scope.params(w, params);
    w.push(" and ").push(&x).push(".rid = ").push(rid).push(" and ");
    if scope == Scope::Contained {
        w.push(&x).push(".target < 0 and ");
    }
    w.push(&t).push(".deleted = 0 and (");
    let inner = &cx.of(scope);
    w.list(links, " or ", |w, link| {
        w.push("(").push(&t).push(".type = ").number(cx.type_number(link.target)).push(" and ");
        filter::condition(w, inner, &link.condition, &target, &t);
        if scope == Scope::Own {
            filter::access(w, inner, &[link.target], &target, &t);
        }
        w.push(")");
    });
    w.push(")").push(end);
}

/// Writes a select of all targets; one may come twice.
pub(crate) fn all_targets(w: &mut Writer, cx: &Sql<'_>, links: &[Link]) {
    w.list(links, " union all ", |w, link| targets(w, cx, link));
}

/// Writes a select of what a reference of this link may lead to, contained resources too: from the
/// index when it knows, else from the resources.
pub(crate) fn targets(w: &mut Writer, cx: &Sql<'_>, link: &Link) {
    let parts = parts(link);
    let is_known = !parts.is_empty() && cx.plan.is_unrestricted();
    if is_known && !parts.iter().any(Part::is_of_all_types) {
        return select(w, &cx.of(Scope::Both), link, &parts);
    }
    select(w, &cx.of(Scope::Own), link, &parts);
    w.push(" union all ");
    select(w, &cx.of(Scope::Contained), link, &parts);
}

/// Writes a select of the resources that meet the condition of a link; none is contained.
pub(crate) fn sources(w: &mut Writer, cx: &Sql<'_>, link: &Link) {
    select(w, &cx.of(Scope::Own), link, &parts(link));
}

fn parts(link: &Link) -> Vec<Part<'_>> {
    match &link.condition {
        Condition::Criterion(criterion) => part::parts(criterion),
        _ => Vec::new(),
    }
}

/// Index rows stand for live resources of their type, so without a plan they are enough.
fn select(w: &mut Writer, cx: &Sql<'_>, link: &Link, parts: &[Part<'_>]) {
    let r = w.alias();
    let rid = format!("{r}.rid");
    let table = cx.scope.table();
    let union = |w: &mut Writer| _ = w.list(parts, " union ", |w, part| part.rids(w, cx));
    if parts.is_empty() {
        w.push("select ").push(&rid).push(" as rid from ").push(table).push(" ").push(&r).push(" where ");
        w.push(&r).push(".tenant = ").arg(Arg::Int(cx.plan.tenant().into())).push(" and ").push(&r);
        w.push(".type = ")
            .number(cx.type_number(link.target))
            .push(" and ")
            .push(&r)
            .push(".deleted = 0 and ");
        filter::condition(w, cx, &link.condition, &rid, &r);
    } else if cx.plan.is_unrestricted() && !parts.iter().any(Part::is_of_all_types) {
        w.push("select ").push(&rid).push(" as rid from (");
        union(w);
        w.push(") ").push(&r);
    } else {
        let d = w.alias();
        w.push("select ").push(&rid).push(" as rid from (");
        union(w);
        let join = w.dialect.join();
        w.push(") ").push(&d).push(join).push(table).push(" ").push(&r);
        w.push(" on ").push(&rid).push(" = ").push(&d).push(".rid where ").push(&r).push(".deleted = 0");
        if parts.iter().any(Part::is_of_all_types) {
            w.push(" and ").push(&r).push(".type = ").number(cx.type_number(link.target));
        }
    }
    if cx.scope == Scope::Own {
        filter::access(w, cx, &[link.target], &rid, &r);
    }
}
