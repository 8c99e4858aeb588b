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
    names: &'a [String],
    /// Count and amount of the numerator, then of the denominator.
    sides: [Option<(usize, Option<usize>)>; 2],
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
            Error::internal(format!("no SQL of {} gives the columns of {}", measure.id, group.name()))
        })
    }

    pub(super) fn of(measure: &Measure, group: &Group, rows: &'a Rows) -> remit_fhir::Result<Columns<'a>> {
        let at = |name: &str| {
            let place = rows.columns.iter().position(|column| column == name);
            place.ok_or_else(|| Error::internal(format!("the SQL of {} gives no column {name}", measure.id)))
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
            names: &rows.columns,
            sides: [side(group.population("numerator"))?, side(group.population("denominator"))?],
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
        self.cell(row, name).and_then(|cell| count(Some(cell)).ok())
    }

    pub(super) fn figures(&self, row: &[Value]) -> remit_fhir::Result<Figures> {
        let side = |places: Option<(usize, Option<usize>)>| -> remit_fhir::Result<Side> {
            let Some((at, amount_at)) = places else { return Ok(Side::default()) };
            let amount = match amount_at {
                Some(at) => amount(row.get(at))?,
                None => Decimal::ZERO,
            };
            Ok(Side { count: count(row.get(at))?, amount })
        };
        let [numerator, denominator] = self.sides;
        let (numerator, denominator) = (side(numerator)?, side(denominator)?);
        let values = match self.observation {
            Some(at) => BTreeMap::from([(count(row.get(at))?, denominator.count)]),
            None => BTreeMap::new(),
        };
        Ok(Figures { numerator, denominator, values })
    }

    /// The key of a row's stratum: a relative reference, a month, a name where the record has no
    /// more, `SELF` where no payer is named.
    pub(super) fn key(&self, stratifier: &Stratifier, row: &[Value]) -> (Key, Option<String>) {
        let code = stratifier.code.as_str();
        let display = self.text(row, &format!("{code}_display")).map(str::to_owned);
        match self.text(row, &stratifier.column) {
            Some(value) => (Key(Some(reference(stratifier, value))), display),
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

fn count(value: Option<&Value>) -> remit_fhir::Result<i64> {
    match value {
        Some(Value::Integer(count)) => Ok(*count),
        Some(Value::Null) => Ok(0),
        other => Err(Error::internal(format!("a count of the SQL is {other:?}"))),
    }
}

fn amount(value: Option<&Value>) -> remit_fhir::Result<Decimal> {
    match value {
        Some(Value::Decimal(amount)) => Ok(*amount),
        Some(Value::Integer(amount)) => Ok(Decimal::from(*amount)),
        Some(Value::Null) => Ok(Decimal::ZERO),
        other => Err(Error::internal(format!("an amount of the SQL is {other:?}"))),
    }
}
