//! `$rcm-variance`: why a figure changed from one period to another.

use super::definition::Definition;
use super::evaluate::Asker;
use super::inputs;
use crate::app::App;
use crate::operation::{Invocation, Operation};
use crate::rcm::{self, Group, Measure, MeasureRequest};
use crate::rest::Answer;
use remit_fhir::{Error, Issue, IssueType, Kind, Result};

const DEFINITION: &str = "https://remit.example/fhir/rcm/OperationDefinition/rcm-variance";

type Pairs = Vec<(String, String)>;

impl App {
    /// The operation, bound to this server's store and mart.
    pub(super) fn variance(&self) -> Operation {
        let app = self.clone();
        Operation::new(DEFINITION, move |call| {
            let app = app.clone();
            Box::pin(async move { app.explain(&call).await })
        })
    }

    async fn explain(&self, call: &Invocation<'_>) -> Result<Answer> {
        let pairs = inputs(call)?;
        let definition = Definition::of_call(call, &pairs).await?;
        let measure = definition.measure();
        if !measure.composed_of.is_empty() {
            let text = "This measure is composed of others; ask about one of them.";
            return Err(Error::unprocessable(text).coded(IssueType::BusinessRule).at("measure"));
        }
        let group = group(measure, &pairs)?;
        let before = MeasureRequest::parse(measure, &period(&pairs, "periodA")?)?.of_population()?;
        let after = MeasureRequest::parse(measure, &period(&pairs, "periodB")?)?.of_population()?;
        let asker = Asker::Caller(&call.cx);
        let rows_before = self.part_rows(asker, &definition, &before).await?;
        let rows_after = self.part_rows(asker, &definition, &after).await?;
        let answer = rcm::variance(measure, group, (&before, &rows_before), (&after, &rows_after))?;
        Ok(Answer::of(answer.to_string()))
    }
}

fn group<'m>(measure: &'m Measure, pairs: &Pairs) -> Result<&'m Group> {
    let asked = pairs.iter().find(|(name, _)| name == "group").map(|(_, value)| value.as_str());
    let found = match asked {
        Some(asked) => measure.groups.iter().find(|group| group.name() == asked),
        None => measure.groups.first(),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = measure.groups.iter().map(Group::name).collect();
        let text = format!("There is no such group here; there are {}.", names.join(", "));
        Error::unprocessable(text).coded(IssueType::NotFound).at("group")
    })
}

/// The inputs of the measure for one of the periods.
fn period(pairs: &Pairs, name: &str) -> Result<Pairs> {
    let mut inputs = Pairs::new();
    for (given, value) in pairs {
        match given.as_str() {
            "group" => {}
            "dimension" => inputs.push(("groupBy".to_owned(), value.clone())),
            "periodAStart" | "periodAEnd" | "periodBStart" | "periodBEnd" => {
                if let Some(end) = given.strip_prefix(name) {
                    if !MeasureRequest::is_day(value) {
                        return Err(refuse(
                            given,
                            IssueType::Value,
                            "This is not a date such as 2026-01-31.",
                        ));
                    }
                    inputs.push((format!("period{end}"), value.clone()));
                }
            }
            "periodStart" | "periodEnd" | "groupBy" => {
                let text =
                    "$rcm-variance has periodAStart, periodAEnd, periodBStart, periodBEnd and dimension.";
                return Err(refuse(given, IssueType::NotSupported, text));
            }
            _ => inputs.push((given.clone(), value.clone())),
        }
    }
    for end in ["Start", "End"] {
        if !inputs.iter().any(|(given, _)| *given == format!("period{end}")) {
            let missing = format!("{name}{end}");
            return Err(refuse(
                &missing,
                IssueType::Required,
                "Give both periods: dates such as 2026-01-31.",
            ));
        }
    }
    Ok(inputs)
}

fn refuse(name: &str, code: IssueType, sentence: &str) -> Error {
    Error::with_issues(Kind::Invalid, vec![Issue::error(code, sentence).at(name)])
}
