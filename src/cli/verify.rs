//! `remit verify`: recomputes what is derived from the resources and compares it with what is stored;
//! with `--repair` it makes index rows that are wrong anew.

use super::DatabaseArgs;
use crate::app;
use clap::Args;
use remit_fhir::Result;
use remit_search::AccessPlan;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The base of the server's own absolute references, when it was given one
    #[arg(long, env = "REMIT_PUBLIC_URL", default_value = "", value_name = "URL")]
    public_url: String,
    /// Where the figures' columns are kept; else beside an SQLite file
    #[arg(long, env = "REMIT_MART", value_name = "FOLDER")]
    mart: Option<PathBuf>,
    /// Make index rows and the figures' columns anew where they are wrong, and check again; on a quiet
    /// server. A running server takes up columns when it is started
    #[arg(long)]
    repair: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: VerifyArgs) -> Result<ExitCode> {
    let store = args.database.open().await?;
    let plan = AccessPlan::system(0, "remit verify");
    let mut index = store.verify(&plan, &args.public_url, |_| {}).await?;
    if args.repair && index.wrong_count > 0 {
        store.repair(&plan, &args.public_url, &index).await?;
        let repaired = index.wrong_count;
        index = store.verify(&plan, &args.public_url, |_| {}).await?;
        eprintln!("The index rows of {repaired} resources were made anew.");
    }
    let keeping = app::Keeping { folder: args.mart.clone(), ..app::Keeping::default() };
    let config = args.database.config()?;
    let mut mart = app::verify_mart(&store, &config, &keeping).await?;
    let is_repaired = args.repair && !mart.is_empty();
    if is_repaired {
        app::repair_mart(&store, &config, &keeping).await?;
        if !args.json {
            mart.iter().for_each(|line| println!("repaired: {line}"));
        }
        mart = app::verify_mart(&store, &config, &keeping).await?;
    }
    let right = index.wrong_count == 0 && mart.is_empty();
    if args.json {
        println!(
            "{}",
            json!({
                "resources": index.resources, "indexRows": index.rows, "wrong": index.wrong_count,
                "listed": index.wrong, "mart": mart, "repaired": is_repaired, "right": right,
            })
        );
    } else {
        println!(
            "{} resources have {} index rows; {} resources are wrong.",
            index.resources, index.rows, index.wrong_count
        );
        index.wrong.iter().for_each(|name| println!("  {name}"));
        match mart.is_empty() {
            true => println!("The mart's columns are those that the resources give."),
            false => mart.iter().for_each(|line| println!("  {line}")),
        }
    }
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
