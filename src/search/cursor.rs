//! The opaque text in the links to the next and the previous page: the sort keys of the last or first
//! resource of a page, bound to the query.

use crate::query::Query;
use remit_fhir::{Error, Result};
use std::fmt::Write as _;

/// One sort key of a resource.
#[derive(Clone, PartialEq, Debug)]
pub enum Key {
    /// The resource has no value.
    Null,
    /// An integer.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// A text.
    Text(String),
}

/// Which side of a resource a page lies on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Side {
    /// It starts after it.
    #[default]
    After,
    /// It ends before it: rows come in the opposite order, nearest first.
    Before,
}

/// Longest cursor: the keys of the most sort keys that a query may have, with long texts.
pub const MAX_CURSOR_LENGTH: usize = 8192;

/// Writes the cursor of the page beside a resource with these keys, the last of which is its `rid`.
pub fn render(query: &Query, keys: &[Key], side: Side) -> String {
    let mut text = format!("{:016x}", fingerprint(query));
    if side == Side::Before {
        text.push_str("-b");
    }
    for key in keys {
        // Writing to a String cannot fail.
        let _ = match key {
            Key::Null => write!(text, "-n"),
            Key::Int(i) => write!(text, "-i{:x}", *i as u64),
            Key::Float(f) => write!(text, "-f{:x}", f.to_bits()),
            Key::Text(t) => {
                text.push_str("-t");
                t.bytes().try_for_each(|b| write!(text, "{b:02x}"))
            }
        };
    }
    text
}

/// Reads a cursor that [`render`] wrote for the same query.
pub fn parse(query: &Query, text: &str) -> Result<(Vec<Key>, Side)> {
    let broken = || Error::invalid("The paging link is damaged: take the link as the server gave it.");
    if text.len() > MAX_CURSOR_LENGTH || !text.is_ascii() {
        return Err(broken());
    }
    let mut parts = text.split('-');
    let hash = parts.next().and_then(|p| u64::from_str_radix(p, 16).ok()).ok_or_else(broken)?;
    let mut parts = parts.peekable();
    let side = if parts.next_if(|part| *part == "b").is_some() { Side::Before } else { Side::After };
    let keys = parts.map(key).collect::<Option<Vec<_>>>().ok_or_else(broken)?;
    if hash != fingerprint(query) {
        return Err(Error::invalid(
            "The paging link belongs to another search: start again from its first page.",
        ));
    }
    let fits = keys.len() == query.sort.len() + 1
        && matches!(keys.last(), Some(Key::Int(_)))
        && query.sort.iter().zip(&keys).all(|(sort, key)| sort.by.takes(key));
    if fits { Ok((keys, side)) } else { Err(broken()) }
}

fn key(text: &str) -> Option<Key> {
    let (kind, rest) = text.split_at_checked(1)?;
    let number = || u64::from_str_radix(rest, 16).ok();
    match kind {
        "n" if rest.is_empty() => Some(Key::Null),
        "i" => Some(Key::Int(number()? as i64)),
        "f" => Some(Key::Float(f64::from_bits(number()?)))
            .filter(|k| matches!(k, Key::Float(f) if f.is_finite())),
        "t" => {
            let bytes: Option<Vec<u8>> = rest
                .as_bytes()
                .chunks(2)
                .map(|pair| match *pair {
                    [high, low] => Some((hex(high)? << 4) | hex(low)?),
                    _ => None,
                })
                .collect();
            String::from_utf8(bytes?).ok().filter(|t| !t.contains('\0')).map(Key::Text)
        }
        _ => None,
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

/// A number that tells queries apart (FNV-1a over types and parameters). The page size is left out, so
/// that a client may change it between pages. It protects from mistakes, not from forgery: a cursor
/// says where to go on in an order, never what may be seen.
fn fingerprint(query: &Query) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut eat = |text: &str| {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for ty in &query.types {
        eat(&ty.index().to_string());
    }
    for (name, value) in query.pairs.iter().filter(|(name, _)| name != "_count") {
        eat(name);
        eat(value);
    }
    hash
}
