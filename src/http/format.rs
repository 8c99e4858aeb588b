//! Which format a request is in and which its answer shall have
//! (<https://hl7.org/fhir/R4/http.html#mime-type>, RFC 9110 §12.5.1).
//!
//! `_format` goes before `Accept`. Both know the FHIR types, the general ones and the short names; a
//! `fhirVersion` other than 4.0, or 4.3 (R4B), is not given.

use remit_fhir::{Error, Kind, Result};

/// A wire format of resources.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// `application/fhir+json`
    Json,
    /// `application/fhir+xml`
    Xml,
}

impl Format {
    /// The value of `Content-Type`.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/fhir+json; charset=utf-8",
            Format::Xml => "application/fhir+xml; charset=utf-8",
        }
    }

    /// The format of a media type without parameters, or of a short name of `_format`.
    pub(super) fn named(name: &str) -> Option<Format> {
        const JSON: [&str; 4] = ["application/fhir+json", "application/json", "text/json", "json"];
        const XML: [&str; 4] = ["application/fhir+xml", "application/xml", "text/xml", "xml"];
        // The names of drafts before R3, which clients still send.
        const OLD_JSON: &str = "application/json+fhir";
        const OLD_XML: &str = "application/xml+fhir";
        let is = |names: &[&str]| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        if is(&JSON) || is(&[OLD_JSON]) {
            Some(Format::Json)
        } else if is(&XML) || is(&[OLD_XML]) {
            Some(Format::Xml)
        } else {
            None
        }
    }
}

/// The format that a media type names which is FHIR's own.
pub(super) fn fhir_named(name: &str) -> Option<Format> {
    let lower = name.to_ascii_lowercase();
    // The second is the order of drafts before R3.
    let is_own = lower.starts_with("application/fhir+") || lower.ends_with("+fhir");
    is_own.then(|| Format::named(name)).flatten()
}

/// The media ranges of an `Accept` that are wanted at all, without their parameters.
pub(super) fn ranges(accept: &str) -> impl Iterator<Item = &str> {
    let wanted = accept.split(',').map(str::trim).filter(|range| !range.is_empty() && weight(range) > 0);
    wanted.map(|range| range.split(';').next().unwrap_or_default().trim())
}

/// The format of the answer.
pub(crate) fn wanted(format: Option<&str>, accept: Option<&str>) -> Result<Format> {
    match (format, accept) {
        (Some(format), _) => of_parameter(format),
        (None, Some(accept)) => of_accept(accept),
        (None, None) => Ok(Format::Json),
    }
}

fn of_parameter(format: &str) -> Result<Format> {
    // An unescaped + of a media type arrives as a space.
    let name = format.split(';').next().unwrap_or_default().trim().replace(' ', "+");
    if !asks_for_r4(format) {
        return Err(not_acceptable());
    }
    match name.as_str() {
        "" | "*/*" => Ok(Format::Json),
        // A person's browser; there is no page to show, JSON is what it can display.
        "html" | "text/html" => Ok(Format::Json),
        name => Format::named(name).ok_or_else(not_acceptable),
    }
}

/// The best of a list with weights. At equal weight a named type goes before a wildcard, then the
/// earlier one counts.
fn of_accept(accept: &str) -> Result<Format> {
    let mut best: Option<(u16, u8, Format)> = None;
    let mut refused = [false; 2];
    for range in accept.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        let name = range.split(';').next().unwrap_or_default().trim();
        let weight = weight(range);
        let (precision, format) = match (Format::named(name), name) {
            (Some(format), _) => (3, Some(format)),
            (None, "*/*" | "*") => (1, None),
            (None, "application/*" | "text/*") => (2, None),
            // A browser; what it can show is JSON.
            (None, "text/html") => (0, Some(Format::Json)),
            _ => continue,
        };
        if !asks_for_r4(range) {
            continue;
        }
        if weight == 0 {
            match format {
                Some(format) => refused[format as usize] = true,
                None => continue,
            }
            continue;
        }
        let format =
            format.unwrap_or(if refused[Format::Json as usize] { Format::Xml } else { Format::Json });
        if best.is_none_or(|(w, p, _)| (weight, precision) > (w, p)) {
            best = Some((weight, precision, format));
        }
    }
    match best {
        Some((.., format)) if !refused[format as usize] => Ok(format),
        Some(_) if !refused[Format::Xml as usize] && accept.contains("*/*") => Ok(Format::Xml),
        None if accept.trim().is_empty() => Ok(Format::Json),
        _ => Err(not_acceptable()),
    }
}

/// The weight of a media range in thousandths; 1000 when it says nothing that can be read.
fn weight(range: &str) -> u16 {
    let quality = parameters(range).find(|(name, _)| name.eq_ignore_ascii_case("q"));
    let Some(Ok(quality)) = quality.map(|(_, value)| value.parse::<f32>()) else { return 1000 };
    if !quality.is_finite() {
        return 1000;
    }
    (quality.clamp(0.0, 1.0) * 1000.0) as u16
}

/// Values of `fhirVersion` that are served. 4.3 is R4B, whose REST interface is that of R4 and whose
/// resources differ in a few types only; its clients say 4.3 of every request.
const R4: [&str; 4] = ["4.0", "4.0.1", "4.3", "4.3.0"];

fn asks_for_r4(range: &str) -> bool {
    parameters(range)
        .find(|(name, _)| name.eq_ignore_ascii_case("fhirVersion"))
        .is_none_or(|(_, version)| R4.contains(&version))
}

fn parameters(range: &str) -> impl Iterator<Item = (&str, &str)> {
    range.split(';').skip(1).filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim(), value.trim().trim_matches('"')))
    })
}

fn not_acceptable() -> Error {
    Error::new(
        Kind::NotAcceptable,
        "This server answers in application/fhir+json and application/fhir+xml of FHIR 4.0, and in nothing else.",
    )
}

/// What a request body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// A resource.
    Resource(Format),
    /// `application/json-patch+json`
    JsonPatch,
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/graphql`: the text of a query.
    Graphql,
}

impl Content {
    /// Reads `Content-Type`. Without one a body is taken for JSON.
    pub(crate) fn parse(content_type: Option<&str>) -> Result<Content> {
        let Some(text) = content_type else { return Ok(Content::Resource(Format::Json)) };
        let name = text.split(';').next().unwrap_or_default().trim();
        let charset = parameters(text).find(|(name, _)| name.eq_ignore_ascii_case("charset"));
        if let Some((_, charset)) = charset
            && !charset.eq_ignore_ascii_case("utf-8")
            && !charset.eq_ignore_ascii_case("utf8")
            && !charset.eq_ignore_ascii_case("us-ascii")
        {
            return Err(unsupported("FHIR is written in UTF-8; send the body with charset=utf-8."));
        }
        if !asks_for_r4(text) {
            return Err(unsupported("This server speaks FHIR 4.0; another fhirVersion is not read here."));
        }
        if name.eq_ignore_ascii_case("application/json-patch+json") {
            return Ok(Content::JsonPatch);
        }
        if name.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Ok(Content::Form);
        }
        if name.eq_ignore_ascii_case("application/graphql") {
            return Ok(Content::Graphql);
        }
        let format = name.contains('/').then(|| Format::named(name)).flatten();
        format.map(Content::Resource).ok_or_else(|| {
            unsupported(
                "The Content-Type must be application/fhir+json or application/fhir+xml \
                 (application/json-patch+json for a patch, application/x-www-form-urlencoded for a search).",
            )
        })
    }
}

/// 415 with a sentence.
pub(crate) fn unsupported(text: &str) -> Error {
    Error::new(Kind::UnsupportedMediaType, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_the_parameter_then_the_header() {
        use Format::{Json, Xml};
        let cases = [
            (None, None, Some(Json)),
            (None, Some(""), Some(Json)),
            (None, Some("*/*"), Some(Json)),
            (None, Some("application/fhir+json"), Some(Json)),
            (None, Some("Application/FHIR+XML; charset=utf-8"), Some(Xml)),
            (None, Some("text/xml"), Some(Xml)),
            (None, Some("application/xml;q=0.5, application/json;q=0.4"), Some(Xml)),
            (None, Some("application/xml;q=0.5, application/json;q=0.6"), Some(Json)),
            (None, Some("*/*, application/fhir+xml"), Some(Xml)),
            (None, Some("application/fhir+xml;q=0.9, */*;q=0.8"), Some(Xml)),
            (None, Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Some(Json)),
            (None, Some("application/fhir+json;q=0, */*"), Some(Xml)),
            (None, Some("application/fhir+json;q=0"), None),
            (None, Some("image/png"), None),
            (None, Some("text/turtle, image/png"), None),
            (None, Some("application/fhir+json; fhirVersion=4.0"), Some(Json)),
            (None, Some("application/fhir+json; fhirVersion=4.3"), Some(Json)),
            (None, Some("application/fhir+json; fhirVersion=3.0"), None),
            (None, Some("application/fhir+json;q=x"), Some(Json)),
            (Some("xml"), Some("application/json"), Some(Xml)),
            (Some("json"), Some("image/png"), Some(Json)),
            (Some("application/fhir+xml"), None, Some(Xml)),
            (Some("application/fhir xml"), None, Some(Xml)),
            (Some("text/json"), None, Some(Json)),
            (Some("application/fhir+json;fhirVersion=5.0"), None, None),
            (Some("ttl"), None, None),
            (Some(""), None, Some(Json)),
        ];
        for (format, accept, expected) in cases {
            assert_eq!(wanted(format, accept).ok(), expected, "{format:?} {accept:?}");
        }
        assert_eq!(wanted(Some("ttl"), None).unwrap_err().status(), 406);
    }

    #[test]
    fn the_content_type_says_what_the_body_is() {
        let cases = [
            (None, Some(Content::Resource(Format::Json))),
            (Some("application/fhir+json"), Some(Content::Resource(Format::Json))),
            (Some("application/json;charset=UTF-8"), Some(Content::Resource(Format::Json))),
            (Some("application/fhir+xml; fhirVersion=4.0"), Some(Content::Resource(Format::Xml))),
            (Some("application/json-patch+json"), Some(Content::JsonPatch)),
            (Some("application/x-www-form-urlencoded"), Some(Content::Form)),
            (Some("application/fhir+json; charset=latin1"), None),
            (Some("application/fhir+json; fhirVersion=5.0"), None),
            (Some("text/plain"), None),
            (Some("json"), None),
            (Some(""), None),
        ];
        for (text, expected) in cases {
            assert_eq!(Content::parse(text).ok(), expected, "{text:?}");
        }
        assert_eq!(Content::parse(Some("text/plain")).unwrap_err().status(), 415);
    }

    proptest::proptest! {
        #[test]
        fn any_header_ends_in_an_answer(text in "\\PC*") {
            let _ = wanted(Some(&text), None);
            let _ = wanted(None, Some(&text));
            let _ = Content::parse(Some(&text));
        }
    }
}
