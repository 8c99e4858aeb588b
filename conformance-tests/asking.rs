//! A search asked of the server, page after page, against what the naive evaluator finds in the same
//! resources.

use crate::http::Client;
use crate::naive::{SortKey, Stored, World, compare_keys};
use serde_json::Value;
use std::collections::BTreeSet;

/// A search and how its answer is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// The types searched; several are asked of the whole system with `_type`.
    pub(crate) types: Vec<&'static str>,
    pub(crate) criteria: Vec<(String, String)>,
    /// `Type/id` of the resource whose compartment is searched; all types of it when there are several.
    pub(crate) within: Option<String>,
    pub(crate) sort: Vec<SortKey>,
    /// Resources of each page in turn, the first ones again after the last.
    pub(crate) counts: Vec<usize>,
    /// `_total`, where it is said.
    pub(crate) total: Option<&'static str>,
    /// `_summary=count`
    pub(crate) is_counted: bool,
    pub(crate) is_posted: bool,
}

impl Query {
    /// A search in the usual order and pages.
    pub(crate) fn of(types: Vec<&'static str>, criteria: Vec<(String, String)>) -> Query {
        Query { types, criteria, counts: vec![20], total: Some("accurate"), ..Query::default() }
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
    pairs.push(("_count".into(), query.counts[0].to_string()));
    pairs.extend(query.total.map(|total| ("_total".into(), total.into())));
    if query.is_counted {
        pairs.push(("_summary".into(), "count".into()));
    }
    let text: Vec<_> = pairs.iter().map(|(n, v)| format!("{}={}", encoded(n), encoded(v))).collect();
    let path = match (&query.within, &query.types[..]) {
        (Some(owner), [ty]) => format!("{owner}/{ty}"),
        (Some(owner), _) => format!("{owner}/*"),
        (None, [ty]) => (*ty).to_owned(),
        (None, _) => String::new(),
    };
    (path, text.join("&"))
}

/// The address of the next page with another number of resources, which a client may ask for.
fn resized(link: &str, before: usize, count: usize) -> String {
    let said = format!("_count={before}&");
    assert!(link.contains(&said), "{link} goes on with pages of {before}");
    link.replacen(&said, &format!("_count={count}&"), 1)
}

/// The address that a page has under this relation.
fn link(page: &Value, relation: &str) -> Option<String> {
    let links = page["link"].as_array().map_or(&[][..], Vec::as_slice);
    let link = links.iter().find(|link| link["relation"] == relation)?;
    link["url"].as_str().map(str::to_owned)
}

fn names(page: &Value) -> Vec<String> {
    let entries = page["entry"].as_array().map_or(&[][..], Vec::as_slice);
    entries.iter().map(|entry| name_of(&entry["resource"])).collect()
}

/// What is wrong with the total of a page, when all that is found is so much.
fn wrong_total(query: &Query, page: &Value, expected: usize) -> Option<String> {
    let total = page["total"].as_u64();
    let is_right = match query.total {
        _ if query.is_counted => total == Some(expected as u64),
        Some("none") => total.is_none(),
        Some(_) => total == Some(expected as u64),
        None => total.is_none_or(|total| total == expected as u64),
    };
    (!is_right).then(|| format!("a total of {total:?}, not {expected}"))
}

impl Asking<'_> {
    /// The first page.
    fn first(&mut self, query: &Query) -> Result<Value, String> {
        let (path, parameters) = url(query);
        if !query.is_posted {
            return self.page(&format!("{path}?{parameters}"));
        }
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let path = if path.is_empty() { "_search".to_owned() } else { format!("{path}/_search") };
        let answer = self.client.send("POST", &path, &headers, parameters.as_bytes());
        let answer = answer.map_err(|e| e.to_string())?;
        if answer.status == 200 {
            Ok(answer.json())
        } else {
            Err(format!("{}: {}", answer.status, answer.text()))
        }
    }

    fn page(&mut self, address: &str) -> Result<Value, String> {
        let answer = self.client.get(address);
        if answer.status == 200 {
            Ok(answer.json())
        } else {
            Err(format!("{}: {}", answer.status, answer.text()))
        }
    }

    /// The names found in the order of all pages, or what is wrong with them.
    fn pages(&mut self, query: &Query, expected: usize) -> Result<Vec<String>, String> {
        let mut page = self.first(query)?;
        if let Some(wrong) = wrong_total(query, &page, expected) {
            return Err(wrong);
        }
        let mut found: Vec<String> = Vec::new();
        for turn in 0.. {
            let (count, after) =
                (query.counts[turn % query.counts.len()], query.counts[(turn + 1) % query.counts.len()]);
            let here = names(&page);
            if here.len() > count || (query.is_counted && !here.is_empty()) {
                return Err(format!("a page of {count} has {}", here.len()));
            }
            let next = link(&page, "next").map(|next| resized(&next, count, after));
            let is_empty = here.is_empty();
            found.extend(here);
            match next {
                Some(_) if is_empty => return Err("an empty page with a next one".into()),
                Some(next) => page = self.page(&next)?,
                None => break,
            }
        }
        self.backwards(page, &found)?;
        Ok(found)
    }

    /// Goes back from the last page: before it stands what was shown before.
    fn backwards(&mut self, last: Value, found: &[String]) -> Result<(), String> {
        let (mut page, mut back) = (last, Vec::new());
        loop {
            back.extend(names(&page).into_iter().rev());
            match link(&page, "previous") {
                Some(previous) => page = self.page(&previous)?,
                None => break,
            }
        }
        if back.iter().rev().eq(found) { Ok(()) } else { Err(format!("{found:?}, but backwards {back:?}")) }
    }

    /// Asks, and says the difference to what the evaluator finds.
    pub(crate) fn differs(&mut self, query: &Query) -> Option<String> {
        let expected: BTreeSet<String> = self
            .world
            .search(query.within.as_deref(), &query.types, &query.criteria)
            .iter()
            .map(|s| s.name())
            .collect();
        let found = match self.pages(query, expected.len()) {
            Ok(_) if query.is_counted => return None,
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
