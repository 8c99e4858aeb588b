//! Questions that are answered block by block: which they are, and their answers.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use futures_util::future::BoxFuture;
use remit_fhir::{Error, Result};

use crate::engine::plan_error;
use crate::local::Reader;
use crate::mart::Mart;
use crate::planner::{Branch, Planner, Reading, Tree};
use crate::query::{ByBlocks, Query};
use crate::standing::{Asking, Standing, make};
use crate::step::{Below, Kind, Slot, Step, nullable};
use crate::table::Table;
use crate::tenant::Tenant;

/// A rule that makes two groupings of one that counts what is distinct: the inner one is by what may be
/// null, so nothing could be said of its blocks.
const SPLITS_DISTINCT: &str = "single_distinct_aggregation_to_group_by";

/// How a query is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The rows of each block are kept, and put one after the other.
    Rows,
    /// The sums of each block are kept, and added up.
    Sums,
    /// It stands on views about everything only.
    Small,
    /// Over all rows.
    Whole,
}

impl Mart {
    /// How a query would be answered.
    ///
    /// # Errors
    /// When it cannot be planned.
    pub async fn way(&self, query: Query) -> Result<Way> {
        let planner = Planner {
            tenant: self.tenants.read().get(&query.tenant).cloned(),
            query,
            views: self.views.clone(),
            template: self.engine.template()?,
            kept: self.kept.clone(),
            standings: self.standings.clone(),
        };
        if planner.query.keeps() == ByBlocks::Nothing {
            return Ok(Way::Whole);
        }
        let tree = planner.tree()?;
        Ok(match planner.step(&tree).await? {
            None => Way::Whole,
            Some(step) if step.is_small() => Way::Small,
            Some(step) if step.is_linked() => Way::Rows,
            Some(_) => Way::Sums,
        })
    }
}

impl Planner {
    /// The answer of a query that may be asked of each block; `None` when it may not.
    pub(crate) async fn by_blocks(
        &self,
        tree: &Tree,
        environment: &Arc<RuntimeEnv>,
    ) -> Result<Option<(SchemaRef, Vec<RecordBatch>)>> {
        if self.query.keeps() != ByBlocks::Answer || !self.standings.has_links() {
            return Ok(None);
        }
        let step = self.step(tree).await?.filter(|step| !step.is_small());
        let Some(step) = step else { return Ok(None) };
        let mut beside = Vec::new();
        for (_, branch) in &tree.below {
            if let Branch::Tree(tree) = branch {
                beside.extend(self.standing_step(tree).await);
            }
        }
        let made = self.made(std::slice::from_ref(&step), &beside, environment, |_| Ok(())).await?;
        let rows = made.and_then(|(_, rows)| rows.into_iter().next());
        Ok(rows.map(|rows| (step.schema(), rows)))
    }

    /// How a kept layer is made block by block; `None` when that cannot be.
    pub(crate) async fn standing_step(&self, tree: &Tree) -> Option<Arc<Step>> {
        if !tree.is_kept || self.query.keeps() == ByBlocks::Nothing || !self.standings.has_links() {
            return None;
        }
        let step = self.step(tree).await.ok().flatten();
        step.filter(|step| step.is_linked())
    }

    /// Makes steps and gives the rows of each, with what there is to see at the moment that they are of;
    /// `None` when there are no blocks. What is beside them is made with them.
    pub(crate) async fn made<T: Send>(
        &self,
        steps: &[Arc<Step>],
        beside: &[Arc<Step>],
        environment: &Arc<RuntimeEnv>,
        look: impl Fn(&Tenant) -> Result<T> + Send + Sync,
    ) -> Result<Option<(T, Vec<Vec<RecordBatch>>)>> {
        let Some(tenant) = &self.tenant else { return Ok(None) };
        let wanted = [steps, beside].concat();
        let standing = self.standings.of(self.query.tenant, &self.views);
        let mut standing = standing.lock().await;
        let is_there = standing.has_all(&tenant.read(), &wanted);
        let asking = Asking {
            tenant,
            limits: self.query.limits,
            environment: environment.clone(),
            beside: if is_there { Vec::new() } else { self.beside().await },
        };
        let Standing { blocks, store } = &mut *standing;
        let seen = make(blocks, store, &asking, &wanted, look).await?;
        if blocks.len() == 0 {
            return Ok(None);
        }
        let rows: Result<Vec<_>> = steps.iter().map(|step| store.answer(step)).collect();
        Ok(Some((seen, rows?)))
    }

    /// The layers that questions read, with the parameters of this one.
    async fn beside(&self) -> Vec<Arc<Step>> {
        let mut reading = Reading::default();
        let mut steps = Vec::new();
        for layer in self.standings.layers().iter() {
            let tree = layer
                .caged()
                .and_then(|caged| self.read(layer.sql(), caged, layer.relations(), 0, &mut reading));
            // A layer of another question may want parameters that this one has not.
            if let Ok(tree) = tree
                && let Ok(Some(step)) = self.step(&tree).await
                && step.is_linked()
            {
                steps.push(step);
            }
        }
        steps
    }

    /// Plans a query over the rows of one block; `None` when its answer is not that of its parts.
    pub(crate) fn step<'p>(&'p self, tree: &'p Tree) -> BoxFuture<'p, Result<Option<Arc<Step>>>> {
        Box::pin(async move {
            if let Some(known) = self.standings.step(&tree.print) {
                return Ok(known);
            }
            let step = self.new_step(tree).await?.map(Arc::new);
            self.standings.put_step(tree.print, step.clone());
            Ok(step)
        })
    }

    async fn new_step(&self, tree: &Tree) -> Result<Option<Step>> {
        let (mut origins, mut below) = (HashMap::new(), Vec::new());
        let schema = MemorySchemaProvider::new();
        for (name, branch) in &tree.below {
            let (origin, columns, table) = match branch {
                Branch::View(view) => {
                    let Some(named) = self.views.by_name.get(view) else { return Ok(None) };
                    let columns = nullable(&Table::new(named.clone()).schema);
                    (self.standings.links.origin(named, &columns), columns, Below::View(view.clone()))
                }
                Branch::Tree(tree) => {
                    let Some(step) = self.step(tree).await? else { return Ok(None) };
                    let Kind::Rows(origin) = &step.kind else { return Ok(None) };
                    (origin.clone(), step.schema(), Below::Step(step.clone()))
                }
            };
            let slot = Arc::new(Slot::new(name, columns));
            schema.register_table(name.clone(), slot).map_err(Error::internal)?;
            origins.insert(name.clone(), origin);
            below.push((name.clone(), table));
        }
        let state = self.session(&one_by_one(&self.template), schema, Arc::default())?;
        let plan = self.statement(&tree.caged, &state).await?;
        let plan: LogicalPlan = state.optimize(&plan).map_err(plan_error)?;
        let reader = Reader::new(&origins);
        let kind = reader.origin(&plan).map(Kind::Rows).or_else(|| reader.merge(&plan).map(Kind::Sums));
        let Some(kind) = kind else { return Ok(None) };
        let plan = state.query_planner().create_physical_plan(&plan, &state).await.map_err(plan_error)?;
        if matches!(&kind, Kind::Sums(merge) if !merge.fits(&plan.schema())) {
            return Ok(None);
        }
        let (schema, config) = (nullable(&plan.schema()), state.config().clone());
        Ok(Some(Step { print: tree.print, below, plan, schema, config, kind }))
    }
}

/// A session whose plans are run again and again, each over few rows: nothing is spread over threads,
/// and no step tells another what it has seen.
fn one_by_one(template: &SessionState) -> SessionState {
    let mut config = template.config().clone().with_target_partitions(1);
    let optimizer = &mut config.options_mut().optimizer;
    optimizer.enable_dynamic_filter_pushdown = false;
    optimizer.enable_join_dynamic_filter_pushdown = false;
    optimizer.enable_topk_dynamic_filter_pushdown = false;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    let rules = template.optimizers().iter().filter(|rule| rule.name() != SPLITS_DISTINCT).cloned().collect();
    SessionStateBuilder::new_from_existing(template.clone())
        .with_config(config)
        .with_optimizer_rules(rules)
        .build()
}
