//! Objects: resources, datatypes and backbone elements, with their members.

use remit_fhir::{IssueType, Node, Path};
use remit_spec::{Kind, Type, TypeId};

use crate::cardinality::{Seen, place_of};
use crate::faults::short;
use crate::suggest::hint;
use crate::{Check, Container};

impl<'d> Check<'d> {
    /// A resource, wherever it lies.
    pub(crate) fn resource(&mut self, node: Node<'_>, path: &Path<'_>, container: Container) {
        if !node.is_object() {
            return self.faults.note(
                path,
                IssueType::Structure,
                format_args!("A resource is a JSON object."),
            );
        }
        let Some(kind) = node.get("resourceType") else {
            let sentence =
                format_args!("The member 'resourceType' is missing; it names the type of the resource.");
            return self.faults.note(path, IssueType::Structure, sentence);
        };
        let Some(name) = kind.string() else {
            return self.faults.note(path, IssueType::Structure, format_args!("'resourceType' is a string."));
        };
        let Some(ty) = self.defs.resource_named(&name) else {
            let sentence = format_args!("'{}' is no resource type of FHIR R4.", short(&name));
            return self.faults.note(path, IssueType::Structure, sentence);
        };
        self.object(node, ty, path, container);
    }

    /// An object of a type.
    pub(crate) fn object(&mut self, node: Node<'_>, ty: TypeId, path: &Path<'_>, container: Container) {
        let defs = self.defs;
        let definition = defs.ty(ty);
        if !node.is_object() {
            let sentence =
                format_args!("'{}' is of type {} and needs a JSON object.", path.name(), definition.name);
            return self.faults.note(path, IssueType::Structure, sentence);
        }
        if self.depth >= self.max_depth {
            let sentence = format_args!("Objects are nested more than {} deep.", self.max_depth);
            return self.faults.note(path, IssueType::TooLong, sentence);
        }
        self.depth += 1;
        let seen = self.members(node, ty, definition, path, container);
        self.required(definition, seen, path);
        if ty == defs.well_known().extension {
            self.extension(definition, seen, path);
        }
        self.depth -= 1;
    }

    /// Every member of an object; gives the elements that have a value or an extension.
    fn members(
        &mut self,
        node: Node<'_>,
        ty: TypeId,
        definition: &'d Type,
        path: &Path<'_>,
        container: Container,
    ) -> Seen {
        let is_resource = definition.kind == Kind::Resource;
        let (mut seen, mut seen_extra) = (Seen::default(), Seen::default());
        let (mut count, mut kinds) = (0usize, 0usize);
        for (key, value) in node.members() {
            count += 1;
            if is_resource && key == "resourceType" {
                kinds += 1;
                continue;
            }
            let (name, is_extra) = match key.strip_prefix('_') {
                Some(name) => (name, true),
                None => (&*key, false),
            };
            let found = definition.member(name).filter(|(element, _)| element.max != Some(0));
            let Some((element, value_type)) = found else {
                self.unknown(definition, &key, path);
                continue;
            };
            let place = place_of(definition, element);
            let is_new = if is_extra { seen_extra.add(place) } else { seen.add(place) };
            let here = path.child(element.name);
            if !is_new || element.is_choice && (seen.has(place) && seen_extra.has(place)) {
                self.repeated(node, value, &key, element.is_choice, &here);
            }
            if is_extra {
                self.extras(node, value, name, element, value_type, &here);
            } else if element.name == "contained" && container == Container::Resource {
                let sentence = format_args!(
                    "A contained resource may not contain resources itself; put them into the outer resource."
                );
                self.faults.note(&here, IssueType::Structure, sentence);
            } else {
                self.element(node, value, element, value_type, &here);
            }
        }
        if count == 0 {
            let sentence = format_args!("'{}' is an empty object; leave it out.", path.name());
            self.faults.note(path, IssueType::Structure, sentence);
        }
        if kinds > 1 {
            let sentence = format_args!("'resourceType' occurs more than once in {}.", self.defs.name(ty));
            self.faults.note(path, IssueType::Structure, sentence);
        }
        seen.or(seen_extra)
    }

    #[cold]
    fn unknown(&mut self, definition: &Type, key: &str, path: &Path<'_>) {
        /// Longer than any name of FHIR.
        const MAX_NAME: usize = 64;
        let sentence = match key.strip_prefix('_') {
            Some(name) => format_args!(
                "'{}' is unknown: {} has no element '{}'{}.",
                short(key),
                definition.name,
                short(name),
                hint(definition, name)
            )
            .to_string(),
            None => {
                format!("'{}' is no element of {}{}.", short(key), definition.name, hint(definition, key))
            }
        };
        let is_plain = key.len() <= MAX_NAME && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if is_plain && !key.is_empty() {
            self.faults.note(&path.child(key), IssueType::Structure, format_args!("{sentence}"));
        } else {
            self.faults.note(path, IssueType::Structure, format_args!("{sentence}"));
        }
    }

    /// An element that came before: the same member again, or another type of a choice.
    #[cold]
    fn repeated(&mut self, node: Node<'_>, value: Node<'_>, key: &str, is_choice: bool, path: &Path<'_>) {
        let plain = key.strip_prefix('_').unwrap_or(key);
        let mut before = node.members().take_while(|(_, other)| *other != value);
        if before.any(|(other, _)| other == key) {
            let sentence = format_args!("The member '{key}' occurs more than once in its object.");
            return self.faults.note(path, IssueType::Structure, sentence);
        }
        let mut before = node.members().take_while(|(_, other)| *other != value);
        let other = before.find(|(other, _)| {
            let other = other.strip_prefix('_').unwrap_or(other);
            other != plain
                && other
                    .strip_prefix(path.name())
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        });
        if let Some((other, _)) = other.filter(|_| is_choice) {
            let sentence = format_args!(
                "'{key}' and '{other}' are two values of {}[x], which may have one type.",
                path.name()
            );
            self.faults.note(path, IssueType::Structure, sentence);
        }
    }

    fn required(&mut self, definition: &Type, seen: Seen, path: &Path<'_>) {
        for (place, element) in definition.elements.iter().enumerate() {
            if element.min == 0 || seen.has(place) {
                continue;
            }
            let choice = if element.is_choice { "[x]" } else { "" };
            let sentence =
                format_args!("'{}{choice}' is required in {} and is missing.", element.name, definition.name);
            self.faults.note(&path.child(element.name), IssueType::Required, sentence);
        }
    }

    /// An extension has a value or extensions, and not both (<https://hl7.org/fhir/R4/extensibility.html>).
    fn extension(&mut self, definition: &Type, seen: Seen, path: &Path<'_>) {
        let has = |name: &str| {
            definition.elements.iter().position(|e| e.name == name).is_some_and(|place| seen.has(place))
        };
        let sentence = match (has("value"), has("extension")) {
            (true, true) => "An extension has either a value or extensions, not both.",
            (false, false) => "An extension needs a value or extensions.",
            _ => return,
        };
        self.faults.note(path, IssueType::Structure, format_args!("{sentence}"));
    }
}
