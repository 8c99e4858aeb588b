//! The artefacts of the revenue cycle that come with the program, as the text of their files.

/// One shipped resource.
#[derive(Clone, Copy, Debug)]
pub struct Artefact {
    /// Its resource type.
    pub resource_type: &'static str,
    /// The file below `profiles/rcm/` it comes from.
    pub path: &'static str,
    /// The resource as JSON.
    pub json: &'static str,
}

macro_rules! artefacts {
    ($($resource_type:literal $path:literal),* $(,)?) => {
        /// Every shipped artefact: views, queries, measures and operations.
        pub const ARTEFACTS: &[Artefact] = &[$(Artefact {
            resource_type: $resource_type,
            path: $path,
            json: include_str!(concat!("../../profiles/rcm/", $path)),
        }),*];
    };
}

artefacts! {
    "ViewDefinition" "views/account_coverage.json",
    "ViewDefinition" "views/adjudication.json",
    "ViewDefinition" "views/charge_item.json",
    "ViewDefinition" "views/claim.json",
    "ViewDefinition" "views/claim_insurance.json",
    "ViewDefinition" "views/claim_item.json",
    "ViewDefinition" "views/claim_related.json",
    "ViewDefinition" "views/claim_response.json",
    "ViewDefinition" "views/contract_price.json",
    "ViewDefinition" "views/coverage.json",
    "ViewDefinition" "views/denial_rule.json",
    "ViewDefinition" "views/encounter.json",
    "ViewDefinition" "views/explanation_of_benefit.json",
    "ViewDefinition" "views/explanation_of_benefit_adjudication.json",
    "ViewDefinition" "views/location.json",
    "ViewDefinition" "views/organization.json",
    "ViewDefinition" "views/payment_detail.json",
    "ViewDefinition" "views/practitioner.json",
    "ViewDefinition" "views/task.json",
    "Library" "libraries/account.json",
    "Library" "libraries/adjudicated.json",
    "Library" "libraries/adjustment.json",
    "Library" "libraries/allowed-line.json",
    "Library" "libraries/claim-fact.json",
    "Library" "libraries/cut.json",
    "Library" "libraries/denial-class.json",
    "Library" "libraries/denial.json",
    "Library" "libraries/denied-line.json",
    "Library" "libraries/episode-link.json",
    "Library" "libraries/episode-merge.json",
    "Library" "libraries/episode-root.json",
    "Library" "libraries/episode.json",
    "Library" "libraries/first-submission.json",
    "Library" "libraries/holder-share.json",
    "Library" "libraries/ledger-entry.json",
    "Library" "libraries/line-outcome.json",
    "Library" "libraries/open-balance.json",
    "Library" "libraries/payer-chain.json",
    "Library" "libraries/q-ageing.json",
    "Library" "libraries/q-cash.json",
    "Library" "libraries/q-claim-lag.json",
    "Library" "libraries/q-collections.json",
    "Library" "libraries/q-days-to-payment.json",
    "Library" "libraries/q-denial-to-appeal.json",
    "Library" "libraries/q-denial-to-resolution.json",
    "Library" "libraries/q-denials.json",
    "Library" "libraries/q-denied-lines.json",
    "Library" "libraries/q-first-submissions.json",
    "Library" "libraries/q-point-of-service.json",
    "Library" "libraries/q-receivables.json",
    "Library" "libraries/q-rejections.json",
    "Library" "libraries/q-remittances.json",
    "Library" "libraries/q-underpayments.json",
    "Library" "libraries/response.json",
    "Library" "libraries/self-pay-visit.json",
    "Library" "libraries/submission.json",
    "Library" "libraries/task-fact.json",
    "Measure" "measures/rcm-ar-aging.json",
    "Measure" "measures/rcm-ar-over-90.json",
    "Measure" "measures/rcm-bad-debt.json",
    "Measure" "measures/rcm-cash-of-npsr.json",
    "Measure" "measures/rcm-claim-lag.json",
    "Measure" "measures/rcm-clean-claim-rate.json",
    "Measure" "measures/rcm-cost-to-collect.json",
    "Measure" "measures/rcm-dashboard.json",
    "Measure" "measures/rcm-days-in-ar.json",
    "Measure" "measures/rcm-days-to-payment.json",
    "Measure" "measures/rcm-denial-distribution.json",
    "Measure" "measures/rcm-denial-overturn-rate.json",
    "Measure" "measures/rcm-denial-to-appeal.json",
    "Measure" "measures/rcm-denial-to-resolution.json",
    "Measure" "measures/rcm-final-denial-write-off.json",
    "Measure" "measures/rcm-first-pass-resolution.json",
    "Measure" "measures/rcm-gross-collection-rate.json",
    "Measure" "measures/rcm-initial-denial-rate.json",
    "Measure" "measures/rcm-money.json",
    "Measure" "measures/rcm-net-collection-rate.json",
    "Measure" "measures/rcm-payer-mix.json",
    "Measure" "measures/rcm-payer-scorecard.json",
    "Measure" "measures/rcm-point-of-service.json",
    "Measure" "measures/rcm-primary-denial-rate.json",
    "Measure" "measures/rcm-provider-productivity.json",
    "Measure" "measures/rcm-rejection-rate.json",
    "Measure" "measures/rcm-remittance-denial-rate.json",
    "Measure" "measures/rcm-underpayment.json",
    "OperationDefinition" "operations/ar-aging.json",
    "OperationDefinition" "operations/denial-trends.json",
    "OperationDefinition" "operations/measure-evaluate-measure.json",
    "OperationDefinition" "operations/payer-scorecard.json",
    "OperationDefinition" "operations/process-remittance.json",
    "OperationDefinition" "operations/process-x12.json",
    "OperationDefinition" "operations/rcm-drilldown.json",
    "OperationDefinition" "operations/rcm-variance.json",
    "OperationDefinition" "operations/to-x12.json",
    "OperationDefinition" "operations/validate-x12.json",
}

/// The shipped artefacts of one resource type.
pub fn artefacts_of(resource_type: &str) -> impl Iterator<Item = &'static Artefact> {
    ARTEFACTS.iter().filter(move |artefact| artefact.resource_type == resource_type)
}
