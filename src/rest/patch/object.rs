//! An object taken apart for change: a FHIRPath Patch touches a primitive's value and its `_name`
//! companion together (<https://hl7.org/fhir/R4/json.html#primitive>), which lie apart in the text.

use remit_fhir::Node;
use remit_fhir::json::{Splice, quote};

const NULL: &str = "null";

/// The members of an object, in order, as JSON texts.
pub(super) struct Object {
    members: Vec<(String, String)>,
}

impl Object {
    /// Takes an object apart.
    pub(super) fn of(node: Node<'_>) -> Object {
        Object {
            members: node
                .members()
                .map(|(name, value)| (name.into_owned(), value.json().to_owned()))
                .collect(),
        }
    }

    /// An object without members.
    pub(super) fn empty() -> Object {
        Object { members: Vec::new() }
    }

    /// Whether there is no member.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether there is a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(n, _)| n == name)
    }

    /// Sets a member; a new one goes to the end, a companion behind its value.
    pub(super) fn set(&mut self, name: &str, json: String) {
        if let Some(member) = self.members.iter_mut().find(|(n, _)| n == name) {
            member.1 = json;
            return;
        }
        let value =
            name.strip_prefix('_').and_then(|plain| self.members.iter().position(|(n, _)| n == plain));
        let place = value.map_or(self.members.len(), |at| at + 1);
        self.members.insert(place, (name.to_owned(), json));
    }

    /// Removes a member.
    pub(super) fn remove(&mut self, name: &str) {
        self.members.retain(|(n, _)| n != name);
    }

    /// Gives a member another name and value where it stands.
    pub(super) fn rename(&mut self, old: &str, new: &str, json: String) {
        match self.members.iter_mut().find(|(n, _)| n == old) {
            Some(member) => *member = (new.to_owned(), json),
            None => self.set(new, json),
        }
    }

    /// Sets or removes a member.
    pub(super) fn put(&mut self, name: &str, json: Option<String>) {
        match json {
            Some(json) => self.set(name, json),
            None => self.remove(name),
        }
    }

    /// The object's JSON.
    pub(super) fn json(&self) -> String {
        let members: Vec<_> =
            self.members.iter().map(|(name, json)| format!("{}:{json}", quote(name))).collect();
        format!("{{{}}}", members.join(","))
    }

    /// The change that puts this in the place of the object it was taken from.
    pub(super) fn splice(&self, node: Node<'_>) -> Splice {
        Splice::replace(node, self.json())
    }
}

/// The values of a repeating element with their companions, of the same length.
#[derive(Default)]
pub(super) struct List {
    items: Vec<(String, String)>,
}

impl List {
    /// Reads `name` and `_name` of an object.
    pub(super) fn of(parent: Node<'_>, name: &str) -> List {
        let texts = |name: &str| -> Vec<String> {
            parent.get(name).map_or(Vec::new(), |array| array.items().map(|n| n.json().to_owned()).collect())
        };
        let (values, companions) = (texts(name), texts(&format!("_{name}")));
        let text = |texts: &[String], at| texts.get(at).cloned().unwrap_or_else(|| NULL.to_owned());
        let count = values.len().max(companions.len());
        List { items: (0..count).map(|at| (text(&values, at), text(&companions, at))).collect() }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Puts a value at a place, at most the end.
    pub(super) fn insert(&mut self, at: usize, value: Option<String>, companion: Option<String>) {
        let or_null = |json: Option<String>| json.unwrap_or_else(|| NULL.to_owned());
        self.items.insert(at.min(self.items.len()), (or_null(value), or_null(companion)));
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, at: usize) -> Option<(String, String)> {
        (at < self.items.len()).then(|| self.items.remove(at))
    }

    /// Moves a value; the destination counts without it.
    pub(super) fn shift(&mut self, source: usize, destination: usize) {
        if let Some(item) = self.remove(source) {
            self.items.insert(destination.min(self.items.len()), item);
        }
    }

    /// Sets the companion of a value.
    pub(super) fn set_companion(&mut self, at: usize, companion: Option<String>) {
        if let Some(item) = self.items.get_mut(at) {
            item.1 = companion.unwrap_or_else(|| NULL.to_owned());
        }
    }

    /// Removes values that have neither content nor companion.
    pub(super) fn sweep(&mut self) {
        self.items.retain(|(value, companion)| value != NULL || companion != NULL);
    }

    /// Writes both members, or removes what holds nothing.
    pub(super) fn store(self, object: &mut Object, name: &str) {
        let array = |texts: Vec<String>| {
            texts.iter().any(|text| text != NULL).then(|| format!("[{}]", texts.join(",")))
        };
        let (values, companions) = self.items.into_iter().unzip();
        object.put(name, array(values));
        object.put(&format!("_{name}"), array(companions));
    }
}
