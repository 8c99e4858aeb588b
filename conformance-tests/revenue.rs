//! The gross collection rate over synthetic patients: the server's report agrees to the cent with a
//! plain recomputation over what it stores, by payer and by month, follows a write at once, and is the
//! same after a restart.

use crate::data;
use crate::database::Database;
use crate::gross_collection::{Figures, Question, TYPES, Table, recompute};
use crate::http::Client;
use crate::server::{Server, remit};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const QUESTION: Question<'static> =
    Question { period_start: "1900-01-01", period_end: "2100-12-31", as_of: "9999-12-31", currency: "USD" };

/// Loads every Bundle of the archive with the command.
fn load(database: &Database, archive: &Path) {
    let folder =
        std::env::temp_dir().join(format!("remit-revenue-{}-{:?}", std::process::id(), database.kind()));
    std::fs::create_dir_all(&folder).expect("a folder for a test");
    for (name, text) in data::archive(archive) {
        std::fs::write(folder.join(name.replace('/', "_")), text).expect("room for a test");
    }
    let input = folder.display().to_string();
    let (journal, rejects) = (format!("{input}/load.journal"), format!("{input}/rejects.out"));
    let url = database.url();
    let arguments =
        ["load", &input, "--database", &url, "--journal", &journal, "--rejects", &rejects, "--json"];
    let (code, summary, error) = remit(&arguments);
    assert_eq!(code, 0, "{summary}{error}");
    let _ = std::fs::remove_dir_all(folder);
}

/// Every resource that the figure depends on, as the server gives it.
fn stored(client: &mut Client) -> Vec<Value> {
    let mut all = Vec::new();
    for ty in TYPES {
        let mut next = Some(format!("{ty}?_count=1000"));
        while let Some(target) = next {
            let page = client.get(&target).expect(200).json();
            let entries = page["entry"].as_array().into_iter().flatten();
            all.extend(entries.map(|entry| entry["resource"].clone()));
            let links = page["link"].as_array().into_iter().flatten();
            let url = links.filter(|link| link["relation"] == "next").find_map(|link| link["url"].as_str());
            next = url.and_then(|url| url.split_once("/fhir/")).map(|(_, rest)| rest.to_owned());
        }
    }
    all
}

/// Count, amount and amount of a report's group or stratum: episodes, charges, payments.
fn figures(group: &Value) -> (i64, Decimal, Decimal) {
    let population = |code: &str| {
        let mut all = group["population"].as_array().into_iter().flatten();
        all.find(|p| p["code"]["coding"][0]["code"] == code).cloned().expect("both populations")
    };
    let money = |p: &Value| -> Decimal {
        p["extension"][0]["valueMoney"]["value"].to_string().parse().expect("an amount")
    };
    let (numerator, denominator) = (population("numerator"), population("denominator"));
    (denominator["count"].as_i64().expect("a count"), money(&denominator), money(&numerator))
}

fn plain(figures: &Figures) -> (i64, Decimal, Decimal) {
    let (charges, payments) = figures.cents();
    (figures.episodes, charges, payments)
}

fn strata(report: &Value) -> BTreeMap<String, (i64, Decimal, Decimal)> {
    let all = report["group"][0]["stratifier"][0]["stratum"].as_array().into_iter().flatten();
    all.map(|s| (s["value"]["coding"][0]["code"].as_str().unwrap_or_default().to_owned(), figures(s)))
        .collect()
}

fn agrees(client: &mut Client, table: &Table) {
    for (grouping, expected) in [("payer", &table.by_payer), ("month", &table.by_month)] {
        let target = format!(
            "Measure/rcm-gross-collection-rate/$evaluate-measure?periodStart=1900-01-01&periodEnd=2100-12-31&groupBy={grouping}"
        );
        let report = client.get(&target).expect(200).json();
        assert_eq!(figures(&report["group"][0]), plain(&table.total), "in all");
        let expected: BTreeMap<String, _> = expected.iter().map(|(key, f)| (key.clone(), plain(f))).collect();
        assert_eq!(strata(&report), expected, "by {grouping}");
    }
}

#[test]
fn the_gross_collection_rate_agrees_with_a_plain_recomputation() {
    let Some(archive) = data::path("patients/synthea-118.tgz") else { return };
    for database in Database::both() {
        load(&database, &archive);
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        let resources = stored(&mut client);
        let table = recompute(resources.iter().cloned(), &QUESTION);
        assert!(
            table.total.episodes > 1000,
            "{} episodes are too few to mean anything",
            table.total.episodes
        );
        agrees(&mut client, &table);
        // One explanation of benefit less: the next question knows.
        let gone =
            resources.iter().find(|r| r["resourceType"] == "ExplanationOfBenefit").expect("one at least");
        let id = gone["id"].as_str().expect("an id");
        client.delete(&format!("ExplanationOfBenefit/{id}")).expect(204);
        let rest = resources.iter().filter(|r| r["id"] != gone["id"]).cloned();
        let table = recompute(rest, &QUESTION);
        agrees(&mut client, &table);
        drop(server);
        let server = Server::start(&database, &[]);
        agrees(&mut server.client(), &table);
    }
}
