//! From a resource to its index rows: every search parameter of its type.

use crate::expression;
use crate::path::Path;
use crate::registry::{Extractor, Registry, Source};
use crate::rows::IndexRows;
use crate::{composite, date, number, position, quantity, reference, string, text, token, uri, words};
use remit_fhir::{Error, Node, Result};
use remit_spec::{Definitions, SearchKind, TypeId};

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
    pub(crate) rows: IndexRows,
}

/// Most rows that one resource gives. The largest resources met in practice, bundles and value sets
/// of a megabyte, give some thousands.
const MAX_ROWS: usize = 200_000;

/// The index rows of a resource. Absolute references below `base` count as local.
pub fn extract(resource: Node<'_>, ty: TypeId, registry: &Registry, base: &str) -> Result<IndexRows> {
    let definitions = registry.definitions();
    let mut index = Index { definitions, resource, ty, base, rows: IndexRows::default() };
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
    index.rows.epoch = registry.epoch();
    index.rows.normalise();
    if index.rows.len() > MAX_ROWS {
        return Err(Error::unprocessable(format!(
            "The resource has more than {MAX_ROWS} values to search for: split it."
        )));
    }
    Ok(index.rows)
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
                reference::index(index, item, self.param);
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
