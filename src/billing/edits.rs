//! Rules run over a claim: those that come with the program, those that a practice has stored for all
//! payers or for this one, and those that a call brings.

use super::known::Subject;
use super::request::{day, local};
use crate::edi::find;
use crate::operation::{Loaded, Lookup, MAX_ROUNDS, Needs};
use crate::rcm::frequency;
use crate::rcm::{BASE, Edit, Edits, TOPIC};
use crate::rest::{Context, heavy};
use remit_fhir::{Document, Error, Issue, IssueType, Kind, Result, Severity, json};
use remit_fhirpath::{
    Element, Environment, EvaluationError, Expression, Item, Limits, Options, Temporal, compile_with,
};
use remit_store::system_clock;
use serde_json::Value;
use std::collections::BTreeMap;

/// Rules that run over one claim. A practice writes some dozens for a payer.
const MAX_RULES: usize = 2_000;

/// Steps of all rules on one claim in one round: half a second.
const MAX_STEPS: u64 = 5 * Limits::DEFAULT.steps;

/// Places that are told of one finding.
const MAX_PLACES: usize = 50;

/// The variables that rules may use.
const VARIABLES: [&str; 6] =
    ["firstService", "lastService", "submitted", "filingDeadline", "frequency", "others"];

/// What a rule found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Finding {
    /// Name of the rule.
    pub(super) rule: String,
    pub(super) severity: Severity,
    /// What is wrong.
    pub(super) title: String,
    /// What to do.
    pub(super) fix: String,
    /// FHIRPath of the elements at fault.
    pub(super) places: Vec<String>,
    /// The set that the rule comes from.
    pub(super) source: String,
}

impl Finding {
    /// The finding as an issue.
    pub(super) fn issue(&self) -> Issue {
        let text = format!("{} {} (rule {})", self.title, self.fix, self.rule);
        let expression = self.places.clone();
        Issue { severity: self.severity, expression, ..Issue::error(IssueType::BusinessRule, text) }
    }

    /// Whether it keeps a claim from being sent.
    pub(super) fn is_error(&self) -> bool {
        matches!(self.severity, Severity::Error | Severity::Fatal)
    }
}

/// The findings about a claim, by the rules in their order.
pub(super) async fn findings(cx: &Context<'_>, subject: &Subject, given: &[Edits]) -> Result<Vec<Finding>> {
    let stored = stored(cx, &subject.claim).await?;
    let rules = Edits::layered(std::iter::once(Edits::shipped()).chain(&stored).chain(given));
    if rules.len() > MAX_RULES {
        let text = format!("There are {} rules for this claim; at most {MAX_RULES} run.", rules.len());
        return Err(Error::unprocessable(text).coded(IssueType::TooCostly));
    }
    let program = Program::new(cx, rules)?;
    let texts = Texts::of(subject)?;
    let mut loaded = loaded(cx, subject)?;
    for _ in 0..MAX_ROUNDS {
        let (found, needs) = heavy(|| program.run(cx, &texts, &loaded));
        if needs.is_empty() {
            return found;
        }
        loaded.load(cx, needs).await?;
    }
    Err(Error::unprocessable(format!("A rule follows references over more than {MAX_ROUNDS} resources."))
        .coded(IssueType::TooCostly))
}

/// Sets that the record holds, those for all payers before those for the payer of this claim.
async fn stored(cx: &Context<'_>, claim: &Value) -> Result<Vec<Edits>> {
    let pairs = [
        ("topic".to_owned(), format!("{BASE}/CodeSystem/rcm-topic|{TOPIC}")),
        ("status".to_owned(), "active".to_owned()),
    ];
    let mut found = Vec::new();
    find::search(cx, "PlanDefinition", &pairs, &mut found).await?;
    found.sort_by(|a, b| a.reference.cmp(&b.reference));
    let payer = claim["insurer"]["reference"].as_str().map(|payer| local(cx, payer));
    let mut sets = Vec::new();
    for one in &found {
        let set =
            Edits::read(&one.resource).map_err(|(text, place)| broken(&one.reference, &text, &place))?;
        if set.payer.is_none() || set.payer.as_deref().map(|payer| local(cx, payer)) == payer {
            sets.push(set);
        }
    }
    // A stable sort: of sets of one kind the later id goes after the earlier.
    sets.sort_by_key(|set| set.payer.is_some());
    Ok(sets)
}

fn broken(source: &str, text: &str, place: &str) -> Error {
    Error::unprocessable(format!("The rules of {source} cannot be run: {text}"))
        .coded(IssueType::Invalid)
        .at(place)
}

/// Resources that are not stored yet, as what is loaded already.
fn loaded(cx: &Context<'_>, subject: &Subject) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    for (reference, resource) in &subject.with {
        if let Some((ty, id)) = reference.split_once('/')
            && let Some(ty) = cx.defs.resource_named(ty)
        {
            loaded.put(ty, id, document(resource)?);
        }
    }
    Ok(loaded)
}

fn document(resource: &Value) -> Result<Document> {
    json::parse(resource.to_string()).map_err(Error::internal)
}

/// What the rules look at, in the form in which they do.
struct Texts {
    claim: Document,
    others: Vec<Document>,
    days: [Option<Temporal>; 4],
    frequency: String,
}

impl Texts {
    fn of(subject: &Subject) -> Result<Texts> {
        let days = subject.days.as_ref();
        let date = |text: Option<&str>| text.and_then(Temporal::parse_date);
        Ok(Texts {
            claim: document(&subject.claim)?,
            others: subject.others.iter().map(document).collect::<Result<_>>()?,
            days: [
                date(days.map(|days| days.0.as_str())),
                date(days.map(|days| days.1.as_str())),
                date(day(&subject.claim["created"])),
                date(subject.filing_deadline.as_deref()),
            ],
            frequency: frequency(&subject.claim).to_owned(),
        })
    }
}

/// The rules, compiled.
struct Program<'e> {
    rules: Vec<(&'e Edit, Expression)>,
}

impl<'e> Program<'e> {
    fn new(cx: &Context<'_>, edits: Vec<&'e Edit>) -> Result<Program<'e>> {
        let options = Options {
            context: cx.defs.resource_named("Claim"),
            variables: Some(&VARIABLES),
            ..Options::default()
        };
        let mut rules = Vec::with_capacity(edits.len());
        for edit in edits {
            let Some(text) = &edit.condition else { continue };
            let compiled = compile_with(text, options, cx.defs).map_err(|error| {
                broken(&edit.source, &format!("{error}."), &format!("the rule {}", edit.code))
            })?;
            rules.push((edit, compiled));
        }
        Ok(Program { rules })
    }

    /// What the rules find. When something has to be loaded first, the findings count for nothing.
    fn run(&self, cx: &Context<'_>, texts: &Texts, loaded: &Loaded) -> (Result<Vec<Finding>>, Needs) {
        let lookup = Lookup::new(cx, loaded, &texts.claim);
        let found = self.findings(cx, texts, &lookup);
        (found, lookup.into_needs())
    }

    fn findings(&self, cx: &Context<'_>, texts: &Texts, lookup: &Lookup<'_>) -> Result<Vec<Finding>> {
        let claim = Element::resource(texts.claim.root(), cx.defs);
        let others = texts.others.iter().map(|one| Item::resource(one.root(), cx.defs)).collect();
        let date = |n: usize| texts.days[n].map(Item::Date).into_iter().collect::<Vec<_>>();
        let values =
            [date(0), date(1), date(2), date(3), vec![Item::String(texts.frequency.as_str().into())], others];
        let variables: Vec<(String, Vec<Item<'_>>)> =
            VARIABLES.iter().map(|name| (*name).to_owned()).zip(values).collect();
        let environment = Environment {
            resource: Some(claim),
            root_resource: Some(claim),
            variables: &variables,
            host: Some(lookup),
            ..Environment::new(system_clock())
        };
        let mut steps = MAX_STEPS;
        let mut findings = Vec::new();
        for (edit, rule) in &self.rules {
            let found = rule
                .evaluate_within(&Item::Element(claim), &environment, &mut steps)
                .map_err(|error| failed(edit, &error))?;
            let places = places(&found);
            if !places.is_empty() {
                findings.push(Finding {
                    rule: edit.code.clone(),
                    severity: edit.severity,
                    title: edit.title.clone(),
                    fix: edit.fix.clone(),
                    places,
                    source: edit.source.clone(),
                });
            }
        }
        Ok(findings)
    }
}

fn failed(edit: &Edit, error: &EvaluationError) -> Error {
    let code = if error.is_limit() { IssueType::TooCostly } else { IssueType::Processing };
    let text = format!("The rule {} of {} cannot be evaluated: {error}.", edit.code, edit.source);
    Error::new(Kind::Unprocessable, text).coded(code)
}

/// Where the elements are, each once. A condition may be a truth value about the whole claim, too.
fn places(found: &[Item<'_>]) -> Vec<String> {
    let mut places = BTreeMap::new();
    for (n, item) in found.iter().enumerate() {
        let place = match item {
            Item::Boolean(false) => continue,
            Item::Element(element) => element.path().unwrap_or_else(|| "Claim".to_owned()),
            _ => "Claim".to_owned(),
        };
        places.entry(place).or_insert(n);
    }
    let mut all: Vec<(String, usize)> = places.into_iter().collect();
    all.sort_by_key(|(_, n)| *n);
    all.into_iter().map(|(place, _)| place).take(MAX_PLACES).collect()
}
