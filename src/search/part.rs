//! What a test asks of one index table: the common ground of filters, drivers and counts.

use crate::access::AccessPlan;
use crate::chain::{self, Link};
use crate::contained::Scope;
use crate::has::{self, Has};
use crate::query::{Criterion, Present, Test};
use crate::sql::{Arg, Dialect, Writer};
use crate::{composite, date, number, position, quantity, reference, string, text, token, uri, words};
use remit_spec::{SearchKind, TypeId};
use remit_terminology::Group;
use std::sync::Arc;

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
    /// One of many codes, of this system.
    Codes(&'q str, &'q Arc<Group>),
    /// Any code of this system.
    System(&'q str),
    Targets(Vec<(TypeId, &'q str)>),
    Uris(Vec<&'q str>),
    Below(&'q [uri::Below]),
    /// Codes, or URIs, with such a part.
    Pieces(&'static str, &'q [token::Piece]),
    /// What stands beside codes and references.
    Texts(&'q [text::Value]),
    Strings(&'q [string::Value]),
    Dates(&'q [date::Value]),
    Numbers(&'q [number::Value]),
    Quantities(&'q [quantity::Value]),
    Composites(&'q [composite::Value]),
    Near(&'q [position::Value]),
    Words(&'q words::Value),
    /// Any row of this table.
    Any(&'static str),
    /// References to targets of this type, but for these.
    TargetsOfType(TypeId, Vec<(TypeId, &'q str)>),
    /// Rows of the same table that do not match.
    Unlike(Box<Rows<'q>>),
    /// References to what meets a condition.
    Chain(&'q [Link]),
    /// These resources themselves; no table.
    These(Vec<(TypeId, &'q str)>),
    /// References from what meets a condition.
    Has(&'q Has),
}

/// The tables that a criterion looks into. None for `_id` and `_lastUpdated`.
pub(crate) fn parts(criterion: &Criterion) -> Vec<Part<'_>> {
    let rows = rows(&criterion.test).into_iter();
    rows.map(|rows| Part { params: &criterion.params, rows }).collect()
}

fn rows(test: &Test) -> Vec<Rows<'_>> {
    match test {
        Test::Id(_) | Test::Updated(_) | Test::Type(_) => Vec::new(),
        Test::Owned(owned) => owned.rows(),
        Test::Token(values) => tokens(values.iter()),
        Test::Codes(value) => value.rows(),
        Test::Reference(values) => references(values),
        Test::Uri(uris) => vec![Rows::Uris(uris.iter().map(|u| &**u).collect())],
        Test::Below(all) => vec![Rows::Below(all)],
        Test::CodePiece(pieces) => vec![Rows::Pieces("ix_token", pieces)],
        Test::UriPiece(pieces) => vec![Rows::Pieces("ix_uri", pieces)],
        Test::Unlike(test) => unlike(test),
        Test::Text(values) => vec![Rows::Texts(values)],
        Test::String(values) => vec![Rows::Strings(values)],
        Test::Date(values) => vec![Rows::Dates(values)],
        Test::Number(values) => vec![Rows::Numbers(values)],
        Test::Quantity(values) => vec![Rows::Quantities(values)],
        Test::Composite(values) => vec![Rows::Composites(values)],
        Test::Near(values) => vec![Rows::Near(values)],
        Test::Words(value) => vec![Rows::Words(value)],
        Test::Present(present) => any(*present),
        Test::OfType(ty, except) => {
            vec![Rows::TargetsOfType(*ty, except.iter().map(|(ty, id)| (*ty, &**id)).collect())]
        }
        Test::Chain(links) => vec![Rows::Chain(links)],
        Test::Has(has) => vec![Rows::Has(has)],
    }
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

/// What an index has beside the rows of a test of one value.
fn unlike(test: &Test) -> Vec<Rows<'_>> {
    let rows = rows(test);
    let is_local = rows.iter().any(|rows| matches!(rows, Rows::Targets(_)));
    let is_url = rows.iter().any(|rows| matches!(rows, Rows::Uris(_)));
    let other = match test {
        Test::Reference(_) if is_local => Some(Rows::Any("ix_uri")),
        Test::Reference(_) if is_url => Some(Rows::Any("ix_reference")),
        _ => None,
    };
    rows.into_iter().map(|rows| Rows::Unlike(Box::new(rows))).chain(other).collect()
}

fn any(present: Present) -> Vec<Rows<'static>> {
    match present.kind {
        SearchKind::Reference => ["ix_reference", "ix_uri", "ix_token", "ix_text"].map(Rows::Any).to_vec(),
        SearchKind::Token => ["ix_token", "ix_text"].map(Rows::Any).to_vec(),
        SearchKind::Uri => vec![Rows::Any("ix_uri")],
        SearchKind::String => vec![Rows::Any("ix_string")],
        SearchKind::Date => vec![Rows::Any("ix_date")],
        SearchKind::Number => vec![Rows::Any("ix_number")],
        SearchKind::Quantity => vec![Rows::Any("ix_quantity")],
        SearchKind::Composite => vec![Rows::Any("ix_composite")],
        SearchKind::Special => vec![Rows::Any("ix_position")],
    }
}

impl<'q> Rows<'q> {
    fn table(&self) -> &'static str {
        match self {
            Rows::Tokens(..) | Rows::Codes(..) | Rows::System(_) => "ix_token",
            Rows::Texts(_) => "ix_text",
            Rows::Targets(_) | Rows::TargetsOfType(..) | Rows::Chain(_) | Rows::Has(_) => "ix_reference",
            Rows::Uris(_) | Rows::Below(_) => "ix_uri",
            Rows::Strings(_) => "ix_string",
            Rows::Dates(_) => "ix_date",
            Rows::Numbers(_) => "ix_number",
            Rows::Quantities(_) => "ix_quantity",
            Rows::Composites(_) => "ix_composite",
            Rows::Near(_) => "ix_position",
            Rows::Words(_) => "ix_words",
            Rows::Any(table) | Rows::Pieces(table, _) => table,
            Rows::Unlike(rows) => rows.table(),
            Rows::These(_) => "resource",
        }
    }
}

impl<'q> Part<'q> {
    pub(crate) fn table(&self) -> &'static str {
        self.rows.table()
    }

    fn of(&self, rows: &Rows<'q>) -> Part<'q> {
        Part { params: self.params, rows: rows.clone() }
    }

    /// Whether an index finds the matching rows of one resource at once. Tables of equal values are
    /// kept by value, so without a value their rows cannot be found by resource.
    fn is_kept_by_resource(&self) -> bool {
        match &self.rows {
            Rows::System(_) | Rows::Pieces(..) | Rows::Below(_) => false,
            Rows::Unlike(rows) => !matches!(rows.table(), "ix_token" | "ix_uri" | "ix_composite"),
            Rows::Composites(values) => values.iter().all(composite::Value::has_code),
            Rows::Any(table) => !matches!(*table, "ix_token" | "ix_uri" | "ix_text" | "ix_composite"),
            _ => true,
        }
    }

    /// The same rows as walks of an index, each of which gives resources newest first. `None` when
    /// there is no such walk.
    pub(crate) fn walks(&self) -> Option<Vec<Part<'q>>> {
        let singles: Vec<Rows<'q>> = match &self.rows {
            Rows::Words(_) => return Some(vec![self.clone()]),
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
            let part = Part { params: self.params, rows };
            part.by_parameter().collect::<Vec<_>>()
        });
        Some(walks.collect())
    }

    /// The same rows, those of each parameter by themselves.
    pub(crate) fn by_parameter(&self) -> impl Iterator<Item = Part<'q>> + '_ {
        self.params.iter().map(|param| Part { params: std::slice::from_ref(param), rows: self.rows.clone() })
    }

    /// Whether a walk gives no resource twice.
    pub(crate) fn is_unique(&self) -> bool {
        matches!(self.rows, Rows::Words(_))
            || self.params.len() == 1
                && match &self.rows {
                    Rows::Tokens(Some(_), codes) => codes.len() == 1,
                    Rows::Targets(targets) => targets.len() == 1,
                    Rows::Uris(uris) => uris.len() == 1,
                    _ => false,
                }
    }

    /// Writes `x.tenant = … and x.param = … and …` for the table under alias `x`.
    pub(crate) fn sql(&self, w: &mut Writer, cx: &Sql<'_>, x: &str) {
        if let Rows::Words(value) = self.rows {
            return self::words(w, value, cx, x);
        }
        w.push(x).push(".tenant = ").arg(Arg::Int(cx.plan.tenant().into()));
        w.push(" and ").push(x).push(".param");
        cx.scope.params(w, self.params);
        self.conditions(w, cx, x);
    }

    /// Writes ` and …` for the values.
    fn conditions(&self, w: &mut Writer, cx: &Sql<'_>, x: &str) {
        match &self.rows {
            Rows::Tokens(system, codes) => {
                w.push(" and ").push(x).push(".code");
                texts(w, codes);
                if let Some(system) = system {
                    w.push(" and ").push(x).push(".system = ").arg(Arg::System((*system).into()));
                }
            }
            Rows::Codes(system, group) => self.many_codes(w, cx, x, system, group),
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
            Rows::Below(all) => any_of(w, all, |w, v| v.sql(w, &format!("{x}.uri"))),
            Rows::Pieces(table, all) => {
                let column = format!("{x}.{}", if *table == "ix_uri" { "uri" } else { "code" });
                any_of(w, all, |w, v| v.sql(w, &column));
            }
            Rows::Unlike(rows) => {
                w.push(" and not (1 = 1");
                self.of(rows).conditions(w, cx, x);
                w.push(")");
            }
            Rows::Texts(values) => {
                w.push(" and ").push(x).push(".norm in (");
                text::matching(w, cx.plan.tenant(), &cx.scope.numbers(self.params), values);
                w.push(")");
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
            Rows::TargetsOfType(_, except) if !except.is_empty() => {
                w.push(" and not ").push(x).push(".target");
                one_of(w, except, |w, (ty, id)| _ = w.arg(Arg::Target(*ty, (*id).into())));
            }
            Rows::Any(_)
            | Rows::TargetsOfType(..)
            | Rows::Chain(_)
            | Rows::Has(_)
            | Rows::These(_)
            | Rows::Words(_) => {}
        }
    }

    /// Whether the rows stand for resources of any type.
    pub(crate) fn is_of_all_types(&self) -> bool {
        matches!(self.rows, Rows::Words(_))
    }

    /// The column with the number of the resource. The table of words on SQLite has no name of its own
    /// for it.
    pub(crate) fn rid(&self, dialect: Dialect) -> &'static str {
        match (&self.rows, dialect) {
            (Rows::Words(_), Dialect::Sqlite) => ".rowid",
            _ => ".rid",
        }
    }

    /// Writes ` and x.code in … and x.system = …` with all codes in one argument. Most codes of a large
    /// set are in no resource: these are sorted out once, and not for every resource looked at.
    fn many_codes(&self, w: &mut Writer, cx: &Sql<'_>, x: &str, system: &str, group: &Arc<Group>) {
        let (c, y) = (w.alias(), w.alias());
        let (start, from, value, end) = match w.dialect {
            Dialect::Sqlite => (" in (select ", " from json_each(", format!("{c}.value"), ")"),
            Dialect::Postgres => (" = any(array(select ", " from unnest(", format!("{c}.code"), "))"),
        };
        w.push(" and ").push(x).push(".code").push(start).push(&value).push(from);
        w.arg(Arg::List(group.codes.clone())).push(") ").push(&c);
        if w.dialect == Dialect::Postgres {
            w.push("(code)");
        }
        w.push(" where exists (select 1 from ix_token ").push(&y).push(" where ").push(&y).push(".tenant = ");
        w.arg(Arg::Int(cx.plan.tenant().into())).push(" and ").push(&y).push(".param");
        cx.scope.params(w, self.params);
        w.push(" and ").push(&y).push(".code = ").push(&value).push(" and ").push(&y).push(".system = ");
        w.arg(Arg::System(system.into())).push(")").push(end);
        w.push(" and ").push(x).push(".system = ").arg(Arg::System(system.into()));
    }

    /// Writes a condition on the resource whose number is `rid`.
    pub(crate) fn filter(&self, w: &mut Writer, cx: &Sql<'_>, rid: &str) {
        if let Rows::These(all) = &self.rows {
            w.push(rid);
            return one_of(w, all, |w, (ty, id)| _ = w.arg(Arg::Target(*ty, (*id).into())));
        }
        // A search of any type has to ask each target for its type, which the other form does.
        let is_anywhere = matches!(self.rows, Rows::Has(has) if has.is_anywhere && !has.types.is_empty());
        if !self.is_kept_by_resource() || is_anywhere {
            w.push(rid).push(" in (");
            self.rids(w, cx);
            w.push(")");
            return;
        }
        match self.rows {
            Rows::Chain(links) => return chain::filter(w, cx, self.params, links, rid),
            Rows::Has(has) => return has::filter(w, cx, self.params, has, rid),
            _ => {}
        }
        let x = w.alias();
        w.push("exists (select 1 from ").push(self.table()).push(" ").push(&x);
        self.of_type(w, cx, &x);
        self.sql(w, cx, &x);
        let column = self.rid(w.dialect);
        let end = w.dialect.asked();
        w.push(" and ").push(&x).push(column).push(" = ").push(rid).push(end);
    }

    /// Writes a select of the numbers of all resources with a matching row; one may come twice.
    pub(crate) fn rids(&self, w: &mut Writer, cx: &Sql<'_>) {
        match self.rows {
            Rows::Chain(links) => return chain::rids(w, cx, self.params, links),
            Rows::Has(has) => return has::rids(w, cx, self.params, has),
            _ => {}
        }
        let x = w.alias();
        if let Rows::These(all) = &self.rows {
            w.push("select ").push(&x).push(".rid as rid from resource ").push(&x);
            w.push(" where ").push(&x).push(".deleted = 0 and ").push(&x).push(".rid");
            return one_of(w, all, |w, (ty, id)| _ = w.arg(Arg::Target(*ty, (*id).into())));
        }
        let column = self.rid(w.dialect);
        w.push("select ").push(&x).push(column).push(" as rid from ").push(self.table()).push(" ").push(&x);
        self.of_type(w, cx, &x);
        self.sql(w, cx, &x);
    }

    /// Writes a select whose rows tell how common the matches are: of a chain its targets, of `_has`
    /// its sources, for these decide what the criterion costs.
    pub(crate) fn counted(&self, w: &mut Writer, cx: &Sql<'_>) {
        match self.rows {
            Rows::Chain(links) => chain::all_targets(w, cx, links),
            Rows::Has(has) => chain::sources(w, cx, &has.source),
            _ => self.rids(w, cx),
        }
    }

    /// Joins the target where its type counts; one may be contained.
    fn of_type(&self, w: &mut Writer, cx: &Sql<'_>, x: &str) {
        if let Rows::TargetsOfType(ty, _) = self.rows {
            let (t, c, number) = (w.alias(), w.alias(), cx.type_number(ty));
            w.push(" left join resource ").push(&t).push(" on ").push(&t).push(".rid = ").push(x);
            w.push(".target left join contained ").push(&c).push(" on ").push(&c).push(".rid = ").push(x);
            w.push(".target where coalesce(").push(&t).push(".type, ").push(&c).push(".type) = ");
            w.number(number).push(" and ");
        } else {
            w.push(" where ");
        }
    }
}

/// What every piece of a statement needs to know.
#[derive(Clone, Copy)]
pub(crate) struct Sql<'a> {
    /// Who asks.
    pub(crate) plan: &'a AccessPlan,
    pub(crate) registry: &'a crate::Registry,
    /// Whose rows are looked at.
    pub(crate) scope: Scope,
}

impl<'a> Sql<'a> {
    /// The same for the rows of others.
    pub(crate) fn of(&self, scope: Scope) -> Sql<'a> {
        Sql { scope, ..*self }
    }

    /// The number of a type; 0, which no row has, for what is no resource type.
    pub(crate) fn type_number(&self, ty: TypeId) -> i64 {
        self.registry.type_number(ty).unwrap_or(0).into()
    }
}

/// Writes ` = 1` or ` in (1, 2)`.
pub(crate) fn integers(w: &mut Writer, numbers: &[i32]) {
    one_of(w, numbers, |w, n| _ = w.number(i64::from(*n)));
}

/// Words are kept with the number of their tenant, so nothing else needs to be asked.
fn words(w: &mut Writer, value: &words::Value, cx: &Sql<'_>, x: &str) {
    let is_sqlite = w.dialect == Dialect::Sqlite;
    let question = Arg::Text(value.render(cx.plan.tenant(), cx.scope, is_sqlite));
    match is_sqlite {
        true => _ = w.push(x).push(".ix_words match ").arg(question),
        false => _ = w.push(x).push(".words @@ ").arg(question).push("::tsquery"),
    }
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
