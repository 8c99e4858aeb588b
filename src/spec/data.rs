//! The shape of the compact data in `profiles/r4` and `terminology/r4`, as it is read.
//! [`crate::build`] writes it. Defaults are left out of the text.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::text::Text;

/// The data that is part of the binary.
pub(crate) mod embedded {
    pub(crate) const TYPES: &str = include_str!("../../profiles/r4/types.json");
    pub(crate) const SEARCH_PARAMETERS: &str = include_str!("../../profiles/r4/search-parameters.json");
    pub(crate) const OPERATIONS: &str = include_str!("../../profiles/r4/operations.json");
    /// The type that SQL on FHIR adds, and its search parameters.
    pub(crate) const OWN_TYPES: &str = include_str!("../../profiles/remit/types.json");
    pub(crate) const OWN_SEARCH_PARAMETERS: &str =
        include_str!("../../profiles/remit/search-parameters.json");
    /// The search parameters of the revenue cycle, each as the whole resource.
    pub(crate) const REVENUE_SEARCH_PARAMETERS: &str = concat!(
        include_str!("../../profiles/rcm/search-parameters/account-rcm-balance.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-rcm-filing-deadline.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-rcm-state.json"),
        include_str!("../../profiles/rcm/search-parameters/encounter-rcm-unbilled.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-frequency.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-related.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-response-carc.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-response-group-code.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-response-paid-amount.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-response-rarc.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-response-rcm-result.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-service-date.json"),
        include_str!("../../profiles/rcm/search-parameters/claim-total.json"),
        include_str!("../../profiles/rcm/search-parameters/payment-reconciliation-amount.json"),
        include_str!("../../profiles/rcm/search-parameters/payment-reconciliation-payment-identifier.json"),
        include_str!("../../profiles/rcm/search-parameters/task-amount.json"),
        include_str!("../../profiles/rcm/search-parameters/task-restriction-end.json"),
    );
    /// The operations that this server adds, each as the whole resource.
    pub(crate) const OWN_OPERATIONS: &str = concat!(
        include_str!("../../profiles/rcm/operations/ar-aging.json"),
        include_str!("../../profiles/rcm/operations/denial-trends.json"),
        include_str!("../../profiles/rcm/operations/payer-scorecard.json"),
        include_str!("../../profiles/rcm/operations/rcm-appeal.json"),
        include_str!("../../profiles/rcm/operations/rcm-correct.json"),
        include_str!("../../profiles/rcm/operations/rcm-drilldown.json"),
        include_str!("../../profiles/rcm/operations/rcm-opportunities.json"),
        include_str!("../../profiles/rcm/operations/rcm-underpayments.json"),
        include_str!("../../profiles/rcm/operations/rcm-variance.json"),
        include_str!("../../profiles/remit/operations/fhirpath.json"),
        include_str!("../../profiles/remit/operations/reindex.json"),
        include_str!("../../profiles/remit/operations/sql-run.json"),
        include_str!("../../profiles/remit/operations/sqlquery-run.json"),
        include_str!("../../profiles/remit/operations/viewdefinition-run.json"),
        include_str!("../../profiles/remit/operations/view-status.json"),
        include_str!("../../profiles/rcm/operations/process-remittance.json"),
        include_str!("../../profiles/rcm/operations/process-x12.json"),
        include_str!("../../profiles/rcm/operations/to-x12.json"),
        include_str!("../../profiles/rcm/operations/validate-x12.json"),
        include_str!("../../profiles/rcm/operations/claim-scrub.json"),
        include_str!("../../profiles/rcm/operations/encounter-generate-claim.json"),
        include_str!("../../profiles/rcm/operations/account-statement.json"),
        include_str!("../../profiles/rcm/operations/coverage-estimate-patient-responsibility.json"),
        include_str!("../../profiles/rcm/operations/paymentreconciliation-reassociate.json"),
    );
    pub(crate) const COMPARTMENTS: &str = include_str!("../../profiles/r4/compartments.json");
    pub(crate) const SOURCE: &str = include_str!("../../profiles/r4/source.json");
    pub(crate) const VALUE_SETS: &str = include_str!("../../terminology/r4/value-sets.json");
    pub(crate) const CODE_SYSTEMS: &str = include_str!("../../terminology/r4/code-systems.json");
    pub(crate) const MORE_VALUE_SETS: &str = include_str!("../../terminology/r4/more-value-sets.json");
    pub(crate) const MORE_CODE_SYSTEMS: &str = include_str!("../../terminology/r4/more-code-systems.json");
}

/// What every file of the data is: one definition after the other.
pub(crate) fn read<T: Deserialize<'static>>(file: &str, text: &'static str) -> Vec<T> {
    serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("the embedded {file} is damaged: {error}"))
}

/// One definition of a file.
pub(crate) fn one<T: Deserialize<'static>>(file: &str, text: &'static str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("the embedded {file} is damaged: {error}"))
}

/// The package that the data was derived from.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct SourceData {
    pub(crate) package: Text,
    pub(crate) version: Text,
    pub(crate) sha256: Text,
}

/// A type with its elements; those of the base are left out.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct TypeData {
    pub(crate) name: Text,
    pub(crate) kind: Text,
    pub(crate) base: Option<Text>,
    #[serde(default, rename = "abstract")]
    pub(crate) is_abstract: bool,
    pub(crate) value: Option<ValueData>,
    #[serde(default)]
    pub(crate) invariants: Vec<InvariantData>,
    pub(crate) elements: Vec<ElementData>,
}

/// The value of a primitive type.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct ValueData {
    pub(crate) system: Text,
    pub(crate) regex: Option<Text>,
    #[serde(rename = "maxLength")]
    pub(crate) max_length: Option<u32>,
    pub(crate) range: Option<(i64, i64)>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct InvariantData {
    pub(crate) key: Text,
    pub(crate) severity: Text,
    pub(crate) expression: Text,
}

/// An element. Its types are written `Reference(Patient|Group)` and `Quantity[SimpleQuantity]`.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct ElementData {
    pub(crate) path: Text,
    #[serde(default)]
    pub(crate) min: u32,
    pub(crate) max: Option<Text>,
    #[serde(default)]
    pub(crate) types: Vec<Text>,
    /// The path, within the same type, whose content is reused.
    pub(crate) content: Option<Text>,
    pub(crate) binding: Option<BindingData>,
    #[serde(default)]
    pub(crate) summary: bool,
    #[serde(default)]
    pub(crate) modifier: bool,
    #[serde(default)]
    pub(crate) attribute: bool,
    #[serde(default)]
    pub(crate) invariants: Vec<InvariantData>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct BindingData {
    pub(crate) strength: Text,
    #[serde(rename = "valueSet")]
    pub(crate) value_set: Option<Text>,
    #[serde(rename = "maxValueSet")]
    pub(crate) max_value_set: Option<Text>,
}

/// A search parameter. The one target `*` stands for every concrete resource type but `Parameters`.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct SearchParameterData {
    pub(crate) url: Text,
    pub(crate) code: Text,
    #[serde(rename = "type")]
    pub(crate) kind: Text,
    pub(crate) base: Vec<Text>,
    pub(crate) expression: Option<Text>,
    #[serde(default)]
    pub(crate) target: Vec<Text>,
    #[serde(default)]
    pub(crate) component: Vec<ComponentData>,
    #[serde(rename = "multipleOr")]
    pub(crate) multiple_or: Option<bool>,
    #[serde(rename = "multipleAnd")]
    pub(crate) multiple_and: Option<bool>,
    #[serde(default)]
    pub(crate) comparator: Vec<Text>,
    #[serde(default)]
    pub(crate) modifier: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct ComponentData {
    pub(crate) definition: Text,
    pub(crate) expression: Text,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct OperationData {
    pub(crate) code: Text,
    pub(crate) url: Text,
    pub(crate) name: Text,
    #[serde(default)]
    pub(crate) query: bool,
    #[serde(default)]
    pub(crate) system: bool,
    #[serde(default, rename = "type")]
    pub(crate) on_type: bool,
    #[serde(default)]
    pub(crate) instance: bool,
    #[serde(default, rename = "affectsState")]
    pub(crate) affects_state: bool,
    #[serde(default)]
    pub(crate) resource: Vec<Text>,
    #[serde(default)]
    pub(crate) parameter: Vec<ParameterData>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct ParameterData {
    pub(crate) name: Text,
    #[serde(rename = "use")]
    pub(crate) usage: Text,
    pub(crate) min: u32,
    pub(crate) max: Text,
    #[serde(rename = "type")]
    pub(crate) ty: Option<Text>,
    #[serde(rename = "searchType")]
    pub(crate) search_type: Option<Text>,
    #[serde(default)]
    pub(crate) target: Vec<Text>,
    #[serde(default)]
    pub(crate) part: Vec<ParameterData>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct CompartmentData {
    pub(crate) code: Text,
    pub(crate) url: Text,
    pub(crate) resources: BTreeMap<Text, Vec<Text>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct ValueSetData {
    pub(crate) url: Text,
    pub(crate) version: Option<Text>,
    pub(crate) name: Text,
    pub(crate) include: Vec<IncludeData>,
    #[serde(default)]
    pub(crate) exclude: Vec<IncludeData>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct IncludeData {
    pub(crate) system: Option<Text>,
    /// Code and display; the display may be missing.
    pub(crate) concepts: Option<Vec<(Text, Option<Text>)>>,
    #[serde(default)]
    pub(crate) filters: Vec<FilterData>,
    #[serde(default, rename = "valueSets")]
    pub(crate) value_sets: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct FilterData {
    pub(crate) property: Text,
    pub(crate) op: Text,
    pub(crate) value: Text,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct CodeSystemData {
    pub(crate) url: Text,
    pub(crate) version: Option<Text>,
    pub(crate) name: Text,
    pub(crate) content: Text,
    #[serde(default = "yes", rename = "caseSensitive")]
    pub(crate) case_sensitive: bool,
    /// The value set of all its codes, where nothing else defines that.
    #[serde(rename = "valueSet")]
    pub(crate) value_set: Option<Text>,
    pub(crate) concepts: Vec<ConceptData>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
pub(crate) struct ConceptData {
    pub(crate) code: Text,
    pub(crate) display: Option<Text>,
    /// Not to be chosen, only to select what is below it.
    #[serde(default, rename = "abstract")]
    pub(crate) is_abstract: bool,
    #[serde(default)]
    pub(crate) parents: Vec<Text>,
}
