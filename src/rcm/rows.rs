//! The answer of the SQL of a measure, and what its columns mean.

use super::figures::{Figures, Side};
use super::measure::{Group, Measure, Population, Stratifier};
use super::request::MeasureRequest;
use super::{PATIENT, SELF_PAY};
use remit_fhir::Error;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// A cell of the SQL's answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// No value.
    Null,
    /// Text.
    Text(String),
    /// A count.
    Integer(i64),
    /// An exact amount.
    Decimal(Decimal),
}

/// The SQL's answer.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
}

/// The key of a stratum. Unknown comes last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Key(pub(super) Option<String>);

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> std::cmp::Ordering {
        (self.0.is_none(), &self.0).cmp(&(other.0.is_none(), &other.0))
    }
}

/// Where the columns of one group stand.
pub(super) struct Columns<'a> {
    measure: &'a Measure,
    names: &'a [String],
    /// Count and amount of the numerator, then of the denominator.
    /// Then of what both are taken from.
    sides: [Option<(usize, Option<usize>)>; 3],
    observation: Option<usize>,
}

impl<'a> Columns<'a> {
    /// The rows that hold the columns of a group, among those of all Libraries of its measure.
    pub(super) fn rows_of<'r>(
        measure: &Measure,
        group: &Group,
        all: &'r [Rows],
    ) -> remit_fhir::Result<&'r Rows> {
        let has_all = |rows: &&Rows| group.columns().all(|name| rows.columns.iter().any(|own| own == name));
        all.iter().find(has_all).ok_or_else(|| {
            let columns: Vec<&str> = group.columns().collect();
            measure.fault(format!("No SQL gives the columns {} of one group.", columns.join(", ")))
        })
    }

    pub(super) fn of(measure: &'a Measure, group: &Group, rows: &'a Rows) -> remit_fhir::Result<Columns<'a>> {
        let at = |name: &str| {
            let place = rows.columns.iter().position(|column| column == name);
            place.ok_or_else(|| measure.fault(format!("The SQL gives no column {name}.")))
        };
        let side = |population: Option<&Population>| -> remit_fhir::Result<_> {
            let Some(population) = population else { return Ok(None) };
            let amount = population.amount_column.as_deref().map(at).transpose()?;
            Ok(Some((at(&population.count_column)?, amount)))
        };
        for stratifier in &measure.stratifiers {
            at(&stratifier.column)?;
        }
        Ok(Columns {
            measure,
            names: &rows.columns,
            sides: [
                side(group.population("numerator"))?,
                side(group.population("denominator"))?,
                side(group.population("initial-population"))?,
            ],
            observation: group.observation_column.as_deref().map(at).transpose()?,
        })
    }

    fn cell<'r>(&self, row: &'r [Value], name: &str) -> Option<&'r Value> {
        row.get(self.names.iter().position(|column| column == name)?)
    }

    fn text<'r>(&self, row: &'r [Value], name: &str) -> Option<&'r str> {
        match self.cell(row, name) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(super) fn integer(&self, row: &[Value], name: &str) -> Option<i64> {
        self.cell(row, name).and_then(|cell| count(Some(cell)))
    }

    pub(super) fn figures(&self, row: &[Value]) -> remit_fhir::Result<Figures> {
        let whole = |at: usize| count(row.get(at)).ok_or_else(|| self.fault(at, "no whole number"));
        let side = |places: Option<(usize, Option<usize>)>| -> remit_fhir::Result<Side> {
            let Some((at, amount_at)) = places else { return Ok(Side::default()) };
            let amount = match amount_at {
                Some(at) => amount(row.get(at)).ok_or_else(|| self.fault(at, "no exact amount"))?,
                None => Decimal::ZERO,
            };
            Ok(Side { count: whole(at)?, amount })
        };
        let [numerator, denominator, initial] = self.sides;
        let (numerator, denominator, initial) = (side(numerator)?, side(denominator)?, side(initial)?);
        let values = match self.observation {
            Some(at) => BTreeMap::from([(whole(at)?, denominator.count)]),
            None => BTreeMap::new(),
        };
        Ok(Figures { numerator, denominator, initial, values })
    }

    fn fault(&self, at: usize, what: &str) -> Error {
        let name = self.names.get(at).map_or("", String::as_str);
        self.measure.fault(format!("A value of the column {name} of the SQL is {what}."))
    }

    /// The episode that a row is of.
    pub(super) fn unit<'r>(&self, row: &'r [Value]) -> Option<&'r str> {
        self.text(row, "unit_id")
    }

    /// Whether a row adds to a population, by its place among numerator, denominator and what both are
    /// taken from.
    pub(super) fn adds(&self, row: &[Value], side: usize) -> bool {
        let Some((at, amount_at)) = self.sides.get(side).copied().flatten() else { return false };
        let has_amount = |at| amount(row.get(at)).is_some_and(|amount| !amount.is_zero());
        count(row.get(at)).is_some_and(|count| count != 0) || amount_at.is_some_and(has_amount)
    }

    /// The key of a row's stratum: a relative reference, a month, a name where the record has no
    /// more, `SELF` where no payer is named.
    pub(super) fn key(&self, stratifier: &Stratifier, row: &[Value]) -> (Key, Option<String>) {
        let code = stratifier.code.as_str();
        let display = self.text(row, &format!("{code}_display")).map(str::to_owned);
        let value = match self.cell(row, &stratifier.column) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Integer(number)) => Some(number.to_string()),
            Some(Value::Decimal(number)) => Some(number.normalize().to_string()),
            _ => None,
        };
        match value {
            Some(value) => (Key(Some(reference(stratifier, &value))), display),
            None if display.is_some() => (Key(display.clone()), display),
            None if code == "payer" => (Key(Some(SELF_PAY.to_owned())), None),
            None => (Key(None), None),
        }
    }

    pub(super) fn passes(&self, measure: &Measure, request: &MeasureRequest, row: &[Value]) -> bool {
        request.filters.iter().all(|filter| {
            let stratifier = measure.stratifiers.iter().find(|s| s.code == filter.code);
            let key = stratifier.and_then(|stratifier| self.key(stratifier, row).0.0);
            key.is_some_and(|key| filter.values.contains(&key))
        })
    }
}

/// A key as a relative reference; the rows may hold the id alone.
fn reference(stratifier: &Stratifier, value: &str) -> String {
    match &stratifier.target {
        Some(target) if value != PATIENT && remit_fhir::is_id(value) => format!("{target}/{value}"),
        _ => value.to_owned(),
    }
}

fn count(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Integer(count) => Some(*count),
        Value::Decimal(count) if count.fract().is_zero() => i64::try_from(*count).ok(),
        Value::Null => Some(0),
        Value::Decimal(_) | Value::Text(_) => None,
    }
}

fn amount(value: Option<&Value>) -> Option<Decimal> {
    match value? {
        Value::Decimal(amount) => Some(*amount),
        Value::Integer(amount) => Some(Decimal::from(*amount)),
        Value::Null => Some(Decimal::ZERO),
        Value::Text(_) => None,
    }
}
