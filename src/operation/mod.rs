//! Operations: a value each, the name of its OperationDefinition and a function that runs it
//! (<https://hl7.org/fhir/R4/operations.html>).
//!
//! Where an operation may be called, whether GET may call it, and its line in the capability
//! statement follow from its definition, which is data.

mod background;
mod everything;
mod fhirpath;
mod graphql;
mod lastn;
mod meta;
mod parameters;

pub use background::start as in_background;
pub use everything::operations as everything;
pub use fhirpath::operation as fhirpath;
pub(crate) use fhirpath::{Loaded, Lookup, MAX_ROUNDS, Needs};
pub use graphql::operation as graphql;
pub use lastn::operation as lastn;
pub use meta::operations as meta;
pub use parameters::Parameters;

use crate::rest::{Answer, Context};
use futures_util::future::BoxFuture;
use remit_fhir::{Error, Kind, Result};
use remit_spec::{Definitions, TypeId};
use std::sync::Arc;

/// What an operation runs.
pub type Run = dyn for<'a> Fn(Invocation<'a>) -> BoxFuture<'a, Result<Answer>> + Send + Sync;

/// An operation of this server.
#[derive(Clone)]
pub struct Operation {
    /// Canonical URL of its OperationDefinition, which must be among the definitions.
    pub definition: &'static str,
    /// What it does. State that it needs is captured by it.
    pub run: Arc<Run>,
    /// It reads `_format` and `Accept` itself: what it gives is no resource.
    pub has_formats: bool,
    /// Called again with the same input it changes nothing more, so a caller who does not know whether it
    /// was done may call it again.
    pub is_repeatable: bool,
}

impl Operation {
    /// An operation of this definition that runs `run`.
    pub fn new<F>(definition: &'static str, run: F) -> Operation
    where
        F: for<'a> Fn(Invocation<'a>) -> BoxFuture<'a, Result<Answer>> + Send + Sync + 'static,
    {
        Operation { definition, run: Arc::new(run), has_formats: false, is_repeatable: false }
    }

    /// The same for one that chooses the format of its answer itself.
    pub fn with_formats<F>(definition: &'static str, run: F) -> Operation
    where
        F: for<'a> Fn(Invocation<'a>) -> BoxFuture<'a, Result<Answer>> + Send + Sync + 'static,
    {
        Operation { has_formats: true, ..Operation::new(definition, run) }
    }

    /// The same, as one that may be called again.
    pub fn repeatable(self) -> Operation {
        Operation { is_repeatable: true, ..self }
    }
}

/// What an operation is called on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target<'a> {
    /// The whole system: `[base]/$name`.
    System,
    /// A type: `[base]/Patient/$name`.
    Type(TypeId),
    /// A resource: `[base]/Patient/12/$name`.
    Instance(TypeId, &'a str),
    /// A version of a resource: `[base]/Patient/12/_history/3/$name`.
    Version(TypeId, &'a str, &'a str),
}

/// The operations that may be called on a version, by their descriptions; all others see a resource as
/// it is now.
const ON_VERSIONS: [&str; 3] = ["meta", "meta-add", "meta-delete"];

/// One call.
pub struct Invocation<'a> {
    /// The store, the caller's access, the address.
    pub cx: Context<'a>,
    /// What it is called on.
    pub target: Target<'a>,
    /// What it is called with.
    pub parameters: Parameters,
}

/// How an operation is called: GET is allowed where nothing is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// `GET` or `HEAD`
    Get,
    /// `POST`
    Post,
}

/// The operations that a server has.
#[derive(Clone, Default)]
pub struct Operations {
    all: Vec<(&'static remit_spec::Operation, Arc<Run>)>,
    with_formats: Vec<&'static str>,
    repeatable: Vec<&'static str>,
}

impl Operations {
    /// Binds operations to their definitions. An error names the one that has none.
    pub fn new(defs: &'static Definitions, operations: Vec<Operation>) -> Result<Operations> {
        let mut all = Vec::with_capacity(operations.len());
        let (mut with_formats, mut repeatable) = (Vec::new(), Vec::new());
        for operation in operations {
            let definition = defs.operations().iter().find(|d| d.url == operation.definition);
            let definition = definition.ok_or_else(|| {
                Error::internal(format!("operation {} has no OperationDefinition", operation.definition))
            })?;
            if operation.has_formats {
                with_formats.push(definition.code);
            }
            if operation.is_repeatable {
                repeatable.push(definition.code);
            }
            all.push((definition, operation.run));
        }
        Ok(Operations { all, with_formats, repeatable })
    }

    /// Whether the operation of this name (without `$`) chooses the format of its answer itself.
    pub fn have_formats(&self, name: &str) -> bool {
        self.with_formats.contains(&name)
    }

    /// Whether a call of this name (without `$`) may be answered in the background: its answer is a
    /// resource, and it changes nothing or may be called again when the process ends before it is done.
    pub fn may_wait(&self, name: &str) -> bool {
        let changes = |(definition, _): &(&remit_spec::Operation, _)| {
            definition.code == name && definition.affects_state
        };
        !self.have_formats(name) && (self.repeatable.contains(&name) || !self.all.iter().any(changes))
    }

    /// The definitions of all of them.
    pub fn definitions(&self) -> impl Iterator<Item = &'static remit_spec::Operation> {
        self.all.iter().map(|(definition, _)| *definition)
    }

    /// The operation behind a name (without `$`) on a target; 404 when there is none there, 405 when
    /// GET would change something.
    pub fn find(
        &self,
        defs: &Definitions,
        name: &str,
        target: &Target<'_>,
        method: Method,
    ) -> Result<Arc<Run>> {
        let found = self.all.iter().find(|(definition, _)| {
            definition.code == name
                && match target {
                    Target::System => definition.on_system,
                    Target::Type(ty) => definition.on_type && is_on(defs, definition, *ty),
                    Target::Instance(ty, _) => definition.on_instance && is_on(defs, definition, *ty),
                    Target::Version(ty, ..) => {
                        ON_VERSIONS.contains(&name) && definition.on_instance && is_on(defs, definition, *ty)
                    }
                }
        });
        let Some((definition, run)) = found else { return Err(self.unknown(name)) };
        if definition.affects_state && method == Method::Get {
            return Err(Error::new(
                Kind::MethodNotAllowed,
                format!("${name} changes data; it is called with POST."),
            ));
        }
        Ok(Arc::clone(run))
    }

    /// Says whether the name is wrong or the place.
    fn unknown(&self, name: &str) -> Error {
        if self.all.iter().any(|(definition, _)| definition.code == name) {
            return Error::not_found(format!(
                "${name} is not called here; the capability statement says on which types and levels it is."
            ));
        }
        // The name is a part of the URL that the caller sent; it is repeated only when it looks like one.
        let is_name = name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        let name = if is_name { name } else { "…" };
        Error::not_found(format!("This server has no operation ${name}."))
            .coded(remit_fhir::IssueType::NotSupported)
    }
}

/// Whether a definition lists a type, or one that it descends from.
pub fn is_on(defs: &Definitions, definition: &remit_spec::Operation, ty: TypeId) -> bool {
    definition.resources.iter().any(|base| defs.is_a(ty, *base))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(definition: &'static str) -> Operation {
        Operation::new(definition, |_| Box::pin(async { Ok(Answer::empty(200)) }))
    }

    #[test]
    fn an_operation_is_found_where_its_definition_puts_it() {
        let defs = Definitions::r4();
        let everything = "http://hl7.org/fhir/OperationDefinition/Patient-everything";
        let operation = empty(everything);
        let all = Operations::new(defs, vec![operation.clone()]).unwrap();
        let (patient, claim) =
            (defs.resource_named("Patient").unwrap(), defs.resource_named("Claim").unwrap());
        let cases = [
            ("everything", Target::Type(patient), None),
            ("everything", Target::Instance(patient, "1"), None),
            ("everything", Target::Type(claim), Some(404)),
            ("everything", Target::System, Some(404)),
            ("nothing", Target::System, Some(404)),
            ("\u{7f}<", Target::System, Some(404)),
        ];
        for (name, target, status) in cases {
            let found = all.find(defs, name, &target, Method::Get).err().map(|e| e.status());
            assert_eq!(found, status, "{name} {target:?}");
        }
        let unknown = Operation { definition: "http://x", ..operation };
        assert!(Operations::new(defs, vec![unknown]).is_err());
    }

    #[test]
    fn what_changes_data_may_wait_only_when_it_is_repeatable() {
        let apply = empty("http://hl7.org/fhir/OperationDefinition/ChargeItemDefinition-apply");
        for (operation, name, may_wait) in [
            (apply.clone(), "apply", false),
            (apply.repeatable(), "apply", true),
            (empty("http://hl7.org/fhir/OperationDefinition/Patient-everything"), "everything", true),
        ] {
            let all = Operations::new(Definitions::r4(), vec![operation]).unwrap();
            assert_eq!(all.may_wait(name), may_wait, "{name}");
        }
    }

    #[test]
    fn what_changes_data_is_not_called_with_get() {
        let defs = Definitions::r4();
        let definition = "http://hl7.org/fhir/OperationDefinition/ChargeItemDefinition-apply";
        let all = Operations::new(defs, vec![empty(definition)]).unwrap();
        let target = Target::Instance(defs.resource_named("ChargeItemDefinition").unwrap(), "1");
        assert_eq!(all.find(defs, "apply", &target, Method::Get).err().map(|e| e.status()), Some(405));
        assert!(all.find(defs, "apply", &target, Method::Post).is_ok());
    }
}
