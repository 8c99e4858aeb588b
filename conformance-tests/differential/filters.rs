//! Random expressions of `_filter` (<https://hl7.org/fhir/R4/search_filter.html>).

use super::definitions::sets;
use super::queries::{Queries, has_letters};
use crate::naive::{Value, fold, strings, tokens, unescape};
use remit_spec::{SearchKind, SearchParameter};

/// Most brackets inside each other.
const MAX_DEPTH: usize = 3;

/// A value as a filter has it: in quotes where it must be, or by chance.
fn written(text: &str, is_quoted: bool) -> String {
    let must = text.is_empty() || text.contains(|c: char| c.is_whitespace() || "()[]\"".contains(c));
    if must || is_quoted { serde_json::Value::from(text).to_string() } else { text.to_owned() }
}

impl Queries<'_> {
    /// A filter for a type.
    pub(super) fn filter(&mut self, ty: &'static str, depth: usize) -> Option<String> {
        if depth >= MAX_DEPTH {
            return self.filter_test(ty, true);
        }
        Some(match self.random.below(10) {
            0..4 => self.filter_test(ty, true)?,
            4..6 => format!("{} and {}", self.filter(ty, depth + 1)?, self.filter(ty, depth + 1)?),
            6..8 => format!("{} or {}", self.filter(ty, depth + 1)?, self.filter(ty, depth + 1)?),
            8 => format!("not({})", self.filter(ty, depth + 1)?),
            _ => format!("({})", self.filter(ty, depth + 1)?),
        })
    }

    /// A path, an operator and a value.
    fn filter_test(&mut self, ty: &'static str, may_follow: bool) -> Option<String> {
        let all = self.parameters(ty);
        let parameter = *self.random.pick(&all);
        let values = self.some_values(ty, parameter);
        let value = (!values.is_empty()).then(|| self.random.pick(&values).clone())?;
        if parameter.kind == SearchKind::Reference && may_follow && self.random.percent(40) {
            return self.filter_path(ty, parameter);
        }
        if may_follow && self.random.percent(8) {
            let (source, code) = self.pointing(ty)?;
            return Some(format!("_has:{source}:{code}:{}", self.filter_test(source, false)?));
        }
        if self.random.percent(8) && parameter.kind != SearchKind::Composite {
            return Some(format!("{} pr {}", parameter.code, self.random.one(&["true", "false"])));
        }
        let (operator, text) = self.filter_value(parameter, &value)?;
        let is_quoted = self.random.percent(30);
        Some(format!("{} {operator} {}", parameter.code, written(&text, is_quoted)))
    }

    /// `subject.name`, `subject[gender eq male].name`: of what a reference of one type leads to.
    fn filter_path(&mut self, ty: &'static str, parameter: &'static SearchParameter) -> Option<String> {
        let stored = self.any_of(ty)?;
        let targets = self.world.targets(stored, parameter.code);
        let target = (parameter.targets.len() == 1).then(|| targets.first().map(|t| t.ty))??;
        let rest = self.filter_test(target, false)?;
        let inner = match self.random.percent(40) {
            true => format!("[{}]", self.filter(target, MAX_DEPTH - 1)?),
            false => String::new(),
        };
        Some(format!("{}{inner}.{rest}", parameter.code))
    }

    /// An operator that a parameter takes, and a value for it.
    fn filter_value(
        &mut self,
        parameter: &'static SearchParameter,
        value: &Value,
    ) -> Option<(&'static str, String)> {
        let ordered = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"];
        let pieces = ["co", "sw", "ew"];
        Some(match parameter.kind {
            SearchKind::String => {
                let all = strings(value);
                let text = (!all.is_empty()).then(|| self.random.pick(&all).clone())?;
                let operator = self.random.one(&["eq", "ne", "co", "sw", "ew"]);
                let text = if matches!(operator, "eq" | "ne") { text } else { self.piece(&text) };
                has_letters(&fold(&text)).then_some((operator, text))?
            }
            SearchKind::Token => match self.random.below(10) {
                0..6 => (self.random.one(&["eq", "ne"]), self.token("", value)?),
                6 if self.is_coded(value) => ("in", self.random.pick(&sets()).clone()),
                7 | 8 if self.is_coded(value) => (self.random.one(&["ss", "sb"]), self.place(value)?),
                _ => {
                    let all = tokens(value, "");
                    let code = all.into_iter().map(|(_, code)| code).find(|code| !code.is_empty())?;
                    (self.random.one(&pieces), self.piece(&code))
                }
            },
            SearchKind::Uri => {
                let uri = value.json.as_str()?.to_owned();
                match self.random.percent(50) {
                    true => (self.random.one(&["eq", "ne"]), uri),
                    false => (self.random.one(&pieces), self.piece(&uri)),
                }
            }
            SearchKind::Reference => {
                (self.random.one(&["eq", "ne", "re"]), unescape(&self.reference("", value)?))
            }
            SearchKind::Date | SearchKind::Number | SearchKind::Quantity => {
                let text = self.text(parameter, "", value)?;
                let at = text.find(|c: char| c.is_ascii_digit() || c == '-')?;
                let is_time = parameter.kind == SearchKind::Date && self.random.percent(15);
                (if is_time { "po" } else { self.random.one(&ordered) }, text[at..].to_owned())
            }
            SearchKind::Composite | SearchKind::Special => return None,
        })
    }

    /// A part of a text; all of it now and then.
    fn piece(&mut self, text: &str) -> String {
        let count = text.chars().count();
        let from = self.random.below(count.max(1));
        match self.random.below(4) {
            0 => text.to_owned(),
            1 => text.chars().skip(from).collect(),
            2 => text.chars().take(from + 1).collect(),
            _ => text.chars().skip(from).take(3).collect::<String>().to_uppercase(),
        }
    }
}
