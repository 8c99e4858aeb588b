//! JSON Pointer (RFC 6901): how a JSON Patch names a place.

use remit_fhir::Node;

/// A parsed pointer: the reference tokens with their escapes resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pointer(pub(super) Vec<String>);

impl Pointer {
    /// Reads `/a/0/b~1c`; the empty text is the whole document.
    pub(super) fn parse(text: &str) -> Result<Pointer, &'static str> {
        if text.is_empty() {
            return Ok(Pointer(Vec::new()));
        }
        let rest = text.strip_prefix('/').ok_or("a JSON Pointer begins with '/'")?;
        rest.split('/').map(unescape).collect::<Result<_, _>>().map(Pointer)
    }

    /// The node that the pointer names.
    pub(super) fn find<'a>(&self, root: Node<'a>) -> Option<Node<'a>> {
        self.0.iter().try_fold(root, |node, token| step(node, token))
    }

    /// The node that holds the place, and the last token. `None` for the whole document, or when
    /// there is no such node.
    pub(super) fn parent<'a, 'p>(&'p self, root: Node<'a>) -> Option<(Node<'a>, &'p str)> {
        let (last, before) = self.0.split_last()?;
        let node = before.iter().try_fold(root, |node, token| step(node, token))?;
        Some((node, last))
    }

    /// Whether the other place lies inside this one.
    pub(super) fn contains(&self, other: &Pointer) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }
}

fn step<'a>(node: Node<'a>, token: &str) -> Option<Node<'a>> {
    if node.is_array() { node.items().nth(index(token)?) } else { node.get(token) }
}

/// An array index: digits without leading zeros.
pub(super) fn index(token: &str) -> Option<usize> {
    let plain = !token.is_empty()
        && token.bytes().all(|b| b.is_ascii_digit())
        && (token == "0" || !token.starts_with('0'));
    plain.then(|| token.parse().ok()).flatten()
}

fn unescape(token: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(token.len());
    let mut rest = token;
    while let Some(at) = rest.find('~') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        let (character, after) = match rest.as_bytes().first() {
            Some(b'0') => ('~', 1),
            Some(b'1') => ('/', 1),
            _ => return Err("in a JSON Pointer '~' stands only in ~0 (for ~) and ~1 (for /)"),
        };
        out.push(character);
        rest = rest.get(after..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_fhir::json::parse;

    /// The examples of RFC 6901 §5.
    #[test]
    fn the_examples_of_the_rfc_hold() {
        let doc = parse(
            r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#,
        )
        .unwrap();
        for (pointer, json) in [
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", "\"bar\""),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            let found = Pointer::parse(pointer).unwrap().find(doc.root());
            assert_eq!(found.map(|n| n.json()), Some(json), "{pointer}");
        }
        assert_eq!(Pointer::parse("").unwrap().find(doc.root()), Some(doc.root()));
    }

    #[test]
    fn what_names_nothing_finds_nothing() {
        let doc = parse(r#"{"foo":["bar"]}"#).unwrap();
        for pointer in
            ["/foo/00", "/foo/1", "/foo/-", "/foo/x", "/bar", "/foo/0/x", "/foo/99999999999999999999"]
        {
            assert_eq!(Pointer::parse(pointer).unwrap().find(doc.root()), None, "{pointer}");
        }
        for text in ["foo", "/~", "/~2", "/a~"] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_an_answer(text in "\\PC*") {
            let doc = parse(r#"{"a":[1,{"b":2}]}"#).unwrap();
            if let Ok(pointer) = Pointer::parse(&text) {
                let _ = (pointer.find(doc.root()), pointer.parent(doc.root()));
            }
        }
    }
}
