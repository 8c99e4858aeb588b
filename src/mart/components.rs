//! Which rows belong together: union-find over the values of links
//! (Tarjan and van Leeuwen, Worst-case analysis of set union algorithms, 1984).
//!
//! Values stand here as hashes of 64 bits. Two values of one hash make one component of two, which is
//! larger than it need be and as right. So is a component whose link has gone: nothing is parted again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hasher};

/// No block yet.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// A hash stands for itself.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// The hash of a link's value.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            hasher.write(b"|");
        }
        hasher.write(part.as_bytes());
    }
    hasher.finish()
}

/// The components, and in which block of rows each is.
#[derive(Debug, Default)]
pub(crate) struct Components {
    nodes: HashMap<u64, u32, BuildHasherDefault<Itself>>,
    parent: Vec<u32>,
    /// Of roots: the block.
    block: Vec<u32>,
}

impl Components {
    /// The node of a value, made when it is new.
    pub(crate) fn node(&mut self, hash: u64) -> u32 {
        let Components { nodes, parent, block } = self;
        *nodes.entry(hash).or_insert_with(|| {
            // More values than fit share the last node: one large component, still right.
            let node = u32::try_from(parent.len()).unwrap_or(u32::MAX - 1);
            parent.push(node);
            block.push(NOWHERE);
            node
        })
    }

    pub(crate) fn find(&mut self, node: u32) -> u32 {
        let mut node = node;
        while self.parent[node as usize] != node {
            let above = self.parent[self.parent[node as usize] as usize];
            self.parent[node as usize] = above;
            node = above;
        }
        node
    }

    /// Joins two components. When both were in blocks, and not the same, gives the block that one of
    /// them must leave.
    pub(crate) fn union(&mut self, one: u32, other: u32) -> Option<u32> {
        let (one, other) = (self.find(one), self.find(other));
        if one == other {
            return None;
        }
        // The older node leads; with halving that keeps the ways short.
        let (lead, follow) = (one.min(other), one.max(other));
        self.parent[follow as usize] = lead;
        let (kept, left) = (self.block[lead as usize], self.block[follow as usize]);
        if kept == NOWHERE {
            self.block[lead as usize] = left;
            return None;
        }
        (left != NOWHERE && left != kept).then_some(left)
    }

    /// The block of a node's component.
    pub(crate) fn block(&mut self, node: u32) -> u32 {
        let root = self.find(node);
        self.block[root as usize]
    }

    /// Puts a component into a block.
    pub(crate) fn place(&mut self, node: u32, block: u32) {
        let root = self.find(node);
        self.block[root as usize] = block;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn joined_values_are_one_link_and_their_borders_count() {
        assert_eq!(hash(&["a|b", "c"]), hash(&["a", "b|c"]));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }

    proptest! {
        #[test]
        fn components_are_those_of_a_plain_computation(pairs in prop::collection::vec((0_u64..40, 0_u64..40), 0..60)) {
            let mut components = Components::default();
            let mut plain: Vec<u64> = (0..40).collect();
            for (one, other) in &pairs {
                let (a, b) = (components.node(*one), components.node(*other));
                components.union(a, b);
                let (from, to) = (plain[*one as usize], plain[*other as usize]);
                plain.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
            for one in 0..40 {
                for other in 0..40 {
                    let (a, b) = (components.node(one), components.node(other));
                    let is_same = components.find(a) == components.find(b);
                    prop_assert_eq!(is_same, plain[one as usize] == plain[other as usize]);
                }
            }
        }
    }
}
