//! A Measure as it is computed here (<https://hl7.org/fhir/R4/measure.html>): its populations and
//! stratifiers name columns of the answer of the SQL in its Library.

use super::artefacts::artefacts_of;
use super::request::MeasureRequest;
use super::{BASE, report};
use remit_fhir::base64;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::sync::LazyLock;

/// A value bound to a named parameter of the SQL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parameter {
    /// A day as `YYYY-MM-DD`, to be bound as DATE.
    Date(String),
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
}

/// One side of the ratio.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Population {
    /// Code in `measure-population`: numerator or denominator.
    pub code: String,
    /// The column with the number of episodes.
    pub count_column: String,
    /// The column with the sum of money.
    pub amount_column: String,
}

/// A grouping that can be asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stratifier {
    /// The name in `groupBy`.
    pub code: String,
    /// The column with the key of the stratum.
    pub column: String,
    /// The resource type that the key refers to.
    pub target: Option<String>,
}

/// A measure that can be evaluated: a ratio of two sums of money.
#[derive(Clone, PartialEq, Debug)]
pub struct Measure {
    /// Logical id.
    pub id: String,
    /// Canonical URL.
    pub url: String,
    /// Business version.
    pub version: String,
    /// `improvementNotation`, repeated in the report.
    pub improvement_notation: Json,
    /// The code of its group, repeated in the report.
    pub group_code: Json,
    /// What is divided.
    pub numerator: Population,
    /// By what.
    pub denominator: Population,
    /// The groupings.
    pub stratifiers: Vec<Stratifier>,
    /// The SQL that gives the rows, parameters written `:name`.
    pub sql: String,
    /// The parameters that the SQL wants.
    pub parameters: Vec<String>,
    /// The tables that the SQL reads: names of ViewDefinitions.
    pub tables: Vec<String>,
}

static SHIPPED: LazyLock<Vec<Measure>> = LazyLock::new(|| {
    artefacts_of("Measure")
        .map(|artefact| {
            let json =
                serde_json::from_str(artefact.json).expect("a shipped Measure is JSON; a test reads each");
            Measure::read(&json, shipped_library).expect("a shipped Measure is whole; a test reads each")
        })
        .collect()
});

fn shipped_library(canonical: &str) -> Option<Json> {
    artefacts_of("Library")
        .filter_map(|artefact| serde_json::from_str::<Json>(artefact.json).ok())
        .find(|library| same_canonical(canonical, text(library, "url"), text(library, "version")))
}

/// Whether a canonical, perhaps with `|version`, means this url and version.
fn same_canonical(canonical: &str, url: &str, version: &str) -> bool {
    match canonical.split_once('|') {
        Some((left, right)) => left == url && right == version,
        None => canonical == url,
    }
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_default()
}

impl Measure {
    /// Every measure that comes with the program.
    pub fn all() -> &'static [Measure] {
        &SHIPPED
    }

    /// The shipped measure with this id or canonical URL, with or without `|version`.
    pub fn find(id_or_canonical: &str) -> Option<&'static Measure> {
        let id = id_or_canonical.strip_prefix("Measure/").unwrap_or(id_or_canonical);
        Measure::all().iter().find(|m| m.id == id || same_canonical(id, &m.url, &m.version))
    }

    /// Reads a Measure whose Library is found by `library`; the error says what is missing.
    pub fn read(json: &Json, library: impl Fn(&str) -> Option<Json>) -> Result<Measure, Cow<'static, str>> {
        let group = &json["group"][0];
        let canonical = json["library"][0].as_str().ok_or("Measure.library names no Library.")?;
        let library = library(canonical).ok_or_else(|| format!("The Library {canonical} is not known."))?;
        let stratifiers: Option<Vec<Stratifier>> = items(&group["stratifier"]).map(read_stratifier).collect();
        let stratifiers = stratifiers.ok_or("A stratifier needs a code and a column as its expression.")?;
        let parameters = names(&library["parameter"], "name");
        if let Some(unknown) = parameters.iter().find(|name| !is_bindable(name, &stratifiers)) {
            return Err(
                format!("The parameter {unknown} of {canonical} is not one that can be bound.").into()
            );
        }
        Ok(Measure {
            id: text(json, "id").to_owned(),
            url: text(json, "url").to_owned(),
            version: text(json, "version").to_owned(),
            improvement_notation: json["improvementNotation"].clone(),
            group_code: group["code"].clone(),
            numerator: read_population(group, "numerator")?,
            denominator: read_population(group, "denominator")?,
            stratifiers,
            sql: read_sql(&library)
                .ok_or_else(|| format!("The Library {canonical} holds no SQL in content.data."))?,
            parameters,
            tables: names(&library["relatedArtifact"], "label"),
        })
    }

    /// The SQL for a request, and the values of its parameters by name.
    pub fn query(&self, request: &MeasureRequest) -> (&str, Vec<(&str, Parameter)>) {
        let parameters =
            self.parameters.iter().map(|name| (name.as_str(), self.bind(name, request))).collect();
        (&self.sql, parameters)
    }

    /// The MeasureReport for the rows that [`Measure::query`] gave. `date` is the instant of the report.
    ///
    /// # Errors
    /// When the rows are not those of the measure's SQL: a defect, not a fault of the caller.
    pub fn report(
        &self,
        request: &MeasureRequest,
        rows: &report::Rows,
        date: &str,
    ) -> remit_fhir::Result<Json> {
        report::report(self, request, rows, date)
    }

    /// The value of one parameter. A grouping is on when it is asked for or filtered by.
    fn bind(&self, name: &str, request: &MeasureRequest) -> Parameter {
        match name {
            "period_start" => Parameter::Date(request.period_start.0.clone()),
            "period_end" => Parameter::Date(request.period_end.0.clone()),
            "as_of" => Parameter::Date(request.as_of.as_ref().map_or("9999-12-31", |day| &day.0).to_owned()),
            "currency" => Parameter::Text(request.currency.clone()),
            _ => {
                let wanted = name.strip_prefix("by_").is_some_and(|code| request.needs(code));
                Parameter::Integer(wanted.into())
            }
        }
    }
}

fn is_bindable(name: &str, stratifiers: &[Stratifier]) -> bool {
    matches!(name, "period_start" | "period_end" | "as_of" | "currency")
        || name.strip_prefix("by_").is_some_and(|code| stratifiers.iter().any(|s| s.code == code))
}

fn items(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

fn names(json: &Json, member: &str) -> Vec<String> {
    items(json).filter_map(|item| item[member].as_str()).map(str::to_owned).collect()
}

fn extension<'a>(json: &'a Json, name: &str, value: &str) -> Option<&'a str> {
    let url = format!("{BASE}/StructureDefinition/{name}");
    items(&json["extension"]).find(|e| e["url"] == url.as_str())?[value].as_str()
}

fn read_population(group: &Json, code: &str) -> Result<Population, Cow<'static, str>> {
    items(&group["population"])
        .find(|population| population["code"]["coding"][0]["code"] == code)
        .and_then(|population| {
            Some(Population {
                code: code.to_owned(),
                count_column: population["criteria"]["expression"].as_str()?.to_owned(),
                amount_column: extension(population, "rcm-population-quantity", "valueString")?.to_owned(),
            })
        })
        .ok_or_else(|| format!("The {code} needs a column for its count and one for its amount.").into())
}

fn read_stratifier(json: &Json) -> Option<Stratifier> {
    Some(Stratifier {
        code: json["code"]["coding"][0]["code"].as_str()?.to_owned(),
        column: json["criteria"]["expression"].as_str()?.to_owned(),
        target: extension(json, "rcm-stratifier-target", "valueCode").map(str::to_owned),
    })
}

fn read_sql(library: &Json) -> Option<String> {
    let content = items(&library["content"]).find(|content| content["contentType"] == "application/sql")?;
    String::from_utf8(base64::decode(content["data"].as_str()?)?).ok()
}
