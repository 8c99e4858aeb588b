//! Many patients from a few: copies of a patient's Bundle whose dates are shifted and whose identifiers
//! are their own. References inside a Bundle are `urn:uuid`, so the server gives every copy fresh ids.

use bytes::Bytes;
use remit_fhir::json::{self, Splice};
use remit_fhir::{Document, Node, date};

/// Days between two copies of a patient: no weekday, month or season comes back soon.
const STEP: i64 = 11;
/// Copies are shifted into the past, by up to about ten years, and start again.
const SPAN: i64 = 3_641;

/// The Bundle as its `copy`-th copy; the 0th is the Bundle itself.
pub(super) fn copy(bundle: &Document, copy: usize) -> Bytes {
    if copy == 0 {
        return bundle.bytes().clone();
    }
    let days = -(copy as i64 * STEP % SPAN);
    let mut splices = Vec::new();
    shift(bundle.root(), days, &mut splices);
    for entry in bundle.root().get("entry").into_iter().flat_map(Node::items) {
        let identifiers = entry.at(&["resource", "identifier"]).into_iter().flat_map(Node::each);
        for value in identifiers.filter_map(|identifier| identifier.get("value")) {
            let text = value.string().unwrap_or_default();
            splices.push(Splice::replace(value, json::quote(&format!("{text}-{copy}"))));
        }
    }
    Bytes::from(json::splice(bundle.text(), splices))
}

/// Collects the new text of every date below a node.
fn shift(node: Node<'_>, days: i64, splices: &mut Vec<Splice>) {
    if node.is_object() {
        node.members().for_each(|(_, member)| shift(member, days, splices));
    } else if node.is_array() {
        node.items().for_each(|item| shift(item, days, splices));
    } else if let Some(moved) = node.string().and_then(|text| moved(&text, days)) {
        splices.push(Splice::replace(node, json::quote(&moved)));
    }
}

/// `2020-05-06` or `2020-05-06T…` some days later; `None` for any other text.
fn moved(text: &str, days: i64) -> Option<String> {
    let (day, rest) = (text.get(..10)?, text.get(10..)?);
    if !rest.is_empty() && !rest.starts_with('T') {
        return None;
    }
    let moment = date::Moment::parse(text)?;
    let part = |range: std::ops::Range<usize>| day.get(range)?.parse::<u32>().ok();
    let (year, month, date) = (part(0..4)?, part(5..7)?, part(8..10)?);
    if moment.precision < date::Precision::Day {
        return None;
    }
    let (year, month, date) = date::civil_from_days(date::days_from_civil(year.into(), month, date) + days);
    Some(format!("{year:04}-{month:02}-{date:02}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_its_own_identifiers_and_dates_and_nothing_else_changes() {
        let text = r#"{"resourceType":"Bundle","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","identifier":[{"value":"a"}],"birthDate":"1970-01-05","name":[{"family":"1970-x"}]}},{"resource":{"resourceType":"Observation","subject":{"reference":"urn:uuid:1"},"effectiveDateTime":"2020-01-05T10:00:00+01:00","valueQuantity":{"value":1.00}}}]}"#;
        let bundle = json::parse(text).unwrap();
        let second = String::from_utf8(copy(&bundle, 1).to_vec()).unwrap();
        let expected = text
            .replace(r#""value":"a""#, r#""value":"a-1""#)
            .replace("1970-01-05", "1969-12-25")
            .replace("2020-01-05T", "2019-12-25T");
        assert_eq!(second, expected);
        assert_eq!(copy(&bundle, 0), text);
    }
}
