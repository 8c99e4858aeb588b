//! Whether the fields of a query are those of the definitions, before anything is loaded: an unknown
//! field is an error even where no resource has got that far
//! (<https://hl7.org/fhir/R4/graphql.html>).

use super::document::{Field, Selection};
use super::fault::Fault;
use super::search::Target;
use remit_spec::{Definitions, Element, Kind, TypeId};

/// What an object of the answer can be.
#[derive(Clone)]
pub(super) struct Place {
    /// Its possible types.
    types: Vec<TypeId>,
    /// What it may point to when it is a reference; empty is anything.
    targets: Vec<TypeId>,
}

impl Place {
    pub(super) fn resource(ty: TypeId) -> Place {
        Place { types: vec![ty], targets: Vec::new() }
    }
}

/// Notes what is wrong with the fields asked of the system.
pub(super) fn system(fields: &[Selection], defs: &Definitions, faults: &mut Vec<Fault>) {
    each(fields, &mut |field| match &*field.name {
        "__typename" => leaf(field, faults),
        "__schema" | "__type" => faults.push(introspection(field)),
        name => match Target::named(defs, name) {
            Some(target) => searched(target, field, defs, faults),
            None => {
                let name = &field.name;
                faults.push(field.fault(format!(
                    "A query of the system begins with a resource type: Patient(id:), PatientList(…) or PatientConnection(…), not {name}."
                )));
            }
        },
    });
}

/// Notes what is wrong with the fields asked of an object.
pub(super) fn object(fields: &[Selection], place: &Place, defs: &Definitions, faults: &mut Vec<Fault>) {
    for selection in fields {
        match selection {
            Selection::Field(field) => one(field, place, defs, faults),
            Selection::Fragment(None, fields) => object(fields, place, defs, faults),
            Selection::Fragment(Some((on, pos)), fields) => match defs.type_named(on) {
                None => faults.push(Fault::at(*pos, format!("{on} is no type of FHIR R4."))),
                Some(on) => {
                    let types = place.types.iter().copied().filter(|ty| defs.is_a(*ty, on)).collect();
                    let narrow = Place { types, targets: place.targets.clone() };
                    // A fragment on another type than can stand here is never used, but its fields exist.
                    let narrow = if narrow.types.is_empty() { Place::resource(on) } else { narrow };
                    object(fields, &narrow, defs, faults);
                }
            },
        }
    }
}

fn one(field: &Field, place: &Place, defs: &Definitions, faults: &mut Vec<Fault>) {
    let known = defs.well_known();
    let is_resource = place.types.iter().any(|ty| defs.ty(*ty).kind == Kind::Resource);
    match &*field.name {
        "__typename" => return leaf(field, faults),
        "__schema" | "__type" => return faults.push(introspection(field)),
        "resourceType" if is_resource => return leaf(field, faults),
        "resource" if place.types.contains(&known.reference) => return followed(field, place, defs, faults),
        _ => {}
    }
    if is_resource
        && let Some(target) = Target::named(defs, &field.name)
        && target.is_many()
    {
        return searched(target, field, defs, faults);
    }
    let found = place.types.iter().filter_map(|ty| member(defs, *ty, &field.name));
    let mut inner: Option<Place> = None;
    let mut is_list = false;
    for (element, ty) in found {
        is_list |= element.is_list;
        let place = inner.get_or_insert(Place { types: Vec::new(), targets: Vec::new() });
        if ty == known.resource || ty == known.domain_resource {
            place.types.extend(defs.resource_types());
        } else if !place.types.contains(&ty) {
            place.types.push(ty);
        }
        place
            .targets
            .extend(element.of_type(ty).into_iter().flat_map(|option| option.targets.iter().copied()));
    }
    let Some(inner) = inner else {
        let names: Vec<&str> = place.types.iter().take(3).map(|ty| defs.name(*ty)).collect();
        let name = &field.name;
        return faults.push(field.fault(format!("{} has no field '{name}'.", names.join(" or "))));
    };
    arguments(field, &inner, is_list, defs, faults);
    let is_primitive = inner.types.iter().all(|ty| defs.ty(*ty).kind == Kind::Primitive);
    match (is_primitive, field.fields.is_empty()) {
        (true, true) => {}
        (true, false) => faults.push(field.fault(format!("{} has no fields of its own.", field.name))),
        (false, true) => faults.push(field.fault(format!("Say which fields of {} are wanted.", field.name))),
        (false, false) => object(&field.fields, &inner, defs, faults),
    }
}

/// The element behind a field, and the type of its values; of `_birthDate`, the extensions of a
/// primitive.
pub(super) fn member<'d>(defs: &'d Definitions, ty: TypeId, name: &str) -> Option<(&'d Element, TypeId)> {
    let Some(plain) = name.strip_prefix('_') else { return defs.member(ty, name) };
    let (element, inner) = defs.member(ty, plain)?;
    (defs.ty(inner).kind == Kind::Primitive).then(|| (element, defs.well_known().element))
}

/// The arguments of an element are its own primitive elements, and those of lists.
fn arguments(field: &Field, inner: &Place, is_list: bool, defs: &Definitions, faults: &mut Vec<Fault>) {
    for (name, value) in &field.arguments {
        match &**name {
            "_count" | "_offset" if !is_list => {
                faults.push(field.fault(format!("{} is no list and takes no {name}.", field.name)));
            }
            "_count" | "_offset" if value.as_u64().is_none() => {
                faults.push(field.fault(format!("The argument {name} is a whole number of 0 or more.")));
            }
            "_count" | "_offset" => {}
            name => {
                let mut members = inner.types.iter().filter_map(|ty| member(defs, *ty, name));
                if !members.any(|(_, ty)| defs.ty(ty).kind == Kind::Primitive) {
                    faults.push(field.fault(format!("{} takes no argument '{name}'.", field.name)));
                }
            }
        }
    }
}

/// `resource` of a reference.
fn followed(field: &Field, place: &Place, defs: &Definitions, faults: &mut Vec<Fault>) {
    let mut types: Vec<TypeId> =
        place.targets.iter().copied().filter(|ty| defs.resource_named(defs.name(*ty)).is_some()).collect();
    if types.is_empty() {
        types = defs.resource_types().collect();
    }
    for (name, value) in &field.arguments {
        match (&**name, value) {
            ("optional", value) if value.is_boolean() => {}
            ("type", value) => match value.as_str().and_then(|name| defs.resource_named(name)) {
                Some(ty) => types = vec![ty],
                None => faults.push(field.fault("The argument type is the name of a resource type.")),
            },
            (name, _) => faults
                .push(field.fault(format!("resource takes optional: true and type: Patient, not {name}."))),
        }
    }
    wants_fields(field, faults);
    object(&field.fields, &Place { types, targets: Vec::new() }, defs, faults);
}

/// A search. Its arguments are read when it is made.
fn searched(target: Target, field: &Field, defs: &Definitions, faults: &mut Vec<Fault>) {
    wants_fields(field, faults);
    let place = Place::resource(target.ty());
    if !target.is_connection() {
        return object(&field.fields, &place, defs, faults);
    }
    each(&field.fields, &mut |field| match &*field.name {
        "__typename" | "count" | "offset" | "pagesize" | "first" | "previous" | "next" | "last" => {
            leaf(field, faults)
        }
        "edges" => each(&field.fields, &mut |field| match &*field.name {
            "__typename" | "mode" | "score" => leaf(field, faults),
            "resource" => {
                wants_fields(field, faults);
                object(&field.fields, &place, defs, faults);
            }
            name => faults.push(
                field.fault(format!("An edge has no field '{name}'; it has mode, score and resource.")),
            ),
        }),
        name => faults.push(field.fault(format!("A connection has no field '{name}'."))),
    });
}

/// Calls `visit` with every field, those in fragments too.
pub(super) fn each<'f>(fields: &'f [Selection], visit: &mut dyn FnMut(&'f Field)) {
    for selection in fields {
        match selection {
            Selection::Field(field) => visit(field),
            Selection::Fragment(_, fields) => each(fields, visit),
        }
    }
}

fn leaf(field: &Field, faults: &mut Vec<Fault>) {
    if !field.fields.is_empty() {
        faults.push(field.fault(format!("{} has no fields of its own.", field.name)));
    }
}

fn wants_fields(field: &Field, faults: &mut Vec<Fault>) {
    if field.fields.is_empty() {
        faults.push(field.fault(format!("Say which fields of {} are wanted.", field.name)));
    }
}

fn introspection(field: &Field) -> Fault {
    field.fault("This server does not describe its schema; it is that of FHIR R4, https://hl7.org/fhir/R4/graphql.html.")
}
