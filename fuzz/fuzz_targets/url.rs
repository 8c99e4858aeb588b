//! Any text as the query of a search: it is understood or refused, and what is understood becomes SQL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remit_search::{AccessPlan, Context, Densities, Dialect, Handling, Limits, Registry};
use std::sync::LazyLock;

static REGISTRY: LazyLock<Registry> =
    LazyLock::new(|| Registry::in_order().expect("every required parameter has a number"));

fuzz_target!(|text: &str| {
    let pairs: Vec<(String, String)> = text
        .split('&')
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let definitions = REGISTRY.definitions();
    let plan = AccessPlan::open(1);
    for name in ["Patient", "Observation", "Claim"] {
        let ty = definitions.resource_named(name).expect("a type of R4");
        let context = Context {
            registry: &REGISTRY,
            base: "http://localhost/fhir",
            now: 1_700_000_000_000_000,
            handling: Handling::Lenient,
            limits: Limits::default(),
        };
        let Ok(parsed) = remit_search::parse(&[ty], &pairs, &context) else { continue };
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let densities = Densities::default();
            let _ = remit_search::page(&parsed.query, &plan, &REGISTRY, dialect, &densities);
            let _ = remit_search::count(&parsed.query, &plan, &REGISTRY, dialect, &densities);
        }
    }
});
