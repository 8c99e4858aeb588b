//! A file as a whole, in memory or from a stream.

use std::io::Read;

use crate::finding::{Finding, Findings};
use crate::limits::BLOCK_BYTES;
use crate::parts::{Event, Part, Parts, Transaction};
use crate::segment::Segment;

/// All parts of a file in memory.
#[derive(Debug)]
pub struct Document<'a> {
    /// The parts in order.
    pub parts: Vec<Part<'a>>,
    /// Findings of the envelopes, bounded.
    pub findings: Findings,
}

/// A transaction set with the headers around it.
#[derive(Clone, Copy, Debug)]
pub struct Enclosed<'d, 'a> {
    /// ISA, where there was one.
    pub interchange: Option<&'d Segment<'a>>,
    /// GS, where there was one.
    pub group: Option<&'d Segment<'a>>,
    /// The set.
    pub transaction: &'d Transaction<'a>,
}

impl<'a> Document<'a> {
    /// Reads the envelopes of a file. Never fails: what cannot be read is residue and a finding.
    pub fn parse(text: &'a [u8]) -> Document<'a> {
        let mut parts = Vec::new();
        let mut findings = Findings::default();
        let mut at = 0;
        let mut residue_from = 0;
        for_each_part(text, |event| {
            findings.extend(event.findings);
            match (parts.last_mut(), &event.part) {
                // Noise between interchanges comes in pieces; it is one part.
                (Some(Part::Residue(before)), Part::Residue(_)) => {
                    *before = &text[residue_from..at + event.consumed];
                }
                _ => {
                    residue_from = at;
                    parts.push(event.part);
                }
            }
            at += event.consumed;
        });
        Document { parts, findings }
    }

    /// The file again, to the byte.
    pub fn emit(&self) -> Vec<u8> {
        self.parts.iter().flat_map(Part::pieces).collect::<Vec<_>>().concat()
    }

    /// The transaction sets.
    pub fn transactions(&self) -> impl Iterator<Item = Enclosed<'_, 'a>> {
        let (mut interchange, mut group) = (None, None);
        self.parts.iter().filter_map(move |part| {
            match part {
                Part::Interchange(isa) => (interchange, group) = (Some(isa), None),
                Part::Group(gs) => group = Some(gs),
                Part::GroupEnd(_) => group = None,
                Part::InterchangeEnd(_) => (interchange, group) = (None, None),
                Part::Transaction(transaction) => {
                    return Some(Enclosed { interchange, group, transaction });
                }
                _ => {}
            }
            None
        })
    }
}

/// Calls `each` with the parts of a file in memory, one at a time.
pub fn for_each_part<'a>(text: &'a [u8], mut each: impl FnMut(Event<'a>)) {
    let mut parts = Parts::new();
    let mut at = 0;
    while let Some(event) = parts.next(&text[at..], true) {
        at += event.consumed;
        each(event);
    }
}

/// Reads a stream of any length; memory is bounded by the longest transaction set.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    parts: Parts,
    buffer: Vec<u8>,
    start: usize,
    is_all: bool,
}

impl<R: Read> Reader<R> {
    /// Over a stream.
    pub fn new(source: R) -> Reader<R> {
        Reader { source, parts: Parts::new(), buffer: Vec::new(), start: 0, is_all: false }
    }

    /// Calls `each` with the parts, one at a time. Ends with the error of the stream if it has one.
    pub fn for_each(mut self, mut each: impl FnMut(Event<'_>)) -> std::io::Result<()> {
        loop {
            while let Some(event) = self.parts.next(&self.buffer[self.start..], self.is_all) {
                self.start += event.consumed;
                each(event);
            }
            if self.is_all {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Reads at least one byte more, and at least as many as are waiting: work stays linear.
    fn fill(&mut self) -> std::io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let wanted = BLOCK_BYTES.max(self.buffer.len());
        let before = self.buffer.len();
        let read = self.source.by_ref().take(wanted as u64).read_to_end(&mut self.buffer)?;
        self.is_all = read < wanted;
        debug_assert_eq!(self.buffer.len(), before + read);
        Ok(())
    }
}

/// Findings of the envelopes of a file.
pub fn envelope_findings(text: &[u8]) -> Vec<Finding> {
    Document::parse(text).findings.into_sorted()
}
