//! XML to JSON: one pass over the text that writes the JSON as it goes.

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use remit_fhir::{Error, Kind, Path, Result};
use remit_spec::{Definitions, Element, Kind as TypeKind, SystemType, TypeId};
use std::borrow::Cow;

use crate::chars::{attribute_value, is_blank};
use crate::faults::{Fatal, Faults};
use crate::quote::{is_number, quote};
use crate::run::{Run, member};
use crate::{Limits, NAMESPACE};

/// What schema tools put on a root; it says nothing about the resource.
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A resource read from XML that may have faults.
#[derive(Debug)]
pub struct Converted {
    /// The resource as JSON. Where there are faults it holds what could be understood.
    pub json: Vec<u8>,
    /// The faults that JSON cannot show, e.g. elements out of order; each says line and column.
    pub issues: Vec<remit_fhir::Issue>,
}

/// Reads a resource; any fault of its XML is an error.
///
/// Values are not judged here: `<active value="yes"/>` becomes `"active":"yes"`, which the structure
/// check refuses.
pub fn to_json(xml: &[u8], defs: &Definitions, limits: &Limits) -> Result<Vec<u8>> {
    let converted = convert(xml, defs, limits)?;
    match converted.issues.is_empty() {
        true => Ok(converted.json),
        false => Err(Error::with_issues(Kind::Invalid, converted.issues)),
    }
}

/// Reads a resource and lists its faults, so that a caller can tell them together with those that
/// the structure check finds in the JSON. The error is a text that is not well-formed.
pub fn convert(xml: &[u8], defs: &Definitions, limits: &Limits) -> Result<Converted> {
    let xml = xml.strip_prefix(b"\xef\xbb\xbf").unwrap_or(xml);
    let text = std::str::from_utf8(xml).map_err(|e| {
        let before = String::from_utf8_lossy(xml.get(..e.valid_up_to()).unwrap_or_default());
        Fatal { offset: e.valid_up_to(), sentence: "it is not UTF-8".into() }.into_error(&before)
    })?;
    // XML knows one line end (<https://www.w3.org/TR/xml/#sec-line-ends>).
    let text = match memchr::memchr(b'\r', text.as_bytes()) {
        Some(_) => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        None => Cow::Borrowed(text),
    };
    let mut reader = Reader::new(&text, defs, limits);
    match reader.document() {
        Ok(()) => Ok(Converted { json: reader.out, issues: reader.faults.finish() }),
        Err(fatal) => Err(fatal.into_error(&text)),
    }
}

pub(crate) type Step<T = ()> = Result<T, Fatal>;

pub(crate) struct Reader<'x> {
    pub(crate) xml: NsReader<&'x [u8]>,
    pub(crate) text: &'x str,
    pub(crate) defs: &'x Definitions,
    pub(crate) out: Vec<u8>,
    pub(crate) faults: Faults,
    /// Where the event that was read last begins.
    pub(crate) at: usize,
    depth: usize,
    max_depth: usize,
}

/// What stands between two tags of an element.
enum Content<'x> {
    /// A child; `true` when it is of FHIR, `None` when its prefix is not declared.
    Child(BytesStart<'x>, Option<bool>),
    End,
}

impl<'x> Reader<'x> {
    fn new(text: &'x str, defs: &'x Definitions, limits: &Limits) -> Self {
        let mut xml = NsReader::from_str(text);
        let config = xml.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        Reader {
            xml,
            text,
            defs,
            out: Vec::with_capacity(text.len()),
            faults: Faults::new(limits.issues),
            at: 0,
            depth: 0,
            max_depth: limits.depth,
        }
    }

    pub(crate) fn fatal(&self, sentence: impl Into<String>) -> Fatal {
        Fatal { offset: self.at, sentence: sentence.into() }
    }

    fn fault(&mut self, path: &Path<'_>, sentence: std::fmt::Arguments<'_>) {
        self.faults.note(self.text, self.at, Some(path), sentence);
    }

    /// The next event and whether its name is of FHIR.
    pub(crate) fn event(&mut self, namespace: &str) -> Step<(Event<'x>, Option<bool>)> {
        self.at = self.xml.buffer_position() as usize;
        match self.xml.read_resolved_event() {
            Ok((resolved, event)) => {
                let is_ours = match resolved {
                    ResolveResult::Bound(Namespace(found)) => Some(found == namespace),
                    ResolveResult::Unbound => Some(false),
                    ResolveResult::Unknown(_) => None,
                };
                Ok((event, is_ours))
            }
            Err(error) => {
                self.at = self.xml.error_position() as usize;
                Err(self.fatal(ill_formed(&error)))
            }
        }
    }

    fn document(&mut self) -> Step {
        let mut has_root = false;
        loop {
            let (event, is_ours) = self.event(NAMESPACE)?;
            match event {
                Event::Start(start) if !has_root => {
                    has_root = true;
                    self.root(&start, is_ours)?;
                }
                Event::Decl(declaration) if self.at == 0 => {
                    let encoding = declaration.encoding().and_then(|name| name.ok());
                    if encoding.is_some_and(|name| !name.eq_ignore_ascii_case("utf-8")) {
                        return Err(self.fatal("FHIR is written in UTF-8, another encoding is declared"));
                    }
                }
                Event::Text(text) if is_blank(&text) => {}
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof if has_root => return Ok(()),
                Event::Eof => return Err(self.fatal("there is no element")),
                Event::DocType(_) => return Err(self.document_type()),
                _ => return Err(self.fatal("there is something outside of the resource")),
            }
        }
    }

    fn document_type(&self) -> Fatal {
        self.fatal("a document type declaration is not accepted; FHIR needs no entities")
    }

    fn root(&mut self, start: &BytesStart<'x>, is_ours: Option<bool>) -> Step {
        let name = start.local_name().into_inner().to_owned();
        if is_ours != Some(true) {
            let sentence = format!("the root element is not in the namespace {NAMESPACE}");
            return Err(self.fatal(sentence));
        }
        self.resource(start, &Path::root(&name))
    }

    /// A resource, its start tag read.
    fn resource(&mut self, start: &BytesStart<'x>, path: &Path<'_>) -> Step {
        let name = start.local_name().into_inner();
        let Some(ty) = self.defs.resource_named(name) else {
            self.fault(path, format_args!("'{}' is no resource type of FHIR R4", short(name)));
            self.out.extend_from_slice(b"{}");
            return self.skip(start);
        };
        self.out.extend_from_slice(b"{\"resourceType\":\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'"');
        self.content(ty, start, path)?;
        self.out.push(b'}');
        Ok(())
    }

    /// Attributes and children as JSON members, up to the end tag. Gives the value of a primitive.
    fn content(&mut self, ty: TypeId, start: &BytesStart<'x>, path: &Path<'_>) -> Step<Option<String>> {
        if self.depth >= self.max_depth {
            return Err(self.fatal(format!("elements are nested more than {} deep", self.max_depth)));
        }
        self.depth += 1;
        let value = self.attributes(ty, start, path)?;
        let mut run: Option<Run> = None;
        while let Content::Child(child, is_ours) = self.child(path)? {
            self.element(ty, &child, is_ours, path, &mut run)?;
        }
        if let Some(run) = run {
            run.close(&mut self.out);
        }
        self.depth -= 1;
        Ok(value)
    }

    /// The next child, or the end.
    fn child(&mut self, path: &Path<'_>) -> Step<Content<'x>> {
        loop {
            let (event, is_ours) = self.event(NAMESPACE)?;
            match event {
                Event::Start(start) => return Ok(Content::Child(start, is_ours)),
                Event::End(_) => return Ok(Content::End),
                Event::Text(text) if is_blank(&text) => {}
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    self.fault(
                        path,
                        format_args!(
                            "There is text between the elements; values stand in the attribute 'value'"
                        ),
                    );
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(self.document_type()),
                Event::Eof => return Err(self.fatal("the text ends inside an element")),
                _ => return Err(self.fatal("there is a declaration inside the resource")),
            }
        }
    }

    /// One child element.
    fn element(
        &mut self,
        ty: TypeId,
        start: &BytesStart<'x>,
        is_ours: Option<bool>,
        path: &Path<'_>,
        run: &mut Option<Run>,
    ) -> Step {
        let name = start.local_name().into_inner();
        let defs = self.defs;
        let found =
            defs.member(ty, name).filter(|(element, _)| !element.is_attribute && element.max != Some(0));
        let Some((element, value_type)) = found else {
            self.fault(path, format_args!("'{}' is no element of {}", short(name), defs.name(ty)));
            return self.skip(start);
        };
        let here = path.child(element.name);
        let is_xhtml = value_type == defs.well_known().xhtml;
        if !is_xhtml && is_ours != Some(true) {
            self.fault(&here, format_args!("'{name}' is not in the namespace {NAMESPACE}"));
            return self.skip(start);
        }
        let place = place_of(defs, ty, element);
        if let Some(misplaced) = misplaced(run.as_ref(), name, place) {
            self.fault(&here, format_args!("'{name}' {misplaced}"));
            return self.discard(value_type, start, &here);
        }
        let continues = run.as_ref().is_some_and(|run| run.place == place);
        if !continues && let Some(run) = run.take() {
            run.close(&mut self.out);
        }
        let json_name = element.of_type(value_type).map_or(element.name, |option| option.json_name);
        let run = run.get_or_insert_with(|| Run::open(json_name, place, element, &mut self.out));
        run.next(&mut self.out);
        let here = if run.is_list { here.nth(run.count - 1) } else { here };
        self.value(value_type, start, &here, run)
    }

    /// Reads an element for its faults only.
    fn discard(&mut self, ty: TypeId, start: &BytesStart<'x>, path: &Path<'_>) -> Step {
        let mark = self.out.len();
        // Something must stand before the first member, or it gets a comma that does not matter here.
        match self.defs.ty(ty).kind {
            TypeKind::Resource => self.nested(start, path)?,
            _ if ty == self.defs.well_known().xhtml => self.narrative(start, path)?,
            _ => drop(self.content(ty, start, path)?),
        }
        self.out.truncate(mark);
        Ok(())
    }

    fn value(&mut self, ty: TypeId, start: &BytesStart<'x>, path: &Path<'_>, run: &mut Run) -> Step {
        let kind = self.defs.ty(ty).kind;
        if kind == TypeKind::Primitive && ty != self.defs.well_known().xhtml {
            return self.primitive(ty, start, path, run);
        }
        run.wrote_value();
        if kind == TypeKind::Resource {
            return self.nested(start, path);
        }
        if kind == TypeKind::Primitive {
            return self.narrative(start, path);
        }
        self.out.push(b'{');
        self.content(ty, start, path)?;
        self.out.push(b'}');
        Ok(())
    }

    fn primitive(&mut self, ty: TypeId, start: &BytesStart<'x>, path: &Path<'_>, run: &mut Run) -> Step {
        let mark = self.out.len();
        self.out.push(b'{');
        let at = self.at;
        let value = self.content(ty, start, path)?;
        self.out.push(b'}');
        let has_extra = self.out.len() > mark + 2;
        if has_extra {
            run.extra(self.out.drain(mark..));
        } else {
            self.out.truncate(mark);
        }
        match value {
            Some(value) => {
                write_value(self.defs, ty, &value, &mut self.out);
                run.wrote_value();
            }
            None => {
                self.out.extend_from_slice(b"null");
                if !has_extra {
                    self.at = at;
                    self.fault(path, format_args!("'{}' has neither a value nor an extension", path.name()));
                }
            }
        }
        Ok(())
    }

    /// The element that holds a resource: `contained`, `Bundle.entry.resource`.
    fn nested(&mut self, start: &BytesStart<'x>, path: &Path<'_>) -> Step {
        if self.depth >= self.max_depth {
            return Err(self.fatal(format!("elements are nested more than {} deep", self.max_depth)));
        }
        self.depth += 1;
        self.no_attributes(start, path)?;
        let mark = self.out.len();
        while let Content::Child(child, is_ours) = self.child(path)? {
            if self.out.len() > mark {
                self.fault(path, format_args!("'{}' holds more than one resource", path.name()));
                self.skip(&child)?;
            } else if is_ours != Some(true) {
                self.fault(path, format_args!("The resource is not in the namespace {NAMESPACE}"));
                self.skip(&child)?;
            } else {
                self.resource(&child, path)?;
            }
        }
        if self.out.len() == mark {
            self.fault(path, format_args!("'{}' holds no resource", path.name()));
            self.out.extend_from_slice(b"{}");
        }
        self.depth -= 1;
        Ok(())
    }

    fn no_attributes(&mut self, start: &BytesStart<'x>, path: &Path<'_>) -> Step {
        // A resource type has no attributes, so that any is a fault.
        self.attributes(self.defs.well_known().resource, start, path).map(drop)
    }

    /// Attributes as JSON members; gives that named `value` of a primitive.
    fn attributes(&mut self, ty: TypeId, start: &BytesStart<'x>, path: &Path<'_>) -> Step<Option<String>> {
        let defs = self.defs;
        let is_primitive = defs.ty(ty).kind == TypeKind::Primitive;
        let mut value = None;
        for attribute in start.attributes() {
            let attribute =
                attribute.map_err(|e| self.fatal(format!("an attribute is not well-formed ({e})")))?;
            let name = attribute.key.into_inner();
            if name == "xmlns" || name.starts_with("xmlns:") {
                continue;
            }
            let content = attribute_value(&attribute.value).map_err(|reason| {
                self.fatal(format!("the value of the attribute '{}' {reason}", short(name)))
            })?;
            if is_primitive && name == "value" {
                value = Some(content.into_owned());
                continue;
            }
            let known = defs.member(ty, name).filter(|(element, _)| element.is_attribute);
            match known {
                Some((element, _)) => {
                    member(element.name, "", &mut self.out);
                    quote(&content, &mut self.out);
                }
                None if self.is_schema_hint(&attribute.key) => {}
                None => self.fault(path, format_args!("There is no attribute '{}' here", short(name))),
            }
        }
        Ok(value)
    }

    fn is_schema_hint(&self, name: &quick_xml::name::QName<'_>) -> bool {
        let (resolved, local) = self.xml.resolver().resolve_attribute(*name);
        matches!(resolved, ResolveResult::Bound(Namespace(SCHEMA_INSTANCE)))
            && matches!(local.into_inner(), "schemaLocation" | "noNamespaceSchemaLocation")
    }

    /// Passes over an element that is not understood.
    pub(crate) fn skip(&mut self, start: &BytesStart<'x>) -> Step {
        let name = start.name().into_inner().to_owned();
        let mut open = 1usize;
        while open > 0 {
            match self.event(NAMESPACE)?.0 {
                Event::Start(_) => open += 1,
                Event::End(_) => open -= 1,
                Event::DocType(_) => return Err(self.document_type()),
                Event::Eof => return Err(self.fatal(format!("the text ends inside '{}'", short(&name)))),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What is wrong with the place of an element after those of `run`.
fn misplaced(run: Option<&Run>, name: &str, place: usize) -> Option<&'static str> {
    let run = run?;
    if place < run.place {
        return Some("is out of order; in XML the elements stand in the order of the definition");
    }
    if place > run.place {
        return None;
    }
    if run.json_name != name {
        return Some("is a second value of a choice that may have one");
    }
    (!run.is_list).then_some("may occur only once")
}

/// The element's place in the definition of its type.
pub(crate) fn place_of(defs: &Definitions, ty: TypeId, element: &Element) -> usize {
    let elements = &defs.ty(ty).elements;
    let offset = std::ptr::from_ref(element).addr().wrapping_sub(elements.as_ptr().addr());
    offset / size_of::<Element>()
}

/// Writes a value as JSON. What is no boolean or number becomes a string; the structure check says so.
fn write_value(defs: &Definitions, ty: TypeId, value: &str, out: &mut Vec<u8>) {
    let is_bare = match defs.ty(ty).primitive.map(|primitive| primitive.system) {
        Some(SystemType::Boolean) => matches!(value, "true" | "false"),
        Some(SystemType::Integer | SystemType::Decimal) => is_number(value),
        _ => false,
    };
    match is_bare {
        true => out.extend_from_slice(value.as_bytes()),
        false => quote(value, out),
    }
}

/// A name that a client sent, cut to what an error should repeat.
pub(crate) fn short(name: &str) -> &str {
    /// Longer than any name of FHIR.
    const MAX: usize = 60;
    name.char_indices().nth(MAX).map_or(name, |(at, _)| name.get(..at).unwrap_or_default())
}

fn ill_formed(error: &quick_xml::Error) -> String {
    match error {
        quick_xml::Error::Syntax(e) => format!("{e},"),
        quick_xml::Error::IllFormed(e) => format!("{e},"),
        quick_xml::Error::Namespace(e) => format!("{e},"),
        _ => "it is not well-formed".to_owned(),
    }
}
