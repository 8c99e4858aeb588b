//! Which queries are answered by blocks, and which over all rows.

use crate::{ByBlocks, Cell, Change, Config, Layer, Links, Mart, Query, Source, Way};
use remit_sof::View;
use remit_spec::Definitions;
use std::collections::BTreeMap;
use std::sync::Arc;

const VIEWS: [&str; 3] = [
    r#"{"name":"claim","resource":"Claim","select":[{"column":[{"name":"id","path":"getResourceKey()"},
        {"name":"patient","path":"patient.reference"},{"name":"number","path":"identifier.first().value"},
        {"name":"status","path":"status"},{"name":"total","path":"total.value"}]}]}"#,
    r#"{"name":"item","resource":"Claim","select":[{"column":[{"name":"claim_id","path":"getResourceKey()"}]},
        {"forEach":"item","column":[{"name":"visit","path":"encounter.first().reference"},
        {"name":"net","path":"net.value"}]}]}"#,
    r#"{"name":"place","resource":"Location","select":[{"column":[{"name":"id","path":"getResourceKey()"},
        {"name":"status","path":"status"}]}]}"#,
];
const LINKS: &str = r#"{"views":[{"view":"claim","links":[["id"],["patient","number"]]},
    {"view":"item","links":[["claim_id"],["visit"]]}]}"#;

fn mart() -> Mart {
    let view = |json: &str| {
        let document = remit_fhir::json::parse(json.to_owned()).expect("the test writes JSON");
        View::parse(document.root(), Definitions::r4()).expect("the view is valid")
    };
    let links = Arc::new(Links::parse(LINKS).expect("the links can be read"));
    let config = Config { links, block_rows: 2, ..Config::default() };
    Mart::open(config, VIEWS.map(view).into()).expect("the views are valid")
}

fn check(cases: &[(&str, Way)]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mart = mart();
    for (sql, way) in cases {
        let query = Query { by_blocks: ByBlocks::Answer, ..Query::new(1, *sql) };
        let found = runtime.block_on(mart.way(query)).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(found, *way, "{sql}");
    }
}

#[test]
fn groups_stay_in_blocks_by_a_key_that_is_there() {
    check(&[
        ("select i.claim_id, max(i.net) as net from item i group by i.claim_id", Way::Rows),
        ("select i.visit, max(i.net) as net from item i group by i.visit", Way::Whole),
        (
            "select i.visit, max(i.net) as net from item i where i.visit is not null group by i.visit",
            Way::Rows,
        ),
        ("select coalesce(i.visit, i.claim_id) as v, max(i.net) as net from item i group by 1", Way::Rows),
        ("select coalesce(i.visit, 'none') as v, max(i.net) as net from item i group by 1", Way::Whole),
        ("select distinct i.visit, i.net from item i", Way::Sums),
        ("select distinct i.claim_id, i.visit from item i", Way::Rows),
        (
            "select u.visit, max(u.net) as net from (select distinct i.visit, i.net from item i) u group by u.visit",
            Way::Whole,
        ),
    ]);
}

#[test]
fn sums_of_blocks_are_added_up_and_nothing_else_is() {
    check(&[
        ("select c.status, count(*) as n, sum(c.total) as t from claim c group by c.status", Way::Sums),
        ("select count(*) as n from claim c", Way::Sums),
        ("select c.status, max(c.total) as t from claim c group by c.status", Way::Whole),
        ("select c.status, avg(c.total) as t from claim c group by c.status", Way::Whole),
        (
            "select c.status, sum(c.total) as t from claim c group by c.status having sum(c.total) > 1",
            Way::Whole,
        ),
        ("select sum(c.total) as t from claim c group by c.status", Way::Whole),
        ("select c.status, sum(c.total) + 1 as t from claim c group by c.status", Way::Whole),
        ("select count(distinct i.visit) as n, sum(i.net) as t from item i", Way::Sums),
        ("select count(distinct c.status) as n from claim c", Way::Whole),
    ]);
}

#[test]
fn joins_stay_in_blocks_by_keys_on_both_sides() {
    check(&[
        ("select c.id, i.net from claim c join item i on i.claim_id = c.id", Way::Rows),
        ("select c.id, i.net from claim c left join item i on i.claim_id = c.id and i.net > 1", Way::Rows),
        ("select c.id, i.net from claim c full join item i on i.claim_id = c.id", Way::Rows),
        ("select c.id from claim c join claim d on d.status = c.status", Way::Whole),
        ("select c.id from claim c join claim d on d.patient = c.patient", Way::Whole),
        ("select c.id from claim c cross join item i", Way::Whole),
        ("select c.id from claim c where exists (select 1 from item i where i.claim_id = c.id)", Way::Rows),
        ("select c.id from claim c where c.id not in (select i.visit from item i)", Way::Whole),
        ("select c.id from claim c where c.total > (select avg(d.total) from claim d)", Way::Whole),
        ("select c.id from claim c left join item i on i.claim_id = c.id group by c.id", Way::Rows),
        (
            "select i.claim_id, count(*) as n from claim c left join item i on i.claim_id = c.id
          group by i.claim_id, c.status having count(*) > 1",
            Way::Whole,
        ),
    ]);
}

#[test]
fn what_is_about_everything_is_looked_up_and_never_multiplied() {
    check(&[
        ("select p.id from place p", Way::Small),
        ("select c.id, p.id as place from claim c left join place p on p.status = c.status", Way::Rows),
        ("select c.id, p.id as place from place p left join claim c on p.status = c.status", Way::Whole),
        ("select c.id, p.id as place from place p full join claim c on p.status = c.status", Way::Whole),
        (
            "select p.id from place p where not exists (select 1 from claim c where c.status = p.status)",
            Way::Whole,
        ),
        ("select c.id from claim c union all select p.id from place p", Way::Whole),
        ("select c.id from claim c union all select i.claim_id from item i", Way::Rows),
    ]);
}

#[test]
fn windows_stay_in_blocks_by_a_key_or_by_all_of_a_link() {
    let number = |by: &str, from: &str| {
        format!("select c.id, row_number() over (partition by {by} order by c.id) as n from {from}")
    };
    let cases = [
        (number("c.id", "claim c"), Way::Rows),
        (number("c.status", "claim c"), Way::Whole),
        (number("c.patient, c.number, c.status", "claim c where c.number is not null"), Way::Rows),
        (number("c.patient, c.number", "claim c"), Way::Whole),
        (number("c.number", "claim c where c.number is not null"), Way::Whole),
        (
            number("c.patient, d.number", "claim c join claim d on d.id = c.id where d.number is not null"),
            Way::Whole,
        ),
    ];
    for (sql, way) in cases {
        check(&[(&sql, way)]);
    }
}

#[test]
fn what_is_sorted_or_cut_off_is_of_all_rows() {
    check(&[
        ("select c.id from claim c order by c.id", Way::Whole),
        ("select c.id from claim c limit 1", Way::Whole),
        ("select p.id from place p order by p.id limit 1", Way::Small),
    ]);
}

/// Two layers, each of one row for each claim.
fn layers() -> BTreeMap<String, Source> {
    let layer = |name: &str| {
        let views = BTreeMap::from([("claim".to_owned(), Source::View("claim".to_owned()))]);
        let layer = Layer::new(format!("select c.id, '{name}' as name from claim c"), views).kept();
        (name.to_owned(), Source::Sql(Arc::new(layer)))
    };
    BTreeMap::from([layer("one"), layer("other")])
}

fn write(mart: &Mart, position: i64) {
    let id = format!("c{position}");
    let body = format!(r#"{{"resourceType":"Claim","id":"{id}"}}"#);
    let change = Change {
        position,
        tenant: 1,
        resource_type: "Claim",
        id: &id,
        version: 1,
        at_us: position,
        body: Some(body.into()),
    };
    mart.apply(&[change]).expect("it fits");
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_of_one_question_are_of_one_moment() {
    let mart = Arc::new(mart());
    let written = mart.clone();
    let writer = std::thread::spawn(move || (1..=3_000).for_each(|position| write(&written, position)));
    let sql = "select x.n as x, y.n as y from (select count(*) as n from one) x \
               cross join (select count(*) as n from other) y";
    let query = Query { relations: Some(layers()), by_blocks: ByBlocks::Answer, ..Query::new(1, sql) };
    assert_eq!(mart.way(query.clone()).await.expect("it is planned"), Way::Whole);
    let mut last = 0;
    while last < 3_000 {
        let rows = mart.query(query.clone()).await.expect("it runs").rows().expect("plain values");
        let [Cell::Integer(one), Cell::Integer(other)] = rows[0][..] else { panic!("{rows:?}") };
        assert_eq!(one, other);
        assert!(one >= last, "{one} after {last}");
        last = one;
    }
    writer.join().expect("all are written");
}
