//! A Library of SQL is checked when it is stored, as far as it can be by itself
//! (<https://build.fhir.org/ig/HL7/sql-on-fhir/StructureDefinition-SQLQuery.html>): the SQL is what may
//! run here, and what it names is declared. What it depends on may be stored later, so whether that is
//! there, and whether it leads back in a circle, is found when it runs.

use remit_fhir::{Error, IssueType, Kind, Node, Result};
use remit_sof::library::{Library, is_for_others, is_sql};

/// 422 when a Library holds SQL that cannot be run.
pub(super) fn check(resource: Node<'_>) -> Result<()> {
    if !is_sql(resource) || is_for_others(resource) {
        return Ok(());
    }
    let library = Library::read(resource)?;
    let url = resource.get_str("url").unwrap_or_default();
    let version = resource.get_str("version").unwrap_or_default();
    for (label, canonical) in &library.tables {
        let at = || format!("Library.relatedArtifact.where(label='{label}').resource");
        if !canonical.contains(':') {
            return Err(refuse("A dependency is named by its canonical URL.", at()).coded(IssueType::Value));
        }
        let (named, of) = canonical.split_once('|').unwrap_or((canonical.as_str(), &*version));
        if !url.is_empty() && named == url && of == version {
            return Err(refuse("The Library depends on itself.", at()).coded(IssueType::BusinessRule));
        }
    }
    let names = remit_mart::names(&library.sql).map_err(|error| {
        let error = error.at("Library.content.data");
        // The request can be read; its SQL cannot.
        let kind = if error.kind == Kind::Invalid { Kind::Unprocessable } else { error.kind };
        Error { kind, ..error }
    })?;
    let is_table = |name: &str| library.tables.iter().any(|(label, _)| label == name);
    if let Some(name) = names.tables.iter().find(|name| !is_table(name)) {
        let text = format!("The SQL reads {}, and no dependency has this label.", shown(name));
        return Err(refuse(text, "Library.relatedArtifact"));
    }
    let is_declared = |name: &str| library.parameters.iter().any(|declared| declared.name == name);
    // A SQLView is given the parameters of the query above it.
    if !library.is_view
        && let Some(name) = names.parameters.iter().find(|name| !is_declared(name))
    {
        let text = format!("The SQL asks for :{}, and no parameter has this name.", shown(name));
        return Err(refuse(text, "Library.parameter"));
    }
    Ok(())
}

fn refuse(sentence: impl Into<String>, at: impl Into<String>) -> Error {
    Error::unprocessable(sentence).at(at)
}

/// A name of the SQL as a message quotes it.
fn shown(name: &str) -> String {
    const MOST: usize = 80;
    name.chars().take(MOST).collect()
}
