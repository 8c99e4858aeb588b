//! Interactions that name their resource by search criteria
//! (<https://hl7.org/fhir/R4/http.html#ccreate>, `#cond-update`, and conditional patch and delete).
//!
//! Each is prepared under what the criteria find, and the store asks them again under a lock before
//! it writes, so two clients never both find nothing and both create.

use remit_fhir::{Document, Error, Result};
use remit_search::{Contained, Handling, Query, Registry};
use remit_spec::TypeId;
use remit_store::{Expect, Guard, WriteSet, system_clock};

use super::prepare::{self, Before};
use super::registry::read_with;
use super::write::{Attempts, commit_one, current, new_id, nothing_deleted, patched, preconditions};
use super::{Answer, ConditionalDelete, Context, Patch, Tags, url};

/// What criteria find.
pub(super) struct Found {
    /// The criteria.
    pub(super) query: Query,
    /// Logical ids of the matches, at most as many as asked for.
    pub(super) ids: Vec<String>,
}

impl Found {
    /// The condition that still this must be found when it is written. Where several are found there
    /// is no such condition: their versions are compared instead.
    pub(super) fn guard(self) -> Guard {
        let expect = self.ids.into_iter().next().map_or(Expect::Nothing, Expect::Only);
        Guard { query: self.query, expect }
    }
}

/// Searches by criteria as a URL writes them. Every parameter must be known: an ignored one would
/// widen what is written to.
pub(super) async fn find(cx: &Context<'_>, ty: TypeId, criteria: &str, limit: usize) -> Result<Found> {
    let pairs = url::decode_query(criteria.strip_prefix('?').unwrap_or(criteria).as_bytes())?;
    let mut query =
        read_with(cx, &pairs, |registry| parse_with(cx, registry, ty, criteria), |_| true).await?;
    cx.store.find_codes(cx.plan, &mut query).await?;
    let ids = cx.store.ids(cx.plan, &query, limit).await?;
    Ok(Found { query, ids })
}

/// Reads criteria, and finds the codes of the value sets that they name.
pub(super) async fn parse(cx: &Context<'_>, ty: TypeId, criteria: &str) -> Result<Query> {
    let registry = cx.store.registry_of(cx.plan.tenant());
    let mut query = parse_with(cx, &registry, ty, criteria)?;
    cx.store.find_codes(cx.plan, &mut query).await?;
    Ok(query)
}

/// What only says how to answer is no criterion.
fn parse_with(cx: &Context<'_>, registry: &Registry, ty: TypeId, criteria: &str) -> Result<Query> {
    let criteria = criteria.strip_prefix('?').unwrap_or(criteria);
    let pairs = url::decode_query(criteria.as_bytes())?;
    let reader = remit_search::Context {
        registry,
        base: cx.base,
        now: system_clock(),
        handling: Handling::Strict,
        limits: cx.settings.search,
    };
    let query = remit_search::parse(&[ty], &pairs, &reader)?.query;
    if query.contained != Contained::No {
        return Err(Error::invalid(
            "A condition finds resources by their address, which contained ones do not have: leave _contained out.",
        ));
    }
    if query.criteria.is_empty() {
        return Err(Error::invalid(format!(
            "The condition on {} has no criteria; give a search such as identifier=SYSTEM|VALUE.",
            cx.defs.name(ty)
        )));
    }
    Ok(query)
}

/// 412: criteria that must find one at most find several.
pub(super) fn several(cx: &Context<'_>, ty: TypeId) -> Error {
    Error::multiple_matches(format!(
        "The criteria match several resources of type {}; make them more precise.",
        cx.defs.name(ty)
    ))
}

/// Updates the one resource that matches; creates one when none does.
pub async fn update_conditional(
    cx: &Context<'_>,
    ty: TypeId,
    criteria: &str,
    body: Document,
    if_match: Option<&Tags>,
    if_none_match: Option<&Tags>,
) -> Result<Answer> {
    let body = prepare::checked(cx, ty, body)?;
    let given = body.root().get_str("id").map(|id| id.into_owned());
    let mut attempts = Attempts::default();
    loop {
        let found = find(cx, ty, criteria, 2).await?;
        let (id, is_new) = target(cx, ty, &found.ids, given.as_deref())?;
        let stored = if is_new && given.is_none() { None } else { current(cx, ty, &id).await? };
        let before = Before::of(stored.as_ref());
        if is_new && before.body.is_some() {
            return Err(taken(cx, ty, &id));
        }
        preconditions(cx, ty, &id, before.live_version(), if_match, if_none_match)?;
        let write = prepare::version(cx, ty, &id, before, body.root(), Vec::new())?;
        if let Some(answer) = commit_one(cx, &mut attempts, vec![found.guard()], write).await? {
            return Ok(answer);
        }
    }
}

/// The resource that a conditional update is about, and whether it is a new one.
pub(super) fn target(
    cx: &Context<'_>,
    ty: TypeId,
    ids: &[String],
    given: Option<&str>,
) -> Result<(String, bool)> {
    match (ids, given) {
        ([], None) => Ok((new_id(), true)),
        ([], Some(given)) => {
            if !remit_fhir::is_id(given) {
                return Err(Error::invalid("The id in the body is no resource id."));
            }
            Ok((given.to_owned(), true))
        }
        ([id], None) => Ok((id.clone(), false)),
        ([id], Some(given)) if id == given => Ok((id.clone(), false)),
        ([_], Some(_)) => {
            Err(Error::invalid("The id in the body is not the id of the resource that the criteria match.")
                .at(format!("{}.id", cx.defs.name(ty))))
        }
        _ => Err(several(cx, ty)),
    }
}

/// 409: nothing matches, and the id that the body proposes is in use.
pub(super) fn taken(cx: &Context<'_>, ty: TypeId, id: &str) -> Error {
    Error::conflict(format!(
        "Nothing matches the criteria, and {}/{id} exists already; leave the id out to create another.",
        cx.defs.name(ty)
    ))
}

/// Patches the one resource that matches: 404 when there is none.
pub async fn patch_conditional(
    cx: &Context<'_>,
    ty: TypeId,
    criteria: &str,
    patch: &Patch,
    if_match: Option<&Tags>,
) -> Result<Answer> {
    let mut attempts = Attempts::default();
    loop {
        let found = find(cx, ty, criteria, 2).await?;
        let id = only(cx, ty, &found.ids)?.to_owned();
        let stored = current(cx, ty, &id).await?;
        let write = patched(cx, ty, &id, stored.as_ref(), patch, if_match)?;
        if let Some(answer) = commit_one(cx, &mut attempts, vec![found.guard()], write).await? {
            return Ok(answer);
        }
    }
}

/// The one match: 404 for none, 412 for several.
pub(super) fn only<'i>(cx: &Context<'_>, ty: TypeId, ids: &'i [String]) -> Result<&'i str> {
    match ids {
        [id] => Ok(id),
        [] => {
            Err(Error::not_found(format!("No resource of type {} matches the criteria.", cx.defs.name(ty))))
        }
        _ => Err(several(cx, ty)),
    }
}

/// Deletes what matches: one, or where the settings allow it several, in one transaction. No match is
/// 204 like any delete of what is not there.
pub async fn delete_conditional(
    cx: &Context<'_>,
    ty: TypeId,
    criteria: &str,
    if_match: Option<&Tags>,
) -> Result<Answer> {
    let mut attempts = Attempts::default();
    loop {
        let found = find(cx, ty, criteria, delete_limit(cx) + 1).await?;
        deletable(cx, ty, found.ids.len())?;
        let keys: Vec<_> = found.ids.iter().map(|id| (ty, id.clone())).collect();
        let mut writes = Vec::with_capacity(keys.len());
        for stored in cx.store.current(cx.plan, &keys).await?.into_iter().flatten() {
            preconditions(cx, ty, &stored.id, stored.version, if_match, None)?;
            if let Some(body) = &stored.body {
                writes.push(prepare::deletion(cx, ty, &stored.id, stored.version, body)?);
            }
        }
        if writes.is_empty() {
            return Ok(nothing_deleted(0));
        }
        let guards = if found.ids.len() == 1 { vec![found.guard()] } else { Vec::new() };
        if let Some(written) = attempts.commit(cx, WriteSet { guards, writes }).await? {
            return Ok(deleted(&written));
        }
    }
}

/// How many resources one conditional delete may find.
pub(super) fn delete_limit(cx: &Context<'_>) -> usize {
    match cx.settings.conditional_delete {
        ConditionalDelete::Single => 1,
        ConditionalDelete::Multiple => cx.settings.conditional_delete_matches,
    }
}

/// 412 when a conditional delete finds more than it may delete.
pub(super) fn deletable(cx: &Context<'_>, ty: TypeId, matches: usize) -> Result<()> {
    if matches <= delete_limit(cx) {
        return Ok(());
    }
    match cx.settings.conditional_delete {
        ConditionalDelete::Single => Err(several(cx, ty)),
        ConditionalDelete::Multiple => Err(Error::multiple_matches(format!(
            "The criteria match more than {} resources of type {}, the limit of one conditional delete.",
            delete_limit(cx),
            cx.defs.name(ty)
        ))),
    }
}

fn deleted(written: &[remit_store::Written]) -> Answer {
    let [only] = written else { return Answer::empty(204) };
    Answer { version: Some(only.version), updated_us: Some(only.updated_us), ..Answer::empty(204) }
}
