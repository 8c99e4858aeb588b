//! The loop grammar of each guide, read from the tables in `guides/`. A guide is data: adding one is a
//! file and a line here.
//!
//! Consecutive entries of a loop that begin with the same segment share a position: their order among
//! each other is free, as in the dictionary that the guides restrict.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use crate::dictionary::{Definition, definition};

/// Which set a guide is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// 837P.
    Professional,
    /// 837I.
    Institutional,
    /// 837D.
    Dental,
    /// 835.
    Remittance,
    /// 277CA.
    ClaimAcknowledgement,
    /// 999.
    Acknowledgement,
}

impl Kind {
    /// Whether it is a claim.
    pub fn is_claim(self) -> bool {
        matches!(self, Kind::Professional | Kind::Institutional | Kind::Dental)
    }
}

/// Whether an entry must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    /// It must.
    Required,
    /// It should; many senders leave it out.
    Wanted,
    /// It depends.
    Situational,
}

/// A rule about one element of a segment at one place.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Element, from 1.
    pub element: usize,
    /// Component, from 1; 0 for the element.
    pub component: usize,
    /// Whether it must be there.
    pub is_required: bool,
    /// Whether it must be absent.
    pub is_unused: bool,
    /// Values allowed; any when empty.
    pub codes: Vec<&'static str>,
}

/// A segment at one place of a guide.
#[derive(Debug)]
pub struct SegmentSpec {
    /// `REF`.
    pub id: &'static str,
    /// Its definition.
    pub definition: &'static Definition,
    /// Rules about its elements.
    pub rules: Vec<Rule>,
}

/// A loop of a guide.
#[derive(Debug)]
pub struct LoopSpec {
    /// `2300`.
    pub id: &'static str,
    /// What it is, in our words.
    pub title: String,
    /// Entries in order; the first is the segment that begins the loop.
    pub items: Vec<Item>,
}

/// An entry of a loop.
#[derive(Debug)]
pub struct Item {
    /// Entries of one position may come in any order.
    pub position: usize,
    /// Identifier of the (first) segment.
    pub id: &'static str,
    /// Values of the key element that tell this entry from others; any when empty.
    pub keys: Vec<&'static str>,
    /// Whether it must be there.
    pub usage: Usage,
    /// How often it may come.
    pub max: u32,
    /// What it is.
    pub what: What,
}

/// A segment or a loop, by its number in the guide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Segment.
    Segment(usize),
    /// Loop.
    Loop(usize),
}

/// A guide.
#[derive(Debug)]
pub struct Guide {
    /// `005010X222A1`, as GS08 has it.
    pub id: &'static str,
    /// Other versions read by the same tables.
    pub also: Vec<&'static str>,
    /// `837`.
    pub set: &'static str,
    /// GS01.
    pub functional: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// Loops; the first is the transaction set itself.
    pub loops: Vec<LoopSpec>,
    /// Segments.
    pub segments: Vec<SegmentSpec>,
    ids: HashSet<&'static [u8]>,
}

static GUIDES: LazyLock<Vec<Guide>> = LazyLock::new(|| {
    let texts = [
        include_str!("guides/837p.txt"),
        include_str!("guides/837i.txt"),
        include_str!("guides/837d.txt"),
        include_str!("guides/835.txt"),
        include_str!("guides/277ca.txt"),
        include_str!("guides/999.txt"),
    ];
    texts.into_iter().map(parse).collect()
});

impl Guide {
    /// All guides.
    pub fn all() -> &'static [Guide] {
        &GUIDES
    }

    /// The guide of a version, as in GS08 or ST03.
    pub fn of_version(version: &str) -> Option<&'static Guide> {
        GUIDES.iter().find(|guide| guide.id == version || guide.also.contains(&version))
    }

    /// The guide for a purpose.
    pub fn of_kind(kind: Kind) -> &'static Guide {
        GUIDES.iter().find(|guide| guide.kind == kind).expect("each kind has a guide")
    }

    /// Whether a segment of this identifier has any place in the set.
    pub fn has(&self, id: &[u8]) -> bool {
        self.ids.contains(id)
    }

    /// The loop of an identifier.
    pub fn find_loop(&self, id: &str) -> Option<&LoopSpec> {
        self.loops.iter().find(|spec| spec.id == id)
    }
}

impl LoopSpec {
    /// The entry that a segment of this identifier and key belongs to.
    pub fn item(&self, id: &[u8], key: &[u8]) -> Option<&Item> {
        self.items.iter().find(|item| item.takes(id, key))
    }
}

impl Item {
    /// Whether a segment of this identifier and key begins or is this entry.
    pub fn takes(&self, id: &[u8], key: &[u8]) -> bool {
        self.id.as_bytes() == id && (self.keys.is_empty() || self.keys.iter().any(|k| k.as_bytes() == key))
    }
}

/// The element and component that tell entries of one segment apart.
pub fn key_place(id: &[u8]) -> (usize, usize) {
    match id {
        b"HL" => (3, 0),
        b"HI" => (1, 1),
        _ => (1, 0),
    }
}

/// Lines of a table, blocks of `def` put in the place of `use`.
fn lines(text: &'static str) -> Vec<&'static str> {
    let mut blocks: HashMap<&str, Vec<&'static str>> = HashMap::new();
    let mut block: Option<&str> = None;
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let into = match (line.split_once(' '), block) {
            (Some(("def", name)), _) => {
                block = Some(name);
                continue;
            }
            _ if line == "enddef" => {
                block = None;
                continue;
            }
            (_, Some(name)) => Some(name),
            (_, None) => None,
        };
        let added = match line.strip_prefix("use ") {
            Some(name) => blocks.get(name).unwrap_or_else(|| panic!("no block {name}")).clone(),
            None => vec![line],
        };
        match into {
            Some(name) => blocks.entry(name).or_default().extend(added),
            None => lines.extend(added),
        }
    }
    lines
}

/// A guide from its table.
fn parse(text: &'static str) -> Guide {
    let mut guide = Guide {
        id: "",
        also: Vec::new(),
        set: "",
        functional: "",
        kind: Kind::Acknowledgement,
        loops: vec![LoopSpec { id: "", title: "transaction set".into(), items: Vec::new() }],
        segments: Vec::new(),
        ids: HashSet::new(),
    };
    let mut open = vec![0];
    for line in lines(text) {
        let words: Vec<_> = line.split_whitespace().collect();
        let inside = *open.last().expect("`end` without `loop` in a guide");
        match words[0] {
            "guide" => {
                (guide.id, guide.set, guide.functional) = (words[1], words[2], words[3]);
                guide.kind = kind(words[4]);
            }
            "also" => guide.also = words[1..].to_vec(),
            "end" => drop(open.pop()),
            "loop" => {
                let title = words[4..].join(" ");
                guide.loops.push(LoopSpec { id: words[1], title, items: Vec::new() });
                let number = guide.loops.len() - 1;
                let item = item(words[2], words[3], What::Loop(number));
                guide.loops[inside].items.push(item);
                open.push(number);
            }
            _ => segment(&mut guide, inside, &words),
        }
    }
    finish(guide)
}

fn kind(word: &str) -> Kind {
    match word {
        "professional-claim" => Kind::Professional,
        "institutional-claim" => Kind::Institutional,
        "dental-claim" => Kind::Dental,
        "remittance" => Kind::Remittance,
        "claim-acknowledgement" => Kind::ClaimAcknowledgement,
        "acknowledgement" => Kind::Acknowledgement,
        _ => panic!("{word} is no kind of guide"),
    }
}

fn item(usage: &str, max: &str, what: What) -> Item {
    let usage = match usage {
        "R" => Usage::Required,
        "W" => Usage::Wanted,
        "S" => Usage::Situational,
        _ => panic!("{usage} is no usage"),
    };
    let max = if max == "*" { u32::MAX } else { max.parse().expect("a number of uses in a guide") };
    Item { position: 0, id: "", keys: Vec::new(), usage, max, what }
}

fn segment(guide: &mut Guide, inside: usize, words: &[&'static str]) {
    let id = words[0];
    let definition = definition(id.as_bytes()).unwrap_or_else(|| panic!("{id} is not in the dictionary"));
    let keys = words.get(3).filter(|keys| **keys != "-");
    let rules = words.iter().skip(4).map(|word| rule(word)).collect();
    guide.segments.push(SegmentSpec { id, definition, rules });
    guide.ids.insert(id.as_bytes());
    let mut item = item(words[1], words[2], What::Segment(guide.segments.len() - 1));
    item.id = id;
    item.keys = keys.map(|keys| keys.split('|').collect()).unwrap_or_default();
    guide.loops[inside].items.push(item);
}

/// `05.2=B!`, `03!`, `04x`.
fn rule(word: &'static str) -> Rule {
    let is_required = word.ends_with('!');
    let word = word.trim_end_matches('!');
    let (place, codes) = word.split_once('=').unwrap_or((word, ""));
    let is_unused = place.ends_with('x');
    let (element, component) = place.trim_end_matches('x').split_once('.').unwrap_or((place, "0"));
    let number = |text: &str| text.trim_end_matches('x').parse().expect("a number of an element in a guide");
    let codes = codes.split('|').filter(|code| !code.is_empty()).collect();
    Rule { element: number(element), component: number(component), is_required, is_unused, codes }
}

/// Gives loops the identifiers of their first segments, and entries their positions.
fn finish(mut guide: Guide) -> Guide {
    let leads: Vec<(&'static str, Vec<&'static str>)> = guide
        .loops
        .iter()
        .map(|spec| spec.items.first().map(|item| (item.id, item.keys.clone())).expect("a loop begins"))
        .collect();
    for spec in &mut guide.loops {
        let mut position = 0;
        let mut before: Option<(&'static str, bool)> = None;
        for item in &mut spec.items {
            let is_loop = match item.what {
                What::Loop(number) => {
                    (item.id, item.keys) = leads[number].clone();
                    true
                }
                What::Segment(_) => false,
            };
            // The segment that begins a loop stands alone, even if the next has its identifier.
            let shares = before == Some((item.id, is_loop)) && position > 0;
            position += usize::from(before.is_some() && !shares);
            item.position = position;
            before = Some((item.id, is_loop));
        }
    }
    guide
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guide_is_read_and_found_by_its_versions() {
        for guide in Guide::all() {
            assert_eq!(guide.loops[0].items[0].id, "ST", "{}", guide.id);
            assert_eq!(Guide::of_version(guide.id).map(|g| g.kind), Some(guide.kind));
            for version in &guide.also {
                assert_eq!(Guide::of_version(version).map(|g| g.kind), Some(guide.kind));
            }
        }
        assert_eq!(Guide::all().len(), 6);
        assert!(Guide::of_version("004010X098A1").is_none());
    }

    #[test]
    fn rules_name_elements_of_their_segments() {
        for guide in Guide::all() {
            for spec in &guide.segments {
                for rule in &spec.rules {
                    let count = spec.definition.elements.len();
                    assert!((1..=count).contains(&rule.element), "{} {} {rule:?}", guide.id, spec.id);
                }
            }
        }
    }

    #[test]
    fn entries_that_begin_alike_share_a_position() {
        let guide = Guide::of_kind(Kind::Professional);
        let claim = guide.find_loop("2300").expect("837P has 2300");
        let position = |id: &str, key: &str| claim.item(id.as_bytes(), key.as_bytes()).map(|i| i.position);
        assert_eq!(position("DTP", "431"), position("DTP", "050"));
        assert_eq!(position("NM1", "82"), position("NM1", "77"));
        assert!(position("CLM", "A") < position("DTP", "431"));
        assert!(position("NM1", "82") < position("SBR", "S"));
        assert!(position("SBR", "S") < position("LX", "1"));
    }
}
