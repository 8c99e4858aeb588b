//! Definitions that R4 publishes and no binding needs: found in the embedded text when they are asked
//! for, and kept from then on. So they cost no memory until somebody uses them.
//! <https://hl7.org/fhir/R4/terminologies.html>

use std::collections::HashMap;
use std::sync::OnceLock;

/// How the text of every definition begins; no line inside of one begins so.
const START: &str = "{\"url\":\"";

/// A file of definitions, each of which begins a line with its URL.
#[derive(Debug)]
pub(crate) struct Published<T> {
    text: &'static str,
    places: OnceLock<HashMap<&'static str, Place<T>>>,
}

#[derive(Debug)]
struct Place<T> {
    text: &'static str,
    definition: Box<OnceLock<T>>,
}

impl<T> Published<T> {
    pub(crate) fn of(text: &'static str) -> Published<T> {
        Published { text, places: OnceLock::new() }
    }

    /// The definition with this URL; `read` takes it from its text.
    pub(crate) fn get(&self, url: &str, read: impl FnOnce(&'static str) -> T) -> Option<&T> {
        let place = self.places.get_or_init(|| places(self.text)).get(url)?;
        Some(place.definition.get_or_init(|| read(place.text)))
    }

    /// The URL of the definition whose first line holds this text.
    pub(crate) fn url_of_line_with(&self, needle: &str) -> Option<&'static str> {
        let mut heads = self.text.lines().filter(|line| line.starts_with(START));
        heads.find(|line| line.contains(needle)).and_then(url_of)
    }
}

/// The URL at the beginning of a definition; URLs hold no quotation marks.
fn url_of(text: &'static str) -> Option<&'static str> {
    text.strip_prefix(START)?.split('"').next()
}

fn places<T>(text: &'static str) -> HashMap<&'static str, Place<T>> {
    let after_line = text.match_indices("\n{\"url\":\"").map(|(at, _)| at + 1);
    let starts: Vec<usize> = std::iter::once(0).chain(after_line).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let parts = starts.iter().zip(ends).filter_map(|(start, end)| text.get(*start..end));
    let place = |text| Some((url_of(text)?, Place { text, definition: Box::default() }));
    parts.filter_map(place).collect()
}
