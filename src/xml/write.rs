//! JSON to XML: the members of each object in the order of the definition.

use remit_fhir::{Error, Kind, Node, Path, Result};
use remit_spec::{Definitions, Kind as TypeKind, TypeId};

use crate::chars::write_attribute;
use crate::read::{place_of, short};
use crate::{NAMESPACE, xhtml};

/// Objects inside each other that are written. Documents that this project parses are bounded below
/// it already; the bound holds the stack should one come from elsewhere.
const MAX_DEPTH: usize = 128;

/// How the text is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Nothing between the tags.
    Compact,
    /// Each element on a line of its own, two spaces further in than the one that holds it. A
    /// narrative stays as it is: white space means something there.
    Pretty,
}

/// Appends a resource as an XML document. The error names the element that XML cannot hold; a
/// resource that the structure check accepts has none but for characters that XML forbids.
pub fn from_json(root: Node<'_>, defs: &Definitions, layout: Layout, out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let mut writer = Writer { defs, out, layout, fields: Vec::new(), depth: 0 };
    writer.line();
    let kind = root.resource_type().unwrap_or_default();
    writer.resource(root, &Path::root(&kind), true)
}

/// A member of an object, to be sorted.
#[derive(Clone, Copy)]
struct Field<'n> {
    /// Attributes first, then the place in the definition.
    order: (bool, usize),
    ty: TypeId,
    name: &'static str,
    value: Option<Node<'n>>,
    extra: Option<Node<'n>>,
}

struct Writer<'w, 'n> {
    defs: &'w Definitions,
    out: &'w mut Vec<u8>,
    layout: Layout,
    /// Those of all objects that are being written, innermost last.
    fields: Vec<Field<'n>>,
    depth: usize,
}

impl<'n> Writer<'_, 'n> {
    fn write(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Starts a line at the present depth, where the layout has lines.
    fn line(&mut self) {
        if self.layout == Layout::Pretty {
            self.write("\n");
            for _ in 0..self.depth {
                self.write("  ");
            }
        }
    }

    fn resource(&mut self, node: Node<'n>, path: &Path<'_>, is_root: bool) -> Result<()> {
        let kind = node.resource_type().unwrap_or_default();
        let ty =
            self.defs.resource_named(&kind).ok_or_else(|| refused(path, "it is no resource of FHIR R4"))?;
        let name = self.defs.name(ty);
        self.write("<");
        self.write(name);
        if is_root {
            self.write(" xmlns=\"");
            self.write(NAMESPACE);
            self.write("\"");
        }
        self.object(Some(node), ty, name, path)
    }

    /// Attributes, children and the end tag of an element whose name is written.
    fn object(&mut self, node: Option<Node<'n>>, ty: TypeId, name: &str, path: &Path<'_>) -> Result<()> {
        if self.depth >= MAX_DEPTH {
            return Err(refused(path, "it is nested too deeply"));
        }
        self.depth += 1;
        let mark = self.fields.len();
        if let Some(node) = node {
            self.gather(node, ty, path)?;
        }
        let end = self.fields.len();
        let mut at = mark;
        while at < end && !self.fields[at].order.0 {
            self.attribute(self.fields[at], path)?;
            at += 1;
        }
        if at == end {
            self.write("/>");
        } else {
            self.write(">");
            for at in at..end {
                self.field(self.fields[at], path)?;
            }
            self.depth -= 1;
            self.line();
            self.depth += 1;
            self.close(name);
        }
        self.fields.truncate(mark);
        self.depth -= 1;
        Ok(())
    }

    fn close(&mut self, name: &str) {
        self.write("</");
        self.write(name);
        self.write(">");
    }

    /// Lists the members of an object in the order of XML, `x` and `_x` together.
    fn gather(&mut self, node: Node<'n>, ty: TypeId, path: &Path<'_>) -> Result<()> {
        if !node.is_object() {
            return Err(refused(path, "it is no object"));
        }
        let mark = self.fields.len();
        let is_resource = self.defs.ty(ty).kind == TypeKind::Resource;
        for (key, value) in node.members() {
            if is_resource && key == "resourceType" {
                continue;
            }
            let (name, is_extra) = key.strip_prefix('_').map_or((&*key, false), |name| (name, true));
            let Some((element, value_type)) = self.defs.member(ty, name) else {
                return Err(refused(&path.child(short(name)), "the definitions have no such element"));
            };
            let name = element.of_type(value_type).map_or(element.name, |option| option.json_name);
            let order = (!element.is_attribute, place_of(self.defs, ty, element));
            let known =
                self.fields.get_mut(mark..).and_then(|fields| fields.iter_mut().find(|f| f.name == name));
            let field = match known {
                Some(field) => field,
                None => {
                    self.fields.push(Field { order, ty: value_type, name, value: None, extra: None });
                    self.fields.last_mut().expect("one was pushed just now")
                }
            };
            let slot = if is_extra { &mut field.extra } else { &mut field.value };
            if slot.replace(value).is_some() {
                return Err(refused(&path.child(name), "it occurs twice"));
            }
        }
        if let Some(fields) = self.fields.get_mut(mark..) {
            fields.sort_by_key(|field| field.order);
        }
        Ok(())
    }

    fn attribute(&mut self, field: Field<'n>, path: &Path<'_>) -> Result<()> {
        let here = path.child(field.name);
        let text = field.value.and_then(Node::scalar).ok_or_else(|| refused(&here, "it is no text"))?;
        self.text_attribute(field.name, &text, &here)
    }

    fn text_attribute(&mut self, name: &str, text: &str, path: &Path<'_>) -> Result<()> {
        self.write(" ");
        self.write(name);
        self.write("=\"");
        write_attribute(text, self.out).map_err(|c| {
            let code = u32::from(c);
            refused(path, &format!("it holds the character U+{code:04X}, which XML does not allow"))
        })?;
        self.write("\"");
        Ok(())
    }

    /// All values of one element.
    fn field(&mut self, field: Field<'n>, path: &Path<'_>) -> Result<()> {
        let here = path.child(field.name);
        let is_list = field.value.is_some_and(Node::is_array) || field.extra.is_some_and(Node::is_array);
        if !is_list {
            return self.element(field, field.value, field.extra, &here);
        }
        let mut values = field.value.map(Node::items);
        let mut extras = field.extra.map(Node::items);
        for index in 0.. {
            let value = values.as_mut().and_then(Iterator::next);
            let extra = extras.as_mut().and_then(Iterator::next);
            if value.is_none() && extra.is_none() {
                break;
            }
            self.element(field, value, extra, &here.nth(index))?;
        }
        Ok(())
    }

    fn element(
        &mut self,
        field: Field<'n>,
        value: Option<Node<'n>>,
        extra: Option<Node<'n>>,
        path: &Path<'_>,
    ) -> Result<()> {
        let value = value.filter(|node| !node.is_null());
        let extra = extra.filter(|node| !node.is_null());
        self.line();
        if field.ty == self.defs.well_known().xhtml {
            return self.narrative(value, path);
        }
        self.write("<");
        self.write(field.name);
        match self.defs.ty(field.ty).kind {
            TypeKind::Primitive => self.primitive(field, value, extra, path),
            TypeKind::Resource => {
                let node = value.ok_or_else(|| refused(path, "it holds no resource"))?;
                self.write(">");
                self.depth += 1;
                self.line();
                self.resource(node, path, false)?;
                self.depth -= 1;
                self.line();
                self.close(field.name);
                Ok(())
            }
            _ => self.object(
                Some(value.ok_or_else(|| refused(path, "it is null"))?),
                field.ty,
                field.name,
                path,
            ),
        }
    }

    fn primitive(
        &mut self,
        field: Field<'n>,
        value: Option<Node<'n>>,
        extra: Option<Node<'n>>,
        path: &Path<'_>,
    ) -> Result<()> {
        if let Some(value) = value {
            let text = value.scalar().ok_or_else(|| refused(path, "it is no primitive value"))?;
            self.text_attribute("value", &text, path)?;
        }
        self.object(extra, field.ty, field.name, path)
    }

    fn narrative(&mut self, value: Option<Node<'n>>, path: &Path<'_>) -> Result<()> {
        let div = value.and_then(Node::string).ok_or_else(|| refused(path, "it is no text"))?;
        xhtml::check(&div).map_err(|fault| refused(path, &format!("the narrative {}", fault.reason)))?;
        self.write(div.trim());
        Ok(())
    }
}

fn refused(path: &Path<'_>, reason: &str) -> Error {
    Error::new(Kind::Unprocessable, format!("The resource cannot be written as XML at {path}: {reason}."))
        .at(path.to_string())
}
