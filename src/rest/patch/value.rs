//! The value of a FHIRPath Patch operation, turned into the JSON of the element it is meant for.
//! Elements without a type name of their own, such as `Patient.contact`, come as named parts.

use remit_fhir::Node;
use remit_spec::{Definitions, Element, Kind, TypeId};

use super::object::{List, Object};

/// Parts inside parts. The deepest backbone elements of R4 have 6 levels.
const MAX_DEPTH: usize = 16;

/// A value for a certain element.
pub(super) struct Value {
    /// The name of the JSON member: `valueQuantity` for the choice `value`.
    pub(super) json_name: &'static str,
    /// The value; a primitive may have none beside its companion.
    pub(super) json: Option<String>,
    /// The object of `_name`.
    pub(super) companion: Option<String>,
}

/// Reads a part's value for an element, or says why its type is wrong there.
pub(super) fn of(defs: &Definitions, element: &Element, part: Node<'_>) -> Result<Value, String> {
    read(defs, element, part, 0)
}

/// The element of a type that an operation names, as FHIRPath (`value`) or as JSON (`valueQuantity`) does.
pub(super) fn element_named<'d>(
    defs: &'d Definitions,
    ty: TypeId,
    name: &str,
) -> Result<&'d Element, String> {
    defs.child(ty, name)
        .or_else(|| defs.member(ty, name).map(|(element, _)| element))
        .ok_or_else(|| format!("{} has no element \"{name}\"", defs.name(ty)))
}

fn read(defs: &Definitions, element: &Element, part: Node<'_>, depth: usize) -> Result<Value, String> {
    if let Some(resource) = part.get("resource") {
        return whole(defs, element, resource);
    }
    let typed = part.members().find_map(|(name, value)| {
        let name = name.into_owned();
        let suffix = name.strip_prefix('_').unwrap_or(&name).strip_prefix("value")?.to_owned();
        Some((suffix, value))
    });
    let Some((suffix, _)) = typed else { return backbone(defs, element, part, depth) };
    let json = part.get(&format!("value{suffix}"));
    let companion = part.get(&format!("_value{suffix}"));
    let json_name = member_for(defs, element, &suffix, json)?;
    let text = |node: Option<Node<'_>>| node.map(|n| n.json().to_owned());
    Ok(Value { json_name, json: text(json), companion: text(companion) })
}

/// The member that takes a value of this type.
fn member_for(
    defs: &Definitions,
    element: &Element,
    suffix: &str,
    json: Option<Node<'_>>,
) -> Result<&'static str, String> {
    let mut lower = suffix.to_owned();
    lower.get_mut(..1).map(str::make_ascii_lowercase);
    let given = [suffix, lower.as_str()].into_iter().find_map(|name| defs.type_named(name));
    let given = given.ok_or_else(|| format!("there is no type {suffix}"))?;
    if let Some(option) = element.of_type(given) {
        return Ok(option.json_name);
    }
    let [option] = &*element.types else {
        return Err(format!("the element \"{}\" does not take a {suffix}", element.name));
    };
    // A code may come as a string and so on: JSON writes them alike, and the content is checked
    // with the resource.
    let alike = |a: TypeId, b: TypeId| match (defs.ty(a).primitive, defs.ty(b).primitive) {
        (Some(_), Some(b)) => json.is_none_or(|json| is_written_like(json, b.system)),
        _ => defs.is_a(a, b),
    };
    if alike(given, option.ty) {
        return Ok(option.json_name);
    }
    Err(format!("the element \"{}\" is a {}, not a {suffix}", element.name, defs.name(option.ty)))
}

fn is_written_like(json: Node<'_>, system: remit_spec::SystemType) -> bool {
    use remit_spec::SystemType;
    match system {
        SystemType::Boolean => json.boolean().is_some(),
        SystemType::Integer | SystemType::Decimal => json.number().is_some(),
        _ => json.string().is_some(),
    }
}

/// A resource, for `contained`.
fn whole(defs: &Definitions, element: &Element, resource: Node<'_>) -> Result<Value, String> {
    let name = resource.resource_type().unwrap_or_default();
    let given = defs.resource_named(&name).ok_or("the value is no resource")?;
    match element.types.iter().find(|option| defs.is_a(given, option.ty)) {
        Some(option) => {
            Ok(Value { json_name: option.json_name, json: Some(resource.json().to_owned()), companion: None })
        }
        None => Err(format!("the element \"{}\" does not take a resource", element.name)),
    }
}

/// Named parts, for an element whose type has no name.
fn backbone(defs: &Definitions, element: &Element, part: Node<'_>, depth: usize) -> Result<Value, String> {
    let [option] = &*element.types else {
        return Err(format!("the element \"{}\" needs a value with a type", element.name));
    };
    let parts = part.get("part").ok_or("the part \"value\" has neither a value nor parts")?;
    if depth == MAX_DEPTH {
        return Err("its parts are nested too deeply".into());
    }
    if !matches!(defs.ty(option.ty).kind, Kind::Backbone | Kind::Complex) {
        return Err(format!("the element \"{}\" needs a value, not parts", element.name));
    }
    let mut members: Vec<(&Element, Vec<Value>)> = Vec::new();
    for inner in parts.items() {
        let name = inner.get_str("name").ok_or("a part has no name")?;
        let child = element_named(defs, option.ty, &name)?;
        let value = read(defs, child, inner, depth + 1)?;
        match members.iter_mut().find(|(e, _)| e.name == child.name) {
            Some((_, values)) => values.push(value),
            None => members.push((child, vec![value])),
        }
    }
    let mut object = Object::empty();
    for (child, values) in members {
        collect(&mut object, child, values)?;
    }
    Ok(Value { json_name: option.json_name, json: Some(object.json()), companion: None })
}

fn collect(object: &mut Object, element: &Element, values: Vec<Value>) -> Result<(), String> {
    if !element.is_list && values.len() > 1 {
        return Err(format!("the element \"{}\" does not repeat", element.name));
    }
    let name = values.first().map_or(element.name, |value| value.json_name);
    if element.is_list {
        // An object that has no member of this name gives an empty list.
        let mut list = List::default();
        for value in values {
            list.insert(list.len(), value.json, value.companion);
        }
        list.store(object, name);
        return Ok(());
    }
    for value in values {
        object.put(name, value.json);
        object.put(&format!("_{name}"), value.companion);
    }
    Ok(())
}
