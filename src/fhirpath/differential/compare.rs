//! Whether two results are the same. Numbers of the other implementation are those of JavaScript, so
//! they are compared by value; the scale of a decimal is not seen.

use remit_fhir::Node;
use remit_fhir::json::{Document, ValueKind, quote};
use remit_spec::Definitions;

use crate::Item;
use crate::temporal::Temporal;

/// An item: its type, and its value as text that compares.
pub(super) type Typed = (String, String);

/// How far two decimals may be apart, relative to their size: roots and logarithms are rounded.
const TOLERANCE: f64 = 1e-9;

pub(super) fn typed(item: &Item<'_>, defs: &Definitions) -> Typed {
    let ty =
        item.type_info(defs).map_or_else(|| "?".into(), |info| format!("{}.{}", info.namespace, info.name));
    let value = match item {
        Item::Element(element) => match element.node {
            Some(node) => canonical(node),
            None => "null".into(),
        },
        Item::Boolean(value) => value.to_string(),
        Item::Integer(value) => number(&value.to_string()),
        Item::Decimal(value) => number(&value.to_string()),
        Item::Type(info) => format!("{{\"namespace\":\"{}\",\"name\":\"{}\"}}", info.namespace, info.name),
        Item::Quantity(quantity) => quantity_text(&quantity.to_string()),
        other => quote(&other.text(defs).unwrap_or_default()),
    };
    (ty, value)
}

/// The number of a quantity by value, and its unit.
fn quantity_text(text: &str) -> String {
    match text.split_once(' ') {
        Some((value, unit)) => format!("{} {unit}", number(value)),
        None => number(text),
    }
}

fn number(text: &str) -> String {
    text.parse::<f64>().map_or_else(|_| text.to_owned(), |value| format!("{}", value + 0.0))
}

/// JSON with numbers by value, and members in their order.
fn canonical(node: Node<'_>) -> String {
    match node.kind() {
        ValueKind::Object => {
            let member = |(name, value): (std::borrow::Cow<'_, str>, Node<'_>)| {
                format!("{}:{}", quote(&name), canonical(value))
            };
            format!("{{{}}}", node.members().map(member).collect::<Vec<_>>().join(","))
        }
        ValueKind::Array => format!("[{}]", node.items().map(canonical).collect::<Vec<_>>().join(",")),
        ValueKind::Number => number(node.number().unwrap_or_default()),
        ValueKind::String => quote(&node.string().unwrap_or_default()),
        _ => node.json().to_owned(),
    }
}

fn theirs(item: Node<'_>) -> Typed {
    let mut parts = item.items();
    let ty = parts.next().and_then(Node::string).unwrap_or_default().into_owned();
    let value = parts.next().map_or_else(
        || "null".into(),
        |value| match (ty.as_str(), value.string()) {
            ("System.Quantity", Some(text)) => quantity_text(&text),
            _ => canonical(value),
        },
    );
    (ty, value)
}

/// What is different; `None` when nothing is.
pub(super) fn difference(ours: &Result<Vec<Typed>, String>, answer: &Document) -> Option<String> {
    let error = answer.root().get_str("error");
    let found: Vec<Typed> =
        answer.root().get("items").into_iter().flat_map(|list| list.items()).map(theirs).collect();
    match (ours, error) {
        (Err(_), Some(_)) => None,
        (Ok(items), None) if same(items, &found) => None,
        (ours, error) => {
            let theirs = error.map_or_else(|| format!("{found:?}"), |error| format!("error: {error}"));
            let ours =
                ours.as_ref().map_or_else(|error| format!("error: {error}"), |items| format!("{items:?}"));
            let cut = |text: String| text.chars().take(300).collect::<String>();
            Some(format!("ours:   {}\n    theirs: {}", cut(ours), cut(theirs)))
        }
    }
}

fn same(ours: &[Typed], theirs: &[Typed]) -> bool {
    let same = |(a, b): (&Typed, &Typed)| same_type(&a.0, &b.0) && same_value(&a.1, &b.1);
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
}

/// JavaScript cannot tell 1.0 from 1. The definitions give `id` and `Extension.url` two types, of which
/// each implementation takes one. Theirs does not know the type of an extension within another.
fn same_type(ours: &str, theirs: &str) -> bool {
    ours == theirs
        || matches!(
            (ours, theirs),
            ("System.Decimal", "System.Integer")
                | ("FHIR.id" | "FHIR.uri", "System.String")
                | ("FHIR.Extension", "System.Object")
        )
}

/// Whether both are the same moment: theirs tells moved times in the zone of the machine.
fn is_same_moment(a: &str, b: &str) -> Option<bool> {
    let moment = |text: &str| Temporal::parse_date_time(&text.trim_matches('"').replace("-00:00", "+00:00"));
    let (a, b) = (moment(a)?, moment(b)?);
    Some(a.offset_minutes.is_some() && a.compare(b).is_some_and(|order| order.is_eq()))
}

fn same_value(a: &str, b: &str) -> bool {
    if a == b || is_same_moment(a, b) == Some(true) {
        return true;
    }
    let split = |text: &str| -> Option<(f64, String)> {
        let (value, unit) = text.split_once(' ').unwrap_or((text, ""));
        Some((value.parse().ok()?, unit.to_owned()))
    };
    match (split(a), split(b)) {
        (Some((a, a_unit)), Some((b, b_unit))) => {
            a_unit == b_unit && (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1e-9)
        }
        _ => false,
    }
}
