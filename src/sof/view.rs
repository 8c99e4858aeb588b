//! A checked and compiled ViewDefinition.
//! <https://sql-on-fhir.org/ig/2.0.0/StructureDefinition-ViewDefinition.html>

use remit_fhir::{Document, Issue, Node};
use remit_spec::{Definitions, TypeId};

use crate::constant::Constant;
use crate::path::Path;
use crate::value::ColumnType;

/// A column of a view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    /// The name, which is also a name in SQL.
    pub name: String,
    /// What it holds.
    pub ty: ColumnType,
    /// The FHIR type as stated, for a reader of the table.
    pub fhir_type: Option<String>,
    /// Each cell holds a list.
    pub is_collection: bool,
    /// The SQL type that a tag `ansi/type` asks for, such as `DECIMAL(18,2)`.
    pub sql_type: Option<String>,
}

/// A ViewDefinition, ready to run.
#[derive(Debug)]
pub struct View {
    pub(crate) name: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) resource: TypeId,
    pub(crate) resource_name: &'static str,
    pub(crate) columns: Vec<Column>,
    pub(crate) filters: Vec<Path>,
    pub(crate) selects: Vec<Select>,
    pub(crate) constants: Vec<Constant>,
    pub(crate) definitions: &'static Definitions,
    pub(crate) document: Document,
}

/// One `select` and all below it.
#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) each: Each,
    pub(crate) cells: Vec<Cell>,
    pub(crate) selects: Vec<Select>,
    pub(crate) union: Vec<Select>,
    /// Some cell of it, or its list, names a variable.
    pub(crate) uses_variables: bool,
}

/// What a `select` makes rows of.
#[derive(Debug)]
pub(crate) enum Each {
    /// The node that it stands on: one row.
    Same,
    /// `forEach`
    Item(Path),
    /// `forEachOrNull`
    ItemOrNull(Path),
    /// `repeat`
    Repeat(Vec<Path>),
}

impl Each {
    /// The paths that lead to the rows.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        match self {
            Each::Same => [].iter(),
            Each::Item(path) | Each::ItemOrNull(path) => std::slice::from_ref(path).iter(),
            Each::Repeat(paths) => paths.iter(),
        }
    }
}

/// Where the value of one path goes.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) slot: usize,
    pub(crate) path: Path,
    pub(crate) ty: ColumnType,
    pub(crate) is_collection: bool,
}

impl View {
    /// Checks a ViewDefinition and compiles its paths. The issues name every fault with its place.
    pub fn parse(json: Node<'_>, definitions: &'static Definitions) -> Result<View, Vec<Issue>> {
        crate::parse::parse(json, definitions)
    }

    /// The name, which a stored view has and an inline one may lack.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The canonical URL.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The resource type that the view reads.
    pub fn resource(&self) -> TypeId {
        self.resource
    }

    /// The name of the resource type that the view reads.
    pub fn resource_name(&self) -> &'static str {
        self.resource_name
    }

    /// The columns, in the order of the standard: those of a select, then those of its nested
    /// selects, then those of its union.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What the rows depend on, as text: two views of one meaning make equal rows.
    pub fn meaning(&self) -> String {
        let members = ["resource", "constant", "where", "select"];
        let root = self.document.root();
        members.map(|name| root.get(name).map_or("", |node| node.json())).join("\n")
    }

    /// The ViewDefinition as JSON without white space.
    pub fn definition(&self) -> &str {
        self.document.text()
    }
}

impl Select {
    /// Its own cells and those below it; of a union those of the first branch, as all fill the same.
    pub(crate) fn collect_cells<'s>(&'s self, into: &mut Vec<&'s Cell>) {
        into.extend(&self.cells);
        for select in self.selects.iter().chain(self.union.first()) {
            select.collect_cells(into);
        }
    }

    /// Whether it makes exactly one row whatever the data.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self.each, Each::Same) && self.union.is_empty() && self.selects.iter().all(Select::is_single)
    }
}
