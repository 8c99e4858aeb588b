//! The range of values that a value of limited precision stands for
//! (<https://hl7.org/fhirpath/#boundary-functions>).

use rust_decimal::{Decimal, RoundingStrategy};

use crate::equality::as_quantity;
use crate::error::EvaluationError;
use crate::eval::{Evaluator, Result};
use crate::function::Call;
use crate::item::{Collection, Item};
use crate::temporal::{Precision, Temporal};

/// Digits behind the point when none are asked for.
const DECIMAL_DIGITS: i64 = 8;
/// The most digits that a Decimal has.
const MAX_DECIMAL_DIGITS: i64 = 28;
/// Digits of a date, of a date and time in milliseconds, and of a time of day.
const DATE_DIGITS: i64 = 8;
const DATE_TIME_DIGITS: i64 = 17;
const TIME_DIGITS: i64 = 9;
/// The time zones of the world lie between these, in minutes.
const EASTERNMOST: i16 = 14 * 60;
const WESTERNMOST: i16 = -12 * 60;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Low,
    High,
}

pub(crate) fn low<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    boundary(ev, call, out, Side::Low)
}

pub(crate) fn high<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    boundary(ev, call, out, Side::High)
}

fn boundary<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    side: Side,
) -> Result {
    let digits = ev.integer_argument(&call, 0, "The precision of a boundary")?;
    let item = match call.input.as_slice() {
        [] => return Ok(()),
        [item] => item,
        many => return Err(ev.too_many("The input of a boundary", many)),
    };
    let bound = match item.value(ev.defs) {
        Some(Item::Integer(value)) => decimal(Decimal::from(value), digits, side).map(Item::Decimal),
        Some(Item::Decimal(value)) => decimal(value, digits, side).map(Item::Decimal),
        Some(Item::Quantity(quantity)) => {
            decimal(quantity.value, digits, side).map(|value| Item::Quantity(quantity.with_value(value)))
        }
        Some(Item::Date(value)) => temporal(value, digits, DATE_DIGITS, side).map(Item::Date),
        Some(Item::DateTime(value)) => temporal(value, digits, DATE_TIME_DIGITS, side).map(Item::DateTime),
        Some(Item::Time(value)) => temporal(value, digits, TIME_DIGITS, side).map(Item::Time),
        _ => {
            let found = item.describe(ev.defs);
            return Err(EvaluationError::new(format!(
                "A boundary needs a number, date or time, not {found}"
            )));
        }
    };
    bound.map_or(Ok(()), |bound| ev.push(out, bound))
}

/// Half a unit of the last digit away, and then outward to the digits asked for.
fn decimal(value: Decimal, digits: Option<i64>, side: Side) -> Option<Decimal> {
    let digits = digits.unwrap_or(DECIMAL_DIGITS);
    if !(0..=MAX_DECIMAL_DIGITS).contains(&digits) || value.scale() >= 28 {
        return None;
    }
    let half = Decimal::new(5, value.scale() + 1);
    let (bound, strategy) = match side {
        Side::Low => (value.checked_sub(half)?, RoundingStrategy::ToNegativeInfinity),
        Side::High => (value.checked_add(half)?, RoundingStrategy::ToPositiveInfinity),
    };
    let digits = digits as u32;
    let mut bound = bound.round_dp_with_strategy(digits, strategy);
    bound.rescale(digits);
    // A number without room for the digits keeps fewer of them.
    (bound.scale() == digits).then_some(bound)
}

fn temporal(value: Temporal, digits: Option<i64>, most: i64, side: Side) -> Option<Temporal> {
    let digits = digits.unwrap_or(most);
    if digits > most {
        return None;
    }
    let mut bound = value;
    match side {
        Side::Low => bound.fill_low(),
        Side::High => bound.fill_high(),
    }
    if most == DATE_TIME_DIGITS && bound.offset_minutes.is_none() {
        bound.offset_minutes = Some(if side == Side::Low { EASTERNMOST } else { WESTERNMOST });
    }
    bound.cut(digits)
}

pub(crate) fn precision<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let item = match call.input.as_slice() {
        [] => return Ok(()),
        [item] => item,
        many => return Err(ev.too_many("The input of precision()", many)),
    };
    let digits = match item.value(ev.defs) {
        Some(Item::Integer(_)) => 0,
        Some(Item::Decimal(value)) => i64::from(value.scale()),
        Some(Item::Date(value) | Item::DateTime(value) | Item::Time(value)) => value.digits(),
        _ => {
            let found = item.describe(ev.defs);
            return Err(EvaluationError::new(format!(
                "precision() needs a number, date or time, not {found}"
            )));
        }
    };
    ev.push(out, Item::Integer(digits))
}

pub(crate) fn comparable<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let other = ev.collect(&call.arguments[0], call.scope)?;
    let ([left], [right]) = (call.input.as_slice(), other.as_slice()) else { return Ok(()) };
    let quantity = |item: &Item<'a>| item.value(ev.defs).as_ref().and_then(as_quantity);
    let (Some(left), Some(right)) = (quantity(left), quantity(right)) else { return Ok(()) };
    ev.charge_units(&left, &right)?;
    ev.push(out, Item::Boolean(left.is_comparable(&right)))
}

impl Temporal {
    /// Whether a part of the date or time is given.
    pub(crate) fn has(self, precision: Precision) -> bool {
        self.precision >= precision && (!self.is_time || precision >= Precision::Hour)
    }
}
