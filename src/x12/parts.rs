//! From bytes to the parts of interchanges: ISA, GS, whole transaction sets, GE, IEA, and whatever lies
//! between. Works on any window of a file, so memory is bounded by one transaction set.
//!
//! Nothing is dropped: the parts, concatenated, are the file to the byte.

use crate::delimiters::{Delimiters, Header, Width};
use crate::envelope::{Envelope, header_findings};
use crate::finding::{Answer, Finding, Level, Place};
use crate::limits::{
    MAX_ENVELOPE_FAULTS, MAX_SEGMENT_BYTES, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_SEGMENTS,
};
use crate::segment::Segment;

/// A transaction set, ST to SE.
#[derive(Clone, Debug)]
pub struct Transaction<'a> {
    /// Segments in order, ST first, SE last where it is there.
    pub segments: Vec<Segment<'a>>,
    /// Functional group's version, GS08.
    pub group_version: String,
}

/// A part of a file.
#[derive(Clone, Debug)]
pub enum Part<'a> {
    /// Bytes that belong to no interchange.
    Residue(&'a [u8]),
    /// ISA.
    Interchange(Segment<'a>),
    /// TA1, the acknowledgement of an interchange.
    Acknowledgement(Segment<'a>),
    /// GS.
    Group(Segment<'a>),
    /// ST to SE.
    Transaction(Transaction<'a>),
    /// GE.
    GroupEnd(Segment<'a>),
    /// IEA.
    InterchangeEnd(Segment<'a>),
    /// A segment that has no place outside of transaction sets.
    Stray(Segment<'a>),
    /// The file is at its end.
    End,
}

/// A part with what is wrong about the envelopes there.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The part.
    pub part: Part<'a>,
    /// Findings of the envelopes. What is inside transaction sets is checked elsewhere.
    pub findings: Vec<Finding>,
    /// Number of bytes of the window that are done with.
    pub consumed: usize,
}

impl<'a> Part<'a> {
    /// The bytes of the part, in pieces.
    pub fn pieces(&self) -> Vec<&'a [u8]> {
        match self {
            Part::Residue(bytes) => vec![bytes],
            Part::Transaction(set) => set.segments.iter().map(Segment::whole).collect(),
            Part::End => Vec::new(),
            Part::Interchange(s)
            | Part::Acknowledgement(s)
            | Part::Group(s)
            | Part::GroupEnd(s)
            | Part::InterchangeEnd(s)
            | Part::Stray(s) => vec![s.whole()],
        }
    }
}

/// Walks over a file.
#[derive(Debug, Default)]
pub struct Parts {
    offset: u64,
    delimiters: Option<Delimiters>,
    envelope: Envelope,
    /// Nothing can be read until the next ISA.
    is_lost: bool,
    is_ended: bool,
    /// Faults of the envelopes of this interchange.
    faults: usize,
}

/// What a look for the next segment gives.
enum Scan<'a> {
    Found(Segment<'a>),
    More,
    /// No terminator within the limit, or none before the end of the file.
    Lost,
    Empty,
}

impl Parts {
    /// At the beginning of a file.
    pub fn new() -> Parts {
        Parts::default()
    }

    /// Byte of the file at which the next window must begin.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next part of a window that begins at [`Parts::offset`]. `is_all` says that the window reaches
    /// the end of the file; otherwise `None` asks for a longer window. After the last part comes
    /// [`Part::End`], then always `None`.
    pub fn next<'a>(&mut self, window: &'a [u8], is_all: bool) -> Option<Event<'a>> {
        if self.is_ended {
            return None;
        }
        let event = match self.delimiters {
            Some(delimiters) if !self.is_lost => self.inside(window, delimiters, is_all),
            _ => self.outside(window, is_all),
        }?;
        self.offset += event.consumed as u64;
        self.faults += event.findings.len();
        Some(event)
    }

    /// Between interchanges: only ISA may come.
    fn outside<'a>(&mut self, window: &'a [u8], is_all: bool) -> Option<Event<'a>> {
        if window.starts_with(b"ISA") {
            return self.begin(window, is_all);
        }
        if window.is_empty() {
            return is_all.then(|| self.end());
        }
        let length = match memchr::memmem::find(window, b"ISA") {
            Some(at) => at,
            None if is_all => window.len(),
            // The last two bytes may be the beginning of an ISA.
            None if window.len() > 2 => window.len() - 2,
            None => return None,
        };
        // `ISA` as part of a word goes on as residue: one byte more, and again.
        let bytes = &window[..length.max(1)];
        let is_blank = is_blank(bytes);
        let mut findings = Vec::new();
        if !is_blank && !self.is_lost {
            let place = Place { offset: self.offset, ..Place::default() };
            let message = "Bytes that belong to no interchange: an interchange begins with ISA.";
            findings.push(Finding::new(Level::Syntax, "no-interchange", place, message));
            self.is_lost = true;
        }
        Some(Event { part: Part::Residue(bytes), findings, consumed: bytes.len() })
    }

    /// At an ISA.
    fn begin<'a>(&mut self, window: &'a [u8], is_all: bool) -> Option<Event<'a>> {
        let place = Place { offset: self.offset, id: "ISA".into(), ..Place::default() };
        let (delimiters, width) = match Delimiters::read(window, is_all) {
            Header::Incomplete => return None,
            Header::Read(delimiters, width) => (delimiters, width),
            Header::Broken(why) => {
                let message = format!("No interchange can be read here: {why}.");
                let mut findings = Vec::new();
                if !self.is_lost {
                    let finding = Finding::new(Level::Syntax, "isa-broken", place, message);
                    findings.push(finding.answered(Answer::Interchange("022")));
                }
                self.is_lost = true;
                let consumed = window.len().min(3);
                return Some(Event { part: Part::Residue(&window[..consumed]), findings, consumed });
            }
        };
        let segment = match scan(window, 0, delimiters, self.offset, is_all) {
            Scan::Found(segment) => segment,
            _ => return None,
        };
        self.is_lost = false;
        self.faults = 0;
        self.delimiters = Some(delimiters);
        let mut findings = self.envelope.begin_interchange(&segment);
        if width == Width::Counted {
            let message = "ISA is not 106 bytes long: each of its elements has a fixed width.";
            let finding = Finding::new(Level::Syntax, "isa-width", place, message);
            findings.push(finding.answered(Answer::Interchange("022")));
        }
        findings.extend(header_findings(&segment));
        let consumed = segment.whole().len();
        Some(Event { part: Part::Interchange(segment), findings, consumed })
    }

    /// Inside an interchange.
    fn inside<'a>(&mut self, window: &'a [u8], delimiters: Delimiters, is_all: bool) -> Option<Event<'a>> {
        let segment = match scan(window, 0, delimiters, self.offset, is_all) {
            Scan::Found(_) if self.faults > MAX_ENVELOPE_FAULTS => {
                return Some(self.lose(window, is_all));
            }
            Scan::Found(segment) => segment,
            Scan::More => return None,
            Scan::Empty => return Some(self.end()),
            Scan::Lost => return Some(self.lose(window, is_all)),
        };
        if segment.id() == b"ISA" {
            return self.begin(window, is_all);
        }
        if segment.id() == b"ST" {
            return self.transaction(window, delimiters, is_all);
        }
        let (part, findings) = match segment.id() {
            b"GS" => (Part::Group(segment), self.envelope.begin_group(&segment)),
            b"GE" => (Part::GroupEnd(segment), self.envelope.end_group(&segment)),
            b"TA1" => (Part::Acknowledgement(segment), self.envelope.acknowledge(&segment)),
            b"IEA" => {
                self.delimiters = None;
                (Part::InterchangeEnd(segment), self.envelope.end_interchange(&segment))
            }
            _ => (Part::Stray(segment), self.envelope.stray(&segment)),
        };
        Some(Event { part, findings, consumed: segment.whole().len() })
    }

    /// From ST to SE, or to where another envelope begins or ends.
    fn transaction<'a>(
        &mut self,
        window: &'a [u8],
        delimiters: Delimiters,
        is_all: bool,
    ) -> Option<Event<'a>> {
        let mut segments: Vec<Segment<'a>> = Vec::new();
        let mut at = 0;
        let mut is_whole = false;
        while at <= MAX_TRANSACTION_BYTES && segments.len() < MAX_TRANSACTION_SEGMENTS {
            match scan(window, at, delimiters, self.offset + at as u64, is_all) {
                Scan::Found(segment) if !segments.is_empty() && is_envelope(segment.id()) => break,
                Scan::Found(segment) => {
                    at += segment.whole().len();
                    is_whole = segment.id() == b"SE";
                    segments.push(segment);
                    if is_whole {
                        break;
                    }
                }
                Scan::More => return None,
                Scan::Empty | Scan::Lost => break,
            }
        }
        let mut findings = self.envelope.transaction(&segments, is_whole);
        if at > MAX_TRANSACTION_BYTES || (segments.len() == MAX_TRANSACTION_SEGMENTS && !is_whole) {
            let place = Place { offset: self.offset + at as u64, ..Place::default() };
            let message = format!(
                "A transaction set may have {MAX_TRANSACTION_SEGMENTS} segments and \
                 {MAX_TRANSACTION_BYTES} bytes; what follows is not read."
            );
            findings.push(Finding::new(Level::Syntax, "transaction-too-long", place, message));
        }
        let group_version = self.envelope.group_version();
        Some(Event {
            part: Part::Transaction(Transaction { segments, group_version }),
            findings,
            consumed: at,
        })
    }

    /// No segment can be found: everything up to the next ISA is residue.
    fn lose<'a>(&mut self, window: &'a [u8], is_all: bool) -> Event<'a> {
        self.is_lost = true;
        let place = Place { offset: self.offset, ..Place::default() };
        let is_noise = self.faults > MAX_ENVELOPE_FAULTS;
        let is_cut = is_all && window.len() <= MAX_SEGMENT_BYTES;
        let (code, note, message) = match (is_noise, is_cut) {
            (true, _) => {
                let message = format!("More than {MAX_ENVELOPE_FAULTS} faults; the rest is not read.");
                ("too-many-faults", "022", message)
            }
            (_, true) => ("cut-off", "023", "The file ends in the middle of a segment.".to_owned()),
            (_, false) => {
                let message = format!("No segment terminator within {MAX_SEGMENT_BYTES} bytes.");
                ("segment-too-long", "004", message)
            }
        };
        let finding = Finding::new(Level::Syntax, code, place, message);
        let mut findings = vec![finding.answered(Answer::Interchange(note))];
        findings.extend(self.envelope.abandon(self.offset));
        self.delimiters = None;
        // Only as much as cannot hold the next ISA; the rest is looked at from outside.
        let keep = memchr::memmem::find(&window[1..], b"ISA").map_or(window.len(), |at| at + 1);
        let consumed = if is_all { keep } else { keep.min(window.len().saturating_sub(2)).max(1) };
        Event { part: Part::Residue(&window[..consumed]), findings, consumed }
    }

    fn end<'a>(&mut self) -> Event<'a> {
        self.is_ended = true;
        let mut findings = self.envelope.abandon(self.offset);
        if self.envelope.interchanges() == 0 && findings.is_empty() && !self.is_lost {
            let message = "There is no interchange in the file.";
            findings.push(Finding::new(Level::Syntax, "no-interchange", Place::default(), message));
        }
        Event { part: Part::End, findings, consumed: 0 }
    }
}

/// Segments that end a transaction set whose SE is missing.
fn is_envelope(id: &[u8]) -> bool {
    matches!(id, b"ST" | b"GE" | b"IEA" | b"ISA" | b"GS")
}

/// What may stand between segments: line breaks, and the blanks that some senders put before them.
fn is_between(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b' ' | b'\t')
}

/// Line breaks, spaces, a byte order mark, and the substitute byte that ends old files.
fn is_blank(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    bytes.iter().all(|b| b.is_ascii_whitespace() || *b == 0x1A)
}

/// The segment at `at` of a window.
fn scan<'a>(window: &'a [u8], at: usize, delimiters: Delimiters, offset: u64, is_all: bool) -> Scan<'a> {
    let rest = &window[at..];
    let look = &rest[..rest.len().min(MAX_SEGMENT_BYTES + 1)];
    let Some(length) = memchr::memchr(delimiters.terminator, look) else {
        return match (rest.len() > MAX_SEGMENT_BYTES, is_all) {
            (true, _) => Scan::Lost,
            (false, false) => Scan::More,
            (false, true) if is_blank(rest) => Scan::Empty,
            (false, true) => Scan::Lost,
        };
    };
    let mut end = length + 1;
    while rest.get(end).is_some_and(|b| is_between(*b)) {
        end += 1;
    }
    // Line breaks may go on behind the window; they belong to this segment.
    if end == rest.len() && !is_all {
        return Scan::More;
    }
    Scan::Found(Segment::new(&rest[..end], length, delimiters, offset))
}
