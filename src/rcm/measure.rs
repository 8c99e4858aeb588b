//! A Measure as it is computed here (<https://hl7.org/fhir/R4/measure.html>): its populations and
//! stratifiers name columns of the answers of the SQL in its Libraries.

use super::BASE;
use super::artefacts::artefacts_of;
use super::library::{Library, items, same_canonical, text};
use super::request::{Basis, MeasureRequest};
use remit_fhir::{Error, IssueType, Result};
use serde_json::Value as Json;
use std::sync::{Arc, LazyLock};

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
    /// The largest observation.
    Maximum,
    /// Count by count, in hundredths.
    Percent,
    /// The amount of the numerator by the count of the denominator.
    AmountPerCount,
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
            "maximum" => Score::Maximum,
            "percent" => Score::Percent,
            "amount-per-count" => Score::AmountPerCount,
            _ => return None,
        })
    }

    /// Whether the score is made of single values.
    pub(super) fn is_of_values(self) -> bool {
        matches!(self, Score::Mean | Score::Median | Score::P90 | Score::Maximum)
    }
}

/// One side of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Population {
    /// Code in `measure-population`: numerator or denominator; initial-population is only counted, and
    /// measure-population is the denominator of observations.
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
    /// The UCUM unit of score and amounts, where it is another than that of its kind.
    pub unit: Option<String>,
    /// The days of [`Score::Days`], where they are not those of the window.
    pub days: Option<i64>,
    /// What the score is multiplied by, where the denominator spans more than it is a measure of.
    pub factor: Option<i64>,
    /// What the record would have to hold for there to be a score: told when nothing is counted.
    pub missing_input: Option<String>,
}

impl Group {
    /// The code by which it is asked for.
    pub fn name(&self) -> &str {
        self.code["coding"][0]["code"].as_str().unwrap_or_default()
    }

    /// The population of a code.
    pub fn population(&self, code: &str) -> Option<&Population> {
        let stands_for = |own: &str| match code {
            "denominator" => own == "measure-population",
            // A cohort has no other.
            "numerator" => own == "initial-population" && self.score == Score::Count,
            _ => false,
        };
        let exact = self.populations.iter().find(|population| population.code == code);
        exact.or_else(|| self.populations.iter().find(|population| stands_for(&population.code)))
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
    /// Inputs that may be given in place of what the record says.
    pub optional_inputs: Vec<String>,
    /// The days that a figure allows when none are asked for; without them it allows none.
    pub within_days: Option<i64>,
    /// The SQL that gives the rows.
    pub libraries: Vec<Arc<Library>>,
    /// The canonicals of the measures that it is composed of.
    pub composed_of: Vec<String>,
    /// The measures behind them, where they were found beside this one; else they come with the program.
    pub found_parts: Vec<Arc<Measure>>,
    /// A user has stored it: what is wrong with its rows is not a defect of the program.
    pub is_stored: bool,
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

    /// The canonicals of the measures that a Measure is composed of.
    pub fn composition(json: &Json) -> Vec<String> {
        let composed = items(&json["relatedArtifact"]).filter(|artifact| artifact["type"] == "composed-of");
        composed.filter_map(|artifact| artifact["resource"].as_str()).map(str::to_owned).collect()
    }

    /// Reads a Measure whose Libraries are found by `library`.
    ///
    /// # Errors
    /// 422 with the place of what is missing, or is not computed here.
    pub fn read<'l>(json: &Json, library: impl Fn(&str) -> Option<&'l Arc<Library>>) -> Result<Measure> {
        let composed_of = Measure::composition(json);
        let mut libraries = Vec::new();
        for (n, canonical) in items(&json["library"]).filter_map(Json::as_str).enumerate() {
            let unknown =
                || refuse(format!("library[{n}]"), format!("The Library {canonical} is not known."));
            libraries.push(library(canonical).ok_or_else(unknown)?.clone());
        }
        if libraries.is_empty() && composed_of.is_empty() {
            return Err(refuse("library", "Measure.library names no Library."));
        }
        let stratifiers = read_stratifiers(json)?;
        for (n, library) in libraries.iter().enumerate() {
            if let Some(unknown) = library.parameters.iter().find(|name| !is_bindable(name, &stratifiers)) {
                let text = format!(
                    "The parameter {unknown} of {} is not one that can be bound; there are {}, and by_CODE for each stratifier.",
                    library.url,
                    PLAIN.join(", ")
                );
                return Err(refuse(format!("library[{n}]"), text));
            }
        }
        if items(&json["supplementalData"]).next().is_some() {
            return Err(refuse("supplementalData", "Supplemental data are not computed here."));
        }
        let groups = items(&json["group"]).enumerate().map(|(n, group)| read_group(json, n, group));
        let default = extension(json, "rcm-group-by-default", "valueString").unwrap_or_default();
        Ok(Measure {
            id: text(json, "id").to_owned(),
            url: text(json, "url").to_owned(),
            version: text(json, "version").to_owned(),
            improvement_notation: json["improvementNotation"].clone(),
            groups: groups.collect::<Result<_>>()?,
            stratifiers,
            default_group_by: default.split(',').filter(|code| !code.is_empty()).map(str::to_owned).collect(),
            ends_with_period: extension(json, "rcm-as-of-default", "valueCode") == Some("period-end"),
            needed_inputs: extensions(json, "rcm-needed-input", "valueCode").map(str::to_owned).collect(),
            optional_inputs: extensions(json, "rcm-optional-input", "valueCode").map(str::to_owned).collect(),
            within_days: integer(json, "rcm-within-days-default"),
            libraries,
            composed_of,
            found_parts: Vec::new(),
            is_stored: false,
        })
    }

    /// Whether a name, an id or a canonical, means this measure.
    pub fn is_named(&self, name: &str) -> bool {
        name.strip_prefix("Measure/").unwrap_or(name) == self.id
            || same_canonical(name, &self.url, &self.version)
    }

    /// Whether the episodes behind its counts can be listed in one report.
    ///
    /// # Errors
    /// 422 when they cannot, with the reason.
    pub fn has_subjects(&self) -> Result<()> {
        let refuse = |text: &str| Error::unprocessable(text).coded(IssueType::BusinessRule).at("reportType");
        if !self.composed_of.is_empty() {
            return Err(refuse("This measure is composed of others; ask one of them for its subjects."));
        }
        let tells_apart = |library: &Arc<Library>| library.parameters.iter().any(|name| name == "by_episode");
        if !self.libraries.iter().all(tells_apart) {
            return Err(refuse(
                "The SQL of this measure has no parameter by_episode, so its subjects cannot be listed.",
            ));
        }
        Ok(())
    }

    /// Its URL with its version.
    pub fn canonical(&self) -> String {
        match self.version.as_str() {
            "" => self.url.clone(),
            version => format!("{}|{version}", self.url),
        }
    }

    /// An error in what the SQL gives: the user's own, or a defect of the program.
    pub(super) fn fault(&self, text: String) -> Error {
        match self.is_stored {
            true => Error::unprocessable(text).coded(IssueType::BusinessRule).at("Measure.library"),
            false => Error::internal(format!("{}: {text}", self.id)),
        }
    }

    /// The measures that this one is composed of; itself when it is not.
    pub fn parts(&self) -> Vec<&Measure> {
        if self.composed_of.is_empty() {
            return vec![self];
        }
        match self.found_parts.is_empty() {
            true => self.composed_of.iter().filter_map(|part| Measure::find(part)).collect(),
            false => self.found_parts.iter().map(|part| &**part).collect(),
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

    /// The values that every SQL may ask for, whether it is said to or not: a user's query need not
    /// repeat what the layers below it want.
    pub fn bind_plain(&self, request: &MeasureRequest) -> Vec<(&'static str, Parameter)> {
        PLAIN.iter().map(|name| (*name, self.value(name, request))).collect()
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
            "prior_start" => Parameter::Date(request.prior_start()),
            "as_of" => Parameter::Date(self.as_of(request)),
            "window_start" => Parameter::Date(request.window_start(&self.as_of(request))),
            "currency" => Parameter::Text(request.currency.clone()),
            "timezone" => Parameter::Text(request.timezone.clone().unwrap_or_default()),
            "basis" => Parameter::Text(Basis::denial(request.basis).to_owned()),
            "age_basis" => Parameter::Text(Basis::age(request.basis).to_owned()),
            "by_episode" => Parameter::Integer(request.by_episode.into()),
            "within_days" => Parameter::Integer(request.within_days.or(self.within_days).unwrap_or(0)),
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
    "prior_start",
    "as_of",
    "window_start",
    "currency",
    "timezone",
    "basis",
    "age_basis",
    "by_episode",
    "within_days",
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

fn integer(json: &Json, name: &str) -> Option<i64> {
    let url = format!("{BASE}/StructureDefinition/{name}");
    items(&json["extension"]).find(|e| e["url"] == url.as_str())?["valueInteger"].as_i64()
}

fn refuse(at: impl std::fmt::Display, sentence: impl Into<String>) -> Error {
    Error::unprocessable(sentence).at(format!("Measure.{at}"))
}

/// The column that a criterion names: its SQL is that of the Library.
fn column(json: &Json, at: &str) -> Result<String> {
    let criteria = &json["criteria"];
    if criteria["language"].as_str().is_some_and(|language| language != "application/sql") {
        let text = "Criteria are columns of the answers of the SQL: their language is application/sql.";
        return Err(refuse(format_args!("{at}.criteria.language"), text).coded(IssueType::NotSupported));
    }
    let name = criteria["expression"].as_str().filter(|name| is_column(name)).map(str::to_owned);
    name.ok_or_else(|| {
        let text = format!("The {} needs a column as its expression: small letters, digits and _.", last(at));
        refuse(format_args!("{at}.criteria.expression"), text)
    })
}

/// Whether a text is the name of a column: it is written into SQL as it is.
fn is_column(name: &str) -> bool {
    const LONGEST: usize = 128;
    let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    name.len() <= LONGEST && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(is_part)
}

fn amount_column(population: &Json, at: &str) -> Result<Option<String>> {
    match extension(population, "rcm-population-quantity", "valueString") {
        Some(name) if !is_column(name) => {
            let text = "The amount is a column: small letters, digits and _.";
            Err(refuse(format_args!("{at}.extension"), text))
        }
        name => Ok(name.map(str::to_owned)),
    }
}

/// What an element is, by its path: `group[0].population[1]` is a population.
fn last(at: &str) -> &str {
    at.rsplit('.').next().and_then(|name| name.split('[').next()).unwrap_or(at)
}

fn read_group(measure: &Json, n: usize, json: &Json) -> Result<Group> {
    const ROLES: &[&str] = &["initial-population", "measure-population", "numerator", "denominator"];
    let at = format!("group[{n}]");
    let mut populations = Vec::new();
    let mut observation_column = None;
    for (n, population) in items(&json["population"]).enumerate() {
        let at = format!("{at}.population[{n}]");
        let code = population["code"]["coding"][0]["code"].as_str().unwrap_or_default();
        let column = column(population, &at)?;
        match code {
            "measure-observation" => observation_column = Some(column),
            code if ROLES.contains(&code) => populations.push(Population {
                code: code.to_owned(),
                count_column: column,
                amount_column: amount_column(population, &at)?,
            }),
            _ => {
                let text = format!("A population is one of {}, or a measure-observation.", ROLES.join(", "));
                return Err(refuse(format_args!("{at}.code"), text).coded(IssueType::NotSupported));
            }
        }
    }
    let score = read_score(measure, json, &populations).map_err(|text| refuse(&at, text))?;
    let group = Group {
        code: json["code"].clone(),
        score,
        populations,
        observation_column,
        unit: extension(json, "rcm-score-unit", "valueCode").map(str::to_owned),
        days: integer(json, "rcm-score-days"),
        factor: integer(json, "rcm-score-factor"),
        missing_input: extension(json, "rcm-missing-input", "valueString").map(str::to_owned),
    };
    let needs: &[(&str, bool)] = match score {
        Score::CountRatio | Score::Percent => &[("numerator", false), ("denominator", false)],
        Score::AmountRatio | Score::Days => &[("numerator", true), ("denominator", true)],
        Score::Amount => &[("numerator", true)],
        Score::AmountPerCount => &[("numerator", true), ("denominator", false)],
        Score::Count => &[("numerator", false)],
        Score::Mean | Score::Median | Score::P90 | Score::Maximum => &[("denominator", false)],
    };
    for (code, needs_amount) in needs {
        let found = group.population(code);
        if found.is_none_or(|found| *needs_amount && found.amount_column.is_none()) {
            let text = format!("The {code} needs a column for its count and one for its amount.");
            return Err(refuse(format_args!("{at}.population"), text));
        }
    }
    if score.is_of_values() && group.observation_column.is_none() {
        let text = "A group of observations needs a measure-observation.";
        return Err(refuse(format_args!("{at}.population"), text));
    }
    Ok(group)
}

/// How a group is scored: by its extension, or else as the scoring of the Measure says.
fn read_score(measure: &Json, group: &Json, populations: &[Population]) -> Result<Score, &'static str> {
    const NONE: &str =
        "A group needs the extension rcm-score, or the Measure a scoring: how its score is made.";
    if let Some(code) = extension(group, "rcm-score", "valueCode") {
        return Score::read(code).ok_or(NONE);
    }
    let have_amounts = !populations.is_empty() && populations.iter().all(|p| p.amount_column.is_some());
    match measure["scoring"]["coding"][0]["code"].as_str() {
        Some("proportion") => Ok(Score::CountRatio),
        Some("ratio") if have_amounts => Ok(Score::AmountRatio),
        Some("ratio") => Ok(Score::CountRatio),
        Some("cohort") => Ok(Score::Count),
        Some("continuous-variable") => Ok(Score::Mean),
        _ => Err(NONE),
    }
}

/// The stratifiers of a Measure: those of its first group hold for all of them.
fn read_stratifiers(json: &Json) -> Result<Vec<Stratifier>> {
    let first = &json["group"][0]["stratifier"];
    for (n, group) in items(&json["group"]).enumerate() {
        let own: Vec<&Json> = items(&group["stratifier"]).map(|s| &s["criteria"]["expression"]).collect();
        let shared: Vec<&Json> = items(first).map(|s| &s["criteria"]["expression"]).collect();
        if !own.is_empty() && own != shared {
            let text =
                "The groups of a Measure are told apart by the same stratifiers, or make several Measures.";
            return Err(refuse(format_args!("group[{n}].stratifier"), text));
        }
    }
    let read = |(n, stratifier)| read_stratifier(stratifier, &format!("group[0].stratifier[{n}]"));
    items(first).enumerate().map(read).collect()
}

/// The type that the keys of a stratifier refer to, where nothing else is said.
const TARGETS: [(&str, &str); 3] =
    [("payer", "Organization"), ("facility", "Location"), ("provider", "Practitioner")];

fn read_stratifier(json: &Json, at: &str) -> Result<Stratifier> {
    if items(&json["component"]).next().is_some() {
        let text = "Components are not computed: make each a stratifier, and ask for several with groupBy.";
        return Err(refuse(format_args!("{at}.component"), text).coded(IssueType::NotSupported));
    }
    let code = json["code"]["coding"][0]["code"].as_str();
    let code = code.ok_or_else(|| refuse(format_args!("{at}.code"), "A stratifier needs a code."))?;
    let target = extension(json, "rcm-stratifier-target", "valueCode");
    let usual = || TARGETS.iter().find(|(of, _)| *of == code).map(|(_, target)| *target);
    let bounds = |text: &str| text.split(',').map(|bound| bound.parse().ok()).collect::<Option<Vec<i64>>>();
    let buckets = match extension(json, "rcm-stratifier-buckets", "valueString") {
        None => None,
        Some(text) => Some(bounds(text).ok_or_else(|| {
            refuse(format_args!("{at}.extension"), "Buckets are upper bounds in days, such as 30,60,90.")
        })?),
    };
    Ok(Stratifier {
        code: code.to_owned(),
        column: column(json, at)?,
        target: target.or_else(usual).map(str::to_owned),
        buckets,
    })
}
