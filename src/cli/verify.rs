//! `remit verify`: recomputes what is derived from the resources and compares it with what is stored.

use super::DatabaseArgs;
use crate::app;
use clap::Args;
use remit_fhir::Result;
use remit_search::AccessPlan;
use serde_json::json;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The base of the server's own absolute references, when it was given one
    #[arg(long, env = "REMIT_PUBLIC_URL", default_value = "", value_name = "URL")]
    public_url: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: VerifyArgs) -> Result<ExitCode> {
    let store = args.database.open().await?;
    let plan = AccessPlan::system(0, "remit verify");
    let index = store.verify(&plan, &args.public_url, |_| {}).await?;
    let mart = app::verify_mart(&store, &args.database.config()?).await?;
    let right = index.wrong_count == 0 && mart.is_empty();
    if args.json {
        println!(
            "{}",
            json!({
                "resources": index.resources, "indexRows": index.rows, "wrong": index.wrong_count,
                "listed": index.wrong, "mart": mart, "right": right,
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
