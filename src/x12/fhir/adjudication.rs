//! The adjudication rows of a claim or a line: amounts, each CAS reason, each remark.

use serde_json::{Value, json};

use super::{ADJUDICATION, CARIN_ADJUDICATION, Context, GROUPS, REASONS, REMARKS, concept, number};
use crate::model::Adjustment;
use crate::value::Decimal;

/// What rows are made from.
pub(crate) struct Decided<'d> {
    pub(crate) charge: Decimal,
    pub(crate) allowed: Option<Decimal>,
    pub(crate) paid: Decimal,
    pub(crate) adjustments: &'d [Adjustment],
    pub(crate) remarks: Vec<&'d str>,
}

/// The patient's share by CARC, as rows that repeat what CAS says.
const SHARES: [(&str, &str, &str); 3] = [
    ("1", ADJUDICATION, "deductible"),
    ("2", CARIN_ADJUDICATION, "coinsurance"),
    ("3", ADJUDICATION, "copay"),
];

pub(crate) fn rows(context: &Context, currency: Option<&str>, decided: &Decided<'_>) -> Vec<Value> {
    let amount = |system: &str, code: &str, amount: Decimal| json!({ "category": concept(system, code), "amount": context.money(currency, amount) });
    let mut rows = vec![amount(ADJUDICATION, "submitted", decided.charge)];
    rows.extend(decided.allowed.map(|allowed| amount(ADJUDICATION, "eligible", allowed)));
    for (reason, system, code) in SHARES {
        let share: Vec<Decimal> = decided
            .adjustments
            .iter()
            .filter(|one| one.group == "PR" && one.reason == reason)
            .map(|one| one.amount)
            .collect();
        if !share.is_empty() {
            rows.push(amount(system, code, share.iter().sum()));
        }
    }
    rows.push(amount(ADJUDICATION, "benefit", decided.paid));
    for one in decided.adjustments {
        let mut row = amount(GROUPS, &one.group, one.amount);
        row["reason"] = concept(REASONS, &one.reason);
        if let Some(quantity) = one.quantity {
            row["value"] = number(quantity, 0);
        }
        rows.push(row);
    }
    let system = format!("{}/CodeSystem/rcm-adjudication", context.base);
    let remark =
        |code: &&str| json!({ "category": concept(&system, "remark"), "reason": concept(REMARKS, code) });
    rows.extend(decided.remarks.iter().map(remark));
    rows
}
