//! Any text as a FHIRPath expression: it is compiled or refused, and evaluated within its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remit_fhirpath::{Element, Environment, Item};
use remit_spec::Definitions;

fuzz_target!(|text: &str| {
    let Ok(expression) = remit_fhirpath::compile(text, None, Definitions::r4()) else { return };
    let Ok(document) = remit_fhir::json::parse(r#"{"resourceType":"Patient","name":[{"given":["a","b"]}]}"#) else { return };
    let focus = Item::Element(Element::resource(document.root(), Definitions::r4()));
    let _ = expression.evaluate(focus, &Environment::new(0));
});
