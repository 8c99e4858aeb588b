//! Issues and the OperationOutcome that carries them
//! (<https://hl7.org/fhir/R4/operationoutcome.html>).

use serde_json::{Value, json};

/// How bad an issue is (`issue-severity`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The request failed and nothing more was looked at.
    Fatal,
    /// The request failed.
    Error,
    /// Something to mend, but the request went through.
    Warning,
    /// For the reader's information.
    Information,
}

impl Severity {
    /// The code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Severity::Fatal => "fatal",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Information => "information",
        }
    }
}

macro_rules! issue_types {
    ($($name:ident $code:literal),* $(,)?) => {
        /// What kind of issue it is (code system `issue-type`).
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum IssueType { $(#[doc = concat!("`", $code, "`")] $name),* }
        impl IssueType {
            /// The code on the wire.
            pub fn code(self) -> &'static str {
                match self { $(IssueType::$name => $code),* }
            }
        }
    };
}

issue_types! {
    Invalid "invalid", Structure "structure", Required "required", Value "value",
    Invariant "invariant", Security "security", Login "login", Unknown "unknown",
    Expired "expired", Forbidden "forbidden", Suppressed "suppressed", Processing "processing",
    NotSupported "not-supported", Duplicate "duplicate", MultipleMatches "multiple-matches",
    NotFound "not-found", Deleted "deleted", TooLong "too-long", CodeInvalid "code-invalid",
    Extension "extension", TooCostly "too-costly", BusinessRule "business-rule",
    Conflict "conflict", Transient "transient", LockError "lock-error", NoStore "no-store",
    Exception "exception", Timeout "timeout", Incomplete "incomplete", Throttled "throttled",
    Informational "informational",
}

/// One finding, for the client to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is.
    pub code: IssueType,
    /// A sentence that a person can act on. It never holds more of a record than the caller sent.
    pub diagnostics: String,
    /// FHIRPath of the elements concerned, e.g. `Claim.item[2].net`.
    pub expression: Vec<String>,
}

impl Issue {
    /// An issue of severity error.
    pub fn error(code: IssueType, diagnostics: impl Into<String>) -> Issue {
        Issue { severity: Severity::Error, code, diagnostics: diagnostics.into(), expression: Vec::new() }
    }

    /// An issue of severity warning.
    pub fn warning(code: IssueType, diagnostics: impl Into<String>) -> Issue {
        Issue { severity: Severity::Warning, ..Issue::error(code, diagnostics) }
    }

    /// An issue of severity information.
    pub fn information(diagnostics: impl Into<String>) -> Issue {
        Issue { severity: Severity::Information, ..Issue::error(IssueType::Informational, diagnostics) }
    }

    /// The same issue, said of an element.
    pub fn at(mut self, expression: impl Into<String>) -> Issue {
        self.expression.push(expression.into());
        self
    }

    fn to_json(&self) -> Value {
        let mut issue = json!({ "severity": self.severity.code(), "code": self.code.code() });
        if !self.diagnostics.is_empty() {
            issue["diagnostics"] = json!(self.diagnostics);
        }
        if !self.expression.is_empty() {
            issue["expression"] = json!(self.expression);
        }
        issue
    }
}

/// An OperationOutcome resource; with no issues it says that all is well.
pub fn operation_outcome(issues: &[Issue]) -> Value {
    let well = [Issue::information("All OK.")];
    let issues = if issues.is_empty() { &well } else { issues };
    json!({
        "resourceType": "OperationOutcome",
        "issue": issues.iter().map(Issue::to_json).collect::<Vec<_>>(),
    })
}
