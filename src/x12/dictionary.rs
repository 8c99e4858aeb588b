//! The dictionary of segments and composites: `guides/segments.txt` as values.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::LazyLock;

/// Type of a simple data element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// A code.
    Id,
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// A decimal number.
    Decimal,
    /// A date, `CCYYMMDD` or `YYMMDD`.
    Date,
    /// A time, `HHMM` and finer.
    Time,
}

/// What an element is made of.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// Type, fewest and most characters.
    Simple(Type, usize, usize),
    /// Components as in a composite of the dictionary.
    Composite(&'static str),
}

/// An element of a segment, or a component of a composite.
#[derive(Clone, Copy, Debug)]
pub struct ElementDefinition {
    /// What it holds.
    pub content: Content,
    /// Whether it must be there.
    pub is_mandatory: bool,
    /// How often it may be repeated.
    pub repeats: usize,
}

/// How elements depend on each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// All or none.
    Paired,
    /// At least one.
    Required,
    /// At most one.
    Exclusive,
    /// If the first, then all.
    Conditional,
    /// If the first, then at least one other.
    List,
}

/// A syntax note of a segment.
#[derive(Clone, Debug)]
pub struct Note {
    /// What holds between them.
    pub relation: Relation,
    /// Numbers of the elements.
    pub elements: Vec<usize>,
}

/// A segment or composite.
#[derive(Clone, Debug)]
pub struct Definition {
    /// `CLM`, `C023`.
    pub id: &'static str,
    /// Elements in order.
    pub elements: Vec<ElementDefinition>,
    /// Syntax notes.
    pub notes: Vec<Note>,
}

static DICTIONARY: LazyLock<Dictionary> = LazyLock::new(|| parse(include_str!("guides/segments.txt")));

type Dictionary = HashMap<&'static [u8], Definition, BuildHasherDefault<ShortHash>>;

/// FNV-1a: identifiers have two to four bytes and come from our own table, for every segment and
/// composite of a file they are looked up; a hash that withstands attackers would cost more than the rest.
#[derive(Default)]
struct ShortHash(u64);

impl Hasher for ShortHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_usize(&mut self, length: usize) {
        self.0 ^= length as u64;
    }
}

/// The definition of a segment or composite.
pub fn definition(id: &[u8]) -> Option<&'static Definition> {
    DICTIONARY.get(id)
}

fn parse(text: &'static str) -> Dictionary {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| (line.split(' ').next().unwrap_or_default().as_bytes(), definition_of(line))).collect()
}

fn definition_of(line: &'static str) -> Definition {
    let (head, notes) = line.split_once(" ; ").unwrap_or((line, ""));
    let mut words = head.split_whitespace();
    let id = words.next().unwrap_or_default();
    let elements = words.map(element).collect();
    Definition { id, elements, notes: notes.split_whitespace().map(note).collect() }
}

fn element(word: &'static str) -> ElementDefinition {
    let (word, repeats) = word.split_once('*').unwrap_or((word, "1"));
    let is_mandatory = word.ends_with('!');
    let word = word.trim_end_matches('!');
    let repeats = repeats.parse().expect("a number of repetitions in the dictionary");
    let content = match word.split_once('-') {
        None => Content::Composite(word),
        Some((first, most)) => {
            let (kind, fewest) = first.split_at(first.find(|c: char| c.is_ascii_digit()).unwrap_or(0));
            let kind = match kind {
                "ID" => Type::Id,
                "AN" => Type::Text,
                "N" => Type::Number,
                "R" => Type::Decimal,
                "DT" => Type::Date,
                "TM" => Type::Time,
                _ => panic!("{word} has no type of the dictionary"),
            };
            let length = |text: &str| text.parse().expect("a length in the dictionary");
            Content::Simple(kind, length(fewest), length(most))
        }
    };
    ElementDefinition { content, is_mandatory, repeats }
}

fn note(word: &'static str) -> Note {
    let relation = match word.as_bytes()[0] {
        b'P' => Relation::Paired,
        b'R' => Relation::Required,
        b'E' => Relation::Exclusive,
        b'C' => Relation::Conditional,
        b'L' => Relation::List,
        _ => panic!("{word} is no syntax note"),
    };
    let digits = word.as_bytes()[1..].chunks(2);
    let elements = digits.map(|d| usize::from(d[0] - b'0') * 10 + usize::from(d[1] - b'0')).collect();
    Note { relation, elements }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_composite_that_is_named_is_defined() {
        assert!(DICTIONARY.len() > 80);
        for definition in DICTIONARY.values() {
            for element in &definition.elements {
                if let Content::Composite(id) = element.content {
                    assert!(DICTIONARY.contains_key(id.as_bytes()), "{} of {}", id, definition.id);
                }
            }
            for note in &definition.notes {
                assert!(note.elements.iter().all(|n| (1..=definition.elements.len()).contains(n)));
                assert!(note.elements.len() > 1, "{}", definition.id);
            }
        }
    }

    #[test]
    fn a_line_of_the_dictionary_says_all() {
        let dmg = definition(b"DMG").expect("DMG is defined");
        assert_eq!(dmg.elements.len(), 11);
        assert_eq!(dmg.elements[4].repeats, 10);
        assert!(matches!(dmg.elements[4].content, Content::Composite("C056")));
        assert!(matches!(dmg.elements[1].content, Content::Simple(Type::Text, 1, 35)));
        assert_eq!(dmg.notes[0].relation, Relation::Paired);
        assert_eq!(dmg.notes[0].elements, [1, 2]);
    }
}
