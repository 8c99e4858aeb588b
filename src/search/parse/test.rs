//! What one parameter asks of its rows, by its type and its modifier
//! (<https://hl7.org/fhir/R4/search.html#modifiers>).

use super::{Context, Modifier, refuse, unescape, unsupported, values};
use crate::codes::By;
use crate::query::Test;
use crate::registry::Parameter;
use crate::{codes, composite, date, number, position, quantity, reference, string, text, token, uri};
use remit_fhir::Result;
use remit_spec::{SearchKind, TypeId};

/// Reads the values of a parameter, which means the same on all types where it was found.
pub(super) fn test(
    found: &[&Parameter],
    name: &str,
    modifier: &Modifier,
    value: &str,
    context: &Context<'_>,
) -> Result<Test> {
    let parameter = found[0];
    let kind = parameter.definition.kind;
    let all = values(name, value, context)?;
    let fits = match kind {
        SearchKind::Token => of_token(found, name, modifier, all, context)?,
        SearchKind::Reference => of_reference(found, name, modifier, all, context)?,
        SearchKind::Uri => of_uri(modifier, all)?,
        SearchKind::String => of_string(modifier, all)?,
        _ if !matches!(modifier, Modifier::None) => None,
        SearchKind::Date => Some(Test::Date(
            all.map(|text| date::parse(&unescape(text)?, context.now)).collect::<Result<_>>()?,
        )),
        SearchKind::Number => {
            Some(Test::Number(all.map(|text| number::parse(&unescape(text)?)).collect::<Result<_>>()?))
        }
        SearchKind::Quantity => Some(Test::Quantity(all.map(quantity::parse).collect::<Result<_>>()?)),
        SearchKind::Composite => Some(Test::Composite(
            all.map(|text| composite::parse(text, &parameter.parts, context)).collect::<Result<_>>()?,
        )),
        SearchKind::Special => Some(Test::Near(all.map(position::parse).collect::<Result<_>>()?)),
    };
    fits.ok_or_else(|| unsupported(name, format!("a {} parameter does not take this modifier", kind.code())))
}

fn of_token<'v>(
    found: &[&Parameter],
    name: &str,
    modifier: &Modifier,
    values: impl Iterator<Item = &'v str>,
    context: &Context<'_>,
) -> Result<Option<Test>> {
    let refused = |reason: &str| Err(unsupported(name, reason.into()));
    let by = match modifier {
        Modifier::None | Modifier::Not => {
            return tokens(found, values, context).map(|values| Some(Test::Token(values)));
        }
        Modifier::Text if gives(found, &text::WITH_TEXT, context) => return texts(values).map(Some),
        Modifier::Text => return refused("no text stands beside its codes"),
        Modifier::CodeText => {
            return Ok(Some(Test::CodePiece(values.map(token::Piece::parse).collect::<Result<_>>()?)));
        }
        Modifier::OfType if gives(found, &["Identifier"], context) => {
            return Ok(Some(Test::Composite(values.map(composite::of_type).collect::<Result<_>>()?)));
        }
        Modifier::OfType => return refused("its values are no identifiers"),
        Modifier::Above => By::Above,
        Modifier::Below => By::Below,
        Modifier::In | Modifier::NotIn => By::ValueSet,
        _ => return Ok(None),
    };
    if !codes::has_codes(found, context) {
        return refused("its values are no codes");
    }
    let sets = codes::parse(name, by, values, found, context);
    Ok(Some(Test::Codes(sets.map_err(|reason| refuse(name, reason))?)))
}

fn of_reference<'v>(
    found: &[&Parameter],
    name: &str,
    modifier: &Modifier,
    values: impl Iterator<Item = &'v str>,
    context: &Context<'_>,
) -> Result<Option<Test>> {
    let only = found[0].only;
    Ok(Some(match modifier {
        Modifier::None => references(values, &targets(found), only, context)?,
        Modifier::Type(ty) if only.is_some_and(|only| only != *ty) => {
            return Err(unsupported(name, "it does not point to this type".into()));
        }
        Modifier::Type(ty) => references(values, &[*ty], Some(*ty), context)?,
        Modifier::Identifier => {
            let identifiers = values.map(|text| token::parse(text).map(reference::Value::Identifier));
            Test::Reference(identifiers.collect::<Result<_>>()?)
        }
        Modifier::Text => texts(values)?,
        Modifier::CodeText => {
            return Err(unsupported(name, "a reference has no code; :text searches its display".into()));
        }
        _ => return Ok(None),
    }))
}

fn of_uri<'v>(modifier: &Modifier, values: impl Iterator<Item = &'v str>) -> Result<Option<Test>> {
    Ok(Some(match modifier {
        Modifier::None => Test::Uri(values.map(unescape).collect::<Result<_>>()?),
        Modifier::Above => {
            let all: Vec<_> = values.map(|text| uri::above(&unescape(text)?)).collect::<Result<_>>()?;
            Test::Uri(all.into_iter().flatten().collect())
        }
        Modifier::Below => {
            Test::Below(values.map(|text| uri::Below::parse(&unescape(text)?)).collect::<Result<_>>()?)
        }
        _ => return Ok(None),
    }))
}

fn of_string<'v>(modifier: &Modifier, values: impl Iterator<Item = &'v str>) -> Result<Option<Test>> {
    let place = match modifier {
        Modifier::None => string::Place::Start,
        Modifier::Exact => string::Place::Whole,
        Modifier::Contains => string::Place::Anywhere,
        _ => return Ok(None),
    };
    let all = values.map(|text| string::parse(&unescape(text)?, place)).collect::<Result<_>>()?;
    Ok(Some(Test::String(all)))
}

/// Tokens; in lower case too where a text without letter case may be meant.
pub(crate) fn tokens<'v>(
    found: &[&Parameter],
    values: impl Iterator<Item = &'v str>,
    context: &Context<'_>,
) -> Result<Vec<token::Value>> {
    let mut all = values.map(token::parse).collect::<Result<Vec<_>>>()?;
    let lower: Vec<_> =
        all.iter().map(token::Value::lowercase).filter(|value| !all.contains(value)).collect();
    // What all resources share is no text.
    let is_shared = found[0].definition.code.starts_with('_');
    if !lower.is_empty() && !is_shared && gives(found, &[token::STRING], context) {
        all.extend(lower);
    }
    Ok(all)
}

/// The texts beside a code or a reference.
fn texts<'v>(values: impl Iterator<Item = &'v str>) -> Result<Test> {
    Ok(Test::Text(values.map(|text| text::parse(&unescape(text)?)).collect::<Result<_>>()?))
}

/// Whether a parameter has values of one of these types.
fn gives(found: &[&Parameter], names: &[&str], context: &Context<'_>) -> bool {
    found.iter().any(|parameter| context.registry.gives(parameter, names))
}

/// What the parameter may point to on any of the types; empty is anything.
pub(crate) fn targets(found: &[&Parameter]) -> Vec<TypeId> {
    if found.iter().any(|p| p.targets().is_empty()) {
        return Vec::new();
    }
    let mut all: Vec<TypeId> = found.iter().flat_map(|p| p.targets()).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// References; with `only`, those of other types match nothing.
fn references<'v>(
    values: impl Iterator<Item = &'v str>,
    targets: &[TypeId],
    only: Option<TypeId>,
    context: &Context<'_>,
) -> Result<Test> {
    let parsed: Result<Vec<_>> = values.map(|text| reference::parse(text, targets, context)).collect();
    Ok(Test::Reference(of_type(parsed?, only, context)))
}

/// References that may be of this type.
pub(crate) fn of_type(
    values: Vec<reference::Value>,
    only: Option<TypeId>,
    context: &Context<'_>,
) -> Vec<reference::Value> {
    let definitions = context.registry.definitions();
    let kept = values.into_iter().filter(|value| match (only, value) {
        (Some(only), reference::Value::Local(targets)) => targets.iter().all(|(ty, _)| *ty == only),
        (Some(only), reference::Value::Url(url)) => {
            reference::type_in_url(url, definitions).is_none_or(|ty| ty == only)
        }
        _ => true,
    });
    kept.collect()
}
