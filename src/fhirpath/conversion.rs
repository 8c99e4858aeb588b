//! Conversions between the System types, and `iif` (<https://hl7.org/fhirpath/N1/#conversion>).

use rust_decimal::Decimal;

use crate::error::EvaluationError;
use crate::eval::{Evaluator, Result, Scope};
use crate::function::Call;
use crate::item::{Collection, Item};
use crate::quantity::{Quantity, parse_plain_decimal};
use crate::temporal::Temporal;

pub(crate) fn iif<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    if call.input.len() > 1 {
        return Err(EvaluationError::new(format!("iif() takes one item, and got {}", call.input.len())));
    }
    let scope = Scope { this: call.input, index: call.scope.index, total: call.scope.total };
    let criterion = ev.collect(&call.arguments[0], scope)?;
    let holds = match criterion.as_slice() {
        [] => false,
        [item] => item.boolean(ev.defs).ok_or_else(|| {
            EvaluationError::new(format!(
                "The criterion of iif() must be a Boolean, and is {}",
                item.describe(ev.defs)
            ))
        })?,
        many => return Err(ev.too_many("The criterion of iif()", many)),
    };
    match call.arguments.get(if holds { 1 } else { 2 }) {
        Some(branch) => ev.eval_scoped(branch, scope, out),
        None => Ok(()),
    }
}

type Conversion = for<'a> fn(&Item<'a>) -> Option<Item<'a>>;

/// The value of an input of one item.
fn single<'a>(ev: &Evaluator<'a, '_>, call: &Call<'a, '_, '_>) -> Result<Option<Item<'a>>> {
    match call.input.as_slice() {
        [] => Ok(None),
        [item] => Ok(Some(item.value(ev.defs).unwrap_or_else(|| item.clone()))),
        many => Err(ev.too_many("What is converted", many)),
    }
}

fn convert<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    conversion: Conversion,
) -> Result {
    match single(ev, &call)?.as_ref().and_then(conversion) {
        Some(item) => ev.push(out, item),
        None => Ok(()),
    }
}

fn converts<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    conversion: Conversion,
) -> Result {
    match single(ev, &call)? {
        Some(item) => ev.push(out, Item::Boolean(conversion(&item).is_some())),
        None => Ok(()),
    }
}

/// Defines `toX` and `convertsToX` from one conversion.
macro_rules! conversions {
    ($($to:ident, $converts:ident, $conversion:expr;)*) => { $(
        pub(crate) fn $to<'a>(ev: &mut Evaluator<'a, '_>, call: Call<'a, '_, '_>, out: &mut Collection<'a>) -> Result {
            convert(ev, call, out, $conversion)
        }

        pub(crate) fn $converts<'a>(
            ev: &mut Evaluator<'a, '_>,
            call: Call<'a, '_, '_>,
            out: &mut Collection<'a>,
        ) -> Result {
            converts(ev, call, out, $conversion)
        }
    )* };
}

conversions! {
    to_boolean, converts_to_boolean, boolean;
    to_integer, converts_to_integer, integer;
    to_decimal, converts_to_decimal, decimal;
    to_string, converts_to_string, string;
    to_date, converts_to_date, date;
    to_date_time, converts_to_date_time, date_time;
    to_time, converts_to_time, time;
}

fn boolean<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    let value = match item {
        Item::Boolean(value) => *value,
        Item::Integer(1) => true,
        Item::Integer(0) => false,
        Item::Decimal(value) if *value == Decimal::ONE => true,
        Item::Decimal(value) if value.is_zero() => false,
        Item::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => true,
            "false" | "f" | "no" | "n" | "0" | "0.0" => false,
            _ => return None,
        },
        _ => return None,
    };
    Some(Item::Boolean(value))
}

fn integer<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    match item {
        Item::Integer(value) => Some(Item::Integer(*value)),
        Item::Boolean(value) => Some(Item::Integer(i64::from(*value))),
        Item::String(text) => text.parse().ok().map(Item::Integer),
        _ => None,
    }
}

fn decimal<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    match item {
        Item::Decimal(value) => Some(Item::Decimal(*value)),
        Item::Integer(value) => Some(Item::Decimal(Decimal::from(*value))),
        Item::Boolean(value) => Some(Item::Decimal(if *value { Decimal::ONE } else { Decimal::ZERO })),
        Item::String(text) => parse_plain_decimal(text).map(Item::Decimal),
        _ => None,
    }
}

fn string<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    let text = match item {
        Item::String(text) => text.clone(),
        Item::Boolean(value) => value.to_string().into(),
        Item::Integer(value) => value.to_string().into(),
        Item::Decimal(value) => value.to_string().into(),
        Item::Date(value) | Item::DateTime(value) | Item::Time(value) => value.to_string().into(),
        Item::Quantity(quantity) => quantity.to_string().into(),
        Item::Element(_) | Item::Type(_) => return None,
    };
    Some(Item::String(text))
}

fn date<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    match item {
        Item::Date(value) => Some(Item::Date(*value)),
        Item::DateTime(value) => Some(Item::Date(value.date())),
        Item::String(text) => Temporal::parse_date_time(text).map(|value| Item::Date(value.date())),
        _ => None,
    }
}

fn date_time<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    match item {
        Item::Date(value) | Item::DateTime(value) => Some(Item::DateTime(*value)),
        Item::String(text) => Temporal::parse_date_time(text).map(Item::DateTime),
        _ => None,
    }
}

fn time<'a>(item: &Item<'a>) -> Option<Item<'a>> {
    match item {
        Item::Time(value) => Some(Item::Time(*value)),
        Item::String(text) => Temporal::parse_time(text.strip_prefix('T').unwrap_or(text)).map(Item::Time),
        _ => None,
    }
}

fn quantity<'a>(item: &Item<'a>) -> Option<Quantity<'a>> {
    match item {
        Item::Quantity(quantity) => Some(quantity.clone()),
        Item::String(text) => Quantity::parse(text),
        other => match decimal(other)? {
            Item::Decimal(value) => Some(Quantity::unity(value)),
            _ => None,
        },
    }
}

/// The quantity of the input, in the unit of the argument when there is one.
fn quantity_in<'a>(ev: &mut Evaluator<'a, '_>, call: &Call<'a, '_, '_>) -> Result<Option<Quantity<'a>>> {
    let Some(quantity) = single(ev, call)?.as_ref().and_then(quantity) else { return Ok(None) };
    let Some(argument) = call.arguments.first() else { return Ok(Some(quantity)) };
    let unit = ev.collect(argument, call.scope)?;
    let Some(unit) = ev.single_string(&unit, "The unit")? else { return Ok(None) };
    ev.charge((quantity.unit.len() + unit.len()) * 4)?;
    Ok(quantity.converted_to(&unit))
}

pub(crate) fn to_quantity<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    match quantity_in(ev, &call)? {
        Some(quantity) => ev.push(out, Item::Quantity(quantity)),
        None => Ok(()),
    }
}

pub(crate) fn converts_to_quantity<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    if call.input.is_empty() {
        return Ok(());
    }
    let converts = quantity_in(ev, &call)?.is_some();
    ev.push(out, Item::Boolean(converts))
}
