//! The parameters of `$everything`.

use super::place::{Place, fingerprint};
use crate::operation::Invocation;
use crate::rest::{Context, reader};
use remit_fhir::date::{Micros, Moment};
use remit_fhir::{Error, IssueType, Result};
use remit_search::{CURSOR_PARAMETER, Condition, Handling};
use remit_spec::TypeId;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Care from this moment on.
    pub(super) start: Option<Micros>,
    /// Care before this moment.
    pub(super) end: Option<Micros>,
    /// Changed at or after this moment.
    pub(super) since: Option<Micros>,
    since_text: Option<String>,
    /// Only these types; none is all.
    pub(super) types: Vec<TypeId>,
    /// Resources of a page.
    pub(super) count: Option<usize>,
    /// All parameters but the place, for links.
    pub(super) pairs: Vec<(String, String)>,
    cursor: Option<String>,
}

impl Request {
    pub(super) fn read(call: &Invocation<'_>) -> Result<Request> {
        let defs = call.cx.defs;
        let ty = match &call.target {
            super::Target::Instance(ty, _) | super::Target::Type(ty) => Some(*ty),
            _ => None,
        };
        let definition = ty.and_then(|ty| defs.operation_on(ty, "everything"));
        let known: Vec<&str> = definition
            .into_iter()
            .flat_map(|d| &d.parameters)
            .filter(|p| !p.is_output)
            .map(|p| p.name)
            .collect();
        let mut pairs = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for name in call.parameters.names() {
            if name == CURSOR_PARAMETER || seen.contains(&name) {
                continue;
            }
            if !known.contains(&name.as_str()) {
                let shown: String = name.chars().take(80).collect();
                return Err(Error::invalid(format!(
                    "$everything has no parameter '{shown}' here; it takes {}.",
                    known.join(", ")
                ))
                .coded(IssueType::NotSupported)
                .at(format!("http.{shown}")));
            }
            let values = call.parameters.all(&name);
            if values.len() > 1 && name != "_type" {
                return Err(refuse(&name, "it stands more than once"));
            }
            pairs.extend(values.into_iter().map(|value| (name.clone(), value)));
            seen.push(name);
        }
        let one = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let types = pairs.iter().filter(|(name, _)| name == "_type").flat_map(|(_, value)| value.split(','));
        let types = types.map(|name| {
            let ty = defs.resource_named(name.trim());
            ty.ok_or_else(|| refuse("_type", "it is a list of resource types"))
        });
        Ok(Request {
            start: one("start").map(|text| date("start", text)).transpose()?.map(|m| m.low),
            end: one("end").map(|text| date("end", text)).transpose()?.map(|m| m.high),
            since: one("_since").map(instant).transpose()?,
            since_text: one("_since").map(str::to_owned),
            types: types.collect::<Result<_>>()?,
            count: one("_count").map(|text| count(text, call.cx.settings.search.max_count)).transpose()?,
            cursor: call.parameters.get(CURSOR_PARAMETER),
            pairs,
        })
    }

    /// The same without `_type` and `_since`.
    pub(super) fn unfiltered(&self) -> Request {
        Request { types: Vec::new(), since: None, since_text: None, ..self.clone() }
    }

    /// The condition on the time of the last change.
    pub(super) fn changed(&self, cx: &Context<'_>) -> Result<Condition> {
        match &self.since_text {
            None => Ok(Condition::All(Vec::new())),
            Some(since) => remit_search::condition(
                &[],
                "_lastUpdated",
                &format!("ge{since}"),
                &reader(cx, cx.store.registry(), Handling::Strict),
            ),
        }
    }

    /// Whether a type is asked for.
    pub(super) fn wants(&self, ty: TypeId) -> bool {
        self.types.is_empty() || self.types.contains(&ty)
    }

    /// Whether all of the compartment that is in scope is asked for.
    pub(super) fn is_unfiltered(&self) -> bool {
        self.types.is_empty() && self.since.is_none()
    }

    pub(super) fn fingerprint(&self, path: &str) -> u64 {
        let pairs = self.pairs.iter().filter(|(name, _)| name != "_count");
        fingerprint([path].into_iter().chain(pairs.flat_map(|(name, value)| [name.as_str(), value.as_str()])))
    }

    /// Where the page begins; `None` is the beginning.
    pub(super) fn place(&self, path: &str) -> Result<Option<Place>> {
        self.cursor.as_deref().map(|text| Place::parse(text, self.fingerprint(path))).transpose()
    }

    /// The same, of a request whose place was read without fault.
    pub(super) fn here(&self, path: &str) -> Option<Place> {
        self.place(path).ok().flatten()
    }
}

fn refuse(name: &str, reason: &str) -> Error {
    Error::invalid(format!("The parameter {name} is refused: {reason}.")).at(format!("http.{name}"))
}

fn date(name: &str, text: &str) -> Result<Moment> {
    Moment::parse(text).ok_or_else(|| refuse(name, "it is a date such as 2024-05-06"))
}

fn instant(text: &str) -> Result<Micros> {
    let moment = Moment::parse(text);
    moment.map(|m| m.low).ok_or_else(|| refuse("_since", "it is an instant such as 2024-05-06T07:08:09Z"))
}

fn count(text: &str, max: usize) -> Result<usize> {
    match text.parse::<usize>() {
        Ok(0) | Err(_) => Err(refuse("_count", "it is a whole number of 1 or more")),
        Ok(count) => Ok(count.min(max)),
    }
}
