//! A claim with the resources that came with it.

use crate::edi::claims::named;
use crate::edi::find::items;
use crate::rest::Context;
use remit_fhir::{Error, IssueType, Result, is_id};
use serde_json::Value;
use std::collections::HashMap;

/// A claim and what it refers to.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// The claim.
    pub(super) claim: Value,
    /// Resources that came with it, by their references. What the record has is not taken from here.
    pub(super) with: Vec<(String, Value)>,
}

impl Package {
    /// A claim by itself.
    pub(super) fn of(claim: Value) -> Package {
        Package { claim, with: Vec::new() }
    }
}

/// The claims of a Bundle: its own, and those of the Bundles in it, each with the resources beside it.
pub(super) fn packages(cx: &Context<'_>, bundle: &Value) -> Result<Vec<Result<Package>>> {
    let mut inner = Vec::new();
    for (n, entry) in items(bundle, "entry").enumerate() {
        if entry["resource"]["resourceType"] == "Bundle" {
            let at = format!("Bundle.entry[{n}].resource");
            let mut all = claims_of(cx, &entry["resource"]).map_err(|error| error.at(at.clone()));
            if all.as_ref().is_ok_and(|all| all.len() != 1) {
                all = Err(Error::invalid("A Bundle inside a Bundle has exactly one Claim.").at(at));
            }
            match all {
                Ok(all) => inner.extend(all.into_iter().map(Ok)),
                Err(error) => inner.push(Err(error)),
            }
        }
    }
    let own = claims_of(cx, bundle)?;
    let all: Vec<Result<Package>> = own.into_iter().map(Ok).chain(inner).collect();
    if all.is_empty() {
        return Err(Error::invalid("The Bundle has no Claim.").coded(IssueType::Required).at("Bundle.entry"));
    }
    Ok(all)
}

fn claims_of(cx: &Context<'_>, bundle: &Value) -> Result<Vec<Package>> {
    let mut names = HashMap::new();
    let mut with = Vec::new();
    let mut claims = Vec::new();
    for (n, entry) in items(bundle, "entry").enumerate() {
        let resource = &entry["resource"];
        match resource["resourceType"].as_str() {
            Some("Claim") => claims.push(resource.clone()),
            Some("Bundle") => {}
            Some(ty) => {
                let reference = place(cx, entry, ty).ok_or_else(|| {
                    Error::invalid(
                        "What comes with a claim has a fullUrl or an id, by which it is referred to.",
                    )
                    .at(format!("Bundle.entry[{n}]"))
                })?;
                if let Some(url) = entry["fullUrl"].as_str() {
                    names.insert(url.to_owned(), reference.clone());
                }
                with.push((reference, resource.clone()));
            }
            None => {
                return Err(Error::invalid("An entry has no resource.").at(format!("Bundle.entry[{n}]")));
            }
        }
    }
    for (_, resource) in &mut with {
        named(resource, &names);
    }
    let package = |mut claim| {
        named(&mut claim, &names);
        Package { claim, with: with.clone() }
    };
    Ok(claims.into_iter().map(package).collect())
}

/// Where a resource of a Bundle is, or will be: under the id of its address here, of itself, or the
/// UUID that stands for it.
fn place(cx: &Context<'_>, entry: &Value, ty: &str) -> Option<String> {
    let url = entry["fullUrl"].as_str().unwrap_or_default();
    let here = url.strip_prefix(cx.base).and_then(|rest| rest.strip_prefix('/'));
    if let Some((kind, id)) = here.and_then(|rest| rest.split_once('/')) {
        return (kind == ty && is_id(id)).then(|| format!("{ty}/{id}"));
    }
    let id = match url.strip_prefix("urn:uuid:") {
        Some(uuid) => uuid,
        None => entry["resource"]["id"].as_str()?,
    };
    is_id(id).then(|| format!("{ty}/{id}"))
}
