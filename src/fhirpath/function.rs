//! The table of functions. Adding one is a line here and a function in the file of its kind.

use crate::eval::{Evaluator, Result, Scope};
use crate::item::Collection;
use crate::op::{Op, System};
use crate::{
    boundary, conversion, existence, fhir_function, filter, math, string_function, text_coding, utility,
};

/// A function of the language.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// The least and the greatest number of arguments.
    pub(crate) arity: (usize, usize),
    /// The arguments are evaluated for each item, with `$this` set.
    pub(crate) is_lambda: bool,
    /// All arguments but the first are evaluated for each item.
    pub(crate) plain_first: bool,
    /// The result depends on the order of the input.
    pub(crate) needs_order: bool,
    /// The argument names a type.
    pub(crate) takes_type: bool,
    pub(crate) returns: Returns,
    pub(crate) run: Run,
}

/// What the items of a result are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Returns {
    /// Items of the input.
    Input,
    /// Any elements, in no order.
    Unordered,
    /// What the first argument gives.
    Argument,
    /// Items of the input and of the argument.
    InputAndArgument,
    /// What the second or a later argument gives.
    Branches,
    /// Extensions.
    Extension,
    /// Values of a System type.
    System(System),
    /// Anything.
    Unknown,
}

/// A call in progress.
pub(crate) struct Call<'a, 's, 'i> {
    /// What stands before the dot. A function may take the items.
    pub(crate) input: &'i mut Collection<'a>,
    pub(crate) arguments: &'a [Op],
    pub(crate) scope: Scope<'a, 's>,
}

pub(crate) type Run =
    for<'a, 'e, 's, 'i, 'o> fn(&mut Evaluator<'a, 'e>, Call<'a, 's, 'i>, &'o mut Collection<'a>) -> Result;

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}()", self.name)
    }
}

/// The names of all functions, with the least and greatest number of arguments.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = (&'static str, usize, usize)> {
    FUNCTIONS.iter().map(|function| (function.name, function.arity.0, function.arity.1))
}

/// The function with this name.
pub(crate) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// A function whose arguments are evaluated once.
const fn plain(name: &'static str, least: usize, most: usize, returns: Returns, run: Run) -> Function {
    Function {
        name,
        arity: (least, most),
        is_lambda: false,
        plain_first: false,
        needs_order: false,
        takes_type: false,
        returns,
        run,
    }
}

/// A function whose arguments are evaluated for each item.
const fn lambda(name: &'static str, least: usize, most: usize, returns: Returns, run: Run) -> Function {
    Function { is_lambda: true, ..plain(name, least, most, returns, run) }
}

/// A function that depends on the order of its input.
const fn ordered(name: &'static str, least: usize, most: usize, returns: Returns, run: Run) -> Function {
    Function { needs_order: true, ..plain(name, least, most, returns, run) }
}

const BOOLEAN: Returns = Returns::System(System::Boolean);
const STRING: Returns = Returns::System(System::String);
const INTEGER: Returns = Returns::System(System::Integer);
const DECIMAL: Returns = Returns::System(System::Decimal);
use Returns::{Argument, Branches, Extension, Input, InputAndArgument, Unknown, Unordered};

/// Every function but `is`, `as` and `ofType`, which the compiler knows.
static FUNCTIONS: &[Function] = &[
    plain("empty", 0, 0, BOOLEAN, existence::empty),
    lambda("exists", 0, 1, BOOLEAN, existence::exists),
    lambda("all", 1, 1, BOOLEAN, existence::all),
    plain("allTrue", 0, 0, BOOLEAN, existence::all_true),
    plain("anyTrue", 0, 0, BOOLEAN, existence::any_true),
    plain("allFalse", 0, 0, BOOLEAN, existence::all_false),
    plain("anyFalse", 0, 0, BOOLEAN, existence::any_false),
    plain("subsetOf", 1, 1, BOOLEAN, existence::subset_of),
    plain("supersetOf", 1, 1, BOOLEAN, existence::superset_of),
    plain("count", 0, 0, INTEGER, existence::count),
    plain("distinct", 0, 0, Input, existence::distinct),
    plain("isDistinct", 0, 0, BOOLEAN, existence::is_distinct),
    plain("not", 0, 0, BOOLEAN, existence::not),
    lambda("where", 1, 1, Input, filter::r#where),
    lambda("select", 1, 1, Argument, filter::select),
    lambda("repeat", 1, 1, Unknown, filter::repeat),
    lambda("repeatAll", 1, 1, Unknown, filter::repeat_all),
    plain("single", 0, 0, Input, filter::single),
    ordered("first", 0, 0, Input, filter::first),
    ordered("last", 0, 0, Input, filter::last),
    ordered("tail", 0, 0, Input, filter::tail),
    ordered("skip", 1, 1, Input, filter::skip),
    ordered("take", 1, 1, Input, filter::take),
    plain("intersect", 1, 1, Input, filter::intersect),
    plain("exclude", 1, 1, Input, filter::exclude),
    plain("union", 1, 1, InputAndArgument, filter::union),
    plain("combine", 1, 2, InputAndArgument, filter::combine),
    plain("coalesce", 1, usize::MAX, Unknown, filter::coalesce),
    lambda("sort", 0, usize::MAX, Input, filter::sort),
    lambda("aggregate", 1, 2, Unknown, filter::aggregate),
    plain("children", 0, 0, Unordered, filter::children),
    plain("descendants", 0, 0, Unordered, filter::descendants),
    lambda("iif", 2, 3, Branches, conversion::iif),
    plain("toBoolean", 0, 0, BOOLEAN, conversion::to_boolean),
    plain("toInteger", 0, 0, INTEGER, conversion::to_integer),
    plain("toLong", 0, 0, INTEGER, conversion::to_integer),
    plain("toDecimal", 0, 0, DECIMAL, conversion::to_decimal),
    plain("toString", 0, 0, STRING, conversion::to_string),
    plain("toDate", 0, 0, Returns::System(System::Date), conversion::to_date),
    plain("toDateTime", 0, 0, Returns::System(System::DateTime), conversion::to_date_time),
    plain("toTime", 0, 0, Returns::System(System::Time), conversion::to_time),
    plain("toQuantity", 0, 1, Returns::System(System::Quantity), conversion::to_quantity),
    plain("convertsToBoolean", 0, 0, BOOLEAN, conversion::converts_to_boolean),
    plain("convertsToInteger", 0, 0, BOOLEAN, conversion::converts_to_integer),
    plain("convertsToLong", 0, 0, BOOLEAN, conversion::converts_to_integer),
    plain("convertsToDecimal", 0, 0, BOOLEAN, conversion::converts_to_decimal),
    plain("convertsToString", 0, 0, BOOLEAN, conversion::converts_to_string),
    plain("convertsToDate", 0, 0, BOOLEAN, conversion::converts_to_date),
    plain("convertsToDateTime", 0, 0, BOOLEAN, conversion::converts_to_date_time),
    plain("convertsToTime", 0, 0, BOOLEAN, conversion::converts_to_time),
    plain("convertsToQuantity", 0, 1, BOOLEAN, conversion::converts_to_quantity),
    plain("indexOf", 1, 1, INTEGER, string_function::index_of),
    plain("lastIndexOf", 1, 1, INTEGER, string_function::last_index_of),
    plain("substring", 1, 2, STRING, string_function::substring),
    plain("startsWith", 1, 1, BOOLEAN, string_function::starts_with),
    plain("endsWith", 1, 1, BOOLEAN, string_function::ends_with),
    plain("contains", 1, 1, BOOLEAN, string_function::contains),
    plain("upper", 0, 0, STRING, string_function::upper),
    plain("lower", 0, 0, STRING, string_function::lower),
    plain("replace", 2, 2, STRING, string_function::replace),
    plain("matches", 1, 2, BOOLEAN, string_function::matches),
    plain("matchesFull", 1, 2, BOOLEAN, string_function::matches_full),
    plain("replaceMatches", 2, 3, STRING, string_function::replace_matches),
    plain("length", 0, 0, INTEGER, string_function::length),
    plain("toChars", 0, 0, STRING, string_function::to_chars),
    plain("trim", 0, 0, STRING, string_function::trim),
    plain("split", 1, 1, STRING, string_function::split),
    ordered("join", 0, 1, STRING, string_function::join),
    plain("encode", 1, 1, STRING, text_coding::encode),
    plain("decode", 1, 1, STRING, text_coding::decode),
    plain("escape", 1, 1, STRING, text_coding::escape),
    plain("unescape", 1, 1, STRING, text_coding::unescape),
    plain("abs", 0, 0, Unknown, math::abs),
    plain("ceiling", 0, 0, INTEGER, math::ceiling),
    plain("floor", 0, 0, INTEGER, math::floor),
    plain("truncate", 0, 0, INTEGER, math::truncate),
    plain("round", 0, 1, DECIMAL, math::round),
    plain("exp", 0, 0, DECIMAL, math::exp),
    plain("ln", 0, 0, DECIMAL, math::ln),
    plain("log", 1, 1, DECIMAL, math::log),
    plain("power", 1, 1, Unknown, math::power),
    plain("sqrt", 0, 0, DECIMAL, math::sqrt),
    plain("sum", 0, 0, Unknown, math::sum),
    plain("min", 0, 0, Unknown, math::min),
    plain("max", 0, 0, Unknown, math::max),
    plain("avg", 0, 0, Unknown, math::avg),
    plain("lowBoundary", 0, 1, Unknown, boundary::low),
    plain("highBoundary", 0, 1, Unknown, boundary::high),
    plain("precision", 0, 0, INTEGER, boundary::precision),
    plain("comparable", 1, 1, BOOLEAN, boundary::comparable),
    Function { plain_first: true, ..lambda("trace", 1, 2, Input, utility::trace) },
    Function { plain_first: true, ..lambda("defineVariable", 1, 2, Input, utility::define_variable) },
    plain("now", 0, 0, Returns::System(System::DateTime), utility::now),
    plain("today", 0, 0, Returns::System(System::Date), utility::today),
    plain("timeOfDay", 0, 0, Returns::System(System::Time), utility::time_of_day),
    plain("type", 0, 0, Returns::System(System::TypeInfo), utility::r#type),
    plain("yearOf", 0, 0, INTEGER, utility::year_of),
    plain("monthOf", 0, 0, INTEGER, utility::month_of),
    plain("dayOf", 0, 0, INTEGER, utility::day_of),
    plain("hourOf", 0, 0, INTEGER, utility::hour_of),
    plain("minuteOf", 0, 0, INTEGER, utility::minute_of),
    plain("secondOf", 0, 0, INTEGER, utility::second_of),
    plain("millisecondOf", 0, 0, INTEGER, utility::millisecond_of),
    plain("timezoneOffsetOf", 0, 0, DECIMAL, utility::timezone_offset_of),
    plain("dateOf", 0, 0, Returns::System(System::Date), utility::date_of),
    plain("timeOf", 0, 0, Returns::System(System::Time), utility::time_of),
    plain("extension", 1, 1, Extension, fhir_function::extension),
    plain("hasValue", 0, 0, BOOLEAN, fhir_function::has_value),
    plain("getValue", 0, 0, Unknown, fhir_function::get_value),
    plain("resolve", 0, 0, Unknown, fhir_function::resolve),
    plain("memberOf", 1, 1, BOOLEAN, fhir_function::member_of),
    plain("conformsTo", 1, 1, BOOLEAN, fhir_function::conforms_to),
    plain("htmlChecks", 0, 0, BOOLEAN, fhir_function::html_checks),
    plain("getResourceKey", 0, 0, STRING, fhir_function::get_resource_key),
    Function { takes_type: true, ..plain("getReferenceKey", 0, 1, STRING, fhir_function::get_reference_key) },
];
