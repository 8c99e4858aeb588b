//! Which tenant a request is for and what its caller may do: the one place where an access plan of a
//! request is made.

use parking_lot::RwLock;
use remit_fhir::{Error, Result};
use remit_search::AccessPlan;
use remit_store::{DEFAULT_TENANT, Store};
use std::collections::HashMap;
use std::sync::Arc;

/// A tenant with the plan that all its callers have while sign-in is switched off.
#[derive(Debug)]
pub(super) struct Tenant {
    /// Path of its FHIR endpoint, `/fhir` or `/t/NAME/fhir`.
    pub(super) path: String,
    /// What a caller may do.
    pub(super) plan: AccessPlan,
}

/// The tenants that were asked for. One that exists never goes away, so the list only grows, and
/// never beyond the tenants in the database.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    known: RwLock<HashMap<Box<str>, Arc<Tenant>>>,
}

impl Tenants {
    /// The tenant of this name; of none, the default one. 404 when there is none.
    pub(super) async fn find(&self, store: &Store, name: Option<&str>) -> Result<Arc<Tenant>> {
        // A name is a segment of a path, so no tenant is called "/".
        let key = name.unwrap_or("/");
        if let Some(tenant) = self.known.read().get(key) {
            return Ok(Arc::clone(tenant));
        }
        let found = store.tenant(name.unwrap_or(DEFAULT_TENANT)).await?;
        let found = found.ok_or_else(|| Error::not_found("There is no tenant of this name."))?;
        let path = name.map_or("/fhir".to_owned(), |name| format!("/t/{name}/fhir"));
        let tenant = Arc::new(Tenant { path, plan: AccessPlan::open(found.id) });
        self.known.write().insert(key.into(), Arc::clone(&tenant));
        Ok(tenant)
    }
}
