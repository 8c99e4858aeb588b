//! The compiled form of an expression: names are resolved, paths are flat, functions are pointers.

use remit_spec::{Definitions, TypeId};

use crate::environment::Environment;
use crate::error::{CompileError, EvaluationError, Limits};
use crate::eval::Evaluator;
use crate::function::Function;
use crate::item::{Collection, Item};
use crate::syntax::{Operator, Syntax};

/// A compiled expression. It can be kept and evaluated from many threads.
#[derive(Debug)]
pub struct Expression {
    pub(crate) text: Box<str>,
    pub(crate) syntax: Syntax,
    pub(crate) op: Op,
    pub(crate) defs: &'static Definitions,
    pub(crate) result: Option<Box<[TypeId]>>,
    pub(crate) result_names: Option<Box<[&'static str]>>,
}

impl Expression {
    /// Evaluates with an item in focus. `Patient.name` has the patient in focus.
    pub fn evaluate<'a>(
        &'a self,
        focus: Item<'a>,
        environment: &Environment<'a>,
    ) -> Result<Collection<'a>, EvaluationError> {
        let mut out = Collection::new();
        self.evaluate_into(&focus, environment, &mut out)?;
        Ok(out)
    }

    /// Like [`evaluate`](Self::evaluate), appending to a collection that the caller has.
    pub fn evaluate_into<'a>(
        &'a self,
        focus: &Item<'a>,
        environment: &Environment<'a>,
        out: &mut Collection<'a>,
    ) -> Result<(), EvaluationError> {
        Evaluator::new(self.defs, environment, focus).run(&self.op, out).1
    }

    /// Like [`evaluate`](Self::evaluate), with steps that several evaluations share: what this one
    /// takes is taken from them.
    pub fn evaluate_within<'a>(
        &'a self,
        focus: &Item<'a>,
        environment: &Environment<'a>,
        steps: &mut u64,
    ) -> Result<Collection<'a>, EvaluationError> {
        let mut out = Collection::new();
        let limits = Limits { steps: *steps, ..environment.limits };
        let environment = Environment { limits, ..*environment };
        let (left, result) = Evaluator::new(self.defs, &environment, focus).run(&self.op, &mut out);
        *steps = left;
        result.map(|()| out)
    }

    /// Evaluates to a truth value, as `where` takes its criteria: one item that is no Boolean counts
    /// as true, nothing is `None`.
    pub fn evaluate_boolean<'a>(
        &'a self,
        focus: Item<'a>,
        environment: &Environment<'a>,
    ) -> Result<Option<bool>, EvaluationError> {
        let result = self.evaluate(focus, environment)?;
        crate::eval::to_boolean(&result, self.defs)
    }

    /// The text that was compiled.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tree of the text.
    pub fn syntax(&self) -> &Syntax {
        &self.syntax
    }

    /// The FHIR types that a result can have, as far as they are known before evaluation.
    pub fn result_types(&self) -> Option<&[TypeId]> {
        self.result.as_deref()
    }

    /// The names of all types that a result can have, those of FHIR as `HumanName` and those of the
    /// language as `System.String`; `None` when they are only known at evaluation.
    pub fn result_type_names(&self) -> Option<&[&'static str]> {
        self.result_names.as_deref()
    }
}

/// A step of the evaluation.
#[derive(Debug)]
pub(crate) enum Op {
    Empty,
    Literal(Item<'static>),
    /// `$this`, and the focus of names without a path.
    This,
    Index,
    Total,
    Variable(Variable),
    /// `Patient` at the start of a path: the focus when it has the type.
    Root(TypeId),
    /// Members after members, without collections between them.
    Path(Box<Op>, Box<[Step]>),
    Indexer(Box<Op>, Box<Op>),
    Negate(Box<Op>),
    Binary(Operator, Box<Op>, Box<Op>),
    Union(Box<[Op]>),
    Is(Box<Op>, TypeTest),
    As(Box<Op>, TypeTest),
    /// `ofType`, and `as` where expressions are read leniently.
    OfType(Box<Op>, TypeTest),
    Call(Box<Op>, &'static Function, Box<[Op]>),
}

/// `%name`
#[derive(Debug)]
pub(crate) enum Variable {
    Resource,
    RootResource,
    Context,
    Named(Box<str>),
}

/// One member of a path.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: Box<str>,
    /// What the name means on the types that were known at compile time.
    pub(crate) known: Box<[(TypeId, Box<[Member]>)]>,
    /// Whether names that only JSON has (`valueQuantity`) are looked up too.
    pub(crate) is_lenient: bool,
}

/// A JSON member that an element may stand in.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) json_name: &'static str,
    /// `_birthDate`; empty when the type has no such sibling.
    pub(crate) sibling: Box<str>,
    pub(crate) ty: TypeId,
    /// The type is that of some resource, and `resourceType` tells which.
    pub(crate) is_any_resource: bool,
}

/// What `is`, `as` and `ofType` ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TypeTest {
    pub(crate) fhir: Option<TypeId>,
    pub(crate) system: Option<System>,
    /// A FHIR primitive is taken for its System type, as older expressions do.
    pub(crate) is_lenient: bool,
}

/// The System types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum System {
    Any,
    Boolean,
    String,
    Integer,
    Decimal,
    Date,
    DateTime,
    Time,
    Quantity,
    TypeInfo,
}

impl System {
    pub(crate) fn named(name: &str) -> Option<System> {
        Some(match name {
            "Any" => System::Any,
            "Boolean" => System::Boolean,
            "String" => System::String,
            "Integer" | "Long" => System::Integer,
            "Decimal" => System::Decimal,
            "Date" => System::Date,
            "DateTime" => System::DateTime,
            "Time" => System::Time,
            "Quantity" => System::Quantity,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        self.full_name().trim_start_matches("System.")
    }

    /// The name with its namespace.
    pub(crate) fn full_name(self) -> &'static str {
        match self {
            System::Any => "System.Any",
            System::Boolean => "System.Boolean",
            System::String => "System.String",
            System::Integer => "System.Integer",
            System::Decimal => "System.Decimal",
            System::Date => "System.Date",
            System::DateTime => "System.DateTime",
            System::Time => "System.Time",
            System::Quantity => "System.Quantity",
            System::TypeInfo => "System.TypeInfo",
        }
    }

    /// The type of an item that is no element.
    pub(crate) fn of(item: &Item<'_>) -> Option<System> {
        Some(match item {
            Item::Element(_) => return None,
            Item::Boolean(_) => System::Boolean,
            Item::String(_) => System::String,
            Item::Integer(_) => System::Integer,
            Item::Decimal(_) => System::Decimal,
            Item::Date(_) => System::Date,
            Item::DateTime(_) => System::DateTime,
            Item::Time(_) => System::Time,
            Item::Quantity(_) => System::Quantity,
            Item::Type(_) => System::TypeInfo,
        })
    }
}

/// What may be asked of the compiler.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'o> {
    /// The type of the focus; `None` when it is only known at run time.
    pub context: Option<TypeId>,
    /// How names are read.
    pub mode: Mode,
    /// The names of the variables that the environment will have. `None` accepts any.
    pub variables: Option<&'o [&'o str]>,
    /// Refuses functions that depend on an order where none is defined, such as `children().first()`.
    pub checks_order: bool,
}

/// How names are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// An element that the type of the focus does not have is an error, and so is a cast of many.
    #[default]
    Strict,
    /// Such an element is empty, JSON names of choices are understood, a cast filters, and System
    /// types stand for FHIR primitives. The expressions of search parameters need this.
    Lenient,
}

/// Compiles an expression; an element, function or type that does not exist is an error.
pub fn compile(
    text: &str,
    context: Option<TypeId>,
    defs: &'static Definitions,
) -> Result<Expression, CompileError> {
    compile_with(text, Options { context, ..Options::default() }, defs)
}

/// Compiles an expression as asked.
pub fn compile_with(
    text: &str,
    options: Options<'_>,
    defs: &'static Definitions,
) -> Result<Expression, CompileError> {
    crate::compile::expression(text, options, defs)
}
