use super::*;
use proptest::prelude::*;

fn fault(text: &str) -> String {
    parse(text.to_owned()).map(|_| "accepted".to_owned()).unwrap_or_else(|e| e.to_string())
}

#[test]
fn numbers_keep_their_text() {
    let doc = parse(r#"{"a":1.00,"b":1.10e2,"c":-0.0,"d":0.10000000000000000000000000000000001}"#).unwrap();
    let texts: Vec<_> = doc.root().members().filter_map(|(_, v)| v.number()).collect();
    assert_eq!(texts, ["1.00", "1.10e2", "-0.0", "0.10000000000000000000000000000000001"]);
}

#[test]
fn faults_say_where_they_are() {
    let cases = [
        ("", "the text ends where a value is expected at line 1, column 1"),
        ("{\n \"a\" 1}", "expected ':' after a member name at line 2, column 6"),
        ("[1,]", "expected a value at line 1, column 4"),
        ("{\"é\":tru}", "expected a value at line 1, column 6"),
        ("[01]", "a number has a leading zero at line 1, column 3"),
        ("[1] 2", "there is more text after the end of the value at line 1, column 5"),
        ("[\"\\ud800\"]", "a surrogate escape stands without its other half at line 1, column 9"),
        ("[\"\\u0000\"]", "the character U+0000 cannot be stored at line 1, column 9"),
        ("{\"a\":1", "the text ends inside an object or array at line 1, column 7"),
        ("{,}", "expected a member name in double quotes at line 1, column 2"),
        ("[,1]", "expected a value at line 1, column 2"),
        ("[1 2]", "expected ',' or ']' after an item at line 1, column 4"),
    ];
    for (text, message) in cases {
        assert_eq!(fault(text), message, "{text}");
    }
}

#[test]
fn depth_is_bounded_and_needs_no_stack() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(parse(deep(100)).is_ok());
    assert!(fault(&deep(101)).starts_with("objects and arrays are nested too deeply"));
    assert!(fault(&"[".repeat(1_000_000)).starts_with("objects and arrays are nested too deeply"));
}

#[test]
fn repeated_members_are_found_in_small_and_large_objects() {
    let names = |text: &str| {
        let doc = parse(text.to_owned()).unwrap();
        doc.duplicates().map(|n| n.key().unwrap().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(r#"{"a":1,"b":{"c":1,"c":2},"a":3}"#), ["c", "a"]);
    assert!(names(r#"{"a":1,"b":{"a":1}}"#).is_empty());
    let many: Vec<_> = (0..100).map(|n| format!("\"m{n}\":{n}")).collect();
    assert_eq!(names(&format!("{{{},\"m7\":0,\"m99\":1}}", many.join(","))), ["m7", "m99"]);
}

#[test]
fn nodes_are_read_by_name_and_place() {
    let doc = parse(r#" { "a" : [ { "b" : "x\n\u00e9" } , null , true ] } "#).unwrap();
    let root = doc.root();
    assert_eq!(root.at(&["a", "0", "b"]).and_then(|n| n.string()).as_deref(), Some("x\né"));
    assert_eq!(root.get("a").unwrap().items().count(), 3);
    assert_eq!(root.get("a").unwrap().items().nth(2).and_then(|n| n.boolean()), Some(true));
    assert_eq!(root.at(&["a", "0"]).unwrap().each().count(), 1);
    assert!(!doc.is_compact());
    let compact = doc.into_compact();
    assert_eq!(compact.text(), "{\"a\":[{\"b\":\"x\\n\\u00e9\"},null,true]}");
    assert!(compact.is_compact());
}

#[test]
fn splices_change_only_their_place() {
    let doc = parse(r#"{"a":1,"b":[1,2,3],"c":{}}"#).unwrap();
    let root = doc.root();
    let b = root.get("b").unwrap();
    let edits = vec![
        set_member(root, "d", "4"),
        set_member(root, "a", "\"x\""),
        remove_item(b.items().nth(1).unwrap()),
        insert_member(root.get("c").unwrap(), "e", "5"),
    ];
    assert_eq!(splice(doc.text(), edits), r#"{"a":"x","b":[1,3],"c":{"e":5},"d":4}"#);
    let gone = remove_member(root.get("c").unwrap()).unwrap();
    assert_eq!(splice(doc.text(), vec![gone]), r#"{"a":1,"b":[1,2,3]}"#);
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::from),
        "[^\u{0}]*".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[^\u{0}]{0,8}", inner, 0..30)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_another_parser_writes_is_read_the_same(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        let doc = parse(text).unwrap();
        prop_assert!(doc.duplicates().next().is_none());
        let compact = doc.into_compact();
        let fresh = parse(compact.bytes().clone()).unwrap();
        assert_eq!(format!("{:?}", compact.nodes), format!("{:?}", fresh.nodes), "{}", compact.text());
        let again: serde_json::Value = serde_json::from_str(compact.text()).unwrap();
        prop_assert_eq!(again, value);
    }

    #[test]
    fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let ours = parse(bytes.clone()).is_ok();
        let theirs = serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
        if ours { prop_assert!(theirs) }
    }

    #[test]
    fn json_like_bytes_are_judged_as_by_another_parser(text in "[\\[\\]{}\",:0-9a-u\\\\. eE+-]{0,40}") {
        let ours = parse(text.clone()).is_ok();
        let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        prop_assert_eq!(ours, theirs, "{}", text);
    }
}
