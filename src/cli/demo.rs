//! `remit demo`: a made-up practice with a year of claims, loaded and served, and its first figures. What
//! it did comes as FHIR; what passed between it and its payers as the X12 files that it would have sent
//! and received.

use super::DatabaseArgs;
use super::serve::{self, ServeArgs, ServerArgs};
use crate::app::App;
use crate::demo::{Options, Practice, Tally};
use crate::edi;
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
    let payment = load(&app, &practice).await?;
    let right = figures(&app, &practice).await?;
    if args.no_serve {
        app.close().await;
        return Ok(if right { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    let base = format!("http://{}/fhir", args.server.listen);
    println!("\nServing. Where to look next, in another terminal:");
    let file = payment.map(|(payment, file)| (format!("the X12 file behind {payment}"), file));
    for (what, path) in next(&app, &practice).await?.into_iter().chain(file) {
        println!("  {what}\n    curl '{base}/{path}'");
    }
    println!("Ctrl-C stops; the practice stays in {}.", args.database);
    serve::serve(app, listener, &args.server).await?;
    Ok(ExitCode::SUCCESS)
}

/// Questions to ask, each with the path that answers it.
async fn next(app: &App, practice: &Practice) -> Result<Vec<(String, String)>> {
    let (start, end) = practice.period();
    let period = format!("periodStart={start}&periodEnd={end}");
    let mut all = Vec::new();
    if let Some((payer, name)) = worst_payer(app, practice).await? {
        all.push((
            format!("the claims that {name} denied first, of all payers the largest share"),
            format!(
                "Measure/rcm-initial-denial-rate/$rcm-drilldown?{period}&population=numerator&payer={payer}"
            ),
        ));
        all.push((
            format!("everything about {name} on one card"),
            format!("{payer}/$payer-scorecard?{period}"),
        ));
    }
    all.push(("what is owed, by age and by whom".into(), format!("$ar-aging?asOf={end}&groupBy=payer")));
    let seasons = practice.autumn();
    for (season, (start, end)) in ["before autumn", "in autumn"].into_iter().zip(&seasons) {
        all.push((
            format!("days to payment by payer, of claims sent {season}"),
            format!("Measure/rcm-days-to-payment/$evaluate-measure?periodStart={start}&periodEnd={end}&groupBy=payer"),
        ));
    }
    let [(a, b), (c, d)] = &seasons;
    all.push((
        "why denials changed from then to then, by payer and reason".into(),
        format!(
            "$rcm-variance?measure=rcm-denial-distribution&periodAStart={a}&periodAEnd={b}&periodBStart={c}&periodBEnd={d}&dimension=payer&dimension=carc"
        ),
    ));
    all.push((
        "denials that wait for work".into(),
        "Task?code=denial-work&status=in-progress&_include=Task:focus&_sort=-authored-on".into(),
    ));
    Ok(all)
}

/// Of the payers the one that denies the largest share of claims: its reference and its name.
async fn worst_payer(app: &App, practice: &Practice) -> Result<Option<(String, String)>> {
    let (start, end) = practice.period();
    let query = [("periodStart", start.as_str()), ("periodEnd", end.as_str()), ("groupBy", "payer")];
    let query = query.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let report = app.evaluate(1, "rcm-initial-denial-rate", &query).await?;
    let strata = report["group"][0]["stratifier"][0]["stratum"].as_array().into_iter().flatten();
    let scored = strata.filter_map(|stratum| {
        let score: Decimal = stratum["measureScore"]["value"].as_number()?.to_string().parse().ok()?;
        let key = key_of(stratum);
        Some((score, practice.answers.names.get(&key)?.clone(), key))
    });
    Ok(scored.max().map(|(_, name, key)| (key, name)))
}

/// Loads the practice; gives a payment, and the file that it came in.
async fn load(app: &App, practice: &Practice) -> Result<Option<(String, String)>> {
    let (plan, settings) =
        (AccessPlan::system(1, "remit demo loads its practice"), rest::Settings::default());
    let cx = rest::Context {
        store: &app.store,
        plan: &plan,
        defs: Definitions::r4(),
        base: "",
        settings: &settings,
    };
    let files = practice.x12_files();
    let bar = bar(2 * practice.bundle_count() + files.len())?;
    for bundle in practice.clinical_bundles() {
        write(&cx, bundle).await?;
        bar.inc(1);
    }
    let mut payment = None;
    for file in &files {
        let answer = edi::take_in(&cx, file.text.clone().into_bytes()).await?;
        payment = file_of_a_payment(&answer)?.or(payment);
        bar.inc(1);
    }
    for bundle in practice.book_bundles() {
        write(&cx, bundle).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let of = |set: &str| files.iter().filter(|file| file.set == set).count();
    println!(
        "A practice with {} claims is in the database: {} files of claims (837), {} of acknowledgements (277CA), {} of remittances (835), and what was done as FHIR.",
        practice.answers.total.claims,
        of("837"),
        of("277"),
        of("835")
    );
    Ok(payment)
}

fn bar(steps: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} files and Bundles, {eta} left")
        .map_err(Error::internal)?;
    Ok(ProgressBar::new(steps as u64).with_style(style).with_message("Loading the practice"))
}

async fn write(cx: &rest::Context<'_>, bundle: String) -> Result<()> {
    let no_reads =
        |_| -> rest::Running<'_> { Box::pin(async { Err(Error::internal("the practice only writes")) }) };
    let document = remit_fhir::json::parse(bundle)?;
    rest::bundle(cx, document, rest::Preference::Minimal, &no_reads).await.map(drop)
}

/// A payment of an answer that money came with, and the file that it came in.
fn file_of_a_payment(answer: &rest::Answer) -> Result<Option<(String, String)>> {
    let answer: Json =
        serde_json::from_slice(answer.body.as_deref().unwrap_or(b"null")).map_err(Error::internal)?;
    let entries = answer["entry"].as_array().into_iter().flatten().map(|entry| &entry["resource"]);
    let mut found =
        entries.filter(|one| one["resourceType"] == "PaymentReconciliation").filter_map(|payment| {
            let mut all = payment["extension"].as_array()?.iter();
            let file = all.find_map(|one| one["valueReference"]["reference"].as_str())?;
            Some((format!("PaymentReconciliation/{}", payment["id"].as_str()?), file.to_owned()))
        });
    Ok(found.next())
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
    right &= holds(app, practice).await?;
    dashboard(app, &query[..2]).await?;
    if !right {
        println!("These figures are not those of this practice alone: there is other data in the database.");
    }
    Ok(right)
}

/// Whether everything else that the generator knows is what the measures say: the same by month,
/// provider and place, what payers did not allow, and what is owed.
async fn holds(app: &App, practice: &Practice) -> Result<bool> {
    let (start, end) = practice.period();
    let ask = |group_by: &str| {
        let pairs = [("periodStart", start.as_str()), ("periodEnd", end.as_str()), ("groupBy", group_by)];
        let pairs = pairs.into_iter().filter(|pair| !pair.1.is_empty());
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    let answers = &practice.answers;
    let mut right = true;
    for (dimension, known) in
        [("month", &answers.by_month), ("provider", &answers.by_provider), ("facility", &answers.by_facility)]
    {
        let report = app.evaluate(1, "rcm-gross-collection-rate", &ask(dimension)).await?;
        let strata = report["group"][0]["stratifier"][0]["stratum"].as_array();
        let strata: Vec<&Json> = strata.into_iter().flatten().collect();
        right &= strata.len() == known.values().filter(|tally| tally.episodes > 0).count();
        right &= strata.iter().all(|stratum| known.get(&key_of(stratum)).is_some_and(|own| is(stratum, own)));
    }
    let money = app.evaluate(1, "rcm-money", &ask("")).await?;
    let ageing = app.evaluate(1, "rcm-ar-aging", &ask("")).await?;
    let total = &answers.total;
    let figures = [
        (&money, "charges", total.charges),
        (&money, "contractual", total.contractual),
        (&money, "payments", total.payments),
        (&ageing, "open-balance", total.open),
    ];
    Ok(right && figures.iter().all(|(report, group, known)| score(report, group) == Some(*known)))
}

/// The score of a group.
fn score(report: &Json, code: &str) -> Option<Decimal> {
    let mut groups = report["group"].as_array()?.iter();
    let group = groups.find(|group| group["code"]["coding"][0]["code"] == code)?;
    group["measureScore"]["value"].as_number()?.to_string().parse().ok()
}

/// Whether figures are what the generator knows.
fn is(figures: &Json, known: &Tally) -> bool {
    population(figures, "denominator")["count"].as_u64().unwrap_or(0) == known.episodes
        && amount(figures, "denominator") == known.charges
        && amount(figures, "numerator") == known.payments
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
    is(figures, known)
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
