//! URI parameters (<https://hl7.org/fhir/R4/search.html#uri>): compared letter by letter, or with
//! `:above` and `:below` by the steps of the path.

use crate::extract::Item;
use crate::rows::UriRow;
use crate::sql::{Arg, Writer};
use remit_fhir::{Error, Result};

/// Most steps of a path that `:above` climbs; each is a value to look for.
const MAX_STEPS: usize = 100;

/// A URL and everything below its path: `:below`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Below(Box<str>);

/// A canonical with a version is found with it and without.
pub(crate) fn index(item: &Item<'_>, param: i32, rows: &mut Vec<UriRow>) {
    let Some(text) = item.node.string().filter(|t| !t.is_empty()) else { return };
    index_text(&text, item.type_name() == "canonical", param, rows);
}

pub(crate) fn index_text(text: &str, canonical: bool, param: i32, rows: &mut Vec<UriRow>) {
    if canonical && let Some((url, _)) = text.split_once('|') {
        rows.push(UriRow { param, uri: url.into() });
    }
    rows.push(UriRow { param, uri: text.into() });
}

/// Where the path of a URL starts: after `scheme://authority`.
fn path_start(url: &str) -> Result<usize> {
    let authority = url.find("://").map(|at| at + 3).filter(|at| url.len() > *at);
    let start = authority.map(|at| url[at..].find('/').map_or(url.len(), |slash| at + slash));
    start.ok_or_else(|| {
        Error::invalid(format!(
            "'{url}' has no path: :above and :below take URLs such as http://example.org/fhir; URNs have nothing above or below them."
        ))
    })
}

/// The URL and all above it, each with and without a slash at its end: `:above`.
pub(crate) fn above(url: &str) -> Result<Vec<Box<str>>> {
    let start = path_start(url)?;
    let mut all: Vec<Box<str>> = Vec::new();
    let mut rest = url.trim_end_matches('/');
    if url[start..].matches('/').count() > MAX_STEPS {
        return Err(Error::invalid(format!("The path of the URL has more than {MAX_STEPS} steps.")));
    }
    while rest.len() >= start {
        all.extend([rest.into(), format!("{rest}/").into()]);
        match rest.rfind('/') {
            Some(at) => rest = &rest[..at],
            None => break,
        }
    }
    Ok(all)
}

impl Below {
    /// Reads a value of the URL.
    pub(crate) fn parse(url: &str) -> Result<Below> {
        path_start(url)?;
        Ok(Below(url.trim_end_matches('/').into()))
    }

    pub(crate) fn holds(&self, uri: &str) -> bool {
        uri.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The same as [`holds`](Self::holds), of a column.
    pub(crate) fn sql(&self, w: &mut Writer, column: &str) {
        w.push(column).push(" = ").arg(Arg::Text(self.0.to_string())).push(" or ");
        w.push(column).push(" >= ").arg(Arg::Text(format!("{}/", self.0))).push(" and ");
        // `0` follows `/`.
        w.push(column).push(" < ").arg(Arg::Text(format!("{}0", self.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_and_below_go_by_the_steps_of_the_path() {
        for (below, uri, expected) in [
            ("http://a.example/fhir", "http://a.example/fhir", true),
            ("http://a.example/fhir", "http://a.example/fhir/", true),
            ("http://a.example/fhir", "http://a.example/fhir/ValueSet/1", true),
            ("http://a.example/fhir/", "http://a.example/fhir/ValueSet/1", true),
            ("http://a.example/fhir", "http://a.example/fhirs", false),
            ("http://a.example", "http://a.example/fhir", true),
            ("http://a.example", "http://a.example.org/fhir", false),
            ("http://a.example/fhir/ValueSet", "http://a.example/fhir", false),
        ] {
            assert_eq!(Below::parse(below).unwrap().holds(uri), expected, "{uri} below {below}");
            // Turned round, one is above the other.
            let above = above(uri).unwrap();
            assert_eq!(above.iter().any(|u| **u == *below), expected, "{below} above {uri}");
        }
        for text in ["urn:oid:1.2.3", "fhir/ValueSet", "http://"] {
            assert!(Below::parse(text).is_err() && above(text).is_err(), "{text}");
        }
        assert!(above(&format!("http://a{}", "/x".repeat(200))).is_err());
    }
}
