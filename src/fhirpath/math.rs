//! Functions on numbers (<https://hl7.org/fhirpath/N1/#math>). A result that does not fit into a
//! Decimal is empty.

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

use crate::equality::number;
use crate::error::EvaluationError;
use crate::eval::{Evaluator, Result};
use crate::function::Call;
use crate::item::{Collection, Item};
use crate::operator;
use crate::syntax::Operator;

/// Significant digits to which roots, logarithms and powers are given.
const DIGITS: u32 = 16;

/// The value of an input of one item.
fn single<'a>(ev: &Evaluator<'a, '_>, items: &[Item<'a>]) -> Result<Option<Item<'a>>> {
    match items {
        [] => Ok(None),
        [item] => match item.value(ev.defs) {
            Some(value @ (Item::Integer(_) | Item::Decimal(_) | Item::Quantity(_))) => Ok(Some(value)),
            _ => Err(EvaluationError::new(format!(
                "A number is needed, and this is {}",
                item.describe(ev.defs)
            ))),
        },
        many => Err(ev.too_many("The input of a function on numbers", many)),
    }
}

fn decimal<'a>(ev: &Evaluator<'a, '_>, items: &[Item<'a>]) -> Result<Option<Decimal>> {
    let Some(value) = single(ev, items)? else { return Ok(None) };
    let wrong = || EvaluationError::new("A number is needed, and this is System.Quantity");
    number(&value).ok_or_else(wrong).map(Some)
}

fn push_some<'a>(ev: &mut Evaluator<'a, '_>, out: &mut Collection<'a>, item: Option<Item<'a>>) -> Result {
    item.map_or(Ok(()), |item| ev.push(out, item))
}

pub(crate) fn abs<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let value = single(ev, call.input)?.and_then(|value| match value {
        Item::Integer(value) => value.checked_abs().map(Item::Integer),
        Item::Decimal(value) => Some(Item::Decimal(value.abs())),
        Item::Quantity(quantity) => Some(Item::Quantity(quantity.with_value(quantity.value.abs()))),
        _ => None,
    });
    push_some(ev, out, value)
}

/// Rounds to a whole number; a Quantity keeps its unit.
fn whole<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    round: fn(&Decimal) -> Decimal,
) -> Result {
    let value = single(ev, call.input)?.and_then(|value| match value {
        Item::Quantity(quantity) => Some(Item::Quantity(quantity.with_value(round(&quantity.value)))),
        value => round(&number(&value)?).to_i64().map(Item::Integer),
    });
    push_some(ev, out, value)
}

pub(crate) fn ceiling<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    whole(ev, call, out, Decimal::ceil)
}

pub(crate) fn floor<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    whole(ev, call, out, Decimal::floor)
}

pub(crate) fn truncate<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    whole(ev, call, out, Decimal::trunc)
}

pub(crate) fn round<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let places = ev.integer_argument(&call, 0, "The precision of round()")?.unwrap_or(0);
    let Ok(places) = u32::try_from(places) else {
        return Err(EvaluationError::new("The precision of round() must not be negative"));
    };
    let round = |value: Decimal| value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    let value = single(ev, call.input)?.and_then(|value| match value {
        Item::Quantity(quantity) => Some(Item::Quantity(quantity.with_value(round(quantity.value)))),
        value => number(&value).map(|value| Item::Decimal(round(value))),
    });
    push_some(ev, out, value)
}

fn real<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    function: fn(Decimal) -> Option<Decimal>,
) -> Result {
    ev.charge(100)?;
    let value = decimal(ev, call.input)?.and_then(function);
    push_some(ev, out, value.map(|value| Item::Decimal(shown(value))))
}

fn shown(value: Decimal) -> Decimal {
    value.round_sf(DIGITS).unwrap_or(value).normalize()
}

pub(crate) fn exp<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    real(ev, call, out, |value| value.checked_exp())
}

pub(crate) fn ln<'a>(ev: &mut Evaluator<'a, '_>, call: Call<'a, '_, '_>, out: &mut Collection<'a>) -> Result {
    real(ev, call, out, |value| value.checked_ln())
}

pub(crate) fn sqrt<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    real(ev, call, out, |value| value.sqrt())
}

/// The number before the dot and the one in brackets.
fn operands<'a>(ev: &mut Evaluator<'a, '_>, call: &Call<'a, '_, '_>) -> Result<Option<(Item<'a>, Item<'a>)>> {
    ev.charge(100)?;
    let argument = ev.collect(&call.arguments[0], call.scope)?;
    Ok(single(ev, call.input)?.zip(single(ev, &argument)?))
}

pub(crate) fn log<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let value = operands(ev, &call)?.and_then(|(value, base)| {
        let (value, base) = (number(&value)?, number(&base)?);
        value.checked_ln()?.checked_div(base.checked_ln()?).map(shown)
    });
    push_some(ev, out, value.map(Item::Decimal))
}

pub(crate) fn power<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let value = operands(ev, &call)?.and_then(|(base, exponent)| match (&base, &exponent) {
        (Item::Integer(base), Item::Integer(exponent)) if *exponent >= 0 => {
            // From 64 on only 0, 1 and -1 have powers that fit, and for these the parity is all.
            let exponent = if *exponent > 64 { 64 + exponent % 2 } else { *exponent };
            base.checked_pow(exponent as u32).map(Item::Integer)
        }
        _ => {
            let (base, exponent) = (number(&base)?, number(&exponent)?);
            let value = match exponent.to_i64().filter(|_| exponent.fract().is_zero()) {
                Some(whole) => base.checked_powi(whole)?,
                // A root of a negative number is none.
                None if base.is_sign_negative() => return None,
                None => shown(base.checked_powd(exponent)?),
            };
            Some(Item::Decimal(value))
        }
    });
    push_some(ev, out, value)
}

fn fold<'a>(
    ev: &mut Evaluator<'a, '_>,
    items: &[Item<'a>],
    mut join: impl FnMut(&mut Evaluator<'a, '_>, Item<'a>, &Item<'a>) -> Result<Option<Item<'a>>>,
) -> Result<Option<Item<'a>>> {
    let Some((first, rest)) = items.split_first() else { return Ok(None) };
    let mut total = first.value(ev.defs).unwrap_or_else(|| first.clone());
    for item in rest {
        ev.charge(1)?;
        match join(ev, total, item)? {
            Some(next) => total = next,
            None => return Ok(None),
        }
    }
    Ok(Some(total))
}

fn add<'a>(ev: &mut Evaluator<'a, '_>, total: Item<'a>, item: &Item<'a>) -> Result<Option<Item<'a>>> {
    let mut result = Collection::new();
    operator::apply(ev, Operator::Add, &[total], std::slice::from_ref(item), &mut result)?;
    Ok(result.pop())
}

pub(crate) fn sum<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let total = fold(ev, call.input, add)?;
    push_some(ev, out, total)
}

pub(crate) fn avg<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let Some(total) = fold(ev, call.input, add)? else { return Ok(()) };
    let count = [Item::Integer(call.input.len() as i64)];
    operator::apply(ev, Operator::Divide, &[total], &count, out)
}

fn extreme<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    operator: Operator,
) -> Result {
    let found = fold(ev, call.input, |ev, best, item| {
        let order = operator::compare(ev, operator, item, &best)?;
        Ok(order.map(|order| match (operator, order.is_lt(), order.is_gt()) {
            (Operator::Less, true, _) | (Operator::Greater, _, true) => {
                item.value(ev.defs).unwrap_or_else(|| item.clone())
            }
            _ => best,
        }))
    })?;
    push_some(ev, out, found)
}

pub(crate) fn min<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    extreme(ev, call, out, Operator::Less)
}

pub(crate) fn max<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    extreme(ev, call, out, Operator::Greater)
}
