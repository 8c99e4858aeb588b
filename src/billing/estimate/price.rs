//! What a payer's contract says that a service costs: the fee schedule that underpayments are measured
//! by, read from the Contracts themselves.

use super::services::Service;
use crate::billing::request::{amount, day, local};
use crate::edi::find::{self, Found, items};
use crate::rest::Context;
use remit_fhir::Result;
use rust_decimal::Decimal;
use serde_json::Value;

/// Contracts in one of these states hold no price.
const OVER: [&str; 5] = ["entered-in-error", "cancelled", "rejected", "revoked", "terminated"];

/// Prices of the payer of a coverage.
pub(super) struct Prices {
    contracts: Vec<Found>,
    currency: String,
}

impl Prices {
    /// Reads the contracts of the payer, when a service needs a price.
    pub(super) async fn of(
        cx: &Context<'_>,
        coverage: &Value,
        services: &[Service],
        as_of: &str,
        currency: &str,
    ) -> Result<Prices> {
        let mut contracts = Vec::new();
        if services.iter().any(|service| service.allowed.is_none()) {
            let payers: Vec<&str> = items(coverage, "payor")
                .filter_map(|one| one["reference"].as_str())
                .map(|one| local(cx, one))
                .collect();
            if !payers.is_empty() {
                let pairs = [("subject".to_owned(), payers.join(","))];
                find::search(cx, "Contract", &pairs, &mut contracts).await?;
            }
        }
        let holds = |contract: &Value| {
            let period = &contract["applies"];
            !contract["status"].as_str().is_some_and(|status| OVER.contains(&status))
                && day(&period["start"]).is_none_or(|start| start <= as_of)
                && day(&period["end"]).is_none_or(|end| as_of <= end)
        };
        contracts.retain(|one: &Found| holds(&one.resource));
        Ok(Prices { contracts, currency: currency.to_owned() })
    }

    /// The price of a unit and what is allowed for a service: the price times the units, at most the
    /// charge. Of several prices the highest, as underpayments are measured.
    pub(super) fn of_service(&self, service: &Service) -> Option<(Decimal, Decimal)> {
        let all = self.contracts.iter().flat_map(|one| items(&one.resource, "term"));
        let all = all.flat_map(|term| items(term, "asset")).flat_map(|asset| items(asset, "valuedItem"));
        let own = all.filter(|item| service.has_code(&item["entityCodeableConcept"]));
        let price = own.filter_map(|item| self.price(&item["unitPrice"])).max()?;
        let whole = price.checked_mul(service.quantity)?;
        Some((price, service.charge.map_or(whole, |charge| whole.min(charge))))
    }

    /// A price in the currency of the services.
    fn price(&self, money: &Value) -> Option<Decimal> {
        let currency = money["currency"].as_str().unwrap_or("USD");
        amount(&money["value"]).filter(|_| currency == self.currency)
    }
}
