//! Checks of a transaction set, one file for each kind: elements (SNIP 1 and 2), levels (1), balance
//! (3), situations (4). What is out of place or missing is found while the tree is built.

mod balance;
mod element;
mod hierarchy;
mod npi;
mod situation;

use crate::finding::{Finding, Findings, Level};
use crate::parts::Transaction;
use crate::tree::{Tree, guide_of};

pub use npi::is_npi;

/// Checks a transaction set up to a level. A set that no guide reads is one finding.
pub fn check(transaction: &Transaction<'_>, level: Level) -> Vec<Finding> {
    match guide_of(transaction) {
        Ok(guide) => check_tree(&Tree::build(transaction, guide), level),
        Err(finding) => vec![*finding],
    }
}

/// Checks a tree up to a level. Findings come in the order of the file.
pub fn check_tree(tree: &Tree<'_, '_>, level: Level) -> Vec<Finding> {
    let mut findings = Findings::default();
    findings.extend(tree.findings.list().iter().filter(|f| f.level <= level).cloned());
    element::check(tree, level, &mut findings);
    hierarchy::check(tree, &mut findings);
    if level >= Level::Balance {
        balance::check(tree, &mut findings);
    }
    if level >= Level::Situation {
        situation::check(tree, &mut findings);
    }
    findings.into_sorted()
}
