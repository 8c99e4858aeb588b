//! A small hash table from names to places, for the lookups that every member of every resource pays.

/// Marks a slot that holds no place.
const EMPTY: u16 = u16::MAX;

/// Open addressing over `u16` places. The names themselves stay with the owner.
#[derive(Debug)]
pub(crate) struct Names {
    slots: Box<[u16]>,
}

impl Names {
    /// Builds the table; the n-th name gets place n. The first of two equal names wins.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Names {
        let count = names.clone().count();
        assert!(count < usize::from(EMPTY), "more names than a place can number");
        // At most half full, so that a miss ends soon.
        let size = (count * 2).next_power_of_two().max(4);
        let mut slots = vec![EMPTY; size].into_boxed_slice();
        for (place, name) in (0u16..).zip(names) {
            let mut slot = hash(name) & (size - 1);
            while slots[slot] != EMPTY {
                slot = (slot + 1) & (size - 1);
            }
            slots[slot] = place;
        }
        Names { slots }
    }

    /// The place of `name`; `name_of` gives the name at a place.
    #[inline]
    pub(crate) fn find<'a>(&self, name: &str, name_of: impl Fn(usize) -> &'a str) -> Option<usize> {
        self.find_where(name, |place| name_of(place) == name)
    }

    /// The first place that `accept` takes, among those whose name may be `name`.
    #[inline]
    pub(crate) fn find_where(&self, name: &str, accept: impl Fn(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash(name) & mask;
        loop {
            let place = self.slots[slot];
            if place == EMPTY {
                return None;
            }
            if accept(usize::from(place)) {
                return Some(usize::from(place));
            }
            slot = (slot + 1) & mask;
        }
    }
}

/// Multiply and rotate over words of eight bytes; the tables are fixed, so no key needs to be secret.
#[inline]
fn hash(name: &str) -> usize {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = name.len() as u64;
    let mut chunks = name.as_bytes().chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("a chunk has eight bytes"));
        state = (state.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
    let mut word = 0u64;
    for &byte in chunks.remainder() {
        word = word << 8 | u64::from(byte);
    }
    state = (state.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    // The high bits are the mixed ones.
    (state >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_at_its_place_and_no_other_is() {
        let names: Vec<String> = (0..900).map(|n| format!("name{n}")).collect();
        let table = Names::of(names.iter().map(String::as_str));
        for (place, name) in names.iter().enumerate() {
            assert_eq!(table.find(name, |i| &names[i]), Some(place));
        }
        assert_eq!(table.find("name900", |i| &names[i]), None);
        assert_eq!(table.find("", |i| &names[i]), None);
    }
}
