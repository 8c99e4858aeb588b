//! Rows of layers that are made once: a layer of shipped SQL gives the same rows until a row below it
//! changes, so the queries over it share them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use remit_fhir::date::Micros;
use tokio::sync::OnceCell;

use crate::visible::Visible;

/// Bytes that kept rows may take; what was not used for longest goes first. A dashboard reads a dozen
/// layers, and what one question makes the next must still find.
const KEPT_BYTES: usize = 1 << 30;

/// What rows are kept for: the tenant, the time of knowing, and the layer with everything below it and
/// the values of its parameters.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct KeptKey {
    pub(crate) tenant: i32,
    pub(crate) known_at: Option<Micros>,
    pub(crate) layer: [u8; 32],
}

pub(crate) type Cell = Arc<OnceCell<Arc<Visible>>>;

#[derive(Debug)]
struct Entry {
    /// How many versions there were of what each view below reads.
    revision: Vec<usize>,
    cell: Cell,
    used: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Kept {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<KeptKey, Entry>,
    clock: u64,
}

impl Kept {
    /// The place of the rows, empty when they must be made; who comes second waits for the first.
    pub(crate) fn cell(&self, key: KeptKey, revision: &[usize]) -> Cell {
        let mut entries = self.entries.lock();
        entries.clock += 1;
        let now = entries.clock;
        let fresh = || Entry { revision: revision.to_vec(), cell: Cell::default(), used: now };
        let entry = entries.by_key.entry(key).or_insert_with(fresh);
        if entry.revision != revision {
            *entry = fresh();
        }
        entry.used = now;
        entry.cell.clone()
    }

    /// Gives up what is too much. Called when rows were made: what they were made of was looked at after
    /// they were asked for, and is needed less from now on than they are.
    pub(crate) fn settle(&self, made: &KeptKey) {
        let mut entries = self.entries.lock();
        entries.clock += 1;
        let now = entries.clock;
        if let Some(entry) = entries.by_key.get_mut(made) {
            entry.used = now;
        }
        let mut held: Vec<(u64, KeptKey, usize)> = entries
            .by_key
            .iter()
            .filter_map(|(key, entry)| Some((entry.used, key.clone(), entry.cell.get()?.bytes())))
            .collect();
        held.sort_unstable_by_key(|(used, ..)| *used);
        let mut bytes: usize = held.iter().map(|(.., bytes)| bytes).sum();
        for (_, key, size) in held {
            if bytes <= KEPT_BYTES {
                break;
            }
            entries.by_key.remove(&key);
            bytes -= size;
        }
    }
}
