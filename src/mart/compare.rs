//! Two marts held against each other, for `remit verify`.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::util::display::array_value_to_string;
use remit_fhir::{Error, Result};

use crate::mart::Mart;

impl Mart {
    /// Where the rows of this mart, superseded ones included, are not those of another, whatever their
    /// order; one line for each view of a tenant, none when they agree.
    pub fn differences(&self, other: &Mart) -> Result<Vec<String>> {
        let held = self.holdings().into_iter().chain(other.holdings()).map(|held| (held.tenant, held.view));
        let mut lines = Vec::new();
        for (tenant, view) in held.collect::<BTreeSet<_>>() {
            let (ours, theirs) = (self.counted(tenant, &view)?, other.counted(tenant, &view)?);
            let only = |a: &HashMap<u64, usize>, b: &HashMap<u64, usize>| -> usize {
                a.iter().map(|(row, count)| count.saturating_sub(b.get(row).copied().unwrap_or(0))).sum()
            };
            let (extra, missing) = (only(&ours, &theirs), only(&theirs, &ours));
            if extra + missing > 0 {
                lines.push(format!(
                    "tenant {tenant}, view {view}: {extra} rows too many, {missing} rows missing"
                ));
            }
        }
        Ok(lines)
    }

    /// How often each row occurs, by its hash.
    fn counted(&self, tenant: i32, view: &str) -> Result<HashMap<u64, usize>> {
        let mut counts = HashMap::new();
        for batch in self.rows(tenant, view)? {
            for row in 0..batch.num_rows() {
                let mut hasher = DefaultHasher::new();
                for column in batch.columns() {
                    column.is_null(row).hash(&mut hasher);
                    array_value_to_string(column, row).map_err(Error::internal)?.hash(&mut hasher);
                }
                *counts.entry(hasher.finish()).or_default() += 1;
            }
        }
        Ok(counts)
    }
}
