//! String parameters: texts, names, addresses (<https://hl7.org/fhir/R4/search.html#string>).
//!
//! Texts are folded when they are written and when they are searched: letter case, accents, punctuation
//! and the amount of white space do not count.

use crate::extract::Item;
use crate::rows::StringRow;
use crate::sql::{Arg, Writer};
use remit_fhir::{Error, Node, Result};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A text searched for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Value {
    /// Where it must stand.
    pub place: Place,
    /// Folded.
    pub norm: Box<str>,
    /// As written.
    pub exact: Box<str>,
}

/// Where in a value the searched text must stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// At the start, folded: no modifier.
    Start,
    /// It is the whole value, letter by letter: `:exact`.
    Whole,
    /// It is the whole value, folded: `eq` of `_filter`.
    Same,
    /// Anywhere, folded: `:contains`.
    Anywhere,
    /// At the end, folded: `ew` of `_filter`.
    End,
}

impl Place {
    /// Whether `text` stands so in a value; both are folded.
    pub(crate) fn holds(self, text: &str, value: &str) -> bool {
        match self {
            Place::Start => value.starts_with(text),
            Place::Whole | Place::Same => value == text,
            Place::Anywhere => value.contains(text),
            Place::End => value.ends_with(text),
        }
    }

    /// Writes a comparison with `like` for a text that stands anywhere or at the end.
    pub(crate) fn like(self, w: &mut Writer, text: &str) {
        let mut pattern = String::with_capacity(text.len() + 2);
        pattern.push('%');
        for c in text.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        if self == Place::Anywhere {
            pattern.push('%');
        }
        w.push(" like ").arg(Arg::Text(pattern)).push(" escape '\\'");
    }
}

/// Letter case, accents and repeated white space taken away.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let before = out.len();
        if before > 0 {
            out.push(' ');
        }
        let start = out.len();
        if word.is_ascii() {
            out.extend(word.bytes().map(|b| char::from(b.to_ascii_lowercase())));
        } else {
            // Marks go before and after: lowering İ brings a new one.
            let plain = word.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
            out.extend(plain.nfd().filter(|c| !is_combining_mark(*c)));
        }
        if out.len() == start {
            // A word of marks alone is none.
            out.truncate(before);
        }
    }
    out
}

/// Whether a character is punctuation; symbols such as `+` are not.
fn is_punctuation(c: char) -> bool {
    match c {
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' => false,
        '¡' | '§' | '«' | '¶' | '·' | '»' | '¿' => true,
        '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205E}' => !matches!(c, '\u{2044}' | '\u{2052}'),
        '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301F}' => true,
        _ => c.is_ascii_punctuation(),
    }
}

/// A text as string parameters compare it: folded, and without punctuation. A text that is nothing
/// else is empty, and found by `:exact` alone.
pub(crate) fn norm(text: &str) -> String {
    let folded = fold(text);
    if !folded.contains(is_punctuation) {
        return folded;
    }
    let plain = folded.replace(is_punctuation, "");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The parts of a HumanName and of an Address that a search looks at.
const PARTS: [(&str, &[&str]); 2] = [
    ("HumanName", &["text", "family", "given", "prefix", "suffix"]),
    ("Address", &["text", "line", "city", "district", "state", "country", "postalCode"]),
];

pub(crate) fn index(item: &Item<'_>, param: i32, rows: &mut Vec<StringRow>) {
    let name = item.type_name();
    let mut add = |text: &str| {
        if !text.trim().is_empty() {
            rows.push(StringRow { param, norm: norm(text).into(), exact: text.into() });
        }
    };
    if let Some((_, parts)) = PARTS.iter().find(|(ty, _)| *ty == name) {
        for part in *parts {
            texts(item.node, part).for_each(|text| add(&text));
        }
        if name == "HumanName"
            && let Some(full) = full_name(item.node)
        {
            add(&full);
        }
    } else if let Some(text) = item.node.string() {
        add(&text);
    } else if let Some(text) = item.node.get_str("text") {
        // CodeableConcept and the like.
        add(&text);
    }
}

fn texts<'a>(node: Node<'a>, name: &str) -> impl Iterator<Item = std::borrow::Cow<'a, str>> {
    node.get(name).into_iter().flat_map(Node::each).filter_map(Node::string)
}

/// Given names and family name in one text, when the name has both and says no text itself.
fn full_name(node: Node<'_>) -> Option<String> {
    if node.get("text").is_some() {
        return None;
    }
    let family = node.get_str("family")?;
    let mut full = texts(node, "given").fold(String::new(), |full, given| full + &given + " ");
    if full.is_empty() {
        return None;
    }
    full.push_str(&family);
    Some(full)
}

/// Reads a value of the URL.
pub(crate) fn parse(text: &str, place: Place) -> Result<Value> {
    let norm = norm(text);
    if norm.is_empty() && (place != Place::Whole || text.trim().is_empty()) {
        return Err(Error::invalid("A text to search for must have a letter or digit in it."));
    }
    Ok(Value { place, norm: norm.into(), exact: text.into() })
}

impl Value {
    pub(crate) fn holds(&self, norm: &str, exact: &str) -> bool {
        match self.place {
            Place::Whole => exact == &*self.exact,
            place => place.holds(&self.norm, norm),
        }
    }

    /// The same as [`holds`](Self::holds), of table `x`.
    pub(crate) fn sql(&self, w: &mut Writer, x: &str) {
        if self.place == Place::Whole {
            w.push(x).push(".norm = ").arg(Arg::Text(self.norm.to_string()));
            w.push(" and ").push(x).push(".exact = ").arg(Arg::Text(self.exact.to_string()));
        } else {
            self.sql_norm(w, &format!("{x}.norm"));
        }
    }

    /// The folded text compared with a column.
    pub(crate) fn sql_norm(&self, w: &mut Writer, column: &str) {
        match self.place {
            Place::Start => {
                w.push(column).push(" >= ").arg(Arg::Text(self.norm.to_string()));
                // No text of ours holds the last code point, so this is the end of all that start so.
                w.push(" and ").push(column).push(" < ").arg(Arg::Text(format!("{}\u{10FFFF}", self.norm)));
            }
            Place::Whole | Place::Same => {
                _ = w.push(column).push(" = ").arg(Arg::Text(self.norm.to_string()))
            }
            Place::Anywhere | Place::End => self.place.like(w.push(column), &self.norm),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_takes_case_accents_and_white_space_away() {
        for (text, folded) in [
            ("Müller", "muller"),
            ("  Ann\u{a0}\tMarie ", "ann marie"),
            ("ÅNGSTRÖM", "angstrom"),
            ("E\u{301}cole", "ecole"),
            ("İstanbul", "istanbul"),
            ("Ελλάδα", "ελλαδα"),
            ("O'Brien", "o'brien"),
            (" ", ""),
            ("a \u{301} b", "a b"),
            ("a \u{301}", "a"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn a_text_is_searched_from_its_start() {
        let cases = [
            (Place::Start, "Eve", "eve", true),
            (Place::Start, "Eve", "Evelyn", true),
            (Place::Start, "Eve", "Severine", false),
            (Place::Anywhere, "Eve", "Severine", true),
            (Place::Whole, "Eve", "eve", false),
            (Place::Whole, "Eve", "Eve", true),
        ];
        for (place, search, stored, expected) in cases {
            let value = parse(search, place).unwrap();
            assert_eq!(value.holds(&fold(stored), stored), expected, "{place:?} {search} of {stored}");
        }
        assert!(parse(" \t", Place::Start).is_err());
    }

    proptest::proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC*") {
            let once = fold(&text);
            proptest::prop_assert_eq!(fold(&once), once);
        }
    }
}
