//! Search answers: a page of matches as a Bundle (<https://hl7.org/fhir/R4/search.html>,
//! <https://hl7.org/fhir/R4/http.html#search>).
//!
//! What the parameters mean is the search room's knowledge; finding is the store's.

use super::derived;
use super::page::Page;
use super::registry::read_with;
use super::subset::Subset;
use super::url::{Pair, encode_query};
use super::{Answer, Context};
use bytes::Bytes;
use remit_fhir::{Error, Kind, Result, operation_outcome};
use remit_search::{CURSOR_PARAMETER, Condition, Handling, Parsed, Registry, Summary};
use remit_spec::TypeId;
use remit_store::{Found, Stored, system_clock};

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// All resources: `[base]?…`
    System,
    /// Those of a type: `[base]/Patient?…`
    Type(TypeId),
    /// Those in a compartment, `[base]/Patient/12/*?…`, or of one type: `[base]/Patient/12/Observation?…`
    Compartment(TypeId, &'a str, Option<TypeId>),
}

/// Whether a parameter says how to answer and not what to look for.
pub fn is_general(name: &str) -> bool {
    matches!(name, "_format" | "_pretty")
}

/// Answers a search.
pub(super) async fn search(
    cx: &Context<'_>,
    place: Place<'_>,
    pairs: &[Pair],
    handling: Handling,
) -> Result<Answer> {
    let (types, path) = match place {
        Place::System => (Vec::new(), String::new()),
        Place::Type(ty) => (vec![ty], cx.defs.name(ty).to_owned()),
        Place::Compartment(of, id, Some(ty)) => {
            (vec![ty], format!("{}/{id}/{}", cx.defs.name(of), cx.defs.name(ty)))
        }
        Place::Compartment(of, id, None) => (Vec::new(), format!("{}/{id}/*", cx.defs.name(of))),
    };
    // A search of many types has no parameters of one.
    let ty = if let [ty] = types[..] { Some(ty) } else { None };
    let (plain, derived) = derived::conditions(cx, ty, pairs).await?;
    let read = |registry: &Registry| {
        let reader = reader(cx, registry, handling);
        let mut parsed = remit_search::parse(&types, &plain, &reader)?;
        if let Place::Compartment(of, id, _) = place {
            let criterion = in_compartment(cx, of, id, &parsed.query.types)?;
            parsed.query.criteria.push(criterion);
        }
        Ok(parsed)
    };
    let mut parsed = read_with(cx, &plain, read, |parsed| parsed.ignored.is_empty()).await?;
    parsed.query.criteria.extend(derived);
    if parsed.query.summary == Summary::Count {
        parsed.query.count = 0;
    }
    let found = cx.store.search(cx.plan, &parsed.query).await?;
    // The address of the page says all that was asked; the cursor was made without it, as it is read.
    parsed.query.pairs.extend(pairs.iter().filter(|pair| !plain.contains(pair)).cloned());
    render(cx, &path, &parsed, pairs, found).map(Answer::of)
}

/// What a search is read with.
pub(crate) fn reader<'a>(
    cx: &Context<'a>,
    registry: &'a Registry,
    handling: Handling,
) -> remit_search::Context<'a> {
    remit_search::Context {
        registry,
        base: cx.base,
        now: system_clock(),
        handling,
        limits: cx.settings.search,
    }
}

/// The condition that a resource of these types is in a compartment; no type is all that can be in it.
fn in_compartment(cx: &Context<'_>, of: TypeId, id: &str, types: &[TypeId]) -> Result<Condition> {
    let name = cx.defs.name(of);
    let compartment = cx.defs.compartment(name).ok_or_else(|| {
        Error::new(Kind::NotFound, format!("{name} names no compartment; those of R4 are Patient, Encounter, RelatedPerson, Practitioner and Device."))
    })?;
    let all: Vec<TypeId> = compartment.members().map(|(ty, _)| ty).chain([of]).collect();
    let types = if types.is_empty() { &all } else { types };
    Ok(remit_search::owned(of, &[id], types, cx.store.registry()))
}

fn render(cx: &Context<'_>, path: &str, parsed: &Parsed, pairs: &[Pair], found: Found) -> Result<Bytes> {
    let links = links(cx, path, parsed, pairs, &found);
    let subset = Subset { summary: parsed.query.summary, elements: parsed.query.elements.clone() };
    let matches = bodies(cx, &subset, &found.entries)?;
    let includes = bodies(cx, &subset, &found.includes)?;
    let room = matches.iter().chain(&includes).map(|body| Page::room(Some(body))).sum();
    let mut page = Page::new("searchset", found.total, &links, room);
    for (mode, stored, bodies) in
        [("match", &found.entries, &matches), ("include", &found.includes, &includes)]
    {
        for (stored, body) in stored.iter().zip(bodies) {
            let url = [cx.base, "/", cx.defs.name(stored.ty), "/", &stored.id];
            page.entry(Some(url), Some(body), &["\"search\":{\"mode\":\"", mode, "\"}"]);
        }
    }
    if !parsed.ignored.is_empty() {
        let outcome = operation_outcome(&parsed.ignored).to_string();
        page.entry(None, Some(outcome.as_bytes()), &["\"search\":{\"mode\":\"outcome\"}"]);
    }
    Ok(page.finish())
}

/// The links of a page. They hold what was understood, so that a reader sees what was ignored; the
/// format goes along, because a link is followed as it is.
fn links(
    cx: &Context<'_>,
    path: &str,
    parsed: &Parsed,
    pairs: &[Pair],
    found: &Found,
) -> Vec<(&'static str, String)> {
    let text = |(name, value): &'_ Pair| (name.clone(), value.clone());
    let understood = parsed.query.pairs.iter().map(text);
    let general = pairs.iter().filter(|(name, _)| is_general(name)).map(text);
    let all: Vec<Pair> = understood.chain(general).collect();
    let here = pairs.iter().find(|(name, _)| name == CURSOR_PARAMETER).map(|(_, value)| value.as_str());
    let url = |cursor: Option<&str>| {
        let cursor = cursor.map(|value| (CURSOR_PARAMETER, value));
        let query =
            encode_query(all.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(cursor));
        let slash = if path.is_empty() { "" } else { "/" };
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{slash}{path}{mark}{query}", cx.base)
    };
    let mut links = vec![("self", url(here)), ("first", url(None))];
    for (relation, cursor) in [("previous", &found.previous), ("next", &found.next)] {
        links.extend(cursor.as_deref().map(|cursor| (relation, url(Some(cursor)))));
    }
    links
}

fn bodies(cx: &Context<'_>, subset: &Subset, stored: &[Stored]) -> Result<Vec<Bytes>> {
    // A match is never a deletion.
    let bodies = stored
        .iter()
        .map(|stored| stored.body.as_ref().map_or(Ok(Bytes::new()), |body| subset.of(cx.defs, body)));
    bodies.collect()
}
