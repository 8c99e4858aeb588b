//! What a type, an element and an invariant are, as a StructureDefinition states them.
//! <https://hl7.org/fhir/R4/structuredefinition.html>, <https://hl7.org/fhir/R4/elementdefinition.html>
//!
//! Only facts are kept: names, cardinality, types, bindings and rules. Descriptions and mappings are left out.

use crate::names::Names;

/// A resource type, a datatype, a primitive type, or a backbone element such as `Claim.item`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TypeId(pub(crate) u16);

impl TypeId {
    /// The place of the type in [`crate::Definitions::types`].
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The kind of a type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// `Patient`, and the abstract `Resource` and `DomainResource`.
    Resource,
    /// `HumanName`, and the abstract `Element` and `BackboneElement`.
    Complex,
    /// `string`, `date`, `xhtml`.
    Primitive,
    /// Elements that an element defines in place: `Claim.item`, `Timing.repeat`.
    Backbone,
}

/// The FHIRPath system type that the value of a primitive has.
/// <https://hl7.org/fhir/R4/fhirpath.html#types>
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SystemType {
    /// `System.Boolean`
    Boolean,
    /// `System.String`
    String,
    /// `System.Integer`
    Integer,
    /// `System.Decimal`
    Decimal,
    /// `System.Date`
    Date,
    /// `System.DateTime`
    DateTime,
    /// `System.Time`
    Time,
}

/// A type and all its elements, the inherited ones included.
#[derive(Debug)]
pub struct Type {
    /// `Claim`, `HumanName`, `code`, `Claim.item`.
    pub name: &'static str,
    /// The canonical URL of the StructureDefinition; for a backbone element, of the one that holds it.
    pub url: &'static str,
    /// What kind of type it is.
    pub kind: Kind,
    /// The type that it specialises: `DomainResource`, `BackboneElement`, `string`.
    pub base: Option<TypeId>,
    /// No instance has exactly this type.
    pub is_abstract: bool,
    /// The elements in the order of the definition, which is the order of XML.
    pub elements: Box<[Element]>,
    /// The rules on every instance, the inherited ones included. For a backbone element these are
    /// the rules of the element, so that they also hold where a content reference reuses it.
    pub invariants: Box<[Invariant]>,
    /// Facts on the value; only for a primitive type.
    pub primitive: Option<Primitive>,
    pub(crate) members: Members,
}

/// The facts on the value of a primitive type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Primitive {
    /// What FHIRPath takes the value for.
    pub system: SystemType,
    /// The lexical form, to be matched against the whole text. `xhtml` has none.
    pub regex: Option<&'static str>,
    /// The longest allowed text, in characters.
    pub max_length: Option<u32>,
    /// The least and the greatest integer.
    pub range: Option<(i64, i64)>,
}

/// An element of a type.
#[derive(Clone, Debug)]
pub struct Element {
    /// The name without `[x]`: `value` for `value[x]`.
    pub name: &'static str,
    /// The name ends in `[x]`: the JSON name carries the type.
    pub is_choice: bool,
    /// The possible types: one, or many for a choice.
    pub types: Box<[ElementType]>,
    /// The least number of values.
    pub min: u32,
    /// The greatest number of values; `None` is `*`.
    pub max: Option<u32>,
    /// JSON writes an array.
    pub is_list: bool,
    /// The value set that coded values come from.
    pub binding: Option<Binding>,
    /// Part of `_summary=true`.
    pub is_summary: bool,
    /// Changes the meaning of what contains it.
    pub is_modifier: bool,
    /// XML writes an attribute: `Element.id`, `Extension.url`.
    pub is_attribute: bool,
    /// Rules that hold here beyond those of the type.
    pub invariants: Box<[Invariant]>,
    /// The path whose content is reused: `Claim.item` has `None`, `Questionnaire.item.item` has
    /// `Questionnaire.item`. The type in `types` is resolved already.
    pub content_reference: Option<&'static str>,
}

/// One possible type of an element.
#[derive(Clone, Debug)]
pub struct ElementType {
    /// The type.
    pub ty: TypeId,
    /// What a `Reference` or `canonical` may point to; empty is anything.
    pub targets: Box<[TypeId]>,
    /// The name of the JSON member: `valueQuantity` for a choice, `birthDate` otherwise.
    pub json_name: &'static str,
    /// The profile on the datatype, by its name: `SimpleQuantity`, `MoneyQuantity`.
    pub profile: Option<&'static str>,
}

/// How strongly a value set is bound.
/// <https://hl7.org/fhir/R4/terminologies.html#strength>
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Strength {
    /// The code must be in the value set.
    Required,
    /// The code must be in the value set unless no code there fits.
    Extensible,
    /// The value set is encouraged.
    Preferred,
    /// The value set is an example.
    Example,
}

impl Strength {
    /// The code in `ElementDefinition.binding.strength`.
    pub fn code(self) -> &'static str {
        match self {
            Strength::Required => "required",
            Strength::Extensible => "extensible",
            Strength::Preferred => "preferred",
            Strength::Example => "example",
        }
    }
}

/// The value set that an element takes its codes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Binding {
    /// How strongly.
    pub strength: Strength,
    /// The canonical URL without version; some example bindings name none.
    pub value_set: Option<&'static str>,
    /// The widest allowed value set, where the binding is weaker than required.
    pub max_value_set: Option<&'static str>,
}

/// What breaking an invariant means.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Severity {
    /// The instance is not valid.
    Error,
    /// The instance is poor.
    Warning,
}

/// A rule in FHIRPath, evaluated with the instance in focus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invariant {
    /// `dom-3`, `pat-1`.
    pub key: &'static str,
    /// What breaking it means.
    pub severity: Severity,
    /// The FHIRPath expression.
    pub expression: &'static str,
}

/// The JSON names of a type, each with its element and its concrete type.
#[derive(Debug)]
pub(crate) struct Members {
    names: Names,
    entries: Box<[Member]>,
}

#[derive(Debug)]
struct Member {
    json_name: &'static str,
    element: u16,
    ty: TypeId,
}

impl Members {
    /// Lists every JSON name of `elements`.
    pub(crate) fn of(elements: &[Element]) -> Members {
        let mut entries = Vec::new();
        for (place, element) in (0u16..).zip(elements) {
            for option in &element.types {
                // Two profiles of one datatype share a JSON name.
                if entries.iter().all(|m: &Member| m.json_name != option.json_name) {
                    entries.push(Member { json_name: option.json_name, element: place, ty: option.ty });
                }
            }
        }
        let names = Names::of(entries.iter().map(|m| m.json_name));
        Members { names, entries: entries.into() }
    }
}

impl Type {
    /// The element that a JSON member holds, and the concrete type of its value.
    #[inline]
    pub fn member(&self, json_name: &str) -> Option<(&Element, TypeId)> {
        let entries = &self.members.entries;
        let place = self.members.names.find(json_name, |i| entries[i].json_name)?;
        let member = &entries[place];
        Some((&self.elements[usize::from(member.element)], member.ty))
    }

    /// The element with this name in FHIRPath: `value` for `value[x]`.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.elements.iter().find(|e| e.name == name)
    }
}

impl Element {
    /// The option for a concrete type.
    pub fn of_type(&self, ty: TypeId) -> Option<&ElementType> {
        self.types.iter().find(|t| t.ty == ty)
    }
}
