//! Filters of a value set's definition (<https://hl7.org/fhir/R4/valueset.html#compositions>,
//! <https://hl7.org/fhir/R4/valueset-filter-operator.html>).

use crate::code_system::{CodeSystem, Concept};
use regex::{Regex, RegexBuilder};
use remit_fhir::{Error, IssueType, Result};

/// Longest regular expression; those in use have some dozen characters.
const MAX_REGEX_LENGTH: usize = 500;

/// Bytes that a compiled regular expression takes at most. The engine is linear in the text.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Most values of `in` and `not-in`.
const MAX_LISTED: usize = 10_000;

/// What must hold of a concept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Filter {
    pub(crate) property: Box<str>,
    pub(crate) op: Box<str>,
    pub(crate) value: Box<str>,
}

/// What a filter looks at.
#[derive(Clone, Copy)]
enum Subject<'f> {
    Code,
    Display,
    Property(&'f str),
}

impl Filter {
    /// For each concept of the system, whether the filter takes it.
    pub(crate) fn select(&self, system: &CodeSystem) -> Result<Vec<bool>> {
        if self.value.is_empty() {
            return Err(self.refused(system, "it has no value".into()));
        }
        match &*self.op {
            "is-a" | "descendent-of" | "is-not-a" | "generalizes" => self.related(system),
            "=" => self.compare(system, |values| values.contains(&&*self.value)),
            "in" | "not-in" => {
                let listed: Vec<&str> = self.value.split(',').map(str::trim).collect();
                if listed.len() > MAX_LISTED {
                    return Err(self.refused(system, format!("it lists more than {MAX_LISTED} values")));
                }
                let wanted = *self.op == *"in";
                self.compare(system, |values| values.iter().any(|value| listed.contains(value)) == wanted)
            }
            "exists" => {
                let wanted = match &*self.value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(self.refused(system, "its value is neither true nor false".into())),
                };
                self.compare(system, |values| values.is_empty() != wanted)
            }
            "regex" => {
                let regex = self.regex(system)?;
                self.compare(system, |values| values.iter().any(|value| regex.is_match(value)))
            }
            _ => Err(self.refused(system, "this operator is not supported".into())),
        }
    }

    fn related(&self, system: &CodeSystem) -> Result<Vec<bool>> {
        if !matches!(&*self.property, "concept" | "code") {
            return Err(self.refused(
                system,
                "this operator asks for a place in the hierarchy, so its property is 'concept'".into(),
            ));
        }
        system.hierarchy.check(&system.url)?;
        let place = system.place(&self.value).ok_or_else(|| {
            self.refused(system, "the system has no such code".into()).coded(IssueType::CodeInvalid)
        })?;
        let hierarchy = &system.hierarchy;
        Ok(match &*self.op {
            "generalizes" => hierarchy.at_or_above(place),
            "is-not-a" => hierarchy.at_or_below(place).into_iter().map(|taken| !taken).collect(),
            op => {
                let mut taken = hierarchy.at_or_below(place);
                taken[place] = op == "is-a";
                taken
            }
        })
    }

    fn compare(&self, system: &CodeSystem, holds: impl Fn(&[&str]) -> bool) -> Result<Vec<bool>> {
        let subject = self.subject(system)?;
        let taken = system.concepts.iter().map(|concept| holds(&subject.values(concept)));
        Ok(taken.collect())
    }

    fn subject(&self, system: &CodeSystem) -> Result<Subject<'_>> {
        match &*self.property {
            "concept" | "code" => Ok(Subject::Code),
            property if system.has_property(property) => Ok(Subject::Property(property)),
            "display" => Ok(Subject::Display),
            _ => Err(self.refused(system, "the system has no such property".into())),
        }
    }

    /// The whole value must match, as the lexical forms of R4 mean it.
    fn regex(&self, system: &CodeSystem) -> Result<Regex> {
        if self.value.len() > MAX_REGEX_LENGTH {
            let reason = format!("its regular expression is longer than {MAX_REGEX_LENGTH} bytes");
            return Err(self.refused(system, reason));
        }
        let whole = format!("^(?:{})$", self.value);
        let built = RegexBuilder::new(&whole).size_limit(MAX_REGEX_BYTES).nest_limit(50).build();
        built.map_err(|_| {
            self.refused(
                system,
                "its regular expression is not understood; look-around and back references are not supported"
                    .into(),
            )
        })
    }

    fn refused(&self, system: &CodeSystem, reason: String) -> Error {
        let value: String = self.value.chars().take(80).collect();
        Error::unprocessable(format!(
            "The filter '{} {} {value}' on {} cannot be applied: {reason}.",
            self.property, self.op, system.url
        ))
        .coded(IssueType::NotSupported)
    }
}

impl Subject<'_> {
    fn values(self, concept: &Concept) -> Vec<&str> {
        match self {
            Subject::Code => vec![&concept.code],
            Subject::Display => concept.display.as_deref().into_iter().collect(),
            Subject::Property(name) => {
                let named = concept.properties.iter().filter(|(code, _)| **code == *name);
                named.map(|(_, value)| &**value).collect()
            }
        }
    }
}
