//! Where an element stands in its document: for messages, for `$fhirpath`, and for changes by splicing.

use remit_fhir::Node;

use crate::item::Element;

/// The way from the root of a document to one of its nodes.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The object that holds the element.
    pub parent: Node<'a>,
    /// The name of the member, without the underscore of `_name`.
    pub name: String,
    /// The value of that member: the array when there is one, else the element's node.
    pub member: Node<'a>,
    /// The place in the array, from 0; `None` when the member is no array.
    pub index: Option<usize>,
}

impl<'a> Element<'a> {
    /// Where the element stands; `None` for the root of the document and for elements without a node.
    pub fn place(&self) -> Option<Place<'a>> {
        let mut last = None;
        walk(self.any_node()?, |place| last = Some(place));
        last
    }

    /// The path from the root of the document: `Patient.name[0].given[1]`. Only what is written as
    /// an array has an index.
    pub fn path(&self) -> Option<String> {
        let target = self.any_node()?;
        let root = target.document().root();
        let mut path = root.resource_type().map_or_else(String::new, |name| name.into_owned());
        walk(target, |place| {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&place.name);
            if let Some(index) = place.index {
                path.push_str(&format!("[{index}]"));
            }
        });
        Some(path)
    }
}

/// Visits each step from the root of the document down to `target`.
fn walk<'a>(target: Node<'a>, mut visit: impl FnMut(Place<'a>)) {
    let range = target.range();
    let holds = |node: &Node<'a>| node.range().start <= range.start && range.end <= node.range().end;
    let mut current = target.document().root();
    while current != target {
        let parent = current;
        let Some((name, member)) = parent.members().find(|(_, value)| holds(value)) else { return };
        let name = name.strip_prefix('_').unwrap_or(&name).to_owned();
        let found = member.items().enumerate().find(|(_, item)| holds(item));
        let (index, next) = match found {
            Some((index, item)) if member != target => (Some(index), item),
            _ => (None, member),
        };
        visit(Place { parent, name, member, index });
        current = next;
    }
}
