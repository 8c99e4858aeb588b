//! What a payer denied, read from the adjustments of a ClaimResponse and never from a status code: the
//! reading of the SQLView `line_outcome` for one answer.

use super::classes::{Classes, REASONS};
use super::library::items;
use rust_decimal::Decimal;
use serde_json::Value as Json;
use std::collections::BTreeMap;

const GROUPS: &str = "https://x12.org/codes/claim-adjustment-group-codes";
const REMARKS: &str = "https://x12.org/codes/remittance-advice-remark-codes";
const STATUS: &str = "https://remit.example/fhir/rcm/StructureDefinition/rcm-claim-status-code";

/// The remark that a claim could not be processed: it is corrected and cannot be appealed.
const UNPROCESSABLE: &str = "MA130";

/// A line of which something was denied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeniedLine {
    /// Its number; 0 is the whole claim, -1 a line that answers none of the claim's.
    pub line: i64,
    /// What was denied.
    pub amount: Decimal,
    /// The groups and reason codes that denied it, `CO-197`.
    pub reasons: Vec<String>,
    /// What the largest of its denials is about.
    pub category: String,
}

/// What an answer denies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denial {
    /// The lines, in order.
    pub lines: Vec<DeniedLine>,
    /// The currency of the amounts.
    pub currency: String,
    /// The payer could not process the claim: correct it, an appeal is not taken.
    pub is_unprocessable: bool,
}

impl Denial {
    /// What was denied in all.
    pub fn amount(&self) -> Decimal {
        self.lines.iter().map(|line| line.amount).sum()
    }

    /// The category of the line with the most denied.
    pub fn category(&self) -> &str {
        let most = self.lines.iter().max_by(|a, b| a.amount.cmp(&b.amount).then(b.line.cmp(&a.line)));
        most.map_or("other", |line| &line.category)
    }
}

/// Whether an answer takes back an earlier one: its amounts are negative.
pub fn is_reversal(response: &Json) -> bool {
    items(&response["extension"]).any(|one| one["url"] == STATUS && one["valueCode"] == "22")
}

/// Whether an answer is a payer's decision on a claim that stands by itself.
pub fn is_decision(response: &Json) -> bool {
    response["use"] == "claim"
        && matches!(response["status"].as_str(), Some("active"))
        && matches!(response["outcome"].as_str(), Some("complete" | "partial"))
}

/// What an answer of a payer denies; `None` when that is nothing.
pub fn denial(response: &Json, classes: &Classes, payer: &str) -> Option<Denial> {
    if !is_decision(response) || is_reversal(response) {
        return None;
    }
    let currency = currency(response)?.to_owned();
    let mut lines: BTreeMap<i64, Line> = BTreeMap::new();
    let mut is_unprocessable = false;
    for (line, row) in rows(response) {
        is_unprocessable |= code(&row["reason"], REMARKS) == Some(UNPROCESSABLE);
        let amount = row["amount"]["value"].as_number().and_then(|n| n.to_string().parse::<Decimal>().ok());
        let (Some(group), Some(reason), Some(amount)) =
            (code(&row["category"], GROUPS), code(&row["reason"], REASONS), amount)
        else {
            continue;
        };
        let meaning = classes.meaning(payer, reason);
        let is_denial = meaning.class == "denial" && matches!(group, "CO" | "OA" | "PI" | "PR");
        if is_denial && row["amount"]["currency"] == currency.as_str() {
            lines.entry(line).or_default().denied.push((
                amount,
                format!("{group}-{reason}"),
                meaning.category,
            ));
        }
    }
    let lines: Vec<DeniedLine> = lines.into_iter().filter_map(|(line, own)| own.denied_line(line)).collect();
    (!lines.is_empty()).then_some(Denial { lines, currency, is_unprocessable })
}

#[derive(Default)]
struct Line {
    denied: Vec<(Decimal, String, String)>,
}

impl Line {
    fn denied_line(self, line: i64) -> Option<DeniedLine> {
        let amount: Decimal = self.denied.iter().map(|one| one.0).sum();
        if amount <= Decimal::ZERO {
            return None;
        }
        let most = self.denied.iter().rev().max_by_key(|one| one.0)?;
        let category = most.2.clone();
        let mut reasons: Vec<String> = self.denied.into_iter().map(|one| one.1).collect();
        reasons.dedup();
        Some(DeniedLine { line, amount, reasons, category })
    }
}

/// Every row of an answer with its line.
fn rows(response: &Json) -> impl Iterator<Item = (i64, &Json)> {
    let whole = items(&response["adjudication"]).map(|row| (0, row));
    let own = items(&response["item"]).map(|item| (item["itemSequence"].as_i64().unwrap_or(-1), item));
    let added =
        items(&response["addItem"]).map(|item| (item["itemSequence"][0].as_i64().unwrap_or(-1), item));
    whole.chain(
        own.chain(added).flat_map(|(line, item)| items(&item["adjudication"]).map(move |row| (line, row))),
    )
}

/// The currency of an answer: that of its payment, else of its rows.
fn currency(response: &Json) -> Option<&str> {
    let own = response["payment"]["amount"]["currency"].as_str();
    own.or_else(|| rows(response).find_map(|(_, row)| row["amount"]["currency"].as_str()))
}

fn code<'j>(concept: &'j Json, system: &str) -> Option<&'j str> {
    items(&concept["coding"]).find(|coding| coding["system"] == system)?["code"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(group: &str, reason: &str, amount: &str) -> Json {
        json!({ "category": { "coding": [{ "system": GROUPS, "code": group }] },
            "reason": { "coding": [{ "system": REASONS, "code": reason }] },
            "amount": { "value": serde_json::from_str::<Json>(amount).unwrap(), "currency": "USD" } })
    }

    fn response(rows: Json) -> Json {
        json!({ "status": "active", "use": "claim", "outcome": "complete", "item": rows })
    }

    #[test]
    fn denials_are_read_line_by_line() {
        let answer = response(json!([
            { "itemSequence": 1, "adjudication": [row("CO", "45", "60"), row("PR", "1", "40")] },
            { "itemSequence": 2, "adjudication": [row("CO", "50", "200.00")] },
            { "itemSequence": 3, "adjudication": [row("CO", "197", "10"), row("OA", "16", "90"), row("OA", "23", "5")] },
        ]));
        let denial = denial(&answer, &Classes::default(), "Organization/p1").unwrap();
        let lines: Vec<(i64, String, &str)> = denial
            .lines
            .iter()
            .map(|line| (line.line, line.amount.to_string(), line.category.as_str()))
            .collect();
        assert_eq!(
            lines,
            [(2, "200.00".to_owned(), "medical-necessity"), (3, "100".to_owned(), "missing-information")]
        );
        assert_eq!(
            (denial.amount().to_string().as_str(), denial.category()),
            ("300.00", "medical-necessity")
        );
        assert_eq!(denial.lines[1].reasons, ["CO-197", "OA-16"]);
    }

    #[test]
    fn what_denies_nothing_is_no_denial() {
        let denied = json!([{ "itemSequence": 1, "adjudication": [row("CO", "50", "20")] }]);
        let mut reversal = response(denied.clone());
        reversal["extension"] = json!([{ "url": STATUS, "valueCode": "22" }]);
        let mut rejected = response(denied.clone());
        rejected["outcome"] = json!("error");
        let cases = [
            ("deductible", response(json!([{ "itemSequence": 1, "adjudication": [row("PR", "1", "20")] }]))),
            ("contract", response(json!([{ "itemSequence": 1, "adjudication": [row("CO", "45", "20")] }]))),
            (
                "taken back",
                response(json!([{ "itemSequence": 1,
                "adjudication": [row("CO", "50", "20"), row("CO", "50", "-20")] }])),
            ),
            (
                "other payer",
                response(json!([{ "itemSequence": 1, "adjudication": [row("OA", "23", "20")] }])),
            ),
            ("reversal", reversal),
            ("rejected", rejected),
            ("empty", json!({})),
        ];
        for (name, answer) in cases {
            assert_eq!(denial(&answer, &Classes::default(), ""), None, "{name}");
        }
        assert!(denial(&response(denied), &Classes::default(), "").is_some());
    }

    #[test]
    fn a_claim_that_could_not_be_processed_says_so_in_a_remark() {
        let mut answer = response(json!([{ "itemSequence": 1, "adjudication": [row("CO", "16", "20")] }]));
        assert!(!denial(&answer, &Classes::default(), "").unwrap().is_unprocessable);
        answer["adjudication"] = json!([{ "category": { "text": "remark" }, "reason": { "coding": [{ "system": REMARKS, "code": "MA130" }] } }]);
        assert!(denial(&answer, &Classes::default(), "").unwrap().is_unprocessable);
    }
}
