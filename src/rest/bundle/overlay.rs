//! What criteria find while a transaction is under way: the store's answer, without what the
//! transaction deletes or changes, and with what it writes
//! (<https://hl7.org/fhir/R4/http.html#trules>: deletes come first, then creates, then updates).

use remit_fhir::{Node, Result};
use remit_search::{Condition, IndexRows, Query, Test, matches};
use remit_spec::TypeId;
use remit_store::system_clock;
use std::collections::{HashMap, HashSet};

use crate::rest::{Context, prepare};

/// The writes of a transaction so far, by type.
#[derive(Default)]
pub(super) struct Overlay<'b>(HashMap<TypeId, OfType<'b>>);

#[derive(Default)]
struct OfType<'b> {
    /// Ids that the transaction deletes or writes.
    touched: HashSet<String>,
    written: Vec<(String, Node<'b>)>,
    /// Index rows of the first of `written`; made when criteria are compared with them.
    rows: Vec<IndexRows>,
    /// Places in `written` by the codes of their tokens, so that a thousand conditional creates are
    /// not compared with each other one by one.
    by_code: HashMap<Box<str>, Vec<usize>>,
}

impl<'b> Overlay<'b> {
    /// Notes that a resource is not what the store holds any more.
    pub(super) fn touch(&mut self, ty: TypeId, id: &str) {
        self.0.entry(ty).or_default().touched.insert(id.to_owned());
    }

    /// Notes a resource that will be stored.
    pub(super) fn write(&mut self, ty: TypeId, id: &str, resource: Node<'b>) {
        self.touch(ty, id);
        self.0.entry(ty).or_default().written.push((id.to_owned(), resource));
    }

    /// How many of the store's matches can be void.
    pub(super) fn touched(&self, ty: TypeId) -> usize {
        self.0.get(&ty).map_or(0, |of_type| of_type.touched.len())
    }

    /// What criteria find: `stored` is the answer of the store.
    pub(super) fn find(
        &mut self,
        cx: &Context<'_>,
        ty: TypeId,
        query: &Query,
        stored: &[String],
    ) -> Result<Vec<String>> {
        let Some(of_type) = self.0.get_mut(&ty) else { return Ok(stored.to_vec()) };
        of_type.index(cx, ty)?;
        let mut ids: Vec<String> =
            stored.iter().filter(|id| !of_type.touched.contains(*id)).cloned().collect();
        let now = system_clock();
        let mut compare = |place: usize| {
            if let (Some((id, _)), Some(rows)) = (of_type.written.get(place), of_type.rows.get(place))
                && matches(query, ty, id, now, rows)
            {
                ids.push(id.clone());
            }
        };
        match code(query) {
            Some(code) => of_type.by_code.get(code).into_iter().flatten().for_each(|place| compare(*place)),
            None => (0..of_type.written.len()).for_each(compare),
        }
        Ok(ids)
    }
}

impl OfType<'_> {
    fn index(&mut self, cx: &Context<'_>, ty: TypeId) -> Result<()> {
        for (place, (_, resource)) in self.written.iter().enumerate().skip(self.rows.len()) {
            let rows = prepare::rows_of(cx, ty, *resource)?;
            let mut codes: Vec<&str> = rows.tokens.iter().map(|row| &*row.code).collect();
            codes.sort_unstable();
            codes.dedup();
            for code in codes {
                self.by_code.entry(code.into()).or_default().push(place);
            }
            self.rows.push(rows);
        }
        Ok(())
    }
}

/// A code that every match has among its tokens.
fn code(query: &Query) -> Option<&str> {
    query.criteria.iter().find_map(|condition| match condition {
        Condition::Criterion(criterion) => match &criterion.test {
            Test::Token(values) => match values.as_slice() {
                [value] => value.code.as_deref(),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}
