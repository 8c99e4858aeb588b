//! The four delimiters of an interchange, as its ISA declares them
//! (<https://x12.org/>, control structure X12.5).
//!
//! ISA is 106 bytes: the element separator stands at byte 3, the repetition separator at 82 (ISA11), the
//! component separator at 104 (ISA16), the segment terminator at 105. An ISA whose elements are not
//! padded is read by counting separators, and reported.

/// Bytes of an ISA with its terminator.
pub const ISA_BYTES: usize = 106;

/// Places of the element separators in an ISA.
const SEPARATORS: [usize; 16] = [3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103];

/// Bytes that an unpadded or overlong ISA may have at most.
const MAX_ISA_BYTES: usize = 512;

/// The delimiters of one interchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delimiters {
    /// Between elements.
    pub element: u8,
    /// Between components of a composite.
    pub component: u8,
    /// Between repetitions; `None` where ISA11 is no separator (versions before 00402 have `U` there).
    pub repetition: Option<u8>,
    /// After each segment.
    pub terminator: u8,
}

impl Default for Delimiters {
    fn default() -> Delimiters {
        Delimiters { element: b'*', component: b':', repetition: Some(b'^'), terminator: b'~' }
    }
}

/// What the beginning of an interchange says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// More bytes are needed to tell.
    Incomplete,
    /// Not an ISA that can be read, and why.
    Broken(&'static str),
    /// The delimiters, and whether all elements have the width they must have.
    Read(Delimiters, Width),
}

/// Whether the elements of an ISA are padded as they must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// 106 bytes, every separator in its place.
    Fixed,
    /// Separators had to be counted.
    Counted,
}

impl Delimiters {
    /// Whether a byte is one of the four.
    pub fn contain(&self, byte: u8) -> bool {
        byte == self.element
            || byte == self.component
            || byte == self.terminator
            || self.repetition == Some(byte)
    }

    /// Whether the four differ and none is a letter, a digit or a space.
    pub fn are_usable(&self) -> bool {
        let all = [Some(self.element), Some(self.component), self.repetition, Some(self.terminator)];
        let set: Vec<u8> = all.into_iter().flatten().collect();
        let differ = set.iter().enumerate().all(|(i, a)| !set[..i].contains(a));
        differ && set.iter().all(|b| !b.is_ascii_alphanumeric() && *b != b' ')
    }

    /// Whether all are ASCII: only such can be told from parts of longer characters.
    pub fn are_ascii(&self) -> bool {
        let all = [self.element, self.component, self.terminator, self.repetition.unwrap_or(b'^')];
        all.is_ascii()
    }

    /// Reads them from text that begins with `ISA`. `is_all` says that no more bytes will come.
    pub fn read(text: &[u8], is_all: bool) -> Header {
        if text.len() < 4 {
            return if is_all { Header::Broken("the ISA segment is cut off") } else { Header::Incomplete };
        }
        let element = text[3];
        let is_fixed = text.len() >= ISA_BYTES && SEPARATORS.iter().all(|at| text[*at] == element);
        let (repetition_at, component_at, width) = if is_fixed {
            (82, 104, Width::Fixed)
        } else {
            match counted(text, element) {
                Some((repetition, component)) => (repetition, component, Width::Counted),
                None if !is_all && text.len() < MAX_ISA_BYTES => return Header::Incomplete,
                None => return Header::Broken("the ISA segment has not its 16 elements"),
            }
        };
        let mark = text[repetition_at];
        let delimiters = Delimiters {
            element,
            component: text[component_at],
            repetition: (!mark.is_ascii_alphanumeric() && mark != b' ').then_some(mark),
            terminator: text[component_at + 1],
        };
        match delimiters.are_usable() {
            true => Header::Read(delimiters, width),
            false => Header::Broken("the delimiters in ISA are not four different marks"),
        }
    }
}

/// Places of ISA11 and ISA16, found by counting separators.
fn counted(text: &[u8], element: u8) -> Option<(usize, usize)> {
    let head = &text[..text.len().min(MAX_ISA_BYTES)];
    let places: Vec<usize> = memchr::memchr_iter(element, head).take(16).collect();
    let (eleventh, last) = (*places.get(10)?, *places.get(15)?);
    // ISA16 is one byte and the terminator follows it.
    (last + 2 < text.len()).then_some((eleventh + 1, last + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISA: &str = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       \
                       *260131*2330*^*00501*000000001*0*T*:~";

    fn read(text: &str) -> Header {
        Delimiters::read(text.as_bytes(), true)
    }

    #[test]
    fn delimiters_stand_at_fixed_places() {
        assert_eq!(ISA.len(), ISA_BYTES);
        assert_eq!(read(ISA), Header::Read(Delimiters::default(), Width::Fixed));
        let other = ISA.replace('*', "|").replace('^', "!").replace(':', ">").replace('~', "\n");
        let expected =
            Delimiters { element: b'|', component: b'>', repetition: Some(b'!'), terminator: b'\n' };
        assert_eq!(read(&other), Header::Read(expected, Width::Fixed));
    }

    #[test]
    fn an_old_standards_identifier_is_no_repetition_separator() {
        let expected = Delimiters { repetition: None, ..Delimiters::default() };
        assert_eq!(read(&ISA.replace('^', "U")), Header::Read(expected, Width::Fixed));
    }

    #[test]
    fn elements_without_padding_are_counted() {
        let text = ISA.replace("SENDER         ", "SENDER") + "GS*";
        assert_eq!(read(&text), Header::Read(Delimiters::default(), Width::Counted));
    }

    #[test]
    fn broken_headers_are_refused_and_short_ones_wait() {
        for text in ["IS", "ISA*00*~", &ISA[..104], &ISA.replace(':', "*"), &ISA.replace('~', "A")] {
            assert!(matches!(read(text), Header::Broken(_)), "{text}");
        }
        for length in [0, 3, 50, 105] {
            assert_eq!(Delimiters::read(&ISA.as_bytes()[..length], false), Header::Incomplete);
        }
    }
}
