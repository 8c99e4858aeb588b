//! X12 into the record and out of it: claims, remittances, claim acknowledgements and acknowledgements
//! of interchanges as FHIR resources (<https://x12.org/products/transaction-sets>).
//!
//! - `$process-x12` takes a file of any of them; `$process-remittance` takes remittances alone.
//! - `$validate-x12` says what is wrong with a file and writes nothing.
//! - `Claim/$to-x12` writes a claim as an 837.
//!
//! A file is one transaction: either everything in it is in the record, or nothing is. Ids are made of
//! what the file says, so the same file leads to the same resources, whoever sends it and however often
//! at once. A remittance that does not balance is held with its reason, and no money is posted.

mod acknowledge;
mod answer;
mod answer_file;
mod choice;
pub(crate) mod claims;
pub(crate) mod denial;
mod file;
pub(crate) mod find;
mod held;
pub(crate) mod identity;
mod interchange;
mod late;
mod origin;
mod parties;
mod payers;
mod places;
mod process;
pub(crate) mod record;
mod remittance;
pub(crate) mod request;
mod reversals;
pub(crate) mod rules;
pub(crate) mod send;
mod status;
pub(crate) mod task;
mod to_x12;
mod validate;

use crate::operation::Operation;
use crate::rest::{Answer, Context};

const PROCESS_X12: &str = "https://remit.example/fhir/rcm/OperationDefinition/process-x12";
const PROCESS_REMITTANCE: &str = "https://remit.example/fhir/rcm/OperationDefinition/process-remittance";
const VALIDATE_X12: &str = "https://remit.example/fhir/rcm/OperationDefinition/validate-x12";
const TO_X12: &str = "https://remit.example/fhir/rcm/OperationDefinition/to-x12";

/// All of them.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(PROCESS_X12, |call| Box::pin(process::any(call))).repeatable(),
        Operation::new(PROCESS_REMITTANCE, |call| Box::pin(process::remittance(call))).repeatable(),
        Operation::new(VALIDATE_X12, |call| Box::pin(validate::run(call))),
        Operation::new(TO_X12, |call| Box::pin(to_x12::run(call))),
    ]
}

/// Takes a file into the record as `$process-x12` does.
pub async fn take_in(cx: &Context<'_>, bytes: Vec<u8>) -> remit_fhir::Result<Answer> {
    process::take_in(cx, bytes).await
}
