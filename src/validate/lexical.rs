//! The lexical form of primitive values (<https://hl7.org/fhir/R4/datatypes.html#primitive>), as the
//! StructureDefinitions of the types state it.

use remit_fhir::date::{Moment, Precision};
use remit_fhir::json::ValueKind;
use remit_fhir::{Node, is_id};
use remit_xml::{is_number, xhtml};

/// The longest string, in characters.
const MAX_STRING: usize = 1024 * 1024;

/// Why a value is not of its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It is of another JSON type; what is needed.
    Kind(&'static str),
    /// The empty string.
    Empty,
    /// Another form; what the form is.
    Form(&'static str),
    /// A text that is wrong somewhere inside and is not shown; the end of a sentence.
    Text(&'static str),
}

/// Whether a text is a value of a primitive type, e.g. `fits("date", "2024-02-30")` is false. For
/// numbers and booleans it is the text of the JSON value. A type that does not exist has no values.
pub fn fits(ty: &str, text: &str) -> bool {
    match ty {
        "boolean" => matches!(text, "true" | "false"),
        "decimal" | "integer" | "unsignedInt" | "positiveInt" => number(ty, text).is_ok(),
        _ => !text.is_empty() && form(ty, text).is_ok(),
    }
}

/// Checks a value against a primitive type.
#[inline]
pub(crate) fn check(ty: &str, value: Node<'_>) -> Result<(), Fault> {
    let kind = value.kind();
    match ty {
        "boolean" if kind == ValueKind::Boolean => Ok(()),
        "boolean" => Err(Fault::Kind("true or false, without quotes")),
        // The parser has checked that a number is one.
        "decimal" if kind == ValueKind::Number => Ok(()),
        "decimal" | "integer" | "unsignedInt" | "positiveInt" => match value.number() {
            Some(text) => number(ty, text),
            None => Err(Fault::Kind("a JSON number, without quotes")),
        },
        _ if kind != ValueKind::String => Err(Fault::Kind("a JSON string")),
        "string" | "markdown" => text(value),
        _ => match value.string() {
            Some(text) if text.is_empty() => Err(Fault::Empty),
            Some(text) => form(ty, &text),
            None => Err(Fault::Kind("a JSON string")),
        },
    }
}

/// `string` and `markdown`, on the JSON text: the parser lets control characters pass as escapes only.
fn text(value: Node<'_>) -> Result<(), Fault> {
    let quoted = value.json();
    if quoted.len() <= 2 {
        return Err(Fault::Empty);
    }
    let mut rest = quoted;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let escape = rest.as_bytes().get(at + 1..).unwrap_or_default();
        let is_control = match escape {
            [b'b' | b'f', ..] => true,
            [b'u', b'0', b'0', b'0', b'9' | b'a' | b'A' | b'd' | b'D', ..] => false,
            [b'u', b'0', b'0', b'0' | b'1', ..] => true,
            _ => false,
        };
        if is_control {
            return Err(Fault::Text(CONTROL));
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    // A text has no more characters than bytes, so most need no count.
    if quoted.len() > MAX_STRING && value.string().is_some_and(|text| text.chars().count() > MAX_STRING) {
        return Err(Fault::Text(TOO_LONG));
    }
    Ok(())
}

const CONTROL: &str =
    "holds a control character; of those only tab, line feed and carriage return are allowed";
const TOO_LONG: &str = "is longer than 1048576 characters";

/// The form of a text that is not empty.
fn form(ty: &str, text: &str) -> Result<(), Fault> {
    let (is_good, form) = match ty {
        "code" => (is_code(text), "a code has no white space but single blanks inside"),
        "uri" | "url" | "canonical" => (is_uri(text), "it has no white space or control characters"),
        "id" => (is_id(text), "an id is 1 to 64 of A-Z, a-z, 0-9, '-' and '.'"),
        "date" => (is_date(text), "a date is YYYY, YYYY-MM or YYYY-MM-DD and in the calendar"),
        "dateTime" => (
            is_date_time(text),
            "a dateTime is YYYY, YYYY-MM, YYYY-MM-DD, or YYYY-MM-DDThh:mm:ss with a zone such as Z or +02:00",
        ),
        "instant" => (is_instant(text), "an instant is YYYY-MM-DDThh:mm:ss with a zone such as Z or +02:00"),
        "time" => (is_time(text), "a time is hh:mm:ss"),
        "oid" => {
            (is_oid(text), "an oid begins with urn:oid: and has numbers between dots, e.g. urn:oid:1.2.3")
        }
        "uuid" => (is_uuid(text), "a uuid begins with urn:uuid: and is in lower case"),
        "base64Binary" => {
            return match is_base64(text) {
                true => Ok(()),
                false => {
                    Err(Fault::Text("is no valid base64Binary; it is base64 with padding, in groups of four"))
                }
            };
        }
        "string" | "markdown" => return whole_text(text),
        "xhtml" => return narrative(text),
        _ => return Err(Fault::Text("is of a type that is not known")),
    };
    match is_good {
        true => Ok(()),
        false => Err(Fault::Form(form)),
    }
}

fn whole_text(text: &str) -> Result<(), Fault> {
    if text.bytes().any(|b| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r')) {
        return Err(Fault::Text(CONTROL));
    }
    match text.len() > MAX_STRING && text.chars().count() > MAX_STRING {
        true => Err(Fault::Text(TOO_LONG)),
        false => Ok(()),
    }
}

fn narrative(text: &str) -> Result<(), Fault> {
    xhtml::check(text).map(drop).map_err(|fault| Fault::Text(fault.reason))
}

/// The form and the range of a number.
fn number(ty: &str, text: &str) -> Result<(), Fault> {
    let (low, high, form) = match ty {
        "unsignedInt" => (0, i32::MAX, "an unsignedInt is a whole number from 0 to 2147483647"),
        "positiveInt" => (1, i32::MAX, "a positiveInt is a whole number from 1 to 2147483647"),
        "integer" => (i32::MIN, i32::MAX, "an integer is a whole number from -2147483648 to 2147483647"),
        _ if is_number(text) => return Ok(()),
        _ => return Err(Fault::Form("a decimal is a number such as 12.50")),
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (digits.len() == 1 || !digits.starts_with('0'));
    // A sign belongs to `integer` alone, even that of zero.
    let has_sign = digits.len() < text.len() && low >= 0;
    match text.parse::<i32>() {
        Ok(value) if is_whole && !has_sign && (low..=high).contains(&value) => Ok(()),
        _ => Err(Fault::Form(form)),
    }
}

fn is_code(text: &str) -> bool {
    let mut blank_before = true;
    for b in text.bytes() {
        let is_blank = b == b' ';
        if b < b' ' || is_blank && blank_before {
            return false;
        }
        blank_before = is_blank;
    }
    !blank_before
}

fn is_uri(text: &str) -> bool {
    text.bytes().all(|b| b > b' ')
}

fn is_date(text: &str) -> bool {
    let is_whole = |m: Moment| matches!(m.precision, Precision::Year | Precision::Month | Precision::Day);
    text.len() <= "YYYY-MM-DD".len() && Moment::parse(text).is_some_and(is_whole)
}

fn is_date_time(text: &str) -> bool {
    is_date(text) || is_instant(text)
}

fn is_instant(text: &str) -> bool {
    let is_exact = |m: Moment| {
        matches!(m.precision, Precision::Second | Precision::Fraction) && m.offset_minutes.is_some()
    };
    Moment::parse(text).is_some_and(is_exact)
}

/// `([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?`
fn is_time(text: &str) -> bool {
    let Some((whole, rest)) = text.as_bytes().split_at_checked(8) else { return false };
    let [h, i, b':', m, n, b':', s, t] = whole else { return false };
    let is_whole = [h, i, m, n, s, t].iter().all(|b| b.is_ascii_digit())
        && (*h < b'2' || *h == b'2' && *i <= b'3')
        && *m <= b'5'
        && (*s <= b'5' || *s == b'6' && *t == b'0');
    let has_fraction = match rest {
        [] => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_whole && has_fraction
}

/// `urn:oid:[0-2](\.(0|[1-9][0-9]*))+`
fn is_oid(text: &str) -> bool {
    let Some(oid) = text.strip_prefix("urn:oid:") else { return false };
    let mut arcs = oid.split('.');
    let is_arc = |arc: &str| {
        !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
    };
    let root = arcs.next().is_some_and(|arc| matches!(arc, "0" | "1" | "2"));
    root && oid.contains('.') && arcs.all(is_arc)
}

/// `urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Base64 (RFC 4648 §4) with padding; white space may stand anywhere, as mail programs break lines.
fn is_base64(text: &str) -> bool {
    let (mut count, mut padding) = (0usize, 0usize);
    for b in text.bytes() {
        match b {
            b' ' | b'\t' | b'\n' | b'\r' => continue,
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => {}
            _ => return false,
        }
        count += 1;
    }
    count > 0 && count.is_multiple_of(4) && padding <= 2
}
