//! The statement that counts the matches of a query.

use super::{Densities, Driver, Page, Wanted, drive, scope};
use crate::access::AccessPlan;
use crate::contained::{ContainedType, Scope};
use crate::part::{Part, Sql};
use crate::query::Query;
use crate::registry::Registry;
use crate::sql::{Dialect, Statement, Writer};

/// The statement that counts the matches: one row with one integer.
pub fn count(
    query: &Query,
    plan: &AccessPlan,
    registry: &Registry,
    dialect: Dialect,
    densities: &Densities,
) -> Statement {
    let page = Page { query, cx: Sql { plan, registry, scope: scope(query) } };
    let mut w = Writer::new(dialect);
    let driver = drive(query, densities, Wanted::Count);
    let (Driver::Walks(place, parts) | Driver::Fan(place, parts) | Driver::Collected(place, parts)) = &driver
    else {
        w.push("select ").push(page.counted()).push(" from ").push(page.table()).push(" r where ");
        page.live(&mut w);
        page.filters(&mut w, None, "r.rid");
        return w.finish();
    };
    let needs_resource = page.needs_resource(*place, parts);
    w.push("select ").push(page.counted());
    match &parts[..] {
        [part] if part.is_unique() => {
            w.push(" from ").push(part.table()).push(" d");
            page.count_where(&mut w, *place, needs_resource, Some(part));
        }
        parts => {
            w.push(" from (");
            page.collected(&mut w, parts);
            w.push(") d");
            page.count_where(&mut w, *place, needs_resource, None);
        }
    }
    w.finish()
}

impl Page<'_> {
    fn counts_containers(&self) -> bool {
        self.cx.scope == Scope::Contained && self.query.contained_type == ContainedType::Container
    }

    fn counted(&self) -> &'static str {
        if self.counts_containers() { "count(distinct r.container)" } else { "count(*)" }
    }

    fn count_where(&self, w: &mut Writer, place: usize, needs_resource: bool, part: Option<&Part<'_>>) {
        let rid = format!("d{}", part.map_or(".rid", |part| part.rid(w.dialect)));
        if needs_resource {
            let join = w.dialect.join();
            w.push(join).push(self.table()).push(" r on r.rid = ").push(&rid);
        }
        w.push(" where ");
        match part {
            Some(part) => part.sql(w, &self.cx, "d"),
            None => _ = w.push("1 = 1"),
        }
        if let Some(part) = part {
            self.of_types(w, part);
        }
        self.filters(w, Some(place), &rid);
    }
}
