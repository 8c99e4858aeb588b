//! `remit bench scale`: whether searches stay as fast as a database grows. Patients are multiplied to
//! one size after the other; at each, every class of query runs, and its times are shown beside those
//! of the smallest size.

use super::growth::{Growth, Size};
use super::loops::drive;
use super::multiply;
use super::phases::{LOAD_CONNECTIONS, NO_LIMIT, ask, post_bundle};
use super::server::Server;
use super::table::Row;
use crate::cli::load::Client;
use crate::rest::url::decode_query;
use bytes::Bytes;
use hyper::Method;
use remit_fhir::{Document, Error, Node, Result, json};
use remit_search::{AccessPlan, Handling, Limits};
use remit_spec::Definitions;
use remit_store::{Config, Store, system_clock};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Connections that search, as the figures of other servers were taken.
const SEARCHERS: usize = 8;
/// Different values that a class asks for, so that no answer is asked for all the time.
const VARIANTS: usize = 8;

/// Matches on a page of a name: there are as many at the smallest size too, so pages of all sizes are alike.
const FEW: usize = 5;

/// A class of queries: its name and its requests.
type Class = (&'static str, Vec<String>);

/// Runs all sizes on an empty database that `server` has.
pub(super) async fn run(
    server: &Server,
    folder: &Path,
    sizes: &[usize],
    time: Duration,
    explain: bool,
) -> Result<Growth> {
    let client = Client::new(server.base.clone());
    let bundles = Arc::new(Bundles::read(folder)?);
    for shared in &bundles.shared {
        post_bundle(&client, shared.bytes().clone(), entries(shared)).await.map_err(Error::unprocessable)?;
    }
    let store = Store::open(&Config::new(server.database.parse()?)).await?;
    let mut growth = Growth::default();
    let mut classes: Vec<Class> = Vec::new();
    let (mut from, mut bytes) = (0, 0);
    for size in sizes {
        eprintln!("loading up to {size} patients");
        let loaded = load(&client, &bundles, from..*size).await?;
        eprintln!("measuring at {size} patients");
        from = *size;
        bytes += loaded.bytes;
        if classes.is_empty() {
            classes = bundles.classes(&client).await?;
        }
        let mut rows = Vec::new();
        for (name, queries) in &classes {
            rows.push(class(&client, name, queries, time).await);
        }
        growth.sizes.push(Size {
            patients: *size,
            resources_per_s: loaded.resources as f64 / loaded.took.as_secs_f64().max(1e-9),
            posted_mib: bytes as f64 / f64::from(1 << 20),
            index_per_byte: store.sizes().await?.indexes as f64 / bytes.max(1) as f64,
            memory_mib: server.memory_mib(),
            rows,
        });
    }
    if explain {
        growth.plans = plans(&store, &classes).await?;
    }
    Ok(growth)
}

/// One class, each client with another of its queries at a time.
async fn class(client: &Client, name: &str, queries: &[String], time: Duration) -> Row {
    let (client, queries) = (client.clone(), Arc::new(queries.to_vec()));
    drive(name, SEARCHERS, time, move |worker, n| {
        let (client, queries) = (client.clone(), queries.clone());
        async move {
            let query = queries.get((worker + n) % queries.len().max(1))?;
            Some(ask(&client, Method::GET, query, Bytes::new(), 200).await.map(drop))
        }
    })
    .await
}

struct Loaded {
    resources: usize,
    bytes: usize,
    took: Duration,
}

/// Posts the patients with these numbers: first each one of the input, then their copies.
async fn load(client: &Client, bundles: &Arc<Bundles>, patients: std::ops::Range<usize>) -> Result<Loaded> {
    let (next, end) = (Arc::new(AtomicUsize::new(patients.start)), patients.end);
    let counts: Arc<(AtomicUsize, AtomicUsize)> = Arc::default();
    let begin = Instant::now();
    let (client, bundles, counted) = (client.clone(), bundles.clone(), counts.clone());
    let row = drive("load", LOAD_CONNECTIONS, NO_LIMIT, move |_, _| {
        let (client, bundles, next, counted) =
            (client.clone(), bundles.clone(), next.clone(), counted.clone());
        async move {
            let patient = next.fetch_add(1, Relaxed);
            if patient >= end {
                return None;
            }
            let bundle = &bundles.patients[patient % bundles.patients.len()];
            let text = multiply::copy(bundle, patient / bundles.patients.len());
            counted.0.fetch_add(entries(bundle), Relaxed);
            counted.1.fetch_add(text.len(), Relaxed);
            Some(post_bundle(&client, text, entries(bundle)).await)
        }
    })
    .await;
    match row.fault {
        Some(fault) => Err(Error::unprocessable(format!("A Bundle was not loaded: {fault}"))),
        None => Ok(Loaded {
            resources: counts.0.load(Relaxed),
            bytes: counts.1.load(Relaxed),
            took: begin.elapsed(),
        }),
    }
}

/// The plans of the first query of each class.
async fn plans(store: &Store, classes: &[Class]) -> Result<Vec<(String, Vec<String>)>> {
    let tenant = store.tenant(remit_store::DEFAULT_TENANT).await?;
    let tenant = tenant.ok_or_else(|| Error::internal("the default tenant is always there"))?;
    let plan = AccessPlan::system(tenant.id, "remit bench");
    let mut all = Vec::new();
    for (name, queries) in classes {
        let Some((kind, text)) = queries.first().and_then(|query| query.split_once('?')) else { continue };
        let Some(ty) = Definitions::r4().resource_named(kind) else { continue };
        let context = remit_search::Context {
            registry: store.registry(),
            base: "",
            now: system_clock(),
            handling: Handling::Strict,
            limits: Limits::default(),
        };
        let mut query = remit_search::parse(&[ty], &decode_query(text.as_bytes())?, &context)?.query;
        if text.contains("_summary=count") {
            query.count = 0;
        }
        all.push((format!("{name}: {kind}?{text}"), store.explain(&plan, &query).await?));
    }
    Ok(all)
}

/// The Bundles of the input.
struct Bundles {
    /// What is there once: hospitals and practitioners.
    shared: Vec<Document>,
    /// A Bundle for each patient.
    patients: Vec<Document>,
}

fn entries(bundle: &Document) -> usize {
    bundle.root().get("entry").map_or(0, |list| list.items().count())
}

fn resources<'a>(bundle: &'a Document, kind: &'a str) -> impl Iterator<Item = Node<'a>> {
    let all = bundle.root().get("entry").into_iter().flat_map(Node::items);
    all.filter_map(|entry| entry.get("resource"))
        .filter(move |resource| resource.resource_type().as_deref() == Some(kind))
}

/// `system%7Ccode` of the first coding of `code`.
fn code(resource: Node<'_>) -> Option<String> {
    let coding = resource.at(&["code", "coding"])?.items().next()?;
    Some(format!("{}%7C{}", coding.get_str("system")?, coding.get_str("code")?))
}

impl Bundles {
    fn read(folder: &Path) -> Result<Bundles> {
        let mut bundles = Bundles { shared: Vec::new(), patients: Vec::new() };
        for (text, _) in super::phases::read_bundles(folder)? {
            let bundle = json::parse(text)?.into_compact();
            let is_patient = resources(&bundle, "Patient").next().is_some();
            if is_patient { &mut bundles.patients } else { &mut bundles.shared }.push(bundle);
        }
        if bundles.patients.is_empty() {
            return Err(Error::invalid(format!("{} has no Bundle with a Patient.", folder.display())));
        }
        Ok(bundles)
    }

    /// The patients in the middle by size, whose answers are of a usual length.
    fn usual(&self) -> Vec<&Document> {
        let mut by_size: Vec<&Document> = self.patients.iter().collect();
        by_size.sort_by_key(|bundle| entries(bundle));
        let step = (by_size.len() / VARIANTS).max(1);
        by_size.into_iter().skip(step / 2).step_by(step).take(VARIANTS).collect()
    }

    /// The most frequent codes of a type, and the upper quarter of the values that stand with each.
    fn codes(&self, kind: &str, has_value: bool) -> Vec<(String, f64)> {
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for resource in self.patients.iter().flat_map(|bundle| resources(bundle, kind)) {
            let value = resource.at(&["valueQuantity", "value"]).and_then(|v| v.number()?.parse().ok());
            if let (Some(code), true) = (code(resource), value.is_some() || !has_value) {
                values.entry(code).or_default().push(value.unwrap_or_default());
            }
        }
        let mut all: Vec<_> = values.into_iter().collect();
        all.sort_by_key(|(_, values)| std::cmp::Reverse(values.len()));
        let quarter = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() * 3 / 4]
        };
        all.into_iter().take(VARIANTS).map(|(code, values)| (code, quarter(values))).collect()
    }

    /// Every class of query, with values of the input.
    async fn classes(&self, client: &Client) -> Result<Vec<Class>> {
        let usual = self.usual();
        let (mut families, mut ids) = (Vec::new(), Vec::new());
        for bundle in &usual {
            let Some(patient) = resources(bundle, "Patient").next() else { continue };
            let name = patient.get("name").and_then(|names| names.items().next());
            families.extend(name.and_then(|name| name.get_str("family")).map(|family| family.into_owned()));
            let identifier = patient.get("identifier").and_then(|all| all.items().next());
            let value = identifier.and_then(|i| i.get_str("value")).unwrap_or_default();
            ids.push(patient_id(client, &value).await?);
        }
        let (measured, conditions) = (self.codes("Observation", true), self.codes("Condition", false));
        let counted = self.codes("Observation", false);
        let each = |query: &dyn Fn(&String) -> String, values: &[String]| values.iter().map(query).collect();
        let births = ["1950", "1965", "1980", "1995"].into_iter();
        let sexes = |y| ["female", "male"].map(|g| format!("Patient?birthdate=ge{y}-01-01&gender={g}"));
        let of_both: Vec<_> = ids.iter().zip(measured.iter().cycle()).collect();
        let both = |(id, (code, _)): &(&String, &(String, f64))| {
            format!("Observation?patient=Patient/{id}&code={code}&date=ge2014-07-01")
        };
        let above =
            |(code, value): &(String, f64)| format!("Observation?code={code}&value-quantity=gt{value}");
        let by_name = |family: &String| format!("Patient?name={family}&_count={FEW}");
        let with_includes = |id: &String| {
            format!(
                "Encounter?patient=Patient/{id}&_include=Encounter:patient&_include=Encounter:service-provider"
            )
        };
        let has = |(code, _): &(String, f64)| format!("Patient?_has:Condition:patient:code={code}");
        let count = |(code, _): &(String, f64)| format!("Observation?code={code}&_summary=count");
        let page = |(code, _): &(String, f64)| format!("Observation?code={code}&_count=100");
        Ok(vec![
            ("Patient, name", each(&by_name, &families)),
            ("Patient, birthdate and gender", births.flat_map(sexes).collect()),
            ("Observation, patient, code, date", of_both.iter().map(both).collect()),
            ("Observation, code and value", measured.iter().map(above).collect()),
            ("Encounter, two includes", each(&with_includes, &ids)),
            (
                "Claim, sorted",
                each(&|id| format!("Claim?patient=Patient/{id}&status=active&_sort=-created"), &ids),
            ),
            (
                "ExplanationOfBenefit, chain",
                each(&|f| format!("ExplanationOfBenefit?patient.name={f}"), &families),
            ),
            ("Patient, _has", conditions.iter().map(has).collect()),
            ("Observation, count", counted.iter().map(count).collect()),
            ("page of 100", counted.iter().map(page).collect()),
            ("Patient/$everything", each(&|id| format!("Patient/{id}/$everything?_count=100"), &ids)),
        ])
    }
}

/// The id that the server gave to the patient with an identifier.
async fn patient_id(client: &Client, identifier: &str) -> Result<String> {
    let query = format!("Patient?identifier={identifier}&_elements=id");
    let answer = ask(client, Method::GET, &query, Bytes::new(), 200).await.map_err(Error::unprocessable)?;
    let bundle = json::parse(answer.body)?;
    let first = resources(&bundle, "Patient").next().and_then(|patient| patient.get_str("id"));
    first
        .map(|id| id.into_owned())
        .ok_or_else(|| Error::unprocessable("A patient that was loaded is not found."))
}
