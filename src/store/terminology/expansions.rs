//! Expansions that were worked out, bounded by memory, and the place in the change log up to which
//! each tenant's are right.

use parking_lot::Mutex;
use remit_search::Set;
use remit_terminology::{Canonical, Codes};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes that all kept expansions take together, about. A value set of a thousand codes takes 40 KiB,
/// so those in daily use fit; what is left out is worked out again.
const MAX_BYTES: usize = 16 << 20;

/// What a check of the change log found: expansions worked out after it may be kept, unless another
/// check has found a change since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    epoch: u64,
}

/// Which code system the name of an implicit value set stands for: its url and version.
pub(super) type Implicit = HashMap<Box<str>, Vec<Canonical>>;

/// The kept expansions of all tenants.
#[derive(Default)]
pub(crate) struct Expansions {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    tenants: HashMap<i32, OfTenant>,
    bytes: usize,
    /// Counts uses, so that the least recent is known.
    uses: u64,
}

#[derive(Default)]
struct OfTenant {
    /// Changes after this one have not been looked at.
    mark: i64,
    epoch: u64,
    expansions: HashMap<Set, Expansion>,
    implicit: Option<Arc<Implicit>>,
}

struct Expansion {
    codes: Arc<Codes>,
    used: u64,
}

impl Expansion {
    fn bytes(&self) -> usize {
        /// The key and the place in the table.
        const OVERHEAD: usize = 200;
        self.codes.bytes() + OVERHEAD
    }
}

impl Expansions {
    /// Up to which change the expansions of a tenant are right; `None` when there never were any.
    pub(super) fn mark(&self, tenant: i32) -> Option<i64> {
        self.kept.lock().tenants.get(&tenant).map(|of| of.mark)
    }

    /// Takes the answer of the change log.
    pub(super) fn checked(&self, tenant: i32, mark: i64, has_changed: bool) -> Check {
        let kept = &mut *self.kept.lock();
        let of = kept.tenants.entry(tenant).or_default();
        of.mark = of.mark.max(mark);
        if has_changed {
            of.epoch += 1;
            of.implicit = None;
            kept.bytes -= of.expansions.drain().map(|(_, gone)| gone.bytes()).sum::<usize>();
        }
        Check { epoch: of.epoch }
    }

    pub(super) fn get(&self, tenant: i32, set: &Set) -> Option<Arc<Codes>> {
        let kept = &mut *self.kept.lock();
        kept.uses += 1;
        let expansion = kept.tenants.get_mut(&tenant)?.expansions.get_mut(set)?;
        expansion.used = kept.uses;
        Some(expansion.codes.clone())
    }

    /// Keeps an expansion that was worked out after `check`.
    pub(super) fn keep(&self, tenant: i32, check: Check, set: &Set, codes: &Arc<Codes>) {
        let kept = &mut *self.kept.lock();
        kept.uses += 1;
        let expansion = Expansion { codes: codes.clone(), used: kept.uses };
        let Some(of) = kept.tenants.get_mut(&tenant).filter(|of| of.epoch == check.epoch) else { return };
        kept.bytes += expansion.bytes();
        kept.bytes -= of.expansions.insert(set.clone(), expansion).map_or(0, |gone| gone.bytes());
        while kept.bytes > MAX_BYTES && kept.drop_oldest() {}
    }

    pub(super) fn implicit(&self, tenant: i32) -> Option<Arc<Implicit>> {
        self.kept.lock().tenants.get(&tenant)?.implicit.clone()
    }

    pub(super) fn keep_implicit(&self, tenant: i32, check: Check, implicit: &Arc<Implicit>) {
        let kept = &mut *self.kept.lock();
        if let Some(of) = kept.tenants.get_mut(&tenant).filter(|of| of.epoch == check.epoch) {
            of.implicit = Some(implicit.clone());
        }
    }
}

impl Kept {
    /// Forgets the expansion that was not used for longest; `false` when there is none.
    fn drop_oldest(&mut self) -> bool {
        let all =
            self.tenants.iter().flat_map(|(tenant, of)| of.expansions.iter().map(move |e| (*tenant, e)));
        let oldest = all.min_by_key(|(_, (_, expansion))| expansion.used);
        let Some((tenant, set)) = oldest.map(|(tenant, (set, _))| (tenant, set.clone())) else {
            return false;
        };
        let gone = self.tenants.get_mut(&tenant).and_then(|of| of.expansions.remove(&set));
        self.bytes -= gone.map_or(0, |gone| gone.bytes());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_terminology::{Definitions, ValueSet};

    fn codes(count: usize) -> Arc<Codes> {
        let listed: Vec<String> = (0..count).map(|n| format!(r#"{{"code": "{n:08}"}}"#)).collect();
        let text = format!(
            r#"{{"resourceType": "ValueSet", "compose": {{"include": [{{"system": "urn:s", "concept": [{}]}}]}}}}"#,
            listed.join(",")
        );
        let value_set = ValueSet::parse(remit_fhir::json::parse(text).unwrap().root()).unwrap();
        Arc::new(Definitions::default().expand(&value_set).unwrap())
    }

    fn set(name: &str) -> Set {
        Set::ValueSet(name.into())
    }

    #[test]
    fn a_change_makes_kept_expansions_old() {
        let all = Expansions::default();
        assert_eq!(all.mark(1), None);
        let first = all.checked(1, 10, true);
        all.keep(1, first, &set("a"), &codes(3));
        let other = all.checked(2, 10, true);
        all.keep(2, other, &set("a"), &codes(3));
        assert_eq!((all.mark(1), all.get(1, &set("a")).is_some()), (Some(10), true));
        // Nothing new: it stays. A mark never goes back.
        all.checked(1, 20, false);
        all.checked(1, 15, false);
        assert_eq!((all.mark(1), all.get(1, &set("a")).is_some()), (Some(20), true));
        all.checked(1, 30, true);
        assert!(all.get(1, &set("a")).is_none() && all.get(2, &set("a")).is_some());
        // What was begun before the change is not kept after it.
        all.keep(1, first, &set("a"), &codes(3));
        assert!(all.get(1, &set("a")).is_none());
        let implicit = Arc::new(Implicit::new());
        all.keep_implicit(1, first, &implicit);
        assert!(all.implicit(1).is_none());
    }

    #[test]
    fn the_least_recently_used_go_when_memory_is_short() {
        let all = Expansions::default();
        let check = all.checked(1, 1, true);
        let large = codes(100_000);
        for n in 0..10 {
            all.keep(1, check, &set(&n.to_string()), &large);
            // The first is used again and again.
            assert!(all.get(1, &set("0")).is_some(), "{n}");
        }
        let kept = (0..10).filter(|n| all.get(1, &set(&n.to_string())).is_some()).count();
        assert!((2..10).contains(&kept), "{kept}");
        assert!(all.get(1, &set("1")).is_none() && all.get(1, &set("9")).is_some());
        assert!(all.kept.lock().bytes <= MAX_BYTES);
        all.checked(1, 2, true);
        assert_eq!(all.kept.lock().bytes, 0);
    }
}
