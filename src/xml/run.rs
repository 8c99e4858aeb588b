//! Values of one element, as they stand one after another in XML, and the JSON members they become:
//! `name`, and for a primitive also `_name` with the ids and extensions.

use remit_spec::Element;

/// The values of one element that have been read so far.
pub(crate) struct Run {
    pub(crate) json_name: &'static str,
    /// The element's place in its type.
    pub(crate) place: usize,
    pub(crate) is_list: bool,
    /// How many values stand in XML.
    pub(crate) count: usize,
    /// Where the member begins in the JSON, with its comma.
    start: usize,
    /// How many of the values are not null.
    values: usize,
    /// The content of `_name`, without brackets, up to and without the values that have none.
    extras: Vec<u8>,
    extra_count: usize,
}

impl Run {
    /// Begins a member.
    pub(crate) fn open(json_name: &'static str, place: usize, element: &Element, out: &mut Vec<u8>) -> Run {
        let start = out.len();
        let is_list = element.is_list;
        member(json_name, "", out);
        if is_list {
            out.push(b'[');
        }
        Run { json_name, place, is_list, count: 0, start, values: 0, extras: Vec::new(), extra_count: 0 }
    }

    /// Begins a value.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) {
        if self.count > 0 {
            out.push(b',');
        }
        self.count += 1;
    }

    /// Notes that the value that was begun has been written.
    pub(crate) fn wrote_value(&mut self) {
        self.values += 1;
    }

    /// Takes the id and extensions of the value that was begun, a JSON object.
    pub(crate) fn extra(&mut self, object: impl Iterator<Item = u8>) {
        while self.extra_count + 1 < self.count {
            self.extras.extend_from_slice(if self.extra_count == 0 { b"null" } else { b",null" });
            self.extra_count += 1;
        }
        if self.extra_count > 0 {
            self.extras.push(b',');
        }
        self.extras.extend(object);
        self.extra_count += 1;
    }

    /// Ends the member, or takes it back when it holds no value, and adds that of the extras.
    pub(crate) fn close(mut self, out: &mut Vec<u8>) {
        if self.values == 0 {
            out.truncate(self.start);
        } else if self.is_list {
            out.push(b']');
        }
        if self.extra_count == 0 {
            return;
        }
        if self.values > 0 {
            // Both arrays are equally long.
            while self.extra_count < self.count {
                self.extras.extend_from_slice(b",null");
                self.extra_count += 1;
            }
        }
        member(self.json_name, "_", out);
        if self.is_list {
            out.push(b'[');
        }
        out.extend_from_slice(&self.extras);
        if self.is_list {
            out.push(b']');
        }
    }
}

/// Writes a member's name; names of elements need no escapes.
pub(crate) fn member(name: &str, mark: &str, out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(mark.as_bytes());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}
