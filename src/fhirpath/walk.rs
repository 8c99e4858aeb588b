//! Follows member names through a document (<https://hl7.org/fhirpath/N1/#path-selection>,
//! <https://hl7.org/fhir/R4/json.html#primitive>). This is the hot path: nothing is allocated.

use remit_fhir::Node;
use remit_fhir::json::Items;
use remit_spec::{Kind, TypeId};

use crate::eval::{Evaluator, Result};
use crate::item::{Collection, Element, Item};
use crate::op::Step;

impl<'a> Evaluator<'a, '_> {
    /// Appends what the steps lead to from an item.
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
                let (value, sibling) = find(container, member.json_name, sibling);
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
        let (value, sibling) = match kind {
            Kind::Primitive => find_with_sibling(container, json_name),
            _ => (container.get(json_name), None),
        };
        self.visit(value, sibling, Some(ty), kind == Kind::Resource, rest, out)
    }

    fn walk_untyped(
        &mut self,
        container: Node<'a>,
        step: &'a Step,
        rest: &'a [Step],
        out: &mut Collection<'a>,
    ) -> Result {
        let (value, sibling) = find_with_sibling(container, &step.name);
        self.visit(value, sibling, None, false, rest, out)
    }

    /// Goes on from each value of a member.
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
        for (name, value) in container.members() {
            if name == "resourceType" {
                continue;
            }
            let (name, value, sibling) = match name.strip_prefix('_') {
                // The sibling of a value comes with the value.
                Some(name) if container.get(name).is_some() => continue,
                Some(name) => (name, None, Some(value)),
                None => (&*name, Some(value), container.get(&format!("_{name}"))),
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

/// A member, and its sibling where its type can have one. One pass finds both.
fn find<'a>(container: Node<'a>, name: &str, sibling: &str) -> (Option<Node<'a>>, Option<Node<'a>>) {
    if sibling.is_empty() {
        return (container.get(name), None);
    }
    let (mut value, mut beside) = (None, None);
    for (key, node) in container.members() {
        if key == name {
            value = value.or(Some(node));
        } else if key == sibling {
            beside = beside.or(Some(node));
        }
    }
    (value, beside)
}

fn find_with_sibling<'a>(container: Node<'a>, name: &str) -> (Option<Node<'a>>, Option<Node<'a>>) {
    let (mut value, mut beside) = (None, None);
    for (key, node) in container.members() {
        if key == name {
            value = value.or(Some(node));
        } else if key.strip_prefix('_') == Some(name) {
            beside = beside.or(Some(node));
        }
    }
    (value, beside)
}

/// Pairs the values of a member with those of its sibling. `null` stands for nothing.
fn each<'a>(
    value: Option<Node<'a>>,
    sibling: Option<Node<'a>>,
    mut visit: impl FnMut(Option<Node<'a>>, Option<Node<'a>>) -> Result,
) -> Result {
    let something = |node: Option<Node<'a>>| node.filter(|node| !node.is_null());
    let next = |items: &mut Option<Items<'a>>| items.as_mut().and_then(Iterator::next);
    match (value, sibling) {
        (Some(value), None) if !value.is_array() => {
            if value.is_null() {
                Ok(())
            } else {
                visit(Some(value), None)
            }
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
