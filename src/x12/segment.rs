//! A segment as it stands in the file: borrowed bytes, split only when asked, with the place of every
//! element.

use crate::delimiters::Delimiters;

/// One segment of an interchange.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Text, terminator and the line breaks behind it, to the byte.
    whole: &'a [u8],
    /// Length of the text alone.
    length: u32,
    /// Delimiters of the interchange.
    delimiters: Delimiters,
    /// Byte of the file at which it begins.
    offset: u64,
}

/// One element, which may be repeated and composed.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    text: &'a [u8],
    delimiters: Delimiters,
    /// Byte of the file at which it begins.
    pub offset: u64,
}

impl<'a> Segment<'a> {
    /// A segment of `length` bytes of text at the beginning of `whole`.
    pub(crate) fn new(whole: &'a [u8], length: usize, delimiters: Delimiters, offset: u64) -> Segment<'a> {
        // Callers bound segments by `MAX_SEGMENT_BYTES`; what is longer is cut for reading alone.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Segment { whole, length, delimiters, offset }
    }

    /// The text without its terminator.
    pub fn text(&self) -> &'a [u8] {
        &self.whole[..self.length as usize]
    }

    /// Text, terminator and line breaks: concatenated, segments give the file again.
    pub fn whole(&self) -> &'a [u8] {
        self.whole
    }

    /// Byte of the file at which the segment begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Delimiters of its interchange.
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// Its identifier, `CLM`.
    pub fn id(&self) -> &'a [u8] {
        let text = self.text();
        // Identifiers have two or three letters: looking at these bytes is faster than a search.
        let end = text.iter().take(4).position(|b| *b == self.delimiters.element);
        match end {
            Some(end) => &text[..end],
            None => match memchr::memchr(self.delimiters.element, text) {
                Some(end) => &text[..end],
                None => text,
            },
        }
    }

    /// Its identifier as text; what is not ASCII is shown as a question mark.
    pub fn name(&self) -> String {
        quoted(self.id())
    }

    /// Elements after the identifier: the first is element 1.
    pub fn elements(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let (text, delimiters, offset) = (self.text(), self.delimiters, self.offset);
        let mut next = memchr::memchr(delimiters.element, text).map(|end| end + 1);
        std::iter::from_fn(move || {
            let start = next?;
            let end = memchr::memchr(delimiters.element, &text[start..]).map(|length| start + length);
            next = end.map(|end| end + 1);
            let text = &text[start..end.unwrap_or(text.len())];
            Some(Element { text, delimiters, offset: offset + start as u64 })
        })
    }

    /// Element `n`, counted from 1; empty where it is absent.
    pub fn element(&self, n: usize) -> Element<'a> {
        let absent =
            Element { text: &[], delimiters: self.delimiters, offset: self.offset + u64::from(self.length) };
        n.checked_sub(1).and_then(|n| self.elements().nth(n)).unwrap_or(absent)
    }

    /// Bytes of element `n`.
    pub fn bytes(&self, n: usize) -> &'a [u8] {
        self.element(n).text
    }

    /// Element `n` as text.
    pub fn string(&self, n: usize) -> String {
        self.element(n).string()
    }
}

impl<'a> Element<'a> {
    /// The text of all repetitions and components.
    pub fn bytes(&self) -> &'a [u8] {
        self.text
    }

    /// The text; bytes that are not UTF-8 are replaced.
    pub fn string(&self) -> String {
        String::from_utf8_lossy(self.text).into_owned()
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Repetitions; an empty element has one, which is empty.
    pub fn repeats(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        split(*self, self.delimiters.repetition)
    }

    /// Components; a simple element has one.
    pub fn components(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        split(*self, Some(self.delimiters.component))
    }

    /// Whether there is a component separator in it.
    pub(crate) fn has_components(&self) -> bool {
        self.text.contains(&self.delimiters.component)
    }

    /// Component `n` of the first repetition, counted from 1; empty where it is absent.
    pub fn component(&self, n: usize) -> Element<'a> {
        let first = self.repeats().next().unwrap_or(*self);
        let absent = Element { text: &[], ..*self };
        n.checked_sub(1).and_then(|n| first.components().nth(n)).unwrap_or(absent)
    }
}

/// The parts of an element between marks, with their places.
fn split<'a>(element: Element<'a>, mark: Option<u8>) -> impl Iterator<Item = Element<'a>> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let start = next?;
        let rest = &element.text[start..];
        let end = mark.and_then(|mark| memchr::memchr(mark, rest));
        next = end.map(|end| start + end + 1);
        let text = &rest[..end.unwrap_or(rest.len())];
        Some(Element { text, offset: element.offset + start as u64, ..element })
    })
}

/// Bytes of a file in a sentence or an acknowledgement: short, printable, never longer than the limit.
pub fn quoted(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(crate::limits::MAX_QUOTED_BYTES);
    shown.map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(text: &str) -> Segment<'_> {
        Segment::new(text.as_bytes(), text.len(), Delimiters::default(), 1000)
    }

    #[test]
    fn elements_know_their_bytes_and_places() {
        let clm = segment("CLM*A1*150***11:B:1*Y");
        assert_eq!(clm.id(), b"CLM");
        assert_eq!(clm.string(2), "150");
        assert_eq!(clm.element(2).offset, 1007);
        assert!(clm.element(3).is_empty());
        assert!(clm.element(99).is_empty());
        assert!(clm.element(0).is_empty());
        assert_eq!(clm.element(5).component(2).string(), "B");
        assert_eq!(clm.element(5).component(2).offset, 1016);
        assert!(clm.element(5).component(9).is_empty());
        assert_eq!(clm.elements().count(), 6);
    }

    #[test]
    fn repetitions_are_split_before_components() {
        let dmg = segment("DMG*D8*19800101*F**:RET:1^:RET:2");
        let repeats: Vec<_> = dmg.element(5).repeats().map(|r| r.component(3).string()).collect();
        assert_eq!(repeats, ["1", "2"]);
    }

    #[test]
    fn a_segment_may_be_only_an_identifier_or_nothing() {
        assert_eq!(segment("XX").id(), b"XX");
        assert_eq!(segment("").elements().count(), 0);
        assert_eq!(segment("LONGNAME*1").id(), b"LONGNAME");
    }
}
