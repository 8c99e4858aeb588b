//! The functions that FHIR adds (<https://hl7.org/fhir/R4/fhirpath.html#functions>) and those of SQL
//! on FHIR (<https://build.fhir.org/ig/FHIR/sql-on-fhir-v2/StructureDefinition-ViewDefinition.html>).

use std::borrow::Cow;
use std::collections::HashMap;

use remit_fhir::{Node, Reference};
use remit_spec::{Kind, Membership};
use remit_xml::xhtml;

use crate::environment::Resolution;
use crate::error::EvaluationError;
use crate::eval::{Evaluator, Result};
use crate::function::Call;
use crate::item::{Collection, Element, Item};

pub(crate) fn extension<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let Some(url) = ev.string_argument(&call, 0, "The URL of extension()")? else { return Ok(()) };
    let ty = Some(ev.defs.well_known().extension);
    for element in call.input.iter().filter_map(Item::element) {
        let extensions = element.container().and_then(|container| container.get("extension"));
        for node in extensions.into_iter().flat_map(Node::each) {
            ev.charge(1)?;
            if node.get_str("url").is_some_and(|found| found == url) {
                ev.push(out, Item::Element(Element { node: Some(node), extension: None, ty }))?;
            }
        }
    }
    Ok(())
}

fn is_primitive(ev: &Evaluator<'_, '_>, item: &Item<'_>) -> bool {
    match item {
        Item::Element(element) => element.node.is_some_and(|node| !node.is_object()),
        other => !matches!(other.value(ev.defs), None | Some(Item::Quantity(_) | Item::Type(_))),
    }
}

pub(crate) fn has_value<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let has = matches!(call.input.as_slice(), [item] if is_primitive(ev, item));
    ev.push(out, Item::Boolean(has))
}

pub(crate) fn get_value<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let value = match call.input.as_slice() {
        [item] if is_primitive(ev, item) => item.value(ev.defs),
        _ => None,
    };
    value.map_or(Ok(()), |value| ev.push(out, value))
}

pub(crate) fn resolve<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    for item in call.input.drain(..) {
        ev.charge(4)?;
        let (text, named_type) = match &item {
            Item::Element(Element { node: Some(node), .. }) if node.is_object() => {
                (node.get_str("reference"), node.get_str("type"))
            }
            other => (other.string(ev.defs), None),
        };
        let resolved = match text {
            Some(text) => resolve_text(ev, &item, &text, named_type.as_deref())?,
            None => named_type.and_then(|name| by_type(ev, &name)),
        };
        if let Some(element) = resolved {
            ev.push(out, Item::Element(element))?;
        }
    }
    Ok(())
}

fn resolve_text<'a>(
    ev: &mut Evaluator<'a, '_>,
    item: &Item<'a>,
    text: &str,
    named_type: Option<&str>,
) -> Result<Option<Element<'a>>> {
    if let Some(node) = inside(ev, item, text)? {
        return Ok(Some(Element::resource(node, ev.defs)));
    }
    if text.starts_with('#') {
        return Ok(None);
    }
    let resolution = match ev.environment.host {
        Some(host) => host.resolve(text)?,
        None => Resolution::ByForm,
    };
    Ok(match resolution {
        Resolution::Resource(node) => Some(Element::resource(node, ev.defs)),
        Resolution::Unresolved => None,
        Resolution::ByForm => {
            type_and_id(text).and_then(|(kind, _)| by_type(ev, kind)).or_else(|| by_type(ev, named_type?))
        }
    })
}

/// A resource of which only the type is known.
fn by_type<'a>(ev: &Evaluator<'a, '_>, name: &str) -> Option<Element<'a>> {
    let ty = ev.defs.resource_named(name)?;
    Some(Element { node: None, extension: None, ty: Some(ty) })
}

/// A contained resource, or an entry of the Bundle that is evaluated.
///
/// A resource that a reference led to is a document of its own, and its references look there.
fn inside<'a>(ev: &mut Evaluator<'a, '_>, item: &Item<'a>, text: &str) -> Result<Option<Node<'a>>> {
    let Some(root) = ev.root_resource().and_then(|element| element.node) else { return Ok(None) };
    let own = item.element().and_then(Element::any_node).map(Node::document);
    let root = match own {
        Some(own) if !std::ptr::eq(own, root.document()) => own.root(),
        _ => root,
    };
    if text == "#" {
        return Ok(Some(root));
    }
    if let Some(id) = text.strip_prefix('#') {
        let contained = root.get("contained").into_iter().flat_map(Node::each);
        for node in contained {
            ev.charge(1)?;
            if node.get_str("id").is_some_and(|found| found == id) {
                return Ok(Some(node));
            }
        }
        return Ok(None);
    }
    if root.resource_type().is_none_or(|name| name != "Bundle") {
        return Ok(None);
    }
    Ok(entries(ev, root)?.find(text))
}

/// The resources of a Bundle by the addresses that references use: the full URL, and type and id.
pub(crate) struct Entries<'a> {
    bundle: Node<'a>,
    by_address: HashMap<Cow<'a, str>, Node<'a>>,
}

impl<'a> Entries<'a> {
    fn find(&self, text: &str) -> Option<Node<'a>> {
        let found = self.by_address.get(text).copied();
        found.or_else(|| match Reference::parse(text) {
            Reference::Relative { kind, id, version: Some(_) } => {
                self.by_address.get(format!("{kind}/{id}").as_str()).copied()
            }
            _ => None,
        })
    }
}

/// What references are looked up in, made when the first is.
fn entries<'e, 'a>(ev: &'e mut Evaluator<'a, '_>, bundle: Node<'a>) -> Result<&'e Entries<'a>> {
    if let Some(known) = ev.kept().entries.take().filter(|known| known.bundle == bundle) {
        return Ok(ev.kept().entries.insert(known));
    }
    let mut by_address = HashMap::new();
    for entry in bundle.get("entry").into_iter().flat_map(Node::each) {
        ev.charge(8)?;
        let Some(resource) = entry.get("resource") else { continue };
        if let Some(url) = entry.get_str("fullUrl") {
            by_address.entry(url).or_insert(resource);
        }
        if let Some((kind, id)) = resource.resource_type().zip(resource.get_str("id")) {
            by_address.entry(Cow::Owned(format!("{kind}/{id}"))).or_insert(resource);
        }
    }
    Ok(ev.kept().entries.insert(Entries { bundle, by_address }))
}

/// The type and id that a literal reference names by its form.
fn type_and_id(text: &str) -> Option<(&str, &str)> {
    match Reference::parse(text) {
        Reference::Relative { kind, id, .. } => Some((kind, id)),
        Reference::Conditional { kind, .. } => Some((kind, "")),
        Reference::Absolute(url) => {
            let url = url.split_once("/_history/").map_or(url, |(before, _)| before);
            let (rest, id) = url.rsplit_once('/')?;
            let (_, kind) = rest.rsplit_once('/')?;
            match Reference::parse(url.get(rest.len() - kind.len()..)?) {
                Reference::Relative { .. } => Some((kind, id)),
                _ => None,
            }
        }
        _ => None,
    }
}

pub(crate) fn member_of<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let Some(value_set) = ev.string_argument(&call, 0, "The URL of memberOf()")? else { return Ok(()) };
    let item = match call.input.as_slice() {
        [] => return Ok(()),
        [item] => item,
        many => return Err(ev.too_many("The input of memberOf()", many)),
    };
    let mut found = false;
    for (system, code) in codes(ev, item) {
        ev.charge(10)?;
        let Some(is_member) = is_member(ev, &value_set, system.as_deref(), &code)? else {
            return Err(EvaluationError::new(format!(
                "The codes of the value set {value_set} are not known here"
            )));
        };
        found |= is_member;
    }
    ev.push(out, Item::Boolean(found))
}

/// The codings of a code, Coding, CodeableConcept or Quantity.
fn codes<'a>(ev: &Evaluator<'a, '_>, item: &Item<'a>) -> Vec<(Option<Cow<'a, str>>, Cow<'a, str>)> {
    let coding = |node: Node<'a>| Some((node.get_str("system"), node.get_str("code")?));
    match item {
        Item::Element(Element { node: Some(node), .. }) if node.is_object() => match node.get("coding") {
            Some(codings) => codings.each().filter_map(coding).collect(),
            None => coding(*node).into_iter().collect(),
        },
        other => other.string(ev.defs).map(|code| (None, code)).into_iter().collect(),
    }
}

fn is_member(
    ev: &Evaluator<'_, '_>,
    value_set: &str,
    system: Option<&str>,
    code: &str,
) -> Result<Option<bool>> {
    if let Some(host) = ev.environment.host
        && let Some(answer) = host.member_of(value_set, system, code)?
    {
        return Ok(Some(answer));
    }
    Ok(match ev.defs.terminology().contains(value_set, system, code) {
        Membership::Member => Some(true),
        Membership::NotMember => Some(false),
        Membership::Unknown => None,
    })
}

pub(crate) fn conforms_to<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let Some(profile) = ev.string_argument(&call, 0, "The URL of conformsTo()")? else { return Ok(()) };
    let element = match call.input.as_slice() {
        [] => return Ok(()),
        [Item::Element(element)] => element,
        [_] => return ev.push(out, Item::Boolean(false)),
        many => return Err(ev.too_many("The input of conformsTo()", many)),
    };
    // A check visits every byte of the element.
    ev.charge(element.any_node().map_or(1, |node| node.range().len() / 4))?;
    let answer = match ev.environment.host {
        Some(host) => host.conforms_to(element, &profile)?,
        None => None,
    };
    let by_type = || {
        let wanted = ev.defs.type_by_url(&profile)?;
        Some(element.ty.is_some_and(|ty| ev.defs.is_a(ty, wanted)))
    };
    match answer.or_else(by_type) {
        Some(conforms) => ev.push(out, Item::Boolean(conforms)),
        None => Err(EvaluationError::new(format!("The profile {profile} is not known here"))),
    }
}

pub(crate) fn html_checks<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let Some(text) = ev.input_string(&call)? else { return Ok(()) };
    ev.charge(text.len() / 8)?;
    ev.push(out, Item::Boolean(xhtml::check(&text) == Ok(true)))
}

/// `Patient/1`: the same text for a resource and for references to it, and no two resources share it.
pub(crate) fn get_resource_key<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    for element in call.input.iter().filter_map(Item::element) {
        let is_resource = element.ty.is_none_or(|ty| ev.defs.ty(ty).kind == Kind::Resource);
        let Some(node) = element.node.filter(|_| is_resource) else { continue };
        if let Some((kind, id)) = node.resource_type().zip(node.get_str("id")) {
            ev.push_string(out, format!("{kind}/{id}"))?;
        }
    }
    Ok(())
}

pub(crate) fn get_reference_key<'a>(
    ev: &mut Evaluator<'a, '_>,
    call: Call<'a, '_, '_>,
    out: &mut Collection<'a>,
) -> Result {
    let wanted = ev.string_argument(&call, 0, "The type of getReferenceKey()")?;
    for element in call.input.iter().filter_map(Item::element) {
        let text = element.node.and_then(|node| node.get_str("reference"));
        let Some((kind, id)) = text.as_deref().and_then(type_and_id) else { continue };
        if !id.is_empty() && wanted.as_ref().is_none_or(|wanted| wanted == kind) {
            ev.push_string(out, format!("{kind}/{id}"))?;
        }
    }
    Ok(())
}
