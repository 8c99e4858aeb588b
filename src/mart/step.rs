//! Queries planned once and run over the rows of one block after the other.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, exec_datafusion_err};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, reset_plan_states};
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
    collect,
};
use datafusion::prelude::SessionConfig;

use crate::local::{Class, Origin};
use crate::sums::Merge;

type Planned<'p> = Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>, DataFusionError>> + Send + 'p>>;

/// What a step is known by: everything that its rows follow from beside the rows of views.
pub(crate) type Print = [u8; 32];

/// A table that a step reads.
#[derive(Clone, Debug)]
pub(crate) enum Below {
    View(String),
    Step(Arc<Step>),
}

/// A query that may be asked of each block by itself.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) print: Print,
    /// The tables by their names in the query.
    pub(crate) below: Vec<(String, Below)>,
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    /// Its columns, any of which may be null: what a plan says of that is not always so.
    pub(crate) schema: SchemaRef,
    pub(crate) config: SessionConfig,
    pub(crate) kind: Kind,
}

/// How the rows of all blocks are put together.
#[derive(Debug)]
pub(crate) enum Kind {
    /// One after the other, or, where they are of views about everything, those of any block.
    Rows(Origin),
    /// Added up.
    Sums(Merge),
}

/// The same columns, any of which may be null.
pub(crate) fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows behind the names of one query.
pub(crate) type World = HashMap<String, Arc<Vec<RecordBatch>>>;

impl Step {
    pub(crate) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Whether each of its rows is of one block.
    pub(crate) fn is_linked(&self) -> bool {
        matches!(&self.kind, Kind::Rows(origin) if origin.class == Class::Linked)
    }

    /// Whether its rows are those of any block.
    pub(crate) fn is_small(&self) -> bool {
        matches!(&self.kind, Kind::Rows(origin) if origin.class == Class::Small)
    }

    /// Its rows, from those of its tables.
    pub(crate) async fn run(
        &self,
        world: World,
        environment: Arc<RuntimeEnv>,
    ) -> Result<Vec<RecordBatch>, DataFusionError> {
        let config = self.config.clone().with_extension(Arc::new(world));
        let context = TaskContext::default().with_session_config(config).with_runtime(environment);
        // What a plan has gathered on its last run is not of this one.
        collect(reset_plan_states(self.plan.clone())?, Arc::new(context)).await
    }
}

/// A table whose rows are given when the plan is run.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    name: String,
    schema: SchemaRef,
    /// The columns that are read.
    projection: Option<Vec<usize>>,
    properties: Arc<PlanProperties>,
}

impl Slot {
    pub(crate) fn new(name: &str, schema: SchemaRef) -> Slot {
        Slot { name: name.to_owned(), properties: properties(&schema), schema, projection: None }
    }

    fn rows(&self, context: &TaskContext) -> Result<Vec<RecordBatch>, DataFusionError> {
        let world = context.session_config().get_extension::<World>();
        let rows = world.as_ref().and_then(|world| world.get(&self.name));
        let rows = rows.ok_or_else(|| exec_datafusion_err!("there are no rows for {}", self.name))?;
        let schema = self.properties.eq_properties.schema();
        let project = |batch: &RecordBatch| {
            let columns = match &self.projection {
                Some(places) => places.iter().map(|place| batch.column(*place).clone()).collect(),
                None => batch.columns().to_vec(),
            };
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        };
        Ok(rows.iter().map(project).collect::<Result<_, _>>()?)
    }
}

fn properties(schema: &SchemaRef) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(schema.clone()),
        Partitioning::UnknownPartitioning(1),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

impl TableProvider for Slot {
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
        Box::pin(async move {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => self.schema.clone(),
            };
            let slot =
                Slot { properties: properties(&schema), projection: projection.cloned(), ..self.clone() };
            Ok(Arc::new(slot) as Arc<dyn ExecutionPlan>)
        })
    }
}

impl DisplayAs for Slot {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot: {}", self.name)
    }
}

impl ExecutionPlan for Slot {
    fn name(&self) -> &'static str {
        "Slot"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        Ok(self)
    }

    fn execute(
        &self,
        _: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let rows = self.rows(&context)?;
        let schema = self.properties.eq_properties.schema().clone();
        Ok(Box::pin(MemoryStream::try_new(rows, schema, None)?))
    }
}
