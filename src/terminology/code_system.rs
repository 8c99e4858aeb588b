//! A code system: its concepts, their properties and their hierarchy
//! (<https://hl7.org/fhir/R4/codesystem.html>).

use crate::canonical::{Canonical, Rank};
use crate::codes::{Codes, Sum};
use crate::hierarchy::{Hierarchy, Relation};
use remit_fhir::{Error, IssueType, Node, Result};
use remit_spec::{CodeSystem as Published, Terminology};
use std::collections::{BTreeSet, HashMap};

/// How much of a system is at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Every concept.
    Complete,
    /// None, or only some: `not-present`, `example`, `fragment`, `supplement`.
    Partial(&'static str),
}

/// A code system.
#[derive(Debug)]
pub struct CodeSystem {
    /// The canonical URL.
    pub url: Box<str>,
    /// The business version.
    pub version: Option<Box<str>>,
    /// How much of it is at hand.
    pub content: Content,
    pub(crate) concepts: Vec<Concept>,
    pub(crate) hierarchy: Hierarchy,
    is_case_sensitive: bool,
    places: HashMap<Box<str>, usize>,
    properties: BTreeSet<Box<str>>,
}

/// A concept.
#[derive(Debug)]
pub(crate) struct Concept {
    pub(crate) code: Box<str>,
    pub(crate) display: Option<Box<str>>,
    /// Code and value of each property.
    pub(crate) properties: Box<[(Box<str>, Box<str>)]>,
}

impl CodeSystem {
    /// Reads a CodeSystem resource.
    pub fn parse(resource: Node<'_>) -> Result<CodeSystem> {
        let text = |name: &str| resource.get_str(name);
        let url = text("url").ok_or_else(|| Error::unprocessable("The CodeSystem has no url."))?;
        let relations = Relations::of(resource);
        let mut reading = Reading { relations, ..Reading::default() };
        reading.concepts(resource);
        let places = places(&reading.concepts);
        let meaning = text("hierarchyMeaning");
        let hierarchy = Hierarchy::of(meaning.as_deref(), reading.concepts.len(), &reading.links, &places);
        let declared = resource.get("property").into_iter().flat_map(Node::each);
        let mut properties: BTreeSet<Box<str>> =
            declared.filter_map(|property| property.get_str("code").map(Into::into)).collect();
        properties
            .extend(reading.concepts.iter().flat_map(|c| c.properties.iter().map(|(code, _)| code.clone())));
        Ok(CodeSystem {
            url: url.into(),
            version: text("version").map(Into::into),
            content: Content::of(&text("content").unwrap_or_default()),
            concepts: reading.concepts,
            hierarchy,
            is_case_sensitive: resource.get("caseSensitive").and_then(Node::boolean) != Some(false),
            places,
            properties,
        })
    }

    /// The code system that R4 publishes under this name.
    pub fn published(canonical: &Canonical) -> Option<CodeSystem> {
        let system = Terminology::r4().published_code_system(&canonical.url)?;
        canonical.takes(system.version).then(|| CodeSystem::from(system))
    }

    /// The code systems, of those that R4 publishes, whose codes a value set of this name is.
    pub fn published_of_value_set(canonical: &Canonical) -> Option<CodeSystem> {
        let system = Terminology::r4().published_system_of(&canonical.url)?;
        canonical.takes(system.version).then(|| CodeSystem::from(system))
    }

    /// Where a resource of this kind stands among others with its URL.
    pub fn rank(resource: Node<'_>) -> Rank {
        crate::value_set::rank(resource)
    }

    /// The code and all that is below it.
    pub fn below(&self, code: &str) -> Result<Codes> {
        let top = self.place_of_asked(code)?;
        self.hierarchy.check(&self.url)?;
        Ok(self.codes(self.hierarchy.at_or_below(top)))
    }

    /// The code and all that it is below of.
    pub fn above(&self, code: &str) -> Result<Codes> {
        let start = self.place_of_asked(code)?;
        self.hierarchy.check(&self.url)?;
        Ok(self.codes(self.hierarchy.at_or_above(start)))
    }

    fn place_of_asked(&self, code: &str) -> Result<usize> {
        self.must_be_complete()?;
        self.place(code).ok_or_else(|| {
            Error::unprocessable(format!("The code system {} has no code '{code}'.", self.url))
                .coded(IssueType::CodeInvalid)
        })
    }

    /// 422 unless every concept is at hand.
    pub(crate) fn must_be_complete(&self) -> Result<()> {
        match self.content {
            Content::Complete => Ok(()),
            Content::Partial(content) => Err(Error::unprocessable(format!(
                "The codes of {} cannot be told: its content here is '{content}', so not every concept is known.",
                self.url
            ))
            .coded(IssueType::NotSupported)),
        }
    }

    /// The codes of the concepts that are marked.
    fn codes(&self, marked: Vec<bool>) -> Codes {
        let marked = self.concepts.iter().zip(marked).filter(|(_, marked)| *marked);
        let codes = marked.map(|(concept, _)| &*concept.code).collect();
        Codes::of(&Sum::from([(&*self.url, codes)]))
    }

    /// The place of a code; upper and lower case count as the system says.
    pub(crate) fn place(&self, code: &str) -> Option<usize> {
        let exact = self.places.get(code).copied();
        if exact.is_some() || self.is_case_sensitive {
            return exact;
        }
        self.concepts.iter().position(|concept| concept.code.eq_ignore_ascii_case(code))
    }

    /// Whether a code is said to be out of use. One that is not known is not.
    pub(crate) fn is_inactive(&self, code: &str) -> bool {
        let Some(concept) = self.place(code).map(|place| &self.concepts[place]) else { return false };
        concept.properties.iter().any(|(name, value)| {
            matches!((&**name, &**value), ("inactive", "true") | ("status", "retired" | "inactive"))
        })
    }

    /// Whether the system declares a property or one of its concepts has it.
    pub(crate) fn has_property(&self, code: &str) -> bool {
        self.properties.contains(code)
    }
}

impl From<&Published> for CodeSystem {
    fn from(system: &Published) -> CodeSystem {
        let concept = |concept: &remit_spec::Concept| Concept {
            code: concept.code.into(),
            display: concept.display.map(Into::into),
            properties: match concept.is_abstract {
                true => Box::new([("notSelectable".into(), "true".into())]),
                false => Box::default(),
            },
        };
        let concepts: Vec<Concept> = system.concepts.iter().map(concept).collect();
        let places = places(&concepts);
        let above = |concept: &remit_spec::Concept| {
            let code = concept.code;
            let link = move |parent: &&'static str| (Relation::Nested, (*parent).into(), code.into());
            concept.parents.iter().map(link).collect::<Vec<_>>()
        };
        let links: Vec<Link> = system.concepts.iter().flat_map(above).collect();
        CodeSystem {
            url: system.url.into(),
            version: system.version.map(Into::into),
            content: Content::of(system.content),
            hierarchy: Hierarchy::of(None, concepts.len(), &links, &places),
            concepts,
            is_case_sensitive: system.is_case_sensitive,
            places,
            properties: BTreeSet::from(["notSelectable".into()]),
        }
    }
}

impl Content {
    fn of(code: &str) -> Content {
        match code {
            "complete" => Content::Complete,
            "fragment" => Content::Partial("fragment"),
            "example" => Content::Partial("example"),
            "supplement" => Content::Partial("supplement"),
            _ => Content::Partial("not-present"),
        }
    }
}

/// Who is above whom: how it is said, the upper code, the lower code.
pub(crate) type Link = (Relation, Box<str>, Box<str>);

/// The places of codes; the first of two equal ones counts.
fn places(concepts: &[Concept]) -> HashMap<Box<str>, usize> {
    let mut places = HashMap::with_capacity(concepts.len());
    for (place, concept) in concepts.iter().enumerate() {
        places.entry(concept.code.clone()).or_insert(place);
    }
    places
}

/// The codes of the properties that say who is above whom.
struct Relations {
    parent: Box<str>,
    child: Box<str>,
    subsumed_by: Box<str>,
}

impl Default for Relations {
    fn default() -> Relations {
        Relations { parent: "parent".into(), child: "child".into(), subsumed_by: "subsumedBy".into() }
    }
}

impl Relations {
    /// A system may call them otherwise and say by `property.uri` which is which.
    fn of(resource: Node<'_>) -> Relations {
        let mut relations = Relations::default();
        for property in resource.get("property").into_iter().flat_map(Node::each) {
            let (Some(uri), Some(code)) = (property.get_str("uri"), property.get_str("code")) else {
                continue;
            };
            match uri.strip_prefix("http://hl7.org/fhir/concept-properties#") {
                Some("parent") => relations.parent = code.into(),
                Some("child") => relations.child = code.into(),
                Some("subsumedBy") => relations.subsumed_by = code.into(),
                _ => {}
            }
        }
        relations
    }
}

fn nested<'a>(node: Node<'a>) -> Option<impl Iterator<Item = Node<'a>> + use<'a>> {
    node.get("concept").map(Node::each)
}

/// Concepts while they are read.
#[derive(Default)]
struct Reading {
    relations: Relations,
    concepts: Vec<Concept>,
    links: Vec<Link>,
}

impl Reading {
    /// Reads all concepts, each before those nested in it. No recursion: nesting may be deep.
    fn concepts(&mut self, resource: Node<'_>) {
        let mut levels: Vec<_> =
            nested(resource).map(|level| (None::<Box<str>>, level)).into_iter().collect();
        while let Some((parent, level)) = levels.last_mut() {
            let Some(node) = level.next() else {
                levels.pop();
                continue;
            };
            let Some(code) = node.get_str("code").map(Box::<str>::from) else { continue };
            if let Some(parent) = parent {
                self.links.push((Relation::Nested, parent.clone(), code.clone()));
            }
            let properties = self.properties(node, &code);
            let display = node.get_str("display").map(Into::into);
            self.concepts.push(Concept { code: code.clone(), display, properties });
            levels.extend(nested(node).map(|level| (Some(code), level)));
        }
    }

    fn properties(&mut self, concept: Node<'_>, code: &str) -> Box<[(Box<str>, Box<str>)]> {
        let mut found = Vec::new();
        for property in concept.get("property").into_iter().flat_map(Node::each) {
            let Some(name) = property.get_str("code") else { continue };
            let mut members = property.members().filter(|(name, _)| name.starts_with("value"));
            let value = members.next().and_then(|(_, value)| match value.is_object() {
                // Of a Coding its code is compared.
                true => value.get_str("code"),
                false => value.scalar(),
            });
            let Some(value) = value else { continue };
            let relations = &self.relations;
            if *name == *relations.parent {
                self.links.push((Relation::Nested, (*value).into(), code.into()));
            } else if *name == *relations.child {
                self.links.push((Relation::Nested, code.into(), (*value).into()));
            } else if *name == *relations.subsumed_by {
                self.links.push((Relation::Subsumed, (*value).into(), code.into()));
            }
            found.push(((*name).into(), (*value).into()));
        }
        found.into()
    }
}
