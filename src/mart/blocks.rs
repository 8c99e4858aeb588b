//! The rows of a tenant in blocks: rows that links tie together are in one block. What is made of a
//! block's rows alone need not be made again until a version comes in that has rows there.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use remit_fhir::{Error, Result};

use crate::components::{Components, NOWHERE, hash};
use crate::links::Links;
use crate::stored::Views;
use crate::table::{Part, Table};
use crate::tenant::Tenant;

/// Rows of the first view that a block takes in before the next is begun; links and other views bring
/// many more. A block is made anew as a whole, so it must be small; each costs a fixed time whenever
/// all are asked, so there must not be too many.
pub(crate) const BLOCK_ROWS: usize = 384;
/// Rows of the first view by the roots of components.
type Sizes = HashMap<u32, usize>;

/// The component of rows without any link.
const LOOSE: u64 = 0;

/// A view whose rows are in blocks.
#[derive(Debug)]
struct Linked {
    view: String,
    /// Its links as places of columns.
    links: Vec<Vec<usize>>,
}

/// Some rows that belong together.
#[derive(Debug)]
struct Block {
    /// Another one whenever its rows have changed.
    stamp: u64,
    /// By view: rows of all versions, in order.
    rows: Vec<Vec<Range<u32>>>,
    /// Rows of the first view with which components began here, and rows of others that did.
    begun: usize,
}

/// The blocks of one tenant.
#[derive(Debug)]
pub(crate) struct Blocks {
    linked: Vec<Linked>,
    /// Views that are about everything, with how many versions there were of what each reads.
    small: Vec<(String, usize)>,
    components: Components,
    /// By linked view: rows that are in blocks.
    seen: Vec<u32>,
    /// By resource type: superseded versions that are taken into account.
    superseded: HashMap<Arc<str>, usize>,
    blocks: Vec<Block>,
    clock: u64,
    block_rows: usize,
}

impl Blocks {
    pub(crate) fn new(views: &Views, links: &Links, block_rows: usize) -> Blocks {
        let mut linked = Vec::new();
        for (name, declared) in &links.views {
            let Some(view) = views.by_name.get(name) else { continue };
            let schema = Table::new(view.clone()).schema;
            let place = |column: &String| schema.column_with_name(column).map(|(place, _)| place);
            let links = declared.iter().filter_map(|link| link.iter().map(place).collect()).collect();
            linked.push(Linked { view: name.clone(), links });
        }
        let is_linked = |name: &String| linked.iter().any(|linked| linked.view == *name);
        let small =
            views.by_name.keys().filter(|name| !is_linked(name)).map(|name| (name.clone(), 0)).collect();
        Blocks {
            seen: vec![0; linked.len()],
            linked,
            small,
            components: Components::default(),
            superseded: HashMap::new(),
            blocks: Vec::new(),
            clock: 0,
            block_rows,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn is_linked(&self, view: &str) -> bool {
        self.linked.iter().any(|linked| linked.view == view)
    }

    /// What a block's rows are known by: the same stamp, the same rows.
    pub(crate) fn stamp(&self, block: usize) -> u64 {
        self.blocks[block].stamp
    }

    /// Takes in what has come since the last call. `false` when all is begun anew, because the tables
    /// are others.
    pub(crate) fn settle(&mut self, tenant: &Tenant) -> bool {
        let is_other = |(ty, seen): (&Arc<str>, &usize)| {
            tenant.shards.get(ty).is_none_or(|shard| shard.superseded().len() < *seen)
        };
        let is_anew = self.superseded.iter().any(is_other);
        if is_anew {
            self.components = Components::default();
            self.seen.fill(0);
            self.superseded.clear();
            self.blocks.clear();
        }
        let mut touched = BTreeSet::new();
        let news = self.tie(tenant, &mut touched);
        let sizes = self.sizes(tenant, &news);
        self.place(tenant, &news, &sizes, &mut touched);
        self.follow(tenant, &mut touched);
        if self.look_at_small(tenant) {
            touched.extend(0..self.blocks.len() as u32);
        }
        for block in touched {
            self.clock += 1;
            self.blocks[block as usize].stamp = self.clock;
        }
        !is_anew
    }

    /// Joins what new rows link; gives their ranges by view.
    fn tie(&mut self, tenant: &Tenant, touched: &mut BTreeSet<u32>) -> Vec<Range<u32>> {
        let (mut news, mut left) = (Vec::new(), BTreeSet::new());
        let Blocks { linked, components, seen, .. } = self;
        for (linked, seen) in linked.iter().zip(seen) {
            let rows = tenant.table(&linked.view).map_or(0, |(_, table)| table.rows());
            news.push(*seen..rows);
            if let Some((_, table)) = tenant.table(&linked.view).filter(|_| *seen < rows) {
                for part in table.slices(*seen..rows) {
                    linked.each_run(&part, |_, hashes| {
                        let mut first = None;
                        for value in hashes {
                            let node = components.node(*value);
                            let lead = *first.get_or_insert(node);
                            left.extend(components.union(lead, node));
                        }
                    });
                }
            }
            *seen = rows;
        }
        for block in left {
            self.sort_anew(block, tenant, touched);
        }
        news
    }

    /// Moves the rows of a block that belong elsewhere now.
    fn sort_anew(&mut self, block: u32, tenant: &Tenant, touched: &mut BTreeSet<u32>) {
        touched.insert(block);
        let views = self.linked.len();
        let rows = std::mem::replace(&mut self.blocks[block as usize].rows, vec![Vec::new(); views]);
        for (view, ranges) in rows.into_iter().enumerate() {
            for range in ranges {
                self.put(view, range, tenant, &Sizes::new(), touched);
            }
        }
    }

    /// How many new rows of the first view the components have that are in no block yet. They come in any
    /// order, so a block is full when its components are, not when so many rows have come.
    fn sizes(&mut self, tenant: &Tenant, news: &[Range<u32>]) -> Sizes {
        let mut sizes = Sizes::new();
        let Blocks { linked, components, .. } = self;
        let Some((first, rows)) = linked.first().zip(news.first()) else { return sizes };
        let Some((_, table)) = tenant.table(&first.view).filter(|_| !rows.is_empty()) else { return sizes };
        for part in table.slices(rows.clone()) {
            first.each_run(&part, |run, hashes| {
                let node = components.node(hashes.first().copied().unwrap_or(LOOSE));
                if components.block(node) == NOWHERE {
                    *sizes.entry(components.find(node)).or_default() += run.len();
                }
            });
        }
        sizes
    }

    /// Puts new rows into the blocks of their components.
    fn place(&mut self, tenant: &Tenant, news: &[Range<u32>], sizes: &Sizes, touched: &mut BTreeSet<u32>) {
        for (view, rows) in news.iter().enumerate() {
            if !rows.is_empty() {
                self.put(view, rows.clone(), tenant, sizes, touched);
            }
        }
    }

    fn put(
        &mut self,
        view: usize,
        rows: Range<u32>,
        tenant: &Tenant,
        sizes: &Sizes,
        touched: &mut BTreeSet<u32>,
    ) {
        let Some((_, table)) = tenant.table(&self.linked[view].view) else { return };
        let Blocks { linked, components, blocks, block_rows, .. } = self;
        for part in table.slices(rows) {
            linked[view].each_run(&part, |run, hashes| {
                let node = components.node(hashes.first().copied().unwrap_or(LOOSE));
                let mut block = components.block(node);
                if block == NOWHERE {
                    if blocks.last().is_none_or(|last| last.begun >= *block_rows) {
                        blocks.push(Block { stamp: 0, rows: vec![Vec::new(); linked.len()], begun: 0 });
                    }
                    block = blocks.len() as u32 - 1;
                    components.place(node, block);
                    let size = sizes.get(&components.find(node)).copied().unwrap_or(run.len());
                    blocks[block as usize].begun += size;
                }
                touched.insert(block);
                let ranges = &mut blocks[block as usize].rows[view];
                match ranges.last_mut().filter(|last| last.end == run.start) {
                    Some(last) => last.end = run.end,
                    None => ranges.push(run),
                }
            });
        }
    }

    /// Touches the blocks whose rows are superseded.
    fn follow(&mut self, tenant: &Tenant, touched: &mut BTreeSet<u32>) {
        for (ty, shard) in &tenant.shards {
            let is_linked = |table: &Table| self.is_linked(&table.view.key);
            if !shard.tables.iter().any(is_linked) {
                continue;
            }
            let seen = self.superseded.entry(ty.clone()).or_default();
            let news = &shard.superseded()[*seen..];
            *seen = shard.superseded().len();
            for linked in &self.linked {
                let Some(table) = shard.tables.iter().find(|table| *table.view.key == *linked.view) else {
                    continue;
                };
                for number in news.iter().map(|number| *number as usize) {
                    let end = |number: usize| table.ends().get(number).copied().unwrap_or(0);
                    let rows = number.checked_sub(1).map_or(0, end)..end(number);
                    for part in table.slices(rows) {
                        linked.each_run(&part, |_, hashes| {
                            let node = self.components.node(hashes.first().copied().unwrap_or(LOOSE));
                            touched.insert(self.components.block(node));
                        });
                    }
                }
            }
        }
        touched.remove(&NOWHERE);
    }

    /// Whether a view that is about everything has changed.
    fn look_at_small(&mut self, tenant: &Tenant) -> bool {
        let mut has_changed = false;
        for (view, seen) in &mut self.small {
            let versions = tenant.table(view).map_or(0, |(shard, _)| shard.versions.len());
            has_changed |= std::mem::replace(seen, versions) != versions;
        }
        has_changed
    }

    /// The current rows of a view that are in a block; `None` when there are none.
    pub(crate) fn rows(&self, block: usize, view: &str, tenant: &Tenant) -> Result<Option<RecordBatch>> {
        let Some(place) = self.linked.iter().position(|linked| linked.view == view) else { return Ok(None) };
        let Some((shard, table)) = tenant.table(view) else { return Ok(None) };
        let mut slices = Vec::new();
        for range in &self.blocks[block].rows[place] {
            let mut open: Option<Range<u32>> = None;
            for (number, rows) in shard.versions_in(table, range.clone()) {
                if !shard.is_current(number) {
                    continue;
                }
                match &mut open {
                    Some(open) if open.end == rows.start => open.end = rows.end,
                    _ => slices.extend(open.replace(rows)),
                }
            }
            slices.extend(open);
        }
        let batches: Vec<RecordBatch> =
            slices.into_iter().flat_map(|rows| table.slices(rows)).map(|part| part.batch).collect();
        let rows = concat_batches(&table.schema, &batches).map_err(Error::internal)?;
        Ok((rows.num_rows() > 0).then_some(rows))
    }
}

impl Linked {
    /// Calls back for each run of rows that are linked alike, with the hashes of their links.
    fn each_run(&self, part: &Part, mut act: impl FnMut(Range<u32>, &[u64])) {
        let columns: Vec<Vec<&StringArray>> = self
            .links
            .iter()
            .map(|link| link.iter().map(|place| part.batch.column(*place).as_string::<i32>()).collect())
            .collect();
        let text =
            |column: &StringArray, row: usize| column.is_valid(row).then(|| column.value(row).to_owned());
        let is_same = |row: usize| {
            columns.iter().flatten().all(|column| {
                let (one, other) = (column.is_valid(row - 1), column.is_valid(row));
                one == other && (!one || column.value(row - 1) == column.value(row))
            })
        };
        let mut hashes = Vec::with_capacity(columns.len());
        let mut start = 0;
        for row in 0..part.batch.num_rows() {
            if row == 0 || !is_same(row) {
                if row > 0 {
                    act(part.start + start as u32..part.start + row as u32, &hashes);
                }
                start = row;
                hashes.clear();
                for link in &columns {
                    if link.last().is_some_and(|last| last.is_null(row)) {
                        continue;
                    }
                    match link.as_slice() {
                        [column] => hashes.push(hash(&[column.value(row)])),
                        several => {
                            let texts: Vec<String> =
                                several.iter().map(|column| text(column, row).unwrap_or_default()).collect();
                            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                            hashes.push(hash(&texts));
                        }
                    }
                }
            }
        }
        if part.batch.num_rows() > 0 {
            act(part.start + start as u32..part.start + part.batch.num_rows() as u32, &hashes);
        }
    }
}
