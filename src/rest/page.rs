//! Pages of results: the text of a Bundle of type searchset or history, joined from stored texts
//! (<https://hl7.org/fhir/R4/bundle.html>).
//!
//! Nothing is parsed: a stored resource goes from the database into the answer as it is.

use bytes::Bytes;
use remit_fhir::json::quote;

/// A Bundle that grows.
pub(crate) struct Page {
    text: Vec<u8>,
    entries: usize,
}

/// Room for what stands around the resource in one entry.
const ENTRY_OVERHEAD: usize = 200;

impl Page {
    /// A page with its links. `room` is the size of the resources that follow.
    pub(crate) fn new(kind: &str, total: Option<u64>, links: &[(&str, String)], room: usize) -> Page {
        let mut text = Vec::with_capacity(room + 512);
        text.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"id\":\"");
        text.extend_from_slice(uuid::Uuid::new_v4().to_string().as_bytes());
        text.extend_from_slice(b"\",\"type\":\"");
        text.extend_from_slice(kind.as_bytes());
        text.push(b'"');
        if let Some(total) = total {
            text.extend_from_slice(format!(",\"total\":{total}").as_bytes());
        }
        text.extend_from_slice(b",\"link\":[");
        for (n, (relation, url)) in links.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            let link = format!("{comma}{{\"relation\":\"{relation}\",\"url\":{}}}", quote(url));
            text.extend_from_slice(link.as_bytes());
        }
        text.push(b']');
        Page { text, entries: 0 }
    }

    /// How much room an entry with this resource takes.
    pub(crate) fn room(resource: Option<&Bytes>) -> usize {
        resource.map_or(0, Bytes::len) + ENTRY_OVERHEAD
    }

    /// Adds an entry. `rest` is JSON members after the resource, without a leading comma.
    pub(crate) fn entry(&mut self, full_url: Option<[&str; 5]>, resource: Option<&[u8]>, rest: &[&str]) {
        self.text.extend_from_slice(if self.entries == 0 { b",\"entry\":[" } else { b"," });
        self.entries += 1;
        self.text.push(b'{');
        if let Some(parts) = full_url {
            self.text.extend_from_slice(b"\"fullUrl\":\"");
            for part in parts {
                self.text.extend_from_slice(part.as_bytes());
            }
            self.text.extend_from_slice(b"\",");
        }
        if let Some(resource) = resource {
            self.text.extend_from_slice(b"\"resource\":");
            self.text.extend_from_slice(resource);
            self.text.push(b',');
        }
        for part in rest {
            self.text.extend_from_slice(part.as_bytes());
        }
        self.text.push(b'}');
    }

    /// The finished Bundle.
    pub(crate) fn finish(mut self) -> Bytes {
        if self.entries > 0 {
            self.text.push(b']');
        }
        self.text.push(b'}');
        Bytes::from(self.text)
    }
}
