//! The codes of a value set, worked out from its definition.
//! <https://hl7.org/fhir/R4/valueset.html#compositions>

use std::collections::HashSet;

use crate::names::Names;
use crate::open_systems;
use crate::terminology::{CodeSystem, Filter, Include, Listed, Terminology, ValueSet};

/// How deep value sets may draw from each other; those of R4 go three deep.
const MAX_IMPORT_DEPTH: usize = 16;

/// The codes of a value set.
#[derive(Debug)]
pub struct Expansion {
    /// The codes that can be listed, in order, abstract ones included.
    pub entries: Box<[Entry]>,
    /// The outside systems that it draws from beyond `entries`.
    pub open: Box<[&'static str]>,
    /// Some part could not be worked out: an unknown filter, system or value set.
    pub is_partial: bool,
    names: Names,
}

/// A code in an expansion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The code system.
    pub system: &'static str,
    /// The code.
    pub code: &'static str,
    /// What people read.
    pub display: Option<&'static str>,
    /// Not to be chosen.
    pub is_abstract: bool,
}

impl Terminology {
    pub(crate) fn expand<'t>(&'t self, value_set: &'t ValueSet, depth: usize) -> &'t Expansion {
        // A value set that draws from itself would wait for itself: the depth ends it, outside the lock.
        if let Some(expansion) = value_set.expansion.get() {
            return expansion;
        }
        let expansion = self.compute(value_set, depth);
        value_set.expansion.get_or_init(|| expansion)
    }

    fn compute(&self, value_set: &ValueSet, depth: usize) -> Expansion {
        let mut sum = Sum::default();
        for include in &value_set.include {
            self.add(include, depth, &mut sum);
        }
        let mut out = Sum::default();
        for exclude in &value_set.exclude {
            self.add(exclude, depth, &mut out);
        }
        sum.entries.retain(|entry| !out.seen.contains(&(entry.system, entry.code)));
        let names = Names::of(sum.entries.iter().map(|entry| entry.code));
        Expansion {
            entries: sum.entries.into(),
            open: sum.open.into(),
            is_partial: sum.is_partial || out.is_partial || !out.open.is_empty(),
            names,
        }
    }

    fn add(&self, include: &Include, depth: usize, sum: &mut Sum) {
        if include.value_sets.is_empty() {
            return self.add_system(include, sum);
        }
        let imports: Vec<Option<&Expansion>> =
            include.value_sets.iter().map(|url| self.import(url, depth)).collect();
        if imports.iter().any(Option::is_none) {
            sum.is_partial = true;
            // A whole other value set stands for its one outside system where that is known.
            if let [url] = include.value_sets[..] {
                sum.open.extend(open_systems::system_of_value_set(url));
            }
            return;
        }
        let imports: Vec<&Expansion> = imports.into_iter().flatten().collect();
        let mut first = Sum::default();
        match (include.system, imports.split_first()) {
            (Some(_), _) => self.add_system(include, &mut first),
            (None, Some((import, _))) => first.take(import),
            (None, None) => {}
        }
        let in_all =
            |entry: &Entry| imports.iter().all(|i| i.entry(Some(entry.system), entry.code).is_some());
        for entry in first.entries.iter().filter(|entry| in_all(entry)) {
            sum.push(*entry);
        }
        sum.is_partial |= first.is_partial;
        match (include.system, &imports[..]) {
            (None, [only]) => sum.open.extend(&only.open),
            _ => sum.is_partial |= imports.iter().any(|import| !import.open.is_empty()),
        }
    }

    fn import(&self, url: &str, depth: usize) -> Option<&Expansion> {
        let value_set = self.value_set(url)?;
        (depth < MAX_IMPORT_DEPTH).then(|| self.expand(value_set, depth + 1))
    }

    fn add_system(&self, include: &Include, sum: &mut Sum) {
        let Some(url) = include.system else { return };
        let system = self.code_system(url);
        if let Some(listed) = &include.concepts {
            for Listed { code, display } in listed {
                let concept = system.and_then(|system| system.concept(code));
                let display = display.or(concept.and_then(|concept| concept.display));
                sum.push(Entry { system: url, code, display, is_abstract: false });
            }
            return;
        }
        match system {
            Some(system) => add_concepts(system, include, sum),
            None if include.filters.is_empty() => sum.open.push(url),
            None => sum.is_partial = true,
        }
    }
}

fn add_concepts(system: &CodeSystem, include: &Include, sum: &mut Sum) {
    sum.is_partial |= !system.is_complete;
    let mut selections = Vec::new();
    for filter in &include.filters {
        match filter.select(system) {
            Some(selection) => selections.push(selection),
            None => {
                sum.is_partial = true;
                return;
            }
        }
    }
    for (place, concept) in system.concepts.iter().enumerate() {
        if selections.iter().all(|selection| selection[place]) {
            sum.push(Entry {
                system: system.url,
                code: concept.code,
                display: concept.display,
                is_abstract: concept.is_abstract,
            });
        }
    }
}

/// An expansion in the making.
#[derive(Default)]
struct Sum {
    entries: Vec<Entry>,
    seen: HashSet<(&'static str, &'static str)>,
    open: Vec<&'static str>,
    is_partial: bool,
}

impl Sum {
    fn push(&mut self, entry: Entry) {
        if self.seen.insert((entry.system, entry.code)) {
            self.entries.push(entry);
        }
    }

    fn take(&mut self, expansion: &Expansion) {
        for entry in &expansion.entries {
            self.push(*entry);
        }
        self.is_partial |= expansion.is_partial;
    }
}

impl Expansion {
    /// The entry with this code, abstract ones included.
    pub fn entry(&self, system: Option<&str>, code: &str) -> Option<&Entry> {
        let fits = |place: usize| {
            let entry = &self.entries[place];
            entry.code == code && system.is_none_or(|system| system == entry.system)
        };
        self.names.find_where(code, fits).map(|place| &self.entries[place])
    }

    /// Every code is listed.
    pub fn is_complete(&self) -> bool {
        self.open.is_empty() && !self.is_partial
    }
}

impl Filter {
    /// For each concept, whether the filter takes it; `None` where the filter is not one that the
    /// hierarchy answers.
    fn select(&self, system: &CodeSystem) -> Option<Vec<bool>> {
        if !matches!(self.property, "concept" | "code") {
            return None;
        }
        let top = system.place(self.value)?;
        let mut selection = system.at_or_below(top);
        match self.op {
            "is-a" => {}
            "descendent-of" => selection[top] = false,
            "is-not-a" => selection.iter_mut().for_each(|taken| *taken = !*taken),
            _ => return None,
        }
        Some(selection)
    }
}
