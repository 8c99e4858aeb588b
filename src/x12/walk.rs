//! One pass over the segments of a transaction set along the loop grammar.
//!
//! For each segment: does it go on from here, in the innermost open loop or one around it? If not: does
//! it stand too early or too often? If not: is at least its identifier known here? What is left is
//! unexpected. Only loops below the nearest anchor (a level, a claim, a line) are closed for a segment
//! that is out of order, so one bad segment spoils nothing behind it.

use crate::dictionary::definition;
use crate::finding::{Answer, Finding, Findings, Level, Place};
use crate::guide::{Guide, Item, Usage, What, key_place};
use crate::segment::{Segment, quoted};
use crate::tree::{NONE, Node, Tree};

/// Segments that may follow a name: behind a name that is not expected they are passed over with it.
const OF_A_NAME: [&[u8]; 7] = [b"N2", b"N3", b"N4", b"PER", b"REF", b"PRV", b"DMG"];

/// Segments that begin a loop which is not closed for something out of order.
const ANCHORS: [&str; 6] = ["ST", "HL", "CLM", "CLP", "LX", "AK2"];

/// An open loop.
struct Frame {
    node: u32,
    spec: usize,
    /// First entry of the position reached.
    reached: usize,
    /// Where its counts begin.
    counts: usize,
}

/// The pass.
pub(crate) struct Walk<'t, 'a> {
    tree: Tree<'t, 'a>,
    frames: Vec<Frame>,
    /// Uses of each entry of each open loop.
    counts: Vec<u32>,
    is_passing: bool,
}

/// Where a segment goes: the open loop and the entry of it.
type Target = (usize, usize);

impl<'t, 'a> Walk<'t, 'a> {
    pub(crate) fn new(guide: &'static Guide, segments: &'t [Segment<'a>]) -> Walk<'t, 'a> {
        let tree = Tree {
            guide,
            segments,
            nodes: Vec::with_capacity(segments.len() / 6 + 8),
            owner: Vec::with_capacity(segments.len()),
            spec: Vec::with_capacity(segments.len()),
            findings: Findings::default(),
        };
        Walk { tree, frames: Vec::with_capacity(16), counts: Vec::with_capacity(512), is_passing: false }
    }

    pub(crate) fn run(mut self) -> Tree<'t, 'a> {
        self.open(0, 0);
        for number in 0..self.tree.segments.len() {
            self.step(number);
        }
        while let Some(frame) = self.frames.pop() {
            self.close(&frame);
        }
        self.tree
    }

    fn step(&mut self, number: usize) {
        if number == 0 {
            // ST began the set: it is the first entry of the outermost loop.
            self.counts[0] = 1;
            return self.keep(number, 0, self.number_of(0, 0));
        }
        let segment = self.tree.segments[number];
        let id = segment.id();
        if self.is_passing {
            if OF_A_NAME.contains(&id) {
                let node = self.frames.last().map_or(0, |frame| frame.node);
                return self.keep(number, node, NONE);
            }
            self.is_passing = false;
        }
        let (element, component) = key_place(id);
        let key = segment.element(element);
        let key = if component > 0 { key.component(component) } else { key }.bytes();
        if let Some(target) = self.forward(id, key, false) {
            return self.put(number, target);
        }
        if let Some(target) = self.forward(id, key, true) {
            self.too_many(number, target);
            return self.put(number, target);
        }
        if let Some(target) = self.backward(id, key) {
            let message = format!("{} stands too late: it belongs before what is already there.", quoted(id));
            self.report(number, "segment-sequence", Level::Syntax, "7", message);
            return self.put_back(number, target);
        }
        self.lost(number, id, key);
    }

    fn items(&self, frame: &Frame) -> &'static [Item] {
        &self.tree.guide.loops[frame.spec].items
    }

    fn number_of(&self, spec: usize, item: usize) -> u16 {
        match self.tree.guide.loops[spec].items[item].what {
            What::Segment(number) => number as u16,
            What::Loop(_) => NONE,
        }
    }

    /// The nearest open loop in which the segment goes on. The first entry of a loop only begins it.
    fn forward(&self, id: &[u8], key: &[u8], is_full: bool) -> Option<Target> {
        for (depth, frame) in self.frames.iter().enumerate().rev() {
            let items = self.items(frame);
            for (at, item) in items.iter().enumerate().skip(frame.reached.max(1)) {
                if item.takes(id, key) && (is_full || self.counts[frame.counts + at] < item.max) {
                    return Some((depth, at));
                }
            }
        }
        None
    }

    /// Number of the innermost frame that is not closed for a segment out of order.
    fn anchor(&self) -> usize {
        let is_anchor = |frame: &Frame| ANCHORS.contains(&self.items(frame)[0].id);
        self.frames.iter().rposition(is_anchor).unwrap_or(0)
    }

    /// An entry that the open loops have already passed.
    fn backward(&self, id: &[u8], key: &[u8]) -> Option<Target> {
        let anchor = self.anchor();
        for (depth, frame) in self.frames.iter().enumerate().skip(anchor).rev() {
            let at = self.items(frame).iter().skip(1).position(|item| item.takes(id, key));
            if let Some(at) = at {
                return Some((depth, at + 1));
            }
        }
        None
    }

    /// Puts a segment where it goes on, closing what is inside of that loop.
    fn put(&mut self, number: usize, (depth, at): Target) {
        while self.frames.len() > depth + 1 {
            if let Some(frame) = self.frames.pop() {
                self.close_at(&frame, number);
            }
        }
        let frame = &self.frames[depth];
        let (spec, counts, node) = (frame.spec, frame.counts, frame.node);
        self.counts[counts + at] = self.counts[counts + at].saturating_add(1);
        let items = self.items(frame);
        let position = items[at].position;
        let reached = items.iter().position(|item| item.position == position).unwrap_or(at);
        self.frames[depth].reached = reached.max(frame.reached);
        match items[at].what {
            What::Segment(_) => self.keep(number, node, self.number_of(spec, at)),
            What::Loop(inner) => {
                self.open(inner, number);
                let node = self.tree.nodes.len() as u32 - 1;
                self.keep(number, node, self.number_of(inner, 0));
            }
        }
    }

    /// Puts a segment into an entry already passed; open loops inside stay open for a mere segment.
    fn put_back(&mut self, number: usize, (depth, at): Target) {
        let frame = &self.frames[depth];
        match self.items(frame)[at].what {
            What::Loop(_) => self.put(number, (depth, at)),
            What::Segment(_) => {
                let (node, spec, counts) = (frame.node, frame.spec, frame.counts);
                self.counts[counts + at] = self.counts[counts + at].saturating_add(1);
                self.keep(number, node, self.number_of(spec, at));
            }
        }
    }

    /// A segment that goes nowhere.
    fn lost(&mut self, number: usize, id: &[u8], key: &[u8]) {
        let anchor = self.anchor();
        let is_known = |what: fn(&Item) -> bool| {
            let frames = self.frames.iter().skip(anchor).rev();
            let mut found = frames.filter(|frame| {
                self.items(frame).iter().skip(1).any(|item| item.id.as_bytes() == id && what(item))
            });
            found.next().map(|frame| frame.node)
        };
        let as_segment = is_known(|item| matches!(item.what, What::Segment(_)));
        let as_loop = is_known(|item| matches!(item.what, What::Loop(_)));
        let name = quoted(id);
        if let (Some(node), _) | (None, Some(node)) = (as_segment, as_loop) {
            self.is_passing = as_segment.is_none();
            let key = quoted(key);
            let message = format!("{name} with the qualifier `{key}` is not used here.");
            let mut place = self.place(number);
            let (element, component) = key_place(id);
            let at = self.tree.segments[number].element(element);
            (place.offset, place.element, place.component) = (at.offset, element as u16, component as u16);
            let finding = Finding::new(Level::Guide, "qualifier-unknown", place, message);
            self.tree.findings.push(finding.answered(Answer::Element("7")).with_value(key.as_bytes()));
            return self.keep(number, node, NONE);
        }
        let (code, answer, message) = match (self.tree.guide.has(id), definition(id).is_some()) {
            (true, _) => ("segment-unexpected", "2", format!("{name} is not expected here.")),
            (false, true) => {
                ("segment-not-in-set", "6", format!("{name} is not used in this transaction set."))
            }
            (false, false) => ("segment-unknown", "1", format!("There is no segment `{name}`.")),
        };
        self.report(number, code, Level::Syntax, answer, message);
        self.is_passing = matches!(id, b"NM1" | b"N1");
        let node = self.frames.last().map_or(0, |frame| frame.node);
        self.keep(number, node, NONE);
    }

    fn keep(&mut self, number: usize, node: u32, spec: u16) {
        debug_assert_eq!(self.tree.owner.len(), number);
        self.tree.owner.push(node);
        self.tree.spec.push(spec);
        if self.tree.nodes.len() as u32 > node + 1 {
            self.tree.nodes[node as usize].has_late = true;
        }
    }

    fn open(&mut self, spec: usize, first: usize) {
        let parent = self.frames.last().map_or(0, |frame| frame.node);
        let node = self.tree.nodes.len() as u32;
        let (first, spec_number) = (first as u32, spec as u16);
        self.tree.nodes.push(Node {
            spec: spec_number,
            parent,
            first,
            end: first,
            after: node + 1,
            has_late: false,
        });
        self.frames.push(Frame { node, spec, reached: 0, counts: self.counts.len() });
        let count = self.tree.guide.loops[spec].items.len();
        self.counts.resize(self.counts.len() + count, 0);
        // The segment that begins the loop is there.
        if let Some(frame) = self.frames.last() {
            self.counts[frame.counts] = 1;
        }
    }

    fn close(&mut self, frame: &Frame) {
        self.close_at(frame, self.tree.segments.len());
    }

    /// A loop ends before segment `end`: was everything there?
    fn close_at(&mut self, frame: &Frame, end: usize) {
        let after = self.tree.nodes.len() as u32;
        let node = &mut self.tree.nodes[frame.node as usize];
        (node.end, node.after) = (end as u32, after);
        let first = node.first as usize;
        for (at, item) in self.items(frame).iter().enumerate() {
            if self.counts[frame.counts + at] == 0 && item.usage != Usage::Situational {
                self.missing(frame, item, first);
            }
        }
        self.counts.truncate(frame.counts);
    }

    fn missing(&mut self, frame: &Frame, item: &Item, first: usize) {
        // A set without SE is told by the envelope.
        if item.id == "SE" {
            return;
        }
        let guide = self.tree.guide;
        let spec = &guide.loops[frame.spec];
        let mut place = self.place(first);
        let wanted = match item.keys.as_slice() {
            [] => item.id.to_owned(),
            keys => format!("{} with {}", item.id, keys.join(" or ")),
        };
        let loop_id = match item.what {
            What::Segment(_) => spec.id,
            What::Loop(number) => guide.loops[number].id,
        };
        let what = match item.what {
            // The set as a whole is no loop.
            What::Segment(_) if spec.id.is_empty() => {
                format!("The transaction set has no {wanted} segment.")
            }
            What::Segment(_) => format!("{} (loop {}) has no {wanted} segment.", spec.title, spec.id),
            What::Loop(number) => {
                let inner = &guide.loops[number];
                format!("{} has no loop {} ({}): {wanted} is missing.", spec.title, inner.id, inner.title)
            }
        };
        loop_id.clone_into(&mut place.loop_id);
        place.id = item.id.to_owned();
        let finding = Finding::new(Level::Guide, "segment-missing", place, capital(&what));
        let finding = finding.answered(Answer::Segment("3"));
        let is_wanted = item.usage == Usage::Wanted;
        self.tree.findings.push(if is_wanted { finding.warning() } else { finding });
    }

    fn too_many(&mut self, number: usize, (depth, at): Target) {
        let frame = &self.frames[depth];
        let item = &self.items(frame)[at];
        let (code, answer, what) = match item.what {
            What::Segment(_) => ("segment-repeated", "5", format!("segment {}", item.id)),
            What::Loop(inner) => ("loop-repeated", "4", format!("loop {}", self.tree.guide.loops[inner].id)),
        };
        let spec = &self.tree.guide.loops[frame.spec];
        let title = if spec.id.is_empty() { spec.title.as_str() } else { spec.id };
        let message = format!("More than {} of {what} in {title}.", item.max);
        self.report(number, code, Level::Guide, answer, message);
    }

    fn place(&self, number: usize) -> Place {
        let spec = self.frames.last().map_or(0, |frame| frame.spec);
        let segment = &self.tree.segments[number];
        Place {
            offset: segment.offset(),
            segment: number as u64 + 1,
            id: segment.name(),
            loop_id: self.tree.guide.loops[spec].id.to_owned(),
            ..Place::default()
        }
    }

    fn report(
        &mut self,
        number: usize,
        code: &'static str,
        level: Level,
        answer: &'static str,
        message: String,
    ) {
        let finding = Finding::new(level, code, self.place(number), message);
        self.tree.findings.push(finding.answered(Answer::Segment(answer)));
    }
}

/// A sentence begins with a capital letter.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
