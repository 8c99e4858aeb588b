//! `Observation/$lastn`: the newest observations of each code
//! (<https://hl7.org/fhir/R4/observation-operation-lastn.html>).
//!
//! The database gives the matches newest first; here they are sorted into groups, and only what may
//! still be among the newest of its group is kept. Codes that stand in one CodeableConcept together are
//! one group, and so is everything that is joined to them through further observations.

mod groups;

use super::{Invocation, Operation};
use crate::rest::subset::Subset;
use crate::rest::url::encode_query;
use crate::rest::{Answer, Context, Page, read_with, reader};
use groups::Groups;
use remit_fhir::{Error, IssueType, Kind, Result, json};
use remit_search::{Handling, Query, Registry, Summary};
use remit_spec::{SearchParameter, TypeId};
use remit_store::Match;

const DEFINITION: &str = "http://hl7.org/fhir/OperationDefinition/Observation-lastn";

/// Observations that one call looks at. A patient monitored for years has some ten thousand; each is
/// read, because codes that translate into each other are known from their resources only.
const MAX_LOOKED_AT: usize = 50_000;

/// Observations that one call returns: they are one Bundle, held in memory.
const MAX_RETURNED: usize = 5_000;

/// Observations that one statement reads.
const CHUNK: usize = 1_000;

/// Parameters of searches that say in which way results come: here the operation does.
const REFUSED: [&str; 5] = ["_sort", "_count", "_total", "_include", "_revinclude"];

/// The operation.
pub fn operation() -> Operation {
    Operation::new(DEFINITION, |call| Box::pin(run(call)))
}

async fn run(call: Invocation<'_>) -> Result<Answer> {
    let cx = &call.cx;
    let super::Target::Type(ty) = call.target else {
        return Err(Error::internal("$lastn was called where its definition does not put it"));
    };
    let pairs = pairs(&call)?;
    let max = match pairs.iter().find(|(name, _)| name == "max") {
        Some((_, text)) => text.parse().ok().filter(|max| *max > 0).ok_or_else(|| {
            Error::invalid("The parameter max is a whole number of 1 or more.").at("http.max")
        })?,
        None => 1,
    };
    let mut criteria: Vec<_> = pairs.iter().filter(|(name, _)| name != "max").cloned().collect();
    must_say_who_and_what(cx, ty, &criteria)?;
    criteria.push(("_sort".to_owned(), "-date".to_owned()));
    let read =
        |registry: &Registry| remit_search::parse(&[ty], &criteria, &reader(cx, registry, Handling::Strict));
    let parsed = read_with(cx, &criteria, read, |_| true).await?;
    if parsed.query.summary == Summary::Count {
        return Err(refuse("_summary", "the newest observations are returned, not counted"));
    }
    let found = newest(cx, &parsed.query, max).await?;
    render(cx, &parsed.query, &pairs, &found)
}

/// The parameters of the URL and of the body, each once for each value.
fn pairs(call: &Invocation<'_>) -> Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for name in call.parameters.names() {
        if pairs.iter().any(|(seen, _)| *seen == name) {
            continue;
        }
        let code = name.split(':').next().unwrap_or_default();
        if REFUSED.contains(&code) || name == remit_search::CURSOR_PARAMETER {
            return Err(refuse(code, "the operation says how many there are, and in which order; use max"));
        }
        pairs.extend(call.parameters.all(&name).into_iter().map(|value| (name.clone(), value)));
    }
    Ok(pairs)
}

fn refuse(name: &str, reason: &str) -> Error {
    Error::invalid(format!("The parameter {name} is refused: {reason}.")).at(format!("http.{name}"))
}

/// The definition wants a subject, and a category or a code.
fn must_say_who_and_what(cx: &Context<'_>, ty: TypeId, criteria: &[(String, String)]) -> Result<()> {
    let codes: Vec<&str> =
        criteria.iter().map(|(name, _)| name.split([':', '.']).next().unwrap_or_default()).collect();
    if !codes.iter().any(|code| matches!(*code, "patient" | "subject")) {
        return Err(Error::invalid("$lastn needs the parameter patient or subject.")
            .coded(IssueType::Required)
            .at("http.patient"));
    }
    let is_code = |parameter: &SearchParameter| {
        let mut parts = parameter.components.iter().map(|part| part.expression);
        parameter.expression.is_some_and(|e| e.contains(".code")) || parts.any(|e| e.contains("code"))
    };
    let names_code =
        |code: &&str| *code == "category" || cx.defs.search_parameter(ty, code).is_some_and(is_code);
    if !codes.iter().any(names_code) {
        return Err(Error::invalid(
            "$lastn needs the parameter category, or one about a code, such as code.",
        )
        .coded(IssueType::Required)
        .at("http.code"));
    }
    Ok(())
}

/// The newest of each group, newest first.
async fn newest(cx: &Context<'_>, query: &Query, max: usize) -> Result<Vec<Match>> {
    let mut groups = Groups::new(max);
    let mut query = Query { count: CHUNK, ..query.clone() };
    let mut looked_at = 0;
    loop {
        let (some, more) = cx.store.matches(cx.plan, &query).await?;
        looked_at += some.len();
        query.cursor = some.last().map(|m| m.keys.clone());
        for found in some {
            let Some(body) = found.stored.body.clone() else { continue };
            let document = json::parse(body)?;
            groups.add(document.root().get("code"), found);
        }
        if groups.len() > MAX_RETURNED || (more && looked_at >= MAX_LOOKED_AT) {
            return Err(Error::new(
                Kind::Unprocessable,
                format!("More than {MAX_LOOKED_AT} observations match, or more than {MAX_RETURNED} would be returned; ask for fewer with category, code or date."),
            )
            .coded(IssueType::TooCostly));
        }
        if !more {
            return Ok(groups.into_newest());
        }
    }
}

fn render(cx: &Context<'_>, query: &Query, pairs: &[(String, String)], found: &[Match]) -> Result<Answer> {
    let subset = Subset { summary: query.summary, elements: query.elements.clone() };
    let parameters = encode_query(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let links = [("self", format!("{}/Observation/$lastn?{parameters}", cx.base))];
    let mut bodies = Vec::with_capacity(found.len());
    for Match { stored, .. } in found {
        bodies.push(match &stored.body {
            Some(body) => subset.of(cx.defs, body)?,
            None => bytes::Bytes::new(),
        });
    }
    let room = bodies.iter().map(|body| Page::room(Some(body))).sum();
    let mut page = Page::new("searchset", Some(found.len() as u64), &links, room);
    for (Match { stored, .. }, body) in found.iter().zip(&bodies) {
        let url = [cx.base, "/", cx.defs.name(stored.ty), "/", &stored.id];
        page.entry(Some(url), Some(body), &["\"search\":{\"mode\":\"match\"}"]);
    }
    Ok(Answer::of(page.finish()))
}
