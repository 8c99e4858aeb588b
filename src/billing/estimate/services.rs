//! The services that an estimate is asked for.

use crate::billing::request::{amount, decimal, value};
use crate::edi::find::items;
use crate::operation::Invocation;
use remit_fhir::{Error, IssueType, Result};
use rust_decimal::Decimal;
use serde_json::Value;

/// Services of one call: what is done on one day fits many times.
const MAX_SERVICES: usize = 200;

/// Units of one service; a thousand days of the smallest ones.
const MAX_QUANTITY: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// A service that is planned.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// Its code, for people.
    pub(super) code: String,
    codings: Vec<(String, String)>,
    categories: Vec<(String, String)>,
    /// What is charged.
    pub(super) charge: Option<Decimal>,
    /// What the payer allows, where the caller knows it.
    pub(super) allowed: Option<Decimal>,
    pub(super) quantity: Decimal,
}

impl Service {
    /// Whether a concept has one of its codes.
    pub(super) fn has_code(&self, concept: &Value) -> bool {
        shares(&self.codings, concept)
    }

    /// Whether a concept is its category.
    pub(super) fn is_of(&self, concept: &Value) -> bool {
        shares(&self.categories, concept)
    }
}

/// Whether a concept has one of these codes; a code that is given without a system fits any.
fn shares(codings: &[(String, String)], concept: &Value) -> bool {
    items(concept, "coding").any(|one| {
        let (system, code) =
            (one["system"].as_str().unwrap_or_default(), one["code"].as_str().unwrap_or_default());
        codings
            .iter()
            .any(|(own, known)| known == code && (own.is_empty() || system.is_empty() || own == system))
    })
}

/// The services of a call, and their currency.
pub(super) fn services(call: &Invocation<'_>) -> Result<(Vec<Service>, String)> {
    let mut all = Vec::new();
    let mut currency: Option<String> = None;
    for (n, part) in call.parameters.named("services").enumerate() {
        let at = format!("services[{n}]");
        all.push(service(&value(part)?, &mut currency).map_err(|error| error.at(at))?);
    }
    if all.is_empty() {
        return Err(Error::invalid(
            "Give at least one service, with its code and a charge or allowed amount.",
        )
        .coded(IssueType::Required)
        .at("services"));
    }
    if all.len() > MAX_SERVICES {
        return Err(Error::invalid(format!("At most {MAX_SERVICES} services are taken.")).at("services"));
    }
    Ok((all, currency.unwrap_or_else(|| "USD".to_owned())))
}

fn service(part: &Value, currency: &mut Option<String>) -> Result<Service> {
    let find = |name: &str| items(part, "part").find(|one| one["name"] == name);
    const KNOWN: [&str; 5] = ["code", "category", "charge", "allowed", "quantity"];
    if items(part, "part").any(|one| !one["name"].as_str().is_some_and(|name| KNOWN.contains(&name))) {
        return Err(Error::invalid(format!("A service has the parts {}.", KNOWN.join(", ")))
            .coded(IssueType::NotSupported));
    }
    let codings = find("code").map(codings).unwrap_or_default();
    let Some((_, code)) = codings.first().cloned() else {
        return Err(Error::invalid("A service has a code: a Coding, CodeableConcept or code.")
            .coded(IssueType::Required));
    };
    let mut money = |name: &str| -> Result<Option<Decimal>> {
        let Some(part) = find(name) else { return Ok(None) };
        let amount = amount(&part["valueMoney"]["value"]).filter(|amount| *amount >= Decimal::ZERO);
        let amount = amount.ok_or_else(|| {
            Error::invalid(format!("{name} is a Money with a value that is not negative."))
                .coded(IssueType::Value)
        })?;
        let own = part["valueMoney"]["currency"].as_str().unwrap_or("USD");
        if currency.get_or_insert_with(|| own.to_owned()).as_str() != own {
            return Err(Error::invalid("All amounts are in one currency.").coded(IssueType::Value));
        }
        Ok(Some(amount))
    };
    let (charge, allowed) = (money("charge")?, money("allowed")?);
    let quantity = match find("quantity") {
        None => Decimal::ONE,
        Some(part) => decimal(&part["valueDecimal"])
            .or_else(|| decimal(&part["valueInteger"]))
            .or_else(|| decimal(&part["valuePositiveInt"]))
            .filter(|quantity| *quantity > Decimal::ZERO && *quantity <= MAX_QUANTITY)
            .ok_or_else(|| {
                Error::invalid("quantity is a number over zero, at most a million.").coded(IssueType::Value)
            })?,
    };
    if charge.is_none() && allowed.is_none() {
        return Err(Error::invalid("A service has a charge or an allowed amount.").coded(IssueType::Required));
    }
    let categories = find("category").map(self::codings).unwrap_or_default();
    Ok(Service { code, codings, categories, charge, allowed, quantity })
}

/// Systems and codes of a parameter, in whichever type it comes.
fn codings(part: &Value) -> Vec<(String, String)> {
    let pair = |one: &Value| {
        let system = one["system"].as_str().unwrap_or_default().to_owned();
        Some((system, one["code"].as_str()?.to_owned()))
    };
    let concept = items(&part["valueCodeableConcept"], "coding").filter_map(pair);
    let coding = pair(&part["valueCoding"]);
    let plain = part["valueCode"].as_str().or(part["valueString"].as_str());
    concept.chain(coding).chain(plain.map(|code| (String::new(), code.to_owned()))).collect()
}
