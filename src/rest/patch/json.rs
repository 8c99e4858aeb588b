//! JSON Patch (RFC 6902; <https://hl7.org/fhir/R4/http.html#patch>): all six operations, one after
//! the other, each a splice of the text, so that what a patch does not touch stays to the byte.

use super::equal::equal;
use super::pointer::{Pointer, index};
use super::{MAX_OPERATIONS, Work, failed, reparse};
use remit_fhir::json::{Splice, insert_member, remove_item, remove_member, set_member, splice};
use remit_fhir::{Document, Error, Node, Result};

/// Applies a patch to a compact document. A malformed patch is a 400, one that cannot be applied a 422.
pub(super) fn apply(mut document: Document, patch: &Document) -> Result<Document> {
    if !patch.root().is_array() {
        return Err(Error::invalid("A JSON Patch is an array of operations (RFC 6902)."));
    }
    let mut work = Work::default();
    for (at, node) in patch.root().items().enumerate() {
        work.add(&document)?;
        if at == MAX_OPERATIONS {
            return Err(Error::invalid(format!("A patch has at most {MAX_OPERATIONS} operations.")));
        }
        let operation = Operation::parse(node).map_err(|reason| {
            Error::invalid(format!("Operation {at} of the JSON Patch is malformed: {reason}."))
        })?;
        document = operation.apply(document).map_err(|reason| {
            let (name, path) = (operation.name(), &operation.path);
            failed(format!("Operation {at} of the JSON Patch ({name} \"{path}\") failed: {reason}."))
        })?;
    }
    Ok(document)
}

struct Operation<'p> {
    /// As written, for messages.
    path: String,
    target: Pointer,
    act: Act<'p>,
}

enum Act<'p> {
    Add(Node<'p>),
    Remove,
    Replace(Node<'p>),
    Move(Pointer),
    Copy(Pointer),
    Test(Node<'p>),
}

type Step<T> = std::result::Result<T, &'static str>;

const NOT_THERE: &str = "there is no value at this path";

impl<'p> Operation<'p> {
    fn parse(node: Node<'p>) -> Result<Operation<'p>, String> {
        if !node.is_object() {
            return Err("it is not an object".into());
        }
        let text = |name: &str| node.get_str(name).ok_or(format!("\"{name}\" is missing or not a string"));
        let pointer =
            |name: &str| Pointer::parse(&text(name)?).map_err(|reason| format!("in \"{name}\", {reason}"));
        let value = || node.get("value").ok_or("\"value\" is missing".to_owned());
        let act = match &*text("op")? {
            "add" => Act::Add(value()?),
            "remove" => Act::Remove,
            "replace" => Act::Replace(value()?),
            "move" => Act::Move(pointer("from")?),
            "copy" => Act::Copy(pointer("from")?),
            "test" => Act::Test(value()?),
            _ => return Err("\"op\" must be add, remove, replace, move, copy or test".into()),
        };
        Ok(Operation { path: text("path")?.into_owned(), target: pointer("path")?, act })
    }

    fn name(&self) -> &'static str {
        match self.act {
            Act::Add(_) => "add",
            Act::Remove => "remove",
            Act::Replace(_) => "replace",
            Act::Move(_) => "move",
            Act::Copy(_) => "copy",
            Act::Test(_) => "test",
        }
    }

    fn apply(&self, document: Document) -> Result<Document, String> {
        let root = document.root();
        match &self.act {
            Act::Add(value) => change(&document, add(root, &self.target, &compact(*value))?),
            Act::Remove => change(&document, remove(root, &self.target)?),
            Act::Replace(value) => {
                let old = self.target.find(root).ok_or(NOT_THERE)?;
                change(&document, Splice::replace(old, compact(*value)))
            }
            Act::Move(from) if *from == self.target => {
                from.find(root).ok_or("there is no value at \"from\"")?;
                Ok(document)
            }
            Act::Move(from) if from.contains(&self.target) => {
                Err("a value cannot be moved into itself".into())
            }
            Act::Move(from) => {
                let json = from.find(root).ok_or("there is no value at \"from\"")?.json().to_owned();
                let without = change(&document, remove(root, from)?)?;
                change(&without, add(without.root(), &self.target, &json)?)
            }
            Act::Copy(from) => {
                let json = from.find(root).ok_or("there is no value at \"from\"")?.json();
                change(&document, add(root, &self.target, json)?)
            }
            Act::Test(value) => {
                let found = self.target.find(root).ok_or(NOT_THERE)?;
                if equal(found, *value) { Ok(document) } else { Err("the value there is another".into()) }
            }
        }
    }
}

fn compact(value: Node<'_>) -> String {
    let mut out = Vec::new();
    value.write_compact(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn change(document: &Document, edit: Splice) -> Result<Document, String> {
    reparse(splice(document.text(), vec![edit])).map_err(|e| e.to_string())
}

fn add(root: Node<'_>, target: &Pointer, json: &str) -> Step<Splice> {
    if target.0.is_empty() {
        return Ok(Splice::replace(root, json));
    }
    let (parent, token) =
        target.parent(root).ok_or("the object or array that should hold it is not there")?;
    if parent.is_object() {
        return Ok(match parent.get(token) {
            Some(_) => set_member(parent, token, json),
            None => insert_member(parent, token, json),
        });
    }
    if !parent.is_array() {
        return Err("what should hold it is neither an object nor an array");
    }
    let count = parent.items().count();
    let at = if token == "-" {
        count
    } else {
        index(token).ok_or("the last part must be an array index or '-'")?
    };
    insert_item(parent, at, json).ok_or("the index is past the end of the array")
}

/// Puts an item into an array, at most at its end.
fn insert_item(array: Node<'_>, at: usize, json: &str) -> Option<Splice> {
    let count = array.items().count();
    if at > count {
        return None;
    }
    let (place, text) = match array.items().nth(at) {
        Some(item) => (item.range().start, format!("{json},")),
        None if count == 0 => (array.range().end - 1, json.to_owned()),
        None => (array.range().end - 1, format!(",{json}")),
    };
    Some(Splice { range: place..place, text })
}

fn remove(root: Node<'_>, target: &Pointer) -> Step<Splice> {
    let node = target.find(root).ok_or(NOT_THERE)?;
    let (parent, _) = target.parent(root).ok_or("the whole document cannot be removed")?;
    if parent.is_array() {
        return Ok(remove_item(node));
    }
    remove_member(node).ok_or(NOT_THERE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_fhir::json::parse;

    fn run(document: &str, patch: &str) -> String {
        let document = parse(document.to_owned()).unwrap().into_compact();
        match apply(document, &parse(patch.to_owned()).unwrap()) {
            Ok(done) => done.text().to_owned(),
            Err(e) => format!("{} {e}", e.status()),
        }
    }

    /// The examples of RFC 6902 appendix A, and what they leave out.
    #[test]
    fn operations_do_what_the_rfc_says() {
        for (document, patch, expected) in [
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/baz","value":"qux"}]"#,
                r#"{"foo":"bar","baz":"qux"}"#,
            ),
            (
                r#"{"foo":["bar","baz"]}"#,
                r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
                r#"{"foo":["bar","qux","baz"]}"#,
            ),
            (r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#),
            (
                r#"{"foo":["bar","qux","baz"]}"#,
                r#"[{"op":"remove","path":"/foo/1"}]"#,
                r#"{"foo":["bar","baz"]}"#,
            ),
            (r#"{"baz":"qux"}"#, r#"[{"op":"replace","path":"/baz","value":"boo"}]"#, r#"{"baz":"boo"}"#),
            (
                r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
                r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
                r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
            ),
            (
                r#"{"foo":["all","grass","cows","eat"]}"#,
                r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
                r#"{"foo":["all","cows","eat","grass"]}"#,
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"copy","from":"/a","path":"/c"}]"#,
                r#"{"a":{"b":1},"c":{"b":1}}"#,
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"copy","from":"/a","path":"/a/c"}]"#,
                r#"{"a":{"b":1,"c":{"b":1}}}"#,
            ),
            (
                r#"{"baz":"qux","foo":["a",2,"c"]}"#,
                r#"[{"op":"test","path":"/foo/1","value":2.0}]"#,
                r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            ),
            (
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/child","value":{"x" : { }}}]"#,
                r#"{"foo":"bar","child":{"x":{}}}"#,
            ),
            (
                r#"{"foo":["bar"]}"#,
                r#"[{"op":"add","path":"/foo/-","value":["a","b"]}]"#,
                r#"{"foo":["bar",["a","b"]]}"#,
            ),
            (r#"{"foo":[]}"#, r#"[{"op":"add","path":"/foo/0","value":1}]"#, r#"{"foo":[1]}"#),
            (r#"{"foo":1}"#, r#"[{"op":"add","path":"/foo","value":2}]"#, r#"{"foo":2}"#),
            (r#"{"foo":1}"#, r#"[{"op":"add","path":"","value":{"a":1}}]"#, r#"{"a":1}"#),
            (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#),
            (
                r#"{"a":1.00,"b":2}"#,
                r#"[{"op":"move","from":"/a","path":"/b"},{"op":"copy","from":"/b","path":"/c"}]"#,
                r#"{"b":1.00,"c":1.00}"#,
            ),
            (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/a"}]"#, r#"{"a":1}"#),
            (r#"{"a":1}"#, "[]", r#"{"a":1}"#),
        ] {
            assert_eq!(run(document, patch), expected, "{patch}");
        }
    }

    #[test]
    fn faults_have_a_status_and_a_reason() {
        let object = r#"{"foo":["a"],"b":1}"#;
        for (patch, expected) in [
            (
                r#"[{"op":"add","path":"/x/y","value":1}]"#,
                "422 Operation 0 of the JSON Patch (add \"/x/y\") failed: the object or array that should hold it is not there.",
            ),
            (
                r#"[{"op":"add","path":"/b/y","value":1}]"#,
                "what should hold it is neither an object nor an array",
            ),
            (r#"[{"op":"add","path":"/foo/2","value":1}]"#, "the index is past the end of the array"),
            (r#"[{"op":"add","path":"/foo/01","value":1}]"#, "the last part must be an array index or '-'"),
            (r#"[{"op":"remove","path":"/x"}]"#, "422 "),
            (r#"[{"op":"remove","path":""}]"#, "the whole document cannot be removed"),
            (r#"[{"op":"replace","path":"/foo/-","value":1}]"#, "there is no value at this path"),
            (r#"[{"op":"test","path":"/b","value":"1"}]"#, "the value there is another"),
            (r#"[{"op":"move","from":"/foo","path":"/foo/0"}]"#, "a value cannot be moved into itself"),
            (r#"[{"op":"copy","from":"/z","path":"/b"}]"#, "there is no value at \"from\""),
            (
                r#"[{"op":"add","path":"/b"}]"#,
                "400 Operation 0 of the JSON Patch is malformed: \"value\" is missing.",
            ),
            (r#"[{"op":"add","path":"b","value":1}]"#, "400 "),
            (r#"[{"op":"spam","path":"/b"}]"#, "\"op\" must be add, remove, replace, move, copy or test"),
            (r#"[1]"#, "400 "),
            (r#"{}"#, "400 "),
        ] {
            let answer = run(object, patch);
            assert!(answer.contains(expected), "{patch}: {answer}");
        }
        let many =
            format!("[{}]", vec![r#"{"op":"test","path":"/b","value":1}"#; MAX_OPERATIONS + 1].join(","));
        assert!(run(object, &many).starts_with("400 "));
    }

    #[test]
    fn a_patch_cannot_nest_without_bound() {
        let copy = r#"{"op":"copy","from":"","path":"/a"}"#;
        let patch = format!("[{}]", vec![copy; 200].join(","));
        assert!(run(r#"{"a":1}"#, &patch).starts_with("422 "));
    }

    #[test]
    fn a_patch_cannot_grow_a_text_without_bound() {
        let double = r#"{"op":"copy","from":"/a","path":"/a/-"}"#;
        let both = r#"{"op":"copy","from":"/b","path":"/a/-"},{"op":"copy","from":"/a","path":"/b/-"}"#;
        let patch = format!("[{}]", vec![both; 40].join(","));
        assert!(run(r#"{"a":[1],"b":[1]}"#, &format!("[{double}]")).starts_with('{'));
        assert!(run(r#"{"a":[1],"b":[1]}"#, &patch).starts_with("422 "));
    }
}
