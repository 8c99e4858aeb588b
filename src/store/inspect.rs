//! What an operator asks of a database: how it runs a search, and what takes its room.

use crate::value::Value;
use crate::{Database, Store};
use remit_fhir::Result;
use remit_search::{AccessPlan, Query, Statement};

/// Bytes on disk by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Current versions and earlier ones.
    pub resources: u64,
    /// What finds them: the search indexes and those by id and time.
    pub indexes: u64,
    /// The change log, and everything else.
    pub other: u64,
}

impl Store {
    /// The database's plan of the first page of a search, line by line, as it is for these arguments now.
    pub async fn explain(&self, plan: &AccessPlan, query: &Query) -> Result<Vec<String>> {
        let query = &*self.resolved(plan, query).await?;
        let densities = self.densities(plan, query).await?;
        let statement = match query.count {
            0 => remit_search::count(query, plan, &self.inner.registry, self.dialect(), &densities),
            _ => self.page_statement(plan, query, &densities),
        };
        let ask = match &self.inner.database {
            Database::Sqlite(_) => "explain query plan ",
            Database::Postgres(_) => "explain (costs off) ",
        };
        let asked = Statement { sql: format!("{ask}{}", statement.sql), args: statement.args };
        let rows = self.run(plan, &asked).await?;
        let line = |value: Option<Value>| match value {
            Some(Value::Text(line)) => line,
            _ => String::new(),
        };
        // The line is the last column on both.
        Ok(rows.into_iter().map(|row| line(row.rest().pop())).collect())
    }

    /// What takes the room of the database.
    pub async fn sizes(&self) -> Result<Sizes> {
        let sql = match &self.inner.database {
            Database::Sqlite(_) => "select name, pgsize from dbstat where aggregate = true order by name",
            Database::Postgres(_) => {
                "select relname::text, pg_table_size(relid) from pg_stat_user_tables \
                 union all select indexrelname::text, pg_relation_size(indexrelid) from pg_stat_user_indexes"
            }
        };
        let mut sizes = Sizes::default();
        for mut row in self.inner.database.scan(sql, &[]).await? {
            let (name, bytes) = (row.text()?, row.int()?.unsigned_abs());
            let slot = match &*name {
                "resource" | "history" => &mut sizes.resources,
                _ if name.starts_with("ix_") => &mut sizes.indexes,
                _ if name.starts_with("resource_") && name != "resource_type" => &mut sizes.indexes,
                _ => &mut sizes.other,
            };
            *slot += bytes;
        }
        Ok(sizes)
    }
}
