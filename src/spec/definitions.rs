//! All definitions of FHIR R4, loaded once, and the questions that the other rooms ask them.
//! <https://hl7.org/fhir/R4/conformance-module.html>
//!
//! Names and expressions borrow the text that is embedded in the binary; only tables are built.

use std::sync::LazyLock;

use crate::load;
use crate::names::Names;
use crate::operation::{Compartment, Operation};
use crate::search_parameter::{SearchParameter, SearchParameterId};
use crate::terminology::Terminology;
use crate::types::{Element, Kind, Type, TypeId};

/// The definitions of one version of FHIR.
#[derive(Debug)]
pub struct Definitions {
    pub(crate) types: Box<[Type]>,
    pub(crate) type_names: Names,
    pub(crate) parameters: Box<[SearchParameter]>,
    /// For each type in `types`, its parameters sorted by code, the inherited ones included.
    pub(crate) parameters_of: Box<[Box<[SearchParameterId]>]>,
    pub(crate) operations: Box<[Operation]>,
    pub(crate) compartments: Box<[Compartment]>,
    pub(crate) well_known: WellKnown,
    pub(crate) source: Source,
}

/// The published package that the definitions were derived from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// `hl7.fhir.r4.core`
    pub package: &'static str,
    /// `4.0.1`
    pub version: &'static str,
    /// The checksum of the packed file, in hexadecimal.
    pub sha256: &'static str,
}

/// Types that code asks for by name.
#[derive(Clone, Copy, Debug)]
pub struct WellKnown {
    /// `Resource`
    pub resource: TypeId,
    /// `DomainResource`
    pub domain_resource: TypeId,
    /// `Element`
    pub element: TypeId,
    /// `BackboneElement`
    pub backbone_element: TypeId,
    /// `Extension`
    pub extension: TypeId,
    /// `Reference`
    pub reference: TypeId,
    /// `canonical`
    pub canonical: TypeId,
    /// `Quantity`
    pub quantity: TypeId,
    /// `xhtml`
    pub xhtml: TypeId,
}

static R4: LazyLock<Definitions> = LazyLock::new(load::r4);

impl Definitions {
    /// The definitions of FHIR R4 (4.0.1). The first call loads them.
    pub fn r4() -> &'static Definitions {
        &R4
    }

    /// Where the definitions come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The value sets and code systems. The first call loads them.
    pub fn terminology(&self) -> &'static Terminology {
        Terminology::r4()
    }

    /// The type with this name: `Patient`, `Claim.item`, `code`. The quantity profiles
    /// `SimpleQuantity` and `MoneyQuantity` give `Quantity`.
    #[inline]
    pub fn type_named(&self, name: &str) -> Option<TypeId> {
        let place = self.type_names.find(name, |i| self.types[i].name);
        match place {
            Some(place) => Some(TypeId(place as u16)),
            None if matches!(name, "SimpleQuantity" | "MoneyQuantity") => Some(self.well_known.quantity),
            None => None,
        }
    }

    /// The type with this canonical URL, with or without a version.
    pub fn type_by_url(&self, url: &str) -> Option<TypeId> {
        let url = url.split_once('|').map_or(url, |(url, _)| url);
        let name = url.strip_prefix("http://hl7.org/fhir/StructureDefinition/")?;
        self.type_named(name).filter(|ty| self.ty(*ty).kind != Kind::Backbone)
    }

    /// The concrete resource type with this name; not `Resource` and not a datatype.
    #[inline]
    pub fn resource_named(&self, name: &str) -> Option<TypeId> {
        self.type_named(name).filter(|ty| self.is_concrete_resource(*ty))
    }

    /// The type behind an id.
    #[inline]
    pub fn ty(&self, id: TypeId) -> &Type {
        &self.types[id.index()]
    }

    /// The name of a type.
    #[inline]
    pub fn name(&self, id: TypeId) -> &'static str {
        self.ty(id).name
    }

    /// The types that code asks for by name.
    #[inline]
    pub fn well_known(&self) -> &WellKnown {
        &self.well_known
    }

    /// Every type.
    pub fn types(&self) -> impl Iterator<Item = TypeId> + use<> {
        (0..self.types.len() as u16).map(TypeId)
    }

    /// The concrete resource types, by name.
    pub fn resource_types(&self) -> impl Iterator<Item = TypeId> + '_ {
        self.types().filter(|ty| self.is_concrete_resource(*ty))
    }

    fn is_concrete_resource(&self, id: TypeId) -> bool {
        let ty = self.ty(id);
        ty.kind == Kind::Resource && !ty.is_abstract
    }

    /// The element that a JSON member of a type holds, and the concrete type of its value. A
    /// content reference is resolved. `_birthDate` is the caller's to strip.
    #[inline]
    pub fn member(&self, ty: TypeId, json_name: &str) -> Option<(&Element, TypeId)> {
        self.ty(ty).member(json_name)
    }

    /// The element with this name in FHIRPath: `value` for `value[x]`.
    pub fn child(&self, ty: TypeId, name: &str) -> Option<&Element> {
        self.ty(ty).child(name)
    }

    /// Whether the type is `ancestor` or descends from it: `Age` is a `Quantity`.
    pub fn is_a(&self, ty: TypeId, ancestor: TypeId) -> bool {
        let mut current = Some(ty);
        while let Some(id) = current {
            if id == ancestor {
                return true;
            }
            current = self.ty(id).base;
        }
        false
    }

    /// The search parameters of a resource type by code, those of `Resource` and `DomainResource`
    /// included. Empty for anything but a resource.
    pub fn search_parameters(&self, ty: TypeId) -> &[SearchParameterId] {
        &self.parameters_of[ty.index()]
    }

    /// The search parameter behind an id.
    #[inline]
    pub fn parameter(&self, id: SearchParameterId) -> &SearchParameter {
        &self.parameters[usize::from(id.0)]
    }

    /// The search parameter with this code on a type, the inherited ones included.
    pub fn search_parameter(&self, ty: TypeId, code: &str) -> Option<&SearchParameter> {
        self.search_parameter_id(ty, code).map(|id| self.parameter(id))
    }

    /// The id of the search parameter with this code on a type.
    pub fn search_parameter_id(&self, ty: TypeId, code: &str) -> Option<SearchParameterId> {
        let ids = self.search_parameters(ty);
        let place = ids.binary_search_by(|id| self.parameter(*id).code.cmp(code)).ok()?;
        Some(ids[place])
    }

    /// The search parameter with this canonical URL on a type.
    pub fn search_parameter_by_url(&self, ty: TypeId, url: &str) -> Option<&SearchParameter> {
        let ids = self.search_parameters(ty);
        ids.iter().map(|id| self.parameter(*id)).find(|p| p.url == url)
    }

    /// Every search parameter on every base type.
    pub fn all_search_parameters(&self) -> impl Iterator<Item = (SearchParameterId, &SearchParameter)> {
        (0u16..).map(SearchParameterId).zip(&self.parameters)
    }

    /// The compartment that a resource type names: `Patient`.
    pub fn compartment(&self, name: &str) -> Option<&Compartment> {
        self.compartments.iter().find(|c| self.name(c.ty) == name)
    }

    /// Every compartment, by name.
    pub fn compartments(&self) -> &[Compartment] {
        &self.compartments
    }

    /// Every operation, by code and then URL. Several may share a code.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operations with this code: `$apply` has three.
    pub fn operation(&self, code: &str) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(move |o| o.code == code)
    }

    /// The operation with this code that a resource type takes part in.
    pub fn operation_on(&self, ty: TypeId, code: &str) -> Option<&Operation> {
        self.operation(code).find(|o| o.resources.iter().any(|r| self.is_a(ty, *r)))
    }
}
