//! The values that a search parameter speaks of, by its FHIRPath expression
//! (<https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression>).

use remit_fhir::Node;
use remit_fhirpath::{Collection, Element, Environment, Expression, Item, Mode, Options};
use remit_spec::{Definitions, SearchKind, SearchParameter, TypeId};
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// A value with the type that its element has.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) ty: &'static str,
    pub(crate) json: serde_json::Value,
    /// Of a composite: for each component what it finds in this element.
    pub(crate) parts: Vec<Vec<Value>>,
}

/// What a parameter finds in a resource.
pub(super) fn of(root: Node<'_>, parameter: &SearchParameter) -> Vec<Value> {
    let definitions = Definitions::r4();
    let Some(text) = parameter.expression else { return Vec::new() };
    let resource = Element::resource(root, definitions);
    let text = completed(text, parameter);
    let found = evaluate(&text, resource, resource);
    if parameter.kind != SearchKind::Composite {
        return found.iter().filter_map(value).collect();
    }
    let elements = found.iter().filter_map(Item::element);
    elements.map(|element| composite(*element, resource, parameter)).collect()
}

/// The expression of InsurancePlan's `name` leaves out the type.
fn completed(text: &str, parameter: &SearchParameter) -> String {
    let name = Definitions::r4().name(parameter.base);
    match text {
        "name | alias" => format!("{name}.name | {name}.alias"),
        _ => text.to_owned(),
    }
}

fn composite(element: Element<'_>, resource: Element<'_>, parameter: &SearchParameter) -> Value {
    let part = |expression: &str| evaluate(expression, element, resource).iter().filter_map(value).collect();
    let parts = parameter.components.iter().map(|c| part(c.expression)).collect();
    Value { ty: "Element", json: serde_json::Value::Null, parts }
}

/// The parameters that say how the parts of a composite compare.
pub(crate) fn components(parameter: &SearchParameter) -> Vec<&'static SearchParameter> {
    let definitions = Definitions::r4();
    let find = |url: &str| {
        let own = definitions.search_parameter_by_url(parameter.base, url);
        own.unwrap_or_else(|| panic!("{} has no part {url}", parameter.code))
    };
    parameter.components.iter().map(|component| find(component.definition)).collect()
}

/// A parameter that a SearchParameter resource defines; kept as long as the tests run.
pub(super) fn defined(definition: &serde_json::Value, base: TypeId) -> &'static SearchParameter {
    let text = |name: &str| &*definition[name].as_str().unwrap_or_default().to_owned().leak();
    let kinds = [SearchKind::Token, SearchKind::Date, SearchKind::String, SearchKind::Reference];
    let kind = kinds.into_iter().find(|kind| kind.code() == text("type")).expect("a usual type");
    let none = || Vec::new().into_boxed_slice();
    Box::leak(Box::new(SearchParameter {
        url: text("url"),
        code: text("code"),
        kind,
        base,
        expression: Some(text("expression")),
        targets: Vec::new().into_boxed_slice(),
        components: Vec::new().into_boxed_slice(),
        multiple_or: None,
        multiple_and: None,
        comparators: none(),
        modifiers: none(),
    }))
}

fn value(item: &Item<'_>) -> Option<Value> {
    let definitions = Definitions::r4();
    let (ty, json) = match item {
        Item::Element(element) => {
            let json = serde_json::from_str(element.node?.json()).expect("JSON within JSON");
            (definitions.name(element.ty?), json)
        }
        Item::Boolean(truth) => ("boolean", (*truth).into()),
        other => ("string", other.text(definitions)?.into_owned().into()),
    };
    Some(Value { ty, json, parts: Vec::new() })
}

fn evaluate<'a>(text: &str, focus: Element<'a>, resource: Element<'a>) -> Collection<'a> {
    let environment = Environment { resource: Some(resource), ..Environment::new(0) };
    let expression = compiled(text, focus.ty);
    let found = expression.evaluate(Item::Element(focus), &environment);
    found.unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Expressions are few, so each is compiled once and kept as long as the tests run.
fn compiled(text: &str, context: Option<TypeId>) -> &'static Expression {
    type Known = HashMap<(String, Option<TypeId>), &'static Expression>;
    static KNOWN: OnceLock<Mutex<Known>> = OnceLock::new();
    let mut known = KNOWN.get_or_init(Mutex::default).lock().expect("nothing panics under this lock");
    known.entry((text.to_owned(), context)).or_insert_with(|| {
        let options = Options { context, mode: Mode::Lenient, ..Options::default() };
        let expression = remit_fhirpath::compile_with(text, options, Definitions::r4());
        Box::leak(Box::new(expression.unwrap_or_else(|e| panic!("{text}: {e}"))))
    })
}
