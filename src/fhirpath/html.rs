//! The rules on the XHTML of a narrative (<https://hl7.org/fhir/R4/narrative.html#xhtml>, `txt-1` and
//! `txt-2`): a `div` that is well formed, of allowed elements and attributes, with some content.

/// The elements that a narrative may use.
const ELEMENTS: [&str; 62] = [
    "div",
    "p",
    "a",
    "b",
    "i",
    "u",
    "s",
    "em",
    "strong",
    "small",
    "big",
    "tt",
    "span",
    "br",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "pre",
    "table",
    "caption",
    "colgroup",
    "col",
    "thead",
    "tr",
    "tfoot",
    "tbody",
    "th",
    "td",
    "code",
    "samp",
    "img",
    "map",
    "area",
    "blockquote",
    "abbr",
    "acronym",
    "address",
    "cite",
    "del",
    "dfn",
    "ins",
    "kbd",
    "q",
    "sub",
    "sup",
    "var",
    "bdo",
    "center",
    "font",
    "strike",
    "dir",
    "menu",
];

/// The attributes that run code or load more than a picture start like this, or are these.
const FORBIDDEN: [&str; 4] = ["on", "srcdoc", "formaction", "ping"];

/// How deep elements may nest.
const MAX_DEPTH: usize = 200;

/// Whether a text is the narrative that FHIR allows.
pub(crate) fn is_narrative(text: &str) -> bool {
    scan(text.trim()).is_some_and(|has_content| has_content)
}

/// Whether there is content; `None` when the text breaks a rule.
fn scan(text: &str) -> Option<bool> {
    let mut open: Vec<&str> = Vec::new();
    let mut has_content = false;
    let mut rest = text;
    let mut is_first = true;
    while let Some((before, after)) = rest.split_once('<') {
        // Nothing stands outside of the div.
        if open.is_empty() && (!before.is_empty() || (!is_first && !after.starts_with("!--"))) {
            return None;
        }
        has_content |= !before.trim().is_empty();
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->")?.1;
            continue;
        }
        let (tag, behind) = split_tag(after)?;
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            (open.pop()? == name.trim_end()).then_some(())?;
            continue;
        }
        let (body, is_closed) = tag.strip_suffix('/').map_or((tag, false), |body| (body, true));
        let name = element(body)?;
        if is_first && name != "div" {
            return None;
        }
        is_first = false;
        has_content |= name == "img";
        if !is_closed {
            open.push(name);
        }
        if open.len() > MAX_DEPTH {
            return None;
        }
    }
    (open.is_empty() && !is_first && rest.trim().is_empty()).then_some(has_content)
}

/// Up to the `>` that is not inside quotes.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let end = text.find(|c| match (quote, c) {
        (None, '>') => true,
        (None, '"' | '\'') => {
            quote = Some(c);
            false
        }
        (Some(open), c) => {
            if open == c {
                quote = None;
            }
            false
        }
        _ => false,
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// The name of an allowed element with allowed attributes.
fn element(body: &str) -> Option<&str> {
    let name = body.split_ascii_whitespace().next()?;
    if !ELEMENTS.contains(&name) {
        return None;
    }
    let mut rest = body.get(name.len()..)?.trim();
    while !rest.is_empty() {
        let (attribute, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (value, behind) = after.get(1..)?.split_once(quote)?;
        let attribute = attribute.trim();
        if FORBIDDEN.iter().any(|start| attribute.starts_with(start)) {
            return None;
        }
        if value.trim_start().to_ascii_lowercase().starts_with("javascript:") {
            return None;
        }
        rest = behind.trim_start();
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrative_is_a_div_of_allowed_elements_with_content() {
        let cases = [
            ("<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>", true),
            ("<div><p class='a'>x<br/></p></div>", true),
            ("<div><img src=\"#a\" alt=\">\"/></div>", true),
            ("<div>x<!-- y --></div>", true),
            ("<div> </div>", false),
            ("<p>x</p>", false),
            ("<div>x", false),
            ("<div>x</div><div>y</div>", false),
            ("<div><b>x</div></b>", false),
            ("<div><script>x</script></div>", false),
            ("<div onclick=\"x()\">x</div>", false),
            ("<div><a href=\"javascript:x()\">x</a></div>", false),
            ("<div><a href=x>x</a></div>", false),
            ("x", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_narrative(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "[<>/div\"'= !-]{0,60}") {
            let _ = is_narrative(&text);
        }
    }
}
