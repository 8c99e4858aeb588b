//! Binary in its native form: the content itself instead of a resource around it
//! (<https://hl7.org/fhir/R4/binary.html#rest>).
//!
//! A read that does not ask for a FHIR format gets the content under its own type. A write whose body
//! is no Binary resource is taken as the content of one.

use super::format::{Format, fhir_named, ranges};
use super::respond::Native;
use crate::rest::route::Route;
use crate::rest::url::Pair;
use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use remit_fhir::json::quote;
use remit_fhir::{Document, Error, Kind, Result, base64, json};
use remit_spec::Definitions;

/// Says who may see the content (`Binary.securityContext`).
const SECURITY_CONTEXT: &str = "x-security-context";

/// What stands for a type that no header can hold.
const UNKNOWN: &str = "application/octet-stream";

/// Whether a route is about Binaries.
pub(super) fn is_binary(defs: &Definitions, route: &Route<'_>) -> bool {
    route.ty().is_some_and(|ty| defs.name(ty) == "Binary")
}

/// Whether one Binary, or a version of it, is asked for in a form that is left open or is not FHIR's.
pub(super) fn wants_native(
    defs: &Definitions,
    route: &Route<'_>,
    headers: &HeaderMap,
    pairs: &[Pair],
) -> bool {
    // Parts of a resource are parts of the resource, not of the content.
    let is_of_resource = |name: &str| matches!(name, "_format" | "_summary" | "_elements");
    matches!(route, Route::Instance(..) | Route::Version(..))
        && is_binary(defs, route)
        && !pairs.iter().any(|(name, _)| is_of_resource(name))
        && !accepted(headers).any(|range| fhir_named(range).is_some())
}

fn accepted(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(ranges)
}

/// The content of a Binary that was read. `None` when the reader asked for JSON or XML in general and
/// the content is neither: then the resource answers.
pub(super) fn native(headers: &HeaderMap, body: Bytes) -> Result<Option<Native>> {
    let document = json::parse(body)?;
    let text = |name: &str| document.root().get(name).and_then(|node| node.string());
    let content_type = text("contentType").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let takes = |range: &str| match range.split_once('/') {
        _ if range == "*" => true,
        Some(("*", "*")) => true,
        Some((of, "*")) => essence.split_once('/').is_some_and(|(this, _)| this.eq_ignore_ascii_case(of)),
        _ => range.eq_ignore_ascii_case(essence),
    };
    if accepted(headers).next().is_some() && !accepted(headers).any(takes) {
        if accepted(headers).any(|range| Format::named(range).is_some()) {
            return Ok(None);
        }
        return Err(Error::new(
            Kind::NotAcceptable,
            format!(
                "The content is {essence}; ask for this type, or for the resource as application/fhir+json or application/fhir+xml."
            ),
        ));
    }
    let data = text("data").unwrap_or_default();
    let bytes = base64::decode(&data).ok_or_else(|| Error::internal("stored data is no base64"))?;
    let content_type = HeaderValue::from_str(&content_type).unwrap_or(HeaderValue::from_static(UNKNOWN));
    Ok(Some(Native { content_type, bytes: Bytes::from(bytes) }))
}

/// The Binary that an upload makes; `None` when the body is a Binary resource itself.
///
/// A body that says it is a FHIR resource and cannot be parsed is left to the parser's error: a broken
/// Binary is likelier than a broken document that somebody wants to keep.
pub(super) fn upload(headers: &HeaderMap, id: Option<&str>, bytes: &Bytes) -> Result<Option<Document>> {
    let content_type = super::ask::text(headers, CONTENT_TYPE, "Content-Type")?;
    let Some(content_type) = content_type.map(str::trim).filter(|text| text.contains('/')) else {
        return Ok(None);
    };
    let name = content_type.split(';').next().unwrap_or_default().trim();
    let is_binary = match Format::named(name) {
        None => false,
        Some(Format::Json) => match json::parse(bytes.clone()) {
            Ok(document) => document.root().resource_type().is_none_or(|name| name == "Binary"),
            Err(_) => fhir_named(name).is_some(),
        },
        Some(Format::Xml) => root_element(bytes).is_none_or(|name| name == b"Binary"),
    };
    if is_binary {
        return Ok(None);
    }
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + 256);
    text.push_str("{\"resourceType\":\"Binary\"");
    if let Some(id) = id {
        text.push_str(&format!(",\"id\":{}", quote(id)));
    }
    text.push_str(&format!(",\"contentType\":{}", quote(content_type)));
    if let Some(context) = super::ask::text(headers, SECURITY_CONTEXT, "X-Security-Context")? {
        text.push_str(&format!(",\"securityContext\":{{\"reference\":{}}}", quote(context)));
    }
    if !bytes.is_empty() {
        text.push_str(&format!(",\"data\":\"{}\"", base64::encode(bytes)));
    }
    text.push('}');
    Ok(Some(json::parse(text)?))
}

/// The local name of the first element of an XML text; `None` when there is none.
fn root_element(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        let at = rest.iter().position(|b| *b == b'<')?;
        rest = &rest[at + 1..];
        if rest.first().is_some_and(|b| !matches!(b, b'?' | b'!' | b'/')) {
            break;
        }
    }
    let end = rest.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'))?;
    rest[..end].rsplit(|b| *b == b':').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| {
                (hyper::header::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn a_reader_gets_the_form_that_it_asks_for() {
        let defs = Definitions::r4();
        let route = Route::parse(defs, "Binary/1").unwrap();
        let pdf = Bytes::from_static(
            b"{\"resourceType\":\"Binary\",\"contentType\":\"application/pdf\",\"data\":\"JVBERg==\"}",
        );
        let cases = [
            (None, "native"),
            (Some("*/*"), "native"),
            (Some("application/pdf"), "native"),
            (Some("application/*"), "native"),
            (Some("text/html, */*;q=0.1"), "native"),
            (Some("application/fhir+json"), "resource"),
            (Some("Application/FHIR+XML"), "resource"),
            (Some("application/pdf, application/fhir+xml"), "resource"),
            (Some("application/json"), "resource"),
            (Some("text/xml"), "resource"),
            (Some("image/png"), "refused"),
            (Some("image/*"), "refused"),
        ];
        for (accept, expected) in cases {
            let headers = accept.map_or_else(HeaderMap::new, |accept| headers(&[("accept", accept)]));
            let got = match wants_native(defs, &route, &headers, &[]).then(|| native(&headers, pdf.clone())) {
                Some(Ok(Some(native))) => {
                    assert_eq!(
                        (&native.bytes[..], native.content_type.as_bytes()),
                        (&b"%PDF"[..], &b"application/pdf"[..])
                    );
                    "native"
                }
                None | Some(Ok(None)) => "resource",
                Some(Err(_)) => "refused",
            };
            assert_eq!(got, expected, "{accept:?}");
        }
        assert!(!wants_native(defs, &route, &HeaderMap::new(), &[("_elements".into(), "data".into())]));
        let others =
            ["Binary", "Binary/1/_history", "Patient/1"].map(|path| Route::parse(defs, path).unwrap());
        assert!(others.iter().all(|other| !wants_native(defs, other, &HeaderMap::new(), &[])));
    }

    #[test]
    fn an_upload_is_content_unless_it_is_a_binary() {
        let cases = [
            ("application/pdf", "%PDF", true),
            ("text/plain; charset=utf-8", "hello", true),
            ("application/x-www-form-urlencoded", "a=b", true),
            ("application/fhir+json", "{\"resourceType\":\"Binary\"}", false),
            ("application/fhir+json", "{\"resourceType\":\"Patient\"}", true),
            ("application/fhir+json", "{\"resourceType\":", false),
            ("application/json", "[1,", true),
            (
                "application/fhir+xml",
                "<?xml version=\"1.0\"?><!-- --><Binary xmlns=\"http://hl7.org/fhir\"/>",
                false,
            ),
            ("application/fhir+xml", "<Patient xmlns=\"http://hl7.org/fhir\"/>", true),
            ("application/xml", "<f:Binary/>", false),
        ];
        for (content_type, body, is_content) in cases {
            let given = headers(&[("content-type", content_type), ("x-security-context", "Patient/1")]);
            let made = upload(&given, Some("b"), &Bytes::from(body)).unwrap();
            assert_eq!(made.is_some(), is_content, "{content_type} {body}");
            let Some(made) = made else { continue };
            let root = made.root();
            assert_eq!(root.get("contentType").unwrap().string().unwrap(), content_type);
            assert_eq!(
                base64::decode(&root.get("data").unwrap().string().unwrap()).unwrap(),
                body.as_bytes()
            );
            assert_eq!(
                root.get("securityContext").unwrap().get("reference").unwrap().string().unwrap(),
                "Patient/1"
            );
        }
    }
}
