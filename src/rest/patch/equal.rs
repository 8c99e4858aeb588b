//! Equality of JSON values as the `test` operation means it (RFC 6902 §4.6).

use remit_fhir::Node;
use remit_fhir::json::ValueKind;

/// Whether two values are equal: strings by characters, numbers by value, arrays in order, objects
/// by members in any order. The parser bounds the depth.
pub(super) fn equal(a: Node<'_>, b: Node<'_>) -> bool {
    if a.kind() != b.kind() {
        return false;
    }
    match a.kind() {
        ValueKind::Null => true,
        ValueKind::Boolean => a.boolean() == b.boolean(),
        ValueKind::String => a.string() == b.string(),
        ValueKind::Number => match (a.number(), b.number()) {
            (Some(a), Some(b)) => a == b || Number::of(a) == Number::of(b),
            _ => false,
        },
        ValueKind::Array => {
            a.items().count() == b.items().count() && a.items().zip(b.items()).all(|(a, b)| equal(a, b))
        }
        ValueKind::Object => {
            a.members().count() == b.members().count()
                && a.members().all(|(name, value)| b.get(&name).is_some_and(|other| equal(value, other)))
        }
    }
}

/// A number's value: its significant digits and the power of ten of the last one.
#[derive(PartialEq, Eq, Debug)]
struct Number {
    negative: bool,
    digits: String,
    exponent: i128,
}

impl Number {
    fn of(text: &str) -> Number {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let negative = mantissa.starts_with('-');
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all: String = whole.chars().chain(fraction.chars()).filter(char::is_ascii_digit).collect();
        let digits = all.trim_start_matches('0').trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Number { negative: false, digits, exponent: 0 };
        }
        let zeros = all.len() - all.trim_end_matches('0').len();
        // An exponent with more digits than this has no other spelling within a text of this size.
        let exponent =
            exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
        Number { negative, digits, exponent: i128::from(exponent) - fraction.len() as i128 + zeros as i128 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_fhir::json::parse;

    #[test]
    fn values_are_compared_as_json() {
        for (a, b, expected) in [
            ("1", "1.0", true),
            ("100", "1e2", true),
            ("0.10", "1E-1", true),
            ("-0", "0.0", true),
            ("1", "-1", false),
            ("10", "1", false),
            ("10", "\"10\"", false),
            ("\"a\\u0062\"", "\"ab\"", true),
            (r#"{"a":1,"b":[1,2]}"#, r#"{"b":[1.0,2],"a":1}"#, true),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false),
            ("[1,2]", "[2,1]", false),
            ("null", "false", false),
            ("1e999999999999999999999", "1", false),
        ] {
            let (x, y) = (parse(a).unwrap(), parse(b).unwrap());
            assert_eq!(equal(x.root(), y.root()), expected, "{a} {b}");
        }
    }
}
