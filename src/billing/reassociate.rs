//! `PaymentReconciliation/[id]/$reassociate`: the money of a remittance found at the bank. A match is
//! kept as a PaymentNotice (<https://hl7.org/fhir/R4/paymentnotice.html>) of status `cleared`.
//!
//! Payers send the money and the remittance within three banking days of each other; both bring the
//! same trace number.

use super::request::{decimal, number, value};
use crate::edi::find::{self, Found, items, target};
use crate::edi::identity;
use crate::edi::record::{Record, reference};
use crate::operation::Invocation;
use crate::rest::{Answer, Attempting, Context};
use remit_fhir::date::{Moment, instant};
use remit_fhir::{Error, IssueType, Result};
use remit_store::system_clock;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// Banking days that may lie between the money and the remittance: what the operating rules of the
/// industry give payers for the two.
const MAX_BANKING_DAYS: i64 = 3;

/// Transactions of one call: a day's statement of a bank.
const MAX_TRANSACTIONS: usize = 1_000;

/// The system of the identifier of a notice: the trace number.
const TRACE: &str = "https://remit.example/fhir/rcm/bank-trace-number";

const PAYMENT_STATUS: &str = "http://terminology.hl7.org/CodeSystem/paymentstatus";

const DAY_US: i64 = 86_400_000_000;

/// A transaction of the bank.
#[derive(Clone, Debug)]
struct Transaction {
    trn: String,
    amount: Decimal,
    currency: String,
    date: String,
}

pub(super) async fn run(call: Invocation<'_>) -> Result<Answer> {
    call.parameters.only(&["bankTransaction"])?;
    let cx = &call.cx;
    let transactions = transactions(&call)?;
    let mut attempts = Attempting::default();
    loop {
        let payment = target(&call).await?;
        if payment.resource["status"] != "active" {
            return Err(Error::conflict("The remittance is not active; nothing is matched with it.")
                .at("PaymentReconciliation.status"));
        }
        let known = notices(cx, &transactions).await?;
        let mut record = Record::default();
        let mut parts = Vec::new();
        let mut taken = known.iter().find(|one| is_of(one, &payment)).map(|one| one.stored.id.clone());
        for one in &transactions {
            let id = identity::id(
                "bank-match",
                &[&payment.stored.id, &one.trn, &one.amount.normalize().to_string(), &one.date],
            );
            let mut reasons = reasons(&payment.resource, one);
            let other = known.iter().find(|notice| !is_of(notice, &payment) && is_money(notice, one));
            if let Some(other) = other {
                let name = other.resource["payment"]["reference"].as_str().unwrap_or("another remittance");
                reasons.push(format!("The transaction is the money of {name} already."));
            }
            if taken.as_ref().is_some_and(|known| *known != id) {
                reasons.push("The remittance has its money already, by another transaction.".to_owned());
            }
            if reasons.is_empty() {
                taken = Some(id.clone());
                let is_known = known.iter().any(|notice| notice.stored.id == id);
                if !is_known && !record.creates(&reference("PaymentNotice", &id)) {
                    record.create(cx, &id, notice(&payment, one))?;
                }
            }
            parts.push(part(one, &payment, &id, &reasons));
        }
        let answer = || Answer::of(json!({ "resourceType": "Parameters", "parameter": parts }).to_string());
        if record.drafts.is_empty() {
            return Ok(answer());
        }
        record.revive(cx).await?;
        if attempts.write(cx, &record.drafts).await?.is_some() {
            return Ok(answer());
        }
    }
}

fn transactions(call: &Invocation<'_>) -> Result<Vec<Transaction>> {
    let mut all = Vec::new();
    for (n, part) in call.parameters.named("bankTransaction").enumerate() {
        let part = value(part)?;
        all.push(transaction(&part).map_err(|(name, text)| {
            Error::invalid(text).coded(IssueType::Value).at(format!("bankTransaction[{n}].{name}"))
        })?);
    }
    if all.is_empty() {
        return Err(Error::invalid("Give a bankTransaction with trn, amount and date.")
            .coded(IssueType::Required)
            .at("bankTransaction"));
    }
    if all.len() > MAX_TRANSACTIONS {
        let text = format!("At most {MAX_TRANSACTIONS} transactions are taken at once.");
        return Err(Error::invalid(text).at("bankTransaction"));
    }
    Ok(all)
}

fn transaction(part: &Value) -> Result<Transaction, (&'static str, &'static str)> {
    let find = |name: &str| items(part, "part").find(|one| one["name"] == name);
    let trn = find("trn").and_then(|one| one["valueString"].as_str()).map(str::trim).unwrap_or_default();
    if trn.is_empty() {
        return Err(("trn", "trn is the trace number, a string."));
    }
    let money = find("amount").map(|one| &one["valueMoney"]).filter(|one| one.is_object());
    let amount = money.and_then(|money| decimal(&money["value"]));
    let amount = amount.ok_or(("amount", "amount is a Money with a value."))?;
    let currency = money.and_then(|money| money["currency"].as_str()).unwrap_or("USD").to_owned();
    let date = find("date").and_then(|one| one["valueDate"].as_str());
    let date = date.filter(|date| date.len() == 10 && Moment::parse(date).is_some());
    let date = date.ok_or(("date", "date is a date such as 2026-01-31."))?.to_owned();
    Ok(Transaction { trn: trn.to_owned(), amount, currency, date })
}

/// Why a transaction is not the money of a remittance; empty when it is.
fn reasons(payment: &Value, one: &Transaction) -> Vec<String> {
    let mut reasons = Vec::new();
    let trace = payment["paymentIdentifier"]["value"].as_str().unwrap_or_default().trim();
    if trace != one.trn {
        reasons.push(format!("The trace number of the remittance is {trace}."));
    }
    let amount = decimal(&payment["paymentAmount"]["value"]).unwrap_or_default();
    let currency = payment["paymentAmount"]["currency"].as_str().unwrap_or("USD");
    if amount != one.amount || currency != one.currency {
        reasons.push(format!("The remittance pays {amount} {currency}."));
    }
    let paid = payment["paymentDate"].as_str().unwrap_or_default();
    match banking_days(paid, &one.date) {
        Some(days) if days <= MAX_BANKING_DAYS => {}
        Some(days) => reasons.push(format!(
            "The remittance is of {paid}: {days} banking days apart, at most {MAX_BANKING_DAYS} are taken."
        )),
        None => reasons.push("The remittance has no day of payment.".to_owned()),
    }
    reasons
}

/// Mondays to Fridays after the earlier day, up to the later one.
fn banking_days(one: &str, other: &str) -> Option<i64> {
    let day = |text: &str| Some(Moment::parse(text.get(..10)?)?.low.div_euclid(DAY_US));
    let (a, b) = (day(one)?, day(other)?);
    let (first, last) = (a.min(b), a.max(b));
    // 1970-01-01 was a Thursday; whole weeks have five banking days each.
    let is_banking = |day: i64| (day + 3).rem_euclid(7) < 5;
    let weeks = (last - first) / 7;
    let rest = (first + weeks * 7 + 1..=last).filter(|day| is_banking(*day)).count();
    Some(weeks * 5 + i64::try_from(rest).ok()?)
}

/// The notices that have the trace numbers.
async fn notices(cx: &Context<'_>, transactions: &[Transaction]) -> Result<Vec<Found>> {
    let found =
        find::by(cx, "PaymentNotice", "identifier", transactions.iter().map(|one| one.trn.as_str())).await?;
    let is_own = |one: &Found| items(&one.resource, "identifier").any(|id| id["system"] == TRACE);
    Ok(found.into_iter().filter(|one| one.resource["status"] == "active" && is_own(one)).collect())
}

fn is_of(notice: &Found, payment: &Found) -> bool {
    notice.resource["payment"]["reference"] == payment.reference.as_str()
}

/// Whether a notice is about this very transaction.
fn is_money(notice: &Found, one: &Transaction) -> bool {
    find::identifiers(&notice.resource).any(|value| value == one.trn)
        && decimal(&notice.resource["amount"]["value"]) == Some(one.amount)
        && notice.resource["paymentDate"] == one.date.as_str()
}

fn money(one: &Transaction) -> Value {
    json!({ "value": number(one.amount), "currency": one.currency })
}

fn notice(payment: &Found, one: &Transaction) -> Value {
    let requestor = &payment.resource["requestor"];
    let recipient = match requestor["reference"].as_str() {
        Some(name) if name.starts_with("Organization/") => requestor.clone(),
        _ => json!({ "type": "Organization", "display": "The receiver of the payment" }),
    };
    json!({
        "resourceType": "PaymentNotice",
        "identifier": [{ "system": TRACE, "value": one.trn }],
        "status": "active",
        "created": instant(system_clock()),
        "payment": { "reference": payment.reference },
        "paymentDate": one.date,
        "recipient": recipient,
        "amount": money(one),
        "paymentStatus": { "coding": [{ "system": PAYMENT_STATUS, "code": "cleared" }] },
    })
}

fn part(one: &Transaction, payment: &Found, id: &str, reasons: &[String]) -> Value {
    let mut parts = vec![
        json!({ "name": "trn", "valueString": one.trn }),
        json!({ "name": "amount", "valueMoney": money(one) }),
        json!({ "name": "date", "valueDate": one.date }),
    ];
    if reasons.is_empty() {
        let notice = reference("PaymentNotice", id);
        parts.push(json!({ "name": "payment", "valueReference": { "reference": payment.reference } }));
        parts.push(json!({ "name": "notice", "valueReference": { "reference": notice } }));
        return json!({ "name": "matched", "part": parts });
    }
    parts.extend(reasons.iter().map(|reason| json!({ "name": "reason", "valueString": reason })));
    json!({ "name": "unmatched", "part": parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekends_are_no_banking_days() {
        // 2026-01-16 is a Friday.
        for (one, other, expected) in [
            ("2026-01-16", "2026-01-16", 0),
            ("2026-01-16", "2026-01-19", 1),
            ("2026-01-16", "2026-01-21", 3),
            ("2026-01-22", "2026-01-16", 4),
            ("2026-01-17", "2026-01-18", 0),
            ("2026-01-05", "2026-01-19", 10),
        ] {
            assert_eq!(banking_days(one, other), Some(expected), "{one} {other}");
        }
        assert_eq!(banking_days("", "2026-01-16"), None);
    }
}
