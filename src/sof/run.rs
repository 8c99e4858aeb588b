//! The rows that a view makes of one resource.
//! <https://sql-on-fhir.org/ig/2.0.0/StructureDefinition-ViewDefinition.html#processing-algorithm>
//!
//! The selects of a view form a chain: what follows a select runs once for each of its rows. Cells
//! are written into one row that is handed out whenever the end of the chain is reached.

use std::fmt;

use remit_fhir::Node;
use remit_fhir::date::Micros;

use remit_fhirpath::{Collection, Environment, Item};

use crate::path::{Context, Path, convert, nothing};
use crate::value::Value;
use crate::view::{Cell, Each, Select, View};

/// Bounds on what one resource may make.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows. Two lists side by side multiply: 300 items with 300 diagnoses make 90,000.
    pub rows: usize,
    /// Nodes that one `repeat` may visit; a path such as `$this` would never end.
    pub repeat_nodes: usize,
    /// How deep a `repeat` may go; JSON itself is read no deeper than this.
    pub repeat_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { rows: 100_000, repeat_nodes: 100_000, repeat_depth: 100 }
    }
}

/// Why a resource made no rows, or not all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunError {
    /// A sentence for the author of the view. It holds nothing of the resource.
    pub message: String,
    /// The column concerned.
    pub column: Option<String>,
}

impl RunError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> RunError {
        RunError { message: message.into(), column: None }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "Column '{column}': {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for RunError {}

/// Takes the rows of a view, one at a time, in the order of its columns; an error ends the run.
pub type Sink<'s> = dyn FnMut(&[&Value<'_>]) -> Result<(), RunError> + 's;

impl View {
    /// Hands the rows of one resource to `sink`, with the default [`Limits`], and gives their
    /// number. A resource of another type has none. `now` is what the functions of time answer.
    pub fn run(&self, resource: Node<'_>, now: Micros, sink: &mut Sink<'_>) -> Result<usize, RunError> {
        self.run_with(resource, now, Limits::default(), sink)
    }

    /// Like [`run`](Self::run), with limits of the caller.
    pub fn run_with(
        &self,
        resource: Node<'_>,
        now: Micros,
        limits: Limits,
        sink: &mut Sink<'_>,
    ) -> Result<usize, RunError> {
        if resource.resource_type().as_deref() != Some(self.resource_name) {
            return Ok(0);
        }
        let context = Context::new(self, resource, now);
        let root = context.root();
        if !self.takes(&root, &context)? {
            return Ok(0);
        }
        let mut run =
            Run { columns: self.columns.len(), limits, rows: 0, repeated: 0, context: &context, sink };
        let level = Level { selects: &self.selects, union: &[], focus: &root, index: 0, then: None };
        run.go(Some(&level), None).map_err(|fault| self.named(fault))?;
        Ok(run.rows)
    }

    /// Whether every `where` of the view holds. Only a boolean decides; nothing found is no.
    fn takes(&self, root: &Item<'_>, context: &Context<'_>) -> Result<bool, RunError> {
        for filter in &self.filters {
            let variables = context.variables(filter.uses_variables, 0);
            let found = filter.evaluate(root, &context.environment(&variables)).map_err(RunError::new)?;
            let answer = match &found[..] {
                [] => Some(false),
                [item] => item.boolean(context.definitions),
                _ => None,
            };
            match answer {
                Some(true) => {}
                Some(false) => return Ok(false),
                None => {
                    return Err(RunError::new(
                        "A 'where' of the view gives something else than one boolean.",
                    ));
                }
            }
        }
        Ok(true)
    }

    fn named(&self, fault: Fault) -> RunError {
        let column = fault.slot.and_then(|slot| self.columns.get(slot)).map(|column| column.name.clone());
        RunError { message: fault.message, column }
    }
}

/// What is left to do on one level, and then on the levels around it.
#[derive(Clone, Copy)]
struct Level<'l> {
    selects: &'l [Select],
    union: &'l [Select],
    focus: &'l Item<'l>,
    index: usize,
    then: Option<&'l Level<'l>>,
}

/// Where a select stands: on what, at which index of the nearest list, and what comes after it.
#[derive(Clone, Copy)]
struct Stand<'l> {
    focus: &'l Item<'l>,
    index: usize,
    then: Option<&'l Level<'l>>,
    before: Option<&'l Frame<'l>>,
}

/// The cells that one select has filled, from a slot on, and those of the selects before it.
struct Frame<'l> {
    start: usize,
    values: Vec<Value<'l>>,
    before: Option<&'l Frame<'l>>,
}

/// A fault and the column that has it.
struct Fault {
    message: String,
    slot: Option<usize>,
}

impl From<String> for Fault {
    fn from(message: String) -> Fault {
        Fault { message, slot: None }
    }
}

struct Run<'r, 's> {
    context: &'r Context<'r>,
    columns: usize,
    limits: Limits,
    rows: usize,
    repeated: usize,
    sink: &'r mut Sink<'s>,
}

static NULL: Value<'static> = Value::Null;

impl<'r> Run<'r, '_> {
    fn go(&mut self, todo: Option<&Level<'_>>, before: Option<&Frame<'_>>) -> Result<(), Fault> {
        let Some(level) = todo else { return self.emit(before) };
        if let Some((first, rest)) = level.selects.split_first() {
            let next = Level { selects: rest, ..*level };
            return self
                .select(first, Stand { focus: level.focus, index: level.index, then: Some(&next), before });
        }
        if level.union.is_empty() {
            return self.go(level.then, before);
        }
        for branch in level.union {
            self.select(branch, Stand { focus: level.focus, index: level.index, then: level.then, before })?;
        }
        Ok(())
    }

    /// Runs a select, and what follows it once for each of its rows.
    fn select(&mut self, select: &Select, stand: Stand<'_>) -> Result<(), Fault> {
        let context = self.context;
        let variables = context.variables(select.uses_variables, stand.index);
        let environment = context.environment(&variables);
        let found = match &select.each {
            Each::Same => return self.enter(select, stand),
            Each::Item(path) | Each::ItemOrNull(path) => path.evaluate(stand.focus, &environment)?,
            Each::Repeat(paths) => {
                let mut found = Collection::new();
                self.repeat(paths, stand.focus, &environment, 0, &mut found)?;
                found
            }
        };
        if found.is_empty() && matches!(select.each, Each::ItemOrNull(_)) {
            return self.enter_null(select, stand);
        }
        for (index, item) in found.iter().enumerate() {
            self.enter(select, Stand { focus: item, index, ..stand })?;
        }
        Ok(())
    }

    fn enter(&mut self, select: &Select, stand: Stand<'_>) -> Result<(), Fault> {
        let Stand { focus, index, then, before } = stand;
        let level = Level { selects: &select.selects, union: &select.union, focus, index, then };
        let Some(first) = select.cells.first() else { return self.go(Some(&level), before) };
        let context = self.context;
        let variables = context.variables(select.uses_variables, index);
        let environment = context.environment(&variables);
        let mut values = Vec::with_capacity(select.cells.len());
        for cell in &select.cells {
            values.push(value(cell, focus, &environment, context)?);
        }
        self.go(Some(&level), Some(&Frame { start: first.slot, values, before }))
    }

    /// The one row of a `forEachOrNull` that found nothing: its own and all nested columns stand on
    /// nothing, at index 0; nested lists make no further rows.
    fn enter_null(&mut self, select: &Select, stand: Stand<'_>) -> Result<(), Fault> {
        let mut cells = Vec::new();
        select.collect_cells(&mut cells);
        let Some(start) = cells.iter().map(|cell| cell.slot).min() else {
            return self.go(stand.then, stand.before);
        };
        let context = self.context;
        let variables = context.variables(true, 0);
        let environment = context.environment(&variables);
        let nothing = nothing();
        // The slots of a select and all below it are one range.
        let mut values = vec![Value::Null; cells.len()];
        for cell in cells {
            values[cell.slot - start] = value(cell, &nothing, &environment, context)?;
        }
        self.go(stand.then, Some(&Frame { start, values, before: stand.before }))
    }

    /// Visits what the paths lead to, each node before what is below it.
    fn repeat<'a>(
        &mut self,
        paths: &'a [Path],
        focus: &Item<'a>,
        environment: &Environment<'a>,
        depth: usize,
        found: &mut Collection<'a>,
    ) -> Result<(), Fault> {
        let Limits { repeat_depth, repeat_nodes, .. } = self.limits;
        if depth > repeat_depth {
            return Err(format!(
                "A 'repeat' goes deeper than {repeat_depth}; does a path of it lead nowhere?"
            )
            .into());
        }
        for path in paths {
            for item in path.evaluate(focus, environment)? {
                self.repeated += 1;
                if self.repeated > repeat_nodes {
                    return Err(format!("A 'repeat' visits over {repeat_nodes} nodes.").into());
                }
                found.push(item.clone());
                self.repeat(paths, &item, environment, depth + 1, found)?;
            }
        }
        Ok(())
    }

    fn emit(&mut self, before: Option<&Frame<'_>>) -> Result<(), Fault> {
        if self.rows >= self.limits.rows {
            return Err(format!("One resource makes over {} rows.", self.limits.rows).into());
        }
        self.rows += 1;
        let mut row = vec![&NULL; self.columns];
        let mut next = before;
        while let Some(frame) = next {
            for (slot, value) in row.iter_mut().skip(frame.start).zip(&frame.values) {
                *slot = value;
            }
            next = frame.before;
        }
        (self.sink)(&row).map_err(|error| Fault { message: error.message, slot: None })
    }
}

fn value<'a>(
    cell: &'a Cell,
    focus: &Item<'a>,
    environment: &Environment<'a>,
    context: &Context<'a>,
) -> Result<Value<'a>, Fault> {
    let fault = |message: String| Fault { message, slot: Some(cell.slot) };
    let found = cell.path.evaluate(focus, environment).map_err(fault)?;
    let convert = |item| convert(item, cell.ty, context.definitions).map_err(fault);
    if cell.is_collection {
        return Ok(Value::List(found.into_iter().map(convert).collect::<Result<_, _>>()?));
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (None, _) => Ok(Value::Null),
        (Some(item), None) => convert(item),
        _ => Err(fault(
            "The path gives several values, and the column is not marked as a collection.".to_owned(),
        )),
    }
}
