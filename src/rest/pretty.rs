//! `_pretty`: JSON with line breaks and indentation (<https://hl7.org/fhir/R4/http.html#general>).
//!
//! One pass over the text, no tree: numbers and escapes stay as they are.

/// Indents JSON by two spaces a level. The text must be JSON without white space between tokens, as
/// stored resources are; other text comes back with odd white space but otherwise unchanged.
pub fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() + json.len() / 2);
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                let end = string_end(json, at);
                out.extend_from_slice(&json[at..end]);
                at = end;
                continue;
            }
            b'{' | b'[' if matches!(json.get(at + 1), Some(b'}' | b']')) => {
                out.extend_from_slice(&json[at..at + 2]);
                at += 2;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                out.push(byte);
                new_line(&mut out, depth);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            other => out.push(other),
        }
        at += 1;
    }
    out.push(b'\n');
    out
}

/// Where the string that opens at `start` ends, one past its closing quote.
fn string_end(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    json.len()
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', depth * 2));
}

#[cfg(test)]
mod tests {
    use super::pretty;

    #[test]
    fn json_is_indented_and_its_texts_are_left_alone() {
        let cases = [
            (r#"{"a":1}"#, "{\n  \"a\": 1\n}\n"),
            (
                r#"{"a":[1.00,{"b":"x, {\"y\":[]}\\"}],"c":{},"d":[]}"#,
                "{\n  \"a\": [\n    1.00,\n    {\n      \"b\": \"x, {\\\"y\\\":[]}\\\\\"\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}\n",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(String::from_utf8(pretty(text.as_bytes())).unwrap(), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(0u8.., 0..100)) {
            let _ = pretty(&bytes);
        }
    }
}
