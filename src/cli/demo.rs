//! `remit demo`: a made-up practice with a year of claims, loaded and served, and its first figure.

use super::DatabaseArgs;
use super::serve::{self, ServeArgs, ServerArgs};
use crate::app::App;
use crate::demo::{Options, Practice, Tally};
use crate::rest;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use remit_fhir::{Error, Result};
use remit_search::AccessPlan;
use remit_spec::Definitions;
use rust_decimal::Decimal;
use serde_json::Value as Json;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct DemoArgs {
    /// Where the practice goes; an existing practice of the same seed is left as it is
    #[arg(long, env = "REMIT_DATABASE", default_value = "sqlite:remit-demo.db", value_name = "ADDRESS")]
    database: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Another seed, another practice
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// The last day of the year of claims
    #[arg(long, default_value = "2026-06-30", value_name = "DATE")]
    until: jiff::civil::Date,
    /// About how many claims; else about 1,200
    #[arg(long, value_name = "N")]
    claims: Option<u32>,
    /// Load and print, but do not serve
    #[arg(long)]
    no_serve: bool,
}

pub(super) async fn run(args: DemoArgs) -> Result<ExitCode> {
    let options = match args.claims {
        Some(claims) => Options::with_claims(args.seed, args.until, claims),
        None => Options::demo(args.seed, args.until),
    };
    let database = DatabaseArgs {
        database: args.database.clone(),
        connections: None,
        kept_bodies: None,
        index_text: None,
    };
    let serve = ServeArgs { database, server: args.server.clone() };
    let (listener, app) = serve::start(&serve).await?;
    let practice = Practice::generate(options);
    load(&app, &practice).await?;
    let right = figures(&app, &practice).await?;
    if args.no_serve {
        app.close().await;
        return Ok(if right { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    let (start, end) = practice.period();
    let base = format!("http://{}/fhir", args.server.listen);
    println!("\nServing. Try, in another terminal:");
    println!("  curl '{base}/metadata'");
    println!("  curl '{base}/Claim?_sort=-created&_count=5'");
    println!(
        "  curl '{base}/Measure/rcm-gross-collection-rate/$evaluate-measure?periodStart={start}&periodEnd={end}&groupBy=month'"
    );
    println!("Ctrl-C stops; the practice stays in {}.", args.database);
    serve::serve(app, listener, &args.server).await?;
    Ok(ExitCode::SUCCESS)
}

async fn load(app: &App, practice: &Practice) -> Result<()> {
    let (plan, settings) =
        (AccessPlan::system(1, "remit demo loads its practice"), rest::Settings::default());
    let cx = rest::Context {
        store: &app.store,
        plan: &plan,
        defs: Definitions::r4(),
        base: "",
        settings: &settings,
    };
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} Bundles, {eta} left")
        .map_err(Error::internal)?;
    let no_reads =
        |_| -> rest::Running<'_> { Box::pin(async { Err(Error::internal("the practice only writes")) }) };
    let bar = ProgressBar::new(practice.bundle_count() as u64)
        .with_style(style)
        .with_message("Loading the practice");
    for bundle in practice.bundles() {
        let document = remit_fhir::json::parse(bundle)?;
        rest::bundle(&cx, document, rest::Preference::Minimal, &no_reads).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    println!("A practice with {} claims is in the database.", practice.answers.total.claims);
    Ok(())
}

/// Asks for the first figure, prints it by payer, and holds it against the known answers.
async fn figures(app: &App, practice: &Practice) -> Result<bool> {
    let (start, end) = practice.period();
    let query = [("periodStart", start.as_str()), ("periodEnd", end.as_str()), ("groupBy", "payer")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let report = app.evaluate(1, "rcm-gross-collection-rate", &query).await?;
    println!("\nGross collection rate, {start} to {end}");
    println!("{:<30}{:>9}{:>16}{:>16}{:>9}", "payer", "episodes", "charges", "payments", "rate");
    let group = &report["group"][0];
    let mut right = print_line("all", group, &practice.answers.total);
    for stratum in group["stratifier"][0]["stratum"].as_array().into_iter().flatten() {
        let key = key_of(stratum);
        let name = practice.answers.names.get(&key).map_or(key.as_str(), String::as_str);
        let known = practice.answers.by_payer.get(&key).cloned().unwrap_or_default();
        right &= print_line(name, stratum, &known);
    }
    dashboard(app, &query[..2]).await?;
    if !right {
        println!("These figures are not those of this practice alone: there is other data in the database.");
    }
    Ok(right)
}

/// Prints the figures that a billing manager looks at first.
async fn dashboard(app: &App, period: &[(String, String)]) -> Result<()> {
    let report = app.evaluate(1, "rcm-dashboard", period).await?;
    println!("\n{:<32}{:>16}", "measure", "score");
    for group in report["group"].as_array().into_iter().flatten() {
        let score = &group["measureScore"];
        let unit = score["unit"].as_str().filter(|unit| *unit != "1").unwrap_or_default();
        let value = if score["value"].is_null() { "none".to_owned() } else { score["value"].to_string() };
        println!("{:<32}{value:>16} {unit}", group["code"]["coding"][0]["code"].as_str().unwrap_or_default());
    }
    Ok(())
}

/// The key of a stratum.
fn key_of(stratum: &Json) -> String {
    stratum["value"]["coding"][0]["code"].as_str().unwrap_or_default().to_owned()
}

/// Prints one line of the table; says whether it is what the generator knows.
fn print_line(name: &str, figures: &Json, known: &Tally) -> bool {
    let charges = amount(figures, "denominator");
    let payments = amount(figures, "numerator");
    let episodes = population(figures, "denominator")["count"].as_u64().unwrap_or(0);
    let rate = known.gross_collection_rate().map_or_else(String::new, |rate| format!("{:.4}", rate));
    println!("{name:<30}{episodes:>9}{charges:>16}{payments:>16}{rate:>9}");
    episodes == known.episodes && charges == known.charges && payments == known.payments
}

fn population<'a>(figures: &'a Json, code: &str) -> &'a Json {
    let all = figures["population"].as_array().into_iter().flatten();
    let mut found = all.filter(|population| population["code"]["coding"][0]["code"] == code);
    found.next().unwrap_or(&Json::Null)
}

/// The money of a population, in its extension.
fn amount(figures: &Json, code: &str) -> Decimal {
    let extensions = population(figures, code)["extension"].as_array().into_iter().flatten();
    let mut values = extensions.filter_map(|e| e.get("valueMoney")?.get("value")?.to_string().parse().ok());
    values.next().unwrap_or_default()
}
