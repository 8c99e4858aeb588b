//! What the operations are called with, as values, and resources as they are read.

use crate::edi::find::{self, Found};
use crate::operation::Invocation;
use crate::rest::Context;
use remit_fhir::{Error, IssueType, Node, Result};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

/// A node as a value.
pub(super) fn value(node: Node<'_>) -> Result<Value> {
    serde_json::from_str(node.to_document().text()).map_err(Error::internal)
}

/// A resource in a parameter, or the whole body when it is one of this type.
pub(super) fn resource(call: &Invocation<'_>, name: &str, ty: &str) -> Result<Option<Value>> {
    let named = call.parameters.resource(name);
    let is_it = |node: &Node<'_>| node.resource_type().as_deref() == Some(ty);
    let alone = || call.parameters.body().map(|body| body.root()).filter(is_it);
    let Some(node) = named.or_else(alone) else { return Ok(None) };
    if !is_it(&node) {
        return Err(Error::invalid(format!("The parameter {name} must be a {ty}.")).at(name));
    }
    value(node).map(Some)
}

/// References in a parameter: `valueReference`, or a text such as `Coverage/12`.
pub(super) fn references(call: &Invocation<'_>, name: &str) -> Vec<String> {
    let of_body = call
        .parameters
        .named(name)
        .filter_map(|part| Some(part.get("valueReference")?.get_str("reference")?.into_owned()));
    call.parameters.all(name).into_iter().chain(of_body).collect()
}

/// A reference without the address of this server before it.
pub(super) fn local<'r>(cx: &Context<'_>, reference: &'r str) -> &'r str {
    reference.strip_prefix(cx.base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(reference)
}

/// A resource that a parameter names: 404 at the parameter when it is not there.
pub(super) async fn named(cx: &Context<'_>, reference: &str, ty: &str, name: &str) -> Result<Found> {
    let reference = local(cx, reference).to_owned();
    if reference.split_once('/').map(|(kind, _)| kind) != Some(ty) {
        return Err(Error::invalid(format!("{name} is a reference such as {ty}/12.")).at(name));
    }
    find::read(cx, &[reference]).await?.pop().ok_or_else(|| {
        Error::not_found(format!("There is no such {ty} here.")).coded(IssueType::NotFound).at(name)
    })
}

/// The resource behind a reference element, when it is there.
pub(super) async fn behind(cx: &Context<'_>, reference: &Value) -> Result<Option<Found>> {
    match reference["reference"].as_str() {
        Some(text) => Ok(find::read(cx, &[local(cx, text).to_owned()]).await?.pop()),
        None => Ok(None),
    }
}

/// The largest amount of money that is reckoned with: a thousand billions. Sums of as many amounts as
/// fit into a request stay far within what a decimal holds.
pub(super) const MAX_AMOUNT: Decimal = Decimal::from_parts(0xD4A5_1000, 0xE8, 0, false, 0);

/// An exact amount, when it is within what is reckoned with.
pub(super) fn amount(value: &Value) -> Option<Decimal> {
    decimal(value).filter(|amount| amount.abs() <= MAX_AMOUNT)
}

/// An exact number.
pub(super) fn decimal(value: &Value) -> Option<Decimal> {
    let Value::Number(number) = value else { return None };
    let text = number.to_string();
    text.parse().ok().or_else(|| Decimal::from_scientific(&text).ok())
}

/// A number as JSON, as it is written.
pub(super) fn number(value: Decimal) -> Value {
    serde_json::from_str(&value.to_string()).unwrap_or(Value::Null)
}

/// An amount of money with two digits after the point, rounded half up.
pub(super) fn cents(amount: Decimal) -> Decimal {
    let mut amount = amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    amount.rescale(2);
    amount
}

/// The day of a date or a time, as it is written.
pub(super) fn day(value: &Value) -> Option<&str> {
    value.as_str().and_then(|text| text.get(..10))
}

/// Whether a concept has a code of a system.
pub(super) fn code_of<'v>(concept: &'v Value, system: &str) -> Option<&'v str> {
    find::items(concept, "coding").find(|one| one["system"] == system)?["code"].as_str()
}

/// Whether a concept has a code, of whatever system.
pub(super) fn has_code(concept: &Value, code: &str) -> bool {
    find::items(concept, "coding").any(|one| one["code"] == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_a_limit() {
        let at = |text: &str| amount(&serde_json::from_str(text).unwrap());
        assert_eq!(MAX_AMOUNT.to_string(), "1000000000000");
        assert!(at("1000000000000").is_some() && at("-1000000000000.01").is_none());
    }

    #[test]
    fn numbers_stay_as_they_are_written() {
        for (text, expected) in [("100.00", "100.00"), ("0.1", "0.1"), ("1e2", "100")] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(number(decimal(&value).unwrap()).to_string(), expected);
        }
        assert_eq!(decimal(&Value::from("1")), None);
    }
}
