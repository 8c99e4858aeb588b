//! Functions on strings (<https://hl7.org/fhirpath/N1/#string-manipulation>). Places and lengths
//! count characters.

use std::borrow::Cow;

use crate::error::EvaluationError;
use crate::eval::{Evaluator, Result};
use crate::function::Call;
use crate::item::{Collection, Item};
use crate::regex::{COMPILE_STEPS, replacement, search_steps};

impl<'a> Evaluator<'a, '_> {
    /// The string of a collection of one; `None` when it is empty.
    pub(crate) fn single_string(&self, items: &[Item<'a>], what: &str) -> Result<Option<Cow<'a, str>>> {
        match items {
            [] => Ok(None),
            [item] => match item.string(self.defs) {
                Some(text) => Ok(Some(text)),
                // A primitive with extensions only has no value.
                None if item.element().is_some_and(|element| element.node.is_none()) => Ok(None),
                None => Err(EvaluationError::new(format!(
                    "{what} must be a String, and is {}",
                    item.describe(self.defs)
                ))),
            },
            many => Err(self.too_many(what, many)),
        }
    }

    /// The string before the dot.
    pub(crate) fn input_string(&mut self, call: &Call<'a, '_, '_>) -> Result<Option<Cow<'a, str>>> {
        let text = self.single_string(call.input, "The input of a string function")?;
        self.charge(text.as_ref().map_or(0, |text| text.len() / 64))?;
        Ok(text)
    }

    /// An argument that is a string.
    pub(crate) fn string_argument(
        &mut self,
        call: &Call<'a, '_, '_>,
        place: usize,
        what: &str,
    ) -> Result<Option<Cow<'a, str>>> {
        let Some(argument) = call.arguments.get(place) else { return Ok(None) };
        let items = self.collect(argument, call.scope)?;
        self.single_string(&items, what)
    }

    /// An argument that is an integer.
    pub(crate) fn integer_argument(
        &mut self,
        call: &Call<'a, '_, '_>,
        place: usize,
        what: &str,
    ) -> Result<Option<i64>> {
        let Some(argument) = call.arguments.get(place) else { return Ok(None) };
        let items = self.collect(argument, call.scope)?;
        self.single_integer(&items, what)
    }
}

/// The input and the first argument, both strings.
fn pair<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: &Call<'a, '_, '_>,
) -> Result<Option<(Cow<'a, str>, Cow<'a, str>)>> {
    let text = ev.input_string(call)?;
    let other = ev.string_argument(call, 0, "The argument of a string function")?;
    Ok(text.zip(other))
}

fn index<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    find: fn(&str, &str) -> Option<usize>,
) -> Result {
    let Some((text, part)) = pair(ev, &call)? else { return Ok(()) };
    let place = find(&text, &part).and_then(|at| text.get(..at)).map(|before| before.chars().count() as i64);
    ev.push(out, Item::Integer(place.unwrap_or(-1)))
}

pub(crate) fn index_of<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    index(ev, call, out, |text, part| text.find(part))
}

pub(crate) fn last_index_of<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    index(ev, call, out, |text, part| text.rfind(part))
}

pub(crate) fn substring<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let text = ev.input_string(&call)?;
    let start = ev.integer_argument(&call, 0, "The start of substring()")?;
    let length = ev.integer_argument(&call, 1, "The length of substring()")?;
    let (Some(text), Some(start)) = (text, start) else { return Ok(()) };
    let Some(start) = usize::try_from(start).ok().filter(|start| *start < text.chars().count()) else {
        return Ok(());
    };
    let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
    let part: String = text.chars().skip(start).take(length).collect();
    ev.push_string(out, part)
}

fn test<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    holds: fn(&str, &str) -> bool,
) -> Result {
    let Some((text, part)) = pair(ev, &call)? else { return Ok(()) };
    ev.push(out, Item::Boolean(holds(&text, &part)))
}

pub(crate) fn starts_with<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    test(ev, call, out, |text, part| text.starts_with(part))
}

pub(crate) fn ends_with<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    test(ev, call, out, |text, part| text.ends_with(part))
}

pub(crate) fn contains<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    test(ev, call, out, |text, part| text.contains(part))
}

fn map<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    change: fn(&str) -> String,
) -> Result {
    let Some(text) = ev.input_string(&call)? else { return Ok(()) };
    ev.push_string(out, change(&text))
}

pub(crate) fn upper<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    map(ev, call, out, str::to_uppercase)
}

pub(crate) fn lower<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    map(ev, call, out, str::to_lowercase)
}

pub(crate) fn trim<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    map(ev, call, out, |text| text.trim().to_owned())
}

pub(crate) fn replace<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let Some((text, pattern)) = pair(ev, &call)? else { return Ok(()) };
    let Some(by) = ev.string_argument(&call, 1, "The replacement")? else { return Ok(()) };
    if pattern.is_empty() {
        // Between all characters and at both ends, but not behind the last.
        ev.check_string(text.len() + by.len().saturating_mul(text.chars().count()))?;
        let spread = text.chars().fold(String::new(), |result, c| result + &by + c.encode_utf8(&mut [0; 4]));
        return ev.push_string(out, spread + &by);
    }
    let found = text.matches(&*pattern).count();
    ev.check_string(text.len() + by.len().saturating_mul(found))?;
    ev.push_string(out, text.replace(&*pattern, &by))
}

/// Counts the work of compiling a pattern that is new, and of searching with it.
fn charge_regex(ev: &mut Evaluator<'_, '_>, text: &str, pattern: &str, is_whole: bool) -> Result {
    let compiling = if ev.kept().patterns.is_new(pattern, is_whole) { COMPILE_STEPS } else { 0 };
    ev.charge(compiling.saturating_add(search_steps(pattern, text)))
}

fn matching<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
    is_whole: bool,
) -> Result {
    let Some((text, pattern)) = pair(ev, &call)? else { return Ok(()) };
    let flags = ev.string_argument(&call, 1, "The flags of a regular expression")?;
    let pattern = with_flags(&pattern, flags.as_deref())?;
    charge_regex(ev, &text, &pattern, is_whole)?;
    let holds = ev.kept().patterns.get(&pattern, is_whole)?.is_match(&text);
    ev.push(out, Item::Boolean(holds))
}

/// `i` ignores case, `m` lets `^` and `$` match at lines.
fn with_flags<'p>(pattern: &'p str, flags: Option<&str>) -> Result<Cow<'p, str>> {
    match flags.unwrap_or_default() {
        "" => Ok(Cow::Borrowed(pattern)),
        flags if flags.bytes().all(|flag| matches!(flag, b'i' | b'm')) => {
            Ok(Cow::Owned(format!("(?{flags}){pattern}")))
        }
        _ => Err(EvaluationError::new("The flags of a regular expression are \"i\" and \"m\"")),
    }
}

pub(crate) fn matches<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    matching(ev, call, out, false)
}

pub(crate) fn matches_full<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    matching(ev, call, out, true)
}

pub(crate) fn replace_matches<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let Some((text, pattern)) = pair(ev, &call)? else { return Ok(()) };
    let Some(by) = ev.string_argument(&call, 1, "The replacement")? else { return Ok(()) };
    let flags = ev.string_argument(&call, 2, "The flags of a regular expression")?;
    if pattern.is_empty() {
        return ev.push(out, Item::String(text));
    }
    let pattern = with_flags(&pattern, flags.as_deref())?;
    charge_regex(ev, &text, &pattern, false)?;
    let regex = ev.kept().patterns.get(&pattern, false)?;
    // A group in the replacement can bring the whole text again for each match.
    let longest = if by.contains('$') { by.len() * (text.len() + 1) } else { by.len() };
    let found = regex.find_iter(&text).count();
    let result_bytes = text.len() + longest.saturating_mul(found);
    ev.check_string(result_bytes)?;
    let regex = ev.kept().patterns.get(&pattern, false)?;
    let by = replacement(&by, regex.captures_len());
    let result = regex.replace_all(&text, by.as_str()).into_owned();
    ev.push_string(out, result)
}

pub(crate) fn length<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let Some(text) = ev.input_string(&call)? else { return Ok(()) };
    ev.push(out, Item::Integer(text.chars().count() as i64))
}

pub(crate) fn to_chars<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let Some(text) = ev.input_string(&call)? else { return Ok(()) };
    text.chars().try_for_each(|c| {
        ev.charge(1)?;
        ev.push(out, Item::String(c.to_string().into()))
    })
}

pub(crate) fn split<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let Some((text, separator)) = pair(ev, &call)? else { return Ok(()) };
    if separator.is_empty() {
        return to_chars(ev, call, out);
    }
    text.split(&*separator).try_for_each(|part| {
        ev.charge(1)?;
        ev.push(out, Item::String(part.to_owned().into()))
    })
}

pub(crate) fn join<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let separator = ev.string_argument(&call, 0, "The separator of join()")?.unwrap_or_default();
    let mut text = String::new();
    let mut is_first = true;
    for item in call.input.iter() {
        let Some(part) = ev.single_string(std::slice::from_ref(item), "What join() joins")? else { continue };
        if !std::mem::take(&mut is_first) {
            text.push_str(&separator);
        }
        text.push_str(&part);
        ev.charge(1)?;
        if text.len() > ev.environment.limits.string_bytes {
            break;
        }
    }
    if is_first {
        return Ok(());
    }
    ev.push_string(out, text)
}
