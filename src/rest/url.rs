//! Percent-encoding of paths and queries (RFC 3986 §2.1, and for forms the WHATWG
//! `application/x-www-form-urlencoded`).
//!
//! Decoding refuses what cannot be meant: a broken escape, bytes that are not UTF-8, and NUL, which no
//! value of FHIR may hold.

use remit_fhir::{Error, Result};
use std::borrow::Cow;

/// A name and its value.
pub type Pair = (String, String);

/// Most parameters of one request. A search with more is a mistake or an attack.
const MAX_PAIRS: usize = 1000;

/// Decodes one segment of a path; `+` stands for itself.
pub fn decode(text: &str) -> Result<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || b == 0) {
        return Ok(Cow::Borrowed(text));
    }
    decode_bytes(text.as_bytes(), false).map(Cow::Owned)
}

/// Decodes a query or a form into its pairs, in order.
pub fn decode_query(query: &[u8]) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for part in query.split(|b| *b == b'&').filter(|part| !part.is_empty()) {
        if pairs.len() == MAX_PAIRS {
            return Err(Error::invalid(format!("A request may hold {MAX_PAIRS} parameters at most.")));
        }
        let at = part.iter().position(|b| *b == b'=');
        let (name, value) = at.map_or((part, &b""[..]), |at| (&part[..at], &part[at + 1..]));
        pairs.push((decode_bytes(name, true)?, decode_bytes(value, true)?));
    }
    Ok(pairs)
}

fn decode_bytes(text: &[u8], plus_is_space: bool) -> Result<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => {
                    return Err(Error::invalid(
                        "The URL has a % that is not followed by two hexadecimal digits.",
                    ));
                }
            },
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    if out.contains(&0) {
        return Err(Error::invalid("The URL holds the character NUL, which no value can hold."));
    }
    String::from_utf8(out)
        .map_err(|_| Error::invalid("The URL holds bytes that are not UTF-8 once they are decoded."))
}

fn hex(digit: &u8) -> Option<u8> {
    char::from(*digit).to_digit(16).map(|value| value as u8)
}

/// Encodes pairs as a query without the `?`.
pub fn encode_query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        encode(name, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

/// Appends a text with everything escaped that has a meaning in a query, or that a reader of links may
/// stumble over. What FHIR writes often in values stays readable.
fn encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text.as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b',' | b'$' | b'*' | b'!' | b'(' | b')' | b'@' => {
                out.push(char::from(byte));
            }
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_decode_into_pairs() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("&&", &[]),
            ("a=1&b=2", &[("a", "1"), ("b", "2")]),
            ("a", &[("a", "")]),
            ("a=b=c", &[("a", "b=c")]),
            ("name=J%C3%B6rg+K", &[("name", "Jörg K")]),
            ("a%3Ab=%7C%2c", &[("a:b", "|,")]),
            ("a=%2B1", &[("a", "+1")]),
        ];
        for (query, expected) in cases {
            let pairs = decode_query(query.as_bytes()).unwrap();
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(pairs, *expected, "{query}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for query in ["a=%", "a=%4", "a=%zz", "a=%00", "%00=a", "a=%FF", "a=%C3", "a=%E2%28%A1", "a=%+1"] {
            assert_eq!(decode_query(query.as_bytes()).unwrap_err().status(), 400, "{query}");
            assert!(decode(query).is_err() || !query.contains("%"), "{query}");
        }
        assert_eq!(decode_query("a&".repeat(MAX_PAIRS + 1).as_bytes()).unwrap_err().status(), 400);
    }

    #[test]
    fn a_path_segment_keeps_its_plus() {
        assert_eq!(decode("a+b").unwrap(), "a+b");
        assert_eq!(decode("%41b").unwrap(), "Ab");
    }

    proptest::proptest! {
        #[test]
        fn encoding_and_decoding_are_inverse(pairs in proptest::collection::vec(("[^\0]+", "[^\0]*"), 0..5)) {
            let text = encode_query(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            proptest::prop_assert!(text.is_ascii());
            proptest::prop_assert_eq!(decode_query(text.as_bytes()).unwrap(), pairs);
        }

        #[test]
        fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(0u8.., 0..200)) {
            let _ = decode_query(&bytes);
        }
    }
}
