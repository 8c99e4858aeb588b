//! Conditions on a resource as SQL: the criteria that do not drive a statement, and the access plan.

use crate::access::{Access, AccessPlan};
use crate::contained::Scope;
use crate::part::{self, Sql, integers};
use crate::query::{Condition, Criterion, Test};
use crate::sql::{Arg, Writer};
use remit_spec::TypeId;

/// From here on ids go as one list argument: statements take some ten thousand arguments at most, and their
/// text should not vary.
const MANY_IDS: usize = 100;

/// Writes a condition. `rid` is the column with the resource's number, `r` the alias of its row.
pub(crate) fn condition(w: &mut Writer, cx: &Sql<'_>, condition: &Condition, rid: &str, r: &str) {
    match condition {
        Condition::All(all) if all.is_empty() => _ = w.push("1 = 1"),
        Condition::Any(any) if any.is_empty() => _ = w.push("1 = 0"),
        Condition::All(all) => {
            w.push("(").list(all, " and ", |w, c| self::condition(w, cx, c, rid, r)).push(")");
        }
        Condition::Any(any) => {
            w.push("(").list(any, " or ", |w, c| self::condition(w, cx, c, rid, r)).push(")");
        }
        Condition::Not(inner) => {
            w.push("not ");
            self::condition(w, cx, inner, rid, r);
        }
        Condition::Criterion(c) => criterion(w, cx, c, rid, r),
    }
}

fn criterion(w: &mut Writer, cx: &Sql<'_>, criterion: &Criterion, rid: &str, r: &str) {
    match &criterion.test {
        Test::Id(ids) if ids.is_empty() => _ = w.push("1 = 0"),
        Test::Id(ids) if ids.len() > MANY_IDS => {
            let c = w.alias();
            w.push(r).push(".id in (select ").push(&c).push(".value from ");
            w.table(ids.clone().into(), &c);
            w.push(")");
        }
        Test::Id(ids) => {
            w.push(r).push(".id in (");
            w.list(ids, ", ", |w, id| _ = w.arg(Arg::Text(id.to_string()))).push(")");
        }
        // Neither this nor its negation holds of anything.
        Test::Codes(value) if value.codes.is_none() => _ = w.push("1 = null"),
        Test::Updated(dates) => {
            let column = format!("{r}.updated_us");
            w.push("(").list(dates, " or ", |w, date| date.sql_of_point(w, &column)).push(")");
        }
        Test::Type(types) => {
            let numbers: Vec<i32> = types.iter().filter_map(|ty| cx.registry.type_number(*ty)).collect();
            w.push(r).push(".type");
            integers(w, &numbers);
        }
        _ => {
            let parts = part::parts(criterion);
            if parts.is_empty() {
                w.push("1 = 0");
                return;
            }
            w.push("(").list(&parts, " or ", |w, part| part.filter(w, cx, rid)).push(")");
        }
    }
}

/// Whether a condition looks at columns of the resource itself.
pub(crate) fn needs_resource(condition: &Condition) -> bool {
    match condition {
        Condition::All(all) | Condition::Any(all) => all.iter().any(needs_resource),
        Condition::Not(inner) => needs_resource(inner),
        Condition::Criterion(c) => matches!(c.test, Test::Id(_) | Test::Updated(_) | Test::Type(_)),
    }
}

/// Writes ` and …` for what the plan asks of the types searched; nothing when it allows all of them.
pub(crate) fn access(w: &mut Writer, cx: &Sql<'_>, types: &[TypeId], rid: &str, r: &str) {
    let plan = cx.plan;
    if plan.is_unrestricted() {
        return;
    }
    if cx.scope == Scope::Contained {
        // What may be seen of a container may be seen of all that it holds.
        let h = w.alias();
        let rid = format!("{h}.rid");
        w.push(" and exists (select 1 from resource ").push(&h).push(" where ").push(&rid).push(" = ");
        w.push(r).push(".container");
        access(w, &cx.of(Scope::Own), &[], &rid, &h);
        w.push(")");
        return;
    }
    let types = &*cx.registry.or_all(types);
    let mut allowed = Vec::new();
    let mut limited = Vec::new();
    for ty in types {
        match plan.access(*ty) {
            Access::Allow => allowed.extend(cx.registry.type_number(*ty)),
            Access::Deny => {}
            Access::Where(condition) => limited.push((*ty, condition)),
        }
    }
    if allowed.len() == types.len() {
        return;
    }
    w.push(" and (");
    if allowed.is_empty() {
        w.push("1 = 0");
    } else {
        w.push(r).push(".type");
        integers(w, &allowed);
    }
    // A condition of the plan itself sees all that it follows, or it would ask for itself again.
    let system = AccessPlan::system(plan.tenant(), "access condition");
    let cx = &Sql { plan: &system, ..*cx };
    for (ty, inner) in limited {
        w.push(" or ").push(r).push(".type = ").number(cx.type_number(ty)).push(" and ");
        condition(w, cx, inner, rid, r);
    }
    w.push(")");
}
