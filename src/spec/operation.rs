//! Operations and compartments, as their definitions state them.
//! <https://hl7.org/fhir/R4/operationdefinition.html>, <https://hl7.org/fhir/R4/compartmentdefinition.html>

use crate::types::TypeId;

/// An OperationDefinition.
#[derive(Debug)]
pub struct Operation {
    /// The name after `$`: `everything`.
    pub code: &'static str,
    /// The canonical URL.
    pub url: &'static str,
    /// The name for machines.
    pub name: &'static str,
    /// A named query, not an operation.
    pub is_query: bool,
    /// Runs on the whole system.
    pub on_system: bool,
    /// Runs on a resource type.
    pub on_type: bool,
    /// Runs on one resource.
    pub on_instance: bool,
    /// The resource types; `Resource` stands for all.
    pub resources: Box<[TypeId]>,
    /// Running it changes what is stored; then GET is not allowed.
    pub affects_state: bool,
    /// What goes in and what comes out.
    pub parameters: Box<[OperationParameter]>,
}

/// A parameter of an operation.
#[derive(Debug)]
pub struct OperationParameter {
    /// Its name.
    pub name: &'static str,
    /// True for output.
    pub is_output: bool,
    /// The least number.
    pub min: u32,
    /// The greatest number; `None` is `*`.
    pub max: Option<u32>,
    /// The type by name; `None` where the parameter has parts. `Any` and `Type` occur.
    pub ty: Option<&'static str>,
    /// How a parameter of type `string` is searched with, where it is a search parameter.
    pub search_type: Option<&'static str>,
    /// The profiles that a reference points to, by type.
    pub targets: Box<[TypeId]>,
    /// The parameters within.
    pub parts: Box<[OperationParameter]>,
}

/// A CompartmentDefinition: which search parameters put a resource into the compartment.
#[derive(Debug)]
pub struct Compartment {
    /// `Patient`, `Encounter`, `RelatedPerson`, `Practitioner` or `Device`.
    pub ty: TypeId,
    /// The canonical URL.
    pub url: &'static str,
    /// Sorted by type. A type without parameters is not listed. The code `{def}` says that the
    /// resource that names the compartment is itself in it.
    pub(crate) members: Box<[CompartmentMember]>,
}

/// A type that can be in a compartment, and the codes of the search parameters that link it.
#[derive(Debug)]
pub(crate) struct CompartmentMember {
    pub(crate) ty: TypeId,
    pub(crate) codes: Box<[&'static str]>,
}

impl Compartment {
    /// The codes of the search parameters that link this type to the compartment; empty where it
    /// is never in it. `{def}` stands for the resource itself.
    pub fn parameters(&self, ty: TypeId) -> &[&'static str] {
        self.members
            .binary_search_by_key(&ty, |member| member.ty)
            .map_or(&[], |place| &self.members[place].codes)
    }

    /// The types that can be in the compartment, each with the codes that link it.
    pub fn members(&self) -> impl Iterator<Item = (TypeId, &[&'static str])> {
        self.members.iter().map(|member| (member.ty, &*member.codes))
    }
}
