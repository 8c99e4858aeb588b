//! The MeasureReport of a ratio of money (<https://hl7.org/fhir/R4/measurereport.html>).
//!
//! `population.count` is an integer in R4, so amounts stand in an extension beside it. A ratio with an
//! empty denominator has no `measureScore`. Division is done once, at full precision; rounding, half
//! up, is the last step.

use super::measure::{Measure, Population, Stratifier};
use super::request::MeasureRequest;
use super::{BASE, SELF_PAY};
use remit_fhir::Error;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Decimals of an amount: the minor unit of the currencies that bills are written in.
const MONEY_SCALE: u32 = 2;
/// Decimals of a score: six, as the SQL of other engines rounds a quotient.
const SCORE_SCALE: u32 = 6;

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

/// The figures of a report or of one stratum.
#[derive(Clone, Copy, Default)]
struct Figures {
    numerator: Side,
    denominator: Side,
}

#[derive(Clone, Copy, Default)]
struct Side {
    count: i64,
    amount: Decimal,
}

impl Figures {
    /// Adds a row; `None` when a figure is over what a decimal of 28 digits holds.
    fn add(&mut self, row: &Figures) -> Option<()> {
        for (sum, part) in [(&mut self.numerator, row.numerator), (&mut self.denominator, row.denominator)] {
            sum.count = sum.count.checked_add(part.count)?;
            sum.amount = sum.amount.checked_add(part.amount)?;
        }
        Some(())
    }

    fn score(&self) -> Option<Decimal> {
        self.numerator.amount.checked_div(self.denominator.amount)
    }
}

/// Makes the report; the one public door is [`Measure::report`].
pub(super) fn report(
    measure: &Measure,
    request: &MeasureRequest,
    rows: &Rows,
    date: &str,
) -> remit_fhir::Result<Json> {
    let columns = Columns::of(measure, rows)?;
    let mut total = Figures::default();
    let mut strata: Vec<BTreeMap<Key, Figures>> = vec![BTreeMap::new(); request.group_by.len()];
    let mut displays: BTreeMap<(usize, String), String> = BTreeMap::new();
    for row in &rows.rows {
        if !columns.passes(measure, request, row) {
            continue;
        }
        let figures = columns.figures(row)?;
        total.add(&figures).ok_or_else(too_large)?;
        for (place, (code, groups)) in request.group_by.iter().zip(&mut strata).enumerate() {
            let (key, display) = columns.key(measure, code, row);
            if let (Some(code), Some(display)) = (&key.0, display) {
                displays.entry((place, code.clone())).or_insert(display);
            }
            groups.entry(key).or_default().add(&figures).ok_or_else(too_large)?;
        }
    }
    let mut group = json!({ "code": measure.group_code });
    put_figures(&mut group, measure, request, &total);
    if !request.group_by.is_empty() {
        let stratifiers = request.group_by.iter().zip(&strata).enumerate();
        group["stratifier"] = stratifiers
            .map(|(place, (code, groups))| {
                let strata = groups.iter().map(|(key, figures)| {
                    let display = key.0.as_ref().and_then(|code| displays.get(&(place, code.clone())));
                    let mut stratum = json!({ "value": stratum_value(key, display) });
                    put_figures(&mut stratum, measure, request, figures);
                    stratum
                });
                stratifier_json(code, strata.collect())
            })
            .collect();
    }
    Ok(envelope(measure, request, date, group))
}

fn envelope(measure: &Measure, request: &MeasureRequest, date: &str, group: Json) -> Json {
    let mut report = json!({
        "resourceType": "MeasureReport",
        "status": "complete",
        "type": "summary",
        "measure": format!("{}|{}", measure.url, measure.version),
        "date": date,
        "period": { "start": request.period.0, "end": request.period.1 },
    });
    if !measure.improvement_notation.is_null() {
        report["improvementNotation"] = measure.improvement_notation.clone();
    }
    report["group"] = json!([group]);
    report
}

fn stratifier_json(code: &str, strata: Vec<Json>) -> Json {
    let mut stratifier = json!({
        "code": [{ "coding": [{ "system": format!("{BASE}/CodeSystem/rcm-stratifier"), "code": code }] }],
    });
    // An empty array is not FHIR: without rows there are no strata to list.
    if !strata.is_empty() {
        stratifier["stratum"] = Json::Array(strata);
    }
    stratifier
}

fn stratum_value(key: &Key, display: Option<&String>) -> Json {
    let Some(code) = &key.0 else {
        return json!({
            "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown" }],
            "text": "unknown",
        });
    };
    json!({ "coding": [{ "code": code }], "text": display.unwrap_or(code) })
}

fn put_figures(target: &mut Json, measure: &Measure, request: &MeasureRequest, figures: &Figures) {
    let population = |population: &Population, side: &Side| {
        json!({
            "extension": [{
                "url": format!("{BASE}/StructureDefinition/rcm-population-quantity"),
                "valueMoney": { "value": number(side.amount, MONEY_SCALE), "currency": request.currency },
            }],
            "code": { "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/measure-population",
                "code": population.code,
            }] },
            "count": side.count,
        })
    };
    target["population"] = json!([
        population(&measure.numerator, &figures.numerator),
        population(&measure.denominator, &figures.denominator),
    ]);
    if let Some(score) = figures.score() {
        target["measureScore"] = json!({
            "value": number(score, SCORE_SCALE),
            "unit": "1",
            "system": "http://unitsofmeasure.org",
            "code": "1",
        });
    }
}

/// A decimal as a JSON number with exactly so many decimals, rounded half up.
fn number(value: Decimal, scale: u32) -> Json {
    let mut rounded = value.round_dp_with_strategy(scale, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(scale);
    if rounded.is_zero() {
        rounded.set_sign_positive(true);
    }
    serde_json::from_str(&rounded.to_string()).unwrap_or(Json::Null)
}

/// The key of a stratum. Unknown comes last.
#[derive(Clone, PartialEq, Eq)]
struct Key(Option<String>);

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

/// Where the columns stand.
struct Columns<'a> {
    names: &'a [String],
    /// Count and amount of the numerator, then of the denominator.
    figures: [usize; 4],
}

impl<'a> Columns<'a> {
    fn of(measure: &Measure, rows: &'a Rows) -> remit_fhir::Result<Columns<'a>> {
        let at = |name: &str| {
            let place = rows.columns.iter().position(|column| column == name);
            place.ok_or_else(|| Error::internal(format!("the SQL of {} gives no column {name}", measure.id)))
        };
        let (top, bottom) = (&measure.numerator, &measure.denominator);
        let figures = [
            at(&top.count_column)?,
            at(&top.amount_column)?,
            at(&bottom.count_column)?,
            at(&bottom.amount_column)?,
        ];
        for stratifier in &measure.stratifiers {
            at(&stratifier.column)?;
        }
        Ok(Columns { names: &rows.columns, figures })
    }

    fn text<'r>(&self, row: &'r [Value], name: &str) -> Option<&'r str> {
        let place = self.names.iter().position(|column| column == name)?;
        match row.get(place) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn figures(&self, row: &[Value]) -> remit_fhir::Result<Figures> {
        let [top_count, top_amount, bottom_count, bottom_amount] = self.figures;
        Ok(Figures {
            numerator: Side { count: count(row.get(top_count))?, amount: amount(row.get(top_amount))? },
            denominator: Side {
                count: count(row.get(bottom_count))?,
                amount: amount(row.get(bottom_amount))?,
            },
        })
    }

    /// The key of a row's stratum: a relative reference, a month, a name where the record has no
    /// more, `SELF` where no payer is named.
    fn key(&self, measure: &Measure, code: &str, row: &[Value]) -> (Key, Option<String>) {
        let Some(stratifier) = measure.stratifiers.iter().find(|s| s.code == code) else {
            return (Key(None), None);
        };
        let display = self.text(row, &format!("{code}_display")).map(str::to_owned);
        match self.text(row, &stratifier.column) {
            Some(value) => (Key(Some(reference(stratifier, value))), display),
            None if display.is_some() => (Key(display.clone()), display),
            None if code == "payer" => (Key(Some(SELF_PAY.to_owned())), None),
            None => (Key(None), None),
        }
    }

    fn passes(&self, measure: &Measure, request: &MeasureRequest, row: &[Value]) -> bool {
        request.filters.iter().all(|filter| {
            let (key, _) = self.key(measure, filter.code, row);
            key.0.is_some_and(|key| filter.values.contains(&key))
        })
    }
}

/// A key as a relative reference; the rows may hold the id alone.
fn reference(stratifier: &Stratifier, value: &str) -> String {
    match &stratifier.target {
        Some(target) if remit_fhir::is_id(value) => format!("{target}/{value}"),
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

fn too_large() -> Error {
    Error::unprocessable("A sum is larger than 28 digits; narrow the period or the filters.")
}
