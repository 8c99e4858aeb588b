//! URI parameters (<https://hl7.org/fhir/R4/search.html#uri>): compared letter by letter.

use crate::extract::Item;
use crate::rows::UriRow;

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
