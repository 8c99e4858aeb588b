//! The labels in use: every profile, tag or security label that some resource carries
//! (<https://hl7.org/fhir/R4/resource-operation-meta.html>), from the index alone.

use crate::access::AccessPlan;
use crate::contained::Scope;
use crate::filter;
use crate::part::{Sql, integers};
use crate::registry::Registry;
use crate::sql::{Arg, Dialect, Statement, Writer};
use remit_spec::{SearchKind, TypeId};

/// The statement that lists what stands under `_profile`, `_tag` or `_security` of these types, or of
/// all. Columns: the value, and the uri of its system, each pair once. `None` when no type has the
/// parameter.
pub fn labels(
    code: &str,
    types: &[TypeId],
    plan: &AccessPlan,
    registry: &Registry,
    dialect: Dialect,
    limit: usize,
) -> Option<Statement> {
    let types = &*registry.or_all(types);
    let found: Vec<_> = types.iter().filter_map(|ty| registry.parameter(*ty, code)).collect();
    let is_token = found.first()?.definition.kind == SearchKind::Token;
    let params: Vec<i32> = found.iter().map(|p| p.number).collect();
    let mut w = Writer::new(dialect);
    let cx = Sql { plan, registry, scope: Scope::Own };
    match (is_token, plan.is_unrestricted()) {
        (false, true) => distinct_uris(&mut w, &cx, &params),
        (is_token, _) => distinct(&mut w, &cx, &params, is_token, types),
    }
    w.push(" limit ").number(limit as i64);
    Some(w.finish())
}

/// Every different uri with one step of the index for each: from one to the next greater one.
fn distinct_uris(w: &mut Writer, cx: &Sql<'_>, params: &[i32]) {
    let tenant = || Arg::Int(cx.plan.tenant().into());
    w.push("with recursive v(param, uri) as (select p.column1, (select min(x.uri) from ix_uri x where x.tenant = ");
    w.arg(tenant()).push(" and x.param = p.column1) from (values ");
    w.list(params, ", ", |w, param| _ = w.push("(").number(i64::from(*param)).push(")"));
    w.push(") p union all select v.param, (select min(x.uri) from ix_uri x where x.tenant = ").arg(tenant());
    w.push(" and x.param = v.param and x.uri > v.uri) from v where v.uri is not null)");
    w.push(" select distinct v.uri, '' from v where v.uri is not null");
}

/// Every different value of the rows that may be seen.
fn distinct(w: &mut Writer, cx: &Sql<'_>, params: &[i32], is_token: bool, types: &[TypeId]) {
    w.push("select d.value, coalesce(s.uri, '') from (select distinct ");
    w.push(if is_token { "x.code as value, x.system as system" } else { "x.uri as value, 0 as system" });
    w.push(" from ").push(if is_token { "ix_token" } else { "ix_uri" }).push(" x");
    let is_restricted = !cx.plan.is_unrestricted();
    if is_restricted {
        w.push(" join resource r on r.rid = x.rid");
    }
    w.push(" where x.tenant = ").arg(Arg::Int(cx.plan.tenant().into())).push(" and x.param");
    integers(w, params);
    if is_token {
        // A system alone is no label.
        w.push(" and x.code > ''");
    }
    if is_restricted {
        w.push(" and r.deleted = 0");
        filter::access(w, cx, types, "r.rid", "r");
    }
    w.push(") d left join symbol s on s.id = d.system");
}
