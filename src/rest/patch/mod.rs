//! The two ways to patch a resource (<https://hl7.org/fhir/R4/http.html#patch>): JSON Patch and
//! FHIRPath Patch. XML Patch is not offered.
//!
//! Both work on the text: one operation after the other splices it and parses it again.

mod equal;
mod fhirpath;
mod json;
mod object;
#[cfg(test)]
mod official;
mod parameters;
mod path;
mod pointer;
mod value;

use remit_fhir::{Document, Error, Result};
use remit_spec::{Definitions, TypeId};

/// Operations in one patch. A patch states a small change; a larger one is an update.
pub const MAX_OPERATIONS: usize = 1_000;

/// Bytes that a resource may reach while it is patched; `copy` can double it again and again.
const MAX_BYTES: usize = 16 << 20;

/// Bytes that one patch may parse over all its operations, so that many operations on a large
/// resource do not hold a core for long: about a second.
const MAX_WORK: usize = 256 << 20;

/// A patch as sent.
#[derive(Clone, Debug)]
pub enum Patch {
    /// `application/json-patch+json`
    Json(Document),
    /// A Parameters resource.
    FhirPath(Document),
}

impl Patch {
    /// Applies the patch to a resource. What comes out keeps the type and the id; whether it is a
    /// sound resource is for the caller to check.
    pub fn apply(
        &self,
        defs: &'static Definitions,
        ty: TypeId,
        id: &str,
        resource: Document,
    ) -> Result<Document> {
        let patched = match self {
            Patch::Json(patch) => json::apply(resource, patch)?,
            Patch::FhirPath(patch) => fhirpath::apply(defs, resource, patch)?,
        };
        let name = defs.name(ty);
        if patched.root().resource_type().as_deref() != Some(name) {
            return Err(
                failed("A patch must not change the resourceType.").at(format!("{name}.resourceType"))
            );
        }
        if patched.root().get_str("id").as_deref() != Some(id) {
            return Err(failed("A patch must not change the id.").at(format!("{name}.id")));
        }
        Ok(patched)
    }
}

/// 422: the patch is well formed and cannot be applied.
fn failed(diagnostics: impl Into<String>) -> Error {
    Error::unprocessable(diagnostics)
}

/// Reads a changed text, which splices can have made too deep or too long.
fn reparse(text: String) -> Result<Document, String> {
    if text.len() > MAX_BYTES {
        return Err("the resource would become too large".into());
    }
    remit_fhir::json::parse(text).map_err(|e| e.to_string())
}

/// What a patch has cost so far.
#[derive(Default)]
struct Work(usize);

impl Work {
    /// Counts one more operation on a document.
    fn add(&mut self, document: &Document) -> Result<()> {
        self.0 += document.text().len();
        if self.0 > MAX_WORK {
            return Err(failed(
                "The patch has too many operations for a resource of this size; send an update.",
            ));
        }
        Ok(())
    }
}
