//! The part of YAML (<https://yaml.org/spec/1.2.2/>) that the metadata of the US Core suite is written
//! in: mappings and sequences by indentation, plain and quoted scalars of one or more lines. Keys lose
//! the colon that stands before them.

use serde_json::{Map, Value};

struct Line<'t> {
    indent: usize,
    text: &'t str,
}

/// Reads a document.
pub(super) fn parse(text: &str) -> Value {
    let lines: Vec<Line<'_>> = text.lines().filter_map(line).collect();
    let mut at = 0;
    let value = block(&lines, &mut at, 0);
    assert_eq!(at, lines.len(), "not understood: {}", lines.get(at).map_or("", |line| line.text));
    value
}

fn line(text: &str) -> Option<Line<'_>> {
    let rest = text.trim_start();
    let is_content = !rest.is_empty() && rest != "---" && !rest.starts_with('#');
    is_content.then(|| Line { indent: text.len() - rest.len(), text: rest.trim_end() })
}

/// Whatever stands at this depth.
fn block(lines: &[Line<'_>], at: &mut usize, indent: usize) -> Value {
    if lines.get(*at).is_some_and(|line| is_item(line.text)) {
        return Value::Array(items(lines, at, indent));
    }
    Value::Object(members(lines, at, indent))
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

fn items(lines: &[Line<'_>], at: &mut usize, indent: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while let Some(first) = lines.get(*at).filter(|line| line.indent == indent && is_item(line.text)) {
        let rest = first.text[1..].trim_start();
        if key(rest).is_none() {
            *at += 1;
            all.push(scalar(rest, lines, at, indent));
            continue;
        }
        // The mapping begins behind the dash; its other members stand below its first one.
        let depth = indent + first.text.len() - rest.len();
        let mut own = vec![Line { indent: depth, text: rest }];
        *at += 1;
        while let Some(line) = lines.get(*at).filter(|line| line.indent >= depth) {
            own.push(Line { indent: line.indent, text: line.text });
            *at += 1;
        }
        all.push(Value::Object(members(&own, &mut 0, depth)));
    }
    all
}

fn members(lines: &[Line<'_>], at: &mut usize, indent: usize) -> Map<String, Value> {
    let mut all = Map::new();
    while let Some(line) = lines.get(*at).filter(|line| line.indent == indent) {
        let Some((name, rest)) = key(line.text) else { break };
        *at += 1;
        let value = match (rest, lines.get(*at)) {
            ("", Some(next)) if next.indent > indent || (next.indent == indent && is_item(next.text)) => {
                block(lines, at, next.indent)
            }
            _ => scalar(rest, lines, at, indent),
        };
        all.insert(name.to_owned(), value);
    }
    all
}

/// A key and what follows on its line.
fn key(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['"', '\'']) {
        return None;
    }
    let start = text.strip_prefix(':').unwrap_or(text);
    let end = start.find(": ").or_else(|| start.ends_with(':').then(|| start.len() - 1))?;
    Some((&start[..end], start[end + 1..].trim()))
}

/// A scalar with the lines that go on with it.
fn scalar(first: &str, lines: &[Line<'_>], at: &mut usize, indent: usize) -> Value {
    let mut text = first.to_owned();
    while let Some(line) = lines.get(*at).filter(|line| line.indent > indent) {
        text = format!("{text} {}", line.text);
        *at += 1;
    }
    match text.trim_matches(['"', '\'']) {
        "{}" => Value::Object(Map::new()),
        "[]" => Value::Array(Vec::new()),
        "true" => true.into(),
        "false" => false.into(),
        "" if first.is_empty() => Value::Null,
        plain => plain.into(),
    }
}

#[test]
fn the_yaml_of_the_suite_is_read() {
    let text = "---\n:name: x\n:long: one\n  two\n:list:\n- a\n- :k: v\n  :deep:\n  - 'b'\n  :none: []\n:map:\n  :_id:\n    :values: {}\n";
    let expected = serde_json::json!({
        "name": "x", "long": "one two",
        "list": ["a", {"k": "v", "deep": ["b"], "none": []}],
        "map": {"_id": {"values": {}}}
    });
    assert_eq!(parse(text), expected);
}
