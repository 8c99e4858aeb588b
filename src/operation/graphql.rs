//! `$graphql` of the system and of a resource (<https://hl7.org/fhir/R4/graphql.html>,
//! <https://hl7.org/fhir/R4/resource-operation-graphql.html>).
//!
//! The grammar is a crate's; what fields mean is read from the definitions of FHIR. The answer is JSON
//! of GraphQL and no resource. A query with an error is answered with 400 and the errors alone: a half
//! answer about a patient is worse than none. Queries only; the schema is not described.

mod check;
mod document;
mod fault;
mod load;
mod output;
mod resolve;
mod search;

use super::{Invocation, Operation, Target};
use crate::rest::{Answer, Context};
use document::Selection;
use fault::{Failure, Fault, Faults};
use load::{Loaded, Needs};
use output::Object;
use remit_fhir::{Document, Error, IssueType, Result, json};
use remit_spec::TypeId;
use resolve::Resolver;
use serde_json::{Map, Value};

const DEFINITION: &str = "http://hl7.org/fhir/OperationDefinition/Resource-graphql";

/// What the answer is, whatever format was asked for.
const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// The operation.
pub fn operation() -> Operation {
    Operation::new(DEFINITION, |call| Box::pin(run(call)))
}

async fn run(call: Invocation<'_>) -> Result<Answer> {
    let cx = &call.cx;
    let focus = match call.target {
        Target::Instance(ty, id) => Some((ty, cx.store.read(cx.plan, ty, id).await?)),
        _ => None,
    };
    let focus = match focus {
        Some((ty, stored)) => {
            let body = stored.body.ok_or_else(|| Error::internal("a resource that was read has no body"))?;
            Some((ty, json::parse(body)?))
        }
        None => None,
    };
    let request = Request::read(&call)?;
    let (status, body) = match answer(cx, &request, focus.as_ref()).await {
        Ok(data) => {
            let mut text = "{\"data\":".to_owned();
            data.write(&mut text);
            text.push('}');
            (200, text)
        }
        Err(Failure::Query(faults)) => (400, faults.json().to_string()),
        Err(Failure::Server(error)) => return Err(error),
    };
    Ok(Answer { status, content_type: Some(CONTENT_TYPE), ..Answer::of(body) })
}

/// What was sent.
struct Request {
    query: String,
    operation: Option<String>,
    variables: Map<String, Value>,
}

impl Request {
    /// Reads the parameters of the URL, and of the body: the JSON of GraphQL, or Parameters.
    fn read(call: &Invocation<'_>) -> Result<Request> {
        let body: Option<Map<String, Value>> = match call.parameters.body() {
            Some(body) if body.root().resource_type().is_none() => serde_json::from_str(body.text())
                .map_err(|_| {
                    Error::invalid(
                        "The body is a JSON object with the members query, variables and operationName.",
                    )
                })?,
            _ => None,
        };
        let of_body =
            |name: &str| body.as_ref().and_then(|body| body.get(name)).filter(|value| !value.is_null());
        let text = |name: &str| {
            call.parameters.get(name).or_else(|| of_body(name).and_then(Value::as_str).map(str::to_owned))
        };
        let query = text("query").ok_or_else(|| {
            Error::invalid("$graphql takes a query: as the parameter query, in the member query of a JSON body, or as a body of type application/graphql.")
                .coded(IssueType::Required)
                .at("http.query")
        })?;
        let variables = match (of_body("variables").cloned(), call.parameters.get("variables")) {
            (Some(variables), _) => Some(variables),
            (None, Some(text)) => serde_json::from_str(&text).ok(),
            (None, None) => Some(Value::Object(Map::new())),
        };
        let Some(Value::Object(variables)) = variables else {
            return Err(Error::invalid("The variables are a JSON object.").at("http.variables"));
        };
        Ok(Request { query, operation: text("operationName"), variables })
    }
}

async fn answer(
    cx: &Context<'_>,
    request: &Request,
    focus: Option<&(TypeId, Document)>,
) -> Result<Object, Failure> {
    let fields = document::read(&request.query, request.operation.as_deref(), &request.variables, cx.defs)?;
    let mut faults = Vec::new();
    match focus {
        Some((ty, _)) => check::object(&fields, &check::Place::resource(*ty), cx.defs, &mut faults),
        None => check::system(&fields, cx.defs, &mut faults),
    }
    if !faults.is_empty() {
        return Err(Faults(faults).into());
    }
    let mut loaded = Loaded::default();
    // Each round needs what the one before has led to, and that lies a level deeper.
    for _ in 0..=document::MAX_DEPTH {
        let (result, needs) = round(cx, &loaded, &fields, focus);
        if needs.is_empty() {
            return result.map_err(Failure::from);
        }
        loaded.load(cx, needs).await?;
    }
    Err(Failure::from(Fault::new("The query has more levels of references than it has fields.")))
}

fn round(
    cx: &Context<'_>,
    loaded: &Loaded,
    fields: &[Selection],
    focus: Option<&(TypeId, Document)>,
) -> (Result<Object, Fault>, Needs) {
    let mut resolver = Resolver { cx, loaded, needs: Needs::default(), values: 0 };
    let result = match focus {
        Some((ty, document)) => resolver.resource(*ty, document.root(), fields),
        None => resolver.system(fields),
    };
    // An error counts at once; nothing more needs to be loaded for it.
    match result {
        Err(fault) => (Err(fault), Needs::default()),
        result => (result, resolver.needs),
    }
}
