//! The questions of the revenue cycle as operations: the `rcm` room says what is asked and writes the
//! answer; here the mart is asked.

#[cfg(test)]
mod agreement;
mod definition;
mod derived;
mod drilldown;
mod evaluate;
mod layers;
mod listing;
mod opportunities;
mod scorecard;
mod shortcuts;
mod statement;
mod underpayments;
mod variance;

pub(super) use layers::asked_layers;

use super::App;
use crate::operation::{Invocation, Operation};
use crate::rcm::MeasureRequest;
use remit_fhir::{Error, Result};
use serde_json::Value as Json;

impl App {
    /// All of them, bound to this server's store and mart.
    pub(super) fn revenue_operations(&self) -> Vec<Operation> {
        vec![
            self.evaluate_measure(),
            self.ar_aging(),
            self.denial_trends(),
            self.drilldown(),
            self.variance(),
            self.payer_scorecard(),
            self.underpayments(),
            self.opportunities(),
            self.statement(),
        ]
    }
}

/// The inputs of a call as pairs of name and text, from the query and from the body alike.
fn inputs(call: &Invocation<'_>) -> Result<Vec<(String, String)>> {
    let body = call.parameters.body().map(|body| serde_json::from_str::<Json>(body.text()));
    let body = body.transpose().map_err(Error::internal)?;
    MeasureRequest::flatten(call.parameters.pairs(), body.as_ref())
}
