//! From loops of segments to a transaction set, and from sets to interchanges with given delimiters.
//!
//! Order comes from the guide's tables, so whoever composes only says what is inside which loop.

use crate::delimiters::Delimiters;
use crate::finding::Place;
use crate::guide::{Guide, LoopSpec, What};
use crate::raw::{Mark, Raw};

/// A loop to be written.
#[derive(Clone, Debug, Default)]
pub struct LoopText {
    /// `2300`; empty for the transaction set.
    pub id: &'static str,
    /// Its own segments; the first begins the loop.
    pub segments: Vec<Raw>,
    /// Loops inside.
    pub loops: Vec<LoopText>,
}

impl LoopText {
    /// A loop with its segments.
    pub fn new(id: &'static str, segments: Vec<Raw>) -> LoopText {
        LoopText { id, segments, loops: Vec::new() }
    }
}

/// The segments of a transaction set, ST and SE around them.
pub fn transaction(guide: &Guide, control: &str, version: &str, body: LoopText) -> Vec<Raw> {
    let mut segments = vec![Raw::new("ST").with(guide.set).with(control).with(version).trimmed()];
    flatten(guide, &guide.loops[0], body, &mut segments);
    let count = (segments.len() + 1).to_string();
    segments.push(Raw::new("SE").with(count).with(control));
    segments
}

/// Where an own segment stands: where the guide has it, else with others of its identifier, else behind
/// the segment that begins the loop.
fn segment_position(spec: &LoopSpec, raw: &Raw) -> usize {
    let (id, key) = (raw.id().as_bytes(), raw.key().as_bytes());
    let is_segment = |item: &&crate::guide::Item| matches!(item.what, What::Segment(_));
    let exact = spec.items.iter().filter(is_segment).find(|item| item.takes(id, key));
    let alike = || spec.items.iter().filter(is_segment).find(|item| item.id.as_bytes() == id);
    exact.or_else(alike).map_or(0, |item| item.position)
}

fn loop_position(guide: &Guide, spec: &LoopSpec, id: &str) -> usize {
    let is_it = |what: What| matches!(what, What::Loop(number) if guide.loops[number].id == id);
    spec.items.iter().find(|item| is_it(item.what)).map_or(usize::MAX, |item| item.position)
}

fn inner_spec<'g>(guide: &'g Guide, spec: &LoopSpec, id: &str) -> &'g LoopSpec {
    let numbers = spec.items.iter().filter_map(|item| match item.what {
        What::Loop(number) => Some(number),
        What::Segment(_) => None,
    });
    let found = numbers.map(|number| &guide.loops[number]).find(|inner| inner.id == id);
    found.unwrap_or(&guide.loops[0])
}

enum Entry {
    Segment(Raw),
    Loop(LoopText),
}

/// The set's loops in the order of the guide. The depth is that of the tables.
fn flatten(guide: &Guide, spec: &LoopSpec, body: LoopText, out: &mut Vec<Raw>) {
    let own = body.segments.into_iter().map(|raw| (segment_position(spec, &raw), Entry::Segment(raw)));
    let inner = body.loops.into_iter().map(|l| (loop_position(guide, spec, l.id), Entry::Loop(l)));
    let mut entries: Vec<(usize, Entry)> = own.chain(inner).collect();
    entries.sort_by_key(|(position, _)| *position);
    for (_, entry) in entries {
        match entry {
            Entry::Segment(raw) => out.push(raw.trimmed()),
            Entry::Loop(inner) => flatten(guide, inner_spec(guide, spec, inner.id), inner, out),
        }
    }
}

/// Who an interchange is from or to: qualifier (ISA05, ISA07) and identifier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// `ZZ`.
    pub qualifier: String,
    /// At most 15 characters.
    pub id: String,
}

/// An interchange to be written.
#[derive(Clone, Debug)]
pub struct Interchange {
    /// ISA05 and ISA06.
    pub sender: Address,
    /// ISA07 and ISA08.
    pub receiver: Address,
    /// Eight digits, `CCYYMMDD`.
    pub date: String,
    /// Four digits.
    pub time: String,
    /// ISA13, at most nine digits.
    pub control: u32,
    /// ISA15: production or test.
    pub usage: Usage,
    /// The delimiters to write with.
    pub delimiters: Delimiters,
    /// What is written behind each terminator.
    pub line_end: LineEnd,
    /// TA1 segments, before the groups.
    pub acknowledgements: Vec<Raw>,
    /// Functional groups.
    pub groups: Vec<Group>,
}

/// ISA15.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    /// `P`
    Production,
    /// `T`
    Test,
}

/// What follows a segment terminator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineEnd {
    /// Nothing, as the standard has it.
    None,
    /// A line feed, for people to read.
    Feed,
}

/// A functional group to be written.
#[derive(Clone, Debug)]
pub struct Group {
    /// GS01.
    pub functional: String,
    /// GS02.
    pub sender: String,
    /// GS03.
    pub receiver: String,
    /// GS06.
    pub control: u32,
    /// GS08.
    pub version: String,
    /// Transaction sets, ST to SE.
    pub sets: Vec<Vec<Raw>>,
}

/// A value that cannot be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The segment (counted from ISA, the first is 1) and the element.
    pub place: Place,
    /// A sentence.
    pub message: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place.expression(), self.message)
    }
}

impl std::error::Error for Refused {}

/// Writes an interchange. A value with a delimiter or a control character in it is refused.
pub fn write(interchange: &Interchange) -> Result<Vec<u8>, Refused> {
    let mut out =
        Writer { text: Vec::new(), delimiters: interchange.delimiters, count: 0, line: interchange.line_end };
    if !interchange.delimiters.are_usable() || !interchange.delimiters.are_ascii() {
        let message = "The delimiters must be different marks, no letters, digits or spaces.".to_owned();
        return Err(Refused { place: Place { id: "ISA".into(), ..Place::default() }, message });
    }
    header(interchange, &mut out)?;
    for raw in &interchange.acknowledgements {
        out.segment(raw)?;
    }
    for group in &interchange.groups {
        let gs = Raw::new("GS")
            .with(&group.functional)
            .with(&group.sender)
            .with(&group.receiver)
            .with(&interchange.date)
            .with(&interchange.time)
            .with(group.control.to_string())
            .with("X")
            .with(&group.version);
        out.segment(&gs)?;
        for raw in group.sets.iter().flatten() {
            out.segment(raw)?;
        }
        let ge = Raw::new("GE").with(group.sets.len().to_string()).with(group.control.to_string());
        out.segment(&ge)?;
    }
    let control = format!("{:09}", interchange.control);
    out.segment(&Raw::new("IEA").with(interchange.groups.len().to_string()).with(control))?;
    Ok(out.text)
}

fn header(interchange: &Interchange, out: &mut Writer) -> Result<(), Refused> {
    let padded = |text: &str| format!("{text:<15}");
    let usage = match interchange.usage {
        Usage::Production => "P",
        Usage::Test => "T",
    };
    let date = interchange.date.get(2..).unwrap_or_default();
    let isa = Raw::new("ISA")
        .with("00")
        .with(" ".repeat(10))
        .with("00")
        .with(" ".repeat(10))
        .with(&interchange.sender.qualifier)
        .with(padded(&interchange.sender.id))
        .with(&interchange.receiver.qualifier)
        .with(padded(&interchange.receiver.id))
        .with(date)
        .with(&interchange.time);
    let start = out.text.len();
    out.segment(&isa)?;
    out.text.truncate(out.text.len() - out.end_length());
    let marks = interchange.delimiters;
    let repetition = marks.repetition.unwrap_or(b'U');
    let (e, control) = (char::from(marks.element), interchange.control);
    let rest = format!("{e}{}{e}00501{e}{control:09}{e}0{e}{usage}{e}", char::from(repetition));
    out.text.extend(rest.as_bytes());
    out.text.push(marks.component);
    out.end();
    let length = out.text.len() - start - out.end_length() + 1;
    if length != crate::delimiters::ISA_BYTES || interchange.date.len() != 8 {
        let message = "Sender and receiver have qualifiers of two characters and identifiers of at most 15, \
                       the date 8 digits, the time 4, the control number at most 9.";
        let place = Place { id: "ISA".into(), segment: 1, ..Place::default() };
        return Err(Refused { place, message: message.into() });
    }
    Ok(())
}

/// Writes segments of a set with given delimiters, without envelopes around it.
pub fn write_segments(segments: &[Raw], delimiters: Delimiters) -> Result<Vec<u8>, Refused> {
    let mut out = Writer { text: Vec::new(), delimiters, count: 0, line: LineEnd::None };
    for raw in segments {
        out.segment(raw)?;
    }
    Ok(out.text)
}

struct Writer {
    text: Vec<u8>,
    delimiters: Delimiters,
    count: u64,
    line: LineEnd,
}

impl Writer {
    fn segment(&mut self, raw: &Raw) -> Result<(), Refused> {
        self.count += 1;
        let (mut element, mut component) = (0, 0);
        for mark in raw.marks() {
            match mark {
                Mark::Element => {
                    (element, component) = (element + 1, 0);
                    self.text.push(self.delimiters.element);
                }
                Mark::Component => {
                    component += 1;
                    self.text.push(self.delimiters.component);
                }
                Mark::Repeat => match self.delimiters.repetition {
                    Some(byte) => self.text.push(byte),
                    None => {
                        return Err(self.refuse(raw, element, 0, "is repeated, and ISA11 is no separator"));
                    }
                },
                Mark::Char(c) if c.is_control() || self.is_delimiter(c) => {
                    let what =
                        format!("has the character {c:?}, which is a delimiter or a control character");
                    let component = if component > 0 { component + 1 } else { 0 };
                    return Err(self.refuse(raw, element, component, &what));
                }
                Mark::Char(c) => self.text.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.end();
        Ok(())
    }

    fn is_delimiter(&self, c: char) -> bool {
        u8::try_from(c).is_ok_and(|byte| self.delimiters.contain(byte))
    }

    fn refuse(&self, raw: &Raw, element: u16, component: u16, what: &str) -> Refused {
        let place =
            Place { segment: self.count, id: raw.id().to_owned(), element, component, ..Place::default() };
        Refused { place, message: format!("The value {what}.") }
    }

    fn end(&mut self) {
        self.text.push(self.delimiters.terminator);
        if self.line == LineEnd::Feed {
            self.text.push(b'\n');
        }
    }

    fn end_length(&self) -> usize {
        if self.line == LineEnd::Feed { 2 } else { 1 }
    }
}
