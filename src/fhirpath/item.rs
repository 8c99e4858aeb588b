//! What a collection holds: elements of a document, and values of the System types
//! (<https://hl7.org/fhirpath/N1/#types-and-reflection>, <https://hl7.org/fhir/R4/fhirpath.html#types>).

use std::borrow::Cow;

use remit_fhir::Node;
use remit_fhir::json::ValueKind;
use remit_spec::{Definitions, Kind, SystemType, TypeId};
use rust_decimal::Decimal;
use smallvec::SmallVec;

use crate::quantity::Quantity;
use crate::temporal::Temporal;

/// An ordered collection. Up to four items need no allocation.
pub type Collection<'a> = SmallVec<[Item<'a>; 4]>;

/// One item of a collection.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    /// An element of a document.
    Element(Element<'a>),
    /// `System.Boolean`
    Boolean(bool),
    /// `System.Integer`
    Integer(i64),
    /// `System.Decimal`, with its scale: 1.00 is not written 1.
    Decimal(Decimal),
    /// `System.String`
    String(Cow<'a, str>),
    /// `System.Date`
    Date(Temporal),
    /// `System.DateTime`
    DateTime(Temporal),
    /// `System.Time`
    Time(Temporal),
    /// `System.Quantity`
    Quantity(Quantity<'a>),
    /// What `type()` answers.
    Type(TypeInfo),
}

/// The name of a type, as `type()` answers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeInfo {
    /// `System` or `FHIR`
    pub namespace: &'static str,
    /// `Integer`, `Patient`
    pub name: &'static str,
}

/// An element of a document: a resource, a complex value, or a primitive with its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// The JSON value. A primitive that only has extensions has none.
    pub node: Option<Node<'a>>,
    /// The object of `_name` beside a primitive.
    pub extension: Option<Node<'a>>,
    /// The type; `None` when the definitions do not know it.
    pub ty: Option<TypeId>,
}

impl<'a> Element<'a> {
    /// A resource, typed by its `resourceType`.
    pub fn resource(node: Node<'a>, defs: &Definitions) -> Element<'a> {
        let ty = node.resource_type().and_then(|name| defs.resource_named(&name));
        Element { node: Some(node), extension: None, ty }
    }

    /// A value of a known type.
    pub fn of(node: Node<'a>, ty: TypeId) -> Element<'a> {
        Element { node: Some(node), extension: None, ty: Some(ty) }
    }

    /// The JSON value, or what stands in for it: the object with the extensions.
    #[inline]
    pub fn any_node(&self) -> Option<Node<'a>> {
        self.node.or(self.extension)
    }

    /// Where the children are: the value when it is an object, else the `_name` object.
    #[inline]
    pub(crate) fn container(&self) -> Option<Node<'a>> {
        self.node.filter(|node| node.is_object()).or(self.extension)
    }

    /// Whether the two are the same place of the same document.
    #[inline]
    pub fn is_same_place(&self, other: &Element<'_>) -> bool {
        let same = |a: Option<Node<'_>>, b: Option<Node<'_>>| match (a, b) {
            (Some(a), Some(b)) => std::ptr::eq(a.document(), b.document()) && a.index() == b.index(),
            _ => false,
        };
        same(self.node, other.node) || (self.node.is_none() && same(self.extension, other.extension))
    }

    /// The value as a System type: FHIR primitives and quantities have one, other elements none.
    pub fn value(&self, defs: &Definitions) -> Option<Item<'a>> {
        let node = self.node?;
        if node.is_object() {
            return Quantity::of_element(node, self.ty, defs).map(Item::Quantity);
        }
        let system = self.ty.and_then(|ty| defs.ty(ty).primitive).map(|primitive| primitive.system);
        match system {
            Some(system) => typed_value(node, system),
            None => untyped_value(node),
        }
    }
}

/// A text that does not have the form of its type stays a string, so that it can be looked at.
fn typed_value(node: Node<'_>, system: SystemType) -> Option<Item<'_>> {
    let text = node.scalar()?;
    let value = match system {
        SystemType::Boolean => text.parse().ok().map(Item::Boolean),
        SystemType::Integer => text.parse().ok().map(Item::Integer),
        SystemType::Decimal => parse_decimal(&text).map(Item::Decimal),
        SystemType::Date => Temporal::parse_date(&text).map(Item::Date),
        SystemType::DateTime => Temporal::parse_date_time(&text).map(Item::DateTime),
        SystemType::Time => Temporal::parse_time(&text).map(Item::Time),
        SystemType::String => None,
    };
    Some(value.unwrap_or(Item::String(text)))
}

fn untyped_value(node: Node<'_>) -> Option<Item<'_>> {
    match node.kind() {
        ValueKind::Boolean => node.boolean().map(Item::Boolean),
        ValueKind::String => node.string().map(Item::String),
        ValueKind::Number => {
            let text = node.number()?;
            let integer = text.parse().ok().map(Item::Integer);
            integer.or_else(|| parse_decimal(text).map(Item::Decimal))
        }
        _ => None,
    }
}

/// A decimal as JSON writes it, with an exponent too; digits beyond the 28th are rounded off.
pub(crate) fn parse_decimal(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).ok();
    }
    text.parse().ok()
}

impl<'a> Item<'a> {
    /// The resource at this node.
    pub fn resource(node: Node<'a>, defs: &Definitions) -> Item<'a> {
        Item::Element(Element::resource(node, defs))
    }

    /// The element, when it is one.
    pub fn element(&self) -> Option<&Element<'a>> {
        match self {
            Item::Element(element) => Some(element),
            _ => None,
        }
    }

    /// The System value: of an element its value, else the item itself.
    pub fn value(&self, defs: &Definitions) -> Option<Item<'a>> {
        match self {
            Item::Element(element) => element.value(defs),
            other => Some(other.clone()),
        }
    }

    /// The string, when the item is one or an element that holds one.
    pub fn string(&self, defs: &Definitions) -> Option<Cow<'a, str>> {
        match self {
            Item::String(text) => Some(text.clone()),
            Item::Element(element) => match element.value(defs)? {
                Item::String(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The truth value, when the item is one or an element that holds one.
    pub fn boolean(&self, defs: &Definitions) -> Option<bool> {
        match self {
            Item::Boolean(value) => Some(*value),
            Item::Element(element) => match element.value(defs)? {
                Item::Boolean(value) => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    /// The text that the value has in FHIR and in `toString()`; `None` for what has no such text.
    pub fn text(&self, defs: &Definitions) -> Option<Cow<'a, str>> {
        Some(match self {
            Item::Element(element) => {
                let node = element.node?;
                if node.is_object() {
                    return element.value(defs).and_then(|value| value.text(defs));
                }
                node.scalar()?
            }
            Item::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Item::Integer(value) => Cow::Owned(value.to_string()),
            Item::Decimal(value) => Cow::Owned(value.to_string()),
            Item::String(text) => text.clone(),
            Item::Date(value) | Item::DateTime(value) | Item::Time(value) => Cow::Owned(value.to_string()),
            Item::Quantity(quantity) => Cow::Owned(quantity.to_string()),
            Item::Type(_) => return None,
        })
    }

    /// The type, as `type()` answers it.
    pub fn type_info(&self, defs: &Definitions) -> Option<TypeInfo> {
        let system = |name| Some(TypeInfo { namespace: "System", name });
        match self {
            Item::Element(element) => {
                let ty = defs.ty(element.ty?);
                let name = match ty.kind {
                    Kind::Backbone => ty.base.map_or("BackboneElement", |base| defs.name(base)),
                    _ => ty.name,
                };
                Some(TypeInfo { namespace: "FHIR", name })
            }
            Item::Boolean(_) => system("Boolean"),
            Item::Integer(_) => system("Integer"),
            Item::Decimal(_) => system("Decimal"),
            Item::String(_) => system("String"),
            Item::Date(_) => system("Date"),
            Item::DateTime(_) => system("DateTime"),
            Item::Time(_) => system("Time"),
            Item::Quantity(_) => system("Quantity"),
            Item::Type(_) => system("TypeInfo"),
        }
    }

    /// How an error message calls the item: by its type, never by its content.
    pub(crate) fn describe(&self, defs: &Definitions) -> String {
        match self.type_info(defs) {
            Some(info) => format!("{}.{}", info.namespace, info.name),
            None => "an element of unknown type".into(),
        }
    }
}
