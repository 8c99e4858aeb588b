//! The FHIRPath expressions of a view: compiled in the type that they stand on, evaluated with the
//! view's constants and `%rowIndex`.

use std::borrow::Cow;

use remit_fhir::Node;
use remit_fhir::date::Micros;
use remit_fhirpath::{
    Collection, Element, Environment, Expression, Item, Options, Syntax, SyntaxKind, compile_with,
};
use remit_spec::{Definitions, TypeId};

use crate::constant::Constant;
use crate::value::{ColumnType, Value};
use crate::view::View;

/// The variable that counts the rows of the nearest list, from 0.
const ROW_INDEX: &str = "rowIndex";

/// Where a path is compiled: the type of what it stands on and the variables that it may name.
#[derive(Clone)]
pub(crate) struct Scope<'p> {
    definitions: &'static Definitions,
    context: Option<TypeId>,
    constants: &'p [Constant],
}

impl<'p> Scope<'p> {
    pub(crate) fn new(
        definitions: &'static Definitions,
        resource: TypeId,
        constants: &'p [Constant],
    ) -> Self {
        Scope { definitions, context: Some(resource), constants }
    }

    /// The scope on what a path gives. Where it may give several types, names are not checked.
    pub(crate) fn within(&self, path: &Path) -> Scope<'p> {
        let context = match path.expression.result_types() {
            Some([ty]) => Some(*ty),
            _ => None,
        };
        Scope { context, ..*self }
    }

    /// The scope on what is only known when it is met.
    pub(crate) fn anywhere(&self) -> Scope<'p> {
        Scope { context: None, ..*self }
    }
}

/// A compiled path.
#[derive(Debug)]
pub(crate) struct Path {
    expression: Expression,
    definitions: &'static Definitions,
    pub(crate) uses_variables: bool,
    /// Its last step is `join()`. FHIRPath gives nothing for nothing; SQL on FHIR wants a text
    /// without characters.
    ends_in_join: bool,
}

impl Path {
    pub(crate) fn compile(text: &str, scope: &Scope<'_>) -> Result<Path, String> {
        let names: Vec<&str> =
            scope.constants.iter().map(|constant| constant.name.as_str()).chain([ROW_INDEX]).collect();
        let options = Options { context: scope.context, variables: Some(&names), ..Options::default() };
        let expression = compile_with(text, options, scope.definitions).map_err(|error| error.to_string())?;
        Ok(Path {
            ends_in_join: ends_in_join(expression.syntax()),
            expression,
            definitions: scope.definitions,
            uses_variables: text.contains('%'),
        })
    }

    /// The column type of what the path gives, when the path alone tells it. Complex values are any.
    pub(crate) fn column_type(&self) -> Option<ColumnType> {
        match self.expression.result_types() {
            Some([ty]) => Some(ColumnType::of(self.definitions.name(*ty)).unwrap_or(ColumnType::Any)),
            _ => None,
        }
    }

    pub(crate) fn evaluate<'a>(
        &'a self,
        focus: &Item<'a>,
        environment: &Environment<'a>,
    ) -> Result<Collection<'a>, String> {
        let mut found = Collection::new();
        self.expression.evaluate_into(focus, environment, &mut found).map_err(|error| error.to_string())?;
        if self.ends_in_join && found.is_empty() {
            found.push(Item::String(Cow::Borrowed("")));
        }
        Ok(found)
    }
}

fn ends_in_join(syntax: &Syntax) -> bool {
    match &syntax.kind {
        SyntaxKind::Path(_, last) => ends_in_join(last),
        SyntaxKind::Call(name, _) => name == "join",
        _ => false,
    }
}

/// What all paths of one run share.
pub(crate) struct Context<'a> {
    pub(crate) definitions: &'static Definitions,
    resource: Element<'a>,
    constants: Vec<(&'a str, Element<'a>)>,
    now: Micros,
}

/// Variables as an environment takes them.
pub(crate) type Variables<'a> = Vec<(String, Vec<Item<'a>>)>;

impl<'a> Context<'a> {
    pub(crate) fn new(view: &'a View, resource: Node<'a>, now: Micros) -> Context<'a> {
        let constants =
            view.constants.iter().filter_map(|constant| constant.element(&view.document)).collect();
        Context {
            definitions: view.definitions,
            resource: Element::of(resource, view.resource),
            constants,
            now,
        }
    }

    /// The resource itself.
    pub(crate) fn root(&self) -> Item<'a> {
        Item::Element(self.resource)
    }

    /// The variables on a row. They are only made where a path names one.
    pub(crate) fn variables(&self, are_used: bool, index: usize) -> Variables<'a> {
        if !are_used {
            return Vec::new();
        }
        let row_index = Item::Integer(i64::try_from(index).unwrap_or(i64::MAX));
        let constants = self.constants.iter().map(|(name, element)| (*name, Item::Element(*element)));
        let all = constants.chain([(ROW_INDEX, row_index)]);
        all.map(|(name, item)| (name.to_owned(), vec![item])).collect()
    }

    pub(crate) fn environment<'v>(&self, variables: &'v [(String, Vec<Item<'v>>)]) -> Environment<'v>
    where
        'a: 'v,
    {
        Environment {
            resource: Some(self.resource),
            root_resource: Some(self.resource),
            variables,
            ..Environment::new(self.now)
        }
    }
}

/// The focus of columns for which a `forEachOrNull` found nothing.
pub(crate) fn nothing() -> Item<'static> {
    Item::Element(Element { node: None, extension: None, ty: None })
}

/// The content of a cell with one item. The message of a misfit names types only.
pub(crate) fn convert<'a>(
    item: Item<'a>,
    ty: ColumnType,
    definitions: &Definitions,
) -> Result<Value<'a>, String> {
    if let Item::Element(element) = &item {
        match element.node {
            None => return Ok(Value::Null),
            Some(node) if node.is_object() => return complex(node, ty),
            Some(_) => {}
        }
    }
    let converted = match ty {
        ColumnType::Boolean => item.boolean(definitions).map(Value::Boolean),
        ColumnType::Integer => integer(&item, definitions).map(Value::Integer),
        ColumnType::Decimal => item.text(definitions).filter(|text| is_number(text)).map(Value::Decimal),
        ColumnType::Any => any(&item, definitions),
        _ => item.text(definitions).map(Value::Text),
    };
    converted.ok_or_else(|| format!("The path gives a value that is no {ty:?}."))
}

fn complex(node: Node<'_>, ty: ColumnType) -> Result<Value<'_>, String> {
    if ty == ColumnType::Any {
        return Ok(Value::Json(Cow::Borrowed(node.json())));
    }
    Err(format!("The path gives a complex value; the column holds {ty:?}."))
}

fn integer(item: &Item<'_>, definitions: &Definitions) -> Option<i64> {
    match item {
        Item::Integer(number) => Some(*number),
        _ => item.text(definitions)?.parse().ok(),
    }
}

/// The value in its own form: a boolean stays a boolean, a number a number.
fn any<'a>(item: &Item<'a>, definitions: &Definitions) -> Option<Value<'a>> {
    let text = item.text(definitions);
    match item.value(definitions)? {
        Item::Boolean(value) => Some(Value::Boolean(value)),
        Item::Integer(value) => Some(Value::Integer(value)),
        Item::Decimal(_) => text.map(Value::Decimal),
        _ => text.map(Value::Text),
    }
}

fn is_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
}
