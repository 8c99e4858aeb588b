//! SQL of strangers, through the operation that takes it: each attack ends in a refusal or at a limit,
//! quickly, and leaves nothing behind.

use crate::database::Database;
use crate::http::Client;
use crate::server::Server;
use remit_fhir::base64::encode;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// No attack may take longer: the limit of a query is 30 s.
const PATIENCE: Duration = Duration::from_secs(60);

fn claim(n: u64) -> Value {
    json!({ "resource": { "resourceType": "Claim", "id": format!("c{n}"), "status": "active", "use": "claim",
        "type": { "text": "x" }, "patient": { "display": "secret" }, "created": "2026-01-01",
        "provider": { "display": "x" }, "priority": { "text": "x" },
        "insurance": [{ "sequence": 1, "focal": true, "coverage": { "display": "x" } }] },
        "request": { "method": "PUT", "url": format!("Claim/c{n}") } })
}

fn question(sql: &str) -> Value {
    let view = json!({ "resourceType": "ViewDefinition", "url": "http://acme.org/c", "status": "active",
        "resource": "Claim", "select": [{ "column": [{ "name": "id", "path": "id" },
        { "name": "who", "path": "patient.display" }, { "name": "n", "path": "id.length()" }] }] });
    json!({ "resourceType": "Parameters", "parameter": [
        { "name": "context", "resource": view },
        { "name": "subjectResource", "resource": { "resourceType": "Library", "status": "active",
            "type": { "coding": [{ "code": "sql-query" }] },
            "relatedArtifact": [{ "type": "depends-on", "label": "c", "resource": "http://acme.org/c" }],
            "content": [{ "contentType": "application/sql", "data": encode(sql.as_bytes()) }] } }] })
}

fn doubled(step: &str) -> String {
    let steps: Vec<String> =
        (1..40).map(|n| format!("t{n} as ({})", step.replace("PREV", &format!("t{}", n - 1)))).collect();
    format!("with t0 as (select id as c from c), {} select max(c) as m from t39", steps.join(", "))
}

/// Attacks as they are written.
const PLAIN: &[&str] = &[
    // Other statements.
    "",
    ";",
    "-- nothing",
    "select 1 as n; drop table c",
    "select id from c; delete from c",
    "drop table c",
    "insert into c values ('x')",
    "update c set id = 'x'",
    "delete from c",
    "truncate table c",
    "create table t as select id from c",
    "create view v as select id from c",
    "create function f() returns int as 'select 1' language sql",
    "alter table c add column x int",
    "grant all on c to public",
    "begin",
    "commit",
    "set datafusion.execution.batch_size = 1",
    "set role postgres",
    "reset all",
    "show all",
    "show tables",
    "explain select id from c",
    "explain analyze select id from c",
    "describe c",
    "prepare p as select 1",
    "execute p",
    "call p()",
    "do $$ begin end $$",
    "listen x",
    "vacuum",
    "with x as (delete from c returning id) select id from x",
    "with x as (insert into c values ('x') returning id) select id from x",
    "select id into t from c",
    "select id from c for update",
    "table c",
    // Files and the network.
    "copy c to '/tmp/stolen'",
    "copy (select id from c) to program 'sh'",
    "create external table t stored as csv location '/etc/passwd'",
    "select * from '/etc/passwd'",
    "select * from \"/etc/passwd\"",
    "select * from \"file:///etc/passwd\"",
    "select * from \"http://127.0.0.1/\"",
    "select * from read_csv('/etc/passwd')",
    "select * from read_parquet('s3://x/y')",
    "select pg_read_file('/etc/passwd') as x",
    "select pg_ls_dir('/') as x",
    "select lo_import('/etc/passwd') as x",
    "select * from dblink('host=127.0.0.1', 'select 1') as t(a int)",
    "select load_extension('x') as x",
    "load 'x'",
    "attach database '/tmp/x' as y",
    // Catalogs and other tables.
    "select * from pg_catalog.pg_class",
    "select * from pg_shadow",
    "select * from information_schema.tables",
    "select * from sqlite_master",
    "select * from resource",
    "select * from claim",
    "select * from mart.views.c",
    "select * from \"mart\".\"views\".\"c\"",
    "select * from \"ViewDefinition/0\"",
    "select version() as v",
    "select current_user as u",
    "select current_setting('data_directory') as d",
    "select now() as n",
    "select random() as r",
    "select uuid() as u",
    // Time and memory.
    "select pg_sleep(100) as x",
    "select sleep(100) as x",
    "with recursive t as (select 1 as n union all select n + 1 from t) select count(*) as n from t",
    "select * from generate_series(1, 1000000000000)",
    "select * from range(1, 1000000000000)",
    "select * from unnest([1, 2, 3])",
    "select repeat('x', 1000000000) as x",
    "select lpad('x', 1000000000) as x",
    "select array_agg(id) as x from c",
    "select string_agg(id, ',') as x from c",
    "select sum(a.n * d.n) as n from c a, c b, c x, c y, c d",
    "select a.id || b.id || d.id as x from c a, c b, c d order by 1",
    "select count(distinct a.id || b.id || d.id) as n from c a, c b, c d",
    // Tricks of writing.
    "select /* ; drop table c */ pg_sleep(1) as x -- ; select 1",
    "select 1 as n /* not closed",
    "select 'not closed as n",
    "select id from c where id = $1",
    "select id from c where id = ?",
    "select id from c where id = :never_bound",
    "select U&'\\0061' as a from c; select 1 as b",
    "select 1 as a, 2 as a",
    "select 1 / 0 as x",
    "select cast(who as int) as x from c",
    "select id from c where nosuch = 1",
    "select nosuch(id) as x from c",
    "select \u{202e}id as x frоm c",
    "\u{0}",
];

/// All attacks.
fn attacks() -> Vec<String> {
    let made = [
        doubled("select c || c as c from PREV"),
        doubled("select concat(c, c, c) as c from PREV"),
        doubled("select a.c from PREV a join PREV b on a.c = b.c"),
        doubled("select c from PREV union all select c from PREV"),
        doubled("select c from PREV where c in (select c from PREV)"),
        format!("select {}1{} as n", "(".repeat(20_000), ")".repeat(20_000)),
        format!("select 1{} as n", "+1".repeat(3_000)),
        format!("select count(*) as n from c where {}", vec!["id = 'x'"; 3_000].join(" or ")),
        format!("select {} from c", (0..4_000).map(|n| format!("id as c{n}")).collect::<Vec<_>>().join(", ")),
        format!("select count(*) as n from c group by cube ({})", vec!["id"; 30].join(", ")),
        format!("select '{}' as x", "x".repeat(200_000)),
        format!("select case {} end as x from c", "when id = 'a' then 'b' ".repeat(3_000)),
    ];
    PLAIN.iter().map(|text| (*text).to_owned()).chain(made).collect()
}

fn healthy(client: &mut Client) {
    let answer =
        client.post("$sql-run", &question("select count(*) as n, min(id) as first from c")).expect(200);
    assert_eq!(answer.text().trim(), r#"{"n":300,"first":"c0"}"#);
}

#[test]
fn attacks_end_in_a_refusal_or_at_a_limit_and_nobody_notices() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let entries: Vec<Value> = (0..300).map(claim).collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
        client.post("", &bundle).expect(200);
        healthy(&mut client);
        for attack in attacks() {
            let shown: String = attack.chars().take(90).collect();
            let begun = Instant::now();
            let answer = client.json("POST", "$sql-run", &question(&attack));
            assert!(matches!(answer.status, 400 | 422 | 503), "{shown}: {} {}", answer.status, answer.text());
            let outcome = answer.json();
            assert_eq!(outcome["resourceType"], "OperationOutcome", "{shown}");
            let text = outcome.to_string();
            assert!(!text.contains("secret") && !text.contains("c299"), "{shown} is told of a row: {text}");
            assert!(begun.elapsed() < PATIENCE, "{shown} took {:?}", begun.elapsed());
        }
        healthy(&mut client);
        assert!(!std::path::Path::new("/tmp/stolen").exists(), "no file is written");
        let log = server.log();
        assert!(!log.contains("panic") && !log.contains("secret"), "a panic or a row in the log");
    }
}

#[test]
fn a_query_that_computes_for_long_holds_nobody_up() {
    let server = Server::fresh(&[]);
    let mut client = server.client();
    let entries: Vec<Value> = (0..300).map(claim).collect();
    client
        .post("", &json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }))
        .expect(200);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mut client = server.client();
            scope.spawn(move || {
                let sql = "select sum(a.n * d.n) as n from c a, c b, c x, c y, c d";
                let status = client.json("POST", "$sql-run", &question(sql)).status;
                assert!(matches!(status, 422 | 503), "status {status}");
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        for n in 0..20 {
            let begun = Instant::now();
            client.get(&format!("Claim/c{n}")).expect(200);
            assert!(begun.elapsed() < Duration::from_secs(5), "a read waits for a query");
        }
    });
    healthy(&mut client);
}
