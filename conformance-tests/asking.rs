//! A search asked of the server, page after page, against what the naive evaluator finds in the same
//! resources.

use crate::http::Client;
use crate::naive::{SortKey, Stored, World, compare_keys};
use serde_json::Value;
use std::collections::BTreeSet;

/// A search and how its answer is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// The types searched; several are asked of the whole system with `_type`.
    pub(crate) types: Vec<&'static str>,
    pub(crate) criteria: Vec<(String, String)>,
    pub(crate) sort: Vec<SortKey>,
    pub(crate) count: usize,
    pub(crate) is_total_asked: bool,
    pub(crate) is_posted: bool,
}

impl Query {
    /// A search in the usual order and pages.
    pub(crate) fn of(types: Vec<&'static str>, criteria: Vec<(String, String)>) -> Query {
        Query { types, criteria, sort: Vec::new(), count: 20, is_total_asked: true, is_posted: false }
    }
}

/// A server to ask, and all that it holds.
pub(crate) struct Asking<'w> {
    pub(crate) world: &'w World,
    pub(crate) client: &'w mut Client,
}

fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Type and parameters of a search, as a URL has them.
pub(crate) fn url(query: &Query) -> (String, String) {
    let mut pairs: Vec<(String, String)> = Vec::new();
    if query.types.len() > 1 {
        pairs.push(("_type".into(), query.types.join(",")));
    }
    pairs.extend(query.criteria.iter().cloned());
    if !query.sort.is_empty() {
        let key = |k: &SortKey| format!("{}{}", if k.is_falling { "-" } else { "" }, k.code);
        pairs.push(("_sort".into(), query.sort.iter().map(key).collect::<Vec<_>>().join(",")));
    }
    pairs.push(("_count".into(), query.count.to_string()));
    if query.is_total_asked {
        pairs.push(("_total".into(), "accurate".into()));
    }
    let text: Vec<_> = pairs.iter().map(|(n, v)| format!("{}={}", encoded(n), encoded(v))).collect();
    let path = if query.types.len() > 1 { String::new() } else { query.types[0].to_owned() };
    (path, text.join("&"))
}

impl Asking<'_> {
    /// The names found in the order of all pages, or what is wrong with them.
    fn pages(&mut self, query: &Query, expected: usize) -> Result<Vec<String>, String> {
        let (path, parameters) = url(query);
        let mut found = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let answer = match &next {
                Some(link) => self.client.get(link),
                None if query.is_posted => {
                    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
                    let path = if path.is_empty() { "_search".to_owned() } else { format!("{path}/_search") };
                    self.client
                        .send("POST", &path, &headers, parameters.as_bytes())
                        .map_err(|e| e.to_string())?
                }
                None => self.client.get(&format!("{path}?{parameters}")),
            };
            if answer.status != 200 {
                return Err(format!("{}: {}", answer.status, answer.text()));
            }
            let page = answer.json();
            let entries = page["entry"].as_array().map_or(&[][..], Vec::as_slice);
            if entries.len() > query.count {
                return Err(format!("a page of {} has {}", query.count, entries.len()));
            }
            let total = page["total"].as_u64();
            if next.is_none() && (query.is_total_asked || total.is_some()) && total != Some(expected as u64) {
                return Err(format!("a total of {total:?}, not {expected}"));
            }
            found.extend(entries.iter().map(|entry| name_of(&entry["resource"])));
            let links = page["link"].as_array().map_or(&[][..], Vec::as_slice);
            next = links
                .iter()
                .find(|l| l["relation"] == "next")
                .and_then(|l| l["url"].as_str().map(str::to_owned));
            if next.is_none() {
                return Ok(found);
            }
            if entries.is_empty() {
                return Err("an empty page with a next one".into());
            }
        }
    }

    /// Asks, and says the difference to what the evaluator finds.
    pub(crate) fn differs(&mut self, query: &Query) -> Option<String> {
        let expected: BTreeSet<String> =
            self.world.search(&query.types, &query.criteria).iter().map(|s| s.name()).collect();
        let found = match self.pages(query, expected.len()) {
            Ok(found) => found,
            Err(fault) if fault.contains("too-costly") => return None,
            Err(fault) => return Some(fault),
        };
        let names: BTreeSet<String> = found.iter().cloned().collect();
        let one = |names: Vec<&String>| {
            names.first().and_then(|name| self.world.get(name)).map_or("", |stored| stored.text()).to_owned()
        };
        let (missing, more): (Vec<_>, Vec<_>) =
            (expected.difference(&names).collect(), names.difference(&expected).collect());
        if !missing.is_empty() || !more.is_empty() {
            let (a, b) = (one(missing.clone()), one(more.clone()));
            return Some(format!("missing {missing:?}, too many {more:?}\n{a}\n{b}"));
        }
        if names.len() != found.len() {
            return Some(format!("some twice: {found:?}"));
        }
        self.out_of_order(query, &found)
    }

    fn out_of_order(&self, query: &Query, found: &[String]) -> Option<String> {
        let keys: Vec<_> = found
            .iter()
            .filter_map(|name| self.world.get(name))
            .map(|stored| (stored, self.world.keys(stored, &query.sort)))
            .collect();
        let wrong = keys.windows(2).find(|w| compare_keys(&w[0].1, &w[1].1, &query.sort).is_gt())?;
        let shown = |(stored, keys): &(&Stored, Vec<_>)| format!("{keys:?} of {}", stored.text());
        Some(format!("out of order:\n{}\n{}", shown(&wrong[0]), shown(&wrong[1])))
    }

    /// What comes along with the matches of a search of one page.
    pub(crate) fn included(&mut self, query: &Query, includes: &[(String, String)]) -> BTreeSet<String> {
        let (path, mut parameters) = url(query);
        for (name, value) in includes {
            parameters.push_str(&format!("&{name}={}", encoded(value)));
        }
        let page = self.client.get(&format!("{path}?{parameters}")).expect(200).json();
        let entries = page["entry"].as_array().map_or(&[][..], Vec::as_slice);
        let along = entries.iter().filter(|entry| entry["search"]["mode"] == "include");
        along.map(|entry| name_of(&entry["resource"])).collect()
    }
}

/// `Type/id`
pub(crate) fn name_of(resource: &Value) -> String {
    let text = |name: &str| resource[name].as_str().unwrap_or_default();
    format!("{}/{}", text("resourceType"), text("id"))
}
