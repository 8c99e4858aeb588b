//! Acknowledgements: the 999 of a functional group and the TA1 of an interchange, read and written.

use crate::compose::{LoopText, transaction};
use crate::guide::{Guide, Kind};
use crate::model::own::Own;
use crate::raw::Raw;
use crate::segment::Segment;
use crate::tree::{Loop, Tree};

/// A 999: what became of one functional group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Acknowledgement {
    /// ST02.
    pub control: String,
    /// AK101: functional identifier of the group, `HC`.
    pub functional: String,
    /// AK102: control number of the group.
    pub group: String,
    /// AK103: version of the group.
    pub version: Option<String>,
    /// Loops 2000.
    pub sets: Vec<SetAnswer>,
    /// AK901: `A` accepted, `E` with errors, `P` partly, `R` rejected.
    pub result: String,
    /// AK902: sets that the group's trailer counts.
    pub included: u64,
    /// AK903: sets received.
    pub received: u64,
    /// AK904: sets accepted.
    pub accepted: u64,
    /// AK905 and further.
    pub codes: Vec<String>,
}

/// AK2: which set is meant.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SetName {
    /// `837`.
    pub set: String,
    /// ST02.
    pub control: String,
    /// ST03.
    pub version: Option<String>,
}

/// Loop 2000: what became of one transaction set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SetAnswer {
    /// AK2.
    pub name: SetName,
    /// Loops 2100.
    pub errors: Vec<SegmentError>,
    /// IK501: `A`, `E`, `R`.
    pub result: String,
    /// IK502 and further.
    pub codes: Vec<String>,
}

/// Loop 2100: a segment that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SegmentError {
    /// IK301.
    pub segment: String,
    /// IK302: its number in the set; ST is 1.
    pub position: u64,
    /// IK303.
    pub loop_id: Option<String>,
    /// IK304.
    pub code: Option<String>,
    /// CTX.
    pub contexts: Vec<Raw>,
    /// Loops 2110.
    pub elements: Vec<ElementError>,
}

/// Loop 2110: an element that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ElementError {
    /// IK401-1.
    pub element: u64,
    /// IK401-2.
    pub component: Option<u64>,
    /// IK401-3.
    pub repeat: Option<u64>,
    /// IK402.
    pub reference: Option<String>,
    /// IK403.
    pub code: String,
    /// IK404.
    pub value: Option<String>,
    /// CTX.
    pub contexts: Vec<Raw>,
}

/// TA1: what became of an interchange.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InterchangeAnswer {
    /// TA101: ISA13.
    pub control: String,
    /// TA102.
    pub date: String,
    /// TA103.
    pub time: String,
    /// TA104: `A`, `E`, `R`.
    pub result: String,
    /// TA105: `000` when nothing is wrong.
    pub note: String,
}

impl InterchangeAnswer {
    /// From a TA1 segment.
    pub fn read(ta1: &Segment<'_>) -> InterchangeAnswer {
        let [control, date, time, result, note] = [1, 2, 3, 4, 5].map(|n| ta1.string(n));
        InterchangeAnswer { control, date, time, result, note }
    }

    /// The TA1 segment.
    pub fn write(&self) -> Raw {
        Raw::new("TA1")
            .with(&self.control)
            .with(&self.date)
            .with(&self.time)
            .with(&self.result)
            .with(&self.note)
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

fn codes(raw: &Raw, first: usize) -> Vec<String> {
    (first..first + 5).filter_map(|n| raw.option(n)).collect()
}

impl Acknowledgement {
    /// The acknowledgement of a tree; `None` when it is no 999.
    pub fn read(tree: &Tree<'_, '_>) -> Option<Acknowledgement> {
        if tree.guide.kind != Kind::Acknowledgement {
            return None;
        }
        let root = tree.root();
        let mut own = Own::of(&root);
        let ak1 = own.take("AK1").unwrap_or_default();
        let ak9 = own.take("AK9").unwrap_or_default();
        Some(Acknowledgement {
            control: own.take("ST").unwrap_or_default().element(2).into(),
            functional: ak1.element(1).into(),
            group: ak1.element(2).into(),
            version: ak1.option(3),
            sets: root.loops("2000").map(|set| SetAnswer::read(&set)).collect(),
            result: ak9.element(1).into(),
            included: number(ak9.element(2)),
            received: number(ak9.element(3)),
            accepted: number(ak9.element(4)),
            codes: codes(&ak9, 5),
        })
    }

    /// The segments, ST to SE.
    pub fn write(&self) -> Vec<Raw> {
        let guide = Guide::of_kind(Kind::Acknowledgement);
        let ak1 = Raw::new("AK1").with(&self.functional).with(&self.group);
        let ak1 = ak1.with_option(self.version.as_ref()).trimmed();
        let ak9 = Raw::new("AK9")
            .with(&self.result)
            .with(self.included.to_string())
            .with(self.received.to_string())
            .with(self.accepted.to_string());
        let ak9 = self.codes.iter().take(5).fold(ak9, Raw::with);
        let mut body = LoopText::new("", vec![ak1, ak9]);
        body.loops = self.sets.iter().map(SetAnswer::write).collect();
        transaction(guide, &self.control, guide.id, body)
    }
}

impl SetAnswer {
    fn read(inside: &Loop<'_, '_, '_>) -> SetAnswer {
        let mut own = Own::of(inside);
        let ak2 = own.take("AK2").unwrap_or_default();
        let ik5 = own.take("IK5").unwrap_or_default();
        SetAnswer {
            name: SetName {
                set: ak2.element(1).into(),
                control: ak2.element(2).into(),
                version: ak2.option(3),
            },
            errors: inside.loops("2100").map(|error| SegmentError::read(&error)).collect(),
            result: ik5.element(1).into(),
            codes: codes(&ik5, 2),
        }
    }

    fn write(&self) -> LoopText {
        let ak2 = Raw::new("AK2").with(&self.name.set).with(&self.name.control);
        let ak2 = ak2.with_option(self.name.version.as_ref()).trimmed();
        let ik5 = self.codes.iter().take(5).fold(Raw::new("IK5").with(&self.result), Raw::with);
        let mut text = LoopText::new("2000", vec![ak2, ik5]);
        text.loops = self.errors.iter().map(SegmentError::write).collect();
        text
    }
}

impl SegmentError {
    fn read(inside: &Loop<'_, '_, '_>) -> SegmentError {
        let mut own = Own::of(inside);
        let ik3 = own.take("IK3").unwrap_or_default();
        SegmentError {
            segment: ik3.element(1).into(),
            position: number(ik3.element(2)),
            loop_id: ik3.option(3),
            code: ik3.option(4),
            contexts: own.rest(),
            elements: inside.loops("2110").map(|element| ElementError::read(&element)).collect(),
        }
    }

    fn write(&self) -> LoopText {
        let ik3 = Raw::new("IK3").with(&self.segment).with(self.position.to_string());
        let ik3 = ik3.with_option(self.loop_id.as_ref()).with_option(self.code.as_ref()).trimmed();
        let mut text = LoopText::new("2100", vec![ik3]);
        text.segments.extend(self.contexts.iter().cloned());
        text.loops = self.elements.iter().map(ElementError::write).collect();
        text
    }
}

impl ElementError {
    fn read(inside: &Loop<'_, '_, '_>) -> ElementError {
        let mut own = Own::of(inside);
        let ik4 = own.take("IK4").unwrap_or_default();
        let part = |m: usize| ik4.component(1, m).parse().ok();
        ElementError {
            element: number(ik4.component(1, 1)),
            component: part(2),
            repeat: part(3),
            reference: ik4.option(2),
            code: ik4.element(3).into(),
            value: ik4.option(4),
            contexts: own.rest(),
        }
    }

    fn write(&self) -> LoopText {
        let text = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
        let ik4 = Raw::new("IK4")
            .with_composite([self.element.to_string(), text(self.component), text(self.repeat)])
            .with_option(self.reference.as_ref())
            .with(&self.code)
            .with_option(self.value.as_ref())
            .trimmed();
        let mut text = LoopText::new("2110", vec![ik4]);
        text.segments.extend(self.contexts.iter().cloned());
        text
    }
}
