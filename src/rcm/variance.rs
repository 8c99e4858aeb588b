//! Why a figure changed from one period to another: what each cell adds to the change. A cell's part of a
//! ratio is its numerator by the denominator of all, so the parts of all cells add up to the change.

use super::figures::{self, Figures};
use super::measure::{Group, Measure, Score};
use super::request::MeasureRequest;
use super::rows::{Columns, Key, Rows};
use remit_fhir::{Error, IssueType, Result};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// Cells of an answer.
const MAX_CELLS: usize = 10_000;
/// Decimals of a contribution: what is rounded adds up to the change within 10^-9.
const SCALE: u32 = 15;

/// One period: what was asked and what the SQL gave.
pub(super) type Side<'s> = (&'s MeasureRequest, &'s [Rows]);

/// The change of a group from the first period to the second, by cell, as Parameters.
///
/// # Errors
/// 422 for a figure that is not made of sums, and for too many cells.
pub fn variance(measure: &Measure, group: &Group, before: Side<'_>, after: Side<'_>) -> Result<Json> {
    if group.score.is_of_values() {
        let text = "Means and percentiles are not sums of cells; ask about a count, an amount or a ratio.";
        return Err(Error::unprocessable(text).coded(IssueType::BusinessRule).at("measure"));
    }
    let (cells_before, total_before) = cells(measure, group, before)?;
    let (cells_after, total_after) = cells(measure, group, after)?;
    let keys: BTreeSet<&Vec<Key>> = cells_before.keys().chain(cells_after.keys()).collect();
    if keys.len() > MAX_CELLS {
        let text = format!("There are over {MAX_CELLS} cells; name fewer dimensions.");
        return Err(Error::unprocessable(text).coded(IssueType::TooCostly).at("dimension"));
    }
    let value =
        |total: &Figures, request: &MeasureRequest| figures::score(group.score, total, request.window_days);
    let (was, is) = (value(&total_before, before.0), value(&total_after, after.0));
    let mut parameters = vec![json!({ "name": "group", "valueCode": group.name() })];
    for (name, value) in [("before", was), ("after", is), ("change", was.zip(is).map(|(was, is)| is - was))] {
        parameters.extend(value.map(|value| json!({ "name": name, "valueDecimal": decimal(value) })));
    }
    let none = Figures::default();
    let mut parts: Vec<(Decimal, Json)> = Vec::new();
    for key in keys {
        let was = part(group.score, cells_before.get(key).unwrap_or(&none), &total_before, before.0);
        let is = part(group.score, cells_after.get(key).unwrap_or(&none), &total_after, after.0);
        let contribution = is.unwrap_or_default() - was.unwrap_or_default();
        let mut list: Vec<Json> = after.0.groupings(measure).iter().zip(key).map(dimension).collect();
        list.push(json!({ "name": "before", "valueDecimal": decimal(was.unwrap_or_default()) }));
        list.push(json!({ "name": "after", "valueDecimal": decimal(is.unwrap_or_default()) }));
        list.push(json!({ "name": "contribution", "valueDecimal": decimal(contribution) }));
        parts.push((contribution, json!({ "name": "cell", "part": list })));
    }
    // What moved the figure most comes first.
    parts.sort_by_key(|(contribution, _)| std::cmp::Reverse(contribution.abs()));
    parameters.extend(parts.into_iter().map(|(_, cell)| cell));
    Ok(json!({ "resourceType": "Parameters", "parameter": parameters }))
}

fn dimension((code, key): (&&str, &Key)) -> Json {
    let key = key.0.as_deref().unwrap_or("unknown");
    json!({ "name": "dimension", "part": [
        { "name": "code", "valueCode": code }, { "name": "value", "valueString": key },
    ] })
}

type Cells = BTreeMap<Vec<Key>, Figures>;

fn cells(measure: &Measure, group: &Group, (request, rows): Side<'_>) -> Result<(Cells, Figures)> {
    let too_large = || Error::unprocessable("A sum is larger than 28 digits; narrow the period.");
    let rows = Columns::rows_of(measure, group, rows)?;
    let columns = Columns::of(measure, group, rows)?;
    let groupings: Vec<_> =
        request.groupings(measure).into_iter().filter_map(|code| measure.stratifier(code)).collect();
    let (mut cells, mut total) = (Cells::new(), Figures::default());
    for row in rows.rows.iter().filter(|row| columns.passes(measure, request, row)) {
        let figures = columns.figures(row)?;
        let key = groupings.iter().map(|stratifier| columns.key(stratifier, row).0).collect();
        total.add(&figures).ok_or_else(too_large)?;
        cells.entry(key).or_default().add(&figures).ok_or_else(too_large)?;
    }
    Ok((cells, total))
}

/// What a cell adds to the figure of all: its numerator by the denominator of all.
fn part(score: Score, cell: &Figures, total: &Figures, request: &MeasureRequest) -> Option<Decimal> {
    let figures = Figures { denominator: total.denominator, ..cell.clone() };
    figures::score(score, &figures, request.window_days)
}

fn decimal(value: Decimal) -> Json {
    let text = value.round_dp(SCALE).normalize().to_string();
    serde_json::from_str(&text).unwrap_or(Json::Null)
}
