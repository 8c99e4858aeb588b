//! The value sets and code systems that the bindings of R4 need.
//! <https://hl7.org/fhir/R4/terminology-module.html>
//!
//! A value set is expanded when it is first asked, and kept. Systems whose codes are too many to
//! list are judged by their form: see [`crate::open_systems`]. What R4 publishes beyond the needs of
//! bindings is in [`crate::published`].

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use crate::data::{self, CodeSystemData, ConceptData, IncludeData, ValueSetData, embedded};
use crate::expansion::{Entry, Expansion};
use crate::names::Names;
use crate::open_systems;
use crate::published::Published;
use crate::text::{Text, texts};

/// Whether a code is in a value set.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Membership {
    /// It is.
    Member,
    /// It is not.
    NotMember,
    /// The codes are not known here: an outside code system, or a value set that is not at hand.
    Unknown,
}

/// The value sets and code systems at hand.
#[derive(Debug)]
pub struct Terminology {
    value_sets: HashMap<&'static str, ValueSet>,
    code_systems: HashMap<&'static str, CodeSystem>,
    more_value_sets: Published<ValueSet>,
    more_code_systems: Published<CodeSystem>,
}

/// A value set.
#[derive(Debug)]
pub struct ValueSet {
    /// The canonical URL.
    pub url: &'static str,
    /// The business version.
    pub version: Option<&'static str>,
    /// The name for machines.
    pub name: &'static str,
    /// What it takes.
    pub include: Box<[Include]>,
    /// What it takes out again.
    pub exclude: Box<[Include]>,
    pub(crate) expansion: OnceLock<Expansion>,
}

/// One selection of codes in the definition of a value set; all of it must hold of a code.
#[derive(Debug)]
pub struct Include {
    /// The code system that it selects from.
    pub system: Option<&'static str>,
    /// The codes that it lists.
    pub concepts: Option<Box<[Listed]>>,
    /// What must hold of a concept.
    pub filters: Box<[Filter]>,
    /// The value sets that a code must be in.
    pub value_sets: Box<[&'static str]>,
}

/// A code that a value set lists.
#[derive(Debug)]
pub struct Listed {
    /// The code.
    pub code: &'static str,
    /// What people read.
    pub display: Option<&'static str>,
}

/// What must hold of a concept.
#[derive(Debug)]
pub struct Filter {
    /// The property looked at.
    pub property: &'static str,
    /// The operator.
    pub op: &'static str,
    /// What it compares with.
    pub value: &'static str,
}

/// A code system.
#[derive(Debug)]
pub struct CodeSystem {
    /// The canonical URL.
    pub url: &'static str,
    /// The business version.
    pub version: Option<&'static str>,
    /// The name for machines.
    pub name: &'static str,
    /// How much of the system is here: `complete`, `fragment`, `example`, `not-present`, `supplement`.
    pub content: &'static str,
    /// The value set of all its codes, where nothing else defines that.
    pub value_set: Option<&'static str>,
    /// Every code is here; false for an example or a fragment.
    pub is_complete: bool,
    /// Upper and lower case differ.
    pub is_case_sensitive: bool,
    /// The concepts in the order of the definition.
    pub concepts: Box<[Concept]>,
    names: Names,
}

/// A concept of a code system.
#[derive(Debug)]
pub struct Concept {
    /// The code.
    pub code: &'static str,
    /// What people read.
    pub display: Option<&'static str>,
    /// Not to be chosen, only to select what is below it.
    pub is_abstract: bool,
    /// The codes right above.
    pub parents: Box<[&'static str]>,
}

static R4: LazyLock<Terminology> = LazyLock::new(Terminology::load);

impl Terminology {
    /// The terminology of FHIR R4 (4.0.1). The first call loads it.
    pub fn r4() -> &'static Terminology {
        &R4
    }

    fn load() -> Terminology {
        let value_sets: Vec<ValueSetData> = data::read("value-sets.json", embedded::VALUE_SETS);
        let code_systems: Vec<CodeSystemData> = data::read("code-systems.json", embedded::CODE_SYSTEMS);
        Terminology {
            value_sets: value_sets.into_iter().map(|data| (data.url.0, value_set(data))).collect(),
            code_systems: code_systems.into_iter().map(|data| (data.url.0, code_system(data))).collect(),
            more_value_sets: Published::of(embedded::MORE_VALUE_SETS),
            more_code_systems: Published::of(embedded::MORE_CODE_SYSTEMS),
        }
    }

    /// The value set with this canonical URL, with or without a version.
    pub fn value_set(&self, url: &str) -> Option<&ValueSet> {
        self.value_sets.get(without_version(url))
    }

    /// Every value set, in no particular order.
    pub fn value_sets(&self) -> impl Iterator<Item = &ValueSet> {
        self.value_sets.values()
    }

    /// The code system with this canonical URL, with or without a version.
    pub fn code_system(&self, url: &str) -> Option<&CodeSystem> {
        self.code_systems.get(without_version(url))
    }

    /// The value set with this canonical URL, without a version, among all that R4 publishes.
    pub fn published_value_set(&self, url: &str) -> Option<&ValueSet> {
        let more =
            || self.more_value_sets.get(url, |text| value_set(data::one("more-value-sets.json", text)));
        self.value_sets.get(url).or_else(more)
    }

    /// The code system with this canonical URL, without a version, among all that R4 publishes.
    pub fn published_code_system(&self, url: &str) -> Option<&CodeSystem> {
        let read = |text| code_system(data::one("more-code-systems.json", text));
        self.code_systems.get(url).or_else(|| self.more_code_systems.get(url, read))
    }

    /// The code system of which this value set is said to hold all codes, and which nothing else defines.
    pub fn published_system_of(&self, value_set: &str) -> Option<&CodeSystem> {
        let named = self.code_systems.values().find(|system| system.value_set == Some(value_set));
        named.or_else(|| {
            let needle = format!("\"valueSet\":\"{value_set}\"");
            self.published_code_system(self.more_code_systems.url_of_line_with(&needle)?)
        })
    }

    /// Every code system, in no particular order.
    pub fn code_systems(&self) -> impl Iterator<Item = &CodeSystem> {
        self.code_systems.values()
    }

    /// The codes of a value set.
    pub fn expansion(&self, url: &str) -> Option<&Expansion> {
        let value_set = self.value_set(url)?;
        Some(self.expand(value_set, 0))
    }

    /// Whether a value set holds a code. Without a system, any system of the value set will do, as
    /// for an element of type `code`. An abstract code is not a member.
    pub fn contains(&self, value_set: &str, system: Option<&str>, code: &str) -> Membership {
        match self.expansion(value_set) {
            Some(expansion) => self.is_in(expansion, system, code),
            None => match open_systems::system_of_value_set(without_version(value_set)) {
                Some(open) if system.is_none_or(|system| system == open) => open_systems::judge(open, code),
                Some(_) => Membership::NotMember,
                None => Membership::Unknown,
            },
        }
    }

    fn is_in(&self, expansion: &Expansion, system: Option<&str>, code: &str) -> Membership {
        if let Some(entry) =
            expansion.entry(system, code).or_else(|| self.in_other_case(expansion, system, code))
        {
            return if entry.is_abstract { Membership::NotMember } else { Membership::Member };
        }
        let open = expansion.open.iter().filter(|open| system.is_none_or(|system| system == **open));
        let mut answer = if expansion.is_partial { Membership::Unknown } else { Membership::NotMember };
        for system in open {
            match open_systems::judge(system, code) {
                Membership::Member => return Membership::Member,
                Membership::Unknown => answer = Membership::Unknown,
                Membership::NotMember => {}
            }
        }
        answer
    }

    /// Some code systems do not distinguish upper and lower case.
    fn in_other_case<'e>(
        &self,
        expansion: &'e Expansion,
        system: Option<&str>,
        code: &str,
    ) -> Option<&'e Entry> {
        expansion.entries.iter().find(|entry| {
            entry.code.eq_ignore_ascii_case(code)
                && system.is_none_or(|system| system == entry.system)
                && self.code_system(entry.system).is_some_and(|system| !system.is_case_sensitive)
        })
    }
}

impl CodeSystem {
    /// The concept with this code; upper and lower case count as the code system says.
    pub fn concept(&self, code: &str) -> Option<&Concept> {
        self.place(code).map(|place| &self.concepts[place])
    }

    pub(crate) fn place(&self, code: &str) -> Option<usize> {
        let exact = self.names.find(code, |place| self.concepts[place].code);
        if exact.is_some() || self.is_case_sensitive {
            return exact;
        }
        self.concepts.iter().position(|concept| concept.code.eq_ignore_ascii_case(code))
    }

    /// Whether `code` is `ancestor` or below it. Unknown codes are below nothing.
    pub fn is_a(&self, code: &str, ancestor: &str) -> bool {
        match (self.place(code), self.place(ancestor)) {
            (Some(code), Some(ancestor)) => self.at_or_below(ancestor)[code],
            _ => false,
        }
    }

    /// For each concept, whether it is the one at `top` or below it.
    pub(crate) fn at_or_below(&self, top: usize) -> Vec<bool> {
        let mut below = vec![false; self.concepts.len()];
        below[top] = true;
        // A concept may stand before its parent, so repeat until nothing is added.
        loop {
            let mut progress = false;
            for (place, concept) in self.concepts.iter().enumerate() {
                let parent_is_below = || {
                    concept.parents.iter().any(|code| self.place(code).is_some_and(|parent| below[parent]))
                };
                if !below[place] && parent_is_below() {
                    below[place] = true;
                    progress = true;
                }
            }
            if !progress {
                return below;
            }
        }
    }
}

fn without_version(url: &str) -> &str {
    url.split_once('|').map_or(url, |(url, _)| url)
}

fn value_set(data: ValueSetData) -> ValueSet {
    ValueSet {
        url: data.url.0,
        version: data.version.map(|version| version.0),
        name: data.name.0,
        include: data.include.into_iter().map(include).collect(),
        exclude: data.exclude.into_iter().map(include).collect(),
        expansion: OnceLock::new(),
    }
}

fn include(data: IncludeData) -> Include {
    let concept =
        |(code, display): (Text, Option<Text>)| Listed { code: code.0, display: display.map(|d| d.0) };
    let filters = data.filters.into_iter().map(|filter| Filter {
        property: filter.property.0,
        op: filter.op.0,
        value: filter.value.0,
    });
    Include {
        system: data.system.map(|system| system.0),
        concepts: data.concepts.map(|list| list.into_iter().map(concept).collect()),
        filters: filters.collect(),
        value_sets: texts(data.value_sets),
    }
}

fn code_system(data: CodeSystemData) -> CodeSystem {
    let concept = |data: ConceptData| Concept {
        code: data.code.0,
        display: data.display.map(|display| display.0),
        is_abstract: data.is_abstract,
        parents: texts(data.parents),
    };
    let concepts: Box<[Concept]> = data.concepts.into_iter().map(concept).collect();
    CodeSystem {
        url: data.url.0,
        version: data.version.map(|version| version.0),
        name: data.name.0,
        content: data.content.0,
        value_set: data.value_set.map(|url| url.0),
        is_complete: data.content.0 == "complete",
        is_case_sensitive: data.case_sensitive,
        names: Names::of(concepts.iter().map(|concept| concept.code)),
        concepts,
    }
}
