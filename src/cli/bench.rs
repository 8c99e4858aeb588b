//! `remit bench`: how fast a server is, measured over real HTTP by clients that wait for each answer and
//! check it.
//!
//! Measures a server that runs already (`--base`), or starts one of its own on an empty database. A
//! wrong answer is counted and makes the command fail; it is never fast.

mod expressions;
mod growth;
mod loops;
mod multiply;
mod phases;
mod rcm;
mod rcm_writes;
mod remittances;
mod scale;
mod server;
mod table;
mod views;
mod walk;

use super::load::{Client, Url};
use clap::{Args, ValueEnum};
use remit_fhir::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub(super) struct BenchArgs {
    /// What to measure; load, crud, read, search and fhirpath, when nothing is named
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
    /// Observations that views are measured over
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000), value_name = "N")]
    observations: u64,
    /// For `rcm`: about how many claims
    #[arg(long, default_value_t = 1_500_000, value_parser = clap::value_parser!(u32).range(1..=15_000_000), value_name = "N")]
    claims: u32,
    /// For `rcm`: --database holds the practice of that many claims already
    #[arg(long, requires = "database")]
    filled: bool,
    /// Seconds of each step
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=3600), value_name = "S")]
    seconds: u64,
    /// For `scale`: numbers of patients that the database grows to, smallest first
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 4_000, 10_000], value_name = "N,N,…")]
    patients: Vec<usize>,
    /// For `x12`: files of a thousand claims, and as many of their remittances
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000), value_name = "N")]
    files: u64,
    /// For `scale`: print the database's plan of each class of query
    #[arg(long)]
    plans: bool,
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
    /// Searches while the patients of --bundles are multiplied; takes hours and tens of GiB by default
    Scale,
    /// FHIRPath and index extraction, without a server
    Fhirpath,
    /// Views over many Observations; only when it is named
    Views,
    /// Reading X12, claims in as 837, remittances posted; only when it is named
    X12,
    /// Measures of the revenue cycle over --claims; runs alone
    Rcm,
}

pub(super) async fn run(args: BenchArgs) -> Result<ExitCode> {
    let earlier = args.compare.as_deref().map(table::Results::read).transpose()?;
    let is_wanted = |what: What| args.what.is_empty() || args.what.contains(&what);
    let needs_server = args.what.is_empty() || args.what.iter().any(|what| *what != What::Fhirpath);
    if args.what.contains(&What::Scale) {
        return scale(&args).await;
    }
    if args.what.contains(&What::Rcm) {
        let ([What::Rcm], None) = (&args.what[..], &args.base) else {
            return Err(Error::invalid("`rcm` runs alone and starts its own server."));
        };
        return rcm::run(args.database.as_deref(), args.claims, args.filled, args.json).await;
    }
    let server = match &args.base {
        Some(_) => None,
        None if !needs_server => None,
        None => Some(server::Server::start(args.database.as_deref()).await?),
    };
    let base = args.base.clone().or_else(|| server.as_ref().map(|server| server.base.clone()));
    let bench = base.map(|base| phases::Bench {
        client: Client::new(base),
        connections: args.connections as usize,
        time: Duration::from_secs(args.seconds),
    });
    let mut results = table::Results::new(server.as_ref());
    if is_wanted(What::Fhirpath) {
        results.fhirpath = Some(expressions::Figures::measure(args.bundles.as_deref())?);
    }
    let usual = [What::Load, What::Crud, What::Read, What::Search];
    let named = [What::Views, What::X12].into_iter().filter(|what| args.what.contains(what));
    for what in usual.into_iter().filter(|what| is_wanted(*what)).chain(named) {
        let bench = bench.as_ref().ok_or_else(|| Error::internal("a bench has a server"))?;
        let rows = match what {
            What::Load => bench.load(args.bundles.as_deref()).await?,
            What::Crud => bench.crud().await?,
            What::Read => bench.read().await?,
            What::Search => bench.search().await?,
            What::Views => bench.views(args.bundles.as_deref(), args.observations as usize).await?,
            What::X12 => bench.x12(args.files as usize).await?,
            What::Scale | What::Fhirpath | What::Rcm => Vec::new(),
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

/// Growth is a run of its own, on a database of its own.
async fn scale(args: &BenchArgs) -> Result<ExitCode> {
    let (None, Some(folder), [What::Scale]) = (&args.base, &args.bundles, &args.what[..]) else {
        return Err(Error::invalid(
            "`scale` runs alone, needs --bundles with a folder of patients' transaction Bundles, and starts its own server.",
        ));
    };
    if args.patients.is_empty() || !args.patients.is_sorted() {
        return Err(Error::invalid("--patients must rise, such as 1000,4000."));
    }
    let server = server::Server::start(args.database.as_deref()).await?;
    let time = Duration::from_secs(args.seconds);
    let growth = scale::run(&server, folder, &args.patients, time, args.plans).await?;
    let json = || serde_json::to_string_pretty(&growth).unwrap_or_default();
    if let Some(path) = &args.save {
        std::fs::write(path, json())
            .map_err(|e| Error::unprocessable(format!("{} cannot be written.", path.display())).because(e))?;
    }
    match args.json {
        true => println!("{}", json()),
        false => print!("{}\n{}", table::machine(server.database_kind()), growth.render()),
    }
    let is_right = growth.sizes.iter().flat_map(|size| &size.rows).all(|row| row.wrong == 0);
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
