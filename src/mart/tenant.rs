//! What the mart holds for one tenant: for each resource type the versions it knows, and for each
//! view the rows.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{StringArray, StringBuilder};
use arrow::buffer::{BooleanBuffer, MutableBuffer};
use arrow::util::bit_util;
use remit_fhir::Node;
use remit_fhir::date::Micros;

use crate::stored::{Named, Stored};
use crate::table::{Part, Table};

/// The end of what is known still.
pub(crate) const OPEN: Micros = Micros::MAX;

/// Bytes of one entry of the key map beside its text: the map's slot and the allocation.
const KEY_BYTES: usize = 48;

#[derive(Debug, Default)]
pub(crate) struct Tenant {
    pub(crate) shards: HashMap<Arc<str>, Shard>,
    /// The views that the tenant has of its own, by their keys.
    pub(crate) stored: BTreeMap<Arc<str>, Stored>,
}

impl Tenant {
    pub(crate) fn bytes(&self) -> usize {
        self.shards.values().map(Shard::bytes).sum()
    }

    pub(crate) fn table(&self, view: &str) -> Option<(&Shard, &Table)> {
        self.shards.values().find_map(|shard| {
            let table = shard.tables.iter().find(|table| &*table.view.key == view)?;
            Some((shard, table))
        })
    }
}

/// All versions of the resources of one type. A deletion is a version without rows that was never
/// known.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    pub(crate) ids: Vec<Box<str>>,
    pub(crate) version: Vec<i64>,
    pub(crate) known_from: Vec<Micros>,
    pub(crate) known_to: Vec<Micros>,
}

impl Versions {
    pub(crate) fn len(&self) -> usize {
        self.version.len()
    }

    /// Whether these are the same versions in the same order.
    pub(crate) fn are(&self, other: &Versions) -> bool {
        self.version == other.version && self.ids == other.ids
    }

    /// Whether a version is known at a time; without one, whether it is current.
    fn is_known(&self, number: usize, known_at: Option<Micros>) -> bool {
        match known_at {
            None => self.known_to[number] == OPEN,
            Some(at) => self.known_from[number] <= at && at < self.known_to[number],
        }
    }
}

/// The resources of one type and the tables of the views that read it.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) versions: Versions,
    keys: HashMap<Box<str>, u32>,
    id_bytes: usize,
    pub(crate) tables: Vec<Table>,
}

impl Shard {
    pub(crate) fn new(views: &[Arc<Named>]) -> Shard {
        Shard {
            versions: Versions::default(),
            keys: HashMap::new(),
            id_bytes: 0,
            tables: views.iter().cloned().map(Table::new).collect(),
        }
    }

    /// A shard that was stored. `None` when its parts do not fit each other.
    pub(crate) fn restored(versions: Versions, tables: Vec<Table>) -> Option<Shard> {
        let mut keys: HashMap<Box<str>, u32> = HashMap::new();
        for (number, id) in versions.ids.iter().enumerate() {
            keys.insert(id.clone(), u32::try_from(number).ok()?);
        }
        let id_bytes = versions.ids.iter().map(|id| id.len()).sum();
        tables.iter().all(|table| table.ends().len() == versions.len()).then_some(())?;
        Some(Shard { versions, keys, id_bytes, tables })
    }

    /// The versions and the tables by themselves.
    pub(crate) fn into_parts(self) -> (Versions, Vec<Table>) {
        (self.versions, self.tables)
    }

    /// Whether a version is here already, or a later one.
    pub(crate) fn has(&self, id: &str, version: i64) -> bool {
        self.keys.get(id).is_some_and(|number| self.versions.version[*number as usize] >= version)
    }

    /// Adds a version; `None` ends the resource.
    pub(crate) fn push(&mut self, id: &str, version: i64, at: Micros, resource: Option<Node<'_>>) {
        let number = self.versions.len();
        // The tables hold 2^32 rows and refuse more long before versions run out.
        let key = u32::try_from(number).unwrap_or(u32::MAX);
        match self.keys.get_mut(id) {
            Some(current) => {
                let before = std::mem::replace(current, key) as usize;
                if let Some(known_to) = self.versions.known_to.get_mut(before).filter(|to| **to == OPEN) {
                    *known_to = at;
                }
            }
            None => {
                self.keys.insert(id.into(), key);
            }
        }
        self.id_bytes += id.len();
        self.versions.ids.push(id.into());
        self.versions.version.push(version);
        self.versions.known_from.push(at);
        self.versions.known_to.push(if resource.is_some() { OPEN } else { at });
        for table in &mut self.tables {
            table.push_version(resource, at);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let versions = self.versions.len() * (3 * size_of::<i64>() + 2 * size_of::<usize>());
        let keys = self.keys.len() * KEY_BYTES;
        versions + keys + 2 * self.id_bytes + self.tables.iter().map(Table::bytes).sum::<usize>()
    }

    /// The rows of a table that are known at a time, chunk by chunk. A chunk without a mask is
    /// visible whole; one without a visible row is left out.
    pub(crate) fn visible(
        &self,
        table: &Table,
        known_at: Option<Micros>,
    ) -> Vec<(Part, Option<BooleanBuffer>)> {
        let parts = table.parts().into_iter().filter_map(|part| {
            let is_known = |number| self.versions.is_known(number, known_at);
            if self.ranges(table, &part).all(|(number, _)| is_known(number)) {
                return Some((part, None));
            }
            let mask = self.mask(table, &part, is_known)?;
            Some((part, Some(mask)))
        });
        parts.collect()
    }

    /// A bit for each row of a part; `None` when no row is taken.
    fn mask(&self, table: &Table, part: &Part, takes: impl Fn(usize) -> bool) -> Option<BooleanBuffer> {
        let rows = part.batch.num_rows();
        let mut bits = MutableBuffer::from_len_zeroed(rows.div_ceil(8));
        let mut takes_any = false;
        for (number, range) in self.ranges(table, part) {
            if takes(number) {
                takes_any |= !range.is_empty();
                range.for_each(|row| bit_util::set_bit(bits.as_slice_mut(), row));
            }
        }
        takes_any.then(|| BooleanBuffer::new(bits.into(), 0, rows))
    }

    /// The versions that have rows in a part, each with its range there.
    fn ranges<'s>(
        &'s self,
        table: &'s Table,
        part: &Part,
    ) -> impl Iterator<Item = (usize, Range<usize>)> + 's {
        let ends = table.ends();
        let (start, end) = (part.start, part.start + part.batch.num_rows() as u32);
        let first = ends.partition_point(|end| *end <= start);
        (first..ends.len()).map_while(move |number| {
            let from = if number == 0 { 0 } else { ends[number - 1] }.max(start);
            (from < end).then(|| (number, (from - start) as usize..(ends[number].min(end) - start) as usize))
        })
    }

    /// The logical id of the resource behind each row of a part.
    pub(crate) fn ids(&self, table: &Table, part: &Part) -> StringArray {
        let mut ids = StringBuilder::new();
        for (number, range) in self.ranges(table, part) {
            ids.append_value_n(&self.versions.ids[number], range.len());
        }
        ids.finish()
    }

    /// For each row of a part, a fact of its version.
    pub(crate) fn each_row<T: Copy>(&self, table: &Table, part: &Part, facts: &[T]) -> Vec<T> {
        self.ranges(table, part).flat_map(|(number, range)| range.map(move |_| facts[number])).collect()
    }
}
