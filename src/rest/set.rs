//! Resources that operations make, written together: all or none, in one transaction.
//!
//! Each goes the way of any other write: its structure is checked, its index rows are made, the version
//! that it follows is compared when it is written. When somebody was faster nothing is written, and the
//! caller looks again.

use bytes::Bytes;
use remit_fhir::{Kind, Result, json};
use remit_spec::TypeId;
use remit_store::{Stored, WriteSet, Written};

use super::Context;
use super::bundle::heavy;
use super::prepare::{self, Before};
use super::write::Attempts;

/// A resource to be written.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Its type.
    pub(crate) ty: TypeId,
    /// Its logical id.
    pub(crate) id: String,
    /// What is stored there now; `None` when nothing may be.
    pub(crate) before: Option<Stored>,
    /// Its text; `id` and `meta` are put in.
    pub(crate) text: Bytes,
}

/// The attempts to write one set.
#[derive(Default)]
pub(crate) struct Attempting(Attempts);

impl Attempting {
    /// Writes all drafts or none. `None` when something has changed since they were made.
    pub(crate) async fn write(&mut self, cx: &Context<'_>, drafts: &[Draft]) -> Result<Option<Vec<Written>>> {
        let writes = heavy(|| drafts.iter().map(|draft| prepare(cx, draft)).collect::<Result<Vec<_>>>())?;
        self.0.commit(cx, WriteSet { guards: Vec::new(), writes }).await
    }
}

fn prepare(cx: &Context<'_>, draft: &Draft) -> Result<remit_store::Write> {
    let document = json::parse(draft.text.clone())?.into_compact();
    prepare::sound(cx, document.root(), Kind::Unprocessable)?;
    let before = Before::of(draft.before.as_ref());
    prepare::version(cx, draft.ty, &draft.id, before, document.root(), Vec::new())
}
