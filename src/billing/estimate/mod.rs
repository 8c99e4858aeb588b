//! `$estimate-patient-responsibility`: what a patient will owe for services, from the benefits that the
//! payer told, with every step of the arithmetic.

mod arithmetic;
mod benefits;
mod price;
mod services;

use super::request::{cents, day, local, named, number, resource};
use crate::edi::find::{self, Found, items, target};
use crate::operation::{Invocation, Target};
use crate::rest::{Answer, Context, sound};
use arithmetic::{Cover, Estimate, Line, Step};
use benefits::Benefits;
use remit_fhir::date::{Moment, instant};
use remit_fhir::{Error, IssueType, Kind, Result, json as text};
use remit_store::system_clock;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use services::Service;

/// How old benefits may be when a call does not say: plans and what is used of them change with the
/// month.
const MAX_AGE_DAYS: i64 = 30;

/// Answers about a patient that are looked through for the newest of the coverage.
const MAX_RESPONSES: usize = 200;

const DAY_US: i64 = 86_400_000_000;

pub(super) async fn run(call: Invocation<'_>) -> Result<Answer> {
    call.parameters.only(&["coverage", "services", "eligibilityResponse", "network", "asOf", "maxAge"])?;
    let cx = &call.cx;
    let coverage = coverage(&call).await?;
    let (services, currency) = services::services(&call)?;
    let network = match call.parameters.get("network").as_deref() {
        None | Some("in") => "in",
        Some("out") => "out",
        Some(_) => return Err(Error::invalid("network is in or out.").at("network")),
    };
    let as_of = as_of(&call)?;
    let response = response(&call, &coverage).await?;
    let insurance = usable(cx, &response, &coverage, &as_of, max_age(&call)?)?;
    let benefits = Benefits::of(insurance, network, &currency);
    let prices = price::Prices::of(cx, &coverage.resource, &services, &as_of, &currency).await?;
    let mut lines = Vec::with_capacity(services.len());
    let mut notes = Vec::new();
    for (n, service) in services.iter().enumerate() {
        lines.push(
            line(service, &benefits, &prices, &mut notes)
                .map_err(|error| error.at(format!("services[{n}]")))?,
        );
    }
    let mut found = arithmetic::estimate(&lines, &benefits.left()?);
    drop(found.steps.splice(0..0, notes));
    Ok(Answer::of(parameters(&found, &response, &currency).to_string()))
}

async fn coverage(call: &Invocation<'_>) -> Result<Found> {
    if matches!(call.target, Target::Instance(..)) {
        return target(call).await;
    }
    let reference = super::request::references(call, "coverage").into_iter().next().ok_or_else(|| {
        Error::invalid("Name the coverage, or call the operation on one.")
            .coded(IssueType::Required)
            .at("coverage")
    })?;
    named(&call.cx, &reference, "Coverage", "coverage").await
}

fn as_of(call: &Invocation<'_>) -> Result<String> {
    let today = || instant(system_clock())[..10].to_owned();
    let day = call.parameters.get("asOf").unwrap_or_else(today);
    match day.len() == 10 && Moment::parse(&day).is_some() {
        true => Ok(day),
        false => Err(Error::invalid("asOf is a date such as 2026-01-31.").coded(IssueType::Value).at("asOf")),
    }
}

fn max_age(call: &Invocation<'_>) -> Result<i64> {
    match call.parameters.get("maxAge") {
        None => Ok(MAX_AGE_DAYS),
        Some(text) => text.parse().ok().filter(|days| (0..=36_500).contains(days)).ok_or_else(|| {
            Error::invalid("maxAge is a number of days.").coded(IssueType::Value).at("maxAge")
        }),
    }
}

/// The benefits: given, named, or the newest that the record has of the coverage.
async fn response(call: &Invocation<'_>, coverage: &Found) -> Result<Value> {
    const NAME: &str = "eligibilityResponse";
    let cx = &call.cx;
    if let Some(given) = resource(call, NAME, "CoverageEligibilityResponse")? {
        let parsed = text::parse(given.to_string()).map_err(Error::internal)?;
        sound(cx, parsed.root(), Kind::Invalid)?;
        return Ok(given);
    }
    if let Some(reference) = super::request::references(call, NAME).into_iter().next() {
        return Ok(named(cx, &reference, "CoverageEligibilityResponse", NAME).await?.resource);
    }
    let Some(patient) = coverage.resource["beneficiary"]["reference"].as_str() else {
        return Err(none_told());
    };
    let pairs =
        [("patient".to_owned(), local(cx, patient).to_owned()), ("_sort".to_owned(), "-created".to_owned())];
    let found = find::newest(cx, "CoverageEligibilityResponse", &pairs, MAX_RESPONSES).await?;
    let is_usable = |one: &Found| {
        one.resource["status"] == "active" && of_coverage(cx, &one.resource, coverage).is_some()
    };
    found.into_iter().find(is_usable).map(|one| one.resource).ok_or_else(none_told)
}

fn none_told() -> Error {
    Error::unprocessable(
        "The record has no benefits of this coverage; ask the payer, or give a CoverageEligibilityResponse.",
    )
    .coded(IssueType::Incomplete)
    .at("eligibilityResponse")
}

fn of_coverage<'r>(cx: &Context<'_>, response: &'r Value, coverage: &Found) -> Option<&'r Value> {
    items(response, "insurance").find(|one| {
        one["coverage"]["reference"].as_str().map(|name| local(cx, name)) == Some(coverage.reference.as_str())
    })
}

/// The entry of the coverage, when the answer can be used: 422 with the reason else.
fn usable<'r>(
    cx: &Context<'_>,
    response: &'r Value,
    coverage: &Found,
    as_of: &str,
    max_age: i64,
) -> Result<&'r Value> {
    let refuse = |text: String| {
        Err(Error::unprocessable(text).coded(IssueType::BusinessRule).at("eligibilityResponse"))
    };
    if response["status"] != "active" || !matches!(response["outcome"].as_str(), Some("complete" | "partial"))
    {
        return refuse("The payer did not tell the benefits: the answer is not active and complete.".into());
    }
    let Some(insurance) = of_coverage(cx, response, coverage) else {
        return refuse("The benefits are of another coverage.".into());
    };
    if insurance["inforce"] == false {
        return refuse("The payer says that the coverage is not in force.".into());
    }
    let created = day(&response["created"]).unwrap_or_default();
    let low = |day: &str| Moment::parse(day).map(|moment| moment.low);
    let age = low(as_of).zip(low(created)).map(|(to, from)| (to - from) / DAY_US);
    if age.is_none_or(|age| age > max_age) {
        return refuse(format!(
            "The benefits of {created} are older than {max_age} days on {as_of}; ask the payer again."
        ));
    }
    let period = &insurance["benefitPeriod"];
    let is_outside = day(&period["start"]).is_some_and(|start| as_of < start)
        || day(&period["end"]).is_some_and(|end| as_of > end);
    if is_outside {
        return refuse(format!("The benefits do not hold on {as_of}: their period is another."));
    }
    Ok(insurance)
}

/// A service with what it costs and how the plan shares that.
fn line(
    service: &Service,
    benefits: &Benefits<'_>,
    prices: &price::Prices,
    notes: &mut Vec<Step>,
) -> Result<Line> {
    let cover = benefits.cover(service)?;
    let mut note = |text: String, amount: Decimal| {
        notes.push(Step { service: Some(service.code.clone()), text, amount });
    };
    let allowed = match (service.allowed, prices.of_service(service)) {
        (Some(allowed), _) => allowed,
        (None, Some((price, allowed))) => {
            note(
                format!("The price of the contract is {price} for a unit; allowed is at most the charge."),
                allowed,
            );
            allowed
        }
        // What the plan does not pay needs no allowed amount.
        (None, None) if cover == Cover::Excluded => service.charge.unwrap_or_default(),
        (None, None) => {
            let text = format!(
                "Nothing says what the payer allows for {}: give allowed, or a Contract with its price.",
                service.code
            );
            return Err(Error::unprocessable(text).coded(IssueType::BusinessRule));
        }
    };
    for kind in benefits.unknown(service) {
        note(format!("The benefit '{kind}' is told and not counted."), Decimal::ZERO);
    }
    Ok(Line { code: service.code.clone(), charge: service.charge.unwrap_or(allowed), allowed, cover })
}

fn parameters(found: &Estimate, response: &Value, currency: &str) -> Value {
    let money = |amount: Decimal| json!({ "value": number(cents(amount)), "currency": currency });
    let total = found.total();
    let mut list: Vec<Value> = [
        ("deductible", found.deductible),
        ("coinsurance", found.coinsurance),
        ("copay", found.copay),
        ("noncovered", found.noncovered),
        ("total", total),
    ]
    .into_iter()
    .map(|(name, amount)| json!({ "name": name, "valueMoney": money(amount) }))
    .collect();
    let id = response["id"].as_str();
    let benefits = match id {
        Some(id) => json!({ "reference": format!("CoverageEligibilityResponse/{id}") }),
        None => json!({ "display": "the benefits that were given" }),
    };
    list.push(json!({ "name": "benefits", "valueReference": benefits }));
    for step in &found.steps {
        let mut parts = Vec::new();
        if let Some(service) = &step.service {
            parts.push(json!({ "name": "service", "valueCode": service }));
        }
        parts.push(json!({ "name": "text", "valueString": step.text }));
        parts.push(json!({ "name": "amount", "valueMoney": money(step.amount) }));
        list.push(json!({ "name": "steps", "part": parts }));
    }
    json!({ "resourceType": "Parameters", "parameter": list })
}
