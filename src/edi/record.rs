//! What a file becomes, before it is written: resources with their ids and references, in order.

use crate::rcm::BASE;
use crate::rest::{Context, Draft};
use bytes::Bytes;
use remit_fhir::{Error, Result};
use remit_spec::TypeId;
use remit_store::Stored;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// A reference to a resource, `ClaimResponse/…`.
pub(crate) fn reference(ty: &str, id: &str) -> String {
    format!("{ty}/{id}")
}

/// A type by its name.
pub(crate) fn type_of(cx: &Context<'_>, name: &str) -> Result<TypeId> {
    cx.defs.resource_named(name).ok_or_else(|| Error::internal(format!("there is no type {name}")))
}

fn text_of(resource: &Value) -> Result<Bytes> {
    Ok(Bytes::from(serde_json::to_vec(resource).map_err(Error::internal)?))
}

/// Resources to be written together, and those that are there already.
#[derive(Default)]
pub(crate) struct Record {
    /// What will be written.
    pub(crate) drafts: Vec<Draft>,
    /// References to everything that the file led to, whether it is written now or was before.
    pub(crate) outcome: Vec<String>,
    /// What the sender should know.
    pub(crate) issues: Vec<remit_fhir::Issue>,
    /// Sums of each payment, for its report.
    pub(crate) balances: Vec<Value>,
    /// Claims among the drafts, for those behind them in the file.
    pub(crate) sent: Vec<(String, Value)>,
    /// Answers among the drafts, for claims that waited for them.
    pub(super) answered: Vec<super::late::Answered>,
    /// Claims that are rejected by what comes now.
    pub(crate) rejected: Vec<String>,
    created: HashSet<String>,
    /// Places of the drafts, by their references.
    places: HashMap<String, usize>,
}

impl Record {
    /// Adds a resource that must not be there yet. Gives its reference. What a file says twice has one id
    /// and is added once.
    pub(crate) fn create(&mut self, cx: &Context<'_>, id: &str, mut resource: Value) -> Result<String> {
        let name = resource["resourceType"].as_str().unwrap_or_default().to_owned();
        if self.created.contains(&reference(&name, id)) {
            return Ok(reference(&name, id));
        }
        resource["id"] = json!(id);
        let ty = type_of(cx, &name)?;
        let text = text_of(&resource)?;
        let reference = reference(&name, id);
        self.places.insert(reference.clone(), self.drafts.len());
        self.drafts.push(Draft { ty, id: id.to_owned(), before: None, text });
        self.outcome.push(reference.clone());
        self.created.insert(reference.clone());
        Ok(reference)
    }

    /// Whether a resource is among those that will be created.
    pub(crate) fn creates(&self, reference: &str) -> bool {
        self.created.contains(reference)
    }

    /// Adds a new version of a resource. One that is changed already is changed once: the last text
    /// stands.
    pub(crate) fn change(&mut self, cx: &Context<'_>, before: Stored, resource: &Value) -> Result<()> {
        let (ty, id) = (before.ty, before.id.clone());
        let reference = reference(cx.defs.name(ty), &id);
        let text = text_of(resource)?;
        match self.places.get(&reference) {
            Some(place) => self.drafts[*place].text = text,
            None => {
                self.places.insert(reference, self.drafts.len());
                self.drafts.push(Draft { ty, id, before: Some(before), text });
            }
        }
        Ok(())
    }

    /// What a draft says.
    pub(super) fn draft(&self, reference: &str) -> Option<Value> {
        let draft = self.drafts.get(*self.places.get(reference)?)?;
        serde_json::from_slice(&draft.text).ok()
    }

    /// Says something else in a draft.
    pub(super) fn amend(&mut self, reference: &str, resource: &Value) -> Result<()> {
        if let Some(draft) = self.places.get(reference).and_then(|place| self.drafts.get_mut(*place)) {
            draft.text = text_of(resource)?;
        }
        Ok(())
    }

    /// What a resource will say as far as it is changed here already, else as it is stored.
    pub(crate) fn latest(&self, found: &super::find::Found) -> Value {
        self.draft(&found.reference).unwrap_or_else(|| found.resource.clone())
    }

    /// Changes a claim that is among those sent now.
    pub(crate) fn amend_sent(&mut self, place: usize, claim: Value) -> Result<()> {
        let Some((reference, sent)) = self.sent.get_mut(place) else { return Ok(()) };
        let reference = reference.clone();
        let mut text = claim.clone();
        text["id"] = json!(reference.split('/').nth(1).unwrap_or_default());
        *sent = claim;
        self.amend(&reference, &text)
    }

    /// Takes over what another is to write, without naming it in the outcome.
    pub(super) fn absorb(&mut self, other: Record) {
        let offset = self.drafts.len();
        self.places.extend(other.places.into_iter().map(|(reference, place)| (reference, offset + place)));
        self.drafts.extend(other.drafts);
    }

    /// What was deleted may come again: its id goes on from the version of the deletion.
    pub(crate) async fn revive(&mut self, cx: &Context<'_>) -> Result<()> {
        let keys: Vec<_> = self.drafts.iter().map(|draft| (draft.ty, draft.id.clone())).collect();
        for (draft, stored) in self.drafts.iter_mut().zip(cx.store.current(cx.plan, &keys).await?) {
            if draft.before.is_none() && stored.as_ref().is_some_and(|stored| stored.body.is_none()) {
                draft.before = stored;
            }
        }
        Ok(())
    }

    /// Names each resource of the outcome once.
    pub(crate) fn distinct(&mut self) {
        let mut seen = HashSet::new();
        self.outcome.retain(|one| seen.insert(one.clone()));
    }
}

/// Marks what waits for something that has not come yet.
pub(crate) const TAG: &str = "https://remit.example/fhir/rcm/CodeSystem/rcm-tag";

/// Sets or takes away a tag of a resource.
pub(crate) fn tag(resource: &mut Value, code: &str, is_set: bool) {
    let is_it = |one: &Value| one["system"] == TAG && one["code"] == code;
    let mut tags: Vec<Value> = resource["meta"]["tag"].as_array().cloned().unwrap_or_default();
    tags.retain(|one| !is_it(one));
    if is_set {
        tags.push(json!({ "system": TAG, "code": code }));
    }
    if !tags.is_empty() {
        resource["meta"]["tag"] = json!(tags);
        return;
    }
    let Some(meta) = resource.get_mut("meta").and_then(Value::as_object_mut) else { return };
    meta.remove("tag");
    // FHIR has no empty objects.
    if meta.is_empty()
        && let Some(resource) = resource.as_object_mut()
    {
        resource.remove("meta");
    }
}

/// A code of one of our own systems.
pub(crate) fn own_code(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": format!("{BASE}/CodeSystem/{system}"), "code": code }] })
}
