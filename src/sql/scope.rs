//! Which resources a call looks at: those that the caller may read, of the patients and groups that it
//! names, changed since. It holds for the resources, before a view makes rows of them.

use super::request::{Request, local};
use crate::rest::{Context, reader};
use remit_fhir::{Error, IssueType, Kind, Result, json};
use remit_mart::RowRule;
use remit_search::{Access, Condition, Handling, Query};
use remit_spec::TypeId;
use std::collections::{HashMap, HashSet};

/// Patients that one call may be about, members of groups included.
const MAX_PATIENTS: usize = 10_000;
/// Resources of one type that a query over the mart may be narrowed to. Each costs some hundred bytes
/// while the query runs.
const MAX_ALLOWED: usize = 500_000;

/// What a call looks at.
#[derive(Debug)]
pub(super) struct Scope {
    /// Only the compartments of these patients.
    patients: Option<Vec<String>>,
    since: Option<Condition>,
}

/// 403 unless the caller may read some of a type at all.
pub(super) fn must_read(cx: &Context<'_>, ty: TypeId) -> Result<()> {
    match cx.plan.access(ty) {
        Access::Deny => {
            Err(Error::new(Kind::Forbidden, format!("You may not read {} here.", cx.defs.name(ty))))
        }
        Access::Allow | Access::Where(_) => Ok(()),
    }
}

/// Reads patients and groups: 404 for one that is not there.
pub(super) async fn scope(cx: &Context<'_>, request: &Request) -> Result<Scope> {
    let since = request.since.as_ref().map(|since| {
        let reader = reader(cx, cx.store.registry(), Handling::Strict);
        remit_search::condition(&[], "_lastUpdated", &format!("ge{since}"), &reader)
    });
    if request.patients.is_empty() && request.groups.is_empty() {
        return Ok(Scope { patients: None, since: since.transpose()? });
    }
    let mut patients: Vec<String> = Vec::new();
    for id in &request.patients {
        let ty = of(cx, "Patient")?;
        patients.push(cx.store.read(cx.plan, ty, id).await.map_err(|error| error.at("patient"))?.id);
    }
    for id in &request.groups {
        patients.extend(members(cx, id).await.map_err(|error| error.at("group"))?);
    }
    patients.sort_unstable();
    patients.dedup();
    if patients.len() > MAX_PATIENTS {
        let text = format!("The call is about over {MAX_PATIENTS} patients.");
        return Err(Error::unprocessable(text).coded(IssueType::TooCostly).at("group"));
    }
    Ok(Scope { patients: Some(patients), since: since.transpose()? })
}

/// What of the rows of the mart a caller may see of these types; `None` is all.
///
/// # Errors
/// 403 when there is a type of which the caller may see nothing.
pub async fn access_rule(cx: &Context<'_>, types: &[TypeId]) -> Result<Option<RowRule>> {
    for ty in types {
        must_read(cx, *ty)?;
    }
    Scope::everything().rule(cx, types).await
}

fn of(cx: &Context<'_>, name: &str) -> Result<TypeId> {
    cx.defs.resource_named(name).ok_or_else(|| Error::internal("a type of R4 is not defined"))
}

/// The patients who are members of a group now.
async fn members(cx: &Context<'_>, id: &str) -> Result<Vec<String>> {
    let stored = cx.store.read(cx.plan, of(cx, "Group")?, id).await?;
    let body = stored.body.ok_or_else(|| Error::internal("a resource that was read has no body"))?;
    let group = json::parse(body)?;
    let list = group.root().get("member").into_iter().flat_map(|list| list.items());
    let active = list.filter(|member| member.get("inactive").and_then(|flag| flag.boolean()) != Some(true));
    let entities = active.filter_map(|member| {
        let reference = member.get("entity")?.get_str("reference")?;
        local(&reference, cx.base).filter(|(kind, _)| kind == "Patient").map(|(_, id)| id)
    });
    Ok(entities.collect())
}

impl Scope {
    /// All that the caller may see.
    pub(super) fn everything() -> Scope {
        Scope { patients: None, since: None }
    }

    fn is_whole(&self) -> bool {
        self.patients.is_none() && self.since.is_none()
    }

    /// The search for the resources of a type.
    pub(super) fn query(&self, cx: &Context<'_>, ty: TypeId, count: usize) -> Result<Query> {
        let mut criteria: Vec<Condition> = self.since.iter().cloned().collect();
        if let Some(patients) = &self.patients {
            let ids: Vec<&str> = patients.iter().map(String::as_str).collect();
            criteria.push(remit_search::owned(of(cx, "Patient")?, &ids, &[ty], cx.store.registry()));
        }
        Ok(Query { types: vec![ty], criteria, count, ..Query::default() })
    }

    /// What of the rows of the mart may be seen; `None` is all.
    pub(super) async fn rule(&self, cx: &Context<'_>, types: &[TypeId]) -> Result<Option<RowRule>> {
        let mut allowed: HashMap<String, HashSet<String>> = HashMap::new();
        for ty in types {
            if self.is_whole() && *cx.plan.access(*ty) == Access::Allow {
                continue;
            }
            let ids = cx.store.ids(cx.plan, &self.query(cx, *ty, MAX_ALLOWED)?, MAX_ALLOWED + 1).await?;
            if ids.len() > MAX_ALLOWED {
                let text = format!(
                    "The query looks at over {MAX_ALLOWED} resources of type {}; narrow it down.",
                    cx.defs.name(*ty)
                );
                return Err(Error::unprocessable(text).coded(IssueType::TooCostly));
            }
            allowed.insert(cx.defs.name(*ty).to_owned(), ids.into_iter().collect());
        }
        Ok((!allowed.is_empty()).then(|| remit_mart::only(allowed)))
    }
}
