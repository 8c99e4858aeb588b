//! From typed X12 to FHIR JSON (<https://hl7.org/fhir/R4/claimresponse.html>,
//! <https://hl7.org/fhir/R4/paymentreconciliation.html>). Pure: whoever calls has looked up the claim,
//! the patient and the organizations, and gives their references.

mod adjudication;
mod claim_response;
mod payment;
mod status;
#[cfg(test)]
mod tests;

pub use claim_response::claim_response;
pub use payment::payment_reconciliation;
pub use status::acknowledgement_response;

use serde_json::{Value, json};

use crate::value::Decimal;

pub(crate) const ADJUDICATION: &str = "http://terminology.hl7.org/CodeSystem/adjudication";
pub(crate) const CARIN_ADJUDICATION: &str = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication";
pub(crate) const GROUPS: &str = "https://x12.org/codes/claim-adjustment-group-codes";
pub(crate) const REASONS: &str = "https://x12.org/codes/claim-adjustment-reason-codes";
pub(crate) const REMARKS: &str = "https://x12.org/codes/remittance-advice-remark-codes";
pub(crate) const PROVIDER_REASONS: &str = "https://x12.org/codes/provider-adjustment-reason-codes";
pub(crate) const PAYMENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/payment-type";

/// What holds for a whole remittance.
#[derive(Clone, Debug)]
pub struct Context {
    /// Canonical base of our own systems and extensions.
    pub base: String,
    /// Currency of amounts where the remittance names none.
    pub currency: String,
    /// Reference to the payer.
    pub insurer: Value,
    /// Reference to the payee.
    pub requestor: Value,
}

/// The claim that a decision is about, as it is known here.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// `Claim/…`; absent when nobody here sent it.
    pub claim: Option<String>,
    /// Reference to the patient, or only a display.
    pub patient: Value,
    /// Code of the claim's type, `professional`.
    pub kind: String,
    /// Lines, to be matched with those of the remittance.
    pub lines: Vec<KnownLine>,
}

/// A line of a known claim.
#[derive(Clone, Debug, Default)]
pub struct KnownLine {
    /// `Claim.item.sequence`.
    pub sequence: u32,
    /// What was sent as REF*6R.
    pub control: Option<String>,
    /// Procedure code.
    pub code: String,
    /// First day of the service.
    pub service: Option<crate::value::Date>,
}

impl Context {
    /// An amount of money: at least two places, exact.
    pub(crate) fn money(&self, currency: Option<&str>, amount: Decimal) -> Value {
        json!({ "value": number(amount, 2), "currency": currency.unwrap_or(&self.currency) })
    }

    pub(crate) fn extension(&self, name: &str, code: &str) -> Value {
        json!({ "url": format!("{}/StructureDefinition/{name}", self.base), "valueCode": code })
    }
}

/// A decimal as a JSON number with at least some places, never through a float.
pub(crate) fn number(amount: Decimal, places: u32) -> Value {
    let mut amount = amount.normalize();
    if amount.scale() < places {
        amount.rescale(places);
    }
    serde_json::from_str(&amount.to_string()).unwrap_or(Value::Null)
}

pub(crate) fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}
