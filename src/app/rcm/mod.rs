//! The questions of the revenue cycle as operations: the `rcm` room says what is asked and writes the
//! answer; here the mart is asked.

mod drilldown;
mod evaluate;
mod layers;
mod scorecard;
mod shortcuts;
mod variance;

use super::App;
use crate::operation::{Invocation, Operation, Target};
use crate::rcm::{Measure, MeasureRequest};
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
        ]
    }
}

/// The inputs of a call as pairs of name and text, from the query and from the body alike.
fn inputs(call: &Invocation<'_>) -> Result<Vec<(String, String)>> {
    let body = call.parameters.body().map(|body| serde_json::from_str::<Json>(body.text()));
    let body = body.transpose().map_err(Error::internal)?;
    MeasureRequest::flatten(call.parameters.pairs(), body.as_ref())
}

/// The measure that a call names, in its URL or as the parameter `measure`.
fn measure(call: &Invocation<'_>, pairs: &[(String, String)]) -> Result<&'static Measure> {
    if let Target::Instance(_, id) = &call.target {
        return Measure::find(id).ok_or_else(|| Error::not_found("There is no measure of that id here."));
    }
    MeasureRequest::measure(pairs)
}
