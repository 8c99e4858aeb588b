//! What a request asks for beside its interaction: format and part of the answer, preferences,
//! conditions (<https://hl7.org/fhir/R4/http.html#parameters>, `#ops` for `Prefer`, RFC 7240).

use super::format::{self, Format};
use super::gzip;
use crate::rest::url::Pair;
use crate::rest::{Held, Preference};
use hyper::Method;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, AsHeaderName, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use remit_fhir::date::parse_http_date;
use remit_fhir::{Error, Result};
use remit_search::Handling;
use std::borrow::Cow;

/// How an answer is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) format: Format,
    pub(super) is_pretty: bool,
    pub(super) takes_gzip: bool,
    pub(super) is_head: bool,
    pub(super) prefer: Prefer,
}

impl Ask {
    /// What is known before anything was read, for errors in reading it.
    pub(super) fn plain(method: &Method) -> Ask {
        let prefer = Prefer::default();
        Ask {
            format: Format::Json,
            is_pretty: false,
            takes_gzip: false,
            is_head: method == Method::HEAD,
            prefer,
        }
    }

    /// Reads headers and the parameters of the URL.
    pub(super) fn read(&mut self, headers: &HeaderMap, pairs: &[Pair]) -> Result<()> {
        let parameter = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
        self.takes_gzip =
            headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(gzip::is_accepted);
        self.is_pretty = match parameter("_pretty") {
            None | Some("false") => false,
            Some("true" | "") => true,
            Some(_) => return Err(Error::invalid("_pretty takes true or false.")),
        };
        self.format = format::wanted(parameter("_format"), accepted(headers)?.as_deref())?;
        for value in headers.get_all("prefer") {
            self.prefer.read(value.to_str().map_err(|_| unreadable("Prefer"))?);
        }
        Ok(())
    }
}

/// `Accept`, which may stand there several times.
fn accepted(headers: &HeaderMap) -> Result<Option<Cow<'_, str>>> {
    let mut joined: Option<Cow<'_, str>> = None;
    for value in headers.get_all(ACCEPT) {
        let text = value.to_str().map_err(|_| unreadable("Accept"))?;
        joined = Some(joined.map_or(Cow::Borrowed(text), |before| format!("{before},{text}").into()));
    }
    Ok(joined)
}

/// `Accept` for those who keep it.
pub(super) fn accept(headers: &HeaderMap) -> Result<Option<String>> {
    Ok(accepted(headers)?.map(Cow::into_owned))
}

/// The preferences that are understood, as far as they were stated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Prefer {
    pub(super) result: Option<Preference>,
    pub(super) handling: Option<Handling>,
    /// `respond-async`: the answer may come later. Only operations do; it is said where they did.
    pub(super) is_async: bool,
}

impl Prefer {
    /// Reads one header. What is not understood is left alone, as RFC 7240 asks; the first of two
    /// values counts.
    fn read(&mut self, text: &str) {
        for preference in text.split([',', ';']) {
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            if name.trim().eq_ignore_ascii_case("return") && self.result.is_none() {
                self.result = match value {
                    "minimal" => Some(Preference::Minimal),
                    "representation" => Some(Preference::Representation),
                    "OperationOutcome" => Some(Preference::OperationOutcome),
                    _ => None,
                };
            }
            self.is_async |= name.trim().eq_ignore_ascii_case("respond-async");
            if name.trim().eq_ignore_ascii_case("handling") && self.handling.is_none() {
                self.handling = match value {
                    "strict" => Some(Handling::Strict),
                    "lenient" => Some(Handling::Lenient),
                    _ => None,
                };
            }
        }
    }

    /// The values of `Preference-Applied`.
    pub(super) fn applied(self) -> impl Iterator<Item = &'static str> {
        let result = self.result.map(|result| match result {
            Preference::Minimal => "return=minimal",
            Preference::Representation => "return=representation",
            Preference::OperationOutcome => "return=OperationOutcome",
        });
        let handling = self.handling.map(|handling| match handling {
            Handling::Strict => "handling=strict",
            Handling::Lenient => "handling=lenient",
        });
        result.into_iter().chain(handling)
    }
}

/// What the reader holds already. A date that cannot be read is ignored, as HTTP asks.
pub(super) fn held(headers: &HeaderMap) -> Result<Held<'_>> {
    let since = text(headers, IF_MODIFIED_SINCE, "If-Modified-Since")?;
    Ok(Held {
        if_none_match: text(headers, IF_NONE_MATCH, "If-None-Match")?,
        modified_since_us: since.and_then(parse_http_date),
    })
}

/// A header as text.
pub(super) fn text<'h>(
    headers: &'h HeaderMap,
    name: impl AsHeaderName,
    shown: &str,
) -> Result<Option<&'h str>> {
    headers.get(name).map(|value| value.to_str().map_err(|_| unreadable(shown))).transpose()
}

fn unreadable(name: &str) -> Error {
    Error::invalid(format!("The header {name} holds characters that HTTP does not allow in it."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_and_said_again() {
        let cases = [
            ("return=minimal", "return=minimal"),
            ("handling=lenient", "handling=lenient"),
            ("return=representation; handling=strict", "return=representation handling=strict"),
            ("respond-async, Return=\"OperationOutcome\"", "return=OperationOutcome"),
            ("return=minimal, return=representation", "return=minimal"),
            ("return=x", ""),
            ("", ""),
            ("=,;=", ""),
        ];
        for (text, expected) in cases {
            let mut prefer = Prefer::default();
            prefer.read(text);
            assert_eq!(prefer.applied().collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }

    #[test]
    fn a_request_says_how_it_wants_its_answer() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, "image/png".parse().unwrap());
        headers.append(ACCEPT, "application/fhir+xml".parse().unwrap());
        headers.insert(ACCEPT_ENCODING, "gzip, br".parse().unwrap());
        let pairs = vec![("_pretty".to_owned(), "true".to_owned())];
        let mut ask = Ask::plain(&Method::HEAD);
        ask.read(&headers, &pairs).unwrap();
        assert_eq!((ask.format, ask.is_pretty, ask.takes_gzip, ask.is_head), (Format::Xml, true, true, true));
        let wrong = vec![("_pretty".to_owned(), "maybe".to_owned())];
        assert_eq!(ask.read(&headers, &wrong).unwrap_err().status(), 400);
    }
}
