//! Read and vread (<https://hl7.org/fhir/R4/http.html#read>, `#vread`, `#cread`).

use super::subset::Subset;
use super::url::Pair;
use super::{Answer, Context, Tags};
use remit_fhir::{Error, Result};
use remit_search::{Handling, Summary};
use remit_spec::TypeId;
use remit_store::Stored;

/// What a reader holds already. An answer that would be the same is 304.
#[derive(Clone, Debug, Default)]
pub struct Held<'a> {
    /// `If-None-Match`
    pub if_none_match: Option<&'a str>,
    /// `If-Modified-Since`, microseconds since 1970.
    pub modified_since_us: Option<i64>,
}

impl Held<'_> {
    /// Whether this version is what the reader holds. `If-None-Match` goes before the date
    /// (RFC 9110 §13.1.3).
    fn is(&self, stored: &Stored) -> Result<bool> {
        const SECOND: i64 = 1_000_000;
        match (self.if_none_match, self.modified_since_us) {
            (Some(tags), _) => Ok(Tags::parse(tags)?.matches(stored.version)),
            // The header knows no parts of a second.
            (None, Some(since)) => Ok(stored.updated_us - stored.updated_us.rem_euclid(SECOND) <= since),
            (None, None) => Ok(false),
        }
    }
}

/// The current version of a resource.
pub async fn read(cx: &Context<'_>, ty: TypeId, id: &str, held: &Held<'_>) -> Result<Answer> {
    let stored = cx.store.read(cx.plan, ty, id).await?;
    unless_held(stored, held)
}

/// One version of a resource.
pub async fn vread(cx: &Context<'_>, ty: TypeId, id: &str, version: &str, held: &Held<'_>) -> Result<Answer> {
    let stored = cx.store.vread(cx.plan, ty, id, version).await?;
    unless_held(stored, held)
}

fn unless_held(stored: Stored, held: &Held<'_>) -> Result<Answer> {
    match held.is(&stored)? {
        true => Ok(Answer::not_modified(stored.version, stored.updated_us)),
        false => Ok(Answer::stored(stored)),
    }
}

/// Cuts a read resource to what the parameters of the request ask for.
pub(super) fn cut(
    cx: &Context<'_>,
    pairs: &[Pair],
    handling: Handling,
    mut answer: Answer,
) -> Result<Answer> {
    let mut subset = Subset::default();
    for (name, value) in pairs {
        if !subset.take(name, value)? && !super::search::is_general(name) && handling == Handling::Strict {
            return Err(Error::invalid(format!(
                "A read takes _summary, _elements, _format and _pretty, not {name}."
            )));
        }
    }
    if subset.summary == Summary::Count {
        return Err(Error::invalid(
            "_summary=count asks for the number of matches of a search; a read has none.",
        ));
    }
    if let Some(body) = answer.body.take() {
        answer.body = Some(subset.of(cx.defs, &body)?);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_fhir::date::parse_http_date;
    use remit_spec::Definitions;

    #[test]
    fn what_a_reader_holds_is_not_sent_again() {
        let ty = Definitions::r4().resource_named("Patient").unwrap();
        let updated_us = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap() + 900_000;
        let stored = Stored { ty, id: "1".into(), version: 3, updated_us, body: None };
        let cases = [
            (None, None, false),
            (Some("W/\"3\""), None, true),
            (Some("\"2\", \"3\""), None, true),
            (Some("W/\"2\""), None, false),
            (Some("*"), None, true),
            (None, Some("Sun, 06 Nov 1994 08:49:37 GMT"), true),
            (None, Some("Sun, 06 Nov 1994 08:49:36 GMT"), false),
            (None, Some("Mon, 07 Nov 1994 08:49:36 GMT"), true),
            (Some("W/\"2\""), Some("Mon, 07 Nov 1994 08:49:36 GMT"), false),
        ];
        for (if_none_match, if_modified_since, expected) in cases {
            let held = Held { if_none_match, modified_since_us: if_modified_since.and_then(parse_http_date) };
            assert_eq!(held.is(&stored).unwrap(), expected, "{held:?}");
        }
        assert!(Held { if_none_match: Some("\""), modified_since_us: None }.is(&stored).is_err());
    }
}
