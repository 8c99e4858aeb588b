//! Who belongs to a compartment (<https://hl7.org/fhir/R4/compartmentdefinition.html>).

use super::{Stored, World, type_named};
use remit_spec::Definitions;

/// The parameters by which resources of a type belong to a compartment; none when they never do.
pub(crate) fn links(compartment: &str, ty: &str) -> Vec<&'static str> {
    let definition = Definitions::r4().compartment(compartment);
    let codes = definition.map_or(&[][..], |definition| definition.parameters(type_named(ty)));
    codes.iter().copied().filter(|code| !code.starts_with('{')).collect()
}

impl World {
    /// Whether a resource is in the compartment of `owner`, which is `Type/id`.
    pub(super) fn is_within(&self, stored: &Stored, owner: &str) -> bool {
        let kind = owner.split('/').next().unwrap_or_default();
        stored.name() == owner
            || links(kind, stored.ty).into_iter().any(|code| {
                let values = self.values(stored, self.parameter(stored.ty, code));
                values.iter().any(|value| self.local_target(value).as_deref() == Some(owner))
            })
    }
}
