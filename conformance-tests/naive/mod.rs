//! Search answered the plain way, from the words of the specification
//! (<https://hl7.org/fhir/R4/search.html>): every resource is asked every question.
//!
//! It shares no code with the server's search: values are found by FHIRPath with the published
//! expressions, and compared here. Slow and simple, so that a difference to the server's answer is a
//! question about the specification. Left out: `_text`, `_content`.

mod compare;
mod compartment;
mod date;
mod filter;
mod near;
mod number;
mod quantity;
mod sets;
mod sort;
mod text;
mod values;

pub(crate) use compare::{escape, split, tokens, unescape};
pub(crate) use compartment::links;
pub(crate) use sort::{SortKey, compare as compare_keys};
pub(crate) use text::{beside, fold, strings};
pub(crate) use values::{Value, components};

use compare::{Alternative, Modifier};
use remit_fhir::json::Document;
use remit_spec::{Definitions, SearchKind, SearchParameter};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Microseconds since 1970.
pub(crate) type Micros = i128;

/// A resource as the server has stored it.
pub(crate) struct Stored {
    pub(crate) ty: &'static str,
    pub(crate) id: String,
    pub(crate) updated: Micros,
    document: Document,
    values: RefCell<HashMap<&'static str, Rc<Vec<Value>>>>,
}

impl Stored {
    /// Its text.
    pub(crate) fn text(&self) -> &str {
        self.document.text()
    }

    /// `Type/id`
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.ty, self.id)
    }
}

/// A value set or code system, when there is one.
type Definition = Option<Rc<serde_json::Value>>;

/// Everything that a server holds.
pub(crate) struct World {
    /// The address of the server; references below it are local.
    pub(crate) base: String,
    /// What `ap` measures dates from.
    pub(crate) now: Cell<Micros>,
    resources: BTreeMap<String, Stored>,
    /// Value sets and code systems that were asked for, by type and name.
    definitions: RefCell<HashMap<(String, String), Definition>>,
    /// Parameters that are not of the specification.
    own: Vec<(&'static str, &'static SearchParameter)>,
}

impl World {
    pub(crate) fn new(base: String) -> World {
        let now = jiff::Timestamp::now().as_microsecond().into();
        let (resources, definitions) = (BTreeMap::new(), RefCell::default());
        World { base, now: Cell::new(now), resources, definitions, own: Vec::new() }
    }

    /// Takes the text of a resource with the time that the server gave it.
    pub(crate) fn put(&mut self, text: &str, updated: &str) {
        let document = remit_fhir::json::parse(text.to_owned()).expect("a resource in JSON");
        let kind = document.root().resource_type().expect("a type of a resource").into_owned();
        let ty = Definitions::r4().name(type_named(&kind));
        let id = document.root().get_str("id").expect("an id").into_owned();
        let (updated, _) = date::parse(updated).unwrap_or_else(|| panic!("{updated} is no time"));
        let stored = Stored { ty, id, updated, document, values: RefCell::default() };
        self.definitions.borrow_mut().clear();
        self.resources.insert(stored.name(), stored);
    }

    pub(crate) fn delete(&mut self, name: &str) {
        self.definitions.borrow_mut().clear();
        self.resources.remove(name);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Stored> {
        self.resources.get(name)
    }

    /// All resources of these types.
    pub(crate) fn of<'w>(&'w self, types: &[&str]) -> impl Iterator<Item = &'w Stored> {
        self.resources.values().filter(move |stored| types.contains(&stored.ty))
    }

    /// Takes a SearchParameter that the server has been given.
    pub(crate) fn define(&mut self, definition: &serde_json::Value) {
        for base in definition["base"].as_array().map_or(&[][..], Vec::as_slice) {
            let base = type_named(base.as_str().expect("a type"));
            self.own.push((Definitions::r4().name(base), values::defined(definition, base)));
        }
    }

    fn find(&self, ty: &str, code: &str) -> Option<&'static SearchParameter> {
        let own = self.own.iter().find(|(of, parameter)| *of == ty && parameter.code == code);
        own.map(|(_, parameter)| *parameter)
            .or_else(|| Definitions::r4().search_parameter(type_named(ty), code))
    }

    /// The parameter of this name on a type.
    pub(crate) fn parameter(&self, ty: &str, code: &str) -> &'static SearchParameter {
        self.find(ty, code).unwrap_or_else(|| panic!("{ty} has no search parameter {code}"))
    }

    /// What a search of these types finds, in the compartment of a resource when one is named.
    pub(crate) fn search<'w>(
        &'w self,
        within: Option<&str>,
        types: &[&str],
        criteria: &[(String, String)],
    ) -> Vec<&'w Stored> {
        let all = |stored: &&Stored| {
            within.is_none_or(|owner| self.is_within(stored, owner))
                && criteria.iter().all(|(name, value)| self.holds(stored, name, value))
        };
        self.of(types).filter(all).collect()
    }

    /// Whether a resource meets one parameter of a URL.
    fn holds(&self, stored: &Stored, name: &str, value: &str) -> bool {
        if let Some(rest) = name.strip_prefix("_has:") {
            let parts: Vec<&str> = rest.splitn(3, ':').collect();
            return self.is_pointed_to(stored, parts[0], parts[1], parts[2], value);
        }
        if let Some((head, rest)) = name.split_once('.') {
            let (code, only) = head.split_once(':').unwrap_or((head, ""));
            let mut targets = self.targets(stored, code).into_iter();
            return targets.any(|target| {
                (only.is_empty() || target.ty == only)
                    && self.knows(target.ty, rest)
                    && self.holds(target, rest, value)
            });
        }
        let (code, modifier) = name.split_once(':').unwrap_or((name, ""));
        let mut alternatives = split(value, ',');
        match code {
            "_id" => alternatives.any(|id| id == stored.id),
            "_filter" => self.passes(stored, value),
            "_list" => self.is_pointed_to(stored, "List", "item", "_id", value),
            "_lastUpdated" => alternatives.any(|text| {
                date::Search::parse(text, self.now.get())
                    .is_some_and(|s| s.holds(stored.updated, stored.updated + 1))
            }),
            _ => self.parameter_holds(stored, self.parameter(stored.ty, code), modifier, value),
        }
    }

    fn parameter_holds(
        &self,
        stored: &Stored,
        parameter: &'static SearchParameter,
        modifier: &str,
        value: &str,
    ) -> bool {
        let values = self.values(stored, parameter);
        let modifier = Modifier::named(modifier);
        if modifier == Modifier::Missing {
            let is_missing = !values.iter().any(|v| self.is_value(parameter, v));
            return is_missing == (value == "true");
        }
        let any = split(value, ',').any(|text| {
            let alternative = Alternative { world: self, parameter, modifier, text };
            values.iter().any(|value| alternative.holds(value))
        });
        any != matches!(modifier, Modifier::Not | Modifier::NotIn)
    }

    /// Whether a parameter of this name can be asked of a type.
    fn knows(&self, ty: &str, name: &str) -> bool {
        if name.starts_with("_has:") || name == "_list" || name == "_filter" {
            return true;
        }
        let code = name.split(['.', ':']).next().unwrap_or_default();
        self.find(ty, code).is_some()
    }

    /// Whether something of a type points to a resource, and meets a parameter.
    fn is_pointed_to(&self, target: &Stored, kind: &str, code: &str, rest: &str, value: &str) -> bool {
        self.sources(target, kind, code).any(|source| self.holds(source, rest, value))
    }

    /// The resources of a type whose reference leads here.
    fn sources<'w>(&'w self, target: &Stored, kind: &str, code: &str) -> impl Iterator<Item = &'w Stored> {
        let (name, code) = (target.name(), code.to_owned());
        let all: Vec<&Stored> = self.of(&[kind]).collect();
        all.into_iter().filter(move |source| {
            let values = self.values(source, self.parameter(source.ty, &code));
            values.iter().any(|v| self.local_target(v).as_deref() == Some(&*name))
        })
    }

    /// The resources that a reference parameter leads to.
    pub(crate) fn targets(&self, stored: &Stored, code: &str) -> Vec<&Stored> {
        let parameter = self.parameter(stored.ty, code);
        let values = self.values(stored, parameter);
        values.iter().filter_map(|v| self.resources.get(&self.local_target(v)?)).collect()
    }

    /// `Type/id` of a resource of this server, when the value is a literal reference to one.
    fn local_target(&self, value: &Value) -> Option<String> {
        if value.ty != "Reference" {
            return None;
        }
        self.local(value.json["reference"].as_str()?)
    }

    /// `Type/id` of a relative reference, or of an absolute one to this server, without version.
    pub(crate) fn local(&self, text: &str) -> Option<String> {
        let text = text.strip_prefix(&self.base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
        let mut steps = text.split('/');
        let (kind, id) = (steps.next()?, steps.next()?);
        let is_known = Definitions::r4().resource_named(kind).is_some();
        let is_whole = steps.next().is_none_or(|step| step == "_history" && steps.next().is_some());
        (is_known && is_whole).then(|| format!("{kind}/{id}"))
    }

    /// What a parameter finds in a resource.
    pub(crate) fn values(&self, stored: &Stored, parameter: &'static SearchParameter) -> Rc<Vec<Value>> {
        if let Some(known) = stored.values.borrow().get(parameter.code) {
            return known.clone();
        }
        let found = Rc::new(values::of(stored.document.root(), parameter));
        stored.values.borrow_mut().insert(parameter.code, found.clone());
        found
    }

    /// Whether there is anything in a value that a search by this parameter could find.
    fn is_value(&self, parameter: &SearchParameter, value: &Value) -> bool {
        match parameter.kind {
            SearchKind::Token => {
                !tokens(value, "").is_empty()
                    || text::beside(value).iter().any(|t| !text::words(t).is_empty())
            }
            SearchKind::String => text::strings(value).iter().any(|t| !t.trim().is_empty()),
            SearchKind::Date => date::of(value).is_some(),
            SearchKind::Number => number::of(value).is_some(),
            SearchKind::Quantity => quantity::of(value).is_some(),
            SearchKind::Reference => value.ty != "Reference" || compare::is_reference(value),
            SearchKind::Uri | SearchKind::Special => true,
            SearchKind::Composite => unreachable!("no composite is asked whether it is missing"),
        }
    }
}

pub(crate) fn type_named(name: &str) -> remit_spec::TypeId {
    Definitions::r4().resource_named(name).unwrap_or_else(|| panic!("{name} is no type of resource"))
}
