//! `$meta`, `$meta-add` and `$meta-delete` (<https://hl7.org/fhir/R4/resource-operation-meta.html>,
//! <https://hl7.org/fhir/R4/resource-operation-meta-add.html>,
//! <https://hl7.org/fhir/R4/resource-operation-meta-delete.html>).
//!
//! Of a resource or a version the metadata are given as they stand; of a type or the system, the
//! profiles, tags and labels that its resources carry, by system and code.

use super::{Invocation, Operation, Target};
use crate::rest::{self, Answer, MetaChange};
use remit_fhir::{Error, IssueType, Result, json};
use remit_spec::TypeId;
use serde_json::{Value, json};

const META: &str = "http://hl7.org/fhir/OperationDefinition/Resource-meta";
const META_ADD: &str = "http://hl7.org/fhir/OperationDefinition/Resource-meta-add";
const META_DELETE: &str = "http://hl7.org/fhir/OperationDefinition/Resource-meta-delete";

/// All three.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(META, |call| Box::pin(show(call))),
        Operation::new(META_ADD, |call| Box::pin(change(call, MetaChange::Add))),
        Operation::new(META_DELETE, |call| Box::pin(change(call, MetaChange::Delete))),
    ]
}

async fn show(call: Invocation<'_>) -> Result<Answer> {
    let cx = &call.cx;
    if let Some(name) = call.parameters.names().first() {
        return Err(unknown("$meta", name));
    }
    match call.target {
        Target::Instance(ty, id) => returned(Answer::stored(cx.store.read(cx.plan, ty, id).await?)),
        Target::Version(ty, id, version) => {
            returned(Answer::stored(cx.store.vread(cx.plan, ty, id, version).await?))
        }
        Target::Type(ty) => in_use(&call, &[ty]).await,
        Target::System => in_use(&call, &[]).await,
    }
}

async fn in_use(call: &Invocation<'_>, types: &[TypeId]) -> Result<Answer> {
    let labels = call.cx.store.labels(call.cx.plan, types).await?;
    let coding = |(system, code): &(String, String)| match system.is_empty() {
        true => json!({ "code": code }),
        false => json!({ "system": system, "code": code }),
    };
    let mut meta = serde_json::Map::new();
    let lists: [(&str, Vec<Value>); 3] = [
        ("profile", labels.profiles.iter().map(|uri| json!(uri)).collect()),
        ("security", labels.security.iter().map(coding).collect()),
        ("tag", labels.tags.iter().map(coding).collect()),
    ];
    meta.extend(
        lists.into_iter().filter(|(_, l)| !l.is_empty()).map(|(name, l)| (name.to_owned(), json!(l))),
    );
    Ok(Answer::of(parameters(&Value::Object(meta).to_string())))
}

async fn change(call: Invocation<'_>, change: MetaChange) -> Result<Answer> {
    let name = match change {
        MetaChange::Add => "$meta-add",
        MetaChange::Delete => "$meta-delete",
    };
    let (ty, id, version) = match call.target {
        Target::Instance(ty, id) => (ty, id, None),
        Target::Version(ty, id, version) => (ty, id, Some(version)),
        _ => return Err(Error::internal("an operation was called where its definition does not put it")),
    };
    if let Some(other) = call.parameters.names().iter().find(|other| *other != "meta") {
        return Err(unknown(name, other));
    }
    let mut given = call.parameters.named("meta");
    let (Some(first), None) = (given.next(), given.next()) else {
        return Err(required(name));
    };
    let meta = first.get("valueMeta").filter(|meta| meta.is_object()).ok_or_else(|| required(name))?;
    let answer = rest::change_meta(&call.cx, ty, id, version, change, meta).await?;
    returned(answer)
}

fn required(name: &str) -> Error {
    Error::invalid(format!(
        "{name} takes a Parameters resource with one parameter 'meta' whose valueMeta holds the profiles, tags and labels."
    ))
    .coded(IssueType::Required)
    .at("Parameters.parameter")
}

fn unknown(operation: &str, name: &str) -> Error {
    let shown: String = name.chars().take(80).collect();
    Error::invalid(format!("{operation} has no parameter '{shown}'."))
        .coded(IssueType::NotSupported)
        .at(format!("http.{shown}"))
}

/// The metadata of the resource in an answer; the version stays in the headers.
fn returned(answer: Answer) -> Result<Answer> {
    let Some(body) = answer.body.clone() else {
        return Err(Error::internal("a resource that was read has no body"));
    };
    let document = json::parse(body)?;
    let meta = document.root().get("meta").map_or("{}", |meta| meta.json());
    Ok(Answer { body: Some(parameters(meta).into()), location: None, ..answer })
}

/// A datatype is returned inside of Parameters. An empty one has no value.
fn parameters(meta: &str) -> String {
    let value = match meta {
        "{}" => String::new(),
        meta => format!(r#","valueMeta":{meta}"#),
    };
    format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"return"{value}}}]}}"#)
}
