//! `remit tenant`: works while the server runs; the server finds a new tenant at its first request.

use super::DatabaseArgs;
use clap::{Args, Subcommand};
use remit_fhir::{Result, date};
use remit_store::Tenant;
use serde_json::json;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct TenantArgs {
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Subcommand)]
enum TenantCommand {
    /// Make a tenant; it answers at /t/NAME/fhir
    Add {
        /// 1 to 64 of the characters a-z, 0-9 and -
        name: String,
        #[command(flatten)]
        database: DatabaseArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List tenants
    List {
        #[command(flatten)]
        database: DatabaseArgs,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(args: TenantArgs) -> Result<ExitCode> {
    match args.command {
        TenantCommand::Add { name, database, json } => {
            let tenant = database.open().await?.add_tenant(&name).await?;
            match json {
                true => println!("{}", to_json(&tenant)),
                false => println!("Tenant {} answers at {}.", tenant.name, tenant.path()),
            }
        }
        TenantCommand::List { database, json } => {
            let tenants = database.open().await?.tenants().await?;
            match json {
                true => println!("{}", serde_json::Value::Array(tenants.iter().map(to_json).collect())),
                false => tenants.iter().for_each(|t| println!("{}\t{}", t.name, t.path())),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn to_json(tenant: &Tenant) -> serde_json::Value {
    json!({ "id": tenant.id, "name": tenant.name, "path": tenant.path(), "created": date::instant(tenant.created_us) })
}
