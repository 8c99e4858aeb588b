//! The value of a member: one or many, primitive or not, and the `_name` members of primitives
//! (<https://hl7.org/fhir/R4/json.html#primitive>).

use remit_fhir::{IssueType, Node, Path};
use remit_spec::{Element, Kind, TypeId};

use crate::faults::shown;
use crate::lexical;
use crate::{Check, Container};

impl Check<'_> {
    /// The value of a member, which may be an array.
    pub(crate) fn element(
        &mut self,
        object: Node<'_>,
        value: Node<'_>,
        element: &Element,
        ty: TypeId,
        path: &Path<'_>,
    ) {
        if element.is_list && value.is_array() {
            return self.list(object, value, element, ty, path);
        }
        if element.is_list {
            let sentence = format_args!("'{}' can repeat and needs a JSON array.", path.name());
            return self.faults.note(path, IssueType::Structure, sentence);
        }
        if value.is_array() {
            let sentence = format_args!("'{}' occurs at most once and cannot be a JSON array.", path.name());
            return self.faults.note(path, IssueType::Structure, sentence);
        }
        self.value(value, element, ty, path);
    }

    fn list(&mut self, object: Node<'_>, array: Node<'_>, element: &Element, ty: TypeId, path: &Path<'_>) {
        let mut count = 0;
        for (index, item) in array.items().enumerate() {
            count = index + 1;
            let here = path.nth(index);
            if item.is_null() && self.defs.ty(ty).kind == Kind::Primitive {
                self.null_item(object, array, index, &here);
            } else {
                self.value(item, element, ty, &here);
            }
        }
        if count == 0 {
            let sentence = format_args!("'{}' is an empty array; leave it out.", path.name());
            self.faults.note(path, IssueType::Structure, sentence);
        } else if (count as u64) < u64::from(element.min) {
            let sentence = format_args!("'{}' needs at least {} values.", path.name(), element.min);
            self.faults.note(path, IssueType::Required, sentence);
        } else if element.max.is_some_and(|max| count as u64 > u64::from(max)) {
            let max = element.max.unwrap_or_default();
            let sentence = format_args!("'{}' may have at most {max} values.", path.name());
            self.faults.note(path, IssueType::Structure, sentence);
        }
    }

    /// A null stands for a value that has an id or extensions only.
    fn null_item(&mut self, object: Node<'_>, array: Node<'_>, index: usize, path: &Path<'_>) {
        let sibling = array.key().and_then(|key| object.get(&format!("_{key}")));
        let extra = sibling.and_then(|extras| extras.items().nth(index));
        if extra.is_none_or(Node::is_null) {
            let sentence =
                format_args!("A null in '{0}' needs an object at the same place of '_{0}'.", path.name());
            self.faults.note(path, IssueType::Structure, sentence);
        }
    }

    fn value(&mut self, value: Node<'_>, element: &Element, ty: TypeId, path: &Path<'_>) {
        if value.is_null() {
            let sentence = format_args!("'{}' is null; leave it out.", path.name());
            return self.faults.note(path, IssueType::Structure, sentence);
        }
        match self.defs.ty(ty).kind {
            Kind::Primitive => self.primitive(value, ty, path),
            Kind::Resource if element.name == "contained" => self.resource(value, path, Container::Resource),
            Kind::Resource => self.resource(value, path, Container::None),
            _ => self.object(value, ty, path, Container::None),
        }
    }

    /// A value that is not null of a primitive type.
    #[inline]
    pub(crate) fn primitive(&mut self, value: Node<'_>, ty: TypeId, path: &Path<'_>) {
        let name = self.defs.name(ty);
        if let Err(fault) = lexical::check(name, value) {
            self.wrong_value(value, name, fault, path);
        }
    }

    #[cold]
    fn wrong_value(&mut self, value: Node<'_>, ty: &str, fault: lexical::Fault, path: &Path<'_>) {
        let name = path.name();
        match fault {
            lexical::Fault::Kind(needed) => {
                let sentence = format_args!("'{name}' is of type {ty} and needs {needed}.");
                self.faults.note(path, IssueType::Structure, sentence);
            }
            lexical::Fault::Empty => {
                let sentence = format_args!("'{name}' is an empty string; leave it out.");
                self.faults.note(path, IssueType::Value, sentence);
            }
            lexical::Fault::Form(form) => {
                let sentence = format_args!("{} is no valid {ty}: {form}.", shown(value));
                self.faults.note(path, IssueType::Value, sentence);
            }
            lexical::Fault::Text(reason) => {
                let sentence = format_args!("'{name}' {reason}.");
                self.faults.note(path, IssueType::Value, sentence);
            }
        }
    }

    /// A `_name` member: the ids and extensions of primitive values.
    pub(crate) fn extras(
        &mut self,
        object: Node<'_>,
        extras: Node<'_>,
        name: &str,
        element: &Element,
        ty: TypeId,
        path: &Path<'_>,
    ) {
        let is_primitive = self.defs.ty(ty).kind == Kind::Primitive;
        if !is_primitive || element.is_attribute || ty == self.defs.well_known().xhtml {
            let sentence = format_args!(
                "'_{name}' is not possible: '{name}' is no primitive element that can have extensions."
            );
            return self.faults.note(path, IssueType::Structure, sentence);
        }
        if element.is_list != extras.is_array() {
            let needed = if element.is_list { "a JSON array" } else { "a JSON object" };
            let sentence = format_args!("'_{name}' needs {needed}, like '{name}' has one place a value.");
            return self.faults.note(path, IssueType::Structure, sentence);
        }
        if !element.is_list {
            return self.object(extras, ty, path, Container::None);
        }
        let values = object.get(name);
        let mut count = 0;
        for (index, extra) in extras.items().enumerate() {
            count = index + 1;
            let here = path.nth(index);
            if !extra.is_null() {
                self.object(extra, ty, &here, Container::None);
            } else if values.is_none() {
                let sentence =
                    format_args!("A null in '_{name}' needs a value at the same place of '{name}'.");
                self.faults.note(&here, IssueType::Structure, sentence);
            }
        }
        if count == 0 {
            let sentence = format_args!("'_{name}' is an empty array; leave it out.");
            self.faults.note(path, IssueType::Structure, sentence);
        } else if values.is_some_and(|values| values.is_array() && values.items().count() != count) {
            let sentence =
                format_args!("'{name}' and '_{name}' are not equally long; fill the shorter one with null.");
            self.faults.note(path, IssueType::Structure, sentence);
        }
    }
}
