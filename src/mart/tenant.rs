//! What the mart holds for one tenant: for each resource type the versions it knows, and for each
//! view the rows.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{StringArray, StringBuilder};
use arrow::buffer::{BooleanBuffer, MutableBuffer};
use arrow::util::bit_util;
use remit_fhir::Node;
use remit_fhir::date::Micros;

use crate::components::{Itself, hash};
use crate::stored::{Named, Stored};
use crate::table::{Part, Table};

/// The end of what is known still.
pub(crate) const OPEN: Micros = Micros::MAX;

/// Bytes of one entry of the map of keys.
const KEY_BYTES: usize = size_of::<(u64, u32)>() + 1;

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

    /// Packs what is sealed.
    pub(crate) fn pack(&mut self) {
        self.shards.values_mut().flat_map(|shard| &mut shard.tables).for_each(Table::pack);
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
    keys: Keys,
    id_bytes: usize,
    pub(crate) tables: Vec<Table>,
    /// Versions that another took the place of, in the order in which that happened here.
    superseded: Vec<u32>,
}

/// The newest version of each logical id, found by the hash of the id: the texts are beside the versions.
#[derive(Debug, Default)]
struct Keys {
    newest: HashMap<u64, u32, BuildHasherDefault<Itself>>,
    /// Ids whose hash is that of another.
    others: HashMap<Box<str>, u32>,
}

impl Keys {
    fn get(&self, id: &str, ids: &[Box<str>]) -> Option<u32> {
        let number = *self.newest.get(&hash(&[id]))?;
        match ids.get(number as usize) {
            Some(found) if **found == *id => Some(number),
            _ => self.others.get(id).copied(),
        }
    }

    /// Puts a version in the place of the one before, which it gives.
    fn put(&mut self, id: &str, number: u32, ids: &[Box<str>]) -> Option<u32> {
        let place = self.newest.entry(hash(&[id]));
        match place {
            Entry::Vacant(place) => {
                place.insert(number);
                None
            }
            Entry::Occupied(mut place)
                if ids.get(*place.get() as usize).is_some_and(|found| **found == *id) =>
            {
                Some(place.insert(number))
            }
            Entry::Occupied(_) => self.others.insert(id.into(), number),
        }
    }
}

impl Shard {
    pub(crate) fn new(views: &[Arc<Named>]) -> Shard {
        Shard {
            versions: Versions::default(),
            keys: Keys::default(),
            id_bytes: 0,
            superseded: Vec::new(),
            tables: views.iter().cloned().map(Table::new).collect(),
        }
    }

    /// A shard that was stored. `None` when its parts do not fit each other.
    pub(crate) fn restored(versions: Versions, tables: Vec<Table>) -> Option<Shard> {
        let mut keys = Keys::default();
        for (number, id) in versions.ids.iter().enumerate() {
            keys.put(id, u32::try_from(number).ok()?, &versions.ids);
        }
        let id_bytes = versions.ids.iter().map(|id| id.len()).sum();
        tables.iter().all(|table| table.ends().len() == versions.len()).then_some(())?;
        Some(Shard { versions, keys, id_bytes, tables, superseded: Vec::new() })
    }

    /// The versions and the tables by themselves.
    pub(crate) fn into_parts(self) -> (Versions, Vec<Table>) {
        (self.versions, self.tables)
    }

    /// Whether a version is here already, or a later one.
    pub(crate) fn has(&self, id: &str, version: i64) -> bool {
        let current = self.keys.get(id, &self.versions.ids);
        current.is_some_and(|number| self.versions.version[number as usize] >= version)
    }

    /// Adds a version; `None` ends the resource.
    pub(crate) fn push(&mut self, id: &str, version: i64, at: Micros, resource: Option<Node<'_>>) {
        let number = self.versions.len();
        // The tables hold 2^32 rows and refuse more long before versions run out.
        let key = u32::try_from(number).unwrap_or(u32::MAX);
        if let Some(before) = self.keys.put(id, key, &self.versions.ids) {
            let known_to = self.versions.known_to.get_mut(before as usize);
            if let Some(known_to) = known_to.filter(|to| **to == OPEN) {
                *known_to = at;
            }
            self.superseded.push(before);
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
        let versions = self.superseded.capacity() * 4
            + self.versions.len() * (3 * size_of::<i64>() + 2 * size_of::<usize>());
        let keys = self.keys.newest.capacity() * KEY_BYTES;
        versions + keys + self.id_bytes + self.tables.iter().map(Table::bytes).sum::<usize>()
    }

    /// Versions that another took the place of since the shard was made or restored.
    pub(crate) fn superseded(&self) -> &[u32] {
        &self.superseded
    }

    /// Whether no version has taken the place of this one.
    pub(crate) fn is_current(&self, number: usize) -> bool {
        self.versions.is_known(number, None)
    }

    /// The versions that have rows in a range of a table's rows, each with its part of the range.
    pub(crate) fn versions_in<'t>(
        &self,
        table: &'t Table,
        rows: Range<u32>,
    ) -> impl Iterator<Item = (usize, Range<u32>)> + 't {
        let ends = table.ends();
        let first = ends.partition_point(|end| *end <= rows.start);
        (first..ends.len()).map_while(move |number| {
            let from = if number == 0 { 0 } else { ends[number - 1] }.max(rows.start);
            (from < rows.end).then(|| (number, from..ends[number].min(rows.end)))
        })
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
