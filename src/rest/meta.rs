//! Adding and removing profiles, tags and security labels
//! (<https://hl7.org/fhir/R4/resource-operation-meta-add.html>,
//! <https://hl7.org/fhir/R4/resource-operation-meta-delete.html>).
//!
//! A change is a new version, as any change of what a reader gets; where nothing changes there is none.

use super::prepare::{self, Before};
use super::write::{Attempts, commit_one};
use super::{Answer, Context};
use remit_fhir::json::{self, Splice, quote};
use remit_fhir::{Error, Kind, Node, Result};
use remit_spec::TypeId;

/// What is done with the labels given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetaChange {
    /// Those that are not there are added.
    Add,
    /// Those that are there are removed.
    Delete,
}

/// Changes the labels of a resource by those in `given`, a Meta. With `version` only when that is the
/// current one. The answer holds the whole resource.
pub async fn change_meta(
    cx: &Context<'_>,
    ty: TypeId,
    id: &str,
    version: Option<&str>,
    change: MetaChange,
    given: Node<'_>,
) -> Result<Answer> {
    let mut attempts = Attempts::default();
    loop {
        let stored = cx.store.read(cx.plan, ty, id).await?;
        if version.is_some_and(|version| version != stored.version.to_string()) {
            return Err(Error::new(
                Kind::Unprocessable,
                "Versions of the past are kept as they were; labels are changed on the current version.",
            )
            .coded(remit_fhir::IssueType::NotSupported));
        }
        let before = Before::of(Some(&stored));
        let body = before.body.ok_or_else(|| Error::internal("a resource that was read has no body"))?;
        let document = json::parse(body.clone())?.into_compact();
        let Some(text) = changed(document.root(), change, given) else {
            return Ok(Answer::stored(stored));
        };
        let document = json::parse(text)?;
        prepare::sound(cx, document.root(), Kind::Unprocessable)?;
        let write = prepare::version(cx, ty, id, before, document.root(), Vec::new())?;
        if let Some(answer) = commit_one(cx, &mut attempts, Vec::new(), write).await? {
            return Ok(answer);
        }
    }
}

/// The text of a resource with its labels changed; `None` when nothing changes.
fn changed(resource: Node<'_>, change: MetaChange, given: Node<'_>) -> Option<String> {
    let meta = resource.get("meta");
    let mut members: Vec<(String, String)> = Vec::new();
    let lists = ["profile", "tag", "security"];
    for (name, value) in meta.into_iter().flat_map(Node::members) {
        if !lists.contains(&&*name) && name != "_profile" {
            members.push((name.into_owned(), value.json().to_owned()));
        }
    }
    let mut is_changed = false;
    for name in lists {
        let list = List::of(meta, name);
        let new = list.after(change, given.get(name));
        is_changed |= new.0.len() != list.items.len();
        new.render(name, &mut members);
    }
    if !is_changed {
        return None;
    }
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{value}", quote(name))).collect();
    let text = format!("{{{}}}", members.join(","));
    let splice = match meta {
        Some(meta) => Splice::replace(meta, text),
        None => json::insert_member(resource, "meta", &text),
    };
    Some(json::splice(resource.document().text(), vec![splice]))
}

/// A list of labels, each with what stands beside it in `_profile`.
struct List<'a> {
    items: Vec<(Node<'a>, &'a str)>,
}

/// Labels as text, with their companions.
struct Labels<'a>(Vec<(&'a str, &'a str)>);

impl<'a> List<'a> {
    fn of(meta: Option<Node<'a>>, name: &str) -> List<'a> {
        let of = |name: &str| meta.and_then(|m| m.get(name)).into_iter().flat_map(Node::items);
        let beside = of(&format!("_{name}")).map(Node::json).chain(std::iter::repeat("null"));
        List { items: of(name).zip(beside).collect() }
    }

    fn after(&self, change: MetaChange, given: Option<Node<'a>>) -> Labels<'a> {
        let given: Vec<Node<'a>> = given.into_iter().flat_map(Node::items).collect();
        let old = self.items.iter();
        if change == MetaChange::Delete {
            let kept = old.filter(|(item, _)| !given.iter().any(|g| is_same(*g, *item)));
            return Labels(kept.map(|(item, beside)| (item.json(), *beside)).collect());
        }
        let mut all: Vec<(Node<'a>, &str)> = old.copied().collect();
        for item in given {
            if !all.iter().any(|(old, _)| is_same(*old, item)) {
                all.push((item, "null"));
            }
        }
        Labels(all.into_iter().map(|(item, beside)| (item.json(), beside)).collect())
    }
}

impl Labels<'_> {
    fn render(&self, name: &str, members: &mut Vec<(String, String)>) {
        let array = |items: Vec<&str>| format!("[{}]", items.join(","));
        if !self.0.is_empty() {
            members.push((name.to_owned(), array(self.0.iter().map(|(item, _)| *item).collect())));
        }
        if self.0.iter().any(|(_, beside)| *beside != "null") {
            members.push((format!("_{name}"), array(self.0.iter().map(|(_, beside)| *beside).collect())));
        }
    }
}

/// Profiles are compared by their whole URL, tags and labels by system and code.
fn is_same(one: Node<'_>, other: Node<'_>) -> bool {
    match (one.string(), other.string()) {
        (Some(one), Some(other)) => one == other,
        (None, None) => ["system", "code"].iter().all(|name| one.get_str(name) == other.get_str(name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resource: &str, change: MetaChange, given: &str, expected: Option<&str>) {
        let (resource, given) =
            (json::parse(resource.to_owned()).unwrap(), json::parse(given.to_owned()).unwrap());
        let text = changed(resource.root(), change, given.root());
        assert_eq!(text.as_deref(), expected, "{change:?} {given:?}");
    }

    #[test]
    fn labels_are_sets() {
        use MetaChange::{Add, Delete};
        let one = r#"{"resourceType":"Basic","meta":{"versionId":"1","tag":[{"system":"s","code":"a","display":"A"}]}}"#;
        check(one, Add, r#"{"tag":[{"system":"s","code":"a"}]}"#, None);
        check(one, Delete, r#"{"tag":[{"system":"t","code":"a"}],"profile":["x"]}"#, None);
        check(
            one,
            Add,
            r#"{"versionId":"9","tag":[{"code":"a"},{"code":"a"}],"security":[{"code":"R"}],"profile":["http://p"]}"#,
            Some(
                r#"{"resourceType":"Basic","meta":{"versionId":"1","profile":["http://p"],"tag":[{"system":"s","code":"a","display":"A"},{"code":"a"}],"security":[{"code":"R"}]}}"#,
            ),
        );
        check(
            one,
            Delete,
            r#"{"tag":[{"system":"s","code":"a","version":"2"}]}"#,
            Some(r#"{"resourceType":"Basic","meta":{"versionId":"1"}}"#),
        );
        check(
            r#"{"resourceType":"Basic"}"#,
            Add,
            r#"{"profile":["http://p"]}"#,
            Some(r#"{"resourceType":"Basic","meta":{"profile":["http://p"]}}"#),
        );
    }

    #[test]
    fn what_stands_beside_a_profile_stays_with_it() {
        let two = r#"{"meta":{"profile":["a","b"],"_profile":[null,{"id":"x"}]}}"#;
        let given = r#"{"profile":["a"]}"#;
        let expected = r#"{"meta":{"profile":["b"],"_profile":[{"id":"x"}]}}"#;
        check(two, MetaChange::Delete, given, Some(expected));
    }
}
