//! `Measure/$evaluate-measure`
//! (<https://hl7.org/fhir/R4/measure-operation-evaluate-measure.html>): the question is checked and the
//! report written by the `rcm` room; here the mart is asked.

use super::definition::{Definition, reader};
use super::{inputs, layers};
use crate::app::App;
use crate::operation::Operation;
use crate::rcm::{self, Library, Measure, MeasureRequest, ReportType};
use crate::rest::{Answer, Context};
use crate::sql;
use futures_util::future::try_join_all;
use remit_fhir::{Document, Error, Kind, Result, date};
use remit_mart::{ByBlocks, Cell, Limits, Mart, Parameter, Query};
use remit_store::system_clock;
use rust_decimal::Decimal;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::time::Duration;

const DEFINITION: &str = "http://hl7.org/fhir/OperationDefinition/Measure-evaluate-measure";
/// What one question may take while its layers are made.
pub(super) const QUESTION_BYTES: usize = 1 << 30;
/// How long one question may take: the first after a change makes the layers of the whole record.
pub(super) const QUESTION_TIME: Duration = Duration::from_secs(120);

impl App {
    /// The operation, bound to this server's store and mart.
    pub(super) fn evaluate_measure(&self) -> Operation {
        let app = self.clone();
        Operation::new(DEFINITION, move |call| {
            let app = app.clone();
            Box::pin(async move {
                let pairs = inputs(&call)?;
                let definition = Definition::of_call(&call, &pairs).await?;
                let request = MeasureRequest::parse(definition.measure(), &pairs)?;
                let report = app.report(Asker::Caller(&call.cx), &definition, &request).await?;
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
        self.report(asker, &Definition::Shipped(measure), request).await
    }

    /// The MeasureReport of a measure, over what the asker may read.
    pub(super) async fn report(
        &self,
        asker: Asker<'_>,
        definition: &Definition,
        request: &MeasureRequest,
    ) -> Result<Json> {
        let measure = definition.measure();
        if request.report_type == ReportType::SubjectList {
            measure.has_subjects()?;
        }
        // Whatever was acknowledged before this question is in its answer.
        self.feed.catch_up(&self.store, &self.mart).await?;
        let parts = measure.parts();
        // Several parts may stand on one Library, which is asked once.
        let mut questions: Vec<(&Library, Query)> = Vec::new();
        let mut places: Vec<Vec<Place>> = Vec::new();
        for part in &parts {
            let mut own = Vec::new();
            for library in &part.libraries {
                if let Some(document) = definition.document(library) {
                    let rows = self.stored_rows(asker, part, (library, document), request).await?;
                    own.push(Place::Done(rows));
                    continue;
                }
                let query = question(asker, part, library, request).await?;
                let same = questions.iter().position(|(known, asked)| {
                    known.url == library.url && asked.parameters == query.parameters
                });
                own.push(Place::At(same.unwrap_or(questions.len())));
                if same.is_none() {
                    questions.push((library, query));
                }
            }
            places.push(own);
        }
        let answers = try_join_all(questions.into_iter().map(|(_, query)| self.rows(query))).await?;
        let rows = |place| match place {
            Place::At(place) => answers[place].clone(),
            Place::Done(rows) => rows,
        };
        let parts: Vec<(&Measure, Vec<rcm::Rows>)> = parts
            .into_iter()
            .zip(places)
            .map(|(part, own)| (part, own.into_iter().map(rows).collect()))
            .collect();
        measure.report(request, &parts, &date::instant(system_clock()))
    }

    /// The rows of each Library of one measure that is not composed of others.
    pub(super) async fn part_rows(
        &self,
        asker: Asker<'_>,
        definition: &Definition,
        request: &MeasureRequest,
    ) -> Result<Vec<rcm::Rows>> {
        self.feed.catch_up(&self.store, &self.mart).await?;
        let measure = definition.measure();
        let mut rows = Vec::new();
        for library in &measure.libraries {
            rows.push(match definition.document(library) {
                Some(document) => self.stored_rows(asker, measure, (library, document), request).await?,
                None => self.rows(question(asker, measure, library, request).await?).await?,
            });
        }
        Ok(rows)
    }

    /// The rows of a stored Library.
    async fn stored_rows(
        &self,
        asker: Asker<'_>,
        measure: &Measure,
        (library, document): (&Library, &Document),
        request: &MeasureRequest,
    ) -> Result<rcm::Rows> {
        let asked = self.stored_question(asker, measure, (library, document), request).await?;
        rows_of(&asked.mart, asked.query.clone()).await.map_err(of_measure)
    }

    /// The question that a stored Library is for a measure.
    pub(super) async fn stored_question(
        &self,
        asker: Asker<'_>,
        measure: &Measure,
        (library, document): (&Library, &Document),
        request: &MeasureRequest,
    ) -> Result<sql::Asked> {
        let mut parameters = BTreeMap::new();
        for (name, value) in measure.bind_plain(request).into_iter().chain(measure.bind(library, request)) {
            parameters.insert(name.to_owned(), parameter(value)?);
        }
        let (tables, cx) = (self.tables(), reader(asker)?);
        let asked = sql::ask(&tables, cx, document, parameters, request.known_at, LIMITS).await;
        asked.map_err(of_measure)
    }

    /// The rows of a query as the `rcm` room reads them.
    pub(super) async fn rows(&self, query: Query) -> Result<rcm::Rows> {
        rows_of(&self.mart, query).await
    }
}

/// What is wrong with the SQL of a stored Measure is wrong with the Measure, not with the question.
pub(super) fn of_measure(error: Error) -> Error {
    let kind = match error.kind {
        Kind::Invalid | Kind::NotFound => Kind::Unprocessable,
        kind => kind,
    };
    Error { kind, ..error.at("Measure.library") }
}

/// Where the rows of a Library are: there, or among the answers to come.
enum Place {
    At(usize),
    Done(rcm::Rows),
}

/// The rows of a query to a mart.
pub(super) async fn rows_of(mart: &Mart, query: Query) -> Result<rcm::Rows> {
    let answer = mart.query(query).await?;
    let mut rows = rcm::Rows { columns: answer.columns(), rows: Vec::new() };
    for row in answer.rows()? {
        rows.rows.push(row.into_iter().map(value).collect::<Result<_>>()?);
    }
    Ok(rows)
}

/// What one question may take.
const LIMITS: Limits =
    Limits { time: QUESTION_TIME, memory: QUESTION_BYTES, rows: 1_000_000, bytes: 256 << 20 };

/// Who asks.
#[derive(Clone, Copy)]
pub(super) enum Asker<'a> {
    /// A caller, who sees what is theirs to see.
    Caller(&'a Context<'a>),
    /// The server itself, about all of a tenant.
    Server(i32),
}

/// The question that a Library is for a measure, as [`ask`].
pub(super) async fn question(
    asker: Asker<'_>,
    measure: &Measure,
    library: &Library,
    request: &MeasureRequest,
) -> Result<Query> {
    let mut parameters = BTreeMap::new();
    for (name, value) in measure.bind(library, request) {
        parameters.insert(name.to_owned(), parameter(value)?);
    }
    let query = ask(asker, library, parameters, request.known_at).await?;
    Ok(Query { by_blocks: ByBlocks::Answer, ..query })
}

/// The question that a Library is for these parameters, over the rows that the asker may see; an error
/// when there is a type of which that is nothing.
pub(super) async fn ask(
    asker: Asker<'_>,
    library: &Library,
    parameters: BTreeMap<String, Parameter>,
    known_at: Option<i64>,
) -> Result<Query> {
    let relations = layers::relations(library)?;
    let (tenant, rule) = match asker {
        Asker::Caller(cx) => (cx.plan.tenant(), crate::sql::access_rule(cx, &relations.types).await?),
        Asker::Server(tenant) => (tenant, None),
    };
    Ok(Query {
        relations: Some(relations.tables.clone()),
        parameters,
        known_at,
        rule,
        limits: LIMITS,
        by_blocks: ByBlocks::Layers,
        ..Query::new(tenant, &library.sql)
    })
}

pub(super) fn parameter(value: rcm::Parameter) -> Result<Parameter> {
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
        Cell::Boolean(truth) => rcm::Value::Text(truth.to_string()),
        Cell::Instant(at) => rcm::Value::Text(date::instant(at)),
        // It is no figure: figures are exact. It may stand beside them.
        Cell::Real(number) => rcm::Value::Text(number.to_string()),
    })
}
