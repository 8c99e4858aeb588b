//! The page of a chain with few targets: what refers to any of them, newest first.
//!
//! The references to one target stand newest first in their index, so a page is a merge of as many sorted
//! lists as there are targets. It reads the newest of each list, and then hardly more than the page
//! holds, however many resources refer to each target.

use super::Page;
use crate::chain;
use crate::part::{Part, Rows};
use crate::sort;
use crate::sql::{Arg, Dialect, Writer};

impl Page<'_> {
    /// Writes a select of the newest references of a chain by one parameter.
    pub(super) fn fan(&self, w: &mut Writer, place: usize, part: &Part<'_>) {
        match w.dialect {
            Dialect::Sqlite => self.heap(w, place, part),
            Dialect::Postgres => self.two_rounds(w, place, part),
        }
    }

    /// A recursive query with an order takes the first of its queue at each step, so its queue is the
    /// heap of the merge: what comes out is replaced by the next of the same target.
    fn heap(&self, w: &mut Writer, place: usize, part: &Part<'_>) {
        let (q, t) = (w.alias(), w.alias());
        let (rid, target) = (format!("{q}.rid"), format!("{q}.target"));
        w.push("select ").push(&rid).push(" from (with recursive ").push(&q).push("(rid, target) as (");
        w.push("select ");
        self.first(w, place, part, &format!("{t}.rid"), None);
        w.push(", ").push(&t).push(".rid from (");
        self.targets(w, part);
        w.push(") ").push(&t).push(" union all select ");
        self.first(w, place, part, &target, Some(&rid));
        w.push(", ").push(&target).push(" from ").push(&q).push(" where ").push(&rid);
        w.push(" is not null order by 1").push(sort::newest(self.query));
        w.push(") select distinct ").push(&rid).push(" as rid from ").push(&q).push(" where ").push(&rid);
        w.push(" is not null");
        self.limit(w);
        w.push(") ").push(&q);
    }

    /// The page can only come from the targets whose newest reference is among as many, counted once
    /// each, as the page has places.
    fn two_rounds(&self, w: &mut Writer, place: usize, part: &Part<'_>) {
        let (t, n, x) = (w.alias(), w.alias(), w.alias());
        w.push("select ")
            .push(&x)
            .push(".rid from (select ")
            .push(&t)
            .push(".rid as target, dense_rank() over (");
        self.newest(w, &format!("{n}.rid"));
        w.push(") as place from (");
        self.targets(w, part);
        w.push(") ").push(&t).push(" cross join lateral (");
        self.references(w, place, part, &format!("{t}.rid"), None);
        w.push(" limit 1) ").push(&n).push(") ").push(&t).push(" cross join lateral (");
        self.references(w, place, part, &format!("{t}.target"), None);
        self.limit(w);
        w.push(") ").push(&x).push(" where ").push(&t).push(".place <= ").number(self.query.count as i64 + 1);
    }

    fn targets(&self, w: &mut Writer, part: &Part<'_>) {
        if let Rows::Chain(links) = part.rows {
            w.list(links, " union ", |w, link| chain::targets(w, &self.cx, link));
        }
    }

    /// Writes the newest match that refers to a target, the one after another match when that is given;
    /// null when there is none.
    fn first(&self, w: &mut Writer, place: usize, part: &Part<'_>, target: &str, after: Option<&str>) {
        w.push("(");
        self.references(w, place, part, target, after);
        w.push(" limit 1)");
    }

    /// Writes a select of the matches that refer to a target, newest first.
    fn references(&self, w: &mut Writer, place: usize, part: &Part<'_>, target: &str, after: Option<&str>) {
        let (d, join) = (w.alias(), w.dialect.join());
        let rid = format!("{d}.rid");
        let needs_resource = self.needs_resource(place, std::slice::from_ref(part));
        w.push("select ").push(&rid).push(" from ix_reference ").push(&d);
        if needs_resource {
            w.push(join).push(self.table()).push(" r on r.rid = ").push(&rid);
        }
        w.push(" where ").push(&d).push(".tenant = ");
        w.arg(Arg::Int(self.cx.plan.tenant().into())).push(" and ").push(&d).push(".param");
        self.cx.scope.params(w, part.params);
        w.push(" and ").push(&d).push(".target = ").push(target);
        if let Some(after) = after {
            w.push(" and ").push(&rid).push(sort::next(self.query)).push(after);
        }
        self.after(w, &rid);
        if needs_resource {
            w.push(" and r.deleted = 0");
        }
        self.filters(w, Some(place), &rid);
        self.newest(w, &rid);
    }
}
