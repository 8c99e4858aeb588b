//! What an evaluation knows beside its focus (<https://hl7.org/fhirpath/N1/#environment-variables>,
//! <https://hl7.org/fhir/R4/fhirpath.html#variables>).

use remit_fhir::Node;
use remit_fhir::date::Micros;

use crate::error::{EvaluationError, Limits};
use crate::item::{Element, Item};

/// What an evaluation knows beside its focus.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// `%resource`; the focus when not given.
    pub resource: Option<Element<'a>>,
    /// `%rootResource`; `%resource` when not given.
    pub root_resource: Option<Element<'a>>,
    /// `%context`; the focus when not given.
    pub context: Option<Element<'a>>,
    /// Further variables by name, without `%`.
    pub variables: &'a [(String, Vec<Item<'a>>)],
    /// What `now()`, `today()` and `timeOfDay()` answer, in UTC.
    pub now: Micros,
    /// Who answers questions about other resources, codes and profiles.
    pub host: Option<&'a dyn Host>,
    /// The bounds of the evaluation.
    pub limits: Limits,
}

impl<'a> Environment<'a> {
    /// An environment that knows the time only.
    pub fn new(now: Micros) -> Environment<'a> {
        Environment {
            resource: None,
            root_resource: None,
            context: None,
            variables: &[],
            now,
            host: None,
            limits: Limits::DEFAULT,
        }
    }
}

impl std::fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("now", &self.now).finish_non_exhaustive()
    }
}

/// What a reference leads to.
#[derive(Clone, Copy, Debug)]
pub enum Resolution<'a> {
    /// The resource.
    Resource(Node<'a>),
    /// The reference is taken by its form: `Patient/1` is a `Patient` of which nothing else is known.
    ByForm,
    /// Nothing.
    Unresolved,
}

/// Answers what an expression cannot know by itself. Contained resources are found without it.
///
/// Without a host, references resolve by their form, codes are looked up in the embedded value
/// sets, and resources conform to the types of FHIR itself.
pub trait Host {
    /// What a literal reference leads to.
    fn resolve<'a>(&'a self, reference: &str) -> Result<Resolution<'a>, EvaluationError> {
        let _ = reference;
        Ok(Resolution::ByForm)
    }

    /// Whether a value set holds a code; `None` when the host does not know the value set.
    fn member_of(
        &self,
        value_set: &str,
        system: Option<&str>,
        code: &str,
    ) -> Result<Option<bool>, EvaluationError> {
        let _ = (value_set, system, code);
        Ok(None)
    }

    /// Whether an element conforms to a profile; `None` when the host does not know the profile.
    fn conforms_to(&self, element: &Element<'_>, profile: &str) -> Result<Option<bool>, EvaluationError> {
        let _ = (element, profile);
        Ok(None)
    }

    /// Takes what `trace(name)` shows; an error ends the evaluation.
    fn trace(&self, name: &str, items: &[Item<'_>]) -> Result<(), EvaluationError> {
        let _ = (name, items);
        Ok(())
    }
}
