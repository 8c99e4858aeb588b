//! Any bytes as JSON: they are read or refused, and what is read is checked and made compact.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remit_spec::Definitions;

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = remit_fhir::json::parse(bytes.to_vec()) else { return };
    let _ = remit_validate::structure(document.root(), Definitions::r4(), &remit_validate::Limits::default());
    let compact = document.clone().into_compact();
    assert!(compact.is_compact());
    // Text that was read once is read again.
    assert!(remit_fhir::json::parse(compact.bytes().clone()).is_ok());
});
