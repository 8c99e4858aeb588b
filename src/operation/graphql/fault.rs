//! What is wrong with a query, and where (<https://spec.graphql.org/June2018/#sec-Errors>). Each error
//! carries an OperationOutcome for those who look for one.

use async_graphql_parser::Pos;
use remit_fhir::{Error, Issue, IssueType, operation_outcome};
use serde_json::{Value, json};

/// Errors that one answer tells.
const MAX_FAULTS: usize = 50;

/// One thing that is wrong.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    pos: Option<Pos>,
    code: IssueType,
}

/// All that is wrong.
#[derive(Debug)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into(), pos: None, code: IssueType::Invalid }
    }

    pub(super) fn at(pos: Pos, message: impl Into<String>) -> Fault {
        Fault { pos: Some(pos), ..Fault::new(message) }
    }

    /// An error of a search or a read that a field led to.
    pub(super) fn of(pos: Pos, error: &Error) -> Fault {
        let code = error.issues.first().map_or(IssueType::Invalid, |issue| issue.code);
        Fault { code, ..Fault::at(pos, error.to_string()) }
    }

    fn json(&self) -> Value {
        let outcome = operation_outcome(&[Issue::error(self.code, self.message.clone())]);
        let mut fault = json!({ "message": self.message, "extensions": { "resource": outcome } });
        if let Some(pos) = self.pos {
            fault["locations"] = json!([{ "line": pos.line, "column": pos.column }]);
        }
        fault
    }
}

/// Why there is no answer.
pub(super) enum Failure {
    /// The query is at fault.
    Query(Faults),
    /// The server is.
    Server(Error),
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Failure {
        Failure::Query(faults)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::Query(fault.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Server(error)
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Faults {
        Faults(vec![fault])
    }
}

impl Faults {
    /// The answer.
    pub(super) fn json(&self) -> Value {
        let all: Vec<Value> = self.0.iter().take(MAX_FAULTS).map(Fault::json).collect();
        json!({ "errors": all })
    }
}
