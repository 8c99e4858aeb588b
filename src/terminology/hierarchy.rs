//! Who is above whom in a code system
//! (<https://hl7.org/fhir/R4/codesystem.html#hierarchy>).
//!
//! Nesting and the properties `parent` and `child` mean what `hierarchyMeaning` says; `subsumedBy`
//! always means is-a.

use remit_fhir::{Error, IssueType, Result};
use std::collections::HashMap;

use crate::code_system::Link;

/// How one concept is said to be above another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Relation {
    /// By nesting, `parent` or `child`.
    Nested,
    /// By `subsumedBy`.
    Subsumed,
}

/// The is-a relations of a code system.
#[derive(Debug, Default)]
pub(crate) struct Hierarchy {
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
    /// What the nesting means when that is not is-a, and nothing else relates the concepts.
    other_meaning: Option<Box<str>>,
}

impl Hierarchy {
    /// Takes the links that mean is-a. Links to codes that are not there are left out.
    pub(crate) fn of(
        meaning: Option<&str>,
        concepts: usize,
        links: &[Link],
        places: &HashMap<Box<str>, usize>,
    ) -> Hierarchy {
        // A class of a classification holds its subclasses, which is an is-a; what is not said is
        // taken for one, as nearly every system without the element means it so.
        let nested_is_a = !matches!(meaning, Some("part-of" | "grouped-by"));
        let mut hierarchy = Hierarchy {
            parents: vec![Vec::new(); concepts],
            children: vec![Vec::new(); concepts],
            other_meaning: None,
        };
        let mut used = false;
        for (relation, upper, lower) in links {
            if *relation == Relation::Nested && !nested_is_a {
                continue;
            }
            if let (Some(upper), Some(lower)) = (places.get(upper), places.get(lower)) {
                hierarchy.parents[*lower].push(*upper);
                hierarchy.children[*upper].push(*lower);
                used = true;
            }
        }
        if !used && !nested_is_a && !links.is_empty() {
            hierarchy.other_meaning = meaning.map(Into::into);
        }
        hierarchy
    }

    /// 422 where the concepts are related, but not by is-a.
    pub(crate) fn check(&self, system: &str) -> Result<()> {
        match &self.other_meaning {
            None => Ok(()),
            Some(meaning) => Err(Error::unprocessable(format!(
                "The hierarchy of {system} is '{meaning}', so none of its codes is above or below another \
                 in the sense of is-a."
            ))
            .coded(IssueType::NotSupported)),
        }
    }

    /// For each place, whether it is `top` or below it.
    pub(crate) fn at_or_below(&self, top: usize) -> Vec<bool> {
        reach(&self.children, top)
    }

    /// For each place, whether it is `start` or above it.
    pub(crate) fn at_or_above(&self, start: usize) -> Vec<bool> {
        reach(&self.parents, start)
    }
}

/// What can be reached; each place is visited once, so circles do no harm.
fn reach(next: &[Vec<usize>], start: usize) -> Vec<bool> {
    let mut seen = vec![false; next.len()];
    let mut open = vec![start];
    while let Some(place) = open.pop() {
        if !std::mem::replace(&mut seen[place], true) {
            open.extend(next[place].iter().filter(|other| !seen[**other]));
        }
    }
    seen
}
