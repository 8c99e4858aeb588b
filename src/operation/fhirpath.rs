//! `$fhirpath`: an expression evaluated on a resource, in the form that the engines of the FHIRPath Lab
//! speak (<https://github.com/brianpos/fhirpath-lab/blob/develop/server-api.md>).
//!
//! The evaluator asks nobody. What an expression needs of other resources and value sets it finds out
//! by running: what is missing is loaded under the access plan, and it runs again. The step-by-step
//! `debug-trace` of some engines is not made.

mod host;
mod input;
mod output;
mod tree;

use super::{Invocation, Operation};
use crate::rest::{Answer, Context, heavy};
pub(crate) use host::{Loaded, Lookup, Needs};
use input::Input;
use output::{Shown, Trace};
use remit_fhir::{Error, IssueType, Kind, Result};
use remit_fhirpath::{
    CompileError, Environment, EvaluationError, Expression, Item, Limits, Options, compile_with,
};
use remit_spec::{Definitions, TypeId};
use remit_store::system_clock;

const DEFINITION: &str = "https://remit.example/fhir/OperationDefinition/fhirpath";

/// How often an expression runs: each time what it needs lies a reference further, and nobody follows
/// more in one expression.
pub(crate) const MAX_ROUNDS: usize = 10;

/// The steps of all runs on all contexts of one request together: a tenth of a second.
const MAX_STEPS: u64 = Limits::DEFAULT.steps;

/// The operation.
pub fn operation() -> Operation {
    Operation::new(DEFINITION, |call| Box::pin(run(call)))
}

async fn run(call: Invocation<'_>) -> Result<Answer> {
    let cx = &call.cx;
    let input = Input::read(cx, &call.parameters).await?;
    let program = Program::compile(&input, cx.defs)?;
    let mut loaded = Loaded::default();
    let mut steps = MAX_STEPS;
    for _ in 0..MAX_ROUNDS {
        let (results, needs) = heavy(|| program.run(cx, &input, &loaded, &mut steps));
        if needs.is_empty() {
            let results = results.map_err(|error| refused(&error))?;
            return Ok(Answer::of(heavy(|| output::answer(&input, &program, &results))));
        }
        loaded.load(cx, needs).await?;
    }
    Err(refused(&EvaluationError::limit(format!(
        "resolve() follows references over more than {MAX_ROUNDS} resources"
    ))))
}

/// An evaluation that ended without a result.
fn refused(error: &EvaluationError) -> Error {
    let code = if error.is_limit() { IssueType::TooCostly } else { IssueType::Processing };
    Error::new(Kind::Unprocessable, format!("The expression cannot be evaluated: {error}."))
        .coded(code)
        .at("http.expression")
}

/// The compiled expressions of a call.
struct Program {
    context: Option<Expression>,
    expression: Expression,
}

/// What the expression gave for one item of the context.
struct Outcome {
    /// The place of the context in the resource; `None` when there is no context.
    context: Option<Shown>,
    items: Vec<Shown>,
    traces: Vec<Trace>,
}

impl Program {
    fn compile(input: &Input<'_>, defs: &'static Definitions) -> Result<Program> {
        let names: Vec<&str> = input.variables.iter().map(|(name, _)| name.as_str()).collect();
        let options = |context: Option<TypeId>| Options {
            context: context.filter(|_| input.is_checked),
            variables: Some(&names),
            ..Options::default()
        };
        let context = match &input.context {
            Some(text) => {
                Some(compile_with(text, options(Some(input.ty)), defs).map_err(|e| misspelt("context", &e))?)
            }
            None => None,
        };
        let focus = match context.as_ref().map(Expression::result_types) {
            None => Some(input.ty),
            // Only one type can be checked against; more are found out at evaluation.
            Some(Some([only])) => Some(*only),
            Some(_) => None,
        };
        let expression = compile_with(&input.expression, options(focus), defs);
        Ok(Program { context, expression: expression.map_err(|e| misspelt("expression", &e))? })
    }

    /// Evaluates on all contexts. What was missing is what has to be loaded; then the results count
    /// for nothing.
    fn run(
        &self,
        cx: &Context<'_>,
        input: &Input<'_>,
        loaded: &Loaded,
        steps: &mut u64,
    ) -> (std::result::Result<Vec<Outcome>, EvaluationError>, Needs) {
        let lookup = Lookup::new(cx, loaded, &input.resource);
        let results = self.outcomes(cx, input, &lookup, steps);
        (results, lookup.into_needs())
    }

    fn outcomes(
        &self,
        cx: &Context<'_>,
        input: &Input<'_>,
        lookup: &Lookup<'_>,
        steps: &mut u64,
    ) -> std::result::Result<Vec<Outcome>, EvaluationError> {
        let resource = remit_fhirpath::Element::resource(input.resource.root(), cx.defs);
        let environment = Environment {
            resource: Some(resource),
            root_resource: Some(resource),
            variables: &input.variables,
            host: Some(lookup),
            ..Environment::new(system_clock())
        };
        let focus = Item::Element(resource);
        let contexts = match &self.context {
            Some(context) => context.evaluate_within(&focus, &environment, steps)?.into_vec(),
            None => vec![focus],
        };
        // Traces of the context itself belong to no result.
        lookup.take_traces();
        let mut outcomes = Vec::with_capacity(contexts.len());
        for item in &contexts {
            let found = self.expression.evaluate_within(item, &environment, steps)?;
            let items = found.iter().map(|item| lookup.shown(item)).collect::<std::result::Result<_, _>>()?;
            let context = self.context.is_some().then(|| lookup.place(item));
            outcomes.push(Outcome { context, items, traces: lookup.take_traces() });
        }
        Ok(outcomes)
    }
}

/// An expression that does not compile.
fn misspelt(parameter: &str, error: &CompileError) -> Error {
    Error::invalid(format!("The FHIRPath {parameter} is refused: {error}.")).at(format!("http.{parameter}"))
}
