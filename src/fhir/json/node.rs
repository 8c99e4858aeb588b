//! Reading nodes of the tape.

use super::Document;
use std::borrow::Cow;

/// What a node holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ValueKind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number, kept as text
    Number,
    /// A string
    String,
    /// `[…]`
    Array,
    /// `{…}`
    Object,
}

/// One entry of the tape. A member's name is an entry too, directly before its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw {
    /// First byte of the value; of a string, the first after the quote.
    pub(super) start: u32,
    /// One past the last byte; of a string, the closing quote.
    pub(super) end: u32,
    /// The entry after this value and all inside it.
    pub(super) next: u32,
    pub(super) kind: ValueKind,
    /// Of a string: it holds escapes. Of an object: the name of a member may begin with `_`.
    pub(super) escaped: bool,
    pub(super) in_object: bool,
}

/// A value inside a [`Document`]. Copying it is free.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    document: &'a Document,
    at: u32,
}

impl std::fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.json())
    }
}

impl PartialEq for Node<'_> {
    /// The same place of the same document; not the same content.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.document, other.document) && self.at == other.at
    }
}

impl Eq for Node<'_> {}

impl<'a> Node<'a> {
    #[inline]
    pub(super) fn new(document: &'a Document, at: u32) -> Self {
        Node { document, at }
    }

    #[inline]
    fn raw(self) -> Raw {
        self.document.nodes[self.at as usize]
    }

    /// The document that holds this node.
    #[inline]
    pub fn document(self) -> &'a Document {
        self.document
    }

    /// A number that tells nodes of one document apart, rising in text order.
    #[inline]
    pub fn index(self) -> u32 {
        self.at
    }

    /// What the node holds.
    #[inline]
    pub fn kind(self) -> ValueKind {
        self.raw().kind
    }

    /// Whether this is an object.
    #[inline]
    pub fn is_object(self) -> bool {
        self.kind() == ValueKind::Object
    }

    /// Whether this is an array.
    #[inline]
    pub fn is_array(self) -> bool {
        self.kind() == ValueKind::Array
    }

    /// Whether this is `null`.
    #[inline]
    pub fn is_null(self) -> bool {
        self.kind() == ValueKind::Null
    }

    #[inline]
    fn slice(self, start: u32, end: u32) -> &'a str {
        // Offsets of the tape lie on token borders, which are character borders.
        self.document.text().get(start as usize..end as usize).unwrap_or_default()
    }

    /// Byte range of the value in the text, quotes included.
    #[inline]
    pub fn range(self) -> std::ops::Range<usize> {
        let raw = self.raw();
        match raw.kind {
            ValueKind::String => raw.start as usize - 1..raw.end as usize + 1,
            _ => raw.start as usize..raw.end as usize,
        }
    }

    /// Byte range of the member (name, colon and value) when this is a member's value.
    pub fn member_range(self) -> Option<std::ops::Range<usize>> {
        let raw = self.raw();
        if !raw.in_object {
            return None;
        }
        let key = self.document.nodes[self.at as usize - 1];
        Some(key.start as usize - 1..self.range().end)
    }

    /// The value's JSON text as it stands in the document.
    pub fn json(self) -> &'a str {
        let range = self.range();
        self.slice(range.start as u32, range.end as u32)
    }

    /// The member name that leads to this value, when it is a member's value.
    pub fn key(self) -> Option<Cow<'a, str>> {
        let raw = self.raw();
        raw.in_object.then(|| Node::new(self.document, self.at - 1).unescaped())
    }

    #[inline]
    fn unescaped(self) -> Cow<'a, str> {
        let raw = self.raw();
        let text = self.slice(raw.start, raw.end);
        if !raw.escaped {
            return Cow::Borrowed(text);
        }
        let quoted = self.slice(raw.start - 1, raw.end + 1);
        // The parser has checked the escapes; an empty string can only mean a defect in it.
        Cow::Owned(serde_json::from_str(quoted).unwrap_or_default())
    }

    /// The string, escapes resolved; `None` when this is no string.
    #[inline]
    pub fn string(self) -> Option<Cow<'a, str>> {
        (self.kind() == ValueKind::String).then(|| self.unescaped())
    }

    /// The string when it is written without escapes, so that its text stands in the document.
    #[inline]
    pub fn plain_text(self) -> Option<&'a str> {
        let raw = self.raw();
        (raw.kind == ValueKind::String && !raw.escaped).then(|| self.slice(raw.start, raw.end))
    }

    /// The number's text as sent.
    pub fn number(self) -> Option<&'a str> {
        (self.kind() == ValueKind::Number).then(|| self.json())
    }

    /// The truth value.
    pub fn boolean(self) -> Option<bool> {
        (self.kind() == ValueKind::Boolean).then(|| self.json() == "true")
    }

    /// The content of a primitive as FHIR writes it in XML or FHIRPath: a string without quotes, a
    /// number's text, `true` or `false`. `None` for null, arrays and objects.
    #[inline]
    pub fn scalar(self) -> Option<Cow<'a, str>> {
        match self.kind() {
            ValueKind::String => Some(self.unescaped()),
            ValueKind::Number | ValueKind::Boolean => Some(Cow::Borrowed(self.json())),
            _ => None,
        }
    }

    /// Members of an object in text order; nothing for other kinds.
    #[inline]
    pub fn members(self) -> Members<'a> {
        let raw = self.raw();
        let at = self.at + 1;
        Members {
            document: self.document,
            at,
            end: if raw.kind == ValueKind::Object { raw.next } else { at },
        }
    }

    /// Items of an array in order; nothing for other kinds.
    #[inline]
    pub fn items(self) -> Items<'a> {
        let raw = self.raw();
        let at = self.at + 1;
        Items { document: self.document, at, end: if raw.kind == ValueKind::Array { raw.next } else { at } }
    }

    /// Items of an array, or the value itself when it is none.
    #[inline]
    pub fn each(self) -> Items<'a> {
        if self.is_array() {
            return self.items();
        }
        Items { document: self.document, at: self.at, end: self.at + 1 }
    }

    /// The first member of this name.
    #[inline]
    pub fn get(self, name: &str) -> Option<Node<'a>> {
        self.find(name).0
    }

    /// The first member of this name, and how many members were passed to find it.
    #[inline]
    pub fn find(self, name: &str) -> (Option<Node<'a>>, usize) {
        let (at, passed) = self.find_at(name);
        // The root is no member, so zero says that there is none.
        ((at > 0).then(|| Node::new(self.document, at)), passed as usize)
    }

    /// Where the first member of this name is, or zero. Two numbers travel in registers.
    fn find_at(self, name: &str) -> (u32, u32) {
        let Members { document, mut at, end } = self.members();
        let (nodes, text, name_bytes) = (&*document.nodes, &*document.text, name.as_bytes());
        let mut passed = 0;
        while at < end {
            let key = nodes[at as usize];
            passed += 1;
            let is_it = match key.escaped {
                true => Node::new(document, at).unescaped() == name,
                false => {
                    let (start, stop) = (key.start as usize, key.end as usize);
                    stop - start == name_bytes.len() && is_same(&text[start..stop], name_bytes)
                }
            };
            if is_it {
                return (at + 1, passed);
            }
            at = nodes[at as usize + 1].next;
        }
        (0, passed)
    }

    /// Whether the name of a member may begin with `_`. When not, no primitive has a sibling
    /// (<https://hl7.org/fhir/R4/json.html#primitive>).
    #[inline]
    pub fn has_siblings(self) -> bool {
        let raw = self.raw();
        raw.kind == ValueKind::Object && raw.escaped
    }

    /// Whether this is the string, or the name, with this content.
    #[inline]
    pub fn is_text(self, text: &str) -> bool {
        let raw = self.raw();
        if raw.kind != ValueKind::String {
            return false;
        }
        if raw.escaped {
            return self.unescaped() == text;
        }
        self.document.text.get(raw.start as usize..raw.end as usize) == Some(text.as_bytes())
    }

    /// Whether both are strings of the same content.
    #[inline]
    pub fn is_same_text(self, other: Node<'_>) -> bool {
        let raw = other.raw();
        match raw.escaped || raw.kind != ValueKind::String {
            true => other.string().is_some_and(|text| self.is_text(&text)),
            false => self.is_text(other.slice(raw.start, raw.end)),
        }
    }

    /// The string member of this name.
    pub fn get_str(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.string()
    }

    /// The `resourceType` of a resource, when it is a string.
    pub fn resource_type(self) -> Option<Cow<'a, str>> {
        self.get_str("resourceType")
    }

    /// Follows member names and array indexes.
    pub fn at(self, path: &[&str]) -> Option<Node<'a>> {
        path.iter().try_fold(self, |node, step| match step.parse::<usize>() {
            Ok(index) if node.is_array() => node.items().nth(index),
            _ => node.get(step),
        })
    }

    /// Line and column of the value in the text, both from 1.
    pub fn position(self) -> (usize, usize) {
        self.document.position(self.range().start)
    }

    /// Appends the value's JSON without white space between tokens.
    pub fn write_compact(self, out: &mut Vec<u8>) {
        if self.document.compact {
            out.extend_from_slice(self.json().as_bytes());
            return;
        }
        match self.kind() {
            ValueKind::Object => {
                out.push(b'{');
                let mut members = self.members();
                let mut first = true;
                while members.at < members.end {
                    let (key, value) = members.step();
                    if !std::mem::take(&mut first) {
                        out.push(b',');
                    }
                    let raw = key.raw();
                    out.extend_from_slice(key.slice(raw.start - 1, raw.end + 1).as_bytes());
                    out.push(b':');
                    value.write_compact(out);
                }
                out.push(b'}');
            }
            ValueKind::Array => {
                out.push(b'[');
                for (n, item) in self.items().enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    item.write_compact(out);
                }
                out.push(b']');
            }
            _ => out.extend_from_slice(self.json().as_bytes()),
        }
    }

    /// A document of its own that holds just this value, without white space.
    pub fn to_document(self) -> Document {
        let mut text = Vec::with_capacity(self.range().len());
        self.write_compact(&mut text);
        super::parse(text).expect("a value inside a parsed document is valid JSON")
    }
}

/// Compares texts of one length. Names are short, and eight bytes at a time need no call.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let length = a.len();
    let words = |bytes: &[u8]| {
        let (first, last) = (bytes.first_chunk::<8>()?, bytes.last_chunk::<8>()?);
        Some((u64::from_le_bytes(*first), u64::from_le_bytes(*last)))
    };
    match (words(a), words(b)) {
        (Some(a), Some(b)) if length <= 16 => a == b,
        (None, None) => a.iter().zip(b).all(|(a, b)| a == b),
        _ => a == b,
    }
}

/// Iterates over `(name, value)` of an object.
#[derive(Clone)]
pub struct Members<'a> {
    document: &'a Document,
    at: u32,
    end: u32,
}

impl<'a> Members<'a> {
    #[inline]
    fn step(&mut self) -> (Node<'a>, Node<'a>) {
        let key = Node::new(self.document, self.at);
        let value = Node::new(self.document, self.at + 1);
        self.at = value.raw().next;
        (key, value)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Node<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let (key, value) = self.step();
        Some((key.unescaped(), value))
    }
}

/// Iterates over the items of an array.
#[derive(Clone)]
pub struct Items<'a> {
    document: &'a Document,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let node = Node::new(self.document, self.at);
        self.at = node.raw().next;
        // `each` on a lone value ends after it.
        if node.at + 1 == self.end {
            self.at = self.end;
        }
        Some(node)
    }
}
