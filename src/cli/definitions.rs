//! `remit definitions`: the compact data in `profiles/` and `terminology/` from the official package.

use clap::{Args, Subcommand};
use remit_fhir::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct DefinitionsArgs {
    #[command(subcommand)]
    command: DefinitionsCommand,
}

#[derive(Subcommand)]
enum DefinitionsCommand {
    /// Build them; the result is the same to the byte for the same package
    Build {
        /// The package hl7.fhir.r4.core, as .tgz or unpacked
        package: PathBuf,
        /// Folder with search-parameters.json.gz and profiles-types.json.gz of the official build, where
        /// the package is a rebuild of it
        #[arg(long, value_name = "FOLDER")]
        official: Option<PathBuf>,
        /// Where the structure definitions go
        #[arg(long, default_value = "profiles", value_name = "FOLDER")]
        profiles: PathBuf,
        /// Where value sets and code systems go
        #[arg(long, default_value = "terminology", value_name = "FOLDER")]
        terminology: PathBuf,
    },
}

pub(super) fn run(args: DefinitionsArgs) -> Result<ExitCode> {
    let DefinitionsCommand::Build { package, official, profiles, terminology } = args.command;
    let report =
        remit_spec::build::build(&package, official.as_deref(), &profiles, &terminology).map_err(|e| {
            Error::unprocessable(format!("The definitions cannot be built from {}.", package.display()))
                .because(e)
        })?;
    println!("{report}");
    Ok(ExitCode::SUCCESS)
}
