//! A view as SQL sees it: the rows of one tenant that are known at one time and that the caller
//! may read. Nothing above this table can reach another row.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use remit_fhir::date::Micros;
use remit_fhir::{Error, Result};

use crate::tenant::Tenant;

/// Threads that one query may use.
pub(crate) const PARTITIONS: usize = 2;

/// Rows put before a [`RowRule`].
#[derive(Debug)]
pub struct RuledRows<'r> {
    /// The view.
    pub view: &'r str,
    /// The resource type that it reads.
    pub resource_type: &'r str,
    /// The logical id of the resource behind each row.
    pub ids: &'r StringArray,
    /// All columns of the view.
    pub columns: &'r RecordBatch,
}

/// Decides which rows a caller may read: a bit for each row. It stands below every query.
pub type RowRule = Arc<dyn Fn(&RuledRows<'_>) -> Result<BooleanBuffer> + Send + Sync>;

/// A rule that takes, of these resource types, the rows of these resources only; all rows of others.
pub fn only(ids: HashMap<String, HashSet<String>>) -> RowRule {
    Arc::new(move |rows| {
        let count = rows.ids.len();
        Ok(match ids.get(rows.resource_type) {
            None => BooleanBuffer::new_set(count),
            Some(ids) => BooleanBuffer::collect_bool(count, |row| ids.contains(rows.ids.value(row))),
        })
    })
}

/// Visible rows. They do not change while a query runs.
#[derive(Debug)]
pub(crate) struct Visible {
    schema: SchemaRef,
    parts: Vec<(RecordBatch, Option<BooleanBuffer>)>,
}

impl Visible {
    pub(crate) fn empty(schema: SchemaRef) -> Visible {
        Visible { schema, parts: Vec::new() }
    }

    /// Rows that a query made, all of them visible.
    pub(crate) fn made(schema: SchemaRef, batches: Vec<RecordBatch>) -> Visible {
        Visible { schema, parts: batches.into_iter().map(|batch| (batch, None)).collect() }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|(batch, _)| batch.get_array_memory_size()).sum()
    }

    /// The rows of a view that are known at a time, or now, and pass the rule. `None` when the
    /// tenant has nothing of that view.
    pub(crate) fn of(
        tenant: &Tenant,
        view: &str,
        known_at: Option<Micros>,
        rule: Option<&RowRule>,
    ) -> Result<Option<Visible>> {
        let Some((shard, table)) = tenant.table(view) else { return Ok(None) };
        let mut parts = Vec::new();
        for (part, mask) in shard.visible(table, known_at) {
            let mask = match rule {
                None => mask,
                Some(rule) => {
                    let rows = RuledRows {
                        view,
                        resource_type: table.view.resource_name(),
                        ids: &shard.ids(table, &part),
                        columns: &part.batch,
                    };
                    let allowed = rule(&rows)?;
                    if allowed.len() != part.batch.num_rows() {
                        return Err(Error::internal("a row rule answered for another number of rows"));
                    }
                    Some(mask.map_or_else(|| allowed.clone(), |mask| &mask & &allowed))
                }
            };
            parts.push((part.batch, mask));
        }
        Ok(Some(Visible { schema: table.schema.clone(), parts }))
    }

    /// The rows by themselves.
    pub(crate) fn batches(&self) -> Result<Vec<RecordBatch>> {
        let partitions = self.partitions(None).map_err(Error::internal)?;
        Ok(partitions.into_iter().flatten().collect())
    }

    /// The batches with the columns asked for, spread over the partitions.
    fn partitions(
        &self,
        projection: Option<&Vec<usize>>,
    ) -> datafusion::common::Result<Vec<Vec<RecordBatch>>> {
        let mut partitions = vec![Vec::new(); PARTITIONS];
        for (n, (batch, mask)) in self.parts.iter().enumerate() {
            // Columns first: what is not asked for is not copied.
            let batch = match projection {
                Some(columns) => batch.project(columns)?,
                None => batch.clone(),
            };
            let batch = match mask {
                Some(mask) => filter_record_batch(&batch, &BooleanArray::new(mask.clone(), None))?,
                None => batch,
            };
            partitions[n % PARTITIONS].push(batch);
        }
        Ok(partitions)
    }

    fn plan(&self, projection: Option<&Vec<usize>>) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        Ok(MemorySourceConfig::try_new_exec(&self.partitions(projection)?, schema, None)?)
    }
}

type Planned<'p> = Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>, DataFusionError>> + Send + 'p>>;

impl TableProvider for Visible {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'a, 'b, 'c, 'd, 'p>(
        &'a self,
        _state: &'b dyn Session,
        projection: Option<&'c Vec<usize>>,
        _filters: &'d [Expr],
        _limit: Option<usize>,
    ) -> Planned<'p>
    where
        'a: 'p,
        'b: 'p,
        'c: 'p,
        'd: 'p,
        Self: 'p,
    {
        Box::pin(async move { self.plan(projection) })
    }
}
