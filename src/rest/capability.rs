//! The capability statement: what this server does, said from what is really there
//! (<https://hl7.org/fhir/R4/http.html#capabilities>, <https://hl7.org/fhir/R4/capabilitystatement.html>).

use super::{Context, derived};
use bytes::Bytes;
use remit_fhir::date::{Micros, instant};
use remit_fhir::{Error, Result};
use remit_search::{Registry, State, TextLevel};
use remit_spec::{Operation, SearchKind, SearchParameter, TypeId};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The version of FHIR.
const FHIR_VERSION: &str = "4.0.1";

/// `mode` of the metadata request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// Everything.
    Full,
    /// Only what is normative in R4.
    Normative,
    /// The TerminologyCapabilities.
    Terminology,
}

impl Mode {
    /// Reads the parameter.
    pub fn parse(text: &str) -> Result<Mode> {
        match text {
            "full" => Ok(Mode::Full),
            "normative" => Ok(Mode::Normative),
            "terminology" => Ok(Mode::Terminology),
            _ => Err(Error::invalid("mode takes full, normative or terminology.")),
        }
    }
}

/// The resource types whose definitions are normative in R4
/// (<https://hl7.org/fhir/R4/ansi-intro.html>).
const NORMATIVE: [&str; 11] = [
    "Binary",
    "Bundle",
    "CapabilityStatement",
    "CodeSystem",
    "Observation",
    "OperationDefinition",
    "OperationOutcome",
    "Parameters",
    "Patient",
    "StructureDefinition",
    "ValueSet",
];

/// What of the server is not known to this room.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// The definitions of its operations.
    pub operations: &'a [&'static Operation],
    /// When it was started: the date of the statement.
    pub started_us: Micros,
}

/// The statement as JSON.
pub fn statement(cx: &Context<'_>, server: &Server<'_>, mode: Mode) -> Bytes {
    let statement = match mode {
        Mode::Terminology => terminology(cx, server),
        Mode::Full | Mode::Normative => capability(cx, server, mode),
    };
    Bytes::from(statement.to_string())
}

/// The members that both statements begin with.
fn head(cx: &Context<'_>, server: &Server<'_>, kind: &str) -> Map<String, Value> {
    let version = env!("CARGO_PKG_VERSION");
    let head = json!({
        "resourceType": kind,
        "url": format!("{}/metadata", cx.base),
        "version": version,
        "name": "Remit",
        "title": "Remit FHIR server",
        "status": "active",
        "date": instant(server.started_us),
        "description": "What this server does.",
        "kind": "instance",
        "software": { "name": "Remit", "version": version },
        "implementation": { "description": "Remit, a FHIR R4 server with the revenue cycle as operations", "url": cx.base },
    });
    match head {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn terminology(cx: &Context<'_>, server: &Server<'_>) -> Value {
    let mut statement = head(cx, server, "TerminologyCapabilities");
    statement["url"] = json!(format!("{}/metadata?mode=terminology", cx.base));
    Value::Object(statement)
}

fn capability(cx: &Context<'_>, server: &Server<'_>, mode: Mode) -> Value {
    let mut statement = head(cx, server, "CapabilityStatement");
    statement.insert("fhirVersion".into(), json!(FHIR_VERSION));
    statement
        .insert("format".into(), json!(["application/fhir+json", "application/fhir+xml", "json", "xml"]));
    let patch = ["application/json-patch+json", "application/fhir+json", "application/fhir+xml"];
    statement.insert("patchFormat".into(), json!(patch));
    let types = cx.defs.resource_types();
    let types = types.filter(|ty| mode == Mode::Full || NORMATIVE.contains(&cx.defs.name(*ty)));
    let registry = cx.store.registry_of(cx.plan.tenant());
    let includes = Includes::of(cx, &registry);
    let resources: Vec<Value> = types.map(|ty| resource(cx, server, &registry, &includes, ty)).collect();
    let mut rest = json!({
        "mode": "server",
        "resource": resources,
        "interaction": codes(&["transaction", "batch", "search-system", "history-system"]),
        "searchParam": general(cx, &registry),
    });
    let on_system = server.operations.iter().filter(|o| o.on_system);
    put_operations(&mut rest, on_system.copied());
    let compartments: Vec<_> = cx.defs.compartments().iter().map(|c| c.url).collect();
    rest["compartment"] = json!(compartments);
    statement.insert("rest".into(), json!([rest]));
    Value::Object(statement)
}

/// What may come along with resources of a type: the reference parameters, as `_include` and
/// `_revinclude` name them.
#[derive(Default)]
struct Includes {
    from: BTreeMap<TypeId, Vec<String>>,
    to: BTreeMap<TypeId, Vec<String>>,
}

impl Includes {
    fn of(cx: &Context<'_>, registry: &Registry) -> Includes {
        let mut includes = Includes::default();
        for ty in cx.defs.resource_types() {
            let all = registry.parameters(ty);
            for parameter in all.filter(|p| p.definition.kind == SearchKind::Reference) {
                let name = format!("{}:{}", cx.defs.name(ty), parameter.definition.code);
                for target in parameter.targets() {
                    includes.to.entry(*target).or_default().push(name.clone());
                }
                includes.from.entry(ty).or_default().push(name);
            }
        }
        includes
    }
}

fn resource(
    cx: &Context<'_>,
    server: &Server<'_>,
    registry: &Registry,
    includes: &Includes,
    ty: TypeId,
) -> Value {
    const INTERACTIONS: [&str; 9] = [
        "read",
        "vread",
        "update",
        "patch",
        "delete",
        "history-instance",
        "history-type",
        "create",
        "search-type",
    ];
    let mut resource = json!({
        "type": cx.defs.name(ty),
        "profile": cx.defs.ty(ty).url,
        "interaction": codes(&INTERACTIONS),
        "versioning": "versioned",
        "readHistory": true,
        "updateCreate": true,
        "conditionalCreate": true,
        "conditionalRead": "full-support",
        "conditionalUpdate": true,
        "conditionalDelete": cx.settings.conditional_delete.code(),
        "referencePolicy": ["literal", "logical", "local"],
    });
    // `_id` and `_lastUpdated` are columns, and stand with the rest that every type has.
    let own = registry.parameters(ty).map(|p| p.definition);
    let all = columns(cx, registry, Some(ty)).chain(own).chain(derived::parameters(cx, ty));
    let parameters: Vec<Value> = all.map(parameter).collect();
    resource["searchParam"] = json!(parameters);
    for (member, known) in [("searchInclude", &includes.from), ("searchRevInclude", &includes.to)] {
        if let Some(names) = known.get(&ty) {
            resource[member] = json!(names);
        }
    }
    let filling = registry.custom().filter(|(c, state)| c.ty == ty && *state == State::Filling);
    let filling: Vec<&str> = filling.map(|(c, _)| c.parameter.definition.code).collect();
    if !filling.is_empty() {
        resource["documentation"] = json!(format!(
            "Search parameters that are not indexed yet and become usable by $reindex: {}.",
            filling.join(", ")
        ));
    }
    let here = server
        .operations
        .iter()
        .filter(|o| (o.on_type || o.on_instance) && o.resources.iter().any(|base| cx.defs.is_a(ty, *base)));
    put_operations(&mut resource, here.copied());
    resource
}

/// What every type is searched by: parameters of `Resource` that are there for all.
fn general(cx: &Context<'_>, registry: &Registry) -> Vec<Value> {
    let any = cx.defs.resource_types().next();
    let all = any.into_iter().flat_map(|ty| registry.parameters(ty));
    let resource = cx.defs.well_known().resource;
    let own = columns(cx, registry, cx.defs.resource_named("Basic"))
        .chain(all.map(|p| p.definition).filter(|p| p.base == resource))
        .map(parameter);
    let has_contained = registry.contained() == State::Usable;
    let everywhere =
        EVERYWHERE.iter().filter(move |(name, _)| has_contained || !name.starts_with("_contained"));
    own.chain(everywhere.map(|(name, text)| {
        let mut stated = json!({ "name": name, "type": "special", "documentation": text });
        if let Some(definition) = cx.defs.search_parameter(resource, name) {
            stated["definition"] = json!(definition.url);
        }
        stated
    }))
    .collect()
}

/// Parameters of the search itself, which have no definition.
const EVERYWHERE: [(&str, &str); 5] = [
    (
        "_contained",
        "false, true or both; chains lead into contained resources whatever it says. Conditions of writes do not take it.",
    ),
    ("_containedType", "container or contained; a contained resource comes with the address container#id."),
    (
        "_filter",
        "All operators of https://hl7.org/fhir/R4/search_filter.html; paths may follow references and _has.",
    ),
    ("_has", "_has:Type:reference:parameter, nested and chained; a name follows 5 references at most."),
    (
        "_list",
        "The id of a List; lists that a server would work out, such as $current-problems, are refused.",
    ),
];

/// What stands in no table of index rows of its own, as far as it can be searched.
fn columns(
    cx: &Context<'_>,
    registry: &Registry,
    ty: Option<TypeId>,
) -> impl Iterator<Item = &'static SearchParameter> + use<> {
    let defs = cx.defs;
    let (level, state) = registry.text();
    let has = move |least| state == State::Usable && level >= least;
    let codes = [
        ("_id", true),
        ("_lastUpdated", true),
        ("_text", has(TextLevel::Narrative)),
        ("_content", has(TextLevel::Content)),
    ];
    let codes = codes.into_iter().filter(|(_, is_there)| *is_there);
    codes.filter_map(move |(code, _)| defs.search_parameter(ty?, code))
}

fn parameter(definition: &SearchParameter) -> Value {
    json!({ "name": definition.code, "definition": definition.url, "type": definition.kind.code() })
}

fn put_operations(owner: &mut Value, operations: impl Iterator<Item = &'static Operation>) {
    let list: Vec<_> = operations.map(|o| json!({ "name": o.code, "definition": o.url })).collect();
    if !list.is_empty() {
        owner["operation"] = json!(list);
    }
}

fn codes(list: &[&str]) -> Vec<Value> {
    list.iter().map(|code| json!({ "code": code })).collect()
}
