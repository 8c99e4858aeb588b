//! Parts of a resource: `_summary` and `_elements`
//! (<https://hl7.org/fhir/R4/search.html#summary>, <https://hl7.org/fhir/R4/search.html#elements>).
//!
//! What is kept is copied from the stored text, so decimals stay as they are. What is left is marked
//! with the tag SUBSETTED, so that nobody writes it back by mistake.

use bytes::Bytes;
use remit_fhir::{Error, Node, Result, json};
use remit_search::Summary;
use remit_spec::{Definitions, Element, Kind, TypeId};

const SUBSETTED: &str =
    r#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}"#;

/// Which part of a resource is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Subset {
    /// `_summary`; `Count` concerns a whole search and changes no resource.
    pub summary: Summary,
    /// `_elements`: names of elements of the outermost level, also as `Patient.name`. Empty is all.
    pub elements: Vec<String>,
}

impl Subset {
    /// Whether resources are wanted whole.
    pub fn is_whole(&self) -> bool {
        matches!(self.summary, Summary::False | Summary::Count) && self.elements.is_empty()
    }

    /// Takes `_summary` and `_elements` from a request; whether it was one of them.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool> {
        match name {
            "_summary" => {
                self.summary = match value {
                    "true" => Summary::True,
                    "text" => Summary::Text,
                    "data" => Summary::Data,
                    "count" => Summary::Count,
                    "false" => Summary::False,
                    _ => return Err(Error::invalid("_summary takes true, text, data, count or false.")),
                };
            }
            "_elements" => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                self.elements.extend(names.map(str::to_owned));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The part of a stored resource.
    pub fn of(&self, defs: &Definitions, body: &Bytes) -> Result<Bytes> {
        if self.is_whole() {
            return Ok(body.clone());
        }
        let document = json::parse(body.clone())?;
        let mut writer = Writer { defs, subset: self, out: Vec::with_capacity(body.len()) };
        writer.resource(document.root(), true);
        Ok(Bytes::from(writer.out))
    }

    fn keeps_root(&self, type_name: &str, element: &Element) -> bool {
        if element.min > 0 || ALWAYS.contains(&element.name) {
            return true;
        }
        if !self.elements.is_empty() {
            return self.elements.iter().any(|wanted| {
                let wanted =
                    wanted.strip_prefix(type_name).and_then(|rest| rest.strip_prefix('.')).unwrap_or(wanted);
                let first = wanted.split('.').next().unwrap_or_default();
                first.strip_suffix("[x]").unwrap_or(first) == element.name
            });
        }
        match self.summary {
            Summary::True => element.is_summary,
            Summary::Text => element.name == "text",
            Summary::Data => element.name != "text",
            Summary::False | Summary::Count => true,
        }
    }
}

/// Kept whatever is asked for: who the resource is, and what changes the meaning of all the rest.
const ALWAYS: [&str; 4] = ["id", "meta", "implicitRules", "modifierExtension"];

struct Writer<'a> {
    defs: &'a Definitions,
    subset: &'a Subset,
    out: Vec<u8>,
}

impl Writer<'_> {
    /// A resource. The outermost one is cut by what was asked for and marked; one inside a Bundle or
    /// contained is cut only by `_summary=true`.
    fn resource(&mut self, node: Node<'_>, outermost: bool) {
        let ty = node.resource_type().and_then(|name| self.defs.resource_named(&name));
        match ty {
            Some(ty) => self.object(node, ty, outermost),
            None => node.write_compact(&mut self.out),
        }
    }

    fn object(&mut self, node: Node<'_>, ty: TypeId, outermost: bool) {
        let definition = self.defs.ty(ty);
        let mut marked = !outermost;
        let mut first = true;
        self.out.push(b'{');
        for (name, value) in node.members() {
            let plain = name.strip_prefix('_').unwrap_or(&name);
            let member = definition.member(plain);
            let kept = match member {
                Some((element, _)) if outermost => self.subset.keeps_root(definition.name, element),
                Some((element, _)) => element.is_summary || element.min > 0,
                None => plain == "resourceType",
            };
            if !kept {
                continue;
            }
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            self.out.extend_from_slice(json::quote(&name).as_bytes());
            self.out.push(b':');
            if outermost && &*name == "meta" {
                marked = true;
                self.meta(value);
            } else {
                self.value(value, member.filter(|_| plain.len() == name.len()).map(|(_, ty)| ty));
            }
        }
        if !marked {
            self.out.extend_from_slice(if first { b"\"meta\":{\"tag\":[" } else { b",\"meta\":{\"tag\":[" });
            self.out.extend_from_slice(SUBSETTED.as_bytes());
            self.out.extend_from_slice(b"]}");
        }
        self.out.push(b'}');
    }

    /// The metadata with the mark added to its tags.
    fn meta(&mut self, meta: Node<'_>) {
        let splice = match meta.get("tag") {
            Some(tags) if tags.items().any(is_subsetted) => None,
            Some(tags) if tags.items().next().is_some() => {
                let end = tags.range().end - 1;
                Some(json::Splice { range: end..end, text: format!(",{SUBSETTED}") })
            }
            _ => Some(json::set_member(meta, "tag", &format!("[{SUBSETTED}]"))),
        };
        let Some(splice) = splice else { return meta.write_compact(&mut self.out) };
        let (text, whole) = (meta.document().text(), meta.range());
        let before = text.get(whole.start..splice.range.start).unwrap_or_default();
        let after = text.get(splice.range.end..whole.end).unwrap_or_default();
        for part in [before, &splice.text, after] {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    /// A value of a type that is known, or anything.
    fn value(&mut self, node: Node<'_>, ty: Option<TypeId>) {
        let Some(ty) = ty.filter(|ty| self.subset.summary == Summary::True && self.is_cut(*ty)) else {
            return node.write_compact(&mut self.out);
        };
        if !node.is_array() {
            return self.item(node, ty);
        }
        self.out.push(b'[');
        for (n, item) in node.items().enumerate() {
            if n > 0 {
                self.out.push(b',');
            }
            self.item(item, ty);
        }
        self.out.push(b']');
    }

    fn item(&mut self, node: Node<'_>, ty: TypeId) {
        if !node.is_object() {
            node.write_compact(&mut self.out);
        } else if self.defs.ty(ty).kind == Kind::Resource {
            self.resource(node, false);
        } else {
            let start = self.out.len();
            self.object(node, ty, false);
            // Nothing in it is marked for summaries, and an empty object is no FHIR.
            if self.out.len() == start + 2 {
                self.out.truncate(start);
                node.write_compact(&mut self.out);
            }
        }
    }

    /// Whether values of this type hold elements that a summary leaves out. Datatypes are short and
    /// lose their meaning in parts; only backbone elements and resources are cut.
    fn is_cut(&self, ty: TypeId) -> bool {
        matches!(self.defs.ty(ty).kind, Kind::Backbone | Kind::Resource)
    }
}

fn is_subsetted(tag: Node<'_>) -> bool {
    tag.get_str("code").is_some_and(|code| code == "SUBSETTED")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: &str = r#"{"resourceType":"Patient","id":"1","meta":{"versionId":"1"},"text":{"status":"empty","div":"<div/>"},"active":true,"_active":{"id":"a"},"name":[{"family":"A"}],"maritalStatus":{"text":"x"},"contact":[{"gender":"male"}],"link":[{"other":{"reference":"Patient/2"},"type":"seealso"}]}"#;
    const MARK: &str = r#""meta":{"versionId":"1","tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#;

    fn check(subset: Subset, text: &str, expected: &str) {
        let body = Bytes::copy_from_slice(text.as_bytes());
        let part = subset.of(Definitions::r4(), &body).unwrap();
        assert_eq!(std::str::from_utf8(&part).unwrap(), expected, "{subset:?}");
    }

    fn summary(summary: Summary) -> Subset {
        Subset { summary, elements: Vec::new() }
    }

    fn elements(names: &[&str]) -> Subset {
        Subset { summary: Summary::False, elements: names.iter().map(|n| (*n).to_owned()).collect() }
    }

    #[test]
    fn a_summary_keeps_what_the_definitions_mark() {
        check(
            summary(Summary::True),
            PATIENT,
            &format!(
                r#"{{"resourceType":"Patient","id":"1",{MARK},"active":true,"_active":{{"id":"a"}},"name":[{{"family":"A"}}],"link":[{{"other":{{"reference":"Patient/2"}},"type":"seealso"}}]}}"#
            ),
        );
    }

    #[test]
    fn text_and_data_part_the_narrative_from_the_rest() {
        check(
            summary(Summary::Text),
            PATIENT,
            &format!(
                r#"{{"resourceType":"Patient","id":"1",{MARK},"text":{{"status":"empty","div":"<div/>"}}}}"#
            ),
        );
        let without =
            PATIENT.replace(r#""meta":{"versionId":"1"},"text":{"status":"empty","div":"<div/>"}"#, MARK);
        check(summary(Summary::Data), PATIENT, &without);
        check(summary(Summary::False), PATIENT, PATIENT);
    }

    #[test]
    fn elements_keep_what_is_named_and_what_is_mandatory() {
        check(
            elements(&["name", "none"]),
            PATIENT,
            &format!(r#"{{"resourceType":"Patient","id":"1",{MARK},"name":[{{"family":"A"}}]}}"#),
        );
        check(
            elements(&["Patient.active"]),
            PATIENT,
            &format!(r#"{{"resourceType":"Patient","id":"1",{MARK},"active":true,"_active":{{"id":"a"}}}}"#),
        );
        let observation = r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00},"note":[{"text":"n"}]}"#;
        check(
            elements(&["value"]),
            observation,
            &format!(
                r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":1.00}},"meta":{{"tag":[{SUBSETTED}]}}}}"#
            ),
        );
    }

    #[test]
    fn the_mark_is_added_to_the_tags_once() {
        let one = r#"{"resourceType":"Basic","meta":{"tag":[{"code":"x"}]},"code":{}}"#;
        check(
            summary(Summary::Data),
            one,
            &one.replace(r#"{"code":"x"}"#, &format!(r#"{{"code":"x"}},{SUBSETTED}"#)),
        );
        let marked = format!(r#"{{"resourceType":"Basic","meta":{{"tag":[{SUBSETTED}]}},"code":{{}}}}"#);
        check(summary(Summary::Data), &marked, &marked);
    }

    #[test]
    fn backbone_elements_and_inner_resources_are_summarised_too() {
        let text = r#"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"urn:x","resource":{"resourceType":"Patient","id":"2","maritalStatus":{"text":"x"},"active":true}}]}"#;
        let expected = format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"fullUrl":"urn:x","resource":{{"resourceType":"Patient","id":"2","active":true}}}}],"meta":{{"tag":[{SUBSETTED}]}}}}"#
        );
        check(summary(Summary::True), text, &expected);
    }
}
