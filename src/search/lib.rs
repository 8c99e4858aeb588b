//! Search: a resource becomes index rows, the text of a URL becomes a query, a query becomes SQL
//! (<https://hl7.org/fhir/R4/search.html>).
//!
//! Pure: nothing here reads or writes. Each type of parameter keeps its indexing, its parsing, its SQL
//! and its comparison in memory in one file.

mod access;
mod chain;
mod codes;
mod compartment;
mod composite;
mod contained;
mod cursor;
mod custom;
mod date;
mod expression;
mod extract;
mod filter;
mod filter_parameter;
mod has;
mod include;
mod labels;
mod matching;
mod number;
mod page;
mod parse;
mod part;
mod path;
mod position;
mod prefix;
mod quantity;
mod query;
mod reference;
mod registry;
mod rows;
mod sort;
mod sql;
mod string;
mod text;
mod token;
mod uri;
mod words;
mod words_query;

#[cfg(test)]
mod tests;

pub use access::{Access, AccessPlan};
pub use chain::{Link, MAX_CHAIN};
pub use codes::{Set, Value as CodeSets, has_open_sets, open_sets};
pub use compartment::{Owned, care_dates, owned};
pub use contained::{CONTAINED, Contained, ContainedType, contained_number, container_of};
pub use cursor::{Key, MAX_CURSOR_LENGTH, Side, parse as read_cursor, render as cursor};
pub use custom::{Change, Custom, Row as CustomRow, State, changes};
pub use extract::{extract, references, values};
pub use has::Has;
pub use include::{Include, MAX_INCLUDES, Way, by_id, included, including};
pub use labels::labels;
pub use matching::{is_self_contained, matches};
pub use page::{Densities, PROBE_CAP, Probe, count, page, probes};
pub use parse::{CURSOR_PARAMETER, Context, Handling, Limits, Parsed, condition, parse};
pub use query::{Condition, Criterion, Direction, Query, SortBy, SortKey, Summary, Test, Total};
pub use registry::{Parameter, Registry};
pub use rows::{
    CompositeRow, ContainedRow, DateRow, IndexRows, InnerRow, NumberRow, PositionRow, QuantityRow, Real,
    ReferenceRow, StringRow, TextRow, TokenRow, UriRow, difference,
};
pub use sql::{Arg, Dialect, Statement};
pub use string::fold;
pub use words::{TextLevel, WORDS, WordsRow, words_of};
