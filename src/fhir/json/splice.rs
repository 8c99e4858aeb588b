//! Changing a document by splicing its text, so that everything untouched stays to the byte.
//! The document must be compact ([`Document::into_compact`](super::Document::into_compact)).

use super::Node;
use std::ops::Range;

/// Replaces a byte range of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// What goes.
    pub range: Range<usize>,
    /// What comes.
    pub text: String,
}

impl Splice {
    /// Replaces a value with other JSON.
    pub fn replace(node: Node<'_>, json: impl Into<String>) -> Splice {
        Splice { range: node.range(), text: json.into() }
    }
}

/// Applies splices, which must not overlap, in any order. Insertions at one place keep their order.
pub fn splice(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|s| (s.range.start, s.range.end));
    let added: usize = splices.iter().map(|s| s.text.len()).sum();
    let mut out = String::with_capacity(text.len() + added);
    let mut at = 0;
    for s in &splices {
        out.push_str(text.get(at..s.range.start).unwrap_or_default());
        out.push_str(&s.text);
        at = at.max(s.range.end);
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// A JSON string literal.
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Adds a member at the end of an object.
pub fn insert_member(object: Node<'_>, name: &str, json: &str) -> Splice {
    let end = object.range().end - 1;
    let comma = if object.members().next().is_some() { "," } else { "" };
    Splice { range: end..end, text: format!("{comma}{}:{json}", quote(name)) }
}

/// Sets a member: replaces its value or adds it.
pub fn set_member(object: Node<'_>, name: &str, json: &str) -> Splice {
    match object.get(name) {
        Some(value) => Splice::replace(value, json),
        None => insert_member(object, name, json),
    }
}

/// Takes a member out of its object, with the comma that goes with it.
pub fn remove_member(value: Node<'_>) -> Option<Splice> {
    Some(cut(value, value.member_range()?))
}

/// Takes an item out of its array, with the comma that goes with it.
pub fn remove_item(item: Node<'_>) -> Splice {
    cut(item, item.range())
}

fn cut(node: Node<'_>, mut range: Range<usize>) -> Splice {
    let text = node.document().text().as_bytes();
    if text.get(range.end) == Some(&b',') {
        range.end += 1;
    } else if range.start > 0 && text.get(range.start - 1) == Some(&b',') {
        range.start -= 1;
    }
    Splice { range, text: String::new() }
}
