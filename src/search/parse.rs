//! From the parameters of a URL to a query (<https://hl7.org/fhir/R4/search.html>).
//!
//! What is not understood is refused with its reason; a lenient search leaves an unknown parameter out
//! and says so (<https://hl7.org/fhir/R4/search.html#errors>).

mod result;
mod test;

use crate::custom::State;
use crate::query::{Condition, Criterion, Present, Query, Summary, Test};
use crate::registry::{Parameter, Registry};
use crate::{chain, cursor, date, filter_parameter, has, reference, words};
use remit_fhir::date::Micros;
use remit_fhir::{Error, Issue, IssueType, Result, is_id};
use remit_spec::TypeId;

use test::test;
pub(crate) use test::{of_type, targets, tokens};

/// The parameter that carries the place where a page starts. Only links of the server have it.
pub const CURSOR_PARAMETER: &str = "_cursor";

/// How a search with unknown parameters is taken
/// (<https://hl7.org/fhir/R4/search.html#errors>, header `Prefer: handling`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Handling {
    /// It is refused.
    #[default]
    Strict,
    /// They are left out, and the answer says so.
    Lenient,
}

/// What a search may ask at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Parameters of one search. Each costs a probe for every resource looked at.
    pub criteria: usize,
    /// Alternatives in one parameter. Each costs a probe too.
    pub values: usize,
    /// Bytes of one parameter's value.
    pub value_length: usize,
    /// Keys of `_sort`.
    pub sort_keys: usize,
    /// Resources of a page when the search does not say.
    pub default_count: usize,
    /// Resources of a page at most; a greater `_count` gives this many.
    pub max_count: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            criteria: 32,
            values: 500,
            value_length: 16_384,
            sort_keys: 4,
            default_count: 20,
            max_count: 1000,
        }
    }
}

/// What a search is read with.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The parameters that there are.
    pub registry: &'a Registry,
    /// The address of this server; references below it are local.
    pub base: &'a str,
    /// The time of the request; the prefix `ap` of dates is measured from it.
    pub now: Micros,
    /// What to do with what is unknown.
    pub handling: Handling,
    /// What a search may ask at most.
    pub limits: Limits,
}

/// A query, and what a lenient search left out of it.
#[derive(Debug)]
pub struct Parsed {
    /// The query.
    pub query: Query,
    /// One warning for each parameter that was left out.
    pub ignored: Vec<Issue>,
}

/// Parameters that say how to answer; the HTTP room has read them.
const FORMAT: [&str; 2] = ["_format", "_pretty"];

/// Reads the parameters of a search of these types; no type is all of them. Names and values are
/// already percent-decoded.
pub fn parse(types: &[TypeId], pairs: &[(String, String)], context: &Context<'_>) -> Result<Parsed> {
    let mut query = Query::of(types.to_vec(), context.limits.default_count);
    let mut ignored = Vec::new();
    let mut cursor = None;
    // `_type` says which types the other parameters are read for.
    for (_, value) in pairs.iter().filter(|(name, _)| name == "_type") {
        result::types(&mut query, types, value, context)?;
    }
    for (name, value) in pairs.iter().filter(|(name, _)| !FORMAT.contains(&name.as_str())) {
        if value.len() > context.limits.value_length {
            return Err(refuse(
                name,
                format!("its value is longer than {} bytes", context.limits.value_length),
            ));
        }
        if value.contains('\0') {
            return Err(refuse(name, "its value holds the character U+0000".into()));
        }
        if name == CURSOR_PARAMETER {
            cursor = Some(value);
            continue;
        }
        match one(&mut query, name, value, context) {
            Ok(()) => query.pairs.push((name.clone(), value.clone())),
            Err(error) if context.handling == Handling::Lenient && is_unknown(&error) => {
                let issues = error.issues.into_iter();
                ignored.extend(issues.map(|issue| Issue::warning(issue.code, issue.diagnostics)));
            }
            Err(error) => return Err(error),
        }
    }
    if query.criteria.len() > context.limits.criteria {
        return Err(Error::invalid(format!(
            "A search may have {} parameters at most.",
            context.limits.criteria
        )));
    }
    if query.summary == Summary::Text && !query.includes.is_empty() {
        return Err(refuse("_summary", "with text it cannot be mixed with _include and _revinclude".into()));
    }
    chain::few(&query.criteria)?;
    if let Some((keys, side)) = cursor.map(|text| cursor::parse(&query, text)).transpose()? {
        (query.cursor, query.side) = (Some(keys), side);
    }
    Ok(Parsed { query, ignored })
}

fn one(query: &mut Query, name: &str, value: &str, context: &Context<'_>) -> Result<()> {
    if result::read(query, name, value, context)?.is_none() {
        match condition(&query.types, name, value, context)? {
            // Each of them alone may be where a statement starts.
            Condition::All(all) if query.criteria.len() + all.len() <= context.limits.criteria => {
                query.criteria.extend(all);
            }
            condition => query.criteria.push(condition),
        }
    }
    Ok(())
}

fn is_unknown(error: &Error) -> bool {
    error.issues.iter().all(|issue| issue.code == IssueType::NotSupported)
}

fn refuse(name: &str, reason: String) -> Error {
    // A name may be long and strange; what is shown of it is enough to find it.
    let shown: String = name.chars().take(80).collect();
    Error::invalid(format!("The search parameter '{shown}' is refused: {reason}."))
}

fn unsupported(name: &str, reason: String) -> Error {
    refuse(name, reason).coded(IssueType::NotSupported)
}

/// The modifiers (<https://hl7.org/fhir/R4/search.html#modifiers>) that are understood.
enum Modifier {
    None,
    Missing,
    Exact,
    Contains,
    Not,
    Identifier,
    Type(TypeId),
    Text,
    CodeText,
    OfType,
    Above,
    Below,
    In,
    NotIn,
}

/// Reads one criterion, `name:modifier=value`, of resources of these types.
pub fn condition(types: &[TypeId], name: &str, value: &str, context: &Context<'_>) -> Result<Condition> {
    if value.is_empty() {
        return Err(refuse(name, "it has no value".into()));
    }
    if has::is(name) {
        return has::parse(types, name, value, context);
    }
    if let Some((head, rest)) = chain::split(name) {
        return chained(types, head, name, rest, value, context);
    }
    let (code, modifier) = name.split_once(':').unwrap_or((name, ""));
    if name == "_filter" {
        return filter_parameter::parse(types, value, context);
    }
    if code == "_list" {
        return has::list(types, name, value, context);
    }
    let modifier = read_modifier(name, modifier, context)?;
    match (code, &modifier) {
        ("_id", Modifier::None) => return ids(value, context),
        ("_id", Modifier::Not) => return Ok(Condition::Not(Box::new(ids(value, context)?))),
        ("_lastUpdated", Modifier::None) => return updated(value, context),
        // Every resource has both.
        ("_id" | "_lastUpdated", Modifier::Missing) => {
            return match value {
                "true" => Ok(Condition::Any(Vec::new())),
                "false" => Ok(Condition::All(Vec::new())),
                _ => Err(refuse(name, "its value is true or false".into())),
            };
        }
        ("_text" | "_content", Modifier::None) => return self::words(types, name, value, context),
        ("_id" | "_lastUpdated" | "_text" | "_content", _) => {
            return Err(unsupported(name, "it does not take this modifier".into()));
        }
        _ => {}
    }
    let found = parameters(types, code, context).map_err(|reason| unsupported(name, reason))?;
    criterion(&found, name, &modifier, value, context)
}

fn chained(
    types: &[TypeId],
    head: &str,
    name: &str,
    rest: &str,
    value: &str,
    context: &Context<'_>,
) -> Result<Condition> {
    let (code, modifier) = head.split_once(':').unwrap_or((head, ""));
    let only = match read_modifier(name, modifier, context)? {
        Modifier::None => None,
        Modifier::Type(ty) => Some(ty),
        _ => return Err(unsupported(name, "a reference is followed with a type or without modifier".into())),
    };
    let found = parameters(types, code, context).map_err(|reason| unsupported(name, reason))?;
    let links = chain::parse(&found, only, name, rest, value, context)?;
    let params = found.iter().map(|p| p.number).collect();
    Ok(Condition::Criterion(Criterion { params, test: Test::Chain(links) }))
}

fn read_modifier(name: &str, text: &str, context: &Context<'_>) -> Result<Modifier> {
    Ok(match text {
        "" if !name.ends_with(':') => Modifier::None,
        "missing" => Modifier::Missing,
        "exact" => Modifier::Exact,
        "contains" => Modifier::Contains,
        "not" => Modifier::Not,
        "identifier" => Modifier::Identifier,
        "text" => Modifier::Text,
        "code-text" => Modifier::CodeText,
        "of-type" => Modifier::OfType,
        "above" => Modifier::Above,
        "below" => Modifier::Below,
        "in" => Modifier::In,
        "not-in" => Modifier::NotIn,
        _ => match context.registry.definitions().resource_named(text) {
            Some(ty) => Modifier::Type(ty),
            None => return Err(unsupported(name, "this modifier is not supported".into())),
        },
    })
}

/// The parameter on each of the types. It must mean the same on all of them.
pub(crate) fn parameters<'r>(
    types: &[TypeId],
    code: &str,
    context: &Context<'r>,
) -> Result<Vec<&'r Parameter>, String> {
    let registry = context.registry;
    let types = &*registry.or_all(types);
    let mut found: Vec<&Parameter> = Vec::with_capacity(types.len());
    for ty in types {
        let shown: String = code.chars().take(80).collect();
        let Some(parameter) = registry.parameter(*ty, code) else { return Err(registry.why_not(*ty, code)) };
        if found
            .first()
            .is_some_and(|f| f.definition.kind != parameter.definition.kind || f.only != parameter.only)
        {
            return Err(format!("'{shown}' does not mean the same on all types searched"));
        }
        found.push(parameter);
    }
    Ok(found)
}

fn ids(value: &str, context: &Context<'_>) -> Result<Condition> {
    let ids = values("_id", value, context)?.map(|text| {
        let id = unescape(text)?;
        // An id that cannot be is the id of nothing.
        Ok(Some(id).filter(|id| is_id(id)))
    });
    let ids: Vec<Option<Box<str>>> = ids.collect::<Result<_>>()?;
    Ok(Condition::Criterion(Criterion {
        params: Vec::new(),
        test: Test::Id(ids.into_iter().flatten().collect()),
    }))
}

/// `_text` and `_content`, as far as the words are kept.
fn words(types: &[TypeId], name: &str, value: &str, context: &Context<'_>) -> Result<Condition> {
    let definitions = context.registry.definitions();
    if let Some(ty) = types.iter().find(|ty| definitions.search_parameter(**ty, name).is_none()) {
        return Err(unsupported(name, format!("{} has no narrative", definitions.name(*ty))));
    }
    let field = if name == "_text" { words::Field::Narrative } else { words::Field::Anywhere };
    let (level, state) = context.registry.text();
    let needed = match field {
        words::Field::Narrative => words::TextLevel::Narrative,
        words::Field::Anywhere => words::TextLevel::Content,
    };
    if level < needed {
        return Err(unsupported(name, "the server is set not to index these texts (index-text)".into()));
    }
    if state == State::Filling {
        let reason =
            "the texts are not indexed yet; POST [base]/$reindex makes them usable, and it is not done";
        return Err(unsupported(name, reason.into()));
    }
    let values: Vec<Box<str>> = values(name, value, context)?.map(unescape).collect::<Result<_>>()?;
    words::parse(&values, field)
}

fn updated(value: &str, context: &Context<'_>) -> Result<Condition> {
    let dates = values("_lastUpdated", value, context)?.map(|text| date::parse(text, context.now));
    let test = Test::Updated(dates.collect::<Result<_>>()?);
    Ok(Condition::Criterion(Criterion { params: Vec::new(), test }))
}

fn criterion(
    found: &[&Parameter],
    name: &str,
    modifier: &Modifier,
    value: &str,
    context: &Context<'_>,
) -> Result<Condition> {
    let Some(first) = found.first() else {
        return Err(unsupported(name, "no type is searched".into()));
    };
    if matches!(modifier, Modifier::Missing) {
        let present = Test::Present(Present { kind: first.definition.kind });
        let present = reference::condition(found, present);
        return match value {
            "true" => Ok(Condition::Not(Box::new(present))),
            "false" => Ok(present),
            _ => Err(refuse(name, "its value is true or false".into())),
        };
    }
    let test = test(found, name, modifier, value, context)?;
    let criterion = reference::condition(found, test);
    Ok(if matches!(modifier, Modifier::Not | Modifier::NotIn) {
        Condition::Not(Box::new(criterion))
    } else {
        criterion
    })
}

fn values<'v>(name: &str, value: &'v str, context: &Context<'_>) -> Result<impl Iterator<Item = &'v str>> {
    let values: Vec<&str> = split(value, ',').collect();
    if values.len() > context.limits.values {
        return Err(refuse(name, format!("it has more than {} values", context.limits.values)));
    }
    if values.iter().any(|v| v.is_empty()) {
        return Err(refuse(name, "one of its values is empty; a comma in a value is written \\,".into()));
    }
    Ok(values.into_iter())
}

/// Splits at a separator that no backslash stands before
/// (<https://hl7.org/fhir/R4/search.html#escaping>).
pub(crate) fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |c| {
        let found = c == separator && !escaped;
        escaped = c == '\\' && !escaped;
        found
    })
}

/// Takes the backslashes away: `\,`, `\|`, `\$`, `\\`.
pub(crate) fn unescape(text: &str) -> Result<Box<str>> {
    if !text.contains('\\') {
        return Ok(text.into());
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some(c @ (',' | '|' | '$' | '\\')) => c,
                _ => {
                    return Err(Error::invalid(format!(
                        "A backslash in '{text}' escapes nothing: write \\\\ for a backslash, and \\, \\| \\$ for these characters."
                    )));
                }
            },
            c => c,
        });
    }
    Ok(plain.into())
}
