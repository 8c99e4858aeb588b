//! Compartments as conditions: what points to the resource that names one
//! (<https://hl7.org/fhir/R4/compartmentdefinition.html>), and the care dates by which
//! `Patient/$everything` chooses (<https://hl7.org/fhir/R4/operation-patient-everything.html>).

use crate::date;
use crate::part::Rows;
use crate::prefix::Prefix;
use crate::query::{Condition, Criterion, Present, Test};
use crate::registry::Registry;
use remit_fhir::date::Micros;
use remit_spec::{SearchKind, TypeId};

/// The owners of a compartment, and whether they belong to what is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owned {
    /// The resources that name the compartment: one, or all patients that a caller may see.
    pub owners: Vec<(TypeId, Box<str>)>,
    /// They count too.
    pub with_owners: bool,
}

impl Owned {
    pub(crate) fn rows(&self) -> Vec<Rows<'_>> {
        let owners: Vec<(TypeId, &str)> = self.owners.iter().map(|(ty, id)| (*ty, &**id)).collect();
        let mut rows = vec![Rows::Targets(owners.clone())];
        if self.with_owners {
            rows.push(Rows::These(owners));
        }
        rows
    }
}

/// The condition that a resource of one of these types is in the compartment of one of these owners,
/// all of type `of`. Nothing is, when `of` names no compartment. An owner is in its own compartment.
pub fn owned(of: TypeId, ids: &[&str], types: &[TypeId], registry: &Registry) -> Condition {
    let definitions = registry.definitions();
    let Some(compartment) = definitions.compartment(definitions.name(of)) else {
        return Condition::Any(Vec::new());
    };
    let codes = types.iter().flat_map(|ty| compartment.parameters(*ty).iter().map(move |code| (*ty, code)));
    let mut params: Vec<i32> =
        codes.filter_map(|(ty, code)| registry.parameter(ty, code)).map(|p| p.number).collect();
    params.sort_unstable();
    params.dedup();
    let owners: Vec<(TypeId, Box<str>)> = ids.iter().map(|id| (of, (*id).into())).collect();
    let with_owners = types.contains(&of);
    if owners.is_empty() || (params.is_empty() && !with_owners) {
        return Condition::Any(Vec::new());
    }
    if params.is_empty() {
        // Only the owners themselves; no row stands under the number 0.
        params.push(0);
    }
    Condition::Criterion(Criterion { params, test: Test::Owned(Owned { owners, with_owners }) })
}

/// The search parameters that say when care was given, for each type that has such a date. A type
/// that is not here, such as Patient, Coverage or Group, is about no time.
const CARE_DATES: [(&str, &[&str]); 51] = [
    ("Account", &["period"]),
    ("AdverseEvent", &["date"]),
    ("AllergyIntolerance", &["date", "last-date"]),
    ("Appointment", &["date"]),
    ("AuditEvent", &["date"]),
    ("Basic", &["created"]),
    ("CarePlan", &["date"]),
    ("CareTeam", &["date"]),
    ("ChargeItem", &["occurrence", "entered-date"]),
    ("Claim", &["created"]),
    ("ClaimResponse", &["created"]),
    ("ClinicalImpression", &["date"]),
    ("Communication", &["sent", "received"]),
    ("CommunicationRequest", &["occurrence", "authored"]),
    ("Composition", &["date", "period"]),
    ("Condition", &["onset-date", "abatement-date", "recorded-date"]),
    ("Consent", &["date", "period"]),
    ("CoverageEligibilityRequest", &["created"]),
    ("CoverageEligibilityResponse", &["created"]),
    ("DetectedIssue", &["identified"]),
    ("DeviceRequest", &["event-date", "authored-on"]),
    ("DiagnosticReport", &["date"]),
    ("DocumentManifest", &["created"]),
    ("DocumentReference", &["period", "date"]),
    ("Encounter", &["date"]),
    ("EpisodeOfCare", &["date"]),
    ("ExplanationOfBenefit", &["created"]),
    ("FamilyMemberHistory", &["date"]),
    ("Flag", &["date"]),
    ("Goal", &["start-date", "target-date"]),
    ("ImagingStudy", &["started"]),
    ("Immunization", &["date"]),
    ("ImmunizationEvaluation", &["date"]),
    ("ImmunizationRecommendation", &["date"]),
    ("Invoice", &["date"]),
    ("List", &["date"]),
    ("MeasureReport", &["period"]),
    ("Media", &["created"]),
    ("MedicationAdministration", &["effective-time"]),
    ("MedicationDispense", &["whenhandedover", "whenprepared"]),
    ("MedicationRequest", &["authoredon"]),
    ("MedicationStatement", &["effective"]),
    ("NutritionOrder", &["datetime"]),
    ("Observation", &["date"]),
    ("Procedure", &["date"]),
    ("Provenance", &["when", "recorded"]),
    ("QuestionnaireResponse", &["authored"]),
    ("RiskAssessment", &["date"]),
    ("ServiceRequest", &["occurrence", "authored"]),
    ("Specimen", &["collected"]),
    ("VisionPrescription", &["datewritten"]),
];

/// The condition that a resource is about care between two moments, the second excluded: one of its
/// care dates touches the time between them, or it has none.
pub fn care_dates(from: Option<Micros>, to: Option<Micros>, registry: &Registry) -> Condition {
    if from.is_none() && to.is_none() {
        return Condition::All(Vec::new());
    }
    let value = date::Value {
        prefix: Prefix::Approximate,
        low: from.unwrap_or(i64::MIN),
        high: to.unwrap_or(i64::MAX),
    };
    let definitions = registry.definitions();
    let (mut any, mut dated) = (Vec::new(), Vec::new());
    for (name, codes) in CARE_DATES {
        let Some(ty) = definitions.resource_named(name) else { continue };
        let params: Vec<i32> =
            codes.iter().filter_map(|code| registry.parameter(ty, code)).map(|p| p.number).collect();
        let present = Test::Present(Present { kind: SearchKind::Date });
        let of = |test| Condition::Criterion(Criterion { params: params.clone(), test });
        let inside = Condition::Any(vec![of(Test::Date(vec![value])), Condition::Not(Box::new(of(present)))]);
        any.push(Condition::All(vec![is_of(vec![ty]), inside]));
        dated.push(ty);
    }
    any.push(Condition::Not(Box::new(is_of(dated))));
    Condition::Any(any)
}

fn is_of(types: Vec<TypeId>) -> Condition {
    Condition::Criterion(Criterion { params: Vec::new(), test: Test::Type(types) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::registry;

    #[test]
    fn every_care_date_is_a_date_parameter_of_its_type() {
        let registry = registry();
        let definitions = registry.definitions();
        for (name, codes) in CARE_DATES {
            let ty = definitions.resource_named(name).unwrap();
            for code in codes {
                let kind = registry.parameter(ty, code).map(|p| p.definition.kind);
                assert_eq!(kind, Some(SearchKind::Date), "{name}.{code}");
            }
        }
    }

    #[test]
    fn every_parameter_of_a_compartment_is_a_reference_with_rows() {
        let registry = registry();
        let definitions = registry.definitions();
        for compartment in definitions.compartments() {
            for (ty, codes) in compartment.members() {
                for code in codes.iter().filter(|code| **code != "{def}") {
                    let kind = registry.parameter(ty, code).map(|p| p.definition.kind);
                    let of = definitions.name(compartment.ty);
                    assert_eq!(kind, Some(SearchKind::Reference), "{of}: {} {code}", definitions.name(ty));
                }
            }
        }
    }
}
