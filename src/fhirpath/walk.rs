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
        self.charge(1)?;
        let [step, rest @ ..] = steps else { return self.push(out, Item::Element(element)) };
        let Some(container) = element.container() else { return Ok(()) };
        let Some(ty) = element.ty else { return self.walk_untyped(container, step, rest, out) };
        if let Some((_, members)) = step.known.iter().find(|(known, _)| *known == ty) {
            for member in members {
                let sibling = &*member.sibling;
                let ty = Some(member.ty);
                let (value, sibling, passed) = find(container, member.json_name, sibling);
                self.charge(passed / MEMBERS_PER_STEP)?;
                self.visit(value, sibling, ty, member.is_any_resource, rest, out)?;
            }
            return Ok(());
        }
        self.walk_looked_up(container, ty, step, rest, out)
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
        let (value, sibling, passed) = match kind {
            Kind::Primitive => find_with_sibling(container, json_name),
            _ => find(container, json_name, ""),
        };
        self.charge(passed / MEMBERS_PER_STEP)?;
        self.visit(value, sibling, Some(ty), kind == Kind::Resource, rest, out)
    }

    fn walk_untyped(
        &mut self,
        container: Node<'a>,
        step: &'a Step,
        rest: &'a [Step],
        out: &mut Collection<'a>,
    ) -> Result {
        let (value, sibling, passed) = find_with_sibling(container, &step.name);
        self.charge(passed / MEMBERS_PER_STEP)?;
        self.visit(value, sibling, None, false, rest, out)
    }

    /// Goes on from each value of a member.
    #[inline]
    fn visit(
        &mut self,
        value: Option<Node<'a>>,
        sibling: Option<Node<'a>>,
        ty: Option<TypeId>,
        is_any_resource: bool,
        rest: &'a [Step],
        out: &mut Collection<'a>,
    ) -> Result {
        let defs = self.defs;
        each(value, sibling, |node, extension| {
            let ty = match node {
                Some(node) if is_any_resource => {
                    node.resource_type().and_then(|name| defs.resource_named(&name)).or(ty)
                }
                _ => ty,
            };
            self.walk(Element { node, extension, ty }, rest, out)
        })
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
            self.visit(value, sibling, ty, is_any_resource, &[], out)?;
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
#[inline]
fn each<'a>(
    value: Option<Node<'a>>,
    sibling: Option<Node<'a>>,
    mut visit: impl FnMut(Option<Node<'a>>, Option<Node<'a>>) -> Result,
) -> Result {
    let something = |node: Option<Node<'a>>| node.filter(|node| !node.is_null());
    let next = |items: &mut Option<Items<'a>>| items.as_mut().and_then(Iterator::next);
    match (value, sibling) {
        (None, None) => Ok(()),
        (Some(value), None) => {
            let mut items = value.each().filter(|item| !item.is_null());
            items.try_for_each(|item| visit(Some(item), None))
        }
        _ => {
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
    }
}
