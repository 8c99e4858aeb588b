//! From the embedded text to [`Definitions`].
//!
//! The text is part of the binary and a test rebuilds it, so a fault in it is a fault of the build:
//! loading panics with the name that is wrong.

use std::collections::HashMap;

use crate::data::{
    self, CompartmentData, OperationData, ParameterData, SearchParameterData, SourceData, TypeData, embedded,
};
use crate::definitions::{Definitions, Source, WellKnown};
use crate::load_types;
use crate::operation::{Compartment, CompartmentMember, Operation, OperationParameter};
use crate::search_parameter::{
    SearchComponent, SearchKind, SearchParameter, SearchParameterId, alternatives, first_name,
};
use crate::text::{Text, keep, texts};
use crate::types::{Kind, Type, TypeId};

/// Loads the definitions of FHIR R4.
pub(crate) fn r4() -> Definitions {
    let mut types: Vec<TypeData> = data::read("types.json", embedded::TYPES);
    types.extend(data::read::<TypeData>("types of this server", embedded::OWN_TYPES));
    types.sort_by_key(|ty| ty.name.0);
    let types = load_types::load(types);
    let names = TypeNames::of(&types);
    let stored = stored_resources(&types);
    let parameters = search_parameters(&names, &stored);
    let parameters_of = parameters_by_type(&types, &parameters);
    Definitions {
        type_names: crate::names::Names::of(types.iter().map(|ty| ty.name)),
        parameters_of,
        operations: operations(&names),
        compartments: compartments(&names),
        well_known: well_known(&names),
        source: source(),
        parameters,
        types,
    }
}

/// Names to ids while loading.
struct TypeNames(HashMap<&'static str, TypeId>);

impl TypeNames {
    fn of(types: &[Type]) -> TypeNames {
        TypeNames((0u16..).map(TypeId).zip(types).map(|(id, ty)| (ty.name, id)).collect())
    }

    fn id(&self, name: &str) -> TypeId {
        *self.0.get(name).unwrap_or_else(|| panic!("the embedded data names the unknown type {name}"))
    }

    fn ids(&self, names: &[Text]) -> Box<[TypeId]> {
        names.iter().map(|name| self.id(name.0)).collect()
    }
}

fn source() -> Source {
    let all: Vec<SourceData> = data::read("source.json", embedded::SOURCE);
    let data = all.first().expect("the embedded data says where it comes from");
    Source { package: data.package.0, version: data.version.0, sha256: data.sha256.0 }
}

fn well_known(names: &TypeNames) -> WellKnown {
    WellKnown {
        resource: names.id("Resource"),
        domain_resource: names.id("DomainResource"),
        element: names.id("Element"),
        backbone_element: names.id("BackboneElement"),
        extension: names.id("Extension"),
        reference: names.id("Reference"),
        canonical: names.id("canonical"),
        quantity: names.id("Quantity"),
        xhtml: names.id("xhtml"),
    }
}

/// Every resource type that a reference can point to: `Parameters` is never stored.
fn stored_resources(types: &[Type]) -> Box<[TypeId]> {
    (0u16..)
        .map(TypeId)
        .zip(types)
        .filter(|(_, ty)| ty.kind == Kind::Resource && !ty.is_abstract && ty.name != "Parameters")
        .map(|(id, _)| id)
        .collect()
}

/// One value for each base of each definition.
fn search_parameters(names: &TypeNames, stored: &[TypeId]) -> Box<[SearchParameter]> {
    let mut all: Vec<SearchParameterData> = data::read("search-parameters.json", embedded::SEARCH_PARAMETERS);
    for own in [embedded::OWN_SEARCH_PARAMETERS, embedded::REVENUE_SEARCH_PARAMETERS] {
        all.extend(data::read::<SearchParameterData>("search parameters of this server", own));
    }
    let mut parameters = Vec::new();
    for data in &all {
        for base in &data.base {
            parameters.push(search_parameter(data, base.0, names, stored));
        }
    }
    parameters.into()
}

fn search_parameter(
    data: &SearchParameterData,
    base: &'static str,
    names: &TypeNames,
    stored: &[TypeId],
) -> SearchParameter {
    let targets = match data.target[..] {
        [Text("*")] => stored.into(),
        _ => names.ids(&data.target),
    };
    let components = data
        .component
        .iter()
        .map(|part| SearchComponent { definition: part.definition.0, expression: part.expression.0 });
    SearchParameter {
        url: data.url.0,
        code: data.code.0,
        kind: search_kind(data.kind.0),
        base: names.id(base),
        expression: data.expression.map(|text| restrict(text.0, base)),
        targets,
        components: components.collect(),
        multiple_or: data.multiple_or,
        multiple_and: data.multiple_and,
        comparators: texts(data.comparator.clone()),
        modifiers: texts(data.modifier.clone()),
    }
}

fn search_kind(code: &str) -> SearchKind {
    match code {
        "number" => SearchKind::Number,
        "date" => SearchKind::Date,
        "string" => SearchKind::String,
        "token" => SearchKind::Token,
        "reference" => SearchKind::Reference,
        "composite" => SearchKind::Composite,
        "quantity" => SearchKind::Quantity,
        "uri" => SearchKind::Uri,
        "special" => SearchKind::Special,
        other => panic!("the embedded data names the unknown search type {other}"),
    }
}

/// The alternatives of a union that can apply to `base`. One that starts from an element, as in
/// `name | alias`, applies to every base.
fn restrict(expression: &'static str, base: &str) -> &'static str {
    let applies = |part: &&str| {
        let first = first_name(part);
        let is_type = first.starts_with(|c: char| c.is_ascii_uppercase());
        !is_type || first == base || first == "Resource" || first == "DomainResource"
    };
    let parts: Vec<&'static str> = alternatives(expression).filter(applies).collect();
    match parts[..] {
        [] => expression,
        [only] => only,
        _ if parts.len() == alternatives(expression).count() => expression,
        _ => keep(parts.join(" | ")),
    }
}

fn parameters_by_type(types: &[Type], parameters: &[SearchParameter]) -> Box<[Box<[SearchParameterId]>]> {
    let mut own: Vec<Vec<SearchParameterId>> = vec![Vec::new(); types.len()];
    for (id, parameter) in (0u16..).map(SearchParameterId).zip(parameters) {
        own[parameter.base.index()].push(id);
    }
    let list = |mut current: Option<TypeId>| {
        let mut ids = Vec::new();
        while let Some(ty) = current {
            ids.extend_from_slice(&own[ty.index()]);
            current = types[ty.index()].base;
        }
        ids.sort_by_key(|id| parameters[usize::from(id.0)].code);
        ids.into_boxed_slice()
    };
    (0u16..)
        .map(TypeId)
        .zip(types)
        .map(|(id, ty)| if ty.kind == Kind::Resource { list(Some(id)) } else { Box::default() })
        .collect()
}

fn operations(names: &TypeNames) -> Box<[Operation]> {
    let mut all: Vec<OperationData> = data::read("operations.json", embedded::OPERATIONS);
    all.extend(data::read::<OperationData>("operations of this server", embedded::OWN_OPERATIONS));
    let operation = |data: OperationData| Operation {
        code: data.code.0,
        url: data.url.0,
        name: data.name.0,
        is_query: data.query,
        on_system: data.system,
        on_type: data.on_type,
        on_instance: data.instance,
        resources: names.ids(&data.resource),
        affects_state: data.affects_state,
        parameters: operation_parameters(data.parameter, names),
    };
    all.into_iter().map(operation).collect()
}

fn operation_parameters(list: Vec<ParameterData>, names: &TypeNames) -> Box<[OperationParameter]> {
    let parameter = |data: ParameterData| OperationParameter {
        name: data.name.0,
        is_output: data.usage.0 == "out",
        min: data.min,
        max: load_types::maximum(data.max.0),
        ty: data.ty.map(|ty| ty.0),
        search_type: data.search_type.map(|ty| ty.0),
        targets: names.ids(&data.target),
        parts: operation_parameters(data.part, names),
    };
    list.into_iter().map(parameter).collect()
}

fn compartments(names: &TypeNames) -> Box<[Compartment]> {
    let all: Vec<CompartmentData> = data::read("compartments.json", embedded::COMPARTMENTS);
    let compartment = |data: CompartmentData| {
        let member =
            |(name, codes): (Text, _)| CompartmentMember { ty: names.id(name.0), codes: texts(codes) };
        let mut members: Vec<CompartmentMember> = data.resources.into_iter().map(member).collect();
        members.sort_by_key(|member| member.ty);
        Compartment { ty: names.id(data.code.0), url: data.url.0, members: members.into() }
    };
    all.into_iter().map(compartment).collect()
}
