//! From care to the patient's bill: what a practice does with claims before and after a payer has them.
//!
//! - `Encounter/$generate-claim` makes a draft of a claim of what was charged.
//! - `Claim/$scrub` says what is wrong with a claim; `Claim/$submit` sends it, once.
//! - `PaymentReconciliation/$reassociate` finds a remittance's money at the bank.
//! - `$estimate-patient-responsibility` tells what a patient will owe, step by step.
//! - the documents of `Account/$statement`, whose figures come from the layers of the measures.

mod edits;
mod estimate;
mod generate;
mod known;
mod reassociate;
mod request;
mod scrub;
pub(crate) mod statement;
mod submit;

use crate::operation::Operation;

const SUBMIT: &str = "http://hl7.org/fhir/OperationDefinition/Claim-submit";
const SCRUB: &str = "https://remit.example/fhir/rcm/OperationDefinition/claim-scrub";
const GENERATE: &str = "https://remit.example/fhir/rcm/OperationDefinition/encounter-generate-claim";
const REASSOCIATE: &str =
    "https://remit.example/fhir/rcm/OperationDefinition/paymentreconciliation-reassociate";
const ESTIMATE: &str =
    "https://remit.example/fhir/rcm/OperationDefinition/coverage-estimate-patient-responsibility";

/// All that need nothing but the store.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(SCRUB, |call| Box::pin(scrub::run(call))),
        Operation::new(SUBMIT, |call| Box::pin(submit::run(call))),
        Operation::new(GENERATE, |call| Box::pin(generate::run(call))),
        Operation::new(REASSOCIATE, |call| Box::pin(reassociate::run(call))),
        Operation::new(ESTIMATE, |call| Box::pin(estimate::run(call))),
    ]
}
