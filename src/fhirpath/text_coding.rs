//! `encode`, `decode`, `escape` and `unescape`
//! (<https://hl7.org/fhirpath/#additional-string-functions>).

use crate::eval::{Evaluator, Result};
use crate::function::Call;
use crate::item::Collection;

/// Changes the input by the form that the argument names; an unknown form, and a text that has not
/// the form, are empty.
fn change<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    change: fn(&str, &str) -> Option<String>,
) -> Result {
    let text = ev.input_string(&call)?;
    let form = ev.string_argument(&call, 0, "The name of a form")?;
    let (Some(text), Some(form)) = (text, form) else { return Ok(()) };
    // The longest form, HTML, makes six characters of one.
    ev.check_string(text.len().saturating_mul(2))?;
    match change(&text, &form) {
        Some(text) => ev.push_string(out, text),
        None => Ok(()),
    }
}

pub(crate) fn encode<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    change(ev, call, out, |text, form| match form {
        "hex" => Some(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
        "base64" => Some(to_base64(text.as_bytes(), STANDARD)),
        "urlbase64" => Some(to_base64(text.as_bytes(), URL_SAFE)),
        _ => None,
    })
}

pub(crate) fn decode<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    change(ev, call, out, |text, form| {
        let bytes = match form {
            "hex" => from_hex(text)?,
            "base64" => from_base64(text, STANDARD)?,
            "urlbase64" => from_base64(text, URL_SAFE)?,
            _ => return None,
        };
        String::from_utf8(bytes).ok()
    })
}

pub(crate) fn escape<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    change(ev, call, out, |text, form| match form {
        "html" => Some(escape_html(text)),
        "json" => {
            let quoted = remit_fhir::json::quote(text);
            Some(quoted.strip_prefix('"')?.strip_suffix('"')?.to_owned())
        }
        _ => None,
    })
}

pub(crate) fn unescape<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    change(ev, call, out, |text, form| match form {
        "html" => Some(unescape_html(text)),
        "json" => unescape_json(text),
        _ => None,
    })
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn to_base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4usize {
            let is_padding = place > chunk.len();
            let digit = alphabet[(group >> (18 - 6 * place)) as usize & 63];
            text.push(if is_padding { '=' } else { char::from(digit) });
        }
    }
    text
}

fn from_base64(text: &str, alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    if digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let mut group = 0u32;
        for digit in chunk {
            group = group << 6 | alphabet.iter().position(|known| known == digit)? as u32;
        }
        group <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// The characters that have a name in HTML.
const ENTITIES: [(&str, &str); 5] =
    [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'")];

fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match ENTITIES.iter().find(|(_, plain)| plain.starts_with(c)) {
            Some((entity, _)) => escaped.push_str(entity),
            None => escaped.push(c),
        }
    }
    escaped
}

/// Quotes without a backslash are kept as they are.
fn unescape_json(text: &str) -> Option<String> {
    let mut quoted = String::with_capacity(text.len() + 2);
    let mut is_escaped = false;
    for c in text.chars() {
        if c == '"' && !is_escaped {
            quoted.push('\\');
        }
        is_escaped = c == '\\' && !is_escaped;
        quoted.push(c);
    }
    let document = remit_fhir::json::parse(format!("\"{quoted}\"")).ok()?;
    document.root().string().map(|text| text.into_owned())
}

fn unescape_html(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        rest = after;
        let Some((name, behind)) = after.split_once(';') else {
            plain.push('&');
            continue;
        };
        match entity(name) {
            Some(c) => {
                plain.push(c);
                rest = behind;
            }
            None => plain.push('&'),
        }
    }
    plain + rest
}

fn entity(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        "nbsp" => return Some('\u{a0}'),
        _ => name.strip_prefix('#')?,
    };
    let code = match code.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => code.parse().ok()?,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_encoded_decodes(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(from_base64(&to_base64(&bytes, STANDARD), STANDARD), Some(bytes.clone()));
            proptest::prop_assert_eq!(from_base64(&to_base64(&bytes, URL_SAFE), URL_SAFE), Some(bytes));
        }

        #[test]
        fn what_is_escaped_unescapes(text: String) {
            proptest::prop_assert_eq!(unescape_html(&escape_html(&text)), text);
        }
    }
}
