//! Quantities (<https://hl7.org/fhir/R4/search.html#quantity>) and the few units of UCUM
//! (<https://ucum.org/ucum>) that the tests use, with their exact factors.

use super::Value;
use super::compare::{split, unescape};
use super::number::{End, Range, Search, decimal, range};
use rust_decimal::Decimal;
use serde_json::Value as Json;

/// The code system of UCUM.
pub(crate) const UCUM: &str = "http://unitsofmeasure.org";
/// The system of the currencies of Money.
const CURRENCIES: &str = "urn:iso:std:iso:4217";

/// Code, what is measured, factor to the base unit, and the base value at zero.
const UNITS: [(&str, &str, &str, &str); 32] = [
    ("g", "mass", "1", "0"),
    ("mg", "mass", "0.001", "0"),
    ("ug", "mass", "0.000001", "0"),
    ("kg", "mass", "1000", "0"),
    ("[lb_av]", "mass", "453.59237", "0"),
    ("m", "length", "1", "0"),
    ("cm", "length", "0.01", "0"),
    ("mm", "length", "0.001", "0"),
    ("[in_i]", "length", "0.0254", "0"),
    ("s", "time", "1", "0"),
    ("min", "time", "60", "0"),
    ("h", "time", "3600", "0"),
    ("d", "time", "86400", "0"),
    ("wk", "time", "604800", "0"),
    ("mo", "time", "2629800", "0"),
    ("a", "time", "31557600", "0"),
    ("Pa", "pressure", "1", "0"),
    ("kPa", "pressure", "1000", "0"),
    ("mm[Hg]", "pressure", "133.322", "0"),
    ("cm[Hg]", "pressure", "1333.22", "0"),
    ("K", "temperature", "1", "0"),
    ("Cel", "temperature", "1", "273.15"),
    ("1", "number", "1", "0"),
    ("%", "number", "0.01", "0"),
    ("{score}", "number", "1", "0"),
    ("mmol/L", "amount of volume", "1", "0"),
    ("umol/L", "amount of volume", "0.001", "0"),
    ("mol/L", "amount of volume", "1000", "0"),
    ("mg/dL", "mass of volume", "10", "0"),
    ("g/L", "mass of volume", "1000", "0"),
    ("ng/mL", "mass of volume", "0.001", "0"),
    ("kg/m2", "mass of area", "1", "0"),
];

/// What is measured, and how to bring a number of the unit to the base unit.
fn unit(system: &str, code: &str) -> Option<(&'static str, impl Fn(Decimal) -> Decimal + Copy + use<>)> {
    let (_, what, factor, zero) = UNITS.iter().find(|(name, ..)| system == UCUM && *name == code)?;
    let read = |text: &str| text.parse::<Decimal>().expect("a decimal of the table");
    let (factor, zero) = (read(factor), read(zero));
    Some((*what, move |number| number * factor + zero))
}

/// A quantity of a resource.
pub(super) struct Measured {
    pub(super) range: Range,
    system: String,
    code: String,
    unit: String,
}

/// What a quantity parameter finds in a value.
pub(super) fn of(value: &Value) -> Option<Measured> {
    let json = &value.json;
    match value.ty {
        "SampledData" => None,
        "Range" => {
            let end = if json["low"].is_object() { "low" } else { "high" };
            Some(measured(range(json)?, &json[end]))
        }
        "Money" => {
            let code = json["currency"].as_str().unwrap_or_default().to_owned();
            let system = if code.is_empty() { "" } else { CURRENCIES }.to_owned();
            let range = Range::point(decimal(&json["value"])?);
            Some(Measured { range, system, code, unit: String::new() })
        }
        _ => Some(measured(compared(json)?, json)),
    }
}

fn measured(range: Range, json: &Json) -> Measured {
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    Measured { range, system: text("system"), code: text("code"), unit: text("unit") }
}

/// The range that a value with its comparator stands for.
fn compared(json: &Json) -> Option<Range> {
    let value = decimal(&json["value"])?;
    let open = End { value: None, is_within: false };
    let end = |is_within| End { value: Some(value), is_within };
    Some(match json["comparator"].as_str() {
        Some("<") => Range { low: open, high: end(false) },
        Some("<=") => Range { low: open, high: end(true) },
        Some(">") => Range { low: end(false), high: open },
        Some(">=") => Range { low: end(true), high: open },
        _ => Range::point(value),
    })
}

impl Measured {
    /// The range in the base unit of what is measured.
    fn canonical(&self) -> Option<(&'static str, Range)> {
        let (what, convert) = unit(&self.system, &self.code)?;
        Some((what, self.range.map(convert)))
    }

    /// What is compared when resources are sorted.
    pub(super) fn sorted(&self) -> (Option<&'static str>, Range) {
        self.canonical().map_or((None, self.range), |(what, range)| (Some(what), range))
    }
}

/// Whether a value is the quantity searched for: `number`, `number|system|code`, `number||code`.
pub(super) fn holds(value: &Value, text: &str) -> bool {
    let Some(measured) = of(value) else { return false };
    let parts: Vec<String> = split(text, '|').map(unescape).collect();
    let Some(search) = Search::parse(&parts[0]) else { panic!("{text} is no quantity") };
    let as_written = search.holds(measured.range, |number| number);
    match parts.get(1..).unwrap_or_default() {
        [system, code] if !system.is_empty() => match (unit(system, code), measured.canonical()) {
            (Some((what, convert)), Some((other, range))) => what == other && search.holds(range, convert),
            _ => measured.system == *system && measured.code == *code && as_written,
        },
        [_, code] if !code.is_empty() => (measured.code == *code || measured.unit == *code) && as_written,
        _ => as_written,
    }
}
