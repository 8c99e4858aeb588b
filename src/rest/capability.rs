//! The capability statement: what this server does, said from what is really there
//! (<https://hl7.org/fhir/R4/http.html#capabilities>, <https://hl7.org/fhir/R4/capabilitystatement.html>).

use super::Context;
use bytes::Bytes;
use remit_fhir::date::{Micros, instant};
use remit_fhir::{Error, Result};
use remit_spec::{Operation, SearchParameter, TypeId};
use serde_json::{Map, Value, json};

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
    let resources: Vec<Value> = types.map(|ty| resource(cx, server, ty)).collect();
    let mut rest = json!({
        "mode": "server",
        "resource": resources,
        "interaction": codes(&["transaction", "batch", "search-system", "history-system"]),
        "searchParam": general(cx),
    });
    let on_system = server.operations.iter().filter(|o| o.on_system);
    put_operations(&mut rest, on_system.copied());
    let compartments: Vec<_> = cx.defs.compartments().iter().map(|c| c.url).collect();
    rest["compartment"] = json!(compartments);
    statement.insert("rest".into(), json!([rest]));
    Value::Object(statement)
}

fn resource(cx: &Context<'_>, server: &Server<'_>, ty: TypeId) -> Value {
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
    let own = cx.store.registry().parameters(ty).map(|p| p.definition);
    let parameters: Vec<Value> = columns(cx).chain(own).map(parameter).collect();
    resource["searchParam"] = json!(parameters);
    let here = server
        .operations
        .iter()
        .filter(|o| (o.on_type || o.on_instance) && o.resources.iter().any(|base| cx.defs.is_a(ty, *base)));
    put_operations(&mut resource, here.copied());
    resource
}

/// What every type is searched by: parameters of `Resource` that are there for all.
fn general(cx: &Context<'_>) -> Vec<Value> {
    let any = cx.defs.resource_types().next();
    let all = any.into_iter().flat_map(|ty| cx.store.registry().parameters(ty));
    let resource = cx.defs.well_known().resource;
    columns(cx).chain(all.map(|p| p.definition).filter(|p| p.base == resource)).map(parameter).collect()
}

fn columns<'a>(cx: &Context<'a>) -> impl Iterator<Item = &'static SearchParameter> + use<'a> {
    let (defs, resource) = (cx.defs, cx.defs.well_known().resource);
    ["_id", "_lastUpdated"].into_iter().filter_map(move |code| defs.search_parameter(resource, code))
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
