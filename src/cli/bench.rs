//! `remit bench`: how fast a server is, measured over real HTTP by clients that wait for each answer and
//! check it.
//!
//! Measures a server that runs already (`--base`), or starts one of its own on an empty database. A
//! wrong answer is counted and makes the command fail; it is never fast.

mod loops;
mod phases;
mod server;
mod table;

use super::load::{Client, Url};
use clap::{Args, ValueEnum};
use remit_fhir::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub(super) struct BenchArgs {
    /// What to measure; everything, when nothing is named
    #[arg(value_enum, value_name = "WHAT")]
    what: Vec<What>,
    /// The FHIR base of a running server; else one is started
    #[arg(long, value_name = "URL")]
    base: Option<Url>,
    /// An empty database for the server that is started; else an SQLite file in the temporary folder
    #[arg(long, value_name = "ADDRESS", conflicts_with = "base")]
    database: Option<String>,
    /// Folder of transaction Bundles for `load`; else generated ones
    #[arg(long, value_name = "FOLDER")]
    bundles: Option<PathBuf>,
    /// Connections that send requests
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1024), value_name = "N")]
    connections: u64,
    /// Seconds of each step
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=3600), value_name = "S")]
    seconds: u64,
    /// Write the figures to a file, for --compare
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Show the figures of an earlier run beside these
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum What {
    /// Transaction Bundles, over 4 connections
    Load,
    /// Create, read, update, vread, delete
    Crud,
    /// Read by id, many resources
    Read,
    /// Searches by each kind of parameter
    Search,
}

pub(super) async fn run(args: BenchArgs) -> Result<ExitCode> {
    let earlier = args.compare.as_deref().map(table::Results::read).transpose()?;
    let server = match &args.base {
        Some(_) => None,
        None => Some(server::Server::start(args.database.as_deref()).await?),
    };
    let base = match (&args.base, &server) {
        (Some(base), _) => base.clone(),
        (None, Some(server)) => server.base.clone(),
        (None, None) => return Err(Error::internal("a bench has a server")),
    };
    let bench = phases::Bench {
        client: Client::new(base),
        connections: args.connections as usize,
        time: Duration::from_secs(args.seconds),
    };
    let mut results = table::Results::new(server.as_ref());
    let all = [What::Load, What::Crud, What::Read, What::Search];
    for what in all.into_iter().filter(|what| args.what.is_empty() || args.what.contains(what)) {
        let rows = match what {
            What::Load => bench.load(args.bundles.as_deref()).await?,
            What::Crud => bench.crud().await?,
            What::Read => bench.read().await?,
            What::Search => bench.search().await?,
        };
        results.rows.extend(rows);
    }
    if let Some(server) = &server {
        results.memory_mib = server.memory_mib();
    }
    if let Some(path) = &args.save {
        results.write(path)?;
    }
    match args.json {
        true => println!("{}", results.to_json()),
        false => print!("{}", results.render(earlier.as_ref())),
    }
    let is_right = results.rows.iter().all(|row| row.wrong == 0);
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
