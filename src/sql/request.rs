//! The parameters of `$sql-run` and its aliases, checked. All faults of a kind are told at their parameter.

use super::format::Format;
use crate::operation::{Invocation, Parameters, Target};
use remit_fhir::date::{Moment, Precision};
use remit_fhir::{Document, Error, IssueType, Node, Reference, Result};

/// Inline resources of one call: views are run over them in memory.
const MAX_RESOURCES: usize = 100_000;
/// Patients and groups that one call may name.
const MAX_REFERENCES: usize = 1_000;

/// What the subject may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A view or a query.
    Any,
    /// A ViewDefinition.
    View,
    /// A Library with SQL.
    Query,
}

impl Kind {
    /// The parameters that name the subject: by reference, by resource, and by canonical where there is one.
    fn subject(self) -> [Option<&'static str>; 3] {
        match self {
            Kind::Any => [Some("subjectReference"), Some("subjectResource"), Some("subjectCanonical")],
            Kind::View => [Some("viewReference"), Some("viewResource"), None],
            Kind::Query => [Some("queryReference"), Some("queryResource"), None],
        }
    }

    fn knows(self, name: &str) -> bool {
        const COMMON: [&str; 9] =
            ["resource", "_format", "header", "patient", "group", "_since", "source", "_limit", "_pretty"];
        COMMON.contains(&name)
            || self.subject().contains(&Some(name))
            || (self != Kind::View && matches!(name, "parameters" | "context"))
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// The definition with this canonical URL.
    Canonical(String),
    /// The definition that is stored under this id, of a type by name.
    Stored(String, String),
    /// This one.
    Inline(Document),
}

/// A checked request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) given: Given,
    /// The parameter that names the subject, for errors.
    pub(super) at: &'static str,
    /// Values for the parameters of a query.
    pub(super) values: Option<Document>,
    /// Definitions that go before those that are stored.
    pub(super) context: Vec<Document>,
    /// The resources to read in place of those that are stored.
    pub(super) resources: Option<Vec<Document>>,
    pub(super) format: Format,
    pub(super) header: bool,
    /// Logical ids of patients.
    pub(super) patients: Vec<String>,
    /// Logical ids of groups.
    pub(super) groups: Vec<String>,
    /// An instant as it was given.
    pub(super) since: Option<String>,
    pub(super) limit: Option<usize>,
}

impl Request {
    pub(super) fn read(kind: Kind, call: &Invocation<'_>) -> Result<Request> {
        let Invocation { cx, target, parameters: all } = call;
        if let Some(name) = all.names().iter().find(|name| !kind.knows(name)) {
            let shown: String = name.chars().take(80).collect();
            return Err(Error::invalid(format!("This operation has no parameter '{shown}'."))
                .coded(IssueType::NotSupported)
                .at(shown));
        }
        if !all.all("source").is_empty() {
            let text = "Data outside of this server cannot be read; leave source out.";
            return Err(Error::invalid(text).coded(IssueType::NotSupported).at("source"));
        }
        let (given, at) = subject(kind, cx.base, target, all)?;
        let request = Request {
            kind,
            given,
            at,
            values: one(all, "parameters")?.map(Node::to_document),
            context: resources(all, "context")?,
            resources: inline(all)?,
            format: Format::wanted(single(all, "_format")?.as_deref(), all.accept())?,
            header: flag(all, "header")?.unwrap_or(true),
            patients: references(all, "patient", "Patient", cx.base)?,
            groups: references(all, "group", "Group", cx.base)?,
            since: since(all)?,
            limit: limit(all)?,
        };
        let chooses = [
            ("patient", !request.patients.is_empty()),
            ("group", !request.groups.is_empty()),
            ("_since", request.since.is_some()),
        ];
        match chooses.iter().find(|(_, is_given)| *is_given && request.resources.is_some()) {
            Some((name, _)) => Err(Error::invalid(format!(
                "{name} chooses among the resources stored here, and resource brings others; give one of them."
            ))
            .at(*name)),
            None => Ok(request),
        }
    }
}

/// The one subject of the call.
fn subject(kind: Kind, base: &str, target: &Target<'_>, all: &Parameters) -> Result<(Given, &'static str)> {
    let [reference, resource, canonical] = kind.subject();
    let mut found: Vec<(Given, &'static str)> = Vec::new();
    if let Target::Instance(ty, id) = target {
        let name = remit_spec::Definitions::r4().name(*ty);
        found.push((Given::Stored(name.to_owned(), (*id).to_owned()), "id"));
    }
    if let Some(name) = reference {
        for text in texts(all, name) {
            let (kind, id) = local(&text, base).ok_or_else(|| {
                Error::invalid("The reference must be to a resource of this server: Type/id.").at(name)
            })?;
            found.push((Given::Stored(kind, id), name));
        }
    }
    if let Some(name) = resource {
        for node in resources(all, name)? {
            found.push((Given::Inline(node), name));
        }
        // A body that is no Parameters resource is the subject itself.
        let body = all.body().filter(|body| body.root().resource_type().is_none_or(|ty| ty != "Parameters"));
        found.extend(body.map(|body| (Given::Inline(body.clone()), name)));
    }
    if let Some(name) = canonical {
        found.extend(all.all(name).into_iter().map(|text| (Given::Canonical(text), name)));
    }
    let names = kind.subject().into_iter().flatten().collect::<Vec<_>>().join(", ");
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Error::invalid(format!("Say what to run: give one of {names}."))
            .coded(IssueType::Required)
            .at("Parameters.parameter")),
        (Some(_), Some((_, name))) => {
            Err(Error::invalid(format!("Exactly one of {names} may be given, and none on an instance."))
                .at(name))
        }
    }
}

/// The type and id of a reference into this server.
pub(super) fn local(text: &str, base: &str) -> Option<(String, String)> {
    let text = text.strip_prefix(base).map_or(text, |rest| rest.trim_start_matches('/'));
    match Reference::parse(text) {
        Reference::Relative { kind, id, .. } => Some((kind.to_owned(), id.to_owned())),
        _ => None,
    }
}

/// The values of a parameter: texts, or the literals of References.
fn texts(all: &Parameters, name: &str) -> Vec<String> {
    let literals = all.named(name).filter_map(|p| {
        let literal = p.get("valueReference")?.get_str("reference")?;
        Some(literal.into_owned())
    });
    all.all(name).into_iter().chain(literals).collect()
}

fn references(all: &Parameters, name: &'static str, kind: &str, base: &str) -> Result<Vec<String>> {
    let given = texts(all, name);
    if given.len() > MAX_REFERENCES {
        let text = format!("At most {MAX_REFERENCES} may be given; make a Group of them.");
        return Err(Error::invalid(text).coded(IssueType::TooCostly).at(name));
    }
    if given.len() < all.named(name).count() {
        return Err(Error::invalid(format!("Give a reference such as {kind}/123.")).at(name));
    }
    let id = |text: &String| match local(text, base) {
        Some((of, id)) if of == kind => Ok(id),
        _ if remit_fhir::is_id(text) => Ok(text.clone()),
        _ => Err(Error::invalid(format!("Give a reference such as {kind}/123.")).at(name)),
    };
    given.iter().map(id).collect()
}

/// The resources of a parameter.
fn resources(all: &Parameters, name: &str) -> Result<Vec<Document>> {
    let one = |p: Node<'_>| {
        let resource = p.get("resource").filter(|node| node.is_object());
        resource
            .map(Node::to_document)
            .ok_or_else(|| Error::invalid("This parameter holds a resource.").at(name.to_owned()))
    };
    all.named(name).map(one).collect()
}

fn one<'p>(all: &'p Parameters, name: &'static str) -> Result<Option<Node<'p>>> {
    let mut given = all.named(name);
    let Some(first) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(Error::invalid("Give this parameter once.").at(name));
    }
    let resource = first.get("resource").filter(|node| node.is_object());
    resource.map(Some).ok_or_else(|| Error::invalid("This parameter holds a resource.").at(name))
}

/// The inline resources, those of Bundles one by one.
fn inline(all: &Parameters) -> Result<Option<Vec<Document>>> {
    let given = resources(all, "resource")?;
    if given.is_empty() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for document in given {
        if document.root().resource_type().is_none_or(|ty| ty != "Bundle") {
            found.push(document);
            continue;
        }
        let entries = document.root().get("entry").into_iter().flat_map(|list| list.items());
        found.extend(entries.filter_map(|entry| entry.get("resource")).map(Node::to_document));
    }
    if found.len() > MAX_RESOURCES {
        let text =
            format!("At most {MAX_RESOURCES} resources may be given; store them and run the view here.");
        return Err(Error::new(remit_fhir::Kind::TooLarge, text).at("resource"));
    }
    Ok(Some(found))
}

/// The value of a parameter that may be given once.
fn single(all: &Parameters, name: &'static str) -> Result<Option<String>> {
    let mut given = all.all(name);
    given.dedup();
    match given.len() {
        0 | 1 => Ok(given.pop()),
        _ => Err(Error::invalid("Give this parameter once.").at(name)),
    }
}

fn flag(all: &Parameters, name: &'static str) -> Result<Option<bool>> {
    match single(all, name)?.as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Error::invalid("This parameter is true or false.").at(name)),
    }
}

fn since(all: &Parameters) -> Result<Option<String>> {
    let Some(text) = single(all, "_since")? else { return Ok(None) };
    // An unescaped + of an offset arrives as a space.
    let text = text.replace(' ', "+");
    match Moment::parse(&text) {
        Some(moment) if moment.precision >= Precision::Second && moment.offset_minutes.is_some() => {
            Ok(Some(text))
        }
        _ => Err(Error::invalid("This is not an instant such as 2026-01-31T12:00:00Z.").at("_since")),
    }
}

fn limit(all: &Parameters) -> Result<Option<usize>> {
    let Some(text) = single(all, "_limit")? else { return Ok(None) };
    let number = text.parse::<u32>().ok().and_then(|number| usize::try_from(number).ok());
    number.map(Some).ok_or_else(|| Error::invalid("The limit is a whole number of 0 or more.").at("_limit"))
}
