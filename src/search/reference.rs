//! Reference parameters (<https://hl7.org/fhir/R4/search.html#reference>).
//!
//! A reference to a resource of this server is a row of type and id. What lies elsewhere is a URI
//! under the same parameter, and `Reference.identifier` a token under the same parameter.
//!
//! `patient` is `subject.where(resolve() is Patient)`: the references of `subject` whose type is Patient,
//! by their address or by `Reference.type`. The row of a reference says the type of its target, so
//! `patient` shares these. What is no such row says none and stands under the number of `patient` too.

use crate::extract::{Index, Item};
use crate::parse::{Context, unescape};
use crate::query::{Condition, Criterion, Present, Test};
use crate::registry::{Keeps, Parameter};
use crate::rows::{InnerRow, ReferenceRow, TokenRow};
use crate::{token, uri};
use remit_fhir::{Error, Node, Reference, Result, is_id};
use remit_spec::{Definitions, SearchKind, TypeId};

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

pub(crate) fn index(index: &mut Index<'_>, item: &Item<'_>, param: i32, keeps: Keeps) {
    match item.type_name() {
        "Reference" => {
            if let Some(text) = item.node.get_str("reference") {
                literal(index, &text, param, keeps);
            }
            if let Some(identifier) = item.node.get("identifier")
                && let Some(value) = identifier.get_str("value")
            {
                let system = identifier.get_str("system").unwrap_or_default();
                index.rows.tokens.push(TokenRow { param, code: (*value).into(), system: (*system).into() });
            }
        }
        "canonical" => uri::index(item, param, &mut index.rows.uris),
        _ if keeps == Keeps::All && item.node.is_object() => inline(index, item.node, param),
        _ => {
            if let Some(text) = item.node.string() {
                literal(index, &text, param, keeps);
            }
        }
    }
}

fn literal(index: &mut Index<'_>, text: &str, param: i32, keeps: Keeps) {
    let reference = Reference::parse_with_base(text, index.base);
    if keeps == Keeps::BesideReferences && !matches!(reference, Reference::Absolute(_)) {
        return;
    }
    match reference {
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

/// What a test asks, each part of it of the rows that it stands in.
pub(crate) fn condition(found: &[&Parameter], test: Test) -> Condition {
    let here: Vec<i32> = found.iter().map(|p| p.number).collect();
    let Some(only) = found.first().and_then(|p| p.only) else {
        return Condition::Criterion(Criterion { params: here, test });
    };
    let beside: Vec<i32> = found.iter().map(|p| p.beside).collect();
    let of = |params: &[i32], test| Condition::Criterion(Criterion { params: params.to_vec(), test });
    let is_local = |value: &Value| matches!(value, Value::Local(_));
    let mut all = match test {
        Test::Reference(values) => {
            let (local, other): (Vec<_>, Vec<_>) = values.into_iter().partition(is_local);
            let parts = [(&here, local), (&beside, other)].into_iter().filter(|(_, v)| !v.is_empty());
            parts.map(|(params, values)| of(params, Test::Reference(values))).collect()
        }
        Test::Unlike(inner) => {
            let Test::Reference(values) = *inner else { return of(&beside, Test::Unlike(inner)) };
            let (local, other): (Vec<_>, Vec<_>) = values.into_iter().partition(is_local);
            let except = local.into_iter().filter_map(|value| match value {
                Value::Local(all) => Some(all),
                _ => None,
            });
            let urls = match other.is_empty() {
                true => Test::Present(Present { kind: SearchKind::Uri }),
                false => Test::Unlike(Box::new(Test::Reference(other))),
            };
            vec![of(&here, Test::OfType(only, except.flatten().collect())), of(&beside, urls)]
        }
        Test::Present(_) => {
            let beside = of(&beside, Test::Present(Present { kind: SearchKind::Reference }));
            vec![of(&here, Test::OfType(only, Vec::new())), beside]
        }
        test => vec![of(&beside, test)],
    };
    if all.len() == 1 { all.remove(0) } else { Condition::Any(all) }
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
