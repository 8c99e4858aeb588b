//! Whether a query may be asked of each block of rows by itself: proved from its plan.
//!
//! Rows with an equal value of a link are in one block. So a join, a group or a window stays within
//! blocks when it goes by columns that hold values of links, wherever these have come to stand: the
//! proof follows them from the views upwards. Nothing is joined by null, but all nulls are one group, so
//! what groups must go by a column that is never null.

use std::cell::Cell;
use std::collections::HashMap;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, Join, LogicalPlan, Operator, Projection, Union, Window,
};

use crate::sums::Merge;

/// What the rows of a query are of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// Of views that are about everything: the same in each block.
    Small,
    /// Each of one block: all of them are those of all blocks together.
    Linked,
}

/// What is known of the values of a column.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Mark {
    /// Each is the value of a link that ties its row.
    pub(crate) is_key: bool,
    /// None is null.
    pub(crate) is_there: bool,
    /// They are those of one column of a link of several, unchanged.
    pub(crate) part: Option<Part>,
}

/// A column of a link of several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Part {
    /// Of which rows: a query may read a view twice, and parts of two rows make no link.
    pub(crate) rows: u32,
    pub(crate) link: usize,
    pub(crate) place: usize,
    pub(crate) of: usize,
}

/// What is known of rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    pub(crate) class: Class,
    /// For each column.
    pub(crate) marks: Vec<Mark>,
}

/// Reads plans.
pub(crate) struct Reader<'r> {
    tables: &'r HashMap<String, Origin>,
    /// Tables that were read so far, each time anew.
    read: Cell<u32>,
}

impl<'r> Reader<'r> {
    /// `tables` says what is known of the tables by their names.
    pub(crate) fn new(tables: &'r HashMap<String, Origin>) -> Reader<'r> {
        Reader { tables, read: Cell::new(0) }
    }

    /// What the rows of an optimised plan are of; `None` when they are of all blocks at once.
    pub(crate) fn origin(&self, plan: &LogicalPlan) -> Option<Origin> {
        if plan.expressions().iter().any(asks_again) {
            return None;
        }
        match plan {
            LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
                Some(self.table(self.tables.get(scan.table_name.table())?, scan.projection.as_deref()))
            }
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => {
                Some(Origin { class: Class::Small, marks: vec![Mark::default(); columns(plan)] })
            }
            LogicalPlan::SubqueryAlias(alias) => self.origin(&alias.input),
            LogicalPlan::Projection(projection) => self.projected(projection),
            LogicalPlan::Filter(filter) => {
                let mut origin = self.origin(&filter.input)?;
                note_there(&filter.predicate, filter.input.schema(), &mut origin.marks);
                Some(origin)
            }
            LogicalPlan::Aggregate(aggregate) => self.grouped(aggregate),
            LogicalPlan::Window(window) => self.numbered(window),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let origin = self.origin(input)?;
                (origin.class == Class::Small || stays(&origin.marks)).then_some(origin)
            }
            LogicalPlan::Union(union) => self.united(union),
            LogicalPlan::Join(join) => self.joined(join),
            // The first rows of a block are not the first of all, nor are rows sorted that blocks sort.
            LogicalPlan::Sort(sort) => self.origin(&sort.input).filter(|origin| origin.class == Class::Small),
            LogicalPlan::Limit(limit) => {
                self.origin(&limit.input).filter(|origin| origin.class == Class::Small)
            }
            _ => None,
        }
    }

    /// A table, whose parts of links are of rows that nothing else has.
    fn table(&self, known: &Origin, projection: Option<&[usize]>) -> Origin {
        let mut fresh: HashMap<u32, u32> = HashMap::new();
        let mut mark = |mark: &Mark| {
            let part = mark.part.map(|part| {
                let next = || self.read.replace(self.read.get() + 1);
                Part { rows: *fresh.entry(part.rows).or_insert_with(next), ..part }
            });
            Mark { part, ..*mark }
        };
        let marks = match projection {
            None => known.marks.iter().map(mark).collect(),
            Some(places) => places
                .iter()
                .map(|place| known.marks.get(*place).map(&mut mark).unwrap_or_default())
                .collect(),
        };
        Origin { class: known.class, marks }
    }

    fn projected(&self, projection: &Projection) -> Option<Origin> {
        let Origin { class, marks } = self.origin(&projection.input)?;
        let schema = projection.input.schema();
        let marks = projection.expr.iter().map(|expr| mark(expr, schema, &marks)).collect();
        Some(Origin { class, marks })
    }

    /// Groups stay within blocks when they are told apart by a key.
    fn grouped(&self, aggregate: &Aggregate) -> Option<Origin> {
        let Origin { class, marks } = self.origin(&aggregate.input)?;
        let schema = aggregate.input.schema();
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return None;
        }
        let mut made: Vec<Mark> =
            aggregate.group_expr.iter().map(|expr| mark(expr, schema, &marks)).collect();
        if class == Class::Linked && !stays(&made) {
            return None;
        }
        made.extend(aggregate.aggr_expr.iter().map(|expr| chosen(expr, schema, &marks)));
        Some(Origin { class, marks: made })
    }

    fn numbered(&self, window: &Window) -> Option<Origin> {
        let Origin { class, marks } = self.origin(&window.input)?;
        let schema = window.input.schema();
        let mut made = marks.clone();
        for expr in &window.window_expr {
            let Expr::WindowFunction(call) = bare(expr) else { return None };
            let by: Vec<Mark> =
                call.params.partition_by.iter().map(|expr| mark(expr, schema, &marks)).collect();
            if class == Class::Linked && !stays(&by) {
                return None;
            }
            let is_chosen =
                matches!(call.fun.name(), "first_value" | "last_value" | "min" | "max" | "lag" | "lead");
            let is_key = match call.params.args.as_slice() {
                [only] => is_chosen && mark(only, schema, &marks).is_key,
                _ => false,
            };
            made.push(Mark { is_key, ..Mark::default() });
        }
        Some(Origin { class, marks: made })
    }

    fn united(&self, union: &Union) -> Option<Origin> {
        let mut inputs = union.inputs.iter().map(|input| self.origin(input));
        let mut all = inputs.next()??;
        for origin in inputs {
            let origin =
                origin.filter(|origin| origin.class == all.class && origin.marks.len() == all.marks.len())?;
            for (mark, other) in all.marks.iter_mut().zip(origin.marks) {
                let (is_key, is_there) = (mark.is_key && other.is_key, mark.is_there && other.is_there);
                *mark = Mark { is_key, is_there, part: None };
            }
        }
        // One that is alone keeps its parts, which are of one table still.
        Some(all)
    }

    fn joined(&self, join: &Join) -> Option<Origin> {
        use JoinType::{
            Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi,
        };
        let (mut left, mut right) = (self.origin(&join.left)?, self.origin(&join.right)?);
        let class = class_of(join, &left, &right)?;
        if is_plain(join) && matches!(join.join_type, Inner | LeftSemi | RightSemi) {
            for (one, other) in &join.on {
                note_value(one, join.left.schema(), &mut left.marks);
                note_value(other, join.right.schema(), &mut right.marks);
            }
        }
        if matches!(join.join_type, Right | Full) {
            left.marks.iter_mut().for_each(missing);
        }
        if matches!(join.join_type, Left | Full) {
            right.marks.iter_mut().for_each(missing);
        }
        let marks = match join.join_type {
            LeftSemi | LeftAnti => left.marks,
            RightSemi | RightAnti => right.marks,
            LeftMark => with_mark(left.marks),
            RightMark => with_mark(right.marks),
            _ => left.marks.into_iter().chain(right.marks).collect(),
        };
        Some(Origin { class, marks })
    }

    /// How the answers of blocks are put together when the query groups whatever block a row is of.
    pub(crate) fn merge(&self, plan: &LogicalPlan) -> Option<Merge> {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => self.merge(&alias.input),
            LogicalPlan::Aggregate(aggregate) => {
                let all: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
                self.merge_of(aggregate, &all)
            }
            LogicalPlan::Projection(Projection { expr, input, .. }) => match input.as_ref() {
                LogicalPlan::Aggregate(aggregate) => self.merge_of(aggregate, expr),
                _ => None,
            },
            _ => None,
        }
    }

    fn merge_of(&self, aggregate: &Aggregate, output: &[Expr]) -> Option<Merge> {
        let mut own = aggregate.group_expr.iter().chain(&aggregate.aggr_expr).chain(output);
        if own.any(asks_again) {
            return None;
        }
        let Origin { class, marks } = self.origin(&aggregate.input)?;
        // Grouping sets have more columns than expressions.
        let has_sets = aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
        let adds_up = |expr: &Expr| adds_up(expr, aggregate.input.schema(), &marks);
        if class != Class::Linked || has_sets || !aggregate.aggr_expr.iter().all(adds_up) {
            return None;
        }
        let keys = aggregate.group_expr.len();
        let index = |column: &Column| aggregate.schema.maybe_index_of_column(column);
        let mut seen = vec![false; keys];
        let mut sums = Vec::new();
        for (place, expr) in output.iter().enumerate() {
            match bare(expr) {
                Expr::Column(column) => match index(column)? {
                    index if index < keys => seen[index] = true,
                    _ => sums.push(place),
                },
                // A whole number is told by the same number of another size.
                Expr::Cast(cast) if cast.field.data_type().is_integer() => {
                    let index = index(column(&cast.expr)?)?;
                    let is_whole = aggregate.schema.field(index).data_type().is_integer();
                    *seen.get_mut(index).filter(|_| is_whole)? = true;
                }
                // What follows from the keys of a group is the same in all its parts.
                other => other
                    .column_refs()
                    .into_iter()
                    .all(|part| index(part).is_some_and(|at| at < keys))
                    .then_some(())?,
            }
        }
        // A group that the answer does not name would be one with others.
        seen.iter().all(|seen| *seen).then_some(Merge { sums })
    }
}

/// Whether null is equal to nothing in a join, and says nothing of other rows.
fn is_plain(join: &Join) -> bool {
    join.null_equality == NullEquality::NullEqualsNothing && !join.null_aware
}

/// What the rows of a join are of.
fn class_of(join: &Join, left: &Origin, right: &Origin) -> Option<Class> {
    use JoinType::{Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi};
    let stays = match (left.class, right.class) {
        (Class::Small, Class::Small) => return Some(Class::Small),
        // What is about everything may be looked up; its own rows must not come out once for each block.
        (Class::Linked, Class::Small) => {
            matches!(join.join_type, Inner | Left | LeftSemi | LeftAnti | LeftMark)
        }
        (Class::Small, Class::Linked) => {
            matches!(join.join_type, Inner | Right | RightSemi | RightAnti | RightMark)
        }
        (Class::Linked, Class::Linked) => {
            let is_by_key = |(one, other): &(Expr, Expr)| {
                mark(one, join.left.schema(), &left.marks).is_key
                    && mark(other, join.right.schema(), &right.marks).is_key
            };
            is_plain(join) && join.on.iter().any(is_by_key)
        }
    };
    stays.then_some(Class::Linked)
}

/// Whether rows that are alike in columns of these marks are of one block.
fn stays(by: &[Mark]) -> bool {
    let has = |part: Part| by.iter().any(|mark| mark.part == Some(part));
    let is_last = |mark: &&Mark| mark.is_there && mark.part.is_some_and(|part| part.place + 1 == part.of);
    let has_all = |last: Part| (0..last.place).all(|place| has(Part { place, ..last }));
    by.iter().any(|mark| mark.is_key && mark.is_there)
        || by.iter().filter(is_last).filter_map(|mark| mark.part).any(has_all)
}

/// What is known of the values of an expression.
fn mark(expr: &Expr, schema: &DFSchema, marks: &[Mark]) -> Mark {
    match bare(expr) {
        Expr::Column(column) => {
            let place = schema.maybe_index_of_column(column);
            place.and_then(|place| marks.get(place)).copied().unwrap_or_default()
        }
        // Null is no value, so it is none that ties another row.
        Expr::Literal(value, _) => Mark { is_key: value.is_null(), is_there: !value.is_null(), part: None },
        Expr::ScalarFunction(call) if call.func.name() == "coalesce" => {
            let args: Vec<Mark> = call.args.iter().map(|arg| mark(arg, schema, marks)).collect();
            let (is_key, is_there) = (args.iter().all(|arg| arg.is_key), args.iter().any(|arg| arg.is_there));
            Mark { is_key, is_there, part: None }
        }
        Expr::Case(case) => one_of(case, schema, marks),
        _ => Mark::default(),
    }
}

fn one_of(case: &Case, schema: &DFSchema, marks: &[Mark]) -> Mark {
    let mut all = Mark { is_key: true, is_there: case.else_expr.is_some(), part: None };
    let mut add = |when: Option<&Expr>, then: &Expr| {
        let mark = mark(then, schema, marks);
        // A value that is taken when it is there.
        let is_there =
            matches!(when, Some(Expr::IsNotNull(tested)) if case.expr.is_none() && **tested == *then);
        all.is_key &= mark.is_key;
        all.is_there &= mark.is_there || is_there;
    };
    for (when, then) in &case.when_then_expr {
        add(Some(when), then);
    }
    if let Some(other) = &case.else_expr {
        add(None, other);
    }
    all
}

/// What is known of the result of an aggregate function: one of the values of its group, or nothing.
fn chosen(expr: &Expr, schema: &DFSchema, marks: &[Mark]) -> Mark {
    let Expr::AggregateFunction(call) = bare(expr) else { return Mark::default() };
    match (call.func.name(), call.params.args.as_slice()) {
        ("min" | "max" | "first_value" | "last_value", [only]) => {
            let mark = mark(only, schema, marks);
            Mark { is_key: mark.is_key, is_there: mark.is_there && call.params.filter.is_none(), part: None }
        }
        _ => Mark::default(),
    }
}

/// Notes the columns that are not null where a condition holds.
fn note_there(condition: &Expr, schema: &DFSchema, marks: &mut [Mark]) {
    use Operator::{And, Eq, Gt, GtEq, Lt, LtEq, NotEq};
    match condition {
        Expr::IsNotNull(tested) => note_value(tested, schema, marks),
        Expr::BinaryExpr(both) if both.op == And => {
            note_there(&both.left, schema, marks);
            note_there(&both.right, schema, marks);
        }
        Expr::BinaryExpr(both) if matches!(both.op, Eq | NotEq | Lt | LtEq | Gt | GtEq) => {
            note_value(&both.left, schema, marks);
            note_value(&both.right, schema, marks);
        }
        _ => {}
    }
}

/// Notes that an expression is not null, when it is a column.
fn note_value(expr: &Expr, schema: &DFSchema, marks: &mut [Mark]) {
    let place = column(expr).and_then(|column| schema.maybe_index_of_column(column));
    if let Some(mark) = place.and_then(|place| marks.get_mut(place)) {
        mark.is_there = true;
    }
}

/// A column of the side that a join may find nothing in.
fn missing(mark: &mut Mark) {
    *mark = Mark { is_key: mark.is_key, ..Mark::default() };
}

fn with_mark(mut marks: Vec<Mark>) -> Vec<Mark> {
    marks.push(Mark::default());
    marks
}

fn adds_up(expr: &Expr, schema: &DFSchema, marks: &[Mark]) -> bool {
    let Expr::AggregateFunction(call) = bare(expr) else { return false };
    let params = &call.params;
    let is_plain = params.filter.is_none() && params.order_by.is_empty();
    match (call.func.name(), params.distinct) {
        ("sum" | "count", false) => is_plain,
        // The same value is in one block only.
        ("count", true) => is_plain && params.args.iter().all(|arg| mark(arg, schema, marks).is_key),
        _ => false,
    }
}

/// Whether an expression holds a query of its own.
fn asks_again(expr: &Expr) -> bool {
    let is_query = |part: &Expr| {
        matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
        )
    };
    let mut found = false;
    // The closure never fails.
    let _ = expr.apply(|part| {
        found |= is_query(part);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

fn columns(plan: &LogicalPlan) -> usize {
    plan.schema().fields().len()
}

fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        other => other,
    }
}

fn column(expr: &Expr) -> Option<&Column> {
    match bare(expr) {
        Expr::Column(column) => Some(column),
        _ => None,
    }
}
