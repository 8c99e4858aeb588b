//! The segments of a transaction set as a tree of loops.
//!
//! Nodes stand in one list in the order of the file, children behind their parent, so a subtree is a
//! range. A segment out of place is a finding and stays in the tree, in the loop where it stands.

use crate::finding::{Answer, Finding, Findings, Level, Place};
use crate::guide::{Guide, LoopSpec, SegmentSpec};
use crate::parts::Transaction;
use crate::segment::Segment;

/// A number that stands for none.
pub(crate) const NONE: u16 = u16::MAX;

/// A loop of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// Number of its loop in the guide.
    pub(crate) spec: u16,
    pub(crate) parent: u32,
    /// First segment, and one past the last of the subtree.
    pub(crate) first: u32,
    pub(crate) end: u32,
    /// One past the last node of the subtree.
    pub(crate) after: u32,
    /// Whether a segment of its own comes behind a loop inside it.
    pub(crate) has_late: bool,
}

/// A transaction set, understood.
#[derive(Debug)]
pub struct Tree<'t, 'a> {
    /// The guide it was read by.
    pub guide: &'static Guide,
    /// Its segments.
    pub segments: &'t [Segment<'a>],
    pub(crate) nodes: Vec<Node>,
    /// The node of each segment.
    pub(crate) owner: Vec<u32>,
    /// The number of each segment in the guide, or `NONE`.
    pub(crate) spec: Vec<u16>,
    /// What was out of place.
    pub findings: Findings,
}

/// Why no guide reads a transaction set.
pub fn guide_of(transaction: &Transaction<'_>) -> Result<&'static Guide, Box<Finding>> {
    let refuse = |code: &'static str, element: u16, answer: &'static str, message: String| {
        let place = transaction.segments.first().map(|st| Place {
            offset: st.offset(),
            segment: 1,
            id: "ST".into(),
            element,
            ..Place::default()
        });
        let finding = Finding::new(Level::Syntax, code, place.unwrap_or_default(), message);
        Box::new(finding.answered(Answer::Transaction(answer)))
    };
    let Some(st) = transaction.segments.first() else {
        return Err(refuse("set-empty", 0, "6", "There is no ST segment.".into()));
    };
    let (set, version) = (st.string(1), st.string(3));
    let version = if version.is_empty() { transaction.group_version.clone() } else { version };
    match Guide::of_version(&version) {
        Some(guide) if guide.set == set => Ok(guide),
        Some(guide) => {
            let message = format!("ST01 is `{set}`, but version {version} is of set {}.", guide.set);
            Err(refuse("set-mismatch", 1, "6", message))
        }
        None => {
            let read: Vec<_> = Guide::all().iter().map(|guide| guide.id).collect();
            let message =
                format!("Set {set} of version `{version}` is not read here; read are {}.", read.join(", "));
            Err(refuse("set-not-supported", 3, "1", message))
        }
    }
}

impl<'t, 'a> Tree<'t, 'a> {
    /// Reads the loops of a transaction set by a guide.
    pub fn build(transaction: &'t Transaction<'a>, guide: &'static Guide) -> Tree<'t, 'a> {
        crate::walk::Walk::new(guide, &transaction.segments).run()
    }

    /// The transaction set itself as the outermost loop.
    pub fn root(&self) -> Loop<'_, 't, 'a> {
        Loop { tree: self, node: 0 }
    }

    /// All loops of an identifier, in the order of the file.
    pub fn loops<'s>(&'s self, id: &'s str) -> impl Iterator<Item = Loop<'s, 't, 'a>> {
        let numbers = 0..self.nodes.len() as u32;
        numbers.map(|node| Loop { tree: self, node }).filter(move |l| l.id() == id)
    }

    /// The entry of the guide for a segment.
    pub fn spec_of(&self, segment: usize) -> Option<&'static SegmentSpec> {
        self.guide.segments.get(usize::from(self.spec[segment]))
    }

    /// The place of a segment, by its number from 0.
    pub fn place(&self, segment: usize) -> Place {
        let node = &self.nodes[self.owner[segment] as usize];
        Place {
            offset: self.segments[segment].offset(),
            segment: segment as u64 + 1,
            id: self.segments[segment].name(),
            loop_id: self.guide.loops[usize::from(node.spec)].id.to_owned(),
            ..Place::default()
        }
    }
}

/// A loop of a tree.
#[derive(Clone, Copy, Debug)]
pub struct Loop<'s, 't, 'a> {
    tree: &'s Tree<'t, 'a>,
    node: u32,
}

impl<'s, 't, 'a> Loop<'s, 't, 'a> {
    fn at(&self) -> &'s Node {
        &self.tree.nodes[self.node as usize]
    }

    /// Its tree.
    pub fn tree(&self) -> &'s Tree<'t, 'a> {
        self.tree
    }

    /// Its entry in the guide.
    pub fn spec(&self) -> &'static LoopSpec {
        &self.tree.guide.loops[usize::from(self.at().spec)]
    }

    /// Its identifier, `2300`; empty for the transaction set.
    pub fn id(&self) -> &'static str {
        self.spec().id
    }

    /// The place of its first segment.
    pub fn place(&self) -> Place {
        self.tree.place(self.at().first as usize)
    }

    /// The loop around it.
    pub fn parent(&self) -> Option<Loop<'s, 't, 'a>> {
        (self.node > 0).then(|| Loop { node: self.at().parent, ..*self })
    }

    /// Numbers of all its segments, those of inner loops too.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.at().first as usize..self.at().end as usize
    }

    /// Its own segments with their numbers, without those of loops inside.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, Segment<'a>)> + use<'s, 't, 'a> {
        let (tree, node, at) = (self.tree, self.node, self.at());
        // Mostly a loop's own segments come first: then the loops inside need no look.
        let end = match tree.nodes.get(node as usize + 1) {
            Some(child) if !at.has_late && at.after > node + 1 => child.first,
            _ => at.end,
        };
        let range = at.first as usize..end as usize;
        range.filter(move |i| tree.owner[*i] == node).map(move |i| (i, tree.segments[i]))
    }

    /// Its own segments.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + use<'s, 't, 'a> {
        self.numbered().map(|(_, segment)| segment)
    }

    /// Its own segments of an identifier.
    pub fn all(&self, id: &'static str) -> impl Iterator<Item = Segment<'a>> + use<'s, 't, 'a> {
        self.segments().filter(move |segment| segment.id() == id.as_bytes())
    }

    /// Its first own segment of an identifier.
    pub fn segment(&self, id: &'static str) -> Option<Segment<'a>> {
        self.all(id).next()
    }

    /// Its first own segment of an identifier whose first element is `qualifier`.
    pub fn qualified(&self, id: &'static str, qualifier: &str) -> Option<Segment<'a>> {
        self.all(id).find(|segment| segment.bytes(1) == qualifier.as_bytes())
    }

    /// Loops directly inside.
    pub fn children(&self) -> impl Iterator<Item = Loop<'s, 't, 'a>> + use<'s, 't, 'a> {
        let (tree, end) = (self.tree, self.at().after);
        let mut next = self.node + 1;
        std::iter::from_fn(move || {
            let node = (next < end).then_some(next)?;
            next = tree.nodes[node as usize].after;
            Some(Loop { tree, node })
        })
    }

    /// Loops of an identifier directly inside.
    pub fn loops(&self, id: &'static str) -> impl Iterator<Item = Loop<'s, 't, 'a>> + use<'s, 't, 'a> {
        self.children().filter(move |inner| inner.id() == id)
    }

    /// The first loop of an identifier directly inside.
    pub fn find(&self, id: &'static str) -> Option<Loop<'s, 't, 'a>> {
        self.loops(id).next()
    }
}
