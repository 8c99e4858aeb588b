//! Two small caches of things that never change once they exist: the number of a system's uri and the
//! rid of a resource. Only what is committed gets in.

use parking_lot::RwLock;
use remit_spec::TypeId;
use std::collections::HashMap;

/// Numbers of uris. There are as many as code systems in use, a few hundred; identifiers' systems can
/// be many, so there is a limit.
#[derive(Default)]
pub(crate) struct Symbols {
    known: RwLock<HashMap<Box<str>, i32>>,
}

/// Entries kept before a cache starts again from nothing: some megabytes at most.
const LIMIT: usize = 50_000;

impl Symbols {
    pub(crate) fn get(&self, uri: &str) -> Option<i32> {
        if uri.is_empty() {
            return Some(0);
        }
        self.known.read().get(uri).copied()
    }

    pub(crate) fn add(&self, found: impl IntoIterator<Item = (Box<str>, i32)>) {
        let mut known = self.known.write();
        if known.len() >= LIMIT {
            known.clear();
        }
        known.extend(found);
    }
}

/// Key of a resource: tenant, type, logical id.
pub(crate) type Key = (i32, TypeId, Box<str>);

/// Row numbers of resources.
#[derive(Default)]
pub(crate) struct Rids {
    known: RwLock<HashMap<Key, i64>>,
}

impl Rids {
    pub(crate) fn get(&self, key: &Key) -> Option<i64> {
        self.known.read().get(key).copied()
    }

    pub(crate) fn add(&self, found: impl IntoIterator<Item = (Key, i64)>) {
        let mut known = self.known.write();
        if known.len() >= LIMIT {
            known.clear();
        }
        known.extend(found);
    }
}
