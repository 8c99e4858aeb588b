//! Random searches over the values that are there: every type of parameter, prefix and modifier, chains,
//! `_has`, compartments, alternatives and conjunctions, order, pages, totals.

use super::data::TYPES;
use super::definitions::{STORED, sets};
use super::pool::{CODES, LATITUDES, LONGITUDES};
use super::random::Random;
use crate::asking::Query;
use crate::naive::{
    SortKey, Stored, Value, World, beside, components, escape, fold, links, split, strings, tokens,
    type_named,
};
use remit_spec::{Definitions, SearchKind, SearchParameter};

/// Parameters without an expression, with rules of their own, or about words.
const LEFT_OUT: [&str; 8] =
    ["_text", "_content", "_query", "_id", "_lastUpdated", "near", "relationship", "_filter"];

const PREFIXES: [&str; 10] = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

/// Most references that one criterion follows.
const MAX_DEPTH: usize = 2;

/// Makes searches over what a world holds.
pub(crate) struct Queries<'w> {
    pub(crate) world: &'w World,
    pub(crate) random: Random,
}

impl<'w> Queries<'w> {
    /// A search of one type or of a few.
    pub(crate) fn query(&mut self) -> Query {
        let ty = *self.random.pick(&TYPES);
        let other = *self.random.pick(&TYPES);
        let within = if self.random.percent(15) { self.compartment() } else { None };
        let types = match &within {
            Some(owner) => self.members(owner),
            None if self.random.percent(8) && ty != other => vec![ty, other],
            None => vec![ty],
        };
        let (ty, is_of_many) = (types[0], types.len() > 1);
        let least = usize::from(within.is_none());
        let count = least + usize::from(self.random.percent(50)) + usize::from(self.random.percent(30));
        let mut criteria = Vec::new();
        while criteria.len() < count {
            let one = if is_of_many { self.common(&types) } else { self.criterion(ty, 0) };
            criteria.extend(one);
        }
        let sort = if self.random.percent(40) && !is_of_many { self.sort(ty) } else { Vec::new() };
        let pages = 1 + self.random.below(3);
        Query {
            types,
            criteria,
            within,
            sort,
            counts: (0..pages).map(|_| *self.random.pick(&[1, 2, 3, 5, 10, 50, 1000])).collect(),
            total: *self.random.pick(&[None, None, Some("accurate"), Some("estimate"), Some("none")]),
            is_counted: self.random.percent(8),
            is_posted: self.random.percent(10),
        }
    }

    /// A resource that names a compartment; it need not be there.
    fn compartment(&mut self) -> Option<String> {
        let ty = *self.random.pick(&["Patient", "Patient", "Encounter", "Practitioner"]);
        Some(match self.random.percent(90) {
            true => self.any_of(ty)?.name(),
            false => format!("{ty}/n1"),
        })
    }

    /// One of the types that belong to a compartment, or all.
    fn members(&mut self, owner: &str) -> Vec<&'static str> {
        let kind = owner.split('/').next().unwrap_or_default();
        let mut all: Vec<&'static str> = TYPES.to_vec();
        all.retain(|ty| *ty == kind || !links(kind, ty).is_empty());
        if self.random.percent(40) { all } else { vec![*self.random.pick(&all)] }
    }

    pub(super) fn parameters(&self, ty: &str) -> Vec<&'static SearchParameter> {
        let definitions = Definitions::r4();
        let all = definitions.search_parameters(type_named(ty)).iter().map(|id| definitions.parameter(*id));
        // Those without an expression follow from other resources; `recovery.rs` has them.
        all.filter(|p| !LEFT_OUT.contains(&p.code) && p.expression.is_some()).collect()
    }

    /// A criterion that all types know.
    fn common(&mut self, types: &[&'static str]) -> Option<(String, String)> {
        let ty = types[0];
        if self.random.percent(30) {
            return self.of_the_resource(ty);
        }
        let mut all = self.parameters(ty);
        all.retain(|p| p.code.starts_with('_'));
        let parameter = *self.random.pick(&all);
        self.plain(ty, parameter)
    }

    /// A criterion of a type, `name` and `value`; nothing when the choice gave none.
    fn criterion(&mut self, ty: &'static str, depth: usize) -> Option<(String, String)> {
        match self.random.below(100) {
            0..6 => return self.of_the_resource(ty),
            6..12 if depth < MAX_DEPTH => return self.reverse(ty, depth),
            12..19 if depth < MAX_DEPTH => return Some(("_filter".into(), self.filter(ty, 0)?)),
            19..60 if ty == "Location" => return Some(("near".into(), self.near())),
            _ => {}
        }
        let all = self.parameters(ty);
        let parameter = *self.random.pick(&all);
        // Parameters with values in some resource are worth more.
        if self.some_values(ty, parameter).is_empty() && self.random.percent(85) {
            return None;
        }
        if parameter.kind == SearchKind::Reference && depth < MAX_DEPTH && self.random.percent(35) {
            return self.chain(ty, parameter, depth);
        }
        self.plain(ty, parameter)
    }

    /// `latitude|longitude|distance|units`
    fn near(&mut self) -> String {
        let (latitude, longitude) = (self.random.one(&LATITUDES), self.random.one(&LONGITUDES));
        let distance = self.random.one(&["0.001", "1", "1.2", "12", "100", "1113", "5000", "10000", "20000"]);
        let unit = self.random.one(&["", "|", "|km", "|m", "|[mi_i]"]);
        match self.random.percent(15) {
            true => format!("{latitude}|{longitude}"),
            false => format!("{latitude}|{longitude}|{distance}{unit}"),
        }
    }

    pub(super) fn any_of(&mut self, ty: &str) -> Option<&'w Stored> {
        let all: Vec<_> = self.world.of(&[ty]).collect();
        (!all.is_empty()).then(|| *self.random.pick(&all))
    }

    /// `_id`, `_lastUpdated`, `_list`.
    fn of_the_resource(&mut self, ty: &str) -> Option<(String, String)> {
        let one = self.any_of(ty)?;
        Some(match self.random.below(3) {
            0 => {
                let other = self.any_of(ty)?;
                ("_id".into(), format!("{},{},none", one.id, other.id))
            }
            1 => {
                let at = jiff::Timestamp::from_microsecond(one.updated as i64).ok()?.to_string();
                let prefix = *self.random.pick(&["gt", "lt", "ge", "le", "sa", "eb", "ne", ""]);
                let cut = *self.random.pick(&[10, 16, 19, at.len() - 1]);
                let zone = if cut > 10 { "Z" } else { "" };
                ("_lastUpdated".into(), format!("{prefix}{}{zone}", &at[..cut.min(at.len() - 1)]))
            }
            _ => ("_list".into(), self.any_of("List")?.id.clone()),
        })
    }

    /// The values of a parameter in a few resources; may be none.
    pub(super) fn some_values(&mut self, ty: &str, parameter: &'static SearchParameter) -> Vec<Value> {
        for _ in 0..6 {
            let Some(stored) = self.any_of(ty) else { return Vec::new() };
            let values = self.world.values(stored, parameter);
            if !values.is_empty() {
                return values.to_vec();
            }
        }
        Vec::new()
    }

    /// A criterion without a chain: the parameter, a modifier, one to three values.
    fn plain(&mut self, ty: &str, parameter: &'static SearchParameter) -> Option<(String, String)> {
        if self.random.percent(8) && parameter.kind != SearchKind::Composite {
            let answer = if self.random.percent(50) { "true" } else { "false" };
            return Some((format!("{}:missing", parameter.code), answer.into()));
        }
        let values = self.some_values(ty, parameter);
        let value = (!values.is_empty()).then(|| self.random.pick(&values).clone())?;
        let modifier = self.modifier(parameter, &value);
        let mut texts = vec![self.text(parameter, &modifier, &value)?];
        for _ in 0..[0, 0, 0, 1, 2][self.random.below(5)] {
            let others = self.some_values(ty, parameter);
            let fit: Vec<_> =
                others.into_iter().filter(|o| self.fits(parameter.kind, &modifier, o)).collect();
            if !fit.is_empty() {
                let other = self.random.pick(&fit).clone();
                texts.extend(self.text(parameter, &modifier, &other));
            }
        }
        let name = if modifier.is_empty() {
            parameter.code.into()
        } else {
            format!("{}:{modifier}", parameter.code)
        };
        Some((name, texts.join(",")))
    }

    /// Whether a value gives a text for a modifier.
    fn fits(&self, parameter: SearchKind, modifier: &str, value: &Value) -> bool {
        match modifier {
            "of-type" => value.json["type"]["coding"].is_array() && value.json["value"].is_string(),
            "identifier" => value.json["identifier"]["value"].is_string(),
            "text" => beside(value).iter().any(|text| has_letters(text)),
            "in" | "not-in" => self.is_coded(value),
            "above" | "below" if parameter == SearchKind::Token => self.is_coded(value),
            "above" | "below" => value.json.as_str().is_some_and(|uri| uri.contains("://")),
            _ => true,
        }
    }

    /// Whether a value is a code, which may be in a value set.
    pub(super) fn is_coded(&self, value: &Value) -> bool {
        matches!(value.ty, "CodeableConcept" | "Coding" | "code" | "boolean")
    }

    /// A place in a code system: one of the value where it has one, or any.
    pub(super) fn place(&mut self, value: &Value) -> Option<String> {
        let all = tokens(value, "");
        let known = all.iter().find(|(system, code)| STORED.contains(&&**system) && !code.is_empty());
        let (system, code) = known.map_or_else(
            || (self.random.one(&STORED), self.random.one(&CODES)),
            |(system, code)| (&**system, &**code),
        );
        Some(format!("{}|{}", escape(system), escape(code)))
    }

    fn modifier(&mut self, parameter: &SearchParameter, value: &Value) -> String {
        let all: &[&str] = match parameter.kind {
            SearchKind::Token => {
                &["", "", "", "not", "text", "code-text", "of-type", "in", "not-in", "above", "below"]
            }
            SearchKind::String => &["", "", "exact", "contains"],
            SearchKind::Uri => &["", "", "above", "below"],
            SearchKind::Reference => &["", "", "", "identifier", "text", "type"],
            _ => &[""],
        };
        let modifier = *self.random.pick(all);
        if !self.fits(parameter.kind, modifier, value) {
            return String::new();
        }
        let to = || value.json["reference"].as_str().and_then(|text| self.world.local(text));
        match modifier {
            "type" => to().and_then(|to| to.split('/').next().map(str::to_owned)).unwrap_or_default(),
            _ => modifier.to_owned(),
        }
    }

    /// A value of a resource as a value of a URL.
    pub(super) fn text(
        &mut self,
        parameter: &'static SearchParameter,
        modifier: &str,
        value: &Value,
    ) -> Option<String> {
        match parameter.kind {
            SearchKind::Token => self.token(modifier, value),
            SearchKind::String => self.string(modifier, value),
            SearchKind::Uri => Some(escape(value.json.as_str()?)),
            SearchKind::Reference => self.reference(modifier, value),
            SearchKind::Date => self.date(value),
            SearchKind::Number => {
                let number = numbers(&value.json).into_iter().next()?;
                Some(self.number(&number))
            }
            SearchKind::Quantity => self.quantity(value),
            SearchKind::Composite => {
                let parts = components(parameter);
                let found: Option<Vec<Value>> = value.parts.iter().map(|p| p.first().cloned()).collect();
                let texts: Option<Vec<String>> =
                    found?.iter().zip(parts).map(|(value, part)| self.text(part, "", value)).collect();
                texts.map(|texts| texts.join("$"))
            }
            SearchKind::Special => None,
        }
    }

    pub(super) fn token(&mut self, modifier: &str, value: &Value) -> Option<String> {
        match modifier {
            "above" | "below" => return self.place(value),
            "in" | "not-in" => {
                let all = sets();
                let at = self.random.below(all.len());
                let text = if self.random.percent(70) { all[at].clone() } else { format!("ValueSet/s{at}") };
                return Some(escape(&text));
            }
            "text" => return self.words(value),
            "of-type" => {
                let coding = &value.json["type"]["coding"][0];
                let code = coding["code"].as_str()?;
                return Some(format!(
                    "{}|{code}|{}",
                    coding["system"].as_str()?,
                    escape(value.json["value"].as_str()?)
                ));
            }
            _ => {}
        }
        let all = tokens(value, "");
        let (system, code) = (!all.is_empty()).then(|| self.random.pick(&all).clone())?;
        let (system, code) = (escape(&system), escape(&code));
        if modifier == "code-text" {
            let start: String = code.chars().take(2).collect();
            return (!start.is_empty() && !start.ends_with('\\')).then(|| start.to_uppercase());
        }
        let has_system = matches!(value.ty, "CodeableConcept" | "Coding" | "Identifier");
        Some(match (has_system, system.is_empty(), code.is_empty(), self.random.below(4)) {
            (true, false, false, 0 | 1) => format!("{system}|{code}"),
            (true, true, false, 0) => format!("|{code}"),
            (true, false, false, 2) | (true, false, true, _) => format!("{system}|"),
            (_, _, false, _) => code,
            _ => return None,
        })
    }

    /// The beginning of a word of the text that stands beside a value.
    fn words(&mut self, value: &Value) -> Option<String> {
        let texts = beside(value);
        let text = texts.into_iter().find(|text| has_letters(text))?;
        let words: Vec<_> = text.split_whitespace().filter(|word| has_letters(word)).collect();
        let start: String = self.random.pick(&words).chars().take(1 + self.random.below(5)).collect();
        has_letters(&start).then(|| escape(&start))
    }

    fn string(&mut self, modifier: &str, value: &Value) -> Option<String> {
        let texts = strings(value);
        let text = (!texts.is_empty()).then(|| self.random.pick(&texts).clone())?;
        if modifier == "exact" {
            return Some(escape(if self.random.percent(80) { text } else { text.to_lowercase() }.as_str()));
        }
        let from = if modifier == "contains" { self.random.below(text.chars().count().max(1)) } else { 0 };
        let piece: String = text.chars().skip(from).take(1 + self.random.below(6)).collect();
        let piece = match self.random.below(3) {
            0 => piece.to_uppercase(),
            1 => fold(&piece),
            _ => piece,
        };
        has_letters(&piece).then(|| escape(&piece))
    }

    pub(super) fn reference(&mut self, modifier: &str, value: &Value) -> Option<String> {
        match modifier {
            "text" => return self.words(value),
            "identifier" => {
                let identifier =
                    Value { ty: "Identifier", json: value.json["identifier"].clone(), parts: Vec::new() };
                return self.token("", &identifier);
            }
            _ => {}
        }
        let text = value.json["reference"].as_str().or(value.json.as_str())?;
        let Some(local) = self.world.local(text) else {
            return text.contains(':').then(|| escape(text));
        };
        let id = local.split('/').nth(1)?.to_owned();
        Some(match (modifier.is_empty(), self.random.below(3)) {
            (true, 0) => local,
            (true, 1) => format!("{}/{local}", self.world.base),
            _ => id,
        })
    }

    /// One of the dates in a value, cut to some precision or put into another time zone.
    pub(super) fn date(&mut self, value: &Value) -> Option<String> {
        let mut dates = Vec::new();
        collect(&value.json, &mut |json| {
            dates.extend(
                json.as_str().filter(|t| t.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned),
            );
        });
        let date = (!dates.is_empty()).then(|| self.random.pick(&dates).clone())?;
        let prefix = *self.random.pick(&PREFIXES);
        let cut = match self.random.below(6) {
            0 => 4,
            1 => 7,
            2 => 10,
            _ => date.len(),
        };
        let mut date = date[..cut.min(date.len())].to_owned();
        if date.len() == 10 && self.random.percent(25) {
            date.push_str(self.random.one(&[
                "T07:08Z",
                "T00:00:00Z",
                "T23:59:59.999Z",
                "T07:08:09-05:00",
                "T12:00",
            ]));
        }
        Some(format!("{prefix}{date}"))
    }

    /// A number with a prefix, as it is or with other digits.
    fn number(&mut self, number: &str) -> String {
        let prefix = *self.random.pick(&PREFIXES);
        match self.random.below(5) {
            0 if !number.contains(['.', 'e']) => format!("{prefix}{number}.0"),
            1 if !number.contains('e') => format!("{prefix}{number}e0"),
            2 => format!("{prefix}{}", self.random.pick(&["100", "5.4", "0.5", "1e2", "0", "-1", "1.00e2"])),
            _ => format!("{prefix}{number}"),
        }
    }

    fn quantity(&mut self, value: &Value) -> Option<String> {
        let of =
            value.json["low"].as_object().or(value.json["high"].as_object()).or(value.json.as_object())?;
        let number = numbers(&value.json).into_iter().next()?;
        let number = self.number(&number);
        let text = |name: &str| of.get(name).and_then(|t| t.as_str());
        let code = text("code").or(text("currency"));
        let system = text("system").or(text("currency").map(|_| "urn:iso:std:iso:4217"));
        Some(match (self.random.below(4), system, code) {
            (0 | 1, Some(system), Some(code)) => {
                // The same in another unit now and then.
                let code = if self.random.percent(70) {
                    code
                } else {
                    *self.random.pick(&["g", "mg", "cm", "h", "%", "kPa"])
                };
                format!("{number}|{system}|{}", escape(code))
            }
            (2, ..) => match text("unit").or(code) {
                Some(unit) => format!("{number}||{}", escape(unit)),
                None => number,
            },
            _ => number,
        })
    }

    /// `subject.name`, `subject:Patient.name`: a criterion of what a reference leads to.
    fn chain(
        &mut self,
        ty: &'static str,
        parameter: &'static SearchParameter,
        depth: usize,
    ) -> Option<(String, String)> {
        let definitions = Definitions::r4();
        let stored = self.any_of(ty)?;
        let targets = self.world.targets(stored, parameter.code);
        let target = match targets.is_empty() {
            false => self.random.pick(&targets).ty,
            true => {
                definitions.name(*parameter.targets.iter().find(|t| TYPES.contains(&definitions.name(**t)))?)
            }
        };
        let (name, value) = self.criterion(target, depth + 1)?;
        // Parameters of all targets under one name may be of several types; then the type must be said.
        let is_one = parameter.targets.len() == 1;
        let head = if is_one && self.random.percent(70) { String::new() } else { format!(":{target}") };
        Some((format!("{}{head}.{name}", parameter.code), value))
    }

    /// `_has:Observation:patient:code`: a criterion of what leads here.
    fn reverse(&mut self, ty: &'static str, depth: usize) -> Option<(String, String)> {
        let (source, code) = self.pointing(ty)?;
        let (name, value) = self.criterion(source, depth + 1)?;
        Some((format!("_has:{source}:{code}:{name}"), value))
    }

    /// A type with a reference parameter that may point to another.
    pub(super) fn pointing(&mut self, ty: &str) -> Option<(&'static str, &'static str)> {
        let source = *self.random.pick(&TYPES);
        let mut all = self.parameters(source);
        all.retain(|p| {
            let only = p.expression.and_then(|text| text.split_once("resolve() is ")?.1.strip_suffix(')'));
            let is_target = p.targets.is_empty() || p.targets.contains(&type_named(ty));
            p.kind == SearchKind::Reference && is_target && only.is_none_or(|only| only == ty)
        });
        (!all.is_empty()).then(|| (source, self.random.pick(&all).code))
    }

    fn sort(&mut self, ty: &str) -> Vec<SortKey> {
        let mut all = self.parameters(ty);
        all.retain(|p| !matches!(p.kind, SearchKind::Composite | SearchKind::Special));
        let mut sort: Vec<SortKey> = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            let code = match self.random.below(6) {
                0 => "_id",
                1 => "_lastUpdated",
                _ => self.random.pick(&all).code,
            };
            if sort.iter().all(|key| key.code != code) {
                sort.push(SortKey { code: code.into(), is_falling: self.random.percent(50) });
            }
        }
        sort
    }
}

pub(super) fn has_letters(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// The numbers within a value.
fn numbers(json: &serde_json::Value) -> Vec<String> {
    let mut all = Vec::new();
    collect(json, &mut |json| all.extend(json.as_number().map(ToString::to_string)));
    all
}

fn collect(json: &serde_json::Value, found: &mut impl FnMut(&serde_json::Value)) {
    match json {
        serde_json::Value::Object(members) => members.values().for_each(|json| collect(json, found)),
        serde_json::Value::Array(all) => all.iter().for_each(|json| collect(json, found)),
        json => found(json),
    }
}

/// Whether a criterion compares with the time of the search.
pub(crate) fn is_about_now((_, value): &(String, String)) -> bool {
    split(value, ',').any(|text| text.contains("ap"))
}
