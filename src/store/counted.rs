//! What probes have counted, kept for a short while.
//!
//! A count only chooses where a search starts, never what it finds, so one that has aged makes a search
//! slower at worst. Clients ask for the same codes and states again and again; most searches then need
//! one statement and not two.

use parking_lot::Mutex;
use remit_search::{Arg, Densities, Statement};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::time::{Duration, Instant};

/// After this a probe is asked again. A load can make a rare value common in less; until then such
/// searches sort what they could have walked.
const FRESH: Duration = Duration::from_secs(10);

/// Counts kept before all are forgotten: about a megabyte.
const LIMIT: usize = 10_000;

/// Counts by a hash of the probe and its arguments.
#[derive(Default)]
pub(crate) struct Counted {
    known: Mutex<HashMap<u64, (Instant, Densities)>>,
    state: RandomState,
}

impl Counted {
    /// The key of a probe. Two probes with one key would do no harm, see above.
    pub(crate) fn key(&self, probe: &Statement) -> u64 {
        let mut hasher = self.state.build_hasher();
        probe.sql.hash(&mut hasher);
        for arg in &probe.args {
            match arg {
                Arg::Int(n) => n.hash(&mut hasher),
                Arg::Float(n) => n.to_bits().hash(&mut hasher),
                Arg::Text(text) | Arg::System(text) => text.hash(&mut hasher),
                Arg::List(texts) => texts.hash(&mut hasher),
                Arg::Target(ty, id) => (ty, id).hash(&mut hasher),
            }
        }
        hasher.finish()
    }

    /// What was counted a moment ago.
    pub(crate) fn get(&self, key: u64) -> Option<Densities> {
        let known = self.known.lock();
        let (at, densities) = known.get(&key)?;
        (at.elapsed() < FRESH).then(|| densities.clone())
    }

    pub(crate) fn add(&self, key: u64, densities: Densities) {
        let mut known = self.known.lock();
        if known.len() >= LIMIT {
            known.clear();
        }
        known.insert(key, (Instant::now(), densities));
    }
}
