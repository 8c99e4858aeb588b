//! What writes of SearchParameter resources change in the parameters of their tenant.

use super::check::check;
use super::{Custom, Definition};
use crate::registry::Registry;
use remit_fhir::{Error, Issue, IssueType, Kind, Node, Result};
use remit_spec::TypeId;
use std::collections::HashMap;

/// One change of a tenant's parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A parameter to make rows for from now on.
    Add {
        /// The resource type.
        ty: TypeId,
        /// Its code.
        code: Box<str>,
        /// Logical id of the SearchParameter resource.
        source: String,
    },
    /// The parameter with this number is no more.
    Drop(i32),
}

/// The changes that writing these SearchParameter resources makes, each with its logical id; `None` is
/// a deletion. All reasons why one cannot be used are told with 422.
pub fn changes(registry: &Registry, writes: &[(&str, Option<Node<'_>>)]) -> Result<Vec<Change>> {
    let mut issues = Vec::new();
    let mut wanted: Vec<(&str, Vec<Definition>)> = Vec::with_capacity(writes.len());
    for (source, resource) in writes {
        match resource.map_or(Ok(Vec::new()), |resource| check(resource, registry)) {
            Ok(definitions) => wanted.push((source, definitions)),
            Err(faults) => issues.extend(faults),
        }
    }
    // Those of resources that are not written keep their codes.
    let is_written = |custom: &&Custom| writes.iter().any(|(source, _)| **source == *custom.source);
    let others = registry.custom().map(|(custom, _)| custom).filter(|custom| !is_written(custom));
    let mut taken: HashMap<(TypeId, &str), &str> =
        others.map(|c| ((c.ty, &*c.definition.code), &*c.source)).collect();
    for (source, definitions) in &wanted {
        // One clash tells enough of a resource that has 146 bases.
        let clash = definitions.iter().find_map(|d| Some((d, taken.insert((d.base, &d.code), source)?)));
        if let Some((definition, other)) = clash {
            issues.push(clashes(registry, definition, other));
        }
    }
    if !issues.is_empty() {
        return Err(Error::with_issues(Kind::Unprocessable, issues));
    }
    Ok(wanted.iter().flat_map(|(source, definitions)| difference(registry, source, definitions)).collect())
}

fn clashes(registry: &Registry, definition: &Definition, other: &str) -> Issue {
    let name = registry.definitions().name(definition.base);
    Issue::error(
        IssueType::Duplicate,
        format!(
            "SearchParameter/{other} gives {name} a search parameter '{}' already; choose another code.",
            definition.code
        ),
    )
    .at("SearchParameter.code")
}

/// What was and is the same stays as it is, with its rows.
fn difference(registry: &Registry, source: &str, definitions: &[Definition]) -> Vec<Change> {
    let before: Vec<&Custom> = registry.custom().map(|(c, _)| c).filter(|c| *c.source == *source).collect();
    let gone = before
        .iter()
        .filter(|c| !definitions.contains(&c.definition))
        .map(|c| Change::Drop(c.parameter.number));
    let new = definitions
        .iter()
        .filter(|d| !before.iter().any(|c| c.definition == **d))
        .map(|d| Change::Add { ty: d.base, code: d.code.clone(), source: source.to_owned() });
    gone.chain(new).collect()
}

impl Registry {
    /// This registry with the parameters of a tenant: rows of the database, with the SearchParameter
    /// resource of each. One whose resource does not give it is left out.
    pub fn with_custom<'n>(
        &self,
        epoch: i64,
        rows: &[super::Row],
        resource: impl Fn(&str) -> Option<Node<'n>>,
    ) -> Result<Registry> {
        let mut read: HashMap<&str, Vec<Definition>> = HashMap::new();
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let known = self.custom().find(|(c, _)| c.parameter.number == row.number);
            if let Some(custom) = known.map(|(_, _)| row.number).and_then(|n| self.custom_numbered(n)) {
                all.push((custom, row.state));
                continue;
            }
            let definitions = read.entry(row.source.as_str()).or_insert_with(|| {
                resource(&row.source).and_then(|node| check(node, self).ok()).unwrap_or_default()
            });
            let found = definitions.iter().find(|d| self.type_number(d.base) == Some(row.type_number));
            if let Some(definition) = found {
                all.push((self.compile_custom(row, definition)?.into(), row.state));
            }
        }
        all.sort_by(|(a, _), (b, _)| (a.ty, &a.definition.code).cmp(&(b.ty, &b.definition.code)));
        Ok(self.with_customs(super::Customs { epoch, all }))
    }
}
