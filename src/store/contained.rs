//! Searches that find contained resources (<https://hl7.org/fhir/R4/search.html#contained>).
//!
//! Resources and contained ones are two statements over the same order; their answers are merged. Where
//! containers are answered, each comes once: at the place of the first of its resources that matches.

use crate::search::Match;
use crate::{Store, Stored};
use bytes::Bytes;
use remit_fhir::{Error, Result, json};
use remit_search::{
    AccessPlan, Contained, ContainedType, Direction, Key, Query, Side, contained_number, container_of,
};
use std::cmp::Ordering;

/// Most statements for one page of containers. Each begins after the last container of the one before,
/// so more than one is needed only where containers hold several matches.
const MAX_ROUNDS: usize = 64;

impl Store {
    /// A page of matches in the order of the query, and whether there are more.
    pub(crate) async fn matched_contained(
        &self,
        plan: &AccessPlan,
        query: &Query,
    ) -> Result<(Vec<Match>, bool)> {
        let own = match query.contained {
            Contained::Both => {
                let own = Query { contained: Contained::No, ..query.clone() };
                self.some_matches(plan, &own).await?
            }
            _ => Vec::new(),
        };
        let is_full = own.len() > query.count;
        // Resources come before contained ones unless the order asked for says otherwise.
        let is_done = is_full && query.sort.is_empty() && query.side == Side::After;
        let found = match query.contained_type {
            ContainedType::Contained if is_done => Vec::new(),
            ContainedType::Container if query.sort.is_empty() => self.containers(plan, query).await?,
            _ => self.some_matches(plan, query).await?,
        };
        let mut all: Vec<Match> = own.into_iter().chain(found).collect();
        all.sort_by(|a, b| compare(query, &a.keys, &b.keys));
        let more = all.len() > query.count;
        all.truncate(query.count);
        for found in &mut all {
            match query.contained_type {
                ContainedType::Contained => cut_out(found)?,
                ContainedType::Container => {
                    found.rid = container_of(found.rid).map_or(found.rid, |(rid, _)| rid)
                }
            }
        }
        Ok((all, more))
    }

    /// One match more than a page holds.
    async fn some_matches(&self, plan: &AccessPlan, query: &Query) -> Result<Vec<Match>> {
        let densities = self.densities(plan, query).await?;
        let statement = self.page_statement(plan, query, &densities);
        self.run(plan, &statement).await?.into_iter().map(|row| self.found(row)).collect()
    }

    /// Containers, newest first, each under its own number: one more than a page holds.
    async fn containers(&self, plan: &AccessPlan, query: &Query) -> Result<Vec<Match>> {
        let mut found: Vec<Match> = Vec::new();
        let mut last = query.cursor.as_ref().and_then(|keys| match keys[..] {
            [Key::Int(rid)] => Some(rid),
            _ => None,
        });
        for _ in 0..MAX_ROUNDS {
            let beyond = last.map(|rid| match query.side {
                Side::After => contained_number(rid, u16::MAX),
                Side::Before => contained_number(rid, 0),
            });
            let next = Query { cursor: beyond.map(|number| vec![Key::Int(number)]), ..query.clone() };
            let rows = self.some_matches(plan, &next).await?;
            let is_last = rows.len() <= query.count;
            for mut row in rows {
                let Some((container, _)) = container_of(row.rid) else { continue };
                if last.replace(container) != Some(container) {
                    (row.rid, row.keys) = (container, vec![Key::Int(container)]);
                    found.push(row);
                }
            }
            if is_last || found.len() > query.count {
                return Ok(found);
            }
        }
        Err(Error::unprocessable(
            "Resources found contain too many that match: ask for these with _containedType=contained.",
        ))
    }

    /// Number of matches; of containers each counts once.
    pub(crate) async fn counted_contained(&self, plan: &AccessPlan, query: &Query) -> Result<u64> {
        let mut count = 0;
        if query.contained == Contained::Both {
            count += self.counted_one(plan, &Query { contained: Contained::No, ..query.clone() }).await?;
        }
        Ok(count + self.counted_one(plan, query).await?)
    }
}

/// Puts the contained resource in the place of its container: its text, and `id#contained` as its id.
fn cut_out(found: &mut Match) -> Result<()> {
    let Some((_, place)) = container_of(found.rid) else { return Ok(()) };
    let Stored { id, body, .. } = &mut found.stored;
    let Some(text) = body.take() else { return Ok(()) };
    let document = json::parse(text)?;
    let contained = document.root().get("contained").into_iter().flat_map(|all| all.each());
    let Some(node) = contained.into_iter().nth(place.into()) else {
        return Err(Error::internal("a contained resource is not in its container"));
    };
    *id = format!("{id}#{}", node.get_str("id").unwrap_or_default());
    *body = Some(Bytes::copy_from_slice(node.json().as_bytes()));
    Ok(())
}

/// The order of two rows of a query, as the databases have it.
pub(crate) fn compare(query: &Query, a: &[Key], b: &[Key]) -> Ordering {
    let forward = a.iter().zip(b).enumerate().map(|(place, (a, b))| {
        let last = query.sort.last().map_or(Direction::Falling, |key| key.direction);
        let direction = query.sort.get(place).map_or(last, |key| key.direction);
        in_direction(a, b, direction)
    });
    let order = forward.fold(Ordering::Equal, Ordering::then);
    if query.side == Side::Before { order.reverse() } else { order }
}

/// Missing values come last in both directions.
fn in_direction(a: &Key, b: &Key, direction: Direction) -> Ordering {
    let order = match (a, b) {
        (Key::Null, Key::Null) => return Ordering::Equal,
        (Key::Null, _) => return Ordering::Greater,
        (_, Key::Null) => return Ordering::Less,
        (Key::Int(a), Key::Int(b)) => a.cmp(b),
        (Key::Float(a), Key::Float(b)) => a.total_cmp(b),
        (Key::Text(a), Key::Text(b)) => a.cmp(b),
        _ => Ordering::Equal,
    };
    if direction == Direction::Falling { order.reverse() } else { order }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_search::{SortBy, SortKey};

    #[test]
    fn rows_are_merged_in_the_order_of_the_databases() {
        let sort = |direction| vec![SortKey { by: SortBy::Updated, direction }];
        let keys = |first: Key, rid: i64| vec![first, Key::Int(rid)];
        let rising = Query { sort: sort(Direction::Rising), ..Query::default() };
        let falling = Query { sort: sort(Direction::Falling), ..Query::default() };
        let before = Query { side: Side::Before, ..rising.clone() };
        let (small, great) = (keys(Key::Int(1), 7), keys(Key::Int(2), 3));
        assert_eq!(compare(&rising, &small, &great), Ordering::Less);
        assert_eq!(compare(&falling, &small, &great), Ordering::Greater);
        assert_eq!(compare(&before, &small, &great), Ordering::Greater);
        let missing = keys(Key::Null, 1);
        assert_eq!(compare(&rising, &great, &missing), Ordering::Less);
        assert_eq!(compare(&falling, &great, &missing), Ordering::Less);
        let same = keys(Key::Int(1), 9);
        assert_eq!(compare(&rising, &small, &same), Ordering::Less);
        assert_eq!(compare(&falling, &small, &same), Ordering::Greater);
        let newest = Query::default();
        assert_eq!(compare(&newest, &[Key::Int(9)], &[Key::Int(-5)]), Ordering::Less);
    }
}
