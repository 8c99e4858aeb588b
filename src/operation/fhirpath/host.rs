//! What an expression asks of the server: other resources, value sets, conformance, traces.
//!
//! A question that cannot be answered yet is noted, and answered in the next run.

use super::output::{Budget, Shown, Trace};
use crate::rest::Context;
use remit_fhir::{Document, Reference, Result, Severity, json};
use remit_fhirpath::{Element, EvaluationError, Host, Item, Resolution};
use remit_spec::{Membership, TypeId};
use remit_store::Codes;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Resources that `resolve()` reads in one call; they are held in memory together.
const MAX_RESOURCES: usize = 1_000;

/// Versions that it reads: each is a statement.
const MAX_VERSIONS: usize = 20;

/// Value sets that `memberOf()` asks in one call: each may have to be worked out.
const MAX_VALUE_SETS: usize = 20;

/// A resource of this server, and its version when the reference names one.
type Key = (TypeId, Box<str>, Option<Box<str>>);

/// What is missing for an answer.
#[derive(Default)]
pub(crate) struct Needs {
    resources: BTreeSet<Key>,
    value_sets: BTreeSet<String>,
}

impl Needs {
    pub(crate) fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.value_sets.is_empty()
    }
}

/// What was loaded; a resource that is not there or may not be seen is `None`.
#[derive(Default)]
pub(crate) struct Loaded {
    resources: HashMap<Key, Option<Document>>,
    value_sets: HashMap<String, std::result::Result<Arc<Codes>, String>>,
}

impl Loaded {
    /// Puts in a resource that is not stored yet, or shall stand in the place of the stored one.
    pub(crate) fn put(&mut self, ty: TypeId, id: &str, document: Document) {
        self.resources.insert((ty, Box::from(id), None), Some(document));
    }

    /// Loads what is missing, under the access plan.
    pub(crate) async fn load(&mut self, cx: &Context<'_>, needs: Needs) -> Result<()> {
        let versions = |keys: &mut dyn Iterator<Item = &Key>| keys.filter(|key| key.2.is_some()).count();
        let all_versions = versions(&mut self.resources.keys()) + versions(&mut needs.resources.iter());
        let limits = [
            (self.resources.len() + needs.resources.len(), MAX_RESOURCES, "resources to resolve()"),
            (all_versions, MAX_VERSIONS, "versions of resources to resolve()"),
            (self.value_sets.len() + needs.value_sets.len(), MAX_VALUE_SETS, "value sets for memberOf()"),
        ];
        if let Some((_, most, what)) = limits.iter().find(|(count, most, _)| count > most) {
            return Err(super::refused(&EvaluationError::limit(format!(
                "The expression needs more than {most} {what}"
            ))));
        }
        self.load_resources(cx, &needs).await?;
        let urls: Vec<String> = needs.value_sets.into_iter().collect();
        if !urls.is_empty() {
            for (url, codes) in urls.iter().zip(cx.store.value_set_codes(cx.plan, &urls).await?) {
                let codes = match codes {
                    Err(error) if error.status() >= 500 => return Err(error),
                    codes => codes.map_err(|error| error.to_string()),
                };
                self.value_sets.insert(url.clone(), codes);
            }
        }
        Ok(())
    }

    async fn load_resources(&mut self, cx: &Context<'_>, needs: &Needs) -> Result<()> {
        let current = needs.resources.iter().filter(|key| key.2.is_none());
        let targets: Vec<(TypeId, Box<str>)> = current.map(|key| (key.0, key.1.clone())).collect();
        for key in &needs.resources {
            self.resources.insert(key.clone(), None);
        }
        for found in cx.store.by_id(cx.plan, &targets).await? {
            let key = (found.stored.ty, found.stored.id.into(), None);
            self.resources.insert(key, found.stored.body.map(json::parse).transpose()?);
        }
        for key in needs.resources.iter().filter(|key| key.2.is_some()) {
            let version = key.2.as_deref().unwrap_or_default();
            let body = match cx.store.vread(cx.plan, key.0, &key.1, version).await {
                Err(error) if error.status() >= 500 => return Err(error),
                found => found.ok().and_then(|stored| stored.body),
            };
            self.resources.insert(key.clone(), body.map(json::parse).transpose()?);
        }
        Ok(())
    }
}

/// One run: what is loaded, and what it finds missing.
pub(crate) struct Lookup<'l> {
    cx: &'l Context<'l>,
    loaded: &'l Loaded,
    /// The resource that is evaluated; places are told in it.
    resource: &'l Document,
    needs: RefCell<Needs>,
    traces: RefCell<Vec<Trace>>,
    budget: RefCell<Budget>,
}

impl<'l> Lookup<'l> {
    pub(crate) fn new(cx: &'l Context<'l>, loaded: &'l Loaded, resource: &'l Document) -> Lookup<'l> {
        Lookup {
            cx,
            loaded,
            resource,
            needs: RefCell::default(),
            traces: RefCell::default(),
            budget: RefCell::default(),
        }
    }

    pub(crate) fn into_needs(self) -> Needs {
        self.needs.into_inner()
    }

    pub(super) fn take_traces(&self) -> Vec<Trace> {
        self.traces.take()
    }

    /// An item as it stands in the answer.
    pub(super) fn shown(&self, item: &Item<'_>) -> std::result::Result<Shown, EvaluationError> {
        Shown::of(item, self.resource, self.cx.defs, &mut self.budget.borrow_mut())
    }

    /// Where an item is, without its value.
    pub(super) fn place(&self, item: &Item<'_>) -> Shown {
        Shown::place(item, self.resource)
    }
}

impl Host for Lookup<'_> {
    fn resolve<'a>(&'a self, reference: &str) -> std::result::Result<Resolution<'a>, EvaluationError> {
        let Reference::Relative { kind, id, version } = Reference::parse_with_base(reference, self.cx.base)
        else {
            return Ok(Resolution::Unresolved);
        };
        let Some(ty) = self.cx.defs.resource_named(kind) else { return Ok(Resolution::Unresolved) };
        let key = (ty, Box::from(id), version.map(Box::from));
        Ok(match self.loaded.resources.get(&key) {
            Some(Some(document)) => Resolution::Resource(document.root()),
            Some(None) => Resolution::Unresolved,
            None => {
                let mut needs = self.needs.borrow_mut();
                // One more than the limit is enough to refuse.
                if needs.resources.len() <= MAX_RESOURCES {
                    needs.resources.insert(key);
                }
                Resolution::Unresolved
            }
        })
    }

    fn member_of(
        &self,
        value_set: &str,
        system: Option<&str>,
        code: &str,
    ) -> std::result::Result<Option<bool>, EvaluationError> {
        match self.loaded.value_sets.get(value_set) {
            Some(Ok(codes)) => Ok(Some(codes.contains(system, code))),
            Some(Err(reason)) => match self.cx.defs.terminology().contains(value_set, system, code) {
                // What R4 publishes of a set can answer for a code where the whole set cannot be had.
                Membership::Member | Membership::NotMember => Ok(None),
                Membership::Unknown => Err(EvaluationError::new(reason.trim_end_matches('.'))),
            },
            None => {
                let mut needs = self.needs.borrow_mut();
                if needs.value_sets.len() <= MAX_VALUE_SETS {
                    needs.value_sets.insert(value_set.to_owned());
                }
                Ok(Some(false))
            }
        }
    }

    fn conforms_to(
        &self,
        element: &Element<'_>,
        profile: &str,
    ) -> std::result::Result<Option<bool>, EvaluationError> {
        let defs = self.cx.defs;
        let Some(wanted) = defs.type_by_url(profile) else {
            return Err(EvaluationError::new(
                "conformsTo() knows the types of R4, by the URL of their StructureDefinition; other profiles are not checked here",
            ));
        };
        let Some(ty) = element.ty.filter(|ty| defs.is_a(*ty, wanted)) else { return Ok(Some(false)) };
        let Some(node) = element.node else { return Ok(Some(true)) };
        let issues = remit_validate::structure_of(node, ty, defs, &self.cx.settings.structure, "");
        let is_fault = |severity: Severity| matches!(severity, Severity::Error | Severity::Fatal);
        Ok(Some(!issues.iter().any(|issue| is_fault(issue.severity))))
    }

    fn trace(&self, name: &str, items: &[Item<'_>]) -> std::result::Result<(), EvaluationError> {
        self.budget.borrow_mut().spend(name.len())?;
        let items = items.iter().map(|item| self.shown(item)).collect::<std::result::Result<_, _>>()?;
        self.traces.borrow_mut().push(Trace { name: name.to_owned(), items });
        Ok(())
    }
}
