//! Tenants: separate sets of resources in one database. The default tenant has number 1 and no name in
//! URLs.

use crate::Store;
use crate::value::Value;
use remit_fhir::{Error, Result};

/// The tenant behind `/fhir`.
pub const DEFAULT_TENANT: &str = "default";

/// Longest name of a tenant; it is a path segment.
const NAME_LIMIT: usize = 64;

/// A tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tenant {
    /// Its number, in every key.
    pub id: i32,
    /// Its name, in URLs.
    pub name: String,
    /// When it was made, microseconds since 1970.
    pub created_us: i64,
}

impl Tenant {
    /// The path of its FHIR endpoint.
    pub fn path(&self) -> String {
        match self.name.as_str() {
            DEFAULT_TENANT => "/fhir".to_owned(),
            name => format!("/t/{name}/fhir"),
        }
    }
}

impl Store {
    /// The tenant of this name.
    pub async fn tenant(&self, name: &str) -> Result<Option<Tenant>> {
        let sql = "select id, name, created_us from tenant where name = $1";
        let rows = self.inner.database.point(sql, &[Value::from(name)]).await?;
        rows.into_iter().next().map(read).transpose()
    }

    /// All tenants by name.
    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        let rows =
            self.inner.database.point("select id, name, created_us from tenant order by name", &[]).await?;
        rows.into_iter().map(read).collect()
    }

    /// Makes a tenant. 409 when there is one of that name.
    pub async fn add_tenant(&self, name: &str) -> Result<Tenant> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if name.is_empty() || name.len() > NAME_LIMIT || !name.bytes().all(fits) {
            return Err(Error::invalid(format!(
                "A tenant's name has 1 to {NAME_LIMIT} of the characters a-z, 0-9 and -, because it is part of URLs."
            )));
        }
        let sql = "insert into tenant (name, created_us, parameters) \
                   values ($1, $2, (select words_changes from store)) on conflict (name) do nothing \
                   returning id, name, created_us";
        let args = vec![Value::from(name), Value::Int((self.inner.clock)())];
        let rows = self.administer(sql, args).await?;
        match rows.into_iter().next() {
            Some(row) => read(row),
            None => Err(Error::conflict(format!("There is a tenant named {name} already."))),
        }
    }
}

fn read(mut row: crate::value::Row) -> Result<Tenant> {
    Ok(Tenant { id: row.int()? as i32, name: row.text()?, created_us: row.int()? })
}
