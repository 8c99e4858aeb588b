//! The search parameters of the server under the numbers that the database gave them.
//!
//! What a type needs is compiled when it is first used, so that a start costs nothing.

use crate::composite::Part;
use crate::expression;
use crate::path::Path;
use remit_fhir::{Error, Result};
use remit_fhirpath::Expression;
use remit_spec::{Definitions, SearchKind, SearchParameter, TypeId, alternatives};
use std::collections::HashMap;
use std::sync::OnceLock;

/// A search parameter on one resource type.
#[derive(Debug)]
pub struct Parameter {
    /// The definition.
    pub definition: &'static SearchParameter,
    /// The number under which its rows stand. It may be that of another parameter: see `only`.
    pub number: i32,
    /// The rows are those of a parameter with more targets; only this target counts. `patient` shares
    /// the rows of `subject`.
    pub only: Option<TypeId>,
    pub(crate) parts: Box<[Part]>,
}

impl Parameter {
    /// What a reference may point to; empty is anything.
    pub fn targets(&self) -> &[TypeId] {
        match &self.only {
            Some(ty) => std::slice::from_ref(ty),
            None => &self.definition.targets,
        }
    }
}

/// How the rows of one parameter are made.
#[derive(Debug)]
pub(crate) struct Extractor {
    pub(crate) param: i32,
    pub(crate) kind: SearchKind,
    pub(crate) source: Source,
}

#[derive(Debug)]
pub(crate) enum Source {
    /// The values that these paths give.
    Paths(Vec<Path>),
    /// What these expressions give.
    Expressions(Vec<Path>, Vec<Expression>),
    /// The elements that hold the parts, and the parts.
    Composite(Vec<Path>, Box<[Part]>),
}

#[derive(Debug)]
struct OfType {
    /// In the order of the definitions, which is by code; `None` has no rows of its own.
    parameters: Box<[Option<Parameter>]>,
    extractors: Box<[Extractor]>,
}

/// All types and parameters with their numbers.
#[derive(Debug)]
pub struct Registry {
    definitions: &'static Definitions,
    type_numbers: Box<[i32]>,
    numbers: HashMap<(TypeId, &'static str), i32>,
    of_type: Box<[OnceLock<OfType>]>,
}

/// The parameters that are columns of the resource itself.
const COLUMNS: [&str; 2] = ["_id", "_lastUpdated"];

impl Registry {
    /// The types and parameters that the database must number: name of a type, and the codes of its
    /// parameters.
    pub fn required() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
        let definitions = Definitions::r4();
        definitions.resource_types().map(move |ty| {
            let all = definitions.search_parameters(ty).iter().map(|id| definitions.parameter(*id));
            (definitions.name(ty), all.filter(|p| has_rows(p)).map(|p| p.code).collect())
        })
    }

    /// Takes the numbers from rows `(id, name)` of types and `(id, type, code)` of parameters. Rows
    /// that name what is not defined are skipped; a required one that is missing is an error.
    pub fn new<T: AsRef<str>, C: AsRef<str>>(
        types: impl IntoIterator<Item = (i32, T)>,
        parameters: impl IntoIterator<Item = (i32, i32, C)>,
    ) -> Result<Registry> {
        let definitions = Definitions::r4();
        let count = definitions.types().count();
        let mut type_numbers = vec![0; count].into_boxed_slice();
        let mut types_by_number = HashMap::new();
        for (number, name) in types {
            if let Some(ty) = definitions.resource_named(name.as_ref()) {
                type_numbers[ty.index()] = number;
                types_by_number.insert(number, ty);
            }
        }
        let mut numbers = HashMap::new();
        for (number, type_number, code) in parameters {
            let Some(ty) = types_by_number.get(&type_number) else { continue };
            if let Some(parameter) = definitions.search_parameter(*ty, code.as_ref()) {
                numbers.insert((*ty, parameter.code), number);
            }
        }
        let of_type = (0..count).map(|_| OnceLock::new()).collect();
        let registry = Registry { definitions, type_numbers, numbers, of_type };
        registry.check()?;
        Ok(registry)
    }

    fn check(&self) -> Result<()> {
        for (name, codes) in Registry::required() {
            let ty = self.definitions.resource_named(name).filter(|ty| self.type_number(*ty).is_some());
            let missing = |what: String| Error::internal(format!("the database has no number for {what}"));
            let ty = ty.ok_or_else(|| missing(format!("type {name}")))?;
            if let Some(code) = codes.iter().find(|code| !self.numbers.contains_key(&(ty, **code))) {
                return Err(missing(format!("search parameter {name}.{code}")));
            }
        }
        Ok(())
    }

    /// The definitions that the parameters come from.
    pub fn definitions(&self) -> &'static Definitions {
        self.definitions
    }

    /// The number of a resource type.
    pub fn type_number(&self, ty: TypeId) -> Option<i32> {
        self.type_numbers.get(ty.index()).copied().filter(|n| *n != 0)
    }

    /// The resource type with a number.
    pub fn type_numbered(&self, number: i32) -> Option<TypeId> {
        let place = self.type_numbers.iter().position(|n| *n == number && number != 0)?;
        self.definitions.types().nth(place)
    }

    /// The parameter with this code on a type, when it has index rows.
    pub fn parameter(&self, ty: TypeId, code: &str) -> Option<&Parameter> {
        let ids = self.definitions.search_parameters(ty);
        let place = ids.binary_search_by(|id| self.definitions.parameter(*id).code.cmp(code)).ok()?;
        self.of_type(ty)?.parameters.get(place)?.as_ref()
    }

    /// The parameters of a type that can be searched, by code; `_id` and `_lastUpdated` come on top.
    pub fn parameters(&self, ty: TypeId) -> impl Iterator<Item = &Parameter> {
        self.of_type(ty).into_iter().flat_map(|t| t.parameters.iter().flatten())
    }

    pub(crate) fn extractors(&self, ty: TypeId) -> &[Extractor] {
        self.of_type(ty).map_or(&[], |t| &t.extractors)
    }

    fn of_type(&self, ty: TypeId) -> Option<&OfType> {
        self.type_number(ty)?;
        Some(self.of_type.get(ty.index())?.get_or_init(|| self.compile(ty)))
    }

    fn compile(&self, ty: TypeId) -> OfType {
        let ids = self.definitions.search_parameters(ty);
        let mut extractors = Vec::new();
        let parameters = ids.iter().map(|id| {
            let definition = self.definitions.parameter(*id);
            let number = *self.numbers.get(&(ty, definition.code)).filter(|_| has_rows(definition))?;
            if let Some((wide, only)) = self.shares_rows(ty, definition) {
                let number = *self.numbers.get(&(ty, wide))?;
                return Some(Parameter { definition, number, only: Some(only), parts: Box::default() });
            }
            let source = self.source(ty, definition)?;
            extractors.push(Extractor { param: number, kind: definition.kind, source });
            Some(Parameter { definition, number, only: None, parts: self.parts(ty, definition) })
        });
        let parameters = parameters.collect();
        OfType { parameters, extractors: extractors.into() }
    }

    /// `None` only for an expression that the engine does not take; a test sees that there is none.
    fn source(&self, ty: TypeId, definition: &SearchParameter) -> Option<Source> {
        let expression = definition.expression?;
        let paths = self.paths(expression, ty, ty);
        if definition.kind == SearchKind::Composite {
            return Some(Source::Composite(paths, self.parts(ty, definition)));
        }
        let others = alternatives(expression)
            .filter(|text| Path::compile(text, ty, ty, self.definitions).is_none())
            .map(|text| expression::compile(text, ty, self.definitions).ok());
        let others: Vec<Expression> = others.collect::<Option<_>>()?;
        Some(if others.is_empty() { Source::Paths(paths) } else { Source::Expressions(paths, others) })
    }

    /// A parameter of the same type with the same expression but for `where(resolve() is Type)`.
    fn shares_rows(&self, ty: TypeId, definition: &SearchParameter) -> Option<(&'static str, TypeId)> {
        let (wide, only) = definition.expression?.split_once(".where(resolve() is ")?;
        let only = self.definitions.resource_named(only.strip_suffix(')')?)?;
        let ids = self.definitions.search_parameters(ty).iter();
        let mut all = ids.map(|id| self.definitions.parameter(*id));
        let found = all.find(|p| p.kind == SearchKind::Reference && p.expression == Some(wide))?;
        Some((found.code, only))
    }

    fn paths(&self, expression: &str, focus: TypeId, resource: TypeId) -> Vec<Path> {
        let all = alternatives(expression);
        all.filter_map(|text| Path::compile(text, focus, resource, self.definitions)).collect()
    }

    fn parts(&self, ty: TypeId, definition: &SearchParameter) -> Box<[Part]> {
        let Some(expression) = definition.expression.filter(|_| definition.kind == SearchKind::Composite)
        else {
            return Box::default();
        };
        // Every alternative of one composite holds elements of the same names; the types say which.
        let elements: Vec<TypeId> = alternatives(expression)
            .filter_map(|text| Path::compile(text, ty, ty, self.definitions)?.result_type(ty))
            .collect();
        let part = |url: &str, expression: &str| {
            let p = self.definitions.search_parameter_by_url(ty, url);
            Part {
                kind: p.map_or(SearchKind::Token, |p| p.kind),
                targets: p.map(|p| p.targets.clone()).unwrap_or_default(),
                paths: elements.iter().flat_map(|element| self.paths(expression, *element, ty)).collect(),
            }
        };
        let mut parts: Vec<Part> =
            definition.components.iter().map(|c| part(c.definition, c.expression)).collect();
        self.mend_order(&mut parts);
        parts.into()
    }

    /// `DocumentReference.relationship` of R4 names its two expressions the wrong way round: the
    /// reference gives a code and the token a reference.
    fn mend_order(&self, parts: &mut [Part]) {
        if let [first, second] = parts
            && first.kind == SearchKind::Reference
            && !first.paths.iter().any(|p| p.gives(&["Reference", "canonical", "uri"], self.definitions))
        {
            std::mem::swap(&mut first.paths, &mut second.paths);
        }
    }
}

fn has_rows(parameter: &SearchParameter) -> bool {
    parameter.expression.is_some() && !COLUMNS.contains(&parameter.code)
}
