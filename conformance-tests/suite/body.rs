//! Whether a body is what a suite expects.
//!
//! JSON is a subset: members that are not named may be there, lists have the same length unless the
//! last expected item is `"..."`. `"$absent"` says that a member must not be there. Numbers are
//! compared as text: 1.0 is not 1.00. Other bodies, and JSON with a document a line, are compared line by line: each expected line must
//! be found, in order.

use super::pattern::{self, Names};
use serde_json::Value;

/// Where the body differs; `None` when it fits.
pub(crate) fn difference(expected: &str, actual: &[u8], names: &mut Names) -> Option<String> {
    let text = String::from_utf8_lossy(actual);
    let expected = expected.trim();
    if expected == "(empty)" {
        return (!actual.is_empty()).then(|| "the body is not empty".to_owned());
    }
    let is_line = |line: &str| serde_json::from_str::<Value>(line).is_ok();
    let has_lines = expected.lines().count() > 1 && expected.lines().all(is_line);
    if expected.starts_with(['{', '[']) && !has_lines {
        let expected: Value = match serde_json::from_str(expected) {
            Ok(value) => value,
            Err(e) => return Some(format!("the suite's JSON cannot be read: {e}")),
        };
        return match serde_json::from_slice(actual) {
            Ok(actual) => json("$", &expected, &actual, names),
            Err(e) => Some(format!("the body is no JSON: {e}")),
        };
    }
    lines(expected, &text, names)
}

fn lines(expected: &str, actual: &str, names: &mut Names) -> Option<String> {
    let mut rest = actual;
    for line in expected.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let wanted = match pattern::fill(line, names) {
            Ok(text) => text,
            Err(_) => {
                // A line that binds names is compared with whole lines.
                let found = actual.lines().any(|candidate| pattern::fits(line, candidate.trim(), names));
                if found {
                    continue;
                }
                return Some(format!("missing: {line}"));
            }
        };
        match rest.find(&wanted) {
            Some(at) => rest = &rest[at + wanted.len()..],
            None => return Some(format!("missing, or not in this order: {wanted}")),
        }
    }
    None
}

fn json(path: &str, expected: &Value, actual: &Value, names: &mut Names) -> Option<String> {
    let differs = || Some(format!("{path}: expected {expected}, got {actual}"));
    match (expected, actual) {
        (Value::Object(wanted), Value::Object(got)) => wanted.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            match got.get(name) {
                None if *value == "$absent" => None,
                None => Some(format!("{path}: missing")),
                Some(found) if *value == "$absent" => Some(format!("{path}: must not be there, is {found}")),
                Some(found) => json(&path, value, found, names),
            }
        }),
        (Value::Array(wanted), Value::Array(got)) => {
            let open = wanted.last().is_some_and(|last| *last == "...");
            let wanted = if open { &wanted[..wanted.len() - 1] } else { &wanted[..] };
            if got.len() < wanted.len() || (!open && got.len() != wanted.len()) {
                return Some(format!("{path}: expected {} items, got {}: {actual}", wanted.len(), got.len()));
            }
            let mut pairs = wanted.iter().zip(got).enumerate();
            pairs.find_map(|(n, (wanted, got))| json(&format!("{path}[{n}]"), wanted, got, names))
        }
        (Value::String(wanted), Value::String(got)) => {
            if pattern::fits(wanted, got, names) {
                None
            } else {
                differs()
            }
        }
        // A name may stand for a value of any kind.
        (Value::String(wanted), got) if wanted.starts_with('$') && !wanted.starts_with("$$") => {
            if pattern::fits(wanted, &got.to_string(), names) {
                None
            } else {
                differs()
            }
        }
        (Value::Number(wanted), Value::Number(got)) => {
            if wanted.to_string() == got.to_string() {
                None
            } else {
                differs()
            }
        }
        _ if expected == actual => None,
        _ => differs(),
    }
}

/// What the server answered, as a suite would say it.
pub(crate) fn record(actual: &[u8], names: &Names) -> String {
    if actual.is_empty() {
        return "(empty)".to_owned();
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(actual) else {
        return pattern::unfill(&String::from_utf8_lossy(actual), names);
    };
    soften(&mut value, names);
    serde_json::to_string_pretty(&value).expect("a value of serde_json can be written")
}

/// Puts names in the place of what differs from run to run.
fn soften(value: &mut Value, names: &Names) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let varies = matches!(name.as_str(), "lastUpdated" | "lastModified" | "timestamp");
                if varies { *value = Value::from("$_") } else { soften(value, names) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| soften(item, names)),
        Value::String(text) => {
            *text = if is_uuid(text) && !names.values().any(|v| v == text) {
                "$_".to_owned()
            } else {
                pattern::unfill(text, names)
            }
        }
        _ => {}
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[test]
fn bodies_are_compared_as_subsets() {
    let cases = [
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, true),
        (r#"{"a":1.0}"#, r#"{"a":1.00}"#, false),
        (r#"{"a":"$absent"}"#, r#"{"b":2}"#, true),
        (r#"{"a":"$absent"}"#, r#"{"a":2}"#, false),
        (r#"{"a":[1,2]}"#, r#"{"a":[1,2,3]}"#, false),
        (r#"{"a":[1,"..."]}"#, r#"{"a":[1,2,3]}"#, true),
        (r#"{"a":"$x","b":"$x"}"#, r#"{"a":"1","b":"1"}"#, true),
        (r#"{"a":"$x","b":"$x"}"#, r#"{"a":"1","b":"2"}"#, false),
        (r#"{"a":null}"#, r#"{"a":0}"#, false),
        ("(empty)", "", true),
        ("(empty)", "x", false),
        ("<a>\n<b/>", "<a><b/></a>", true),
        ("<b/>\n<a>", "<a><b/></a>", false),
    ];
    for (expected, actual, fits) in cases {
        let found = difference(expected, actual.as_bytes(), &mut Names::new());
        assert_eq!(found.is_none(), fits, "{expected} / {actual}: {found:?}");
    }
}
