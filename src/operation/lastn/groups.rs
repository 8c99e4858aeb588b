//! Groups of observations by code.

use remit_fhir::Node;
use remit_search::Key;
use remit_store::Match;
use std::collections::HashMap;

/// What tells codes apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Code {
    /// System and code of a coding.
    Coding(Box<str>, Box<str>),
    /// The text, where there is no coding.
    Text(Box<str>),
    /// Neither.
    None,
}

/// Groups while observations come in, newest first.
pub(super) struct Groups {
    max: usize,
    codes: HashMap<Code, usize>,
    /// The group that each group became part of; itself when it stands alone.
    joined: Vec<usize>,
    /// What is kept of each, newest first, with its place in the order of arrival.
    kept: Vec<Vec<(usize, Match)>>,
    arrived: usize,
}

impl Groups {
    /// Groups that keep `max` observations each, and those as new as the last of them.
    pub(super) fn new(max: usize) -> Groups {
        Groups { max, codes: HashMap::new(), joined: Vec::new(), kept: Vec::new(), arrived: 0 }
    }

    /// Observations that are kept.
    pub(super) fn len(&self) -> usize {
        self.kept.iter().map(Vec::len).sum()
    }

    /// Takes the next observation, which is no newer than any before.
    pub(super) fn add(&mut self, code: Option<Node<'_>>, found: Match) {
        let mut group = None;
        for code in codes(code) {
            let next = self.joined.len();
            let at = *self.codes.entry(code).or_insert(next);
            if at == next {
                self.joined.push(next);
                self.kept.push(Vec::new());
            }
            let at = self.root(at);
            group = Some(group.map_or(at, |group| self.join(group, at)));
        }
        if let Some(group) = group {
            self.arrived += 1;
            self.kept[group].push((self.arrived, found));
            self.cut(group);
        }
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.joined[at] != at {
            self.joined[at] = self.joined[self.joined[at]];
            at = self.joined[at];
        }
        at
    }

    /// Makes one group of two. What either has dropped is older than `max` of the whole.
    fn join(&mut self, one: usize, other: usize) -> usize {
        if one != other {
            self.joined[other] = one;
            let more = std::mem::take(&mut self.kept[other]);
            self.kept[one].extend(more);
            self.kept[one].sort_unstable_by_key(|(arrived, _)| *arrived);
            self.cut(one);
        }
        one
    }

    /// Drops what is older than the newest `max`; what is as new as the last of them stays.
    fn cut(&mut self, group: usize) {
        let all = &mut self.kept[group];
        if let Some((_, last)) = all.get(self.max.saturating_sub(1)) {
            let time = time(last).cloned();
            let end = all.iter().skip(self.max).position(|(_, m)| time.is_none() || time != time_of(m));
            if let Some(end) = end {
                all.truncate(self.max + end);
            }
        }
    }

    /// What is kept, newest first.
    pub(super) fn into_newest(self) -> Vec<Match> {
        let mut all: Vec<_> = self.kept.into_iter().flatten().collect();
        all.sort_unstable_by_key(|(arrived, _)| *arrived);
        all.into_iter().map(|(_, found)| found).collect()
    }
}

/// The effective time: the key by which observations are sorted. `None` when there is none.
fn time(found: &Match) -> Option<&Key> {
    found.keys.first().filter(|key| **key != Key::Null)
}

fn time_of(found: &Match) -> Option<Key> {
    time(found).cloned()
}

/// The codes of a CodeableConcept, of which one at least is given.
fn codes(concept: Option<Node<'_>>) -> Vec<Code> {
    let codings = concept.and_then(|c| c.get("coding")).into_iter().flat_map(Node::each);
    let coding = |coding: Node<'_>| {
        let code = coding.get_str("code")?;
        Some(Code::Coding((*coding.get_str("system").unwrap_or_default()).into(), (*code).into()))
    };
    let all: Vec<Code> = codings.filter_map(coding).collect();
    if !all.is_empty() {
        return all;
    }
    let text = concept.and_then(|c| c.get_str("text"));
    vec![text.map_or(Code::None, |text| Code::Text((*text).into()))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_fhir::json;
    use remit_spec::Definitions;
    use remit_store::Stored;

    /// Adds observations, each with the time, and its codes or text; the ids that are left.
    fn left(max: usize, all: &[(i64, &str)]) -> Vec<String> {
        let ty = Definitions::r4().resource_named("Observation").unwrap();
        let mut groups = Groups::new(max);
        for (n, (time, codes)) in all.iter().enumerate() {
            let concept = match codes.strip_prefix('\'') {
                Some(text) => format!(r#"{{"text":"{text}"}}"#),
                None => {
                    let codings: Vec<_> =
                        codes.split(',').map(|c| format!(r#"{{"system":"s","code":"{c}"}}"#)).collect();
                    format!(r#"{{"coding":[{}]}}"#, codings.join(","))
                }
            };
            let document = json::parse(concept).unwrap();
            let stored = Stored { ty, id: n.to_string(), version: 1, updated_us: 0, body: None };
            let key = if *time == 0 { Key::Null } else { Key::Int(*time) };
            let found = Match { stored, rid: n as i64, keys: vec![key, Key::Int(n as i64)] };
            groups.add(Some(document.root()), found);
        }
        groups.into_newest().into_iter().map(|m| m.stored.id).collect()
    }

    #[test]
    fn codes_that_translate_into_each_other_are_one_group() {
        // The table of the definition: how many groups there are.
        assert_eq!(left(1, &[(3, "a"), (2, "b"), (1, "c")]), ["0", "1", "2"]);
        assert_eq!(left(1, &[(3, "a"), (2, "b"), (1, "a,c")]), ["0", "1"]);
        assert_eq!(left(1, &[(3, "a"), (2, "b"), (1, "a,b")]), ["0"]);
        assert_eq!(left(1, &[(3, "'textM"), (2, "'Text"), (1, "'t e x t")]), ["0", "1", "2"]);
        // Through a third one that comes last.
        assert_eq!(left(2, &[(6, "a"), (5, "b"), (4, "a"), (3, "b"), (2, "c"), (1, "a,b,c")]), ["0", "1"]);
    }

    #[test]
    fn what_is_as_new_as_the_last_is_kept_too() {
        assert_eq!(left(1, &[(3, "a"), (3, "a"), (2, "a")]), ["0", "1"]);
        assert_eq!(left(3, &[(5, "a"), (4, "a"), (3, "a"), (3, "a"), (2, "a")]), ["0", "1", "2", "3"]);
        assert_eq!(left(1, &[(3, "a"), (2, "b"), (2, "b"), (1, "a,b")]), ["0"]);
        // Without a time nothing is as new.
        assert_eq!(left(1, &[(0, "a"), (0, "a")]), ["0"]);
    }
}
