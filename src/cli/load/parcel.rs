//! From a file's text to what is sent: transactions as they are, everything else as entries of a batch.

use super::journal::{Hash, hash};
use bytes::Bytes;
use remit_fhir::json::quote;
use remit_fhir::{Document, Error, Node, Result, is_id, json};

/// Entries that are sent together. More gain nothing, and one that is refused costs the others a
/// second try.
const PACK_ENTRIES: usize = 100;
/// Bytes of such a pack; a few large documents are enough.
const PACK_BYTES: usize = 1 << 20;

/// One thing that is acknowledged or rejected: a transaction, or one entry.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Where it stands: file, entry of the archive, line, entry of the Bundle.
    pub(super) place: String,
    /// What is sent: a transaction Bundle, or an entry with `resource` and `request`.
    pub(super) text: String,
    /// Of the text.
    pub(super) hash: Hash,
    /// Resources in it.
    pub(super) resources: u64,
    /// Whether sending it twice would create twice.
    pub(super) creates: bool,
}

impl Item {
    fn new(place: String, text: String, resources: u64, creates: bool) -> Item {
        let hash = hash(text.as_bytes());
        Item { place, text, hash, resources, creates }
    }
}

/// What is sent in one request.
#[derive(Debug)]
pub(super) enum Parcel {
    /// A Bundle that is done as a whole or not at all.
    Transaction(Item),
    /// Entries that do not need each other. `together`: they may be tried as one transaction first.
    Entries { items: Vec<Item>, together: bool },
}

impl Parcel {
    pub(super) fn items(&self) -> &[Item] {
        match self {
            Parcel::Transaction(item) => std::slice::from_ref(item),
            Parcel::Entries { items, .. } => items,
        }
    }
}

/// A Bundle of entries.
pub(super) fn bundle<'i>(kind: &str, items: impl Iterator<Item = &'i Item>) -> String {
    let mut text = format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":["#);
    for (n, item) in items.enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(&item.text);
    }
    text.push_str("]}");
    text
}

/// Collects single resources until there are enough to send.
#[derive(Debug, Default)]
pub(super) struct Packer {
    items: Vec<Item>,
    bytes: usize,
}

impl Packer {
    /// Takes a text; gives what is ready to be sent.
    pub(super) fn take(&mut self, place: &str, text: Bytes) -> Result<Vec<Parcel>> {
        let document = json::parse(text)?.into_compact();
        let root = document.root();
        match root.resource_type().as_deref() {
            Some("Bundle") => self.bundle(place, &document),
            Some(ty) => {
                let item = resource(place.to_owned(), root, ty, None)?;
                Ok(self.add(item).into_iter().collect())
            }
            None => Err(Error::invalid("This is JSON, but no FHIR resource: it has no resourceType.")),
        }
    }

    fn add(&mut self, item: Item) -> Option<Parcel> {
        self.bytes += item.text.len();
        self.items.push(item);
        (self.items.len() >= PACK_ENTRIES || self.bytes >= PACK_BYTES).then(|| self.rest()).flatten()
    }

    /// What has been collected and is not sent yet.
    pub(super) fn rest(&mut self) -> Option<Parcel> {
        self.bytes = 0;
        let items = std::mem::take(&mut self.items);
        (!items.is_empty()).then_some(Parcel::Entries { items, together: true })
    }

    fn bundle(&mut self, place: &str, document: &Document) -> Result<Vec<Parcel>> {
        let entries: Vec<_> = document.root().get("entry").into_iter().flat_map(Node::items).collect();
        match document.root().get_str("type").as_deref() {
            Some("transaction") => {
                let creates = entries.iter().any(|entry| creates(*entry));
                let text = document.text().to_owned();
                let item = Item::new(place.to_owned(), text, entries.len() as u64, creates);
                Ok(vec![Parcel::Transaction(item)])
            }
            Some("batch") => {
                let items = entries.iter().enumerate();
                let items = items.map(|(n, entry)| {
                    Item::new(format!("{place}#entry[{n}]"), entry.json().to_owned(), 1, creates(*entry))
                });
                let items: Vec<_> = items.collect();
                Ok((!items.is_empty())
                    .then_some(Parcel::Entries { items, together: false })
                    .into_iter()
                    .collect())
            }
            Some("history") => Err(Error::invalid(
                "A Bundle of type history is not loaded: its versions belong to another server.",
            )),
            Some(_) => self.others(place, &entries),
            None => Err(Error::invalid("The Bundle has no type, so it cannot be said how to load it.")),
        }
    }

    /// A collection, a document, the answer to a search: its resources.
    fn others(&mut self, place: &str, entries: &[Node<'_>]) -> Result<Vec<Parcel>> {
        let mut items = Vec::new();
        let mut is_linked = false;
        for (n, entry) in entries.iter().enumerate() {
            let Some(node) = entry.get("resource") else { continue };
            let Some(ty) = node.resource_type() else {
                return Err(Error::invalid("An entry holds no FHIR resource: it has no resourceType.")
                    .at(format!("Bundle.entry[{n}].resource")));
            };
            // What a search says about itself is no record.
            if ty == "OperationOutcome" {
                continue;
            }
            let url = entry.get_str("fullUrl").filter(|url| url.starts_with("urn:"));
            is_linked |= url.is_some();
            items.push(resource(format!("{place}#entry[{n}]"), node, &ty, url.as_deref())?);
        }
        if is_linked {
            // References inside the Bundle hold only while it is one transaction.
            let text = bundle("transaction", items.iter());
            let creates = items.iter().any(|item| item.creates);
            let item = Item::new(place.to_owned(), text, items.len() as u64, creates);
            return Ok(vec![Parcel::Transaction(item)]);
        }
        Ok(items.into_iter().filter_map(|item| self.add(item)).collect())
    }
}

/// Whether an entry of a Bundle creates under a new id each time it is sent.
fn creates(entry: Node<'_>) -> bool {
    let Some(request) = entry.get("request") else { return false };
    request.get_str("method").as_deref() == Some("POST") && request.get("ifNoneExist").is_none()
}

/// An entry that writes a resource: under its id when it has one.
fn resource(place: String, node: Node<'_>, ty: &str, url: Option<&str>) -> Result<Item> {
    let id = node.get_str("id");
    if let Some(id) = id.as_deref().filter(|id| !is_id(id)) {
        let shown: String = id.chars().take(64).collect();
        return Err(Error::invalid(format!("{} is no resource id.", quote(&shown))).at(format!("{ty}.id")));
    }
    let url = url.map_or(String::new(), |url| format!(r#""fullUrl":{},"#, quote(url)));
    let (method, target) = match &id {
        Some(id) => ("PUT", quote(&format!("{ty}/{id}"))),
        None => ("POST", quote(ty)),
    };
    let text =
        format!(r#"{{{url}"resource":{},"request":{{"method":"{method}","url":{target}}}}}"#, node.json());
    Ok(Item::new(place, text, 1, id.is_none()))
}

/// What an in-doubt item can be looked up by: `Type?identifier=system|value` of its creations. Empty
/// when there is none.
pub(super) fn probes(item: &Item) -> Vec<String> {
    /// A patient's identifier is decisive; a few more only make sure.
    const MAX_PROBES: usize = 20;
    let Ok(document) = json::parse(item.text.clone()) else { return Vec::new() };
    let root = document.root();
    let entries: Vec<_> = root.get("entry").map_or_else(|| vec![root], |list| list.items().collect());
    let created =
        entries.into_iter().filter(|entry| creates(*entry)).filter_map(|entry| entry.get("resource"));
    created.filter_map(probe).take(MAX_PROBES).collect()
}

fn probe(resource: Node<'_>) -> Option<String> {
    let ty = resource.resource_type()?;
    let full = resource.get("identifier")?.each().find_map(|identifier| {
        Some((identifier.get_str("system")?.into_owned(), identifier.get_str("value")?.into_owned()))
    });
    let (system, value) = full?;
    let escape =
        |text: String| text.replace('\\', "\\\\").replace('|', "\\|").replace(',', "\\,").replace('$', "\\$");
    let token = format!("{}|{}", escape(system), escape(value));
    Some(format!("{ty}?{}", crate::rest::url::encode_query([("identifier", token.as_str())])))
}
