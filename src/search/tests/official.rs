//! The official examples of HL7 as data: every parameter, queries made from the rows that are there,
//! every page in SQL against the comparison in memory. Read from `REMIT_TEST_DATA`, or from
//! `shared/data` beside the repository.

use super::database::{Database, NOW, registry, ty};
use crate::query::References;
use crate::*;
use remit_spec::{Definitions, TypeId};
use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

fn examples() -> Option<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var_os("REMIT_TEST_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let path = data.join("examples/hl7.fhir.r4.examples-4.0.1.tgz");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("SKIPPED: {} is not there; set REMIT_TEST_DATA", path.display());
        return None;
    };
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::io::BufReader::new(file)));
    let mut texts = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let file = name.rsplit('/').next().unwrap_or_default();
        // The definitions of FHIR itself are among the examples; the large ones add time and no case.
        if !file.ends_with(".json") || !file.contains('-') || entry.size() > 200_000 {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        texts.push(text);
    }
    Some(texts)
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$")
}

/// Characters that the query text of these tests does not take.
fn is_plain(text: &str) -> bool {
    !text.contains(['&', '=', '\0'])
}

const PREFIXES: [&str; 10] = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// Queries that the rows of one resource suggest for one parameter.
fn suggestions(rows: &IndexRows, parameter: &Parameter, random: &mut Random) -> Vec<String> {
    let (code, number) = (parameter.definition.code, parameter.number);
    let definitions = Definitions::r4();
    let mut out = Vec::new();
    let prefix = PREFIXES[random.below(PREFIXES.len())];
    for row in rows.tokens.iter().filter(|r| r.param == number && parameter.definition.kind.code() == "token")
    {
        let (s, c) = (escape(&row.system), escape(&row.code));
        out.extend([
            format!("{code}={c}"),
            format!("{code}={s}|{c}"),
            format!("{code}=|{c}"),
            format!("{code}:not={c}"),
        ]);
        if !s.is_empty() {
            out.push(format!("{code}={c},urn:none|x,{s}|"));
        }
    }
    for row in rows.references.iter().filter(|r| r.param == number) {
        out.extend([
            format!("{code}={}/{}", definitions.name(row.ty), row.id),
            format!("{code}={},zzz", row.id),
        ]);
    }
    for row in rows.uris.iter().filter(|r| r.param == number) {
        out.push(format!("{code}={}", escape(&row.uri)));
    }
    for row in rows.strings.iter().filter(|r| r.param == number) {
        let start: String = row.norm.chars().take(1 + random.below(5)).collect();
        out.extend([format!("{code}={}", escape(&start)), format!("{code}:exact={}", escape(&row.exact))]);
        out.push(format!("{code}:contains={}", escape(row.norm.split(' ').next_back().unwrap_or("x"))));
    }
    for row in rows.dates.iter().filter(|r| r.param == number && r.low > i64::MIN) {
        let text = remit_fhir::date::instant(row.low);
        let cut = [4, 7, 10, 24][random.below(4)];
        out.push(format!("{code}={prefix}{}", text.get(..cut).unwrap_or("2000")));
    }
    for row in rows.numbers.iter().filter(|r| r.param == number && r.low.0 > -f64::MAX) {
        out.push(format!("{code}={prefix}{}", row.low.0));
    }
    for row in rows.quantities.iter().filter(|r| r.param == number && r.low.0 > -f64::MAX) {
        let (s, c, v) = (escape(&row.system), escape(&row.code), row.low.0);
        out.extend([format!("{code}={prefix}{v}"), format!("{code}={prefix}{v}||{c}")]);
        if !s.is_empty() && !c.is_empty() {
            out.push(format!("{code}={prefix}{v}|{s}|{c}"));
        }
    }
    for row in rows.positions.iter().filter(|r| r.param == number) {
        out.push(format!("{code}={}|{}|{}|km", row.latitude.0, row.longitude.0, 1 + random.below(9000)));
    }
    out.extend([format!("{code}:missing=true"), format!("{code}:missing=false")]);
    out.retain(|q| {
        q.split_once('=').is_some_and(|(_, v)| is_plain(v) && !v.is_empty()) && !q.ends_with("=|")
    });
    out
}

/// A generator whose run can be repeated (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

#[test]
fn every_parameter_compiles() {
    let registry = registry();
    for (name, codes) in Registry::required() {
        for code in codes {
            assert!(registry.parameter(ty(name), code).is_some(), "{name}.{code}");
        }
    }
}

#[test]
fn pages_in_sql_are_what_a_comparison_in_memory_finds() {
    let Some(texts) = examples() else { return };
    let mut database = Database::new();
    database.load(texts);
    let plan = database.plan();
    let mut random = Random(0x5EED);
    let mut asked = HashSet::new();
    let mut found = 0;
    // A part of them each time keeps the test short; every type has its turn.
    for place in (0..database.all.len()).step_by(12) {
        let stored = &database.all[place];
        let kind = Definitions::r4().name(stored.ty);
        let parameters: Vec<&Parameter> = database.registry.parameters(stored.ty).collect();
        for _ in 0..2 {
            let one = parameters[random.below(parameters.len())];
            let mut queries = suggestions(&stored.rows, one, &mut random);
            if queries.is_empty() {
                continue;
            }
            let mut url = queries.swap_remove(random.below(queries.len()));
            let other = parameters[random.below(parameters.len())];
            let mut more = suggestions(&stored.rows, other, &mut random);
            if random.below(2) == 0 && !more.is_empty() {
                url = format!("{url}&{}", more.swap_remove(random.below(more.len())));
            }
            if asked.insert((kind, url.clone())) {
                found += check(&database, &plan, kind, &url, &mut random);
            }
        }
    }
    assert!(asked.len() > 500 && found > 5_000, "{} queries found {found} resources", asked.len());
}

fn check(database: &Database, plan: &AccessPlan, kind: &str, url: &str, random: &mut Random) -> usize {
    let query = database.parse(kind, url).unwrap_or_else(|e| panic!("{kind}?{url}: {e}")).query;
    let expected = database.expected(&query);
    let size = 1 + random.below(10) + expected.len() / 4;
    for probed in [false, true] {
        assert_eq!(
            database.pages(kind, url, size, plan, probed),
            expected,
            "{kind}?{url} in pages of {size}"
        );
    }
    assert_eq!(database.total(&query, plan), expected.len() as i64, "count of {kind}?{url}");
    expected.len()
}

#[test]
fn sorted_pages_hold_every_match_once_and_in_order() {
    let Some(texts) = examples() else { return };
    let mut database = Database::new();
    database.load(texts.into_iter().filter(|t| {
        ["Observation", "Patient", "Encounter", "RiskAssessment"].iter().any(|n| {
            t.contains(&format!("\"resourceType\": \"{n}\""))
                || t.contains(&format!("\"resourceType\":\"{n}\""))
        })
    }));
    let plan = database.plan();
    for (kind, url) in [
        ("Observation", "_sort=date"),
        ("Observation", "_sort=-date,_id"),
        ("Observation", "_sort=-date,value-quantity,-_lastUpdated"),
        ("Observation", "_sort=value-quantity&status=final"),
        ("Observation", "_sort=_lastUpdated"),
        ("Observation", "_sort=-_lastUpdated"),
        ("Observation", "_sort=-_lastUpdated&status=final"),
        ("Observation", "_sort=_id"),
        ("Patient", "_sort=family,-given"),
        ("Patient", "_sort=-birthdate&gender=male"),
        ("RiskAssessment", "_sort=-probability"),
        ("Observation", "_sort=status,-code"),
        ("Observation", "_sort=-code,subject&status=final,preliminary"),
        ("Observation", "_sort=-subject,_source"),
        ("Patient", "_sort=organization,-gender,_profile"),
        ("Patient", "_sort=identifier&gender=male"),
        ("Observation", "_sort=patient"),
        ("", "_sort=-_lastUpdated&_type=Patient,Encounter"),
        ("", "_sort=-_lastUpdated"),
        ("", "_type=Patient,Encounter"),
        ("", ""),
    ] {
        let query = database.parse(kind, url).unwrap().query;
        let mut expected = database.expected(&query);
        expected.sort_by(|a, b| order(&database, &query, *a, *b));
        assert!(expected.len() > 3, "{kind}?{url}");
        for size in [1, 3, 1000] {
            for probed in [false, true] {
                let found = database.pages(kind, url, size, &plan, probed);
                assert_eq!(found, expected, "{kind}?{url} in pages of {size}");
                let back = database.pages_back(kind, url, size, &plan, probed);
                assert_eq!(back, expected[..expected.len() - 1], "{kind}?{url} back in pages of {size}");
            }
        }
    }
}

/// The order that `_sort` asks for, worked out from the rows.
fn order(database: &Database, query: &Query, a: i64, b: i64) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let stored = |rid: i64| database.all.iter().find(|s| s.rid == rid).unwrap();
    let (x, y) = (stored(a), stored(b));
    let mut direction = Direction::Falling;
    for key in &query.sort {
        direction = key.direction;
        let rising = direction == Direction::Rising;
        let compared = match &key.by {
            SortBy::Updated => compare(Some(x.updated), Some(y.updated), rising),
            SortBy::Id => compare(Some(&x.id), Some(&y.id), rising),
            SortBy::Date(p) => {
                let value = |rows: &IndexRows| {
                    let all = rows.dates.iter().filter(|r| p.contains(&r.param));
                    if rising { all.map(|r| r.low).min() } else { all.map(|r| r.high).max() }
                };
                compare(value(&x.rows), value(&y.rows), rising)
            }
            SortBy::String(p) => {
                let value = |rows: &IndexRows| {
                    let all = rows.strings.iter().filter(|r| p.contains(&r.param)).map(|r| r.norm.clone());
                    if rising { all.min() } else { all.max() }
                };
                compare(value(&x.rows), value(&y.rows), rising)
            }
            SortBy::Number(p) => {
                let value = |rows: &IndexRows| {
                    let all = rows.numbers.iter().filter(|r| p.contains(&r.param));
                    if rising { all.map(|r| r.low).min() } else { all.map(|r| r.high).max() }
                };
                compare(value(&x.rows), value(&y.rows), rising)
            }
            SortBy::Quantity(p) => {
                let value = |rows: &IndexRows| {
                    let all: Vec<_> = rows.quantities.iter().filter(|r| p.contains(&r.param)).collect();
                    let canonical: Vec<_> = all.iter().filter(|r| !r.canonical.is_empty()).collect();
                    match (rising, canonical.is_empty()) {
                        (true, true) => all.iter().map(|r| r.low).min(),
                        (false, true) => all.iter().map(|r| r.high).max(),
                        (true, false) => canonical.iter().map(|r| r.canonical_low).min(),
                        (false, false) => canonical.iter().map(|r| r.canonical_high).max(),
                    }
                };
                compare(value(&x.rows), value(&y.rows), rising)
            }
            SortBy::Token(p) => {
                let value = |rows: &IndexRows| {
                    let all = rows.tokens.iter().filter(|r| p.contains(&r.param)).map(|r| r.code.clone());
                    // A system without a code is nothing to sort by.
                    let all = all.filter(|code| !code.is_empty());
                    if rising { all.min() } else { all.max() }
                };
                compare(value(&x.rows), value(&y.rows), rising)
            }
            SortBy::Uri(p) => {
                let value = |rows: &IndexRows| {
                    let all = rows.uris.iter().filter(|r| p.contains(&r.param)).map(|r| r.uri.clone());
                    if rising { all.min() } else { all.max() }
                };
                compare(value(&x.rows), value(&y.rows), rising)
            }
            SortBy::Reference(References { params: p, only, urls }) => {
                let text = |r: &ReferenceRow| format!("{}/{}", Definitions::r4().name(r.ty), r.id);
                let value = |rows: &IndexRows| {
                    let here = rows.references.iter().filter(|r| p.contains(&r.param));
                    let here = here.filter(|r| only.is_none_or(|only| only == r.ty)).map(text);
                    let there = rows.uris.iter().filter(|r| urls.contains(&r.param));
                    let there = there.map(|r| r.uri.to_string());
                    if rising { here.min().or(there.min()) } else { here.max().or(there.max()) }
                };
                compare(value(&x.rows), value(&y.rows), rising)
            }
        };
        if compared != Ordering::Equal {
            return compared;
        }
    }
    if direction == Direction::Rising { a.cmp(&b) } else { b.cmp(&a) }
}

fn compare<T: Ord>(a: Option<T>, b: Option<T>, rising: bool) -> std::cmp::Ordering {
    match (a, b) {
        (Some(a), Some(b)) if rising => a.cmp(&b),
        (Some(a), Some(b)) => b.cmp(&a),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

#[test]
fn the_examples_give_rows_to_most_parameters() {
    let Some(texts) = examples() else { return };
    let registry = registry();
    let mut filled: HashSet<(TypeId, i32)> = HashSet::new();
    for text in texts {
        let document = remit_fhir::json::parse(text.into_bytes()).unwrap();
        let root = document.root();
        let Some(kind) = root.resource_type().and_then(|name| Definitions::r4().resource_named(&name)) else {
            continue;
        };
        let rows = extract(root, kind, &registry, "http://localhost/fhir").unwrap();
        filled.extend(rows.tokens.iter().map(|r| (kind, r.param)));
        filled.extend(rows.references.iter().map(|r| (kind, r.param)));
        filled.extend(rows.uris.iter().map(|r| (kind, r.param)));
        filled.extend(rows.strings.iter().map(|r| (kind, r.param)));
        filled.extend(rows.dates.iter().map(|r| (kind, r.param)));
        filled.extend(rows.numbers.iter().map(|r| (kind, r.param)));
        filled.extend(rows.quantities.iter().map(|r| (kind, r.param)));
        filled.extend(rows.composites.iter().map(|r| (kind, r.param)));
        filled.extend(rows.positions.iter().map(|r| (kind, r.param)));
        for row in &rows.dates {
            assert!(row.low < row.high && (row.low < NOW * 10 || row.high == i64::MAX), "{row:?}");
        }
    }
    let own: Vec<(TypeId, &Parameter)> = Definitions::r4()
        .resource_types()
        .flat_map(|ty| registry.parameters(ty).map(move |p| (ty, p)))
        .filter(|(_, p)| !p.definition.code.starts_with('_'))
        .collect();
    let empty = own.iter().filter(|(ty, p)| !filled.contains(&(*ty, p.number)));
    let empty: Vec<String> =
        empty.map(|(ty, p)| format!("{}.{}", Definitions::r4().name(*ty), p.definition.code)).collect();
    eprintln!(
        "{} of {} parameters without a row in the examples: {}",
        empty.len(),
        own.len(),
        empty.join(" ")
    );
    assert!(empty.len() * 3 < own.len(), "{} of {} parameters have no row", empty.len(), own.len());
}
