//! `$rcm-opportunities`: money that can still be had, with what the record itself says of the chance. The
//! SQL finds it and counts what became of the like; here the last days are added and the list is ranked.

use super::listing::{Common, Row, each, invalid, number, over, part, question};
use crate::app::App;
use crate::edi::denial::money;
use crate::edi::rules;
use crate::operation::{Invocation, Operation};
use crate::rcm::{Days, DeadlineKind, DeadlineRule, deadline};
use crate::rest::Answer;
use remit_fhir::{Error, IssueType, Result};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use std::cmp::Reverse;

const DEFINITION: &str = "https://remit.example/fhir/rcm/OperationDefinition/rcm-opportunities";
const LIBRARY: &str = "https://remit.example/fhir/rcm/Library/q-opportunities";

const DEFAULT_TOP: usize = 20;
const MAX_TOP: usize = 1_000;
/// Opportunities that one call ranks, those that promise most: some hundred bytes each. A practice that has
/// more open at a time is told so.
const MAX_FOUND: usize = 100_000;

const KNOWN: &[&str] = &["asOf", "top", "knownAt", "currency", "timezone"];

impl App {
    /// The operation, bound to this server's store and mart.
    pub(super) fn opportunities(&self) -> Operation {
        let app = self.clone();
        Operation::new(DEFINITION, move |call| {
            let app = app.clone();
            Box::pin(async move { app.opportune(&call).await })
        })
    }

    async fn opportune(&self, call: &Invocation<'_>) -> Result<Answer> {
        call.parameters.only(KNOWN)?;
        let common = Common::read(call)?;
        let as_of = common.as_of.clone().ok_or_else(|| {
            invalid("asOf", IssueType::Required, "Give the day: a date such as 2026-03-31.")
        })?;
        let top = number(call, "top", DEFAULT_TOP, MAX_TOP)?;
        self.caught_up().await?;
        let query = question(&call.cx, LIBRARY, &common, Vec::new()).await?;
        let sql = format!(
            "SELECT f.type, f.unit_id, f.response_id, f.payer_id, f.payer_display, f.category, f.amount, \
             f.service_date, f.notice_date, f.won, f.decided, f.expected_amount FROM found f \
             ORDER BY CASE WHEN f.expected_amount IS NULL THEN 1 ELSE 0 END, f.expected_amount DESC, \
             f.amount DESC, f.unit_id, f.type, f.category LIMIT {}",
            MAX_FOUND + 1
        );
        let rows = self.rows(over(&query, sql, Vec::new())).await?;
        if rows.rows.len() > MAX_FOUND {
            let text = format!(
                "There are more than {MAX_FOUND} opportunities at this day; no list of them is made."
            );
            return Err(Error::unprocessable(text).coded(IssueType::TooCostly).at("asOf"));
        }
        let mut payers: Vec<&str> = Vec::new();
        let rows: Vec<Row<'_>> = each(&rows).collect();
        payers.extend(rows.iter().map(|row| row.text("payer_id")));
        payers.sort_unstable();
        payers.dedup();
        let rules = rules::rules(&call.cx, payers).await?;
        let all = rows.iter().map(|row| Item::of(row, &rules.deadlines));
        let (open, expired): (Vec<Item<'_>>, Vec<Item<'_>>) =
            all.partition(|item| item.deadline.as_deref().is_none_or(|last| last >= as_of.as_str()));
        Ok(Answer::of(answer(&common, ranked(open), &expired, top).to_string()))
    }
}

/// One opportunity.
struct Item<'r> {
    row: &'r Row<'r>,
    amount: Decimal,
    expected: Option<Decimal>,
    deadline: Option<String>,
}

impl<'r> Item<'r> {
    fn of(row: &'r Row<'r>, rules: &[DeadlineRule]) -> Item<'r> {
        let days = Days { service: row.text("service_date"), notice: row.text("notice_date") };
        let kind = match row.text("type") {
            "denial" => DeadlineKind::Appeal,
            "underpayment" => DeadlineKind::Dispute,
            _ => DeadlineKind::TimelyFiling,
        };
        Item {
            row,
            amount: row.decimal("amount").unwrap_or_default(),
            expected: row.decimal("expected_amount"),
            deadline: deadline(rules, row.text("payer_id"), kind, None, days).map(|found| found.0),
        }
    }

    fn parameter(&self, rank: usize, currency: &str) -> Json {
        let (row, text) = (self.row, |name: &str| self.row.text(name));
        let mut parts = vec![
            part("rank", "valuePositiveInt", rank),
            part("type", "valueCode", text("type")),
            part("category", "valueCode", text("category")),
            part("reference", "valueReference", json!({ "reference": text("unit_id") })),
        ];
        if !text("response_id").is_empty() {
            parts.push(part("response", "valueReference", json!({ "reference": text("response_id") })));
        }
        if !text("payer_id").is_empty() {
            let mut payer = json!({ "reference": text("payer_id") });
            if !text("payer_display").is_empty() {
                payer["display"] = json!(text("payer_display"));
            }
            parts.push(part("payer", "valueReference", payer));
        }
        parts.push(part("amount", "valueMoney", money(self.amount, currency)));
        let (won, decided) = (row.integer("won"), row.integer("decided"));
        match self.expected {
            Some(expected) if decided > 0 => {
                let cents =
                    expected.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
                parts.push(part("expectedAmount", "valueMoney", money(cents, currency)));
                let share = (Decimal::from(won) / Decimal::from(decided)).round_dp(6).normalize();
                let share: Json = serde_json::from_str(&share.to_string()).unwrap_or_default();
                parts.push(part("probability", "valueDecimal", share));
            }
            _ => parts.push(part("noHistory", "valueBoolean", true)),
        }
        parts.push(part("won", "valueInteger", won));
        parts.push(part("decided", "valueInteger", decided));
        if let Some(day) = &self.deadline {
            parts.push(part("deadline", "valueDate", day.as_str()));
        }
        json!({ "name": "item", "part": parts })
    }
}

/// The most promising first; what has no history behind it after all that has.
fn ranked(mut items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    let last = "9999-12-31".to_owned();
    items.sort_by_cached_key(|item| {
        (
            item.expected.is_none(),
            Reverse(item.expected),
            Reverse(item.amount),
            item.deadline.clone().unwrap_or_else(|| last.clone()),
            item.row.text("unit_id").to_owned(),
            item.row.text("category").to_owned(),
        )
    });
    items
}

fn answer(common: &Common, open: Vec<Item<'_>>, expired: &[Item<'_>], top: usize) -> Json {
    let currency = common.currency();
    let sum = |items: &[Item<'_>]| items.iter().map(|item| item.amount).sum::<Decimal>();
    let count = |name: &str, items: &[Item<'_>]| {
        json!({ "name": name, "part": [
            part("count", "valueInteger", items.len()),
            part("amount", "valueMoney", money(sum(items), currency)),
        ] })
    };
    let mut parameters = vec![count("total", &open), count("expired", expired)];
    let items = open.iter().take(top).enumerate();
    parameters.extend(items.map(|(n, item)| item.parameter(n + 1, currency)));
    json!({ "resourceType": "Parameters", "parameter": parameters })
}
