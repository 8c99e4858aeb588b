//! Codes in value sets and code systems, asked one by one
//! (<https://hl7.org/fhir/R4/valueset.html#compositions>, <https://hl7.org/fhir/R4/codesystem.html#hierarchy>).
//!
//! Nothing is expanded: a definition is a question about one code.

use super::{Stored, World};
use serde_json::Value as Json;
use std::rc::Rc;

fn json(stored: &Stored) -> Json {
    serde_json::from_str(stored.text()).expect("JSON")
}

fn each(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

/// The concepts of a code system with the code right above them, if there is one.
fn concepts<'j>(list: &'j Json, above: Option<&'j str>, found: &mut Vec<(&'j Json, Option<&'j str>)>) {
    for concept in each(list) {
        found.push((concept, above));
        concepts(&concept["concept"], concept["code"].as_str(), found);
    }
}

/// A code system as its resource says it.
struct CodeSystem<'j> {
    concepts: Vec<(&'j Json, Option<&'j str>)>,
}

impl<'j> CodeSystem<'j> {
    fn of(json: &'j Json) -> CodeSystem<'j> {
        let mut found = Vec::new();
        concepts(&json["concept"], None, &mut found);
        CodeSystem { concepts: found }
    }

    /// All its codes.
    fn codes(&self) -> impl Iterator<Item = &'j str> {
        self.concepts.iter().filter_map(|(concept, _)| concept["code"].as_str())
    }

    fn property(&self, code: &str, name: &str) -> Option<&'j str> {
        let (concept, _) = self.concepts.iter().find(|(concept, _)| concept["code"] == code)?;
        let property = each(&concept["property"]).iter().find(|property| property["code"] == name)?;
        property["valueCode"].as_str().or(property["valueString"].as_str())
    }

    /// The code right above another: the concept that it stands in, or its property `parent`.
    fn parent(&self, code: &str) -> Option<&'j str> {
        let nested = self.concepts.iter().find(|(concept, _)| concept["code"] == code);
        nested.and_then(|(_, above)| *above).or_else(|| self.property(code, "parent"))
    }

    /// Whether a code is another or lies below it.
    fn is_a(&self, code: &str, ancestor: &str) -> bool {
        code == ancestor || self.parent(code).is_some_and(|parent| self.is_a(parent, ancestor))
    }

    fn passes(&self, code: &str, filter: &Json) -> bool {
        let text = |name: &str| filter[name].as_str().expect("a whole filter");
        let value = text("value");
        match (text("property"), text("op")) {
            ("concept", "is-a") => self.is_a(code, value),
            ("concept", "descendent-of") => code != value && self.is_a(code, value),
            ("concept", "is-not-a") => !self.is_a(code, value),
            ("concept", "generalizes") => self.is_a(value, code),
            ("concept", "in") => value.split(',').any(|one| one == code),
            (property, "=") => self.property(code, property) == Some(value),
            other => panic!("{other:?} is not answered here"),
        }
    }
}

impl World {
    /// A definition by its URL, or by `Type/id`.
    fn definition(&self, kind: &str, name: &str) -> Option<Rc<Json>> {
        let key = (kind.to_owned(), name.to_owned());
        if let Some(known) = self.definitions.borrow().get(&key) {
            return known.clone();
        }
        let all: Vec<&Stored> = self.of(&[kind]).collect();
        let mut all = all.into_iter().map(|stored| (stored.name(), json(stored)));
        let found = all.find(|(own, json)| own == name || json["url"] == name).map(|(_, json)| Rc::new(json));
        self.definitions.borrow_mut().insert(key, found.clone());
        found
    }

    /// Asks a code system that is stored.
    fn asked<T>(&self, system: &str, question: impl FnOnce(&CodeSystem<'_>) -> T) -> T {
        let json = self.definition("CodeSystem", system);
        question(&CodeSystem::of(&json.unwrap_or_else(|| panic!("no code system {system}"))))
    }

    /// Whether a code of a system is another or lies below it.
    pub(super) fn is_a(&self, system: &str, code: &str, ancestor: &str) -> bool {
        self.asked(system, |known| known.is_a(code, ancestor))
    }

    /// Whether a code is in a value set; without a system, whether it is there under any.
    pub(super) fn is_in(&self, set: &str, system: Option<&str>, code: &str) -> bool {
        let Some(definition) = self.definition("ValueSet", set) else { panic!("no value set {set}") };
        let Some(system) = system else {
            let is_there = |system: &Json| self.is_in(set, system["url"].as_str(), code);
            return self.of(&["CodeSystem"]).any(|stored| is_there(&json(stored)));
        };
        let compose = &definition["compose"];
        let holds = |part: &Json| self.is_part(part, system, code);
        each(&compose["include"]).iter().any(holds) && !each(&compose["exclude"]).iter().any(holds)
    }

    /// Whether a code meets all that one `include` or `exclude` says.
    fn is_part(&self, part: &Json, system: &str, code: &str) -> bool {
        let is_of_system = part["system"].as_str().is_none_or(|named| {
            named == system && {
                let (listed, filters) = (each(&part["concept"]), each(&part["filter"]));
                match listed.is_empty() {
                    false => listed.iter().any(|concept| concept["code"] == code),
                    true => self.asked(system, |known| {
                        known.codes().any(|one| one == code) && filters.iter().all(|f| known.passes(code, f))
                    }),
                }
            }
        });
        let sets = each(&part["valueSet"]);
        is_of_system && sets.iter().filter_map(Json::as_str).all(|set| self.is_in(set, Some(system), code))
    }
}
