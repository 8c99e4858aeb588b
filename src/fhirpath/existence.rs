//! Questions about a whole collection (<https://hl7.org/fhirpath/N1/#existence>).

use crate::equality;
use crate::error::EvaluationError;
use crate::eval::{Evaluator, Result, to_boolean};
use crate::function::Call;
use crate::item::{Collection, Item};

pub(crate) fn empty<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    ev.push(out, Item::Boolean(call.input.is_empty()))
}

pub(crate) fn exists<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let mut found = !call.input.is_empty();
    if let Some(criteria) = call.arguments.first() {
        found = false;
        for (index, item) in call.input.iter().enumerate() {
            let result = ev.collect(criteria, call.scope.of(item, index))?;
            if to_boolean(&result, ev.defs)? == Some(true) {
                found = true;
                break;
            }
        }
    }
    ev.push(out, Item::Boolean(found))
}

pub(crate) fn all<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let mut holds = true;
    for (index, item) in call.input.iter().enumerate() {
        let result = ev.collect(&call.arguments[0], call.scope.of(item, index))?;
        if to_boolean(&result, ev.defs)? != Some(true) {
            holds = false;
            break;
        }
    }
    ev.push(out, Item::Boolean(holds))
}

fn booleans(ev: &Evaluator<'_, '_>, items: &[Item<'_>]) -> Result<Vec<bool>> {
    let boolean = |item: &Item<'_>| {
        let wrong =
            || EvaluationError::new(format!("A Boolean is needed, and this is {}", item.describe(ev.defs)));
        item.boolean(ev.defs).ok_or_else(wrong)
    };
    items.iter().map(boolean).collect()
}

pub(crate) fn all_true<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let holds = booleans(ev, call.input)?.into_iter().all(|value| value);
    ev.push(out, Item::Boolean(holds))
}

pub(crate) fn any_true<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let holds = booleans(ev, call.input)?.into_iter().any(|value| value);
    ev.push(out, Item::Boolean(holds))
}

pub(crate) fn all_false<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let holds = booleans(ev, call.input)?.into_iter().all(|value| !value);
    ev.push(out, Item::Boolean(holds))
}

pub(crate) fn any_false<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let holds = booleans(ev, call.input)?.into_iter().any(|value| !value);
    ev.push(out, Item::Boolean(holds))
}

fn holds_all<'a>(ev: &mut Evaluator<'a, '_>, whole: &[Item<'a>], part: &[Item<'a>]) -> Result<bool> {
    for item in part {
        if !equality::contains(ev, whole, item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn subset_of<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let other = ev.collect(&call.arguments[0], call.scope)?;
    let holds = holds_all(ev, &other, call.input)?;
    ev.push(out, Item::Boolean(holds))
}

pub(crate) fn superset_of<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let other = ev.collect(&call.arguments[0], call.scope)?;
    let holds = holds_all(ev, call.input, &other)?;
    ev.push(out, Item::Boolean(holds))
}

pub(crate) fn count<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    ev.push(out, Item::Integer(call.input.len() as i64))
}

pub(crate) fn distinct<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    equality::distinct(ev, std::mem::take(call.input), out)
}

pub(crate) fn is_distinct<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let count = call.input.len();
    let mut once = Collection::new();
    equality::distinct(ev, std::mem::take(call.input), &mut once)?;
    ev.push(out, Item::Boolean(once.len() == count))
}

pub(crate) fn not<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let value = to_boolean(call.input, ev.defs)?;
    ev.push_boolean(out, value.map(|value| !value))
}
