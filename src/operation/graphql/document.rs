//! The text of a query as a tree of fields: variables are put in, fragments are put where they are
//! spread, `@skip` and `@include` are decided (<https://spec.graphql.org/June2018/>).

use super::fault::{Fault, Faults};
use async_graphql_parser::types::{
    Directive as Written, DocumentOperations, ExecutableDocument, OperationDefinition, OperationType,
    Selection as Item, SelectionSet,
};
use async_graphql_parser::{Error as SyntaxError, Pos, Positioned, parse_query};
use remit_fhirpath::{Expression, Mode, Options, compile_with};
use remit_spec::Definitions;
use serde_json::{Map, Value};

/// Fields within fields. Each reference followed takes two, so this is four references and their details.
pub(super) const MAX_DEPTH: usize = 10;

/// Bytes of a query.
const MAX_QUERY_BYTES: usize = 65_536;

/// Brackets within brackets; the grammar is read by recursion.
const MAX_BRACKETS: usize = 64;

/// Fields of a query after fragments are put in, so that fragments of fragments cannot grow it.
const MAX_FIELDS: usize = 2_000;

/// Fields under another name. With aliases one resource can be asked for many times over.
const MAX_ALIASES: usize = 100;

/// What is asked of an object.
pub(super) enum Selection {
    Field(Box<Field>),
    /// Fields of this type only; `None` is any.
    Fragment(Option<(Box<str>, Pos)>, Vec<Selection>),
}

/// A field that is asked for.
pub(super) struct Field {
    pub(super) name: Box<str>,
    /// The name in the answer.
    pub(super) key: Box<str>,
    pub(super) pos: Pos,
    pub(super) arguments: Vec<(Box<str>, Value)>,
    /// The argument `fhirpath`.
    pub(super) filter: Option<Expression>,
    pub(super) shape: Shape,
    pub(super) fields: Vec<Selection>,
}

/// The directives that change the shape of the answer
/// (<https://hl7.org/fhir/R4/graphql.html#list-manipulation>).
#[derive(Default)]
pub(super) struct Shape {
    pub(super) is_flat: bool,
    pub(super) is_first: bool,
    pub(super) is_singleton: bool,
    pub(super) slice: Option<Slice>,
}

/// What the names of a slice end in.
pub(super) enum Slice {
    /// The place in the list.
    Index,
    /// What an expression gives.
    Path(Expression),
}

impl Field {
    pub(super) fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments.iter().find(|(n, _)| **n == *name).map(|(_, value)| value)
    }

    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::at(self.pos, message)
    }
}

/// Reads a query.
pub(super) fn read(
    text: &str,
    operation: Option<&str>,
    variables: &Map<String, Value>,
    defs: &'static Definitions,
) -> Result<Vec<Selection>, Faults> {
    if text.len() > MAX_QUERY_BYTES {
        return Err(Fault::new(format!("The query is longer than {MAX_QUERY_BYTES} bytes.")).into());
    }
    if brackets(text) > MAX_BRACKETS {
        return Err(Fault::new(format!(
            "The query has more than {MAX_BRACKETS} brackets within each other."
        ))
        .into());
    }
    let document = parse_query(text).map_err(|error| syntax(&error))?;
    let chosen = choose(&document, operation)?;
    if chosen.node.ty != OperationType::Query {
        return Err(Fault::at(
            chosen.pos,
            "Only queries are answered here; a change is made with the RESTful API.",
        )
        .into());
    }
    let variables = bind(&chosen.node, variables)?;
    let mut reader =
        Reader { document: &document, variables, defs, fields: 0, aliases: 0, spreads: Vec::new() };
    reader.selections(&chosen.node.selection_set.node, 1).map_err(Faults::from)
}

/// The deepest nesting of brackets outside of strings and comments.
fn brackets(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = match c {
            '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '"' if rest.starts_with("\"\"\"") => block(rest),
            '"' => string(rest),
            _ => c.len_utf8(),
        };
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
        rest = rest.get(skip..).unwrap_or_default();
    }
    deepest
}

/// Length of the string that a text begins with. It ends with its line at the latest.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' | '\r' => return at,
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

fn block(text: &str) -> usize {
    let mut from = 3;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("\"\"\"")) {
        let end = from + at;
        if !text[..end].ends_with('\\') {
            return end + 3;
        }
        from = end + 3;
    }
    text.len()
}

fn syntax(error: &SyntaxError) -> Fault {
    let pos = error.positions().next();
    let message = match error {
        SyntaxError::Syntax { .. } => "The query cannot be read from here on.".to_owned(),
        SyntaxError::RecursionLimitExceeded => "The query has too many levels.".to_owned(),
        other => format!("The query cannot be read: {other}."),
    };
    pos.map_or_else(|| Fault::new(message.clone()), |pos| Fault::at(pos, message.clone()))
}

fn choose<'d>(
    document: &'d ExecutableDocument,
    operation: Option<&str>,
) -> Result<&'d Positioned<OperationDefinition>, Fault> {
    match (&document.operations, operation) {
        (DocumentOperations::Single(single), None) => Ok(single),
        (DocumentOperations::Single(_), Some(_)) => {
            Err(Fault::new("The query's only operation has no name; leave operationName out."))
        }
        (DocumentOperations::Multiple(all), Some(name)) => all
            .iter()
            .find(|(n, _)| n.as_str() == name)
            .map(|(_, operation)| operation)
            .ok_or_else(|| Fault::new("The query has no operation of the name in operationName.")),
        (DocumentOperations::Multiple(all), None) => match (all.values().next(), all.len()) {
            (Some(only), 1) => Ok(only),
            _ => Err(Fault::new("The query has several operations; say which with operationName.")),
        },
    }
}

/// The values of the operation's variables.
fn bind(operation: &OperationDefinition, given: &Map<String, Value>) -> Result<Map<String, Value>, Fault> {
    let mut bound = Map::new();
    for definition in &operation.variable_definitions {
        let name = definition.node.name.node.as_str();
        let value = match (given.get(name), definition.node.default_value()) {
            (Some(value), _) => value.clone(),
            (None, Some(default)) => default.clone().into_json().unwrap_or_default(),
            (None, None) => Value::Null,
        };
        if value.is_null() && !definition.node.var_type.node.nullable {
            return Err(Fault::at(definition.pos, format!("The variable ${name} has no value.")));
        }
        bound.insert(name.to_owned(), value);
    }
    Ok(bound)
}

/// The value of an argument as JSON, with variables put in. A macro, because the grammar does not give
/// the type of values a name.
macro_rules! json_of {
    ($reader:expr, $value:expr) => {{
        let pos = $value.pos;
        let unfit = |_| Fault::at(pos, "The value cannot be read.");
        let bound = $value.node.clone().into_const_with(|name| {
            let value = $reader.variable(name.as_str(), pos)?;
            serde_json::from_value(value).map_err(unfit)
        });
        bound.and_then(|value| value.into_json().map_err(unfit))
    }};
}

struct Reader<'d> {
    document: &'d ExecutableDocument,
    variables: Map<String, Value>,
    defs: &'static Definitions,
    fields: usize,
    aliases: usize,
    /// The fragments that are being put in, to see one that holds itself.
    spreads: Vec<&'d str>,
}

impl<'d> Reader<'d> {
    fn selections(&mut self, set: &'d SelectionSet, depth: usize) -> Result<Vec<Selection>, Fault> {
        let mut all = Vec::with_capacity(set.items.len());
        for item in &set.items {
            self.fields += 1;
            if self.fields > MAX_FIELDS {
                return Err(Fault::at(
                    item.pos,
                    format!("The query asks for more than {MAX_FIELDS} fields."),
                ));
            }
            if depth > MAX_DEPTH {
                return Err(Fault::at(
                    item.pos,
                    format!("The query has more than {MAX_DEPTH} levels of fields."),
                ));
            }
            if self.is_wanted(item.node.directives())? {
                all.push(self.selection(&item.node, depth)?);
            }
        }
        Ok(all)
    }

    fn selection(&mut self, item: &'d Item, depth: usize) -> Result<Selection, Fault> {
        match item {
            Item::Field(field) => self.field(field, depth).map(|field| Selection::Field(Box::new(field))),
            Item::InlineFragment(fragment) => {
                only_conditions(&fragment.node.directives)?;
                let on =
                    fragment.node.type_condition.as_ref().map(|c| (c.node.on.node.as_str().into(), c.pos));
                Ok(Selection::Fragment(on, self.selections(&fragment.node.selection_set.node, depth)?))
            }
            Item::FragmentSpread(spread) => {
                only_conditions(&spread.node.directives)?;
                let name = spread.node.fragment_name.node.as_str();
                let fragment = self.document.fragments.get(name);
                let fragment =
                    fragment.ok_or_else(|| Fault::at(spread.pos, format!("There is no fragment {name}.")))?;
                if self.spreads.contains(&name) {
                    return Err(Fault::at(spread.pos, format!("The fragment {name} holds itself.")));
                }
                self.spreads.push(name);
                let condition = &fragment.node.type_condition;
                let on = Some((condition.node.on.node.as_str().into(), condition.pos));
                let fields = self.selections(&fragment.node.selection_set.node, depth)?;
                self.spreads.pop();
                Ok(Selection::Fragment(on, fields))
            }
        }
    }

    fn field(
        &mut self,
        field: &'d Positioned<async_graphql_parser::types::Field>,
        depth: usize,
    ) -> Result<Field, Fault> {
        let (pos, field) = (field.pos, &field.node);
        if field.alias.is_some() {
            self.aliases += 1;
            if self.aliases > MAX_ALIASES {
                return Err(Fault::at(pos, format!("The query has more than {MAX_ALIASES} aliases.")));
            }
        }
        let mut arguments: Vec<(Box<str>, Value)> = Vec::new();
        let mut filter = None;
        for (name, value) in &field.arguments {
            let value = json_of!(self, value)?;
            match (name.node.as_str(), value) {
                ("fhirpath", value) => filter = Some(self.expression(value.as_str(), name.pos)?),
                // An argument without a value is not there.
                (_, Value::Null) => {}
                (name, value) => arguments.push((name.into(), value)),
            }
        }
        Ok(Field {
            name: field.name.node.as_str().into(),
            key: field.response_key().node.as_str().into(),
            pos,
            arguments,
            filter,
            shape: self.shape(&field.directives)?,
            fields: self.selections(&field.selection_set.node, depth + 1)?,
        })
    }

    fn shape(&self, directives: &'d [Positioned<Written>]) -> Result<Shape, Fault> {
        let mut shape = Shape::default();
        for directive in directives {
            match directive.node.name.node.as_str() {
                "flatten" => shape.is_flat = true,
                "first" => shape.is_first = true,
                "singleton" => shape.is_singleton = true,
                "slice" => {
                    let path = self.directive_argument(directive, "path")?;
                    shape.slice = Some(match path.as_str() {
                        Some("$index") => Slice::Index,
                        text => Slice::Path(self.expression(text, directive.pos)?),
                    });
                }
                "skip" | "include" => {}
                other => {
                    return Err(Fault::at(directive.pos, format!("There is no directive @{other} here.")));
                }
            }
        }
        if let (true, Some(_), Some(first)) = (shape.is_first, &shape.slice, directives.first()) {
            return Err(Fault::at(first.pos, "@slice and @first exclude each other."));
        }
        Ok(shape)
    }

    fn is_wanted(&self, directives: &'d [Positioned<Written>]) -> Result<bool, Fault> {
        for directive in directives {
            let skips = match directive.node.name.node.as_str() {
                "skip" => true,
                "include" => false,
                _ => continue,
            };
            let condition = self.directive_argument(directive, "if")?;
            let condition = condition.as_bool();
            let condition =
                condition.ok_or_else(|| Fault::at(directive.pos, "The argument if is true or false."))?;
            if condition == skips {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn directive_argument(&self, directive: &'d Positioned<Written>, name: &str) -> Result<Value, Fault> {
        let found = directive.node.arguments.iter().find(|(n, _)| n.node.as_str() == name);
        let (_, value) = found.ok_or_else(|| {
            Fault::at(directive.pos, format!("@{} needs the argument {name}.", directive.node.name.node))
        })?;
        json_of!(self, value)
    }

    fn expression(&self, text: Option<&str>, pos: Pos) -> Result<Expression, Fault> {
        let text = text.ok_or_else(|| Fault::at(pos, "A FHIRPath expression is written as a string."))?;
        let options = Options { mode: Mode::Lenient, ..Options::default() };
        compile_with(text, options, self.defs)
            .map_err(|error| Fault::at(pos, format!("The FHIRPath expression cannot be read: {error}.")))
    }

    fn variable(&self, name: &str, pos: Pos) -> Result<Value, Fault> {
        let value = self.variables.get(name).cloned();
        value.ok_or_else(|| Fault::at(pos, format!("The operation declares no variable ${name}.")))
    }
}

/// `@skip` and `@include` are all that a fragment takes.
fn only_conditions(directives: &[Positioned<Written>]) -> Result<(), Fault> {
    let other = directives.iter().find(|d| !matches!(d.node.name.node.as_str(), "skip" | "include"));
    match other {
        Some(other) => {
            let name = &other.node.name.node;
            Err(Fault::at(other.pos, format!("A fragment does not take the directive @{name}.")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<String> {
        read(text, None, &Map::new(), Definitions::r4()).err().map(|faults| faults.0[0].message.clone())
    }

    #[test]
    fn what_is_too_much_is_refused_with_the_limit() {
        let nested = |levels: usize| format!("{}a{}", "{a ".repeat(levels), "}".repeat(levels));
        assert_eq!(fault(&nested(9).replace("a a", "a")), None);
        let cases = [
            (nested(11), "levels"),
            (nested(70), "brackets"),
            (format!("{{a(b: {}{})}}", "[".repeat(30_000), "]".repeat(30_000)), "brackets"),
            (format!("{{{}}}", "a ".repeat(2_001)), "2000 fields"),
            (format!("{{{}}}", (0..101).map(|n| format!("x{n}: a ")).collect::<String>()), "aliases"),
            ("{a}".repeat(30_000), "longer"),
            (
                "{...a} fragment a on X {...b ...b ...b ...b ...b ...b ...b ...b} \
                 fragment b on X {...c ...c ...c ...c ...c ...c ...c ...c} \
                 fragment c on X {...d ...d ...d ...d ...d ...d ...d ...d} \
                 fragment d on X {e e e e e e e e e e}"
                    .to_owned(),
                "2000 fields",
            ),
            ("{...a} fragment a on X {...a}".to_owned(), "holds itself"),
            ("{...a}".to_owned(), "no fragment a"),
            ("mutation {a}".to_owned(), "Only queries"),
            ("query a {a} query b {b}".to_owned(), "operationName"),
            ("{a(b: $c)}".to_owned(), "no variable $c"),
            ("query a($c: Int!) {a(b: $c)}".to_owned(), "$c has no value"),
            ("{a @include}".to_owned(), "needs the argument if"),
            ("{a @include(if: 1)}".to_owned(), "true or false"),
            ("{a @unknown}".to_owned(), "no directive"),
            ("{a(fhirpath: \"((\")}".to_owned(), "FHIRPath"),
            ("{a".to_owned(), "cannot be read"),
            (String::new(), "cannot be read"),
        ];
        for (text, expected) in cases {
            let shown: String = text.chars().take(60).collect();
            let found = fault(&text).unwrap_or_default();
            assert!(found.contains(expected), "{shown}: {found}");
        }
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let cases = [
            ("{a(b: \"]]]{{{\\\"{{\")}", 2),
            ("{a # {{{{\n}", 1),
            ("{a(b: \"\"\"{{{\\\"\"\"{{\"\"\")}", 2),
            ("\"{{{\n{", 1),
        ];
        for (text, expected) in cases {
            assert_eq!(brackets(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "[{}()\\[\\]\"#a-c:$@.! \\n\\\\]{0,60}") {
            let _ = fault(&text);
        }
    }
}
