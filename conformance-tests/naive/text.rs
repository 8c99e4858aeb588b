//! Texts: strings, names, addresses (<https://hl7.org/fhir/R4/search.html#string>), and the texts that
//! stand beside codes and references (<https://hl7.org/fhir/R4/search.html#modifiers>).

use super::Value;
use serde_json::Value as Json;

/// Letters with their marks, each group under the letter that is left without them.
const MARKED: [(char, &str); 12] = [
    ('a', "àáâãäåāăą"),
    ('c', "çćĉċč"),
    ('d', "ď"),
    ('e', "èéêëēĕėęě"),
    ('g', "ĝğġģ"),
    ('i', "ìíîïĩīĭį"),
    ('n', "ñńņň"),
    ('o', "òóôõöōŏő"),
    ('s', "śŝşš"),
    ('u', "ùúûüũūŭůűų"),
    ('y', "ýÿŷ"),
    ('z', "źżž"),
];

/// Punctuation, which does not count; symbols such as `+` do.
const PUNCTUATION: &str = "!\"#%&'()*,-./:;?@[\\]_{}¡§«¶·»¿‐‑‒–—―‘’‚“”„†‡•…‰′″‹›";

/// A text as it compares: without case, marks, punctuation and repeated white space.
pub(crate) fn fold(text: &str) -> String {
    let is_mark = |c: &char| ('\u{300}'..='\u{36F}').contains(c);
    let plain = |c: char| MARKED.iter().find(|(_, all)| all.contains(c)).map_or(c, |(base, _)| *base);
    let letters = text.chars().flat_map(char::to_lowercase).filter(|c| !is_mark(c)).map(plain);
    let text: String = letters.filter(|c| !PUNCTUATION.contains(*c)).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Folded words with a blank between; whatever is no letter or digit divides them.
pub(super) fn words(text: &str) -> String {
    let apart: String =
        text.chars().map(|c| if c.is_alphanumeric() || is_mark(c) { c } else { ' ' }).collect();
    fold(&apart)
}

fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36F}').contains(&c)
}

/// Whether a text or one of its words starts with another.
pub(super) fn has_words(text: &str, start: &str) -> bool {
    format!(" {}", words(text)).contains(&format!(" {}", words(start)))
}

fn each<'j>(json: &'j Json, name: &str) -> Vec<&'j str> {
    match &json[name] {
        Json::String(text) => vec![text],
        Json::Array(all) => all.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The texts of a value that a string parameter looks at.
pub(crate) fn strings(value: &Value) -> Vec<String> {
    let json = &value.json;
    let parts: &[&str] = match value.ty {
        "HumanName" => &["text", "family", "given", "prefix", "suffix"],
        "Address" => &["text", "line", "city", "district", "state", "country", "postalCode"],
        _ if json.is_object() => &["text"],
        _ => return json.as_str().map(str::to_owned).into_iter().collect(),
    };
    let mut all: Vec<String> = parts.iter().flat_map(|part| each(json, part)).map(str::to_owned).collect();
    let (given, family) = (each(json, "given"), each(json, "family"));
    if value.ty == "HumanName" && json["text"].is_null() && !given.is_empty() && !family.is_empty() {
        all.push([given, family].concat().join(" "));
    }
    all
}

/// The texts beside the codes of a value, or beside a reference.
pub(crate) fn beside(value: &Value) -> Vec<&str> {
    let json = &value.json;
    match value.ty {
        "CodeableConcept" => {
            let codings = json["coding"].as_array().map_or(&[][..], Vec::as_slice);
            let displays = codings.iter().filter_map(|coding| coding["display"].as_str());
            json["text"].as_str().into_iter().chain(displays).collect()
        }
        "Coding" | "Reference" => json["display"].as_str().into_iter().collect(),
        "Identifier" => json["type"]["text"].as_str().into_iter().collect(),
        _ => Vec::new(),
    }
}
