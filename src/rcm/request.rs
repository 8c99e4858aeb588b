//! What is asked of `Measure/$evaluate-measure`, checked
//! (<https://hl7.org/fhir/R4/measure-operation-evaluate-measure.html>).
//!
//! Inputs come flat from the query or from a Parameters resource, in which `parameters` may hold a
//! second Parameters resource. All faults are told at once, each at the name of its parameter.

use super::measure::Measure;
use super::report_type::{ReportType, read_report_type};
use super::{PATIENT, SELF_PAY};
use remit_fhir::date::{Moment, Precision, civil_from_days};
use remit_fhir::{Error, Issue, IssueType, Kind};
use rust_decimal::Decimal;
use serde_json::Value as Json;

/// Inputs of one call; no practice has more facilities and payers to name than this.
const MAX_INPUTS: usize = 200;
/// The longest text of one input: a canonical or a reference is far below it.
const MAX_INPUT_LENGTH: usize = 2_000;
/// Days of the window that daily charges are taken from, when none is asked for.
pub(super) const DEFAULT_WINDOW_DAYS: i64 = 90;
/// The longest such window: ten years.
const MAX_WINDOW_DAYS: i64 = 3_660;
/// Days that a figure can allow: ten years.
const MAX_WITHIN_DAYS: i64 = 3_660;
/// Amounts are below this: more than any practice turns over.
const MAX_AMOUNT: i64 = 1_000_000_000_000_000;
/// Bounds of buckets that can be asked for.
const MAX_BUCKETS: usize = 50;
/// The currency of a report that names none.
pub(super) const DEFAULT_CURRENCY: &str = "USD";
const DAY: i64 = 86_400_000_000;

/// A day as `YYYY-MM-DD`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Day(pub String);

/// Only these values of a stratifier count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// The stratifier.
    pub code: &'static str,
    /// Keys of strata, e.g. `Organization/p1`. Never empty.
    pub values: Vec<String>,
}

/// What a figure is based on, where there is a choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    /// A claim is denied when a line is.
    AnyLine,
    /// A claim is denied when nothing of it is paid.
    FullOnly,
    /// Age counts from the service.
    Service,
    /// Age counts from the first submission.
    Submission,
    /// Age counts from the day since which the holder owes.
    ResponsibleParty,
}

const BASES: &[(&str, Basis)] = &[
    ("any-line", Basis::AnyLine),
    ("full-only", Basis::FullOnly),
    ("service", Basis::Service),
    ("submission", Basis::Submission),
    ("responsible-party", Basis::ResponsibleParty),
];

impl Basis {
    fn is_of_age(self) -> bool {
        matches!(self, Basis::Service | Basis::Submission | Basis::ResponsibleParty)
    }

    pub(super) fn code(self) -> &'static str {
        BASES.iter().find(|(_, basis)| *basis == self).map_or("", |(code, _)| code)
    }

    /// The basis of denials as SQL knows it.
    pub(super) fn denial(asked: Option<Basis>) -> &'static str {
        asked.filter(|basis| !basis.is_of_age()).unwrap_or(Basis::AnyLine).code()
    }

    /// The basis of ages as SQL knows it.
    pub(super) fn age(asked: Option<Basis>) -> &'static str {
        asked.filter(|basis| basis.is_of_age()).unwrap_or(Basis::Service).code()
    }
}

/// A checked question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeasureRequest {
    /// First day of the period.
    pub period_start: Day,
    /// Last day of the period, inclusive.
    pub period_end: Day,
    /// `periodStart` and `periodEnd` as the caller wrote them, for the report.
    pub period: (String, String),
    /// Last business day whose events count.
    pub as_of: Option<Day>,
    /// What the server knew at this microsecond since 1970-01-01T00:00:00Z; the mart applies it.
    pub known_at: Option<i64>,
    /// ISO 4217 code of every figure.
    pub currency: String,
    /// The time zone of business days, in place of that of each facility.
    pub timezone: Option<String>,
    /// What figures are based on, where there is a choice.
    pub basis: Option<Basis>,
    /// Strata of fewer are not shown.
    pub min_cell: i64,
    /// Days of the window that daily charges are taken from.
    pub window_days: i64,
    /// Days that the figure allows, in place of those of the measure.
    pub within_days: Option<i64>,
    /// Upper bounds of the buckets of ages, in place of those of the measure.
    pub buckets: Option<Vec<i64>>,
    /// Amounts that the record does not hold, by the names of their inputs.
    pub amounts: Vec<(String, String)>,
    /// Each episode by itself: for the list behind a figure.
    pub by_episode: bool,
    /// What the report shows.
    pub report_type: ReportType,
    /// Stratifiers asked for, in the order of asking.
    pub group_by: Vec<String>,
    /// Restrictions.
    pub filters: Vec<Filter>,
}

/// The inputs as pairs of name and text.
pub(super) struct Inputs {
    pairs: Vec<(String, String)>,
    issues: Vec<Issue>,
}

/// Inputs that ask for a part of the practice.
const PARTS: &[&str] = &["groupBy", "payer", "facility", "practitioner"];

/// Names with an underscore that are inputs here, and not those of every FHIR call.
const OWN_PAGING: &[&str] = &["_count", "_after"];

const KNOWN: &[&str] = &[
    "periodStart",
    "periodEnd",
    "measure",
    "reportType",
    "practitioner",
    "groupBy",
    "payer",
    "facility",
    "currency",
    "asOf",
    "knownAt",
    "timezone",
    "basis",
    "ageBasis",
    "minCell",
    "windowDays",
    "withinDays",
    "buckets",
    "cost",
    "npsr",
];

impl MeasureRequest {
    /// The inputs of a call as pairs of name and text, from the query of a GET or POST and the body of a
    /// POST; those inside `parameters` beside the others.
    ///
    /// # Errors
    /// 400 for a body that is no Parameters resource of simple values, and for too many inputs.
    pub fn flatten(query: &[(String, String)], body: Option<&Json>) -> Result<Vec<(String, String)>, Error> {
        let mut inputs = Inputs::read(query, body);
        inputs.finish()?;
        Ok(std::mem::take(&mut inputs.pairs))
    }

    /// The measure that a call at type level names in `measure`.
    ///
    /// # Errors
    /// 400 when it names none, 404 when there is no such measure.
    pub fn measure(pairs: &[(String, String)]) -> Result<&'static Measure, Error> {
        let name = MeasureRequest::measure_name(pairs)?;
        Measure::find(&name)
            .ok_or_else(|| Error::not_found("There is no measure of that id or URL here.").at("measure"))
    }

    /// The id or canonical that a call at type level gives in `measure`.
    ///
    /// # Errors
    /// 400 when it gives none, or several.
    pub fn measure_name(pairs: &[(String, String)]) -> Result<String, Error> {
        let mut inputs = Inputs::of(pairs.to_vec());
        let name = inputs.one("measure");
        if name.is_none() {
            inputs.fault(IssueType::Required, "measure", "Name the measure: its id or its canonical URL.");
        }
        inputs.finish()?;
        Ok(name.unwrap_or_default())
    }

    /// Whether a text is a day, or a month or year.
    pub fn is_day(text: &str) -> bool {
        Moment::parse(text).is_some_and(|m| m.precision <= Precision::Day && m.offset_minutes.is_none())
    }

    /// The checked request for a measure.
    ///
    /// # Errors
    /// 400 with every fault at the name of its parameter; 501 for a report type that is not computed.
    pub fn parse(measure: &Measure, pairs: &[(String, String)]) -> Result<MeasureRequest, Error> {
        MeasureRequest::check(measure, Inputs::of(pairs.to_vec()))
    }

    fn check(measure: &Measure, mut inputs: Inputs) -> Result<MeasureRequest, Error> {
        inputs.refuse_unknown();
        if let Some(name) = inputs.one("measure")
            && !measure.is_named(&name)
        {
            inputs.fault(IssueType::Value, "measure", "This names another measure than the URL does.");
        }
        let report_type = read_report_type(&mut inputs)?;
        let period_start = inputs.day("periodStart", End::First);
        let period_end = inputs.day("periodEnd", End::Last);
        for (name, day) in [("periodStart", &period_start), ("periodEnd", &period_end)] {
            if day.is_none() && !inputs.has(name) {
                inputs.fault(IssueType::Required, name, "Give the period: a date such as 2026-01-31.");
            }
        }
        if let (Some(start), Some(end)) = (&period_start, &period_end)
            && end < start
        {
            inputs.fault(IssueType::Value, "periodEnd", "The period ends before it starts.");
        }
        let request = MeasureRequest {
            period: (
                inputs.one("periodStart").unwrap_or_default(),
                inputs.one("periodEnd").unwrap_or_default(),
            ),
            as_of: inputs.day("asOf", End::Last),
            known_at: inputs.instant("knownAt"),
            currency: inputs.currency(),
            timezone: inputs.timezone(),
            basis: inputs.basis(measure),
            min_cell: inputs.number("minCell", 0..=1_000_000).unwrap_or(0),
            window_days: inputs.number("windowDays", 1..=MAX_WINDOW_DAYS).unwrap_or(DEFAULT_WINDOW_DAYS),
            within_days: inputs.within_days(measure),
            buckets: inputs.buckets(measure),
            amounts: inputs.amounts(measure),
            by_episode: report_type == ReportType::SubjectList,
            report_type,
            group_by: inputs.group_by(measure),
            filters: inputs.filters(measure),
            period_start: period_start.unwrap_or(Day(String::new())),
            period_end: period_end.unwrap_or(Day(String::new())),
        };
        if inputs.issues.is_empty() { Ok(request) } else { Err(inputs.error()) }
    }

    /// The groupings of a measure: those asked for as far as it has them, else its default.
    pub(super) fn groupings<'g>(&'g self, measure: &'g Measure) -> Vec<&'g str> {
        let asked = if self.group_by.is_empty() { &measure.default_group_by } else { &self.group_by };
        let has = |code: &&str| measure.stratifiers.iter().any(|s| s.code == *code && s.buckets.is_none());
        asked.iter().map(String::as_str).filter(has).collect()
    }

    /// Whether the rows must be told apart by this stratifier.
    pub(super) fn needs(&self, measure: &Measure, code: &str) -> bool {
        self.groupings(measure).contains(&code) || self.filters.iter().any(|filter| filter.code == code)
    }

    /// The first day of the window of charges that ends with this day.
    pub(super) fn window_start(&self, as_of: &str) -> String {
        let low = Moment::parse(as_of).map_or(0, |moment| moment.low.div_euclid(DAY));
        let (year, month, day) = civil_from_days(low - self.window_days + 1);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// Which end of a date of less precision is meant.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

impl Inputs {
    pub(super) fn of(pairs: Vec<(String, String)>) -> Inputs {
        Inputs { pairs, issues: Vec::new() }
    }

    /// An error with all faults, if there are any.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        match self.issues.is_empty() {
            true => Ok(()),
            false => Err(Error::with_issues(Kind::Invalid, std::mem::take(&mut self.issues))),
        }
    }

    fn read(query: &[(String, String)], body: Option<&Json>) -> Inputs {
        let mut inputs = Inputs { pairs: Vec::new(), issues: Vec::new() };
        for (name, value) in
            query.iter().filter(|(name, _)| !name.starts_with('_') || OWN_PAGING.contains(&name.as_str()))
        {
            inputs.push(name, value);
        }
        if let Some(body) = body {
            inputs.read_parameters(body, true);
        }
        if inputs.pairs.len() > MAX_INPUTS {
            inputs.pairs.truncate(MAX_INPUTS);
            inputs.fault(
                IssueType::TooCostly,
                "Parameters",
                &format!("At most {MAX_INPUTS} inputs are read."),
            );
        }
        inputs
    }

    fn push(&mut self, name: &str, value: &str) {
        if value.len() > MAX_INPUT_LENGTH {
            self.fault(IssueType::TooLong, name, &format!("At most {MAX_INPUT_LENGTH} bytes are read here."));
        } else {
            self.pairs.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Takes the parameters of a Parameters resource; `parameters` may nest once.
    fn read_parameters(&mut self, resource: &Json, outer: bool) {
        let at = if outer { "Parameters" } else { "parameters" };
        if resource["resourceType"] != "Parameters" {
            return self.fault(IssueType::Structure, at, "The inputs come in a Parameters resource.");
        }
        if !(resource["parameter"].is_array() || resource["parameter"].is_null()) {
            return self.fault(IssueType::Structure, at, "The inputs stand in a list, `parameter`.");
        }
        for parameter in resource["parameter"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default();
            if name == "parameters" && outer {
                self.read_parameters(&parameter["resource"], false);
                continue;
            }
            match value_text(parameter) {
                Some(value) => self.push(name, &value),
                None => {
                    self.fault(IssueType::Value, name, "This input needs one simple value or a reference.")
                }
            }
        }
    }

    pub(super) fn fault(&mut self, code: IssueType, name: &str, sentence: &str) {
        self.issues.push(Issue::error(code, sentence).at(name));
    }

    fn error(self) -> Error {
        Error::with_issues(Kind::Invalid, self.issues)
    }

    fn refuse_unknown(&mut self) {
        let unknown: Vec<String> = self
            .pairs
            .iter()
            .filter(|(name, _)| !KNOWN.contains(&name.as_str()))
            .map(|(name, _)| name.clone())
            .collect();
        for name in unknown {
            let sentence = format!("This measure has no such input. It has {}.", KNOWN.join(", "));
            self.fault(IssueType::NotSupported, &name, &sentence);
        }
    }

    fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(given, _)| given == name)
    }

    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let given = self.pairs.iter().filter(|(given, _)| given == name);
        given.map(|(_, value)| value.clone()).collect()
    }

    /// The value of an input that may be given once.
    pub(super) fn one(&mut self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        values.dedup();
        if values.len() > 1 && !self.issues.iter().any(|issue| issue.expression.iter().any(|at| at == name)) {
            self.fault(IssueType::Value, name, "Give this input once.");
        }
        values.into_iter().next()
    }

    fn day(&mut self, name: &str, end: End) -> Option<Day> {
        let value = self.one(name)?;
        let moment =
            Moment::parse(&value).filter(|m| m.precision <= Precision::Day && m.offset_minutes.is_none());
        let Some(moment) = moment else {
            self.fault(IssueType::Value, name, "This is not a date such as 2026-01-31.");
            return None;
        };
        let days = match end {
            End::First => moment.low.div_euclid(DAY),
            End::Last => moment.high.div_euclid(DAY) - 1,
        };
        let (year, month, day) = civil_from_days(days);
        Some(Day(format!("{year:04}-{month:02}-{day:02}")))
    }

    fn instant(&mut self, name: &str) -> Option<i64> {
        let value = self.one(name)?;
        let moment =
            Moment::parse(&value).filter(|m| m.precision >= Precision::Second && m.offset_minutes.is_some());
        if moment.is_none() {
            self.fault(IssueType::Value, name, "This is not an instant such as 2026-01-31T12:00:00Z.");
        }
        // `meta.lastUpdated` is shown in milliseconds: what was written within the one that is named counts.
        moment.map(|m| m.high - 1)
    }

    fn currency(&mut self) -> String {
        let value = self.one("currency").unwrap_or_else(|| DEFAULT_CURRENCY.to_owned());
        if value.len() != 3 || !value.bytes().all(|byte| byte.is_ascii_uppercase()) {
            self.fault(
                IssueType::CodeInvalid,
                "currency",
                "A currency is three capital letters of ISO 4217, e.g. USD.",
            );
        }
        value
    }

    fn amounts(&mut self, measure: &Measure) -> Vec<(String, String)> {
        let mut amounts = Vec::new();
        for name in ["cost", "npsr"] {
            let is_needed = measure.needed_inputs.iter().any(|needed| needed == name);
            let may_be = measure.optional_inputs.iter().any(|optional| optional == name);
            match self.one(name) {
                None if is_needed => {
                    let sentence = "The record does not hold this amount; give it, such as 1200.50.";
                    self.fault(IssueType::Required, name, sentence);
                }
                None => {}
                Some(_) if !is_needed && !may_be => {
                    self.fault(IssueType::NotSupported, name, "This measure does not need this amount.");
                }
                Some(_) if may_be && PARTS.iter().any(|part| self.has(part)) => {
                    let sentence =
                        "This amount is of the whole practice: without it the figure can be of a part.";
                    self.fault(IssueType::BusinessRule, name, sentence);
                }
                Some(text) if may_be && text.parse() == Ok(Decimal::ZERO) => {
                    self.fault(IssueType::Value, name, "Nothing can be divided by this amount.");
                }
                Some(text) => match text.parse::<Decimal>() {
                    Ok(amount) if amount >= Decimal::ZERO && amount < Decimal::from(MAX_AMOUNT) => {
                        amounts.push((name.to_owned(), text));
                    }
                    _ => self.fault(IssueType::Value, name, "This is not an amount such as 1200.50."),
                },
            }
        }
        amounts
    }

    fn within_days(&mut self, measure: &Measure) -> Option<i64> {
        if self.has("withinDays") && !measure.has_parameter("within_days") {
            self.fault(IssueType::NotSupported, "withinDays", "This measure allows no days.");
            return None;
        }
        self.number("withinDays", 0..=MAX_WITHIN_DAYS)
    }

    fn timezone(&mut self) -> Option<String> {
        let name = self.one("timezone")?;
        if jiff::tz::TimeZone::get(&name).is_err() {
            let sentence = "This is no time zone of the IANA database, such as America/Denver.";
            self.fault(IssueType::CodeInvalid, "timezone", sentence);
        }
        Some(name)
    }

    /// `basis`, which is called `ageBasis` too where it is that of ages.
    fn basis(&mut self, measure: &Measure) -> Option<Basis> {
        let name = if self.has("ageBasis") { "ageBasis" } else { "basis" };
        let value = self.one(name)?;
        let fits = |basis: &Basis| {
            measure.has_parameter(if basis.is_of_age() { "age_basis" } else { "basis" })
                && (name == "basis" || basis.is_of_age())
        };
        let found = BASES.iter().find(|(code, basis)| *code == value && fits(basis));
        if found.is_none() {
            let codes: Vec<&str> = BASES.iter().filter(|(_, b)| fits(b)).map(|(code, _)| *code).collect();
            let sentence = match codes.is_empty() {
                true => "This measure has no choice of a basis.".to_owned(),
                false => format!("The basis is one of {}.", codes.join(", ")),
            };
            self.fault(IssueType::CodeInvalid, name, &sentence);
        }
        found.map(|(_, basis)| *basis)
    }

    pub(super) fn number(&mut self, name: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let value = self.one(name)?;
        let number = value.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let sentence = format!("Give a whole number from {} to {}.", range.start(), range.end());
            self.fault(IssueType::Value, name, &sentence);
        }
        number
    }

    fn buckets(&mut self, measure: &Measure) -> Option<Vec<i64>> {
        let value = self.one("buckets")?;
        let bounds: Option<Vec<i64>> = value
            .split(',')
            .map(|bound| bound.trim().parse().ok().filter(|bound| (0..100_000).contains(bound)))
            .collect();
        let is_ascending = |bounds: &Vec<i64>| bounds.windows(2).all(|pair| pair[0] < pair[1]);
        let bounds = bounds.filter(is_ascending).filter(|bounds| bounds.len() <= MAX_BUCKETS);
        if bounds.is_none() {
            let sentence = "Give upper bounds in days, ascending, such as 30,60,90,120.";
            self.fault(IssueType::Value, "buckets", sentence);
        } else if !measure.parts().iter().any(|part| part.stratifiers.iter().any(|s| s.buckets.is_some())) {
            self.fault(IssueType::NotSupported, "buckets", "This measure has no buckets.");
        }
        bounds
    }

    fn group_by(&mut self, measure: &Measure) -> Vec<String> {
        let mut wanted: Vec<String> = Vec::new();
        for value in self.all("groupBy") {
            for code in value.split(',') {
                if measure.stratifier(code).is_none() {
                    let mut codes: Vec<&str> = Vec::new();
                    for s in measure.parts().into_iter().flat_map(|part| &part.stratifiers) {
                        if !codes.contains(&s.code.as_str()) {
                            codes.push(&s.code);
                        }
                    }
                    let sentence = format!("This measure is grouped by {}.", codes.join(", "));
                    self.fault(IssueType::CodeInvalid, "groupBy", &sentence);
                } else if !wanted.iter().any(|known| known == code) {
                    wanted.push(code.to_owned());
                }
            }
        }
        wanted
    }

    fn filters(&mut self, measure: &Measure) -> Vec<Filter> {
        let mut filters = Vec::new();
        for (name, code) in [("payer", "payer"), ("facility", "facility"), ("practitioner", "provider")] {
            let values: Vec<String> =
                self.all(name).iter().flat_map(|v| v.split(',')).map(str::to_owned).collect();
            if values.is_empty() {
                continue;
            }
            let target = measure.stratifier(code).and_then(|s| s.target.as_deref());
            let Some(target) = target else {
                self.fault(IssueType::NotSupported, name, "This measure cannot be restricted by that.");
                continue;
            };
            let is_named = |v: &str| code == "payer" && (v == SELF_PAY || v == PATIENT);
            if !values.iter().all(|v| is_reference_to(v, target) || is_named(v)) {
                self.fault(IssueType::Value, name, &format!("Give a reference such as {target}/123."));
            }
            filters.push(Filter { code, values });
        }
        filters
    }
}

fn is_reference_to(value: &str, target: &str) -> bool {
    value.strip_prefix(target).and_then(|rest| rest.strip_prefix('/')).is_some_and(remit_fhir::is_id)
}

/// The text of `value[x]`: a primitive, or the reference of a Reference.
fn value_text(parameter: &Json) -> Option<String> {
    let (_, value) = parameter.as_object()?.iter().find(|(name, _)| name.starts_with("value"))?;
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Object(object) => object.get("reference")?.as_str().map(str::to_owned),
        Json::Null | Json::Array(_) => None,
    }
}
