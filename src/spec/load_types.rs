//! From the data of the types to tables: ids, inheritance, backbone elements, JSON names.

use std::collections::HashMap;

use crate::data::{BindingData, ElementData, InvariantData, TypeData, ValueData};
use crate::text::{Text, keep};
use crate::types::{
    Binding, Element, ElementType, Invariant, Kind, Members, Primitive, Severity, Strength, SystemType, Type,
    TypeId,
};

/// The place of StructureDefinitions of the standard.
const STRUCTURE_DEFINITION: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Builds every type. Ids follow the order of the data, each type before its backbone elements.
pub(crate) fn load(data: Vec<TypeData>) -> Box<[Type]> {
    let plans = plan(&data);
    let ids: HashMap<&'static str, TypeId> =
        (0u16..).map(TypeId).zip(&plans).map(|(id, plan)| (plan.name, id)).collect();
    let mut loader = Loader { ids, json_names: HashMap::new() };
    let mut types: Vec<Option<Type>> = plans.iter().map(|_| None).collect();
    // A type needs its base; chains are short, so a few rounds reach them all.
    loop {
        let mut progress = false;
        for (place, plan) in plans.iter().enumerate() {
            let base = plan.base.map(|name| loader.id(name));
            let is_ready = base.is_none_or(|id| types[id.index()].is_some());
            if types[place].is_none() && is_ready {
                let inherited = base.and_then(|id| types[id.index()].as_ref());
                types[place] = Some(loader.build(plan, base, inherited));
                progress = true;
            }
        }
        if !progress {
            break;
        }
    }
    types.into_iter().map(|ty| ty.expect("no type of the embedded data is its own ancestor")).collect()
}

/// A type that will be built, with its own elements.
struct Plan<'d> {
    name: &'static str,
    kind: Kind,
    base: Option<&'static str>,
    owner: &'d TypeData,
    invariants: &'d [InvariantData],
    elements: Vec<&'d ElementData>,
}

fn plan(data: &[TypeData]) -> Vec<Plan<'_>> {
    let mut plans = Vec::new();
    for owner in data {
        let mut places = HashMap::from([("", plans.len())]);
        plans.push(Plan {
            name: owner.name.0,
            kind: kind(owner.kind.0),
            base: owner.base.map(|base| base.0),
            owner,
            invariants: &owner.invariants,
            elements: Vec::new(),
        });
        for (place, element) in owner.elements.iter().enumerate() {
            let path = element.path.0;
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            plans[places[parent]].elements.push(element);
            if is_backbone(owner, place) {
                places.insert(path, plans.len());
                plans.push(Plan {
                    name: keep(format!("{}.{path}", owner.name.0)),
                    kind: Kind::Backbone,
                    base: element.types.first().map(|base| base.0),
                    owner,
                    invariants: &element.invariants,
                    elements: Vec::new(),
                });
            }
        }
    }
    plans
}

/// An element defines its content in place when the next element lies within it.
fn is_backbone(owner: &TypeData, place: usize) -> bool {
    let path = owner.elements[place].path.0;
    owner
        .elements
        .get(place + 1)
        .and_then(|next| next.path.0.strip_prefix(path))
        .is_some_and(|rest| rest.starts_with('.'))
}

struct Loader {
    ids: HashMap<&'static str, TypeId>,
    /// Choice names that were made already: `valueQuantity`.
    json_names: HashMap<String, &'static str>,
}

impl Loader {
    fn id(&self, name: &str) -> TypeId {
        *self.ids.get(name).unwrap_or_else(|| panic!("the embedded data names the unknown type {name}"))
    }

    fn build(&mut self, plan: &Plan<'_>, base: Option<TypeId>, inherited: Option<&Type>) -> Type {
        let mut elements = inherited.map_or_else(Vec::new, |base| base.elements.to_vec());
        for data in &plan.elements {
            let element = self.element(plan, data);
            // A type may restate an inherited element.
            match elements.iter_mut().find(|e| e.name == element.name) {
                Some(restated) => *restated = element,
                None => elements.push(element),
            }
        }
        let mut rules = inherited.map_or_else(Vec::new, |base| base.invariants.to_vec());
        rules.extend(invariants(plan.invariants));
        let is_type = plan.kind != Kind::Backbone;
        Type {
            name: plan.name,
            url: keep(format!("{STRUCTURE_DEFINITION}{}", plan.owner.name.0)),
            kind: plan.kind,
            base,
            is_abstract: is_type && plan.owner.is_abstract,
            members: Members::of(&elements),
            elements: elements.into(),
            invariants: rules.into(),
            primitive: plan
                .owner
                .value
                .as_ref()
                .map(|value| primitive(value, inherited.and_then(|ty| ty.primitive))),
        }
    }

    fn element(&mut self, plan: &Plan<'_>, data: &ElementData) -> Element {
        let last = data.path.0.rsplit_once('.').map_or(data.path.0, |(_, last)| last);
        let (name, is_choice) = last.strip_suffix("[x]").map_or((last, false), |name| (name, true));
        let full_name = format!("{}.{}", plan.owner.name.0, data.path.0);
        let backbone = self.ids.get(full_name.as_str()).copied();
        let reused = data.content.map(|path| {
            let (name, id) = self.entry(&format!("{}.{}", plan.owner.name.0, path.0));
            (name, id)
        });
        let types: Box<[ElementType]> = match backbone.or(reused.map(|(_, id)| id)) {
            Some(ty) => {
                Box::new([ElementType { ty, targets: Box::default(), json_name: name, profile: None }])
            }
            None => data.types.iter().map(|text| self.element_type(name, is_choice, *text)).collect(),
        };
        let max = data.max.map_or(Some(1), |max| maximum(max.0));
        Element {
            name,
            is_choice,
            types,
            min: data.min,
            max,
            is_list: max != Some(1),
            binding: data.binding.as_ref().map(binding),
            is_summary: data.summary,
            is_modifier: data.modifier,
            is_attribute: data.attribute,
            // Those of a backbone element are the rules of its type.
            invariants: if backbone.is_some() {
                Box::default()
            } else {
                invariants(&data.invariants).collect()
            },
            content_reference: reused.map(|(name, _)| name),
        }
    }

    fn entry(&self, name: &str) -> (&'static str, TypeId) {
        self.ids
            .get_key_value(name)
            .map(|(name, id)| (*name, *id))
            .unwrap_or_else(|| panic!("the embedded data reuses the unknown content {name}"))
    }

    /// Reads `Reference(Patient|Group)`, `Quantity[SimpleQuantity]` or a plain name.
    fn element_type(&mut self, name: &'static str, is_choice: bool, text: Text) -> ElementType {
        let (head, targets) = match text.0.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((head, list)) => (head, list.split('|').map(|target| self.id(target)).collect()),
            None => (text.0, Box::default()),
        };
        let (head, profile) = match head.strip_suffix(']').and_then(|head| head.split_once('[')) {
            Some((head, profile)) => (head, Some(profile)),
            None => (head, None),
        };
        let json_name = if is_choice { self.choice_name(name, head) } else { name };
        ElementType { ty: self.id(head), targets, json_name, profile }
    }

    /// `value` and `dateTime` give `valueDateTime`.
    fn choice_name(&mut self, name: &str, ty: &str) -> &'static str {
        let (first, rest) = ty.split_at(1);
        let made = format!("{name}{}{rest}", first.to_ascii_uppercase());
        self.json_names.entry(made).or_insert_with_key(|made| keep(made.clone()))
    }
}

/// Reads a maximum; `*` is `None`.
pub(crate) fn maximum(text: &str) -> Option<u32> {
    if text == "*" {
        return None;
    }
    Some(text.parse().unwrap_or_else(|_| panic!("the embedded data has the maximum {text}")))
}

fn kind(text: &str) -> Kind {
    match text {
        "resource" => Kind::Resource,
        "complex-type" => Kind::Complex,
        "primitive-type" => Kind::Primitive,
        other => panic!("the embedded data names the unknown kind {other}"),
    }
}

/// The value of `positiveInt` is still that of an `integer`, only narrower.
fn primitive(data: &ValueData, base: Option<Primitive>) -> Primitive {
    let system = match data.system.0 {
        "Boolean" => SystemType::Boolean,
        "String" => SystemType::String,
        "Integer" => SystemType::Integer,
        "Decimal" => SystemType::Decimal,
        "Date" => SystemType::Date,
        "DateTime" => SystemType::DateTime,
        "Time" => SystemType::Time,
        other => panic!("the embedded data names the unknown system type {other}"),
    };
    Primitive {
        system: base.map_or(system, |base| base.system),
        regex: data.regex.map(|regex| regex.0),
        max_length: data.max_length.or(base.and_then(|base| base.max_length)),
        range: data.range.or(base.and_then(|base| base.range)),
    }
}

fn binding(data: &BindingData) -> Binding {
    let strength = match data.strength.0 {
        "required" => Strength::Required,
        "extensible" => Strength::Extensible,
        "preferred" => Strength::Preferred,
        "example" => Strength::Example,
        other => panic!("the embedded data names the unknown strength {other}"),
    };
    Binding {
        strength,
        value_set: data.value_set.map(|url| url.0),
        max_value_set: data.max_value_set.map(|url| url.0),
    }
}

fn invariants(list: &[InvariantData]) -> impl Iterator<Item = Invariant> {
    list.iter().map(|data| Invariant {
        key: data.key.0,
        severity: if data.severity.0 == "error" { Severity::Error } else { Severity::Warning },
        expression: data.expression.0,
    })
}
