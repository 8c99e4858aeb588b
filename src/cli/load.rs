//! `remit load`: resources from files into a store or a server.
//!
//! Reads transaction and batch Bundles, other Bundles (their resources, references between them kept),
//! single resources, NDJSON, folders of these, `.gz`, `.tar` and `.tgz`. A transaction goes as it is;
//! single resources go a hundred at a time, as one transaction and, when that is refused, one by one.
//! Of an archive that is a FHIR package the resources of the package are read and not its examples; its
//! SearchParameters become usable as any others do, with `$reindex`.
//!
//! What was acknowledged is noted in a journal (`journal.rs`), so that a load that was stopped goes on
//! where it was and makes no duplicates. A resource with an id is written under this id, which can be
//! repeated at will. A creation cannot: it is noted before it is sent and after it is acknowledged, and
//! one that was sent but not acknowledged is looked up by the identifiers in it before it is sent again;
//! when it has none it is rejected as doubtful, and a person decides. What remains: a creation without
//! identifiers whose note was lost with the power, and a resource that somebody else has created
//! meanwhile under the same identifiers.
//!
//! With several jobs, two versions of one resource in the input are written in any order.

mod answer;
mod client;
mod journal;
mod parcel;
mod progress;
mod rejects;
mod send;
mod source;
mod target;

pub(super) use client::{Answer, Client, Url};

use super::DatabaseArgs;
use clap::Args;
use remit_fhir::{Error, Result};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use target::Target;

/// Parcels on their way at once, unless the user says otherwise. Preparing keeps the cores busy while
/// others wait for the disk.
const DEFAULT_JOBS: usize = 4;
/// More only wait for each other.
const MAX_JOBS: u64 = 64;
/// Exit code after Ctrl-C, as shells have it.
const STOPPED: u8 = 130;

#[derive(Args)]
pub(super) struct LoadArgs {
    /// Files and folders: .json, .ndjson, .jsonl, each also .gz; .tar, .tgz, .tar.gz
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Load over HTTP into the server at this FHIR base, instead of directly into the database
    #[arg(long, env = "REMIT_BASE", value_name = "URL")]
    base: Option<Url>,
    #[command(flatten)]
    database: DatabaseArgs,
    /// The tenant, when loading directly
    #[arg(long, env = "REMIT_TENANT", default_value = remit_store::DEFAULT_TENANT, value_name = "NAME")]
    tenant: String,
    /// Requests on their way at once
    #[arg(long, env = "REMIT_JOBS", default_value_t = DEFAULT_JOBS as u64, value_parser = clap::value_parser!(u64).range(1..=MAX_JOBS), value_name = "N")]
    jobs: u64,
    /// Where rejected items go, one JSON object a line: where, reason, item
    #[arg(long, env = "REMIT_REJECTS", default_value = "remit-load-rejects.ndjson", value_name = "FILE")]
    rejects: PathBuf,
    /// Where is noted what was acknowledged; else a file in this folder, named after the target
    #[arg(long, env = "REMIT_JOURNAL", value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Forget what earlier runs have loaded
    #[arg(long)]
    restart: bool,
    /// Repeat creations that an interrupted run sent, that have no identifier to be looked up by, and
    /// that may be there
    #[arg(long)]
    send_doubtful: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// What a load did.
#[derive(Debug, Default)]
struct Report {
    /// Resources that were acknowledged now.
    loaded: u64,
    /// Resources that earlier runs had loaded.
    skipped: u64,
    /// Items in the file of rejects.
    rejected: u64,
    /// Files in folders that are of no kind that can be loaded.
    ignored: u64,
    /// Whether Ctrl-C ended it early.
    is_stopped: bool,
    seconds: f64,
}

pub(super) async fn run(args: LoadArgs) -> Result<ExitCode> {
    let target = match &args.base {
        Some(base) => Target::server(base.clone()),
        None => Target::store(args.database.open().await?, &args.tenant).await?,
    };
    let name = match &args.base {
        Some(base) => base.to_string(),
        None => format!("{} {}", args.database.database, args.tenant),
    };
    let path = args.journal.clone().unwrap_or_else(|| journal::default_path(&name));
    if args.restart && path.exists() {
        std::fs::remove_file(&path).map_err(|e| file_error(&path, "cannot be removed", e))?;
    }
    let journal = journal::Journal::open(path, &target).await?;
    let report = send::all(send::Order {
        files: source::find(&args.paths)?,
        target,
        journal,
        rejects: rejects::Rejects::new(args.rejects.clone()),
        jobs: args.jobs as usize,
        sends_doubtful: args.send_doubtful,
    })
    .await?;
    print(&report, &args);
    Ok(match report {
        Report { is_stopped: true, .. } => ExitCode::from(STOPPED),
        Report { rejected: 0, .. } => ExitCode::SUCCESS,
        _ => ExitCode::from(1),
    })
}

fn print(report: &Report, args: &LoadArgs) {
    let rate = report.loaded as f64 / report.seconds.max(0.001);
    if args.json {
        let summary = json!({
            "loaded": report.loaded, "skipped": report.skipped, "rejected": report.rejected,
            "ignoredFiles": report.ignored, "stopped": report.is_stopped,
            "seconds": (report.seconds * 1000.0).round() / 1000.0, "perSecond": rate.round(),
            "rejects": (report.rejected > 0).then(|| args.rejects.display().to_string()),
        });
        println!("{summary}");
        return;
    }
    println!("{} resources loaded in {:.1} s ({rate:.0}/s).", report.loaded, report.seconds);
    if report.skipped > 0 {
        println!("{} were loaded by an earlier run; --restart loads them again.", report.skipped);
    }
    if report.ignored > 0 {
        println!("{} files are neither JSON nor NDJSON nor an archive, and were left out.", report.ignored);
    }
    if report.rejected > 0 {
        println!("{} items were rejected; {} says why.", report.rejected, args.rejects.display());
    }
    if report.is_stopped {
        println!("Stopped before the end; the same command goes on from here.");
    }
}

/// An error about a file, told to a person.
fn file_error(path: &std::path::Path, what: &str, cause: std::io::Error) -> Error {
    Error::new(remit_fhir::Kind::Unprocessable, format!("{} {what}.", path.display())).because(cause)
}

#[cfg(test)]
mod tests;
