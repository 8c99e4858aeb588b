//! What `$fhirpath` is called with: expressions, a resource in one of its forms, variables.

use super::output::compact;
use crate::operation::Parameters;
use crate::rest::Context;
use remit_fhir::{Document, Error, IssueType, Node, Reference, Result, json};
use remit_fhirpath::{Element, Item};
use remit_spec::{Definitions, TypeId};

/// The extension whose text is a resource or value as JSON.
pub(super) const JSON_VALUE: &str = "http://fhir.forms-lab.com/StructureDefinition/json-value";

/// The extension whose text is a resource as XML.
const XML_VALUE: &str = "http://fhir.forms-lab.com/StructureDefinition/xml-value";

/// The parameters that are understood.
const NAMES: [&str; 6] = ["expression", "context", "resource", "variables", "validate", "terminologyserver"];

/// A call.
pub(super) struct Input<'a> {
    pub(super) expression: String,
    pub(super) context: Option<String>,
    /// Whether elements that a type does not have are refused.
    pub(super) is_checked: bool,
    /// Whether the types that are expected are told.
    pub(super) is_asked_for_types: bool,
    pub(super) resource: Document,
    /// The type of the resource.
    pub(super) ty: TypeId,
    /// The part that says which resource it was.
    pub(super) echo: String,
    pub(super) variables: Vec<(String, Vec<Item<'a>>)>,
    /// The parts that say which variables there were.
    pub(super) variables_echo: Vec<String>,
}

impl<'a> Input<'a> {
    pub(super) async fn read(cx: &Context<'_>, parameters: &'a Parameters) -> Result<Input<'a>> {
        if let Some(unknown) = parameters.names().iter().find(|name| !NAMES.contains(&name.as_str())) {
            let shown: String = unknown.chars().take(64).collect();
            return Err(Error::invalid(format!(
                "$fhirpath has no parameter '{shown}'; it has {}.",
                NAMES.join(", ")
            ))
            .coded(IssueType::NotSupported));
        }
        let expression = single(parameters, "expression")?
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| missing("expression", "the FHIRPath to evaluate"))?;
        let context = single(parameters, "context")?.filter(|text| !text.trim().is_empty());
        let validate = match single(parameters, "validate")?.as_deref() {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return Err(Error::invalid("validate is true or false.").at("http.validate")),
        };
        let (resource, echo) = resource(cx, parameters).await?;
        let kind = resource.root().resource_type().unwrap_or_default();
        let ty = cx.defs.resource_named(&kind).ok_or_else(|| {
            Error::invalid("The resource has no resourceType that R4 knows.").at("http.resource")
        })?;
        Ok(Input {
            expression,
            context,
            is_checked: validate != Some(false),
            is_asked_for_types: validate == Some(true),
            ty,
            echo,
            resource,
            variables: variables(parameters, cx.defs)?,
            variables_echo: parameters.named("variables").map(compact).collect(),
        })
    }
}

fn missing(name: &str, what: &str) -> Error {
    Error::invalid(format!("$fhirpath needs the parameter {name}: {what}."))
        .coded(IssueType::Required)
        .at(format!("http.{name}"))
}

/// A primitive parameter that is given once at most.
fn single(parameters: &Parameters, name: &str) -> Result<Option<String>> {
    let mut all = parameters.all(name);
    if all.len() > 1 {
        return Err(Error::invalid(format!("The parameter {name} is given more than once."))
            .at(format!("http.{name}")));
    }
    Ok(all.pop())
}

/// The resource, and the part of the answer that repeats it.
async fn resource(cx: &Context<'_>, parameters: &Parameters) -> Result<(Document, String)> {
    let given = parameters.names().iter().filter(|name| *name == "resource").count();
    if given > 1 {
        return Err(Error::invalid("The parameter resource is given more than once.").at("http.resource"));
    }
    if let Some(node) = parameters.resource("resource") {
        let document = node.to_document();
        let echo = format!("{{\"name\":\"resource\",\"resource\":{}}}", document.text());
        return Ok((document, echo));
    }
    if let Some(part) = parameters.named("resource").next()
        && let Some(document) = embedded(cx, part)?
    {
        return Ok((document, compact(part)));
    }
    let text = parameters.get("resource").ok_or_else(|| {
        missing("resource", "a resource, its JSON as a string, or a reference to one that is stored here")
    })?;
    if text.trim_start().starts_with('{') {
        let echo = format!("{{\"name\":\"resource\",\"valueString\":{}}}", json::quote(&text));
        return Ok((json::parse(text).map_err(|e| in_resource(e.into()))?.into_compact(), echo));
    }
    let document = stored(cx, &text).await?;
    let echo = format!("{{\"name\":\"resource\",\"resource\":{}}}", document.text());
    Ok((document, echo))
}

fn in_resource(error: Error) -> Error {
    error.at("http.resource")
}

/// The resource inside an extension, as JSON or XML.
fn embedded(cx: &Context<'_>, part: Node<'_>) -> Result<Option<Document>> {
    for extension in part.get("extension").into_iter().flat_map(Node::each) {
        let text = extension.get_str("valueString");
        match (extension.get_str("url").as_deref(), text) {
            (Some(JSON_VALUE), Some(text)) => {
                let document = json::parse(text.into_owned()).map_err(|e| in_resource(e.into()))?;
                return Ok(Some(document.into_compact()));
            }
            (Some(XML_VALUE), Some(text)) => {
                let limits = remit_xml::Limits::default();
                let json = remit_xml::to_json(text.as_bytes(), cx.defs, &limits).map_err(in_resource)?;
                return json::parse(json).map(Some).map_err(|e| in_resource(e.into()));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// A resource of this server, under the caller's access.
async fn stored(cx: &Context<'_>, text: &str) -> Result<Document> {
    let wrong = || {
        Error::invalid(
            "The resource is given as a resource, as JSON in a string, or as a reference to one that is \
             stored here, such as Patient/1; no other server is asked.",
        )
        .coded(IssueType::NotSupported)
        .at("http.resource")
    };
    let Reference::Relative { kind, id, version } = Reference::parse_with_base(text.trim(), cx.base) else {
        return Err(wrong());
    };
    let ty = cx.defs.resource_named(kind).ok_or_else(wrong)?;
    let stored = match version {
        Some(version) => cx.store.vread(cx.plan, ty, id, version).await,
        None => cx.store.read(cx.plan, ty, id).await,
    };
    let body = stored.map_err(in_resource)?.body;
    let body = body.ok_or_else(|| Error::gone(format!("{kind}/{id} is deleted.")).at("http.resource"))?;
    Ok(json::parse(body)?)
}

/// The parts of all `variables`; parts of one name are one collection.
fn variables<'a>(
    parameters: &'a Parameters,
    defs: &'static Definitions,
) -> Result<Vec<(String, Vec<Item<'a>>)>> {
    let fault = |text: String| Error::invalid(text).at("http.variables");
    let owner = defs.type_named("Parameters.parameter");
    let mut variables: Vec<(String, Vec<Item<'a>>)> = Vec::new();
    let parts = parameters.named("variables").filter_map(|given| given.get("part"));
    for part in parts.flat_map(Node::each) {
        let name = part.get_str("name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| fault("A part of variables has no name.".into()))?;
        if remit_fhirpath::is_reserved_variable(&name) {
            return Err(fault("A variable has a name that FHIRPath has given a meaning already.".into()));
        }
        let place = match variables.iter().position(|(known, _)| *known == *name) {
            Some(place) => place,
            None => {
                variables.push((name.into_owned(), Vec::new()));
                variables.len() - 1
            }
        };
        variables[place].1.extend(value(part, owner, defs));
    }
    if variables.len() > MAX_VARIABLES {
        return Err(fault(format!("There are more than {MAX_VARIABLES} variables.")));
    }
    Ok(variables)
}

/// Variables of one call. They are looked up one after the other.
const MAX_VARIABLES: usize = 100;

fn value<'a>(part: Node<'a>, owner: Option<TypeId>, defs: &Definitions) -> Option<Item<'a>> {
    if let Some(resource) = part.get("resource") {
        return Some(Item::resource(resource, defs));
    }
    let (name, node) = part.members().find(|(name, _)| name.starts_with("value"))?;
    let (_, ty) = defs.member(owner?, &name)?;
    let extension = part.get(&format!("_{name}"));
    Some(Item::Element(Element { node: Some(node), extension, ty: Some(ty) }))
}
