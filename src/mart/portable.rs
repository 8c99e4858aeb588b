//! The subset of SQL that DataFusion, PostgreSQL and Spark answer alike: a rule for the SQL that comes with
//! the program, whose figures must be the same wherever they are made.
//!
//! What an engine takes for a vendor's, what it types differently, and what it rounds differently is
//! found here; what the cage refuses anyway is not looked for again.

use std::fmt;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Distinct, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, GroupByExpr, Ident, ObjectName, Query, Select, SelectItem, Spanned, TableFactor,
    TimezoneInfo, Value, ValueWithSpan, Visit, Visitor,
};
use remit_fhir::Result;

use crate::cage;

/// Functions that all three engines have under one name, with one meaning.
const FUNCTIONS: &[&str] = &[
    "abs",
    "avg",
    // Ours: the day of an instant in a time zone. Each engine has it in one line; see profiles/README.md.
    "business_date",
    "coalesce",
    "count",
    "dense_rank",
    "first_value",
    "lag",
    "lead",
    "lower",
    "max",
    "min",
    "nullif",
    "percentile_cont",
    "rank",
    "round",
    "row_number",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "upper",
    "var_pop",
    "var_samp",
    "date_trunc",
];

/// Something that is not portable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The line of the SQL, from 1; 0 where it is not known.
    pub line: u64,
    /// What is wrong, and what to write instead.
    pub sentence: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.sentence)
    }
}

/// What of a statement is outside of the portable subset; nothing is how it should be.
///
/// # Errors
/// When the statement is none that the cage lets pass.
pub fn portable(sql: &str) -> Result<Vec<Finding>> {
    let caged = cage::check(sql)?;
    let mut lint = Lint::default();
    // The walk never breaks off.
    let _ = caged.statement.visit(&mut lint);
    let mut findings = lint.findings;
    findings.sort_by_key(|finding| finding.line);
    findings.dedup();
    Ok(findings)
}

#[derive(Default)]
struct Lint {
    findings: Vec<Finding>,
}

impl Lint {
    fn find(&mut self, at: &impl Spanned, sentence: impl Into<String>) {
        self.findings.push(Finding { line: at.span().start.line, sentence: sentence.into() });
    }

    fn cast(&mut self, expr: &Expr, kind: &CastKind, ty: &DataType) {
        if *kind != CastKind::Cast {
            self.find(expr, "A cast is written CAST(… AS …).");
        }
        match ty {
            DataType::Decimal(_) | DataType::Numeric(_) | DataType::Dec(_) => {}
            DataType::Int(None) | DataType::Integer(None) | DataType::BigInt(None) | DataType::SmallInt(None) => {}
            DataType::Date | DataType::Boolean => {}
            DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {}
            DataType::Varchar(Some(_)) | DataType::Char(Some(_)) => {}
            DataType::Float(..) | DataType::Double(..) | DataType::DoublePrecision | DataType::Real => {
                self.find(expr, format!("{ty} rounds differently from engine to engine; use DECIMAL."));
            }
            _ => self.find(
                expr,
                format!("The type {ty} is not known everywhere; use DECIMAL, INTEGER, BIGINT, DATE, TIMESTAMP, BOOLEAN or VARCHAR(n)."),
            ),
        }
    }

    fn operation(&mut self, expr: &Expr, left: &Expr, op: &BinaryOperator, right: &Expr) {
        use BinaryOperator as Op;
        match op {
            Op::Plus | Op::Multiply | Op::And | Op::Or | Op::StringConcat => {}
            Op::Eq | Op::NotEq | Op::Gt | Op::GtEq | Op::Lt | Op::LtEq => {}
            Op::Minus => {
                if is_date(left) && is_date(right) {
                    self.find(
                        expr,
                        "A difference of dates has another type on each engine; write EXTRACT(DAY FROM (CAST(b AS TIMESTAMP) - CAST(a AS TIMESTAMP))).",
                    );
                }
            }
            Op::Divide => {
                if !is_safe_divisor(right) {
                    self.find(expr, "A divisor is NULLIF(…, 0), because engines differ on division by zero.");
                }
                if !(is_decimal(left) && is_decimal(right)) {
                    self.find(
                        expr,
                        "Whole numbers divide differently from engine to engine; write CAST(a AS DECIMAL(18,4)) / NULLIF(CAST(b AS DECIMAL(18,4)), 0).",
                    );
                }
            }
            _ => self.find(expr, format!("The operator {op} is not known everywhere.")),
        }
    }

    fn function(&mut self, expr: &Expr, function: &Function) {
        let name = function.name.to_string().to_lowercase();
        if FUNCTIONS.contains(&name.as_str()) {
            return;
        }
        let instead = match name.as_str() {
            "greatest" | "least" => "engines differ on nulls; write CASE",
            "datediff" | "date_diff" | "age" | "date_part" => {
                "write EXTRACT(DAY FROM (CAST(b AS TIMESTAMP) - CAST(a AS TIMESTAMP)))"
            }
            "now" | "current_date" | "current_timestamp" | "getdate" => "pass the date as a parameter",
            "dateadd" | "date_add" | "date_sub" | "date_bin" | "make_date" | "to_date" | "to_timestamp" => {
                "pass the date as a parameter, or make it a column of the view"
            }
            "median" => "write percentile_cont(0.5) WITHIN GROUP (ORDER BY …)",
            "nvl" | "ifnull" => "write COALESCE",
            _ => "make it a column of the view, or write it with what all engines have",
        };
        self.find(expr, format!("The function {name} is not the same everywhere; {instead}."));
    }

    fn names(&mut self, idents: &[&Ident]) {
        for ident in idents.iter().filter(|ident| ident.quote_style.is_some()) {
            let sentence = format!(
                "The name \"{}\" is in quotes, which are those of texts on some engines.",
                ident.value
            );
            self.findings.push(Finding { line: ident.span.start.line, sentence });
        }
    }
}

impl Visitor for Lint {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if query.fetch.is_some() {
            self.find(query, "FETCH is not known everywhere; write LIMIT.");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if matches!(select.distinct, Some(Distinct::On(_))) {
            self.find(select, "DISTINCT ON is not known everywhere; number the rows with ROW_NUMBER().");
        }
        if select.qualify.is_some() || select.top.is_some() {
            self.find(select, "QUALIFY and TOP are not known everywhere; use a table expression and LIMIT.");
        }
        if matches!(select.group_by, GroupByExpr::All(_)) {
            self.find(select, "GROUP BY ALL is not known everywhere; name the columns.");
        }
        for item in &select.projection {
            match item {
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                    self.find(select, "SELECT * changes with its tables; name the columns.");
                }
                SelectItem::ExprWithAlias { alias, .. } => self.names(&[alias]),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Derived { lateral: true, .. } = factor {
            self.find(factor, "LATERAL is not known everywhere; use a join.");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let idents: Vec<&Ident> = relation.0.iter().filter_map(|part| part.as_ident()).collect();
        self.names(&idents);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Cast { kind, data_type, .. } => self.cast(expr, kind, data_type),
            Expr::ILike { .. } => self.find(expr, "ILIKE is not known everywhere; write LOWER(a) LIKE …."),
            Expr::RLike { .. } | Expr::SimilarTo { .. } => {
                self.find(expr, "Patterns beyond LIKE are not known everywhere.");
            }
            Expr::AtTimeZone { .. } => {
                self.find(expr, "Time zones are converted in the view; business dates are its columns.");
            }
            Expr::Array(_) | Expr::CompoundFieldAccess { .. } | Expr::JsonAccess { .. } => {
                self.find(
                    expr,
                    "Arrays and JSON are not the same everywhere; make a view with a row for each.",
                );
            }
            Expr::AnyOp { .. } | Expr::AllOp { .. } => {
                self.find(expr, "ANY and ALL are not known everywhere; write IN or EXISTS.");
            }
            Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => {
                self.find(expr, "IS DISTINCT FROM is not known everywhere; write it with IS NULL.");
            }
            Expr::Interval(_) => {
                self.find(expr, "Intervals are written differently; pass the date as a parameter.");
            }
            Expr::BinaryOp { left, op, right } => self.operation(expr, left, op, right),
            Expr::Function(function) => self.function(expr, function),
            Expr::Identifier(ident) => self.names(&[ident]),
            Expr::CompoundIdentifier(idents) => self.names(&idents.iter().collect::<Vec<_>>()),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        let is_odd = !matches!(
            value.value,
            Value::Number(..)
                | Value::SingleQuotedString(_)
                | Value::Boolean(_)
                | Value::Null
                | Value::Placeholder(_)
        );
        if is_odd {
            let line = value.span.start.line;
            self.findings.push(Finding { line, sentence: "A text is written in single quotes.".to_owned() });
        }
        ControlFlow::Continue(())
    }
}

/// Whether an expression is a date by its looks: a cast, a literal, or a column that is called one.
fn is_date(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_date(inner),
        Expr::Cast { data_type: DataType::Date, .. } => true,
        Expr::TypedString(typed) => typed.data_type == DataType::Date,
        Expr::Identifier(ident) => is_called_date(ident),
        Expr::CompoundIdentifier(idents) => idents.last().is_some_and(is_called_date),
        _ => false,
    }
}

fn is_called_date(ident: &Ident) -> bool {
    let name = ident.value.to_lowercase();
    name == "date" || name.ends_with("_date")
}

/// Whether an expression is a decimal by its looks.
fn is_decimal(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_decimal(inner),
        Expr::Cast { data_type: DataType::Decimal(_) | DataType::Numeric(_), .. } => true,
        Expr::Value(value) => matches!(&value.value, Value::Number(text, _) if text.contains('.')),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("nullif") => {
            arguments(function).next().is_some_and(is_decimal)
        }
        Expr::BinaryOp { left, op: BinaryOperator::Multiply, right } => is_decimal(left) || is_decimal(right),
        _ => false,
    }
}

/// `NULLIF(…, 0)`, or a number other than zero.
fn is_safe_divisor(expr: &Expr) -> bool {
    let is_zero = |text: &str| text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    match expr {
        Expr::Nested(inner) => is_safe_divisor(inner),
        Expr::Value(value) => matches!(&value.value, Value::Number(text, _) if !is_zero(text)),
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("nullif") => {
            let last = arguments(function).next_back();
            last.is_some_and(|last| matches!(last, Expr::Value(v) if matches!(&v.value, Value::Number(text, _) if is_zero(text))))
        }
        _ => false,
    }
}

/// The plain arguments of a function.
fn arguments(function: &Function) -> impl DoubleEndedIterator<Item = &Expr> {
    let list = match &function.args {
        FunctionArguments::List(list) => list.args.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_portable_is_found_with_its_line() {
        let cases = [
            ("select total::decimal from claim", "CAST"),
            ("select id from claim where id ilike 'a%'", "ILIKE"),
            ("select id from claim where id similar to 'a%'", "LIKE"),
            ("select id from claim where id ~ 'a'", "operator"),
            ("select * from claim", "SELECT *"),
            ("select c.* from claim c", "SELECT *"),
            ("select greatest(a, b) as g from claim", "CASE"),
            ("select date_part('day', created) as d from claim", "EXTRACT"),
            ("select to_date(created) as d from claim", "to_date"),
            ("select created_date - serviced_date as age from claim", "difference of dates"),
            ("select cast(a as date) - date '2026-01-01' as age from claim", "difference of dates"),
            ("select created at time zone 'UTC' as t from claim", "Time zones"),
            ("select cast(total as double precision) as t from claim", "DECIMAL"),
            ("select cast(total as text) as t from claim", "VARCHAR"),
            ("select cast(created as timestamp with time zone) as t from claim", "TIMESTAMP"),
            ("select a / b as ratio from claim", "NULLIF"),
            ("select cast(a as decimal(18,4)) / cast(b as decimal(18,4)) as ratio from claim", "NULLIF"),
            ("select a / nullif(b, 0) as ratio from claim", "Whole numbers"),
            ("select id from claim, lateral (select id as x from claim) l", "LATERAL"),
            ("select array[1, 2] as a from claim", "Arrays"),
            ("select distinct on (id) id from claim", "DISTINCT ON"),
            ("select \"id\" from claim", "quotes"),
            ("select id from \"claim\"", "quotes"),
            ("select created + interval '1 day' as d from claim", "Intervals"),
            ("select median(total) as m from claim", "percentile_cont"),
            ("select id from claim where id = any(select id from claim)", "ANY"),
            ("select id from claim where id is distinct from 'x'", "IS DISTINCT FROM"),
            ("select id from claim fetch first 1 rows only", "LIMIT"),
        ];
        for (sql, part) in cases {
            let findings = portable(sql).expect(sql);
            let is_found =
                findings.iter().any(|finding| finding.sentence.contains(part) && finding.line <= 1);
            assert!(is_found, "{sql}: {findings:?}");
        }
        let findings = portable("select id\nfrom claim\nwhere id ilike 'x'").expect("it is one query");
        assert_eq!(findings.first().map(|finding| finding.line), Some(3));
        assert!(portable("drop table claim").is_err());
    }

    #[test]
    fn the_portable_subset_passes() {
        let cases = [
            "select extract(day from (cast(b as timestamp) - cast(a as timestamp))) as age from claim",
            "select percentile_cont(0.5) within group (order by total) as m from claim",
            "select sum(total) filter (where id is not null) as s from claim",
            "select cast(a as decimal(18,4)) / nullif(cast(b as decimal(18,4)), 0) as ratio from claim",
            "select round(cast(a as decimal(38,10)), 6) as r from claim",
            "with d as (select id, date_trunc('month', created) as m from claim) select m, count(*) as n from d group by m order by m limit 3",
            "select row_number() over (partition by id order by total desc) as n from claim where created >= :start",
            "select case when a > b then a else b end as larger, coalesce(a, 0) as a, a || b as c from claim where a <> b and id in ('x') and lower(id) like 'a%'",
        ];
        for sql in cases {
            assert_eq!(portable(sql).expect(sql), Vec::new(), "{sql}");
        }
    }
}
