//! `Measure/$evaluate-measure`
//! (<https://hl7.org/fhir/R4/measure-operation-evaluate-measure.html>): the question is checked and the
//! report written by the `rcm` room; here the mart is asked.

use super::App;
use crate::operation::{Operation, Target};
use crate::rcm::{self, Measure, MeasureRequest};
use crate::rest::Answer;
use remit_fhir::{Error, Result, date};
use remit_mart::{Cell, Parameter, Query};
use remit_search::{Access, AccessPlan};
use remit_spec::Definitions;
use remit_store::system_clock;
use rust_decimal::Decimal;
use serde_json::Value as Json;

const DEFINITION: &str = "http://hl7.org/fhir/OperationDefinition/Measure-evaluate-measure";

impl App {
    /// The operation, bound to this server's store and mart.
    pub(super) fn evaluate_measure(&self) -> Operation {
        let app = self.clone();
        Operation::new(DEFINITION, move |invocation| {
            let app = app.clone();
            let target = match &invocation.target {
                Target::Instance(_, id) => Some((*id).to_owned()),
                _ => None,
            };
            let plan = invocation.cx.plan.clone();
            let pairs = invocation.parameters.pairs().to_vec();
            let body = invocation.parameters.body().map(|body| body.text().to_owned());
            let answer = async move {
                may_read(&plan)?;
                let body = body
                    .map(|text| serde_json::from_str::<Json>(&text))
                    .transpose()
                    .map_err(Error::internal)?;
                let report =
                    app.measure_report(plan.tenant(), target.as_deref(), &pairs, body.as_ref()).await?;
                Ok(Answer::of(report.to_string()))
            };
            Box::pin(answer)
        })
    }

    /// The MeasureReport of a shipped measure.
    pub async fn evaluate(
        &self,
        tenant: i32,
        id: &str,
        pairs: &[(String, String)],
        body: Option<&Json>,
    ) -> Result<Json> {
        self.measure_report(tenant, Some(id), pairs, body).await
    }

    async fn measure_report(
        &self,
        tenant: i32,
        id: Option<&str>,
        pairs: &[(String, String)],
        body: Option<&Json>,
    ) -> Result<Json> {
        let (measure, request) = match id {
            Some(id) => {
                let measure = Measure::find(id)
                    .ok_or_else(|| Error::not_found("There is no measure of that id here."))?;
                (measure, MeasureRequest::parse(measure, pairs, body)?)
            }
            None => MeasureRequest::parse_any(pairs, body)?,
        };
        // Whatever was acknowledged before this question is in its answer.
        self.feed.catch_up(&self.store, &self.mart).await?;
        let (sql, parameters) = measure.query(&request);
        let mut query = Query::new(tenant, sql);
        query.known_at = request.known_at;
        for (name, value) in parameters {
            query.parameters.insert(name.to_owned(), parameter(value)?);
        }
        let answer = self.mart.query(query).await?;
        let mut rows = rcm::Rows { columns: answer.columns(), rows: Vec::new() };
        for row in answer.rows()? {
            rows.rows.push(row.into_iter().map(value).collect::<Result<_>>()?);
        }
        measure.report(&request, &rows, &date::instant(system_clock()))
    }
}

/// Figures count rows of every type that the views read; who may not read all of one may not have them.
fn may_read(plan: &AccessPlan) -> Result<()> {
    let definitions = Definitions::r4();
    let counted = ["Claim", "ClaimResponse", "ExplanationOfBenefit", "Coverage", "PaymentReconciliation"];
    let all = counted.iter().filter_map(|name| definitions.resource_named(name));
    match all.into_iter().all(|ty| *plan.access(ty) == Access::Allow) {
        true => Ok(()),
        false => Err(Error::new(
            remit_fhir::Kind::Forbidden,
            "These figures count resources that you may not read.",
        )),
    }
}

fn parameter(value: rcm::Parameter) -> Result<Parameter> {
    Ok(match value {
        rcm::Parameter::Date(day) => {
            let moment =
                date::Moment::parse(&day).ok_or_else(|| Error::internal("a checked day is no day"))?;
            let days = moment.low.div_euclid(86_400_000_000);
            Parameter::Date(i32::try_from(days).map_err(Error::internal)?)
        }
        rcm::Parameter::Text(text) => Parameter::Text(text),
        rcm::Parameter::Integer(number) => Parameter::Integer(number),
    })
}

fn value(cell: Cell) -> Result<rcm::Value> {
    Ok(match cell {
        Cell::Null => rcm::Value::Null,
        Cell::Text(text) => rcm::Value::Text(text),
        Cell::Integer(number) => rcm::Value::Integer(number),
        Cell::Decimal(digits, scale) => {
            rcm::Value::Decimal(Decimal::try_from_i128_with_scale(digits, scale).map_err(Error::internal)?)
        }
        Cell::Date(days) => {
            let (year, month, day) = date::civil_from_days(days.into());
            rcm::Value::Text(format!("{year:04}-{month:02}-{day:02}"))
        }
        Cell::Boolean(_) | Cell::Real(_) | Cell::Instant(_) => {
            return Err(Error::internal("the SQL of a measure gives a column that no figure is made of"));
        }
    })
}
