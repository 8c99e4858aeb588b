//! The XHTML of a narrative (<https://hl7.org/fhir/R4/narrative.html>): one `div` of basic
//! formatting, with nothing that runs, embeds or submits.
//!
//! One pass over the text, without allocation: it is XML, and holds only the elements and attributes
//! that rule `txt-1` names and no script in an address or a style. Well-formed
//! XML follows from the check, so the text can be put into an XML document as it stands.

use crate::chars::{decode_reference, is_xml_char};

/// Elements inside each other. Narratives are tables and lists; what is deeper is an attack on the
/// stack of a browser.
const MAX_DEPTH: usize = 100;

/// The namespace of every element of a narrative.
pub const NAMESPACE: &str = "http://www.w3.org/1999/xhtml";

/// The elements of rule `txt-1`, sorted.
#[rustfmt::skip]
const ELEMENTS: [&str; 48] = [
    "a", "abbr", "acronym", "b", "big", "blockquote", "br", "caption", "cite", "code", "col", "colgroup",
    "dd", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "li",
    "ol", "p", "pre", "q", "samp", "small", "span", "strong", "sub", "sup", "table", "tbody", "td",
    "tfoot", "th", "thead", "tr", "tt", "ul", "var",
];

/// The attributes of rule `txt-1`, those of XML itself and the namespace, sorted.
#[rustfmt::skip]
const ATTRIBUTES: [&str; 52] = [
    "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding",
    "cellspacing", "cellvalign", "char", "charoff", "charset", "cite", "class", "colspan", "compact",
    "coords", "dir", "frame", "headers", "height", "href", "hreflang", "hspace", "id", "lang", "longdesc",
    "name", "nowrap", "rel", "rev", "rowspan", "rules", "scope", "shape", "span", "src", "start", "style",
    "summary", "tabindex", "title", "type", "valign", "value", "vspace", "width", "xml:lang", "xml:space",
    "xmlns",
];

// The attributes that a tag has are noted as bits.
const _: () = assert!(ATTRIBUTES.len() <= 64);

/// What is wrong with a narrative, and at which byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The end of a sentence that begins with "The narrative".
    pub reason: &'static str,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
}

/// Checks the text of a `Narrative.div`; says whether it shows anything, text or an image (rule
/// `txt-2`).
pub fn check(div: &str) -> Result<bool, Fault> {
    let mut scan = Scan { text: div, at: 0, open: [0; MAX_DEPTH], depth: 0, shows_something: false };
    match scan.run() {
        Ok(()) => Ok(scan.shows_something),
        Err(reason) => Err(Fault { reason, offset: scan.at }),
    }
}

type Step<T = ()> = Result<T, &'static str>;

struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// Places in [`ELEMENTS`] of the elements that are open.
    open: [u8; MAX_DEPTH],
    depth: usize,
    /// Text that is not blank, or an image, came by.
    shows_something: bool,
}

impl<'t> Scan<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(&mut self) -> Step {
        if let Some(at) = first_forbidden_char(self.text) {
            self.at = at;
            return Err("holds a character that XML does not allow");
        }
        self.blank();
        if !self.rest().starts_with("<div") {
            return Err("must be one div element");
        }
        self.open_tag()?;
        while self.depth > 0 {
            self.content()?;
        }
        self.blank();
        if !self.rest().is_empty() {
            return Err("must be one div element; there is more after it");
        }
        Ok(())
    }

    fn blank(&mut self) {
        let trimmed = self.rest().trim_start_matches([' ', '\t', '\n', '\r']);
        self.at = self.text.len() - trimmed.len();
    }

    /// Text up to the next markup, and the markup.
    fn content(&mut self) -> Step {
        let rest = self.rest();
        let Some(length) = memchr::memchr2(b'<', b'&', rest.as_bytes()) else {
            self.at = self.text.len();
            return Err("ends inside an element");
        };
        let text = rest.get(..length).unwrap_or_default();
        if text.contains("]]>") {
            return Err("holds ']]>' in its text, which XML does not allow");
        }
        self.shows_something |= !text.trim().is_empty();
        self.at += length;
        let rest = self.rest();
        if rest.starts_with('&') {
            let (c, length) = decode_reference(rest).ok_or(UNKNOWN_REFERENCE)?;
            self.shows_something |= !c.is_whitespace();
            self.at += length;
            Ok(())
        } else if rest.starts_with("</") {
            self.close_tag()
        } else if rest.starts_with("<!--") {
            self.comment()
        } else if let Some(data) = rest.strip_prefix("<![CDATA[") {
            let length = data.find("]]>").ok_or("holds a CDATA section without end")?;
            self.shows_something |= !data.get(..length).unwrap_or_default().trim().is_empty();
            self.at += length + "<![CDATA[]]>".len();
            Ok(())
        } else if rest.starts_with("<!") || rest.starts_with("<?") {
            Err("holds a declaration or an instruction; only elements, text and comments are allowed")
        } else {
            self.open_tag()
        }
    }

    fn comment(&mut self) -> Step {
        let body = self.rest().strip_prefix("<!--").unwrap_or_default();
        let length = body.find("--").ok_or("holds a comment without end")?;
        if body.as_bytes().get(length + 2) != Some(&b'>') {
            return Err("holds '--' inside a comment, which XML does not allow");
        }
        self.at += length + "<!---->".len();
        Ok(())
    }

    fn close_tag(&mut self) -> Step {
        let body = self.rest().strip_prefix("</").unwrap_or_default();
        let length = body.find('>').ok_or("ends inside a tag")?;
        let name = body.get(..length).unwrap_or_default().trim_end_matches([' ', '\t', '\n', '\r']);
        let open =
            self.open.get(self.depth.wrapping_sub(1)).and_then(|place| ELEMENTS.get(usize::from(*place)));
        if open != Some(&name) {
            return Err("closes an element that is not the innermost open one");
        }
        self.depth -= 1;
        self.at += length + "</>".len();
        Ok(())
    }

    fn open_tag(&mut self) -> Step {
        let is_root = self.depth == 0;
        let body = self.rest().strip_prefix('<').unwrap_or_default();
        let length = body.find([' ', '\t', '\n', '\r', '/', '>']).ok_or("ends inside a tag")?;
        let name = body.get(..length).unwrap_or_default();
        let place = ELEMENTS.binary_search(&name).map_err(|_| "holds an element that narratives may not have; basic formatting, tables, lists, links and images are allowed")?;
        self.shows_something |= name == "img";
        self.at += 1 + length;
        let mut seen = 0u64;
        loop {
            let before = self.at;
            self.blank();
            if self.rest().starts_with("/>") {
                self.at += 2;
                break;
            }
            if self.rest().starts_with('>') {
                self.at += 1;
                self.push(place)?;
                break;
            }
            if self.at == before {
                return Err("lacks white space before an attribute, or ends inside a tag");
            }
            let bit = 1 << self.attribute()?;
            if seen & bit != 0 {
                return Err("holds an attribute twice in one tag");
            }
            seen |= bit;
        }
        let has_namespace = ATTRIBUTES.binary_search(&"xmlns").is_ok_and(|place| seen & 1 << place != 0);
        match is_root && !has_namespace {
            true => Err("lacks xmlns=\"http://www.w3.org/1999/xhtml\" on its div"),
            false => Ok(()),
        }
    }

    fn push(&mut self, place: usize) -> Step {
        let slot = self.open.get_mut(self.depth).ok_or("has elements nested too deeply")?;
        *slot = place as u8;
        self.depth += 1;
        Ok(())
    }

    /// Reads `name="value"`; gives the place in [`ATTRIBUTES`].
    fn attribute(&mut self) -> Step<usize> {
        let rest = self.rest();
        let length = rest.find([' ', '\t', '\n', '\r', '=', '/', '>']).ok_or("ends inside a tag")?;
        let name = rest.get(..length).unwrap_or_default();
        let place = ATTRIBUTES
            .binary_search(&name)
            .map_err(|_| "holds an attribute that narratives may not have, such as an event handler")?;
        self.at += length;
        self.blank();
        if !self.rest().starts_with('=') {
            return Err("holds an attribute without a value");
        }
        self.at += 1;
        self.blank();
        let rest = self.rest();
        let quote = rest
            .chars()
            .next()
            .filter(|c| matches!(c, '"' | '\''))
            .ok_or("holds an attribute value without quotes")?;
        let inner = rest.get(1..).unwrap_or_default();
        let length = inner.find(quote).ok_or("ends inside an attribute")?;
        let value = inner.get(..length).unwrap_or_default();
        check_value(name, value)?;
        self.at += length + 2;
        Ok(place)
    }
}

const UNKNOWN_REFERENCE: &str =
    "holds a reference that XML does not know; write the character itself, or its number such as &#160;";

fn first_forbidden_char(text: &str) -> Option<usize> {
    // Everything from blank to U+EFFF is fine, and is what nearly all texts consist of.
    if text.bytes().all(|b| matches!(b, b' '..0xef | b'\n')) {
        return None;
    }
    text.char_indices().find(|(_, c)| !is_xml_char(*c)).map(|(at, _)| at)
}

fn check_value(name: &str, value: &str) -> Step {
    if value.contains('<') {
        return Err("holds an unescaped '<' in an attribute");
    }
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        let (_, length) = decode_reference(rest.get(at..).unwrap_or_default()).ok_or(UNKNOWN_REFERENCE)?;
        rest = rest.get(at + length..).unwrap_or_default();
    }
    match name {
        "href" | "src" | "cite" | "longdesc" if has_active_scheme(value) => {
            Err("holds an address that runs a script")
        }
        "style" if has_active_style(value) => Err("holds a style that runs a script or loads a style sheet"),
        "xmlns" if value != NAMESPACE => Err("holds a namespace other than that of XHTML"),
        _ => Ok(()),
    }
}

/// The characters of a value with references resolved, in lower case, without white space and
/// control characters: browsers ignore those inside a scheme.
fn folded(value: &str) -> impl Iterator<Item = char> + '_ {
    let mut rest = value;
    std::iter::from_fn(move || {
        let c = rest.chars().next()?;
        let (c, length) = match c {
            '&' => decode_reference(rest).unwrap_or((c, 1)),
            _ => (c, c.len_utf8()),
        };
        rest = rest.get(length..).unwrap_or_default();
        Some(c)
    })
    .filter(|c| !c.is_whitespace() && !c.is_control())
    .map(|c| c.to_ascii_lowercase())
}

/// Whether an address begins with a scheme that runs code. `data:` is fine for images only, and not
/// for SVG, which can hold scripts.
fn has_active_scheme(value: &str) -> bool {
    let begins = |prefix: &str| {
        let mut chars = folded(value);
        prefix.chars().all(|c| chars.next() == Some(c))
    };
    begins("javascript:")
        || begins("vbscript:")
        || begins("data:") && (!begins("data:image/") || begins("data:image/svg"))
}

/// Whether a style runs code or loads a style sheet. CSS escapes are undone by refusing backslashes.
fn has_active_style(value: &str) -> bool {
    const ACTIVE: [&str; 6] =
        ["expression(", "javascript:", "vbscript:", "@import", "behavior:", "-moz-binding"];
    // Without these no name of the list can be written.
    if !value.bytes().any(|b| matches!(b, b'(' | b'@' | b'&' | b'\\' | b'/'))
        && !value.contains("-moz")
        && !value.to_ascii_lowercase().contains("behavior")
    {
        return false;
    }
    let text: String = folded(value).collect();
    let text = without_comments(&text);
    text.contains('\\') || ACTIVE.iter().any(|name| text.contains(name))
}

/// A style without its comments, which may split a name in two.
fn without_comments(style: &str) -> String {
    let mut out = String::with_capacity(style.len());
    let mut rest = style;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(inner: &str) -> Result<(), &'static str> {
        let div = format!("<div xmlns=\"{NAMESPACE}\">{inner}</div>");
        check(&div).map(drop).map_err(|fault| fault.reason)
    }

    #[test]
    fn basic_formatting_is_allowed() {
        let cases = [
            "text",
            "",
            "<p class='x' style=\"color: red\">a &lt; b &#160;</p>",
            "<table border=\"1\"><tbody><tr><td colspan = '2'>1</td></tr></tbody></table>",
            "<a href=\"http://example.org/?a=1&amp;b=2\">x</a><br/>",
            "<img src=\"#pic\" alt=\"\"/>",
            "<img src=\"data:image/png;base64,AAAA\" />",
            "<!-- a note --><b>x</b >",
            "<![CDATA[ a < b ]]>",
            "<p xml:lang=\"en\" lang=\"en\">x</p>",
            "<p xmlns=\"http://www.w3.org/1999/xhtml\">x</p>",
            "<p style=\"background: url(x.png)\">x</p>",
        ];
        for case in cases {
            assert_eq!(judge(case), Ok(()), "{case}");
        }
    }

    #[test]
    fn what_runs_embeds_or_submits_is_refused() {
        let cases = [
            "<script>alert(1)</script>x",
            "<iframe src='x'/>x",
            "<object/>x",
            "<form><input/></form>x",
            "<p onclick='x()'>x</p>",
            "<style>p {}</style>x",
            "<link rel='stylesheet' href='x'/>x",
            "<svg/>x",
            "<a href='javascript:alert(1)'>x</a>",
            "<a href='java&#10;script:alert(1)'>x</a>",
            "<a href=' &#x6A;avaScript&#58;alert(1)'>x</a>",
            "<a href='vbscript:x'>x</a>",
            "<a href='data:text/html,x'>x</a>",
            "<img src='data:image/svg+xml,x'/>",
            "<p style='width: expression(alert(1))'>x</p>",
            "<p style='background: url(java/**/script:x)'>x</p>",
            "<p style='background: url(java\\73cript:x)'>x</p>",
            "<p style='BEHAVIOR: url(x)'>x</p>",
        ];
        for case in cases {
            assert!(judge(case).is_err(), "{case}");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        let cases = [
            "<p>x",
            "x</p>",
            "<p>x</b></p>",
            "<br>",
            "a & b",
            "&nbsp;",
            "a ]]> b",
            "<p class=x>x</p>",
            "<p class>x</p>",
            "<p class='a' class='b'>x</p>",
            "<p class='a'id='b'>x</p>",
            "<p class='<'>x</p>",
            "<!-- a -- b -->x",
            "<!DOCTYPE x>x",
            "<?php x ?>x",
            "<P>x</P>",
            "<",
            "<p",
            "<p class='",
            "&#1;",
            "\u{1}",
            "\u{ffff}",
            "<p xmlns='urn:x'>x</p>",
            "<h:p>x</h:p>",
        ];
        for case in cases {
            assert!(judge(case).is_err(), "{case}");
        }
        for whole in [
            "",
            "x",
            "<p>x</p>",
            "<div>x</div>",
            "<div",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>y",
        ] {
            assert!(check(whole).is_err(), "{whole}");
        }
    }

    #[test]
    fn text_and_images_show_something() {
        let shows = |inner: &str| check(&format!("<div xmlns=\"{NAMESPACE}\">{inner}</div>"));
        for inner in ["x", "<p> <b>x</b></p>", "&amp;", "<![CDATA[x]]>", "<p><img src='#a' alt='>'/></p>"] {
            assert_eq!(shows(inner), Ok(true), "{inner}");
        }
        for inner in ["", " \n", "&#32;", "<!-- x -->", "<p title='x'/>", "<![CDATA[ ]]>"] {
            assert_eq!(shows(inner), Ok(false), "{inner}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |n: usize| judge(&format!("{}x{}", "<b>".repeat(n), "</b>".repeat(n)));
        assert_eq!(deep(MAX_DEPTH - 1), Ok(()));
        assert_eq!(deep(MAX_DEPTH), Err("has elements nested too deeply"));
    }

    #[test]
    fn the_tables_are_sorted() {
        assert!(ELEMENTS.is_sorted() && ATTRIBUTES.is_sorted());
    }

    proptest! {
        #[test]
        fn markup_like_text_ends_in_an_answer(text in "[<>/!?&;#='\" a-dvix\\[\\]\u{e9}-]{0,60}") {
            let _ = judge(&text);
            let _ = check(&text);
        }
    }
}
