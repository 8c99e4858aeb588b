//! What is asked of `Measure/$evaluate-measure`, checked
//! (<https://hl7.org/fhir/R4/measure-operation-evaluate-measure.html>).
//!
//! Inputs come flat from the query or from a Parameters resource, in which `parameters` may hold a
//! second Parameters resource. All faults are told at once, each at the name of its parameter.

use super::SELF_PAY;
use super::measure::Measure;
use remit_fhir::date::{Moment, Precision, civil_from_days};
use remit_fhir::{Error, Issue, IssueType, Kind};
use serde_json::Value as Json;

/// Inputs of one call; no practice has more facilities and payers to name than this.
const MAX_INPUTS: usize = 200;
/// The longest text of one input: a canonical or a reference is far below it.
const MAX_INPUT_LENGTH: usize = 2_000;
/// The currency of a report that names none.
const DEFAULT_CURRENCY: &str = "USD";
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
    /// Stratifiers asked for, in the order of asking.
    pub group_by: Vec<String>,
    /// Restrictions.
    pub filters: Vec<Filter>,
}

/// The inputs as pairs of name and text.
struct Inputs {
    pairs: Vec<(String, String)>,
    issues: Vec<Issue>,
}

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
];

impl MeasureRequest {
    /// The measure that a call at type level names in `measure`, and the checked request for it.
    ///
    /// # Errors
    /// 404 when there is no such measure, 400 with every other fault.
    pub fn parse_any(
        query: &[(String, String)],
        body: Option<&Json>,
    ) -> Result<(&'static Measure, MeasureRequest), Error> {
        let mut inputs = Inputs::read(query, body);
        let Some(name) = inputs.one("measure") else {
            inputs.fault(IssueType::Required, "measure", "Name the measure: its id or its canonical URL.");
            return Err(inputs.error());
        };
        let measure = Measure::find(&name)
            .ok_or_else(|| Error::not_found("There is no measure of that id or URL here.").at("measure"))?;
        Ok((measure, MeasureRequest::check(measure, inputs)?))
    }

    /// The checked request for a measure, from the query of a GET or POST and the body of a POST.
    ///
    /// # Errors
    /// 400 with every fault at the name of its parameter; 501 for a report type that is not computed.
    pub fn parse(
        measure: &Measure,
        query: &[(String, String)],
        body: Option<&Json>,
    ) -> Result<MeasureRequest, Error> {
        MeasureRequest::check(measure, Inputs::read(query, body))
    }

    fn check(measure: &Measure, mut inputs: Inputs) -> Result<MeasureRequest, Error> {
        inputs.refuse_unknown();
        if let Some(name) = inputs.one("measure")
            && Measure::find(&name).is_none_or(|found| found.id != measure.id)
        {
            inputs.fault(IssueType::Value, "measure", "This names another measure than the URL does.");
        }
        check_report_type(&mut inputs)?;
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
            group_by: inputs.group_by(measure),
            filters: inputs.filters(measure),
            period_start: period_start.unwrap_or(Day(String::new())),
            period_end: period_end.unwrap_or(Day(String::new())),
        };
        if inputs.issues.is_empty() { Ok(request) } else { Err(inputs.error()) }
    }

    /// Whether the rows must be told apart by this stratifier.
    pub(super) fn needs(&self, code: &str) -> bool {
        self.group_by.iter().any(|asked| asked == code)
            || self.filters.iter().any(|filter| filter.code == code)
    }
}

fn check_report_type(inputs: &mut Inputs) -> Result<(), Error> {
    match inputs.one("reportType").as_deref() {
        None | Some("population") => Ok(()),
        Some("subject" | "subject-list") => Err(Error::new(
            Kind::NotImplemented,
            "Reports are made for the population; use reportType=population.",
        )
        .at("reportType")),
        Some(_) => {
            inputs.fault(IssueType::CodeInvalid, "reportType", "The report type is population.");
            Ok(())
        }
    }
}

/// Which end of a date of less precision is meant.
#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

impl Inputs {
    fn read(query: &[(String, String)], body: Option<&Json>) -> Inputs {
        let mut inputs = Inputs { pairs: Vec::new(), issues: Vec::new() };
        for (name, value) in query.iter().filter(|(name, _)| !name.starts_with('_')) {
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
        if resource["resourceType"] != "Parameters" {
            let at = if outer { "Parameters" } else { "parameters" };
            return self.fault(IssueType::Structure, at, "The inputs come in a Parameters resource.");
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

    fn fault(&mut self, code: IssueType, name: &str, sentence: &str) {
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

    fn all(&self, name: &str) -> Vec<String> {
        let given = self.pairs.iter().filter(|(given, _)| given == name);
        given.map(|(_, value)| value.clone()).collect()
    }

    /// The value of an input that may be given once.
    fn one(&mut self, name: &str) -> Option<String> {
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
        moment.map(|m| m.low)
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

    fn group_by(&mut self, measure: &Measure) -> Vec<String> {
        let mut wanted: Vec<String> = Vec::new();
        for value in self.all("groupBy") {
            for code in value.split(',') {
                if !measure.stratifiers.iter().any(|stratifier| stratifier.code == code) {
                    let codes: Vec<_> = measure.stratifiers.iter().map(|s| s.code.as_str()).collect();
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
            let target =
                measure.stratifiers.iter().find(|s| s.code == code).and_then(|s| s.target.as_deref());
            let Some(target) = target else {
                self.fault(IssueType::NotSupported, name, "This measure cannot be restricted by that.");
                continue;
            };
            if !values.iter().all(|v| is_reference_to(v, target) || (code == "payer" && v == SELF_PAY)) {
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
