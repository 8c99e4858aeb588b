//! The searches that US Core asks for (<https://hl7.org/fhir/us/core/STU6.1/>), generated from the
//! metadata of its official test suite over synthetic patients and the examples of the guide, and
//! compared with what the naive evaluator finds: combinations, comparators, alternatives, chains,
//! `_include` and `_revinclude`.

mod searches;
mod yaml;

use crate::asking::{Asking, Query, name_of};
use crate::data;
use crate::database::Database;
use crate::http::Client;
use crate::naive::World;
use crate::reindex;
use crate::server::{Server, remit};
use remit_spec::Definitions;
use searches::Search;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Bundles of patients from each archive, besides hospitals and practitioners.
const BUNDLES: usize = 6;
/// Both archives of patients; the second is of a later Synthea, with other types.
const PATIENTS: [&str; 2] = ["patients/synthea-118.tgz", "patients/synthea-hiv-79.tgz"];
/// The guide, for its own search parameters and its examples.
const GUIDE: &str = "packages/hl7.fhir.us.core-6.1.0.tgz";
/// Its test suites.
const SUITES: [&str; 2] = ["suites/us-core/v5.0.1", "suites/us-core/v6.1.0"];
/// Fewer searches than these two suites give over this data mean that something was not read.
const LEAST_SEARCHES: usize = 500;
/// Resources of one page.
const PAGE: usize = 1000;
/// Differences that one run reports.
const MAX_REPORTS: usize = 10;

/// What is loaded, and what the suites ask.
struct Input {
    parameters: Vec<Value>,
    examples: Vec<Value>,
    /// By name; hospitals and practitioners of an archive before its patients.
    bundles: Vec<(String, Vec<u8>)>,
    metadata: Vec<Value>,
}

fn input() -> Option<Input> {
    let guide = data::archive(&data::path(GUIDE)?);
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).expect("JSON of the guide");
    let parameters = guide.iter().filter(|(name, _)| name.contains("package/SearchParameter-"));
    let examples = guide.iter().filter(|(name, _)| name.contains("/example/")).map(|(_, text)| read(text));
    let mut bundles = Vec::new();
    for archive in PATIENTS {
        let (shared, own): (Vec<_>, Vec<_>) = data::archive(&data::path(archive)?)
            .into_iter()
            .map(|(name, text)| (name, apart(archive, &text)))
            .partition(|(name, _)| name.contains("nformation"));
        bundles.extend(shared.into_iter().chain(own.into_iter().take(BUNDLES)));
    }
    let mut metadata = Vec::new();
    for suite in SUITES {
        let mut folders: Vec<PathBuf> = std::fs::read_dir(data::path(suite)?)
            .expect("a suite")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        folders.sort();
        metadata.extend(folders.iter().map(|folder| metadata_of(folder)));
    }
    Some(Input {
        parameters: parameters.map(|(_, text)| read(text)).collect(),
        examples: examples.filter(is_kept).collect(),
        bundles,
        metadata,
    })
}

/// Organizations stand in both archives under the same identifiers; a reference by identifier must find
/// one of its own archive.
fn apart(archive: &str, text: &[u8]) -> Vec<u8> {
    let place = PATIENTS.iter().position(|a| *a == archive).unwrap_or_default();
    let system = "https://github.com/synthetichealth/synthea";
    let text = std::str::from_utf8(text).expect("a Bundle in UTF-8");
    text.replace(system, &format!("{system}/{place}")).into_bytes()
}

fn metadata_of(folder: &Path) -> Value {
    yaml::parse(&std::fs::read_to_string(folder.join("metadata.yml")).expect("metadata of a profile"))
}

/// Examples that are resources with an address of their own.
fn is_kept(example: &Value) -> bool {
    let ty = example["resourceType"].as_str().unwrap_or_default();
    Definitions::r4().resource_named(ty).is_some()
        && !matches!(ty, "Bundle" | "ImplementationGuide")
        && example["id"].is_string()
}

/// Stores everything; the parameters first, so that what follows is indexed by them.
fn load(client: &mut Client, database: &Database, input: &Input) {
    for parameter in &input.parameters {
        let id = parameter["id"].as_str().expect("an id");
        client.put(&format!("SearchParameter/{id}"), parameter).expect(201);
    }
    let job = reindex::start(client);
    reindex::finish(client, &job);
    let folder =
        std::env::temp_dir().join(format!("remit-us-core-{}-{:?}", std::process::id(), database.kind()));
    std::fs::create_dir_all(&folder).expect("a folder for a test");
    for (number, (_, text)) in input.bundles.iter().enumerate() {
        std::fs::write(folder.join(format!("{number:03}.json")), text).expect("room for a test");
    }
    let name = |file: &str| folder.join(file).display().to_string();
    let (from, journal, rejects) = (folder.display().to_string(), name("load.journal"), name("rejects.txt"));
    let url = database.url();
    let arguments = [
        "load",
        &from,
        "--database",
        &url,
        "--journal",
        &journal,
        "--rejects",
        &rejects,
        "--jobs",
        "1",
        "--json",
    ];
    let (code, summary, error) = remit(&arguments);
    assert_eq!(code, 0, "{summary}{error}");
    let _ = std::fs::remove_dir_all(folder);
    for part in input.examples.chunks(100) {
        let entry = |r: &Value| {
            let url = name_of(r);
            json!({"resource": r, "request": {"method": "PUT", "url": url}})
        };
        let entries: Vec<Value> = part.iter().map(entry).collect();
        client.post("", &json!({"resourceType": "Bundle", "type": "batch", "entry": entries})).expect(200);
    }
}

/// Reads everything of these types back, as the server has stored it.
fn read_back(client: &mut Client, world: &mut World, types: &BTreeSet<String>) {
    for ty in types {
        let mut next = Some(format!("{ty}?_count={PAGE}&_total=accurate"));
        let (mut seen, mut total) = (0, None);
        while let Some(link) = next {
            let page = client.get(&link).expect(200).json();
            total = total.or(page["total"].as_u64());
            for entry in page["entry"].as_array().map_or(&[][..], Vec::as_slice) {
                let resource = &entry["resource"];
                seen += 1;
                world.put(&resource.to_string(), resource["meta"]["lastUpdated"].as_str().expect("a time"));
            }
            let links = page["link"].as_array().map_or(&[][..], Vec::as_slice);
            let found = links.iter().find(|link| link["relation"] == "next");
            next = found.and_then(|link| link["url"].as_str().map(str::to_owned));
        }
        assert_eq!(total, Some(seen), "{ty}");
    }
}

/// What comes along with a search: the targets of its matches, and what points to them.
fn included(world: &World, search: &Search) -> BTreeSet<String> {
    let matches = world.search(None, &[&search.ty], &search.criteria);
    let mut all = BTreeSet::new();
    for (name, value) in &search.includes {
        let parts: Vec<&str> = value.split(':').collect();
        let only = parts.get(2).copied().unwrap_or_default();
        if name == "_include" {
            let targets = matches.iter().flat_map(|stored| world.targets(stored, parts[1]));
            all.extend(targets.filter(|t| only.is_empty() || t.ty == only).map(|t| t.name()));
        } else {
            let names: BTreeSet<String> = matches.iter().map(|stored| stored.name()).collect();
            let points = |s: &&crate::naive::Stored| {
                world.targets(s, parts[1]).iter().any(|t| names.contains(&t.name()))
            };
            all.extend(world.of(&[parts[0]]).filter(points).map(|s| s.name()));
        }
    }
    matches.iter().for_each(|stored| _ = all.remove(&stored.name()));
    all
}

fn differs(asking: &mut Asking<'_>, search: &Search) -> Option<String> {
    let ty = Definitions::r4().name(crate::naive::type_named(&search.ty));
    let query = Query { counts: vec![PAGE], ..Query::of(vec![ty], search.criteria.clone()) };
    if search.includes.is_empty() {
        return asking.differs(&query);
    }
    let found = asking.included(&query, &search.includes);
    let expected = included(asking.world, search);
    (found != expected).then(|| format!("included {found:?}, not {expected:?}"))
}

fn compare(database: &Database, input: &Input) -> Vec<String> {
    let server = Server::start(database, &[]);
    let mut client = server.client();
    load(&mut client, database, input);
    let mut world = World::new(server.base());
    let known = |p: &&Value| p["derivedFrom"].is_null();
    input.parameters.iter().filter(known).for_each(|p| world.define(p));
    let types = input.metadata.iter().filter_map(|m| m["resource"].as_str()).map(str::to_owned);
    let more = ["Medication", "Endpoint", "Location"].map(str::to_owned);
    read_back(&mut client, &mut world, &types.chain(more).collect());
    let mut all = BTreeSet::new();
    input.metadata.iter().for_each(|metadata| searches::of(metadata, &world, &mut all));
    assert!(all.len() >= LEAST_SEARCHES, "only {} searches", all.len());
    eprintln!("{:?}: {} searches of US Core", database.kind(), all.len());
    let mut asking = Asking { world: &world, client: &mut client };
    let reports = all.iter().filter_map(|search| {
        let difference = differs(&mut asking, search)?;
        let shown: String = difference.chars().take(3000).collect();
        Some(format!("{:?}: {search:?}\n{shown}\n", database.kind()))
    });
    reports.take(MAX_REPORTS).collect()
}

#[test]
fn the_searches_of_us_core_find_what_a_naive_evaluator_finds() {
    let Some(input) = input() else { return };
    let databases = Database::both();
    let input = &input;
    let reports: Vec<String> = std::thread::scope(|scope| {
        let all: Vec<_> = databases.iter().map(|d| scope.spawn(move || compare(d, input))).collect();
        all.into_iter().flat_map(|one| one.join().expect("a comparison to its end")).collect()
    });
    assert!(reports.is_empty(), "{} differences:\n{}", reports.len(), reports.join("\n"));
}
