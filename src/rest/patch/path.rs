//! The paths of a FHIRPath Patch: which elements of the resource they lead to.

use remit_fhir::{Document, Node};
use remit_fhirpath::{Element, Environment, Expression, Item, compile};
use remit_spec::{Definitions, TypeId};
use remit_store::system_clock;

/// Reads a path on a resource.
pub(super) fn compiled(
    defs: &'static Definitions,
    document: &Document,
    path: &str,
) -> Result<Expression, String> {
    let ty = Element::resource(document.root(), defs).ty;
    compile(path, ty, defs).map_err(|e| e.to_string())
}

/// The elements that a path leads to. They lie in the resource itself: a path that leaves it is refused.
pub(super) fn elements<'d>(
    defs: &'static Definitions,
    path: &'d Expression,
    document: &'d Document,
) -> Result<Vec<Element<'d>>, String> {
    let root = Item::resource(document.root(), defs);
    let found = path.evaluate(root, &Environment::new(system_clock())).map_err(|e| e.to_string())?;
    let mut elements = Vec::with_capacity(found.len());
    for item in &found {
        let node = item.element().and_then(Element::any_node);
        match item.element().filter(|_| node.is_some_and(|node| std::ptr::eq(node.document(), document))) {
            Some(element) => elements.push(*element),
            None => {
                return Err("the path must lead to elements of the resource, not to computed values".into());
            }
        }
    }
    Ok(elements)
}

/// A path that ends in the name of an element, split before that name.
pub(super) fn parent_path(path: &str) -> Option<(&str, &str)> {
    let (parent, name) = path.trim().rsplit_once('.')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    is_name.then_some((parent, name))
}

/// The type of an object of a resource, by the members that lead to it.
pub(super) fn type_of(defs: &Definitions, node: Node<'_>) -> Option<TypeId> {
    if let Some(name) = node.resource_type() {
        return defs.resource_named(&name);
    }
    let place = Element { node: Some(node), extension: None, ty: None }.place()?;
    if place.member.key().is_some_and(|key| key.starts_with('_')) {
        return Some(defs.well_known().element);
    }
    // Each step goes up one level of a document whose depth the parser bounds.
    let parent = type_of(defs, place.parent)?;
    defs.member(parent, &place.name).map(|(_, ty)| ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_before_its_last_name() {
        for (path, expected) in [
            ("Patient.name", Some(("Patient", "name"))),
            ("Patient.contact[0].telecom", Some(("Patient.contact[0]", "telecom"))),
            ("Patient.name.where(use = 'a.b')", None),
            ("Patient", None),
            ("Patient.name[0]", None),
        ] {
            assert_eq!(parent_path(path), expected, "{path}");
        }
    }
}
