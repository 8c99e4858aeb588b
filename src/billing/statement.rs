//! The statement of an account as a document (<https://hl7.org/fhir/R4/documents.html>): a Composition
//! with a narrative, and an Invoice for each currency. The figures come from the ledger; here they are
//! only set out.

use super::request::{cents, number};
use crate::edi::identity;
use crate::rcm::BASE;
use remit_fhir::date::instant;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What is open of one claim or visit.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// The claim or visit, `Claim/…`.
    pub(crate) reference: String,
    /// Day of service.
    pub(crate) day: String,
    pub(crate) currency: String,
    pub(crate) charge: Decimal,
    /// What reduced the charge, by the names of [`REDUCTIONS`].
    pub(crate) reductions: Vec<(&'static str, Decimal)>,
    /// What the patient owes.
    pub(crate) due: Decimal,
    /// What was paid beyond the balance.
    pub(crate) credit: Decimal,
}

/// Columns of the ledger that reduce a charge, and what a patient reads.
pub(crate) const REDUCTIONS: [(&str, &str); 7] = [
    ("insurer_paid", "Paid by insurance"),
    ("contractual", "Adjusted by contract"),
    ("denial_write_off", "Written off"),
    ("patient_paid", "Paid by you"),
    ("bad_debt", "Written off as uncollected"),
    ("charity", "Financial assistance"),
    ("small_balance", "Other adjustments"),
];

/// What a statement is made of.
pub(crate) struct Statement<'s> {
    /// Address of the server.
    pub(crate) base: &'s str,
    /// The account, and its reference.
    pub(crate) account: (&'s str, &'s Value),
    /// The patient.
    pub(crate) patient: (&'s str, &'s Value),
    /// Who bills, where the account tells it.
    pub(crate) owner: Option<(&'s str, &'s Value)>,
    pub(crate) as_of: &'s str,
    pub(crate) units: &'s [Unit],
    pub(crate) now: i64,
}

impl Statement<'_> {
    /// The document.
    pub(crate) fn document(&self) -> Value {
        let id = identity::id("statement", &[self.account.0, self.as_of]);
        let mut currencies: BTreeMap<&str, Vec<&Unit>> = BTreeMap::new();
        for unit in self.units {
            currencies.entry(&unit.currency).or_default().push(unit);
        }
        if currencies.is_empty() {
            currencies.insert("USD", Vec::new());
        }
        let invoices: Vec<Value> =
            currencies.iter().map(|(currency, units)| self.invoice(currency, units)).collect();
        let sections: Vec<Value> = currencies
            .iter()
            .zip(&invoices)
            .map(|((currency, units), invoice)| section(currency, units, invoice, self.as_of))
            .collect();
        let composition = self.composition(&id, sections);
        let entry = |name: String, resource: &Value| json!({ "fullUrl": format!("{}/{name}", self.base), "resource": resource });
        let mut entries = vec![entry(format!("Composition/{id}"), &composition)];
        entries.extend(
            invoices
                .iter()
                .map(|one| entry(format!("Invoice/{}", one["id"].as_str().unwrap_or_default()), one)),
        );
        entries.push(entry(self.account.0.to_owned(), self.account.1));
        entries.push(entry(self.patient.0.to_owned(), self.patient.1));
        entries.extend(self.owner.map(|(name, owner)| entry(name.to_owned(), owner)));
        json!({
            "resourceType": "Bundle",
            "id": id,
            "identifier": { "system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{id}") },
            "type": "document",
            "timestamp": instant(self.now),
            "entry": entries,
        })
    }

    fn issuer(&self) -> Value {
        match self.owner {
            Some((name, owner)) => json!({ "reference": name, "display": owner["name"] }),
            None => json!({ "display": "The practice" }),
        }
    }

    fn composition(&self, id: &str, sections: Vec<Value>) -> Value {
        json!({
            "resourceType": "Composition",
            "id": id,
            "status": "final",
            "type": {
                "coding": [{ "system": format!("{BASE}/CodeSystem/rcm-document"), "code": "patient-statement" }],
                "text": "Patient statement",
            },
            "subject": { "reference": self.patient.0 },
            "date": instant(self.now),
            "author": [self.issuer()],
            "title": format!("Statement of {}", self.as_of),
            "section": sections,
        })
    }

    fn invoice(&self, currency: &str, units: &[&Unit]) -> Value {
        let due: Decimal = units.iter().map(|unit| unit.due).sum();
        let lines: Vec<Value> = units
            .iter()
            .filter(|unit| unit.due > Decimal::ZERO)
            .enumerate()
            .map(|(n, unit)| line(n + 1, unit))
            .collect();
        let mut invoice = json!({
            "resourceType": "Invoice",
            "id": identity::id("invoice", &[self.account.0, self.as_of, currency]),
            "status": if due > Decimal::ZERO { "issued" } else { "balanced" },
            "subject": { "reference": self.patient.0 },
            "recipient": guarantor(self.account.1).unwrap_or_else(|| json!({ "reference": self.patient.0 })),
            "date": self.as_of,
            "issuer": self.issuer(),
            "account": { "reference": self.account.0 },
            "totalNet": money(due, currency),
            "totalGross": money(due, currency),
        });
        if !lines.is_empty() {
            invoice["lineItem"] = Value::Array(lines);
        }
        invoice
    }
}

/// Who answers for the account, when it names somebody.
fn guarantor(account: &Value) -> Option<Value> {
    let all = account["guarantor"].as_array()?;
    let party = &all.iter().find(|one| one["onHold"] != true)?["party"];
    party.is_object().then(|| party.clone())
}

fn money(amount: Decimal, currency: &str) -> Value {
    json!({ "value": number(cents(amount)), "currency": currency })
}

/// A claim or visit: the charge, and what reduced it as negative amounts. Together they are what is due.
fn line(sequence: usize, unit: &Unit) -> Value {
    let component = |kind: &str, text: &str, amount: Decimal| json!({ "type": kind, "code": { "text": text }, "amount": money(amount, &unit.currency) });
    let mut components = vec![component("base", "Charges", unit.charge)];
    for (name, amount) in &unit.reductions {
        if *amount != Decimal::ZERO {
            components.push(component("deduction", title(name), -*amount));
        }
    }
    json!({
        "sequence": sequence,
        "extension": [{
            "url": format!("{BASE}/StructureDefinition/rcm-statement-of"),
            "valueReference": { "reference": unit.reference },
        }],
        "chargeItemCodeableConcept": { "text": format!("Services of {}", unit.day) },
        "priceComponent": components,
    })
}

fn title(name: &str) -> &'static str {
    REDUCTIONS.iter().find(|(known, _)| *known == name).map_or("Other adjustments", |(_, title)| title)
}

fn section(currency: &str, units: &[&Unit], invoice: &Value, as_of: &str) -> Value {
    json!({
        "title": format!("What you owe in {currency}"),
        "text": { "status": "generated", "div": narrative(currency, units, as_of) },
        "entry": [{ "reference": format!("Invoice/{}", invoice["id"].as_str().unwrap_or_default()) }],
    })
}

/// The section for people. Everything that comes from elsewhere is escaped.
fn narrative(currency: &str, units: &[&Unit], as_of: &str) -> String {
    let mut text = format!(
        "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>As of {}.</p><table><tr><th>Date of service</th><th>What</th><th>Amount</th></tr>",
        escaped(as_of)
    );
    let mut row = |day: &str, what: &str, amount: Decimal| {
        // Writing to a String never fails.
        let _ = write!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{} {}</td></tr>",
            escaped(day),
            escaped(what),
            cents(amount),
            escaped(currency)
        );
    };
    for unit in units.iter().filter(|unit| unit.due > Decimal::ZERO) {
        row(&unit.day, "Charges", unit.charge);
        for (name, amount) in unit.reductions.iter().filter(|(_, amount)| *amount != Decimal::ZERO) {
            row("", title(name), -*amount);
        }
        row("", "You owe", unit.due);
    }
    row("", "Total due", units.iter().map(|unit| unit.due).sum());
    let credit: Decimal = units.iter().map(|unit| unit.credit).sum();
    if credit > Decimal::ZERO {
        row("", "Paid beyond what was owed, not taken off the total", credit);
    }
    text.push_str("</table></div>");
    text
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrative_holds_no_markup_of_others_and_the_line_sums_up_to_what_is_due() {
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        let unit = Unit {
            reference: "Claim/c5".into(),
            day: "<script>".into(),
            currency: "USD".into(),
            charge: decimal("420.000000"),
            reductions: vec![
                ("insurer_paid", decimal("256")),
                ("contractual", decimal("100")),
                ("charity", decimal("0")),
            ],
            due: decimal("64"),
            credit: decimal("0"),
        };
        let text = narrative("USD", &[&unit], "2026-03-31");
        assert!(!text.contains("<script>") && text.contains("&lt;script&gt;"), "{text}");
        assert!(text.contains("<td>Total due</td><td>64.00 USD</td>"), "{text}");
        let line = line(1, &unit);
        let components = line["priceComponent"].as_array().unwrap();
        let sum: Decimal =
            components.iter().map(|one| one["amount"]["value"].to_string().parse::<Decimal>().unwrap()).sum();
        assert_eq!((components.len(), sum), (3, decimal("64.00")));
    }
}
