//! The envelopes around transaction sets: ISA/IEA, GS/GE, ST/SE. Who opened must close, with the same
//! control number and the right count.

use std::collections::HashSet;

use crate::finding::{Answer, Finding, Level, Place};
use crate::limits::MAX_INTERCHANGES;
use crate::segment::{Segment, quoted};

/// What is open at a point of the file.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    interchanges: u64,
    interchange: Option<Open>,
    group: Option<Open>,
    group_version: String,
}

/// An envelope that waits for its end.
#[derive(Debug, Default)]
struct Open {
    control: Vec<u8>,
    inside: u64,
    /// Control numbers already used inside.
    seen: HashSet<Vec<u8>>,
}

impl Open {
    fn new(control: &[u8]) -> Open {
        Open { control: control.to_vec(), ..Open::default() }
    }
}

fn place(segment: &Segment<'_>, element: u16) -> Place {
    let offset = if element == 0 { segment.offset() } else { segment.element(element.into()).offset };
    Place { offset, id: segment.name(), element, ..Place::default() }
}

fn fault(code: &'static str, place: Place, answer: Answer, message: impl Into<String>) -> Finding {
    Finding::new(Level::Syntax, code, place, message).answered(answer)
}

/// A count or control number; leading zeros are the same number.
fn number(bytes: &[u8]) -> Option<u64> {
    let is_number = !bytes.is_empty() && bytes.len() <= 18 && bytes.iter().all(u8::is_ascii_digit);
    is_number.then(|| bytes.iter().fold(0, |sum, b| sum * 10 + u64::from(b - b'0')))
}

/// Control numbers are compared as they stand but for padding.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.trim_ascii() == b.trim_ascii()
}

/// Elements of ISA that must have certain values.
pub(crate) fn header_findings(isa: &Segment<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut check = |element: u16, is_right: bool, note: &'static str, what: &str| {
        if !is_right {
            let value = quoted(isa.bytes(element.into()));
            let message = format!("ISA{element:02} is `{value}`: {what}.");
            findings.push(fault("isa-value", place(isa, element), Answer::Interchange(note), message));
        }
    };
    let digits = |n: usize, length: usize| {
        let bytes = isa.bytes(n);
        bytes.len() == length && bytes.iter().all(u8::is_ascii_digit)
    };
    let version = isa.bytes(12);
    check(9, digits(9, 6), "014", "the date must have six digits, YYMMDD");
    check(10, digits(10, 4), "015", "the time must have four digits, HHMM");
    check(13, digits(13, 9), "018", "the control number must have nine digits");
    check(14, matches!(isa.bytes(14), b"0" | b"1"), "019", "it must be 0 or 1");
    check(15, matches!(isa.bytes(15), b"P" | b"T"), "020", "it must be P (production) or T (test)");
    check(6, !isa.bytes(6).trim_ascii().is_empty(), "006", "the sender must be named");
    check(8, !isa.bytes(8).trim_ascii().is_empty(), "008", "the receiver must be named");
    let is_version = digits(12, 5);
    check(12, is_version, "017", "the version must have five digits, 00501");
    if is_version && version >= b"00402".as_slice() && isa.delimiters().repetition.is_none() {
        check(11, false, "026", "from version 00402 on it is the repetition separator, not a letter");
    }
    findings
}

impl Envelope {
    pub(crate) fn interchanges(&self) -> u64 {
        self.interchanges
    }

    pub(crate) fn group_version(&self) -> String {
        self.group_version.clone()
    }

    pub(crate) fn begin_interchange(&mut self, isa: &Segment<'_>) -> Vec<Finding> {
        let mut findings = self.abandon(isa.offset());
        self.interchanges += 1;
        if self.interchanges == MAX_INTERCHANGES + 1 {
            let message = format!("More than {MAX_INTERCHANGES} interchanges in a file.");
            findings.push(fault("too-many-interchanges", place(isa, 0), Answer::None, message));
        }
        self.interchange = Some(Open::new(isa.bytes(13)));
        findings
    }

    pub(crate) fn begin_group(&mut self, gs: &Segment<'_>) -> Vec<Finding> {
        let mut findings = self.close_group(gs.offset());
        let control = gs.bytes(6);
        match &mut self.interchange {
            None => findings.push(outside(gs)),
            Some(open) => {
                open.inside += 1;
                if !open.seen.insert(control.to_vec()) {
                    let message = format!("GS06 `{}` was used before in this interchange.", quoted(control));
                    findings.push(fault(
                        "group-control-repeated",
                        place(gs, 6),
                        Answer::Group("19"),
                        message,
                    ));
                }
            }
        }
        if number(control).is_none_or(|_| control.len() > 9) {
            let message = "GS06 must be a number of one to nine digits.";
            findings.push(fault("group-control-invalid", place(gs, 6), Answer::Group("6"), message));
        }
        self.group = Some(Open::new(control));
        self.group_version = gs.string(8);
        findings
    }

    pub(crate) fn end_group(&mut self, ge: &Segment<'_>) -> Vec<Finding> {
        let Some(group) = self.group.take() else { return vec![outside(ge)] };
        let mut findings = Vec::new();
        if number(ge.bytes(1)) != Some(group.inside) {
            let message = format!(
                "GE01 says {} transaction sets; the group has {}.",
                quoted(ge.bytes(1)),
                group.inside
            );
            findings.push(fault("group-count", place(ge, 1), Answer::Group("5"), message));
        }
        if !same(ge.bytes(2), &group.control) {
            let message = mismatch("GE02", ge.bytes(2), "GS06", &group.control);
            findings.push(fault("group-control-mismatch", place(ge, 2), Answer::Group("4"), message));
        }
        findings
    }

    pub(crate) fn end_interchange(&mut self, iea: &Segment<'_>) -> Vec<Finding> {
        let mut findings = self.close_group(iea.offset());
        let Some(open) = self.interchange.take() else { return vec![outside(iea)] };
        if number(iea.bytes(1)) != Some(open.inside) {
            let count = quoted(iea.bytes(1));
            let message = format!("IEA01 says {count} functional groups; there are {}.", open.inside);
            findings.push(fault("interchange-count", place(iea, 1), Answer::Interchange("021"), message));
        }
        if !same(iea.bytes(2), &open.control) {
            let message = mismatch("IEA02", iea.bytes(2), "ISA13", &open.control);
            let answer = Answer::Interchange("001");
            findings.push(fault("interchange-control-mismatch", place(iea, 2), answer, message));
        }
        findings
    }

    pub(crate) fn acknowledge(&mut self, ta1: &Segment<'_>) -> Vec<Finding> {
        let mut findings = self.close_group(ta1.offset());
        if self.interchange.is_none() {
            findings.push(outside(ta1));
        }
        findings
    }

    pub(crate) fn stray(&mut self, segment: &Segment<'_>) -> Vec<Finding> {
        vec![outside(segment)]
    }

    /// ST to SE, or to where SE should have been.
    pub(crate) fn transaction(&mut self, segments: &[Segment<'_>], is_whole: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Some(st) = segments.first() else { return findings };
        let control = st.bytes(2);
        match &mut self.group {
            None => findings.push(outside(st)),
            Some(group) => {
                group.inside += 1;
                if !group.seen.insert(control.to_vec()) {
                    let message = format!("ST02 `{}` was used before in this group.", quoted(control));
                    let answer = Answer::Transaction("23");
                    findings.push(fault("transaction-control-repeated", place(st, 2), answer, message));
                }
            }
        }
        let version = st.bytes(3);
        if !version.is_empty() && !self.group_version.is_empty() && version != self.group_version.as_bytes() {
            let message = mismatch("ST03", version, "GS08", self.group_version.as_bytes());
            let finding = Finding::new(Level::Guide, "version-mismatch", place(st, 3), message);
            findings.push(finding.answered(Answer::Transaction("I6")));
        }
        match segments.last() {
            Some(se) if is_whole => findings.extend(trailer(st, se, segments.len())),
            _ => {
                let message = "The transaction set has no SE segment.";
                findings.push(fault("se-missing", place(st, 0), Answer::Transaction("2"), message));
            }
        }
        for finding in &mut findings {
            finding.place.segment = if finding.place.id == "SE" { segments.len() as u64 } else { 1 };
        }
        findings
    }

    /// The file ends or another interchange begins: what is open stays open.
    pub(crate) fn abandon(&mut self, offset: u64) -> Vec<Finding> {
        let mut findings = self.close_group(offset);
        if let Some(open) = self.interchange.take() {
            let place = Place { offset, id: "IEA".into(), ..Place::default() };
            let control = quoted(&open.control);
            let message = format!("Interchange {control} has no IEA segment.");
            findings.push(fault("iea-missing", place, Answer::Interchange("023"), message));
        }
        findings
    }

    fn close_group(&mut self, offset: u64) -> Vec<Finding> {
        self.group_version.clear();
        let Some(group) = self.group.take() else { return Vec::new() };
        let place = Place { offset, id: "GE".into(), ..Place::default() };
        let message = format!("Functional group {} has no GE segment.", quoted(&group.control));
        vec![fault("ge-missing", place, Answer::Group("3"), message)]
    }
}

fn trailer(st: &Segment<'_>, se: &Segment<'_>, count: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    if number(se.bytes(1)) != Some(count as u64) {
        let message = format!("SE01 says {} segments; there are {count}.", quoted(se.bytes(1)));
        findings.push(fault("segment-count", place(se, 1), Answer::Transaction("4"), message));
    }
    if !same(se.bytes(2), st.bytes(2)) {
        let message = mismatch("SE02", se.bytes(2), "ST02", st.bytes(2));
        findings.push(fault("transaction-control-mismatch", place(se, 2), Answer::Transaction("3"), message));
    }
    findings
}

fn mismatch(a: &str, value: &[u8], b: &str, other: &[u8]) -> String {
    format!("{a} is `{}`, but {b} is `{}`; they must be the same.", quoted(value), quoted(other))
}

fn outside(segment: &Segment<'_>) -> Finding {
    let name = segment.name();
    let message = match name.as_str() {
        "GS" | "GE" | "IEA" | "TA1" => format!("{name} without what must be open around it."),
        "ST" => "A transaction set outside of a functional group.".to_owned(),
        _ => format!("{name} stands outside of a transaction set."),
    };
    fault("segment-outside", place(segment, 0), Answer::Interchange("022"), message)
}
