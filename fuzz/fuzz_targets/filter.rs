//! Any text as `_filter`: it is read or refused, and what is read becomes a statement.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remit_search::{AccessPlan, Context, Densities, Dialect, Handling, Limits, Registry};
use std::sync::LazyLock;

static REGISTRY: LazyLock<Option<Registry>> = LazyLock::new(|| Registry::in_order().ok());

fuzz_target!(|text: &str| {
    let Some(registry) = REGISTRY.as_ref() else { return };
    let (handling, limits) = (Handling::Strict, Limits::default());
    let context = Context { registry, base: "http://localhost/fhir", now: 0, handling, limits };
    let types: Vec<_> = registry.definitions().resource_named("Observation").into_iter().collect();
    let pairs = [("_filter".to_owned(), text.to_owned())];
    let Ok(parsed) = remit_search::parse(&types, &pairs, &context) else { return };
    let plan = AccessPlan::open(1);
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        let _ = remit_search::page(&parsed.query, &plan, registry, dialect, &Densities::default());
    }
});
