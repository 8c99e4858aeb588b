//! The yardstick of the FHIRPath figures: an evaluator that knows no types, limits or errors, and walks
//! borrowed JSON by a tree of steps. What it takes, an expression costs at least.

use serde_json::Value;

/// A path that is read already.
pub(super) enum Walk {
    /// What is walked.
    Root,
    /// Members of this name, lists opened.
    Member(Box<Walk>, &'static str),
    /// Those with a member of this text.
    Where(Box<Walk>, &'static str, &'static str),
    /// Both, each value once.
    Union(Box<Walk>, Box<Walk>),
}

impl Walk {
    /// `a.b.c` below the root.
    pub(super) fn path(names: &[&'static str]) -> Walk {
        names.iter().fold(Walk::Root, |walk, name| walk.member(name))
    }

    /// A step further.
    pub(super) fn member(self, name: &'static str) -> Walk {
        Walk::Member(Box::new(self), name)
    }

    /// Only some of them.
    pub(super) fn filtered(self, name: &'static str, text: &'static str) -> Walk {
        Walk::Where(Box::new(self), name, text)
    }

    /// These and others.
    pub(super) fn and(self, other: Walk) -> Walk {
        Walk::Union(Box::new(self), Box::new(other))
    }

    /// What it finds.
    pub(super) fn evaluate<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        let mut found = Vec::new();
        match self {
            Walk::Root => found.push(root),
            Walk::Member(of, name) => of.each(root, &mut |value| open(value.get(*name), &mut found)),
            Walk::Where(of, name, text) => of.each(root, &mut |value| {
                if value.get(*name).and_then(Value::as_str) == Some(*text) {
                    found.push(value);
                }
            }),
            Walk::Union(one, other) => {
                for value in one.evaluate(root).into_iter().chain(other.evaluate(root)) {
                    if !found.contains(&value) {
                        found.push(value);
                    }
                }
            }
        }
        found
    }

    /// Hands over what it finds; the root needs no list.
    fn each<'v>(&self, root: &'v Value, hand: &mut dyn FnMut(&'v Value)) {
        match self {
            Walk::Root => hand(root),
            walk => walk.evaluate(root).into_iter().for_each(hand),
        }
    }
}

fn open<'v>(value: Option<&'v Value>, found: &mut Vec<&'v Value>) {
    match value {
        Some(Value::Array(items)) => found.extend(items),
        Some(value) => found.push(value),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_finds_what_the_path_says() {
        let root = json!({ "name": [{ "use": "official", "given": ["A", "B"] }, { "given": ["A"] }] });
        let given = Walk::path(&["name", "given"]);
        assert_eq!(given.evaluate(&root), [&json!("A"), &json!("B"), &json!("A")]);
        let official = Walk::path(&["name"]).filtered("use", "official").member("given");
        assert_eq!(official.evaluate(&root), [&json!("A"), &json!("B")]);
        assert_eq!(given.and(Walk::path(&["name", "use"])).evaluate(&root).len(), 3);
    }
}
