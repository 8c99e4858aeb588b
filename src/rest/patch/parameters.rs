//! The Parameters resource of a FHIRPath Patch, read into operations
//! (<https://hl7.org/fhir/R4/fhirpatch.html>).

use remit_fhir::{Document, Error, Node, Result};

use super::MAX_OPERATIONS;

/// One operation of a FHIRPath Patch.
pub(super) struct Operation<'p> {
    /// The FHIRPath of the element or list to change.
    pub(super) path: String,
    /// What to do.
    pub(super) act: Act<'p>,
}

/// What an operation does.
pub(super) enum Act<'p> {
    /// Adds an element, or a value to a repeating one.
    Add { name: String, value: Node<'p> },
    /// Puts a value into a list.
    Insert { index: usize, value: Node<'p> },
    /// Removes an element.
    Delete,
    /// Puts another value in the place of an element.
    Replace { value: Node<'p> },
    /// Moves a value within its list.
    Move { source: usize, destination: usize },
}

impl Act<'_> {
    /// The code of the operation.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Act::Add { .. } => "add",
            Act::Insert { .. } => "insert",
            Act::Delete => "delete",
            Act::Replace { .. } => "replace",
            Act::Move { .. } => "move",
        }
    }
}

/// Reads all operations; a fault is a 400 that names its place.
pub(super) fn operations(patch: &Document) -> Result<Vec<Operation<'_>>> {
    let root = patch.root();
    if root.resource_type().as_deref() != Some("Parameters") {
        return Err(Error::invalid("A FHIRPath Patch is a Parameters resource."));
    }
    let parameters = root.get("parameter").map_or(0, |list| list.items().count());
    if parameters > MAX_OPERATIONS {
        return Err(Error::invalid(format!("A patch has at most {MAX_OPERATIONS} operations.")));
    }
    let list = root.get("parameter").into_iter().flat_map(|list| list.items());
    list.enumerate()
        .map(|(at, parameter)| {
            operation(parameter).map_err(|reason| {
                Error::invalid(format!("Operation {at} of the FHIRPath Patch is malformed: {reason}."))
                    .at(format!("Parameters.parameter[{at}]"))
            })
        })
        .collect()
}

fn operation(parameter: Node<'_>) -> Result<Operation<'_>, String> {
    if parameter.get_str("name").as_deref() != Some("operation") {
        return Err("the parameter must be named \"operation\"".into());
    }
    let text = |name: &str| {
        let value = part(parameter, name).and_then(|part| scalar(part));
        value.ok_or(format!("the part \"{name}\" with a text is missing"))
    };
    let number = |name: &str| {
        let value = part(parameter, name).and_then(|part| scalar(part));
        value
            .and_then(|text| text.parse::<usize>().ok())
            .ok_or(format!("the part \"{name}\" with an integer from 0 is missing"))
    };
    let value = || part(parameter, "value").ok_or("the part \"value\" is missing".to_owned());
    let act = match text("type")?.as_str() {
        "add" => Act::Add { name: text("name")?, value: value()? },
        "insert" => Act::Insert { index: number("index")?, value: value()? },
        "delete" => Act::Delete,
        "replace" => Act::Replace { value: value()? },
        "move" => Act::Move { source: number("source")?, destination: number("destination")? },
        _ => return Err("the type must be add, insert, delete, replace or move".into()),
    };
    Ok(Operation { path: text("path")?, act })
}

fn part<'p>(parameter: Node<'p>, name: &str) -> Option<Node<'p>> {
    let parts = parameter.get("part")?.items();
    parts.into_iter().find(|part| part.get_str("name").as_deref() == Some(name))
}

/// The text of a part's primitive value, of whatever type.
fn scalar(part: Node<'_>) -> Option<String> {
    let (_, value) = part.members().find(|(name, _)| name.starts_with("value"))?;
    value.scalar().map(|text| text.into_owned())
}
