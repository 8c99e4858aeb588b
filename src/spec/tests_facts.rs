//! Facts of R4 that the loaded definitions must state, written down by hand from the specification.

use std::time::Instant;

use crate::*;

fn d() -> &'static Definitions {
    Definitions::r4()
}

fn id(name: &str) -> TypeId {
    d().type_named(name).unwrap_or_else(|| panic!("{name} is a type"))
}

/// Bytes of memory that the process holds; 0 where the system does not say.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}

#[test]
fn loading_gives_everything_and_prints_what_it_costs() {
    let (start, before) = (Instant::now(), resident_bytes());
    let d = crate::load::r4();
    let grown = resident_bytes().saturating_sub(before);
    println!("definitions loaded in {:?}, {} KiB", start.elapsed(), grown / 1024);
    let (start, before) = (Instant::now(), resident_bytes());
    let sets = Terminology::r4().value_sets().count();
    let grown = resident_bytes().saturating_sub(before);
    println!("terminology loaded in {:?}, {} KiB", start.elapsed(), grown / 1024);
    let start = Instant::now();
    for value_set in Terminology::r4().value_sets() {
        assert!(Terminology::r4().expansion(value_set.url).is_some());
    }
    println!("{sets} value sets expanded in {:?}", start.elapsed());
    let names: Vec<(TypeId, &str)> = d
        .types()
        .flat_map(|ty| d.ty(ty).elements.iter().map(move |element| (ty, element.types[0].json_name)))
        .collect();
    let start = Instant::now();
    assert!(names.iter().all(|(ty, name)| d.member(*ty, name).is_some()));
    println!("{} members found in {:?}", names.len(), start.elapsed());
    println!("{} types, {} parameters", d.types().count(), d.all_search_parameters().count());
    assert_eq!(d.source().package, "hl7.fhir.r4.core");
    assert_eq!(d.source().version, "4.0.1");
    assert_eq!(d.source().sha256.len(), 64);
}

#[test]
fn the_counts_are_those_of_r4() {
    let of_kind = |kind| d().types().filter(|ty| d().ty(*ty).kind == kind).count();
    // Those of R4, and ViewDefinition.
    assert_eq!(d().resource_types().count(), 147);
    assert_eq!(of_kind(Kind::Resource), 149);
    assert_eq!(of_kind(Kind::Primitive), 20);
    assert_eq!(of_kind(Kind::Complex), 41);
    // Those of the specification, and those of this server.
    assert_eq!(d().operations().len(), 46 + 24);
    assert_eq!(d().compartments().len(), 5);
}

#[test]
fn a_member_gives_its_element_and_its_concrete_type() {
    for (ty, member, element, concrete) in [
        ("Patient", "birthDate", "birthDate", "date"),
        ("Patient", "id", "id", "id"),
        ("Patient", "contained", "contained", "Resource"),
        ("Patient", "deceasedDateTime", "deceased", "dateTime"),
        ("Patient", "contact", "contact", "Patient.contact"),
        ("Patient.contact", "name", "name", "HumanName"),
        ("Patient.contact", "id", "id", "string"),
        ("Observation", "valueQuantity", "value", "Quantity"),
        ("Observation.component", "referenceRange", "referenceRange", "Observation.referenceRange"),
        ("Observation.referenceRange", "low", "low", "Quantity"),
        ("Questionnaire.item", "item", "item", "Questionnaire.item"),
        ("Claim.item.detail", "subDetail", "subDetail", "Claim.item.detail.subDetail"),
        ("Bundle.entry", "link", "link", "Bundle.link"),
        ("Bundle.entry", "resource", "resource", "Resource"),
        ("Extension", "url", "url", "uri"),
        ("Extension", "valueAge", "value", "Age"),
        ("Extension", "valueBase64Binary", "value", "base64Binary"),
        ("Age", "value", "value", "decimal"),
        ("Narrative", "div", "div", "xhtml"),
        ("Timing", "repeat", "repeat", "Timing.repeat"),
        ("Timing.repeat", "boundsDuration", "bounds", "Duration"),
        ("Dosage.doseAndRate", "doseQuantity", "dose", "Quantity"),
        ("ElementDefinition", "defaultValueMeta", "defaultValue", "Meta"),
        ("date", "extension", "extension", "Extension"),
    ] {
        let (found, found_type) = d().member(id(ty), member).unwrap_or_else(|| panic!("{ty} has {member}"));
        assert_eq!((found.name, d().name(found_type)), (element, concrete), "{ty}.{member}");
    }
    for (ty, member) in [
        ("Patient", "deceased"),
        ("Patient", "deceasedString"),
        ("Patient", "resourceType"),
        ("Patient", "_birthDate"),
        ("Patient", ""),
        ("Observation", "value[x]"),
        ("date", "value"),
        ("Patient.contact", "contained"),
        ("Timing.repeat", "modifierExtension"),
    ] {
        assert!(d().member(id(ty), member).is_none(), "{ty} has no {member}");
    }
}

#[test]
fn an_open_choice_takes_every_datatype() {
    let value = d().child(id("Extension"), "value").expect("an extension has a value");
    assert_eq!(value.types.len(), 50);
    assert!(value.is_choice);
    assert!(value.of_type(id("Meta")).is_some_and(|option| option.json_name == "valueMeta"));
    assert!(value.of_type(id("Patient")).is_none());
}

#[test]
fn references_and_canonicals_name_their_targets() {
    for (ty, element, targets) in [
        ("Claim", "patient", vec!["Patient"]),
        ("Encounter", "subject", vec!["Patient", "Group"]),
        ("Observation", "focus", vec![]),
        ("QuestionnaireResponse", "questionnaire", vec!["Questionnaire"]),
        ("Meta", "profile", vec!["StructureDefinition"]),
    ] {
        let element = d().child(id(ty), element).expect("the element is known");
        let found: Vec<&str> = element.types[0].targets.iter().map(|ty| d().name(*ty)).collect();
        assert_eq!(found, targets, "{ty}.{}", element.name);
    }
}

#[test]
fn types_descend_from_their_bases() {
    for (ty, ancestor, expected) in [
        ("Patient", "DomainResource", true),
        ("Patient", "Resource", true),
        ("Bundle", "DomainResource", false),
        ("Bundle", "Resource", true),
        ("Age", "Quantity", true),
        ("Money", "Quantity", false),
        ("code", "string", true),
        ("string", "code", false),
        ("positiveInt", "integer", true),
        ("Claim.item", "BackboneElement", true),
        ("Timing.repeat", "BackboneElement", false),
        ("Timing.repeat", "Element", true),
        ("Timing", "BackboneElement", true),
        ("Patient", "Patient", true),
    ] {
        assert_eq!(d().is_a(id(ty), id(ancestor)), expected, "{ty} is a {ancestor}");
    }
}

#[test]
fn names_and_urls_lead_to_types() {
    assert_eq!(d().type_named("SimpleQuantity"), d().type_named("Quantity"));
    assert_eq!(d().type_named("MoneyQuantity"), d().type_named("Quantity"));
    assert_eq!(d().type_named("patient"), None);
    let url = "http://hl7.org/fhir/StructureDefinition/Patient";
    assert_eq!(d().type_by_url(url), d().type_named("Patient"));
    assert_eq!(d().type_by_url(&format!("{url}|4.0.1")), d().type_named("Patient"));
    assert_eq!(d().type_by_url("http://hl7.org/fhir/StructureDefinition/Claim.item"), None);
    assert_eq!(d().type_by_url("http://example.org/Patient"), None);
    assert!(d().resource_named("Patient").is_some());
    for name in ["Resource", "DomainResource", "HumanName", "Claim.item", ""] {
        assert_eq!(d().resource_named(name), None, "{name}");
    }
}

#[test]
fn a_primitive_knows_its_system_type_and_form() {
    for (name, system, regex) in [
        ("boolean", SystemType::Boolean, Some("true|false")),
        ("instant", SystemType::DateTime, None),
        ("positiveInt", SystemType::Integer, Some("[1-9][0-9]*")),
        ("base64Binary", SystemType::String, None),
        ("id", SystemType::String, Some(r"[A-Za-z0-9\-\.]{1,64}")),
        ("date", SystemType::Date, None),
        ("time", SystemType::Time, None),
        ("decimal", SystemType::Decimal, None),
    ] {
        let primitive = d().ty(id(name)).primitive.unwrap_or_else(|| panic!("{name} is primitive"));
        assert_eq!(primitive.system, system, "{name}");
        assert!(primitive.regex.is_some(), "{name}");
        assert!(regex.is_none() || primitive.regex == regex, "{name}");
    }
    let primitive = |name: &str| d().ty(id(name)).primitive.expect("the type is primitive");
    assert_eq!(primitive("xhtml").regex, None);
    assert_eq!(primitive("code").max_length, Some(1_048_576));
    assert_eq!(primitive("unsignedInt").range, Some((-2_147_483_648, 2_147_483_647)));
    assert!(d().ty(id("HumanName")).primitive.is_none());
}

#[test]
fn rules_stand_where_they_hold() {
    let keys = |list: &[Invariant]| list.iter().map(|rule| rule.key).collect::<Vec<_>>();
    assert_eq!(keys(&d().ty(id("Patient.contact")).invariants), ["ele-1", "pat-1"]);
    assert_eq!(keys(&d().ty(id("Period")).invariants), ["ele-1", "per-1"]);
    assert!(keys(&d().ty(id("Observation")).invariants).starts_with(&["dom-2", "dom-3", "dom-4"]));
    assert!(d().child(id("Patient"), "name").is_some_and(|name| name.invariants.is_empty()));
    let status = d().child(id("Observation"), "referenceRange").expect("the element is known");
    assert!(status.invariants.is_empty());
    assert!(keys(&d().ty(id("Observation.referenceRange")).invariants).contains(&"obs-3"));
}

#[test]
fn a_search_parameter_is_cut_down_to_its_type() {
    for (ty, code, kind, expression) in [
        ("Patient", "_id", SearchKind::Token, Some("Resource.id")),
        ("Patient", "_text", SearchKind::String, None),
        ("Patient", "birthdate", SearchKind::Date, Some("Patient.birthDate")),
        ("Patient", "phonetic", SearchKind::String, Some("Patient.name")),
        ("Patient", "death-date", SearchKind::Date, Some("(Patient.deceased as dateTime)")),
        (
            "AllergyIntolerance",
            "code",
            SearchKind::Token,
            Some("AllergyIntolerance.code | AllergyIntolerance.reaction.substance"),
        ),
        ("DeviceRequest", "code", SearchKind::Token, Some("(DeviceRequest.code as CodeableConcept)")),
        (
            "Observation",
            "patient",
            SearchKind::Reference,
            Some("Observation.subject.where(resolve() is Patient)"),
        ),
        ("Bundle", "composition", SearchKind::Reference, Some("Bundle.entry[0].resource")),
        ("InsurancePlan", "name", SearchKind::String, Some("name | alias")),
        ("Location", "near", SearchKind::Special, Some("Location.position")),
    ] {
        let parameter = d().search_parameter(id(ty), code).unwrap_or_else(|| panic!("{ty} has {code}"));
        assert_eq!((parameter.kind, parameter.expression), (kind, expression), "{ty} {code}");
    }
    assert!(d().search_parameter(id("Patient"), "nothing").is_none());
    assert!(d().search_parameter(id("Bundle"), "_text").is_none());
    assert!(d().search_parameters(id("HumanName")).is_empty());
}

#[test]
fn every_alternative_starts_from_the_type_that_it_is_for_or_from_an_element_of_it() {
    for (_, parameter) in d().all_search_parameters() {
        for part in parameter.expression.into_iter().flat_map(alternatives) {
            let first = first_name(part);
            let fits = match d().type_named(first) {
                Some(ty) => d().is_a(parameter.base, ty),
                None => d().child(parameter.base, first).is_some(),
            };
            assert!(fits, "{} on {}: {part}", parameter.url, d().name(parameter.base));
        }
    }
}

#[test]
fn a_composite_names_parts_that_are_parameters_of_its_type() {
    let mut composites = 0;
    for (_, parameter) in d().all_search_parameters().filter(|(_, p)| p.kind == SearchKind::Composite) {
        assert!(parameter.components.len() >= 2, "{}", parameter.url);
        for part in &parameter.components {
            let found = d().search_parameter_by_url(parameter.base, part.definition);
            assert!(found.is_some(), "{} {}", parameter.url, part.definition);
        }
        composites += 1;
    }
    assert!(composites >= 40, "{composites}");
}

#[test]
fn a_reference_parameter_names_its_targets() {
    let targets = |ty: &str, code: &str| d().search_parameter(id(ty), code).map_or(0, |p| p.targets.len());
    assert_eq!(targets("Claim", "patient"), 1);
    assert_eq!(targets("Patient", "general-practitioner"), 3);
    // Every type of R4 that can be stored, and ViewDefinition.
    assert_eq!(targets("Composition", "entry"), 146);
    let patient = d().search_parameter(id("Claim"), "patient").expect("the parameter is known");
    assert_eq!(&*patient.targets, &[id("Patient")]);
}

#[test]
fn compartments_list_the_parameters_that_link_a_type() {
    let patient = d().compartment("Patient").expect("there is a patient compartment");
    assert_eq!(patient.parameters(id("Claim")), ["patient", "payee"]);
    assert_eq!(patient.parameters(id("Patient")), ["link"]);
    assert!(patient.parameters(id("Organization")).is_empty());
    let encounter = d().compartment("Encounter").expect("there is an encounter compartment");
    assert_eq!(encounter.parameters(id("Encounter")), ["{def}"]);
    assert!(d().compartment("Organization").is_none());
}

#[test]
fn every_code_of_a_compartment_is_a_search_parameter_of_the_type() {
    // Codes that the published definitions list though no such parameter exists.
    let mut unknown = Vec::new();
    for compartment in d().compartments() {
        for (ty, codes) in compartment.members() {
            for code in codes.iter().filter(|code| **code != "{def}") {
                if d().search_parameter(ty, code).is_none() {
                    unknown.push(format!("{} {} {code}", d().name(compartment.ty), d().name(ty)));
                }
            }
        }
    }
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn operations_state_where_they_run_and_what_they_take() {
    let everything = d().operation_on(id("Patient"), "everything").expect("the operation is known");
    assert!(
        everything.on_type && everything.on_instance && !everything.on_system && !everything.affects_state
    );
    assert!(
        everything.parameters.iter().any(|p| p.name == "_since" && p.ty == Some("instant") && !p.is_output)
    );
    assert_eq!(d().operation("everything").count(), 4);
    let submit = d().operation_on(id("Claim"), "submit").expect("the operation is known");
    assert!(submit.affects_state && submit.on_type);
    let validate = d().operation_on(id("Claim"), "validate").expect("an operation on Resource is on all");
    assert_eq!(validate.url, "http://hl7.org/fhir/OperationDefinition/Resource-validate");
    let lookup = d().operation_on(id("CodeSystem"), "lookup").expect("the operation is known");
    assert!(lookup.parameters.iter().any(|p| p.name == "designation" && p.is_output && p.parts.len() == 3));
    assert!(d().operation_on(id("Patient"), "populate").is_none());
}
