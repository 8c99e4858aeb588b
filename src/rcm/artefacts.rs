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
    "ViewDefinition" "views/claim_item.json",
    "ViewDefinition" "views/claim_related.json",
    "ViewDefinition" "views/claim_response.json",
    "ViewDefinition" "views/coverage.json",
    "ViewDefinition" "views/explanation_of_benefit.json",
    "ViewDefinition" "views/explanation_of_benefit_adjudication.json",
    "ViewDefinition" "views/organization.json",
    "ViewDefinition" "views/payment_detail.json",
    "Library" "libraries/q-gross-collection.json",
    "Measure" "measures/rcm-gross-collection-rate.json",
    "OperationDefinition" "operations/measure-evaluate-measure.json",
}

/// The shipped artefacts of one resource type.
pub fn artefacts_of(resource_type: &str) -> impl Iterator<Item = &'static Artefact> {
    ARTEFACTS.iter().filter(move |artefact| artefact.resource_type == resource_type)
}
