//! A transaction: all entries or none (<https://hl7.org/fhir/R4/http.html#trules>).
//!
//! Everything is prepared against what is stored, then written in one piece. When the store says that
//! something has changed meanwhile, all is prepared again from the start.

use remit_fhir::{Document, Error, Kind, Result};
use remit_spec::TypeId;
use remit_store::{Action, Stored, WriteSet, Written};
use std::collections::HashMap;

use super::entry::{Act, Entry, read};
use super::links::{Criteria, Links, Site, Walk};
use super::plan::{Step, ask_references, plan};
use super::prepare::{Current, Material, prepare_all};
use super::response::{Reply, render};
use super::{Preference, Run, entries, in_entry, shell_faults};
use crate::rest::route::{Route, type_named};
use crate::rest::write::{self, Attempts};
use crate::rest::{Answer, Context};

/// Performs a transaction.
pub(super) async fn run(
    cx: &Context<'_>,
    bundle: &Document,
    preference: Preference,
    run: &Run<'_>,
) -> Result<Answer> {
    let entries = heavy(|| read_all(cx, bundle))?;
    let (sites, criteria) = heavy(|| find_links(cx, &entries))?;
    try_reads(cx, &entries, run).await?;
    let mut attempts = Attempts::default();
    let mut results = loop {
        if let Some(results) = attempt(cx, &entries, &sites, &criteria, &mut attempts).await? {
            break results;
        }
    };
    for entry in &entries {
        if let (Act::Run(request, _), Some(slot)) = (&entry.act, results.get_mut(entry.at)) {
            *slot = run(request.clone()).await.map_err(|error| in_entry(error, entry.at));
        }
    }
    let replies: Vec<_> = entries
        .iter()
        .zip(results)
        .map(|(entry, result)| Reply { method: Some(entry.act.method()), result })
        .collect();
    Ok(render(cx, "transaction-response", preference, &replies))
}

/// Runs work that keeps the processor busy for long, without holding up other requests where the
/// runtime can move them to another thread.
pub(crate) fn heavy<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Reads and checks all entries; all faults are told at once.
fn read_all<'b>(cx: &Context<'_>, bundle: &'b Document) -> Result<Vec<Entry<'b>>> {
    let limits = &cx.settings.structure;
    let mut faults = shell_faults(cx, bundle)?;
    let mut first: Option<Error> = None;
    let mut read_entries = Vec::new();
    for (at, node) in entries(bundle).enumerate() {
        if faults.len() >= limits.issues {
            break;
        }
        if let Some(resource) = node.get("resource") {
            let prefix = format!("Bundle.entry[{at}].resource");
            faults.extend(remit_validate::structure_at(resource, cx.defs, limits, &prefix));
        }
        match read(cx, at, node) {
            Ok(entry) => read_entries.push(entry),
            Err(error) => match &mut first {
                Some(first) => first.issues.extend(error.issues),
                None => first = Some(error),
            },
        }
    }
    if !faults.is_empty() {
        faults.extend(first.into_iter().flat_map(|error| error.issues));
        faults.truncate(limits.issues);
        return Err(Error::with_issues(Kind::Invalid, faults));
    }
    match first {
        Some(error) => Err(error),
        None => Ok(read_entries),
    }
}

type Resolvable = Vec<(TypeId, String, usize)>;

/// Where each entry's resource names other entries, and the criteria in references.
fn find_links<'b>(cx: &'b Context<'_>, entries: &[Entry<'b>]) -> Result<(Vec<Vec<Site<'b>>>, Resolvable)> {
    let mut links = Links::new(cx.base);
    for entry in entries {
        let writes = !matches!(entry.act, Act::Delete(..) | Act::Run(..));
        let (Some(full_url), Some(resource), true) = (&entry.full_url, entry.resource, writes) else {
            continue;
        };
        if !links.add(full_url.clone(), entry.at, resource) {
            return Err(Error::invalid("Another entry of the transaction has the same fullUrl.")
                .coded(remit_fhir::IssueType::Duplicate)
                .at(format!("Bundle.entry[{}].fullUrl", entry.at)));
        }
    }
    let mut criteria = Criteria::default();
    let mut sites = Vec::with_capacity(entries.len());
    for entry in entries {
        let writes = matches!(entry.act, Act::Create(_) | Act::Update(..));
        sites.push(match entry.resource.filter(|_| writes) {
            Some(resource) => {
                let full_url = entry.full_url.as_deref();
                Walk::sites(cx.defs, &links, &mut criteria, entry.at, full_url, resource)
            }
            None => Vec::new(),
        });
    }
    let mut resolvable = Vec::with_capacity(criteria.list.len());
    for (kind, query, at) in criteria.list {
        let ty = type_named(cx.defs, &kind).map_err(|mut error| {
            error.kind = Kind::Invalid;
            in_entry(error, at)
        })?;
        resolvable.push((ty, query, at));
    }
    Ok((sites, resolvable))
}

/// Runs the reads once before anything is written, so that one that cannot succeed fails the whole
/// transaction. A resource that the transaction itself writes is read afterwards only.
async fn try_reads(cx: &Context<'_>, entries: &[Entry<'_>], run: &Run<'_>) -> Result<()> {
    let writes = |ty: TypeId, id: &str| {
        entries.iter().any(|entry| match &entry.act {
            Act::Update(t, super::entry::Target::Id(i)) => *t == ty && i == id,
            _ => false,
        })
    };
    for entry in entries {
        let Act::Run(request, instance) = &entry.act else { continue };
        if let Some(operation) = changing_operation(cx, &request.path) {
            return Err(in_entry(
                Error::invalid(format!(
                    "The operation ${operation} changes what is stored and cannot be part of a transaction; send it alone or in a batch."
                ))
                .coded(remit_fhir::IssueType::NotSupported),
                entry.at,
            ));
        }
        if instance.as_ref().is_some_and(|(ty, id)| writes(*ty, id)) {
            continue;
        }
        run(request.clone()).await.map_err(|error| in_entry(error, entry.at))?;
    }
    Ok(())
}

/// The operation that a path calls, when running it changes what is stored.
fn changing_operation(cx: &Context<'_>, path: &str) -> Option<String> {
    let name = match Route::parse(cx.defs, path).ok()? {
        Route::SystemOperation(name)
        | Route::TypeOperation(_, name)
        | Route::InstanceOperation(_, _, name)
        | Route::VersionOperation(_, _, _, name) => name,
        _ => return None,
    };
    let code = name.trim_start_matches('$');
    cx.defs.operation(code).any(|operation| operation.affects_state).then(|| code.to_owned())
}

/// Prepares and writes once; `None` when it must be done again.
async fn attempt<'b>(
    cx: &Context<'_>,
    entries: &[Entry<'b>],
    sites: &[Vec<Site<'b>>],
    criteria: &Resolvable,
    attempts: &mut Attempts,
) -> Result<Option<Vec<Result<Answer>>>> {
    let mut plan = plan(cx, entries).await?;
    let found = ask_references(cx, criteria, &mut plan.overlay).await?;
    let current = current(cx, &plan.steps).await?;
    let material = Material { entries, steps: &plan.steps, current: &current, sites, found: &found };
    let prepared = heavy(|| prepare_all(cx, &material))?;
    if prepared.is_empty() {
        return Ok(Some(answers(&plan.steps, &current, HashMap::new())));
    }
    let (places, writes): (Vec<_>, Vec<_>) = prepared.into_iter().unzip();
    let keys: Vec<_> = writes.iter().map(|write| (write.ty, write.id.clone(), write.action)).collect();
    let Some(written) = attempts.commit(cx, WriteSet { guards: plan.guards, writes }).await? else {
        return Ok(None);
    };
    let done = places.into_iter().zip(keys).zip(written);
    let done = done.map(|((at, (ty, id, action)), written)| (at, Done { ty, id, action, written }));
    Ok(Some(answers(&plan.steps, &current, done.collect())))
}

/// An applied write. Of a delete that took several resources, the last.
struct Done {
    ty: TypeId,
    id: String,
    action: Action,
    written: Written,
}

impl Done {
    fn stored(&self) -> ((TypeId, String), Stored) {
        let Written { version, updated_us, body } = self.written.clone();
        let stored = Stored { ty: self.ty, id: self.id.clone(), version, updated_us, body };
        ((self.ty, self.id.clone()), stored)
    }
}

/// The current versions of all resources that the steps are about, but for those that are new.
async fn current(cx: &Context<'_>, steps: &[Step]) -> Result<Current> {
    let mut keys: Vec<(TypeId, String)> = Vec::new();
    for step in steps {
        match step {
            Step::Update { ty, id, .. } | Step::Patch(ty, id) | Step::Exists(ty, id) => {
                keys.push((*ty, id.clone()))
            }
            Step::Delete(ty, ids) => keys.extend(ids.iter().map(|id| (*ty, id.clone()))),
            Step::Create(..) | Step::Run => {}
        }
    }
    if keys.is_empty() {
        return Ok(Current::new());
    }
    let found = cx.store.current(cx.plan, &keys).await?;
    Ok(keys.into_iter().zip(found).filter_map(|(key, stored)| Some((key, stored?))).collect())
}

/// The answer to each entry but those that still have to run.
fn answers(steps: &[Step], current: &Current, mut done: HashMap<usize, Done>) -> Vec<Result<Answer>> {
    // A conditional create may have found what another entry has just created.
    let created: HashMap<(TypeId, String), Stored> =
        match steps.iter().any(|step| matches!(step, Step::Exists(..))) {
            true => done.values().map(Done::stored).collect(),
            false => HashMap::new(),
        };
    let answer = |(at, step): (usize, &Step)| match (step, done.remove(&at)) {
        (_, Some(done)) => write::answer(done.ty, done.id, done.action, done.written),
        (Step::Exists(ty, id), None) => {
            let key = (*ty, id.clone());
            let stored = created.get(&key).or_else(|| current.get(&key)).cloned();
            stored.map_or_else(|| Answer::empty(200), write::existing)
        }
        (Step::Delete(ty, ids), None) => {
            let version = ids.first().and_then(|id| current.get(&(*ty, id.clone())));
            write::nothing_deleted(version.map_or(0, |stored| stored.version))
        }
        _ => Answer::empty(200),
    };
    steps.iter().enumerate().map(answer).map(Ok).collect()
}
