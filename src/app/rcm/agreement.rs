//! Figures that are kept block by block are those of all rows at once: for made-up practices whose
//! resources come in any order, change, go and are of others all at once, between questions.

use super::evaluate::{Asker, ask};
use super::layers::asked_layers;
use crate::demo::{Options, Practice};
use crate::rcm::{LINKS, Library};
use remit_mart::Way::{self, Rows, Small, Sums, Whole};
use remit_mart::{ByBlocks, Change, Config, Links, Mart, Parameter, Query};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

const TENANT: i32 = 1;
/// Changes after all resources came.
const CHANGES: usize = 120;
/// Claims that come without their patient, each twice.
const TWINS: usize = 10;
/// Claims that follow several.
const KNOTS: [(&str, &[&str]); 3] =
    [("knot-1", &["C2", "C5"]), ("knot-2", &["C8", "knot-1"]), ("knot-3", &["C9", "C10", "C5"])];
/// Practices whose figures are known, beside one that is made up.
const PRACTICES: [&str; 4] = [
    include_str!("../../../conformance-tests/cedar/practice.json"),
    include_str!("../../../conformance-tests/cedar/january.json"),
    include_str!("../../../conformance-tests/cedar/later.json"),
    include_str!("../../../conformance-tests/juniper/practice.json"),
];

/// Numbers that look like chance and are the same on every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// One version of a resource.
#[derive(Clone)]
struct Version {
    ty: String,
    id: String,
    body: Option<Json>,
}

fn versions(chance: &mut Chance) -> Vec<Version> {
    let options = Options { patients: 6, visits: 4, ..Options::demo(3, jiff::civil::date(2026, 6, 30)) };
    let made: Vec<String> = Practice::generate(options).bundles().collect();
    let mut versions = Vec::new();
    for bundle in made.iter().map(String::as_str).chain(PRACTICES) {
        let bundle: Json = serde_json::from_str(bundle).expect("a bundle is JSON");
        for entry in bundle["entry"].as_array().expect("entries") {
            let text = |name: &str| entry["resource"][name].as_str().expect("a text").to_owned();
            versions.push(Version {
                ty: text("resourceType"),
                id: text("id"),
                body: Some(entry["resource"].clone()),
            });
        }
    }
    for place in (1..versions.len()).rev() {
        versions.swap(place, chance.below(place + 1));
    }
    let whole = versions.clone();
    // Claims that were sent twice are told by their patient, too, when it is not known who that is.
    for claim in whole.iter().filter(|version| version.ty == "Claim").take(TWINS) {
        for id in [claim.id.clone(), format!("{}-alone", claim.id)] {
            let Some(mut body) = claim.body.clone() else { continue };
            body["id"] = json!(id);
            body["patient"] = json!({ "display": "Nobody knows" });
            versions.push(Version { ty: claim.ty.clone(), id, body: Some(body) });
        }
    }
    versions.extend(KNOTS.iter().filter_map(|(id, earlier)| knot(&whole, id, earlier)));
    versions.extend((0..CHANGES).map(|number| change(chance, &whole, number)));
    versions
}

/// A claim that follows several others, and makes one episode of theirs.
fn knot(whole: &[Version], id: &str, earlier: &[&str]) -> Option<Version> {
    let follower = whole.iter().find(|version| version.id == "C4b")?;
    let mut body = follower.body.clone()?;
    let mut related = body["related"][0].clone();
    body["id"] = json!(id);
    body["identifier"] = json!([{ "value": id }]);
    body["related"] = earlier
        .iter()
        .map(|earlier| {
            related["claim"]["reference"] = json!(format!("Claim/{earlier}"));
            related.clone()
        })
        .collect();
    Some(Version { ty: follower.ty.clone(), id: id.to_owned(), body: Some(body) })
}

/// Some resource again: gone, an error, of another, twice, without its patient, or as it was.
fn change(chance: &mut Chance, whole: &[Version], number: usize) -> Version {
    let mut again = whole[chance.below(whole.len())].clone();
    let kind = chance.below(8);
    let Some(body) = &mut again.body else { return again };
    match kind {
        0 => again.body = None,
        1 => body["status"] = json!("entered-in-error"),
        2 => {
            again.id = format!("{}-{number}", again.id);
            body["id"] = json!(again.id);
        }
        3 if body.get("patient").is_some() => body["patient"] = json!({ "display": "Nobody knows" }),
        4..=6 => redirect(chance, body, whole),
        _ => {}
    }
    again
}

/// Makes one of the references lead to another resource of its type.
fn redirect(chance: &mut Chance, body: &mut Json, whole: &[Version]) {
    let mut references = Vec::new();
    collect(body, &mut references);
    if references.is_empty() {
        return;
    }
    let chosen = chance.below(references.len());
    let Some(ty) = references[chosen].split_once('/').map(|(ty, _)| ty.to_owned()) else { return };
    let others: Vec<&Version> = whole.iter().filter(|version| version.ty == ty).collect();
    if !others.is_empty() {
        *references[chosen] = format!("{ty}/{}", others[chance.below(others.len())].id);
    }
}

fn collect<'j>(json: &'j mut Json, references: &mut Vec<&'j mut String>) {
    match json {
        Json::Object(members) => {
            for (name, member) in members {
                if name != "reference" {
                    collect(member, references);
                } else if let Json::String(text) = member {
                    references.push(text);
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|item| collect(item, references)),
        _ => {}
    }
}

fn links() -> Links {
    Links::parse(LINKS).expect("the links can be read")
}

/// One that keeps figures by blocks, of few claims each, packed soon, and one that does not.
fn marts() -> [Mart; 2] {
    let views = || crate::app::shipped_views().expect("the views are valid");
    let by_blocks =
        Config { links: Arc::new(links()), block_rows: 3, plain_bytes: 1 << 20, ..Config::default() };
    let by_blocks = Mart::open(by_blocks, views()).expect("it opens");
    by_blocks.keep(asked_layers());
    [by_blocks, Mart::open(Config::default(), views()).expect("it opens")]
}

fn apply(marts: &[Mart; 2], versions: &[Version], numbers: &mut BTreeMap<(String, String), i64>, from: i64) {
    let mut changes = Vec::new();
    for (version, position) in versions.iter().zip(from..) {
        let number = numbers.entry((version.ty.clone(), version.id.clone())).or_default();
        *number += 1;
        changes.push(Change {
            position,
            tenant: TENANT,
            resource_type: &version.ty,
            id: &version.id,
            version: *number,
            at_us: position,
            body: version.body.as_ref().map(|body| body.to_string().into()),
        });
    }
    for mart in marts {
        mart.apply(&changes).expect("it fits");
    }
}

async fn rows(mart: &Mart, query: &Query) -> Vec<String> {
    let answer = mart.query(query.clone()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{}: {error:?}", query.sql));
    let mut rows: Vec<String> =
        answer.rows().expect("plain values").iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

/// Every Library as a question: the answers, and each layer by itself, for what a question leaves out is
/// not seen in its answer.
async fn questions(grouped: bool, as_of: i32) -> Vec<(&'static str, Query)> {
    let names = Library::all().iter().flat_map(|library| &library.parameters);
    let parameters: BTreeMap<String, Parameter> =
        names.map(|name| (name.clone(), value(name, grouped, as_of))).collect();
    let mut questions = Vec::new();
    for library in Library::all() {
        let query = ask(Asker::Server(TENANT), library, parameters.clone(), None).await.expect("a question");
        let name = library.url.rsplit('/').next().unwrap_or_default();
        questions.push((name, Query { by_blocks: ByBlocks::Answer, ..query }));
    }
    questions
}

/// A value of a parameter, with all groupings or none.
fn value(name: &str, grouped: bool, as_of: i32) -> Parameter {
    // 2025-07-01 and 2026-04-30
    let (start, end) = (20_270, 20_573);
    match name {
        "as_of" => Parameter::Date(as_of),
        "period_end" => Parameter::Date(end),
        "period_start" | "window_start" => Parameter::Date(start),
        "prior_start" => Parameter::Date(start - 90),
        "currency" => Parameter::Text("USD".to_owned()),
        "account" => Parameter::Text("Account/acc-c".to_owned()),
        "patient" => Parameter::Text("Patient/pt-E1".to_owned()),
        "timezone" | "basis" | "age_basis" => Parameter::Text(String::new()),
        "cost" | "npsr" | "tolerance" | "tolerance_percent" | "min_total" | "minCharges" => {
            Parameter::Decimal("0".to_owned())
        }
        "within_days" => Parameter::Integer(30),
        by => Parameter::Integer((grouped && by.starts_with("by_")).into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_by_blocks_are_those_of_all_rows() {
    let mut chance = Chance(7);
    let (marts, versions) = (marts(), versions(&mut chance));
    let mut numbers = BTreeMap::new();
    let steps = [
        versions.len() / 2,
        versions.len() - CHANGES,
        versions.len() - CHANGES / 2,
        versions.len() - 9,
        versions.len(),
    ];
    let (end_of_april, end_of_january) = (20_573, 20_484);
    let mut begin = 0;
    let mut seen = BTreeSet::new();
    for end in steps {
        // Batches of any size.
        while begin < end {
            let next = (begin + 1 + chance.below(90)).min(end);
            apply(&marts, &versions[begin..next], &mut numbers, begin as i64 + 1);
            begin = next;
        }
        let mut all = questions(false, end_of_april).await;
        all.extend(questions(true, end_of_april).await);
        if end == versions.len() {
            all.extend(questions(true, end_of_january).await);
        }
        for (name, query) in &all {
            let whole = rows(&marts[1], query).await;
            assert_eq!(rows(&marts[0], query).await, whole, "{name} after {end}");
            if !whole.is_empty() {
                seen.insert(*name);
            }
        }
    }
    // An answer of nothing agrees with everything.
    let unseen: Vec<&str> = WAYS.iter().map(|(name, ..)| *name).filter(|name| !seen.contains(name)).collect();
    assert_eq!(unseen, UNSEEN, "these answer nothing, or no longer nothing");
}

/// Libraries that have no rows in the practices above.
const UNSEEN: &[&str] = &[];

/// How each Library is answered: without groupings, then with all of them and by episode, where a group
/// is of one block. One that stands on what links do not tie together is answered over all rows, and is
/// right as well; it takes as long as there are rows.
const WAYS: &[(&str, Way, Way)] = &[
    ("account", Rows, Rows),
    ("adjudicated", Rows, Rows),
    ("adjustment", Rows, Rows),
    ("allowed-line", Rows, Rows),
    ("authorization-outcome", Rows, Rows),
    ("charge-fact", Rows, Rows),
    ("claim-fact", Rows, Rows),
    ("credit-age", Rows, Rows),
    ("cut", Small, Small),
    ("denial", Rows, Rows),
    ("denial-class", Small, Small),
    ("denied-line", Rows, Rows),
    ("episode", Rows, Rows),
    ("episode-link", Rows, Rows),
    ("episode-merge", Rows, Rows),
    ("episode-root", Rows, Rows),
    ("facility-month", Whole, Whole),
    ("filing-limit", Rows, Rows),
    ("first-submission", Rows, Rows),
    ("holder-share", Rows, Rows),
    ("ledger-entry", Rows, Rows),
    ("line-outcome", Rows, Rows),
    ("needed-authorization", Rows, Rows),
    ("open-balance", Rows, Rows),
    ("payer-chain", Rows, Rows),
    ("q-account-balance", Sums, Sums),
    ("q-ageing", Sums, Rows),
    ("q-appointments", Sums, Rows),
    ("q-authorization-time", Sums, Rows),
    ("q-authorizations", Sums, Rows),
    ("q-authorized-services", Sums, Rows),
    ("q-cash", Whole, Whole),
    ("q-charge-lag", Sums, Rows),
    ("q-claim-content", Sums, Rows),
    ("q-claim-filing", Rows, Rows),
    ("q-claim-lag", Sums, Rows),
    ("q-claim-state", Whole, Whole),
    ("q-claims-one-by-one", Sums, Rows),
    ("q-clinic-days", Whole, Whole),
    ("q-collections", Sums, Rows),
    ("q-credit-age", Sums, Rows),
    ("q-days-to-payment", Sums, Rows),
    ("q-denial-to-appeal", Sums, Rows),
    ("q-denial-to-resolution", Sums, Rows),
    ("q-denials", Sums, Rows),
    ("q-denials-of-quarter", Sums, Rows),
    ("q-denied-lines", Sums, Rows),
    ("q-encounter-claims", Sums, Rows),
    ("q-filing-limits", Sums, Rows),
    ("q-filing-losses", Sums, Rows),
    ("q-first-submissions", Sums, Rows),
    ("q-late-charges", Sums, Rows),
    ("q-net-receivables", Sums, Rows),
    ("q-opportunities", Whole, Whole),
    ("q-payer-classes", Sums, Rows),
    ("q-payer-contracts", Whole, Whole),
    ("q-payment-adjustments", Sums, Sums),
    ("q-point-of-service", Sums, Rows),
    ("q-postings", Whole, Whole),
    ("q-pre-registrations", Sums, Rows),
    ("q-receivables", Sums, Rows),
    ("q-rejections", Sums, Rows),
    ("q-remittances", Sums, Rows),
    ("q-slots", Sums, Rows),
    ("q-statement", Whole, Whole),
    ("q-unbilled", Sums, Rows),
    ("q-unbilled-encounter", Rows, Rows),
    ("q-underpaid-lines", Rows, Rows),
    ("q-underpayments", Sums, Rows),
    ("q-verifications", Sums, Rows),
    ("response", Rows, Rows),
    ("self-pay-visit", Rows, Rows),
    ("submission", Rows, Rows),
    ("task-fact", Rows, Rows),
    ("visit", Rows, Rows),
    ("visit-claim", Rows, Rows),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_library_is_answered_in_its_way() {
    let [mart, _] = marts();
    let mut found = Vec::new();
    let plain = questions(false, 20_573).await;
    for ((name, one), (_, other)) in plain.into_iter().zip(questions(true, 20_573).await) {
        let one = mart.way(one).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let other = mart.way(other).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        found.push((name, one, other));
    }
    found.sort_by_key(|(name, ..)| *name);
    assert_eq!(found, WAYS);
}

/// What is asked about the past, for some callers only, or by a user is answered over all rows.
#[tokio::test(flavor = "multi_thread")]
async fn questions_of_the_past_and_of_few_are_answered_over_all_rows() {
    let [mart, _] = marts();
    let (_, query) =
        questions(true, 20_573).await.into_iter().find(|(name, _)| *name == "account").expect("it is there");
    let all = remit_mart::only(HashMap::new());
    let others = [
        Query { known_at: Some(5), ..query.clone() },
        Query { rule: Some(all), ..query.clone() },
        Query { by_blocks: ByBlocks::Nothing, ..query },
    ];
    for query in others {
        assert_eq!(query.keeps(), ByBlocks::Nothing);
        assert_eq!(mart.way(query).await.expect("it is planned"), Whole);
    }
}

/// A view without links is about everything: its changes make all blocks anew, so it must be small.
#[test]
fn views_without_links_are_few() {
    let links = links();
    let linked: BTreeSet<&str> = links.views.iter().map(|(name, _)| name.as_str()).collect();
    let views = crate::app::shipped_views().expect("the views are valid");
    let names: BTreeSet<&str> = views.iter().filter_map(|view| view.name()).collect();
    let small: Vec<&str> = names.difference(&linked).copied().collect();
    let expected = [
        "authorization_rule",
        "contract_price",
        "denial_rule",
        "filing_rule",
        "location",
        "organization",
        "practitioner",
        "work_unit",
    ];
    assert_eq!(small, expected);
    assert!(linked.is_subset(&names), "links of views that are not shipped");
    for (name, links) in &links.views {
        let view = views.iter().find(|view| view.name() == Some(name)).expect("a shipped view");
        for column in links.iter().flatten() {
            assert!(view.columns().iter().any(|own| own.name == *column), "{name} has no column {column}");
        }
    }
}
