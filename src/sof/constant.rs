//! The constants of a view: `%name` in its paths.
//! <https://sql-on-fhir.org/ig/2.0.0/StructureDefinition-ViewDefinition.html#constants>

use std::collections::HashSet;

use remit_fhir::{Document, Issue, IssueType, Node};
use remit_fhirpath::Element;
use remit_spec::{Definitions, Kind, TypeId};

/// A constant: its name and where its value stands in the definition.
#[derive(Debug)]
pub(crate) struct Constant {
    pub(crate) name: String,
    place: usize,
    member: String,
    ty: TypeId,
}

impl Constant {
    /// The name and the value, typed as FHIR types it.
    pub(crate) fn element<'a>(&'a self, definition: &'a Document) -> Option<(&'a str, Element<'a>)> {
        let constant = definition.root().get("constant")?.items().nth(self.place)?;
        Some((&self.name, Element::of(constant.get(&self.member)?, self.ty)))
    }
}

/// Reads all constants; what is wrong with one goes to `issues`.
pub(crate) fn parse(json: Node<'_>, definitions: &Definitions, issues: &mut Vec<Issue>) -> Vec<Constant> {
    let Some(list) = json.get("constant") else { return Vec::new() };
    if !list.is_array() {
        issues.push(Issue::error(IssueType::Structure, "This must be a list.").at("ViewDefinition.constant"));
        return Vec::new();
    }
    let mut constants = Vec::new();
    let mut names = HashSet::new();
    for (place, item) in list.items().enumerate() {
        let at = format!("ViewDefinition.constant[{place}]");
        match constant(place, item, definitions) {
            Ok(constant) if names.insert(constant.name.clone()) => constants.push(constant),
            Ok(constant) => {
                let text = format!("The constant '{}' is defined more than once.", constant.name);
                issues.push(Issue::error(IssueType::Duplicate, text).at(at));
            }
            Err(text) => issues.push(Issue::error(IssueType::Value, text).at(at)),
        }
    }
    constants
}

fn constant(place: usize, item: Node<'_>, definitions: &Definitions) -> Result<Constant, String> {
    let name = item.get_str("name").ok_or("The constant has no 'name'.")?;
    if !crate::parse::is_sql_name(&name) {
        return Err(format!("The name '{name}' must be a letter and then letters, digits and underscores."));
    }
    let mut values = item.members().filter(|(member, _)| member.starts_with("value"));
    let (Some((member, value)), None) = (values.next(), values.next()) else {
        return Err(format!("The constant '{name}' must have exactly one value[x]."));
    };
    let ty = value_type(&member, definitions)
        .ok_or_else(|| format!("'{member}' is no value of a primitive type."))?;
    if value.scalar().is_none() {
        return Err(format!("The value of the constant '{name}' must be a primitive."));
    }
    Ok(Constant { name: name.into_owned(), place, member: member.into_owned(), ty })
}

/// `valueDateTime` holds a `dateTime`. Only primitive types may be constants.
fn value_type(member: &str, definitions: &Definitions) -> Option<TypeId> {
    let suffix = member.strip_prefix("value")?;
    let mut letters = suffix.chars();
    let name: String = letters.next()?.to_lowercase().chain(letters).collect();
    let ty = definitions.type_named(&name)?;
    (definitions.ty(ty).kind == Kind::Primitive).then_some(ty)
}
