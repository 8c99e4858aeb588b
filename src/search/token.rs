//! Token parameters: codes, identifiers, truth values (<https://hl7.org/fhir/R4/search.html#token>).
//!
//! Codes are compared exactly, letter case included; only elements of type `string` have none. An element of type `code` says no system; its
//! required value set does, so `gender=http://hl7.org/fhir/administrative-gender|female` matches.

use crate::extract::Item;
use crate::parse::unescape;
use crate::rows::TokenRow;
use crate::sql::{Arg, Writer};
use crate::string::Place;
use remit_fhir::{Error, Node, Result};
use remit_spec::Terminology;

/// A token searched for. At least one of the two is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Value {
    /// `system|…`; empty for `|code`, which asks for no system.
    pub system: Option<Box<str>>,
    /// `…|code`
    pub code: Option<Box<str>>,
}

pub(crate) fn index(item: &Item<'_>, param: i32, rows: &mut Vec<TokenRow>) {
    let is_string = item.type_name() == STRING;
    each(item, |system, code| {
        let code = if is_string { code.to_lowercase().into() } else { code.into() };
        rows.push(TokenRow { param, code, system: system.into() });
    });
}

/// The type whose values are compared without letter case, and kept in lower case.
pub(crate) const STRING: &str = "string";

/// Calls `found` with system and code of every token in a value.
pub(crate) fn each(item: &Item<'_>, mut found: impl FnMut(&str, &str)) {
    match item.type_name() {
        "CodeableConcept" => {
            for coding in item.node.get("coding").into_iter().flat_map(Node::each) {
                pair(coding, "code", &mut found);
            }
        }
        "Coding" => pair(item.node, "code", &mut found),
        "Identifier" => pair(item.node, "value", &mut found),
        "ContactPoint" => {
            if let Some(value) = item.node.get_str("value") {
                found("", &value);
            }
        }
        "Money" => {
            if let Some(code) = item.node.get_str("currency") {
                found("urn:iso:std:iso:4217", &code);
            }
        }
        _ => {
            if let Some(code) = item.node.scalar().filter(|c| !c.is_empty()) {
                found(item.value_set.and_then(|set| system_of(set, &code)).unwrap_or_default(), &code);
            }
        }
    }
}

/// A system without a code is a row too: `system|` finds it.
fn pair(node: Node<'_>, member: &str, found: &mut impl FnMut(&str, &str)) {
    let text = |name| node.get_str(name).unwrap_or_default();
    let (system, code) = (text("system"), text(member));
    if !(system.is_empty() && code.is_empty()) {
        found(&system, &code);
    }
}

/// The system that a value set takes a code from.
fn system_of(value_set: &str, code: &str) -> Option<&'static str> {
    let expansion = Terminology::r4().expansion(value_set)?;
    match expansion.entry(None, code) {
        Some(entry) => Some(entry.system),
        None => match *expansion.open {
            [system] => Some(system),
            _ => None,
        },
    }
}

/// Reads a value of the URL.
pub(crate) fn parse(text: &str) -> Result<Value> {
    let mut parts = crate::parse::split(text, '|');
    let value = match (parts.next(), parts.next(), parts.next()) {
        (Some(code), None, _) => Value { system: None, code: Some(unescape(code)?) },
        (Some(system), Some(code), None) => {
            Value { system: Some(unescape(system)?), code: Some(unescape(code)?).filter(|c| !c.is_empty()) }
        }
        _ => {
            return Err(Error::invalid(format!(
                "'{text}' is no token: write code, system|code, |code or system|, and \\| for a bar in a code."
            )));
        }
    };
    match (&value.system, &value.code) {
        (Some(system), None) if system.is_empty() => Err(Error::invalid("'|' alone is no token.")),
        _ => Ok(value),
    }
}

impl Value {
    /// The same with its code in lower case, as those of strings are kept.
    pub(crate) fn lowercase(&self) -> Value {
        Value { system: self.system.clone(), code: self.code.as_ref().map(|code| code.to_lowercase().into()) }
    }

    pub(crate) fn holds(&self, system: &str, code: &str) -> bool {
        self.system.as_deref().is_none_or(|s| s == system) && self.code.as_deref().is_none_or(|c| c == code)
    }

    /// The same as [`holds`](Self::holds), of the columns `code` and `system` of a table.
    pub(crate) fn sql(&self, w: &mut Writer, code: &str, system: &str) {
        if let Some(text) = &self.code {
            w.push(code).push(" = ").arg(Arg::Text(text.to_string()));
        }
        if let Some(text) = &self.system {
            w.push(if self.code.is_some() { " and " } else { "" });
            w.push(system).push(" = ").arg(Arg::System(text.to_string()));
        }
    }
}

/// A part of a code or a URI, letter case aside: `:code-text`, and `co`, `sw` and `ew` of `_filter`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    place: Place,
    text: Box<str>,
}

/// Letters of a start that are looked up in the index in both cases; the rest is compared.
const LOOKED_UP: usize = 3;

impl Piece {
    /// Reads a value of the URL.
    pub(crate) fn parse(text: &str) -> Result<Piece> {
        Ok(Piece::new(Place::Start, &unescape(text)?))
    }

    pub(crate) fn new(place: Place, text: &str) -> Piece {
        Piece { place, text: text.to_ascii_lowercase().into() }
    }

    pub(crate) fn holds(&self, code: &str) -> bool {
        self.place.holds(&self.text, &code.to_ascii_lowercase())
    }

    /// The same as [`holds`](Self::holds), of a column: a range for each spelling of the first letters.
    pub(crate) fn sql(&self, w: &mut Writer, column: &str) {
        if self.place != Place::Start {
            w.push("lower(").push(column).push(")");
            return self.place.like(w, &self.text);
        }
        let head: String = self.text.chars().take(LOOKED_UP).collect();
        w.push("(").list(spellings(&head), " or ", |w, spelling| {
            w.push(column).push(" >= ").arg(Arg::Text(spelling.clone())).push(" and ");
            w.push(column).push(" < ").arg(Arg::Text(format!("{spelling}\u{10FFFF}")));
        });
        w.push(") and lower(substr(").push(column).push(", 1, ").number(self.text.chars().count() as i64);
        w.push(")) = ").arg(Arg::Text(self.text.to_string()));
    }
}

/// A text in lower case with each of its ASCII letters in both cases.
fn spellings(text: &str) -> Vec<String> {
    text.chars().fold(vec![String::new()], |all, c| {
        let upper = c.to_ascii_uppercase();
        let mut next: Vec<String> = all.iter().map(|start| format!("{start}{c}")).collect();
        if upper != c {
            next.extend(all.iter().map(|start| format!("{start}{upper}")));
        }
        next
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_what_a_token_asks() {
        let some = |text: &str| Some(text.into());
        for (text, system, code) in [
            ("a", None, some("a")),
            ("s|a", some("s"), some("a")),
            ("|a", some(""), some("a")),
            ("s|", some("s"), None),
            (r"s|a\|b", some("s"), some("a|b")),
            (r"a\,b", None, some("a,b")),
        ] {
            assert_eq!(parse(text).unwrap(), Value { system, code }, "{text}");
        }
        for text in ["|", "a|b|c", r"a\", r"a\b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_code_is_found_by_its_start_in_any_case() {
        for (start, code, expected) in [
            ("ab", "ABC", true),
            ("ABC", "abc", true),
            ("abcd", "abc", false),
            ("b", "abc", false),
            ("8480", "8480-6", true),
            ("é", "É1", false),
            ("é", "é1", true),
        ] {
            assert_eq!(Piece::parse(start).unwrap().holds(code), expected, "{start} of {code}");
        }
        assert_eq!(spellings("a1b"), ["a1b", "A1b", "a1B", "A1B"]);
    }

    #[test]
    fn a_code_takes_the_system_of_its_value_set() {
        let set = "http://hl7.org/fhir/ValueSet/administrative-gender";
        assert_eq!(system_of(set, "female"), Some("http://hl7.org/fhir/administrative-gender"));
        assert_eq!(system_of(set, "none"), None);
    }
}
