//! Links in a narrative: `href` of `a` and `src` of `img`
//! (<https://hl7.org/fhir/R4/http.html#trules>).

use std::ops::Range;

/// The values of `href` and `src` attributes of `a` and `img`, by their place in the XHTML.
pub(super) fn links(xhtml: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = xhtml.get(at..).and_then(|rest| rest.find('<')) {
        let start = at + open + 1;
        let rest = xhtml.get(start..).unwrap_or_default();
        let end = start + tag_end(rest);
        let tag = xhtml.get(start..end).unwrap_or_default();
        let name_end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let wanted = match tag.get(..name_end) {
            Some("a") => Some("href"),
            Some("img") => Some("src"),
            _ => None,
        };
        if let Some(value) = wanted.and_then(|name| attribute(tag, name)) {
            found.push(start + value.start..start + value.end);
        }
        at = end;
    }
    found
}

/// Where a tag ends: the first `>` outside quotes.
fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    tag.len()
}

/// The value of an attribute, without its quotes.
fn attribute(tag: &str, name: &str) -> Option<Range<usize>> {
    let mut at = tag.find(|c: char| c.is_ascii_whitespace())?;
    loop {
        let rest = tag.get(at..)?;
        let start = at + rest.find(|c: char| !c.is_ascii_whitespace())?;
        let equals = start + tag.get(start..)?.find('=')?;
        let found = tag.get(start..equals)?.trim_end();
        let after = tag.get(equals + 1..)?;
        let open = equals + 1 + after.find(['"', '\''])?;
        let quote = tag.get(open..)?.chars().next()?;
        let close = open + 1 + tag.get(open + 1..)?.find(quote)?;
        if found == name {
            return Some(open + 1..close);
        }
        at = close + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_anchors_and_images_are_found() {
        for (xhtml, expected) in [
            (r#"<div><a href="urn:uuid:1">x</a></div>"#, &["urn:uuid:1"][..]),
            (r#"<a class="b" href = 'Patient/1'/><img alt="" src="x"/>"#, &["Patient/1", "x"]),
            (r#"<a title="a > b" href="y">z</a>"#, &["y"]),
            (r#"<abbr href="no"/><link href="no"/><a src="no"/><img href="no"/>"#, &[]),
            (r#"text href="no" <b>href="no"</b>"#, &[]),
            ("<a href=", &[]),
            ("<a href=\"x", &[]),
            ("<", &[]),
            ("<a ", &[]),
        ] {
            let found: Vec<_> = links(xhtml).into_iter().map(|range| &xhtml[range]).collect();
            assert_eq!(found, expected, "{xhtml}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "[<>a-z =\"'é/]*") {
            for range in links(&text) {
                proptest::prop_assert!(text.get(range).is_some());
            }
        }
    }
}
