//! Search against the naive evaluator: random resources, random searches, the same answers from both
//! databases (<https://hl7.org/fhir/R4/search.html>).
//!
//! A failure prints the seed, the search, and what a test of its own needs: put that into
//! `suites/search/`. `REMIT_TEST_SEARCHES` and `REMIT_TEST_SEED` run more of them, or others.

mod data;
mod definitions;
mod filters;
mod pool;
mod queries;
pub(crate) mod random;

use crate::asking::{Asking, Query, name_of, url};
use crate::database::Database;
use crate::http::Client;
use crate::naive::World;
use crate::server::Server;
use data::{Data, TYPES};
use queries::{Queries, is_about_now};
use random::Random;
use serde_json::{Value, json};

/// Searches asked of each database in a usual run.
const SEARCHES: usize = 1500;
/// Resources of each type.
const RESOURCES: usize = 30;
/// Entries of a Bundle that stores them.
const ENTRIES: usize = 100;
/// Differences that one run reports.
const MAX_REPORTS: usize = 8;
/// How far the clock of the evaluator may be from that of the server, in microseconds.
const CLOCKS: i128 = 3_600_000_000;

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Sends requests of a batch and keeps what was stored.
fn store(client: &mut Client, world: &mut World, resources: &[Value]) {
    for part in resources.chunks(ENTRIES) {
        let entry = |r: &Value| {
            let url = name_of(r);
            json!({"resource": r, "request": {"method": "PUT", "url": url}})
        };
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": part.iter().map(entry).collect::<Vec<_>>()});
        let answer = client.post("", &bundle).expect(200).json();
        for (resource, entry) in part.iter().zip(answer["entry"].as_array().expect("entries")) {
            let response = &entry["response"];
            let is_stored = response["status"].as_str().is_some_and(|s| s.starts_with("20"));
            assert!(is_stored, "{response} for {resource}");
            world.put(&resource.to_string(), response["lastModified"].as_str().expect("a time"));
        }
    }
}

/// Makes resources, changes some of them and deletes others, so that the index has to follow.
fn fill(client: &mut Client, world: &mut World, random: &mut Random) {
    let base = world.base.clone();
    let mut data = Data { random, base: &base, count: RESOURCES };
    let name = |n: usize| format!("n{n}");
    let mut all = definitions::all(data.random);
    let made: Vec<Value> = TYPES
        .iter()
        .flat_map(|ty| (0..RESOURCES).map(|n| (ty, n)).collect::<Vec<_>>())
        .map(|(ty, n)| data.resource(ty, &name(n)))
        .collect();
    all.extend(made);
    store(client, world, &all);
    let mut changed = Vec::new();
    for ty in TYPES {
        changed.extend((0..RESOURCES / 6).map(|n| data.resource(ty, &name(n * 5))));
    }
    store(client, world, &changed);
    for ty in TYPES {
        for n in [1, RESOURCES - 1] {
            let gone = format!("{ty}/{}", name(n));
            assert_eq!(client.delete(&gone).status, 204);
            world.delete(&gone);
        }
    }
}

/// The single criterion that is enough for a difference, if there is one.
fn smaller(asking: &mut Asking<'_>, query: &Query) -> Option<(Query, String)> {
    query.criteria.iter().find_map(|criterion| {
        let one = Query { criteria: vec![criterion.clone()], sort: Vec::new(), ..query.clone() };
        asking.differs(&one).map(|difference| (one, difference))
    })
}

/// Whether another hour would give another answer: `ap` of a date measures from now.
fn depends_on_the_clock(world: &World, query: &Query) -> bool {
    if !query.criteria.iter().any(is_about_now) {
        return false;
    }
    let now = world.now.get();
    let at = |time: i128| {
        world.now.set(time);
        let found = world.search(query.within.as_deref(), &query.types, &query.criteria);
        found.iter().map(|s| s.name()).collect::<Vec<_>>()
    };
    let is_same = at(now - CLOCKS) == at(now + CLOCKS);
    world.now.set(now);
    !is_same
}

fn compare(database: &Database, seed: u64, searches: u64) -> Vec<String> {
    // Only a server that knows its address takes absolute references below it for its own.
    let server = Server::start(database, &["--public-url", "http://{address}"]);
    let mut client = server.client();
    let mut world = World::new(server.base());
    let mut random = Random::new(seed);
    fill(&mut client, &mut world, &mut random);
    let mut queries = Queries { world: &world, random };
    let mut asking = Asking { world: &world, client: &mut client };
    let mut reports = Vec::new();
    for number in 0..searches {
        let query = queries.query();
        if depends_on_the_clock(&world, &query) {
            continue;
        }
        if let Some(difference) = asking.differs(&query) {
            let (query, difference) = smaller(&mut asking, &query).unwrap_or((query, difference));
            let (path, parameters) = url(&query);
            let plain: Vec<_> = query.criteria.iter().map(|(n, v)| format!("{n}={v}")).collect();
            reports.push(format!(
                "{:?}, seed {seed}, search {number}: {path}?{} as\n{path}?{parameters}\n{difference}\n",
                database.kind(),
                plain.join("&")
            ));
            if reports.len() == MAX_REPORTS {
                break;
            }
        }
    }
    reports
}

#[test]
fn random_searches_find_what_a_naive_evaluator_finds() {
    let (seed, searches) = (setting("REMIT_TEST_SEED", 1), setting("REMIT_TEST_SEARCHES", SEARCHES as u64));
    let databases = Database::both();
    let reports: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = databases.iter().map(|d| scope.spawn(move || compare(d, seed, searches))).collect();
        all.into_iter().flat_map(|one| one.join().expect("a comparison to its end")).collect()
    });
    assert!(reports.is_empty(), "{} differences:\n{}", reports.len(), reports.join("\n"));
}
