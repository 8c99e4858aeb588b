//! Texts of resources that were read lately.
//!
//! A version of a resource never changes, so its text can be kept without asking whether it is still
//! right: which version is the current one is asked of the database each time. A version is known by its
//! number and its time; the number alone could come again after a database lost its last commits. Making text of a JSONB
//! body is a third of a search with a page of resources, on both databases.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Parts with a lock each, so that requests do not wait for each other.
const PARTS: usize = 16;

/// What a table entry, the counts of a shared buffer and the allocator take beside the text.
const OVERHEAD: usize = 128;

/// What tells a version of a resource from every other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    pub(crate) version: i64,
    pub(crate) updated_us: i64,
}

impl Stamp {
    /// That of no version.
    pub(crate) const NONE: Stamp = Stamp { version: -1, updated_us: -1 };
}

/// Versions by the number of their resource, one each.
pub(crate) struct Bodies {
    parts: [Mutex<Part>; PARTS],
    /// Bytes that half of a part may take; 0 keeps nothing.
    half: usize,
}

/// Texts met since the last turn, and those of the turn before. What is asked for again moves to the
/// first; the second is dropped as a whole when the first is full.
#[derive(Default)]
struct Part {
    young: HashMap<i64, (Stamp, Bytes)>,
    old: HashMap<i64, (Stamp, Bytes)>,
    bytes: usize,
}

impl Bodies {
    /// A cache of at most about so many bytes.
    pub(crate) fn new(limit: usize) -> Bodies {
        Bodies { parts: Default::default(), half: limit / PARTS / 2 }
    }

    fn part(&self, rid: i64) -> &Mutex<Part> {
        &self.parts[rid.unsigned_abs() as usize % PARTS]
    }

    /// The version that is kept of a resource, and its text.
    pub(crate) fn get(&self, rid: i64) -> Option<(Stamp, Bytes)> {
        if self.half == 0 {
            return None;
        }
        let mut part = self.part(rid).lock();
        if let Some(found) = part.young.get(&rid) {
            return Some(found.clone());
        }
        let found = part.old.remove(&rid)?;
        part.add(rid, found.clone(), self.half);
        Some(found)
    }

    /// Keeps the text of a version that was read. One that is too large for its part would only drive
    /// out the others.
    pub(crate) fn add(&self, rid: i64, stamp: Stamp, text: &Bytes) {
        if text.len() + OVERHEAD <= self.half / 4 {
            self.part(rid).lock().add(rid, (stamp, text.clone()), self.half);
        }
    }
}

impl Part {
    fn add(&mut self, rid: i64, kept: (Stamp, Bytes), half: usize) {
        self.bytes += kept.1.len() + OVERHEAD;
        if let Some(before) = self.young.insert(rid, kept) {
            self.bytes -= before.1.len() + OVERHEAD;
        }
        if self.bytes > half {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(version: i64) -> Stamp {
        Stamp { version, updated_us: version * 1000 }
    }

    #[test]
    fn what_is_asked_for_stays_and_the_whole_is_bounded() {
        let limit = 1 << 20;
        let bodies = Bodies::new(limit);
        let text = Bytes::from(vec![b' '; 1000]);
        bodies.add(0, stamp(7), &text);
        for rid in 1..100_000 {
            bodies.add(rid, stamp(1), &text);
            assert_eq!(bodies.get(0).map(|(stamp, _)| stamp), Some(stamp(7)));
        }
        let kept = (0..100_000).filter(|rid| bodies.get(*rid).is_some()).count();
        assert!(kept > 100 && kept * (1000 + OVERHEAD) <= limit, "{kept}");
    }

    #[test]
    fn a_newer_version_takes_the_place_of_the_older() {
        let bodies = Bodies::new(1 << 20);
        bodies.add(1, stamp(1), &Bytes::from_static(b"{}"));
        bodies.add(1, stamp(2), &Bytes::from_static(b"[]"));
        assert_eq!(bodies.get(1), Some((stamp(2), Bytes::from_static(b"[]"))));
    }

    #[test]
    fn nothing_and_too_much_are_not_kept() {
        let none = Bodies::new(0);
        none.add(1, stamp(1), &Bytes::from_static(b"{}"));
        assert_eq!(none.get(1), None);
        let small = Bodies::new(64 << 10);
        small.add(1, stamp(1), &Bytes::from(vec![b' '; 60 << 10]));
        assert_eq!(small.get(1), None);
    }
}
