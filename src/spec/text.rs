//! Text of the embedded data, borrowed where it holds no escape.

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A text that lives as long as the program. An escaped one is copied and kept; the data is loaded
/// once, so what is kept is bounded by its size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Text(pub(crate) &'static str);

impl<'de: 'static> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        struct Borrow;
        impl<'de: 'static> Visitor<'de> for Borrow {
            type Value = Text;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text, E> {
                Ok(Text(text))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(keep(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

/// Keeps a text for as long as the program runs.
pub(crate) fn keep(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// The texts of a list.
pub(crate) fn texts(list: Vec<Text>) -> Box<[&'static str]> {
    list.into_iter().map(|text| text.0).collect()
}
