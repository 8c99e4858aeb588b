//! The expressions of search parameters, compiled against the definitions.
//!
//! Nearly all of them are plain paths: names, a choice of type, `where(system='phone')`,
//! `where(resolve() is Patient)`, `extension(url)`, `[0]`. These are walked here, because an index
//! needs more than FHIRPath tells: the concrete datatype and the required value set of a code. The few
//! that are more than a path go to the FHIRPath engine.
//! <https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression>

use crate::extract::{Index, Item};
use crate::reference;
use remit_fhir::Node;
use remit_spec::{Definitions, Kind, Strength, TypeId};
use smallvec::{SmallVec, smallvec};

/// A compiled expression, one alternative of a union.
#[derive(Debug)]
pub(crate) struct Path {
    from_resource: bool,
    steps: Box<[Step]>,
}

#[derive(Debug)]
enum Step {
    /// Members of these names.
    Member(Vec<Choice>),
    /// `[0]`
    First,
    /// `where(name = 'text')`
    WhereEquals(Box<str>, Box<str>),
    /// `where(resolve() is Type)`
    ResolvesTo(TypeId),
    /// `extension('url')`
    Extension(Box<str>),
    /// `where(hasExtension('url'))`
    HasExtension(Box<str>),
    /// `value[x]` of an extension, which every expression that ends in one means.
    ExtensionValue,
}

/// What a value is to a search by a set of codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gives {
    /// A code with its system, said or known from its required value set.
    Codes,
    /// A value without a system.
    PlainValues,
    /// `true` or `false`, without a system.
    TruthValues,
    /// No code: an identifier, a phone number.
    Identifiers,
}

#[derive(Clone, Debug)]
struct Choice {
    json_name: &'static str,
    ty: TypeId,
    value_set: Option<&'static str>,
}

/// What one step gives to the next.
pub(crate) type Items<'a> = SmallVec<[Item<'a>; 4]>;

impl Path {
    /// Compiles an alternative that starts from `focus`. `None` when it is more than a path.
    pub(crate) fn compile(
        text: &str,
        focus: TypeId,
        resource: TypeId,
        definitions: &Definitions,
    ) -> Option<Path> {
        let mut compiler = Compiler {
            definitions,
            resource,
            types: smallvec![focus],
            steps: Vec::new(),
            from_resource: false,
        };
        compiler.alternative(text.trim())?;
        let extension = definitions.well_known().extension;
        if compiler.types[..] == [extension] {
            compiler.steps.push(Step::ExtensionValue);
        }
        Some(Path { from_resource: compiler.from_resource, steps: compiler.steps.into() })
    }

    /// Whether the last step can give a value of one of these types.
    pub(crate) fn gives(&self, names: &[&str], definitions: &Definitions) -> bool {
        self.steps.iter().rev().find_map(|step| match step {
            Step::Member(choices) => Some(choices.iter().any(|c| names.contains(&definitions.name(c.ty)))),
            _ => None,
        }) == Some(true)
    }

    /// The types that the values can have; `None` when they can have any.
    pub(crate) fn types(&self, start: TypeId) -> Option<Vec<TypeId>> {
        for step in self.steps.iter().rev() {
            match step {
                Step::Member(choices) => return Some(choices.iter().map(|c| c.ty).collect()),
                Step::ExtensionValue | Step::Extension(_) => return None,
                _ => {}
            }
        }
        Some(vec![start])
    }

    /// What the last step can give to a token parameter.
    pub(crate) fn gives_codes(&self, definitions: &Definitions) -> Vec<Gives> {
        let last = self.steps.iter().rev().find_map(|step| match step {
            Step::Member(choices) => Some(choices),
            _ => None,
        });
        let gives = |choice: &Choice| match definitions.name(choice.ty) {
            "Identifier" | "ContactPoint" => Gives::Identifiers,
            "boolean" => Gives::TruthValues,
            _ if definitions.ty(choice.ty).kind == Kind::Primitive && choice.value_set.is_none() => {
                Gives::PlainValues
            }
            _ => Gives::Codes,
        };
        last.into_iter().flatten().map(gives).collect()
    }

    /// The one type of the values; `start` for a path without steps.
    pub(crate) fn result_type(&self, start: TypeId) -> Option<TypeId> {
        match self.steps.iter().rev().find(|s| matches!(s, Step::Member(_))) {
            None => Some(start),
            Some(Step::Member(choices)) if choices.len() == 1 => choices.first().map(|c| c.ty),
            Some(_) => None,
        }
    }

    /// The values, in order.
    pub(crate) fn evaluate<'a>(&self, focus: &Item<'a>, index: &Index<'a>) -> Items<'a> {
        let start = if self.from_resource {
            Item { node: index.resource, ty: index.ty, value_set: None }
        } else {
            *focus
        };
        let mut items: Items<'a> = smallvec![start];
        for step in &self.steps {
            if items.is_empty() {
                break;
            }
            step.apply(&mut items, index);
        }
        items
    }
}

impl Step {
    fn apply<'a>(&self, items: &mut Items<'a>, index: &Index<'a>) {
        match self {
            Step::Member(choices) => {
                let mut next = Items::new();
                for item in items.iter() {
                    for choice in choices {
                        let Choice { json_name, ty, value_set } = choice;
                        let values = item.node.get(json_name).into_iter().flat_map(Node::each);
                        let values = values.filter(|node| !node.is_null());
                        next.extend(values.map(|node| Item { node, ty: *ty, value_set: *value_set }));
                    }
                }
                *items = next;
            }
            Step::First => items.truncate(1),
            Step::WhereEquals(name, text) => {
                items.retain(|item| item.node.get(name).and_then(Node::scalar).is_some_and(|t| *t == **text));
            }
            Step::ResolvesTo(ty) => {
                items.retain(|item| reference::target_type(item.node, index) == Some(*ty))
            }
            Step::Extension(url) => {
                let ty = index.definitions.well_known().extension;
                let next = items.iter().flat_map(|item| extensions(item.node, url));
                *items = next.map(|node| Item { node, ty, value_set: None }).collect();
            }
            Step::HasExtension(url) => items.retain(|item| extensions(item.node, url).next().is_some()),
            Step::ExtensionValue => {
                let extension = index.definitions.well_known().extension;
                let values = items.iter().flat_map(|item| item.node.members());
                let values = values.filter_map(|(name, node)| {
                    let (element, ty) = index.definitions.member(extension, &name)?;
                    (element.name == "value").then_some(Item { node, ty, value_set: None })
                });
                *items = values.collect();
            }
        }
    }
}

fn extensions<'a>(node: Node<'a>, url: &str) -> impl Iterator<Item = Node<'a>> {
    let all = node.get("extension").into_iter().flat_map(Node::each);
    all.filter(move |e| e.get_str("url").is_some_and(|u| u == url))
}

struct Compiler<'d> {
    definitions: &'d Definitions,
    resource: TypeId,
    /// The types that the last step can give.
    types: SmallVec<[TypeId; 4]>,
    steps: Vec<Step>,
    from_resource: bool,
}

impl Compiler<'_> {
    /// `Patient.name`, `(Observation.value as Quantity).code`, `value.as(Quantity)`, `%resource.x`
    fn alternative(&mut self, text: &str) -> Option<()> {
        let rest = if let Some(inside) = text.strip_prefix('(') {
            let (inside, rest) = inside.split_at(closing(inside)?);
            match inside.rsplit_once(" as ") {
                Some((path, ty)) => {
                    self.alternative(path.trim())?;
                    self.only_type(ty.trim())?;
                }
                None => self.alternative(inside.trim())?,
            }
            rest.strip_prefix(')')?
        } else if let Some(rest) = text.strip_prefix("%resource") {
            self.from_resource = true;
            self.types = smallvec![self.resource];
            rest
        } else {
            let (name, rest) = split_name(text);
            match self.definitions.type_named(name) {
                // The name of the resource itself, or of a type that it descends from.
                Some(ty) if self.types.iter().all(|t| self.definitions.is_a(*t, ty)) => {}
                _ => self.member(name)?,
            }
            rest
        };
        self.steps_of(rest)
    }

    fn steps_of(&mut self, mut rest: &str) -> Option<()> {
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("[0]") {
                self.steps.push(Step::First);
                rest = after;
                continue;
            }
            let (name, after) = split_name(rest.strip_prefix('.')?);
            rest = after;
            let Some(inside) = after.strip_prefix('(') else {
                self.member(name)?;
                continue;
            };
            let (argument, after) = inside.split_at(closing(inside)?);
            rest = after.strip_prefix(')')?;
            match name {
                "as" | "ofType" => self.only_type(argument)?,
                "where" => self.filter(argument)?,
                "extension" => {
                    self.steps.push(Step::Extension(quoted(argument)?.into()));
                    self.types = smallvec![self.definitions.well_known().extension];
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn filter(&mut self, condition: &str) -> Option<()> {
        let step = if let Some(ty) = condition.strip_prefix("resolve() is ") {
            Step::ResolvesTo(self.definitions.resource_named(ty.trim())?)
        } else if let Some(url) = condition.strip_prefix("hasExtension(") {
            Step::HasExtension(quoted(url.strip_suffix(')')?)?.into())
        } else {
            let (name, text) = condition.split_once('=')?;
            let name = name.trim();
            if !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return None;
            }
            Step::WhereEquals(name.into(), quoted(text.trim())?.into())
        };
        self.steps.push(step);
        Some(())
    }

    /// A child element of every type that can stand here, under the name of each of its types.
    fn member(&mut self, name: &str) -> Option<()> {
        let mut choices: Vec<Choice> = Vec::new();
        for ty in &self.types {
            let Some(element) = self.definitions.child(*ty, name) else { continue };
            let required = element.binding.filter(|b| b.strength == Strength::Required);
            for option in &element.types {
                let kind = self.definitions.ty(option.ty);
                let value_set = required.filter(|_| kind.kind == Kind::Primitive && kind.name == "code");
                let value_set = value_set.and_then(|b| b.value_set);
                if choices.iter().all(|c| c.json_name != option.json_name) {
                    choices.push(Choice { json_name: option.json_name, ty: option.ty, value_set });
                }
            }
        }
        if choices.is_empty() {
            return None;
        }
        self.types = choices.iter().map(|c| c.ty).collect();
        self.steps.push(Step::Member(choices));
        Some(())
    }

    /// Keeps the choices that are of a type. `DateTime` stands for `dateTime` in one definition of R4.
    fn only_type(&mut self, name: &str) -> Option<()> {
        let definitions = self.definitions;
        let lower =
            || definitions.type_named(&format!("{}{}", name.get(..1)?.to_ascii_lowercase(), name.get(1..)?));
        let ty = definitions.type_named(name).or_else(lower)?;
        let Some(Step::Member(choices)) = self.steps.last_mut() else { return None };
        choices.retain(|c| definitions.is_a(c.ty, ty));
        self.types = choices.iter().map(|c| c.ty).collect();
        Some(())
    }
}

/// Where the parenthesis closes that stands before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0u32;
    let mut in_quotes = false;
    text.bytes().position(|byte| {
        match byte {
            b'\'' => in_quotes = !in_quotes,
            b'(' if !in_quotes => depth += 1,
            b')' if !in_quotes && depth == 0 => return true,
            b')' if !in_quotes => depth -= 1,
            _ => {}
        }
        false
    })
}

fn split_name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len()))
}

/// A string literal without escapes.
fn quoted(text: &str) -> Option<&str> {
    text.trim().strip_prefix('\'')?.strip_suffix('\'').filter(|t| !t.contains(['\'', '\\']))
}
