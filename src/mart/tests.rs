//! The mart against plain recomputation, through restarts, and under attack.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;
use remit_fhir::json::parse;
use remit_sof::{Value, View};
use remit_spec::Definitions;

use crate::{ByBlocks, Change, Config, Layer, Limits, Mart, Parameter, Query, Source};

const CLAIM: &str = r#"{"name":"claim","resource":"Claim","select":[{"column":[
    {"name":"id","path":"id","type":"id"},{"name":"created","path":"created","type":"date"},
    {"name":"patient","path":"patient.reference","type":"string"},
    {"name":"total","path":"total.value","type":"decimal"}]}]}"#;
const CLAIM_ITEM: &str = r#"{"name":"claim_item","resource":"Claim","select":[
    {"column":[{"name":"claim_id","path":"id","type":"id"}]},
    {"forEach":"item","column":[{"name":"sequence","path":"sequence","type":"positiveInt"},
    {"name":"net","path":"net.value","type":"decimal"}]}]}"#;
const COVERAGE: &str = r#"{"name":"coverage","resource":"Coverage","select":[{"column":[
    {"name":"id","path":"id","type":"id"}]}]}"#;

fn views() -> Vec<View> {
    let view = |json: &str| {
        let document = parse(json.to_owned()).expect("the test writes JSON");
        View::parse(document.root(), Definitions::r4()).expect("the view is valid")
    };
    [CLAIM, CLAIM_ITEM, COVERAGE].map(view).into()
}

fn mart() -> Mart {
    Mart::open(Config::default(), views()).expect("the views are valid")
}

/// A folder that is removed at the end of a test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Folder(std::env::temp_dir().join(format!("remit-mart-{}-{count}", std::process::id())))
    }

    fn config(&self) -> Config {
        Config { folder: Some(self.0.clone()), source: "store-1".to_owned(), ..Config::default() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A change with an owned body. The version and the time follow from the position.
#[derive(Clone, Debug)]
struct Step {
    position: i64,
    tenant: i32,
    id: String,
    nets: Option<Vec<u32>>,
}

impl Step {
    fn body(&self) -> Option<String> {
        let nets = self.nets.as_ref()?;
        let items: Vec<String> = nets
            .iter()
            .enumerate()
            .map(|(n, cents)| {
                format!(r#"{{"sequence":{},"net":{{"value":{}.{:02}}}}}"#, n + 1, cents / 100, cents % 100)
            })
            .collect();
        let total: u32 = nets.iter().sum();
        Some(format!(
            r#"{{"resourceType":"Claim","id":"{}","created":"2024-05","patient":{{"reference":"Patient/{}"}},
               "total":{{"value":{}.{:02}}},"item":[{}]}}"#,
            self.id,
            self.id.len(),
            total / 100,
            total % 100,
            items.join(",")
        ))
    }
}

fn apply(mart: &Mart, steps: &[Step]) {
    let bodies: Vec<Option<String>> = steps.iter().map(Step::body).collect();
    let changes: Vec<Change<'_>> = steps
        .iter()
        .zip(&bodies)
        .map(|(step, body)| Change {
            position: step.position,
            tenant: step.tenant,
            resource_type: "Claim",
            id: &step.id,
            version: step.position,
            at_us: step.position * 10,
            body: body.clone().map(Into::into),
        })
        .collect();
    mart.apply(&changes).expect("it fits in memory");
}

fn claim(position: i64, tenant: i32, id: &str, nets: &[u32]) -> Step {
    Step { position, tenant, id: id.to_owned(), nets: Some(nets.to_vec()) }
}

fn deletion(position: i64, tenant: i32, id: &str) -> Step {
    Step { position, tenant, id: id.to_owned(), nets: None }
}

/// Rows as text, cells parted by blanks.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        let options = FormatOptions::default().with_null("-");
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).expect("all types have a form"))
            .collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
            rows.push(cells.join(" "));
        }
    }
    rows
}

async fn ask(mart: &Mart, query: Query) -> Vec<String> {
    texts(&mart.query(query).await.expect("the query runs").batches)
}

async fn sql(mart: &Mart, tenant: i32, sql: &str) -> Vec<String> {
    ask(mart, Query::new(tenant, sql)).await
}

const ALL_ITEMS: &str = "select claim_id, sequence, net from claim_item order by claim_id, sequence";

#[tokio::test]
async fn a_query_sees_the_current_rows_and_the_past_on_request() {
    let mart = mart();
    apply(&mart, &[claim(1, 1, "a", &[100, 250]), claim(2, 1, "b", &[5])]);
    apply(&mart, &[claim(3, 1, "a", &[300]), deletion(4, 1, "b")]);
    assert_eq!(sql(&mart, 1, ALL_ITEMS).await, ["a 1 3.000000"]);
    let at = |known_at| Query { known_at: Some(known_at), ..Query::new(1, ALL_ITEMS) };
    assert_eq!(ask(&mart, at(9)).await, Vec::<String>::new());
    assert_eq!(ask(&mart, at(10)).await, ["a 1 1.000000", "a 2 2.500000"]);
    assert_eq!(ask(&mart, at(29)).await, ["a 1 1.000000", "a 2 2.500000", "b 1 0.050000"]);
    assert_eq!(ask(&mart, at(30)).await, ["a 1 3.000000", "b 1 0.050000"]);
    assert_eq!(ask(&mart, at(40)).await, ["a 1 3.000000"]);
    assert_eq!(
        sql(&mart, 1, "select created, total, count(*) from claim group by 1, 2").await,
        ["2024-05-01 3.000000 1"]
    );
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let mart = mart();
    apply(&mart, &[claim(1, 1, "a", &[100]), claim(2, 2, "a", &[200]), claim(3, 2, "b", &[300])]);
    assert_eq!(sql(&mart, 1, ALL_ITEMS).await, ["a 1 1.000000"]);
    assert_eq!(sql(&mart, 2, ALL_ITEMS).await, ["a 1 2.000000", "b 1 3.000000"]);
    assert_eq!(sql(&mart, 3, "select count(*) from claim").await, ["0"]);
    assert_eq!(sql(&mart, 1, "select count(*) from coverage").await, ["0"]);
}

#[tokio::test]
async fn changes_may_come_twice_and_late_ones_change_nothing() {
    let mart = mart();
    let steps = [claim(1, 1, "a", &[100]), claim(2, 1, "a", &[200]), deletion(3, 1, "b")];
    apply(&mart, &steps);
    apply(&mart, &steps);
    apply(&mart, &[claim(1, 1, "b", &[9])]);
    assert_eq!(sql(&mart, 1, ALL_ITEMS).await, ["a 1 2.000000"]);
    assert_eq!(
        mart.rows(1, "claim_item")
            .expect("the view is there")
            .iter()
            .map(RecordBatch::num_rows)
            .sum::<usize>(),
        2
    );
    assert_eq!(mart.position(), 3);
}

#[tokio::test]
async fn a_row_rule_stands_below_every_query() {
    let mart = mart();
    apply(&mart, &[claim(1, 1, "a", &[100]), claim(2, 1, "bb", &[200]), claim(3, 1, "bb", &[300, 1])]);
    let rule = Arc::new(|rows: &crate::RuledRows<'_>| {
        Ok(BooleanBuffer::collect_bool(rows.ids.len(), |row| rows.ids.value(row) == "bb"))
    });
    let query = Query {
        rule: Some(rule),
        ..Query::new(1, "select count(*), sum(net), min(claim_id) from claim_item")
    };
    assert_eq!(ask(&mart, query.clone()).await, ["2 3.010000 bb"]);
    assert_eq!(ask(&mart, Query { known_at: Some(25), ..query }).await, ["1 2.000000 bb"]);
}

#[tokio::test]
async fn parameters_are_bound_and_relations_named() {
    let mart = mart();
    apply(&mart, &[claim(1, 1, "a", &[100, 250]), claim(2, 1, "b", &[5])]);
    let lines = Source::Sql(Arc::new(Layer::new(
        "select claim_id as episode, sum(net) as net from ci where net >= :least group by claim_id",
        BTreeMap::from([("ci".to_owned(), Source::View("claim_item".to_owned()))]),
    )));
    let query = Query {
        relations: Some(BTreeMap::from([("lines".to_owned(), lines)])),
        parameters: BTreeMap::from([
            ("least".to_owned(), Parameter::Decimal("0.06".to_owned())),
            ("name".to_owned(), Parameter::Text("a' or '1' = '1".to_owned())),
        ]),
        ..Query::new(1, "select episode, net, :name from lines")
    };
    assert_eq!(ask(&mart, query.clone()).await, ["a 3.500000 a' or '1' = '1"]);
    let other = Query { sql: "select * from claim_item".to_owned(), ..query.clone() };
    assert_eq!(mart.query(other).await.expect_err("it is not declared").status(), 422);
    let missing = Query { parameters: BTreeMap::new(), ..query };
    assert_eq!(mart.query(missing).await.expect_err("a parameter is missing").status(), 400);
}

#[tokio::test]
async fn the_portable_subset_is_understood() {
    let mart = mart();
    apply(&mart, &[claim(1, 1, "a", &[100, 250, 333]), claim(2, 1, "b", &[5])]);
    let cases = [
        (
            "select extract(day from (cast(date '2026-03-31' as timestamp) - cast(date '2026-01-12' as timestamp)))",
            "78",
        ),
        ("select percentile_cont(0.5) within group (order by cast(net as double)) from claim_item", "1.75"),
        ("select sum(net) filter (where claim_id = 'a') from claim_item", "6.830000"),
        ("select cast(1 as decimal(18,4)) / nullif(cast(0 as decimal(18,4)), 0)", "-"),
        ("select date_trunc('month', created) from claim where id = 'a'", "2024-05-01"),
        ("select count(*) from claim where created between date '2024-05-01' and date '2024-05-31'", "2"),
        ("select row_number() over (order by net) from claim_item limit 1", "1"),
        ("select substring('abcdef' from 2 for 3) || upper(trim(' x ')) || left('yz', 1)", "bcdXy"),
        ("select 0.1 + 0.2", "0.3"),
    ];
    for (text, expected) in cases {
        let rows = sql(&mart, 1, text).await;
        assert!(
            rows.len() == 1 && rows[0].starts_with(expected.trim_end_matches('0')),
            "{text}: {rows:?}, expected {expected}"
        );
    }
}

#[tokio::test]
async fn attacks_end_in_a_refusal_or_at_a_limit() {
    let mart = mart();
    let steps: Vec<Step> = (1..=3000).map(|n| claim(n, 1, &format!("c{n}"), &[100; 5])).collect();
    apply(&mart, &steps);
    let limits = Limits { time: Duration::from_secs(4), memory: 32 << 20, rows: 1000, bytes: 8 << 20 };
    let doubled = |step: &str| {
        let expressions: Vec<String> =
            (1..40).map(|n| format!("t{n} as ({})", step.replace("PREV", &format!("t{}", n - 1)))).collect();
        format!("with t0 as (select id as c from claim), {} select max(c) from t39", expressions.join(", "))
    };
    let attacks = [
        "select * from claim; drop table claim".to_owned(),
        "select pg_read_file('/etc/passwd')".to_owned(),
        "copy claim to '/tmp/x'".to_owned(),
        "select * from '/etc/passwd'".to_owned(),
        "select * from \"/etc/passwd\"".to_owned(),
        "select * from \"file:///etc/passwd\"".to_owned(),
        "select * from information_schema.tables".to_owned(),
        "with recursive t as (select 1 as n union all select n + 1 from t) select count(*) from t".to_owned(),
        "select sum(a.sequence * d.sequence) from claim_item a, claim_item b, claim_item c, claim_item d"
            .to_owned(),
        "select a.claim_id || b.claim_id from claim_item a, claim_item b order by 1".to_owned(),
        "select array_agg(a.claim_id) from claim_item a".to_owned(),
        "select claim_id from claim_item".to_owned(),
        "select repeat(id, 1000000) from claim".to_owned(),
        doubled("select c || c as c from PREV"),
        doubled("select concat(c, c, c) as c from PREV"),
        doubled("select a.c from PREV a join PREV b on a.c = b.c"),
        doubled("select c from PREV union all select c from PREV"),
        doubled("select c from PREV where c in (select c from PREV)"),
        format!("select 1{}", "+1".repeat(3000)),
        format!("select count(*) from claim where {}", vec!["id = 'x'"; 3000].join(" or ")),
        format!("select {} from claim", vec!["id"; 4000].join(", ")),
        format!("select count(*) from claim_item group by cube ({})", vec!["claim_id"; 30].join(", ")),
        "select 1 / 0".to_owned(),
        "select cast(id as int) from claim".to_owned(),
    ];
    for attack in &attacks {
        let shown: String = attack.chars().take(80).collect();
        let begun = std::time::Instant::now();
        let error = mart.query(Query { limits, ..Query::new(1, attack) }).await.expect_err(&shown);
        assert!(matches!(error.status(), 400 | 422 | 503), "{shown}: {error}");
        assert!(!error.to_string().contains("c2999"), "{shown}: an error quotes a row: {error}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{shown} took {:?}", begun.elapsed());
    }
    assert_eq!(sql(&mart, 1, "select count(*) from claim").await, ["3000"], "others are served as before");
}

#[tokio::test]
async fn long_chains_within_the_limit_are_planned() {
    let mart = mart();
    let sum = format!("select 1{}", "+1".repeat(450));
    assert_eq!(sql(&mart, 1, &sum).await, ["451"]);
    let any = format!("select count(*) from claim where {}", vec!["id = 'x'"; 450].join(" or "));
    assert_eq!(sql(&mart, 1, &any).await, ["0"]);
}

#[tokio::test]
async fn a_dropped_answer_gives_its_turn_back() {
    let mart = Mart::open(Config { concurrent_queries: 1, ..Config::default() }, views()).expect("it opens");
    let steps: Vec<Step> = (1..=2000).map(|n| claim(n, 1, &format!("c{n}"), &[100; 5])).collect();
    apply(&mart, &steps);
    let endless = "select a.claim_id from claim_item a, claim_item b, claim_item c";
    let rows = mart.stream(Query::new(1, endless)).await.expect("it starts");
    drop(rows);
    assert_eq!(sql(&mart, 1, "select count(*) from claim").await, ["2000"]);
}

#[tokio::test]
async fn waiting_ends_at_the_position_or_at_the_time() {
    let mart = Arc::new(mart());
    let waiting = {
        let mart = mart.clone();
        tokio::spawn(async move { mart.wait_for(7, Duration::from_secs(20)).await })
    };
    apply(&mart, &[claim(6, 1, "a", &[1])]);
    mart.advance(7);
    assert!(waiting.await.expect("it does not panic").is_ok());
    assert_eq!(mart.wait_for(8, Duration::from_millis(5)).await.expect_err("it is not there").status(), 503);
}

#[tokio::test]
async fn at_the_memory_limit_changes_are_refused_and_the_past_still_answers() {
    let mart = Mart::open(Config { memory_limit: 300_000, ..Config::default() }, views()).expect("it opens");
    let mut refused = None;
    for n in 1..2000 {
        let body = claim(n, 1, &format!("c{n}"), &[100; 20]).body().expect("it has one");
        let id = format!("c{n}");
        let change = Change {
            position: n,
            tenant: 1,
            resource_type: "Claim",
            id: &id,
            version: 1,
            at_us: n,
            body: Some(body.into()),
        };
        if let Err(error) = mart.apply(&[change]) {
            refused = Some((n, error));
            break;
        }
    }
    let (at, error) = refused.expect("the limit is reached");
    assert_eq!(error.status(), 503);
    assert_eq!(mart.position(), at - 1);
    assert!(mart.bytes() < 400_000);
    let error = mart.wait_for(at, Duration::from_secs(20)).await.expect_err("it never comes");
    assert!(error.to_string().contains("memory limit"), "{error}");
    assert_eq!(sql(&mart, 1, "select count(*) from claim").await, [(at - 1).to_string()]);
}

#[tokio::test]
async fn a_resource_that_a_view_fails_on_has_no_rows_there_and_is_counted() {
    let mart = mart();
    apply(&mart, &[claim(1, 1, "a", &[100])]);
    let bad = r#"{"resourceType":"Claim","id":"b","total":{"value":"text"},
        "item":[{"sequence":1,"net":{"value":1}},{"sequence":1.5,"net":{"value":2}}]}"#;
    let change = |version, body| Change {
        position: version,
        tenant: 1,
        resource_type: "Claim",
        id: "b",
        version,
        at_us: 1,
        body,
    };
    mart.apply(&[change(2, Some(bad.into())), change(3, Some("no json".into()))]).expect("it is taken in");
    assert_eq!(sql(&mart, 1, ALL_ITEMS).await, ["a 1 1.000000"]);
    let failed: u64 = mart.holdings().iter().map(|holding| holding.losses.failed_resources).sum();
    assert_eq!(failed, 2);
}

fn damage(folder: &Path, part: &str, change: impl Fn(&mut Vec<u8>)) {
    let path = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(part)))
        .expect("the file is there");
    let mut content = std::fs::read(&path).expect("it can be read");
    change(&mut content);
    std::fs::write(&path, content).expect("it can be written");
}

#[tokio::test]
async fn a_restart_takes_up_the_snapshot_and_the_changes_after_it() {
    let folder = Folder::new();
    let open = || Mart::open(folder.config(), views()).expect("it opens");
    let steps = [
        claim(1, 1, "a", &[100, 250]),
        claim(2, 2, "x", &[7]),
        claim(3, 1, "a", &[300]),
        deletion(4, 1, "d"),
    ];
    let before = Arc::new(open());
    assert_eq!(before.replay_from(), 0);
    apply(&before, &steps);
    before.snapshot().await.expect("it is written");
    let late = [claim(5, 1, "b", &[5]), deletion(6, 1, "a")];
    apply(&before, &late);

    let after = open();
    assert_eq!(after.replay_from(), 4);
    assert_eq!(after.position(), 4);
    assert_eq!(after.bytes() > 0, before.bytes() > 0);
    apply(&after, &steps);
    apply(&after, &late);
    for query in [
        Query::new(1, ALL_ITEMS),
        Query { known_at: Some(15), ..Query::new(1, ALL_ITEMS) },
        Query::new(2, ALL_ITEMS),
    ] {
        assert_eq!(ask(&after, query.clone()).await, ask(&before, query).await);
    }
    let facts = |mart: &Mart| texts(&mart.rows(1, "claim_item").expect("it is there"));
    assert_eq!(facts(&after), facts(&before));
    // A second snapshot replaces the first, file by file.
    after.write_snapshot().expect("it is written");
    assert_eq!(open().replay_from(), 6);
    let files = std::fs::read_dir(&folder.0).expect("it is there").count();
    assert_eq!(files, 7, "a manifest, and for two tenants versions and two views");
}

#[tokio::test]
async fn a_broken_or_foreign_snapshot_is_rebuilt() {
    let steps = [claim(1, 1, "a", &[100, 250]), claim(2, 1, "b", &[7])];
    type Damage = Box<dyn Fn(&Folder)>;
    let cases: Vec<(&str, Damage)> = vec![
        (
            "torn rows",
            Box::new(|f| damage(&f.0, "claim_item", |content| content.truncate(content.len() / 2))),
        ),
        ("a flipped bit", Box::new(|f| damage(&f.0, "claim_item", |content| content[20] ^= 1))),
        ("empty versions", Box::new(|f| damage(&f.0, "versions", Vec::clear))),
        ("a lost file", Box::new(|f| damage(&f.0, "1-claim-", Vec::clear))),
        ("a torn manifest", Box::new(|f| damage(&f.0, "manifest.json", |content| content.truncate(30)))),
        ("no manifest", Box::new(|f| std::fs::remove_file(f.0.join("manifest.json")).expect("it is there"))),
    ];
    for (name, damage) in cases {
        let folder = Folder::new();
        let first = Mart::open(folder.config(), views()).expect("it opens");
        apply(&first, &steps);
        first.write_snapshot().expect("it is written");
        damage(&folder);
        let second = Mart::open(folder.config(), views()).expect("it opens");
        assert_eq!(second.replay_from(), 0, "{name}");
        apply(&second, &steps);
        assert_eq!(
            sql(&second, 1, ALL_ITEMS).await,
            ["a 1 1.000000", "a 2 2.500000", "b 1 0.070000"],
            "{name}"
        );
        second.write_snapshot().expect("it is written");
        assert_eq!(Mart::open(folder.config(), views()).expect("it opens").replay_from(), 2, "{name}");
    }
    let folder = Folder::new();
    let first = Mart::open(folder.config(), views()).expect("it opens");
    apply(&first, &steps);
    first.write_snapshot().expect("it is written");
    let other = Config { source: "store-2".to_owned(), ..folder.config() };
    assert_eq!(Mart::open(other, views()).expect("it opens").replay_from(), 0);
    let fewer: Vec<View> = views().into_iter().filter(|view| view.name() != Some("claim_item")).collect();
    assert_eq!(Mart::open(folder.config(), fewer).expect("it opens").replay_from(), 0);
    assert_eq!(Mart::open(folder.config(), views()).expect("it opens").replay_from(), 2);
}

/// What the rows must be: the view run on every body that is current at a time.
fn naive(steps: &[Step], tenant: i32, known_at: Option<i64>) -> Vec<String> {
    let mut bodies: BTreeMap<&str, Option<String>> = BTreeMap::new();
    for step in steps.iter().filter(|step| step.tenant == tenant) {
        if known_at.is_none_or(|at| step.position * 10 <= at) {
            bodies.insert(&step.id, step.body());
        }
    }
    let views = views();
    let view = &views[1];
    let mut rows = Vec::new();
    for body in bodies.into_values().flatten() {
        let document = parse(body).expect("the test writes JSON");
        let sink = &mut |row: &[&Value<'_>]| {
            if let [Value::Text(id), Value::Integer(sequence), Value::Decimal(net)] = row {
                rows.push(format!("{id} {sequence} {net}0000"));
            }
            Ok(())
        };
        view.run(document.root(), 0, sink).expect("the view runs");
    }
    rows
}

prop_compose! {
    fn any_steps()(parts in prop::collection::vec((1..3_i32, 0..6_u8, prop::option::weighted(0.75, prop::collection::vec(0..100_000_u32, 0..4))), 1..40)) -> Vec<Step> {
        parts.into_iter().zip(1..).map(|((tenant, id, nets), position)| Step { position, tenant, id: format!("r{id}"), nets }).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn rows_equal_a_plain_recomputation(steps in any_steps(), batch in 1..10_usize, overlap in 0..5_usize, known_at in 0..450_i64, restarts in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let folder = Folder::new();
        let mut mart = Mart::open(folder.config(), views()).expect("it opens");
        for at in (0..steps.len()).step_by(batch) {
            apply(&mart, &steps[at.saturating_sub(overlap)..(at + batch).min(steps.len())]);
            if restarts && at / batch % 3 == 1 {
                mart.write_snapshot().expect("it is written");
                mart = Mart::open(folder.config(), views()).expect("it opens");
            }
        }
        for tenant in [1, 2] {
            for known_at in [None, Some(known_at)] {
                let query = Query { known_at, ..Query::new(tenant, ALL_ITEMS) };
                prop_assert_eq!(runtime.block_on(ask(&mart, query)), naive(&steps, tenant, known_at));
            }
        }
    }

    #[test]
    fn what_is_kept_by_blocks_equals_all_rows(steps in any_steps(), batch in 1..10_usize, known_at in 0..450_i64) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let config = Config { links: Arc::new(links()), block_rows: 2, ..Config::default() };
        let by_blocks = Mart::open(config, views()).expect("it opens");
        let whole = mart();
        for steps in steps.chunks(batch) {
            apply(&by_blocks, steps);
            apply(&whole, steps);
            for tenant in [1, 2] {
                for known_at in [None, Some(known_at)] {
                    for sql in BY_PATIENT {
                        let query = Query { known_at, ..layered(tenant, sql) };
                        let mut rows = [runtime.block_on(ask(&by_blocks, query.clone())), runtime.block_on(ask(&whole, query))];
                        rows.iter_mut().for_each(|rows| rows.sort());
                        prop_assert_eq!(&rows[0], &rows[1], "{}", sql);
                    }
                }
            }
        }
    }
}

/// One that groups whatever block a row is of, one of whole blocks, and one that no block answers alone.
const BY_PATIENT: [&str; 3] = [
    "select c.patient, count(*) as claims, sum(s.net) as net from claim c left join sums s on s.claim_id = c.id group by c.patient",
    "select s.claim_id, s.net from sums s where s.net > 100",
    "select s.net, count(distinct s.items) as kinds from sums s group by s.net order by s.net limit 3",
];

fn links() -> crate::Links {
    let json =
        r#"{"views":[{"view":"claim","links":[["id"]]},{"view":"claim_item","links":[["claim_id"]]}]}"#;
    crate::Links::parse(json).expect("the links can be read")
}

/// A question over a kept layer.
fn layered(tenant: i32, sql: &str) -> Query {
    let view = |name: &str| (name.to_owned(), Source::View(name.to_owned()));
    let sums =
        "select i.claim_id, sum(i.net) as net, count(*) as items from claim_item i group by i.claim_id";
    let layer = Arc::new(Layer::new(sums, BTreeMap::from([view("claim_item")])).kept());
    let relations = BTreeMap::from([view("claim"), ("sums".to_owned(), Source::Sql(layer))]);
    Query { relations: Some(relations), by_blocks: ByBlocks::Answer, ..Query::new(tenant, sql) }
}
