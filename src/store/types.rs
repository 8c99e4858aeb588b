//! What goes into the store and what comes out.

use bytes::Bytes;
use remit_fhir::Error;
use remit_search::{IndexRows, Query};
use remit_spec::TypeId;

/// What a version did to its resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The first version, or the first after a deletion.
    Create,
    /// A later version.
    Update,
    /// The resource was deleted; this version has no body.
    Delete,
}

impl Action {
    pub(crate) fn number(self) -> i64 {
        match self {
            Action::Create => 1,
            Action::Update => 2,
            Action::Delete => 3,
        }
    }

    pub(crate) fn of(number: i64) -> Action {
        match number {
            1 => Action::Create,
            2 => Action::Update,
            _ => Action::Delete,
        }
    }
}

/// One version of a resource.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Resource type.
    pub ty: TypeId,
    /// Logical id.
    pub id: String,
    /// Version, from 1, rising by one.
    pub version: i64,
    /// When the version was committed; `meta.lastUpdated`.
    pub updated_us: i64,
    /// The resource's JSON without white space between tokens; `None` for a deletion.
    pub body: Option<Bytes>,
}

/// A resource's text, ready to store but for its time.
#[derive(Clone, Debug)]
pub struct Body {
    /// JSON without white space between tokens, with `meta.versionId` and `meta.lastUpdated`.
    pub text: Vec<u8>,
    /// Where the 24 characters of `meta.lastUpdated` begin; the store writes them when it commits.
    pub stamp_at: usize,
}

/// One change of one resource.
#[derive(Clone, Debug)]
pub struct Write {
    /// Resource type.
    pub ty: TypeId,
    /// Logical id.
    pub id: String,
    /// What it does.
    pub action: Action,
    /// The version it was prepared against: 0 when there was none. The new one is one more.
    pub follows: i64,
    /// The new text; `None` for a deletion.
    pub body: Option<Body>,
    /// Index rows to add.
    pub add: IndexRows,
    /// Index rows to remove.
    pub remove: IndexRows,
}

/// What a condition must still find when the write is applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Nothing.
    Nothing,
    /// Exactly this one.
    Only(String),
}

/// A condition that a write was prepared under (`If-None-Exist`, criteria of a conditional update,
/// patch or delete). It is asked again inside the transaction, under a lock that keeps every other
/// conditional write of this type out.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The criteria; of one resource type.
    pub query: Query,
    /// What was found when the write was prepared.
    pub expect: Expect,
}

/// Writes that are applied together or not at all.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    /// Conditions that must hold.
    pub guards: Vec<Guard>,
    /// Changes, at most one of each resource.
    pub writes: Vec<Write>,
}

/// An applied write.
#[derive(Clone, Debug)]
pub struct Written {
    /// The new version.
    pub version: i64,
    /// When it was committed.
    pub updated_us: i64,
    /// The stored text, time included; `None` for a deletion.
    pub body: Option<Bytes>,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum WriteError {
    /// Somebody was faster: a version or the answer to a guard is not what the write was prepared
    /// against. Prepare again.
    Stale,
    /// It cannot be written.
    Failed(Error),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> WriteError {
        WriteError::Failed(error)
    }
}
