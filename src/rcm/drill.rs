//! The way from a number to what is behind it: which population of which group, in which strata.

use super::library::Library;
use super::measure::{Group, Measure, Parameter, Population};
use super::request::{Inputs, MeasureRequest};
use super::{BASE, SELF_PAY};
use remit_fhir::{Error, Issue, IssueType, Kind, Result};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Entries of a page when none is asked for.
const DEFAULT_COUNT: usize = 50;
/// Entries of a page at most.
const MAX_COUNT: usize = 1_000;
/// Strata that one number can stand in: one of each stratifier.
const MAX_STRATA: usize = 10;

/// What list is asked for.
#[derive(Debug)]
pub struct Drill<'m> {
    measure: &'m Measure,
    group: &'m Group,
    population: &'m Population,
    /// Stratifier and key.
    strata: Vec<(String, String)>,
    after: Option<String>,
    /// Entries of a page.
    pub count: usize,
}

fn refuse(kind: Kind, code: IssueType, name: &str, sentence: impl Into<String>) -> Error {
    Error::with_issues(kind, vec![Issue::error(code, sentence).at(name)])
}

impl<'m> Drill<'m> {
    /// Reads what is asked, and gives the inputs that are the measure's own.
    ///
    /// # Errors
    /// 400 for what cannot be read, 422 for a group, population or stratum that the measure has not.
    pub fn read(
        measure: &'m Measure,
        pairs: &[(String, String)],
    ) -> Result<(Drill<'m>, Vec<(String, String)>)> {
        const OWN: &[&str] = &["population", "group", "stratum", "report", "_count", "_after"];
        let (own, rest): (Vec<_>, Vec<_>) =
            pairs.iter().cloned().partition(|(name, _)| OWN.contains(&name.as_str()));
        let mut own = Inputs::of(own);
        if !measure.composed_of.is_empty() {
            let text = "This measure is composed of others; ask the one that the number is of.";
            return Err(refuse(Kind::Unprocessable, IssueType::BusinessRule, "measure", text));
        }
        let name = own.one("population");
        let Some(name) = name else {
            let text =
                "Name the population: numerator, denominator, or the code of a group for its numerator.";
            return Err(refuse(Kind::Invalid, IssueType::Required, "population", text));
        };
        let asked_group = own.one("group");
        let (group, code) = match measure.groups.iter().find(|group| group.name() == name) {
            Some(group) if asked_group.as_ref().is_none_or(|asked| *asked == name) => {
                (Some(group), "numerator")
            }
            _ => {
                let group = match &asked_group {
                    Some(asked) => measure.groups.iter().find(|group| group.name() == asked),
                    None => measure.groups.first(),
                };
                (group, name.as_str())
            }
        };
        let groups: Vec<&str> = measure.groups.iter().map(Group::name).collect();
        let unknown = |name: &str| {
            let text = format!("There is no such population here; the groups are {}.", groups.join(", "));
            refuse(Kind::Unprocessable, IssueType::NotFound, name, text)
        };
        let group = group.ok_or_else(|| unknown("group"))?;
        // What is observed is counted by the denominator.
        let code = if group.score.is_of_values() && code == "numerator" { "denominator" } else { code };
        let population = group.population(code).ok_or_else(|| unknown("population"))?;
        let strata = strata(measure, &own.all("stratum"))?;
        let count = own.number("_count", 1..=MAX_COUNT as i64);
        let after = own.one("_after");
        own.finish()?;
        let count = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(DEFAULT_COUNT);
        Ok((Drill { measure, group, population, strata, after, count }, rest))
    }

    /// The measure's question, told apart by the strata, too.
    pub fn request(&self, request: MeasureRequest) -> MeasureRequest {
        let group_by = self.strata.iter().map(|(code, _)| code.clone()).collect();
        MeasureRequest { group_by, ..request }
    }

    /// The Library whose SQL gives the number.
    ///
    /// # Errors
    /// When there is none, or it cannot tell episodes apart.
    pub fn library(&self) -> Result<&'m Arc<Library>> {
        let gives = |library: &&Arc<Library>| self.group.columns().all(|column| library.gives(column));
        let found = match self.measure.libraries.as_slice() {
            [only] => Some(only),
            several => several.iter().find(gives),
        };
        let found = found.ok_or_else(|| {
            self.measure.fault(format!("No SQL names the columns of {}.", self.group.name()))
        })?;
        match found.parameters.iter().any(|name| name == "by_episode") {
            true => Ok(found),
            false => Err(self.measure.fault(
                "The SQL has no parameter by_episode, so its rows cannot be told apart by episode."
                    .to_owned(),
            )),
        }
    }

    /// The whole list as a statement over the table `figures`, with its own parameters: each unit with
    /// what it adds. It is the same for every page.
    pub fn list(&self, library: &Library, request: &MeasureRequest) -> (String, Vec<(String, Parameter)>) {
        let measure = self.measure;
        let mut parameters = Vec::new();
        let count = &self.population.count_column;
        let mut adds = format!("f.{count} <> 0");
        let mut amount = "0".to_owned();
        if let Some(column) = &self.population.amount_column {
            adds = format!("({adds} OR f.{column} <> 0)");
            amount = format!("SUM(f.{column})");
        }
        let mut conditions = vec![adds, "f.unit_id IS NOT NULL".to_owned()];
        let filters = request.filters.iter().map(|filter| (filter.code, filter.values.as_slice()));
        let strata = self.strata.iter().map(|(code, key)| (code.as_str(), std::slice::from_ref(key)));
        for (place, (code, values)) in filters.chain(strata).enumerate() {
            let Some(stratifier) = measure.stratifiers.iter().find(|s| s.code == code) else { continue };
            if let Some(bounds) = &stratifier.buckets {
                let bounds = request.buckets.as_ref().unwrap_or(bounds);
                conditions.extend(values.iter().map(|label| bucket(&stratifier.column, bounds, label)));
                continue;
            }
            let mut names = Vec::new();
            // The rows may hold the id of a reference alone.
            let ids = values.iter().filter_map(|value| {
                value.strip_prefix(stratifier.target.as_deref()?)?.strip_prefix('/').map(str::to_owned)
            });
            for (n, value) in values.iter().cloned().chain(ids).enumerate() {
                names.push(format!(":key_{place}_{n}"));
                parameters.push((format!("key_{place}_{n}"), Parameter::Text(value)));
            }
            let key = key_sql(library, code, &stratifier.column);
            conditions.push(format!("{key} IN ({})", names.join(", ")));
        }
        let conditions = conditions.join(" AND ");
        let sql = format!(
            "SELECT f.unit_id, SUM(f.{count}) AS episodes, {amount} AS amount FROM figures f \
             WHERE {conditions} GROUP BY f.unit_id"
        );
        (sql, parameters)
    }

    /// How long the list is, as a statement over the table `list`.
    pub fn length(&self) -> &'static str {
        "SELECT COUNT(l.unit_id) AS units FROM list l"
    }

    /// A page of the list and one entry more, as a statement over the table `list`.
    pub fn page(&self) -> (String, Vec<(String, Parameter)>) {
        let after = self.after.clone().map(|unit| ("after".to_owned(), Parameter::Text(unit)));
        let condition = if after.is_some() { " WHERE l.unit_id > :after" } else { "" };
        let sql = format!(
            "SELECT l.unit_id, l.episodes, l.amount FROM list l{condition} ORDER BY l.unit_id LIMIT {}",
            self.count + 1
        );
        (sql, after.into_iter().collect())
    }
}

/// The key of a stratum as the report writes it.
fn key_sql(library: &Library, code: &str, column: &str) -> String {
    let none = if code == "payer" { SELF_PAY } else { "unknown" };
    let shown = match code {
        "payer" | "facility" | "provider" if library.mentions(&format!("{code}_display")) => {
            format!(" f.{code}_display,")
        }
        _ => String::new(),
    };
    format!("COALESCE(CAST(f.{column} AS VARCHAR),{shown} '{none}')")
}

/// The days of a bucket by its label, which was checked.
fn bucket(column: &str, bounds: &[i64], label: &str) -> String {
    if let Some(below) = label.strip_prefix('>').and_then(|text| text.parse::<i64>().ok()) {
        return format!("f.{column} > {below}");
    }
    let ends =
        label.split_once('-').and_then(|(a, b)| Some((a.parse::<i64>().ok()?, b.parse::<i64>().ok()?)));
    match ends {
        Some((low, high)) if bounds.contains(&high) => match low {
            0 => format!("f.{column} <= {high}"),
            _ => format!("f.{column} >= {low} AND f.{column} <= {high}"),
        },
        // No bucket of the measure: nothing is in it.
        _ => "1 = 0".to_owned(),
    }
}

fn strata(measure: &Measure, given: &[String]) -> Result<Vec<(String, String)>> {
    let mut strata = Vec::new();
    if given.len() > MAX_STRATA {
        let text = format!("At most {MAX_STRATA} strata are read.");
        return Err(refuse(Kind::Invalid, IssueType::TooCostly, "stratum", text));
    }
    for text in given {
        let Some((code, key)) = text.split_once('|') else {
            let text = "Give a stratum as stratifier|key, such as payer|Organization/1 or bucket|61-90.";
            return Err(refuse(Kind::Invalid, IssueType::Value, "stratum", text));
        };
        if !measure.stratifiers.iter().any(|stratifier| stratifier.code == code) {
            let codes: Vec<&str> = measure.stratifiers.iter().map(|s| s.code.as_str()).collect();
            let text = format!("This measure is grouped by {}.", codes.join(", "));
            return Err(refuse(Kind::Unprocessable, IssueType::NotFound, "stratum", text));
        }
        strata.push((code.to_owned(), key.to_owned()));
    }
    Ok(strata)
}

/// What one entry adds to the number, for `Bundle.entry.search`.
pub fn contribution(count: i64, amount: Option<Decimal>, currency: &str) -> Json {
    let mut parts = vec![json!({ "url": "count", "valueInteger": count })];
    if let Some(amount) = amount {
        let value: Json = serde_json::from_str(&amount.normalize().to_string()).unwrap_or(Json::Null);
        parts.push(json!({ "url": "amount", "valueMoney": { "value": value, "currency": currency } }));
    }
    json!([{ "url": format!("{BASE}/StructureDefinition/rcm-contribution"), "extension": parts }])
}
