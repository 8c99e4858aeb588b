//! Follows member names through a document (<https://hl7.org/fhirpath/N1/#path-selection>,
//! <https://hl7.org/fhir/R4/json.html#primitive>). This is the hot path: nothing is allocated.

use remit_fhir::Node;
use remit_fhir::json::Items;
use remit_spec::{Kind, TypeId};

use crate::eval::{Evaluator, Result};
use crate::item::{Collection, Element, Item};
use crate::op::Step;

/// Members of an object that are passed in the time of a step.
const MEMBERS_PER_STEP: usize = 8;

impl<'a> Evaluator<'a, '_> {
    /// Appends what the steps lead to from an item.
    #[inline]
    pub(crate) fn walk_item(
        &mut self,
        item: &Item<'a>,
        steps: &'a [Step],
        out: &mut Collection<'a>,
    ) -> Result {
        let element = match item {
            Item::Element(element) => element,
            other => return self.walk_value(other, steps, out),
        };
        self.walk(*element, steps, out)
    }

    fn walk(&mut self, element: Element<'a>, steps: &'a [Step], out: &mut Collection<'a>) -> Result {
        let [step, rest @ ..] = steps else { return self.push_elements(out, std::iter::once(element)) };
        self.charge(1)?;
        let Some(container) = element.container() else { return Ok(()) };
        let Some(ty) = element.ty else { return self.walk_untyped(container, step, rest, out) };
        let Some((_, members)) = step.known.iter().find(|(known, _)| *known == ty) else {
            return self.walk_looked_up(container, ty, step, rest, out);
        };
        for member in members {
            let ty = Some(member.ty);
            if !member.sibling.is_empty() && container.has_siblings() {
                let found = find(container, member.json_name, &member.sibling);
                self.visit(found, ty, member.is_any_resource, rest, out)?;
                continue;
            }
            let (value, passed) = container.find(member.json_name);
            self.charge(passed / MEMBERS_PER_STEP)?;
            if let Some(value) = value {
                self.visit_values(value, ty, member.is_any_resource, rest, out)?;
            }
        }
        Ok(())
    }

    /// The type was not known when the expression was compiled.
    fn walk_looked_up(
        &mut self,
        container: Node<'a>,
        ty: TypeId,
        step: &'a Step,
        rest: &'a [Step],
        out: &mut Collection<'a>,
    ) -> Result {
        let Some(element) = self.defs.child(ty, &step.name) else {
            if step.is_lenient
                && let Some((_, ty)) = self.defs.member(ty, &step.name)
            {
                return self.walk_option(container, &step.name, ty, rest, out);
            }
            return Ok(());
        };
        for (place, option) in element.types.iter().enumerate() {
            let is_repeated = element.types.iter().take(place).any(|o| o.json_name == option.json_name);
            if !is_repeated {
                self.walk_option(container, option.json_name, option.ty, rest, out)?;
            }
        }
        Ok(())
    }

    fn walk_option(
        &mut self,
        container: Node<'a>,
        json_name: &str,
        ty: TypeId,
        rest: &'a [Step],
        out: &mut Collection<'a>,
    ) -> Result {
        let kind = self.defs.ty(ty).kind;
        let found = match kind {
            Kind::Primitive => find_with_sibling(container, json_name),
            _ => find(container, json_name, ""),
        };
        self.visit(found, Some(ty), kind == Kind::Resource, rest, out)
    }

    fn walk_untyped(
        &mut self,
        container: Node<'a>,
        step: &'a Step,
        rest: &'a [Step],
        out: &mut Collection<'a>,
    ) -> Result {
        self.visit(find_with_sibling(container, &step.name), None, false, rest, out)
    }

    /// Goes on from each value of a member.
    fn visit(
        &mut self,
        (value, sibling, passed): Found<'a>,
        ty: Option<TypeId>,
        is_any_resource: bool,
        rest: &'a [Step],
        out: &mut Collection<'a>,
    ) -> Result {
        self.charge(passed / MEMBERS_PER_STEP)?;
        match (value, sibling) {
            (None, None) => Ok(()),
            (Some(value), None) => self.visit_values(value, ty, is_any_resource, rest, out),
            _ => pairs(value, sibling, |node, extension| {
                let own = node.filter(|_| is_any_resource).and_then(|node| self.resource_type(node));
                self.walk(Element { node, extension, ty: own.or(ty) }, rest, out)
            }),
        }
    }

    /// Goes on from each value of a member that has no sibling.
    #[inline(always)]
    fn visit_values(
        &mut self,
        value: Node<'a>,
        ty: Option<TypeId>,
        is_any_resource: bool,
        rest: &'a [Step],
        out: &mut Collection<'a>,
    ) -> Result {
        let values = value.each().filter(|node| !node.is_null());
        if rest.is_empty() && !is_any_resource {
            let element = |node| Element { node: Some(node), extension: None, ty };
            return self.push_elements(out, values.map(element));
        }
        for node in values {
            let ty = if is_any_resource { self.resource_type(node).or(ty) } else { ty };
            self.walk(Element { node: Some(node), extension: None, ty }, rest, out)?;
        }
        Ok(())
    }

    #[cold]
    fn resource_type(&self, node: Node<'a>) -> Option<TypeId> {
        node.resource_type().and_then(|name| self.defs.resource_named(&name))
    }

    /// Every child of an element, in the order of the document.
    pub(crate) fn children(&mut self, element: &Element<'a>, out: &mut Collection<'a>) -> Result {
        let Some(container) = element.container() else { return Ok(()) };
        let count = container.members().count();
        let has_siblings = container.has_siblings();
        self.charge(count / MEMBERS_PER_STEP)?;
        for (name, value) in container.members() {
            if name == "resourceType" {
                continue;
            }
            // Looking for the sibling goes over all members.
            self.charge(if has_siblings { 1 + count / MEMBERS_PER_STEP } else { 0 })?;
            let (name, value, sibling) = match name.strip_prefix('_') {
                // The sibling of a value comes with the value.
                Some(name) if container.get(name).is_some() => continue,
                Some(name) => (name, None, Some(value)),
                None if has_siblings => (&*name, Some(value), container.get(&format!("_{name}"))),
                None => (&*name, Some(value), None),
            };
            let ty = element.ty.and_then(|ty| self.defs.member(ty, name)).map(|(_, ty)| ty);
            let is_any_resource = ty.is_some_and(|ty| self.defs.ty(ty).kind == Kind::Resource);
            self.visit((value, sibling, 0), ty, is_any_resource, &[], out)?;
        }
        Ok(())
    }

    /// The parts of a value that is no element.
    fn walk_value(&mut self, item: &Item<'a>, steps: &'a [Step], out: &mut Collection<'a>) -> Result {
        let [step, rest @ ..] = steps else { return self.push(out, item.clone()) };
        let part = match (item, &*step.name) {
            (Item::Type(info), "name") => Item::String(info.name.into()),
            (Item::Type(info), "namespace") => Item::String(info.namespace.into()),
            (Item::Quantity(quantity), "value") => Item::Decimal(quantity.value),
            (Item::Quantity(quantity), "unit" | "code") => Item::String(quantity.unit.clone()),
            _ => return Ok(()),
        };
        self.walk_value(&part, rest, out)
    }
}

/// A member, its sibling, and how many members were passed to find them.
type Found<'a> = (Option<Node<'a>>, Option<Node<'a>>, usize);

/// A member, and its sibling where its type can have one.
#[inline]
fn find<'a>(container: Node<'a>, name: &str, sibling: &str) -> Found<'a> {
    let (value, passed) = container.find(name);
    if sibling.is_empty() || !container.has_siblings() {
        return (value, None, passed);
    }
    let (beside, more) = container.find(sibling);
    (value, beside, passed + more)
}

fn find_with_sibling<'a>(container: Node<'a>, name: &str) -> Found<'a> {
    match container.has_siblings() {
        true => find(container, name, &format!("_{name}")),
        false => find(container, name, ""),
    }
}

/// Pairs the values of a member with those of its sibling. `null` stands for nothing.
fn pairs<'a>(
    value: Option<Node<'a>>,
    sibling: Option<Node<'a>>,
    mut visit: impl FnMut(Option<Node<'a>>, Option<Node<'a>>) -> Result,
) -> Result {
    let something = |node: Option<Node<'a>>| node.filter(|node| !node.is_null());
    let next = |items: &mut Option<Items<'a>>| items.as_mut().and_then(Iterator::next);
    let (mut values, mut siblings) = (value.map(Node::each), sibling.map(Node::each));
    loop {
        let (value, sibling) = (next(&mut values), next(&mut siblings));
        if value.is_none() && sibling.is_none() {
            return Ok(());
        }
        let (value, sibling) = (something(value), something(sibling));
        if value.is_some() || sibling.is_some() {
            visit(value, sibling)?;
        }
    }
}
