//! What a test asks of one index table: the common ground of filters, drivers and counts.

use crate::access::AccessPlan;
use crate::chain::{self, Link};
use crate::query::{Criterion, Present, Test};
use crate::sql::{Arg, Writer};
use crate::{composite, date, number, position, quantity, reference, string, token};
use remit_spec::{SearchKind, TypeId};

/// One table and the rows of it that match.
#[derive(Clone, Debug)]
pub(crate) struct Part<'q> {
    pub(crate) params: &'q [i32],
    pub(crate) rows: Rows<'q>,
}

/// The rows of a table that match.
#[derive(Clone, Debug)]
pub(crate) enum Rows<'q> {
    /// One of these codes, of this system when it is said.
    Tokens(Option<&'q str>, Vec<&'q str>),
    /// Any code of this system.
    System(&'q str),
    Targets(Vec<(TypeId, &'q str)>),
    Uris(Vec<&'q str>),
    Strings(&'q [string::Value]),
    Dates(&'q [date::Value]),
    Numbers(&'q [number::Value]),
    Quantities(&'q [quantity::Value]),
    Composites(&'q [composite::Value]),
    Near(&'q [position::Value]),
    /// Any row of this table.
    Any(&'static str),
    /// Any reference to a type.
    AnyTarget(TypeId),
    /// References to what meets a condition.
    Chain(&'q [Link]),
}

/// The tables that a criterion looks into. None for `_id` and `_lastUpdated`.
pub(crate) fn parts(criterion: &Criterion) -> Vec<Part<'_>> {
    let rows = match &criterion.test {
        Test::Id(_) | Test::Updated(_) => Vec::new(),
        Test::Token(values) => tokens(values.iter()),
        Test::Reference(values) => references(values),
        Test::Uri(uris) => vec![Rows::Uris(uris.iter().map(|u| &**u).collect())],
        Test::String(values) => vec![Rows::Strings(values)],
        Test::Date(values) => vec![Rows::Dates(values)],
        Test::Number(values) => vec![Rows::Numbers(values)],
        Test::Quantity(values) => vec![Rows::Quantities(values)],
        Test::Composite(values) => vec![Rows::Composites(values)],
        Test::Near(values) => vec![Rows::Near(values)],
        Test::Present(present) => any(*present),
        Test::Chain(links) => vec![Rows::Chain(links)],
    };
    rows.into_iter().map(|rows| Part { params: &criterion.params, rows }).collect()
}

/// Codes of one system stand together, so that each group is one probe.
fn tokens<'q>(values: impl Iterator<Item = &'q token::Value>) -> Vec<Rows<'q>> {
    let mut groups: Vec<Rows<'q>> = Vec::new();
    for value in values {
        let system = value.system.as_deref();
        let Some(code) = value.code.as_deref() else {
            groups.extend(system.map(Rows::System));
            continue;
        };
        let group = groups.iter_mut().find_map(|rows| match rows {
            Rows::Tokens(s, codes) if *s == system => Some(codes),
            _ => None,
        });
        match group {
            Some(codes) if codes.contains(&code) => {}
            Some(codes) => codes.push(code),
            None => groups.push(Rows::Tokens(system, vec![code])),
        }
    }
    groups
}

fn references(values: &[reference::Value]) -> Vec<Rows<'_>> {
    let (mut targets, mut urls, mut identifiers) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        match value {
            reference::Value::Local(all) => targets.extend(all.iter().map(|(ty, id)| (*ty, &**id))),
            reference::Value::Url(url) => urls.push(&**url),
            reference::Value::Identifier(token) => identifiers.push(token),
        }
    }
    targets.sort_unstable();
    targets.dedup();
    let mut rows = tokens(identifiers.into_iter());
    if !targets.is_empty() {
        rows.push(Rows::Targets(targets));
    }
    if !urls.is_empty() {
        rows.push(Rows::Uris(urls));
    }
    rows
}

fn any(present: Present) -> Vec<Rows<'static>> {
    match (present.kind, present.target) {
        (SearchKind::Reference, Some(ty)) => vec![Rows::AnyTarget(ty)],
        (SearchKind::Reference, None) => {
            vec![Rows::Any("ix_reference"), Rows::Any("ix_uri"), Rows::Any("ix_token")]
        }
        (SearchKind::Token, _) => vec![Rows::Any("ix_token")],
        (SearchKind::Uri, _) => vec![Rows::Any("ix_uri")],
        (SearchKind::String, _) => vec![Rows::Any("ix_string")],
        (SearchKind::Date, _) => vec![Rows::Any("ix_date")],
        (SearchKind::Number, _) => vec![Rows::Any("ix_number")],
        (SearchKind::Quantity, _) => vec![Rows::Any("ix_quantity")],
        (SearchKind::Composite, _) => vec![Rows::Any("ix_composite")],
        (SearchKind::Special, _) => vec![Rows::Any("ix_position")],
    }
}

impl<'q> Part<'q> {
    pub(crate) fn table(&self) -> &'static str {
        match &self.rows {
            Rows::Tokens(..) | Rows::System(_) => "ix_token",
            Rows::Targets(_) | Rows::AnyTarget(_) | Rows::Chain(_) => "ix_reference",
            Rows::Uris(_) => "ix_uri",
            Rows::Strings(_) => "ix_string",
            Rows::Dates(_) => "ix_date",
            Rows::Numbers(_) => "ix_number",
            Rows::Quantities(_) => "ix_quantity",
            Rows::Composites(_) => "ix_composite",
            Rows::Near(_) => "ix_position",
            Rows::Any(table) => table,
        }
    }

    /// Whether an index finds the matching rows of one resource at once. Tables of equal values are
    /// kept by value, so without a value their rows cannot be found by resource.
    fn is_kept_by_resource(&self) -> bool {
        match &self.rows {
            Rows::System(_) | Rows::AnyTarget(_) | Rows::Chain(_) => false,
            Rows::Composites(values) => values.iter().all(composite::Value::has_code),
            Rows::Any(table) => {
                matches!(*table, "ix_string" | "ix_date" | "ix_number" | "ix_quantity" | "ix_position")
            }
            _ => true,
        }
    }

    /// The same rows as walks of an index, each of which gives resources newest first. `None` when
    /// there is no such walk.
    pub(crate) fn walks(&self) -> Option<Vec<Part<'q>>> {
        let singles: Vec<Rows<'q>> = match &self.rows {
            Rows::Tokens(system, codes) => {
                codes.iter().map(|code| Rows::Tokens(*system, vec![code])).collect()
            }
            Rows::Targets(targets) => targets.iter().map(|target| Rows::Targets(vec![*target])).collect(),
            Rows::Uris(uris) => uris.iter().map(|uri| Rows::Uris(vec![uri])).collect(),
            Rows::Composites(values) if values.iter().all(composite::Value::has_one_code) => {
                values.iter().map(|value| Rows::Composites(std::slice::from_ref(value))).collect()
            }
            _ => return None,
        };
        let walks = singles.into_iter().flat_map(|rows| {
            self.params.iter().map(move |p| Part { params: std::slice::from_ref(p), rows: rows.clone() })
        });
        Some(walks.collect())
    }

    /// Whether a walk gives no resource twice.
    pub(crate) fn is_unique(&self) -> bool {
        self.params.len() == 1
            && match &self.rows {
                Rows::Tokens(Some(_), codes) => codes.len() == 1,
                Rows::Targets(targets) => targets.len() == 1,
                Rows::Uris(uris) => uris.len() == 1,
                _ => false,
            }
    }

    /// Writes `x.tenant = … and x.param = … and …` for the table under alias `x`.
    pub(crate) fn sql(&self, w: &mut Writer, tenant: i32, x: &str) {
        w.push(x).push(".tenant = ").arg(Arg::Int(tenant.into())).push(" and ").push(x).push(".param");
        integers(w, self.params);
        match &self.rows {
            Rows::Tokens(system, codes) => {
                w.push(" and ").push(x).push(".code");
                texts(w, codes);
                if let Some(system) = system {
                    w.push(" and ").push(x).push(".system = ").arg(Arg::System((*system).into()));
                }
            }
            Rows::System(system) => {
                w.push(" and ").push(x).push(".system = ").arg(Arg::System((*system).into()));
            }
            Rows::Targets(targets) => {
                w.push(" and ").push(x).push(".target");
                one_of(w, targets, |w, (ty, id)| _ = w.arg(Arg::Target(*ty, (*id).into())));
            }
            Rows::Uris(uris) => {
                w.push(" and ").push(x).push(".uri");
                texts(w, uris);
            }
            Rows::Strings(values) => any_of(w, values, |w, v| v.sql(w, x)),
            Rows::Dates(values) => {
                let (low, high) = (format!("{x}.low"), format!("{x}.high"));
                any_of(w, values, |w, v| v.sql(w, &low, &high));
            }
            Rows::Numbers(values) => {
                let (low, high) = (format!("{x}.low"), format!("{x}.high"));
                any_of(w, values, |w, v| v.sql(w, &low, &high));
            }
            Rows::Quantities(values) => any_of(w, values, |w, v| v.sql(w, x)),
            Rows::Composites(values) => any_of(w, values, |w, v| v.sql(w, x)),
            Rows::Near(values) => any_of(w, values, |w, v| v.sql(w, x)),
            Rows::Any(_) | Rows::AnyTarget(_) | Rows::Chain(_) => {}
        }
    }

    /// Writes a condition on the resource whose number is `rid`.
    pub(crate) fn filter(&self, w: &mut Writer, cx: &Sql<'_>, rid: &str) {
        if !self.is_kept_by_resource() {
            w.push(rid).push(" in (");
            self.rids(w, cx);
            w.push(")");
            return;
        }
        let x = w.alias();
        w.push("exists (select 1 from ").push(self.table()).push(" ").push(&x).push(" where ");
        self.sql(w, cx.plan.tenant(), &x);
        w.push(" and ").push(&x).push(".rid = ").push(rid).push(")");
    }

    /// Writes a select of the numbers of all resources with a matching row; one may come twice.
    pub(crate) fn rids(&self, w: &mut Writer, cx: &Sql<'_>) {
        if let Rows::Chain(links) = self.rows {
            return chain::rids(w, cx, self.params, links);
        }
        let x = w.alias();
        w.push("select ").push(&x).push(".rid as rid from ").push(self.table()).push(" ").push(&x);
        if let Rows::AnyTarget(ty) = self.rows {
            let t = w.alias();
            w.push(" join resource ")
                .push(&t)
                .push(" on ")
                .push(&t)
                .push(".rid = ")
                .push(&x)
                .push(".target and ");
            w.push(&t).push(".type = ").number(cx.type_number(ty));
        }
        w.push(" where ");
        self.sql(w, cx.plan.tenant(), &x);
    }
}

/// What every piece of a statement needs to know.
#[derive(Clone, Copy)]
pub(crate) struct Sql<'a> {
    /// Who asks.
    pub(crate) plan: &'a AccessPlan,
    pub(crate) registry: &'a crate::Registry,
}

impl Sql<'_> {
    /// The number of a type; 0, which no row has, for what is no resource type.
    pub(crate) fn type_number(&self, ty: TypeId) -> i64 {
        self.registry.type_number(ty).unwrap_or(0).into()
    }
}

/// Writes ` = 1` or ` in (1, 2)`.
pub(crate) fn integers(w: &mut Writer, numbers: &[i32]) {
    one_of(w, numbers, |w, n| _ = w.number(i64::from(*n)));
}

fn texts(w: &mut Writer, all: &[&str]) {
    one_of(w, all, |w, text| _ = w.arg(Arg::Text((*text).into())));
}

fn one_of<T>(w: &mut Writer, items: &[T], mut each: impl FnMut(&mut Writer, &T)) {
    if let [item] = items {
        w.push(" = ");
        each(w, item);
    } else {
        w.push(" in (").list(items, ", ", each).push(")");
    }
}

/// Writes ` and (a or b)`.
fn any_of<T>(w: &mut Writer, values: &[T], mut each: impl FnMut(&mut Writer, &T)) {
    w.push(" and (");
    w.list(values, " or ", |w, value| {
        if values.len() > 1 {
            w.push("(");
        }
        each(w, value);
        if values.len() > 1 {
            w.push(")");
        }
    });
    w.push(")");
}
