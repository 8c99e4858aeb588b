//! SQL on FHIR as operations: the rows of views and of queries over views
//! (<https://sql-on-fhir.org/ig/2.0.0/>; the operations are those of the 3.0.0 ballot).
//!
//! `$sql-run` is the operation; `ViewDefinition/$viewdefinition-run` and `Library/$sqlquery-run` are other
//! names of it. A view by itself is run over the resources, whose values it keeps as they are written. A
//! query is answered by the mart where it has the rows of all views below it, and else by a mart made for
//! this question. The caller's access and the choice of patients stand below every view.

mod figure;
mod find;
mod format;
mod graph;
mod parameters;
mod query;
mod request;
mod scope;
#[cfg(test)]
mod tests;
mod view;
mod writer;

pub use figure::{Asked, ask, stored, stored_library};
pub use scope::access_rule;

use crate::operation::{Invocation, Operation};
use crate::rest::Answer;
use futures_util::future::BoxFuture;
use remit_fhir::Result;
use remit_mart::Mart;
use remit_sof::library;
use request::{Kind, Request};
use std::sync::Arc;

const SQL_RUN: &str = "https://remit.example/fhir/OperationDefinition/sql-run";
const VIEWDEFINITION_RUN: &str = "https://remit.example/fhir/OperationDefinition/viewdefinition-run";
const SQLQUERY_RUN: &str = "https://remit.example/fhir/OperationDefinition/sqlquery-run";

/// Where rows come from.
#[derive(Clone)]
pub struct Tables {
    /// The rows of views in columns.
    pub mart: Arc<Mart>,
    /// Ends when the mart holds everything that was committed before the call.
    pub caught_up: Arc<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>,
}

/// All three.
pub fn operations(tables: Tables) -> Vec<Operation> {
    let definitions = [(SQL_RUN, Kind::Any), (VIEWDEFINITION_RUN, Kind::View), (SQLQUERY_RUN, Kind::Query)];
    let operation = |(definition, kind)| {
        let tables = tables.clone();
        Operation::with_formats(definition, move |call| {
            let tables = tables.clone();
            Box::pin(async move { run(&tables, kind, call).await })
        })
    };
    definitions.map(operation).into()
}

async fn run(tables: &Tables, kind: Kind, call: Invocation<'_>) -> Result<Answer> {
    let request = Request::read(kind, &call)?;
    let cx = &call.cx;
    match find::subject(cx, &request).await? {
        find::Subject::View(view) => view::run(cx, &request, view).await,
        find::Subject::Library(library) => query::run(tables, cx, &request, *library).await,
    }
}
