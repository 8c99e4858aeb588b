//! What people do about claims that were not paid: appeal a denial, correct or void a claim. Each is one
//! transaction, and called twice at once it is done once.

mod appeal;
mod correct;
mod packet;
mod request;

use crate::operation::Operation;

const APPEAL: &str = "https://remit.example/fhir/rcm/OperationDefinition/rcm-appeal";
const CORRECT: &str = "https://remit.example/fhir/rcm/OperationDefinition/rcm-correct";

/// All of them.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::new(APPEAL, |call| Box::pin(appeal::run(call))),
        Operation::new(CORRECT, |call| Box::pin(correct::run(call))),
    ]
}
