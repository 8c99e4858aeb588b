//! Reading the answer to a batch or transaction: what became of each entry.

use remit_fhir::{Document, Node, json};

/// What became of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Written; the resource as `Type/id`, empty where there is none (a deletion).
    Done(String),
    /// Refused: status and OperationOutcome.
    Refused(u16, String),
}

/// The fates of the entries of an answer, in order.
pub(super) fn fates(answer: &Document) -> Vec<Fate> {
    let entries = answer.root().get("entry").into_iter().flat_map(Node::items);
    entries.map(|entry| fate(entry.get("response"))).collect()
}

fn fate(response: Option<Node<'_>>) -> Fate {
    let Some(response) = response else {
        return Fate::Refused(0, no_outcome("The answer holds no response."));
    };
    let status = response.get_str("status").unwrap_or_default();
    let status: u16 = status.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default();
    if (200..300).contains(&status) {
        return Fate::Done(response.get_str("location").map_or(String::new(), |url| type_and_id(&url)));
    }
    let outcome = response
        .get("outcome")
        .map_or_else(|| no_outcome("The server gives no reason."), |o| o.json().to_owned());
    Fate::Refused(status, outcome)
}

/// An OperationOutcome of our own.
pub(super) fn no_outcome(text: &str) -> String {
    remit_fhir::Error::unprocessable(text).outcome().to_string()
}

/// `Patient/1` of `http://host/fhir/Patient/1/_history/1`.
fn type_and_id(location: &str) -> String {
    let path = location.split("/_history/").next().unwrap_or_default();
    let mut parts = path.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some(id), Some(ty)) if !id.is_empty() && !ty.is_empty() => format!("{ty}/{id}"),
        _ => String::new(),
    }
}

/// Parses an answer; what is no JSON has no entries.
pub(super) fn parse(body: bytes::Bytes) -> Option<Document> {
    json::parse(body).ok()
}
