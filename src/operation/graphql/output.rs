//! The answer while it grows. Values keep the text that they have in the resource, so decimals stay.

use super::document::Field;
use super::fault::Fault;
use remit_fhir::json::quote;

/// An object of the answer.
#[derive(Default)]
pub(super) struct Object {
    members: Vec<Member>,
}

struct Member {
    name: Box<str>,
    list: List,
    values: Vec<Out>,
}

/// Whether a member is written as a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// Always.
    Yes,
    /// Only when it is asked for again and has several values by then.
    No,
    /// Never; a second value is an error.
    Never,
}

/// A value of the answer.
pub(super) enum Out {
    Json(Box<str>),
    Object(Object),
}

impl Object {
    /// The member for a field; what is asked for twice becomes a list.
    pub(super) fn member(&mut self, name: &str, list: List, field: &Field) -> Result<usize, Fault> {
        let Some(at) = self.members.iter().position(|member| *member.name == *name) else {
            self.members.push(Member { name: name.into(), list, values: Vec::new() });
            return Ok(self.members.len() - 1);
        };
        let member = &mut self.members[at];
        if member.list == List::Never {
            return Err(
                field.fault(format!("{name} has several values, but @singleton says that it has one."))
            );
        }
        // The same value asked for twice is one value; objects with different fields are several.
        if !field.fields.is_empty() || list == List::Yes {
            member.list = List::Yes;
        }
        Ok(at)
    }

    pub(super) fn push(&mut self, at: usize, value: Out, field: &Field) -> Result<(), Fault> {
        let member = &mut self.members[at];
        match member.list {
            List::Never if !member.values.is_empty() => {
                let name = &member.name;
                Err(field.fault(format!("{name} has several values, but @singleton says that it has one.")))
            }
            List::No if !member.values.is_empty() => Ok(()),
            _ => {
                member.values.push(value);
                Ok(())
            }
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push('{');
        for (n, member) in self.members.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            out.push_str(&quote(&member.name));
            out.push(':');
            match (&member.values[..], member.list) {
                ([value], List::No | List::Never) => value.write(out),
                ([], List::No | List::Never) => out.push_str("null"),
                (values, _) => {
                    out.push('[');
                    for (n, value) in values.iter().enumerate() {
                        if n > 0 {
                            out.push(',');
                        }
                        value.write(out);
                    }
                    out.push(']');
                }
            }
        }
        out.push('}');
    }
}

impl Out {
    fn write(&self, out: &mut String) {
        match self {
            Out::Json(text) => out.push_str(text),
            Out::Object(object) => object.write(out),
        }
    }
}
