//! The search parameters of the server under the numbers that the database gave them.
//!
//! What a type needs is compiled when it is first used, so that a start costs nothing.

use crate::composite::Part;
use crate::custom::{Custom, Customs, Row, State, keep};
use crate::expression;
use crate::path::{Gives, Path};
use crate::words::TextLevel;
use remit_fhir::{Error, Result};
use remit_fhirpath::Expression;
use remit_spec::{Definitions, SearchKind, SearchParameter, TypeId, alternatives};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// A search parameter on one resource type.
#[derive(Debug)]
pub struct Parameter {
    /// The definition.
    pub definition: &'static SearchParameter,
    /// The number under which its rows stand. It may be that of another parameter: see `only`.
    pub number: i32,
    /// The references are those of a parameter with more targets; only this target counts. `patient`
    /// shares the rows of `subject`.
    pub only: Option<TypeId>,
    /// The number of the rows beside references: URLs elsewhere, identifiers, texts. These do not say a
    /// type, so with `only` they are kept apart.
    pub beside: i32,
    pub(crate) parts: Box<[Part]>,
}

impl Parameter {
    fn new(definition: &'static SearchParameter, number: i32, parts: Box<[Part]>) -> Parameter {
        Parameter { definition, number, only: None, beside: number, parts }
    }

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
    pub(crate) keeps: Keeps,
    pub(crate) source: Source,
}

/// Which rows of its values a parameter keeps for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keeps {
    All,
    /// Those that are no reference to a resource of this server; these are rows of another parameter.
    BesideReferences,
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

/// All types and parameters with their numbers: those of the specification, which all tenants share,
/// and those of one tenant.
#[derive(Clone, Debug)]
pub struct Registry {
    definitions: &'static Definitions,
    type_numbers: Arc<[i32]>,
    types_by_number: Arc<HashMap<i32, TypeId>>,
    numbers: Arc<HashMap<(TypeId, &'static str), i32>>,
    of_type: Arc<[OnceLock<OfType>]>,
    customs: Customs,
    /// Which words are kept, and whether all resources have theirs.
    text: (TextLevel, State),
    /// Whether all contained resources are indexed.
    contained: State,
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
        let mut type_numbers = vec![0; count];
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
        let text = (TextLevel::None, State::Usable);
        let (type_numbers, numbers) = (type_numbers.into(), Arc::new(numbers));
        let types_by_number = Arc::new(types_by_number);
        let (customs, contained) = (Customs::default(), State::Usable);
        let registry = Registry {
            definitions,
            type_numbers,
            types_by_number,
            numbers,
            of_type,
            customs,
            text,
            contained,
        };
        registry.check()?;
        Ok(registry)
    }

    /// Types and parameters under numbers in the order of the definitions: for statements that no
    /// database of the store runs.
    pub fn in_order() -> Result<Registry> {
        let (mut types, mut parameters) = (Vec::new(), Vec::new());
        for (name, codes) in Registry::required() {
            let ty = types.len() as i32 + 1;
            types.push((ty, name));
            for code in codes {
                parameters.push((parameters.len() as i32 + 1, ty, code));
            }
        }
        Registry::new(types, parameters)
    }

    /// These types; all that can be stored when there are none, as a search without a type means.
    pub(crate) fn or_all<'t>(&self, types: &'t [TypeId]) -> Cow<'t, [TypeId]> {
        match types.is_empty() {
            true => Cow::Owned(self.definitions.resource_types().collect()),
            false => Cow::Borrowed(types),
        }
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
        self.types_by_number.get(&number).copied()
    }

    /// The parameter with this code on a type, when it has index rows.
    pub fn parameter(&self, ty: TypeId, code: &str) -> Option<&Parameter> {
        let ids = self.definitions.search_parameters(ty);
        match ids.binary_search_by(|id| self.definitions.parameter(*id).code.cmp(code)) {
            Ok(place) => self.of_type(ty)?.parameters.get(place)?.as_ref(),
            Err(_) => match self.customs.find(ty, code)? {
                (custom, State::Usable) => Some(&custom.parameter),
                (_, State::Filling) => None,
            },
        }
    }

    /// Why a type cannot be searched by this code.
    pub(crate) fn why_not(&self, ty: TypeId, code: &str) -> String {
        let name = self.definitions.name(ty);
        let shown: String = code.chars().take(80).collect();
        match self.customs.find(ty, code) {
            Some((custom, State::Filling)) => format!(
                "'{shown}' of {name} (SearchParameter/{}) is not indexed yet; POST [base]/$reindex makes it usable, and it is not done",
                custom.source
            ),
            _ => format!("{name} has no search parameter '{shown}' here"),
        }
    }

    /// Counts the changes of the tenant's own parameters; 0 when there never was one. Index rows say
    /// under which count they were made, and the store refuses those of another.
    pub fn epoch(&self) -> i64 {
        self.customs.epoch
    }

    /// The same registry for a database that keeps words up to this level.
    pub fn with_text(&self, epoch: i64, level: TextLevel, state: State) -> Registry {
        let customs = Customs { epoch, ..self.customs.clone() };
        Registry { customs, text: (level, state), ..self.clone() }
    }

    /// The same registry for a tenant whose contained resources are indexed, or not all of them.
    pub fn with_contained(self, contained: State) -> Registry {
        Registry { contained, ..self }
    }

    /// Whether all contained resources are indexed.
    pub fn contained(&self) -> State {
        self.contained
    }

    /// Which words are kept, and whether all resources have theirs.
    pub fn text(&self) -> (TextLevel, State) {
        self.text
    }

    /// The tenant's own parameters, by type and code.
    pub fn custom(&self) -> impl Iterator<Item = (&Custom, State)> {
        self.customs.all.iter().map(|(custom, state)| (&**custom, *state))
    }

    /// Whether a text of a search may name one of the tenant's own parameters.
    pub fn may_mean_custom(&self, text: &str) -> bool {
        self.customs.all.iter().any(|(custom, _)| text.contains(&*custom.definition.code))
    }

    pub(crate) fn custom_numbered(&self, number: i32) -> Option<Arc<Custom>> {
        self.customs.all.iter().find(|(c, _)| c.parameter.number == number).map(|(c, _)| Arc::clone(c))
    }

    pub(crate) fn with_customs(&self, customs: Customs) -> Registry {
        Registry { customs, ..self.clone() }
    }

    pub(crate) fn compile_custom(&self, row: &Row, wanted: &crate::custom::Definition) -> Result<Custom> {
        let (definition, number, ty) = (keep(wanted)?, row.number, wanted.base);
        let source = self.source(ty, definition).ok_or_else(|| {
            Error::internal(format!(
                "the expression of SearchParameter/{} does not compile any more",
                row.source
            ))
        })?;
        let parameter = Parameter::new(definition, number, self.parts(ty, definition));
        let extractor = Extractor { param: number, kind: definition.kind, keeps: Keeps::All, source };
        Ok(Custom {
            ty,
            source: row.source.as_str().into(),
            parameter,
            definition: wanted.clone(),
            extractor,
        })
    }

    /// The parameters of a type that can be searched, by code; `_id` and `_lastUpdated` come on top.
    pub fn parameters(&self, ty: TypeId) -> impl Iterator<Item = &Parameter> {
        let own = self.customs.of(ty).iter().filter(|(_, state)| *state == State::Usable);
        let standard = self.of_type(ty).into_iter().flat_map(|t| t.parameters.iter().flatten());
        standard.chain(own.map(|(custom, _)| &custom.parameter))
    }

    /// Whether the values of a parameter can be of one of these datatypes.
    pub(crate) fn gives(&self, parameter: &Parameter, names: &[&str]) -> bool {
        let types = self
            .definitions
            .resource_types()
            .filter(|ty| self.definitions.is_a(*ty, parameter.definition.base));
        let custom = self.customs.all.iter().map(|(custom, _)| &custom.extractor);
        let all = types.flat_map(|ty| self.extractors(ty)).chain(custom);
        all.filter(|extractor| extractor.param == parameter.number).any(|extractor| match &extractor.source {
            Source::Paths(paths) | Source::Expressions(paths, _) => {
                paths.iter().any(|path| path.gives(names, self.definitions))
            }
            Source::Composite(..) => false,
        })
    }

    /// What the values of a token parameter can be.
    pub(crate) fn gives_codes(&self, parameter: &Parameter) -> Vec<Gives> {
        let ty = self.numbers.iter().find(|(_, number)| **number == parameter.number).map(|((ty, _), _)| *ty);
        let extractors = ty.into_iter().flat_map(|ty| self.extractors(ty));
        let custom = self.customs.all.iter().map(|(custom, _)| &custom.extractor);
        let own = extractors.chain(custom).filter(|extractor| extractor.param == parameter.number);
        own.flat_map(|extractor| match &extractor.source {
            Source::Paths(paths) => {
                paths.iter().flat_map(|path| path.gives_codes(self.definitions)).collect()
            }
            // What is more than a path is a truth value.
            Source::Expressions(..) => vec![Gives::PlainValues],
            Source::Composite(..) => Vec::new(),
        })
        .collect()
    }

    pub(crate) fn extractors(&self, ty: TypeId) -> &[Extractor] {
        self.of_type(ty).map_or(&[], |t| &t.extractors)
    }

    /// Extractors of the tenant's own parameters, usable or not.
    pub(crate) fn custom_extractors(&self, ty: TypeId) -> impl Iterator<Item = &Extractor> {
        self.customs.of(ty).iter().map(|(custom, _)| &custom.extractor)
    }

    /// Whether no row of a type depends on what the server itself sets in a resource: its id, version
    /// and time. Parameters of FHIR look at none of these; a tenant's own may, and so do all texts.
    pub fn ignores_stamps(&self, ty: TypeId) -> bool {
        self.custom_extractors(ty).next().is_none() && self.text().0 < TextLevel::Content
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
            let own = *self.numbers.get(&(ty, definition.code)).filter(|_| has_rows(definition))?;
            if let Some(same) = self.has_same_rows(ty, definition) {
                let number = *self.numbers.get(&(ty, same))?;
                return Some(Parameter::new(definition, number, Box::default()));
            }
            let shared = self.shares_rows(ty, definition);
            let keeps = if shared.is_some() { Keeps::BesideReferences } else { Keeps::All };
            let source = self.source(ty, definition)?;
            extractors.push(Extractor { param: own, kind: definition.kind, keeps, source });
            let parameter = Parameter::new(definition, own, self.parts(ty, definition));
            let Some((wide, only)) = shared else { return Some(parameter) };
            let number = *self.numbers.get(&(ty, wide))?;
            Some(Parameter { number, only: Some(only), ..parameter })
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

    /// An earlier parameter of the type that says the same under another code: `phonetic` is `name`.
    fn has_same_rows(&self, ty: TypeId, definition: &SearchParameter) -> Option<&'static str> {
        let ids = self.definitions.search_parameters(ty).iter();
        let mut earlier =
            ids.map(|id| self.definitions.parameter(*id)).take_while(|p| p.code < definition.code);
        let same = earlier.find(|p| {
            (p.kind, p.expression) == (definition.kind, definition.expression)
                && p.kind != SearchKind::Composite
                && p.targets == definition.targets
                && has_rows(p)
        });
        same.map(|p| p.code)
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
