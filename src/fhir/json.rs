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

/// Text that loses the white space between its tokens, and nodes that move with it.
struct Compact<'t> {
    text: &'t [u8],
    at: usize,
    out: Vec<u8>,
}

impl Compact<'_> {
    /// Copies a token, up to `end`.
    fn copy(&mut self, end: usize) {
        self.out.extend_from_slice(&self.text[self.at..end]);
        self.at = end;
    }

    /// Copies what stands between tokens; closes the objects and arrays that end there.
    fn between(&mut self, end: usize, nodes: &mut [node::Raw], open: &mut Vec<usize>) {
        for &byte in &self.text[self.at..end] {
            if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                continue;
            }
            self.out.push(byte);
            if matches!(byte, b'}' | b']')
                && let Some(closed) = open.pop()
            {
                nodes[closed].end = self.out.len() as u32;
            }
        }
        self.at = end;
    }
}

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
    #[inline]
    pub fn root(&self) -> Node<'_> {
        Node::new(self, 0)
    }

    /// The text, exactly as parsed.
    #[inline]
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
        let Document { text, mut nodes, duplicates, .. } = self;
        let mut compact = Compact { text: &text, at: 0, out: Vec::with_capacity(text.len()) };
        let mut open: Vec<usize> = Vec::new();
        for n in 0..nodes.len() {
            let raw = nodes[n];
            compact.between(raw.start as usize, &mut nodes, &mut open);
            nodes[n].start = compact.out.len() as u32;
            if matches!(raw.kind, ValueKind::Array | ValueKind::Object) {
                open.push(n);
                compact.copy(raw.start as usize + 1);
            } else {
                compact.copy(raw.end as usize);
                nodes[n].end = compact.out.len() as u32;
            }
        }
        compact.between(text.len(), &mut nodes, &mut open);
        let out = Bytes::from(compact.out);
        Document { text: out, nodes, duplicates, compact: true }
    }

    /// Line and column, both from 1 and in characters, of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        parse::position(&self.text, offset)
    }
}
