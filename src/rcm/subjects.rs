//! The episodes behind each count of a report, as lists inside it: `reportType=subject-list`
//! (<https://hl7.org/fhir/R4/measurereport.html>). The subjects of these measures are episodes, each named
//! by its first claim or by its encounter. Strata are not listed: `$rcm-drilldown` lists any of them.

use super::measure::{Group, Measure};
use super::report::is_masked;
use super::request::MeasureRequest;
use super::rows::{Columns, Rows};
use remit_fhir::{Error, IssueType, Result};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// Entries of all lists of a report; more is asked page by page.
const MAX_ENTRIES: usize = 10_000;
/// The resources that are named as evaluated, when they are so few.
const MAX_EVALUATED: usize = 1_000;

/// Puts the lists into a report of one measure.
pub(super) fn put(
    report: &mut Json,
    measure: &Measure,
    request: &MeasureRequest,
    parts: &[(&Measure, Vec<Rows>)],
) -> Result<()> {
    measure.has_subjects()?;
    let Some((part, rows)) = parts.first() else { return Ok(()) };
    report["type"] = json!("subject-list");
    let (mut lists, mut entries, mut evaluated) = (Vec::new(), 0, BTreeSet::new());
    for (n, group) in part.groups.iter().enumerate() {
        if is_masked(&report["group"][n]) {
            continue;
        }
        for (place, units) in units(part, group, request, rows)?.into_iter().enumerate() {
            entries += units.len();
            if entries > MAX_ENTRIES {
                let text = format!(
                    "The lists have over {MAX_ENTRIES} entries; ask $rcm-drilldown, which gives them page by page."
                );
                return Err(Error::unprocessable(text).coded(IssueType::TooCostly).at("reportType"));
            }
            let id = format!("list-{n}-{place}");
            let population = &mut report["group"][n]["population"][place];
            population["subjectResults"] = json!({ "reference": format!("#{id}") });
            lists.push(list(&id, &units));
            evaluated.extend(units);
        }
    }
    if !lists.is_empty() {
        report["contained"] = Json::Array(lists);
    }
    if (1..=MAX_EVALUATED).contains(&evaluated.len()) {
        report["evaluatedResource"] = evaluated.iter().map(|unit| json!({ "reference": unit })).collect();
    }
    Ok(())
}

/// The episodes of each population of a group.
fn units(
    measure: &Measure,
    group: &Group,
    request: &MeasureRequest,
    rows: &[Rows],
) -> Result<Vec<BTreeSet<String>>> {
    let rows = Columns::rows_of(measure, group, rows)?;
    let columns = Columns::of(measure, group, rows)?;
    let mut all = vec![BTreeSet::new(); group.populations.len()];
    for row in rows.rows.iter().filter(|row| columns.passes(measure, request, row)) {
        for (population, units) in group.populations.iter().zip(&mut all) {
            if !columns.adds(row, side(&population.code)) {
                continue;
            }
            let unit = columns.unit(row).filter(|unit| unit.contains('/'));
            let unit = unit.ok_or_else(|| {
                measure.fault("The SQL does not name episodes as Type/id in a column unit_id, so they cannot be listed.".to_owned())
            })?;
            units.insert(unit.to_owned());
        }
    }
    Ok(all)
}

/// The place of a population among the sides of a row.
fn side(code: &str) -> usize {
    match code {
        "numerator" => 0,
        "initial-population" => 2,
        _ => 1,
    }
}

fn list(id: &str, units: &BTreeSet<String>) -> Json {
    let mut list = json!({ "resourceType": "List", "id": id, "status": "current", "mode": "snapshot" });
    let entries: Vec<Json> = units.iter().map(|unit| json!({ "item": { "reference": unit } })).collect();
    match entries.is_empty() {
        true => {
            list["emptyReason"] = json!({ "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "nilknown",
            }] });
        }
        false => list["entry"] = Json::Array(entries),
    }
    list
}
