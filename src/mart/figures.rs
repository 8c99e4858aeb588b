//! Figures of the mart, printed: `cargo test --release -p remit-mart figures -- --ignored --nocapture`.

use std::fmt::Write as _;
use std::time::Instant;

use remit_fhir::json::parse;
use remit_sof::View;
use remit_spec::Definitions;

use crate::{Change, Config, Mart, Query};

const LINES: usize = 5;
const CLAIMS: usize = 300_000;

const CLAIM: &str = r#"{"name":"claim","resource":"Claim","select":[{"column":[
    {"name":"claim_id","path":"getResourceKey()","type":"string"},{"name":"created","path":"created","type":"date"},
    {"name":"payer","path":"insurer.reference","type":"string"},{"name":"total","path":"total.value","type":"decimal"}]}]}"#;
const CLAIM_ITEM: &str = r#"{"name":"claim_item","resource":"Claim","select":[
    {"column":[{"name":"claim_id","path":"getResourceKey()","type":"string"},
    {"name":"payer","path":"insurer.reference","type":"string"}]},
    {"forEach":"item","column":[{"name":"sequence","path":"sequence","type":"positiveInt"},
    {"name":"code","path":"productOrService.coding.first().code","type":"code"},
    {"name":"serviced","path":"serviced.ofType(date)","type":"date"},
    {"name":"net","path":"net.value","type":"decimal"}]}]}"#;

fn body(n: usize, out: &mut String) {
    out.clear();
    let payer = n % 12;
    let day = n % 28 + 1;
    let _ = write!(
        out,
        r#"{{"resourceType":"Claim","id":"claim-{n:012}","status":"active","use":"claim","created":"2026-03-{day:02}","insurer":{{"reference":"Organization/payer-{payer}"}},"total":{{"value":{}.50,"currency":"USD"}},"item":["#,
        n % 900
    );
    for line in 1..=LINES {
        let comma = if line > 1 { "," } else { "" };
        let _ = write!(
            out,
            r#"{comma}{{"sequence":{line},"productOrService":{{"coding":[{{"system":"http://www.ama-assn.org/go/cpt","code":"9921{line}"}}]}},"servicedDate":"2026-03-{day:02}","net":{{"value":{}.{:02},"currency":"USD"}}}}"#,
            n % 180,
            n % 100
        );
    }
    out.push_str("]}");
}

fn load(mart: &Mart) -> std::time::Duration {
    let mut spent = std::time::Duration::ZERO;
    for start in (0..CLAIMS).step_by(1000) {
        let rows: Vec<(String, String)> = (start..start + 1000)
            .map(|n| {
                let mut text = String::new();
                body(n, &mut text);
                (format!("claim-{n:012}"), text)
            })
            .collect();
        let changes: Vec<Change<'_>> = rows
            .iter()
            .zip(start as i64 + 1..)
            .map(|((id, text), position)| Change {
                position,
                tenant: 0,
                resource_type: "Claim",
                id,
                version: 1,
                at_us: position,
                body: Some(text.clone().into()),
            })
            .collect();
        let begun = Instant::now();
        mart.apply(&changes).expect("it fits in memory");
        spent += begun.elapsed();
    }
    spent
}

#[tokio::test]
#[ignore = "prints figures; takes a minute"]
async fn figures() {
    let views = [CLAIM, CLAIM_ITEM].map(|json| {
        let document = parse(json.to_owned()).expect("the view is JSON");
        View::parse(document.root(), Definitions::r4()).expect("the view is valid")
    });
    let folder = std::env::temp_dir().join(format!("remit-mart-figures-{}", std::process::id()));
    let config = Config { folder: Some(folder.clone()), ..Config::default() };
    let mart = Mart::open(config, views.into()).expect("it opens");
    let spent = load(&mart);
    let rows = CLAIMS * (1 + LINES);
    println!(
        "applied: {CLAIMS} resources, {rows} rows in {spent:?}: {:.0} rows/s, {:.1} us a resource",
        rows as f64 / spent.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / CLAIMS as f64
    );
    println!("memory: {} MiB, {} bytes a row", mart.bytes() >> 20, mart.bytes() / rows);
    let queries = [
        "select 1",
        "select payer, sum(net), count(*) from claim_item group by payer order by payer",
        "select payer, sum(net), count(*) from claim_item group by payer order by payer",
        "select i.payer, date_trunc('month', c.created), sum(i.net) from claim_item i join claim c on c.claim_id = i.claim_id group by 1, 2",
    ];
    for sql in queries {
        let begun = Instant::now();
        let answer = mart.query(Query::new(0, sql)).await.expect("it runs");
        let count: usize = answer.batches.iter().map(|batch| batch.num_rows()).sum();
        println!("{:?} for {count} rows: {sql}", begun.elapsed());
    }
    let begun = Instant::now();
    mart.write_snapshot().expect("it is written");
    println!("snapshot written in {:?}", begun.elapsed());
    let begun = Instant::now();
    let views = [CLAIM, CLAIM_ITEM].map(|json| {
        let document = parse(json.to_owned()).expect("the view is JSON");
        View::parse(document.root(), Definitions::r4()).expect("the view is valid")
    });
    let again = Mart::open(Config { folder: Some(folder.clone()), ..Config::default() }, views.into())
        .expect("it opens");
    println!("opened again at position {} in {:?}", again.replay_from(), begun.elapsed());
    let _ = std::fs::remove_dir_all(folder);
}
