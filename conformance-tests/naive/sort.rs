//! The order of results (<https://hl7.org/fhir/R4/search.html#sort>): of several values the one that
//! comes first in the order asked for; what has none comes last.

use super::text::{fold, strings};
use super::{Stored, Value, World, date, number, quantity, tokens};
use remit_spec::SearchKind;
use rust_decimal::Decimal;
use std::cmp::Ordering;

/// A key of `_sort`.
#[derive(Clone, Debug)]
pub(crate) struct SortKey {
    pub(crate) code: String,
    pub(crate) is_falling: bool,
}

/// What is compared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Key {
    Time(i128),
    Number(Decimal),
    /// A number of what is measured; without that, of several things at once.
    Measured(Option<&'static str>, Decimal),
    Text(String),
}

impl World {
    /// What a resource is sorted by.
    pub(crate) fn keys(&self, stored: &Stored, sort: &[SortKey]) -> Vec<Option<Key>> {
        sort.iter().map(|key| self.key(stored, key)).collect()
    }

    fn key(&self, stored: &Stored, key: &SortKey) -> Option<Key> {
        match key.code.as_str() {
            "_id" => return Some(Key::Text(stored.id.clone())),
            "_lastUpdated" => return Some(Key::Time(stored.updated)),
            _ => {}
        }
        let parameter = self.parameter(stored.ty, &key.code);
        let values = self.values(stored, parameter);
        let number = |range: number::Range| {
            let end = if key.is_falling { range.high } else { range.low };
            let open = if key.is_falling { Decimal::MAX } else { Decimal::MIN };
            Key::Number(end.value.unwrap_or(open))
        };
        let all: Vec<Key> = match parameter.kind {
            SearchKind::Date => {
                let end = |(low, high)| Key::Time(if key.is_falling { high } else { low });
                values.iter().filter_map(date::of).map(end).collect()
            }
            SearchKind::String => {
                let texts = values.iter().flat_map(strings).filter(|t| !t.trim().is_empty());
                texts.map(|t| Key::Text(fold(&t))).collect()
            }
            SearchKind::Number => values.iter().filter_map(number::of).map(number).collect(),
            SearchKind::Quantity => {
                let all: Vec<_> = values.iter().filter_map(quantity::of).map(|m| m.sorted()).collect();
                let is_canonical = all.iter().any(|(what, _)| what.is_some());
                let all: Vec<_> =
                    all.into_iter().filter(|(what, _)| what.is_some() == is_canonical).collect();
                let is_one = all.windows(2).all(|two| two[0].0 == two[1].0);
                let what = |what: Option<&'static str>| is_one.then(|| what.unwrap_or_default());
                let measured = |(of, range)| match number(range) {
                    Key::Number(number) => Key::Measured(what(of), number),
                    key => key,
                };
                all.into_iter().map(measured).collect()
            }
            SearchKind::Token => {
                let codes = values.iter().flat_map(codes);
                codes.filter(|code| !code.is_empty()).map(Key::Text).collect()
            }
            SearchKind::Uri => {
                values.iter().flat_map(|v| urls(v.ty, v.json.as_str())).map(text_key).collect()
            }
            SearchKind::Reference => {
                let texts = values.iter().filter_map(|v| v.json["reference"].as_str().or(v.json.as_str()));
                let local: Vec<_> = texts.clone().filter_map(|t| self.local(t)).map(Key::Text).collect();
                let canonical = values.iter().filter(|v| v.ty == "canonical");
                let urls = canonical.flat_map(|v| urls(v.ty, v.json.as_str()));
                let elsewhere = texts.filter(|t| t.contains(':')).chain(urls).map(text_key);
                if local.is_empty() { elsewhere.collect() } else { local }
            }
            kind => panic!("no sorting by {}", kind.code()),
        };
        if key.is_falling { all.into_iter().max() } else { all.into_iter().min() }
    }
}

/// The codes of a value; a text has no letter case here.
fn codes(value: &Value) -> Vec<String> {
    let all = tokens(value, "").into_iter().map(|(_, code)| code);
    if value.ty == "string" { all.map(|code| code.to_lowercase()).collect() } else { all.collect() }
}

/// A canonical with a version counts with it and without.
fn urls<'v>(ty: &str, text: Option<&'v str>) -> impl Iterator<Item = &'v str> {
    let bare = text.filter(|_| ty == "canonical").and_then(|text| Some(text.split_once('|')?.0));
    text.into_iter().chain(bare)
}

fn text_key(text: &str) -> Key {
    Key::Text(text.to_owned())
}

/// How two resources stand to each other in the order asked for.
pub(crate) fn compare(a: &[Option<Key>], b: &[Option<Key>], sort: &[SortKey]) -> Ordering {
    let each = a.iter().zip(b).zip(sort).map(|((a, b), key)| match (a, b) {
        // Nobody says whether a kilogram or a mile is more.
        (Some(Key::Measured(of, _)), Some(Key::Measured(other, _))) if of.is_none() || of != other => {
            Ordering::Less
        }
        (Some(a), Some(b)) if key.is_falling => b.cmp(a),
        (Some(a), Some(b)) => a.cmp(b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    each.fold(Ordering::Equal, Ordering::then)
}
