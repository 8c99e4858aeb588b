//! What we answer to an interchange received: TA1 for its envelopes, a 999 for each functional group,
//! with the place of every error.

use crate::check::check;
use crate::document::Document;
use crate::finding::{Answer, Finding, Level, Place};
use crate::model::{Acknowledgement, ElementError, InterchangeAnswer, SegmentError, SetAnswer, SetName};
use crate::parts::{Part, Transaction};
use crate::segment::Segment;
use crate::tree::guide_of;

/// Errors of one set that a 999 lists; behind that the sender has enough to do.
const MAX_LISTED: usize = 200;

/// The answers to one interchange.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Answers {
    /// TA1.
    pub interchange: InterchangeAnswer,
    /// A 999 for each functional group.
    pub groups: Vec<Acknowledgement>,
    /// All findings, those of levels that a 999 does not report too.
    pub findings: Vec<Finding>,
}

/// What happens at byte so-and-so belongs to the part that begins there.
struct Received<'d, 'a> {
    isa: Segment<'a>,
    groups: Vec<ReceivedGroup<'d, 'a>>,
    end: u64,
}

struct ReceivedGroup<'d, 'a> {
    gs: Segment<'a>,
    ge: Option<Segment<'a>>,
    sets: Vec<&'d Transaction<'a>>,
}

/// Answers to every interchange of a file. `level` is how far sets are checked.
pub fn answers(document: &Document<'_>, level: Level) -> Vec<Answers> {
    received(document).iter().map(|one| answer(document, one, level)).collect()
}

fn received<'d, 'a>(document: &'d Document<'a>) -> Vec<Received<'d, 'a>> {
    let mut list: Vec<Received<'d, 'a>> = Vec::new();
    for part in &document.parts {
        let last = list.last_mut();
        match (part, last) {
            (Part::Interchange(isa), last) => {
                if let Some(last) = last {
                    last.end = last.end.min(isa.offset());
                }
                list.push(Received { isa: *isa, groups: Vec::new(), end: u64::MAX });
            }
            (Part::Group(gs), Some(one)) => {
                one.groups.push(ReceivedGroup { gs: *gs, ge: None, sets: Vec::new() });
            }
            (Part::GroupEnd(ge), Some(one)) => {
                if let Some(group) = one.groups.last_mut().filter(|group| group.ge.is_none()) {
                    group.ge = Some(*ge);
                }
            }
            (Part::Transaction(set), Some(one)) => {
                if let Some(group) = one.groups.last_mut().filter(|group| group.ge.is_none()) {
                    group.sets.push(set);
                }
            }
            (Part::InterchangeEnd(iea), Some(one)) => one.end = iea.offset() + iea.whole().len() as u64,
            _ => {}
        }
    }
    list
}

fn answer(document: &Document<'_>, one: &Received<'_, '_>, level: Level) -> Answers {
    let start = one.isa.offset();
    let own = document.findings.list().iter();
    let envelope: Vec<Finding> =
        own.filter(|f| (start..=one.end).contains(&f.place.offset)).cloned().collect();
    let mut findings = envelope.clone();
    let groups = one
        .groups
        .iter()
        .enumerate()
        .map(|(number, group)| of_group(number, group, &envelope, level, &mut findings))
        .collect();
    let note = envelope.iter().find_map(|finding| match finding.answer {
        Answer::Interchange(note) => Some(note),
        _ => None,
    });
    let interchange = InterchangeAnswer {
        control: one.isa.string(13),
        date: one.isa.string(9),
        time: one.isa.string(10),
        result: if note.is_some() { "R" } else { "A" }.into(),
        note: note.unwrap_or("000").into(),
    };
    findings.sort_by_key(|finding| finding.place.offset);
    Answers { interchange, groups, findings }
}

fn of_group(
    number: usize,
    group: &ReceivedGroup<'_, '_>,
    envelope: &[Finding],
    level: Level,
    findings: &mut Vec<Finding>,
) -> Acknowledgement {
    let mut sets = Vec::new();
    for set in &group.sets {
        let mut own = check(set, level);
        let within = range(set);
        let around = envelope.iter().filter(|f| within.contains(&f.place.offset));
        let is_of_set = |f: &&Finding| matches!(f.answer, Answer::Transaction(_));
        sets.push(of_set(set, &own, &around.filter(is_of_set).collect::<Vec<_>>()));
        findings.append(&mut own);
    }
    let codes = group_codes(group, envelope);
    let accepted = sets.iter().filter(|set| set.result != "R").count() as u64;
    let included = group.ge.and_then(|ge| ge.string(1).parse().ok()).unwrap_or(sets.len() as u64);
    let result = match (codes.is_empty(), accepted, sets.len() as u64) {
        (false, _, _) => "R",
        (true, 0, count) if count > 0 => "R",
        (true, accepted, count) if accepted < count => "P",
        _ if sets.iter().any(|set| set.result == "E") => "E",
        _ => "A",
    };
    Acknowledgement {
        control: format!("{:04}", number + 1),
        functional: group.gs.string(1),
        group: group.gs.string(6),
        version: Some(group.gs.string(8)).filter(|version| !version.is_empty()),
        included,
        received: sets.len() as u64,
        accepted: if result == "R" { 0 } else { accepted },
        sets,
        result: result.into(),
        codes,
    }
}

/// Bytes of a set.
fn range(set: &Transaction<'_>) -> std::ops::Range<u64> {
    let start = set.segments.first().map_or(0, Segment::offset);
    let end = set.segments.last().map_or(start, |last| last.offset() + last.whole().len() as u64);
    start..end
}

fn group_codes(group: &ReceivedGroup<'_, '_>, envelope: &[Finding]) -> Vec<String> {
    let start = group.gs.offset();
    let last_set = group.sets.last().map_or(start + group.gs.whole().len() as u64, |set| range(set).end);
    let end = group.ge.map_or(last_set, |ge| ge.offset() + ge.whole().len() as u64);
    let mut codes: Vec<String> = envelope
        .iter()
        .filter(|finding| (start..=end).contains(&finding.place.offset))
        .filter_map(|finding| match finding.answer {
            Answer::Group(code) => Some(code.to_owned()),
            _ => None,
        })
        .collect();
    codes.dedup();
    codes.truncate(5);
    codes
}

fn of_set(set: &Transaction<'_>, own: &[Finding], around: &[&Finding]) -> SetAnswer {
    let Some(st) = set.segments.first() else { return SetAnswer::default() };
    let name = SetName {
        set: st.string(1),
        control: st.string(2),
        version: Some(st.string(3)).filter(|version| !version.is_empty()),
    };
    let mut codes: Vec<String> = Vec::new();
    let of_set = own.iter().chain(around.iter().copied()).filter(|finding| finding.is_error());
    for finding in of_set {
        if let Answer::Transaction(code) = finding.answer
            && !codes.iter().any(|known| known == code)
        {
            codes.push(code.to_owned());
        }
    }
    let errors = segment_errors(own);
    if own.iter().any(|f| f.is_error() && matches!(f.answer, Answer::Segment(_) | Answer::Element(_))) {
        let is_guide_only = own.iter().filter(|f| f.is_error()).all(|f| f.level >= Level::Guide);
        codes.push(if is_guide_only { "I5" } else { "5" }.to_owned());
    }
    codes.truncate(5);
    let result = match (codes.is_empty(), errors.is_empty()) {
        (false, _) => "R",
        (true, false) => "E",
        (true, true) => "A",
    };
    // A set whose guide is not read has no place to check.
    let errors = if guide_of(set).is_ok() { errors } else { Vec::new() };
    SetAnswer { name, errors, result: result.into(), codes }
}

/// IK3 and IK4: findings of one segment together.
fn segment_errors(own: &[Finding]) -> Vec<SegmentError> {
    let mut errors: Vec<SegmentError> = Vec::new();
    for finding in own.iter().take(MAX_LISTED) {
        let place = &finding.place;
        match finding.answer {
            Answer::Segment(code) => errors.push(SegmentError { code: Some(code.into()), ..at(place) }),
            Answer::Element(code) => {
                let is_last = errors
                    .last()
                    .is_some_and(|last| last.position == place.segment && last.code.as_deref() == Some("8"));
                if !is_last {
                    errors.push(SegmentError { code: Some("8".into()), ..at(place) });
                }
                if let Some(last) = errors.last_mut() {
                    last.elements.push(element(finding, code));
                }
            }
            _ => {}
        }
    }
    errors
}

fn at(place: &Place) -> SegmentError {
    let loop_id = Some(place.loop_id.chars().take(4).collect::<String>()).filter(|id| !id.is_empty());
    SegmentError {
        segment: place.id.chars().take(3).collect(),
        position: place.segment,
        loop_id,
        ..SegmentError::default()
    }
}

fn element(finding: &Finding, code: &str) -> ElementError {
    let place = &finding.place;
    let option = |n: u16| Some(u64::from(n)).filter(|n| *n > 0);
    ElementError {
        element: place.element.into(),
        component: option(place.component),
        repeat: option(place.repeat),
        reference: None,
        code: code.into(),
        value: finding.value.clone(),
        contexts: Vec::new(),
    }
}
