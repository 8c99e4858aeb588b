//! Literal references (<https://hl7.org/fhir/R4/references.html#literal>).

/// Whether a text is a logical id: 1 to 64 of `A-Z a-z 0-9 - .`
/// (<https://hl7.org/fhir/R4/datatypes.html#id>).
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// What a literal reference points to, by its form alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reference<'a> {
    /// `Patient/12` or `Patient/12/_history/3`
    Relative {
        /// Resource type as written.
        kind: &'a str,
        /// Logical id.
        id: &'a str,
        /// Version, when the reference names one.
        version: Option<&'a str>,
    },
    /// `#x`, a contained resource; `#` alone is the container.
    Contained(&'a str),
    /// `Patient?identifier=x`, allowed inside transactions only.
    Conditional {
        /// Resource type as written.
        kind: &'a str,
        /// Search criteria after the `?`.
        query: &'a str,
    },
    /// An absolute URL, a urn, or a canonical.
    Absolute(&'a str),
    /// None of these.
    Unknown(&'a str),
}

impl<'a> Reference<'a> {
    /// Reads the form of a reference.
    pub fn parse(text: &'a str) -> Reference<'a> {
        if let Some(id) = text.strip_prefix('#') {
            return Reference::Contained(id);
        }
        if has_scheme(text) {
            return Reference::Absolute(text);
        }
        if let Some((kind, query)) = text.split_once('?')
            && is_type_name(kind)
        {
            return Reference::Conditional { kind, query };
        }
        Reference::relative(text).unwrap_or(Reference::Unknown(text))
    }

    /// Reads `Type/id` and `Type/id/_history/version`.
    fn relative(text: &'a str) -> Option<Reference<'a>> {
        let mut parts = text.split('/');
        let (kind, id) = (parts.next()?, parts.next()?);
        let version = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some("_history"), Some(version), None) if is_id(version) => Some(version),
            _ => return None,
        };
        (is_type_name(kind) && is_id(id)).then_some(Reference::Relative { kind, id, version })
    }

    /// Like [`parse`](Self::parse), but an absolute URL below `base` is read as relative:
    /// it names a resource of this server.
    pub fn parse_with_base(text: &'a str, base: &str) -> Reference<'a> {
        text.strip_prefix(base)
            .and_then(|rest| rest.strip_prefix('/'))
            .and_then(Reference::relative)
            .unwrap_or_else(|| Reference::parse(text))
    }
}

fn is_type_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.bytes().all(|b| b.is_ascii_alphabetic())
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_apart_by_form() {
        let relative = |kind, id, version| Reference::Relative { kind, id, version };
        let cases = [
            ("Patient/12", relative("Patient", "12", None)),
            ("Patient/12/_history/3", relative("Patient", "12", Some("3"))),
            ("#p", Reference::Contained("p")),
            ("urn:uuid:1", Reference::Absolute("urn:uuid:1")),
            ("http://x/Patient/1", Reference::Absolute("http://x/Patient/1")),
            ("Patient?identifier=a|b", Reference::Conditional { kind: "Patient", query: "identifier=a|b" }),
            ("Patient", Reference::Unknown("Patient")),
            ("Patient/1/x", Reference::Unknown("Patient/1/x")),
            ("patient/1", Reference::Unknown("patient/1")),
            ("", Reference::Unknown("")),
        ];
        for (text, expected) in cases {
            assert_eq!(Reference::parse(text), expected, "{text}");
        }
        assert_eq!(
            Reference::parse_with_base("http://h/fhir/Patient/1", "http://h/fhir"),
            relative("Patient", "1", None)
        );
        assert_eq!(
            Reference::parse_with_base("http://h/fhirx/Patient/1", "http://h/fhir"),
            Reference::Absolute("http://h/fhirx/Patient/1")
        );
    }

    #[test]
    fn ids_have_64_characters_at_most() {
        assert!(is_id("a-B.9") && is_id(&"a".repeat(64)));
        assert!(!is_id("") && !is_id(&"a".repeat(65)) && !is_id("a_b") && !is_id("a/b"));
    }
}
