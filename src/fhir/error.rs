//! The one error of the server: a kind, issues for the client, a cause for the log.

use crate::{Issue, IssueType, operation_outcome};
use std::error::Error as StdError;
use std::fmt;

/// A result whose error a client can be told.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $status:literal $code:ident),* $(,)?) => {
        /// What went wrong, seen from the client. The one table from kind to HTTP status and issue code.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Kind { $($(#[$doc])* $name),* }
        impl Kind {
            /// HTTP status.
            pub fn status(self) -> u16 { match self { $(Kind::$name => $status),* } }
            /// Issue code for an error that brings none of its own.
            pub fn issue_type(self) -> IssueType { match self { $(Kind::$name => IssueType::$code),* } }
        }
    };
}

kinds! {
    /// The request or the resource in it cannot be understood.
    Invalid 400 Invalid,
    /// The caller must say who it is.
    Unauthenticated 401 Login,
    /// The caller may not do this.
    Forbidden 403 Forbidden,
    /// There is no such thing.
    NotFound 404 NotFound,
    /// This path does not take this method.
    MethodNotAllowed 405 NotSupported,
    /// None of the formats asked for can be given.
    NotAcceptable 406 NotSupported,
    /// The request came too slowly.
    RequestTimeout 408 Timeout,
    /// The state of the resource forbids this, or another request was faster.
    Conflict 409 Conflict,
    /// It was there and has been deleted.
    Gone 410 Deleted,
    /// A stated precondition does not hold.
    PreconditionFailed 412 Conflict,
    /// Criteria that must match at most one resource match several.
    MultipleMatches 412 MultipleMatches,
    /// The body is over the limit.
    TooLarge 413 TooLong,
    /// The URL is over the limit.
    UriTooLong 414 TooLong,
    /// The body is in a format that is not read here.
    UnsupportedMediaType 415 NotSupported,
    /// Understood, but it breaks a rule of the server or of a profile.
    Unprocessable 422 Processing,
    /// Too many requests.
    Throttled 429 Throttled,
    /// A defect of the server.
    Internal 500 Exception,
    /// FHIR has it, this server does not.
    NotImplemented 501 NotSupported,
    /// Not now; try again.
    Unavailable 503 Transient,
    /// The request was stopped at its time limit.
    TimedOut 503 Timeout,
    /// No room on disk.
    InsufficientStorage 507 NoStore,
}

/// An error that ends a request.
#[derive(Debug)]
pub struct Error {
    /// What kind it is; gives the HTTP status.
    pub kind: Kind,
    /// What the client is told. Never empty.
    pub issues: Vec<Issue>,
    /// What the log is told, never the client.
    pub cause: Option<Box<dyn StdError + Send + Sync>>,
    /// Seconds after which it is worth trying again.
    pub retry_after: Option<u32>,
}

impl Error {
    /// An error with one sentence for the client.
    pub fn new(kind: Kind, diagnostics: impl Into<String>) -> Error {
        Error::with_issues(kind, vec![Issue::error(kind.issue_type(), diagnostics)])
    }

    /// An error with several findings.
    pub fn with_issues(kind: Kind, issues: Vec<Issue>) -> Error {
        Error { kind, issues, cause: None, retry_after: None }
    }

    /// 400: the request cannot be understood.
    pub fn invalid(diagnostics: impl Into<String>) -> Error {
        Error::new(Kind::Invalid, diagnostics)
    }

    /// 404.
    pub fn not_found(diagnostics: impl Into<String>) -> Error {
        Error::new(Kind::NotFound, diagnostics)
    }

    /// 409.
    pub fn conflict(diagnostics: impl Into<String>) -> Error {
        Error::new(Kind::Conflict, diagnostics)
    }

    /// 410.
    pub fn gone(diagnostics: impl Into<String>) -> Error {
        Error::new(Kind::Gone, diagnostics)
    }

    /// 412.
    pub fn precondition_failed(diagnostics: impl Into<String>) -> Error {
        Error::new(Kind::PreconditionFailed, diagnostics)
    }

    /// 412 with issue code `multiple-matches`.
    pub fn multiple_matches(diagnostics: impl Into<String>) -> Error {
        Error::new(Kind::MultipleMatches, diagnostics)
    }

    /// 422.
    pub fn unprocessable(diagnostics: impl Into<String>) -> Error {
        Error::new(Kind::Unprocessable, diagnostics)
    }

    /// 503 with the time after which to try again.
    pub fn unavailable(diagnostics: impl Into<String>) -> Error {
        Error { retry_after: Some(1), ..Error::new(Kind::Unavailable, diagnostics) }
    }

    /// 500. The client learns only that it happened.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::new(Kind::Internal, "The server failed to handle this request; the fault is in its log.")
            .because(cause)
    }

    /// The same error, said of an element (FHIRPath).
    pub fn at(mut self, expression: impl Into<String>) -> Error {
        let expression = expression.into();
        for issue in &mut self.issues {
            if issue.expression.is_empty() {
                issue.expression.push(expression.clone());
            }
        }
        self
    }

    /// The same error with another issue code.
    pub fn coded(mut self, code: IssueType) -> Error {
        for issue in &mut self.issues {
            issue.code = code;
        }
        self
    }

    /// The same error with what the log should know.
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.cause = Some(cause.into());
        self
    }

    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.kind.status()
    }

    /// The answer's body.
    pub fn outcome(&self) -> serde_json::Value {
        operation_outcome(&self.issues)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.issues.first().map_or("", |issue| issue.diagnostics.as_str());
        f.write_str(first)?;
        match self.issues.len() {
            0 | 1 => Ok(()),
            n => write!(f, " (and {} more)", n - 1),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl From<crate::json::ParseError> for Error {
    fn from(e: crate::json::ParseError) -> Error {
        Error::invalid(format!("The JSON cannot be read: {e}.")).coded(IssueType::Structure)
    }
}
