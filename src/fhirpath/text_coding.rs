//! `encode`, `decode`, `escape` and `unescape`
//! (<https://hl7.org/fhirpath/#additional-string-functions>).

use crate::eval::{Evaluator, Result};
use crate::function::Call;
use crate::item::Collection;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};

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
        "hex" => Some(text.bytes().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect()),
        "base64" => Some(STANDARD.encode(text)),
        "urlbase64" => Some(URL_SAFE.encode(text)),
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
            "base64" => STANDARD.decode(text).ok()?,
            "urlbase64" => URL_SAFE.decode(text).ok()?,
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

/// Padding is written, and may be missing in what is read.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or_default()
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

/// The longest entity is a number: `#x10FFFF`, with zeros before it.
const MAX_ENTITY_BYTES: usize = 16;

fn unescape_html(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        rest = after;
        // No entity is longer, and a text of ampersands is not searched to its end for each.
        let end = after.bytes().take(MAX_ENTITY_BYTES).position(|byte| byte == b';');
        let named = end.and_then(|end| Some((entity(after.get(..end)?)?, after.get(end + 1..)?)));
        match named {
            Some((c, behind)) => {
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
            for engine in [STANDARD, URL_SAFE] {
                let text = engine.encode(&bytes);
                proptest::prop_assert_eq!(engine.decode(text.trim_end_matches('=')), Ok(bytes.clone()));
                proptest::prop_assert_eq!(engine.decode(text), Ok(bytes.clone()));
            }
        }

        #[test]
        fn what_is_escaped_unescapes(text: String) {
            proptest::prop_assert_eq!(unescape_html(&escape_html(&text)), text);
        }
    }
}
