//! FHIRPath Patch (<https://hl7.org/fhir/R4/fhirpatch.html>): add, insert, delete, replace and move.
//!
//! A path leads to elements of the resource itself. Each operation rewrites the object that holds
//! them; the rest of the text stays as it is.

use remit_fhir::json::{Splice, splice};
use remit_fhir::{Document, Node, Result};
use remit_fhirpath::Element;
use remit_spec::Definitions;

use super::object::{List, Object};
use super::parameters::{Act, Operation, operations};
use super::path::{compiled, elements, parent_path, type_of};
use super::value::{self, Value};
use super::{Work, failed, reparse};

/// Applies a patch to a compact resource. A malformed patch is a 400, one that cannot be applied a 422.
pub(super) fn apply(
    defs: &'static Definitions,
    mut document: Document,
    patch: &Document,
) -> Result<Document> {
    let mut work = Work::default();
    for (at, operation) in operations(patch)?.iter().enumerate() {
        work.add(&document)?;
        let done = change(defs, &document, operation)
            .and_then(|edit| edit.map(|edit| reparse(splice(document.text(), vec![edit]))).transpose());
        match done {
            Ok(Some(changed)) => document = changed,
            Ok(None) => {}
            Err(reason) => {
                let (name, path) = (operation.act.name(), &operation.path);
                let text = format!("Operation {at} of the FHIRPath Patch ({name} {path}) failed: {reason}.");
                return Err(failed(text).at(path.clone()));
            }
        }
    }
    Ok(document)
}

type Step<T> = std::result::Result<T, String>;

/// The edit that an operation asks for; `None` when there is nothing to do.
fn change(
    defs: &'static Definitions,
    document: &Document,
    operation: &Operation<'_>,
) -> Step<Option<Splice>> {
    let path = compiled(defs, document, &operation.path)?;
    let found = elements(defs, &path, document)?;
    match &operation.act {
        Act::Add { name, value } => add(defs, single(&found)?, name, *value).map(Some),
        Act::Insert { index, value } => {
            insert(defs, document, &operation.path, &found, *index, *value).map(Some)
        }
        Act::Delete => match &*found {
            [] => Ok(None),
            [element] => delete(element).map(Some),
            many => Err(format!("the path leads to {} elements; only one can be deleted", many.len())),
        },
        Act::Replace { value } => replace(defs, single(&found)?, *value).map(Some),
        Act::Move { source, destination } => shift(&found, *source, *destination).map(Some),
    }
}

fn single<'e, 'a>(found: &'e [Element<'a>]) -> Step<&'e Element<'a>> {
    match found {
        [element] => Ok(element),
        [] => Err("the path leads to no element".into()),
        many => Err(format!("the path leads to {} elements; it must lead to one", many.len())),
    }
}

fn add(defs: &'static Definitions, holder: &Element<'_>, name: &str, part: Node<'_>) -> Step<Splice> {
    let ty = holder.ty.ok_or("the type of the element is not known")?;
    let element = value::element_named(defs, ty, name)?;
    let value = value::of(defs, element, part)?;
    let object = holder.node.filter(|node| node.is_object());
    if let Some(node) = object {
        let mut object = Object::of(node);
        add_member(&mut object, node, element, value)?;
        return Ok(object.splice(node));
    }
    add_to_primitive(holder, element, value)
}

fn add_member(object: &mut Object, node: Node<'_>, element: &remit_spec::Element, value: Value) -> Step<()> {
    let name = value.json_name;
    if element.is_list {
        let mut list = List::of(node, name);
        list.insert(list.len(), value.json, value.companion);
        list.store(object, name);
        return Ok(());
    }
    let taken =
        element.types.iter().any(|t| object.has(t.json_name) || object.has(&format!("_{}", t.json_name)));
    if taken {
        return Err(format!("the element \"{}\" is there already and does not repeat", element.name));
    }
    object.put(name, value.json);
    object.put(&format!("_{name}"), value.companion);
    Ok(())
}

/// The id and the extensions of a primitive lie in the object of `_name`.
fn add_to_primitive(holder: &Element<'_>, element: &remit_spec::Element, value: Value) -> Step<Splice> {
    if !matches!(element.name, "id" | "extension") {
        return Err("a primitive takes only an id and extensions".into());
    }
    let place = holder.place().ok_or("the path leads to no element of the resource")?;
    let companion = match holder.extension {
        Some(node) => {
            let mut object = Object::of(node);
            add_member(&mut object, node, element, value)?;
            object.json()
        }
        None => {
            let json = value.json.unwrap_or_default();
            let json = if element.is_list { format!("[{json}]") } else { json };
            let mut object = Object::empty();
            object.set(value.json_name, json);
            object.json()
        }
    };
    let mut parent = Object::of(place.parent);
    match place.index {
        Some(index) => {
            let mut list = List::of(place.parent, &place.name);
            list.set_companion(index, Some(companion));
            list.store(&mut parent, &place.name);
        }
        None => parent.set(&format!("_{}", place.name), companion),
    }
    Ok(parent.splice(place.parent))
}

fn insert(
    defs: &'static Definitions,
    document: &Document,
    path: &str,
    found: &[Element<'_>],
    index: usize,
    part: Node<'_>,
) -> Step<Splice> {
    if found.is_empty() {
        let (parent, name) = parent_path(path).ok_or("the path leads to no list")?;
        if index > 0 {
            return Err("the index is past the end of the list, which is empty".into());
        }
        let parent = compiled(defs, document, parent)?;
        let parents = elements(defs, &parent, document)?;
        let holder = single(&parents)?;
        let element = holder.ty.and_then(|ty| defs.child(ty, name)).ok_or("there is no such element")?;
        if !element.is_list {
            return Err("the element does not repeat".into());
        }
        return add(defs, holder, name, part);
    }
    let (parent, name, mut list) = whole_list(found)?;
    if index > list.len() {
        return Err(format!("the index is past the end of the list, which has {} values", list.len()));
    }
    let element = element_of(defs, parent, &name)?;
    let value = value::of(defs, element, part)?;
    list.insert(index, value.json, value.companion);
    Ok(store(list, parent, &name))
}

/// The definition of a member of an object.
fn element_of(
    defs: &'static Definitions,
    parent: Node<'_>,
    name: &str,
) -> Step<&'static remit_spec::Element> {
    let found = type_of(defs, parent).and_then(|ty| defs.member(ty, name));
    found.map(|(element, _)| element).ok_or_else(|| "the type of the element is not known".into())
}

/// The list that all the elements stand in, when they are the whole of it.
fn whole_list<'a>(found: &[Element<'a>]) -> Step<(Node<'a>, String, List)> {
    let place = found.first().and_then(Element::place).ok_or("the path leads to no list")?;
    if place.index.is_none() {
        return Err("the path leads to an element that does not repeat".into());
    }
    let list = List::of(place.parent, &place.name);
    let same = |element: &Element<'a>| {
        element.place().is_some_and(|p| p.parent == place.parent && p.name == place.name && p.index.is_some())
    };
    if list.len() != found.len() || !found.iter().all(same) {
        return Err("the path must lead to all values of one list".into());
    }
    Ok((place.parent, place.name, list))
}

fn store(list: List, parent: Node<'_>, name: &str) -> Splice {
    let mut object = Object::of(parent);
    list.store(&mut object, name);
    object.splice(parent)
}

/// Removes an element, and what becomes empty by it: FHIR knows no empty elements.
fn delete(element: &Element<'_>) -> Step<Splice> {
    let mut target = *element;
    loop {
        let place = target.place().ok_or("the resource itself cannot be deleted by a patch")?;
        let is_companion = place.member.key().is_some_and(|key| key.starts_with('_'));
        let mut parent = Object::of(place.parent);
        match place.index {
            Some(index) => {
                let mut list = List::of(place.parent, &place.name);
                if is_companion && place.parent.get(&place.name).is_some() {
                    list.set_companion(index, None);
                    list.sweep();
                } else {
                    list.remove(index);
                }
                list.store(&mut parent, &place.name);
            }
            None => {
                if !is_companion {
                    parent.remove(&place.name);
                }
                parent.remove(&format!("_{}", place.name));
            }
        }
        let is_root = place.parent == place.parent.document().root();
        if !parent.is_empty() || is_root {
            return Ok(parent.splice(place.parent));
        }
        target = Element { node: Some(place.parent), extension: None, ty: None };
    }
}

fn replace(defs: &'static Definitions, element: &Element<'_>, part: Node<'_>) -> Step<Splice> {
    let place = element.place().ok_or("the resource itself cannot be replaced by a patch")?;
    let definition = element_of(defs, place.parent, &place.name)?;
    let value = value::of(defs, definition, part)?;
    let mut parent = Object::of(place.parent);
    if let Some(index) = place.index {
        let mut list = List::of(place.parent, &place.name);
        list.remove(index);
        list.insert(index, value.json, value.companion);
        list.store(&mut parent, &place.name);
        return Ok(parent.splice(place.parent));
    }
    let companion = format!("_{}", place.name);
    match value.json {
        Some(json) if parent.has(&place.name) => {
            parent.remove(&companion);
            parent.rename(&place.name, value.json_name, json);
        }
        json => {
            parent.remove(&place.name);
            parent.remove(&companion);
            parent.put(value.json_name, json);
        }
    }
    parent.put(&format!("_{}", value.json_name), value.companion);
    Ok(parent.splice(place.parent))
}

fn shift(found: &[Element<'_>], source: usize, destination: usize) -> Step<Splice> {
    if found.is_empty() {
        return Err("the path leads to no list".into());
    }
    let (parent, name, mut list) = whole_list(found)?;
    if source >= list.len() || destination >= list.len() {
        return Err(format!("source and destination must be below {}, the length of the list", list.len()));
    }
    list.shift(source, destination);
    Ok(store(list, parent, &name))
}
