//! `_filter` read and answered the plain way (<https://hl7.org/fhir/R4/search_filter.html>).

use super::compare::{Alternative, Modifier, is_literal, tokens, unescape};
use super::text::{fold, strings};
use super::{Stored, Value, World, date};
use remit_spec::{SearchKind, SearchParameter};
use std::cmp::Ordering;

enum Filter {
    Both(Box<Filter>, Box<Filter>),
    Either(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Test { path: String, operator: String, value: String },
}

/// What is left to read.
struct Reader<'t>(&'t str);

impl Reader<'_> {
    fn take(&mut self, start: &str) -> bool {
        let rest = self.0.trim_start();
        let found = rest.strip_prefix(start);
        self.0 = found.unwrap_or(rest);
        found.is_some()
    }

    /// Up to a blank or a closing bracket that was not opened here.
    fn word(&mut self) -> String {
        self.0 = self.0.trim_start();
        let mut depth = 0;
        let end = self.0.find(|c: char| {
            depth += i32::from(matches!(c, '[')) - i32::from(c == ']');
            depth < 0 || depth == 0 && (c == ' ' || c == ')')
        });
        let (word, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        word.to_owned()
    }

    fn value(&mut self) -> String {
        if !self.0.trim_start().starts_with('"') {
            return self.word();
        }
        let text = self.0.trim_start();
        let mut json = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let value = json.next().expect("a quoted text").expect("a text in JSON");
        self.0 = &text[json.byte_offset()..];
        value
    }

    /// `and` and `or` bind alike, from the left.
    fn filter(&mut self) -> Filter {
        let mut left = self.operand();
        loop {
            left = if self.take("and ") {
                Filter::Both(Box::new(left), Box::new(self.operand()))
            } else if self.take("or ") {
                Filter::Either(Box::new(left), Box::new(self.operand()))
            } else {
                return left;
            };
        }
    }

    fn operand(&mut self) -> Filter {
        let is_not = self.take("not(");
        if is_not || self.take("(") {
            let inner = self.filter();
            assert!(self.take(")"), "a bracket is not closed before {}", self.0);
            return if is_not { Filter::Not(Box::new(inner)) } else { inner };
        }
        Filter::Test { path: self.word(), operator: self.word(), value: self.value() }
    }
}

/// Splits `name[filter].rest` or `name.rest`.
fn reference(path: &str) -> Option<(&str, &str, &str)> {
    let at = path.find(['[', '.'])?;
    if path[at..].starts_with('.') {
        return Some((&path[..at], "", &path[at + 1..]));
    }
    let end = path.rfind("].")?;
    Some((&path[..at], &path[at + 1..end], &path[end + 2..]))
}

impl World {
    /// Whether a resource meets a filter.
    pub(super) fn passes(&self, stored: &Stored, text: &str) -> bool {
        let mut reader = Reader(text);
        let filter = reader.filter();
        assert!(reader.0.trim().is_empty(), "{} is left of a filter", reader.0);
        self.meets(stored, &filter)
    }

    fn meets(&self, stored: &Stored, filter: &Filter) -> bool {
        match filter {
            Filter::Both(a, b) => self.meets(stored, a) && self.meets(stored, b),
            Filter::Either(a, b) => self.meets(stored, a) || self.meets(stored, b),
            Filter::Not(inner) => !self.meets(stored, inner),
            Filter::Test { path, operator, value } => self.follows(stored, path, operator, value),
        }
    }

    fn follows(&self, stored: &Stored, path: &str, operator: &str, value: &str) -> bool {
        if let Some(rest) = path.strip_prefix("_has:") {
            let parts: Vec<&str> = rest.splitn(3, ':').collect();
            return self
                .sources(stored, parts[0], parts[1])
                .any(|source| self.follows(source, parts[2], operator, value));
        }
        let Some((code, inner, rest)) = reference(path) else {
            return self.is_so(stored, path, operator, value);
        };
        self.targets(stored, code).into_iter().any(|target| {
            self.knows(target.ty, rest)
                && (inner.is_empty() || self.passes(target, inner))
                && self.follows(target, rest, operator, value)
        })
    }

    /// Whether one value of a parameter stands so to the value of the filter.
    fn is_so(&self, stored: &Stored, code: &str, operator: &str, text: &str) -> bool {
        let parameter = self.parameter(stored.ty, code);
        let values = self.values(stored, parameter);
        if operator == "pr" {
            return values.iter().any(|v| self.is_value(parameter, v)) == (text == "true");
        }
        values.iter().any(|value| self.compares(parameter, value, operator, text))
    }

    fn compares(
        &self,
        parameter: &'static SearchParameter,
        value: &Value,
        operator: &str,
        text: &str,
    ) -> bool {
        let alternative = |modifier, text| Alternative { world: self, parameter, modifier, text };
        let prefixed = format!("{operator}{text}");
        match parameter.kind {
            SearchKind::String => strings(value).iter().any(|t| is_text(&fold(t), operator, &fold(text))),
            SearchKind::Uri => value.json.as_str().is_some_and(|uri| {
                let bare = uri.split_once('|').map(|(url, _)| url).filter(|_| value.ty == "canonical");
                std::iter::once(uri).chain(bare).any(|uri| is_piece(uri, operator, text))
            }),
            SearchKind::Token => match operator {
                "in" => alternative(Modifier::In, text).holds(value),
                "ss" => alternative(Modifier::Below, text).holds(value),
                "sb" => alternative(Modifier::Above, text).holds(value),
                "eq" => alternative(Modifier::None, text).holds(value),
                "ne" => alternative(Modifier::None, text).is_unlike(value),
                _ => tokens(value, "").iter().any(|(_, code)| is_piece(code, operator, text)),
            },
            SearchKind::Reference => match operator {
                "ne" => is_literal(value) && !alternative(Modifier::None, text).holds(value),
                _ => alternative(Modifier::None, text).holds(value),
            },
            SearchKind::Date if operator == "po" => {
                let (low, high) = date::parse(&unescape(text)).expect("a date");
                date::of(value).is_some_and(|(from, to)| from < high && to > low)
            }
            _ => alternative(Modifier::None, &prefixed).holds(value),
        }
    }
}

fn is_text(text: &str, operator: &str, searched: &str) -> bool {
    match operator {
        "eq" => text == searched,
        "ne" => text != searched,
        "co" => text.contains(searched),
        "sw" => text.starts_with(searched),
        "ew" => text.ends_with(searched),
        other => panic!("{other} is no operator of texts"),
    }
}

/// The same of codes and addresses: their letters have a case for `eq` and `ne` only.
fn is_piece(text: &str, operator: &str, searched: &str) -> bool {
    match operator {
        "eq" | "ne" => (text.cmp(searched) == Ordering::Equal) == (operator == "eq"),
        _ => is_text(&text.to_ascii_lowercase(), operator, &searched.to_ascii_lowercase()),
    }
}
