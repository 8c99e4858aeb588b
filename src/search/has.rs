//! Reverse chained parameters: what must hold of a resource that points here, and `_list`
//! (<https://hl7.org/fhir/R4/search.html#has>).
//!
//! A rare condition is asked first, and its sources give their targets by the index of references by
//! source. A common one is asked of each resource in turn: one of those that point to it must meet it.

use crate::chain::{self, Link};
use crate::contained::Scope;
use crate::filter;
use crate::parse::{self, Context};
use crate::part::{Sql, integers};
use crate::query::{Condition, Criterion, Test};
use crate::sql::{Arg, Writer};
use remit_fhir::{Error, IssueType, Result};
use remit_spec::{SearchKind, TypeId};

/// Something that points here. The parameter that points stands in the criterion.
#[derive(Clone, PartialEq, Debug)]
pub struct Has {
    /// The types pointed to; empty is any.
    pub types: Vec<TypeId>,
    /// The search itself does not say these types.
    pub is_anywhere: bool,
    /// The type of what points here, and what must hold of it.
    pub source: Link,
}

/// Whether a parameter of the URL is one of these.
pub(crate) fn is(name: &str) -> bool {
    name == "_has" || name.starts_with("_has:")
}

fn refuse(name: &str, reason: &str) -> Error {
    let shown: String = name.chars().take(120).collect();
    Error::invalid(format!("The reverse chain '{shown}' is refused: {reason}."))
        .coded(IssueType::NotSupported)
}

/// Reads `_has:Observation:patient:code`; what follows may itself be a chain or `_has`.
pub(crate) fn parse(types: &[TypeId], name: &str, value: &str, context: &Context<'_>) -> Result<Condition> {
    let mut parts = name.splitn(4, ':').skip(1);
    let (Some(kind), Some(code), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(refuse(name, "write _has:Type:reference:parameter"));
    };
    chain::bounded(name).map_err(|reason| refuse(name, &reason))?;
    build(types, name, kind, code, context, |source| parse::condition(&[source], rest, value, context))
}

/// Makes the condition from what must hold of the source.
pub(crate) fn build(
    types: &[TypeId],
    name: &str,
    kind: &str,
    code: &str,
    context: &Context<'_>,
    condition: impl FnOnce(TypeId) -> Result<Condition>,
) -> Result<Condition> {
    let refuse = |reason: String| refuse(name, &reason);
    let definitions = context.registry.definitions();
    let source = definitions.resource_named(kind).ok_or_else(|| {
        refuse(format!("'{}' is no resource type", kind.chars().take(80).collect::<String>()))
    })?;
    let parameter = context.registry.parameter(source, code);
    let parameter = parameter.filter(|p| p.definition.kind == SearchKind::Reference).ok_or_else(|| {
        let code: String = code.chars().take(80).collect();
        refuse(format!("{kind} has no reference parameter '{code}'"))
    })?;
    let allowed = parameter.targets();
    if let Some(other) = types.iter().find(|ty| !allowed.is_empty() && !allowed.contains(ty)) {
        return Err(refuse(format!("{kind}.{code} does not point to {}", definitions.name(*other))));
    }
    let condition = condition(source)?;
    let has = Has {
        types: if types.is_empty() { allowed } else { types }.to_vec(),
        is_anywhere: types.is_empty(),
        source: Link { target: source, condition },
    };
    Ok(Condition::Criterion(Criterion { params: vec![parameter.number], test: Test::Has(Box::new(has)) }))
}

/// Reads `_list`: the ids of lists whose items are searched
/// (<https://hl7.org/fhir/R4/search.html#list>). It is `_has:List:item:_id`.
pub(crate) fn list(types: &[TypeId], name: &str, value: &str, context: &Context<'_>) -> Result<Condition> {
    let refuse = |reason: &str| {
        let shown: String = name.chars().take(80).collect();
        Error::invalid(format!("The search parameter '{shown}' is refused: {reason}."))
            .coded(IssueType::NotSupported)
    };
    if name != "_list" {
        return Err(refuse("it takes no modifier"));
    }
    if value.split(',').any(|id| id.trim_start().starts_with('$')) {
        return Err(refuse(
            "functional lists such as $current-problems are not kept here; name a List by its id",
        ));
    }
    parse(types, "_has:List:item:_id", value, context)
}

/// Writes a select of the resources that are pointed to by what meets the condition.
pub(crate) fn rids(w: &mut Writer, cx: &Sql<'_>, params: &[i32], has: &Has) {
    match cx.scope {
        Scope::Both => {
            w.list([Scope::Own, Scope::Contained], " union all ", |w, scope| {
                pointed_to(w, &cx.of(scope), params, has);
            });
        }
        _ => pointed_to(w, cx, params, has),
    }
}

/// What points is never contained; what it points to is of the scope.
fn pointed_to(w: &mut Writer, cx: &Sql<'_>, params: &[i32], has: &Has) {
    let (x, s, y, t) = (w.alias(), w.alias(), w.alias(), w.alias());
    let join = w.dialect.join();
    // Many sources may point to one resource, which is looked at once.
    w.push("select ")
        .push(&y)
        .push(".rid as rid from (select distinct ")
        .push(&x)
        .push(".target as rid from (");
    chain::sources(w, cx, &has.source);
    w.push(") ").push(&s).push(join).push("ix_reference ").push(&x).push(" on ");
    w.push(&x).push(".rid = ").push(&s).push(".rid");
    w.push(" where ").push(&x).push(".tenant = ").arg(Arg::Int(cx.plan.tenant().into()));
    w.push(" and ").push(&x).push(".param");
    integers(w, params);
    // What is pointed to may be of another type, deleted, or never have been there.
    w.push(") ")
        .push(&y)
        .push(join)
        .push(cx.scope.table())
        .push(" ")
        .push(&t)
        .push(" on ")
        .push(&t)
        .push(".rid = ");
    w.push(&y).push(".rid");
    w.push(" and ").push(&t).push(".deleted = 0");
    if !has.types.is_empty() {
        w.push(" and ").push(&t).push(".type");
        let numbers: Vec<i32> = has.types.iter().filter_map(|ty| cx.registry.type_number(*ty)).collect();
        integers(w, &numbers);
    }
}

/// Writes a condition on the resource whose number is `rid`.
pub(crate) fn filter(w: &mut Writer, cx: &Sql<'_>, params: &[i32], has: &Has, rid: &str) {
    let cx = &cx.of(Scope::Own);
    let (x, s) = (w.alias(), w.alias());
    let source = format!("{x}.rid");
    let link = &has.source;
    let join = w.dialect.join();
    w.push("exists (select 1 from ix_reference ").push(&x);
    // Index rows stand for live resources, so the row itself is read only when something asks for it.
    let reads = !cx.plan.is_unrestricted() || filter::needs_resource(&link.condition);
    if reads {
        w.push(join).push("resource ").push(&s).push(" on ").push(&s).push(".rid = ").push(&source);
    }
    w.push(" where ").push(&x).push(".tenant = ").arg(Arg::Int(cx.plan.tenant().into()));
    w.push(" and ").push(&x).push(".param");
    integers(w, params);
    w.push(" and ").push(&x).push(".target = ").push(rid).push(" and ");
    filter::condition(w, cx, &link.condition, &source, &s);
    if reads {
        filter::access(w, cx, &[link.target], &source, &s);
    }
    let end = w.dialect.asked();
    w.push(end);
}
