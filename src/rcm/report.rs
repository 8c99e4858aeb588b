//! The MeasureReport (<https://hl7.org/fhir/R4/measurereport.html>).
//!
//! `population.count` is an integer in R4, so amounts stand in an extension beside it. A figure without
//! a denominator has no score, only the reason why. Division is done once, at full precision; rounding,
//! half up, is the last step.

use super::figures::{Figures, Side};
use super::measure::{Group, Measure, Population, Score, Stratifier};
use super::report_type::ReportType;
use super::request::MeasureRequest;
use super::rows::{Columns, Key, Rows};
use super::{BASE, figures, subjects};
use remit_fhir::Error;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const UCUM: &str = "http://unitsofmeasure.org";
/// Decimals of an amount: the minor unit of the currencies that bills are written in.
const MONEY_SCALE: u32 = 2;
/// Decimals of a score that is an amount.
const AMOUNT_SCALE: u32 = 4;
/// Decimals of a score: six, as the SQL of other engines rounds a quotient.
const SCORE_SCALE: u32 = 6;

impl Measure {
    /// The MeasureReport for the rows of each Library of each part, in their order. `date` is the instant
    /// of the report.
    ///
    /// # Errors
    /// When the rows are not those of the measure's SQL: a defect, not a fault of the caller.
    pub fn report(
        &self,
        request: &MeasureRequest,
        parts: &[(&Measure, Vec<Rows>)],
        date: &str,
    ) -> remit_fhir::Result<Json> {
        let mut groups = Vec::new();
        for (part, rows) in parts {
            let shown = if self.composed_of.is_empty() { &part.groups[..] } else { &part.groups[..1] };
            for group in shown {
                let mut json = one_group(part, group, request, rows)?;
                if !self.composed_of.is_empty() {
                    json["code"] = json!({ "coding": [{
                        "system": format!("{BASE}/CodeSystem/rcm-group"), "code": part.id,
                    }] });
                }
                groups.push(json);
            }
        }
        let mut report = json!({
            "resourceType": "MeasureReport",
            "status": "complete",
            "type": "summary",
            "measure": self.canonical(),
            "date": date,
            "period": { "start": request.period.0, "end": request.period.1 },
        });
        if !self.improvement_notation.is_null() {
            report["improvementNotation"] = self.improvement_notation.clone();
        }
        if let Some(inputs) = request.inputs_extension() {
            report["extension"] = inputs;
        }
        // An empty list is not FHIR.
        if !groups.is_empty() {
            report["group"] = Json::Array(groups);
        }
        if request.report_type == ReportType::SubjectList {
            subjects::put(&mut report, self, request, parts)?;
        }
        Ok(report)
    }
}

/// The strata of one group: by the keys of each grouping, by bucket, and by both.
struct Strata<'m> {
    groupings: Vec<&'m Stratifier>,
    by_key: Vec<BTreeMap<Key, Figures>>,
    displays: BTreeMap<(usize, String), String>,
    buckets: Option<(&'m Stratifier, Vec<i64>)>,
    by_bucket: BTreeMap<usize, Figures>,
    by_both: Vec<BTreeMap<(Key, usize), Figures>>,
}

impl<'m> Strata<'m> {
    fn of(measure: &'m Measure, request: &'m MeasureRequest) -> Strata<'m> {
        let groupings: Vec<&Stratifier> =
            request.groupings(measure).into_iter().filter_map(|code| measure.stratifier(code)).collect();
        let bucketed = measure.stratifiers.iter().find_map(|s| Some((s, s.buckets.clone()?)));
        let buckets = bucketed.map(|(s, bounds)| (s, request.buckets.clone().unwrap_or(bounds)));
        let places = buckets.iter().flat_map(|(_, bounds)| 0..=bounds.len());
        Strata {
            by_key: vec![BTreeMap::new(); groupings.len()],
            by_both: vec![BTreeMap::new(); groupings.len()],
            displays: BTreeMap::new(),
            by_bucket: places.map(|place| (place, Figures::default())).collect(),
            groupings,
            buckets,
        }
    }

    /// Adds a row; `None` when a sum is too large.
    fn add(&mut self, columns: &Columns<'_>, row: &[super::Value], figures: &Figures) -> Option<()> {
        let bucket = self.buckets.as_ref().map(|(stratifier, bounds)| {
            let days = columns.integer(row, &stratifier.column).unwrap_or(0);
            bounds.iter().position(|bound| days <= *bound).unwrap_or(bounds.len())
        });
        if let Some(bucket) = bucket {
            self.by_bucket.entry(bucket).or_default().add(figures)?;
        }
        for (place, stratifier) in self.groupings.iter().enumerate() {
            let (key, display) = columns.key(stratifier, row);
            if let (Some(code), Some(display)) = (&key.0, display) {
                self.displays.entry((place, code.clone())).or_insert(display);
            }
            if let Some(bucket) = bucket {
                self.by_both[place].entry((key.clone(), bucket)).or_default().add(figures)?;
            }
            self.by_key[place].entry(key).or_default().add(figures)?;
        }
        Some(())
    }
}

fn one_group(
    measure: &Measure,
    group: &Group,
    request: &MeasureRequest,
    rows: &[Rows],
) -> remit_fhir::Result<Json> {
    let rows = Columns::rows_of(measure, group, rows)?;
    let columns = Columns::of(measure, group, rows)?;
    let mut total = Figures::default();
    let mut strata = Strata::of(measure, request);
    for row in &rows.rows {
        if !columns.passes(measure, request, row) {
            continue;
        }
        let figures = columns.figures(row)?;
        let added = total.add(&figures).and_then(|()| strata.add(&columns, row, &figures));
        added.ok_or_else(too_large)?;
    }
    let writer = Writer { group, request };
    let mut json = json!({});
    if !group.code.is_null() {
        json["code"] = group.code.clone();
    }
    writer.put(&mut json, &total);
    let is_empty = total.numerator.count == 0 && total.denominator.count == 0;
    if let Some(sentence) = group.missing_input.as_ref().filter(|_| is_empty) {
        json["extension"] = json!([{
            "url": format!("{BASE}/StructureDefinition/rcm-missing-input"), "valueString": sentence,
        }]);
    }
    let stratifiers = writer.stratifiers(&strata);
    if !stratifiers.is_empty() {
        json["stratifier"] = Json::Array(stratifiers);
    }
    Ok(json)
}

struct Writer<'w> {
    group: &'w Group,
    request: &'w MeasureRequest,
}

impl Writer<'_> {
    fn stratifiers(&self, strata: &Strata<'_>) -> Vec<Json> {
        let mut all = Vec::new();
        for (place, stratifier) in strata.groupings.iter().enumerate() {
            let list = strata.by_key[place].iter().map(|(key, figures)| {
                let display = key.0.as_ref().and_then(|code| strata.displays.get(&(place, code.clone())));
                self.stratum(json!({ "value": value(key, display) }), figures)
            });
            all.push(stratifier_json(&[&stratifier.code], list.collect()));
        }
        let Some((buckets, bounds)) = &strata.buckets else { return all };
        let list = strata
            .by_bucket
            .iter()
            .map(|(place, figures)| self.stratum(json!({ "value": plain(&label(bounds, *place)) }), figures));
        all.push(stratifier_json(&[&buckets.code], list.collect()));
        for (place, stratifier) in strata.groupings.iter().enumerate() {
            let list = strata.by_both[place].iter().map(|((key, bucket), figures)| {
                let display = key.0.as_ref().and_then(|code| strata.displays.get(&(place, code.clone())));
                let component = json!([
                    { "code": code_of(&stratifier.code), "value": value(key, display) },
                    { "code": code_of(&buckets.code), "value": plain(&label(bounds, *bucket)) },
                ]);
                self.stratum(json!({ "component": component }), figures)
            });
            all.push(stratifier_json(&[&stratifier.code, &buckets.code], list.collect()));
        }
        all
    }

    fn stratum(&self, mut stratum: Json, figures: &Figures) -> Json {
        self.put(&mut stratum, figures);
        stratum
    }

    /// Puts populations and score; what is of too few is only said to be masked.
    fn put(&self, target: &mut Json, figures: &Figures) {
        let side = |code: &str| match code {
            "numerator" => &figures.numerator,
            "initial-population" => &figures.initial,
            _ => &figures.denominator,
        };
        let counted = self.group.populations.last().map_or(0, |population| side(&population.code).count);
        if counted < self.request.min_cell {
            target["measureScore"] = absent("masked");
            return;
        }
        let populations = self.group.populations.iter();
        target["population"] = populations.map(|p| self.population(p, side(&p.code))).collect();
        let days = self.group.days.unwrap_or(self.request.window_days);
        let factor = Decimal::from(self.group.factor.unwrap_or(1));
        let score = figures::score(self.group.score, figures, days).and_then(|s| s.checked_mul(factor));
        target["measureScore"] = match score {
            Some(score) => self.quantity(score),
            None => absent("not-applicable"),
        };
    }

    fn population(&self, population: &Population, side: &Side) -> Json {
        let mut json = json!({});
        if population.amount_column.is_some() {
            let value = number(side.amount, MONEY_SCALE);
            let (kind, quantity) = match &self.group.unit {
                None => ("valueMoney", json!({ "value": value, "currency": self.request.currency })),
                Some(unit) => {
                    ("valueQuantity", json!({ "value": value, "unit": unit, "system": UCUM, "code": unit }))
                }
            };
            let url = format!("{BASE}/StructureDefinition/rcm-population-quantity");
            json["extension"] = json!([{ "url": url, kind: quantity }]);
        }
        json["code"] = json!({ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/measure-population",
            "code": population.code,
        }] });
        json["count"] = json!(side.count);
        json
    }

    fn quantity(&self, score: Decimal) -> Json {
        let (unit, system, scale) = match self.group.score {
            Score::Amount | Score::AmountPerCount => {
                (self.request.currency.as_str(), "urn:iso:std:iso:4217", AMOUNT_SCALE)
            }
            Score::Days | Score::Mean | Score::Median | Score::P90 | Score::Maximum => {
                ("d", UCUM, SCORE_SCALE)
            }
            Score::Percent => ("%", UCUM, SCORE_SCALE),
            Score::Count => ("1", UCUM, 0),
            Score::CountRatio | Score::AmountRatio => ("1", UCUM, SCORE_SCALE),
        };
        let (unit, system) = self.group.unit.as_deref().map_or((unit, system), |own| (own, UCUM));
        json!({ "value": number(score, scale), "unit": unit, "system": system, "code": unit })
    }
}

/// Whether a group is of too few to be shown.
pub(super) fn is_masked(group: &Json) -> bool {
    group.get("population").is_none()
}

fn absent(reason: &str) -> Json {
    json!({ "extension": [{
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": reason,
    }] })
}

fn code_of(code: &str) -> Json {
    json!({ "coding": [{ "system": format!("{BASE}/CodeSystem/rcm-stratifier"), "code": code }] })
}

fn stratifier_json(codes: &[&str], strata: Vec<Json>) -> Json {
    let codes: Vec<Json> = codes.iter().map(|code| code_of(code)).collect();
    let mut stratifier = json!({ "code": codes });
    // An empty array is not FHIR: without rows there are no strata to list.
    if !strata.is_empty() {
        stratifier["stratum"] = Json::Array(strata);
    }
    stratifier
}

/// The name of a bucket: `0-30`, `31-60`, `>60`.
fn label(bounds: &[i64], place: usize) -> String {
    let below = place.checked_sub(1).and_then(|before| bounds.get(before));
    match (below, bounds.get(place)) {
        (None, Some(bound)) => format!("0-{bound}"),
        (Some(below), Some(bound)) => format!("{}-{bound}", below + 1),
        (Some(below), None) => format!(">{below}"),
        (None, None) => ">=0".to_owned(),
    }
}

fn plain(code: &str) -> Json {
    json!({ "coding": [{ "code": code }], "text": code })
}

fn value(key: &Key, display: Option<&String>) -> Json {
    let Some(code) = &key.0 else {
        return json!({
            "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown" }],
            "text": "unknown",
        });
    };
    json!({ "coding": [{ "code": code }], "text": display.unwrap_or(code) })
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

fn too_large() -> Error {
    Error::unprocessable("A sum is larger than 28 digits; narrow the period or the filters.")
}
