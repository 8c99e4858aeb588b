//! Work in the background, in a table that all processes see: one does it at a time, another goes on
//! when that one is gone.

use crate::value::{Row, Value};
use crate::{Database, Store};
use remit_fhir::{Error, Result};
use std::borrow::Cow;

/// How long a process may be silent before another takes its work over. A batch takes well under a
/// second; the margin is for clocks that differ and for a database that is busy. Two processes that
/// believe to own one job do no harm: each step is applied only for the owner in the table.
pub(crate) const LEASE_US: i64 = 10_000_000;

/// How far a job is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobState {
    /// To be done, or being done.
    Active,
    /// Done.
    Done,
    /// Called off.
    Cancelled,
    /// It could not be done; the message says why.
    Failed,
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name in URLs.
    pub id: String,
    /// Whose resources it works on.
    pub tenant: i32,
    /// How far it is.
    pub state: JobState,
    /// Resources that it went through.
    pub done: i64,
    /// Resources that it has to go through, as counted when it began; `None` before that.
    pub total: Option<i64>,
    /// When it was asked for.
    pub created_us: i64,
    /// When it ended; 0 while it is active.
    pub ended_us: i64,
    /// Why it failed.
    pub message: String,
    /// Number of a resource type, and numbers of parameters to fill for it.
    pub(crate) work: Vec<(i32, Vec<i32>)>,
    pub(crate) place: usize,
    pub(crate) cursor: i64,
    pub(crate) owner: String,
}

const COLUMNS: &str =
    "id, tenant, state, done, total, created_us, ended_us, message, work, place, cursor, owner";

impl Store {
    /// Puts a job on the list.
    pub(crate) async fn add_job(
        &self,
        tenant: i32,
        kind: &'static str,
        work: &[(i32, Vec<i32>)],
    ) -> Result<String> {
        let id = uuid::Uuid::new_v4().to_string();
        let sql = "insert into job (id, tenant, kind, state, work, place, cursor, done, total, owner, lease_us, \
                   created_us, ended_us, message) values ($1, $2, $3, 0, $4, 0, 0, 0, -1, '', 0, $5, 0, '')";
        let args = vec![
            Value::Text(id.clone()),
            Value::from(tenant),
            Value::from(kind),
            Value::Text(render(work)),
            Value::Int((self.inner.clock)()),
        ];
        self.administer(sql, args).await?;
        Ok(id)
    }

    /// A job of a tenant.
    pub async fn job(&self, tenant: i32, id: &str) -> Result<Option<Job>> {
        let sql = format!("select {COLUMNS} from job where id = $1 and tenant = $2");
        let rows = self.inner.database.point(&sql, &[Value::from(id), Value::from(tenant)]).await?;
        rows.into_iter().next().map(read).transpose()
    }

    /// Calls a job off, or takes one that has ended from the list. `false` when there is none.
    pub async fn end_job(&self, tenant: i32, id: &str) -> Result<bool> {
        let args = vec![Value::from(id), Value::from(tenant), Value::Int((self.inner.clock)())];
        let sql =
            "update job set state = 2, ended_us = $3 where id = $1 and tenant = $2 and state = 0 returning 1";
        if !self.administer(sql, args.clone()).await?.is_empty() {
            return Ok(true);
        }
        let sql = "delete from job where id = $1 and tenant = $2 and state > 0 returning 1";
        Ok(!self.administer(sql, args[..2].to_vec()).await?.is_empty())
    }

    /// Takes the oldest job that nobody works on; `owner` names this process.
    pub async fn claim_job(&self, owner: &str) -> Result<Option<Job>> {
        // The conditions stand twice: of two processes that choose the same row, the second finds at
        // the row itself that it is taken.
        const FREE: &str = "state = 0 and kind <> 'view' and (owner = $1 or owner = '' or lease_us < $2)";
        let sql = format!("select id from job where {FREE} order by created_us limit 1");
        let now = (self.inner.clock)();
        let args = [Value::from(owner), Value::Int(now)];
        let Some(mut row) = self.inner.database.point(&sql, &args).await?.into_iter().next() else {
            return Ok(None);
        };
        let id = row.text()?;
        let sql =
            format!("update job set owner = $1, lease_us = $3 where id = $4 and {FREE} returning tenant");
        let [owner, now_value] = args;
        let args = vec![owner, now_value, Value::Int(now + LEASE_US), Value::from(id.as_str())];
        match self.administer(sql, args).await?.into_iter().next() {
            Some(mut row) => self.job(row.int()? as i32, &id).await,
            None => Ok(None),
        }
    }

    /// Puts work that this process does by itself on the list, so that its progress can be told. Where
    /// several processes do the same work, each for itself, the first of them tells; one whose teller is
    /// gone is taken over.
    pub async fn open_job(
        &self,
        tenant: i32,
        kind: &'static str,
        id: &str,
        owner: &str,
        total: i64,
    ) -> Result<()> {
        let sql = "insert into job (id, tenant, kind, state, work, place, cursor, done, total, owner, lease_us, \
                   created_us, ended_us, message) values ($1, $2, $3, 0, '', 0, 0, 0, $4, $5, $6, $7, 0, '') \
                   on conflict (id) do update set owner = excluded.owner, lease_us = excluded.lease_us, done = 0, \
                   total = excluded.total where job.state = 0 and job.lease_us < excluded.created_us";
        let now = (self.inner.clock)();
        let args = vec![
            Value::from(id),
            Value::from(tenant),
            Value::from(kind),
            Value::Int(total),
            Value::from(owner),
            Value::Int(now + LEASE_US),
            Value::Int(now),
        ];
        self.administer(sql, args).await.map(drop)
    }

    /// Tells how far such work is; `false` when it was called off.
    pub async fn tell_job(&self, tenant: i32, id: &str, owner: &str, done: i64) -> Result<bool> {
        let sql = "update job set done = $4, lease_us = $5 where id = $1 and tenant = $2 and owner = $3 and state = 0";
        let args = vec![
            Value::from(id),
            Value::from(tenant),
            Value::from(owner),
            Value::Int(done),
            Value::Int((self.inner.clock)() + LEASE_US),
        ];
        self.administer(sql, args).await?;
        let job = self.job(tenant, id).await?;
        Ok(job.is_none_or(|job| job.state != JobState::Cancelled))
    }

    /// Tells the end of such work, and why it failed when it did.
    pub async fn close_job(&self, tenant: i32, id: &str, owner: &str, failure: Option<&str>) -> Result<()> {
        let sql = "update job set state = $4, ended_us = $5, message = $6, done = case when $4 = 1 then total else done end \
                   where id = $1 and tenant = $2 and owner = $3 and state = 0";
        let args = vec![
            Value::from(id),
            Value::from(tenant),
            Value::from(owner),
            Value::Int(if failure.is_some() { 3 } else { 1 }),
            Value::Int((self.inner.clock)()),
            Value::from(failure.unwrap_or_default()),
        ];
        self.administer(sql, args).await.map(drop)
    }

    /// Marks a job as failed.
    pub async fn fail_job(&self, job: &Job, message: &str) -> Result<()> {
        let sql = "update job set state = 3, ended_us = $3, message = $4 where id = $1 and owner = $2 and state = 0";
        let args = vec![
            Value::from(job.id.as_str()),
            Value::from(job.owner.as_str()),
            Value::Int((self.inner.clock)()),
            Value::from(message),
        ];
        self.administer(sql, args).await.map(drop)
    }

    /// A statement of administration that changes something.
    pub(crate) async fn administer(
        &self,
        sql: impl Into<Cow<'static, str>>,
        args: Vec<Value>,
    ) -> Result<Vec<Row>> {
        match &self.inner.database {
            Database::Sqlite(sqlite) => sqlite.execute(sql.into(), args).await,
            Database::Postgres(postgres) => postgres.point(&sql.into(), &args).await,
        }
    }
}

fn read(mut row: Row) -> Result<Job> {
    let (id, tenant) = (row.text()?, row.int()? as i32);
    let state = match row.int()? {
        0 => JobState::Active,
        1 => JobState::Done,
        2 => JobState::Cancelled,
        _ => JobState::Failed,
    };
    let (done, total) = (row.int()?, row.int()?);
    let (created_us, ended_us, message) = (row.int()?, row.int()?, row.text()?);
    let work = parse(&row.text()?).ok_or_else(|| Error::internal("the work of a job cannot be read"))?;
    let (place, cursor, owner) = (row.int()? as usize, row.int()?, row.text()?);
    let total = (total >= 0).then_some(total);
    Ok(Job { id, tenant, state, done, total, created_us, ended_us, message, work, place, cursor, owner })
}

/// `12:1000000,1000001;15:1000002`
fn render(work: &[(i32, Vec<i32>)]) -> String {
    let item = |(ty, params): &(i32, Vec<i32>)| {
        let params: Vec<String> = params.iter().map(i32::to_string).collect();
        format!("{ty}:{}", params.join(","))
    };
    work.iter().map(item).collect::<Vec<_>>().join(";")
}

fn parse(text: &str) -> Option<Vec<(i32, Vec<i32>)>> {
    let item = |item: &str| {
        let (ty, params) = item.split_once(':')?;
        let params = params.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        Some((ty.parse().ok()?, params))
    };
    text.split(';').filter(|item| !item.is_empty()).map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_of_a_job_is_read_as_it_was_written() {
        let work = vec![(12, vec![1_000_000, 1_000_001]), (15, vec![7])];
        assert_eq!(parse(&render(&work)), Some(work));
        assert_eq!(parse(""), Some(Vec::new()));
        assert_eq!(parse("12"), None);
        assert_eq!(parse("a:1"), None);
    }
}
