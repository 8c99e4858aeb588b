//! Composite parameters: values that stand in the same element
//! (<https://hl7.org/fhir/R4/search.html#composite>).

use crate::extract::{Index, Item};
use crate::parse::Context;
use crate::path::Path;
use crate::rows::{CompositeRow, Real};
use crate::sql::{Arg, Writer};
use crate::{date, number, quantity, reference, string, token, uri};
use remit_fhir::{Error, Result};
use remit_spec::{SearchKind, TypeId};

/// The system of rows whose quantity is in its canonical unit.
const CANONICAL: &str = "urn:remit:canonical-unit";

/// Most rows that one element gives to one parameter. Ten codings with ten values are 100.
const MAX_ROWS: usize = 1000;

/// A part of a composite parameter, compiled.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) kind: SearchKind,
    pub(crate) targets: Box<[TypeId]>,
    pub(crate) paths: Vec<Path>,
}

/// The values searched for, one for each part.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    first: First,
    rest: Vec<Other>,
}

#[derive(Clone, PartialEq, Debug)]
enum First {
    Token(token::Value),
    /// `Type/id` or a URL; one of them.
    Reference(Vec<Box<str>>),
}

#[derive(Clone, PartialEq, Debug)]
enum Other {
    Token(token::Value),
    Text(string::Value),
    Number(number::Value),
    Quantity(quantity::Value),
    Date(date::Value),
}

/// Writes the rows of the elements that a composite's own expression gives.
pub(crate) fn index(index: &mut Index<'_>, element: &Item<'_>, parts: &[Part], param: i32) {
    let mut rows = vec![CompositeRow { param, ..CompositeRow::default() }];
    for (place, part) in parts.iter().enumerate() {
        let mut filled = Vec::new();
        for path in &part.paths {
            for item in path.evaluate(element, index) {
                for row in &rows {
                    fill(row, place, part.kind, &item, index.base, &mut filled);
                }
            }
        }
        filled.truncate(MAX_ROWS);
        rows = filled;
    }
    index.rows.composites.append(&mut rows);
}

/// Copies `row` with the values of one part in it.
fn fill(
    row: &CompositeRow,
    place: usize,
    kind: SearchKind,
    item: &Item<'_>,
    base: &str,
    out: &mut Vec<CompositeRow>,
) {
    let mut range = |low: f64, high: f64, code2: &str, system2: &str| {
        let mut row = row.clone();
        if place == 1 {
            (row.low, row.high) = (Real(low), Real(high));
            (row.code2, row.system2) = (code2.into(), system2.into());
        } else {
            (row.low2, row.high2) = (Real(low), Real(high));
        }
        out.push(row);
    };
    match kind {
        SearchKind::Token => token::each(item, |system, code| {
            let row = row.clone();
            out.push(match place {
                0 => CompositeRow { code: code.into(), system: system.into(), ..row },
                _ => CompositeRow { code2: code.into(), system2: system.into(), ..row },
            });
        }),
        SearchKind::Reference => {
            for text in reference_texts(item, base) {
                out.push(CompositeRow { code: text, ..row.clone() });
            }
        }
        SearchKind::String => {
            let mut rows = Vec::new();
            string::index(item, row.param, &mut rows);
            out.extend(rows.into_iter().map(|s| CompositeRow { code2: s.norm, ..row.clone() }));
        }
        SearchKind::Number => {
            if let Some(value) = number::decimal(item.node) {
                range(value, value, "", "");
            }
        }
        SearchKind::Date => {
            if let Some((low, high)) = date::interval(item) {
                range(low as f64, high as f64, "", "");
            }
        }
        SearchKind::Quantity => {
            let Some(m) = quantity::Measured::of(item) else { return };
            let code = if m.code.is_empty() { &m.unit } else { &m.code };
            range(m.low, m.high, code, &m.system);
            if !m.unit.is_empty() && m.unit != *code {
                range(m.low, m.high, &m.unit, "");
            }
            if let Some((unit, low, high)) = m.canonical() {
                range(low, high, &unit, CANONICAL);
            }
        }
        SearchKind::Uri | SearchKind::Composite | SearchKind::Special => {}
    }
}

/// A reference as text: `Type/id` for a resource of this server, a URL otherwise.
fn reference_texts(item: &Item<'_>, base: &str) -> Vec<Box<str>> {
    let text = item.node.string().or_else(|| item.node.get_str("reference"));
    let Some(text) = text else { return Vec::new() };
    match remit_fhir::Reference::parse_with_base(&text, base) {
        remit_fhir::Reference::Relative { kind, id, .. } => vec![format!("{kind}/{id}").into()],
        remit_fhir::Reference::Absolute(url) => {
            let mut rows = Vec::new();
            uri::index_text(url, true, 0, &mut rows);
            rows.into_iter().map(|row| row.uri).collect()
        }
        _ => Vec::new(),
    }
}

/// Reads a value of the URL: the parts with `$` between them.
pub(crate) fn parse(text: &str, parts: &[Part], context: &Context<'_>) -> Result<Value> {
    let texts: Vec<&str> = crate::parse::split(text, '$').collect();
    if texts.len() != parts.len() {
        return Err(Error::invalid(format!(
            "'{text}' has {} values, but this parameter takes {}: write them with $ between, and \\$ for a dollar in a value.",
            texts.len(),
            parts.len()
        )));
    }
    let mut values = texts.into_iter().zip(parts);
    let (text, part) = values.next().ok_or_else(|| Error::invalid("A composite parameter needs values."))?;
    let first = match part.kind {
        SearchKind::Reference => match reference::parse(text, &part.targets, context)? {
            reference::Value::Url(url) => First::Reference(vec![url]),
            reference::Value::Local(targets) => {
                let name = |ty| context.registry.definitions().name(ty);
                First::Reference(
                    targets.iter().map(|(ty, id)| format!("{}/{id}", name(*ty)).into()).collect(),
                )
            }
            reference::Value::Identifier(_) => {
                return Err(Error::invalid("An identifier is no part of a composite."));
            }
        },
        _ => First::Token(token::parse(text)?),
    };
    let rest = values.map(|(text, part)| other(text, part.kind, context)).collect::<Result<Vec<_>>>()?;
    Ok(Value { first, rest })
}

/// Reads `system|code|value` of `:of-type`: what [`crate::text::index_of_type`] writes.
pub(crate) fn of_type(text: &str) -> Result<Value> {
    let parts: Vec<&str> = crate::parse::split(text, '|').collect();
    let [system, code, value] = parts[..] else { return Err(no_type(text)) };
    if system.is_empty() || code.is_empty() || value.is_empty() {
        return Err(no_type(text));
    }
    let plain = |text| crate::parse::unescape(text).map(Some);
    let kind = token::Value { system: plain(system)?, code: plain(code)? };
    let value = token::Value { system: None, code: plain(value)? };
    Ok(Value { first: First::Token(value), rest: vec![Other::Token(kind)] })
}

fn no_type(text: &str) -> Error {
    Error::invalid(format!(
        "'{text}' is not of the form system|code|value: system and code of the identifier's type, then its value."
    ))
}

fn other(text: &str, kind: SearchKind, context: &Context<'_>) -> Result<Other> {
    let plain = crate::parse::unescape;
    Ok(match kind {
        SearchKind::Number => Other::Number(number::parse(&plain(text)?)?),
        SearchKind::Date => Other::Date(date::parse(&plain(text)?, context.now)?),
        SearchKind::Quantity => Other::Quantity(quantity::parse(text)?),
        SearchKind::String => Other::Text(string::parse(&plain(text)?, string::Place::Start)?),
        _ => Other::Token(token::parse(text)?),
    })
}

impl Value {
    pub(crate) fn holds(&self, row: &CompositeRow) -> bool {
        let first = match &self.first {
            First::Token(token) => token.holds(&row.system, &row.code),
            First::Reference(texts) => texts.contains(&row.code),
        };
        first
            && self.rest.iter().enumerate().all(|(place, other)| {
                let (low, high) =
                    if place == 0 { (row.low.0, row.high.0) } else { (row.low2.0, row.high2.0) };
                match other {
                    Other::Token(token) => token.holds(&row.system2, &row.code2),
                    Other::Text(text) => text.holds(&row.code2, &row.code2),
                    Other::Number(number) => number.holds(low, high),
                    Other::Date(date) => date.holds(low as i64, high as i64),
                    Other::Quantity(quantity) => holds_quantity(quantity, row),
                }
            })
    }

    /// The same as [`holds`](Self::holds), of table `x`.
    pub(crate) fn sql(&self, w: &mut Writer, x: &str) {
        let column = |name: &str| format!("{x}.{name}");
        match &self.first {
            First::Token(token) => token.sql(w, &column("code"), &column("system")),
            First::Reference(texts) => {
                w.push(&column("code")).push(" in (");
                w.list(texts, ", ", |w, text| _ = w.arg(Arg::Text(text.to_string()))).push(")");
            }
        }
        for (place, other) in self.rest.iter().enumerate() {
            let (low, high) = match place {
                0 => (column("low"), column("high")),
                _ => (column("low2"), column("high2")),
            };
            w.push(" and ");
            match other {
                Other::Token(token) => token.sql(w, &column("code2"), &column("system2")),
                Other::Text(text) => text.sql_norm(w, &column("code2")),
                Other::Number(number) => number.sql(w, &low, &high),
                Other::Date(date) => date.sql_of_reals(w, &low, &high),
                Other::Quantity(quantity) => sql_quantity(quantity, w, x),
            }
        }
    }

    /// Whether the rows of one resource are found by the code of the first part.
    pub(crate) fn has_code(&self) -> bool {
        match &self.first {
            First::Token(token) => token.code.is_some(),
            First::Reference(_) => true,
        }
    }

    /// Whether rows come newest first when an index is walked that starts with the code.
    pub(crate) fn has_one_code(&self) -> bool {
        match &self.first {
            First::Token(token) => token.code.is_some(),
            First::Reference(texts) => texts.len() == 1,
        }
    }
}

fn holds_quantity(value: &quantity::Value, row: &CompositeRow) -> bool {
    use quantity::Unit;
    let unit = match &value.unit {
        Unit::Any => *row.system2 != *CANONICAL,
        Unit::Code(code) => row.code2 == *code && *row.system2 != *CANONICAL,
        Unit::System(system, code) => row.code2 == *code && row.system2 == *system,
        Unit::Canonical(unit) => row.code2 == *unit && *row.system2 == *CANONICAL,
    };
    unit && value.number.holds(row.low.0, row.high.0)
}

fn sql_quantity(value: &quantity::Value, w: &mut Writer, x: &str) {
    use quantity::Unit;
    let (operator, system, code) = match &value.unit {
        Unit::Any => (" <> ", CANONICAL, None),
        Unit::Code(code) => (" <> ", CANONICAL, Some(code)),
        Unit::System(system, code) => (" = ", &**system, Some(code)),
        Unit::Canonical(unit) => (" = ", CANONICAL, Some(unit)),
    };
    w.push(x).push(".system2").push(operator).arg(Arg::System(system.into())).push(" and ");
    if let Some(code) = code {
        w.push(x).push(".code2 = ").arg(Arg::Text(code.to_string())).push(" and ");
    }
    value.number.sql(w, &format!("{x}.low"), &format!("{x}.high"));
}
