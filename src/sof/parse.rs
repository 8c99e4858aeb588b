//! From JSON to a [`View`], with every fault and its place.
//! <https://sql-on-fhir.org/ig/2.0.0/StructureDefinition-ViewDefinition.html#validating-columns>

use std::collections::HashSet;

use remit_fhir::{Issue, IssueType, Node};
use remit_spec::Definitions;

use crate::path::{Path, Scope};
use crate::value::ColumnType;
use crate::view::{Cell, Column, Each, Select, View};

/// Columns of one view. The widest official example has 40; every table costs memory per column.
const MAX_COLUMNS: usize = 400;
/// Selects of one view, nested and in unions. A run recurses over them, and this bounds its stack.
const MAX_SELECTS: usize = 128;
/// Selects inside each other.
const MAX_DEPTH: usize = 16;

pub(crate) fn parse(json: Node<'_>, definitions: &'static Definitions) -> Result<View, Vec<Issue>> {
    let mut parser = Parser { definitions, issues: Vec::new(), columns: Vec::new(), selects: 0 };
    let view = parser.view(json);
    match view {
        Some(view) if parser.issues.is_empty() => Ok(view),
        _ => Err(parser.issues),
    }
}

struct Parser {
    definitions: &'static Definitions,
    issues: Vec<Issue>,
    columns: Vec<Column>,
    selects: usize,
}

/// A select being read: where it stands and on what.
struct Place<'p> {
    at: String,
    scope: Scope<'p>,
    depth: usize,
}

impl Parser {
    fn fault(&mut self, code: IssueType, at: &str, text: impl Into<String>) {
        self.issues.push(Issue::error(code, text).at(at));
    }

    fn view(&mut self, json: Node<'_>) -> Option<View> {
        const ROOT: &str = "ViewDefinition";
        if !json.is_object() {
            self.fault(IssueType::Structure, ROOT, "A ViewDefinition is a JSON object.");
            return None;
        }
        let name = self.optional_text(json, "name", ROOT);
        let url = self.optional_text(json, "url", ROOT);
        if let Some(name) = name.as_deref().filter(|name| !is_sql_name(name)) {
            let text =
                format!("The name '{name}' must be a letter and then letters, digits and underscores.");
            self.fault(IssueType::Value, "ViewDefinition.name", text);
        }
        let resource_name = self.text(json, "resource", ROOT)?;
        let Some(resource) = self.definitions.resource_named(&resource_name) else {
            let text = format!("'{resource_name}' is not a resource type of FHIR R4.");
            self.fault(IssueType::CodeInvalid, "ViewDefinition.resource", text);
            return None;
        };
        let constants = crate::constant::parse(json, self.definitions, &mut self.issues);
        let scope = Scope::new(self.definitions, resource, &constants);
        let filters = self.filters(json, &scope);
        let selects = self.root_selects(json, scope);
        if self.issues.is_empty() && self.columns.is_empty() {
            self.fault(IssueType::Required, ROOT, "The view has no column.");
        }
        Some(View {
            name,
            url,
            resource,
            resource_name: self.definitions.name(resource),
            columns: std::mem::take(&mut self.columns),
            filters,
            selects,
            constants,
            definitions: self.definitions,
            document: json.to_document(),
        })
    }

    fn root_selects(&mut self, json: Node<'_>, scope: Scope<'_>) -> Vec<Select> {
        if json.get("select").is_none() {
            self.fault(IssueType::Required, "ViewDefinition.select", "The view has no 'select'.");
            return Vec::new();
        }
        let place = Place { at: "ViewDefinition".to_owned(), scope, depth: 0 };
        let selects = self.selects(json, "select", &place);
        self.check_names();
        selects
    }

    /// The columns of a view have names of their own.
    fn check_names(&mut self) {
        let mut seen = HashSet::new();
        let repeated = self.columns.iter().find(|column| !seen.insert(column.name.to_ascii_lowercase()));
        if let Some(name) = repeated.map(|column| column.name.clone()) {
            let text = format!("The column '{name}' stands in the view more than once.");
            self.fault(IssueType::Duplicate, "ViewDefinition.select", text);
        }
    }

    fn filters(&mut self, json: Node<'_>, scope: &Scope<'_>) -> Vec<Path> {
        let mut filters = Vec::new();
        for (n, filter) in self.list(json, "where", "ViewDefinition").into_iter().enumerate() {
            let at = format!("ViewDefinition.where[{n}]");
            let Some(path) = self.path(filter, "path", &at, scope) else { continue };
            if path.column_type().is_some_and(|ty| !matches!(ty, ColumnType::Boolean | ColumnType::Any)) {
                let text = "The path gives no boolean, so it cannot tell which resources to take.";
                self.fault(IssueType::Value, &format!("{at}.path"), text);
            }
            filters.push(path);
        }
        filters
    }

    fn selects(&mut self, json: Node<'_>, member: &str, place: &Place<'_>) -> Vec<Select> {
        let mut selects = Vec::new();
        for (n, select) in self.list(json, member, &place.at).into_iter().enumerate() {
            let at = format!("{}.{member}[{n}]", place.at);
            selects.extend(self.select(select, at, place));
        }
        selects
    }

    fn select(&mut self, json: Node<'_>, at: String, outer: &Place<'_>) -> Option<Select> {
        self.selects += 1;
        if self.selects > MAX_SELECTS || outer.depth >= MAX_DEPTH {
            if self.selects == MAX_SELECTS + 1 || outer.depth == MAX_DEPTH {
                let text =
                    format!("The view has over {MAX_SELECTS} selects or over {MAX_DEPTH} inside each other.");
                self.fault(IssueType::TooCostly, &at, text);
            }
            return None;
        }
        let (each, scope) = self.each(json, &at, &outer.scope)?;
        let place = Place { at, scope, depth: outer.depth + 1 };
        let cells = self.cells(json, &place);
        let selects = self.selects(json, "select", &place);
        let union = self.union(json, &place);
        // What makes one row goes first: then it is evaluated once, and not for each row of the others.
        let (single, many): (Vec<_>, Vec<_>) = selects.into_iter().partition(Select::is_single);
        let selects: Vec<Select> = single.into_iter().chain(many).collect();
        let uses_variables =
            each.paths().chain(cells.iter().map(|cell| &cell.path)).any(|p| p.uses_variables);
        Some(Select { each, cells, selects, union, uses_variables })
    }

    fn each<'p>(&mut self, json: Node<'_>, at: &str, scope: &Scope<'p>) -> Option<(Each, Scope<'p>)> {
        let given: Vec<&str> = ["forEach", "forEachOrNull", "repeat"]
            .into_iter()
            .filter(|name| json.get(name).is_some())
            .collect();
        match given[..] {
            [] => Some((Each::Same, scope.clone())),
            ["repeat"] => self.repeat(json, at, scope),
            [name] => {
                let path = self.path(json, name, at, scope)?;
                let inner = scope.within(&path);
                Some((if name == "forEach" { Each::Item(path) } else { Each::ItemOrNull(path) }, inner))
            }
            _ => {
                let text = format!("Only one of {} may be given.", given.join(", "));
                self.fault(IssueType::Invariant, at, text);
                None
            }
        }
    }

    fn repeat<'p>(&mut self, json: Node<'_>, at: &str, scope: &Scope<'p>) -> Option<(Each, Scope<'p>)> {
        let texts = self.list(json, "repeat", at);
        if texts.is_empty() {
            self.fault(IssueType::Required, &format!("{at}.repeat"), "'repeat' names no path.");
        }
        // A path may start where another ended, so no one type holds for all of them.
        let anywhere = scope.anywhere();
        let mut paths = Vec::new();
        for (n, text) in texts.into_iter().enumerate() {
            let at = format!("{at}.repeat[{n}]");
            let Some(text) = self.as_text(text, &at) else { continue };
            paths.extend(self.compile(&text, &at, &anywhere));
        }
        Some((Each::Repeat(paths), anywhere))
    }

    fn cells(&mut self, json: Node<'_>, place: &Place<'_>) -> Vec<Cell> {
        let mut cells = Vec::new();
        for (n, column) in self.list(json, "column", &place.at).into_iter().enumerate() {
            let at = format!("{}.column[{n}]", place.at);
            cells.extend(self.cell(column, &at, &place.scope));
        }
        cells
    }

    fn cell(&mut self, json: Node<'_>, at: &str, scope: &Scope<'_>) -> Option<Cell> {
        let name = self.text(json, "name", at)?;
        if !is_sql_name(&name) {
            let text =
                format!("The name '{name}' must be a letter and then letters, digits and underscores.");
            self.fault(IssueType::Value, &format!("{at}.name"), text);
        }
        if self.columns.len() >= MAX_COLUMNS {
            self.fault(IssueType::TooCostly, at, format!("The view has over {MAX_COLUMNS} columns."));
            return None;
        }
        let is_collection = self.flag(json, "collection", at);
        let fhir_type = self.optional_text(json, "type", at);
        let path = self.path(json, "path", at, scope)?;
        let ty = self.column_type(fhir_type.as_deref(), &path, at);
        let sql_type = sql_type(json);
        let slot = self.columns.len();
        self.columns.push(Column { name, ty, fhir_type, is_collection, sql_type });
        Some(Cell { slot, path, ty, is_collection })
    }

    /// The stated type, or else what the path gives.
    fn column_type(&mut self, stated: Option<&str>, path: &Path, at: &str) -> ColumnType {
        let Some(stated) = stated else { return path.column_type().unwrap_or(ColumnType::Any) };
        if let Some(ty) = ColumnType::of(stated) {
            return ty;
        }
        let name = stated.rsplit('/').next().unwrap_or(stated);
        if self.definitions.type_named(name).is_none() {
            let text = format!("'{stated}' is not a type of FHIR R4.");
            self.fault(IssueType::CodeInvalid, &format!("{at}.type"), text);
        }
        ColumnType::Any
    }

    /// The branches of a `unionAll` share their columns: equal names in equal order.
    fn union(&mut self, json: Node<'_>, place: &Place<'_>) -> Vec<Select> {
        let start = self.columns.len();
        let mut shared: Option<Vec<Column>> = None;
        let mut branches = Vec::new();
        for (n, branch) in self.list(json, "unionAll", &place.at).into_iter().enumerate() {
            let at = format!("{}.unionAll[{n}]", place.at);
            let Some(select) = self.select(branch, at.clone(), place) else { continue };
            branches.push(select);
            let own = self.columns.split_off(start);
            match &shared {
                None => shared = Some(own),
                Some(first) => self.check_branch(first, &own, &at),
            }
        }
        self.columns.extend(shared.unwrap_or_default());
        branches
    }

    fn check_branch(&mut self, first: &[Column], own: &[Column], at: &str) {
        let names =
            |columns: &[Column]| columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ");
        let is_same = first.len() == own.len()
            && first.iter().zip(own).all(|(a, b)| a.name == b.name && a.is_collection == b.is_collection);
        if !is_same {
            let text = format!(
                "The columns of all branches of a unionAll must be the same in the same order; the first branch has ({}), this one ({}).",
                names(first),
                names(own)
            );
            self.fault(IssueType::Invariant, at, text);
        } else if let Some((a, b)) = first.iter().zip(own).find(|(a, b)| a.ty != b.ty) {
            let text =
                format!("The column '{}' has type {:?} in another branch and {:?} here.", a.name, a.ty, b.ty);
            self.fault(IssueType::Invariant, at, text);
        }
    }

    fn path(&mut self, json: Node<'_>, member: &str, at: &str, scope: &Scope<'_>) -> Option<Path> {
        let text = self.text(json, member, at)?;
        self.compile(&text, &format!("{at}.{member}"), scope)
    }

    fn compile(&mut self, text: &str, at: &str, scope: &Scope<'_>) -> Option<Path> {
        match Path::compile(text, scope) {
            Ok(path) => Some(path),
            Err(reason) => {
                self.fault(IssueType::Value, at, format!("The FHIRPath cannot be used: {reason}"));
                None
            }
        }
    }

    fn text(&mut self, json: Node<'_>, member: &str, at: &str) -> Option<String> {
        if json.get(member).is_none() {
            self.fault(IssueType::Required, &format!("{at}.{member}"), format!("'{member}' is missing."));
        }
        self.optional_text(json, member, at)
    }

    fn optional_text(&mut self, json: Node<'_>, member: &str, at: &str) -> Option<String> {
        let value = json.get(member)?;
        self.as_text(value, &format!("{at}.{member}"))
    }

    fn as_text(&mut self, value: Node<'_>, at: &str) -> Option<String> {
        match value.string() {
            Some(text) if !text.trim().is_empty() => Some(text.into_owned()),
            _ => {
                self.fault(IssueType::Structure, at, "This must be a text that is not empty.");
                None
            }
        }
    }

    fn flag(&mut self, json: Node<'_>, member: &str, at: &str) -> bool {
        let Some(value) = json.get(member) else { return false };
        value.boolean().unwrap_or_else(|| {
            self.fault(IssueType::Structure, &format!("{at}.{member}"), "This must be true or false.");
            false
        })
    }

    /// The items of a list; `where` and `select` hold objects, `repeat` holds texts.
    fn list<'j>(&mut self, json: Node<'j>, member: &str, at: &str) -> Vec<Node<'j>> {
        let Some(value) = json.get(member) else { return Vec::new() };
        let is_text = member == "repeat";
        if !value.is_array() || value.items().any(|item| !is_text && !item.is_object()) {
            let what = if is_text { "texts" } else { "objects" };
            self.fault(
                IssueType::Structure,
                &format!("{at}.{member}"),
                format!("This must be a list of {what}."),
            );
            return Vec::new();
        }
        value.items().collect()
    }
}

/// A name that every SQL engine takes without quotes.
pub(crate) fn is_sql_name(name: &str) -> bool {
    name.len() <= 255
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn sql_type(column: Node<'_>) -> Option<String> {
    let tags = column.get("tag")?;
    let tag = tags.items().find(|tag| tag.get_str("name").as_deref() == Some("ansi/type"))?;
    tag.get_str("value").map(|value| value.into_owned())
}
