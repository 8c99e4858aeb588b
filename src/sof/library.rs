//! A Library that holds SQL: a SQLQuery or a SQLView
//! (<https://build.fhir.org/ig/HL7/sql-on-fhir/StructureDefinition-SQLQuery.html>).

use remit_fhir::{Error, IssueType, Node, Result, base64};

/// Tables that one query may declare.
const MAX_DEPENDENCIES: usize = 100;

/// A Library as far as it is run.
#[derive(Clone, Debug)]
pub struct Library {
    /// Whether it is a SQLView, which others read as a table.
    pub is_view: bool,
    /// The SQL that every engine understands.
    pub sql: String,
    /// Names of tables in the SQL, folded as SQL folds them, and what stands behind them.
    pub tables: Vec<(String, String)>,
    /// The parameters that the query declares.
    pub parameters: Vec<Declared>,
}

/// A parameter that a query declares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declared {
    /// Its name, without the colon of the SQL.
    pub name: String,
    /// A FHIR type.
    pub ty: String,
    /// Without a value it is null.
    pub is_optional: bool,
}

/// Whether a resource is a Library with SQL.
pub fn is_sql(library: Node<'_>) -> bool {
    kind(library).is_some()
        || contents(library).any(|(_, content_type)| content_type.starts_with("application/sql"))
}

/// Whether all SQL of a Library is for other engines: such a one is kept, and not run here.
pub fn is_for_others(library: Node<'_>) -> bool {
    let mut texts = contents(library).map(|(_, ty)| ty).filter(|ty| ty.starts_with("application/sql"));
    texts.next().is_some_and(|first| first != "application/sql") && texts.all(|ty| ty != "application/sql")
}

fn kind(library: Node<'_>) -> Option<&'static str> {
    let codings = library.get("type").and_then(|ty| ty.get("coding"))?;
    codings.items().find_map(|coding| match coding.get_str("code").as_deref() {
        Some("sql-query") => Some("sql-query"),
        Some("sql-view") => Some("sql-view"),
        _ => None,
    })
}

fn contents<'l>(library: Node<'l>) -> impl Iterator<Item = (Node<'l>, String)> {
    let list = library.get("content").into_iter().flat_map(|list| list.items());
    list.map(|content| {
        let text = content.get_str("contentType").unwrap_or_default();
        (content, text.replace(' ', "").to_ascii_lowercase())
    })
}

fn refuse(at: &str, sentence: impl Into<String>) -> Error {
    Error::unprocessable(sentence).at(format!("Library.{at}"))
}

impl Library {
    /// Reads one.
    ///
    /// # Errors
    /// 422 with the place of what is missing or wrong.
    pub fn read(library: Node<'_>) -> Result<Library> {
        let is_view = kind(library) == Some("sql-view");
        let parameters = parameters(library)?;
        if is_view && !parameters.is_empty() {
            return Err(refuse("parameter", "A SQLView has no parameters; make it a SQLQuery."));
        }
        Ok(Library { is_view, sql: sql(library)?, tables: tables(library)?, parameters })
    }
}

/// The SQL that every engine understands; a text for another dialect is not run here.
fn sql(library: Node<'_>) -> Result<String> {
    let plain = contents(library).find(|(_, content_type)| content_type == "application/sql");
    let (content, _) = plain.ok_or_else(|| {
        refuse(
            "content",
            "The Library has no content of type application/sql; texts of a dialect are not run here.",
        )
    })?;
    let data = content.get_str("data").ok_or_else(|| refuse("content.data", "The SQL is missing."))?;
    let packed: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = base64::decode(&packed).ok_or_else(|| refuse("content.data", "The SQL is not base64."))?;
    String::from_utf8(bytes).map_err(|_| refuse("content.data", "The SQL is not UTF-8."))
}

fn tables(library: Node<'_>) -> Result<Vec<(String, String)>> {
    let list = library.get("relatedArtifact").into_iter().flat_map(|list| list.items());
    let mut tables: Vec<(String, String)> = Vec::new();
    for (n, artifact) in list.enumerate() {
        if artifact.get_str("type").as_deref() != Some("depends-on") {
            continue;
        }
        let at = format!("relatedArtifact[{n}]");
        let Some(resource) = artifact.get_str("resource") else {
            return Err(refuse(&at, "The dependency names no resource.").coded(IssueType::Required));
        };
        let Some(label) = artifact.get_str("label") else {
            return Err(refuse(&at, "The dependency has no label, which is the name of its table.")
                .coded(IssueType::Required));
        };
        let is_name = label.starts_with(|c: char| c.is_ascii_alphabetic())
            && label.len() <= 255
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name {
            let text = "The label must be a letter and then letters, digits and underscores.";
            return Err(refuse(&format!("{at}.label"), text));
        }
        let label = label.to_ascii_lowercase();
        if tables.iter().any(|(known, _)| *known == label) {
            return Err(refuse(&format!("{at}.label"), "Two dependencies have this label."));
        }
        tables.push((label, resource.into_owned()));
    }
    if tables.len() > MAX_DEPENDENCIES {
        let text = format!("The Library depends on over {MAX_DEPENDENCIES} others.");
        return Err(refuse("relatedArtifact", text).coded(IssueType::TooCostly));
    }
    Ok(tables)
}

fn parameters(library: Node<'_>) -> Result<Vec<Declared>> {
    let list = library.get("parameter").into_iter().flat_map(|list| list.items());
    let mut declared: Vec<Declared> = Vec::new();
    for (n, parameter) in list.enumerate() {
        if parameter.get_str("use").is_some_and(|usage| usage != "in") {
            continue;
        }
        let at = format!("parameter[{n}]");
        let name = parameter.get_str("name").unwrap_or_default().into_owned();
        if name.is_empty() || declared.iter().any(|known| known.name == name) {
            return Err(refuse(&at, "A parameter needs a name of its own."));
        }
        let ty = parameter.get_str("type").unwrap_or_default().into_owned();
        let is_optional = parameter.get("min").and_then(|min| min.number()) == Some("0");
        declared.push(Declared { name, ty, is_optional });
    }
    Ok(declared)
}
