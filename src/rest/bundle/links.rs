//! References between the entries of a transaction
//! (<https://hl7.org/fhir/R4/http.html#trules>, <https://hl7.org/fhir/R4/bundle.html#references>).
//!
//! A walk over each resource notes where it names another entry by its `fullUrl`, or a resource by
//! criteria; once every entry has its identity, the places are rewritten. Elements of type
//! `canonical` are left alone, as the rules say.

use remit_fhir::json::{Splice, ValueKind, quote};
use remit_fhir::{Node, Reference};
use remit_spec::{Definitions, TypeId};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::narrative;

/// Which entry a URL stands for.
pub(super) struct Links<'b> {
    entries: HashMap<Cow<'b, str>, Linked>,
    base: &'b str,
    /// Some `fullUrl` has the form of a RESTful URL, so relative references can mean an entry.
    any_restful: bool,
}

#[derive(Clone, Copy)]
struct Linked {
    entry: usize,
    /// The URL is the canonical identity of the resource too. As such it stays; only a
    /// `Reference` to it is rewritten.
    is_canonical: bool,
}

/// A place that names something whose identity is known only later.
pub(super) struct Site<'b> {
    node: Node<'b>,
    what: Use<'b>,
}

enum Use<'b> {
    /// The whole value.
    Entry(Link<'b>),
    /// Parts of a narrative.
    Narrative(Vec<(Range<usize>, Link<'b>)>),
    /// A conditional reference, by its place in the list of criteria.
    Criteria(usize),
}

/// A link to an entry.
struct Link<'b> {
    entry: usize,
    text: Cow<'b, str>,
    names_version: bool,
}

/// What an entry became.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub(super) ty: TypeId,
    pub(super) id: String,
    pub(super) version: i64,
}

/// Search criteria in references, each once.
#[derive(Default)]
pub(super) struct Criteria<'b> {
    places: HashMap<Cow<'b, str>, usize>,
    /// Type name, criteria, and the entry where they stand first.
    pub(super) list: Vec<(String, String, usize)>,
}

impl<'b> Links<'b> {
    /// An empty table for a server at `base`.
    pub(super) fn new(base: &'b str) -> Links<'b> {
        Links { entries: HashMap::new(), base, any_restful: false }
    }

    /// Notes the URL of an entry; false when another entry has it.
    pub(super) fn add(&mut self, full_url: Cow<'b, str>, entry: usize, resource: Node<'_>) -> bool {
        self.any_restful |= restful_base(&full_url).is_some();
        let is_canonical = resource.get_str("url").is_some_and(|url| url == full_url);
        self.entries.insert(full_url, Linked { entry, is_canonical }).is_none()
    }

    /// The entry that a URL or relative reference stands for, and whether it names a version.
    /// `own_base` is the base that relative references of this entry are resolved against.
    fn find(&self, text: &str, own_base: &str, scratch: &mut String) -> Option<(Linked, bool)> {
        let text = text.split('#').next().unwrap_or_default();
        if text.is_empty() || self.entries.is_empty() {
            return None;
        }
        if let Some(linked) = self.entries.get(text) {
            return Some((*linked, false));
        }
        let (plain, names_version) = match text.split_once("/_history/") {
            Some((plain, _)) => (plain, true),
            None => (text, false),
        };
        if names_version && let Some(linked) = self.entries.get(plain) {
            return Some((*linked, true));
        }
        let is_relative = self.any_restful && matches!(Reference::parse(plain), Reference::Relative { .. });
        if !is_relative {
            return None;
        }
        scratch.clear();
        scratch.extend([own_base, "/", plain]);
        self.entries.get(scratch.as_str()).map(|linked| (*linked, names_version))
    }
}

/// The base of a RESTful URL: what stands before `/Type/id`.
fn restful_base(url: &str) -> Option<&str> {
    let (rest, id) = url.rsplit_once('/')?;
    let (base, kind) = rest.rsplit_once('/')?;
    let is_type =
        kind.starts_with(|c: char| c.is_ascii_uppercase()) && kind.bytes().all(|b| b.is_ascii_alphabetic());
    (base.contains("://") && is_type && remit_fhir::is_id(id)).then_some(base)
}

/// One level of the walk: an object and the name that leads to it.
struct Level<'l, 'b> {
    parent: Option<&'l Level<'l, 'b>>,
    name: &'l str,
    node: Node<'b>,
}

impl Level<'_, '_> {
    /// The type of the object. Asked only where a link was found, so that the walk costs little.
    fn ty(&self, defs: &Definitions) -> Option<TypeId> {
        if let Some(name) = self.node.resource_type() {
            return defs.resource_named(&name);
        }
        let parent = self.parent?.ty(defs)?;
        if self.name.starts_with('_') {
            return Some(defs.well_known().element);
        }
        defs.member(parent, self.name).map(|(_, ty)| ty)
    }
}

/// A walk over one resource.
pub(super) struct Walk<'w, 'b> {
    defs: &'w Definitions,
    links: &'w Links<'b>,
    criteria: &'w mut Criteria<'b>,
    entry: usize,
    own_base: &'w str,
    scratch: String,
    sites: Vec<Site<'b>>,
}

impl<'w, 'b> Walk<'w, 'b> {
    /// All places of an entry's resource that name another entry or criteria.
    pub(super) fn sites(
        defs: &'w Definitions,
        links: &'w Links<'b>,
        criteria: &'w mut Criteria<'b>,
        entry: usize,
        full_url: Option<&'w str>,
        resource: Node<'b>,
    ) -> Vec<Site<'b>> {
        let own_base = full_url.and_then(restful_base).unwrap_or(links.base);
        let mut walk =
            Walk { defs, links, criteria, entry, own_base, scratch: String::new(), sites: Vec::new() };
        walk.object(&Level { parent: None, name: "", node: resource });
        walk.sites
    }

    fn object(&mut self, level: &Level<'_, 'b>) {
        for (name, value) in level.node.members() {
            for item in value.each() {
                match item.kind() {
                    ValueKind::Object => self.object(&Level { parent: Some(level), name: &name, node: item }),
                    ValueKind::String => self.text(level, &name, item),
                    _ => {}
                }
            }
        }
    }

    fn text(&mut self, level: &Level<'_, 'b>, name: &str, node: Node<'b>) {
        let Some(text) = node.string() else { return };
        if name == "reference" {
            return self.reference(node, text);
        }
        if name == "div" {
            return self.narrative(node, &text);
        }
        if !text.contains(['/', ':']) {
            return;
        }
        let Some((linked, names_version)) = self.links.find(&text, self.own_base, &mut self.scratch) else {
            return;
        };
        if linked.is_canonical || !self.is_link(level, name) {
            return;
        }
        let link = Link { entry: linked.entry, text, names_version };
        self.sites.push(Site { node, what: Use::Entry(link) });
    }

    /// Whether the element has one of the types in which links are rewritten.
    fn is_link(&self, level: &Level<'_, '_>, name: &str) -> bool {
        let ty = level.ty(self.defs).and_then(|ty| self.defs.member(ty, name)).map(|(_, ty)| ty);
        ty.is_some_and(|ty| matches!(self.defs.name(ty), "uri" | "url" | "oid" | "uuid"))
    }

    fn reference(&mut self, node: Node<'b>, text: Cow<'b, str>) {
        if let Some((linked, names_version)) = self.links.find(&text, self.own_base, &mut self.scratch) {
            let link = Link { entry: linked.entry, text, names_version };
            self.sites.push(Site { node, what: Use::Entry(link) });
            return;
        }
        if !text.contains('?') {
            return;
        }
        let (kind, query) = match Reference::parse(&text) {
            Reference::Conditional { kind, query } => (kind.to_owned(), query.to_owned()),
            _ => return,
        };
        let next = self.criteria.list.len();
        let place = *self.criteria.places.entry(text).or_insert(next);
        if place == next {
            self.criteria.list.push((kind, query, self.entry));
        }
        self.sites.push(Site { node, what: Use::Criteria(place) });
    }

    fn narrative(&mut self, node: Node<'b>, xhtml: &str) {
        let mut parts = Vec::new();
        for range in narrative::links(xhtml) {
            let text = xhtml.get(range.clone()).unwrap_or_default();
            if let Some((linked, names_version)) = self.links.find(text, self.own_base, &mut self.scratch) {
                let link = Link { entry: linked.entry, text: Cow::Owned(text.to_owned()), names_version };
                parts.push((range, link));
            }
        }
        if !parts.is_empty() {
            self.sites.push(Site { node, what: Use::Narrative(parts) });
        }
    }
}

/// The edits that put identities in the place of links and criteria.
pub(super) fn edits(
    defs: &Definitions,
    base: &str,
    sites: &[Site<'_>],
    identities: &[Option<Identity>],
    found: &[(TypeId, String)],
) -> Vec<Splice> {
    let name = |link: &Link<'_>| {
        let identity = identities.get(link.entry)?.as_ref()?;
        let text = link_text(defs, link, identity);
        let is_absolute = link.text.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
        (text != link.text && is_absolute != Some(text.as_str())).then_some(text)
    };
    let edit = |site: &Site<'_>| match &site.what {
        Use::Entry(link) => Some(Splice::replace(site.node, quote(&name(link)?))),
        Use::Criteria(place) => {
            let (ty, id) = found.get(*place)?;
            Some(Splice::replace(site.node, quote(&format!("{}/{id}", defs.name(*ty)))))
        }
        Use::Narrative(parts) => {
            let xhtml = site.node.string()?;
            let parts = parts
                .iter()
                .filter_map(|(range, link)| Some(Splice { range: range.clone(), text: name(link)? }));
            let changed = remit_fhir::json::splice(&xhtml, parts.collect());
            (changed != xhtml).then(|| Splice::replace(site.node, quote(&changed)))
        }
    };
    sites.iter().filter_map(edit).collect()
}

fn link_text(defs: &Definitions, link: &Link<'_>, identity: &Identity) -> String {
    let mut text = format!("{}/{}", defs.name(identity.ty), identity.id);
    if link.names_version {
        text.push_str(&format!("/_history/{}", identity.version));
    }
    if let Some((_, fragment)) = link.text.split_once('#') {
        text.push('#');
        text.push_str(fragment);
    }
    text
}
