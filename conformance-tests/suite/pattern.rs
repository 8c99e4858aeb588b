//! Text with names in it: `Patient/$id/_history/1`.
//!
//! `$name` stands for what it was bound to; the first time, it is bound to what stands in its place.
//! `$_` stands for anything, also for nothing. `$$` is a dollar sign.

use std::collections::BTreeMap;

/// Values of names.
pub(crate) type Names = BTreeMap<String, String>;

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Name(String),
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('$') {
        text(&mut parts, &rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            text(&mut parts, "$");
            rest = after;
            continue;
        }
        let end = match rest.starts_with('_') {
            true => 1,
            false => rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len()),
        };
        match &rest[..end] {
            "" => text(&mut parts, "$"),
            name => parts.push(Part::Name(name.to_owned())),
        }
        rest = &rest[end..];
    }
    text(&mut parts, rest);
    parts
}

fn text(parts: &mut Vec<Part>, more: &str) {
    match parts.last_mut() {
        _ if more.is_empty() => {}
        Some(Part::Text(text)) => text.push_str(more),
        _ => parts.push(Part::Text(more.to_owned())),
    }
}

/// Puts in the values of all names.
pub(crate) fn fill(pattern: &str, names: &Names) -> Result<String, String> {
    let mut out = String::new();
    for part in parts(pattern) {
        match part {
            Part::Text(text) => out.push_str(&text),
            Part::Name(name) => out.push_str(names.get(&name).ok_or(format!("${name} is not bound"))?),
        }
    }
    Ok(out)
}

/// Whether a text fits; binds new names.
pub(crate) fn fits(pattern: &str, actual: &str, names: &mut Names) -> bool {
    let parts = parts(pattern);
    let mut bound = names.clone();
    let fits = step(&parts, actual, &mut bound);
    if fits {
        *names = bound;
    }
    fits
}

fn step(parts: &[Part], actual: &str, names: &mut Names) -> bool {
    let Some((first, rest)) = parts.split_first() else { return actual.is_empty() };
    match first {
        Part::Text(text) => actual.strip_prefix(text.as_str()).is_some_and(|after| step(rest, after, names)),
        Part::Name(name) => {
            if let Some(value) = names.get(name) {
                let value = value.clone();
                return actual.strip_prefix(value.as_str()).is_some_and(|after| step(rest, after, names));
            }
            if name == "_" {
                return ends(actual).any(|end| step(rest, &actual[end..], names));
            }
            // A name takes as little as lets the rest fit.
            for end in ends(actual).skip(1) {
                names.insert(name.clone(), actual[..end].to_owned());
                if step(rest, &actual[end..], names) {
                    return true;
                }
            }
            names.remove(name);
            false
        }
    }
}

/// Where a part may end.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()])
}

/// The text with values of names put back, longest value first.
pub(crate) fn unfill(actual: &str, names: &Names) -> String {
    let mut values: Vec<_> = names.iter().filter(|(_, value)| value.len() > 3).collect();
    values.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    let mut out = actual.replace('$', "$$");
    for (name, value) in values {
        out = out.replace(value.as_str(), &format!("${name}"));
    }
    out
}

#[test]
fn patterns_bind_names_and_compare_them() {
    let mut names = Names::new();
    assert!(fits("http://$host/Patient/$id/_history/1", "http://h:1/Patient/a-1/_history/1", &mut names));
    assert_eq!(fill("Patient/$id", &names).as_deref(), Ok("Patient/a-1"));
    assert!(!fits("Patient/$id", "Patient/a-2", &mut names));
    assert!(fits("$_:00Z", "2024-01-01T00:00:00Z", &mut Names::new()) && !names.contains_key("_"));
    assert!(fits("$_Patient/1", "x/Patient/1", &mut Names::new()));
    assert!(fits("$_a$_", "a", &mut Names::new()) && fits("$_/b\">$_", "/b/b\">", &mut Names::new()));
    assert!(fits("$$validate", "$validate", &mut names));
    assert!(!fits("$new", "", &mut names), "a name stands for something");
    assert_eq!(unfill("Patient/a-1", &Names::from([("id".into(), "a-1x".into())])), "Patient/a-1");
    assert!(fill("$nothing", &names).is_err());
}
