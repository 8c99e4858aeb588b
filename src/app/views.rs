//! The ViewDefinitions that tenants have stored, as the mart takes them.

use super::feed::BATCH;
use remit_fhir::{Result, json};
use remit_mart::StoredView;
use remit_search::AccessPlan;
use remit_sof::View;
use remit_spec::{Definitions, TypeId};
use remit_store::{Change, Position, Store};
use std::collections::HashMap;

/// The type ViewDefinition.
pub(super) fn view_type() -> Option<TypeId> {
    Definitions::r4().resource_named("ViewDefinition")
}

/// All views of all tenants as they are now.
pub(super) async fn stored_views(store: &Store) -> Result<Vec<StoredView>> {
    let plan = AccessPlan::system(0, "the mart keeps the rows of stored views");
    let types: Vec<TypeId> = view_type().into_iter().collect();
    let mut newest: HashMap<(i32, String), Change> = HashMap::new();
    let mut position = Position::default();
    loop {
        let batch = store.changes(&plan, position, Some(&types), BATCH).await?;
        let is_last = batch.entries.len() < BATCH;
        position = batch.reached;
        newest.extend(batch.entries.into_iter().map(|change| ((change.tenant, change.id.clone()), change)));
        if is_last {
            return Ok(newest.values().map(stored_view).collect());
        }
    }
}

/// One version of a view. What cannot be run was stored before views were checked, and has no rows.
pub(super) fn stored_view(change: &Change) -> StoredView {
    let view = change.body.clone().and_then(|body| {
        let document = json::parse(body).ok()?;
        match View::parse(document.root(), Definitions::r4()) {
            Ok(view) => Some(view),
            Err(_) => {
                tracing::warn!(id = change.id, "a stored ViewDefinition cannot be run");
                None
            }
        }
    });
    StoredView { tenant: change.tenant, id: change.id.clone(), version: change.version, view }
}
