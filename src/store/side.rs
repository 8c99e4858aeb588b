//! What a set of writes carries beside its resources: the state of the tenant's search parameters that
//! its index rows were made under, and statements of administration for the same transaction.

use crate::Write;
use crate::WriteSet;
use crate::value::Value;

/// A statement that both databases understand, with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) sql: &'static str,
    pub(crate) args: Vec<Value>,
    /// It must give a row; otherwise the set is stale. Such steps come first.
    pub(crate) must_hold: bool,
}

impl Step {
    pub(crate) fn new(sql: &'static str, args: Vec<Value>) -> Step {
        Step { sql, args, must_hold: false }
    }

    pub(crate) fn holds(sql: &'static str, args: Vec<Value>) -> Step {
        Step { sql, args, must_hold: true }
    }
}

/// What goes with a set of writes.
#[derive(Debug, Default)]
pub(crate) struct Side {
    /// The count of the tenant's parameter changes that the rows were made under.
    pub(crate) epoch: i64,
    /// The set changes the parameters: no write of the tenant may be under way meanwhile.
    pub(crate) changes_parameters: bool,
    pub(crate) steps: Vec<Step>,
    /// Index rows to make sure of for resources as they are: `follows` is their current version, and
    /// `add` is also `remove`, so that a row is there once whether it was before or not.
    pub(crate) fills: Vec<Write>,
}

impl Side {
    /// Whether the set may share a transaction with others.
    pub(crate) fn is_plain(&self) -> bool {
        !self.changes_parameters && self.steps.is_empty() && self.fills.is_empty()
    }
}

/// The one epoch of all index rows of a set; `None` when they were made under different ones.
pub(crate) fn epoch_of(set: &WriteSet) -> Option<i64> {
    let mut epochs = set.writes.iter().map(|write| write.add.epoch.max(write.remove.epoch));
    let first = epochs.next().unwrap_or_default();
    let are_same = |write: &Write| {
        let of_rows = [&write.add, &write.remove].map(|rows| rows.epoch);
        of_rows.iter().all(|epoch| *epoch == first || *epoch == 0)
    };
    (epochs.all(|epoch| epoch == first) && set.writes.iter().all(are_same)).then_some(first)
}
