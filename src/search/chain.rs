//! Chained parameters: what must hold of the target of a reference
//! (<https://hl7.org/fhir/R4/search.html#chaining>).
//!
//! The targets are found first, under the access plan of their type, and the references to them by the
//! index of targets; all in one statement. `_has` is not here yet.

use crate::filter;
use crate::parse::Context;
use crate::part::{self, Part, Sql, integers};
use crate::query::Condition;
use crate::registry::Parameter;
use crate::sql::{Arg, Writer};
use remit_fhir::{Error, IssueType, Result};
use remit_spec::{SearchKind, TypeId};

/// Most references that one chain follows.
pub const MAX_CHAIN: usize = 5;

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

/// Reads the rest of a chain for each type that the reference may point to. A type that does not know
/// the parameter is no target; one at least must know it.
pub(crate) fn parse(
    found: &[&Parameter],
    only: Option<TypeId>,
    name: &str,
    rest: &str,
    value: &str,
    context: &Context<'_>,
) -> Result<Vec<Link>> {
    let refuse = |reason: String| {
        let shown: String = name.chars().take(120).collect();
        Error::invalid(format!("The chain '{shown}' is refused: {reason}.")).coded(IssueType::NotSupported)
    };
    if rest.matches('.').count() >= MAX_CHAIN {
        return Err(refuse(format!("it follows more than {MAX_CHAIN} references")));
    }
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
        match crate::parse::condition(&[target], rest, value, context) {
            Ok(condition) => links.push(Link { target, condition }),
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
    integers(w, params);
}

/// Writes a select of the targets: from the index when it knows them, else from the resources.
fn targets(w: &mut Writer, cx: &Sql<'_>, link: &Link) {
    let r = w.alias();
    let rid = format!("{r}.rid");
    let parts: Vec<Part<'_>> = match &link.condition {
        Condition::Criterion(criterion) => part::parts(criterion),
        _ => Vec::new(),
    };
    w.push("select ").push(&rid).push(" as rid from ");
    if parts.is_empty() {
        w.push("resource ").push(&r).push(" where ").push(&r).push(".tenant = ");
        w.arg(Arg::Int(cx.plan.tenant().into())).push(" and ").push(&r).push(".type = ");
        w.number(cx.type_number(link.target)).push(" and ").push(&r).push(".deleted = 0 and ");
        filter::condition(w, cx, &link.condition, &rid, &r);
    } else {
        let d = w.alias();
        let join = w.dialect.join();
        w.push("(").list(&parts, " union ", |w, part| part.rids(w, cx)).push(") ").push(&d);
        w.push(join).push("resource ").push(&r).push(" on ").push(&rid).push(" = ").push(&d).push(".rid");
        w.push(" where ").push(&r).push(".deleted = 0");
    }
    filter::access(w, cx, &[link.target], &rid, &r);
}
