//! Any bytes as X12: emitted as they came, checked, read into the models, answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remit_x12::model::{Acknowledgement, ClaimSet, Remittance, StatusReport};
use remit_x12::{Document, Level, Tree, answers, check_tree, guide_of};

fuzz_target!(|text: &[u8]| {
    let document = Document::parse(text);
    assert_eq!(document.emit(), text);
    answers(&document, Level::Situation);
    for set in document.transactions() {
        let Ok(guide) = guide_of(set.transaction) else { continue };
        let tree = Tree::build(set.transaction, guide);
        check_tree(&tree, Level::Situation);
        let _ = (ClaimSet::read(&tree), Remittance::read(&tree));
        let _ = (StatusReport::read(&tree), Acknowledgement::read(&tree));
    }
});
