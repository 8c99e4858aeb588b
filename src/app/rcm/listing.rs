//! What lists over the record are asked with, and the rows of a shipped Library by the names of their
//! columns.

use super::evaluate::{Asker, ask, parameter};
use crate::app::App;
use crate::operation::Invocation;
use crate::rcm::{self, Library, Rows, Value};
use crate::rest::Context;
use remit_fhir::date::{Moment, Precision};
use remit_fhir::{Error, IssueType, Node, Result};
use remit_mart::{Layer, Parameter, Query, Source};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The currency of a list that names none.
const DEFAULT_CURRENCY: &str = "USD";
/// The day of lists that name none: everything that the record says. Later days are beyond the timestamps
/// of the mart, which count nanoseconds.
const ALL_DAYS: &str = "2261-12-31";
/// Digits of an amount before the point: more than any practice turns over.
const MAX_AMOUNT: i64 = 1_000_000_000_000_000;

pub(super) fn invalid(name: &str, code: IssueType, sentence: impl Into<String>) -> Error {
    Error::invalid(sentence).coded(code).at(name)
}

/// A day, `2026-03-31`.
pub(super) fn day(text: &str, name: &str) -> Result<String> {
    let is_day = Moment::parse(text)
        .is_some_and(|moment| moment.precision == Precision::Day && moment.offset_minutes.is_none());
    match is_day {
        true => Ok(text.to_owned()),
        false => Err(invalid(name, IssueType::Value, "This is not a date such as 2026-03-31.")),
    }
}

/// What every list is asked with.
#[derive(Default)]
pub(super) struct Common {
    /// Last business day whose events count.
    pub(super) as_of: Option<String>,
    pub(super) known_at: Option<i64>,
    pub(super) currency: Option<String>,
    timezone: String,
}

impl Common {
    pub(super) fn read(call: &Invocation<'_>) -> Result<Common> {
        let text = |name: &str| call.parameters.get(name);
        let known_at = text("knownAt").map(|text| {
            let moment = Moment::parse(&text)
                .filter(|moment| moment.precision >= Precision::Second && moment.offset_minutes.is_some());
            let sentence = "This is not an instant such as 2026-01-31T12:00:00Z.";
            moment.map(|moment| moment.high - 1).ok_or_else(|| invalid("knownAt", IssueType::Value, sentence))
        });
        let currency = text("currency");
        if currency.as_deref().is_some_and(|text| !is_currency(text)) {
            let sentence = "A currency is three capital letters of ISO 4217, e.g. USD.";
            return Err(invalid("currency", IssueType::CodeInvalid, sentence));
        }
        let timezone = text("timezone").unwrap_or_default();
        if !timezone.is_empty() && jiff::tz::TimeZone::get(&timezone).is_err() {
            let sentence = "This is no time zone of the IANA database, such as America/Denver.";
            return Err(invalid("timezone", IssueType::CodeInvalid, sentence));
        }
        Ok(Common {
            as_of: text("asOf").map(|text| day(&text, "asOf")).transpose()?,
            known_at: known_at.transpose()?,
            currency,
            timezone,
        })
    }

    /// The currency of the list.
    pub(super) fn currency(&self) -> &str {
        self.currency.as_deref().unwrap_or(DEFAULT_CURRENCY)
    }

    /// The parameters that every Library has.
    pub(super) fn bind(&self) -> Vec<(&'static str, rcm::Parameter)> {
        let as_of = self.as_of.clone().unwrap_or_else(|| ALL_DAYS.to_owned());
        vec![
            ("as_of", rcm::Parameter::Date(as_of)),
            ("currency", rcm::Parameter::Text(self.currency().to_owned())),
            ("timezone", rcm::Parameter::Text(self.timezone.clone())),
        ]
    }
}

fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// An amount, and its unit: a currency, `%`, or none said.
pub(super) fn amount(call: &Invocation<'_>, name: &str) -> Result<Option<(Decimal, Option<String>)>> {
    let wrong = || invalid(name, IssueType::Value, "This is Money, or a number from 0 such as 5.00.");
    let given = call.parameters.named(name).next().map(|parameter| {
        let member = |kind: &str| parameter.get(kind);
        if let Some(money) = member("valueMoney") {
            return Ok((scalar(money, "value"), scalar(money, "currency")));
        }
        if let Some(quantity) = member("valueQuantity") {
            let unit = scalar(quantity, "code").or_else(|| scalar(quantity, "unit"));
            return Ok((scalar(quantity, "value"), unit));
        }
        call.parameters.get(name).map(|text| (Some(text), None)).ok_or_else(wrong)
    });
    let (text, unit) = match given.transpose()? {
        Some((text, unit)) => (text.ok_or_else(wrong)?, unit),
        None => match call.parameters.get(name) {
            Some(text) => (text, None),
            None => return Ok(None),
        },
    };
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number.trim().to_owned(), Some("%".to_owned())),
        None => (text, unit),
    };
    let number: Decimal = number.parse().map_err(|_| wrong())?;
    if number < Decimal::ZERO || number > Decimal::from(MAX_AMOUNT) || number.scale() > 6 {
        return Err(wrong());
    }
    if unit.as_deref().is_some_and(|unit| unit != "%" && !is_currency(unit)) {
        return Err(invalid(name, IssueType::CodeInvalid, "The unit is a currency of ISO 4217, or %."));
    }
    Ok(Some((number, unit)))
}

fn scalar(node: Node<'_>, name: &str) -> Option<String> {
    node.get(name)?.scalar().map(|text| text.into_owned())
}

/// A number of a range; `default` when none is given.
pub(super) fn number(call: &Invocation<'_>, name: &str, default: usize, most: usize) -> Result<usize> {
    let Some(text) = call.parameters.get(name) else { return Ok(default) };
    text.parse()
        .ok()
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| invalid(name, IssueType::Value, format!("This is a number from 1 to {most}.")))
}

/// A row by the names of its columns.
pub(super) struct Row<'r> {
    columns: &'r [String],
    values: &'r [Value],
}

/// The rows of an answer.
pub(super) fn each(rows: &Rows) -> impl Iterator<Item = Row<'_>> {
    rows.rows.iter().map(|values| Row { columns: &rows.columns, values })
}

impl Row<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.values.get(self.columns.iter().position(|column| column == name)?)
    }

    /// A text; empty when there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    pub(super) fn integer(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(Value::Integer(number)) => *number,
            Some(Value::Decimal(number)) => i64::try_from(*number).unwrap_or_default(),
            _ => 0,
        }
    }

    pub(super) fn decimal(&self, name: &str) -> Option<Decimal> {
        match self.value(name)? {
            Value::Decimal(number) => Some(*number),
            Value::Integer(number) => Some((*number).into()),
            _ => None,
        }
    }
}

/// A question to a shipped Library.
pub(super) async fn question(
    cx: &Context<'_>,
    url: &str,
    common: &Common,
    more: Vec<(&'static str, rcm::Parameter)>,
) -> Result<Query> {
    let library = Library::find(url).ok_or_else(|| Error::internal(format!("there is no {url}")))?;
    let mut parameters = BTreeMap::new();
    for (name, value) in common.bind().into_iter().chain(more) {
        parameters.insert(name.to_owned(), parameter(value)?);
    }
    parameters.retain(|name, _| library.parameters.contains(name));
    ask(Asker::Caller(cx), library, parameters, common.known_at).await
}

/// A statement over the rows of a question, which it calls `found`.
pub(super) fn over(query: &Query, sql: String, more: Vec<(String, Parameter)>) -> Query {
    let below = Layer::new(&query.sql, query.relations.clone().unwrap_or_default());
    let mut parameters = query.parameters.clone();
    parameters.extend(more);
    let relations = BTreeMap::from([("found".to_owned(), Source::Sql(Arc::new(below)))]);
    Query { sql, relations: Some(relations), parameters, ..query.clone() }
}

impl App {
    /// Whatever was acknowledged before is in the answer.
    pub(super) async fn caught_up(&self) -> Result<()> {
        self.feed.catch_up(&self.store, &self.mart).await
    }
}

/// A parameter of an answer.
pub(super) fn part(name: &str, kind: &str, value: impl Into<Json>) -> Json {
    let mut part = json!({ "name": name });
    part[kind] = value.into();
    part
}
