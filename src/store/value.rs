//! Values that cross the seam between us and a database.

use remit_fhir::{Error, Result};
use std::sync::Arc;

/// A value bound to a statement or read from a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// SQL null
    Null,
    /// Any integer
    Int(i64),
    /// Double precision
    Real(f64),
    /// Text
    Text(String),
    /// A list of texts; only ever bound.
    List(Arc<[Box<str>]>),
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n)
    }
}

impl From<i32> for Value {
    fn from(n: i32) -> Value {
        Value::Int(n.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

/// A row: columns are taken from left to right.
pub(crate) struct Row(pub(crate) std::vec::IntoIter<Value>);

impl Row {
    fn next(&mut self, wanted: &str) -> Result<Value> {
        self.0.next().ok_or_else(|| Error::internal(format!("a row lacks its {wanted}")))
    }

    /// The next column, an integer.
    pub(crate) fn int(&mut self) -> Result<i64> {
        match self.next("integer")? {
            Value::Int(n) => Ok(n),
            other => Err(Error::internal(format!("expected an integer, found {}", kind(&other)))),
        }
    }

    /// The next column, text.
    pub(crate) fn text(&mut self) -> Result<String> {
        match self.next("text")? {
            Value::Text(text) => Ok(text),
            other => Err(Error::internal(format!("expected text, found {}", kind(&other)))),
        }
    }

    /// The next column, text or null.
    pub(crate) fn text_or_null(&mut self) -> Result<Option<String>> {
        match self.next("text")? {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            other => Err(Error::internal(format!("expected text, found {}", kind(&other)))),
        }
    }

    /// The columns that are left.
    pub(crate) fn rest(self) -> Vec<Value> {
        self.0.collect()
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Int(_) => "an integer",
        Value::Real(_) => "a real number",
        Value::Text(_) => "text",
        Value::List(_) => "a list",
    }
}
