//! A remittance as a PaymentReconciliation: one detail for each claim, one for each PLB reason.

use serde_json::{Value, json};

use super::claim_response::without_nulls;
use super::{Context, PAYMENT_TYPE, PROVIDER_REASONS, concept};
use crate::model::{ProviderAdjustment, Remittance, RemittanceClaim};

/// The PaymentReconciliation. `claims` are the references to Claim and ClaimResponse of each claim of
/// the remittance, in its order.
pub fn payment_reconciliation(
    context: &Context,
    remittance: &Remittance,
    claims: &[(Option<String>, String)],
) -> Value {
    let currency = remittance.currency.as_deref();
    let date = remittance.payment.date.or(remittance.produced).map(|day| day.to_string());
    let system =
        remittance.trace.payer.as_ref().map(|payer| format!("{}/payment-trace/{payer}", context.base));
    let paid =
        remittance.claims.iter().zip(claims).map(|(claim, links)| detail(context, remittance, claim, links));
    let taken = remittance.adjustments.iter().map(|one| adjustment(context, currency, one));
    without_nulls(json!({
        "resourceType": "PaymentReconciliation",
        "extension": [context.extension("rcm-payment-method", &remittance.payment.method)],
        "status": "active",
        "created": remittance.produced.or(remittance.payment.date).map(|day| day.to_string()),
        "paymentIssuer": context.insurer,
        "requestor": context.requestor,
        "outcome": "complete",
        "paymentDate": date,
        "paymentAmount": context.money(currency, remittance.payment.amount),
        "paymentIdentifier": { "system": system, "value": remittance.trace.number },
        "detail": paid.chain(taken).collect::<Vec<_>>(),
    }))
}

fn detail(
    context: &Context,
    remittance: &Remittance,
    claim: &RemittanceClaim,
    (request, response): &(Option<String>, String),
) -> Value {
    let predecessor = claim.payer_claim.as_ref().filter(|_| claim.is_reversal());
    json!({
        "type": concept(PAYMENT_TYPE, "payment"),
        "predecessor": predecessor.map(|number| json!({ "value": number })),
        "request": request.as_ref().map(|request| json!({ "reference": request })),
        "response": { "reference": response },
        "date": remittance.payment.date.map(|day| day.to_string()),
        "amount": context.money(remittance.currency.as_deref(), claim.paid),
    })
}

/// What the payer takes is negative for whoever is paid.
fn adjustment(context: &Context, currency: Option<&str>, one: &ProviderAdjustment) -> Value {
    let mut kind = concept(PAYMENT_TYPE, "adjustment");
    if let Some(codings) = kind["coding"].as_array_mut() {
        codings.push(json!({ "system": PROVIDER_REASONS, "code": one.reason }));
    }
    json!({
        "type": kind,
        "identifier": one.reference.as_ref().map(|reference| json!({ "value": reference })),
        "amount": context.money(currency, -one.amount),
    })
}
