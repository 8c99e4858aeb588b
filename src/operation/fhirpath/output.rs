//! The answer of `$fhirpath`: items as parts of Parameters, each under the name of its type and with its
//! place in the resource.

use super::input::{Input, JSON_VALUE};
use super::{Outcome, Program, tree};
use remit_fhir::json::quote;
use remit_fhir::{Document, Node};
use remit_fhirpath::{Element, EvaluationError, Item, Quantity};
use remit_spec::{Definitions, Kind};
use std::collections::HashMap;
use std::fmt::Write;

/// The extension that says where in the resource an item is.
const RESOURCE_PATH: &str = "http://fhir.forms-lab.com/StructureDefinition/resource-path";

/// Bytes of all items of an answer together: it is built in memory, and shown to a person.
const MAX_BYTES: usize = 16 << 20;

/// What a part takes beside its value.
const PART_BYTES: usize = 200;

/// What is left of [`MAX_BYTES`].
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Budget {
        Budget(MAX_BYTES)
    }
}

impl Budget {
    pub(super) fn spend(&mut self, bytes: usize) -> std::result::Result<(), EvaluationError> {
        self.0 = self.0.checked_sub(bytes.saturating_add(PART_BYTES)).ok_or_else(|| {
            EvaluationError::limit(format!("The results and traces take more than {MAX_BYTES} bytes"))
        })?;
        Ok(())
    }
}

/// An item as it stands in the answer.
pub(super) struct Shown {
    /// The node of the resource that it is.
    at: Option<u32>,
    /// The name of its type.
    name: String,
    value: Value,
}

/// The value of a part.
enum Value {
    None,
    /// A member of Parameters.parameter: `"valueCode":"x"`.
    Member(String),
    /// JSON that has no such member.
    Json(String),
}

/// What `trace()` was shown.
pub(super) struct Trace {
    pub(super) name: String,
    pub(super) items: Vec<Shown>,
}

impl Shown {
    pub(super) fn of(
        item: &Item<'_>,
        resource: &Document,
        defs: &'static Definitions,
        budget: &mut Budget,
    ) -> std::result::Result<Shown, EvaluationError> {
        let (name, value) = match item {
            Item::Element(element) => {
                let size = |node: Option<Node<'_>>| node.map_or(0, |node| node.range().len());
                budget.spend(size(element.node) + size(element.extension))?;
                of_element(element, defs)
            }
            value => {
                budget.spend(value.text(defs).map_or(0, |text| text.len()))?;
                of_value(value, defs)
            }
        };
        Ok(Shown { name, value, ..Shown::place(item, resource) })
    }

    pub(super) fn place(item: &Item<'_>, resource: &Document) -> Shown {
        let node = item.element().and_then(Element::any_node);
        let at = node.filter(|node| std::ptr::eq(node.document(), resource)).map(|node| node.index());
        Shown { at, name: String::new(), value: Value::None }
    }

    fn write(&self, paths: &HashMap<u32, String>, out: &mut String) {
        let mut extensions = Vec::new();
        if let Some(path) = self.at.and_then(|at| paths.get(&at)) {
            extensions.push((RESOURCE_PATH, quote(path)));
        }
        if let Value::Json(json) = &self.value {
            extensions.push((JSON_VALUE, quote(json)));
        }
        out.push('{');
        if !extensions.is_empty() {
            let texts: Vec<String> = extensions
                .iter()
                .map(|(url, text)| format!("{{\"url\":\"{url}\",\"valueString\":{text}}}"))
                .collect();
            let _ = write!(out, "\"extension\":[{}],", texts.join(","));
        }
        let _ = write!(out, "\"name\":{}", quote(&self.name));
        if let Value::Member(member) = &self.value {
            let _ = write!(out, ",{member}");
        }
        out.push('}');
    }
}

/// The JSON of a value without white space between tokens, as answers have it.
pub(super) fn compact(node: Node<'_>) -> String {
    if node.document().is_compact() {
        return node.json().to_owned();
    }
    let mut json = Vec::with_capacity(node.range().len());
    node.write_compact(&mut json);
    String::from_utf8_lossy(&json).into_owned()
}

fn of_element(element: &Element<'_>, defs: &Definitions) -> (String, Value) {
    let json = |node: Option<Node<'_>>| node.map_or(Value::None, |node| Value::Json(compact(node)));
    let Some(ty) = element.ty else { return ("unknown".into(), json(element.any_node())) };
    let name = defs.name(ty).to_owned();
    if defs.ty(ty).kind == Kind::Resource {
        let member = element.node.map(|node| Value::Member(format!("\"resource\":{}", compact(node))));
        return (name, member.unwrap_or(Value::None));
    }
    let owner = defs.type_named("Parameters.parameter").and_then(|owner| defs.child(owner, "value"));
    let Some(option) = owner.and_then(|value| value.types.iter().find(|option| option.ty == ty)) else {
        return (name, json(element.any_node()));
    };
    let mut members = Vec::new();
    if let Some(node) = element.node {
        members.push(format!("\"{}\":{}", option.json_name, compact(node)));
    }
    if let Some(extension) = element.extension {
        members.push(format!("\"_{}\":{}", option.json_name, compact(extension)));
    }
    (name, Value::Member(members.join(",")))
}

/// A value of the language, as the FHIR type that holds it.
fn of_value(item: &Item<'_>, defs: &Definitions) -> (String, Value) {
    let text = item.text(defs).unwrap_or_default();
    // A date and time to the minute is none in FHIR, and an integer has 32 bits.
    let plain = |name: &str, member: &str, json: String| {
        let value = match remit_validate::fits(name, &text) {
            true => Value::Member(format!("\"{member}\":{json}")),
            false => Value::Json(json),
        };
        (name.to_owned(), value)
    };
    match item {
        Item::Element(element) => of_element(element, defs),
        Item::Boolean(_) => plain("boolean", "valueBoolean", text.to_string()),
        Item::Integer(_) => plain("integer", "valueInteger", text.to_string()),
        Item::Decimal(_) => plain("decimal", "valueDecimal", text.to_string()),
        // A part may not hold an empty string.
        Item::String(_) if text.is_empty() => ("empty-string".into(), Value::None),
        Item::String(_) => ("string".into(), Value::Member(format!("\"valueString\":{}", quote(&text)))),
        Item::Date(_) => plain("date", "valueDate", quote(&text)),
        Item::DateTime(_) => plain("dateTime", "valueDateTime", quote(&text)),
        Item::Time(_) => plain("time", "valueTime", quote(&text)),
        Item::Quantity(value) => ("Quantity".into(), Value::Member(quantity(value))),
        Item::Type(info) => {
            let json = format!("{{\"namespace\":\"{}\",\"name\":\"{}\"}}", info.namespace, info.name);
            ("System.TypeInfo".into(), Value::Json(json))
        }
    }
}

/// A word of the calendar is a unit without a code.
fn quantity(quantity: &Quantity<'_>) -> String {
    let unit = quote(&quantity.unit);
    let code = match quantity.is_calendar {
        true => String::new(),
        false => format!(",\"system\":\"http://unitsofmeasure.org\",\"code\":{unit}"),
    };
    format!("\"valueQuantity\":{{\"value\":{},\"unit\":{unit}{code}}}", quantity.value)
}

/// The whole answer.
pub(super) fn answer(input: &Input<'_>, program: &Program, outcomes: &[Outcome]) -> String {
    let all = outcomes.iter().flat_map(|outcome| {
        let traced = outcome.traces.iter().flat_map(|trace| &trace.items);
        outcome.context.iter().chain(&outcome.items).chain(traced)
    });
    let paths = paths(input.resource.root(), all.filter_map(|shown| shown.at));
    let mut out = "{\"resourceType\":\"Parameters\",\"id\":\"fhirpath\",\"parameter\":[".to_owned();
    parameters(input, program, &mut out);
    for (at, outcome) in outcomes.iter().enumerate() {
        out.push_str(",{\"name\":\"result\"");
        if let Some(context) = &outcome.context {
            let path = context.at.and_then(|at| paths.get(&at)).cloned();
            // An item that is nowhere in the resource is told by its place in the context.
            let path =
                path.unwrap_or_else(|| format!("{}[{at}]", input.context.as_deref().unwrap_or_default()));
            let _ = write!(out, ",\"valueString\":{}", quote(&path));
        }
        parts(outcome, &paths, &mut out);
        out.push('}');
    }
    out.push_str("]}");
    out
}

fn parts(outcome: &Outcome, paths: &HashMap<u32, String>, out: &mut String) {
    if outcome.items.is_empty() && outcome.traces.is_empty() {
        return;
    }
    out.push_str(",\"part\":[");
    for (at, item) in outcome.items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        item.write(paths, out);
    }
    for (at, trace) in outcome.traces.iter().enumerate() {
        if at > 0 || !outcome.items.is_empty() {
            out.push(',');
        }
        out.push_str("{\"name\":\"trace\"");
        if !trace.name.is_empty() {
            let _ = write!(out, ",\"valueString\":{}", quote(&trace.name));
        }
        for (at, item) in trace.items.iter().enumerate() {
            out.push_str(if at == 0 { ",\"part\":[" } else { "," });
            item.write(paths, out);
        }
        out.push_str(if trace.items.is_empty() { "}" } else { "]}" });
    }
    out.push(']');
}

/// The part `parameters`: what was evaluated, and by whom.
fn parameters(input: &Input<'_>, program: &Program, out: &mut String) {
    let evaluator = concat!("Remit ", env!("CARGO_PKG_VERSION"), " (R4)");
    let mut texts = vec![
        ("evaluator", evaluator.to_owned()),
        ("parseDebugTree", tree::json(&program.expression)),
        ("expression", input.expression.clone()),
    ];
    if let Some(context) = &input.context {
        texts.push(("context", context.clone()));
    }
    let types = program.expression.result_type_names().filter(|names| !names.is_empty());
    if let Some(names) = types.filter(|_| input.is_asked_for_types) {
        texts.push(("expectedReturnType", names.join(" | ")));
    }
    out.push_str("{\"name\":\"parameters\",\"part\":[");
    for (name, text) in texts {
        let _ = write!(out, "{{\"name\":\"{name}\",\"valueString\":{}}},", quote(&text));
    }
    out.push_str(&input.echo);
    for variables in &input.variables_echo {
        out.push(',');
        out.push_str(variables);
    }
    out.push_str("]}");
}

/// The paths of nodes of a resource: `Patient.name[0].given[1]`. Only what is written as an array has
/// an index. One walk over the resource finds all of them.
fn paths(root: Node<'_>, wanted: impl Iterator<Item = u32>) -> HashMap<u32, String> {
    let mut wanted: Vec<u32> = wanted.collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut walk = Walk { wanted, next: 0, path: String::new(), found: HashMap::new() };
    walk.path.push_str(&root.resource_type().unwrap_or_default());
    walk.visit(root);
    walk.found
}

struct Walk {
    wanted: Vec<u32>,
    /// The first that is not found yet: nodes are numbered in the order of the text.
    next: usize,
    path: String,
    found: HashMap<u32, String>,
}

impl Walk {
    /// Recurses as deep as JSON is read.
    fn visit(&mut self, node: Node<'_>) {
        if self.wanted.get(self.next) == Some(&node.index()) {
            self.found.insert(node.index(), self.path.clone());
            self.next += 1;
        }
        let length = self.path.len();
        for (name, value) in node.members() {
            if self.next == self.wanted.len() {
                return;
            }
            let name = name.strip_prefix('_').unwrap_or(&name);
            let _ = write!(self.path, ".{name}");
            self.visit(value);
            self.path.truncate(length);
        }
        for (at, item) in node.items().enumerate() {
            if self.next == self.wanted.len() {
                return;
            }
            let _ = write!(self.path, "[{at}]");
            self.visit(item);
            self.path.truncate(length);
        }
    }
}
