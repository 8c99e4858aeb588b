//! Create, update, patch and delete of one resource (<https://hl7.org/fhir/R4/http.html#create>,
//! `#update`, `#patch`, `#delete`).
//!
//! A write is prepared against the version that was read; when the store says that somebody was
//! faster, it is prepared again.

use remit_fhir::{Document, Error, Kind, Result, is_id, json};
use remit_spec::TypeId;
use remit_store::{Guard, Stored, Write, WriteError, WriteSet, Written};
use std::time::Duration;

use super::prepare::{self, Before};
use super::{Answer, Context, Patch, Tags, conditional};

/// How often a write is prepared again before the caller is asked to try later. As many clients as
/// this can change one resource at the same time and all succeed.
const MAX_ATTEMPTS: u32 = 128;

/// The longest pause between two attempts. Longer than a commit takes, so that those who wait spread.
const MAX_PAUSE_US: u64 = 20_000;

/// Counts attempts at a write.
#[derive(Default)]
pub(super) struct Attempts(u32);

impl Attempts {
    /// Applies a set. `None` when it must be prepared again; 503 when that has happened too often.
    pub(super) async fn commit(&mut self, cx: &Context<'_>, set: WriteSet) -> Result<Option<Vec<Written>>> {
        match cx.store.write(cx.plan, set).await {
            Ok(written) => Ok(Some(written)),
            Err(WriteError::Failed(error)) => Err(error),
            Err(WriteError::Stale) => {
                self.pause().await?;
                Ok(None)
            }
        }
    }

    /// A short random wait, longer after each attempt.
    async fn pause(&mut self) -> Result<()> {
        self.0 += 1;
        if self.0 >= MAX_ATTEMPTS {
            return Err(Error::unavailable(
                "Too many other requests change the same resource at this moment; try again.",
            )
            .coded(remit_fhir::IssueType::LockError));
        }
        let bound = (u64::from(self.0) * 500).min(MAX_PAUSE_US);
        let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
        tokio::time::sleep(Duration::from_micros(random % bound)).await;
        Ok(())
    }
}

/// A new logical id: a UUID of version 7, so that ids rise with time and indexes stay dense.
pub(super) fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Creates a resource under an id of the server. With `if_none_exist` (search criteria) only when
/// nothing matches; one match is answered with that resource and 200, several with 412.
pub async fn create(
    cx: &Context<'_>,
    ty: TypeId,
    body: Document,
    if_none_exist: Option<&str>,
) -> Result<Answer> {
    let body = prepare::checked(cx, ty, body)?;
    let mut attempts = Attempts::default();
    loop {
        let mut guards = Vec::new();
        if let Some(criteria) = if_none_exist {
            let found = conditional::find(cx, ty, criteria, 2).await?;
            match &*found.ids {
                [] => guards.push(found.guard()),
                [id] => {
                    if let Some(stored) = live(cx, ty, id).await? {
                        return Ok(existing(stored));
                    }
                    attempts.pause().await?;
                    continue;
                }
                _ => return Err(conditional::several(cx, ty)),
            }
        }
        let write = prepare::version(cx, ty, &new_id(), Before::NOTHING, body.root(), Vec::new())?;
        if let Some(answer) = commit_one(cx, &mut attempts, guards, write).await? {
            return Ok(answer);
        }
    }
}

/// Updates a resource, or creates it under this id. `if_none_match` with `*` allows only creation.
pub async fn update(
    cx: &Context<'_>,
    ty: TypeId,
    id: &str,
    body: Document,
    if_match: Option<&Tags>,
    if_none_match: Option<&Tags>,
) -> Result<Answer> {
    let body = prepare::checked(cx, ty, body)?;
    has_id(cx, ty, id, &body)?;
    let mut attempts = Attempts::default();
    loop {
        let stored = current(cx, ty, id).await?;
        let before = Before::of(stored.as_ref());
        preconditions(cx, ty, id, before.live_version(), if_match, if_none_match)?;
        let write = prepare::version(cx, ty, id, before, body.root(), Vec::new())?;
        if let Some(answer) = commit_one(cx, &mut attempts, Vec::new(), write).await? {
            return Ok(answer);
        }
    }
}

/// Patches a resource: 404 when there is none, 410 when it is deleted, 422 when the patch fails.
pub async fn patch(
    cx: &Context<'_>,
    ty: TypeId,
    id: &str,
    patch: &Patch,
    if_match: Option<&Tags>,
) -> Result<Answer> {
    let mut attempts = Attempts::default();
    loop {
        let stored = current(cx, ty, id).await?;
        let write = patched(cx, ty, id, stored.as_ref(), patch, if_match)?;
        if let Some(answer) = commit_one(cx, &mut attempts, Vec::new(), write).await? {
            return Ok(answer);
        }
    }
}

/// The write of a patched resource.
pub(super) fn patched(
    cx: &Context<'_>,
    ty: TypeId,
    id: &str,
    stored: Option<&Stored>,
    patch: &Patch,
    if_match: Option<&Tags>,
) -> Result<Write> {
    let before = Before::of(stored);
    let Some(body) = before.body else {
        let name = cx.defs.name(ty);
        return Err(match before.version {
            0 => Error::not_found(format!("There is no {name}/{id}.")),
            _ => Error::gone(format!("{name}/{id} was deleted.")),
        });
    };
    preconditions(cx, ty, id, before.version, if_match, None)?;
    let changed = patch.apply(cx.defs, ty, id, json::parse(body.clone())?.into_compact())?;
    prepare::sound(cx, changed.root(), Kind::Unprocessable)?;
    prepare::version(cx, ty, id, before, changed.root(), Vec::new())
}

/// Deletes a resource. Deleting what is not there, or not there any more, is 204 too.
pub async fn delete(cx: &Context<'_>, ty: TypeId, id: &str, if_match: Option<&Tags>) -> Result<Answer> {
    let mut attempts = Attempts::default();
    loop {
        let stored = current(cx, ty, id).await?;
        let before = Before::of(stored.as_ref());
        preconditions(cx, ty, id, before.live_version(), if_match, None)?;
        let Some(body) = before.body else { return Ok(nothing_deleted(before.version)) };
        let write = prepare::deletion(cx, ty, id, before.version, body)?;
        if let Some(answer) = commit_one(cx, &mut attempts, Vec::new(), write).await? {
            return Ok(answer);
        }
    }
}

/// The answer to a delete that had nothing to do.
pub(super) fn nothing_deleted(version: i64) -> Answer {
    Answer { version: (version > 0).then_some(version), ..Answer::empty(204) }
}

/// 412 unless the preconditions hold for the current version; 0 stands for none.
pub(super) fn preconditions(
    cx: &Context<'_>,
    ty: TypeId,
    id: &str,
    version: i64,
    if_match: Option<&Tags>,
    if_none_match: Option<&Tags>,
) -> Result<()> {
    let what = || format!("{}/{id}", cx.defs.name(ty));
    if if_match.is_some_and(|tags| !tags.matches(version)) {
        let now = if version > 0 { format!("is at version {version}") } else { "does not exist".to_owned() };
        return Err(Error::precondition_failed(format!(
            "{} {now}, which is not what If-Match asks for; read it again and repeat the change on it.",
            what()
        )));
    }
    if if_none_match.is_some_and(|tags| tags.matches(version)) {
        return Err(Error::precondition_failed(format!(
            "{} exists already, which If-None-Match forbids.",
            what()
        )));
    }
    Ok(())
}

/// 400 unless the body carries the id of the URL.
pub(super) fn has_id(cx: &Context<'_>, ty: TypeId, id: &str, body: &Document) -> Result<()> {
    let name = cx.defs.name(ty);
    if !is_id(id) {
        return Err(Error::invalid("The id in the URL is no resource id."));
    }
    match body.root().get_str("id") {
        Some(given) if given == id => Ok(()),
        Some(_) => {
            Err(Error::invalid("The id in the body differs from the id in the URL.").at(format!("{name}.id")))
        }
        None => Err(Error::invalid(format!("The body needs the id of the URL: \"id\": \"{id}\"."))
            .coded(remit_fhir::IssueType::Required)
            .at(format!("{name}.id"))),
    }
}

/// What is stored under an id.
pub(super) async fn current(cx: &Context<'_>, ty: TypeId, id: &str) -> Result<Option<Stored>> {
    let mut found = cx.store.current(cx.plan, &[(ty, id.to_owned())]).await?;
    Ok(found.pop().flatten())
}

async fn live(cx: &Context<'_>, ty: TypeId, id: &str) -> Result<Option<Stored>> {
    Ok(current(cx, ty, id).await?.filter(|stored| stored.body.is_some()))
}

/// The answer of a conditional create that found its resource.
pub(super) fn existing(stored: Stored) -> Answer {
    Answer { location: Some((stored.ty, stored.id.clone())), ..Answer::stored(stored) }
}

/// Applies one write; `None` when it must be prepared again.
pub(super) async fn commit_one(
    cx: &Context<'_>,
    attempts: &mut Attempts,
    guards: Vec<Guard>,
    write: Write,
) -> Result<Option<Answer>> {
    let (ty, id, action) = (write.ty, write.id.clone(), write.action);
    let done = attempts.commit(cx, WriteSet { guards, writes: vec![write] }).await?;
    let written = done.and_then(|mut all| all.pop());
    Ok(written.map(|written| answer(ty, id, action, written)))
}

/// The answer to an applied write.
pub(super) fn answer(ty: TypeId, id: String, action: remit_store::Action, written: Written) -> Answer {
    use remit_store::Action;
    Answer {
        status: match action {
            Action::Create => 201,
            Action::Update => 200,
            Action::Delete => 204,
        },
        body: written.body,
        version: Some(written.version),
        updated_us: Some(written.updated_us),
        location: (action != Action::Delete).then_some((ty, id)),
        content_type: None,
        stream: None,
        issues: Vec::new(),
        headers: Vec::new(),
    }
}
