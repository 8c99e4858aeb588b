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
        let writes = heavy(|| prepare_all(cx, drafts))?;
        self.0.commit(cx, WriteSet { guards: Vec::new(), writes }).await
    }
}

/// Up to this many drafts are made ready by one core: a thread costs as much as one or two of them.
const FEW: usize = 32;

/// Cores that make a set ready, at most, so that others have some.
const MAX_CORES: usize = 8;

/// The writes of all drafts, made on several cores where they are many.
fn prepare_all(cx: &Context<'_>, drafts: &[Draft]) -> Result<Vec<remit_store::Write>> {
    let one_by_one = |some: &[Draft]| some.iter().map(|draft| prepare(cx, draft)).collect::<Result<Vec<_>>>();
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_CORES);
    if drafts.len() <= FEW || cores == 1 {
        return one_by_one(drafts);
    }
    std::thread::scope(|scope| {
        let parts: Vec<_> = drafts
            .chunks(drafts.len().div_ceil(cores))
            .map(|some| scope.spawn(move || one_by_one(some)))
            .collect();
        let mut writes = Vec::with_capacity(drafts.len());
        for part in parts {
            writes.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(writes)
    })
}

fn prepare(cx: &Context<'_>, draft: &Draft) -> Result<remit_store::Write> {
    let document = json::parse(draft.text.clone())?.into_compact();
    prepare::sound(cx, document.root(), Kind::Unprocessable)?;
    let before = Before::of(draft.before.as_ref());
    prepare::version(cx, draft.ty, &draft.id, before, document.root(), Vec::new())
}
