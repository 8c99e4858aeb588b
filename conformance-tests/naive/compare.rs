//! One value of a resource against one value of a search: tokens, references, URIs, composites
//! (<https://hl7.org/fhir/R4/search.html#ptypes>).

use super::{Value, World, components, date, near, number, quantity, text, type_named};
use remit_spec::{Definitions, SearchKind, SearchParameter};
use serde_json::Value as Json;

/// Elements of type `code` with the system that their value set takes all codes from.
const SYSTEMS: [(&str, &str, &str); 10] = [
    ("Patient", "gender", "http://hl7.org/fhir/administrative-gender"),
    ("Practitioner", "gender", "http://hl7.org/fhir/administrative-gender"),
    ("Observation", "status", "http://hl7.org/fhir/observation-status"),
    ("RiskAssessment", "status", "http://hl7.org/fhir/observation-status"),
    ("Encounter", "status", "http://hl7.org/fhir/encounter-status"),
    ("ServiceRequest", "status", "http://hl7.org/fhir/request-status"),
    ("ServiceRequest", "intent", "http://hl7.org/fhir/request-intent"),
    ("ValueSet", "status", "http://hl7.org/fhir/publication-status"),
    ("Invoice", "status", "http://hl7.org/fhir/invoice-status"),
    ("Group", "type", "http://hl7.org/fhir/group-type"),
];

/// The system of the codes of a parameter whose element says none.
pub(super) fn implicit_system(parameter: &SearchParameter) -> &'static str {
    let base = Definitions::r4().name(parameter.base);
    let known = SYSTEMS.iter().find(|(ty, code, _)| *ty == base && *code == parameter.code);
    known.map_or("", |(.., system)| system)
}

/// A modifier; the name of a type stands for itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Modifier<'t> {
    None,
    Missing,
    Exact,
    Contains,
    Not,
    Identifier,
    Text,
    CodeText,
    OfType,
    Above,
    Below,
    In,
    NotIn,
    Type(&'t str),
}

impl Modifier<'_> {
    pub(super) fn named(name: &str) -> Modifier<'_> {
        match name {
            "" => Modifier::None,
            "missing" => Modifier::Missing,
            "exact" => Modifier::Exact,
            "contains" => Modifier::Contains,
            "not" => Modifier::Not,
            "identifier" => Modifier::Identifier,
            "text" => Modifier::Text,
            "code-text" => Modifier::CodeText,
            "of-type" => Modifier::OfType,
            "above" => Modifier::Above,
            "below" => Modifier::Below,
            "in" => Modifier::In,
            "not-in" => Modifier::NotIn,
            ty => Modifier::Type(ty),
        }
    }
}

/// Splits where no backslash stands before (<https://hl7.org/fhir/R4/search.html#escaping>).
pub(crate) fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_escaped = false;
    text.split(move |c| {
        let is_here = c == separator && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_here
    })
}

pub(crate) fn unescape(text: &str) -> String {
    let mut chars = text.chars();
    std::iter::from_fn(|| match chars.next()? {
        '\\' => chars.next(),
        c => Some(c),
    })
    .collect()
}

/// Writes a value so that no character of it separates anything.
pub(crate) fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if matches!(c, '\\' | ',' | '|' | '$') {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// System and code of each token in a value; both may be empty, but never together.
pub(crate) fn tokens(value: &Value, implicit: &str) -> Vec<(String, String)> {
    let json = &value.json;
    let text = |json: &Json, name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let all = match value.ty {
        "CodeableConcept" => {
            let codings = json["coding"].as_array().map_or(&[][..], Vec::as_slice);
            codings.iter().map(|coding| (text(coding, "system"), text(coding, "code"))).collect()
        }
        "Coding" => vec![(text(json, "system"), text(json, "code"))],
        "Identifier" => vec![(text(json, "system"), text(json, "value"))],
        "ContactPoint" => vec![(String::new(), text(json, "value"))],
        _ => match json {
            Json::String(code) => vec![(implicit.to_owned(), code.clone())],
            Json::Bool(truth) => vec![(String::new(), truth.to_string())],
            _ => Vec::new(),
        },
    };
    all.into_iter().filter(|(system, code)| !(system.is_empty() && code.is_empty())).collect()
}

/// Whether a token is the one searched for. Codes that are strings have no letter case.
fn is_token((system, code): &(String, String), text: &str, is_string: bool) -> bool {
    let is_code = |searched: &str| match is_string {
        true => code.to_lowercase() == searched.to_lowercase(),
        false => code == searched,
    };
    let parts: Vec<String> = split(text, '|').map(unescape).collect();
    match &parts[..] {
        [searched] => is_code(searched),
        [of, searched] if searched.is_empty() => system == of,
        [of, searched] => system == of && is_code(searched),
        _ => panic!("{text} is no token"),
    }
}

/// Whether a Reference can be found by anything: its address, its identifier or its text.
pub(super) fn is_reference(value: &Value) -> bool {
    let json = &value.json;
    json["reference"].as_str().is_some_and(|text| !text.starts_with('#'))
        || json["identifier"]["value"].is_string()
        || text::beside(value).iter().any(|t| !text::words(t).is_empty())
}

/// Whether a value is a reference by an address.
pub(super) fn is_literal(value: &Value) -> bool {
    value.ty != "Reference" || value.json["reference"].is_string()
}

/// One of the values that a comma separates, with what it is compared by.
#[derive(Clone, Copy)]
pub(super) struct Alternative<'w, 't> {
    pub(super) world: &'w World,
    pub(super) parameter: &'static SearchParameter,
    pub(super) modifier: Modifier<'t>,
    pub(super) text: &'t str,
}

impl Alternative<'_, '_> {
    pub(super) fn holds(&self, value: &Value) -> bool {
        let text = unescape(self.text);
        match self.parameter.kind {
            SearchKind::Token => self.is_token(value),
            SearchKind::Reference => self.is_reference(value),
            SearchKind::Uri => self.is_uri(value, &text),
            SearchKind::String => self.is_string(value, &text),
            SearchKind::Date => date::of(value).is_some_and(|(low, high)| {
                let search = date::Search::parse(&text, self.world.now.get());
                search.unwrap_or_else(|| panic!("{text} is no date")).holds(low, high)
            }),
            SearchKind::Number => number::of(value).is_some_and(|range| {
                let search = number::Search::parse(&text).unwrap_or_else(|| panic!("{text} is no number"));
                search.holds(range, |number| number)
            }),
            SearchKind::Quantity => quantity::holds(value, self.text),
            SearchKind::Composite => self.is_composite(value),
            SearchKind::Special => near::holds(value, self.text),
        }
    }

    fn is_token(&self, value: &Value) -> bool {
        let plain = unescape(self.text);
        let all = tokens(value, implicit_system(self.parameter));
        match self.modifier {
            Modifier::Text => text::beside(value).iter().any(|t| text::has_words(t, &plain)),
            Modifier::CodeText => {
                let start = plain.to_ascii_lowercase();
                all.iter().any(|(_, code)| !code.is_empty() && code.to_ascii_lowercase().starts_with(&start))
            }
            Modifier::OfType => is_of_type(value, self.text),
            Modifier::In | Modifier::NotIn => {
                let is_plain = self.is_plain(value);
                all.iter().any(|(system, code)| {
                    let system = (!is_plain).then_some(&**system);
                    system != Some("") && self.world.is_in(&plain, system, code)
                })
            }
            Modifier::Above | Modifier::Below => {
                let parts: Vec<String> = split(self.text, '|').map(unescape).collect();
                let [of, searched] = &parts[..] else { panic!("{plain} is no place in a system") };
                let is_plain = self.is_plain(value);
                all.iter().filter(|(system, _)| system == of || is_plain).any(|(_, code)| {
                    match self.modifier {
                        Modifier::Below => self.world.is_a(of, code, searched),
                        _ => self.world.is_a(of, searched, code),
                    }
                })
            }
            _ => all.iter().any(|token| is_token(token, self.text, value.ty == "string")),
        }
    }

    /// Whether there is no element for the system; a coding without a system is another matter.
    fn is_plain(&self, value: &Value) -> bool {
        let (base, code) = (Definitions::r4().name(self.parameter.base), self.parameter.code);
        value.ty == "boolean" || (base, code) == ("ValueSet", "code")
    }

    /// Whether one of the tokens of a value is another than the one searched for.
    pub(super) fn is_unlike(&self, value: &Value) -> bool {
        let all = tokens(value, implicit_system(self.parameter));
        all.iter().any(|token| !is_token(token, self.text, value.ty == "string"))
    }

    fn is_string(&self, value: &Value, searched: &str) -> bool {
        let folded = text::fold(searched);
        text::strings(value).iter().any(|text| match self.modifier {
            Modifier::Exact => text == searched,
            Modifier::Contains => text::fold(text).contains(&folded),
            _ => text::fold(text).starts_with(&folded),
        })
    }

    fn is_uri(&self, value: &Value, searched: &str) -> bool {
        let Some(uri) = value.json.as_str() else { return false };
        let is_below = |uri: &str, above: &str| {
            let (uri, above) = (uri.trim_end_matches('/'), above.trim_end_matches('/'));
            uri.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        canonical(value, uri).into_iter().any(|uri| match self.modifier {
            Modifier::Below => is_below(uri, searched),
            Modifier::Above => uri.contains("://") && is_below(searched, uri),
            _ => uri == searched,
        })
    }

    fn is_reference(&self, value: &Value) -> bool {
        let plain = unescape(self.text);
        match self.modifier {
            Modifier::Text => return text::beside(value).iter().any(|t| text::has_words(t, &plain)),
            Modifier::Identifier => {
                let identifier = &value.json["identifier"];
                let text = |name: &str| identifier[name].as_str().unwrap_or_default().to_owned();
                return !text("value").is_empty()
                    && is_token(&(text("system"), text("value")), self.text, false);
            }
            _ => {}
        }
        let text = if value.ty == "Reference" { &value.json["reference"] } else { &value.json };
        let Some(text) = text.as_str() else { return false };
        let found = self.world.local(text);
        match (self.world.local(&plain), found) {
            (Some(searched), Some(found)) => searched == found && self.is_of_type(&found),
            (None, Some(found)) => {
                found.split_once('/').is_some_and(|(_, id)| id == plain) && self.is_of_type(&found)
            }
            (None, None) => canonical(value, text).contains(&&*plain) && self.is_of_type_elsewhere(text),
            (Some(_), None) => false,
        }
    }

    /// Whether the modifier, or else the parameter, allows the type of a reference.
    fn is_of_type(&self, found: &str) -> bool {
        let ty = found.split('/').next().unwrap_or_default();
        match self.modifier {
            Modifier::Type(only) => ty == only,
            _ if self.text.contains('/') => true,
            _ => self.parameter.targets.is_empty() || self.parameter.targets.contains(&type_named(ty)),
        }
    }

    /// Whether the modifier allows the type that a URL elsewhere says, if it says one.
    fn is_of_type_elsewhere(&self, url: &str) -> bool {
        let Modifier::Type(only) = self.modifier else { return true };
        let ty = url.rsplit('/').nth(1).and_then(|name| Definitions::r4().resource_named(name));
        ty.is_none_or(|ty| ty == type_named(only))
    }

    /// All parts hold of values of the same element.
    fn is_composite(&self, element: &Value) -> bool {
        let texts: Vec<&str> = split(self.text, '$').collect();
        let parts = components(self.parameter);
        assert_eq!(texts.len(), parts.len(), "{}", self.text);
        texts.iter().zip(parts).zip(&element.parts).all(|((text, parameter), values)| {
            let part = Alternative { parameter, modifier: Modifier::None, text, ..*self };
            values.iter().any(|value| part.holds(value))
        })
    }
}

/// A canonical with a version is found with it and without.
fn canonical<'u>(value: &Value, uri: &'u str) -> Vec<&'u str> {
    let bare = uri.split_once('|').map(|(url, _)| url).filter(|_| value.ty == "canonical");
    std::iter::once(uri).chain(bare).collect()
}

/// `system|code|value`: an identifier by its type.
fn is_of_type(value: &Value, text: &str) -> bool {
    let parts: Vec<String> = split(text, '|').map(unescape).collect();
    let codings = value.json["type"]["coding"].as_array().map_or(&[][..], Vec::as_slice);
    value.json["value"].as_str() == Some(&parts[2])
        && codings
            .iter()
            .any(|c| c["system"].as_str() == Some(&parts[0]) && c["code"].as_str() == Some(&parts[1]))
}
