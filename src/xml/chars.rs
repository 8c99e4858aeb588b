//! Characters and references of XML 1.0 (<https://www.w3.org/TR/xml/#charsets>), both ways.

use std::borrow::Cow;

/// Whether XML 1.0 can hold the character at all.
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether the text holds nothing but the white space of XML.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
}

/// Reads the reference at the start of `text`, which begins with `&`: the character and the length.
/// Without a document type only five names exist.
pub(crate) fn decode_reference(text: &str) -> Option<(char, usize)> {
    /// The longest reference that makes sense, `&#1114111;`, with room for leading zeros.
    const MAX_LENGTH: usize = 16;
    let body = text.strip_prefix('&')?;
    let end = body.bytes().take(MAX_LENGTH).position(|b| b == b';')?;
    let name = body.get(..end)?;
    let c = match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
            if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            char::from_u32(u32::from_str_radix(digits, radix).ok()?).filter(|c| is_xml_char(*c))?
        }
    };
    Some((c, end + 2))
}

/// The value of an attribute: references resolved, white space made blanks as XML prescribes
/// (<https://www.w3.org/TR/xml/#AVNormalize>). The error ends a sentence that begins "The value".
pub(crate) fn attribute_value(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    let is_plain = |b: u8| b >= b' ' && b != b'&' && b != b'<' && b != 0xef;
    if raw.bytes().all(is_plain) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '&' => {
                let (c, consumed) = decode_reference(rest)
                    .ok_or("holds a reference that XML does not know; only lt, gt, amp, quot, apos and numbers of valid characters are known")?;
                value.push(c);
                length = consumed;
            }
            '<' => return Err("holds an unescaped '<'"),
            '\t' | '\n' | '\r' => value.push(' '),
            c if is_xml_char(c) => value.push(c),
            _ => return Err("holds a character that XML does not allow"),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(Cow::Owned(value))
}

/// Appends a text as the content of an attribute in double quotes. White space other than blanks is
/// written as references, or a reader would turn it into blanks. `Err` is a character that XML cannot hold.
pub(crate) fn write_attribute(text: &str, out: &mut Vec<u8>) -> Result<(), char> {
    let mut done = 0;
    for (at, byte) in text.bytes().enumerate() {
        let reference: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            b'\t' => b"&#9;",
            b'\n' => b"&#10;",
            b'\r' => b"&#13;",
            // Of three bytes: perhaps U+FFFE or U+FFFF.
            0xef => {
                if let Some(c) = text.get(at..).and_then(|t| t.chars().next()).filter(|c| !is_xml_char(*c)) {
                    return Err(c);
                }
                continue;
            }
            0..b' ' => return Err(char::from(byte)),
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[done..at]);
        out.extend_from_slice(reference);
        done = at + 1;
    }
    out.extend_from_slice(&text.as_bytes()[done..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn attribute_values_are_read_as_xml_prescribes() {
        let cases = [
            ("plain", Ok("plain")),
            ("a&lt;b&#xA;c&#9;d", Ok("a<b\nc\td")),
            ("a\nb\tc", Ok("a b c")),
            ("&amp;amp; &quot;&apos;&gt;", Ok("&amp; \"'>")),
            ("\u{ff0c}", Ok("\u{ff0c}")),
        ];
        for (raw, value) in cases {
            assert_eq!(attribute_value(raw).map(Cow::into_owned), value.map(str::to_owned), "{raw}");
        }
        for raw in ["a<b", "&nbsp;", "&", "&#0;", "&#xFFFF;", "&#xD800;", "\u{1}", "\u{ffff}", "&#+5;", "&#;"]
        {
            assert!(attribute_value(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn what_xml_cannot_hold_is_refused() {
        for text in ["\u{0}", "a\u{8}", "\u{fffe}", "x\u{ffff}"] {
            assert!(write_attribute(text, &mut Vec::new()).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_written_value_reads_back(text in any::<String>()) {
            let mut out = Vec::new();
            if write_attribute(&text, &mut out).is_ok() {
                let raw = String::from_utf8(out).unwrap();
                prop_assert_eq!(attribute_value(&raw).unwrap(), text);
            } else {
                prop_assert!(text.chars().any(|c| !is_xml_char(c)));
            }
        }
    }
}
