//! One entry of a batch or transaction, read: what it asks for and under which conditions
//! (<https://hl7.org/fhir/R4/bundle.html>, `Bundle.entry.request`).

use remit_fhir::{Document, Error, Kind, Node, Result, base64};
use remit_spec::TypeId;
use std::borrow::Cow;

use super::Request;
use crate::rest::route::Route;
use crate::rest::{Context, Patch, Tags, prepare};

/// The method of an entry's request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Method {
    /// As HTTP writes it.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    fn parse(text: &str) -> Option<Method> {
        use Method::{Delete, Get, Head, Patch, Post, Put};
        [Get, Head, Post, Put, Patch, Delete].into_iter().find(|method| method.name() == text)
    }
}

/// An entry.
pub(super) struct Entry<'b> {
    /// Its place in the Bundle.
    pub(super) at: usize,
    pub(super) full_url: Option<Cow<'b, str>>,
    pub(super) resource: Option<Node<'b>>,
    pub(super) if_none_exist: Option<String>,
    pub(super) if_match: Option<Tags>,
    pub(super) if_none_match: Option<Tags>,
    pub(super) act: Act,
}

/// What an entry asks for.
pub(super) enum Act {
    Create(TypeId),
    Update(TypeId, Target),
    Patch(TypeId, Target, Patch),
    Delete(TypeId, Target),
    /// For the caller to run; the route tells which resource, when it is about one.
    Run(Request, Option<(TypeId, String)>),
}

impl Act {
    /// The method.
    pub(super) fn method(&self) -> Method {
        match self {
            Act::Create(_) => Method::Post,
            Act::Update(..) => Method::Put,
            Act::Patch(..) => Method::Patch,
            Act::Delete(..) => Method::Delete,
            Act::Run(request, _) => request.method,
        }
    }

    /// When it runs: deletes first, then creates, then updates and patches, then the rest
    /// (<https://hl7.org/fhir/R4/http.html#trules>).
    pub(super) fn rank(&self) -> u8 {
        match self {
            Act::Delete(..) => 0,
            Act::Create(_) => 1,
            Act::Update(..) | Act::Patch(..) => 2,
            Act::Run(..) => 3,
        }
    }
}

/// How a resource is named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Target {
    Id(String),
    Criteria(String),
}

/// Reads an entry. An error says which entry it is.
pub(super) fn read<'b>(cx: &Context<'_>, at: usize, entry: Node<'b>) -> Result<Entry<'b>> {
    read_entry(cx, at, entry).map_err(|error| super::in_entry(error, at))
}

fn read_entry<'b>(cx: &Context<'_>, at: usize, entry: Node<'b>) -> Result<Entry<'b>> {
    let request = entry.get("request").ok_or_else(|| missing(at, "request"))?;
    let method = request.get_str("method").ok_or_else(|| missing(at, "request.method"))?;
    let method = Method::parse(&method).ok_or_else(|| {
        Error::invalid("The method must be GET, HEAD, POST, PUT, PATCH or DELETE.")
            .at(format!("Bundle.entry[{at}].request.method"))
    })?;
    let url = request.get_str("url").ok_or_else(|| missing(at, "request.url"))?;
    let resource = entry.get("resource");
    let text = |name: &str| request.get_str(name).map(|text| text.into_owned());
    let tags = |name: &str| {
        let fault = |e: Error| e.at(format!("Bundle.entry[{at}].request.{name}"));
        text(name).map(|text| Tags::parse(&text).map_err(fault)).transpose()
    };
    let act = act(cx, at, method, &url, request, resource)?;
    // On a read, If-None-Match is the caller's to compare.
    let if_none_match = if matches!(act, Act::Run(..)) { None } else { tags("ifNoneMatch")? };
    Ok(Entry {
        at,
        full_url: entry.get_str("fullUrl"),
        resource,
        if_none_exist: text("ifNoneExist"),
        if_match: tags("ifMatch")?,
        if_none_match,
        act,
    })
}

fn missing(at: usize, what: &str) -> Error {
    Error::invalid(format!("The entry has no {what}."))
        .coded(remit_fhir::IssueType::Required)
        .at(format!("Bundle.entry[{at}].{what}"))
}

/// Path and query of a request URL, which may be absolute when it lies below the base.
fn split<'u>(cx: &Context<'_>, url: &'u str) -> (&'u str, Option<&'u str>) {
    let below = url.strip_prefix(cx.base).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let relative = below.unwrap_or(url);
    let relative = relative.strip_prefix('/').unwrap_or(relative);
    match relative.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (relative, None),
    }
}

fn act(
    cx: &Context<'_>,
    at: usize,
    method: Method,
    url: &str,
    request: Node<'_>,
    resource: Option<Node<'_>>,
) -> Result<Act> {
    let in_url = |error: Error| error.at(format!("Bundle.entry[{at}].request.url"));
    let (path, query) = split(cx, url);
    let route = Route::parse(cx.defs, path).map_err(in_url)?;
    if !route.methods().contains(&method.name()) || route == Route::System {
        let what = format!("{} is not possible on {} inside a Bundle.", method.name(), route.template());
        return Err(in_url(Error::new(Kind::MethodNotAllowed, what)));
    }
    let target = || match (&route, query.filter(|query| !query.is_empty())) {
        (Route::Instance(ty, id), _) => Ok((*ty, Target::Id(id.clone().into_owned()))),
        (Route::Type(ty), Some(query)) => Ok((*ty, Target::Criteria(query.to_owned()))),
        _ => Err(in_url(Error::invalid(format!(
            "{} needs an id or search criteria in its URL.",
            method.name()
        )))),
    };
    let body = || resource.ok_or_else(|| missing(at, "resource"));
    match (method, &route) {
        (Method::Post, Route::Type(ty)) => {
            prepare::is_of_type(cx, *ty, body()?)?;
            Ok(Act::Create(*ty))
        }
        (Method::Put, _) => {
            let (ty, target) = target()?;
            prepare::is_of_type(cx, ty, body()?)?;
            Ok(Act::Update(ty, target))
        }
        (Method::Patch, _) => {
            let (ty, target) = target()?;
            Ok(Act::Patch(ty, target, patch(body()?)?))
        }
        (Method::Delete, _) => target().map(|(ty, target)| Act::Delete(ty, target)),
        _ => {
            let text = |name: &str| request.get_str(name).map(|text| text.into_owned());
            let instance = match &route {
                Route::Instance(ty, id) => Some((*ty, id.clone().into_owned())),
                _ => None,
            };
            let request = Request {
                method,
                path: path.to_owned(),
                query: query.map(str::to_owned),
                body: resource.filter(|_| method == Method::Post).map(|node| node.to_document()),
                if_none_match: text("ifNoneMatch"),
                if_modified_since: text("ifModifiedSince"),
            };
            Ok(Act::Run(request, instance))
        }
    }
}

/// A patch inside a Bundle: Parameters for FHIRPath Patch, a Binary that holds a JSON Patch.
fn patch(resource: Node<'_>) -> Result<Patch> {
    let fault = |text: &str| Err(Error::invalid(text));
    match resource.resource_type().as_deref() {
        Some("Parameters") => Ok(Patch::FhirPath(resource.to_document())),
        Some("Binary") => {
            let format = resource.get_str("contentType").unwrap_or_default();
            let format = format.split(';').next().unwrap_or_default().trim();
            if format != "application/json-patch+json" {
                return fault("The Binary of a PATCH must have the contentType application/json-patch+json.");
            }
            let data = resource.get_str("data").unwrap_or_default();
            match base64::decode(&data) {
                Some(bytes) => Ok(Patch::Json(parse_patch(bytes)?)),
                None => fault("The data of the Binary is no base64."),
            }
        }
        _ => fault("The resource of a PATCH must be Parameters (FHIRPath Patch) or a Binary (JSON Patch)."),
    }
}

fn parse_patch(bytes: Vec<u8>) -> Result<Document> {
    Ok(remit_fhir::json::parse(bytes)?)
}
