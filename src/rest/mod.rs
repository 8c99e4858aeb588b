//! The interactions of the RESTful API on top of the store (<https://hl7.org/fhir/R4/http.html>).
//!
//! Nothing here knows an HTTP library: an interaction takes values and gives an [`Answer`], so the
//! same code serves requests, entries of a batch, and the command line.

mod answer;
mod bundle;
pub mod capability;
mod conditional;
mod derived;
mod etag;
mod get;
mod history;
mod job;
mod meta;
mod page;
mod patch;
mod prepare;
pub mod pretty;
mod query;
mod read;
mod registry;
pub mod route;
mod search;
mod set;
mod spelling;
pub mod subset;
#[cfg(test)]
mod tests;
pub mod url;
mod write;

pub use answer::{Answer, Stream};
pub(crate) use bundle::heavy;
pub use bundle::{Method, Preference, Request, Run, Running, bundle};
pub use conditional::{delete_conditional, patch_conditional, update_conditional};
pub use derived::{Asked, Derived};
pub use etag::{Tags, etag};
pub use get::{get, searched};
pub use job::{accepted, end_job, job};
pub use meta::{MetaChange, change_meta};
pub(crate) use page::Page;
pub use patch::{MAX_OPERATIONS, Patch};
pub(crate) use prepare::sound;
pub use read::{Held, read, vread};
pub(crate) use registry::read_with;
pub use search::is_general;
pub(crate) use search::reader;
pub(crate) use set::{Attempting, Draft};
pub use spelling::spelled;
pub use write::{create, delete, patch, update};

use remit_search::AccessPlan;
use remit_spec::Definitions;
use remit_store::Store;

/// What an interaction needs to know beside its own values.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where resources are.
    pub store: &'a Store,
    /// Who asks, and what is theirs to see and change.
    pub plan: &'a AccessPlan,
    /// The definitions of FHIR R4.
    pub defs: &'static Definitions,
    /// The address of the FHIR endpoint, without a slash at the end.
    pub base: &'a str,
    /// The server's rules.
    pub settings: &'a Settings,
}

impl Context<'_> {
    /// The base below which absolute references name resources of this server, for index rows. It must
    /// not depend on how a caller happened to reach the server, so without a public URL there is none.
    pub(crate) fn index_base(&self) -> &str {
        match &self.settings.public_url {
            Some(url) if self.base.starts_with(url.as_str()) => self.base,
            _ => "",
        }
    }
}

/// Rules of writing that an operator can change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address that clients know the server by, without the path; see [`Context::index_base`].
    pub public_url: Option<String>,
    /// Entries of one batch or transaction. The largest synthetic patients have 3,000; a transaction
    /// is prepared in memory and held by the writer in one piece.
    pub bundle_entries: usize,
    /// Whether a conditional delete may delete several resources.
    pub conditional_delete: ConditionalDelete,
    /// Resources that one conditional delete may take with it, where several are allowed: they go in
    /// one transaction.
    pub conditional_delete_matches: usize,
    /// Bounds of searches and of pages. A page holds 20 when the request does not say: what a person
    /// reads at once, and what other servers give.
    pub search: remit_search::Limits,
    /// Bounds of the structure check.
    pub structure: remit_validate::Limits,
    /// Finds what search parameters mean that follow from other resources.
    pub derived: Derived,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            public_url: None,
            bundle_entries: 10_000,
            conditional_delete: ConditionalDelete::Single,
            conditional_delete_matches: 1_000,
            search: remit_search::Limits::default(),
            structure: remit_validate::Limits::default(),
            derived: Derived::default(),
        }
    }
}

/// What a conditional delete does when it finds several
/// (<https://hl7.org/fhir/R4/http.html#3.1.0.7.1>; the code in `rest.resource.conditionalDelete`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConditionalDelete {
    /// It refuses.
    Single,
    /// It deletes all of them.
    Multiple,
}

impl ConditionalDelete {
    /// The code for the CapabilityStatement.
    pub fn code(self) -> &'static str {
        match self {
            ConditionalDelete::Single => "single",
            ConditionalDelete::Multiple => "multiple",
        }
    }
}
