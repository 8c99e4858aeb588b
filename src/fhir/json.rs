//! JSON as FHIR needs it (<https://hl7.org/fhir/R4/json.html>): one pass over the text builds a flat
//! tape of nodes that borrow from it.
//!
//! Written here and not taken from a crate because four things are needed at once: decimals keep
//! their text (1.00 is not 1.0), a repeated member is seen, every fault has a line and column, and
//! depth is bounded without recursion. Changing a document is splicing its text ([`splice`]).

mod node;
mod parse;
mod splice;
#[cfg(test)]
mod tests;

pub use node::{Items, Members, Node, ValueKind};
pub use parse::{Limits, ParseError, parse, parse_with};
pub use splice::{Splice, insert_member, quote, remove_item, remove_member, set_member, splice};

use bytes::Bytes;

/// A parsed JSON text. Cloning is cheap for the text and copies the tape.
#[derive(Clone, Debug)]
pub struct Document {
    text: Bytes,
    nodes: Box<[node::Raw]>,
    duplicates: Box<[u32]>,
    compact: bool,
}

impl Document {
    /// The outermost value.
    pub fn root(&self) -> Node<'_> {
        Node::new(self, 0)
    }

    /// The text, exactly as parsed.
    #[expect(
        unsafe_code,
        reason = "every access to a node passes here; checking the whole text each time is quadratic"
    )]
    pub fn text(&self) -> &str {
        // SAFETY: `parse_with` refuses a text that is not UTF-8, it is the only place that makes a
        // Document, and the bytes never change.
        unsafe { std::str::from_utf8_unchecked(&self.text) }
    }

    /// The text as shared bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.text
    }

    /// Whether there is no white space between tokens.
    pub fn is_compact(&self) -> bool {
        self.compact
    }

    /// Names of members that stand more than once in their object, second and later ones.
    /// Each node is the repeated *value*; [`Node::key`] gives its name.
    pub fn duplicates(&self) -> impl Iterator<Item = Node<'_>> {
        self.duplicates.iter().map(|&at| Node::new(self, at))
    }

    /// The same document without white space between tokens; free when there is none.
    pub fn into_compact(self) -> Document {
        if self.compact {
            return self;
        }
        let mut text = Vec::with_capacity(self.text.len());
        self.root().write_compact(&mut text);
        // The tape's offsets move with the white space; a second pass is cheaper than bookkeeping.
        parse(Bytes::from(text)).unwrap_or(self)
    }

    /// Line and column, both from 1 and in characters, of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        parse::position(&self.text, offset)
    }
}
