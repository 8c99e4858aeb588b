//! The formats of rows, as `_format` and `Accept` name them.

use remit_fhir::{Error, IssueType, Kind, Result};

/// A format of rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// One JSON object a line.
    Ndjson,
    /// One JSON array.
    Json,
    /// RFC 4180.
    Csv,
    /// Columns.
    Parquet,
    /// A Parameters resource.
    Fhir,
}

/// Names of formats: the code, and the media types.
const NAMES: [(Format, &[&str]); 5] = [
    (Format::Ndjson, &["ndjson", "application/x-ndjson", "application/ndjson", "application/fhir+ndjson"]),
    (Format::Json, &["json", "application/json"]),
    (Format::Csv, &["csv", "text/csv"]),
    (
        Format::Parquet,
        &["parquet", "application/vnd.apache.parquet", "application/parquet", "application/x-parquet"],
    ),
    (Format::Fhir, &["fhir", "application/fhir+json", "application/fhir+xml"]),
];

const SENTENCE: &str = "Rows are given as ndjson, json, csv, parquet or fhir.";

impl Format {
    /// The value of `Content-Type`; `None` is a resource, whose format is negotiated as ever.
    pub(super) fn content_type(self) -> Option<&'static str> {
        match self {
            Format::Ndjson => Some("application/x-ndjson"),
            Format::Json => Some("application/json"),
            Format::Csv => Some("text/csv; charset=utf-8"),
            Format::Parquet => Some("application/vnd.apache.parquet"),
            Format::Fhir => None,
        }
    }

    fn named(name: &str) -> Option<Format> {
        let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        NAMES.iter().find(|(_, names)| is(names)).map(|(format, _)| *format)
    }

    /// What `_format` asks for; without it, `Accept`; without both, lines of JSON.
    pub(super) fn wanted(parameter: Option<&str>, accept: Option<&str>) -> Result<Format> {
        if let Some(text) = parameter {
            // An unescaped + of a media type arrives as a space.
            let name = text.split(';').next().unwrap_or_default().trim().replace(' ', "+");
            return Format::named(&name)
                .ok_or_else(|| Error::invalid(SENTENCE).coded(IssueType::NotSupported).at("_format"));
        }
        let Some(accept) = accept.filter(|text| !text.trim().is_empty()) else { return Ok(Format::Ndjson) };
        let mut best: Option<(f32, Format)> = None;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            let format = match name {
                "*/*" | "application/*" => Some(Format::Ndjson),
                "text/*" => Some(Format::Csv),
                name => Format::named(name),
            };
            let Some(format) = format.filter(|_| quality > 0.0) else { continue };
            if best.is_none_or(|(known, _)| quality > known) {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format).ok_or_else(|| Error::new(Kind::NotAcceptable, SENTENCE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_the_parameter_then_the_header() {
        use Format::{Csv, Fhir, Json, Ndjson, Parquet};
        let cases = [
            (None, None, Ok(Ndjson)),
            (None, Some(""), Ok(Ndjson)),
            (None, Some("*/*"), Ok(Ndjson)),
            (None, Some("text/csv"), Ok(Csv)),
            (None, Some("application/json;q=0.1, text/csv;q=0.5"), Ok(Csv)),
            (None, Some("application/fhir+json"), Ok(Fhir)),
            (None, Some("text/csv;q=0"), Err(406)),
            (None, Some("image/png"), Err(406)),
            (Some("csv"), Some("image/png"), Ok(Csv)),
            (Some("JSON"), None, Ok(Json)),
            (Some("application/fhir json"), None, Ok(Fhir)),
            (Some("parquet"), None, Ok(Parquet)),
            (Some("xlsx"), None, Err(400)),
            (Some(""), None, Err(400)),
        ];
        for (parameter, accept, expected) in cases {
            let found = Format::wanted(parameter, accept).map_err(|error| error.status());
            assert_eq!(found, expected, "{parameter:?} {accept:?}");
        }
    }
}
