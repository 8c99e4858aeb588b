//! `_include` and `_revinclude`: other resources that come along
//! (<https://hl7.org/fhir/R4/search.html#revinclude>).
//!
//! What a page points to is read from the index rows of its resources, [`included`]; what points to a
//! page is a statement, [`including`]. Both kinds are then read under the access plan.

use crate::access::AccessPlan;
use crate::contained::Scope;
use crate::filter;
use crate::parse::Context;
use crate::part::{Sql, integers};
use crate::registry::Registry;
use crate::rows::IndexRows;
use crate::sql::{Arg, Dialect, Statement, Writer};
use remit_fhir::{Error, IssueType, Result};
use remit_spec::{SearchKind, TypeId};

/// Most `_include` and `_revinclude` of one search.
pub const MAX_INCLUDES: usize = 16;

/// One `_include` or `_revinclude`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Include {
    /// Which way.
    pub way: Way,
    /// It also applies to what was included: `:iterate`.
    pub iterate: bool,
    /// The type with the reference; `None` is any, `_include=*`.
    pub source: Option<TypeId>,
    /// The numbers of the reference parameters, each with its only target; `None` is every one.
    pub params: Option<Vec<(i32, Option<TypeId>)>>,
    /// Only targets of this type.
    pub target: Option<TypeId>,
}

/// Which way a reference is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// From a match to what it points to: `_include`.
    Forward,
    /// From a match to what points to it: `_revinclude`.
    Reverse,
}

/// Reads `_include=Encounter:subject:Patient`, `_include=Encounter:*`, `_include=*` and the like.
pub(crate) fn parse(name: &str, value: &str, context: &Context<'_>) -> Result<Include> {
    let refuse = |reason: &str| {
        let shown: String = value.chars().take(120).collect();
        Error::invalid(format!("{name}={shown} is refused: {reason}.")).coded(IssueType::NotSupported)
    };
    let (way, modifier) = match name.split_once(':').unwrap_or((name, "")) {
        ("_include", modifier) => (Way::Forward, modifier),
        (_, modifier) => (Way::Reverse, modifier),
    };
    let iterate = match modifier {
        "" => false,
        "iterate" => true,
        _ => return Err(refuse("the only modifier is iterate")),
    };
    let definitions = context.registry.definitions();
    let mut parts = value.split(':');
    let source = parts.next().unwrap_or_default();
    let (code, target) = (parts.next(), parts.next().filter(|t| !t.is_empty()));
    if parts.next().is_some() {
        return Err(refuse("write type:parameter or type:parameter:target"));
    }
    let typed =
        |text: &str| definitions.resource_named(text).ok_or_else(|| refuse("it names no resource type"));
    let target = target.map(typed).transpose()?;
    if source == "*" && code.is_none() {
        return Ok(Include { way, iterate, source: None, params: None, target });
    }
    let source = typed(source)?;
    let params = match code {
        Some("*") => None,
        Some(code) => {
            let parameter = context.registry.parameter(source, code);
            let parameter = parameter.filter(|p| p.definition.kind == SearchKind::Reference);
            let parameter = parameter.ok_or_else(|| refuse("the type has no such reference parameter"))?;
            Some(vec![(parameter.number, parameter.only)])
        }
        None => return Err(refuse("write type:parameter or type:parameter:target")),
    };
    Ok(Include { way, iterate, source: Some(source), params, target })
}

impl Include {
    /// Whether references of the parameter with this number are followed.
    pub fn follows(&self, param: i32) -> bool {
        self.params.as_ref().is_none_or(|params| params.iter().any(|(p, _)| *p == param))
    }
}

/// What an `_include` makes of one resource: the references to follow, each once.
pub fn included(include: &Include, ty: TypeId, rows: &IndexRows) -> Vec<(TypeId, Box<str>)> {
    if include.way != Way::Forward || include.source.is_some_and(|source| source != ty) {
        return Vec::new();
    }
    let follows = |param: i32, target: TypeId| match &include.params {
        None => true,
        Some(params) => params.iter().any(|(p, only)| *p == param && only.is_none_or(|only| only == target)),
    };
    let rows = rows.references.iter().filter(|row| include.target.is_none_or(|target| target == row.ty));
    let mut all: Vec<_> =
        rows.filter(|row| follows(row.param, row.ty)).map(|row| (row.ty, row.id.clone())).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The statement that reads resources by type and id, with the columns of [`crate::page()`] and no key.
pub fn by_id(
    targets: &[(TypeId, Box<str>)],
    plan: &AccessPlan,
    registry: &Registry,
    dialect: Dialect,
) -> Statement {
    let mut w = Writer::new(dialect);
    let mut types: Vec<TypeId> = targets.iter().map(|(ty, _)| *ty).collect();
    types.sort_unstable();
    types.dedup();
    if targets.is_empty() {
        select(&mut w);
        w.push("1 = 0");
        live(&mut w, plan, registry, &types);
    } else {
        // Type and id find each resource in one step of the index, whichever were met before.
        let cx = Sql { plan, registry, scope: Scope::Own };
        w.list(&types, " union all ", |w, only| {
            let ids = targets.iter().filter(|(ty, _)| ty == only).map(|(_, id)| id.clone());
            columns(w);
            w.push(" from ");
            let id = w.table(ids.collect(), "k");
            let join = w.dialect.join();
            w.push(join).push("resource r on r.type = ").number(cx.type_number(*only));
            w.push(" and r.id = ").push(&id).push(" where 1 = 1");
            live(w, plan, registry, std::slice::from_ref(only));
        });
    }
    w.finish()
}

/// The statement that reads what points to resources with these numbers, newest first, with the
/// columns of [`crate::page()`] and no key; at most `limit`.
pub fn including(
    include: &Include,
    rids: &[i64],
    plan: &AccessPlan,
    registry: &Registry,
    dialect: Dialect,
    limit: usize,
) -> Statement {
    let params: Vec<i32> = match (&include.params, include.source) {
        (Some(params), _) => params.iter().map(|(param, _)| *param).collect(),
        (None, Some(source)) => references_of(registry, source),
        (None, None) => {
            registry.definitions().resource_types().flat_map(|t| references_of(registry, t)).collect()
        }
    };
    let only = include.target.or_else(|| include.params.as_ref()?.first()?.1);
    let tenant = Arg::Int(plan.tenant().into());
    let mut w = Writer::new(dialect);
    select(&mut w);
    w.push("r.rid in (select x.rid from ix_reference x");
    if let Some(ty) = only {
        let number = registry.type_number(ty).unwrap_or(0);
        w.push(" join resource t on t.rid = x.target and t.type = ").number(number.into());
    }
    w.push(" where x.tenant = ").arg(tenant).push(" and x.param");
    integers(&mut w, &params);
    w.push(" and x.target in (").list(rids, ", ", |w, rid| _ = w.arg(Arg::Int(*rid)));
    w.push(if rids.is_empty() { "null))" } else { "))" });
    let types: Vec<TypeId> = include.source.into_iter().collect();
    live(&mut w, plan, registry, &types);
    w.push(" order by r.rid desc limit ").number(limit as i64);
    w.finish()
}

fn references_of(registry: &Registry, ty: TypeId) -> Vec<i32> {
    let all = registry.parameters(ty).filter(|p| p.definition.kind == SearchKind::Reference);
    all.filter(|p| p.only.is_none()).map(|p| p.number).collect()
}

fn columns(w: &mut Writer) {
    let body = w.dialect.body();
    w.push("select r.rid, r.type, r.id, r.version, r.updated_us, ").push(body);
}

fn select(w: &mut Writer) {
    columns(w);
    w.push(" from resource r where ");
}

fn live(w: &mut Writer, plan: &AccessPlan, registry: &Registry, types: &[TypeId]) {
    let cx = Sql { plan, registry, scope: Scope::Own };
    w.push(" and r.tenant = ")
        .arg(Arg::Int(plan.tenant().into()))
        .push(" and r.deleted = 0 and r.version > 0");
    filter::access(w, &cx, types, "r.rid", "r");
}
