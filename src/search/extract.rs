//! From a resource to its index rows: every search parameter of its type.

use crate::contained::{CONTAINED, MAX_CONTAINED};
use crate::expression;
use crate::path::Path;
use crate::registry::{Extractor, Registry, Source};
use crate::rows::{ContainedRow, IndexRows};
use crate::{composite, date, number, position, quantity, reference, string, text, token, uri, words};
use remit_fhir::{Error, Node, Result};
use remit_spec::{Definitions, SearchKind, TypeId};
use std::borrow::Cow;
use std::collections::HashMap;

/// A value that an expression gives, with its datatype.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) node: Node<'a>,
    pub(crate) ty: TypeId,
    /// The required value set of a code.
    pub(crate) value_set: Option<&'static str>,
}

impl Item<'_> {
    /// The name of the datatype.
    pub(crate) fn type_name(&self) -> &'static str {
        Definitions::r4().name(self.ty)
    }
}

/// A resource while it is indexed.
pub(crate) struct Index<'a> {
    pub(crate) definitions: &'static Definitions,
    pub(crate) resource: Node<'a>,
    pub(crate) ty: TypeId,
    pub(crate) base: &'a str,
    /// What the container holds; the container is the resource itself, unless that is contained.
    pub(crate) inside: &'a Inside<'a>,
    pub(crate) rows: IndexRows,
}

/// The contained resources of a resource.
#[derive(Default)]
pub(crate) struct Inside<'a> {
    nodes: Vec<Node<'a>>,
    /// Of each id, the place where it stands first.
    places: HashMap<Cow<'a, str>, u16>,
}

impl<'a> Inside<'a> {
    fn of(container: Node<'a>) -> Result<Inside<'a>> {
        let nodes: Vec<Node<'a>> = container.get("contained").into_iter().flat_map(Node::each).collect();
        if nodes.len() > MAX_CONTAINED {
            return Err(Error::unprocessable(format!(
                "The resource contains more than {MAX_CONTAINED} resources: give them addresses of their own."
            )));
        }
        let mut places = HashMap::with_capacity(nodes.len());
        for (place, node) in nodes.iter().enumerate() {
            if let Some(id) = node.get_str("id") {
                places.entry(id).or_insert(place as u16);
            }
        }
        Ok(Inside { nodes, places })
    }

    /// The place of the contained resource with this id.
    pub(crate) fn place(&self, id: &str) -> Option<u16> {
        self.places.get(id).copied()
    }

    /// The contained resource with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Node<'a>> {
        self.nodes.get(usize::from(self.place(id)?)).copied()
    }
}

/// Most rows that one resource gives. The largest resources met in practice, bundles and value sets
/// of a megabyte, give some thousands.
const MAX_ROWS: usize = 200_000;

/// The rows of those reference parameters of a resource that `wanted` names by number.
pub fn references(
    resource: Node<'_>,
    ty: TypeId,
    registry: &Registry,
    wanted: impl Fn(i32) -> bool,
) -> Result<IndexRows> {
    let (definitions, inside) = (registry.definitions(), &Inside::of(resource)?);
    let mut index = Index { definitions, resource, ty, base: "", inside, rows: IndexRows::default() };
    let root = Item { node: resource, ty, value_set: None };
    let of = |extractor: &&Extractor| extractor.kind == SearchKind::Reference && wanted(extractor.param);
    for extractor in registry.extractors(ty).iter().filter(of) {
        extractor.run(&root, &mut index)?;
    }
    for extractor in registry.custom_extractors(ty).filter(of) {
        let _ = extractor.run(&root, &mut index);
    }
    Ok(index.rows)
}

/// The index rows of a resource and of those that it contains. Absolute references below `base` count
/// as local.
pub fn extract(resource: Node<'_>, ty: TypeId, registry: &Registry, base: &str) -> Result<IndexRows> {
    let inside = Inside::of(resource)?;
    let mut rows = rows_of(resource, ty, registry, base, &inside)?;
    for (place, node) in inside.nodes.iter().enumerate() {
        let named = node.resource_type();
        let Some(ty) = named.and_then(|name| registry.definitions().resource_named(&name)) else { continue };
        let mut own = rows_of(*node, ty, registry, base, &inside)?;
        let id = node.get_str("id").unwrap_or_default().into();
        own.contained.push(ContainedRow { param: CONTAINED, ty, id });
        own.become_contained();
        rows.inside.push((place as u16, own));
    }
    rows.epoch = registry.epoch();
    if rows.len() > MAX_ROWS {
        return Err(Error::unprocessable(format!(
            "The resource has more than {MAX_ROWS} values to search for: split it."
        )));
    }
    Ok(rows)
}

/// The rows of one resource, contained or not.
fn rows_of(
    resource: Node<'_>,
    ty: TypeId,
    registry: &Registry,
    base: &str,
    inside: &Inside<'_>,
) -> Result<IndexRows> {
    let definitions = registry.definitions();
    let mut index = Index { definitions, resource, ty, base, inside, rows: IndexRows::default() };
    let root = Item { node: resource, ty, value_set: None };
    for extractor in registry.extractors(ty) {
        extractor.run(&root, &mut index)?;
    }
    for extractor in registry.custom_extractors(ty) {
        // An expression of a tenant that fails on a resource gives it no rows, rather than keep it
        // from being stored; that it fails depends on the resource alone.
        let _ = extractor.run(&root, &mut index);
    }
    index.rows.words.extend(words::index(resource, registry.text().0));
    index.rows.normalise();
    Ok(index.rows)
}

/// How many values the expressions of a type's parameters give on a resource: what [`extract`] does
/// before it makes rows, for measuring.
pub fn values(resource: Node<'_>, ty: TypeId, registry: &Registry) -> Result<usize> {
    let definitions = registry.definitions();
    let inside = &Inside::default();
    let index = Index { definitions, resource, ty, base: "", inside, rows: IndexRows::default() };
    let root = Item { node: resource, ty, value_set: None };
    let mut count = 0;
    for extractor in registry.extractors(ty) {
        let (Source::Paths(paths) | Source::Expressions(paths, _) | Source::Composite(paths, _)) =
            &extractor.source;
        count += paths.iter().map(|path| path.evaluate(&root, &index).len()).sum::<usize>();
        if let Source::Expressions(_, expressions) = &extractor.source {
            for expression in expressions {
                count += expression::count(expression, &root)?;
            }
        }
    }
    Ok(count)
}

impl Extractor {
    fn run<'a>(&self, root: &Item<'a>, index: &mut Index<'a>) -> Result<()> {
        match &self.source {
            Source::Paths(paths) => self.walk(paths, root, index),
            Source::Expressions(paths, expressions) => {
                self.walk(paths, root, index);
                for expression in expressions {
                    expression::index(expression, self, root, index)?;
                }
            }
            Source::Composite(paths, parts) => {
                for path in paths {
                    for item in path.evaluate(root, index) {
                        composite::index(index, &item, parts, self.param);
                    }
                }
            }
        }
        Ok(())
    }

    fn walk<'a>(&self, paths: &[Path], root: &Item<'a>, index: &mut Index<'a>) {
        for path in paths {
            for item in path.evaluate(root, index) {
                self.index(&item, index);
            }
        }
    }

    pub(crate) fn index(&self, item: &Item<'_>, index: &mut Index<'_>) {
        let rows = &mut index.rows;
        match self.kind {
            SearchKind::Token => {
                token::index(item, self.param, &mut rows.tokens);
                text::index(item, self.param, &mut rows.texts);
                text::index_of_type(item, self.param, &mut rows.composites);
            }
            SearchKind::Reference => {
                text::index(item, self.param, &mut rows.texts);
                reference::index(index, item, self.param, self.keeps);
            }
            SearchKind::Uri => uri::index(item, self.param, &mut rows.uris),
            SearchKind::String => string::index(item, self.param, &mut rows.strings),
            SearchKind::Date => date::index(item, self.param, &mut rows.dates),
            SearchKind::Number => number::index(item, self.param, &mut rows.numbers),
            SearchKind::Quantity => quantity::index(item, self.param, &mut rows.quantities),
            SearchKind::Special => position::index(item, self.param, &mut rows.positions),
            SearchKind::Composite => {}
        }
    }
}
