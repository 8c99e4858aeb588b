//! What a SearchParameter resource means here, or every reason why it cannot be used
//! (<https://hl7.org/fhir/R4/searchparameter-definitions.html>).

use super::Definition;
use crate::expression;
use crate::path::Path;
use crate::registry::Registry;
use remit_fhir::{Issue, IssueType, Node};
use remit_fhirpath::{Options, Syntax, SyntaxKind};
use remit_spec::{Definitions, SearchKind, SearchParameter, TypeId, alternatives, first_name};

/// Longest code of a parameter. It stands in URLs; the longest of the specification has 32 letters.
const MAX_CODE: usize = 64;

/// Longest expression in bytes. The longest of the specification has some 2,000.
const MAX_EXPRESSION: usize = 8_000;

/// Parentheses within each other. Compiling recurses on them.
const MAX_NESTING: usize = 32;

/// Components of a composite: the index has room for three values.
const MAX_COMPONENTS: usize = 3;

/// The kinds of parameters, and the datatypes that each makes rows of.
const FITS: [(SearchKind, &[&str]); 7] = [
    (SearchKind::Number, &["integer", "positiveInt", "unsignedInt", "decimal", "Range"]),
    (SearchKind::Date, &["date", "dateTime", "instant", "Period", "Timing"]),
    (
        SearchKind::String,
        &[
            "string",
            "markdown",
            "code",
            "id",
            "uri",
            "url",
            "canonical",
            "oid",
            "uuid",
            "xhtml",
            "HumanName",
            "Address",
            "CodeableConcept",
            "Coding",
            "Reference",
            "Identifier",
            "Annotation",
        ],
    ),
    (
        SearchKind::Token,
        &[
            "Coding",
            "CodeableConcept",
            "Identifier",
            "ContactPoint",
            "Money",
            "code",
            "string",
            "id",
            "boolean",
            "uri",
            "url",
            "canonical",
            "oid",
            "uuid",
            "integer",
            "positiveInt",
            "unsignedInt",
            "decimal",
            "date",
            "dateTime",
        ],
    ),
    (SearchKind::Reference, &["Reference", "canonical", "uri", "url", "Resource"]),
    (
        SearchKind::Quantity,
        &[
            "Quantity",
            "Money",
            "Range",
            "SampledData",
            "Age",
            "Duration",
            "Count",
            "Distance",
            "SimpleQuantity",
            "MoneyQuantity",
        ],
    ),
    (SearchKind::Uri, &["uri", "url", "canonical", "oid", "uuid"]),
];

/// Functions whose answer is not in the resource alone: rows would grow stale.
const IMPURE: [&str; 9] =
    ["now", "today", "timeOfDay", "memberOf", "subsumes", "subsumedBy", "conformsTo", "trace", "validateVS"];

/// Reads a SearchParameter resource. One definition for each type on which it brings something new;
/// none when it is retired, has no expression, or says no more than the specification does.
pub(super) fn check(resource: Node<'_>, registry: &Registry) -> Result<Vec<Definition>, Vec<Issue>> {
    let mut check = Check { resource, registry, issues: Vec::new() };
    let found = check.run();
    if check.issues.is_empty() { Ok(found) } else { Err(check.issues) }
}

struct Check<'a> {
    resource: Node<'a>,
    registry: &'a Registry,
    issues: Vec<Issue>,
}

impl Check<'_> {
    fn refuse(&mut self, element: &str, code: IssueType, reason: impl Into<String>) {
        self.issues.push(Issue::error(code, reason).at(format!("SearchParameter.{element}")));
    }

    fn definitions(&self) -> &'static Definitions {
        self.registry.definitions()
    }

    fn run(&mut self) -> Vec<Definition> {
        let text = |name: &str| self.resource.get_str(name).unwrap_or_default().into_owned();
        let (status, url, code, kind) = (text("status"), text("url"), text("code"), text("type"));
        let expression = text("expression");
        if !matches!(status.as_str(), "active" | "draft") {
            return Vec::new();
        }
        // It may describe what other servers do (R4 does not ask for an expression); it is kept as such.
        if expression.is_empty() {
            return Vec::new();
        }
        let kind = KINDS.into_iter().find(|k| k.code() == kind);
        let Some(kind) = kind else {
            self.refuse("type", IssueType::CodeInvalid, "The type of a search parameter is one of number, date, string, token, reference, composite, quantity, uri, special.");
            return Vec::new();
        };
        let own: Vec<TypeId> = self
            .bases()
            .into_iter()
            .filter(|ty| !self.is_standard(*ty, &url, &code, kind, &expression))
            .collect();
        if own.is_empty() {
            return Vec::new();
        }
        self.code(&code);
        self.expression(&expression, kind);
        let (targets, components) = (self.targets(), self.components(kind, &own));
        if !self.issues.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::with_capacity(own.len());
        for base in own {
            let Some(expression) = self.on(base, &expression) else { continue };
            let definition = Definition {
                url: url.as_str().into(),
                code: code.as_str().into(),
                kind,
                base,
                expression: expression.into(),
                targets: targets.clone(),
                components: components.clone(),
            };
            if self.compiles(&definition) {
                found.push(definition);
            }
        }
        found
    }

    /// The resource types that the bases name; an abstract type stands for all that descend from it.
    fn bases(&mut self) -> Vec<TypeId> {
        let definitions = self.definitions();
        let mut types = Vec::new();
        let names: Vec<String> = self.texts("base");
        for (n, name) in names.iter().enumerate() {
            let ancestor = definitions.type_named(name);
            let below =
                definitions.resource_types().filter(|ty| ancestor.is_some_and(|a| definitions.is_a(*ty, a)));
            let before = types.len();
            types.extend(below);
            if types.len() == before {
                self.refuse(&format!("base[{n}]"), IssueType::CodeInvalid, "The base is no resource type.");
            }
        }
        types.sort_unstable();
        types.dedup();
        types
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let values = self.resource.get(name).into_iter().flat_map(Node::each);
        values.filter_map(|node| node.string().map(|text| text.into_owned())).collect()
    }

    /// Whether the specification has this parameter on a type already. One of another meaning under
    /// the same code is refused.
    fn is_standard(&mut self, ty: TypeId, url: &str, code: &str, kind: SearchKind, expression: &str) -> bool {
        let Some(known) = self.definitions().search_parameter(ty, code) else { return false };
        let origin = self.resource.get_str("derivedFrom").unwrap_or_default();
        if known.kind == kind
            && (known.url == url || known.url == origin || self.is_same(known, ty, expression))
        {
            return true;
        }
        let name = self.definitions().name(ty);
        self.refuse(
            "code",
            IssueType::Duplicate,
            format!(
                "{name} has a search parameter '{}' in the specification already ({}); choose another code, or derive from it (derivedFrom).",
                known.code, known.url
            ),
        );
        true
    }

    fn is_same(&self, known: &SearchParameter, ty: TypeId, expression: &str) -> bool {
        let plain = |text: &str| text.replace(char::is_whitespace, "");
        let own = self.on_type(ty, expression);
        known.expression.map(plain) == own.map(|own| plain(&own))
    }

    fn code(&mut self, code: &str) {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if code.starts_with('_') {
            self.refuse(
                "code",
                IssueType::BusinessRule,
                "Codes that begin with _ belong to the specification; choose another.",
            );
        } else if code.is_empty() || code.len() > MAX_CODE || !code.bytes().all(fits) {
            self.refuse(
                "code",
                IssueType::Value,
                format!("The code is the parameter's name in URLs: 1 to {MAX_CODE} of the characters A-Z, a-z, 0-9, - and _."),
            );
        }
    }

    /// What can be said of the expression before it is compiled.
    fn expression(&mut self, expression: &str, kind: SearchKind) {
        if kind == SearchKind::Special {
            self.refuse(
                "type",
                IssueType::NotSupported,
                "A special parameter has rules of its own; this server has only those of the specification.",
            );
        } else if expression.len() > MAX_EXPRESSION {
            self.refuse(
                "expression",
                IssueType::TooLong,
                format!("The expression is longer than {MAX_EXPRESSION} bytes."),
            );
        } else if nesting(expression) > MAX_NESTING {
            self.refuse(
                "expression",
                IssueType::TooLong,
                format!("The expression has more than {MAX_NESTING} parentheses within each other."),
            );
        }
    }

    fn targets(&mut self) -> Box<[TypeId]> {
        let names = self.texts("target");
        let definitions = self.definitions();
        if names.iter().any(|name| name == "Resource") {
            return Box::default();
        }
        let mut targets = Vec::with_capacity(names.len());
        for (n, name) in names.iter().enumerate() {
            match definitions.resource_named(name) {
                Some(ty) => targets.push(ty),
                None => self.refuse(
                    &format!("target[{n}]"),
                    IssueType::CodeInvalid,
                    "The target is no resource type.",
                ),
            }
        }
        targets.into()
    }

    /// The components of a composite: each compares as a parameter of the specification does.
    fn components(&mut self, kind: SearchKind, bases: &[TypeId]) -> Box<[(Box<str>, Box<str>)]> {
        let listed: Vec<(String, String)> = self
            .resource
            .get("component")
            .into_iter()
            .flat_map(Node::each)
            .map(|c| {
                let text = |name: &str| c.get_str(name).unwrap_or_default().into_owned();
                (text("definition"), text("expression"))
            })
            .collect();
        if kind != SearchKind::Composite {
            if !listed.is_empty() {
                self.refuse(
                    "component",
                    IssueType::BusinessRule,
                    "Only a composite parameter has components.",
                );
            }
            return Box::default();
        }
        if !(2..=MAX_COMPONENTS).contains(&listed.len()) {
            self.refuse(
                "component",
                IssueType::NotSupported,
                format!("A composite parameter has 2 to {MAX_COMPONENTS} components here."),
            );
            return Box::default();
        }
        for (n, (url, expression)) in listed.iter().enumerate() {
            let canonical = url.split('|').next().unwrap_or_default();
            let kinds = bases
                .iter()
                .map(|ty| self.definitions().search_parameter_by_url(*ty, canonical).map(|p| p.kind));
            let kinds: Option<Vec<SearchKind>> = kinds.collect();
            let allowed: &[SearchKind] = PLACES[n.min(PLACES.len() - 1)];
            match kinds {
                None => self.refuse(&format!("component[{n}].definition"), IssueType::NotFound, "The definition of a component must be a search parameter of the specification on every base."),
                Some(kinds) if !kinds.iter().all(|kind| allowed.contains(kind)) => {
                    let codes: Vec<&str> = allowed.iter().map(|kind| kind.code()).collect();
                    self.refuse(&format!("component[{n}].definition"), IssueType::NotSupported, format!("In this place a component is one of: {}.", codes.join(", ")));
                }
                Some(_) => {}
            }
            if expression.is_empty() || expression.len() > MAX_EXPRESSION || nesting(expression) > MAX_NESTING
            {
                self.refuse(
                    &format!("component[{n}].expression"),
                    IssueType::Value,
                    "The expression of a component is empty or too long.",
                );
            }
        }
        listed
            .into_iter()
            .map(|(url, expression)| (url.split('|').next().unwrap_or_default().into(), expression.into()))
            .collect()
    }

    /// The alternatives of an expression that apply to a type; a fault when there is none.
    fn on(&mut self, base: TypeId, expression: &str) -> Option<String> {
        let own = self.on_type(base, expression);
        if own.is_none() {
            let name = self.definitions().name(base);
            self.refuse(
                "expression",
                IssueType::BusinessRule,
                format!("No alternative of the expression starts from {name}, which is a base."),
            );
        }
        own
    }

    fn on_type(&self, base: TypeId, expression: &str) -> Option<String> {
        let definitions = self.definitions();
        let applies = |text: &&str| match definitions.type_named(first_name(text)) {
            Some(ty) => definitions.is_a(base, ty),
            None => true,
        };
        let own: Vec<&str> = alternatives(expression).filter(applies).collect();
        if own.is_empty() || own.iter().all(|text| text.is_empty()) { None } else { Some(own.join(" | ")) }
    }

    fn compiles(&mut self, definition: &Definition) -> bool {
        let before = self.issues.len();
        let definitions = self.definitions();
        for text in alternatives(&definition.expression) {
            match Path::compile(text, definition.base, definition.base, definitions) {
                Some(path) if definition.kind == SearchKind::Composite => {
                    self.parts(definition, path.result_type(definition.base))
                }
                Some(path) => self.fits(definition, text, path.types(definition.base).as_deref()),
                None if definition.kind == SearchKind::Composite => self.refuse(
                    "expression",
                    IssueType::NotSupported,
                    "The expression of a composite is a plain path to the element that holds its parts.",
                ),
                None => self.engine(definition, text),
            }
            // One type tells enough; the same fault on 146 types is no more to read.
            if self.issues.len() > before {
                return false;
            }
        }
        true
    }

    /// An alternative that is more than a path.
    fn engine(&mut self, definition: &Definition, text: &str) {
        match expression::compile(text, definition.base, self.definitions()) {
            Err(error) => self.refuse("expression", IssueType::Invalid, error.to_string()),
            Ok(compiled) => match self.unknown(definition.base, text).or_else(|| impure(compiled.syntax())) {
                Some(reason) => self.refuse("expression", IssueType::NotSupported, reason),
                None if definition.kind == SearchKind::Reference && compiled.result_types().is_none() => {}
                None => self.fits(definition, text, compiled.result_types()),
            },
        }
    }

    /// A name that no element has, which the engine would take for empty. JSON names of choices
    /// (`valueDateTime`) are read as their elements.
    fn unknown(&self, base: TypeId, text: &str) -> Option<String> {
        let strict = |text: &str| {
            let options = Options { context: Some(base), ..Options::default() };
            remit_fhirpath::compile_with(text, options, self.definitions()).err()
        };
        let fault = strict(text)?;
        strict(&plain_choices(text))?;
        Some(format!("The expression '{text}' is refused: {fault}."))
    }

    /// A fault when no value of these types makes a row. Types that are not known before are taken.
    fn fits(&mut self, definition: &Definition, text: &str, types: Option<&[TypeId]>) {
        let Some(types) = types else { return };
        let definitions = self.definitions();
        let allowed =
            FITS.iter().find(|(kind, _)| *kind == definition.kind).map_or(&[][..], |(_, names)| names);
        let fits = |ty: &TypeId| {
            allowed.iter().any(|name| definitions.type_named(name).is_some_and(|a| definitions.is_a(*ty, a)))
        };
        if !types.iter().any(fits) {
            let names: Vec<&str> = types.iter().map(|ty| definitions.name(*ty)).take(8).collect();
            self.refuse(
                "type",
                IssueType::BusinessRule,
                format!(
                    "'{text}' gives {}, of which a {} parameter makes nothing.",
                    names.join(", "),
                    definition.kind.code()
                ),
            );
        }
    }

    fn parts(&mut self, definition: &Definition, element: Option<TypeId>) {
        let Some(element) = element else {
            return self.refuse(
                "expression",
                IssueType::NotSupported,
                "The expression of a composite gives elements of one type.",
            );
        };
        for (n, (_, expression)) in definition.components.iter().enumerate() {
            let fine = alternatives(expression)
                .all(|text| Path::compile(text, element, definition.base, self.definitions()).is_some());
            if !fine {
                self.refuse(
                    &format!("component[{n}].expression"),
                    IssueType::Invalid,
                    "The expression is no path from the element that the composite's own expression gives.",
                );
            }
        }
    }
}

const KINDS: [SearchKind; 9] = [
    SearchKind::Number,
    SearchKind::Date,
    SearchKind::String,
    SearchKind::Token,
    SearchKind::Reference,
    SearchKind::Composite,
    SearchKind::Quantity,
    SearchKind::Uri,
    SearchKind::Special,
];

/// What stands in each place of a composite's rows.
const PLACES: [&[SearchKind]; MAX_COMPONENTS] = [
    &[SearchKind::Token, SearchKind::Reference],
    &[SearchKind::Token, SearchKind::String, SearchKind::Number, SearchKind::Quantity, SearchKind::Date],
    &[SearchKind::Number, SearchKind::Date],
];

/// How deep parentheses and brackets stand within each other; text in quotes counts too, which errs on
/// the safe side.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// `valueDateTime` becomes `value`.
fn plain_choices(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("value") {
        let (before, after) = rest.split_at(at + "value".len());
        out.push_str(before);
        let is_choice = after.starts_with(|c: char| c.is_ascii_uppercase());
        rest = if is_choice { after.trim_start_matches(|c: char| c.is_ascii_alphanumeric()) } else { after };
    }
    out.push_str(rest);
    out
}

/// Why the rows of an expression could not be kept right; `None` when they can.
fn impure(syntax: &Syntax) -> Option<String> {
    let all = |list: &[&Syntax]| list.iter().find_map(|inner| impure(inner));
    match &syntax.kind {
        SyntaxKind::Call(name, _) if IMPURE.contains(&name.as_str()) => Some(format!(
            "{name}() does not depend on the resource alone, so its index rows would grow stale."
        )),
        SyntaxKind::Call(_, arguments) | SyntaxKind::Union(arguments) => arguments.iter().find_map(impure),
        SyntaxKind::Path(left, right) => {
            if matches!(right.kind, SyntaxKind::Member(_)) && ends_in_resolve(left) {
                return Some("An index looks at one resource only: what resolve() finds has a type here, but no elements.".into());
            }
            all(&[left, right])
        }
        SyntaxKind::Indexer(left, right) | SyntaxKind::Binary(_, left, right) => all(&[left, right]),
        SyntaxKind::Sign(_, inner) | SyntaxKind::Is(inner, _) | SyntaxKind::As(inner, _) => impure(inner),
        _ => None,
    }
}

fn ends_in_resolve(syntax: &Syntax) -> bool {
    match &syntax.kind {
        SyntaxKind::Call(name, _) => name == "resolve",
        SyntaxKind::Path(_, right) => ends_in_resolve(right),
        SyntaxKind::As(inner, _) | SyntaxKind::Indexer(inner, _) => ends_in_resolve(inner),
        _ => false,
    }
}
