//! Which interaction a method and a path below the base mean
//! (<https://hl7.org/fhir/R4/http.html>, overview table).
//!
//! Matched by hand over the segments: it runs for every request, over HTTP and in a batch.

use super::url;
use remit_fhir::{Error, Kind, Result, is_id};
use remit_spec::{Definitions, TypeId};
use std::borrow::Cow;

/// What a path names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route<'p> {
    /// The base itself.
    System,
    /// `metadata`
    Metadata,
    /// `job/7f…`: work in the background
    Job(Cow<'p, str>),
    /// `_search`
    SystemSearch,
    /// `_history`
    SystemHistory,
    /// `$name`
    SystemOperation(Cow<'p, str>),
    /// `Patient`
    Type(TypeId),
    /// `Patient/_search`
    TypeSearch(TypeId),
    /// `Patient/_history`
    TypeHistory(TypeId),
    /// `Patient/$name`
    TypeOperation(TypeId, Cow<'p, str>),
    /// `Patient/12`
    Instance(TypeId, Cow<'p, str>),
    /// `Patient/12/_history`
    InstanceHistory(TypeId, Cow<'p, str>),
    /// `Patient/12/_history/3`
    Version(TypeId, Cow<'p, str>, Cow<'p, str>),
    /// `Patient/12/$name`
    InstanceOperation(TypeId, Cow<'p, str>, Cow<'p, str>),
    /// `Patient/12/_history/3/$name`
    VersionOperation(TypeId, Cow<'p, str>, Cow<'p, str>, Cow<'p, str>),
    /// `Patient/12/Observation`, also with `/_search`; `None` is `*`, all types.
    Compartment(TypeId, Cow<'p, str>, Option<TypeId>),
    /// `Patient/12/Observation/_search`
    CompartmentSearch(TypeId, Cow<'p, str>, Option<TypeId>),
}

impl<'p> Route<'p> {
    /// Reads a path below the base, without leading slash and query: `Patient/12`.
    pub fn parse(defs: &Definitions, path: &'p str) -> Result<Route<'p>> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = path.split('/');
        let first = url::decode(segments.next().unwrap_or_default())?;
        let Some(second) = segments.next() else { return Route::one(defs, first) };
        if first == "job" {
            let id = resource_id(url::decode(second)?)?;
            return if segments.next().is_none() { Ok(Route::Job(id)) } else { Err(unknown_path()) };
        }
        let ty = type_named(defs, &first)?;
        let second = url::decode(second)?;
        let Some(third) = segments.next() else { return Route::two(ty, second) };
        if second.starts_with(['_', '$']) {
            return Err(unknown_path());
        }
        let id = resource_id(second)?;
        let third = url::decode(third)?;
        let Some(fourth) = segments.next() else { return Route::three(defs, ty, id, third) };
        let fourth = url::decode(fourth)?;
        if let Some(fifth) = segments.next() {
            let fifth = url::decode(fifth)?;
            return match third == "_history" && fifth.starts_with('$') && segments.next().is_none() {
                true => Ok(Route::VersionOperation(ty, id, fourth, fifth)),
                false => Err(unknown_path()),
            };
        }
        match (&*third, &*fourth) {
            ("_history", _) => Ok(Route::Version(ty, id, fourth)),
            ("*", "_search") => Ok(Route::CompartmentSearch(ty, id, None)),
            (_, "_search") => Ok(Route::CompartmentSearch(ty, id, Some(type_named(defs, &third)?))),
            _ => Err(unknown_path()),
        }
    }

    fn one(defs: &Definitions, segment: Cow<'p, str>) -> Result<Route<'p>> {
        Ok(match &*segment {
            "" => Route::System,
            "metadata" => Route::Metadata,
            "_search" => Route::SystemSearch,
            "_history" => Route::SystemHistory,
            _ if segment.starts_with('$') => Route::SystemOperation(segment),
            _ => Route::Type(type_named(defs, &segment)?),
        })
    }

    fn two(ty: TypeId, segment: Cow<'p, str>) -> Result<Route<'p>> {
        Ok(match &*segment {
            "_search" => Route::TypeSearch(ty),
            "_history" => Route::TypeHistory(ty),
            _ if segment.starts_with('$') => Route::TypeOperation(ty, segment),
            _ => Route::Instance(ty, resource_id(segment)?),
        })
    }

    fn three(defs: &Definitions, ty: TypeId, id: Cow<'p, str>, segment: Cow<'p, str>) -> Result<Route<'p>> {
        Ok(match &*segment {
            "_history" => Route::InstanceHistory(ty, id),
            "*" => Route::Compartment(ty, id, None),
            _ if segment.starts_with('$') => Route::InstanceOperation(ty, id, segment),
            _ => Route::Compartment(ty, id, Some(type_named(defs, &segment)?)),
        })
    }

    /// The methods that this path takes.
    pub fn methods(&self) -> &'static [&'static str] {
        match self {
            Route::System => &["GET", "HEAD", "POST", "OPTIONS"],
            Route::Metadata => &["GET", "HEAD"],
            Route::Job(_) => &["GET", "HEAD", "DELETE"],
            Route::SystemSearch | Route::TypeSearch(_) | Route::CompartmentSearch(..) => &["POST"],
            Route::SystemHistory | Route::TypeHistory(_) | Route::InstanceHistory(..) => &["GET", "HEAD"],
            Route::Version(..) | Route::Compartment(..) => &["GET", "HEAD"],
            Route::SystemOperation(_)
            | Route::TypeOperation(..)
            | Route::InstanceOperation(..)
            | Route::VersionOperation(..) => &["GET", "HEAD", "POST"],
            Route::Type(_) => &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            Route::Instance(..) => &["GET", "HEAD", "PUT", "PATCH", "DELETE"],
        }
    }

    /// The type that the path is about.
    pub fn ty(&self) -> Option<TypeId> {
        match self {
            Route::System | Route::Metadata | Route::SystemSearch | Route::SystemHistory => None,
            Route::SystemOperation(_) | Route::Job(_) => None,
            Route::Type(ty) | Route::TypeSearch(ty) | Route::TypeHistory(ty) => Some(*ty),
            Route::TypeOperation(ty, _) | Route::Instance(ty, _) | Route::InstanceHistory(ty, _) => Some(*ty),
            Route::Version(ty, ..) | Route::InstanceOperation(ty, ..) => Some(*ty),
            Route::VersionOperation(ty, ..) => Some(*ty),
            Route::Compartment(ty, ..) | Route::CompartmentSearch(ty, ..) => Some(*ty),
        }
    }

    /// The path with names in place of what the caller filled in, for logs.
    pub fn template(&self) -> &'static str {
        match self {
            Route::System => "/",
            Route::Metadata => "/metadata",
            Route::Job(_) => "/job/{id}",
            Route::SystemSearch => "/_search",
            Route::SystemHistory => "/_history",
            Route::SystemOperation(_) => "/${operation}",
            Route::Type(_) => "/{type}",
            Route::TypeSearch(_) => "/{type}/_search",
            Route::TypeHistory(_) => "/{type}/_history",
            Route::TypeOperation(..) => "/{type}/${operation}",
            Route::Instance(..) => "/{type}/{id}",
            Route::InstanceHistory(..) => "/{type}/{id}/_history",
            Route::Version(..) => "/{type}/{id}/_history/{version}",
            Route::InstanceOperation(..) => "/{type}/{id}/${operation}",
            Route::VersionOperation(..) => "/{type}/{id}/_history/{version}/${operation}",
            Route::Compartment(..) => "/{compartment}/{id}/{type}",
            Route::CompartmentSearch(..) => "/{compartment}/{id}/{type}/_search",
        }
    }
}

fn resource_id(segment: Cow<'_, str>) -> Result<Cow<'_, str>> {
    if is_id(&segment) {
        return Ok(segment);
    }
    Err(Error::invalid(
        "The id in the URL is no resource id: 1 to 64 of the characters A-Z, a-z, 0-9, - and . are allowed.",
    ))
}

fn unknown_path() -> Error {
    Error::not_found(
        "There is nothing at this path. A path is TYPE, TYPE/ID, TYPE/ID/_history/VERSION, $OPERATION or metadata.",
    )
}

/// The resource type of a name; an unknown one is answered with the nearest that exists.
pub fn type_named(defs: &Definitions, name: &str) -> Result<TypeId> {
    if let Some(ty) = defs.resource_named(name) {
        return Ok(ty);
    }
    if name.is_empty() {
        return Err(unknown_path());
    }
    if !name.bytes().all(|b| b.is_ascii_alphanumeric()) || name.len() > LONGEST_HINT {
        return Err(Error::not_found("The URL names no resource type of FHIR R4."));
    }
    let hint = nearest(defs, name).map_or(String::new(), |near| format!(" Did you mean {near}?"));
    Err(Error::new(Kind::NotFound, format!("{name} is no resource type of FHIR R4.{hint}"))
        .coded(remit_fhir::IssueType::NotSupported))
}

/// Longer names are not repeated and not compared; the longest type name has 33 characters.
const LONGEST_HINT: usize = 40;

/// The type whose name takes the fewest edits, when that is few.
fn nearest(defs: &Definitions, name: &str) -> Option<&'static str> {
    let wanted = name.to_ascii_lowercase();
    let (distance, best) = defs
        .resource_types()
        .map(|ty| (edits(&wanted, &defs.name(ty).to_ascii_lowercase()), defs.name(ty)))
        .min()?;
    (distance <= 1 + name.len() / 4).then_some(best)
}

/// Levenshtein's distance of two ASCII texts.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, above) in b.bytes().zip(&mut row[1..]) {
            let here = (diagonal + usize::from(x != y)).min(left + 1).min(*above + 1);
            diagonal = std::mem::replace(above, here);
            left = here;
        }
        row[0] = i + 1;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_it_names() {
        let defs = Definitions::r4();
        let ty = |name| defs.resource_named(name).unwrap();
        let patient = ty("Patient");
        let cases = [
            ("", Route::System),
            ("metadata", Route::Metadata),
            ("_search", Route::SystemSearch),
            ("_history", Route::SystemHistory),
            ("$export", Route::SystemOperation("$export".into())),
            ("Patient", Route::Type(patient)),
            ("Patient/", Route::Type(patient)),
            ("Patient/_search", Route::TypeSearch(patient)),
            ("Patient/_history", Route::TypeHistory(patient)),
            ("Patient/$everything", Route::TypeOperation(patient, "$everything".into())),
            ("Patient/1", Route::Instance(patient, "1".into())),
            ("Patient/%31", Route::Instance(patient, "1".into())),
            ("Patient/1/_history", Route::InstanceHistory(patient, "1".into())),
            ("Patient/1/_history/2", Route::Version(patient, "1".into(), "2".into())),
            ("Patient/1/$everything", Route::InstanceOperation(patient, "1".into(), "$everything".into())),
            (
                "Patient/1/_history/2/$meta",
                Route::VersionOperation(patient, "1".into(), "2".into(), "$meta".into()),
            ),
            ("Patient/1/*", Route::Compartment(patient, "1".into(), None)),
            ("Patient/1/Claim", Route::Compartment(patient, "1".into(), Some(ty("Claim")))),
            ("Patient/1/Claim/_search", Route::CompartmentSearch(patient, "1".into(), Some(ty("Claim")))),
        ];
        for (path, expected) in cases {
            assert_eq!(Route::parse(defs, path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn a_path_that_names_nothing_says_why() {
        let defs = Definitions::r4();
        let cases = [
            ("patient", 404, "Did you mean Patient?"),
            ("Pateint", 404, "Did you mean Patient?"),
            ("Observations/1", 404, "Did you mean Observation?"),
            ("Zzzz", 404, "is no resource type of FHIR R4."),
            ("Resource", 404, "no resource type"),
            ("HumanName", 404, "no resource type"),
            ("Claim.item", 404, "no resource type"),
            ("Patient/a_b", 400, "no resource id"),
            ("Patient/1/2/3/4", 404, "nothing at this path"),
            ("Patient/1/2", 404, "no resource type"),
            ("Patient/1/_history/2/3", 404, "nothing at this path"),
            ("Patient/_history/2", 404, "nothing at this path"),
            ("Patient//_history", 400, "no resource id"),
            ("Patient/%zz", 400, "hexadecimal"),
            ("Patient/%00", 400, "NUL"),
            ("//", 404, "nothing at this path"),
        ];
        for (path, status, text) in cases {
            let error = Route::parse(defs, path).unwrap_err();
            assert_eq!(error.status(), status, "{path}: {error}");
            assert!(error.to_string().contains(text), "{path}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_ends_in_an_answer(path in "\\PC*") {
            let _ = Route::parse(Definitions::r4(), &path);
        }
    }
}
