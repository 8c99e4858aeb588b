//! The access plan: which resources a request may touch at all. Every statement is compiled with one.
//!
//! Per type it allows, denies, or asks for conditions; these stand on every alias that binds a
//! resource, before any limit or count.

use crate::query::Condition;
use remit_spec::TypeId;
use std::collections::BTreeMap;

/// What a caller may see of one type.
#[derive(Clone, PartialEq, Debug)]
pub enum Access {
    /// Every resource.
    Allow,
    /// None.
    Deny,
    /// Those that meet the condition.
    Where(Condition),
}

/// Who acts, in which tenant, and what of it is theirs to see.
#[derive(Clone, Debug)]
pub struct AccessPlan {
    tenant: i32,
    principal: Box<str>,
    reason: Option<&'static str>,
    others: Access,
    per_type: BTreeMap<TypeId, Access>,
}

impl AccessPlan {
    /// Work of the server itself; `reason` says which, for the audit.
    pub fn system(tenant: i32, reason: &'static str) -> AccessPlan {
        AccessPlan { reason: Some(reason), ..AccessPlan::of(tenant, "system", Access::Allow) }
    }

    /// Everything in the tenant, to a caller who is not known: sign-in is switched off.
    pub fn open(tenant: i32) -> AccessPlan {
        AccessPlan::of(tenant, "anonymous", Access::Allow)
    }

    /// A plan that says the same of every type until [`with`](Self::with) says otherwise of one.
    pub fn of(tenant: i32, principal: &str, others: Access) -> AccessPlan {
        AccessPlan { tenant, principal: principal.into(), reason: None, others, per_type: BTreeMap::new() }
    }

    /// The same plan with another answer for one type.
    pub fn with(mut self, ty: TypeId, access: Access) -> AccessPlan {
        self.per_type.insert(ty, access);
        self
    }

    /// Number of the tenant.
    pub fn tenant(&self) -> i32 {
        self.tenant
    }

    /// Who acts.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// Why the server acts by itself; `None` for a caller's request.
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// What may be seen of a type.
    pub fn access(&self, ty: TypeId) -> &Access {
        self.per_type.get(&ty).unwrap_or(&self.others)
    }

    /// Whether every resource of every type may be seen, so that no condition is needed.
    pub fn is_unrestricted(&self) -> bool {
        self.others == Access::Allow && self.per_type.values().all(|a| *a == Access::Allow)
    }
}
