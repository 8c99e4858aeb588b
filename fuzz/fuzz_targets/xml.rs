//! Any bytes as FHIR XML: they are converted or refused, and what is converted is JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remit_spec::Definitions;

fuzz_target!(|bytes: &[u8]| {
    let limits = remit_xml::Limits::default();
    let Ok(converted) = remit_xml::convert(bytes, Definitions::r4(), &limits) else { return };
    let Ok(document) = remit_fhir::json::parse(converted.json) else { panic!("what is converted is JSON") };
    let _ = remit_xml::from_json(document.root(), Definitions::r4(), remit_xml::Layout::Pretty, &mut Vec::new());
});
