//! Version-aware requests: `ETag`, `If-Match`, `If-None-Match`
//! (<https://hl7.org/fhir/R4/http.html#concurrency>, RFC 9110 §13.1).
//!
//! The tag of a version is its `meta.versionId` as a weak validator: `W/"3"`. Strong and bare forms
//! are understood too, because clients send them.

use remit_fhir::{Error, Result};

/// Versions listed in one header. Nobody means more; what is longer is an attack on the parser.
const MAX_TAGS: usize = 64;

/// The `ETag` of a version.
pub fn etag(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tags {
    /// `*`: whatever version there is.
    Any,
    /// One of these versions.
    Versions(Vec<String>),
}

impl Tags {
    /// Reads `W/"3"`, `"3"`, `3`, a list of these, or `*`.
    pub fn parse(text: &str) -> Result<Tags> {
        let fault = || {
            Error::invalid(
                "If-Match and If-None-Match take version tags such as W/\"3\", separated by commas, or *.",
            )
        };
        if text.trim() == "*" {
            return Ok(Tags::Any);
        }
        let mut versions = Vec::new();
        for part in text.split(',') {
            let part = part.trim();
            let tag = part.strip_prefix("W/").unwrap_or(part);
            let quoted = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let version = quoted.unwrap_or(tag);
            if version.is_empty() || version.contains(['"', '*']) || versions.len() == MAX_TAGS {
                return Err(fault());
            }
            versions.push(version.to_owned());
        }
        Ok(Tags::Versions(versions))
    }

    /// Whether a current version is meant; 0 stands for a resource that is not there.
    pub fn matches(&self, version: i64) -> bool {
        match self {
            Tags::Any => version > 0,
            Tags::Versions(versions) => {
                version > 0 && versions.iter().any(|v| v.parse::<i64>() == Ok(version))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_all_forms_are_read() {
        let list = |versions: &[&str]| Tags::Versions(versions.iter().map(|v| (*v).to_owned()).collect());
        for (text, expected) in [
            ("W/\"3\"", list(&["3"])),
            ("\"3\"", list(&["3"])),
            ("3", list(&["3"])),
            (" W/\"3\" , \"4\"", list(&["3", "4"])),
            ("*", Tags::Any),
        ] {
            assert_eq!(Tags::parse(text).unwrap(), expected, "{text}");
        }
        for text in ["", "\"\"", "W/", "\"3", "3,", "*,3", &"1,".repeat(70)] {
            assert!(Tags::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_version_is_compared_as_a_number() {
        assert!(Tags::parse("W/\"3\"").unwrap().matches(3));
        assert!(!Tags::parse("W/\"3\"").unwrap().matches(4));
        assert!(!Tags::parse("W/\"x\"").unwrap().matches(3));
        assert!(Tags::Any.matches(1) && !Tags::Any.matches(0));
        assert!(!Tags::parse("0").unwrap().matches(0));
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "\\PC*") {
            let _ = Tags::parse(&text);
        }
    }
}
