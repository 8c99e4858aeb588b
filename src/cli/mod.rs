//! The command line: one file for each command.
//!
//! A setting is a flag, an environment variable `REMIT_…`, or a key of the TOML file that `--config`
//! names (the flag's name, dashes as underscores), in this order of precedence. The flags below are
//! the one table of settings; `remit COMMAND --help` prints it.

mod bench;
mod config;
mod definitions;
mod demo;
mod load;
mod log;
mod serve;
mod tenant;
mod verify;

use clap::{Args, Parser, Subcommand, ValueEnum};
use remit_fhir::{Error, Kind, Result};
use remit_search::TextLevel;
use remit_store::{Config, DatabaseUrl, Store};
use std::process::ExitCode;

/// A FHIR R4 server with the revenue cycle as operations.
#[derive(Parser)]
#[command(name = "remit", version, args_override_self = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    /// TOML file with settings
    #[arg(long, env = "REMIT_CONFIG", global = true, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed, or some items were rejected; 2 wrong usage; \
                          3 the database cannot be used; 4 the address is taken.";

#[derive(Subcommand)]
enum Command {
    /// Serve FHIR over HTTP
    Serve(serve::ServeArgs),
    /// Load resources, Bundles and NDJSON from files
    Load(load::LoadArgs),
    /// Make a practice with a year of claims, load it and serve it
    Demo(demo::DemoArgs),
    /// Administer tenants
    Tenant(tenant::TenantArgs),
    /// Recompute what is derived and compare it with what is stored
    Verify(verify::VerifyArgs),
    /// Build the compact definitions from the official packages
    Definitions(definitions::DefinitionsArgs),
    /// Measure a server
    Bench(bench::BenchArgs),
}

/// Settings of logging.
#[derive(Args, Clone)]
struct LogArgs {
    /// How log lines look; they go to standard error
    #[arg(long, env = "REMIT_LOG", global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    log: LogFormat,
    /// What is logged: a level (error, warn, info, debug), or levels of rooms (remit_store=debug)
    #[arg(long, env = "REMIT_LOG_LEVEL", global = true, default_value = "info", value_name = "LEVELS")]
    log_level: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

/// Where the data is.
#[derive(Args, Clone)]
pub(crate) struct DatabaseArgs {
    /// sqlite:FILE, or postgres://USER@HOST/NAME
    #[arg(long, env = "REMIT_DATABASE", default_value = "sqlite:remit.db", value_name = "ADDRESS")]
    pub(crate) database: String,
    /// Connections to the database (SQLite: that read, 4; PostgreSQL: all, 16)
    #[arg(long, env = "REMIT_CONNECTIONS", value_name = "N")]
    pub(crate) connections: Option<usize>,
    /// MiB of resource texts kept in memory after they were read (32); 0 keeps none
    #[arg(long, env = "REMIT_KEPT_BODIES", value_name = "MIB")]
    pub(crate) kept_bodies: Option<usize>,
    /// Which words are indexed for searches: of narratives (_text), or of all texts (_content). A new
    /// choice needs a $reindex; without one it stays as it is, in a new database: narrative
    #[arg(long, env = "REMIT_INDEX_TEXT", value_enum, value_name = "WHICH")]
    pub(crate) index_text: Option<IndexText>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum IndexText {
    /// None
    None,
    /// Those of narratives
    Narrative,
    /// Those of all texts, which makes writing slower
    Content,
}

impl DatabaseArgs {
    /// The store's configuration.
    pub(crate) fn config(&self) -> Result<Config> {
        let mut config = Config::new(self.database.parse::<DatabaseUrl>()?);
        if let Some(connections) = self.connections {
            config.connections = connections.max(1);
        }
        if let Some(mib) = self.kept_bodies {
            config.kept_bodies = mib.saturating_mul(1 << 20);
        }
        config.text = self.index_text.map(|which| match which {
            IndexText::None => TextLevel::None,
            IndexText::Narrative => TextLevel::Narrative,
            IndexText::Content => TextLevel::Content,
        });
        Ok(config)
    }

    /// Opens the store.
    pub(crate) async fn open(&self) -> Result<Store> {
        Store::open(&self.config()?).await
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match config::with_file(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(error) => return fail(&error),
    };
    let cli = Cli::parse_from(arguments);
    let _flush = match log::start(&cli.log) {
        Ok(flush) => flush,
        Err(error) => return fail(&error),
    };
    // Work that blocks a thread (SQLite, parsing large Bundles) moves other tasks to another one.
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Error::internal(error)),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(args).await,
        Command::Load(args) => load::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Tenant(args) => tenant::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Definitions(args) => definitions::run(args),
        Command::Bench(args) => bench::run(args).await,
    }
}

/// Tells a person what went wrong, and a script by the exit code.
fn fail(error: &Error) -> ExitCode {
    for issue in &error.issues {
        eprintln!("remit: {}", issue.diagnostics);
    }
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        eprintln!("  because: {next}");
        cause = next.source();
    }
    ExitCode::from(match error.kind {
        Kind::Invalid => 2,
        Kind::Unavailable | Kind::InsufficientStorage => 3,
        Kind::Conflict => 4,
        _ => 1,
    })
}
