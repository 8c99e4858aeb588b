//! The hierarchy of HL segments: numbers in order, parents that exist, children that are announced.

use crate::finding::{Answer, Finding, Findings, Level};
use crate::segment::quoted;
use crate::tree::{Loop, Tree};

/// Checks HL01, HL02 and HL04 of a tree.
pub(crate) fn check(tree: &Tree<'_, '_>, findings: &mut Findings) {
    let mut expected = 0_u64;
    for node in 0..tree.nodes.len() {
        let first = tree.nodes[node].first as usize;
        let hl = tree.segments[first];
        if hl.id() != b"HL" {
            continue;
        }
        expected += 1;
        let mut fault = |element: u16, code: &'static str, message: String| {
            let mut place = tree.place(first);
            place.element = element;
            place.offset = hl.element(element.into()).offset;
            let finding = Finding::new(Level::Syntax, code, place, message);
            let value = hl.bytes(element.into());
            findings.push(finding.answered(Answer::Element("7")).with_value(value));
        };
        let number = hl.bytes(1);
        if std::str::from_utf8(number).ok().and_then(|text| text.parse().ok()) != Some(expected) {
            let message =
                format!("HL01 is `{}`; levels are numbered in order, here {expected}.", quoted(number));
            fault(1, "level-number", message);
        }
        let around = parent_number(tree, node);
        let parent = hl.bytes(2);
        if around.is_some_and(|around| around != parent) {
            let around = quoted(around.unwrap_or_default());
            let message = format!("HL02 is `{}`, but the level around this one is {around}.", quoted(parent));
            fault(2, "level-parent", message);
        }
    }
}

/// HL01 of the nearest level around a node.
fn parent_number<'a>(tree: &Tree<'_, 'a>, node: usize) -> Option<&'a [u8]> {
    let mut node = node;
    while node > 0 {
        node = tree.nodes[node].parent as usize;
        let first = tree.segments[tree.nodes[node].first as usize];
        if first.id() == b"HL" {
            return Some(first.bytes(1));
        }
    }
    None
}

/// Whether a level has another inside.
pub(crate) fn has_children(level: &Loop<'_, '_, '_>) -> bool {
    level.children().any(|inner| inner.segments().next().is_some_and(|first| first.id() == b"HL"))
}
