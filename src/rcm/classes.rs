//! What an adjustment of a payer means, by its reason code: the shipped ConceptMap, with a practice's own
//! before it. The SQLView `denial_class` says the same for figures; a test compares the two.

use super::artefacts::artefacts_of;
use super::library::items;
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Claim adjustment reason codes.
pub const REASONS: &str = "https://x12.org/codes/claim-adjustment-reason-codes";
const CLASS: &str = "https://remit.example/fhir/rcm/CodeSystem/rcm-denial-class";
/// The system of categories of denials.
pub const CATEGORY: &str = "https://remit.example/fhir/rcm/CodeSystem/rcm-denial-category";

/// Class and category of a reason code; a code that no map names is a denial of the category `other`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meaning {
    /// `patient-share`, `contractual`, `cob` or `denial`.
    pub class: String,
    /// Of a denial what it is about: `authorization`, `coding`, …
    pub category: String,
}

impl Meaning {
    fn unknown() -> Meaning {
        Meaning { class: "denial".to_owned(), category: "other".to_owned() }
    }
}

#[derive(Clone, Default)]
struct Rule {
    class: Option<String>,
    category: Option<String>,
}

static DEFAULT: LazyLock<HashMap<String, Rule>> = LazyLock::new(|| {
    let mut rules = HashMap::new();
    for artefact in artefacts_of("ConceptMap") {
        let map = serde_json::from_str(artefact.json).expect("a shipped ConceptMap is JSON; a test reads it");
        read(&map, |code, rule| merge(rules.entry(code).or_default(), rule));
    }
    rules
});

/// Of several values the last in order counts, as in the SQL.
fn merge(old: &mut Rule, new: Rule) {
    old.class = old.class.take().max(new.class);
    old.category = old.category.take().max(new.category);
}

/// Calls `add` with every code of a ConceptMap.
fn read(map: &Json, mut add: impl FnMut(String, Rule)) {
    for group in items(&map["group"]).filter(|group| group["source"] == REASONS) {
        for element in items(&group["element"]) {
            let (Some(code), Some(target)) =
                (element["code"].as_str(), element["target"][0]["code"].as_str().map(str::to_owned))
            else {
                continue;
            };
            match group["target"].as_str() {
                Some(CLASS) => add(code.to_owned(), Rule { class: Some(target), category: None }),
                Some(CATEGORY) => add(code.to_owned(), Rule { class: None, category: Some(target) }),
                _ => {}
            }
        }
    }
}

/// The classes of a practice.
#[derive(Clone, Default)]
pub struct Classes {
    /// By payer (`Organization/…`, empty for all of them) and reason code.
    own: HashMap<(String, String), Rule>,
}

impl Classes {
    /// The shipped classes with a practice's own ConceptMaps before them.
    pub fn of<'m>(maps: impl IntoIterator<Item = &'m Json>) -> Classes {
        let mut classes = Classes::default();
        for map in maps.into_iter().filter(|map| map["status"] == "active") {
            let payer = items(&map["useContext"])
                .filter(|context| context["code"]["code"] == "payer")
                .find_map(|context| context["valueReference"]["reference"].as_str())
                .unwrap_or_default();
            read(map, |code, rule| {
                merge(classes.own.entry((payer.to_owned(), code)).or_default(), rule);
            });
        }
        classes
    }

    /// What a code means from a payer.
    pub fn meaning(&self, payer: &str, code: &str) -> Meaning {
        let of = |payer: &str| self.own.get(&(payer.to_owned(), code.to_owned()));
        let shipped = DEFAULT.get(code);
        let own = of(payer).or_else(|| of(""));
        let pick = |part: fn(&Rule) -> &Option<String>| {
            own.and_then(|rule| part(rule).clone()).or_else(|| shipped.and_then(|rule| part(rule).clone()))
        };
        let unknown = Meaning::unknown();
        Meaning {
            class: pick(|rule| &rule.class).unwrap_or(unknown.class),
            category: pick(|rule| &rule.category).unwrap_or(unknown.category),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(payer: Option<&str>, code: &str, class: &str) -> Json {
        let context = payer
            .map(|payer| json!([{ "code": { "code": "payer" }, "valueReference": { "reference": payer } }]));
        json!({ "resourceType": "ConceptMap", "status": "active", "useContext": context, "group": [{
            "source": REASONS, "target": CLASS,
            "element": [{ "code": code, "target": [{ "code": class, "equivalence": "wider" }] }] }] })
    }

    #[test]
    fn a_payers_own_class_goes_before_that_of_the_practice_and_the_shipped_one() {
        let classes = Classes::of(&[
            map(None, "45", "denial"),
            map(Some("Organization/p1"), "45", "contractual"),
            map(None, "X9", "contractual"),
        ]);
        let cases = [
            ("Organization/p1", "45", "contractual", "contractual"),
            ("Organization/p2", "45", "denial", "contractual"),
            ("Organization/p2", "X9", "contractual", "other"),
            ("Organization/p2", "197", "denial", "authorization"),
            ("Organization/p2", "1", "patient-share", "patient-share"),
            ("Organization/p2", "23", "cob", "cob"),
            ("", "no such code", "denial", "other"),
        ];
        for (payer, code, class, category) in cases {
            let meaning = classes.meaning(payer, code);
            assert_eq!(
                (meaning.class.as_str(), meaning.category.as_str()),
                (class, category),
                "{payer} {code}"
            );
        }
    }

    /// Scenarios are for figures alone.
    fn shipped_scenarios() -> HashMap<String, String> {
        let mut scenarios = HashMap::new();
        for artefact in artefacts_of("ConceptMap") {
            let map: Json = serde_json::from_str(artefact.json).unwrap();
            let is_scenario = |group: &&Json| {
                group["target"].as_str().is_some_and(|to| to.ends_with("/rcm-denial-scenario"))
            };
            for element in items(&map["group"]).filter(is_scenario).flat_map(|group| items(&group["element"]))
            {
                let (code, to) = (&element["code"], &element["target"][0]["code"]);
                scenarios.insert(code.as_str().unwrap().to_owned(), to.as_str().unwrap().to_owned());
            }
        }
        assert!(!scenarios.is_empty());
        scenarios
    }

    #[test]
    fn the_shipped_map_the_sql_and_the_search_parameter_say_the_same() {
        let sql = include_str!("../../profiles/rcm/sql/denial_class.sql");
        let values = sql.split("(VALUES").nth(1).and_then(|rest| rest.split(") AS d(").next()).unwrap();
        let scenarios = shipped_scenarios();
        let mut seen = 0;
        for row in values.split('(').skip(1) {
            let words: Vec<&str> = row.split('\'').skip(1).step_by(2).collect();
            let meaning = Classes::default().meaning("", words[0]);
            assert_eq!(meaning, Meaning { class: words[1].into(), category: words[2].into() }, "{row}");
            assert_eq!(words[3], scenarios.get(words[0]).map_or("other", String::as_str), "{row}");
            seen += 1;
        }
        assert_eq!(seen, DEFAULT.len());
        let parameter = include_str!("../../profiles/rcm/search-parameters/claim-response-rcm-result.json");
        let lists: Vec<Vec<&str>> = parameter
            .split("'|")
            .skip(1)
            .filter_map(|rest| rest.split_once("|'.contains"))
            .map(|(list, _)| list.split('|').collect())
            .collect();
        assert!(!lists.is_empty());
        for list in lists {
            let is_share = list.len() == 3;
            let mut expected: Vec<&str> = DEFAULT
                .iter()
                .filter(|(_, rule)| match rule.class.as_deref() {
                    Some("patient-share") => true,
                    Some("denial") => false,
                    _ => !is_share,
                })
                .map(|(code, _)| code.as_str())
                .collect();
            expected.sort_unstable();
            let mut list = list;
            list.sort_unstable();
            assert_eq!(list, expected);
        }
    }
}
