//! Membership in sets of codes: the modifiers `:in`, `:not-in`, `:above` and `:below` of tokens
//! (<https://hl7.org/fhir/R4/search.html#token>).
//!
//! Parsing only names the sets. Whoever knows the definitions puts the codes in their place before the
//! search is turned into SQL: see [`open_sets`]. A set that nobody has replaced is neither met nor
//! missed by anything.

use crate::parse::{Context, unescape};
use crate::part::Rows;
use crate::path::Gives;
use crate::query::{Condition, Criterion, Query, Test};
use crate::registry::Parameter;
use remit_fhir::{Error, Reference, Result, is_id};
use remit_terminology::Codes;
use std::sync::Arc;

/// Up to so many codes are compared one by one, each a walk of the index.
const FEW: usize = 16;

/// Most sets that one parameter may name: each is an expansion.
const MAX_SETS: usize = 20;

/// Longest text of a set or code that an error repeats.
const SHOWN: usize = 200;

/// A set of codes as a search names it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Set {
    /// The value set with this canonical URL, `|version` included.
    ValueSet(Box<str>),
    /// The value set with this logical id on this server.
    Stored(Box<str>),
    /// A code of a system and what is below it.
    Below(Box<str>, Box<str>),
    /// A code of a system and what is above it.
    Above(Box<str>, Box<str>),
}

/// Sets of codes, of which one must hold a code of the resource.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    /// The name of the parameter as it was written, for errors.
    pub name: Box<str>,
    /// The sets.
    pub sets: Vec<Set>,
    /// Which values are compared by the code alone.
    pub plain: Plain,
    /// The codes of each set; `None` until they are found.
    pub codes: Option<Vec<Arc<Codes>>>,
}

/// The values of a parameter that have no system for want of an element for it. A Coding without a
/// system is another matter: it is in no set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plain {
    /// There are none.
    None,
    /// `true` and `false`.
    TruthValues,
    /// Any.
    All,
}

impl Plain {
    fn takes(self, code: &str) -> bool {
        match self {
            Plain::None => false,
            Plain::TruthValues => matches!(code, "true" | "false"),
            Plain::All => true,
        }
    }
}

/// How a modifier names its sets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    ValueSet,
    Below,
    Above,
}

/// Reads the values of a parameter.
pub(crate) fn parse<'v>(
    name: &str,
    by: By,
    values: impl Iterator<Item = &'v str>,
    found: &[&Parameter],
    context: &Context<'_>,
) -> Result<Value, String> {
    let sets: Vec<Set> = values.map(|text| set(by, text, context)).collect::<Result<_, _>>()?;
    if sets.len() > MAX_SETS {
        return Err(format!("it names more than {MAX_SETS} sets of codes"));
    }
    let gives = gives(found, context);
    let plain = match (gives.contains(&Gives::PlainValues), gives.contains(&Gives::TruthValues)) {
        (true, _) => Plain::All,
        (_, true) => Plain::TruthValues,
        _ => Plain::None,
    };
    Ok(Value { name: name.chars().take(80).collect::<String>().into(), sets, plain, codes: None })
}

/// Whether the values of a parameter are codes; identifiers are in no value set.
pub(crate) fn has_codes(found: &[&Parameter], context: &Context<'_>) -> bool {
    gives(found, context).iter().any(|gives| *gives != Gives::Identifiers)
}

fn gives(found: &[&Parameter], context: &Context<'_>) -> Vec<Gives> {
    found.iter().flat_map(|parameter| context.registry.gives_codes(parameter)).collect()
}

fn set(by: By, text: &str, context: &Context<'_>) -> Result<Set, String> {
    let shown: String = text.chars().take(SHOWN).collect();
    let sentence = |error: Error| error.to_string().trim_end_matches('.').to_owned();
    if by == By::ValueSet {
        return value_set(&unescape(text).map_err(sentence)?, context).ok_or_else(|| {
            format!("'{shown}' names no value set: write its URL, URL|version, or ValueSet/id")
        });
    }
    let token = crate::token::parse(text).map_err(sentence)?;
    match (token.system.filter(|system| !system.is_empty()), token.code) {
        (Some(system), Some(code)) if by == By::Below => Ok(Set::Below(system, code)),
        (Some(system), Some(code)) => Ok(Set::Above(system, code)),
        _ => Err(format!("'{shown}' says no place in a code system: write system|code")),
    }
}

/// A reference to a resource of this server, or a canonical URL.
fn value_set(text: &str, context: &Context<'_>) -> Option<Set> {
    match Reference::parse_with_base(text, context.base) {
        Reference::Relative { kind: "ValueSet", id, version: None } if is_id(id) => {
            Some(Set::Stored(id.into()))
        }
        Reference::Absolute(url) => Some(Set::ValueSet(url.into())),
        // The bar of a version is no part of a reference.
        _ if text.split('|').next().is_some_and(|url| url.contains(':')) => Some(Set::ValueSet(text.into())),
        _ => None,
    }
}

impl Value {
    /// Whether one of the sets holds a code of a resource.
    pub(crate) fn holds(&self, system: &str, code: &str) -> bool {
        let system = Some(system).filter(|system| !system.is_empty() || !self.plain.takes(code));
        self.codes.iter().flatten().any(|codes| codes.contains(system, code))
    }

    /// How many codes there are.
    pub(crate) fn len(&self) -> usize {
        self.codes.iter().flatten().map(|codes| codes.len()).sum()
    }

    /// Whether the codes are few enough for walks of their own.
    pub(crate) fn is_few(&self) -> bool {
        self.len() <= FEW
    }

    /// The rows that match.
    pub(crate) fn rows(&self) -> Vec<Rows<'_>> {
        let groups = self.codes.iter().flatten().flat_map(|codes| codes.groups());
        let mut rows = Vec::new();
        for group in groups {
            let all = || group.codes.iter().map(|code| &**code);
            let plain: Vec<&str> = all().filter(|code| self.plain.takes(code)).collect();
            rows.push(match self.is_few() {
                true => Rows::Tokens(Some(&group.system), all().collect()),
                false => Rows::Codes(&group.system, group),
            });
            if plain.len() > FEW {
                rows.push(Rows::Codes("", group));
            } else if !plain.is_empty() {
                rows.push(Rows::Tokens(Some(""), plain));
            }
        }
        rows
    }
}

/// The sets of codes in a query that are not found yet, wherever in it they stand.
pub fn open_sets(query: &mut Query) -> Vec<&mut Value> {
    let mut found = Vec::new();
    query.criteria.iter_mut().for_each(|condition| gather(condition, &mut found));
    found
}

/// Whether a query has sets of codes that are not found yet.
pub fn has_open_sets(query: &Query) -> bool {
    query.criteria.iter().any(is_open)
}

fn gather<'c>(condition: &'c mut Condition, found: &mut Vec<&'c mut Value>) {
    match condition {
        Condition::All(all) | Condition::Any(all) => all.iter_mut().for_each(|inner| gather(inner, found)),
        Condition::Not(inner) => gather(inner, found),
        Condition::Criterion(Criterion { test, .. }) => match test {
            Test::Codes(value) if value.codes.is_none() => found.push(value),
            Test::Chain(links) => links.iter_mut().for_each(|link| gather(&mut link.condition, found)),
            Test::Has(has) => gather(&mut has.source.condition, found),
            _ => {}
        },
    }
}

pub(crate) fn is_open(condition: &Condition) -> bool {
    match condition {
        Condition::All(all) | Condition::Any(all) => all.iter().any(is_open),
        Condition::Not(inner) => is_open(inner),
        Condition::Criterion(Criterion { test, .. }) => match test {
            Test::Codes(value) => value.codes.is_none(),
            Test::Chain(links) => links.iter().any(|link| is_open(&link.condition)),
            Test::Has(has) => is_open(&has.source.condition),
            _ => false,
        },
    }
}
