//! A batch: every entry for itself (<https://hl7.org/fhir/R4/http.html#brules>).
//!
//! Entries run in the order of a transaction (delete, create, update and patch, the rest), so that a
//! read sees what the batch wrote; within a step they run side by side.

use futures_util::future::join_all;
use remit_fhir::{Document, Error, Kind, Result};

use super::entry::{Act, Entry, Target, read};
use super::response::{Reply, render};
use super::{Preference, Run, entries, entry_of, in_entry, shell_faults};
use crate::rest::{Answer, Context, conditional, write};

/// Entries that run at the same time. They share the commits of the store; more of them would let one
/// caller keep all others waiting.
const AT_ONCE: usize = 16;

/// Performs a batch.
pub(super) async fn run(
    cx: &Context<'_>,
    bundle: &Document,
    preference: Preference,
    run: &Run<'_>,
) -> Result<Answer> {
    let faults = shell_faults(cx, bundle)?;
    let (inside, outside): (Vec<_>, Vec<_>) =
        faults.into_iter().partition(|issue| issue.expression.iter().any(|e| entry_of(e).is_some()));
    if !outside.is_empty() {
        return Err(Error::with_issues(Kind::Invalid, outside));
    }
    let mut parsed = Vec::new();
    let mut replies = Vec::new();
    for (at, node) in entries(bundle).enumerate() {
        let faults: Vec<_> = inside
            .iter()
            .filter(|issue| issue.expression.iter().any(|e| entry_of(e) == Some(at)))
            .cloned()
            .collect();
        let entry = if faults.is_empty() {
            read(cx, at, node)
        } else {
            Err(Error::with_issues(Kind::Invalid, faults))
        };
        let (entry, result) = match entry {
            Ok(entry) => (Some(entry), Ok(Answer::empty(200))),
            Err(error) => (None, Err(error)),
        };
        replies.push(Reply { method: entry.as_ref().map(|entry| entry.act.method()), result });
        parsed.extend(entry);
    }
    parsed.sort_by_key(|entry| entry.act.rank());
    for step in parsed.chunk_by(|a, b| a.act.rank() == b.act.rank()) {
        for some in step.chunks(AT_ONCE) {
            let results = join_all(some.iter().map(|entry| one(cx, entry, run))).await;
            for (entry, result) in some.iter().zip(results) {
                if let Some(reply) = replies.get_mut(entry.at) {
                    reply.result = result.map_err(|error| in_entry(error, entry.at));
                }
            }
        }
    }
    Ok(render(cx, "batch-response", preference, &replies))
}

/// Performs one entry as a request of its own.
async fn one(cx: &Context<'_>, entry: &Entry<'_>, run: &Run<'_>) -> Result<Answer> {
    let body = || {
        let node = entry.resource.ok_or_else(|| Error::invalid("The entry has no resource."))?;
        Ok::<_, Error>(node.to_document())
    };
    let (if_match, if_none_match) = (entry.if_match.as_ref(), entry.if_none_match.as_ref());
    match &entry.act {
        Act::Create(ty) => write::create(cx, *ty, body()?, entry.if_none_exist.as_deref()).await,
        Act::Update(ty, Target::Id(id)) => write::update(cx, *ty, id, body()?, if_match, if_none_match).await,
        Act::Update(ty, Target::Criteria(criteria)) => {
            conditional::update_conditional(cx, *ty, criteria, body()?, if_match, if_none_match).await
        }
        Act::Patch(ty, Target::Id(id), patch) => write::patch(cx, *ty, id, patch, if_match).await,
        Act::Patch(ty, Target::Criteria(criteria), patch) => {
            conditional::patch_conditional(cx, *ty, criteria, patch, if_match).await
        }
        Act::Delete(ty, Target::Id(id)) => write::delete(cx, *ty, id, if_match).await,
        Act::Delete(ty, Target::Criteria(criteria)) => {
            conditional::delete_conditional(cx, *ty, criteria, if_match).await
        }
        Act::Run(request, _) => run(request.clone()).await,
    }
}
