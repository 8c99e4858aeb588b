//! From typed X12 to FHIR JSON, and claims back (<https://hl7.org/fhir/R4/claimresponse.html>,
//! <https://hl7.org/fhir/R4/paymentreconciliation.html>). Pure: whoever calls has looked up the claim,
//! the patient and the organizations, and gives their references.

mod adjudication;
mod claim;
mod claim_back;
mod claim_response;
mod coverages;
mod entries;
mod explanation;
mod info;
mod lines;
mod matching;
mod parties_back;
mod payment;
mod residual;
mod status;
#[cfg(test)]
mod tests;

pub use claim::{ClaimEntry, Decided, claims};
pub use claim_back::Resolve;
pub use claim_response::claim_response;
pub use entries::{Entries, Entry};
pub use explanation::{explanation_of_benefit, is_reversal};
pub use payment::payment_reconciliation;
pub use residual::{RESIDUAL, residual, to_claim_set};
pub use status::acknowledgement_response;

use serde_json::{Value, json};

use crate::value::Decimal;

pub(crate) const ADJUDICATION: &str = "http://terminology.hl7.org/CodeSystem/adjudication";
pub(crate) const CARIN_ADJUDICATION: &str = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication";
pub(crate) const GROUPS: &str = "https://x12.org/codes/claim-adjustment-group-codes";
pub(crate) const REASONS: &str = "https://x12.org/codes/claim-adjustment-reason-codes";
pub(crate) const REMARKS: &str = "https://x12.org/codes/remittance-advice-remark-codes";
pub(crate) const PROVIDER_REASONS: &str = "https://x12.org/codes/provider-adjustment-reason-codes";
/// The extension with REF*6R of a line.
pub(crate) const LINE_CONTROL: &str = "rcm-line-control-number";
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
    /// Code of the claim's type, `professional`; empty where no claim is known.
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
    /// Procedure codes, in whatever systems.
    pub codes: Vec<String>,
    /// First day of the service.
    pub service: Option<crate::value::Date>,
    /// What was charged.
    pub charge: Option<Decimal>,
}

impl Known {
    /// What is known of a Claim.
    pub fn of(base: &str, reference: String, claim: &Value) -> Known {
        let kind = claim["type"]["coding"][0]["code"].as_str().unwrap_or("professional").to_owned();
        let lines = claim["item"].as_array().into_iter().flatten().map(|item| KnownLine::of(base, item));
        Known { claim: Some(reference), patient: claim["patient"].clone(), kind, lines: lines.collect() }
    }

    /// Who the claim's patient is when nobody here sent the claim.
    pub fn of_party(party: Option<&crate::model::Party>) -> Known {
        Known { patient: party.map_or_else(|| json!({ "display": "unknown" }), person), ..Known::default() }
    }
}

impl KnownLine {
    fn of(base: &str, item: &Value) -> KnownLine {
        let url = format!("{base}/StructureDefinition/{LINE_CONTROL}");
        let extensions = item["extension"].as_array().into_iter().flatten();
        let control =
            extensions.filter(|one| one["url"] == url.as_str()).find_map(|one| one["valueString"].as_str());
        let codings = item["productOrService"]["coding"].as_array().into_iter().flatten();
        let day = item["servicedDate"].as_str().or(item["servicedPeriod"]["start"].as_str());
        KnownLine {
            sequence: item["sequence"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
            control: control.map(str::to_owned),
            codes: codings.filter_map(|coding| coding["code"].as_str()).map(str::to_owned).collect(),
            service: day.and_then(day_of),
            charge: decimal_of(&item["net"]["value"]),
        }
    }
}

/// The day of a FHIR date or dateTime.
pub(crate) fn day_of(text: &str) -> Option<crate::value::Date> {
    let compact: String = text.get(..10)?.chars().filter(|c| *c != '-').collect();
    crate::value::Date::parse(compact.as_bytes())
}

/// The exact value of a JSON number.
pub(crate) fn decimal_of(value: &Value) -> Option<Decimal> {
    let text = value.as_number()?.to_string();
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// A reference by identifier and name alone.
pub(crate) fn person(party: &crate::model::Party) -> Value {
    let name = match &party.first {
        Some(first) => format!("{first} {}", party.name),
        None => party.name.clone(),
    };
    let identifier =
        party.id.as_ref().filter(|id| !id.value.is_empty()).map(|id| json!({ "value": id.value }));
    let name = Some(name).filter(|name| !name.trim().is_empty());
    claim_response::without_nulls(
        json!({ "display": name.unwrap_or_else(|| "unknown".into()), "identifier": identifier }),
    )
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

/// Items of a list, none where there is no list.
pub(crate) fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value[name].as_array().into_iter().flatten()
}

pub(crate) fn concept(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code }] })
}
