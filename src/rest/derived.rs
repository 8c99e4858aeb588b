//! Search parameters that follow from other resources, such as where a claim stands: no expression gives
//! their values, so they have no index rows. What they find is asked of the room above, which knows the
//! columns of all resources, and stands in the search as a condition on ids beside all others.

use super::Context;
use super::url::Pair;
use futures_util::future::BoxFuture;
use remit_fhir::Result;
use remit_search::Condition;
use remit_spec::{SearchParameter, TypeId};
use std::sync::Arc;

/// One parameter of a search: its definition, its modifier, its text.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The definition.
    pub definition: &'static SearchParameter,
    /// What stands behind the colon; empty when nothing does.
    pub modifier: &'a str,
    /// The values.
    pub value: &'a str,
}

type Find = dyn for<'a> Fn(&'a Context<'a>, Asked<'a>) -> BoxFuture<'a, Result<Condition>> + Send + Sync;

/// How such parameters are answered; by default not at all.
#[derive(Clone, Default)]
pub struct Derived(Option<Arc<Find>>);

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Derived").field(&self.0.is_some()).finish()
    }
}

impl Derived {
    /// Answers them with a function.
    pub fn by<F>(find: F) -> Derived
    where
        F: for<'a> Fn(&'a Context<'a>, Asked<'a>) -> BoxFuture<'a, Result<Condition>> + Send + Sync + 'static,
    {
        Derived(Some(Arc::new(find)))
    }
}

/// Whether a parameter follows from other resources.
pub(super) fn is_derived(definition: &SearchParameter, ty: TypeId) -> bool {
    definition.expression.is_none() && definition.base == ty
}

/// Those of a type that are answered here.
pub(super) fn parameters(cx: &Context<'_>, ty: TypeId) -> impl Iterator<Item = &'static SearchParameter> {
    let (defs, has) = (cx.defs, cx.settings.derived.0.is_some());
    let all = defs.search_parameters(ty).iter().map(move |id| defs.parameter(*id));
    all.filter(move |definition| has && is_derived(definition, ty))
}

/// Takes such parameters out of a search of one type. Gives the others, and the conditions in the place of
/// those taken.
pub(super) async fn conditions(
    cx: &Context<'_>,
    ty: Option<TypeId>,
    pairs: &[Pair],
) -> Result<(Vec<Pair>, Vec<Condition>)> {
    let (Some(find), Some(ty)) = (&cx.settings.derived.0, ty) else {
        return Ok((pairs.to_vec(), Vec::new()));
    };
    let (mut others, mut conditions) = (Vec::with_capacity(pairs.len()), Vec::new());
    for pair in pairs {
        let (code, modifier) = pair.0.split_once(':').unwrap_or((&pair.0, ""));
        match parameters(cx, ty).find(|definition| definition.code == code) {
            None => others.push(pair.clone()),
            Some(definition) => {
                conditions.push(find(cx, Asked { definition, modifier, value: &pair.1 }).await?);
            }
        }
    }
    Ok((others, conditions))
}
