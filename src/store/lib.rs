//! The store: resources, their history, their index rows and the change log, on SQLite or PostgreSQL.
//!
//! No other room knows the databases. Every method takes an [`AccessPlan`](remit_search::AccessPlan);
//! there is no way around it. Writing is prepared outside (parse, check, index) against the version
//! that was read, and applied inside one transaction that refuses a write whose version has moved on
//! ([`WriteError::Stale`]); the caller then prepares again. So the one writer of SQLite does nothing
//! but write.

mod asked;
mod bodies;
mod changes;
mod config;
mod contained;
mod counted;
mod history;
mod include;
mod inspect;
mod job;
mod labels;
mod parameters;
mod postgres;
mod read;
mod reindex;
mod repair;
mod search;
mod searches;
mod side;
mod sqlite;
mod symbols;
mod tenant;
mod terminology;
mod types;
mod value;
mod verify;
mod words;
mod write;

pub use asked::Asked;
pub use changes::{Change, Changes, Position};
pub use config::{Config, DatabaseUrl, system_clock};
pub use history::{HistoryPage, HistoryQuery, Scope};
pub use inspect::Sizes;
pub use job::{Job, JobState};
pub use labels::Labels;
pub use reindex::{Progress, ReindexRequest};
pub use search::{Found, Match};
pub use tenant::{DEFAULT_TENANT, Tenant};
pub use types::{Action, Body, Expect, Guard, Stored, Write, WriteError, WriteSet, Written};
pub use verify::Verified;

pub use remit_terminology::Codes;

use parking_lot::RwLock;
use remit_fhir::Result;
use remit_search::{Registry, State};
use remit_spec::TypeId;
use std::collections::HashMap;
use std::sync::Arc;
use value::{Row, Value};

/// The store. Cloning shares it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    /// The parameters of the specification.
    registry: Arc<Registry>,
    /// Those of tenants that have more.
    registries: RwLock<HashMap<i32, Arc<Registry>>>,
    symbols: Arc<symbols::Symbols>,
    rids: Arc<symbols::Rids>,
    statements: Statements,
    expansions: terminology::Expansions,
    counted: counted::Counted,
    bodies: bodies::Bodies,
    clock: fn() -> i64,
}

/// Which database, and the connections to it.
enum Database {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Database {
    /// A statement that touches a few rows by key.
    async fn point(&self, sql: &str, args: &[Value]) -> Result<Vec<Row>> {
        match self {
            Database::Sqlite(sqlite) => sqlite.point(sql, args).await,
            Database::Postgres(postgres) => postgres.point(sql, args).await,
        }
    }

    /// A statement that may look at many rows.
    async fn scan(&self, sql: &str, args: &[Value]) -> Result<Vec<Row>> {
        match self {
            Database::Sqlite(sqlite) => sqlite.scan(sql, args).await,
            Database::Postgres(postgres) => postgres.scan(sql, args).await,
        }
    }

    /// The same for a statement that is known to read much: it begins where it may take its time.
    async fn scan_much(&self, sql: &str, args: &[Value]) -> Result<Vec<Row>> {
        match self {
            Database::Sqlite(sqlite) => sqlite.scan_much(sql, args).await,
            Database::Postgres(postgres) => postgres.scan(sql, args).await,
        }
    }

    /// The text of a body, in table `r` (resource) or `h` (history).
    fn body(&self, table: &'static str) -> &'static str {
        match (self, table) {
            (Database::Sqlite(_), "r") => "json(r.body)",
            (Database::Sqlite(_), _) => "json(h.body)",
            (Database::Postgres(_), "r") => "coalesce(r.text, r.body::text)",
            (Database::Postgres(_), _) => "coalesce(h.text, h.body::text)",
        }
    }
}

/// Statements of the hot paths, written once.
struct Statements {
    /// Tenant, type, id → version, updated_us, body.
    read: String,
    /// Tenant, type, id, a version whose text is known and its time → rid, version, updated_us, whether it is
    /// deleted, body of any other version.
    read_unless: String,
    /// Tenant, type, id, version → version, updated_us, body.
    vread: String,
}

impl Statements {
    fn of(database: &Database) -> Statements {
        let (body, kept) = (database.body("r"), database.body("h"));
        let key = "r.tenant = $1 and r.type = $2 and r.id = $3";
        Statements {
            read: format!("select r.version, r.updated_us, {body} from resource r where {key}"),
            read_unless: format!(
                "select r.rid, r.version, r.updated_us, r.deleted, \
                 case when r.version = $4 and r.updated_us = $5 then null else {body} end from resource r where {key}"
            ),
            vread: format!(
                "select r.version, r.updated_us, {body} from resource r where {key} and r.version = $4 \
                 union all select h.version, h.updated_us, {kept} from resource r \
                 join history h on h.rid = r.rid where {key} and h.version = $4"
            ),
        }
    }
}

impl Inner {
    fn number_of(&self, ty: TypeId) -> i32 {
        number_of(&self.registry, ty)
    }
}

/// The number of a type; 0, which no row has, for what is no resource type.
fn number_of(registry: &Registry, ty: TypeId) -> i32 {
    registry.type_number(ty).unwrap_or(0)
}

impl Store {
    /// Opens the database, makes or updates its tables, and starts its writer. Must be called inside a
    /// tokio runtime.
    pub async fn open(config: &Config) -> Result<Store> {
        let symbols = Arc::new(symbols::Symbols::default());
        let rids = Arc::new(symbols::Rids::default());
        let (database, registry) = match &config.url {
            DatabaseUrl::Sqlite(path) => {
                let (sqlite, registry) = sqlite::Sqlite::open(path.clone(), config, symbols.clone())?;
                (Database::Sqlite(sqlite), registry)
            }
            DatabaseUrl::Postgres(url) => {
                let (postgres, registry) =
                    postgres::Postgres::open(url, config, symbols.clone(), rids.clone()).await?;
                (Database::Postgres(postgres), registry)
            }
        };
        let statements = Statements::of(&database);
        let words = words::Words::set(&database, config.text).await?;
        let registry = Arc::new(registry.with_text(words.changes, words.level, State::Usable));
        let inner = Inner {
            database,
            registry,
            registries: RwLock::default(),
            symbols,
            rids,
            statements,
            expansions: terminology::Expansions::default(),
            counted: counted::Counted::default(),
            bodies: bodies::Bodies::new(config.kept_bodies),
            clock: config.clock,
        };
        let store = Store { inner: Arc::new(inner) };
        store.read_registries().await?;
        Ok(store)
    }

    /// Numbers of types and of the parameters of the specification. Searches and index rows of a tenant
    /// are made with [`registry_of`](Self::registry_of), which has those of the tenant too.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.inner.registry
    }
}
