//! Rows of layers and answers that stand, block by block: made once, and again for the blocks that a
//! version came into. A question puts together what its blocks gave.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use remit_fhir::{Error, Result};

use crate::blocks::Blocks;
use crate::engine::run_error;
use crate::links::Links;
use crate::mart::Config;
use crate::packed::Rows;
use crate::query::{Layer, Limits};
use crate::step::{Below, Kind, Print, Step, World};
use crate::stored::Views;
use crate::sums::Sums;
use crate::tenant::Tenant;
use crate::visible::{PARTITIONS, Visible};

/// Bytes that rows of layers and answers may take; what was not used for longest goes first.
const HELD_BYTES: usize = 640 << 20;
/// Blocks that are made at a time: their rows are in memory together.
const BLOCKS_AT_ONCE: usize = 4 * PARTITIONS;
/// Planned queries that are kept; all are given up when there are more.
const MAX_STEPS: usize = 2_000;

/// What a mart knows about questions that may be answered block by block.
#[derive(Debug)]
pub(crate) struct Standings {
    pub(crate) links: Arc<Links>,
    block_rows: usize,
    plain_bytes: usize,
    /// Layers that questions read: made together, since they share what is below them.
    layers: RwLock<Arc<[Arc<Layer>]>>,
    by_tenant: Mutex<HashMap<i32, Arc<tokio::sync::Mutex<Standing>>>>,
    steps: Mutex<HashMap<Print, Option<Arc<Step>>>>,
}

impl Standings {
    pub(crate) fn new(config: &Config, views: &Views) -> Standings {
        Standings {
            links: Arc::new(config.links.fitting(views)),
            block_rows: config.block_rows,
            plain_bytes: config.plain_bytes,
            layers: RwLock::new(Arc::new([])),
            by_tenant: Mutex::default(),
            steps: Mutex::default(),
        }
    }

    /// Whether anything is tied: else nothing can be made by blocks.
    pub(crate) fn has_links(&self) -> bool {
        !self.links.views.is_empty()
    }

    pub(crate) fn keep(&self, layers: Vec<Arc<Layer>>) {
        *self.layers.write() = layers.into();
    }

    pub(crate) fn layers(&self) -> Arc<[Arc<Layer>]> {
        self.layers.read().clone()
    }

    pub(crate) fn of(&self, tenant: i32, views: &Views) -> Arc<tokio::sync::Mutex<Standing>> {
        let make = || {
            let blocks = Blocks::new(views, &self.links, self.block_rows);
            let store = Store { plain_bytes: self.plain_bytes, ..Store::default() };
            Arc::new(tokio::sync::Mutex::new(Standing { blocks, store }))
        };
        self.by_tenant.lock().entry(tenant).or_insert_with(make).clone()
    }

    /// What is known of a query: planned, or not to be asked by blocks.
    pub(crate) fn step(&self, print: &Print) -> Option<Option<Arc<Step>>> {
        self.steps.lock().get(print).cloned()
    }

    pub(crate) fn put_step(&self, print: Print, step: Option<Arc<Step>>) {
        let mut steps = self.steps.lock();
        if steps.len() >= MAX_STEPS {
            steps.clear();
        }
        steps.insert(print, step);
    }
}

/// What stands for one tenant.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) blocks: Blocks,
    pub(crate) store: Store,
}

impl Standing {
    /// Whether nothing of these must be made.
    pub(crate) fn has_all(&mut self, tenant: &Tenant, wanted: &[Arc<Step>]) -> bool {
        let Standing { blocks, store } = self;
        settle(blocks, store, tenant);
        let is_fresh =
            |block: usize, step: &Arc<Step>| store.fresh(&step.print, block, blocks.stamp(block)).is_some();
        (0..blocks.len()).all(|block| wanted.iter().all(|step| is_fresh(block, step)))
    }
}

/// Takes in what has come; nothing stands when all blocks are others.
fn settle(blocks: &mut Blocks, store: &mut Store, tenant: &Tenant) {
    if !blocks.settle(tenant) {
        store.held.clear();
    }
}

/// What is asked, beside the queries themselves.
pub(crate) struct Asking<'a> {
    pub(crate) tenant: &'a RwLock<Tenant>,
    pub(crate) limits: Limits,
    pub(crate) environment: Arc<RuntimeEnv>,
    /// What is made beside what is wanted when rows of views must be read.
    pub(crate) beside: Vec<Arc<Step>>,
}

/// Rows by the query and the block.
#[derive(Debug, Default)]
pub(crate) struct Store {
    held: HashMap<Print, Held>,
    clock: u64,
    /// Bytes that rows may take as they are.
    plain_bytes: usize,
}

/// The rows of one query.
#[derive(Debug, Default)]
struct Held {
    cells: Vec<Option<Cell>>,
    sums: Option<Sums>,
    bytes: usize,
    plain_bytes: usize,
    used: u64,
}

#[derive(Debug)]
struct Cell {
    stamp: u64,
    rows: Rows,
}

impl Held {
    fn fresh(&self, block: usize, stamp: u64) -> Option<&Rows> {
        let cell = self.cells.get(block)?.as_ref()?;
        (cell.stamp == stamp).then_some(&cell.rows)
    }

    fn count(&mut self, rows: &Rows, adds: bool) {
        let plain = if matches!(rows, Rows::Plain(_)) { rows.bytes() } else { 0 };
        for (sum, bytes) in [(&mut self.bytes, rows.bytes()), (&mut self.plain_bytes, plain)] {
            *sum = if adds { *sum + bytes } else { sum.saturating_sub(bytes) };
        }
    }
}

impl Store {
    fn fresh(&self, print: &Print, block: usize, stamp: u64) -> Option<&Rows> {
        self.held.get(print)?.fresh(block, stamp)
    }

    /// Puts rows in the place of those before. What fails in between leaves no half of a sum.
    fn put(&mut self, step: &Step, block: usize, stamp: u64, rows: Rows) -> Result<()> {
        let outcome = self.replace(step, block, stamp, rows);
        if outcome.is_err() {
            self.held.remove(&step.print);
        }
        outcome
    }

    fn replace(&mut self, step: &Step, block: usize, stamp: u64, rows: Rows) -> Result<()> {
        let now = self.clock;
        let held = self.held.entry(step.print).or_default();
        held.used = now;
        if held.cells.len() <= block {
            held.cells.resize_with(block + 1, || None);
        }
        let before = held.cells[block].take().map(|cell| cell.rows);
        if let Kind::Sums(merge) = &step.kind {
            if held.sums.is_none() {
                held.sums = Some(Sums::new(merge.clone(), step.schema())?);
            }
            let changes = before.iter().map(|rows| (rows, -1)).chain([(&rows, 1)]);
            for (rows, sign) in changes {
                for batch in rows.read()? {
                    held.sums.as_mut().map_or(Ok(()), |sums| sums.add(&batch, sign))?;
                }
            }
        }
        if let Some(before) = before {
            held.count(&before, false);
        }
        held.count(&rows, true);
        held.cells[block] = Some(Cell { stamp, rows });
        Ok(())
    }

    fn use_now(&mut self, print: &Print) {
        if let Some(held) = self.held.get_mut(print) {
            held.used = self.clock;
        }
    }

    fn has_room(&self) -> bool {
        self.held.values().map(|held| held.plain_bytes).sum::<usize>() < self.plain_bytes
    }

    /// Gives up what is too much, but nothing of what is asked now.
    fn settle(&mut self) {
        let size = |held: &Held| held.bytes + held.sums.as_ref().map_or(0, Sums::bytes);
        let mut bytes: usize = self.held.values().map(size).sum();
        while bytes > HELD_BYTES {
            let others = self.held.iter().filter(|(_, held)| held.used < self.clock);
            let Some(oldest) = others.min_by_key(|(_, held)| held.used).map(|(key, _)| *key) else { break };
            bytes -= self.held.remove(&oldest).map_or(0, |held| size(&held));
        }
    }

    /// All rows of a query, or its sums. It must have been made.
    pub(crate) fn answer(&self, step: &Step) -> Result<Vec<RecordBatch>> {
        let Some(held) = self.held.get(&step.print) else { return Ok(Vec::new()) };
        if let Some(sums) = &held.sums {
            return Ok(vec![sums.batch()?]);
        }
        let mut batches = Vec::new();
        for cell in held.cells.iter().flatten() {
            batches.extend(cell.rows.read()?);
        }
        Ok(batches)
    }
}

/// Makes what is wanted of each block that it is not there of. When it ends, all of it is of one moment,
/// which `look` may look at.
pub(crate) async fn make<T>(
    blocks: &mut Blocks,
    store: &mut Store,
    asking: &Asking<'_>,
    wanted: &[Arc<Step>],
    look: impl Fn(&Tenant) -> Result<T>,
) -> Result<T> {
    store.clock += 1;
    let seen = loop {
        let jobs = match jobs(blocks, store, asking, wanted, &look)? {
            Round::Done(seen) => break seen,
            Round::Jobs(jobs) => jobs,
        };
        let mut parts: Vec<Vec<Job>> = (0..PARTITIONS).map(|_| Vec::new()).collect();
        for (n, job) in jobs.into_iter().enumerate() {
            parts[n % PARTITIONS].push(job);
        }
        let mut tasks = tokio::task::JoinSet::new();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let (environment, limits) = (asking.environment.clone(), asking.limits);
            tasks.spawn(async move {
                let mut made = Vec::new();
                for job in part {
                    made.extend(job.run(&environment, limits).await?);
                }
                Ok::<_, Error>(made)
            });
        }
        while let Some(made) = tasks.join_next().await {
            for (step, block, stamp, batch) in made.map_err(Error::internal)?? {
                let rows = if store.has_room() { Rows::Plain(batch) } else { Rows::packed(batch) };
                store.put(&step, block, stamp, rows)?;
            }
        }
    };
    for step in wanted.iter().chain(&asking.beside) {
        store.use_now(&step.print);
    }
    store.settle();
    Ok(seen)
}

/// What there is to do.
enum Round<T> {
    Jobs(Vec<Job>),
    /// Nothing: all is there.
    Done(T),
}

/// A block of which something is to be made.
struct Job {
    block: usize,
    stamp: u64,
    views: HashMap<String, Arc<Vec<RecordBatch>>>,
    /// What is made already.
    there: HashMap<Print, Rows>,
    wanted: Vec<Arc<Step>>,
    /// How many of them, from the first, must be made.
    must: usize,
}

/// The next blocks, with the rows that they are made of, at one moment.
fn jobs<T>(
    blocks: &mut Blocks,
    store: &mut Store,
    asking: &Asking<'_>,
    wanted: &[Arc<Step>],
    look: impl Fn(&Tenant) -> Result<T>,
) -> Result<Round<T>> {
    let tenant = asking.tenant.read();
    settle(blocks, store, &tenant);
    let mut jobs = Vec::new();
    for block in 0..blocks.len() {
        let stamp = blocks.stamp(block);
        let is_missing = |step: &&Arc<Step>| store.fresh(&step.print, block, stamp).is_none();
        let mut missing: Vec<Arc<Step>> = wanted.iter().filter(is_missing).cloned().collect();
        if missing.is_empty() {
            continue;
        }
        let must = missing.len();
        let mut needs = Needs::default();
        let there = |print: &Print| store.fresh(print, block, stamp).cloned();
        missing.iter().for_each(|step| needs.add(step, &there));
        if !needs.views.is_empty() {
            let beside = asking.beside.iter().filter(is_missing);
            let beside: Vec<Arc<Step>> = beside
                .filter(|step| missing.iter().all(|other| other.print != step.print))
                .cloned()
                .collect();
            beside.iter().for_each(|step| needs.add(step, &there));
            missing.extend(beside);
        }
        let mut views = HashMap::new();
        for view in &needs.views {
            views.insert(view.clone(), Arc::new(rows_of(view, block, blocks, &tenant)?));
        }
        jobs.push(Job { block, stamp, views, there: needs.there, wanted: missing, must });
        if jobs.len() >= BLOCKS_AT_ONCE {
            break;
        }
    }
    match jobs.is_empty() {
        true => look(&tenant).map(Round::Done),
        false => Ok(Round::Jobs(jobs)),
    }
}

fn rows_of(view: &str, block: usize, blocks: &Blocks, tenant: &Tenant) -> Result<Vec<RecordBatch>> {
    if blocks.is_linked(view) {
        return Ok(blocks.rows(block, view, tenant)?.into_iter().collect());
    }
    let rows = Visible::of(tenant, view, None, None)?;
    rows.map_or(Ok(Vec::new()), |rows| rows.batches())
}

/// What must be read for a block.
#[derive(Default)]
struct Needs {
    views: BTreeSet<String>,
    there: HashMap<Print, Rows>,
    seen: BTreeSet<Print>,
}

impl Needs {
    fn add(&mut self, step: &Step, there: &impl Fn(&Print) -> Option<Rows>) {
        if !self.seen.insert(step.print) {
            return;
        }
        for (_, below) in &step.below {
            match below {
                Below::View(view) => {
                    self.views.insert(view.clone());
                }
                Below::Step(step) => match there(&step.print) {
                    Some(rows) => {
                        self.there.insert(step.print, rows);
                    }
                    None => self.add(step, there),
                },
            }
        }
    }
}

type Made = (Arc<Step>, usize, u64, RecordBatch);

impl Job {
    async fn run(self, environment: &Arc<RuntimeEnv>, limits: Limits) -> Result<Vec<Made>> {
        let mut rows: HashMap<Print, Arc<Vec<RecordBatch>>> = HashMap::new();
        for (print, packed) in &self.there {
            rows.insert(*print, Arc::new(packed.read()?));
        }
        let mut made = Vec::new();
        for (place, step) in self.wanted.iter().enumerate() {
            match self.step(step, &mut rows, environment, limits).await {
                Ok(()) => {}
                // Nobody has asked for it; an age at the end of time, for one, cannot be told.
                Err(_) if place >= self.must => continue,
                Err(error) => return Err(error),
            }
            let batches = rows.get(&step.print).map(|rows| rows.as_slice()).unwrap_or_default();
            let batch = concat_batches(&step.schema(), batches).map_err(Error::internal)?;
            made.push((step.clone(), self.block, self.stamp, batch));
        }
        Ok(made)
    }

    fn step<'j>(
        &'j self,
        step: &'j Step,
        rows: &'j mut HashMap<Print, Arc<Vec<RecordBatch>>>,
        environment: &'j Arc<RuntimeEnv>,
        limits: Limits,
    ) -> BoxFuture<'j, Result<()>> {
        Box::pin(async move {
            if rows.contains_key(&step.print) {
                return Ok(());
            }
            let mut world = World::new();
            for (name, below) in &step.below {
                let batches = match below {
                    Below::View(view) => self.views.get(view).cloned(),
                    Below::Step(below) => {
                        self.step(below, rows, environment, limits).await?;
                        rows.get(&below.print).cloned()
                    }
                };
                let batches = batches.ok_or_else(|| Error::internal("a block lacks what a query reads"))?;
                world.insert(name.clone(), batches);
            }
            let made =
                step.run(world, environment.clone()).await.map_err(|error| run_error(&error, limits))?;
            rows.insert(step.print, Arc::new(made));
            Ok(())
        })
    }
}
