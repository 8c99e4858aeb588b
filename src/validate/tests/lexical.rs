use super::*;
use crate::structure_of;
use proptest::prelude::*;

#[test]
fn each_primitive_type_has_its_lexical_form() {
    // (type, values, texts that are none)
    let cases: [(&str, &[&str], &[&str]); 19] = [
        ("boolean", &["true", "false"], &["True", "1", "0", "", "yes"]),
        (
            "integer",
            &["0", "-0", "-1", "2147483647", "-2147483648"],
            &["2147483648", "-2147483649", "1.0", "1e3", "+1", "01", "", "-"],
        ),
        ("unsignedInt", &["0", "2147483647"], &["-1", "-0", "2147483648", "+1", "1.5", ""]),
        ("positiveInt", &["1", "2147483647"], &["0", "-1", "2147483648", "+1", ""]),
        (
            "decimal",
            &["0", "-0.00", "1.10e2", "1E-22", "0.1000000000000000000000000000000000001"],
            &["01", ".5", "1.", "NaN", "+1", "1e", "", "-", "1 "],
        ),
        ("string", &["a", " a ", " ", "a\tb\r\nc", "é\u{a0}"], &["", "a\u{8}", "\u{1f}"]),
        ("markdown", &["# a\n\n* b"], &["", "\u{0b}"]),
        ("code", &["a", "a b", "in-progress", "é"], &["", " a", "a ", "a  b", "a\tb", "a\nb", " "]),
        (
            "id",
            &["a", "A-1.b", "0123456789012345678901234567890123456789012345678901234567890123"],
            &["", "a_b", "a b", "é", "01234567890123456789012345678901234567890123456789012345678901234"],
        ),
        ("uri", &["http://example.org/a?b#c", "urn:x", "a", "ü"], &["", "a b", " a", "a\n", "\u{1}"]),
        ("url", &["mailto:a@example.org"], &["", "a b"]),
        ("canonical", &["http://example.org/x|1.0"], &["", "http://example.org/x |1"]),
        (
            "oid",
            &["urn:oid:1.2.3", "urn:oid:2.16.840.0"],
            &[
                "1.2.3",
                "urn:oid:3.1",
                "urn:oid:1",
                "urn:oid:1.02",
                "urn:oid:1.",
                "urn:oid:1..2",
                "urn:oid:",
                "URN:OID:1.2",
            ],
        ),
        (
            "uuid",
            &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
            &[
                "c757873d-ec9a-4326-a141-556f43239520",
                "urn:uuid:C757873D-ec9a-4326-a141-556f43239520",
                "urn:uuid:c757873dec9a4326a141556f43239520",
                "",
            ],
        ),
        (
            "base64Binary",
            &["AAAA", "AA==", "AAA=", "AA+/ BB\n==", " AAAA "],
            &["", "A", "AAA", "A===", "AA=A", "AAA-", " ", "====", "AA==AAAA"],
        ),
        (
            "instant",
            &["2015-02-07T13:28:17.239+02:00", "2017-01-01T00:00:00Z", "2016-12-31T23:59:60Z"],
            &[
                "2015-02-07",
                "2015-02-07T13:28Z",
                "2015-02-07T13:28:17",
                "2015-02-30T13:28:17Z",
                "2015-02-07T24:00:00Z",
                "2015-02-07T13:28:17.Z",
                "2015-02-07 13:28:17Z",
                "2015-02-07T13:28:17+14:01",
                "2015-02-07t13:28:17z",
                "",
            ],
        ),
        (
            "date",
            &["2018", "1973-06", "1905-08-23", "2024-02-29"],
            &[
                "18",
                "2018-13",
                "2018-1",
                "2023-02-29",
                "2018-00",
                "0000",
                "2018-01-01T00:00:00Z",
                "2018-01-01Z",
                "2018/01/01",
                "",
            ],
        ),
        (
            "dateTime",
            &["2018", "1973-06", "1905-08-23", "2015-02-07T13:28:17-05:00", "2017-01-01T00:00:00.000Z"],
            &[
                "2015-02-07T13:28",
                "2015-02-07T13:28:17",
                "2015-02-07T13:28Z",
                "2015-02-31",
                "2015-02-07T",
                "",
            ],
        ),
        (
            "time",
            &["00:00:00", "23:59:60", "12:30:15.250"],
            &["24:00:00", "12:30", "12:60:00", "12:30:61", "12:30:15.", "12:30:15Z", "1:30:15", ""],
        ),
    ];
    for (ty, good, bad) in cases {
        for text in good {
            assert!(crate::fits(ty, text), "{ty} {text:?} is a value");
        }
        for text in bad {
            assert!(!crate::fits(ty, text), "{ty} {text:?} is no value");
        }
        let is_bare = matches!(ty, "boolean" | "integer" | "unsignedInt" | "positiveInt" | "decimal");
        for (texts, is_good) in [(good, true), (bad, false)] {
            for text in texts {
                // As JSON; a number that JSON cannot write goes as a string, which is wrong too.
                let bare = Some((*text).to_owned())
                    .filter(|text| is_bare && text.trim() == text && json::parse(text.clone()).is_ok());
                let value = bare.unwrap_or_else(|| json::quote(text));
                assert_eq!(judge(ty, &value), is_good, "{ty} {value}");
            }
        }
    }
    assert!(!crate::fits("nosuchtype", "x"));
}

fn judge(ty: &str, value: &str) -> bool {
    let defs = Definitions::r4();
    let document = json::parse(value.to_owned()).unwrap();
    let ty = defs.type_named(ty).unwrap();
    structure_of(document.root(), ty, defs, &Limits::default(), "value").is_empty()
}

#[test]
fn strings_hold_at_most_a_mebi_of_characters() {
    let quoted = |n: usize, c: &str| format!("\"{}\"", c.repeat(n));
    assert!(judge("string", &quoted(1024 * 1024, "é")));
    assert!(!judge("string", &quoted(1024 * 1024 + 1, "é")));
    assert!(judge("markdown", &quoted(1024 * 1024, "\\n")));
    assert!(!judge("markdown", &quoted(1024 * 1024 + 1, "\\n")));
    assert!(judge("string", r#""\u00e9\t\u000a\\b""#));
    for escape in ["\\b", "\\f", "\\u0001", "\\u001f", "\\u001F", "a\\\\\\b"] {
        assert!(!judge("string", &format!("\"{escape}\"")), "{escape}");
    }
}

#[test]
fn the_lists_of_lexical_values_are_judged_right() {
    let Some(folder) = data("suites/primitives") else { return };
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some((ty, rest)) = name.split_once('.') else { continue };
        let Some(is_good) = rest.strip_suffix(".ndjson").map(|word| word == "valid") else { continue };
        let ty = if ty == "positive_int" { "positiveInt" } else { ty };
        files += 1;
        for line in std::fs::read_to_string(&path).unwrap().lines().filter(|line| !line.trim().is_empty()) {
            // The lists call null valid, as an element without a value; here it is no value.
            if line.trim() != "null" {
                assert_eq!(judge(ty, line), is_good, "{name}: {line}");
            }
        }
    }
    assert!(files >= 7, "the lists are there");
}

proptest! {
    #[test]
    fn any_text_of_any_type_ends_in_an_answer(text in "[-+0-9a-fT:.Zurnoid =/\\\\\u{e9}]{0,30}") {
        for ty in Definitions::r4().types().map(|ty| Definitions::r4().name(ty)) {
            let _ = crate::fits(ty, &text);
        }
    }
}
