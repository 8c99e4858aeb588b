//! The analytics mart: a columnar mirror of views in Arrow, kept in step with the change log, and
//! SQL over it by DataFusion.
//!
//! The mart knows no store: [`Mart::apply`] takes the changes, and after a restart
//! [`Mart::replay_from`] says from where they are needed again. Rows carry from when to when they
//! were known, so a query can be asked as of any time. A query sees the rows of one tenant and,
//! below everything else, only those that its [`RowRule`] allows.
//!
//! Dates: a `date` column holds the day as written, of a partial date its first day; `dateTime` and
//! `instant` columns hold UTC microseconds, of a partial value its first one. A view that needs the
//! text states `string` as the type of the column. Decimals have 38 digits, 6 of them after the
//! point or as many as a tag `ansi/type` asks for; what does not fit is rounded or null, counted
//! in [`Losses`]. Collections and complex values are JSON text.

mod blocks;
mod by_blocks;
mod cage;
mod cell;
mod clock;
mod column;
mod compare;
mod components;
mod decimal;
mod engine;
#[cfg(test)]
mod figures;
mod functions;
mod kept;
mod links;
mod local;
mod mart;
mod packed;
mod parquet;
mod planner;
mod portable;
mod query;
mod rows;
mod snapshot;
mod standing;
mod step;
mod stored;
mod sums;
mod table;
mod tenant;
#[cfg(test)]
mod tests;
mod visible;
#[cfg(test)]
mod ways;

pub use arrow::array::RecordBatch as Batch;
pub use by_blocks::Way;
pub use cage::{Names, names};
pub use cell::{Cell, cells};
pub use links::Links;
pub use mart::{Change, Config, Holding, Mart, Position};
pub use parquet::ParquetWriter;
pub use portable::{Finding, portable};
pub use query::{Answer, ByBlocks, Layer, Limits, Parameter, Query, Rows, Source};
pub use stored::{Fill, StoredView, ViewState, ViewStatus};
pub use table::Losses;
pub use visible::{RowRule, RuledRows, only};
