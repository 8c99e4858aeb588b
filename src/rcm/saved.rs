//! A report that is kept says what was asked, beside its period: so the claims behind its numbers can be
//! listed later, as they were known when it was made.

use super::BASE;
use super::library::{items, text};
use super::request::{DEFAULT_CURRENCY, DEFAULT_WINDOW_DAYS, MeasureRequest};
use remit_fhir::{Error, Result, date};
use serde_json::{Value as Json, json};

type Pairs = Vec<(String, String)>;

impl MeasureRequest {
    /// What was asked beside measure and period, by the names of the inputs; what nobody has to say is
    /// left out.
    fn inputs(&self) -> Pairs {
        let mut inputs = Pairs::new();
        let mut put = |name: &str, value: String| inputs.push((name.to_owned(), value));
        if let Some(day) = &self.as_of {
            put("asOf", day.0.clone());
        }
        if let Some(known_at) = self.known_at {
            put("knownAt", date::instant(known_at));
        }
        if self.currency != DEFAULT_CURRENCY {
            put("currency", self.currency.clone());
        }
        if let Some(timezone) = &self.timezone {
            put("timezone", timezone.clone());
        }
        if let Some(basis) = self.basis {
            put("basis", basis.code().to_owned());
        }
        if self.min_cell > 0 {
            put("minCell", self.min_cell.to_string());
        }
        if self.window_days != DEFAULT_WINDOW_DAYS {
            put("windowDays", self.window_days.to_string());
        }
        if let Some(days) = self.within_days {
            put("withinDays", days.to_string());
        }
        if let Some(bounds) = &self.buckets {
            let bounds: Vec<String> = bounds.iter().map(i64::to_string).collect();
            put("buckets", bounds.join(","));
        }
        for (name, amount) in &self.amounts {
            put(name, amount.clone());
        }
        for code in &self.group_by {
            put("groupBy", code.clone());
        }
        for filter in &self.filters {
            let name = if filter.code == "provider" { "practitioner" } else { filter.code };
            put(name, filter.values.join(","));
        }
        inputs
    }

    /// The same as extensions of the report; `None` when there is nothing to say.
    pub(super) fn inputs_extension(&self) -> Option<Json> {
        let extension = |(name, value): (String, String)| {
            json!({ "url": input_url(), "extension": [
                { "url": "name", "valueCode": name }, { "url": "value", "valueString": value },
            ] })
        };
        let all: Vec<Json> = self.inputs().into_iter().map(extension).collect();
        (!all.is_empty()).then_some(Json::Array(all))
    }
}

fn input_url() -> String {
    format!("{BASE}/StructureDefinition/rcm-report-input")
}

/// The canonical of the measure that a kept report is of.
///
/// # Errors
/// 422 when it names none.
pub fn measure_of(report: &Json) -> Result<&str> {
    report["measure"]
        .as_str()
        .ok_or_else(|| Error::unprocessable("The report does not say which measure it is of.").at("report"))
}

/// The question that a kept report answers, as the inputs of its measure. What was known when it was made
/// is what counts, unless it says itself what was to be known.
///
/// # Errors
/// 422 when the report does not say its period or when it was made.
pub fn question_of(report: &Json) -> Result<Pairs> {
    let refuse = |what: &str| Error::unprocessable(format!("The report does not say {what}.")).at("report");
    let mut pairs = Pairs::new();
    for (name, end) in [("periodStart", "start"), ("periodEnd", "end")] {
        let day = report["period"][end].as_str().ok_or_else(|| refuse("its period"))?;
        pairs.push((name.to_owned(), day.to_owned()));
    }
    let url = input_url();
    for input in items(&report["extension"]).filter(|e| e["url"] == url.as_str()) {
        let part = |name: &str, member: &str| {
            let mut parts = items(&input["extension"]).filter(|part| part["url"] == name);
            parts.next().map(|part| text(part, member).to_owned()).unwrap_or_default()
        };
        pairs.push((part("name", "valueCode"), part("value", "valueString")));
    }
    if !pairs.iter().any(|(name, _)| name == "knownAt") {
        let date = report["date"].as_str().ok_or_else(|| refuse("when it was made"))?;
        pairs.push(("knownAt".to_owned(), date.to_owned()));
    }
    Ok(pairs)
}
