//! Which words of resources the database keeps. It is a property of the database and not of a process,
//! so that all processes on it write the same.

use crate::side::{Side, Step};
use crate::value::Value;
use crate::{Database, WriteError, WriteSet};
use remit_fhir::{Error, Result};
use remit_search::TextLevel;

/// What the database keeps, and how often that has changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    pub(crate) level: TextLevel,
    pub(crate) changes: i64,
}

impl Words {
    /// What the database keeps now.
    pub(crate) async fn read(database: &Database) -> Result<Words> {
        let rows = database.point("select words, words_changes from store", &[]).await?;
        let mut row = rows.into_iter().next().ok_or_else(|| Error::internal("the table store has no row"))?;
        let level = match row.int()? {
            0 => TextLevel::None,
            1 => TextLevel::Narrative,
            _ => TextLevel::Content,
        };
        Ok(Words { level, changes: row.int()? })
    }

    /// Makes it what is wanted. All words go, and every tenant that has resources needs a `$reindex`
    /// before it can search for words again.
    pub(crate) async fn set(database: &Database, wanted: Option<TextLevel>) -> Result<Words> {
        let now = Words::read(database).await?;
        let Some(wanted) = wanted.filter(|wanted| *wanted != now.level) else { return Ok(now) };
        let number = match wanted {
            TextLevel::None => 0,
            TextLevel::Narrative => 1,
            TextLevel::Content => 2,
        };
        let guard = "update store set words = $1, words_changes = words_changes + 1 where words_changes = $2 returning 1";
        let mut steps = vec![Step::holds(guard, vec![Value::Int(number), Value::Int(now.changes)])];
        match database {
            Database::Sqlite(_) => {
                steps.push(Step::new("insert into ix_words (ix_words) values ('delete-all')", Vec::new()));
            }
            Database::Postgres(_) => {
                // Every write under way ends first, and later ones see that their words are not wanted.
                let locks = "select pg_advisory_xact_lock(id, 0)::text from tenant order by id";
                steps.insert(0, Step::new(locks, Vec::new()));
                steps.push(Step::new("truncate ix_words", Vec::new()));
            }
        }
        let ready = "update tenant set parameters = parameters + 1, words_ready = case when exists \
                     (select 1 from resource r where r.tenant = tenant.id and r.deleted = 0) then 0 else 1 end";
        steps.push(Step::new(ready, Vec::new()));
        // Jobs under way begin again: what they have filled in is gone.
        let again =
            "update job set place = 0, cursor = 0, done = 0, owner = '', lease_us = 0 where state = 0";
        steps.push(Step::new(again, Vec::new()));
        // No tenant has the number 0.
        let side = Side { steps, changes_parameters: true, ..Side::default() };
        let done = match database {
            Database::Sqlite(sqlite) => sqlite.write(0, WriteSet::default(), Vec::new(), side).await,
            Database::Postgres(postgres) => postgres.write(0, WriteSet::default(), Vec::new(), side).await,
        };
        match done {
            // Another process was faster; what it has set holds.
            Ok(_) | Err(WriteError::Stale) => Words::read(database).await,
            Err(WriteError::Failed(error)) => Err(error),
        }
    }
}
