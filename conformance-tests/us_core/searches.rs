//! The searches that US Core asks for, from the metadata of its test suite, with values of the data.

use crate::naive::{Stored, Value, World, escape, strings, tokens};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Resources that give values to one search of one profile.
const SAMPLES: usize = 3;

/// A search to ask.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Search {
    pub(super) ty: String,
    pub(super) criteria: Vec<(String, String)>,
    pub(super) includes: Vec<(String, String)>,
}

/// What one profile asks of searches.
struct Profile<'m> {
    ty: &'m str,
    definitions: &'m Json,
    metadata: &'m Json,
}

fn texts(json: &Json) -> Vec<&str> {
    json.as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Json::as_str).collect()
}

/// All searches of a profile's metadata, with values of the resources of its type.
pub(super) fn of(metadata: &Json, world: &World, searches: &mut BTreeSet<Search>) {
    let ty = metadata["resource"].as_str().expect("a type in the metadata");
    let profile = Profile { ty, definitions: &metadata["search_definitions"], metadata };
    for search in metadata["searches"].as_array().map_or(&[][..], Vec::as_slice) {
        let names = texts(&search["names"]);
        let types = [ty];
        let all = world.of(&types).filter(|s| names.iter().all(|n| !values(world, s, n).is_empty()));
        let all: Vec<&Stored> = all.collect();
        // From all over the data, not only what comes first by its id.
        let step = (all.len() / SAMPLES).max(1);
        for stored in all.into_iter().step_by(step).take(SAMPLES) {
            profile.searches(world, stored, &names, searches);
        }
    }
}

fn values(world: &World, stored: &Stored, name: &str) -> Vec<Value> {
    match name {
        "_id" => vec![Value { ty: "id", json: stored.id.clone().into(), parts: Vec::new() }],
        _ => world.values(stored, world.parameter(stored.ty, name)).to_vec(),
    }
}

impl Profile<'_> {
    fn searches(&self, world: &World, stored: &Stored, names: &[&str], searches: &mut BTreeSet<Search>) {
        let base: Vec<(String, String)> = names
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), plain(&values(world, stored, name)[0]).pop()?)))
            .collect();
        if base.len() < names.len() {
            return;
        }
        let search = |criteria, includes| Search { ty: self.ty.to_owned(), criteria, includes };
        searches.insert(search(base.clone(), Vec::new()));
        let includes = texts(&self.metadata["include_params"]).into_iter().map(|i| ("_include", i));
        let includes =
            includes.chain(texts(&self.metadata["revincludes"]).into_iter().map(|i| ("_revinclude", i)));
        let includes: Vec<_> = includes.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        searches.insert(search(base.clone(), includes));
        for (place, name) in names.iter().enumerate() {
            for change in self.changes(world, stored, name) {
                let mut criteria = base.clone();
                drop(criteria.splice(place..=place, change));
                searches.insert(search(criteria, Vec::new()));
            }
        }
    }

    /// Other forms of one parameter: comparators, alternatives, two at once, chains.
    fn changes(&self, world: &World, stored: &Stored, name: &str) -> Vec<Vec<(String, String)>> {
        let definition = &self.definitions[name];
        let found = values(world, stored, name);
        let one = |value: String| vec![(name.to_owned(), value)];
        let mut changes: Vec<_> = found.iter().flat_map(plain).map(one).collect();
        for date in found.iter().flat_map(dates) {
            for comparator in definition["comparators"].as_object().into_iter().flat_map(|c| c.keys()) {
                changes.push(one(format!("{comparator}{date}")));
            }
            let (from, to) = (format!("ge{}", &date[..4]), format!("lt{date}"));
            changes.push(vec![(name.to_owned(), from), (name.to_owned(), to)]);
        }
        if definition["multiple_or"].as_str().is_some_and(|e| e != "MAY") {
            let own: Vec<String> = found.iter().flat_map(plain).collect();
            changes.push(one([own, texts(&definition["values"]).iter().map(|v| escape(v)).collect()]
                .concat()
                .join(",")));
        }
        for chain in definition["chain"].as_array().map_or(&[][..], Vec::as_slice) {
            let Some(rest) = chain["chain"].as_str() else { continue };
            for target in world.targets(stored, name) {
                let found = values(world, target, rest);
                let chained =
                    found.iter().flat_map(plain).map(|value| vec![(format!("{name}.{rest}"), value)]);
                changes.extend(chained);
            }
        }
        changes
    }
}

/// A value of a resource as values of a URL; the last is the usual one.
fn plain(value: &Value) -> Vec<String> {
    let json = &value.json;
    match value.ty {
        "HumanName" | "Address" => strings(value).iter().map(|text| escape(text)).collect(),
        "CodeableConcept" | "Coding" | "Identifier" => tokens(value, "")
            .into_iter()
            .flat_map(|(system, code)| [escape(&code), format!("{}|{}", escape(&system), escape(&code))])
            .collect(),
        "Reference" => {
            let text = json["reference"].as_str().filter(|text| !text.starts_with('#')).unwrap_or_default();
            let id = text.split_once('/').map(|(_, id)| id.to_owned()).filter(|_| !text.contains(':'));
            id.into_iter().chain((!text.is_empty()).then(|| escape(text))).collect()
        }
        "Period" | "Timing" => dates(value),
        _ => {
            json.as_str().map(escape).or_else(|| json.as_bool().map(|b| b.to_string())).into_iter().collect()
        }
    }
}

/// The dates in a value of a date parameter, also the day alone.
fn dates(value: &Value) -> Vec<String> {
    let all = match value.ty {
        "date" | "dateTime" | "instant" => vec![&value.json],
        "Period" => vec![&value.json["start"], &value.json["end"]],
        _ => Vec::new(),
    };
    let texts = all.into_iter().filter_map(Json::as_str);
    texts.flat_map(|text| [text.get(..10).unwrap_or(text).to_owned(), text.to_owned()]).collect()
}
