//! What a file becomes, before it is written: resources with their ids and references, in order.

use crate::rcm::BASE;
use crate::rest::{Context, Draft};
use bytes::Bytes;
use remit_fhir::{Error, Result};
use remit_spec::TypeId;
use remit_store::Stored;
use serde_json::{Value, json};

/// A reference to a resource, `ClaimResponse/…`.
pub(super) fn reference(ty: &str, id: &str) -> String {
    format!("{ty}/{id}")
}

/// A type by its name.
pub(super) fn type_of(cx: &Context<'_>, name: &str) -> Result<TypeId> {
    cx.defs.resource_named(name).ok_or_else(|| Error::internal(format!("there is no type {name}")))
}

/// Resources to be written together, and those that are there already.
#[derive(Default)]
pub(super) struct Record {
    /// What will be written.
    pub(super) drafts: Vec<Draft>,
    /// References to everything that the file led to, whether it is written now or was before.
    pub(super) outcome: Vec<String>,
    /// What the sender should know.
    pub(super) issues: Vec<remit_fhir::Issue>,
    /// Sums of each payment, for its report.
    pub(super) balances: Vec<Value>,
    /// Claims among the drafts, for those behind them in the file.
    pub(super) sent: Vec<(String, Value)>,
    /// Answers among the drafts, for claims that waited for them.
    pub(super) answered: Vec<super::late::Answered>,
    /// Claims that are rejected by what comes now.
    pub(super) rejected: Vec<String>,
    created: std::collections::HashSet<String>,
}

impl Record {
    /// Adds a resource that must not be there yet. Gives its reference.
    pub(super) fn create(&mut self, cx: &Context<'_>, id: &str, mut resource: Value) -> Result<String> {
        let name = resource["resourceType"].as_str().unwrap_or_default().to_owned();
        resource["id"] = json!(id);
        let ty = type_of(cx, &name)?;
        let text = Bytes::from(serde_json::to_vec(&resource).map_err(Error::internal)?);
        self.drafts.push(Draft { ty, id: id.to_owned(), before: None, text });
        let reference = reference(&name, id);
        self.outcome.push(reference.clone());
        self.created.insert(reference.clone());
        Ok(reference)
    }

    /// Whether a resource is among those that will be created.
    pub(super) fn creates(&self, reference: &str) -> bool {
        self.created.contains(reference)
    }

    /// Adds a new version of a resource.
    pub(super) fn change(&mut self, before: Stored, resource: &Value) -> Result<()> {
        let text = Bytes::from(serde_json::to_vec(resource).map_err(Error::internal)?);
        let (ty, id) = (before.ty, before.id.clone());
        // A resource is changed once in a set: the last text stands.
        match self.drafts.iter_mut().find(|draft| draft.ty == ty && draft.id == id) {
            Some(draft) => draft.text = text,
            None => self.drafts.push(Draft { ty, id, before: Some(before), text }),
        }
        Ok(())
    }

    /// What a resource will say as far as it is changed here already, else as it is stored.
    pub(super) fn latest(&self, found: &super::find::Found) -> Value {
        let own = self.drafts.iter().find(|draft| draft.ty == found.stored.ty && draft.id == found.stored.id);
        own.and_then(|draft| serde_json::from_slice(&draft.text).ok())
            .unwrap_or_else(|| found.resource.clone())
    }

    /// Changes a claim that is among the drafts.
    pub(super) fn amend(&mut self, place: usize, claim: Value) -> Result<()> {
        let Some((reference, sent)) = self.sent.get_mut(place) else { return Ok(()) };
        let id = reference.split('/').nth(1).unwrap_or_default().to_owned();
        let mut text = claim.clone();
        text["id"] = json!(id);
        *sent = claim;
        let is_it =
            |draft: &&mut Draft| draft.id == id && draft.before.as_ref().is_none_or(|one| one.body.is_none());
        if let Some(draft) = self.drafts.iter_mut().find(is_it) {
            draft.text = Bytes::from(serde_json::to_vec(&text).map_err(Error::internal)?);
        }
        Ok(())
    }

    /// Names each resource of the outcome once.
    pub(super) fn distinct(&mut self) {
        let mut seen = std::collections::HashSet::new();
        self.outcome.retain(|one| seen.insert(one.clone()));
    }
}

/// Marks what waits for something that has not come yet.
pub(super) const TAG: &str = "https://remit.example/fhir/rcm/CodeSystem/rcm-tag";

/// Sets or takes away a tag of a resource.
pub(super) fn tag(resource: &mut Value, code: &str, is_set: bool) {
    let is_it = |one: &Value| one["system"] == TAG && one["code"] == code;
    let mut tags: Vec<Value> = resource["meta"]["tag"].as_array().cloned().unwrap_or_default();
    tags.retain(|one| !is_it(one));
    if is_set {
        tags.push(json!({ "system": TAG, "code": code }));
    }
    if !tags.is_empty() {
        resource["meta"]["tag"] = json!(tags);
    } else if let Some(meta) = resource["meta"].as_object_mut() {
        meta.remove("tag");
    }
}

/// A code of one of our own systems.
pub(super) fn own_code(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": format!("{BASE}/CodeSystem/{system}"), "code": code }] })
}
