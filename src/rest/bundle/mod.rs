//! Batch and transaction (<https://hl7.org/fhir/R4/http.html#transaction>).

mod batch;
mod entry;
mod links;
mod narrative;
mod overlay;
mod plan;
mod prepare;
mod response;
mod transaction;

use remit_fhir::json::{Splice, splice};
use remit_fhir::{Document, Error, Issue, Kind, Node, Result};
use std::future::Future;
use std::pin::Pin;

use super::{Answer, Context};

pub use entry::Method;
pub(crate) use transaction::heavy;

/// What the caller wants to see of written resources, `Prefer: return=…`
/// (<https://hl7.org/fhir/R4/http.html#ops>).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Preference {
    /// Status and location only.
    #[default]
    Minimal,
    /// The resource as stored.
    Representation,
    /// An OperationOutcome.
    OperationOutcome,
}

/// An entry that does not write by itself: a read, a search, a history, an operation. The caller of
/// [`bundle`] runs it as it runs such a request.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `HEAD` or `POST`.
    pub method: Method,
    /// Path below the base, without a slash at the start: `Patient/12`.
    pub path: String,
    /// What follows the `?`, as written.
    pub query: Option<String>,
    /// The body of a POST.
    pub body: Option<Document>,
    /// `request.ifNoneMatch`
    pub if_none_match: Option<String>,
    /// `request.ifModifiedSince`, an instant.
    pub if_modified_since: Option<String>,
}

/// The answer to come.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Answer>> + Send + 'a>>;

/// Runs a [`Request`].
pub type Run<'a> = dyn Fn(Request) -> Running<'a> + Send + Sync + 'a;

/// Performs a batch or transaction and gives the response Bundle.
pub async fn bundle(
    cx: &Context<'_>,
    body: Document,
    preference: Preference,
    run: &Run<'_>,
) -> Result<Answer> {
    let body = body.into_compact();
    let root = body.root();
    if root.resource_type().as_deref() != Some("Bundle") {
        return Err(Error::invalid(
            "What is posted to the base must be a Bundle of type batch or transaction.",
        ));
    }
    let count = root.get("entry").map_or(0, |list| list.items().count());
    if count > cx.settings.bundle_entries {
        return Err(Error::new(
            Kind::TooLarge,
            format!(
                "The Bundle has {count} entries; at most {} are taken at once.",
                cx.settings.bundle_entries
            ),
        ));
    }
    // Criteria in entries are read with the search parameters that the tenant has now.
    cx.store.current_registry(cx.plan.tenant()).await?;
    match root.get_str("type").as_deref() {
        Some("batch") => batch::run(cx, &body, preference, run).await,
        Some("transaction") => transaction::run(cx, &body, preference, run).await,
        Some(_) => Err(Error::invalid(
            "A Bundle posted to the base must have the type batch or transaction; post others to /Bundle.",
        )
        .at("Bundle.type")),
        None => {
            Err(Error::invalid("The Bundle has no type; it must be batch or transaction.").at("Bundle.type"))
        }
    }
}

/// The entries of a Bundle.
fn entries(bundle: &Document) -> impl Iterator<Item = Node<'_>> {
    bundle.root().get("entry").into_iter().flat_map(|list| list.items())
}

/// Faults of the Bundle itself. Its resources are looked at one by one elsewhere, so that a fault in
/// one entry of a batch is that entry's alone.
fn shell_faults(cx: &Context<'_>, bundle: &Document) -> Result<Vec<Issue>> {
    const STAND_IN: &str = r#"{"resourceType":"Basic","code":{"text":"-"}}"#;
    let resources = entries(bundle).filter_map(|entry| entry.get("resource")).filter(|node| node.is_object());
    let edits = resources.map(|node| Splice::replace(node, STAND_IN)).collect();
    let shell = remit_fhir::json::parse(splice(bundle.text(), edits))?;
    Ok(remit_validate::structure(shell.root(), cx.defs, &cx.settings.structure))
}

/// The entry that an expression lies in.
fn entry_of(expression: &str) -> Option<usize> {
    let (index, _) = expression.strip_prefix("Bundle.entry[")?.split_once(']')?;
    index.parse().ok()
}

/// An error of one entry, said of the Bundle.
fn in_entry(mut error: Error, at: usize) -> Error {
    let entry = format!("Bundle.entry[{at}]");
    for issue in &mut error.issues {
        for expression in &mut issue.expression {
            if expression.starts_with("Bundle.entry[") {
                continue;
            }
            let rest = expression.split_once('.').map_or(String::new(), |(_, rest)| format!(".{rest}"));
            *expression = format!("{entry}.resource{rest}");
        }
        if issue.expression.is_empty() {
            issue.expression.push(entry.clone());
        }
    }
    error
}
