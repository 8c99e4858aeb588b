//! What resources refer to, read off their text: every `reference`, and every `url` that is a relative
//! address of a resource, as attachments have it.
//!
//! A member's name stands in JSON as its quoted text before a colon and nowhere else: inside of a string
//! a quotation mark has a backslash before it. So the text is searched and never parsed.

use remit_fhir::Reference;
use remit_spec::{Definitions, TypeId};
use remit_store::Stored;
use std::collections::HashSet;

/// Resources that were met, and references that lead elsewhere.
pub(super) struct Links {
    defs: &'static Definitions,
    base: String,
    met: HashSet<(TypeId, Box<str>)>,
    texts: HashSet<Box<str>>,
    open: Vec<(TypeId, Box<str>)>,
}

impl Links {
    pub(super) fn new(defs: &'static Definitions, base: &str) -> Links {
        let base = base.to_owned();
        Links { defs, base, met: HashSet::new(), texts: HashSet::new(), open: Vec::new() }
    }

    /// Adds a resource and what it refers to.
    pub(super) fn add(&mut self, stored: &Stored) {
        self.met.insert((stored.ty, stored.id.as_str().into()));
        let text = stored.body.as_deref().and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default();
        each(text, "\"reference\"", |reference| self.open(reference));
        each(text, "\"url\"", |reference| self.open(reference));
    }

    fn open(&mut self, text: &str) {
        if self.texts.contains(text) {
            return;
        }
        self.texts.insert(text.into());
        if let Reference::Relative { kind, id, .. } = Reference::parse_with_base(text, &self.base)
            && let Some(ty) = self.defs.resource_named(kind)
        {
            self.open.push((ty, id.into()));
        }
    }

    /// What was referred to and not met, each once; from now on it counts as met.
    pub(super) fn take(&mut self) -> Vec<(TypeId, Box<str>)> {
        let mut fresh = std::mem::take(&mut self.open);
        fresh.retain(|target| self.met.insert(target.clone()));
        fresh
    }
}

/// Calls `visit` with the string behind each member of this quoted name.
fn each(text: &str, name: &str, mut visit: impl FnMut(&str)) {
    for (at, _) in text.match_indices(name) {
        if text[..at].ends_with('\\') {
            continue;
        }
        let rest = text[at + name.len()..].trim_start();
        let Some(value) = rest.strip_prefix(':').map(str::trim_start) else { continue };
        let Some(quoted) = value.strip_prefix('"') else { continue };
        let Some(end) = quoted.find('"') else { continue };
        // A reference needs no escape, but JSON allows one.
        if quoted[..end].contains('\\') {
            let mut strings = serde_json::Deserializer::from_str(value).into_iter::<String>();
            if let Some(Ok(unescaped)) = strings.next() {
                visit(&unescaped);
            }
        } else {
            visit(&quoted[..end]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Vec<String> {
        let defs = Definitions::r4();
        let ty = defs.resource_named("Observation").unwrap();
        let body = Some(bytes::Bytes::from(body.to_owned()));
        let mut links = Links::new(defs, "http://here/fhir");
        links.add(&Stored { ty, id: "o".into(), version: 1, updated_us: 0, body });
        links.take().into_iter().map(|(ty, id)| format!("{}/{id}", defs.name(ty))).collect()
    }

    #[test]
    fn references_and_addresses_of_attachments_are_read_off_the_text() {
        let cases: &[(&str, &[&str])] = &[
            (r#"{"subject":{"reference":"Patient/1"}}"#, &["Patient/1"]),
            (r#"{"subject": {"reference" : "Patient/1"}, "x": [{"reference":"Patient/1"}]}"#, &["Patient/1"]),
            (r#"{"a":{"reference":"Patient/1/_history/2"}}"#, &["Patient/1"]),
            (r#"{"a":{"reference":"http://here/fhir/Patient/7"}}"#, &["Patient/7"]),
            (r#"{"a":{"reference":"http://there/fhir/Patient/7"}}"#, &[]),
            (r#"{"a":{"reference":"Patient\/8"}}"#, &["Patient/8"]),
            (r##"{"a":{"reference":"#c"},"b":{"reference":"Observation/o"}}"##, &[]),
            (
                r#"{"content":[{"attachment":{"url":"Binary/b"}}],"extension":[{"url":"http://x"}]}"#,
                &["Binary/b"],
            ),
            (r#"{"note":[{"text":"\"reference\":\"Patient/9\""}]}"#, &[]),
            (r#"{"code":"reference","reference":["x"],"reference":null}"#, &[]),
            (r#"{"text":"C:\\","reference":"Patient/3"}"#, &["Patient/3"]),
        ];
        for (body, expected) in cases {
            assert_eq!(found(body), *expected, "{body}");
        }
    }
}
