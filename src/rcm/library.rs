//! A shipped Library as it is run: its SQL, the tables below it, and its parameters.

use super::artefacts::artefacts_of;
use remit_fhir::{Error, Result, base64};
use serde_json::Value as Json;
use std::sync::{Arc, LazyLock};

/// A table that the SQL of a [`Library`] reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Table {
    /// The rows of the shipped ViewDefinition of this name.
    View(String),
    /// The rows of the shipped SQLView of this URL.
    Library(String),
}

/// SQL with what it reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Library {
    /// Canonical URL.
    pub url: String,
    /// Business version.
    pub version: String,
    /// One SELECT; parameters are written `:name`.
    pub sql: String,
    /// The parameters that the SQL and all below it want.
    pub parameters: Vec<String>,
    /// Names in the SQL and what stands behind them.
    pub tables: Vec<(String, Table)>,
}

static SHIPPED: LazyLock<Vec<Arc<Library>>> = LazyLock::new(|| {
    artefacts_of("Library")
        .map(|artefact| {
            let json =
                serde_json::from_str(artefact.json).expect("a shipped Library is JSON; a test reads each");
            Arc::new(Library::read(&json).expect("a shipped Library is whole; a test reads each"))
        })
        .collect()
});

impl Library {
    /// Every Library that comes with the program.
    pub fn all() -> &'static [Arc<Library>] {
        &SHIPPED
    }

    /// The shipped Library of a canonical URL, with or without `|version`.
    pub fn find(canonical: &str) -> Option<&'static Arc<Library>> {
        Library::all().iter().find(|library| same_canonical(canonical, &library.url, &library.version))
    }

    /// Reads a Library.
    ///
    /// # Errors
    /// 422 with the place of what is missing.
    pub fn read(json: &Json) -> Result<Library> {
        let refuse = |at: &str, text: String| Error::unprocessable(text).at(format!("Library.{at}"));
        let url = json["url"].as_str();
        let url = url.ok_or_else(|| refuse("url", "The Library has no URL.".to_owned()))?.to_owned();
        let below = items(&json["relatedArtifact"]).filter(|artifact| artifact["type"] == "depends-on");
        let tables: Option<Vec<(String, Table)>> = below.map(read_table).collect();
        let no_sql = || refuse("content", format!("The Library {url} holds no SQL in content.data."));
        let no_label =
            || refuse("relatedArtifact", format!("A dependency of {url} has no label or no resource."));
        Ok(Library {
            version: text(json, "version").to_owned(),
            sql: read_sql(json).ok_or_else(no_sql)?,
            parameters: names(&json["parameter"], "name"),
            tables: tables.ok_or_else(no_label)?,
            url,
        })
    }

    /// Whether its SQL names a column so.
    pub(super) fn gives(&self, column: &str) -> bool {
        self.words().windows(2).any(|pair| pair[0].eq_ignore_ascii_case("as") && pair[1] == column)
    }

    /// Whether this name stands anywhere in its SQL.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.words().contains(&name)
    }

    fn words(&self) -> Vec<&str> {
        let words = self.sql.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words.filter(|word| !word.is_empty()).collect()
    }
}

fn read_table(artifact: &Json) -> Option<(String, Table)> {
    let label = artifact["label"].as_str()?.to_owned();
    let resource = artifact["resource"].as_str()?;
    let is_view = resource.contains("/ViewDefinition/");
    let table = if is_view { Table::View(label.clone()) } else { Table::Library(resource.to_owned()) };
    Some((label, table))
}

fn read_sql(library: &Json) -> Option<String> {
    let content = items(&library["content"]).find(|content| content["contentType"] == "application/sql")?;
    String::from_utf8(base64::decode(content["data"].as_str()?)?).ok()
}

/// Whether a canonical, perhaps with `|version`, means this url and version.
pub(super) fn same_canonical(canonical: &str, url: &str, version: &str) -> bool {
    match canonical.split_once('|') {
        Some((left, right)) => left == url && right == version,
        None => canonical == url,
    }
}

pub(super) fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_default()
}

pub(super) fn items(json: &Json) -> impl Iterator<Item = &Json> {
    json.as_array().into_iter().flatten()
}

fn names(json: &Json, member: &str) -> Vec<String> {
    items(json).filter_map(|item| item[member].as_str()).map(str::to_owned).collect()
}
