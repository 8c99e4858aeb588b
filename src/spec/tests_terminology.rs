//! What the terminology must answer, written down by hand from the specification.

use crate::Membership::{Member, NotMember, Unknown};
use crate::*;

const VS: &str = "http://hl7.org/fhir/ValueSet/";

fn t() -> &'static Terminology {
    Terminology::r4()
}

#[test]
fn a_value_set_knows_its_codes() {
    for (value_set, system, code, expected) in [
        ("administrative-gender", None, "male", Member),
        ("administrative-gender", None, "Male", NotMember),
        ("administrative-gender", None, "", NotMember),
        ("administrative-gender", Some("http://hl7.org/fhir/administrative-gender"), "male", Member),
        ("administrative-gender", Some("http://example.org"), "male", NotMember),
        ("administrative-gender|4.0.1", None, "other", Member),
        ("fm-status", None, "active", Member),
        ("fm-status", None, "final", NotMember),
        ("observation-status", None, "amended", Member),
        ("resource-types", None, "Claim", Member),
        ("all-types", None, "HumanName", Member),
        ("all-types", None, "Claim", Member),
        ("all-types", None, "Nothing", NotMember),
        ("units-of-time", None, "wk", Member),
        ("units-of-time", None, "week", NotMember),
        ("mimetypes", None, "application/pdf", Member),
        ("mimetypes", None, "pdf", NotMember),
        ("currencies", None, "USD", Member),
        ("currencies", Some("urn:iso:std:iso:4217"), "XXQ", NotMember),
        ("all-languages", None, "en-US", Member),
        ("all-languages", None, "en US", NotMember),
        // Bound weakly, so not at hand.
        ("languages", None, "en", Unknown),
        ("ucum-units", Some("http://unitsofmeasure.org"), "mg", Unknown),
        ("ucum-units", Some("http://unitsofmeasure.org"), "m g", NotMember),
        ("ucum-units", Some("http://example.org"), "mg", NotMember),
        ("all-time-units", None, "h", Unknown),
        ("nowhere-defined", None, "x", Unknown),
    ] {
        let url = format!("{VS}{value_set}");
        assert_eq!(t().contains(&url, system, code), expected, "{value_set} {system:?} {code}");
    }
    assert_eq!(t().contains("http://www.rfc-editor.org/bcp/bcp13.txt", None, "text/cql"), Member);
    assert_eq!(t().contains("http://www.rfc-editor.org/bcp/bcp13.txt", None, "cql"), NotMember);
}

#[test]
fn an_abstract_code_selects_but_is_not_a_member() {
    let url = "http://terminology.hl7.org/ValueSet/v3-ActConsentDirective";
    let expansion = t().expansion(url).expect("the value set is at hand");
    assert!(expansion.entry(None, "_ActConsentDirective").is_some_and(|entry| entry.is_abstract));
    assert_eq!(t().contains(url, None, "_ActConsentDirective"), NotMember);
    assert_eq!(t().contains(url, None, "OPTIN"), Member);
    assert_eq!(t().contains(url, None, "AMB"), NotMember);
    assert!(expansion.is_complete());
}

#[test]
fn what_is_excluded_is_not_a_member() {
    let url = "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode";
    assert_eq!(t().contains(url, None, "AMB"), Member);
    let expansion = t().expansion(url).expect("the value set is at hand");
    assert!(expansion.entry(None, "_ActEncounterCode").is_none());
}

#[test]
fn codes_of_a_system_kept_by_others_have_their_displays() {
    let url = "http://hl7.org/fhir/ValueSet/audit-event-type";
    let entry = t()
        .expansion(url)
        .and_then(|e| e.entry(Some("http://dicom.nema.org/resources/ontology/DCM"), "110100"));
    assert_eq!(entry.and_then(|entry| entry.display), Some("Application Activity"));
}

#[test]
fn every_required_binding_can_be_checked() {
    let d = Definitions::r4();
    let mut outside = Vec::new();
    for ty in d.types() {
        for binding in d.ty(ty).elements.iter().filter_map(|element| element.binding) {
            let Some(url) = binding.value_set.filter(|_| binding.strength == Strength::Required) else {
                continue;
            };
            match t().expansion(url) {
                Some(expansion) if expansion.is_complete() => assert!(!expansion.entries.is_empty(), "{url}"),
                _ => outside.push(url),
            }
        }
    }
    outside.sort_unstable();
    outside.dedup();
    // The first two are judged by rules, units by their form only. The last is an answer list of
    // LOINC, which the package does not hold.
    assert_eq!(
        outside,
        [
            "http://hl7.org/fhir/ValueSet/currencies",
            "http://hl7.org/fhir/ValueSet/mimetypes",
            "http://hl7.org/fhir/ValueSet/ucum-units",
            "http://loinc.org/vs/LL379-9",
        ]
    );
}

#[test]
fn a_code_system_keeps_displays_and_hierarchy() {
    let system = t().code_system("http://terminology.hl7.org/CodeSystem/v3-ActCode").expect("it is at hand");
    assert!(system.is_complete);
    assert_eq!(system.concept("AMB").and_then(|concept| concept.display), Some("ambulatory"));
    assert!(system.is_a("AMB", "_ActEncounterCode"));
    assert!(system.is_a("AMB", "AMB"));
    assert!(!system.is_a("_ActEncounterCode", "AMB"));
    assert!(!system.is_a("AMB", "nothing"));
    let gender = t().code_system("http://hl7.org/fhir/administrative-gender").expect("it is at hand");
    assert_eq!(gender.concept("male").and_then(|concept| concept.display), Some("Male"));
    assert_eq!(gender.concepts.len(), 4);
}
