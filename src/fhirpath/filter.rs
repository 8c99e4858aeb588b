//! Functions that choose, order and join items (<https://hl7.org/fhirpath/N1/#filtering-and-projection>,
//! <https://hl7.org/fhirpath/N1/#subsetting>, <https://hl7.org/fhirpath/N1/#combining>,
//! <https://hl7.org/fhirpath/N1/#tree-navigation>).

use std::cmp::Ordering;

use crate::equality;
use crate::error::EvaluationError;
use crate::eval::{Evaluator, Result, Scope};
use crate::function::Call;
use crate::item::{Collection, Item};
use crate::op::Op;
use crate::operator;
use crate::syntax::Operator;

impl<'a, 's> Scope<'a, 's> {
    /// The scope in which an argument is evaluated for one item.
    pub(crate) fn of<'t>(self, item: &'t Item<'a>, index: usize) -> Scope<'a, 't>
    where
        's: 't,
    {
        Scope { this: std::slice::from_ref(item), index: Some(index), total: self.total }
    }
}

fn move_all<'a>(
    ev: &mut Evaluator<'a, '_>,
    items: impl Iterator<Item = Item<'a>>,
    out: &mut Collection<'a>,
) -> Result {
    for item in items {
        ev.push(out, item)?;
    }
    Ok(())
}

pub(crate) fn r#where<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    for (index, item) in call.input.drain(..).enumerate() {
        if ev.condition(&call.arguments[0], call.scope.of(&item, index))? == Some(true) {
            ev.push(out, item)?;
        }
    }
    Ok(())
}

pub(crate) fn select<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    for (index, item) in call.input.iter().enumerate() {
        ev.eval_scoped(&call.arguments[0], call.scope.of(item, index), out)?;
    }
    Ok(())
}

/// Only what was not found before is input again, so that a circle ends.
pub(crate) fn repeat<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let start = out.len();
    let mut level = std::mem::take(call.input);
    while !level.is_empty() {
        let mut found = Collection::new();
        for (index, item) in level.iter().enumerate() {
            ev.eval_scoped(&call.arguments[0], call.scope.of(item, index), &mut found)?;
        }
        level.clear();
        for item in found {
            if !is_known(ev, &out[start..], &item)? {
                ev.push(out, item.clone())?;
                level.push(item);
            }
        }
    }
    Ok(())
}

/// Elements are told apart by their place, which is cheap; values by what they are.
fn is_known<'a>(ev: &mut Evaluator<'a, '_>, items: &[Item<'a>], item: &Item<'a>) -> Result<bool> {
    let Item::Element(element) = item else { return equality::contains(ev, items, item) };
    ev.charge(items.len() / 8)?;
    Ok(items.iter().filter_map(Item::element).any(|known| known.is_same_place(element)))
}

pub(crate) fn repeat_all<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let mut level = std::mem::take(call.input);
    while !level.is_empty() {
        let mut found = Collection::new();
        for (index, item) in level.iter().enumerate() {
            ev.eval_scoped(&call.arguments[0], call.scope.of(item, index), &mut found)?;
        }
        move_all(ev, found.iter().cloned(), out)?;
        level = found;
    }
    Ok(())
}

pub(crate) fn single<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    if call.input.len() > 1 {
        return Err(EvaluationError::new(format!("single() takes one item, and got {}", call.input.len())));
    }
    move_all(ev, call.input.drain(..), out)
}

pub(crate) fn first<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    move_all(ev, call.input.drain(..).take(1), out)
}

pub(crate) fn last<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    move_all(ev, call.input.pop().into_iter(), out)
}

pub(crate) fn tail<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    move_all(ev, call.input.drain(..).skip(1), out)
}

fn amount<'a>(ev: &mut Evaluator<'a, '_>, call: &Call<'a, '_, '_>, what: &str) -> Result<Option<usize>> {
    let items = ev.collect(&call.arguments[0], call.scope)?;
    let number = ev.single_integer(&items, what)?;
    Ok(number.map(|number| usize::try_from(number.max(0)).unwrap_or(usize::MAX)))
}

pub(crate) fn skip<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let count = amount(ev, &call, "The number of skip()")?;
    move_all(ev, call.input.drain(..).skip(count.unwrap_or(0)), out)
}

pub(crate) fn take<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let count = amount(ev, &call, "The number of take()")?;
    move_all(ev, call.input.drain(..).take(count.unwrap_or(0)), out)
}

pub(crate) fn intersect<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let other = ev.collect(&call.arguments[0], call.scope)?;
    let mut both = Collection::new();
    for item in call.input.drain(..) {
        if equality::contains(ev, &other, &item)? {
            both.push(item);
        }
    }
    equality::distinct(ev, both, out)
}

pub(crate) fn exclude<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let other = ev.collect(&call.arguments[0], call.scope)?;
    for item in call.input.drain(..) {
        if !equality::contains(ev, &other, &item)? {
            ev.push(out, item)?;
        }
    }
    Ok(())
}

pub(crate) fn union<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let mut items = std::mem::take(call.input);
    ev.eval_scoped(&call.arguments[0], call.scope, &mut items)?;
    equality::distinct(ev, items, out)
}

/// The second argument keeps the order of old texts and changes nothing here: order is always kept.
pub(crate) fn combine<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    move_all(ev, call.input.drain(..), out)?;
    ev.eval_scoped(&call.arguments[0], call.scope, out)
}

/// The first argument that is not empty.
pub(crate) fn coalesce<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    for argument in call.arguments {
        let items = ev.collect(argument, call.scope)?;
        if !items.is_empty() {
            return move_all(ev, items.into_iter(), out);
        }
    }
    Ok(())
}

/// A key of `sort`: `-key` sorts downward, for strings too.
fn direction(key: &Op) -> (&Op, bool) {
    match key {
        Op::Negate(inner) => match &**inner {
            Op::Negate(key) => (key, false),
            key => (key, true),
        },
        key => (key, false),
    }
}

pub(crate) fn sort<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let count = call.input.len();
    ev.charge(count * (count.max(2).ilog2() as usize + 1) * call.arguments.len().max(1))?;
    let mut rows = Vec::with_capacity(count);
    for (index, item) in call.input.drain(..).enumerate() {
        let mut keys = Vec::with_capacity(call.arguments.len());
        for key in call.arguments {
            let (key, is_down) = direction(key);
            let value = ev.collect(key, call.scope.of(&item, index))?;
            if value.len() > 1 {
                return Err(ev.too_many("A key of sort()", &value));
            }
            keys.push((value.into_iter().next(), is_down));
        }
        if call.arguments.is_empty() {
            keys.push((Some(item.clone()), false));
        }
        rows.push((keys, item));
    }
    let mut failure = None;
    rows.sort_by(|(a, _), (b, _)| {
        a.iter().zip(b).fold(Ordering::Equal, |order, ((a, is_down), (b, _))| {
            order.then_with(|| compare_keys(ev, a.as_ref(), b.as_ref(), *is_down, &mut failure))
        })
    });
    match failure {
        Some(error) => Err(error),
        None => move_all(ev, rows.into_iter().map(|(_, item)| item), out),
    }
}

/// Nothing comes before something, upward and downward.
fn compare_keys<'a>(
    ev: &mut Evaluator<'a, '_>,
    a: Option<&Item<'a>>,
    b: Option<&Item<'a>>,
    is_down: bool,
    failure: &mut Option<EvaluationError>,
) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => match operator::compare(ev, Operator::Less, a, b) {
            Ok(order) if is_down => order.unwrap_or(Ordering::Equal).reverse(),
            Ok(order) => order.unwrap_or(Ordering::Equal),
            Err(error) => {
                failure.get_or_insert(error);
                Ordering::Equal
            }
        },
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

pub(crate) fn aggregate<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let mut total = match call.arguments.get(1) {
        Some(start) => ev.collect(start, call.scope)?,
        None => Collection::new(),
    };
    for (index, item) in call.input.iter().enumerate() {
        let scope = Scope { total: Some(&total), ..call.scope.of(item, index) };
        total = ev.collect(&call.arguments[0], scope)?;
    }
    move_all(ev, total.into_iter(), out)
}

pub(crate) fn children<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    for item in call.input.iter() {
        if let Item::Element(element) = item {
            ev.children(element, out)?;
        }
    }
    Ok(())
}

pub(crate) fn descendants<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let mut next = out.len();
    children(ev, call, out)?;
    // What is appended is input again.
    while let Some(item) = out.get(next) {
        if let Item::Element(element) = item {
            let element = *element;
            ev.children(&element, out)?;
        }
        next += 1;
    }
    Ok(())
}
