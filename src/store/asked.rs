//! Requests that are answered in the background, in a table that all processes see: whoever asked may look
//! for the answer at any of them, and nobody else may.

use crate::job::LEASE_US;
use crate::value::Value;
use crate::{JobState, Store};
use remit_fhir::{Error, Kind, Result};
use remit_search::AccessPlan;
use std::time::Duration;

/// Requests of one caller that may be worked on at once: a dashboard's worth. The mart answers a few
/// questions at a time, so more would only wait.
const MAX_ACTIVE: i64 = 8;
/// Answers that are kept for one caller. Each may have some MiB.
const MAX_KEPT: i64 = 200;
/// How long an answer is kept: so long that a report of the night is there in the morning, and on Monday
/// one of Saturday is not. Operations that promise a time promise a day.
const KEPT_US: i64 = 24 * 3_600 * 1_000_000;
/// Seconds after which a caller with too many requests may try again.
const PATIENCE_S: u32 = 5;

/// A request that is answered in the background.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How far it is.
    pub state: JobState,
    /// HTTP status of the answer.
    pub status: u16,
    /// The answer as JSON.
    pub answer: String,
    /// When it was asked.
    pub created_us: i64,
    /// When the answer is forgotten.
    pub expires_us: i64,
}

impl Store {
    /// How long a process may be silent about a request before its work counts as lost.
    pub fn lease() -> Duration {
        Duration::from_micros(LEASE_US.unsigned_abs())
    }

    /// Puts a request on the list; gives its name. `owner` names this process.
    ///
    /// # Errors
    /// 429 when the caller has too many.
    pub async fn open_asked(&self, plan: &AccessPlan, owner: &str) -> Result<String> {
        self.forget_asked().await?;
        let now = (self.inner.clock)();
        let sql = "select count(*), coalesce(sum(case when state = 0 and lease_us >= $3 then 1 else 0 end), 0) \
                   from asked where tenant = $1 and principal = $2";
        let args = [Value::from(plan.tenant()), Value::from(plan.principal()), Value::Int(now)];
        let rows = self.inner.database.point(sql, &args).await?;
        let mut row = rows.into_iter().next().ok_or_else(|| Error::internal("a count gives no row"))?;
        let (kept, active) = (row.int()?, row.int()?);
        if active >= MAX_ACTIVE {
            return Err(throttled(format!(
                "You have {MAX_ACTIVE} requests that are worked on; wait for one, or call one off with DELETE."
            )));
        }
        if kept >= MAX_KEPT {
            return Err(throttled(format!(
                "{MAX_KEPT} answers are kept for you; DELETE those that you have read."
            )));
        }
        let id = uuid::Uuid::new_v4().to_string();
        let sql = "insert into asked (id, tenant, principal, state, status, answer, owner, lease_us, created_us, \
                   ended_us) values ($1, $2, $3, 0, 0, '', $4, $5, $6, 0)";
        let args = vec![
            Value::Text(id.clone()),
            Value::from(plan.tenant()),
            Value::from(plan.principal()),
            Value::from(owner),
            Value::Int(now + LEASE_US),
            Value::Int(now),
        ];
        self.administer(sql, args).await?;
        Ok(id)
    }

    /// Says that a request is still worked on; `false` when it was called off.
    pub async fn keep_asked(&self, id: &str, owner: &str) -> Result<bool> {
        let sql = "update asked set lease_us = $3 where id = $1 and owner = $2 and state = 0 returning 1";
        let lease = (self.inner.clock)() + LEASE_US;
        let args = vec![Value::from(id), Value::from(owner), Value::Int(lease)];
        Ok(!self.administer(sql, args).await?.is_empty())
    }

    /// Keeps the answer to a request, unless it was called off meanwhile.
    pub async fn answer_asked(&self, id: &str, owner: &str, status: u16, answer: &str) -> Result<()> {
        let sql = "update asked set state = 1, status = $3, answer = $4, ended_us = $5 \
                   where id = $1 and owner = $2 and state = 0";
        let args = vec![
            Value::from(id),
            Value::from(owner),
            Value::from(i32::from(status)),
            Value::from(answer),
            Value::Int((self.inner.clock)()),
        ];
        self.administer(sql, args).await.map(drop)
    }

    /// A request of this very caller.
    pub async fn asked(&self, plan: &AccessPlan, id: &str) -> Result<Option<Asked>> {
        let sql = "select state, status, answer, lease_us, created_us, ended_us from asked \
                   where id = $1 and tenant = $2 and principal = $3";
        let args = [Value::from(id), Value::from(plan.tenant()), Value::from(plan.principal())];
        let Some(mut row) = self.inner.database.point(sql, &args).await?.into_iter().next() else {
            return Ok(None);
        };
        let (state, status, answer) = (row.int()?, row.int()? as u16, row.text()?);
        let (lease_us, created_us, ended_us) = (row.int()?, row.int()?, row.int()?);
        let now = (self.inner.clock)();
        let state = match state {
            // Whoever worked on it is gone, and with it the right to read what the caller may read.
            0 if lease_us < now => JobState::Failed,
            0 => JobState::Active,
            _ => JobState::Done,
        };
        let expires_us = if ended_us > 0 { ended_us } else { lease_us } + KEPT_US;
        let asked = Asked { state, status, answer, created_us, expires_us };
        Ok(Some(asked).filter(|asked| asked.expires_us > now))
    }

    /// Calls a request off, or forgets its answer. `false` when this caller has none of that name.
    pub async fn end_asked(&self, plan: &AccessPlan, id: &str) -> Result<bool> {
        let sql = "delete from asked where id = $1 and tenant = $2 and principal = $3 returning 1";
        let args = vec![Value::from(id), Value::from(plan.tenant()), Value::from(plan.principal())];
        Ok(!self.administer(sql, args).await?.is_empty())
    }

    /// Forgets what nobody came for in time.
    async fn forget_asked(&self) -> Result<()> {
        let before = (self.inner.clock)() - KEPT_US;
        let sql = "delete from asked where lease_us < $1 and ended_us < $1";
        self.administer(sql, vec![Value::Int(before)]).await.map(drop)
    }
}

fn throttled(text: String) -> Error {
    Error { retry_after: Some(PATIENCE_S), ..Error::new(Kind::Throttled, text) }
}
