//! Equality and equivalence (<https://hl7.org/fhirpath/N1/#equality>).

use remit_fhir::Node;
use remit_fhir::json::ValueKind;
use remit_spec::Definitions;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::eval::{Evaluator, Result};
use crate::item::{Collection, Item, parse_decimal};
use crate::quantity::Quantity;

/// `left = right`; `None` is empty.
pub(crate) fn equal<'a>(
    ev: &mut Evaluator<'a, '_>,
    left: &[Item<'a>],
    right: &[Item<'a>],
) -> Result<Option<bool>> {
    if left.is_empty() || right.is_empty() {
        return Ok(None);
    }
    if left.len() != right.len() {
        return Ok(Some(false));
    }
    ev.charge(left.len())?;
    let mut result = Some(true);
    for (left, right) in left.iter().zip(right) {
        match items_equal(left, right, ev.defs) {
            Some(true) => {}
            Some(false) => return Ok(Some(false)),
            None => result = None,
        }
    }
    Ok(result)
}

/// Whether two items are equal; `None` when precision or units leave it open.
pub(crate) fn items_equal(left: &Item<'_>, right: &Item<'_>, defs: &Definitions) -> Option<bool> {
    if let (Item::Element(left), Item::Element(right)) = (left, right) {
        if left.is_same_place(right) {
            return Some(true);
        }
        let (Some(a), Some(b)) = (left.node, right.node) else {
            // Without a value the extensions are all there is.
            let (Some(a), Some(b)) = (left.any_node(), right.any_node()) else { return Some(false) };
            return Some(left.node.is_none() && right.node.is_none() && nodes_equal(a, b));
        };
        if a.is_object() && b.is_object() {
            let quantities = left.value(defs).zip(right.value(defs));
            return match quantities {
                Some((a, b)) => values_equal(&a, &b),
                None => Some(nodes_equal(a, b)),
            };
        }
    }
    match (left.value(defs), right.value(defs)) {
        (Some(left), Some(right)) => values_equal(&left, &right),
        _ => Some(false),
    }
}

fn values_equal(left: &Item<'_>, right: &Item<'_>) -> Option<bool> {
    match (left, right) {
        (Item::Boolean(a), Item::Boolean(b)) => Some(a == b),
        (Item::String(a), Item::String(b)) => Some(a == b),
        (Item::Type(a), Item::Type(b)) => Some(a == b),
        (Item::Date(a) | Item::DateTime(a), Item::Date(b) | Item::DateTime(b))
        | (Item::Time(a), Item::Time(b)) => a.compare(*b).map(|order| order.is_eq()),
        _ => match (number(left), number(right)) {
            (Some(a), Some(b)) => Some(a == b),
            _ => match (as_quantity(left), as_quantity(right)) {
                (Some(a), Some(b)) => a.compare(&b).map(|order| order.is_eq()),
                _ => Some(false),
            },
        },
    }
}

/// An Integer or Decimal as a Decimal.
pub(crate) fn number(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Integer(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        _ => None,
    }
}

/// A Quantity, or a number as one without unit.
pub(crate) fn as_quantity<'a>(item: &Item<'a>) -> Option<Quantity<'a>> {
    match item {
        Item::Quantity(quantity) => Some(quantity.clone()),
        other => number(other).map(Quantity::unity),
    }
}

/// The same content; the order of members does not count, the scale of numbers neither.
fn nodes_equal(a: Node<'_>, b: Node<'_>) -> bool {
    match (a.kind(), b.kind()) {
        (ValueKind::Object, ValueKind::Object) => {
            a.members().count() == b.members().count()
                && a.members()
                    .all(|(name, value)| b.get(&name).is_some_and(|other| nodes_equal(value, other)))
        }
        (ValueKind::Array, ValueKind::Array) => {
            a.items().count() == b.items().count() && a.items().zip(b.items()).all(|(x, y)| nodes_equal(x, y))
        }
        (ValueKind::Number, ValueKind::Number) => numbers(a, b).is_some_and(|(x, y)| x == y),
        (ValueKind::String, ValueKind::String) => a.string() == b.string(),
        (x, y) => x == y && a.json() == b.json(),
    }
}

fn numbers(a: Node<'_>, b: Node<'_>) -> Option<(Decimal, Decimal)> {
    Some((parse_decimal(a.number()?)?, parse_decimal(b.number()?)?))
}

/// Each item once, the first of equal ones; their order stays.
pub(crate) fn distinct<'a>(
    ev: &mut Evaluator<'a, '_>,
    items: Collection<'a>,
    out: &mut Collection<'a>,
) -> Result {
    let start = out.len();
    for item in items {
        if !contains(ev, &out[start..], &item)? {
            ev.push(out, item)?;
        }
    }
    Ok(())
}

/// Whether a collection holds an equal item.
pub(crate) fn contains<'a>(
    ev: &mut Evaluator<'a, '_>,
    items: &[Item<'a>],
    wanted: &Item<'a>,
) -> Result<bool> {
    ev.charge(items.len())?;
    Ok(items.iter().any(|item| items_equal(item, wanted, ev.defs) == Some(true)))
}

/// `left ~ right`
pub(crate) fn equivalent<'a>(
    ev: &mut Evaluator<'a, '_>,
    left: &[Item<'a>],
    right: &[Item<'a>],
) -> Result<bool> {
    if left.len() != right.len() {
        return Ok(false);
    }
    if left.len() == 1 {
        return Ok(items_equivalent(&left[0], &right[0], ev.defs));
    }
    let mut open: Vec<&Item<'a>> = right.iter().collect();
    for item in left {
        ev.charge(open.len())?;
        match open.iter().position(|other| items_equivalent(item, other, ev.defs)) {
            Some(place) => open.swap_remove(place),
            None => return Ok(false),
        };
    }
    Ok(true)
}

fn items_equivalent(left: &Item<'_>, right: &Item<'_>, defs: &Definitions) -> bool {
    if let (Item::Element(left), Item::Element(right)) = (left, right)
        && let (Some(a), Some(b)) = (left.any_node(), right.any_node())
        && a.is_object()
        && b.is_object()
    {
        return match left.value(defs).zip(right.value(defs)) {
            Some((a, b)) => values_equivalent(&a, &b),
            None => nodes_equivalent(a, b),
        };
    }
    match (left.value(defs), right.value(defs)) {
        (Some(left), Some(right)) => values_equivalent(&left, &right),
        _ => false,
    }
}

fn values_equivalent(left: &Item<'_>, right: &Item<'_>) -> bool {
    match (left, right) {
        (Item::String(a), Item::String(b)) => strings_equivalent(a, b),
        (Item::Date(a), Item::DateTime(b)) | (Item::DateTime(b), Item::Date(a)) => {
            a.precision == b.precision && a.compare(*b).is_some_and(|order| order.is_eq())
        }
        _ => match (number(left), number(right)) {
            (Some(a), Some(b)) => decimals_equivalent(a, b),
            _ => match (as_quantity(left), as_quantity(right)) {
                (Some(a), Some(b)) => a.is_equivalent(&b),
                _ => values_equal(left, right) == Some(true),
            },
        },
    }
}

/// Case does not count, and any white space is one blank.
fn strings_equivalent(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    let folded = |text: &str| {
        let blank = |c: char| if c.is_whitespace() { ' ' } else { c };
        text.chars().map(blank).flat_map(char::to_lowercase).collect::<String>()
    };
    folded(a) == folded(b)
}

/// Equal when both are rounded to the precision of the less precise one; trailing zeros give none.
pub(crate) fn decimals_equivalent(a: Decimal, b: Decimal) -> bool {
    let places = a.normalize().scale().min(b.normalize().scale());
    let round = |value: Decimal| value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    round(a) == round(b)
}

fn nodes_equivalent(a: Node<'_>, b: Node<'_>) -> bool {
    match (a.kind(), b.kind()) {
        (ValueKind::Object, ValueKind::Object) => {
            a.members().count() == b.members().count()
                && a.members()
                    .all(|(name, value)| b.get(&name).is_some_and(|other| nodes_equivalent(value, other)))
        }
        (ValueKind::Array, ValueKind::Array) => {
            let mut open: Vec<Node<'_>> = b.items().collect();
            a.items().count() == open.len()
                && a.items().all(|item| {
                    let found = open.iter().position(|other| nodes_equivalent(item, *other));
                    found.map(|place| open.swap_remove(place)).is_some()
                })
        }
        (ValueKind::Number, ValueKind::Number) => {
            numbers(a, b).is_some_and(|(x, y)| decimals_equivalent(x, y))
        }
        (ValueKind::String, ValueKind::String) => {
            let (a, b) = (a.string().unwrap_or_default(), b.string().unwrap_or_default());
            strings_equivalent(&a, &b)
        }
        (x, y) => x == y && a.json() == b.json(),
    }
}
