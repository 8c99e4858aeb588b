//! The change log, for those who follow: the mart, subscriptions, caches.

use crate::value::{Row, Value};
use crate::{Action, Database, Store};
use bytes::Bytes;
use remit_fhir::{Error, Kind, Result};
use remit_search::AccessPlan;
use remit_spec::TypeId;

/// Changes that are read in a moment.
const FEW: i64 = 100;

/// A place in the change log. Later changes have greater positions; nothing is ever added before a
/// position that was handed out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position {
    /// Transaction (PostgreSQL) or 0 (SQLite).
    pub transaction: i64,
    /// Number of the change.
    pub seq: i64,
}

impl Position {
    /// One number for followers that keep no more: everything up to it has been given. On PostgreSQL
    /// that is the transaction, on SQLite the change.
    pub fn number(self) -> i64 {
        if self.transaction > 0 { self.transaction } else { self.seq }
    }
}

/// A committed change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its place.
    pub position: Position,
    /// Whose.
    pub tenant: i32,
    /// Resource type.
    pub ty: TypeId,
    /// Logical id.
    pub id: String,
    /// Version that the change made.
    pub version: i64,
    /// What it did.
    pub action: Action,
    /// When.
    pub at_us: i64,
    /// The text of that version; `None` for a deletion.
    pub body: Option<Bytes>,
}

/// Changes in order.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The changes, oldest first.
    pub entries: Vec<Change>,
    /// Everything up to here has been given; ask for what comes after it next.
    pub reached: Position,
}

impl Store {
    /// The place that a follower's [`Position::number`] stands for.
    pub fn position_numbered(&self, number: i64) -> Position {
        match &self.inner.database {
            Database::Sqlite(_) => Position { transaction: 0, seq: number },
            Database::Postgres(_) if number == 0 => Position::default(),
            Database::Postgres(_) => Position { transaction: number, seq: i64::MAX },
        }
    }

    /// Changes of all tenants after a position, oldest first, of some types only when `types` is given.
    /// The plan must be a system plan: followers keep copies and apply access themselves.
    pub async fn changes(
        &self,
        plan: &AccessPlan,
        after: Position,
        types: Option<&[TypeId]>,
        limit: usize,
    ) -> Result<Changes> {
        self.changes_where(plan, after, &self.of_types(types), limit).await
    }

    /// The same of one type and one tenant.
    pub async fn changes_of(
        &self,
        plan: &AccessPlan,
        tenant: i32,
        ty: TypeId,
        after: Position,
        limit: usize,
    ) -> Result<Changes> {
        // `is true` keeps the database from an index that has tenant and type first: the log is walked in its
        // order, and sorted again for every batch it would cost the square of its length. A sign (`+c.type`)
        // would, too, but then PostgreSQL expects so few rows that it sorts them itself.
        let number = self.inner.number_of(ty);
        let wanted = format!(" and (c.tenant = {tenant}) is true and (c.type = {number}) is true");
        self.changes_where(plan, after, &wanted, limit).await
    }

    /// How many changes of a type the log has for a tenant. The plan must be a system plan.
    pub async fn change_count(&self, plan: &AccessPlan, tenant: i32, ty: TypeId) -> Result<i64> {
        must_follow(plan)?;
        let sql = "select count(*) from change where tenant = $1 and type = $2";
        let args = [Value::from(tenant), Value::from(self.inner.number_of(ty))];
        let rows = self.inner.database.scan(sql, &args).await?;
        rows.into_iter().next().map_or(Ok(0), |mut row| row.int())
    }

    async fn changes_where(
        &self,
        plan: &AccessPlan,
        after: Position,
        wanted: &str,
        limit: usize,
    ) -> Result<Changes> {
        must_follow(plan)?;
        let horizon = self.horizon().await?;
        if horizon <= after {
            return Ok(Changes { entries: Vec::new(), reached: after });
        }
        let sql = self.changes_sql(wanted);
        let bounds = [after.transaction, after.seq, horizon.transaction, horizon.seq, limit as i64];
        let bounds = bounds.map(Value::Int);
        let is_far = horizon.transaction > after.transaction || horizon.seq - after.seq > FEW;
        let rows = match is_far {
            true => self.inner.database.scan_much(&sql, &bounds).await?,
            false => self.inner.database.scan(&sql, &bounds).await?,
        };
        let entries = rows.into_iter().map(|row| self.change(row)).collect::<Result<Vec<_>>>()?;
        let reached = match entries.last() {
            Some(last) if entries.len() == limit => last.position,
            _ => horizon,
        };
        Ok(Changes { entries, reached })
    }

    /// The condition that a change is of one of these types. Numbers are the server's own.
    fn of_types(&self, types: Option<&[TypeId]>) -> String {
        types.map_or(String::new(), |types| {
            let numbers = types.iter().map(|ty| self.inner.number_of(*ty).to_string());
            format!(" and c.type in ({})", numbers.collect::<Vec<_>>().join(", "))
        })
    }

    fn changes_sql(&self, wanted: &str) -> String {
        let database = &self.inner.database;
        let (transaction, order, between) = match database {
            Database::Sqlite(_) => ("0", "c.seq", "c.seq > $2 and c.seq <= $4 and $1 = $3"),
            Database::Postgres(_) => (
                "c.xid::text::bigint",
                "c.xid, c.seq",
                "(c.xid, c.seq) > ($1::text::xid8, $2) and (c.xid, c.seq) <= ($3::text::xid8, $4)",
            ),
        };
        format!(
            "select {transaction}, c.seq, c.tenant, c.type, r.id, c.version, c.action, c.at_us, \
             case when r.version = c.version then {} else {} end \
             from change c join resource r on r.rid = c.rid \
             left join history h on h.rid = c.rid and h.version = c.version \
             where {between}{wanted} order by {order} limit $5",
            database.body("r"),
            database.body("h"),
        )
    }

    fn change(&self, mut row: Row) -> Result<Change> {
        let position = Position { transaction: row.int()?, seq: row.int()? };
        let tenant = row.int()? as i32;
        let ty = self.inner.registry.type_numbered(row.int()? as i32);
        let ty = ty.ok_or_else(|| Error::internal("a stored resource has a type that is not defined"))?;
        Ok(Change {
            position,
            tenant,
            ty,
            id: row.text()?,
            version: row.int()?,
            action: Action::of(row.int()?),
            at_us: row.int()?,
            body: row.text_or_null()?.map(Bytes::from),
        })
    }

    /// The position of the newest committed change. Followers reach it as soon as every transaction
    /// that began before it has ended.
    pub async fn position(&self) -> Result<Position> {
        self.newest(match &self.inner.database {
            Database::Sqlite(_) => "select 0, max(seq) from change",
            Database::Postgres(_) => {
                // Without the alias, `xid` in the order would be the text of the first column, and every
                // row would be read.
                "select c.xid::text::bigint, c.seq from change c order by c.xid desc, c.seq desc limit 1"
            }
        })
        .await
    }

    /// The newest change behind which no gap can fill any more.
    async fn horizon(&self) -> Result<Position> {
        self.newest(match &self.inner.database {
            Database::Sqlite(_) => "select 0, max(seq) from change",
            Database::Postgres(_) => {
                "select c.xid::text::bigint, c.seq from change c \
                 where c.xid < pg_snapshot_xmin(pg_current_snapshot()) order by c.xid desc, c.seq desc limit 1"
            }
        })
        .await
    }

    async fn newest(&self, sql: &str) -> Result<Position> {
        let rows = self.inner.database.point(sql, &[]).await?;
        let place = rows.into_iter().next().map(|row| row.rest());
        Ok(match place.as_deref() {
            Some([Value::Int(transaction), Value::Int(seq)]) => {
                Position { transaction: *transaction, seq: *seq }
            }
            _ => Position::default(),
        })
    }
}

/// Followers keep copies of everything and apply access themselves; that is no business of a caller.
fn must_follow(plan: &AccessPlan) -> Result<()> {
    match plan.reason() {
        Some(_) => Ok(()),
        None => Err(Error::new(Kind::Forbidden, "Only the server itself may follow the change log.")),
    }
}
