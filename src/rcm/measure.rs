//! A Measure as it is computed here (<https://hl7.org/fhir/R4/measure.html>): its populations and
//! stratifiers name columns of the answers of the SQL in its Libraries.

use super::BASE;
use super::artefacts::artefacts_of;
use super::library::{Library, items, same_canonical, text};
use super::request::{Basis, MeasureRequest};
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
    /// An exact number as JSON writes it.
    Decimal(String),
}

/// How the score of a group follows from its populations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Score {
    /// Count by count.
    CountRatio,
    /// Amount by amount.
    AmountRatio,
    /// The amount of the numerator.
    Amount,
    /// The count of the numerator.
    Count,
    /// The amount of the numerator by what the denominator's is in a day of the window.
    Days,
    /// The mean of the observations.
    Mean,
    /// Their median.
    Median,
    /// The value that nine of ten do not exceed, between the nearest two.
    P90,
}

impl Score {
    fn read(code: &str) -> Option<Score> {
        Some(match code {
            "count-ratio" => Score::CountRatio,
            "amount-ratio" => Score::AmountRatio,
            "amount" => Score::Amount,
            "count" => Score::Count,
            "days" => Score::Days,
            "mean" => Score::Mean,
            "median" => Score::Median,
            "p90" => Score::P90,
            _ => return None,
        })
    }

    /// Whether the score is made of single values.
    pub(super) fn is_of_values(self) -> bool {
        matches!(self, Score::Mean | Score::Median | Score::P90)
    }
}

/// One side of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Population {
    /// Code in `measure-population`: numerator or denominator.
    pub code: String,
    /// The column with the number of episodes.
    pub count_column: String,
    /// The column with the sum of money.
    pub amount_column: Option<String>,
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
    /// The key is a number of days, told apart by these upper bounds. Such strata are always there.
    pub buckets: Option<Vec<i64>>,
}

/// One figure of a measure.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// Its code, repeated in the report.
    pub code: Json,
    /// What the score is.
    pub score: Score,
    /// Numerator and denominator, as far as there are.
    pub populations: Vec<Population>,
    /// The column with the values that are observed; the denominator counts how often.
    pub observation_column: Option<String>,
}

impl Group {
    /// The code by which it is asked for.
    pub fn name(&self) -> &str {
        self.code["coding"][0]["code"].as_str().unwrap_or_default()
    }

    /// The population of a code.
    pub fn population(&self, code: &str) -> Option<&Population> {
        self.populations.iter().find(|population| population.code == code)
    }

    /// All columns that the figures are made of.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.populations
            .iter()
            .flat_map(|population| {
                [Some(population.count_column.as_str()), population.amount_column.as_deref()]
            })
            .flatten()
            .chain(self.observation_column.as_deref())
    }
}

/// A measure that can be evaluated.
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
    /// Its figures.
    pub groups: Vec<Group>,
    /// The groupings.
    pub stratifiers: Vec<Stratifier>,
    /// The grouping when none is asked for.
    pub default_group_by: Vec<String>,
    /// Without an asOf the world ends with the period: what a balance needs.
    pub ends_with_period: bool,
    /// Inputs that the record does not hold: the caller must give them.
    pub needed_inputs: Vec<String>,
    /// The SQL that gives the rows.
    pub libraries: Vec<&'static Library>,
    /// The canonicals of the measures that it is composed of.
    pub composed_of: Vec<String>,
}

static SHIPPED: LazyLock<Vec<Measure>> = LazyLock::new(|| {
    artefacts_of("Measure")
        .map(|artefact| {
            let json =
                serde_json::from_str(artefact.json).expect("a shipped Measure is JSON; a test reads each");
            Measure::read(&json, Library::find).expect("a shipped Measure is whole; a test reads each")
        })
        .collect()
});

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

    /// Reads a Measure whose Libraries are found by `library`; the error says what is missing.
    pub fn read(
        json: &Json,
        library: impl Fn(&str) -> Option<&'static Library>,
    ) -> Result<Measure, Cow<'static, str>> {
        let composed = items(&json["relatedArtifact"]).filter(|artifact| artifact["type"] == "composed-of");
        let composed_of: Vec<String> =
            composed.filter_map(|artifact| artifact["resource"].as_str()).map(str::to_owned).collect();
        let mut libraries = Vec::new();
        for canonical in items(&json["library"]).filter_map(Json::as_str) {
            libraries
                .push(library(canonical).ok_or_else(|| format!("The Library {canonical} is not known."))?);
        }
        if libraries.is_empty() && composed_of.is_empty() {
            return Err("Measure.library names no Library.".into());
        }
        let stratifiers: Option<Vec<Stratifier>> =
            items(&json["group"][0]["stratifier"]).map(read_stratifier).collect();
        let stratifiers = stratifiers.ok_or("A stratifier needs a code and a column as its expression.")?;
        for library in &libraries {
            if let Some(unknown) = library.parameters.iter().find(|name| !is_bindable(name, &stratifiers)) {
                let text =
                    format!("The parameter {unknown} of {} is not one that can be bound.", library.url);
                return Err(text.into());
            }
        }
        let default = extension(json, "rcm-group-by-default", "valueString").unwrap_or_default();
        Ok(Measure {
            id: text(json, "id").to_owned(),
            url: text(json, "url").to_owned(),
            version: text(json, "version").to_owned(),
            improvement_notation: json["improvementNotation"].clone(),
            groups: items(&json["group"]).map(read_group).collect::<Result<_, _>>()?,
            stratifiers,
            default_group_by: default.split(',').filter(|code| !code.is_empty()).map(str::to_owned).collect(),
            ends_with_period: extension(json, "rcm-as-of-default", "valueCode") == Some("period-end"),
            needed_inputs: extensions(json, "rcm-needed-input", "valueCode").map(str::to_owned).collect(),
            libraries,
            composed_of,
        })
    }

    /// The measures that this one is composed of; itself when it is not.
    pub fn parts(&self) -> Vec<&Measure> {
        match self.composed_of.is_empty() {
            true => vec![self],
            false => self.composed_of.iter().filter_map(|part| Measure::find(part)).collect(),
        }
    }

    /// Whether a parameter of this name reaches the SQL.
    pub(super) fn has_parameter(&self, name: &str) -> bool {
        self.parts().iter().flat_map(|part| &part.libraries).any(|l| l.parameters.iter().any(|p| p == name))
    }

    /// The stratifier of a code, here or in a part.
    pub(super) fn stratifier(&self, code: &str) -> Option<&Stratifier> {
        self.parts().into_iter().find_map(|part| part.stratifiers.iter().find(|s| s.code == code))
    }

    /// The values of the parameters of one of its Libraries, by name.
    pub fn bind<'l>(&self, library: &'l Library, request: &MeasureRequest) -> Vec<(&'l str, Parameter)> {
        library.parameters.iter().map(|name| (name.as_str(), self.value(name, request))).collect()
    }

    /// The last business day whose events count.
    pub fn as_of(&self, request: &MeasureRequest) -> String {
        let default = if self.ends_with_period { &request.period_end.0 } else { "9999-12-31" };
        request.as_of.as_ref().map_or(default, |day| &day.0).to_owned()
    }

    /// The value of one parameter. A grouping is on when it is asked for or filtered by.
    fn value(&self, name: &str, request: &MeasureRequest) -> Parameter {
        match name {
            "period_start" => Parameter::Date(request.period_start.0.clone()),
            "period_end" => Parameter::Date(request.period_end.0.clone()),
            "as_of" => Parameter::Date(self.as_of(request)),
            "window_start" => Parameter::Date(request.window_start(&self.as_of(request))),
            "currency" => Parameter::Text(request.currency.clone()),
            "timezone" => Parameter::Text(request.timezone.clone().unwrap_or_default()),
            "basis" => Parameter::Text(Basis::denial(request.basis).to_owned()),
            "age_basis" => Parameter::Text(Basis::age(request.basis).to_owned()),
            "by_episode" => Parameter::Integer(request.by_episode.into()),
            "cost" | "npsr" => {
                let given = request.amounts.iter().find(|(given, _)| given == name);
                Parameter::Decimal(given.map_or_else(|| "0".to_owned(), |(_, amount)| amount.clone()))
            }
            _ => {
                let wanted = name.strip_prefix("by_").is_some_and(|code| request.needs(self, code));
                Parameter::Integer(wanted.into())
            }
        }
    }
}

const PLAIN: &[&str] = &[
    "period_start",
    "period_end",
    "as_of",
    "window_start",
    "currency",
    "timezone",
    "basis",
    "age_basis",
    "by_episode",
    "cost",
    "npsr",
];

/// Groupings that a Library may have though the measure does not: they stay off.
const GROUPINGS: &[&str] = &["payer", "facility", "provider", "month", "week"];

fn is_bindable(name: &str, stratifiers: &[Stratifier]) -> bool {
    let is_grouping = |code: &str| stratifiers.iter().any(|s| s.code == code) || GROUPINGS.contains(&code);
    PLAIN.contains(&name) || name.strip_prefix("by_").is_some_and(is_grouping)
}

fn extension<'a>(json: &'a Json, name: &str, value: &str) -> Option<&'a str> {
    extensions(json, name, value).next()
}

fn extensions<'a>(json: &'a Json, name: &str, value: &str) -> impl Iterator<Item = &'a str> {
    let url = format!("{BASE}/StructureDefinition/{name}");
    items(&json["extension"]).filter(move |e| e["url"] == url.as_str()).filter_map(move |e| e[value].as_str())
}

fn read_group(json: &Json) -> Result<Group, Cow<'static, str>> {
    let score = extension(json, "rcm-score", "valueCode").and_then(Score::read);
    let score = score.ok_or("A group needs the extension rcm-score: how its score is made.")?;
    let mut populations = Vec::new();
    let mut observation_column = None;
    for population in items(&json["population"]) {
        let code = population["code"]["coding"][0]["code"].as_str().unwrap_or_default();
        let column = population["criteria"]["expression"]
            .as_str()
            .ok_or_else(|| format!("The {code} needs a column for its count."))?;
        match code {
            "measure-observation" => observation_column = Some(column.to_owned()),
            "numerator" | "denominator" => populations.push(Population {
                code: code.to_owned(),
                count_column: column.to_owned(),
                amount_column: extension(population, "rcm-population-quantity", "valueString")
                    .map(str::to_owned),
            }),
            _ => return Err("A population is a numerator, a denominator or a measure-observation.".into()),
        }
    }
    let group = Group { code: json["code"].clone(), score, populations, observation_column };
    let needs: &[(&str, bool)] = match score {
        Score::CountRatio => &[("numerator", false), ("denominator", false)],
        Score::AmountRatio | Score::Days => &[("numerator", true), ("denominator", true)],
        Score::Amount => &[("numerator", true)],
        Score::Count => &[("numerator", false)],
        Score::Mean | Score::Median | Score::P90 => &[("denominator", false)],
    };
    for (code, needs_amount) in needs {
        let found = group.population(code);
        if found.is_none_or(|found| *needs_amount && found.amount_column.is_none()) {
            return Err(format!("The {code} needs a column for its count and one for its amount.").into());
        }
    }
    if score.is_of_values() && group.observation_column.is_none() {
        return Err("A group of observations needs a measure-observation.".into());
    }
    Ok(group)
}

fn read_stratifier(json: &Json) -> Option<Stratifier> {
    let buckets = extension(json, "rcm-stratifier-buckets", "valueString");
    Some(Stratifier {
        code: json["code"]["coding"][0]["code"].as_str()?.to_owned(),
        column: json["criteria"]["expression"].as_str()?.to_owned(),
        target: extension(json, "rcm-stratifier-target", "valueCode").map(str::to_owned),
        buckets: match buckets {
            Some(text) => Some(text.split(',').map(|bound| bound.parse().ok()).collect::<Option<_>>()?),
            None => None,
        },
    })
}
