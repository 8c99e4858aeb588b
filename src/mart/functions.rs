//! The functions that SQL of a user may call.
//!
//! Left out is what reads a clock or chance (an answer must follow from its data), what makes long
//! texts out of short ones (no memory pool sees them), and what reaches outside.

use std::sync::Arc;

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

use crate::clock::BusinessDate;

/// One value from one row.
const SCALAR: &[&str] = &[
    // values
    "coalesce",
    "nullif",
    "nvl",
    "greatest",
    "least",
    // numbers
    "abs",
    "ceil",
    "floor",
    "round",
    // dates
    "date_trunc",
    "date_part",
    "date_bin",
    "make_date",
    "to_date",
    "business_date",
    // texts
    "lower",
    "upper",
    "btrim",
    "trim",
    "ltrim",
    "rtrim",
    "substr",
    "substring",
    "left",
    "right",
    "strpos",
    "position",
    "starts_with",
    "ends_with",
    "contains",
    "split_part",
    "character_length",
    "char_length",
    "length",
    "octet_length",
    "concat",
    "concat_ws",
];

/// One value from many rows.
const AGGREGATE: &[&str] = &[
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "median",
    "percentile_cont",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "var",
    "var_pop",
    "var_samp",
    "bool_and",
    "bool_or",
    "first_value",
    "last_value",
    "corr",
];

/// One value for each row from the rows around it.
const WINDOW: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

/// Whether a function may be called by this name.
pub(crate) fn is_allowed(name: &str) -> bool {
    [SCALAR, AGGREGATE, WINDOW].iter().any(|list| list.contains(&name))
}

/// Whether a function joins texts to a longer one.
pub(crate) fn joins_text(name: &str) -> bool {
    matches!(name, "concat" | "concat_ws")
}

pub(crate) fn scalar() -> Vec<Arc<ScalarUDF>> {
    let mut functions = SessionStateDefaults::default_scalar_functions();
    functions.retain(|f| is_listed(SCALAR, f.name(), f.aliases()));
    functions.push(Arc::new(ScalarUDF::new_from_impl(BusinessDate::new())));
    functions
}

pub(crate) fn aggregate() -> Vec<Arc<AggregateUDF>> {
    let mut functions = SessionStateDefaults::default_aggregate_functions();
    functions.retain(|f| is_listed(AGGREGATE, f.name(), f.aliases()));
    functions
}

pub(crate) fn window() -> Vec<Arc<WindowUDF>> {
    let mut functions = SessionStateDefaults::default_window_functions();
    functions.retain(|f| is_listed(WINDOW, f.name(), f.aliases()));
    functions
}

fn is_listed(list: &[&str], name: &str, aliases: &[String]) -> bool {
    list.contains(&name) || aliases.iter().any(|alias| list.contains(&alias.as_str()))
}
