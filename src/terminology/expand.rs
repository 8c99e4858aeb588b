//! The codes of a value set, worked out from its definition
//! (<https://hl7.org/fhir/R4/valueset.html#compositions>).
//!
//! The definition is worked out wherever that can be done. An expansion that came with it stands in
//! only where it cannot be, because the definition draws from what is not at hand, and only when that
//! expansion says itself to be whole.

use crate::canonical::Canonical;
use crate::code_system::CodeSystem;
use crate::codes::{Codes, Sum};
use crate::value_set::{Compose, Selection, Supplied, ValueSet};
use remit_fhir::{Error, IssueType, Result};
use std::collections::{BTreeSet, HashMap};

/// Codes of one expansion at most. A search takes them as one argument; a hundred thousand of them
/// are some megabytes.
pub const MAX_CODES: usize = 100_000;

/// Definitions that one value set draws from at most, through all its imports.
pub const MAX_DEFINITIONS: usize = 256;

/// How deep value sets may draw from each other; those of R4 go three deep.
const MAX_DEPTH: usize = 16;

/// Concepts looked at for one expansion: about a second of work.
const MAX_WORK: usize = 20_000_000;

/// Systems whose codes follow a grammar or are without number, and what they are.
const GRAMMARS: [(&str, &str); 4] = [
    ("http://unitsofmeasure.org", "UCUM forms units by rules"),
    ("urn:ietf:bcp:47", "language tags are formed by rules"),
    ("urn:ietf:bcp:13", "media types are registered without end"),
    ("urn:ietf:rfc:3986", "any URI is a code"),
];

/// A definition that is needed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Wanted {
    /// A value set.
    ValueSet(Canonical),
    /// A code system.
    CodeSystem(Canonical),
}

/// The definitions that were looked for, each under the name that it was asked by. `None`: it was
/// looked for and is not known.
#[derive(Debug, Default)]
pub struct Definitions {
    /// Value sets.
    pub value_sets: HashMap<Canonical, Option<ValueSet>>,
    /// Code systems.
    pub code_systems: HashMap<Canonical, Option<CodeSystem>>,
}

impl Definitions {
    /// What `root` draws from and has not been looked for. Ask again when it was, until nothing is
    /// wanted: what comes may want more.
    pub fn wanted(&self, root: &ValueSet) -> Result<Vec<Wanted>> {
        let mut wanted = BTreeSet::new();
        let mut seen: BTreeSet<&Canonical> = BTreeSet::new();
        let mut open = vec![root];
        while let Some(value_set) = open.pop() {
            let compose = value_set.compose.as_ref();
            let parts =
                compose.into_iter().flat_map(|compose| compose.include.iter().chain(&compose.exclude));
            for part in parts {
                let is_needed = part.needs_system() || compose.is_some_and(|compose| compose.drops_inactive);
                let system = part.system.as_ref().filter(|_| is_needed);
                if let Some(system) = system.filter(|system| !self.code_systems.contains_key(system)) {
                    wanted.insert(Wanted::CodeSystem(system.clone()));
                }
                for import in part.value_sets.iter().filter(|import| seen.insert(import)) {
                    match self.value_sets.get(import) {
                        Some(found) => open.extend(found),
                        None => drop(wanted.insert(Wanted::ValueSet(import.clone()))),
                    }
                }
            }
        }
        if wanted.len() + self.value_sets.len() + self.code_systems.len() > MAX_DEFINITIONS {
            return Err(Error::unprocessable(format!(
                "The value set {} draws from more than {MAX_DEFINITIONS} other definitions.",
                root.url
            ))
            .coded(IssueType::TooCostly));
        }
        Ok(wanted.into_iter().collect())
    }

    /// The codes of `root`, of which nothing is [wanted](Self::wanted) any more.
    pub fn expand(&self, root: &ValueSet) -> Result<Codes> {
        let mut work = Work { known: self, path: Vec::new(), left: MAX_WORK };
        Ok(Codes::of(&work.value_set(root)?))
    }
}

impl Selection {
    /// Whether its codes follow from the code system's definition only.
    fn needs_system(&self) -> bool {
        self.codes.is_none() && (!self.filters.is_empty() || self.value_sets.is_empty())
    }

    fn is_whole_system(&self) -> bool {
        self.codes.is_none() && self.filters.is_empty() && self.value_sets.is_empty()
    }
}

/// An expansion under way.
struct Work<'k> {
    known: &'k Definitions,
    /// The value sets that are being worked out, each for the one before it.
    path: Vec<&'k ValueSet>,
    left: usize,
}

impl<'k> Work<'k> {
    fn value_set(&mut self, value_set: &'k ValueSet) -> Result<Sum<'k>> {
        if self.path.iter().any(|above| std::ptr::eq(*above, value_set) || is_same(above, value_set)) {
            return Err(Error::unprocessable(format!(
                "The value set {} draws from itself, by way of {}.",
                value_set.url,
                self.path.last().map_or("itself", |last| &*last.url)
            ))
            .coded(IssueType::Processing));
        }
        if self.path.len() >= MAX_DEPTH {
            return Err(too_costly(value_set, format!("draws from others more than {MAX_DEPTH} deep")));
        }
        self.path.push(value_set);
        let sum = match &value_set.compose {
            Some(compose) => self.compose(value_set, compose),
            None => Err(Error::unprocessable(format!(
                "The value set {} has no definition (compose) to take codes from.",
                value_set.url
            ))
            .coded(IssueType::NotSupported)),
        };
        self.path.pop();
        match sum {
            Err(error) if error.issues.iter().all(|issue| issue.code == IssueType::NotSupported) => {
                stand_in(value_set, error)
            }
            sum => sum,
        }
    }

    fn compose(&mut self, value_set: &'k ValueSet, compose: &'k Compose) -> Result<Sum<'k>> {
        let mut sum = Sum::new();
        for part in &compose.include {
            check_date(value_set, compose, part)?;
            for (system, codes) in self.selection(value_set, part)? {
                sum.entry(system).or_default().extend(codes);
            }
            if sum.values().map(BTreeSet::len).sum::<usize>() > MAX_CODES {
                return Err(too_costly(value_set, format!("has more than {MAX_CODES} codes")));
            }
        }
        for part in &compose.exclude {
            check_date(value_set, compose, part)?;
            if let Some(system) = part.system.as_ref().filter(|_| part.is_whole_system()) {
                // What is left out whole need not be known.
                sum.remove(&*system.url);
                continue;
            }
            for (system, codes) in self.selection(value_set, part)? {
                if let Some(kept) = sum.get_mut(system) {
                    kept.retain(|code| !codes.contains(code));
                }
            }
        }
        if compose.drops_inactive {
            self.drop_inactive(&mut sum);
        }
        Ok(sum)
    }

    fn selection(&mut self, value_set: &'k ValueSet, part: &'k Selection) -> Result<Sum<'k>> {
        let mut sum: Option<Sum<'k>> = None;
        if let Some(system) = &part.system
            && (part.codes.is_some() || part.needs_system())
        {
            let codes = match &part.codes {
                Some(listed) => {
                    self.charge(value_set, listed.len())?;
                    listed.iter().map(|code| &**code).collect()
                }
                None => self.system(value_set, system, part)?,
            };
            sum = Some(Sum::from([(&*system.url, codes)]));
        }
        // A code must be in every one of the value sets.
        for import in &part.value_sets {
            let import = self.import(value_set, import)?;
            sum = Some(match sum {
                None => import,
                Some(sum) => both(sum, &import),
            });
        }
        let mut sum = sum.unwrap_or_default();
        if let Some(system) = &part.system {
            sum.retain(|url, _| *url == &*system.url);
        }
        Ok(sum)
    }

    fn import(&mut self, value_set: &ValueSet, canonical: &Canonical) -> Result<Sum<'k>> {
        let known = self.known.value_sets.get(canonical).and_then(Option::as_ref);
        let import = known.ok_or_else(|| {
            Error::unprocessable(format!(
                "The value set {} draws from the value set {canonical}, which is not known here.",
                value_set.url
            ))
            .coded(IssueType::NotSupported)
        })?;
        self.value_set(import)
    }

    /// The codes of a system that all filters of a part take.
    fn system(
        &mut self,
        value_set: &ValueSet,
        canonical: &Canonical,
        part: &'k Selection,
    ) -> Result<BTreeSet<&'k str>> {
        let known = self.known.code_systems.get(canonical).and_then(Option::as_ref);
        let system = known.ok_or_else(|| unknown_system(value_set, canonical))?;
        system.must_be_complete()?;
        self.charge(value_set, system.concepts.len() * (part.filters.len() + 1))?;
        let mut taken = vec![true; system.concepts.len()];
        for filter in &part.filters {
            for (all, one) in taken.iter_mut().zip(filter.select(system)?) {
                *all &= one;
            }
        }
        let taken = system.concepts.iter().zip(taken).filter(|(_, taken)| *taken);
        Ok(taken.map(|(concept, _)| &*concept.code).collect())
    }

    /// Takes out what the code systems at hand say is not in use any more.
    fn drop_inactive(&self, sum: &mut Sum<'k>) {
        for system in self.known.code_systems.values().flatten() {
            if let Some(codes) = sum.get_mut(&*system.url) {
                codes.retain(|code| !system.is_inactive(code));
            }
        }
    }

    fn charge(&mut self, value_set: &ValueSet, concepts: usize) -> Result<()> {
        self.left = self
            .left
            .checked_sub(concepts)
            .ok_or_else(|| too_costly(value_set, "takes too long to work out".into()))?;
        Ok(())
    }
}

/// What a date fixes must name its versions, for nothing here tells what was newest at that time.
fn check_date(value_set: &ValueSet, compose: &Compose, part: &Selection) -> Result<()> {
    let is_open = part.value_sets.iter().any(|import| import.version.is_none())
        || part.needs_system() && part.system.as_ref().is_some_and(|system| system.version.is_none());
    if !compose.is_locked || !is_open {
        return Ok(());
    }
    Err(Error::unprocessable(format!(
        "The value set {} has a lockedDate and draws from definitions without naming their versions.",
        value_set.url
    ))
    .coded(IssueType::NotSupported))
}

/// Whether two definitions are one, read twice.
fn is_same(a: &ValueSet, b: &ValueSet) -> bool {
    a.url == b.url && a.version == b.version
}

fn both<'k>(mut sum: Sum<'k>, other: &Sum<'k>) -> Sum<'k> {
    sum.retain(|system, codes| {
        let others = other.get(system);
        codes.retain(|code| others.is_some_and(|others| others.contains(code)));
        !codes.is_empty()
    });
    sum
}

/// The expansion that came with a value set, where its definition could not be worked out.
fn stand_in(value_set: &ValueSet, error: Error) -> Result<Sum<'_>> {
    match &value_set.supplied {
        Supplied::None => Err(error),
        Supplied::Part(reason) => {
            let text = error.issues.first().map_or("", |issue| issue.diagnostics.as_str());
            Err(Error::unprocessable(format!(
                "{text} The expansion that came with it is of no help: {reason}."
            ))
            .coded(IssueType::NotSupported))
        }
        Supplied::Whole(codes) => {
            let groups = codes.groups().iter();
            Ok(groups.map(|g| (&*g.system, g.codes.iter().map(|code| &**code).collect())).collect())
        }
    }
}

fn unknown_system(value_set: &ValueSet, system: &Canonical) -> Error {
    let grammar = GRAMMARS.iter().find(|(url, _)| **url == *system.url);
    let reason = match grammar {
        Some((_, reason)) => format!("whose codes cannot be listed: {reason}"),
        None => "which is not known here: store it as a CodeSystem".into(),
    };
    Error::unprocessable(format!(
        "The value set {} draws from the code system {system}, {reason}.",
        value_set.url
    ))
    .coded(IssueType::NotSupported)
}

fn too_costly(value_set: &ValueSet, reason: String) -> Error {
    Error::unprocessable(format!("The value set {} {reason}.", value_set.url)).coded(IssueType::TooCostly)
}
