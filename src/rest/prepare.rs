//! From a resource to a write that the store can apply: id and meta are spliced in, the text is read
//! again, index rows are compared with those of the version before
//! (<https://hl7.org/fhir/R4/http.html#create>, <https://hl7.org/fhir/R4/resource.html#Meta>).

use bytes::Bytes;
use remit_fhir::json::{self, Splice, quote, splice};
use remit_fhir::{Document, Error, Issue, Kind, Node, Result};
use remit_search::{IndexRows, difference, extract};
use remit_sof::View;
use remit_spec::TypeId;
use remit_store::{Action, Body, Stored, Write};

use super::{Context, query};

/// Stands for `meta.lastUpdated` until the store writes the time of the commit in its place.
const STAMP: &str = "0001-01-01T00:00:00.000Z";

/// What is stored now under an id.
#[derive(Clone, Copy)]
pub(super) struct Before<'s> {
    /// The current version; 0 when there never was one.
    pub(super) version: i64,
    /// The current text; `None` when it never was or is deleted.
    pub(super) body: Option<&'s Bytes>,
}

impl<'s> Before<'s> {
    /// Nothing was ever stored.
    pub(super) const NOTHING: Before<'static> = Before { version: 0, body: None };

    /// What `current` found.
    pub(super) fn of(stored: Option<&'s Stored>) -> Before<'s> {
        stored.map_or(Before::NOTHING, |s| Before { version: s.version, body: s.body.as_ref() })
    }

    /// The version that a precondition is compared with: a deleted resource has none.
    pub(super) fn live_version(self) -> i64 {
        self.body.map_or(0, |_| self.version)
    }
}

/// A resource that came in: compact, of the type that the URL names, and well made. All faults of
/// its structure are told at once.
pub(super) fn checked(cx: &Context<'_>, ty: TypeId, body: Document) -> Result<Document> {
    is_of_type(cx, ty, body.root())?;
    sound(cx, body.root(), Kind::Invalid)?;
    Ok(body.into_compact())
}

/// 400 unless the node is a resource of this type.
pub(super) fn is_of_type(cx: &Context<'_>, ty: TypeId, resource: Node<'_>) -> Result<()> {
    let name = cx.defs.name(ty);
    match resource.resource_type() {
        Some(given) if given == name => Ok(()),
        Some(_) => Err(Error::invalid(format!("The resource must be a {name}, as the URL says."))
            .at(format!("{name}.resourceType"))),
        None => Err(Error::invalid(format!("The body must be a resource of type {name}."))),
    }
}

/// An error of this kind when the resource has faults in its structure.
pub(crate) fn sound(cx: &Context<'_>, resource: Node<'_>, kind: Kind) -> Result<()> {
    let faults: Vec<Issue> = remit_validate::structure(resource, cx.defs, &cx.settings.structure);
    if faults.is_empty() { Ok(()) } else { Err(Error::with_issues(kind, faults)) }
}

/// 422 when a ViewDefinition or the SQL of a Library cannot be run: what is stored is what works. Every
/// way to write a version passes here.
fn runnable(cx: &Context<'_>, ty: TypeId, resource: Node<'_>) -> Result<()> {
    match cx.defs.name(ty) {
        "ViewDefinition" => match View::parse(resource, cx.defs) {
            Ok(_) => Ok(()),
            Err(issues) => Err(Error::with_issues(Kind::Unprocessable, issues)),
        },
        "Library" => query::check(resource),
        _ => Ok(()),
    }
}

/// The write of a new version. `resource` lies in a compact document; `edits` are further changes of
/// its text.
pub(super) fn version(
    cx: &Context<'_>,
    ty: TypeId,
    id: &str,
    before: Before<'_>,
    resource: Node<'_>,
    edits: Vec<Splice>,
) -> Result<Write> {
    runnable(cx, ty, resource)?;
    let is_as_sent = edits.is_empty();
    let body = render(resource, id, before.version + 1, edits);
    // Both with the same parameters, or the difference would not be one.
    let registry = cx.store.registry_of(cx.plan.tenant());
    let extract = |root: Node<'_>| extract(root, ty, &registry, cx.index_base());
    let rows = match is_as_sent && registry.ignores_stamps(ty) {
        true => extract(resource)?,
        false => extract(json::parse(Bytes::copy_from_slice(&body.text))?.root())?,
    };
    let old = before.body.map(|body| extract(json::parse(body.clone())?.root())).transpose()?;
    let old = old.unwrap_or_default();
    let (add, remove) = difference(old, rows);
    let action = if before.body.is_some() { Action::Update } else { Action::Create };
    Ok(Write { ty, id: id.to_owned(), action, follows: before.version, body: Some(body), add, remove })
}

/// The write of a deletion.
pub(super) fn deletion(cx: &Context<'_>, ty: TypeId, id: &str, version: i64, body: &Bytes) -> Result<Write> {
    Ok(Write {
        ty,
        id: id.to_owned(),
        action: Action::Delete,
        follows: version,
        body: None,
        add: IndexRows::default(),
        remove: rows_of(cx, ty, json::parse(body.clone())?.root())?,
    })
}

/// The index rows of a resource.
pub(super) fn rows_of(cx: &Context<'_>, ty: TypeId, resource: Node<'_>) -> Result<IndexRows> {
    extract(resource, ty, &cx.store.registry_of(cx.plan.tenant()), cx.index_base())
}

/// The text of a resource with id, `meta.versionId` and a place for `meta.lastUpdated`.
fn render(resource: Node<'_>, id: &str, version: i64, mut edits: Vec<Splice>) -> Body {
    let given = edits.len();
    let start = resource.range().start;
    let mut head = String::new();
    match resource.get("id") {
        Some(old) => edits.push(Splice::replace(old, quote(id))),
        None => head = format!(",\"id\":{}", quote(id)),
    }
    match resource.get("meta").filter(|meta| meta.is_object()) {
        Some(meta) => stamp_meta(meta, version, &mut edits),
        None => {
            head.push_str(&format!(",\"meta\":{{\"versionId\":\"{version}\",\"lastUpdated\":\"{STAMP}\"}}"))
        }
    }
    if let Some(kind) = resource.get("resourceType") {
        let place = kind.range().end;
        edits.push(Splice { range: place..place, text: head });
    }
    for edit in &mut edits {
        edit.range = edit.range.start - start..edit.range.end - start;
    }
    let stamp_at = stamp_place(&edits, given);
    Body { text: splice(resource.json(), edits).into_bytes(), stamp_at }
}

/// Where the stamp comes to stand: its edit is one of those after the first `given`, and every edit
/// before it in the text moves it.
fn stamp_place(edits: &[Splice], given: usize) -> usize {
    let ours = edits.iter().enumerate().skip(given);
    let Some((own, inside)) = ours.filter_map(|(n, edit)| Some((n, edit.text.find(STAMP)?))).next() else {
        return 0;
    };
    let key = |n: usize| (edits[n].range.start, edits[n].range.end, n);
    let before = (0..edits.len()).filter(|n| key(*n) < key(own)).map(|n| &edits[n]);
    let (added, removed) =
        before.fold((0, 0), |(added, removed), e| (added + e.text.len(), removed + e.range.len()));
    edits[own].range.start + added + inside - removed
}

/// Sets version and time where they are, or puts them first.
fn stamp_meta(meta: Node<'_>, version: i64, edits: &mut Vec<Splice>) {
    let mut missing = String::new();
    for (name, json) in [("versionId", format!("\"{version}\"")), ("lastUpdated", format!("\"{STAMP}\""))] {
        match meta.get(name) {
            Some(old) => edits.push(Splice::replace(old, json)),
            None => missing.push_str(&format!("\"{name}\":{json},")),
        }
    }
    if meta.members().next().is_none() {
        missing.pop();
    }
    let place = meta.range().start + 1;
    edits.push(Splice { range: place..place, text: missing });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_meta_are_set_and_the_rest_stays() {
        let stamp = format!("\"lastUpdated\":\"{STAMP}\"");
        for (before, after) in [
            (
                r#"{"resourceType":"Patient","active":true}"#,
                format!(
                    r#"{{"resourceType":"Patient","id":"x","meta":{{"versionId":"7",{stamp}}},"active":true}}"#
                ),
            ),
            (
                r#"{"id":"old","meta":{"versionId":"1","lastUpdated":"2020","tag":[]},"resourceType":"Patient"}"#,
                format!(
                    r#"{{"id":"x","meta":{{"versionId":"7",{stamp},"tag":[]}},"resourceType":"Patient"}}"#
                ),
            ),
            (
                r#"{"resourceType":"Patient","meta":{"tag":[{"code":"a"}]},"x":1.00}"#,
                format!(
                    r#"{{"resourceType":"Patient","id":"x","meta":{{"versionId":"7",{stamp},"tag":[{{"code":"a"}}]}},"x":1.00}}"#
                ),
            ),
            (
                r#"{"resourceType":"Patient","meta":{"lastUpdated":"2020"}}"#,
                format!(r#"{{"resourceType":"Patient","id":"x","meta":{{"versionId":"7",{stamp}}}}}"#),
            ),
            (
                r#"{"resourceType":"Patient","meta":{}}"#,
                format!(r#"{{"resourceType":"Patient","id":"x","meta":{{"versionId":"7",{stamp}}}}}"#),
            ),
        ] {
            let document = json::parse(before.to_owned()).unwrap();
            let body = render(document.root(), "x", 7, Vec::new());
            assert_eq!(String::from_utf8_lossy(&body.text), after, "{before}");
            assert_eq!(body.text[body.stamp_at..][..STAMP.len()], *STAMP.as_bytes(), "{before}");
        }
    }

    #[test]
    fn a_resource_inside_a_bundle_is_cut_out_with_its_edits() {
        let document = json::parse(
            r#"{"entry":[{"resource":{"resourceType":"Claim","a":"urn:1","id":"o"}}]}"#.to_owned(),
        )
        .unwrap();
        let resource = document.root().at(&["entry", "0", "resource"]).unwrap();
        let edit = Splice::replace(resource.get("a").unwrap(), "\"Patient/1\"");
        let body = render(resource, "x", 1, vec![edit]);
        let expected = format!(
            r#"{{"resourceType":"Claim","meta":{{"versionId":"1","lastUpdated":"{STAMP}"}},"a":"Patient/1","id":"x"}}"#
        );
        assert_eq!(String::from_utf8_lossy(&body.text), expected);
        assert_eq!(body.stamp_at, expected.find(STAMP).unwrap());
    }
}
