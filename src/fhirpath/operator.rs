//! The operators on values: comparison, membership, arithmetic, concatenation
//! (<https://hl7.org/fhirpath/N1/#operations>).

use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::equality;
use crate::equality::{as_quantity, number};
use crate::error::EvaluationError;
use crate::eval::{Evaluator, Result};
use crate::item::{Collection, Item};
use crate::quantity::Quantity;
use crate::syntax::Operator;
use crate::temporal::{Temporal, Unit};

/// Applies an operator that compares or looks for members; `None` is empty.
pub(crate) fn test<'a>(
    ev: &mut Evaluator<'a, '_>,
    operator: Operator,
    left: &[Item<'a>],
    right: &[Item<'a>],
) -> Result<Option<bool>> {
    match operator {
        Operator::Equal => equality::equal(ev, left, right),
        Operator::NotEqual => Ok(equality::equal(ev, left, right)?.map(|equal| !equal)),
        Operator::Equivalent => equality::equivalent(ev, left, right).map(Some),
        Operator::NotEquivalent => Ok(Some(!equality::equivalent(ev, left, right)?)),
        Operator::In => membership(ev, operator, left, right),
        Operator::Contains => membership(ev, operator, right, left),
        _ => match operands(ev, operator, left, right)? {
            Some((left, right)) => {
                let order = compare(ev, operator, left, right)?;
                Ok(order.map(|order| holds(operator, order)))
            }
            None => Ok(None),
        },
    }
}

/// Applies an operator that makes a new value.
pub(crate) fn apply<'a>(
    ev: &mut Evaluator<'a, '_>,
    operator: Operator,
    left: &[Item<'a>],
    right: &[Item<'a>],
    out: &mut Collection<'a>,
) -> Result {
    if operator == Operator::Concatenate {
        return concatenate(ev, left, right, out);
    }
    let Some((left, right)) = operands(ev, operator, left, right)? else { return Ok(()) };
    match arithmetic(ev, operator, left, right)? {
        Some(item) => ev.push(out, item),
        None => Ok(()),
    }
}

/// The two items of an operator that takes one on each side; `None` when one is missing.
fn operands<'s, 'a>(
    ev: &Evaluator<'a, '_>,
    operator: Operator,
    left: &'s [Item<'a>],
    right: &'s [Item<'a>],
) -> Result<Option<(&'s Item<'a>, &'s Item<'a>)>> {
    match (left, right) {
        ([], _) | (_, []) => Ok(None),
        ([left], [right]) => Ok(Some((left, right))),
        ([_], many) | (many, _) => {
            Err(ev.too_many(&format!("An operand of \"{}\"", operator.symbol()), many))
        }
    }
}

fn holds(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn mismatch(
    ev: &Evaluator<'_, '_>,
    operator: Operator,
    left: &Item<'_>,
    right: &Item<'_>,
) -> EvaluationError {
    EvaluationError::new(format!(
        "\"{}\" does not work on {} and {}",
        operator.symbol(),
        left.describe(ev.defs),
        right.describe(ev.defs)
    ))
}

/// The order of two items; `None` when precision or units leave it open.
pub(crate) fn compare<'a>(
    ev: &mut Evaluator<'a, '_>,
    operator: Operator,
    left: &Item<'a>,
    right: &Item<'a>,
) -> Result<Option<Ordering>> {
    let (a, b) = match (left.value(ev.defs), right.value(ev.defs)) {
        (Some(a), Some(b)) => (a, b),
        // A primitive without a value, or a Quantity that does not compare, says nothing.
        _ if is_open(ev, left) || is_open(ev, right) => return Ok(None),
        _ => return Err(mismatch(ev, operator, left, right)),
    };
    match (&a, &b) {
        (Item::String(a), Item::String(b)) => {
            ev.charge_bytes(a.len().min(b.len()))?;
            Ok(Some(a.cmp(b)))
        }
        (Item::Date(a) | Item::DateTime(a), Item::Date(b) | Item::DateTime(b))
        | (Item::Time(a), Item::Time(b)) => Ok(a.compare(*b)),
        _ => match (number(&a), number(&b)) {
            (Some(a), Some(b)) => Ok(Some(a.cmp(&b))),
            _ => match (as_quantity(&a), as_quantity(&b)) {
                (Some(a), Some(b)) => {
                    ev.charge_units(&a, &b)?;
                    Ok(a.compare(&b))
                }
                _ => Err(mismatch(ev, operator, left, right)),
            },
        },
    }
}

/// Whether an element could have a value to compare, and only this one has not.
fn is_open(ev: &Evaluator<'_, '_>, item: &Item<'_>) -> bool {
    let Item::Element(element) = item else { return false };
    let Some(ty) = element.ty else { return element.node.is_none() };
    ev.defs.is_a(ty, ev.defs.well_known().quantity) || ev.defs.ty(ty).primitive.is_some()
}

fn membership<'a>(
    ev: &mut Evaluator<'a, '_>,
    operator: Operator,
    item: &[Item<'a>],
    items: &[Item<'a>],
) -> Result<Option<bool>> {
    match item {
        [] => Ok(None),
        [item] => equality::contains(ev, items, item).map(Some),
        many => Err(ev.too_many(&format!("What \"{}\" looks for", operator.symbol()), many)),
    }
}

fn concatenate<'a>(
    ev: &mut Evaluator<'a, '_>,
    left: &[Item<'a>],
    right: &[Item<'a>],
    out: &mut Collection<'a>,
) -> Result {
    let mut text = String::new();
    for side in [left, right] {
        match side {
            [] => {}
            [item] => match item.string(ev.defs) {
                Some(part) => text.push_str(&part),
                None => {
                    let found = item.describe(ev.defs);
                    return Err(EvaluationError::new(format!("\"&\" joins strings, and got {found}")));
                }
            },
            many => return Err(ev.too_many("An operand of \"&\"", many)),
        }
    }
    ev.push_string(out, text)
}

/// `-x`
pub(crate) fn negate<'a>(
    ev: &mut Evaluator<'a, '_>,
    operand: &[Item<'a>],
    out: &mut Collection<'a>,
) -> Result {
    let item = match operand {
        [] => return Ok(()),
        [item] => item,
        many => return Err(ev.too_many("The operand of a sign", many)),
    };
    let negated = match item.value(ev.defs) {
        Some(Item::Integer(value)) => value.checked_neg().map(Item::Integer),
        Some(Item::Decimal(value)) => Some(Item::Decimal(-value)),
        Some(Item::Quantity(quantity)) => Some(Item::Quantity(quantity.with_value(-quantity.value))),
        _ => {
            let found = item.describe(ev.defs);
            return Err(EvaluationError::new(format!("A sign stands before a number, not before {found}")));
        }
    };
    negated.map_or(Ok(()), |item| ev.push(out, item))
}

/// `None` is empty: an overflow, a division by zero, or units that do not go together.
fn arithmetic<'a>(
    ev: &mut Evaluator<'a, '_>,
    operator: Operator,
    left: &Item<'a>,
    right: &Item<'a>,
) -> Result<Option<Item<'a>>> {
    let (Some(a), Some(b)) = (left.value(ev.defs), right.value(ev.defs)) else {
        if is_open(ev, left) || is_open(ev, right) {
            return Ok(None);
        }
        return Err(mismatch(ev, operator, left, right));
    };
    match (&a, &b) {
        (Item::Integer(a), Item::Integer(b)) => Ok(integers(operator, *a, *b)),
        (Item::String(a), Item::String(b)) if operator == Operator::Add => {
            ev.check_string(a.len() + b.len())?;
            Ok(Some(Item::String(format!("{a}{b}").into())))
        }
        (Item::Date(date) | Item::DateTime(date) | Item::Time(date), Item::Quantity(quantity))
            if matches!(operator, Operator::Add | Operator::Subtract) =>
        {
            let moved = move_date(*date, quantity, operator == Operator::Subtract)?;
            Ok(moved.map(|moved| match &a {
                Item::Date(_) => Item::Date(moved),
                Item::Time(_) => Item::Time(moved),
                _ => Item::DateTime(moved),
            }))
        }
        _ => match (number(&a), number(&b)) {
            (Some(a), Some(b)) => Ok(decimals(operator, a, b)),
            _ => match (as_quantity(&a), as_quantity(&b)) {
                (Some(a), Some(b)) => quantities(ev, operator, &a, &b),
                _ => Err(mismatch(ev, operator, left, right)),
            },
        },
    }
}

fn integers(operator: Operator, a: i64, b: i64) -> Option<Item<'static>> {
    let value = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Div => a.checked_div(b),
        Operator::Mod => a.checked_rem(b),
        _ => return decimals(operator, Decimal::from(a), Decimal::from(b)),
    };
    value.map(Item::Integer)
}

fn decimals(operator: Operator, a: Decimal, b: Decimal) -> Option<Item<'static>> {
    let value = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        Operator::Mod => a.checked_rem(b),
        Operator::Div => return a.checked_div(b)?.trunc().to_i64().map(Item::Integer),
        _ => None,
    };
    value.map(Item::Decimal)
}

fn quantities<'a>(
    ev: &mut Evaluator<'a, '_>,
    operator: Operator,
    a: &Quantity<'a>,
    b: &Quantity<'a>,
) -> Result<Option<Item<'a>>> {
    ev.charge((a.unit.len() + b.unit.len()) * 4)?;
    let result = match operator {
        Operator::Add => a.plus(b, false),
        Operator::Subtract => a.plus(b, true),
        Operator::Multiply => a.times(b, false),
        Operator::Divide => a.times(b, true),
        _ => {
            let (a, b) = (Item::Quantity(a.clone()), Item::Quantity(b.clone()));
            return Err(mismatch(ev, operator, &a, &b));
        }
    };
    Ok(result.map(Item::Quantity))
}

/// A date or time moved by a duration (<https://hl7.org/fhirpath/N1/#datetime-arithmetic>).
fn move_date(date: Temporal, quantity: &Quantity<'_>, is_back: bool) -> Result<Option<Temporal>> {
    let Some(unit) = quantity.date_unit() else {
        return Err(EvaluationError::new(
            "A date moves by a duration of the calendar, such as 3 months or 1 'd'; the years and months of UCUM are none",
        ));
    };
    let is_clock = matches!(unit, Unit::Hour | Unit::Minute | Unit::Second | Unit::Millisecond);
    if date.is_time && !is_clock {
        return Err(EvaluationError::new("A time of day moves by hours, minutes, seconds or milliseconds"));
    }
    let value = if is_back { -quantity.value } else { quantity.value };
    let nanos_per_unit = match unit {
        Unit::Second => 1_000_000_000,
        Unit::Millisecond => 1_000_000,
        _ => 0,
    };
    let nanos = value.checked_mul(Decimal::from(nanos_per_unit)).and_then(|nanos| nanos.trunc().to_i128());
    // Parts of a day or month are dropped; those of a second are not.
    Ok(value.trunc().to_i64().zip(nanos).and_then(|(amount, nanos)| date.plus(amount, unit, nanos)))
}
