//! The rows of one view for one tenant: sealed chunks of Arrow arrays and a tail that grows.
//!
//! The rows of one version of a resource stand together, in the order in which versions came. So a
//! version's rows are a range, and what holds for a version is stored once and not per row.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use parking_lot::Mutex;
use remit_fhir::Node;
use remit_fhir::date::Micros;
use remit_sof::{RunError, Value};

use crate::column::{Fate, Growing, Shape};
use crate::packed::Rows;
use crate::stored::Named;

/// Rows after which the tail is sealed. A query copies the tail, so it must stay small; DataFusion
/// takes batches of about this size at a time.
const CHUNK_ROWS: usize = 16_384;
/// Bytes after which the tail is sealed, whatever its rows.
const CHUNK_BYTES: usize = 16 << 20;
/// Bytes that the rows of one resource may take in one view. A resource is a few MiB at most; what
/// makes more of it multiplies lists.
const RESOURCE_BYTES: usize = 64 << 20;

/// Packed chunks of a table that are in memory as they were.
const UNPACKED: usize = 3;

/// What went wrong in a table since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Losses {
    /// Versions of resources that the view could not be run on; they have no rows.
    pub failed_resources: u64,
    /// Decimals that were rounded to the scale of their column.
    pub rounded_cells: u64,
    /// Cells that are null because the value did not fit the type of their column.
    pub dropped_cells: u64,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) view: Arc<Named>,
    pub(crate) schema: SchemaRef,
    /// Rows up to and including each version.
    ends: Vec<u32>,
    chunks: Vec<Chunk>,
    tail: Vec<Growing>,
    tail_start: u32,
    tail_batch: OnceLock<RecordBatch>,
    sealed_bytes: usize,
    /// Chunks before this one are packed.
    packed: usize,
    /// Packed chunks that were read last, by their places: neighbours are asked for one after the other.
    unpacked: Mutex<VecDeque<(usize, RecordBatch)>>,
    pub(crate) losses: Losses,
}

#[derive(Debug)]
struct Chunk {
    start: u32,
    count: u32,
    rows: Rows,
}

/// Some rows of a table: where they start, and the columns.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) start: u32,
    pub(crate) batch: RecordBatch,
}

impl Table {
    pub(crate) fn new(view: Arc<Named>) -> Table {
        let shapes: Vec<Shape> = view.columns().iter().map(Shape::of).collect();
        let fields: Vec<_> =
            view.columns().iter().zip(&shapes).map(|(column, shape)| shape.field(&column.name)).collect();
        Table {
            schema: Arc::new(Schema::new(fields)),
            view,
            ends: Vec::new(),
            chunks: Vec::new(),
            tail: shapes.into_iter().map(Growing::new).collect(),
            tail_start: 0,
            tail_batch: OnceLock::new(),
            sealed_bytes: 0,
            packed: 0,
            unpacked: Mutex::default(),
            losses: Losses::default(),
        }
    }

    /// Adds the rows of a version; a deleted one and one that the view fails on have none.
    pub(crate) fn push_version(&mut self, resource: Option<Node<'_>>, at: Micros) {
        let start = self.rows();
        if let Some(resource) = resource
            && let Err(error) = self.push_rows(resource, at)
        {
            self.tail.iter_mut().for_each(|column| column.truncate((start - self.tail_start) as usize));
            if self.losses.failed_resources == 0 {
                tracing::warn!(view = &*self.view.key, %error, "a view fails on a resource; it has no rows there");
            }
            self.losses.failed_resources += 1;
        }
        let end = self.tail_start + self.tail_rows() as u32;
        if end != start {
            self.tail_batch.take();
        }
        self.ends.push(end);
        self.seal_when_large();
    }

    fn push_rows(&mut self, resource: Node<'_>, at: Micros) -> Result<(), RunError> {
        let Table { view, tail, losses, tail_start, .. } = self;
        let limit = tail.iter().map(Growing::bytes).sum::<usize>() + RESOURCE_BYTES;
        let mut count = 0;
        view.run(resource, at, &mut |row: &[&Value<'_>]| {
            for (column, value) in tail.iter_mut().zip(row) {
                match column.push(value) {
                    Fate::Kept => {}
                    Fate::Rounded => losses.rounded_cells += 1,
                    Fate::Dropped => losses.dropped_cells += 1,
                }
            }
            count += 1;
            // Looked at now and then: adding up columns costs more than filling them.
            if count % 256 == 0 && tail.iter().map(Growing::bytes).sum::<usize>() > limit {
                return Err(RunError::new(format!(
                    "The rows of one resource take over {RESOURCE_BYTES} bytes."
                )));
            }
            Ok(())
        })?;
        let rows = tail.first().map_or(0, Growing::rows);
        if u32::try_from(rows).ok().and_then(|rows| tail_start.checked_add(rows)).is_none() {
            return Err(RunError::new("The table has as many rows as it can hold."));
        }
        Ok(())
    }

    fn seal_when_large(&mut self) {
        let rows = self.tail_rows();
        // The bytes are only added up at every 1,024th version.
        let is_large = rows >= CHUNK_ROWS
            || (self.ends.len().is_multiple_of(1024)
                && self.tail.iter().map(Growing::bytes).sum::<usize>() >= CHUNK_BYTES);
        if is_large && rows > 0 {
            self.seal();
        }
    }

    fn seal(&mut self) {
        let rows = self.tail_rows();
        let columns = self.tail.iter_mut().map(Growing::take).collect();
        let batch = batch(&self.schema, columns, rows);
        self.sealed_bytes += batch.get_array_memory_size();
        self.chunks.push(Chunk { start: self.tail_start, count: rows as u32, rows: Rows::Plain(batch) });
        self.tail_start += rows as u32;
        self.tail_batch.take();
    }

    /// Packs what is sealed: a tenth of the bytes, for reading that takes longer.
    pub(crate) fn pack(&mut self) {
        for chunk in &mut self.chunks[self.packed..] {
            let before = chunk.rows.bytes();
            if let Rows::Plain(batch) = &chunk.rows {
                chunk.rows = Rows::packed(batch.clone());
            }
            self.sealed_bytes = self.sealed_bytes.saturating_sub(before) + chunk.rows.bytes();
        }
        self.packed = self.chunks.len();
    }

    /// The rows of a chunk.
    fn chunk(&self, place: usize) -> RecordBatch {
        let rows = &self.chunks[place].rows;
        if let Rows::Plain(batch) = rows {
            return batch.clone();
        }
        if let Some((_, batch)) = self.unpacked.lock().iter().find(|(other, _)| *other == place) {
            return batch.clone();
        }
        let batch = rows
            .read()
            .and_then(|batches| concat_batches(&self.schema, &batches).map_err(remit_fhir::Error::internal));
        // What this program has packed it can read.
        let batch = batch.expect("a packed chunk holds the rows that were put in");
        let mut unpacked = self.unpacked.lock();
        unpacked.push_back((place, batch.clone()));
        if unpacked.len() > UNPACKED {
            unpacked.pop_front();
        }
        batch
    }

    /// The sealed rows as they lie here, then the tail: for writing them down one after the other.
    pub(crate) fn stored(&self) -> Vec<Rows> {
        let tail = (self.tail_rows() > 0).then(|| Rows::Plain(self.tail_batch()));
        self.chunks.iter().map(|chunk| chunk.rows.clone()).chain(tail).collect()
    }

    /// Takes rows that were stored, as they are. Only before any other row.
    pub(crate) fn restore(&mut self, ends: Vec<u32>, batches: Vec<RecordBatch>) {
        for batch in batches {
            let batch = batch.clone().with_schema(self.schema.clone()).unwrap_or(batch);
            self.sealed_bytes += batch.get_array_memory_size();
            let (start, count) = (self.tail_start, batch.num_rows() as u32);
            self.tail_start += count;
            self.chunks.push(Chunk { start, count, rows: Rows::Plain(batch) });
        }
        self.ends = ends;
    }

    fn tail_rows(&self) -> usize {
        self.tail.first().map_or(0, Growing::rows)
    }

    /// All rows, visible or not.
    pub(crate) fn rows(&self) -> u32 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Bytes that the table takes.
    pub(crate) fn bytes(&self) -> usize {
        self.sealed_bytes + self.ends.capacity() * 4 + self.tail.iter().map(Growing::bytes).sum::<usize>()
    }

    /// Rows up to and including each version.
    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// All rows as they are now. The sealed ones are shared, the tail is copied once per change.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let sealed = self
            .chunks
            .iter()
            .enumerate()
            .map(|(place, chunk)| Part { start: chunk.start, batch: self.chunk(place) });
        let tail = (self.tail_rows() > 0).then(|| Part { start: self.tail_start, batch: self.tail_batch() });
        sealed.chain(tail).collect()
    }

    /// Some rows, as parts of chunks.
    pub(crate) fn slices(&self, rows: std::ops::Range<u32>) -> Vec<Part> {
        let mut slices = Vec::new();
        let first = self.chunks.partition_point(|chunk| chunk.start + chunk.count <= rows.start);
        let mut slice = |start: u32, batch: &RecordBatch| {
            let end = start + batch.num_rows() as u32;
            let (from, to) = (rows.start.max(start), rows.end.min(end));
            if from < to {
                let batch = batch.slice((from - start) as usize, (to - from) as usize);
                slices.push(Part { start: from, batch });
            }
        };
        for (place, chunk) in self.chunks.iter().enumerate().skip(first) {
            if chunk.start >= rows.end {
                break;
            }
            slice(chunk.start, &self.chunk(place));
        }
        if rows.end > self.tail_start && self.tail_rows() > 0 {
            slice(self.tail_start, &self.tail_batch());
        }
        slices
    }

    fn tail_batch(&self) -> RecordBatch {
        let copy = || {
            let columns = self.tail.iter().map(|column| column.clone().into_array()).collect();
            batch(&self.schema, columns, self.tail_rows())
        };
        self.tail_batch.get_or_init(copy).clone()
    }
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .expect("each column has the type of its field and as many rows as the others")
}
