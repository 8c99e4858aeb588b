//! What SQL of a user may be: one query, over declared tables, with listed functions, small enough
//! to plan.
//!
//! Three walls stand behind each other: the text is checked here before anything is planned; the
//! session knows no tables, functions or files beyond those allowed; and the plan is checked again.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr as PlanExpr, LogicalPlan, Operator};
use datafusion::sql::sqlparser::ast::{
    Expr, Query, Select, SetExpr, Statement, TableFactor, Value, ValueWithSpan, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use remit_fhir::{Error, IssueType, Result};

use crate::functions;

/// Bytes of a statement. The longest query of the revenue-cycle pack has 6 kB.
const MAX_SQL_BYTES: usize = 64 * 1024;
/// Words and signs of a statement. The longest query of the revenue-cycle pack has some two thousand.
const MAX_TOKENS: usize = 5_000;
/// Expressions inside each other; `1+1+1…` is as deep as it is long. Planning time grows with the
/// square of the depth: 500 take a third of a second, 2,500 take eight.
const MAX_EXPRESSION_DEPTH: usize = 500;
/// Brackets, subqueries and the like inside each other.
const MAX_NESTING: usize = 50;
/// Tables that a statement reads, one that is read through table expressions counted each time. A
/// table expression that is named twice is planned twice, so a short text can double itself without
/// end. The largest query of the revenue-cycle pack reads some hundred.
const MAX_TABLE_READS: u64 = 1_000;
/// Steps of the plan, once the queries behind its names are put in.
const MAX_PLAN_NODES: usize = 10_000;
/// How many times the longest text of a table one text of the result may hold. Joining a text to
/// itself in thirty steps would make a billion copies, which no memory pool sees.
const MAX_TEXT_GROWTH: u64 = 256;

/// A statement that has passed the check of its text.
#[derive(Debug)]
pub(crate) struct Caged {
    pub(crate) statement: Statement,
    /// Tables that it names, its own table expressions left out.
    pub(crate) tables: BTreeSet<String>,
    /// Parameters that it names, without the colon.
    pub(crate) parameters: BTreeSet<String>,
}

fn refuse(reason: impl Into<String>) -> Error {
    Error::unprocessable(reason)
}

fn too_costly(reason: impl Into<String>) -> Error {
    Error::unprocessable(reason).coded(IssueType::TooCostly)
}

/// What a statement names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Names {
    /// Tables, its own table expressions left out.
    pub tables: BTreeSet<String>,
    /// Parameters, without the colon.
    pub parameters: BTreeSet<String>,
}

/// Checks the text of a statement as it is checked before it runs, and tells what it names.
///
/// # Errors
/// When it would be refused whatever the tables are.
pub fn names(sql: &str) -> Result<Names> {
    let work = || check(sql).map(|Caged { tables, parameters, .. }| Names { tables, parameters });
    let stack = std::thread::Builder::new().stack_size(crate::engine::STACK_BYTES);
    std::thread::scope(|scope| {
        let thread = stack.spawn_scoped(scope, work).map_err(Error::internal)?;
        thread.join().map_err(|_| Error::internal("the check of a statement ended early"))?
    })
}

/// Parses a statement and checks it. Walking a long chain recurses before it is refused, so this is
/// called where the stack is large.
pub(crate) fn check(sql: &str) -> Result<Caged> {
    if sql.len() > MAX_SQL_BYTES {
        return Err(too_costly(format!("The SQL has over {MAX_SQL_BYTES} bytes.")));
    }
    let dialect = PostgreSqlDialect {};
    let invalid = |error: String| Error::invalid(format!("The SQL cannot be read: {error}."));
    let tokens =
        Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|error| invalid(error.to_string()))?;
    if tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).count() > MAX_TOKENS {
        return Err(too_costly(format!("The SQL has over {MAX_TOKENS} words and signs.")));
    }
    let mut statements = Parser::new(&dialect)
        .with_recursion_limit(MAX_NESTING)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|error| invalid(error.to_string()))?;
    let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
        return Err(refuse("The SQL must be exactly one statement."));
    };
    if !matches!(statement, Statement::Query(_)) {
        return Err(refuse("Only SELECT and WITH … SELECT are allowed."));
    }
    let mut inspector = Inspector::default();
    if let ControlFlow::Break(reason) = statement.visit(&mut inspector) {
        return Err(refuse(reason));
    }
    let Inspector { relations, expressions, parameters, .. } = inspector;
    let tables = relations.difference(&expressions).cloned().collect();
    Ok(Caged { statement, tables, parameters })
}

/// Looks at every part of a statement; what is not known to be harmless ends the walk.
#[derive(Default)]
struct Inspector {
    relations: BTreeSet<String>,
    expressions: BTreeSet<String>,
    parameters: BTreeSet<String>,
    reads: Reads,
    expression_depth: usize,
}

/// Counts how many tables a statement reads. A query is known by its address in the tree.
#[derive(Default)]
struct Reads {
    /// The queries that the walk is in, each with what it has read so far.
    open: Vec<u64>,
    /// The queries that the walk has left.
    left: HashMap<usize, u64>,
    /// The queries behind the name of a table expression. Names may be hidden by others in inner
    /// queries; the largest counts.
    named: HashMap<String, Vec<usize>>,
}

impl Reads {
    fn enter(&mut self, query: &Query) {
        self.open.push(0);
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = folded(&cte.alias.name);
            self.named.entry(name).or_default().push(std::ptr::from_ref(&*cte.query).addr());
        }
    }

    fn read(&mut self, name: &str) {
        let queries = self.named.get(name).into_iter().flatten();
        let reads = queries.filter_map(|query| self.left.get(query)).max().copied().unwrap_or(1);
        self.add(reads.max(1));
    }

    fn leave(&mut self, query: &Query) {
        let reads = self.open.pop().unwrap_or(0);
        self.left.insert(std::ptr::from_ref(query).addr(), reads);
        self.add(reads);
    }

    fn add(&mut self, reads: u64) {
        if let Some(open) = self.open.last_mut() {
            *open = open.saturating_add(reads);
        }
    }

    fn are_too_many(&self) -> bool {
        self.open.last().is_some_and(|reads| *reads > MAX_TABLE_READS)
    }
}

impl Visitor for Inspector {
    type Break = String;

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        self.reads.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        self.reads.enter(query);
        let is_plain = query.locks.is_empty()
            && query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        if !is_plain {
            return ControlFlow::Break("FOR, SETTINGS, FORMAT and pipes are not allowed.".to_owned());
        }
        if let Some(with) = &query.with {
            if with.recursive {
                return ControlFlow::Break("WITH RECURSIVE is not allowed.".to_owned());
            }
            self.expressions.extend(with.cte_tables.iter().map(|cte| folded(&cte.alias.name)));
        }
        match is_reading(&query.body) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break("Only SELECT and VALUES may stand in a query.".to_owned()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        if select.into.is_some() || !select.lateral_views.is_empty() || !select.connect_by.is_empty() {
            return ControlFlow::Break(
                "SELECT INTO, LATERAL VIEW and CONNECT BY are not allowed.".to_owned(),
            );
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
        match factor {
            TableFactor::Table { name, args: None, .. } => match &name.0[..] {
                [part] if part.as_ident().is_some() => self.table(part.as_ident().map(folded)),
                _ => ControlFlow::Break(format!("There is no table {name}; tables have simple names.")),
            },
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => ControlFlow::Continue(()),
            _ => ControlFlow::Break("Functions and the like cannot stand in place of a table.".to_owned()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        self.expression_depth += 1;
        if self.expression_depth > MAX_EXPRESSION_DEPTH {
            return ControlFlow::Break(format!(
                "The SQL has over {MAX_EXPRESSION_DEPTH} expressions inside each other; a long chain of OR can be written with IN."
            ));
        }
        if let Expr::Function(function) = expr {
            let name = function.name.to_string().to_lowercase();
            if !functions::is_allowed(&name) {
                return ControlFlow::Break(format!("The function {name} is not allowed or does not exist."));
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<String> {
        self.expression_depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<String> {
        let Value::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        match name.strip_prefix(':').filter(|name| !name.is_empty()) {
            Some(name) => {
                self.parameters.insert(name.to_owned());
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break("Parameters are written :name.".to_owned()),
        }
    }
}

impl Inspector {
    fn table(&mut self, name: Option<String>) -> ControlFlow<String> {
        if let Some(name) = name {
            self.reads.read(&name);
            self.relations.insert(name);
        }
        if self.reads.are_too_many() {
            return ControlFlow::Break(format!(
                "The SQL reads over {MAX_TABLE_READS} tables; a table expression that is used several times counts each time."
            ));
        }
        ControlFlow::Continue(())
    }
}

/// A name as SQL takes it: folded to lower case unless it is quoted.
fn folded(name: &datafusion::sql::sqlparser::ast::Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

fn is_reading(body: &SetExpr) -> bool {
    match body {
        // A query in brackets is visited as a query of its own.
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Query(_) => true,
        SetExpr::SetOperation { left, right, .. } => is_reading(left) && is_reading(right),
        _ => false,
    }
}

/// Refuses a plan that is too large to optimise, or whose texts grow too much.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<()> {
    let mut nodes = 0;
    plan.apply_with_subqueries(|_| {
        nodes += 1;
        Ok(if nodes > MAX_PLAN_NODES { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })
    .map_err(|_| refuse("The SQL cannot be planned."))?;
    if nodes > MAX_PLAN_NODES {
        return Err(too_costly(format!(
            "The plan of the SQL has over {MAX_PLAN_NODES} steps; a query that is used several times counts each time."
        )));
    }
    if growth(plan) > MAX_TEXT_GROWTH {
        return Err(too_costly(format!("The SQL joins over {MAX_TEXT_GROWTH} texts to one.")));
    }
    Ok(())
}

/// How many texts of the tables below one text of the plan may hold: the product over the steps of
/// what each expression joins. It errs on the large side.
fn growth(plan: &LogicalPlan) -> u64 {
    let below = plan.inputs().into_iter().map(growth).max().unwrap_or(1);
    let own = plan.expressions().iter().map(expression_growth).max().unwrap_or(1);
    below.saturating_mul(own)
}

/// How many texts an expression joins.
fn expression_growth(expression: &PlanExpr) -> u64 {
    let mut joined: u64 = 1;
    // The closure never fails.
    let _ = expression.apply(|part| {
        match part {
            PlanExpr::BinaryExpr(binary) if binary.op == Operator::StringConcat => joined += 1,
            PlanExpr::ScalarFunction(call) if functions::joins_text(call.func.name()) => {
                joined += call.args.len() as u64;
            }
            PlanExpr::ScalarSubquery(subquery) => joined = joined.max(growth(&subquery.subquery)),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_reading_statement_with_listed_functions_passes() {
        let refused = [
            "",
            ";",
            "select 1; select 2",
            "select 1; drop table claim",
            "drop table claim",
            "insert into claim values (1)",
            "update claim set id = 1",
            "delete from claim",
            "create table t as select 1",
            "create external table t stored as csv location '/etc/passwd'",
            "create view v as select 1",
            "copy claim to '/tmp/x'",
            "copy (select 1) to '/tmp/x.csv'",
            "explain select 1",
            "show tables",
            "set datafusion.execution.batch_size = 1",
            "prepare p as select 1",
            "execute p",
            "select * into t from claim",
            "select * from claim for update",
            "with a as (insert into claim values (1) returning id) select * from a",
            "with a as (delete from claim returning id) select * from a",
            "with recursive a as (select 1 as n union all select n + 1 from a) select * from a",
            "select pg_read_file('/etc/passwd')",
            "select pg_sleep(100)",
            "select * from generate_series(1, 1000000000)",
            "select * from range(1, 10)",
            "select * from read_csv('/etc/passwd')",
            "select repeat('x', 1000000000)",
            "select lpad('x', 1000000000)",
            "select version()",
            "select now()",
            "select random()",
            "select * from information_schema.tables",
            "select * from pg_catalog.pg_class",
            "select * from \"a\".\"b\"",
            "select $1",
            "select ?",
            "select * from unnest([1,2,3])",
            "table claim",
            "select /* ; */ 1 -- x\n; delete from claim",
        ];
        for sql in refused {
            let error = check(sql).expect_err(sql);
            assert!(matches!(error.status(), 400 | 422), "{sql}: {error}");
        }
    }

    #[test]
    fn what_a_query_names_is_found() {
        let caged = check(
            "with d as (select id from claim where created >= :from)
             select c.id, sum(c.total) filter (where d.id is not null), extract(day from c.created)
             from Claim c left join d on d.id = c.id
             where exists (select 1 from coverage v where v.id = c.coverage) and c.id in (select id from \"Odd\")
             group by c.id -- a remark",
        )
        .expect("it is allowed");
        let names: Vec<&str> = caged.tables.iter().map(String::as_str).collect();
        assert_eq!(names, ["Odd", "claim", "coverage"]);
        assert_eq!(caged.parameters.into_iter().collect::<Vec<_>>(), ["from"]);
    }

    #[test]
    fn table_expressions_that_double_themselves_are_refused_before_they_are_planned() {
        let doubled = |step: &str| {
            let steps: Vec<String> = (1..40)
                .map(|n| format!("t{n} as ({})", step.replace("PREV", &format!("t{}", n - 1))))
                .collect();
            format!("with t0 as (select id as c from claim), {} select max(c) from t39", steps.join(", "))
        };
        let attacks = [
            doubled("select a.c from PREV a join PREV b on a.c = b.c"),
            doubled("select c from PREV where c in (select c from PREV)"),
            doubled("select c from (select c from PREV) union all select (select max(c) from PREV)"),
            doubled("with PREV as (select c from PREV), x as (select c from PREV) select a.c from PREV a, x"),
        ];
        for sql in attacks {
            let error = check(&sql).expect_err(&sql);
            assert!(error.to_string().contains("over 1000 tables"), "{error}");
        }
        assert!(check(&doubled("select c from PREV")).is_ok());
    }

    #[test]
    fn deep_and_long_texts_are_refused_before_they_are_planned() {
        let deep = format!("select {}1{}", "(".repeat(3000), ")".repeat(3000));
        let long = format!("select 1{}", "+1".repeat(30_000));
        let chain = format!("select 1{}", "+1".repeat(600));
        let nested = format!("select * from {}claim{}", "(select * from ".repeat(400), ") t".repeat(400));
        let check_all = move || [deep, long, chain, nested].iter().all(|sql| check(sql).is_err());
        let thread = std::thread::Builder::new().stack_size(crate::engine::STACK_BYTES).spawn(check_all);
        assert!(thread.expect("a thread starts").join().expect("the stack is large enough"));
    }
}
