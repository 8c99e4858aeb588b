//! A question to the mart and its answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use remit_fhir::date::Micros;
use remit_fhir::{Error, Result};
use tokio::sync::mpsc;

use crate::cage::{self, Caged};
use crate::column::PRECISION;
use crate::decimal;
use crate::mart::Mart;
use crate::visible::RowRule;

/// What one query may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the call to the last row, waiting for its turn included.
    pub time: Duration,
    /// Bytes for sorting, grouping and joining.
    pub memory: usize,
    /// Rows of the answer. More rows are an error, so that nobody takes a part for the whole.
    pub rows: usize,
    /// Bytes of the answer.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { time: Duration::from_secs(30), memory: 512 << 20, rows: 1_000_000, bytes: 256 << 20 }
    }
}

/// The value of a parameter `:name`.
#[derive(Clone, PartialEq, Debug)]
pub enum Parameter {
    /// Nothing
    Null,
    /// `boolean`
    Boolean(bool),
    /// `integer`
    Integer(i64),
    /// `decimal`, as JSON writes it
    Decimal(String),
    /// `date`, in days since 1970-01-01
    Date(i32),
    /// `dateTime` or `instant`, in microseconds since 1970
    Instant(Micros),
    /// Text of any kind
    Text(String),
}

impl Parameter {
    pub(crate) fn scalar(&self) -> Result<ScalarValue> {
        Ok(match self {
            Parameter::Null => ScalarValue::Null,
            Parameter::Boolean(value) => ScalarValue::Boolean(Some(*value)),
            Parameter::Integer(value) => ScalarValue::Int64(Some(*value)),
            Parameter::Decimal(text) => {
                let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                let scale = i8::try_from(digits).unwrap_or(i8::MAX).clamp(6, 18);
                match decimal::parse(text, scale) {
                    Some((value, true)) => ScalarValue::Decimal128(Some(value), PRECISION, scale),
                    _ => {
                        return Err(Error::invalid(
                            "A decimal parameter is no number or has too many digits.",
                        ));
                    }
                }
            }
            Parameter::Date(days) => ScalarValue::Date32(Some(*days)),
            Parameter::Instant(at) => ScalarValue::TimestampMicrosecond(Some(*at), Some("UTC".into())),
            Parameter::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        })
    }
}

/// What stands behind a name in `FROM`.
#[derive(Clone, Debug)]
pub enum Source {
    /// The view of this name.
    View(String),
    /// Another query, over names of its own.
    Sql(Arc<Layer>),
}

/// A query that others read as a table. Shared by pointer: one that is read in several places is
/// checked once, however often it is asked.
#[derive(Debug)]
pub struct Layer {
    sql: String,
    relations: BTreeMap<String, Source>,
    pub(crate) is_kept: bool,
    caged: OnceLock<Arc<Caged>>,
}

impl Layer {
    /// A statement over the names that it may use.
    pub fn new(sql: impl Into<String>, relations: BTreeMap<String, Source>) -> Layer {
        Layer { sql: sql.into(), relations, is_kept: false, caged: OnceLock::new() }
    }

    /// The same, whose rows are made once and kept until a row below it changes. Not for SQL of a
    /// user: nothing of the query above narrows it.
    #[must_use]
    pub fn kept(self) -> Layer {
        Layer { is_kept: true, ..self }
    }

    /// The names that the statement may use.
    pub fn relations(&self) -> &BTreeMap<String, Source> {
        &self.relations
    }

    /// The same statement over other relations.
    #[must_use]
    pub fn over(&self, relations: BTreeMap<String, Source>) -> Layer {
        Layer { sql: self.sql.clone(), relations, is_kept: self.is_kept, caged: self.caged.clone() }
    }

    /// The statement.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    pub(crate) fn caged(&self) -> Result<Arc<Caged>> {
        if let Some(caged) = self.caged.get() {
            return Ok(caged.clone());
        }
        let caged = Arc::new(cage::check(&self.sql)?);
        Ok(self.caged.get_or_init(|| caged).clone())
    }
}

/// A question.
#[derive(Clone)]
pub struct Query {
    /// Whose rows.
    pub tenant: i32,
    /// One SELECT, or WITH and SELECT; parameters are written `:name`.
    pub sql: String,
    /// The names that may stand in `FROM`. `None` is every view under its own name.
    pub relations: Option<BTreeMap<String, Source>>,
    /// The parameters.
    pub parameters: BTreeMap<String, Parameter>,
    /// Answers with what was known at this time; `None` is now.
    pub known_at: Option<Micros>,
    /// Which rows the caller may read; `None` is all.
    pub rule: Option<RowRule>,
    /// What the query may take.
    pub limits: Limits,
    /// What of it is kept. Only for SQL that comes with the program: nothing bounds what a user's keeps.
    pub by_blocks: ByBlocks,
}

/// What of a question is kept by blocks of rows that belong together, where its plan allows that.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ByBlocks {
    /// Nothing: it is answered over all rows.
    #[default]
    Nothing,
    /// The layers that it reads. For what is asked once.
    Layers,
    /// Its answer, too. For what is asked again after a change.
    Answer,
}

impl Query {
    /// A question over all views, about now, with default limits.
    pub fn new(tenant: i32, sql: impl Into<String>) -> Query {
        Query {
            tenant,
            sql: sql.into(),
            relations: None,
            parameters: BTreeMap::new(),
            known_at: None,
            rule: None,
            limits: Limits::default(),
            by_blocks: ByBlocks::Nothing,
        }
    }

    /// What of it is kept: nothing of the past, and nothing for a caller who may not see all rows.
    pub fn keeps(&self) -> ByBlocks {
        match self.known_at.is_some() || self.rule.is_some() {
            true => ByBlocks::Nothing,
            false => self.by_blocks,
        }
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values of parameters may be of a patient.
        f.debug_struct("Query").field("tenant", &self.tenant).field("sql", &self.sql).finish_non_exhaustive()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Names and types of the columns.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
}

/// An answer that arrives batch by batch. Dropping it ends the query.
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    receiver: mpsc::Receiver<Result<RecordBatch>>,
}

impl Rows {
    /// Names and types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        self.receiver.recv().await
    }
}

impl Mart {
    /// Runs a query. What is known when it begins is what it sees to its end.
    pub async fn stream(&self, query: Query) -> Result<Rows> {
        let tenant = self.tenants.read().get(&query.tenant).cloned();
        let (schema, receiver) = self
            .engine
            .start(query, tenant, self.views.clone(), self.kept.clone(), self.standings.clone())
            .await?;
        Ok(Rows { schema, receiver })
    }

    /// Runs a query and collects its rows.
    pub async fn query(&self, query: Query) -> Result<Answer> {
        let mut rows = self.stream(query).await?;
        let mut batches = Vec::new();
        while let Some(batch) = rows.next().await {
            batches.push(batch?);
        }
        Ok(Answer { schema: Arc::clone(rows.schema()), batches })
    }
}
