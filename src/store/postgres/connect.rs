//! Reaching the database and bringing its tables up to date.

use super::error::{from_pool, from_postgres};
use crate::Config;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use remit_fhir::{Error, Result};
use remit_search::Registry;
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres::{NoTls, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Migrations in order; the table `migration` says how many the database has seen.
const MIGRATIONS: [&str; 5] = [
    include_str!("../../../migrations/postgres/0001_store.sql"),
    include_str!("../../../migrations/postgres/0002_parameters.sql"),
    include_str!("../../../migrations/postgres/0003_words.sql"),
    include_str!("../../../migrations/postgres/0004_contained.sql"),
    include_str!("../../../migrations/postgres/0005_asked.sql"),
];

/// The lock under which a node migrates, so that of two that start at once one waits. Any number
/// does; this one spells "remit".
const MIGRATION_LOCK: i64 = 0x0072_656d_6974;

/// How long connecting may take before the database counts as away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn pool(url: &str, config: &Config) -> Result<Pool> {
    let mut address: tokio_postgres::Config = url
        .parse()
        .map_err(|e| Error::invalid("The address of the PostgreSQL database cannot be read.").because(e))?;
    address.application_name("remit").connect_timeout(CONNECT_TIMEOUT);
    // Compiling a plan to machine code costs more than any of our statements takes. Planning for each
    // argument does too, and which index leads is decided before a statement is written.
    let limit = config.statement_timeout.as_millis();
    address.options(format!("-c jit=off -c plan_cache_mode=force_generic_plan -c statement_timeout={limit}"));
    let recycle = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match address.get_ssl_mode() {
        SslMode::Disable => Manager::from_config(address, NoTls, recycle),
        _ => Manager::from_config(address, tls()?, recycle),
    };
    Pool::builder(manager)
        .max_size(config.connections)
        .wait_timeout(Some(config.acquire_timeout))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(Error::internal)
}

fn tls() -> Result<MakeRustlsConnect> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Creates or updates the tables and numbers what the definitions have.
pub(super) async fn migrate(pool: &Pool, now_us: i64) -> Result<Registry> {
    let mut client = pool.get().await.map_err(from_pool)?;
    let transaction = client.transaction().await.map_err(from_postgres)?;
    let (types, parameters) = update(&transaction, now_us).await.map_err(from_postgres)?;
    transaction.commit().await.map_err(from_postgres)?;
    Registry::new(types, parameters)
}

async fn update(transaction: &Transaction<'_>, now_us: i64) -> Result<Numbers, tokio_postgres::Error> {
    transaction.execute("select pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    let table =
        "create table if not exists migration (version integer primary key, applied_us bigint not null)";
    transaction.batch_execute(table).await?;
    let row = transaction.query_one("select coalesce(max(version), 0) from migration", &[]).await?;
    let done: i32 = row.get(0);
    for (version, sql) in (1i32..).zip(MIGRATIONS).skip(done.unsigned_abs() as usize) {
        transaction.batch_execute(sql).await?;
        transaction.execute("insert into migration values ($1, $2)", &[&version, &now_us]).await?;
    }
    number(transaction).await
}

/// Rows of types (number, name) and of parameters (number, number of the type, code).
type Numbers = (Vec<(i32, String)>, Vec<(i32, i32, String)>);

/// Gives every type and parameter of the definitions its number; those of earlier versions keep theirs.
async fn number(transaction: &Transaction<'_>) -> Result<Numbers, tokio_postgres::Error> {
    let required: Vec<(&str, Vec<&str>)> = Registry::required().collect();
    let names: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
    let sql = "insert into resource_type (id, name) \
               select (select coalesce(max(id), 0) from resource_type) + row_number() over (), n.name \
               from unnest($1::text[]) n (name) \
               where not exists (select 1 from resource_type t where t.name = n.name)";
    transaction.execute(sql, &[&names]).await?;
    let each = required.iter().flat_map(|(name, codes)| codes.iter().map(move |code| (*name, *code)));
    let (kinds, codes): (Vec<&str>, Vec<&str>) = each.unzip();
    let sql = "insert into search_parameter (type, code) \
               select t.id, w.code from unnest($1::text[], $2::text[]) w (name, code) \
               join resource_type t on t.name = w.name \
               where not exists (select 1 from search_parameter p where p.type = t.id and p.code = w.code)";
    transaction.execute(sql, &[&kinds, &codes]).await?;
    let types = transaction.query("select id, name from resource_type", &[]).await?;
    let parameters = transaction.query("select id, type, code from search_parameter", &[]).await?;
    Ok((
        types.iter().map(|row| (row.get(0), row.get(1))).collect(),
        parameters.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect(),
    ))
}
