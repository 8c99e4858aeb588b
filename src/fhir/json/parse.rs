//! The parser: RFC 8259, iterative, bounded.

use super::Document;
use super::node::{Raw, ValueKind};
use bytes::Bytes;

/// Bounds of what is parsed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Objects and arrays inside each other. Official examples stay below 30; what is deeper is an
    /// attack on the stack of some reader, ours or another's.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 100 }
    }
}

/// Why a text is not JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What was found or missed, without quoting the text.
    pub reason: &'static str,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at line {}, column {}", self.reason, self.line, self.column)
    }
}

impl std::error::Error for ParseError {}

/// Parses with the default [`Limits`].
pub fn parse(text: impl Into<Bytes>) -> Result<Document, ParseError> {
    parse_with(text, Limits::default())
}

/// Parses one JSON value that fills the whole text.
pub fn parse_with(text: impl Into<Bytes>, limits: Limits) -> Result<Document, ParseError> {
    let mut text = text.into();
    if text.starts_with(b"\xef\xbb\xbf") {
        text = text.slice(3..);
    }
    let error = |offset: usize, reason| {
        let (line, column) = position(&text, offset);
        ParseError { reason, line, column }
    };
    // Offsets are 32 bits wide; one document never comes near that.
    if text.len() > u32::MAX as usize / 2 {
        return Err(error(0, "the text is too long"));
    }
    if let Err(e) = std::str::from_utf8(&text) {
        return Err(error(e.valid_up_to(), "the text is not UTF-8"));
    }
    let mut parser = Parser {
        text: &text,
        at: 0,
        nodes: Vec::with_capacity(text.len() / 12 + 8),
        open: Vec::new(),
        duplicates: Vec::new(),
        compact: true,
        depth: limits.depth,
    };
    match parser.run() {
        Ok(()) => {
            let (nodes, duplicates, compact) = (parser.nodes, parser.duplicates, parser.compact);
            Ok(Document {
                nodes: nodes.into_boxed_slice(),
                duplicates: duplicates.into_boxed_slice(),
                compact,
                text,
            })
        }
        Err(reason) => {
            let at = parser.at;
            Err(error(at, reason))
        }
    }
}

/// Line and column of a byte offset, from 1, the column in characters.
pub(super) fn position(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    let column = before[line_start..].iter().filter(|&&b| b & 0xc0 != 0x80).count() + 1;
    (line, column)
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    nodes: Vec<Raw>,
    /// Tape index of each object and array that is still open.
    open: Vec<u32>,
    duplicates: Vec<u32>,
    compact: bool,
    depth: usize,
}

type Step<T = ()> = Result<T, &'static str>;

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.compact = false;
            self.at += 1;
        }
    }

    fn run(&mut self) -> Step {
        self.blank();
        self.value(false)?;
        while let Some(&container) = self.open.last() {
            self.blank();
            let in_object = self.nodes[container as usize].kind == ValueKind::Object;
            let empty = self.nodes.len() == container as usize + 1;
            match self.peek() {
                Some(b'}') if in_object => self.close(),
                Some(b']') if !in_object => self.close(),
                Some(b',') if !empty => {
                    self.at += 1;
                    self.blank();
                    self.entry(in_object)?;
                }
                Some(_) if empty => self.entry(in_object)?,
                Some(_) if in_object => return Err("expected ',' or '}' after a member"),
                Some(_) => return Err("expected ',' or ']' after an item"),
                None => return Err("the text ends inside an object or array"),
            }
        }
        self.blank();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err("there is more text after the end of the value"),
        }
    }

    fn entry(&mut self, in_object: bool) -> Step {
        if in_object {
            if self.peek() != Some(b'"') {
                return Err("expected a member name in double quotes");
            }
            self.string(false)?;
            self.blank();
            if self.peek() != Some(b':') {
                return Err("expected ':' after a member name");
            }
            self.at += 1;
            self.blank();
        }
        self.value(in_object)
    }

    fn push(&mut self, kind: ValueKind, start: usize, end: usize, escaped: bool, in_object: bool) {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Raw { start: start as u32, end: end as u32, next, kind, escaped, in_object });
    }

    fn value(&mut self, in_object: bool) -> Step {
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.begin(ValueKind::Object, in_object),
            Some(b'[') => self.begin(ValueKind::Array, in_object),
            Some(b'"') => self.string(in_object),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                self.push(ValueKind::Number, start, self.at, false, in_object);
                Ok(())
            }
            Some(b't') => self.word("true", ValueKind::Boolean, in_object),
            Some(b'f') => self.word("false", ValueKind::Boolean, in_object),
            Some(b'n') => self.word("null", ValueKind::Null, in_object),
            Some(_) => Err("expected a value"),
            None => Err("the text ends where a value is expected"),
        }
    }

    fn word(&mut self, word: &str, kind: ValueKind, in_object: bool) -> Step {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err("expected a value");
        }
        let start = self.at;
        self.at += word.len();
        self.push(kind, start, self.at, false, in_object);
        Ok(())
    }

    fn begin(&mut self, kind: ValueKind, in_object: bool) -> Step {
        if self.open.len() >= self.depth {
            return Err("objects and arrays are nested too deeply");
        }
        self.open.push(self.nodes.len() as u32);
        self.push(kind, self.at, self.at, false, in_object);
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.at += 1;
        let Some(container) = self.open.pop() else { return };
        let next = self.nodes.len() as u32;
        let raw = &mut self.nodes[container as usize];
        raw.end = self.at as u32;
        raw.next = next;
        if raw.kind == ValueKind::Object {
            self.find_duplicates(container, next);
        }
    }

    fn find_duplicates(&mut self, object: u32, end: u32) {
        // Objects of FHIR have few members; comparing pairs beats hashing until about here.
        const PAIRWISE: usize = 24;
        let mut keys: Vec<(&[u8], u32)> = Vec::new();
        let mut at = object + 1;
        let mut small: [(&[u8], u32); PAIRWISE] = [(&[], 0); PAIRWISE];
        let mut count = 0;
        let mut has_siblings = false;
        while at < end {
            let key = self.nodes[at as usize];
            // An escaped name compares by its escaped text here; no FHIR element has one, so the
            // structure check refuses it as unknown.
            let name = &self.text[key.start as usize..key.end as usize];
            has_siblings |= key.escaped || name.first() == Some(&b'_');
            if count < PAIRWISE {
                if small[..count].iter().any(|(other, _)| *other == name) {
                    self.duplicates.push(at + 1);
                }
                small[count] = (name, at + 1);
            } else {
                if keys.is_empty() {
                    keys.extend_from_slice(&small);
                }
                keys.push((name, at + 1));
            }
            count += 1;
            at = self.nodes[at as usize + 1].next;
        }
        self.nodes[object as usize].escaped = has_siblings;
        if keys.is_empty() {
            return;
        }
        // More than PAIRWISE members: sort once, equal neighbours repeat. Those found among the
        // first are in the list already.
        keys.sort_unstable();
        for pair in keys.windows(2) {
            if pair[0].0 == pair[1].0 && !self.duplicates.contains(&pair[1].1) {
                self.duplicates.push(pair[1].1);
            }
        }
    }

    fn string(&mut self, in_object: bool) -> Step {
        let start = self.at + 1;
        let mut escaped = false;
        self.at = start;
        loop {
            let rest = &self.text[self.at..];
            let Some(run) = rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20) else {
                self.at = self.text.len();
                return Err("the text ends inside a string");
            };
            self.at += run;
            match self.text[self.at] {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return Err("a control character stands unescaped in a string"),
            }
        }
        self.push(ValueKind::String, start, self.at, escaped, in_object);
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Step {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let unit = self.unit(self.at + 2)?;
                self.at += 6;
                match unit {
                    0 => return Err("the character U+0000 cannot be stored"),
                    0xd800..=0xdbff => {
                        let low = self.text[self.at..].starts_with(b"\\u").then(|| self.unit(self.at + 2));
                        if !matches!(low, Some(Ok(0xdc00..=0xdfff))) {
                            return Err("a surrogate escape stands without its other half");
                        }
                        self.at += 6;
                    }
                    0xdc00..=0xdfff => return Err("a surrogate escape stands without its other half"),
                    _ => {}
                }
            }
            _ => return Err("there is no such escape in JSON"),
        }
        Ok(())
    }

    fn unit(&self, at: usize) -> Step<u32> {
        let digits = self.text.get(at..at + 4).ok_or("the text ends inside an escape")?;
        digits.iter().try_fold(0, |sum, &b| match (b as char).to_digit(16) {
            Some(digit) => Ok(sum * 16 + digit),
            None => Err("an escape needs four hexadecimal digits"),
        })
    }

    fn digits(&mut self) -> Step {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err("a number lacks a digit") } else { Ok(()) }
    }

    fn number(&mut self) -> Step {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return Err("a number has a leading zero");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }
}
