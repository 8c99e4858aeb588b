//! A segment of our own: what the models are read from and written to, free of any delimiters.

use crate::segment::{Element, Segment};

/// Marks between elements, repetitions and components. X12 forbids control characters in data.
const ELEMENT: char = '\u{1d}';
const REPEAT: char = '\u{1e}';
const COMPONENT: char = '\u{1f}';

/// An owned segment.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Raw(String);

impl Raw {
    /// A segment without elements.
    pub fn new(id: &str) -> Raw {
        Raw(id.to_owned())
    }

    /// A segment of a file. Bytes that are not UTF-8 and control characters are replaced.
    pub fn of(segment: &Segment<'_>) -> Raw {
        if let Some(raw) = Raw::plain(segment) {
            return raw;
        }
        let mut raw = Raw::new(&segment.name());
        for element in segment.elements() {
            raw.0.push(ELEMENT);
            for (n, repeat) in element.repeats().enumerate() {
                if n > 0 {
                    raw.0.push(REPEAT);
                }
                raw.components(repeat);
            }
        }
        raw.trimmed()
    }

    /// The common case: ASCII without control characters, no repetitions, no component left empty at an end.
    fn plain(segment: &Segment<'_>) -> Option<Raw> {
        let marks = segment.delimiters();
        let mut text = Vec::with_capacity(segment.text().len());
        let mut is_identifier = true;
        for byte in segment.text() {
            if *byte == marks.element {
                if text.last() == Some(&(COMPONENT as u8)) {
                    return None;
                }
                is_identifier = false;
                text.push(ELEMENT as u8);
            } else if is_identifier {
                if !byte.is_ascii_alphanumeric() {
                    return None;
                }
                text.push(*byte);
            } else if *byte == marks.component {
                text.push(COMPONENT as u8);
            } else if !(b' '..0x7f).contains(byte) || Some(*byte) == marks.repetition {
                return None;
            } else {
                text.push(*byte);
            }
        }
        if text.last() == Some(&(COMPONENT as u8)) {
            return None;
        }
        Some(Raw(String::from_utf8(text).ok()?).trimmed())
    }

    fn components(&mut self, repeat: Element<'_>) {
        let start = self.0.len();
        for (n, component) in repeat.components().enumerate() {
            if n > 0 {
                self.0.push(COMPONENT);
            }
            for c in String::from_utf8_lossy(component.bytes()).chars() {
                self.0.push(if matches!(c, ELEMENT | REPEAT | COMPONENT) { '\u{fffd}' } else { c });
            }
        }
        let length = self.0[start..].trim_end_matches(COMPONENT).len();
        self.0.truncate(start + length);
    }

    /// The same with one element more.
    #[must_use]
    pub fn with(mut self, value: impl AsRef<str>) -> Raw {
        self.0.push(ELEMENT);
        self.0.push_str(value.as_ref());
        self
    }

    /// The same with one element more, which may be absent.
    #[must_use]
    pub fn with_option(self, value: Option<impl AsRef<str>>) -> Raw {
        match value {
            Some(value) => self.with(value),
            None => self.with(""),
        }
    }

    /// The same with one composite more.
    #[must_use]
    pub fn with_composite<S: AsRef<str>>(mut self, components: impl IntoIterator<Item = S>) -> Raw {
        self.0.push(ELEMENT);
        let start = self.0.len();
        for (n, component) in components.into_iter().enumerate() {
            if n > 0 {
                self.0.push(COMPONENT);
            }
            self.0.push_str(component.as_ref());
        }
        let length = self.0[start..].trim_end_matches(COMPONENT).len();
        self.0.truncate(start + length);
        self
    }

    /// The same with empty elements more.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Raw {
        self.0.extend(std::iter::repeat_n(ELEMENT, count));
        self
    }

    /// The same without empty elements at the end.
    #[must_use]
    pub fn trimmed(mut self) -> Raw {
        let length = self.0.trim_end_matches(ELEMENT).len();
        self.0.truncate(length);
        self
    }

    /// `CLM`.
    pub fn id(&self) -> &str {
        let end = self.0.bytes().position(|byte| byte == ELEMENT as u8);
        &self.0[..end.unwrap_or(self.0.len())]
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.0.bytes().filter(|byte| *byte == ELEMENT as u8).count()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element `n`, from 1; empty where absent.
    pub fn element(&self, n: usize) -> &str {
        if n == 0 {
            return "";
        }
        // Segments are short: a walk over their bytes beats a search that starts anew for each mark.
        let (mut count, mut start) = (0, 0);
        for (at, byte) in self.0.bytes().enumerate() {
            if byte == ELEMENT as u8 {
                if count == n {
                    return &self.0[start..at];
                }
                count += 1;
                start = at + 1;
            }
        }
        if count == n { &self.0[start..] } else { "" }
    }

    /// Element `n` unless it is empty.
    pub fn option(&self, n: usize) -> Option<String> {
        Some(self.element(n)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Component `m` of element `n`, both from 1.
    pub fn component(&self, n: usize, m: usize) -> &str {
        let first = self.element(n).split(REPEAT).next().unwrap_or_default();
        if m == 0 { "" } else { first.split(COMPONENT).nth(m - 1).unwrap_or_default() }
    }

    /// Components of element `n`.
    pub fn composite(&self, n: usize) -> Vec<String> {
        let text = self.element(n);
        if text.is_empty() { Vec::new() } else { text.split(COMPONENT).map(str::to_owned).collect() }
    }

    /// The value that tells the entry of a guide.
    pub(crate) fn key(&self) -> &str {
        match crate::guide::key_place(self.id().as_bytes()) {
            (n, 0) => self.element(n),
            (n, m) => self.component(n, m),
        }
    }

    /// Characters, marks told apart: for the writer.
    pub(crate) fn marks(&self) -> impl Iterator<Item = Mark> + '_ {
        self.0.chars().map(|c| match c {
            ELEMENT => Mark::Element,
            REPEAT => Mark::Repeat,
            COMPONENT => Mark::Component,
            c => Mark::Char(c),
        })
    }
}

/// A character of a raw segment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Element,
    Repeat,
    Component,
    Char(char),
}

/// `CLM*A1*150`, for people; delimiters are the usual ones.
impl std::fmt::Display for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.marks().map(|mark| match mark {
            Mark::Element => '*',
            Mark::Repeat => '^',
            Mark::Component => ':',
            Mark::Char(c) => c,
        });
        f.write_str(&shown.collect::<String>())
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delimiters::Delimiters;

    #[test]
    fn a_raw_segment_has_the_elements_of_the_file() {
        let text = b"CLM*A1*150***11:B:1::*Y**";
        let raw = Raw::of(&Segment::new(text, text.len(), Delimiters::default(), 0));
        assert_eq!(raw.to_string(), "CLM*A1*150***11:B:1*Y");
        assert_eq!((raw.id(), raw.element(2), raw.component(5, 3), raw.element(9)), ("CLM", "150", "1", ""));
        let same =
            Raw::new("CLM").with("A1").with("150").skip(2).with_composite(["11", "B", "1", ""]).with("Y");
        assert_eq!(raw, same.skip(2).trimmed());
    }
}
