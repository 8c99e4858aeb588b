//! `$ar-aging` and `$denial-trends`: measures under the names that a billing manager knows. They only
//! rename inputs, so their answers are those of the measures.

use super::evaluate::Asker;
use super::inputs;
use crate::app::App;
use crate::operation::{Invocation, Operation};
use crate::rcm::{Measure, MeasureRequest};
use crate::rest::Answer;
use remit_fhir::{Error, Issue, IssueType, Kind, Result};

const AR_AGING: &str = "https://remit.example/fhir/rcm/OperationDefinition/ar-aging";
const DENIAL_TRENDS: &str = "https://remit.example/fhir/rcm/OperationDefinition/denial-trends";

type Pairs = Vec<(String, String)>;

impl App {
    /// `$ar-aging`: the measure `rcm-ar-aging` at a day.
    pub(super) fn ar_aging(&self) -> Operation {
        self.shortcut(AR_AGING, "rcm-ar-aging", ageing_inputs)
    }

    /// `$denial-trends`: the measure `rcm-initial-denial-rate` by month.
    pub(super) fn denial_trends(&self) -> Operation {
        self.shortcut(DENIAL_TRENDS, "rcm-initial-denial-rate", trend_inputs)
    }

    fn shortcut(
        &self,
        definition: &'static str,
        measure: &'static str,
        rename: fn(Pairs) -> Result<Pairs>,
    ) -> Operation {
        let app = self.clone();
        Operation::new(definition, move |call: Invocation<'_>| {
            let app = app.clone();
            Box::pin(async move {
                let measure = Measure::find(measure).ok_or_else(|| Error::internal("no such measure"))?;
                let request = MeasureRequest::parse(measure, &rename(inputs(&call)?)?)?;
                let report = app.measure_report(Asker::Caller(&call.cx), measure, &request).await?;
                Ok(Answer::of(report.to_string()))
            })
        })
    }
}

fn refuse(code: IssueType, name: &str, sentence: &str) -> Error {
    Error::with_issues(Kind::Invalid, vec![Issue::error(code, sentence).at(name)])
}

fn ageing_inputs(pairs: Pairs) -> Result<Pairs> {
    let as_of = pairs.iter().find(|(name, _)| name == "asOf").map(|(_, value)| value.clone());
    let Some(as_of) = as_of else {
        return Err(refuse(IssueType::Required, "asOf", "Give the day: a date such as 2026-03-31."));
    };
    let mut renamed = Pairs::new();
    for (name, value) in pairs {
        match (name.as_str(), value.as_str()) {
            ("periodStart" | "periodEnd" | "basis", _) => {
                return Err(refuse(
                    IssueType::NotSupported,
                    &name,
                    "$ar-aging has asOf and ageBasis instead.",
                ));
            }
            // Both lists are always there.
            ("includeCredits", "true" | "false") => {}
            ("includeCredits", _) => {
                return Err(refuse(IssueType::Value, &name, "This is true or false."));
            }
            ("groupBy", _) => renamed.push((name, value.replace("holder", "payer"))),
            _ => renamed.push((name, value)),
        }
    }
    // A day that is none is told as asOf, not as a period.
    if MeasureRequest::is_day(&as_of) {
        renamed.push(("periodStart".to_owned(), as_of.clone()));
        renamed.push(("periodEnd".to_owned(), as_of));
        return Ok(renamed);
    }
    Err(refuse(IssueType::Value, "asOf", "This is not a date such as 2026-03-31."))
}

fn trend_inputs(pairs: Pairs) -> Result<Pairs> {
    let interval = pairs.iter().find(|(name, _)| name == "interval").map(|(_, value)| value.as_str());
    let by = match interval {
        None | Some("month") => "month",
        Some("week") => "week",
        Some(_) => return Err(refuse(IssueType::CodeInvalid, "interval", "The interval is month or week.")),
    };
    let mut renamed: Pairs = vec![("groupBy".to_owned(), by.to_owned())];
    renamed.extend(pairs.into_iter().filter(|(name, _)| name != "interval"));
    Ok(renamed)
}
