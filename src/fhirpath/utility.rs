//! Functions about the evaluation itself, the time, types, and the parts of dates
//! (<https://hl7.org/fhirpath/N1/#utility-functions>, <https://hl7.org/fhirpath/#definevariable>).

use rust_decimal::Decimal;

use crate::error::EvaluationError;
use crate::eval::{Evaluator, Result};
use crate::function::Call;
use crate::item::{Collection, Item};
use crate::temporal::{Precision, Temporal};

fn pass_on<'a>(ev: &mut Evaluator<'a, '_>, call: Call<'a, '_, '_>, out: &mut Collection<'a>) -> Result {
    call.input.drain(..).try_for_each(|item| ev.push(out, item))
}

/// What an argument gives for each item; the input itself when there is no such argument.
fn projected<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: &Call<'a, '_, '_>,
    place: usize,
) -> Result<Collection<'a>> {
    let Some(projection) = call.arguments.get(place) else { return Ok(call.input.clone()) };
    let mut items = Collection::new();
    for (index, item) in call.input.iter().enumerate() {
        ev.eval_scoped(projection, call.scope.of(item, index), &mut items)?;
    }
    Ok(items)
}

pub(crate) fn trace<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let name = ev.string_argument(&call, 0, "The name of trace()")?.unwrap_or_default();
    if let Some(host) = ev.environment.host {
        let items = projected(ev, &call, 1)?;
        host.trace(&name, &items)?;
    }
    pass_on(ev, call, out)
}

pub(crate) fn define_variable<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let name = ev.string_argument(&call, 0, "The name of defineVariable()")?;
    let Some(name) = name else {
        return Err(EvaluationError::new("defineVariable() needs a name"));
    };
    let items = match call.arguments.get(1) {
        Some(_) if call.input.is_empty() => Collection::new(),
        _ => projected(ev, &call, 1)?,
    };
    ev.define(&name, items)?;
    pass_on(ev, call, out)
}

fn current(ev: &Evaluator<'_, '_>) -> Temporal {
    Temporal::from_micros(ev.environment.now)
}

pub(crate) fn now<'a>(ev: &mut Evaluator<'a, '_>, _: Call<'a, '_, '_>, out: &mut Collection<'a>) -> Result {
    let now = current(ev);
    ev.push(out, Item::DateTime(now))
}

pub(crate) fn today<'a>(ev: &mut Evaluator<'a, '_>, _: Call<'a, '_, '_>, out: &mut Collection<'a>) -> Result {
    let now = current(ev);
    ev.push(out, Item::Date(now.date()))
}

pub(crate) fn time_of_day<'a>(
    ev: &mut Evaluator<'a, '_>,
    _: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let time = current(ev).time_of_day();
    time.map_or(Ok(()), |time| ev.push(out, Item::Time(time)))
}

pub(crate) fn r#type<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    for item in call.input.drain(..) {
        if let Some(info) = item.type_info(ev.defs) {
            ev.push(out, Item::Type(info))?;
        }
    }
    Ok(())
}

/// The date or time before the dot.
fn moment<'a>(ev: &Evaluator<'a, '_>, call: &Call<'a, '_, '_>) -> Result<Option<Temporal>> {
    match call.input.as_slice() {
        [] => Ok(None),
        [item] => match item.value(ev.defs) {
            Some(Item::Date(value) | Item::DateTime(value) | Item::Time(value)) => Ok(Some(value)),
            _ => {
                let found = item.describe(ev.defs);
                Err(EvaluationError::new(format!("A date or time is needed, and this is {found}")))
            }
        },
        many => Err(ev.too_many("The input of a function on dates", many)),
    }
}

fn part<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    precision: Precision,
    part: fn(Temporal) -> u32,
) -> Result {
    match moment(ev, &call)?.filter(|value| value.has(precision)) {
        Some(value) => ev.push(out, Item::Integer(i64::from(part(value)))),
        None => Ok(()),
    }
}

/// Defines a function for each part of a date or time.
macro_rules! parts {
    ($($name:ident, $precision:ident, $part:expr;)*) => { $(
        pub(crate) fn $name<'a>(ev: &mut Evaluator<'a, '_>, call: Call<'a, '_, '_>, out: &mut Collection<'a>) -> Result {
            part(ev, call, out, Precision::$precision, $part)
        }
    )* };
}

parts! {
    year_of, Year, |value| u32::from(value.year);
    month_of, Month, |value| u32::from(value.month);
    day_of, Day, |value| u32::from(value.day);
    hour_of, Hour, |value| u32::from(value.hour);
    minute_of, Minute, |value| u32::from(value.minute);
    second_of, Second, |value| u32::from(value.second);
    millisecond_of, Second, |value| value.nanos / 1_000_000;
}

pub(crate) fn timezone_offset_of<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    match moment(ev, &call)?.and_then(|value| value.offset_minutes) {
        Some(minutes) => ev.push(out, Item::Decimal(Decimal::from(minutes) / Decimal::from(60))),
        None => Ok(()),
    }
}

pub(crate) fn date_of<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    match moment(ev, &call)?.filter(|value| value.has(Precision::Year)) {
        Some(value) => ev.push(out, Item::Date(value.date())),
        None => Ok(()),
    }
}

pub(crate) fn time_of<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    match moment(ev, &call)?.and_then(Temporal::time_of_day) {
        Some(value) => ev.push(out, Item::Time(value)),
        None => Ok(()),
    }
}
