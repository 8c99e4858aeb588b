//! Which resource each entry of a transaction is about, before anything is written: ids are given,
//! criteria in URLs are answered, overlaps are refused
//! (<https://hl7.org/fhir/R4/http.html#trules>).

use futures_util::future::join_all;
use remit_fhir::{Error, Result};
use remit_search::Query;
use remit_spec::TypeId;
use remit_store::{Expect, Guard};
use std::collections::HashMap;

use super::entry::{Act, Entry, Target};
use super::in_entry;
use super::overlay::Overlay;
use crate::rest::{Context, conditional, write};

/// Searches that run at the same time, so that a slow network does not add up and one transaction does
/// not take all connections.
const AT_ONCE: usize = 8;

/// What an entry does, and to which resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Writes a resource that is certainly new.
    Create(TypeId, String),
    /// Finds the resource that it would create.
    Exists(TypeId, String),
    /// Writes a resource that may be there; with `must_be_new` it must not.
    Update {
        ty: TypeId,
        id: String,
        must_be_new: bool,
    },
    Patch(TypeId, String),
    /// Deletes resources; usually one.
    Delete(TypeId, Vec<String>),
    /// Runs after the writes.
    Run,
}

/// The steps of all entries, and the conditions they rest on.
pub(super) struct Plan<'b> {
    pub(super) steps: Vec<Step>,
    pub(super) guards: Vec<Guard>,
    pub(super) overlay: Overlay<'b>,
}

/// What criteria in an entry's URL find in the store.
struct Stored {
    query: Query,
    ids: Vec<String>,
}

/// Makes the plan of a transaction.
pub(super) async fn plan<'b>(cx: &Context<'_>, entries: &[Entry<'b>]) -> Result<Plan<'b>> {
    let mut found = ask(cx, entries).await?;
    let mut planner = Planner { cx, guards: Vec::new(), overlay: Overlay::default(), owners: HashMap::new() };
    let mut steps = vec![Step::Run; entries.len()];
    let mut order: Vec<&Entry<'b>> = entries.iter().collect();
    order.sort_by_key(|entry| entry.act.rank());
    for entry in order {
        let step = planner.step(entry, found.remove(&entry.at));
        let step = step.map_err(|error| in_entry(error, entry.at))?;
        if let Some(slot) = steps.get_mut(entry.at) {
            *slot = step;
        }
    }
    Ok(Plan { steps, guards: planner.guards, overlay: planner.overlay })
}

/// The criteria of an entry.
fn criteria<'e>(entry: &'e Entry<'_>) -> Option<(TypeId, &'e str)> {
    match &entry.act {
        Act::Create(ty) => entry.if_none_exist.as_deref().map(|criteria| (*ty, criteria)),
        Act::Update(ty, Target::Criteria(text))
        | Act::Patch(ty, Target::Criteria(text), _)
        | Act::Delete(ty, Target::Criteria(text)) => Some((*ty, text)),
        _ => None,
    }
}

/// Asks the store for the matches of all criteria.
async fn ask(cx: &Context<'_>, entries: &[Entry<'_>]) -> Result<HashMap<usize, Stored>> {
    let mut asked = Vec::new();
    for entry in entries {
        let Some((ty, text)) = criteria(entry) else { continue };
        let query = conditional::parse(cx, ty, text).await.map_err(|error| in_entry(error, entry.at))?;
        asked.push((entry.at, matches!(entry.act, Act::Delete(..)), query));
    }
    // Matches that the transaction itself deletes or changes do not count, so more are fetched.
    let spare = entries.iter().filter(|entry| !matches!(entry.act, Act::Run(..) | Act::Create(_))).count();
    let mut found = HashMap::with_capacity(asked.len());
    let mut asked = asked.into_iter();
    loop {
        let some: Vec<_> = asked.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            return Ok(found);
        }
        let runs = some.iter().map(|(_, deletes, query)| {
            let limit = if *deletes { conditional::delete_limit(cx) + 1 } else { 2 };
            cx.store.ids(cx.plan, query, limit + spare)
        });
        let answers = join_all(runs).await;
        for ((at, _, query), ids) in some.into_iter().zip(answers) {
            let ids = ids.map_err(|error| in_entry(error, at))?;
            found.insert(at, Stored { query, ids });
        }
    }
}

struct Planner<'p, 'b> {
    cx: &'p Context<'p>,
    guards: Vec<Guard>,
    overlay: Overlay<'b>,
    /// Which entry deletes or writes a resource.
    owners: HashMap<(TypeId, String), usize>,
}

impl<'b> Planner<'_, 'b> {
    fn step(&mut self, entry: &Entry<'b>, found: Option<Stored>) -> Result<Step> {
        let cx = self.cx;
        let matched = match (criteria(entry), found) {
            (Some((ty, _)), Some(found)) => Some(self.answer(ty, found)?),
            _ => None,
        };
        let step = match &entry.act {
            Act::Delete(ty, target) => match (target, matched) {
                (Target::Id(id), _) => Step::Delete(*ty, vec![id.clone()]),
                (Target::Criteria(_), ids) => {
                    let ids = ids.unwrap_or_default();
                    conditional::deletable(cx, *ty, ids.len())?;
                    Step::Delete(*ty, ids)
                }
            },
            Act::Create(ty) => match matched.as_deref() {
                None | Some([]) => Step::Create(*ty, write::new_id()),
                Some([id]) => Step::Exists(*ty, id.clone()),
                Some(_) => return Err(conditional::several(cx, *ty)),
            },
            Act::Update(ty, target) => self.update(*ty, target, matched, entry)?,
            Act::Patch(ty, Target::Id(id), _) => Step::Patch(*ty, id.clone()),
            Act::Patch(ty, Target::Criteria(_), _) => {
                Step::Patch(*ty, conditional::only(cx, *ty, &matched.unwrap_or_default())?.to_owned())
            }
            Act::Run(..) => Step::Run,
        };
        self.claim(&step, entry)?;
        Ok(step)
    }

    /// What criteria find now, and the condition that the store must still find what it found.
    fn answer(&mut self, ty: TypeId, found: Stored) -> Result<Vec<String>> {
        let ids = self.overlay.find(self.cx, ty, &found.query, &found.ids)?;
        let expect = match &*found.ids {
            [] => Some(Expect::Nothing),
            [id] => Some(Expect::Only(id.clone())),
            // Of several all but one are changed by this transaction; their versions are compared.
            _ => None,
        };
        self.guards.extend(expect.map(|expect| Guard { query: found.query, expect }));
        Ok(ids)
    }

    fn update(
        &self,
        ty: TypeId,
        target: &Target,
        matched: Option<Vec<String>>,
        entry: &Entry<'_>,
    ) -> Result<Step> {
        let given = entry.resource.and_then(|resource| resource.get_str("id"));
        if let Target::Id(id) = target {
            let name = self.cx.defs.name(ty);
            return match given.as_deref() {
                Some(given) if given == id => Ok(Step::Update { ty, id: id.clone(), must_be_new: false }),
                _ => Err(Error::invalid("The id in the resource must be the id in the URL.")
                    .at(format!("{name}.id"))),
            };
        }
        // An id that only names the entry inside the Bundle is no wish for a logical id.
        let given = given.filter(|id| !id.starts_with("urn:"));
        let (id, is_new) = conditional::target(self.cx, ty, &matched.unwrap_or_default(), given.as_deref())?;
        if is_new && given.is_none() {
            return Ok(Step::Create(ty, id));
        }
        Ok(Step::Update { ty, id, must_be_new: is_new })
    }

    /// Notes what a step does; two entries must not do anything to the same resource.
    fn claim(&mut self, step: &Step, entry: &Entry<'b>) -> Result<()> {
        let (ty, ids) = match step {
            Step::Create(ty, id) | Step::Update { ty, id, .. } | Step::Patch(ty, id) => {
                (*ty, std::slice::from_ref(id))
            }
            Step::Delete(ty, ids) => (*ty, ids.as_slice()),
            Step::Exists(..) | Step::Run => return Ok(()),
        };
        for id in ids {
            if let Some(other) = self.owners.insert((ty, id.clone()), entry.at) {
                let name = self.cx.defs.name(ty);
                return Err(Error::invalid(format!(
                    "{name}/{id} is also changed by entry {other}; a transaction may change a resource once."
                ))
                .coded(remit_fhir::IssueType::Duplicate));
            }
            match (step, entry.resource) {
                (Step::Create(..) | Step::Update { .. }, Some(resource)) => {
                    self.overlay.write(ty, id, resource)
                }
                _ => self.overlay.touch(ty, id),
            }
        }
        Ok(())
    }
}

/// Asks the store for the matches of criteria in references.
pub(super) async fn ask_references(
    cx: &Context<'_>,
    criteria: &[(TypeId, String, usize)],
    overlay: &mut Overlay<'_>,
) -> Result<Vec<(TypeId, String)>> {
    let mut found = Vec::with_capacity(criteria.len());
    for some in criteria.chunks(AT_ONCE) {
        let mut queries = Vec::with_capacity(some.len());
        for (ty, text, at) in some {
            let query = conditional::parse(cx, *ty, text).await;
            queries.push(query.map_err(|error| in_entry(error, *at))?);
        }
        let runs = some
            .iter()
            .zip(&queries)
            .map(|((ty, ..), query)| cx.store.ids(cx.plan, query, 2 + overlay.touched(*ty)));
        let answers = join_all(runs).await;
        for (((ty, text, at), query), ids) in some.iter().zip(&queries).zip(answers) {
            let ids = ids.and_then(|ids| overlay.find(cx, *ty, query, &ids));
            let ids = ids.map_err(|error| in_entry(error, *at))?;
            found.push((*ty, one(cx, *ty, text, ids).map_err(|error| in_entry(error, *at))?));
        }
    }
    Ok(found)
}

fn one(cx: &Context<'_>, ty: TypeId, criteria: &str, ids: Vec<String>) -> Result<String> {
    let name = cx.defs.name(ty);
    match <[String; 1]>::try_from(ids) {
        Ok([id]) => Ok(id),
        Err(ids) if ids.is_empty() => Err(Error::precondition_failed(format!(
            "The conditional reference {name}?{criteria} matches no resource."
        ))
        .coded(remit_fhir::IssueType::NotFound)),
        Err(_) => Err(Error::multiple_matches(format!(
            "The conditional reference {name}?{criteria} matches several resources."
        ))),
    }
}
