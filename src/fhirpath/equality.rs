//! Equality and equivalence (<https://hl7.org/fhirpath/N1/#equality>).

use remit_fhir::Node;
use remit_fhir::json::ValueKind;
use remit_spec::SystemType;
use rust_decimal::{Decimal, RoundingStrategy};
use smallvec::SmallVec;

use crate::eval::{Evaluator, Result};
use crate::item::{Collection, Element, Item, parse_decimal};
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
        match items_equal(ev, left, right)? {
            Some(true) => {}
            Some(false) => return Ok(Some(false)),
            None => result = None,
        }
    }
    Ok(result)
}

/// Whether two items are equal; `None` when precision or units leave it open.
pub(crate) fn items_equal<'a>(
    ev: &mut Evaluator<'a, '_>,
    left: &Item<'a>,
    right: &Item<'a>,
) -> Result<Option<bool>> {
    if let (Item::Element(left), Item::Element(right)) = (left, right) {
        if left.is_same_place(right) {
            return Ok(Some(true));
        }
        let (Some(a), Some(b)) = (left.node, right.node) else {
            // Without a value the extensions are all there is.
            let (Some(a), Some(b)) = (left.any_node(), right.any_node()) else { return Ok(Some(false)) };
            let both = left.node.is_none() && right.node.is_none();
            return Ok(Some(both && nodes_equal(ev, a, b)?));
        };
        if is_text(ev, left) && is_text(ev, right) {
            ev.charge_bytes(a.range().len().min(b.range().len()))?;
            return Ok(Some(a.is_same_text(b)));
        }
        if a.is_object() && b.is_object() {
            let quantities = left.value(ev.defs).zip(right.value(ev.defs));
            return match quantities {
                Some((a, b)) => values_equal(ev, &a, &b),
                None => nodes_equal(ev, a, b).map(Some),
            };
        }
    }
    if let (Item::Element(element), Item::String(text)) | (Item::String(text), Item::Element(element)) =
        (left, right)
        && let Some(node) = element.node
        && is_text(ev, element)
    {
        ev.charge_bytes(node.range().len().min(text.len()))?;
        return Ok(Some(node.is_text(text)));
    }
    match (left.value(ev.defs), right.value(ev.defs)) {
        (Some(left), Some(right)) => values_equal(ev, &left, &right),
        _ => Ok(Some(false)),
    }
}

/// Whether an element is a string of FHIR, and no date, number or truth value.
fn is_text(ev: &Evaluator<'_, '_>, element: &Element<'_>) -> bool {
    let primitive = element.ty.and_then(|ty| ev.defs.ty(ty).primitive);
    primitive.is_some_and(|primitive| primitive.system == SystemType::String)
        && element.node.is_some_and(|node| node.kind() == ValueKind::String)
}

fn values_equal(ev: &mut Evaluator<'_, '_>, left: &Item<'_>, right: &Item<'_>) -> Result<Option<bool>> {
    Ok(match (left, right) {
        (Item::Boolean(a), Item::Boolean(b)) => Some(a == b),
        (Item::String(a), Item::String(b)) => {
            ev.charge_bytes(a.len().min(b.len()))?;
            Some(a == b)
        }
        (Item::Type(a), Item::Type(b)) => Some(a == b),
        (Item::Date(a) | Item::DateTime(a), Item::Date(b) | Item::DateTime(b))
        | (Item::Time(a), Item::Time(b)) => a.compare(*b).map(|order| order.is_eq()),
        _ => match (number(left), number(right)) {
            (Some(a), Some(b)) => Some(a == b),
            _ => match (as_quantity(left), as_quantity(right)) {
                (Some(a), Some(b)) => {
                    ev.charge_units(&a, &b)?;
                    a.compare(&b).map(|order| order.is_eq())
                }
                _ => Some(false),
            },
        },
    })
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
fn nodes_equal(ev: &mut Evaluator<'_, '_>, a: Node<'_>, b: Node<'_>) -> Result<bool> {
    ev.charge_bytes(a.range().len().min(b.range().len()))?;
    Ok(match (a.kind(), b.kind()) {
        (ValueKind::Object, ValueKind::Object) => return members_match(ev, a, b, nodes_equal),
        (ValueKind::Array, ValueKind::Array) => {
            let (mut left, mut right) = (a.items(), b.items());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => return Ok(true),
                    (Some(a), Some(b)) if nodes_equal(ev, a, b)? => {}
                    _ => return Ok(false),
                }
            }
        }
        (ValueKind::Number, ValueKind::Number) => numbers(a, b).is_some_and(|(x, y)| x == y),
        (ValueKind::String, ValueKind::String) => a.string() == b.string(),
        (x, y) => x == y && a.json() == b.json(),
    })
}

/// Whether two objects have the same members. Those of the same kind mostly have them in the same
/// order; others are looked for.
fn members_match<'n>(
    ev: &mut Evaluator<'_, '_>,
    a: Node<'n>,
    b: Node<'n>,
    matches: fn(&mut Evaluator<'_, '_>, Node<'n>, Node<'n>) -> Result<bool>,
) -> Result<bool> {
    let count = b.members().count();
    if a.members().count() != count {
        return Ok(false);
    }
    let mut in_order = b.members();
    for (name, value) in a.members() {
        let other = match in_order.next() {
            Some((other, value)) if other == name => Some(value),
            _ => {
                ev.charge(1 + count / 4)?;
                b.get(&name)
            }
        };
        let Some(other) = other else { return Ok(false) };
        if !matches(ev, value, other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn numbers(a: Node<'_>, b: Node<'_>) -> Option<(Decimal, Decimal)> {
    Some((parse_decimal(a.number()?)?, parse_decimal(b.number()?)?))
}

/// Each item once, the first of equal ones; their order stays.
pub(crate) fn distinct<'a>(
    ev: &mut Evaluator<'a, '_>,
    mut items: Collection<'a>,
    out: &mut Collection<'a>,
) -> Result {
    remove_repeated(ev, &mut items)?;
    items.into_iter().try_for_each(|item| ev.push(out, item))
}

/// Removes every item that equals one before it.
pub(crate) fn remove_repeated<'a>(ev: &mut Evaluator<'a, '_>, items: &mut Collection<'a>) -> Result {
    // Most items are texts; these are told apart by their bytes, found once.
    let mut texts: SmallVec<[Option<&'a str>; 8]> = SmallVec::new();
    for place in 0..items.len() {
        let text = plain_text(ev, &items[place]);
        let kept = texts.len();
        ev.charge(kept)?;
        let mut is_known = false;
        for (earlier, other) in texts.iter().enumerate() {
            is_known = match (text, other) {
                (Some(text), Some(other)) => {
                    ev.charge_bytes(text.len())?;
                    text == *other
                }
                _ => items_equal(ev, &items[earlier], &items[place])? == Some(true),
            };
            if is_known {
                break;
            }
        }
        if !is_known {
            texts.push(text);
            items.swap(kept, place);
        }
    }
    items.truncate(texts.len());
    Ok(())
}

/// The text of an element that is a string of FHIR, and no date, number or truth value; `None` when
/// it is written with escapes.
#[inline]
fn plain_text<'a>(ev: &Evaluator<'a, '_>, item: &Item<'a>) -> Option<&'a str> {
    let Item::Element(element) = item else { return None };
    element.node.filter(|_| is_text(ev, element))?.plain_text()
}

/// Whether a collection holds an equal item.
pub(crate) fn contains<'a>(
    ev: &mut Evaluator<'a, '_>,
    items: &[Item<'a>],
    wanted: &Item<'a>,
) -> Result<bool> {
    ev.charge(items.len())?;
    for item in items {
        if items_equal(ev, item, wanted)? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Folding case costs so many times as much as comparing.
const FOLDING: usize = 48;

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
        return items_equivalent(ev, &left[0], &right[0]);
    }
    let mut open: Vec<&Item<'a>> = right.iter().collect();
    for item in left {
        ev.charge(open.len())?;
        match position(ev, &open, |ev, other| items_equivalent(ev, item, other))? {
            Some(place) => open.swap_remove(place),
            None => return Ok(false),
        };
    }
    Ok(true)
}

/// The first of these that passes a test.
fn position<'a, 'e, T>(
    ev: &mut Evaluator<'a, 'e>,
    items: &[T],
    mut test: impl FnMut(&mut Evaluator<'a, 'e>, &T) -> Result<bool>,
) -> Result<Option<usize>> {
    for (place, item) in items.iter().enumerate() {
        if test(ev, item)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

fn items_equivalent<'a>(ev: &mut Evaluator<'a, '_>, left: &Item<'a>, right: &Item<'a>) -> Result<bool> {
    if let (Item::Element(left), Item::Element(right)) = (left, right)
        && let (Some(a), Some(b)) = (left.any_node(), right.any_node())
        && a.is_object()
        && b.is_object()
    {
        return match left.value(ev.defs).zip(right.value(ev.defs)) {
            Some((a, b)) => values_equivalent(ev, &a, &b),
            None => nodes_equivalent(ev, a, b),
        };
    }
    match (left.value(ev.defs), right.value(ev.defs)) {
        (Some(left), Some(right)) => values_equivalent(ev, &left, &right),
        _ => Ok(false),
    }
}

fn values_equivalent(ev: &mut Evaluator<'_, '_>, left: &Item<'_>, right: &Item<'_>) -> Result<bool> {
    Ok(match (left, right) {
        (Item::String(a), Item::String(b)) => {
            ev.charge_bytes((a.len() + b.len()) * FOLDING)?;
            strings_equivalent(a, b)
        }
        (Item::Date(a), Item::DateTime(b)) | (Item::DateTime(b), Item::Date(a)) => {
            a.precision == b.precision && a.compare(*b).is_some_and(|order| order.is_eq())
        }
        _ => match (number(left), number(right)) {
            (Some(a), Some(b)) => decimals_equivalent(a, b),
            _ => match (as_quantity(left), as_quantity(right)) {
                (Some(a), Some(b)) => {
                    ev.charge_units(&a, &b)?;
                    a.is_equivalent(&b)
                }
                _ => return Ok(values_equal(ev, left, right)? == Some(true)),
            },
        },
    })
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

fn nodes_equivalent(ev: &mut Evaluator<'_, '_>, a: Node<'_>, b: Node<'_>) -> Result<bool> {
    ev.charge_bytes(a.range().len().min(b.range().len()))?;
    Ok(match (a.kind(), b.kind()) {
        (ValueKind::Object, ValueKind::Object) => return members_match(ev, a, b, nodes_equivalent),
        (ValueKind::Array, ValueKind::Array) => {
            let mut open: Vec<Node<'_>> = b.items().collect();
            if a.items().count() != open.len() {
                return Ok(false);
            }
            for item in a.items() {
                ev.charge(1 + open.len() / 4)?;
                match position(ev, &open, |ev, other| nodes_equivalent(ev, item, *other))? {
                    Some(place) => open.swap_remove(place),
                    None => return Ok(false),
                };
            }
            true
        }
        (ValueKind::Number, ValueKind::Number) => {
            numbers(a, b).is_some_and(|(x, y)| decimals_equivalent(x, y))
        }
        (ValueKind::String, ValueKind::String) => {
            let (a, b) = (a.string().unwrap_or_default(), b.string().unwrap_or_default());
            ev.charge_bytes((a.len() + b.len()) * FOLDING)?;
            strings_equivalent(&a, &b)
        }
        (x, y) => x == y && a.json() == b.json(),
    })
}
