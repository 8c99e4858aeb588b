//! `Organization/[id]/$payer-scorecard`: the measures that tell how a payer treats the practice.

use super::evaluate::Asker;
use super::inputs;
use crate::app::App;
use crate::operation::{Invocation, Operation, Target};
use crate::rcm::{Measure, MeasureRequest};
use crate::rest::{Answer, Context, reader};
use remit_fhir::{Error, Result};
use remit_search::Handling;

const DEFINITION: &str = "https://remit.example/fhir/rcm/OperationDefinition/payer-scorecard";
const MEASURE: &str = "rcm-payer-scorecard";

impl App {
    /// The operation, bound to this server's store and mart.
    pub(super) fn payer_scorecard(&self) -> Operation {
        let app = self.clone();
        Operation::new(DEFINITION, move |call| {
            let app = app.clone();
            Box::pin(async move { app.score_payer(&call).await })
        })
    }

    async fn score_payer(&self, call: &Invocation<'_>) -> Result<Answer> {
        let Target::Instance(ty, id) = &call.target else {
            return Err(Error::internal("a scorecard is of one Organization"));
        };
        call.cx.store.read(call.cx.plan, *ty, id).await?;
        let payer = format!("Organization/{id}");
        if !is_payer(&call.cx, &payer).await? {
            return Err(Error::not_found(
                "This Organization is no payer: no Coverage and no Claim names it as one.",
            ));
        }
        let mut pairs = inputs(call)?;
        pairs.retain(|(name, _)| name != "payer");
        pairs.push(("payer".to_owned(), payer));
        let measure = Measure::find(MEASURE).ok_or_else(|| Error::internal("no such measure"))?;
        let request = MeasureRequest::parse(measure, &pairs)?;
        let report = self.measure_report(Asker::Caller(&call.cx), measure, &request).await?;
        Ok(Answer::of(report.to_string()))
    }
}

/// Whether a Coverage or a Claim that the caller may read names an Organization as payer.
async fn is_payer(cx: &Context<'_>, reference: &str) -> Result<bool> {
    for (kind, parameter) in [("Coverage", "payor"), ("Claim", "insurer")] {
        let Some(ty) = cx.defs.resource_named(kind) else { continue };
        let reader = reader(cx, cx.store.registry(), Handling::Strict);
        let criterion = remit_search::condition(&[ty], parameter, reference, &reader)?;
        let query = remit_search::Query {
            types: vec![ty],
            criteria: vec![criterion],
            count: 1,
            ..remit_search::Query::default()
        };
        if !cx.store.matches(cx.plan, &query).await?.0.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
