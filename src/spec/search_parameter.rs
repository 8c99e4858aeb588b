//! Search parameters, each as it applies to one base type.
//! <https://hl7.org/fhir/R4/searchparameter.html>

use crate::types::TypeId;

/// One SearchParameter on one base type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SearchParameterId(pub(crate) u16);

/// The type of a search parameter. <https://hl7.org/fhir/R4/search.html#ptypes>
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SearchKind {
    /// A number.
    Number,
    /// A date, a time or a period.
    Date,
    /// Text.
    String,
    /// A code, an identifier, a boolean.
    Token,
    /// A reference to another resource.
    Reference,
    /// Several values that belong together.
    Composite,
    /// A number with a unit.
    Quantity,
    /// A URI.
    Uri,
    /// Its own rules: `near`, `_filter`.
    Special,
}

impl SearchKind {
    /// The code in `SearchParameter.type`.
    pub fn code(self) -> &'static str {
        match self {
            SearchKind::Number => "number",
            SearchKind::Date => "date",
            SearchKind::String => "string",
            SearchKind::Token => "token",
            SearchKind::Reference => "reference",
            SearchKind::Composite => "composite",
            SearchKind::Quantity => "quantity",
            SearchKind::Uri => "uri",
            SearchKind::Special => "special",
        }
    }
}

/// A search parameter on one base type. One definition on several types is one value for each.
#[derive(Debug)]
pub struct SearchParameter {
    /// The canonical URL of the definition.
    pub url: &'static str,
    /// The name in a query: `birthdate`, `_id`.
    pub code: &'static str,
    /// What kind of values it compares.
    pub kind: SearchKind,
    /// The type that it is on. `Resource` and `DomainResource` stand for all that descend from them.
    pub base: TypeId,
    /// The FHIRPath expression, only the alternatives for `base`. `None` for `_text`, `_content`, `_query`.
    pub expression: Option<&'static str>,
    /// What a reference may point to.
    pub targets: Box<[TypeId]>,
    /// The parts of a composite, in order.
    pub components: Box<[SearchComponent]>,
    /// Several values in one parameter are alternatives; `None` where the definition does not say.
    pub multiple_or: Option<bool>,
    /// The parameter may be repeated; `None` where the definition does not say.
    pub multiple_and: Option<bool>,
    /// The prefixes that the definition lists: `eq`, `gt`.
    pub comparators: Box<[&'static str]>,
    /// The modifiers that the definition lists; empty leaves it to the kind.
    pub modifiers: Box<[&'static str]>,
}

/// A part of a composite search parameter.
#[derive(Debug)]
pub struct SearchComponent {
    /// The canonical URL of the search parameter that says how the part compares.
    pub definition: &'static str,
    /// The FHIRPath expression, on each value of the composite's own expression.
    pub expression: &'static str,
}

/// The top-level alternatives of a union, trimmed. Parentheses, brackets, strings and delimited
/// names hide the `|` within them.
pub fn alternatives(expression: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(expression);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = end_of_first_alternative(text);
        rest = text.get(end + 1..);
        Some(text[..end].trim())
    })
}

fn end_of_first_alternative(text: &str) -> usize {
    let mut depth = 0usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, byte) {
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"' | b'`') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            (None, b'|') if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// The type name that an alternative starts from: `Patient` in `(Patient.deceased as dateTime)`.
pub fn first_name(alternative: &str) -> &str {
    let text = alternative.trim_start_matches(['(', ' ']);
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_splits_at_the_top_level_only() {
        let cases: &[(&str, &[&str])] = &[
            ("Patient.name", &["Patient.name"]),
            ("Patient.name | Practitioner.name", &["Patient.name", "Practitioner.name"]),
            ("(a | b).c|d", &["(a | b).c", "d"]),
            ("a.where(x='|') | b", &["a.where(x='|')", "b"]),
            (r"a.where(x='\'|') | b", &[r"a.where(x='\'|')", "b"]),
            ("a[0 | 1] | `b|c`", &["a[0 | 1]", "`b|c`"]),
            ("", &[""]),
            ("a |", &["a", ""]),
        ];
        for (expression, expected) in cases {
            assert_eq!(alternatives(expression).collect::<Vec<_>>(), *expected, "{expression}");
        }
    }

    #[test]
    fn an_alternative_starts_from_its_type_within_parentheses_too() {
        for (alternative, expected) in [
            ("Patient.name", "Patient"),
            ("(Observation.value as Quantity)", "Observation"),
            ("( (Group.characteristic.value as boolean))", "Group"),
            ("Bundle.entry[0].resource", "Bundle"),
            ("Observation", "Observation"),
            ("", ""),
        ] {
            assert_eq!(first_name(alternative), expected, "{alternative}");
        }
    }

    proptest::proptest! {
        #[test]
        fn splitting_loses_nothing_but_blanks(text in r"[a-z |()'`\\\[\]é]{0,40}") {
            let parts: Vec<&str> = alternatives(&text).collect();
            let squeeze = |text: &str| text.replace(' ', "");
            proptest::prop_assert_eq!(squeeze(&parts.join("|")), squeeze(&text));
            for part in parts {
                first_name(part);
            }
        }
    }
}
