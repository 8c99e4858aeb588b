//! The search parameters that a request is read with. Those of the specification never change; those of
//! the tenant are asked for again where they may matter.

use super::Context;
use super::url::Pair;
use remit_fhir::Result;
use remit_search::Registry;
use std::sync::Arc;

/// Reads parameters of a URL. When the answer may depend on parameters of the tenant, because a text
/// may name one or because something was not understood, the newest are read with.
pub(crate) async fn read_with<T>(
    cx: &Context<'_>,
    pairs: &[Pair],
    read: impl Fn(&Registry) -> Result<T>,
    is_sure: impl Fn(&T) -> bool,
) -> Result<T> {
    let tenant = cx.plan.tenant();
    let known = cx.store.registry_of(tenant);
    let answer = read(&known);
    // `_include=*` names every parameter without saying so.
    let may_mean = |text: &str| known.may_mean_custom(text) || text.contains('*');
    let is_sure = answer.as_ref().is_ok_and(is_sure)
        && !pairs.iter().any(|(name, value)| may_mean(name) || may_mean(value));
    if is_sure {
        return answer;
    }
    let now = cx.store.current_registry(tenant).await?;
    if Arc::ptr_eq(&now, &known) { answer } else { read(&now) }
}
