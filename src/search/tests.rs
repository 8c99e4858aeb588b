//! The whole way on a real database: the official examples are extracted, their rows stand in SQLite
//! under the schema of the store, and every page is compared with the same question asked in memory.

mod back;
mod cases;
mod database;
mod explain;
mod filter_parameter;
mod joins;
mod modifiers;
mod official;
mod sets;

pub(crate) use database::registry;
