//! Reference parameters (<https://hl7.org/fhir/R4/search.html#reference>).
//!
//! A reference to a resource of this server is a row of type and id. What lies elsewhere is a URI
//! under the same parameter, and `Reference.identifier` a token under the same parameter.

use crate::extract::{Index, Item};
use crate::parse::{Context, unescape};
use crate::rows::{InnerRow, ReferenceRow, TokenRow};
use crate::{token, uri};
use remit_fhir::{Error, Node, Reference, Result, is_id};
use remit_spec::{Definitions, TypeId};

/// A reference searched for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A resource of this server, of one of several types when the search did not say which.
    Local(Vec<(TypeId, Box<str>)>),
    /// A URL elsewhere, or a canonical.
    Url(Box<str>),
    /// `:identifier`
    Identifier(token::Value),
}

pub(crate) fn index(index: &mut Index<'_>, item: &Item<'_>, param: i32) {
    match item.type_name() {
        "Reference" => {
            if let Some(text) = item.node.get_str("reference") {
                literal(index, &text, param);
            }
            if let Some(identifier) = item.node.get("identifier")
                && let Some(value) = identifier.get_str("value")
            {
                let system = identifier.get_str("system").unwrap_or_default();
                index.rows.tokens.push(TokenRow { param, code: (*value).into(), system: (*system).into() });
            }
        }
        "canonical" => uri::index(item, param, &mut index.rows.uris),
        _ if item.node.is_object() => inline(index, item.node, param),
        _ => {
            if let Some(text) = item.node.string() {
                literal(index, &text, param);
            }
        }
    }
}

fn literal(index: &mut Index<'_>, text: &str, param: i32) {
    match Reference::parse_with_base(text, index.base) {
        Reference::Relative { kind, id, .. } => {
            if let Some(ty) = index.definitions.resource_named(kind) {
                index.rows.references.push(ReferenceRow { param, ty, id: id.into() });
            }
        }
        Reference::Absolute(url) => uri::index_text(url, false, param, &mut index.rows.uris),
        Reference::Contained("") => index.rows.inner.push(InnerRow { param, place: None }),
        Reference::Contained(id) => {
            let place = index.inside.place(id);
            index.rows.inner.extend(place.map(|place| InnerRow { param, place: Some(place) }));
        }
        // A conditional one is replaced before it is stored.
        Reference::Conditional { .. } | Reference::Unknown(_) => {}
    }
}

/// A resource that stands in the place of a reference: the first entry of a document or message.
fn inline(index: &mut Index<'_>, node: Node<'_>, param: i32) {
    let ty = node.resource_type().and_then(|name| index.definitions.resource_named(&name));
    if let (Some(ty), Some(id)) = (ty, node.get_str("id").filter(|id| is_id(id))) {
        index.rows.references.push(ReferenceRow { param, ty, id: (*id).into() });
    }
}

/// The type that a reference says it points to, for `where(resolve() is Patient)`.
pub(crate) fn target_type(node: Node<'_>, index: &Index<'_>) -> Option<TypeId> {
    let definitions = index.definitions;
    let text = node.get_str("reference");
    let by_form = match text.as_deref().map(|text| Reference::parse_with_base(text, index.base)) {
        Some(Reference::Relative { kind, .. } | Reference::Conditional { kind, .. }) => {
            definitions.resource_named(kind)
        }
        Some(Reference::Contained(id)) => {
            let found = index.inside.find(id).and_then(Node::resource_type);
            found.and_then(|name| definitions.resource_named(&name))
        }
        Some(Reference::Absolute(url)) => type_in_url(url, definitions),
        _ => None,
    };
    by_form.or_else(|| definitions.resource_named(&node.get_str("type")?))
}

/// The type in the last two steps of a RESTful URL: `http://example.org/fhir/Patient/1`.
pub(crate) fn type_in_url(url: &str, definitions: &Definitions) -> Option<TypeId> {
    let url = url.split_once("/_history/").map_or(url, |(url, _)| url);
    let mut steps = url.rsplit('/');
    let (id, kind) = (steps.next()?, steps.next()?);
    is_id(id).then(|| definitions.resource_named(kind)).flatten()
}

/// The step of a URL that says a type: `/Patient/`.
pub(crate) fn step(ty: TypeId) -> String {
    format!("/{}/", Definitions::r4().name(ty))
}

/// Reads a value of the URL. An id alone stands for each of the `targets`.
pub(crate) fn parse(text: &str, targets: &[TypeId], context: &Context<'_>) -> Result<Value> {
    let text = unescape(text)?;
    let definitions = context.registry.definitions();
    match Reference::parse_with_base(&text, context.base) {
        Reference::Relative { kind, id, .. } => match definitions.resource_named(kind) {
            Some(ty) => Ok(Value::Local(vec![(ty, id.into())])),
            None => Err(Error::invalid(format!("'{kind}' in '{text}' is no resource type."))),
        },
        Reference::Absolute(url) => Ok(Value::Url(url.into())),
        Reference::Unknown(id) if is_id(id) => {
            let all: Vec<TypeId>;
            let targets = if targets.is_empty() {
                all = definitions.resource_types().collect();
                &all
            } else {
                targets
            };
            Ok(Value::Local(targets.iter().map(|ty| (*ty, id.into())).collect()))
        }
        _ => Err(Error::invalid(format!(
            "'{text}' is no reference to search for: write an id, Type/id, or an absolute URL."
        ))),
    }
}
