//! Quantity parameters (<https://hl7.org/fhir/R4/search.html#quantity>).
//!
//! `number|system|code` with a UCUM unit compares in canonical units, so 1 g is found as 1000 mg;
//! another system compares as written. `number||code` compares the code or the text of the unit.

use crate::extract::Item;
use crate::number;
use crate::parse::{split, unescape};
use crate::rows::{QuantityRow, Real};
use crate::sql::{Arg, Writer};
use remit_fhir::{Error, Node, Result};
use remit_fhirpath::CanonicalUnit;

/// The code system of UCUM.
const UCUM: &str = "http://unitsofmeasure.org";

/// A quantity searched for.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    /// The number, in the unit that [`Unit`] says.
    pub number: number::Value,
    /// The unit.
    pub unit: Unit,
}

/// The unit of a quantity searched for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Any.
    Any,
    /// This code or text, of any system.
    Code(Box<str>),
    /// This code of this system.
    System(Box<str>, Box<str>),
    /// This canonical unit.
    Canonical(Box<str>),
}

/// Least and greatest value of a Quantity, Money or Range, with the node that says the unit.
pub(crate) struct Measured<'a> {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) system: std::borrow::Cow<'a, str>,
    pub(crate) code: std::borrow::Cow<'a, str>,
    pub(crate) unit: std::borrow::Cow<'a, str>,
}

impl<'a> Measured<'a> {
    pub(crate) fn of(item: &Item<'a>) -> Option<Measured<'a>> {
        match item.type_name() {
            "SampledData" => None,
            "Range" => {
                let (low, high) = number::range(item.node)?;
                let end = item.node.get("low").or_else(|| item.node.get("high"))?;
                Some(Measured::with_unit(end, low, high))
            }
            "Money" => {
                let value = number::decimal(item.node.get("value")?)?;
                let code = item.node.get_str("currency").unwrap_or_default();
                let system = if code.is_empty() { "" } else { "urn:iso:std:iso:4217" };
                Some(Measured { low: value, high: value, system: system.into(), code, unit: "".into() })
            }
            _ => {
                let value = number::decimal(item.node.get("value")?)?;
                let (low, high) = match item.node.get_str("comparator").as_deref() {
                    Some("<") => (-f64::MAX, value.next_down()),
                    Some("<=") => (-f64::MAX, value),
                    Some(">") => (value.next_up(), f64::MAX),
                    Some(">=") => (value, f64::MAX),
                    _ => (value, value),
                };
                Some(Measured::with_unit(item.node, low, high))
            }
        }
    }

    fn with_unit(node: Node<'a>, low: f64, high: f64) -> Measured<'a> {
        let text = |name| node.get_str(name).unwrap_or_default();
        Measured { low, high, system: text("system"), code: text("code"), unit: text("unit") }
    }

    /// The range in the canonical unit, when the unit is UCUM's and has one.
    pub(crate) fn canonical(&self) -> Option<(String, f64, f64)> {
        if self.system != UCUM || self.code.is_empty() {
            return None;
        }
        let unit = CanonicalUnit::of(&self.code)?;
        let open = |v: f64, ends: f64| if v == ends { ends } else { unit.convert(v) };
        let (low, high) = (open(self.low, -f64::MAX), open(self.high, f64::MAX));
        (low.is_finite() && high.is_finite()).then_some((unit.symbol, low, high))
    }
}

/// Two rows when the unit's text differs from its code: `number||mmHg` finds `mm[Hg]`.
pub(crate) fn index(item: &Item<'_>, param: i32, rows: &mut Vec<QuantityRow>) {
    let Some(m) = Measured::of(item) else { return };
    let (canonical, low, high) = m.canonical().unwrap_or_default();
    let code = if m.code.is_empty() { &m.unit } else { &m.code };
    rows.push(QuantityRow {
        param,
        low: Real(m.low),
        high: Real(m.high),
        system: (*m.system).into(),
        code: (**code).into(),
        canonical: canonical.into(),
        canonical_low: Real(low),
        canonical_high: Real(high),
    });
    if !m.unit.is_empty() && m.unit != *code {
        rows.push(QuantityRow {
            param,
            low: Real(m.low),
            high: Real(m.high),
            system: "".into(),
            code: (*m.unit).into(),
            canonical: "".into(),
            canonical_low: Real(0.0),
            canonical_high: Real(0.0),
        });
    }
}

/// Reads a value of the URL.
pub(crate) fn parse(text: &str) -> Result<Value> {
    let refused = || {
        Error::invalid(format!(
            "'{text}' is no quantity: write number, number|system|code or number||code, e.g. 5.4|http://unitsofmeasure.org|mg."
        ))
    };
    let mut parts = split(text, '|');
    let number = number::parse(&unescape(parts.next().unwrap_or_default())?)?;
    let unit = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => Unit::Any,
        (Some(system), Some(code), None) => {
            let (system, code) = (unescape(system)?, unescape(code)?);
            match (system.is_empty(), code.is_empty()) {
                (true, true) => Unit::Any,
                (false, true) => return Err(refused()),
                (true, false) => Unit::Code(code),
                (false, false) => Unit::System(system, code),
            }
        }
        _ => return Err(refused()),
    };
    Ok(canonical(Value { number, unit }))
}

/// The same value in canonical units where it has them.
fn canonical(value: Value) -> Value {
    let Unit::System(system, code) = &value.unit else { return value };
    let Some(unit) = (**system == *UCUM).then(|| CanonicalUnit::of(code)).flatten() else { return value };
    let number::Value { prefix, exact, low, high } = value.number;
    let number = number::Value {
        prefix,
        exact: unit.convert(exact),
        low: unit.convert(low),
        high: unit.convert(high),
    };
    if [number.exact, number.low, number.high].iter().all(|v| v.is_finite()) {
        Value { number, unit: Unit::Canonical(unit.symbol.into()) }
    } else {
        value
    }
}

impl Value {
    pub(crate) fn holds(&self, row: &QuantityRow) -> bool {
        match &self.unit {
            Unit::Any => self.number.holds(row.low.0, row.high.0),
            Unit::Code(code) => row.code == *code && self.number.holds(row.low.0, row.high.0),
            Unit::System(system, code) => {
                row.system == *system && row.code == *code && self.number.holds(row.low.0, row.high.0)
            }
            Unit::Canonical(unit) => {
                row.canonical == *unit && self.number.holds(row.canonical_low.0, row.canonical_high.0)
            }
        }
    }

    /// The same as [`holds`](Self::holds), of table `x`.
    pub(crate) fn sql(&self, w: &mut Writer, x: &str) {
        let (mut low, mut high) = (format!("{x}.low"), format!("{x}.high"));
        match &self.unit {
            Unit::Any => {}
            Unit::Code(code) => _ = w.push(x).push(".code = ").arg(Arg::Text(code.to_string())).push(" and "),
            Unit::System(system, code) => {
                w.push(x).push(".system = ").arg(Arg::System(system.to_string())).push(" and ");
                w.push(x).push(".code = ").arg(Arg::Text(code.to_string())).push(" and ");
            }
            Unit::Canonical(unit) => {
                (low, high) = (format!("{x}.canonical_low"), format!("{x}.canonical_high"));
                w.push(x).push(".canonical = ").arg(Arg::System(unit.to_string())).push(" and ");
            }
        }
        self.number.sql(w, &low, &high);
    }
}
