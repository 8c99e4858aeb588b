//! Several searches at once, such as what points to each resource of a list: one statement for the pages
//! of all and one for their counts, instead of one for each search.

use crate::Store;
use crate::contained::compare;
use crate::search::{Found, Match, needs_count};
use remit_fhir::Result;
use remit_search::{AccessPlan, Contained, Densities, Query, Statement};

/// Searches of one statement. SQLite joins five hundred selects at most, and a statement is planned as a
/// whole.
const BATCH: usize = 50;

impl Store {
    /// The pages of several searches, in their order. What a query names of value sets is known:
    /// [`find_codes`](Store::find_codes) has seen to it.
    pub async fn searches(&self, plan: &AccessPlan, queries: &[&Query]) -> Result<Vec<Found>> {
        let mut found: Vec<Found> = Vec::with_capacity(queries.len());
        let alike = |a: &&Query, b: &&Query| a.sort == b.sort && is_plain(a) && is_plain(b);
        for same in queries.chunk_by(alike) {
            for some in same.chunks(BATCH) {
                match some {
                    [only] => found.push(self.search(plan, only).await?),
                    some => found.extend(self.batch(plan, some).await?),
                }
            }
        }
        Ok(found)
    }

    /// Searches with the same order in two statements at most.
    async fn batch(&self, plan: &AccessPlan, queries: &[&Query]) -> Result<Vec<Found>> {
        let mut rows: Vec<Vec<Match>> = queries.iter().map(|_| Vec::new()).collect();
        let uncounted = Densities::default();
        let pages: Vec<Statement> =
            queries.iter().map(|query| self.page_statement(plan, query, &uncounted)).collect();
        for mut row in self.run(plan, &Statement::together(&pages)).await? {
            let place = row.int()? as usize;
            if let Some(rows) = rows.get_mut(place) {
                rows.push(self.found(row)?);
            }
        }
        let mut found = Vec::with_capacity(queries.len());
        let mut counted = Vec::new();
        for (place, (query, mut rows)) in queries.iter().zip(rows).enumerate() {
            rows.sort_by(|a, b| compare(query, &a.keys, &b.keys));
            let more = rows.len() > query.count;
            rows.truncate(query.count);
            let mut page = self.paged(plan, query, rows, more).await?;
            counted.extend(needs_count(query, &mut page).then_some(place));
            found.push(page);
        }
        let dialect = self.dialect();
        let count = |place: &usize| {
            remit_search::count(queries[*place], plan, &self.inner.registry, dialect, &uncounted)
        };
        let counts: Vec<Statement> = counted.iter().map(count).collect();
        if !counts.is_empty() {
            for mut row in self.run(plan, &Statement::together(&counts)).await? {
                let place = counted.get(row.int()? as usize).copied();
                if let Some(found) = place.and_then(|place| found.get_mut(place)) {
                    found.total = Some(row.int()?.unsigned_abs());
                }
            }
        }
        Ok(found)
    }
}

/// Whether a page is the rows of one statement.
fn is_plain(query: &Query) -> bool {
    query.includes.is_empty() && query.contained == Contained::No && query.count > 0
}
