//! From the plan of a transaction to the writes of the store: preconditions are compared with the
//! current versions, links get their final form, texts and index rows are made.

use remit_fhir::json::Splice;
use remit_fhir::{Error, Node, Result};
use remit_spec::TypeId;
use remit_store::{Stored, Write};
use std::collections::HashMap;

use super::entry::{Act, Entry};
use super::in_entry;
use super::links::{Identity, Site, edits};
use super::plan::Step;
use crate::rest::prepare::{Before, deletion, version};
use crate::rest::{Context, conditional, write};

/// Current versions by type and id.
pub(super) type Current = HashMap<(TypeId, String), Stored>;

/// Everything that the writes are made from.
pub(super) struct Material<'m, 'b> {
    pub(super) entries: &'m [Entry<'b>],
    pub(super) steps: &'m [Step],
    pub(super) current: &'m Current,
    pub(super) sites: &'m [Vec<Site<'b>>],
    /// What the criteria in references found.
    pub(super) found: &'m [(TypeId, String)],
}

impl Material<'_, '_> {
    fn stored(&self, ty: TypeId, id: &str) -> Option<&Stored> {
        self.current.get(&(ty, id.to_owned()))
    }

    /// What each entry's resource will be called.
    fn identities(&self) -> Vec<Option<Identity>> {
        let version = |ty, id: &str| self.stored(ty, id).map_or(0, |stored| stored.version);
        let identity = |step: &Step| match step {
            Step::Create(ty, id) => Some(Identity { ty: *ty, id: id.clone(), version: 1 }),
            Step::Exists(ty, id) => {
                // One that this transaction creates is at its first version.
                Some(Identity { ty: *ty, id: id.clone(), version: version(*ty, id).max(1) })
            }
            Step::Update { ty, id, .. } | Step::Patch(ty, id) => {
                Some(Identity { ty: *ty, id: id.clone(), version: version(*ty, id) + 1 })
            }
            Step::Delete(..) | Step::Run => None,
        };
        self.steps.iter().map(identity).collect()
    }
}

/// The writes of every entry, in the order of the entries. It is work for the processor alone:
/// thousands of texts are spliced, read and indexed.
pub(super) fn prepare_all(cx: &Context<'_>, material: &Material<'_, '_>) -> Result<Vec<(usize, Write)>> {
    let identities = material.identities();
    let mut writes = Vec::with_capacity(material.entries.len());
    for (entry, step) in material.entries.iter().zip(material.steps) {
        let edits = || {
            let sites = material.sites.get(entry.at).map(Vec::as_slice).unwrap_or_default();
            edits(cx.defs, cx.base, sites, &identities, material.found)
        };
        prepare(cx, material, entry, step, edits, &mut writes).map_err(|error| in_entry(error, entry.at))?;
    }
    Ok(writes)
}

fn prepare(
    cx: &Context<'_>,
    material: &Material<'_, '_>,
    entry: &Entry<'_>,
    step: &Step,
    edits: impl Fn() -> Vec<Splice>,
    writes: &mut Vec<(usize, Write)>,
) -> Result<()> {
    let if_match = entry.if_match.as_ref();
    match step {
        Step::Create(ty, id) => {
            write::preconditions(
                cx,
                *ty,
                id,
                0,
                if_match.filter(|_| !matches!(entry.act, Act::Create(_))),
                None,
            )?;
            let write = version(cx, *ty, id, Before::NOTHING, resource(entry)?, edits())?;
            writes.push((entry.at, write));
        }
        Step::Update { ty, id, must_be_new } => {
            let before = Before::of(material.stored(*ty, id));
            if *must_be_new && before.body.is_some() {
                return Err(conditional::taken(cx, *ty, id));
            }
            write::preconditions(cx, *ty, id, before.live_version(), if_match, entry.if_none_match.as_ref())?;
            writes.push((entry.at, version(cx, *ty, id, before, resource(entry)?, edits())?));
        }
        Step::Patch(ty, id) => {
            let Act::Patch(_, _, patch) = &entry.act else { return Ok(()) };
            let write = write::patched(cx, *ty, id, material.stored(*ty, id), patch, if_match)?;
            writes.push((entry.at, write));
        }
        Step::Delete(ty, ids) => {
            for id in ids {
                let before = Before::of(material.stored(*ty, id));
                write::preconditions(cx, *ty, id, before.live_version(), if_match, None)?;
                if let Some(body) = before.body {
                    writes.push((entry.at, deletion(cx, *ty, id, before.version, body)?));
                }
            }
        }
        Step::Exists(..) | Step::Run => {}
    }
    Ok(())
}

fn resource<'b>(entry: &Entry<'b>) -> Result<Node<'b>> {
    entry.resource.ok_or_else(|| Error::invalid("The entry has no resource."))
}
