//! `Measure/$evaluate-measure`
//! (<https://hl7.org/fhir/R4/measure-operation-evaluate-measure.html>): the question is checked and the
//! report written by the `rcm` room; here the mart is asked.

use super::layers;
use super::{inputs, measure};
use crate::app::App;
use crate::operation::Operation;
use crate::rcm::{self, Library, Measure, MeasureRequest};
use crate::rest::{Answer, Context};
use futures_util::future::try_join_all;
use remit_fhir::{Error, Result, date};
use remit_mart::{Cell, Limits, Parameter, Query};
use remit_store::system_clock;
use rust_decimal::Decimal;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::Duration;

const DEFINITION: &str = "http://hl7.org/fhir/OperationDefinition/Measure-evaluate-measure";
/// What one question may take while its layers are made.
const QUESTION_BYTES: usize = 1 << 30;
/// How long one question may take: the first after a change makes the layers of the whole record.
const QUESTION_TIME: Duration = Duration::from_secs(120);

impl App {
    /// The operation, bound to this server's store and mart.
    pub(super) fn evaluate_measure(&self) -> Operation {
        let app = self.clone();
        Operation::new(DEFINITION, move |call| {
            let app = app.clone();
            Box::pin(async move {
                let pairs = inputs(&call)?;
                let measure = measure(&call, &pairs)?;
                let request = MeasureRequest::parse(measure, &pairs)?;
                let report = app.measure_report(Asker::Caller(&call.cx), measure, &request).await?;
                Ok(Answer::of(report.to_string()))
            })
        })
    }

    /// The MeasureReport of a shipped measure over everything that a tenant has.
    ///
    /// # Errors
    /// As the operation.
    pub async fn evaluate(&self, tenant: i32, id: &str, pairs: &[(String, String)]) -> Result<Json> {
        let measure = Measure::find(id);
        let measure = measure.ok_or_else(|| Error::not_found("There is no measure of that id here."))?;
        let request = MeasureRequest::parse(measure, pairs)?;
        self.measure_report(Asker::Server(tenant), measure, &request).await
    }

    /// The MeasureReport of a shipped measure, over what the asker may read.
    pub(super) async fn measure_report(
        &self,
        asker: Asker<'_>,
        measure: &'static Measure,
        request: &MeasureRequest,
    ) -> Result<Json> {
        // Whatever was acknowledged before this question is in its answer.
        self.feed.catch_up(&self.store, &self.mart).await?;
        let parts = measure.parts();
        // Several parts may stand on one Library, which is asked once.
        let mut questions: Vec<(&Library, Query)> = Vec::new();
        let mut places: Vec<Vec<usize>> = Vec::new();
        for part in &parts {
            let mut own = Vec::new();
            for library in &part.libraries {
                let query = question(asker, part, library, request).await?;
                let same = questions.iter().position(|(known, asked)| {
                    known.url == library.url && asked.parameters == query.parameters
                });
                own.push(same.unwrap_or(questions.len()));
                if same.is_none() {
                    questions.push((library, query));
                }
            }
            places.push(own);
        }
        let answers = try_join_all(questions.into_iter().map(|(_, query)| self.rows(query))).await?;
        let parts: Vec<(&Measure, Vec<rcm::Rows>)> = parts
            .into_iter()
            .zip(places)
            .map(|(part, own)| (part, own.into_iter().map(|place| answers[place].clone()).collect()))
            .collect();
        measure.report(request, &parts, &date::instant(system_clock()))
    }

    /// The rows of each Library of one measure that is not composed of others.
    pub(super) async fn part_rows(
        &self,
        asker: Asker<'_>,
        measure: &Measure,
        request: &MeasureRequest,
    ) -> Result<Vec<rcm::Rows>> {
        self.feed.catch_up(&self.store, &self.mart).await?;
        let mut rows = Vec::new();
        for library in &measure.libraries {
            rows.push(self.rows(question(asker, measure, library, request).await?).await?);
        }
        Ok(rows)
    }

    /// The rows of a query as the `rcm` room reads them.
    pub(super) async fn rows(&self, query: Query) -> Result<rcm::Rows> {
        let answer = self.mart.query(query).await?;
        let mut rows = rcm::Rows { columns: answer.columns(), rows: Vec::new() };
        for row in answer.rows()? {
            rows.rows.push(row.into_iter().map(value).collect::<Result<_>>()?);
        }
        Ok(rows)
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) enum Asker<'a> {
    /// A caller, who sees what is theirs to see.
    Caller(&'a Context<'a>),
    /// The server itself, about all of a tenant.
    Server(i32),
}

/// The question that a Library is for a measure, over the rows that the asker may see; an error when
/// there is a type of which that is nothing.
pub(super) async fn question(
    asker: Asker<'_>,
    measure: &Measure,
    library: &Library,
    request: &MeasureRequest,
) -> Result<Query> {
    let relations = layers::relations(library)?;
    let (tenant, rule) = match asker {
        Asker::Caller(cx) => (cx.plan.tenant(), crate::sql::access_rule(cx, &relations.types).await?),
        Asker::Server(tenant) => (tenant, None),
    };
    let mut parameters = BTreeMap::new();
    for (name, value) in measure.bind(library, request) {
        parameters.insert(name.to_owned(), parameter(value)?);
    }
    Ok(Query {
        relations: Some(relations.tables.clone()),
        parameters,
        known_at: request.known_at,
        rule,
        limits: Limits { memory: QUESTION_BYTES, time: QUESTION_TIME, ..Limits::default() },
        ..Query::new(tenant, &library.sql)
    })
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
        rcm::Parameter::Decimal(text) => Parameter::Decimal(text),
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
