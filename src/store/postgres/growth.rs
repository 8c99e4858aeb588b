//! Care for tables that grow fast.
//!
//! PostgreSQL looks at its tables once a minute at best. Until then a table that was just filled has no
//! statistics, and PostgreSQL may take the index of values for a question about one resource; nor does it
//! know that the rows of an index are visible to all, and looks each up in the table. So the node that
//! fills the tables asks for both: while they grow, after each growth by half, and once more when it is
//! quiet. Autovacuum does the rest.

use super::writer::Shared;
use deadpool_postgres::Pool;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Rows with which any plan is good.
const FEW: u64 = 5_000;

/// Time between two looks at what was written. Nothing written in that time is quiet.
const TICK: Duration = Duration::from_secs(1);

/// The tables of which statements make large parts.
const TABLES: &str = "resource, history, change, ix_token, ix_reference, ix_uri, ix_string, ix_date, \
                      ix_number, ix_quantity, ix_composite, ix_position, ix_text, ix_words";

/// Rows that this node has written since it last cared for the tables.
#[derive(Default)]
pub(super) struct Growth {
    rows: AtomicU64,
}

impl Growth {
    /// Notes rows that were written.
    pub(super) fn add(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Relaxed);
    }
}

/// Watches the growth as long as there are writers.
pub(super) async fn care(shared: Weak<Shared>) {
    let (mut before, mut known) = (0, 0);
    loop {
        tokio::time::sleep(TICK).await;
        let Some(shared) = shared.upgrade() else { return };
        let rows = shared.growth.rows.load(Relaxed);
        let is_quiet = rows == before;
        before = rows;
        // A twentieth more changes no plan, and autovacuum comes by.
        let enough = if is_quiet { known / 20 } else { known / 2 };
        if rows < FEW.max(enough) {
            continue;
        }
        match vacuum(&shared.pool, rows, is_quiet).await {
            Ok(all) => known = all,
            // Searches are slower for a while; nothing else depends on it.
            Err(error) => tracing::debug!(%error, "the tables were not vacuumed"),
        }
        shared.growth.rows.fetch_sub(rows, Relaxed);
        before = 0;
    }
}

/// Marks what is visible and gathers statistics, unless the tables are so large that these rows count
/// for little. Gives the number of rows.
async fn vacuum(
    pool: &Pool,
    written: u64,
    is_quiet: bool,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let client = pool.get().await?;
    let sql = "select coalesce(sum(greatest(c.reltuples, 0)), 0)::int8 from pg_class c \
               where c.oid = any(string_to_array($1, ', ')::regclass[])";
    let known = client.query_one(sql, &[&TABLES]).await?.get::<_, i64>(0).unsigned_abs();
    if written < if is_quiet { known / 20 } else { known / 2 } {
        return Ok(known);
    }
    client.batch_execute(&format!("vacuum (analyze, skip_locked, truncate off) {TABLES}")).await?;
    Ok(client.query_one(sql, &[&TABLES]).await?.get::<_, i64>(0).unsigned_abs())
}
