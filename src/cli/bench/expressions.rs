//! FHIRPath by itself, without a server: nanoseconds per evaluation beside those of a [`Walk`], and the
//! time that index extraction of Bundles spends in expressions beside the time to parse their JSON.

use super::phases::{generated, read_bundles};
use super::walk::Walk;
use bytes::Bytes;
use remit_fhir::{Error, Result, json};
use remit_fhirpath::{Collection, Environment, Item, compile};
use remit_search::{Registry, extract, values};
use remit_spec::Definitions;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

/// The expressions, each with the bare walk to the same values; to stay within twice of its time is the
/// aim.
fn expressions() -> [(&'static str, Walk); 4] {
    let given = || Walk::path(&["name", "given"]);
    [
        (
            "Patient.name.where(use='official').given",
            Walk::path(&["name"]).filtered("use", "official").member("given"),
        ),
        ("Patient.name.given", given()),
        ("Patient.identifier", Walk::path(&["identifier"])),
        ("(Patient.name.given | Patient.name.family)", given().and(Walk::path(&["name", "family"]))),
    ]
}

/// A patient of 1.6 kB, as systems of clinics send them.
const PATIENT: &str = include_str!("patient.json");

/// How long each expression is measured, several times; the best counts.
const TIME: Duration = Duration::from_millis(120);
const TIMES: usize = 7;

/// Bundles that extraction is measured on: some ten thousand resources.
const BUNDLES: usize = 12;

/// What was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    expressions: Vec<Figure>,
    /// Of the Bundles: how many bytes and resources they have, and milliseconds of each part.
    bytes: usize,
    resources: usize,
    values: usize,
    parse_ms: f64,
    expressions_ms: f64,
    extract_ms: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Figure {
    expression: String,
    ns: f64,
    bare_ns: f64,
}

impl Figures {
    pub(super) fn measure(folder: Option<&Path>) -> Result<Figures> {
        let expressions =
            expressions().iter().map(|(text, walk)| evaluation(text, walk)).collect::<Result<_>>()?;
        let bundles = match folder {
            Some(folder) => read_bundles(folder)?,
            None => (0..BUNDLES).map(generated).collect(),
        };
        extraction(expressions, bundles.into_iter().map(|(text, _)| text).take(BUNDLES).collect())
    }

    pub(super) fn render(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "\n{:<46}{:>10}{:>16}{:>8}",
            "FHIRPath, per evaluation", "ns", "bare walk, ns", "times"
        );
        for Figure { expression, ns, bare_ns } in &self.expressions {
            let _ = writeln!(out, "{expression:<46}{ns:>10.0}{bare_ns:>16.0}{:>8.2}", ns / bare_ns);
        }
        let _ = writeln!(
            out,
            "\nindex extraction of {} resources, {:.1} MB of JSON, {} values",
            self.resources,
            self.bytes as f64 / 1e6,
            self.values
        );
        for (name, ms) in [
            ("parsing the JSON", self.parse_ms),
            ("evaluating the expressions", self.expressions_ms),
            ("extraction in all, rows included", self.extract_ms),
        ] {
            let _ = writeln!(out, "{name:<46}{ms:>10.1} ms");
        }
    }
}

fn evaluation(text: &str, walk: &Walk) -> Result<Figure> {
    let defs = Definitions::r4();
    let document = json::parse(PATIENT)?;
    let expression =
        compile(text, defs.type_named("Patient"), defs).map_err(|e| Error::internal(e.to_string()))?;
    let (environment, focus) = (Environment::new(0), Item::resource(document.root(), defs));
    let value: serde_json::Value = serde_json::from_str(PATIENT).map_err(Error::internal)?;
    let mut figure = Figure { expression: text.to_owned(), ns: f64::MAX, bare_ns: f64::MAX };
    // In turns, so that a busy moment of the machine meets both.
    for _ in 0..TIMES {
        let ns = per_call(|| {
            let mut found = Collection::new();
            expression
                .evaluate_into(black_box(&focus), &environment, &mut found)
                .map_err(|e| Error::internal(e.to_string()))?;
            black_box(&found);
            Ok(())
        })?;
        figure.ns = figure.ns.min(ns);
        let bare_ns = per_call(|| {
            black_box(walk.evaluate(black_box(&value)));
            Ok(())
        })?;
        figure.bare_ns = figure.bare_ns.min(bare_ns);
    }
    Ok(figure)
}

/// Nanoseconds that something takes, done again and again for a while.
fn per_call(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    let (begin, clock) = (Instant::now(), Clock::start());
    let mut count = 0_u32;
    while begin.elapsed() < TIME {
        for _ in 0..1000 {
            call()?;
        }
        count += 1000;
    }
    Ok(clock.ns() / f64::from(count))
}

fn extraction(expressions: Vec<Figure>, bundles: Vec<Bytes>) -> Result<Figures> {
    let registry = Registry::in_order()?;
    let defs = registry.definitions();
    let mut figures = Figures {
        expressions,
        bytes: bundles.iter().map(Bytes::len).sum(),
        resources: 0,
        values: 0,
        parse_ms: f64::MAX,
        expressions_ms: f64::MAX,
        extract_ms: f64::MAX,
    };
    for _ in 0..TIMES {
        let mut documents = Vec::with_capacity(bundles.len());
        let clock = Clock::start();
        for bundle in &bundles {
            documents.push(json::parse(bundle.clone())?);
        }
        figures.parse_ms = figures.parse_ms.min(clock.ns() / 1e6);
        let resources: Vec<_> = documents
            .iter()
            .flat_map(|bundle| bundle.root().get("entry").into_iter().flat_map(|list| list.items()))
            .filter_map(|entry| entry.get("resource"))
            .filter_map(|resource| Some((resource, defs.resource_named(&resource.resource_type()?)?)))
            .collect();
        figures.resources = resources.len();
        let clock = Clock::start();
        figures.values = 0;
        for (resource, ty) in &resources {
            figures.values += values(*resource, *ty, &registry)?;
        }
        figures.expressions_ms = figures.expressions_ms.min(clock.ns() / 1e6);
        let clock = Clock::start();
        for (resource, ty) in &resources {
            black_box(extract(*resource, *ty, &registry, "")?);
        }
        figures.extract_ms = figures.extract_ms.min(clock.ns() / 1e6);
    }
    Ok(figures)
}

/// Time that this thread has had of a processor, where the system tells it; else time that has passed.
struct Clock {
    begin: Instant,
    on_processor_ns: Option<f64>,
}

impl Clock {
    fn start() -> Clock {
        Clock { begin: Instant::now(), on_processor_ns: on_processor_ns() }
    }

    fn ns(&self) -> f64 {
        match (self.on_processor_ns, on_processor_ns()) {
            (Some(before), Some(now)) => now - before,
            _ => self.begin.elapsed().as_nanos() as f64,
        }
    }
}

fn on_processor_ns() -> Option<f64> {
    // The system adds up at its ticks, of some milliseconds, and whenever a thread gives way.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
