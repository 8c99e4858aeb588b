//! A set of codes by system: what an expansion or a walk through a hierarchy gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Codes, grouped by system.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Codes {
    groups: Box<[Arc<Group>]>,
}

/// Codes of one system, sorted.
#[derive(PartialEq, Eq, Debug)]
pub struct Group {
    /// The system.
    pub system: Box<str>,
    /// The codes in their order.
    pub codes: Arc<[Box<str>]>,
}

/// Codes while they are gathered.
pub(crate) type Sum<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

impl Codes {
    pub(crate) fn of(sum: &Sum<'_>) -> Codes {
        let group = |(system, codes): (&&str, &BTreeSet<&str>)| {
            let codes = codes.iter().map(|code| Box::from(*code)).collect();
            Arc::new(Group { system: Box::from(*system), codes })
        };
        Codes { groups: sum.iter().filter(|(_, codes)| !codes.is_empty()).map(group).collect() }
    }

    /// The groups, by system.
    pub fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }

    /// Whether a code of a system is among them; without a system, a code of any.
    pub fn contains(&self, system: Option<&str>, code: &str) -> bool {
        match system {
            Some(system) => {
                let place = self.groups.binary_search_by(|group| (*group.system).cmp(system));
                place.is_ok_and(|place| self.groups[place].contains(code))
            }
            None => self.groups.iter().any(|group| group.contains(code)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.codes.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// About the bytes that they take.
    pub fn bytes(&self) -> usize {
        /// What the allocator adds to a short text, and the text's address and length.
        const PER_TEXT: usize = 32;
        let group = |group: &Arc<Group>| {
            let codes: usize = group.codes.iter().map(|code| code.len() + PER_TEXT).sum();
            codes + group.system.len() + size_of::<Group>() + PER_TEXT
        };
        self.groups.iter().map(group).sum()
    }
}

impl Group {
    /// Whether a code is among them.
    pub fn contains(&self, code: &str) -> bool {
        self.codes.binary_search_by(|known| (**known).cmp(code)).is_ok()
    }
}
