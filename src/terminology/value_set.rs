//! The definition of a value set (<https://hl7.org/fhir/R4/valueset.html>).

use crate::canonical::{Canonical, Rank};
use crate::codes::{Codes, Sum};
use crate::filter::Filter;
use remit_fhir::{Error, Node, Result};
use remit_spec::{Include, Terminology, ValueSet as Published};
use std::borrow::Cow;

/// A value set.
#[derive(Debug)]
pub struct ValueSet {
    /// The canonical URL; for one without, what names it in errors.
    pub url: Box<str>,
    /// The business version.
    pub version: Option<Box<str>>,
    pub(crate) compose: Option<Compose>,
    pub(crate) supplied: Supplied,
}

/// What a value set takes and leaves out.
#[derive(Debug, Default)]
pub(crate) struct Compose {
    pub(crate) include: Vec<Selection>,
    pub(crate) exclude: Vec<Selection>,
    /// `inactive` is false.
    pub(crate) drops_inactive: bool,
    /// `lockedDate` is there.
    pub(crate) is_locked: bool,
}

/// One selection of codes; all of it must hold of a code.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) system: Option<Canonical>,
    pub(crate) codes: Option<Vec<Box<str>>>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) value_sets: Vec<Canonical>,
}

/// The expansion that came with the definition.
#[derive(Debug)]
pub(crate) enum Supplied {
    None,
    /// Every code of the value set.
    Whole(Codes),
    /// Some of them; why.
    Part(&'static str),
}

impl ValueSet {
    /// Reads a ValueSet resource.
    pub fn parse(resource: Node<'_>) -> Result<ValueSet> {
        let id = resource.get_str("id").unwrap_or_default();
        let url = resource.get_str("url").unwrap_or_else(|| Cow::Owned(format!("ValueSet/{id}")));
        Ok(ValueSet {
            compose: resource.get("compose").map(|node| compose(node, &url)).transpose()?,
            url: url.into(),
            version: resource.get_str("version").map(Into::into),
            supplied: resource.get("expansion").map_or(Supplied::None, supplied),
        })
    }

    /// The value set that R4 publishes under this name.
    pub fn published(canonical: &Canonical) -> Option<ValueSet> {
        let value_set = Terminology::r4().published_value_set(&canonical.url)?;
        canonical.takes(value_set.version).then(|| ValueSet::from(value_set))
    }

    /// All codes of a code system: `CodeSystem.valueSet` gives such a value set its name.
    pub fn of_system(url: &str, system: &str, version: Option<&str>) -> ValueSet {
        let all = Selection { system: Some(Canonical::of(system, version)), ..Selection::default() };
        ValueSet {
            url: url.into(),
            version: version.map(Into::into),
            compose: Some(Compose { include: vec![all], ..Compose::default() }),
            supplied: Supplied::None,
        }
    }

    /// Where a resource of this kind stands among others with its URL.
    pub fn rank(resource: Node<'_>) -> Rank {
        rank(resource)
    }
}

pub(crate) fn rank(resource: Node<'_>) -> Rank {
    let text = |name: &str| resource.get_str(name);
    Rank::of(&text("status").unwrap_or_default(), text("version").as_deref(), text("date").as_deref())
}

fn each<'a>(node: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    node.get(name).into_iter().flat_map(Node::each)
}

fn compose(node: Node<'_>, url: &str) -> Result<Compose> {
    let selections = |name: &str| each(node, name).map(|part| selection(part, url)).collect::<Result<_>>();
    Ok(Compose {
        include: selections("include")?,
        exclude: selections("exclude")?,
        drops_inactive: node.get("inactive").and_then(Node::boolean) == Some(false),
        is_locked: node.get("lockedDate").is_some(),
    })
}

fn selection(node: Node<'_>, url: &str) -> Result<Selection> {
    let system = node.get_str("system");
    let codes = node.get("concept").map(|_| {
        let listed = each(node, "concept").filter_map(|concept| concept.get_str("code"));
        listed.map(Into::into).collect::<Vec<_>>()
    });
    let filter = |filter: Node<'_>| {
        let text = |name: &str| filter.get_str(name).unwrap_or_default().into();
        Filter { property: text("property"), op: text("op"), value: text("value") }
    };
    let filters: Vec<Filter> = each(node, "filter").map(filter).collect();
    let imports = each(node, "valueSet").filter_map(Node::string);
    let value_sets: Vec<Canonical> = imports.map(|text| Canonical::parse(&text)).collect();
    let refuse = |reason: &str| Err(Error::unprocessable(format!("A part of the value set {url} {reason}.")));
    match (&system, &codes) {
        (None, _) if codes.is_some() || !filters.is_empty() => {
            refuse("names codes or filters without the system that they are of")
        }
        (None, _) if value_sets.is_empty() => refuse("names neither a system nor a value set"),
        (_, Some(_)) if !filters.is_empty() => refuse("both lists codes and filters them"),
        _ => Ok(Selection {
            system: system.map(|system| Canonical::of(&system, node.get_str("version").as_deref())),
            codes,
            filters,
            value_sets,
        }),
    }
}

/// Parameters of an expansion that leave codes out.
const NARROWING: [&str; 6] =
    ["filter", "offset", "count", "activeOnly", "excludeNotForUI", "limitedExpansion"];

/// Extensions which say that an expansion does not hold every code.
const UNCLOSED: [&str; 2] = [
    "http://hl7.org/fhir/StructureDefinition/valueset-unclosed",
    "http://hl7.org/fhir/StructureDefinition/valueset-toocostly",
];

/// An expansion stands for the value set when it says itself to be all of it.
fn supplied(expansion: Node<'_>) -> Supplied {
    let is_narrowing = |parameter: Node<'_>| {
        let narrows = parameter.get_str("name").is_some_and(|name| NARROWING.contains(&&*name));
        let is_void = parameter.get("valueBoolean").and_then(Node::boolean) == Some(false)
            || parameter.get("valueInteger").and_then(Node::number) == Some("0")
                && parameter.get_str("name").as_deref() == Some("offset");
        narrows && !is_void
    };
    let is_unclosed =
        |extension: Node<'_>| extension.get_str("url").is_some_and(|url| UNCLOSED.contains(&&*url));
    if each(expansion, "extension").any(is_unclosed) {
        return Supplied::Part("it says itself that codes are missing");
    }
    if each(expansion, "parameter").any(is_narrowing) {
        return Supplied::Part("it was made with parameters that leave codes out");
    }
    let mut texts = Vec::new();
    let (mut entries, mut levels) =
        (0usize, vec![each(expansion, "contains").collect::<Vec<_>>().into_iter()]);
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.next() else {
            levels.pop();
            continue;
        };
        entries += 1;
        match (entry.get_str("system"), entry.get_str("code")) {
            (Some(system), Some(code)) => texts.push((system, code)),
            (None, Some(_)) => return Supplied::Part("it holds a code without its system"),
            // An entry without a code is a heading.
            (_, None) => {}
        }
        levels.push(each(entry, "contains").collect::<Vec<_>>().into_iter());
    }
    let total = expansion.get("total").and_then(Node::number).and_then(|n| n.parse::<usize>().ok());
    if total.is_some_and(|total| total > entries) {
        return Supplied::Part("it is one page of several");
    }
    let mut sum = Sum::new();
    for (system, code) in &texts {
        sum.entry(system).or_default().insert(code);
    }
    Supplied::Whole(Codes::of(&sum))
}

impl From<&Published> for ValueSet {
    fn from(value_set: &Published) -> ValueSet {
        let all = |parts: &[Include]| parts.iter().map(Selection::from).collect();
        let (include, exclude) = (all(&value_set.include), all(&value_set.exclude));
        ValueSet {
            url: value_set.url.into(),
            version: value_set.version.map(Into::into),
            compose: Some(Compose { include, exclude, ..Compose::default() }),
            supplied: Supplied::None,
        }
    }
}

impl From<&Include> for Selection {
    fn from(include: &Include) -> Selection {
        let filter = |filter: &remit_spec::Filter| Filter {
            property: filter.property.into(),
            op: filter.op.into(),
            value: filter.value.into(),
        };
        let codes =
            include.concepts.as_ref().map(|list| list.iter().map(|listed| listed.code.into()).collect());
        Selection {
            system: include.system.map(|system| Canonical::of(system, None)),
            codes,
            filters: include.filters.iter().map(filter).collect(),
            value_sets: include.value_sets.iter().map(|url| Canonical::parse(url)).collect(),
        }
    }
}
