//! Expansions and hierarchies, written down by hand from the specification.

use crate::*;
use remit_fhir::json;

/// A hierarchy of animals: nesting, a second parent, properties.
const ANIMALS: &str = r#"{"resourceType": "CodeSystem", "url": "urn:animals", "version": "2", "status": "active",
  "content": "complete", "caseSensitive": true,
  "property": [{"code": "legs", "type": "integer"}, {"code": "home", "type": "Coding"}, {"code": "wild", "type": "boolean"}],
  "concept": [
    {"code": "animal", "display": "Animal", "concept": [
      {"code": "mammal", "concept": [
        {"code": "dog", "property": [{"code": "legs", "valueInteger": 4}, {"code": "home", "valueCoding": {"system": "urn:p", "code": "house"}}]},
        {"code": "bat", "property": [{"code": "legs", "valueInteger": 2}, {"code": "parent", "valueCode": "flying"}]},
        {"code": "whale", "property": [{"code": "legs", "valueInteger": 0}, {"code": "wild", "valueBoolean": true}]}]},
      {"code": "bird", "property": [{"code": "legs", "valueInteger": 2}, {"code": "subsumedBy", "valueCode": "flying"}]}]},
    {"code": "flying"},
    {"code": "dodo", "property": [{"code": "parent", "valueCode": "bird"}, {"code": "inactive", "valueBoolean": true}]}
  ]}"#;

const PARTS: &str = r#"{"resourceType": "CodeSystem", "url": "urn:parts", "content": "complete", "hierarchyMeaning": "part-of",
  "concept": [{"code": "body", "concept": [{"code": "arm"}]}]}"#;

const FRAGMENT: &str = r#"{"resourceType": "CodeSystem", "url": "urn:fragment", "content": "fragment", "concept": [{"code": "a"}]}"#;

const FOLDED: &str = r#"{"resourceType": "CodeSystem", "url": "urn:folded", "content": "complete", "caseSensitive": false,
  "concept": [{"code": "Top", "concept": [{"code": "Low"}]}]}"#;

const CIRCLE: &str = r#"{"resourceType": "CodeSystem", "url": "urn:circle", "content": "complete",
  "concept": [{"code": "a", "property": [{"code": "parent", "valueCode": "b"}]}, {"code": "b", "property": [{"code": "parent", "valueCode": "a"}]}, {"code": "c"}]}"#;

const SYSTEMS: [&str; 5] = [ANIMALS, PARTS, FRAGMENT, FOLDED, CIRCLE];

/// Value sets to import: URL and the rest.
const SETS: [(&str, &str); 5] = [
    (
        "urn:vs:dogs",
        r#""compose": {"include": [{"system": "urn:animals", "concept": [{"code": "dog"}, {"code": "wolf"}]}]}"#,
    ),
    (
        "urn:vs:mammals",
        r#""compose": {"include": [{"system": "urn:animals", "filter": [{"property": "concept", "op": "is-a", "value": "mammal"}]}]}"#,
    ),
    (
        "urn:vs:two",
        r#""compose": {"include": [{"system": "urn:x", "concept": [{"code": "1"}]}, {"system": "urn:animals", "concept": [{"code": "dog"}]}]}"#,
    ),
    ("urn:vs:ring", r#""compose": {"include": [{"valueSet": ["urn:vs:ring2"]}]}"#),
    ("urn:vs:ring2", r#""compose": {"include": [{"valueSet": ["urn:vs:ring"]}]}"#),
];

fn system(text: &str) -> CodeSystem {
    CodeSystem::parse(json::parse(text.to_owned()).expect("JSON").root()).expect("a code system")
}

fn value_set(url: &str, rest: &str) -> Result<ValueSet, remit_fhir::Error> {
    let text = format!(r#"{{"resourceType": "ValueSet", "url": "{url}", "status": "active", {rest}}}"#);
    ValueSet::parse(json::parse(text.clone()).expect("JSON").root())
}

/// Brings what a value set draws from, as a store would.
fn expand(rest: &str) -> Result<Codes, remit_fhir::Error> {
    let root = value_set("urn:vs:root", rest)?;
    let mut known = Definitions::default();
    loop {
        let wanted = known.wanted(&root)?;
        if wanted.is_empty() {
            return known.expand(&root);
        }
        for wanted in wanted {
            match wanted {
                Wanted::CodeSystem(canonical) => {
                    let mut all = SYSTEMS.iter().map(|text| system(text));
                    let found = all.find(|s| s.url == canonical.url && canonical.takes(s.version.as_deref()));
                    known.code_systems.insert(canonical, found);
                }
                Wanted::ValueSet(canonical) => {
                    let found =
                        SETS.iter().find(|(url, _)| **url == *canonical.url && canonical.version.is_none());
                    let found = found.map(|(url, rest)| value_set(url, rest).expect("a value set"));
                    known.value_sets.insert(canonical, found);
                }
            }
        }
    }
}

/// `system: codes; system: codes`, or the reason.
fn show(codes: Result<Codes, remit_fhir::Error>) -> String {
    match codes {
        Ok(codes) => {
            let group =
                |group: &std::sync::Arc<Group>| format!("{}: {}", group.system, group.codes.join(" "));
            codes.groups().iter().map(group).collect::<Vec<_>>().join("; ")
        }
        Err(error) => format!("{} {error}", error.status()),
    }
}

/// The codes of an include of the animals with this filter.
fn filtered(property: &str, op: &str, value: &str) -> String {
    let filter = format!(r#"{{"property": "{property}", "op": "{op}", "value": "{value}"}}"#);
    let shown = show(expand(&format!(
        r#""compose": {{"include": [{{"system": "urn:animals", "filter": [{filter}]}}]}}"#
    )));
    shown.strip_prefix("urn:animals: ").map_or(shown.clone(), str::to_owned)
}

#[test]
fn a_filter_takes_what_its_operator_says() {
    for (property, op, value, expected) in [
        ("concept", "is-a", "mammal", "bat dog mammal whale"),
        ("code", "is-a", "dog", "dog"),
        ("concept", "is-a", "flying", "bat bird dodo flying"),
        ("concept", "descendent-of", "mammal", "bat dog whale"),
        ("concept", "descendent-of", "dog", ""),
        ("concept", "is-not-a", "animal", "flying"),
        ("concept", "generalizes", "bat", "animal bat flying mammal"),
        ("concept", "=", "dog", "dog"),
        ("concept", "in", "dog,cat, bat", "bat dog"),
        ("concept", "not-in", "dog,bat,dodo,bird,whale", "animal flying mammal"),
        ("concept", "regex", "[a-c].*", "animal bat bird"),
        ("concept", "regex", "a", ""),
        ("concept", "regex", "a|bat|c", "bat"),
        ("display", "=", "Animal", "animal"),
        ("legs", "=", "2", "bat bird"),
        ("legs", "in", "0,4", "dog whale"),
        ("legs", "exists", "true", "bat bird dog whale"),
        ("legs", "exists", "false", "animal dodo flying mammal"),
        ("home", "=", "house", "dog"),
        ("wild", "=", "true", "whale"),
        ("parent", "=", "bird", "dodo"),
    ] {
        assert_eq!(filtered(property, op, value), expected, "{property} {op} {value}");
    }
}

#[test]
fn a_filter_that_cannot_be_applied_says_why() {
    let long = "a".repeat(501);
    for (property, op, value, reason) in [
        ("concept", "is-a", "unicorn", "no such code"),
        ("concept", "is-a", "", "it has no value"),
        ("concept", "near", "dog", "operator is not supported"),
        ("colour", "=", "red", "no such property"),
        ("legs", "is-a", "4", "place in the hierarchy"),
        ("legs", "exists", "maybe", "neither true nor false"),
        ("concept", "regex", "(", "not understood"),
        ("concept", "regex", "(?=a)", "not understood"),
        ("concept", "regex", "((a{1000}){1000}){1000}", "not understood"),
        ("concept", "regex", &long, "longer than 500 bytes"),
    ] {
        let shown = filtered(property, op, value);
        assert!(shown.starts_with("422") && shown.contains(reason), "{property} {op} {value}: {shown}");
    }
}

#[test]
fn a_definition_gives_its_codes() {
    for (compose, expected) in [
        // Enumerated codes need no code system.
        (
            r#"{"include": [{"system": "urn:x", "concept": [{"code": "b"}, {"code": "a"}, {"code": "a"}]}]}"#,
            "urn:x: a b",
        ),
        (r#"{"include": [{"system": "urn:circle"}]}"#, "urn:circle: a b c"),
        (
            r#"{"include": [{"system": "urn:animals", "version": "2", "concept": [{"code": "dog"}]}]}"#,
            "urn:animals: dog",
        ),
        (r#"{"include": [{"system": "urn:circle", "version": "*"}]}"#, "urn:circle: a b c"),
        // All filters must hold.
        (
            r#"{"include": [{"system": "urn:animals", "filter": [{"property": "concept", "op": "is-a", "value": "mammal"}, {"property": "legs", "op": "=", "value": "2"}]}]}"#,
            "urn:animals: bat",
        ),
        // Several parts are added up.
        (
            r#"{"include": [{"system": "urn:x", "concept": [{"code": "a"}]}, {"system": "urn:y", "concept": [{"code": "b"}]}]}"#,
            "urn:x: a; urn:y: b",
        ),
        // A code must be in every value set of a part, and of its system.
        (r#"{"include": [{"valueSet": ["urn:vs:dogs"]}]}"#, "urn:animals: dog wolf"),
        (r#"{"include": [{"valueSet": ["urn:vs:dogs", "urn:vs:mammals"]}]}"#, "urn:animals: dog"),
        (r#"{"include": [{"system": "urn:animals", "valueSet": ["urn:vs:two"]}]}"#, "urn:animals: dog"),
        (
            r#"{"include": [{"system": "urn:animals", "filter": [{"property": "legs", "op": "=", "value": "2"}], "valueSet": ["urn:vs:mammals"]}]}"#,
            "urn:animals: bat",
        ),
        // An unknown system may be cut out of value sets, and left out whole.
        (r#"{"include": [{"system": "urn:x", "valueSet": ["urn:vs:two"]}]}"#, "urn:x: 1"),
        (
            r#"{"include": [{"valueSet": ["urn:vs:two"]}], "exclude": [{"system": "urn:x"}]}"#,
            "urn:animals: dog",
        ),
        // What is excluded goes, however it came.
        (
            r#"{"include": [{"valueSet": ["urn:vs:mammals"]}], "exclude": [{"system": "urn:animals", "concept": [{"code": "bat"}, {"code": "cat"}]}]}"#,
            "urn:animals: dog mammal whale",
        ),
        (
            r#"{"include": [{"valueSet": ["urn:vs:mammals"]}], "exclude": [{"valueSet": ["urn:vs:dogs"]}]}"#,
            "urn:animals: bat mammal whale",
        ),
        (r#"{"include": [{"valueSet": ["urn:vs:dogs"]}], "exclude": [{"valueSet": ["urn:vs:dogs"]}]}"#, ""),
        (
            r#"{"include": [{"system": "urn:animals", "filter": [{"property": "concept", "op": "is-a", "value": "bird"}]}]}"#,
            "urn:animals: bird dodo",
        ),
        (
            r#"{"inactive": false, "include": [{"system": "urn:animals", "filter": [{"property": "concept", "op": "is-a", "value": "bird"}]}]}"#,
            "urn:animals: bird",
        ),
        (
            r#"{"inactive": false, "include": [{"system": "urn:animals", "concept": [{"code": "dodo"}, {"code": "dog"}]}]}"#,
            "urn:animals: dog",
        ),
        (
            r#"{"lockedDate": "2020-01-01", "include": [{"system": "urn:animals", "version": "2", "filter": [{"property": "concept", "op": "=", "value": "dog"}]}]}"#,
            "urn:animals: dog",
        ),
        // Upper and lower case of filter values count as the system says.
        (
            r#"{"include": [{"system": "urn:folded", "filter": [{"property": "concept", "op": "is-a", "value": "TOP"}]}]}"#,
            "urn:folded: Low Top",
        ),
        (
            r#"{"include": [{"system": "urn:circle", "filter": [{"property": "concept", "op": "is-a", "value": "a"}]}]}"#,
            "urn:circle: a b",
        ),
    ] {
        assert_eq!(show(expand(&format!(r#""compose": {compose}"#))), expected, "{compose}");
    }
}

#[test]
fn what_cannot_be_worked_out_says_why() {
    for (rest, reason) in [
        (r#""compose": {"include": [{"system": "urn:nowhere"}]}"#, "urn:nowhere, which is not known here"),
        (
            r#""compose": {"include": [{"system": "urn:animals", "version": "3"}]}"#,
            "urn:animals|3, which is not known",
        ),
        (r#""compose": {"include": [{"system": "http://unitsofmeasure.org"}]}"#, "cannot be listed"),
        (r#""compose": {"include": [{"system": "urn:fragment"}]}"#, "'fragment'"),
        (
            r#""compose": {"include": [{"system": "urn:parts", "filter": [{"property": "concept", "op": "is-a", "value": "body"}]}]}"#,
            "'part-of'",
        ),
        (
            r#""compose": {"include": [{"valueSet": ["urn:vs:nowhere"]}]}"#,
            "urn:vs:nowhere, which is not known here",
        ),
        (
            r#""compose": {"include": [{"valueSet": ["urn:vs:dogs|7"]}]}"#,
            "urn:vs:dogs|7, which is not known here",
        ),
        (
            r#""compose": {"include": [{"valueSet": ["urn:vs:ring"]}]}"#,
            "draws from itself, by way of urn:vs:ring2",
        ),
        (r#""compose": {"include": [{"concept": [{"code": "a"}]}]}"#, "without the system"),
        (r#""compose": {"include": [{"version": "1"}]}"#, "neither a system nor a value set"),
        (
            r#""compose": {"include": [{"system": "urn:x", "concept": [{"code": "a"}], "filter": [{"property": "a", "op": "=", "value": "b"}]}]}"#,
            "both lists codes and filters them",
        ),
        (r#""compose": {"lockedDate": "2020-01-01", "include": [{"system": "urn:animals"}]}"#, "lockedDate"),
        (r#""name": "nothing""#, "no definition (compose)"),
    ] {
        let shown = show(expand(rest));
        assert!(shown.starts_with("422") && shown.contains(reason), "{rest}: {shown}");
    }
}

#[test]
fn an_expansion_that_came_along_stands_in_only_when_it_is_needed_and_whole() {
    let entries = r#""contains": [{"system": "urn:s", "code": "a"}, {"abstract": true, "display": "More", "contains": [{"system": "urn:s", "code": "b"}]}]"#;
    let unknown = r#""compose": {"include": [{"system": "urn:s"}]}"#;
    let known = r#""compose": {"include": [{"system": "urn:animals", "concept": [{"code": "dog"}]}]}"#;
    for (rest, expected) in [
        (format!(r#"{unknown}, "expansion": {{{entries}}}"#), "urn:s: a b"),
        (format!(r#""expansion": {{{entries}}}"#), "urn:s: a b"),
        (format!(r#""expansion": {{"total": 3, {entries}}}"#), "urn:s: a b"),
        (
            format!(
                r#""expansion": {{"parameter": [{{"name": "excludeNested", "valueBoolean": true}}, {{"name": "activeOnly", "valueBoolean": false}}, {{"name": "offset", "valueInteger": 0}}], {entries}}}"#
            ),
            "urn:s: a b",
        ),
        (format!(r#"{known}, "expansion": {{{entries}}}"#), "urn:animals: dog"),
        (r#""expansion": {"contains": []}"#.to_owned(), ""),
    ] {
        assert_eq!(show(expand(&rest)), expected, "{rest}");
    }
    for (expansion, reason) in [
        (format!(r#"{{"total": 4, {entries}}}"#), "one page of several"),
        (
            format!(r#"{{"parameter": [{{"name": "filter", "valueString": "x"}}], {entries}}}"#),
            "leave codes out",
        ),
        (
            format!(r#"{{"parameter": [{{"name": "offset", "valueInteger": 2}}], {entries}}}"#),
            "leave codes out",
        ),
        (
            format!(
                r#"{{"extension": [{{"url": "http://hl7.org/fhir/StructureDefinition/valueset-unclosed", "valueBoolean": true}}], {entries}}}"#
            ),
            "codes are missing",
        ),
        (r#"{"contains": [{"code": "a"}]}"#.to_owned(), "without its system"),
    ] {
        let shown = show(expand(&format!(r#"{unknown}, "expansion": {expansion}"#)));
        assert!(shown.contains("which is not known here") && shown.contains(reason), "{expansion}: {shown}");
    }
    // A circle is a fault of the definition, which no expansion mends.
    let shown = show(expand(&format!(
        r#""compose": {{"include": [{{"valueSet": ["urn:vs:ring"]}}]}}, "expansion": {{{entries}}}"#
    )));
    assert!(shown.contains("draws from itself"), "{shown}");
}

#[test]
fn what_is_above_and_below_a_code() {
    let animals = system(ANIMALS);
    for (code, below, above) in [
        ("mammal", "bat dog mammal whale", "animal mammal"),
        ("bat", "bat", "animal bat flying mammal"),
        ("flying", "bat bird dodo flying", "flying"),
        ("dodo", "dodo", "animal bird dodo flying"),
    ] {
        assert_eq!(show(animals.below(code)), format!("urn:animals: {below}"));
        assert_eq!(show(animals.above(code)), format!("urn:animals: {above}"));
    }
    for (text, code, reason) in [
        (ANIMALS, "unicorn", "has no code 'unicorn'"),
        (FRAGMENT, "a", "content here is 'fragment'"),
        (PARTS, "body", "'part-of'"),
    ] {
        let shown = show(system(text).below(code));
        assert!(shown.starts_with("422") && shown.contains(reason), "{shown}");
        assert_eq!(show(system(text).above(code)), shown);
    }
    assert_eq!(show(system(FOLDED).below("top")), "urn:folded: Low Top");
    assert_eq!(show(system(CIRCLE).above("a")), "urn:circle: a b");
}

#[test]
fn limits_end_what_is_too_large() {
    let codes: Vec<String> = (0..=MAX_CODES).map(|n| format!(r#"{{"code": "{n}"}}"#)).collect();
    let many =
        format!(r#""compose": {{"include": [{{"system": "urn:x", "concept": [{}]}}]}}"#, codes.join(","));
    assert!(show(expand(&many)).contains("more than 100000 codes"));
    let imports: Vec<String> = (0..=MAX_DEFINITIONS).map(|n| format!(r#""urn:vs:{n}""#)).collect();
    let wide = format!(r#""compose": {{"include": [{{"valueSet": [{}]}}]}}"#, imports.join(","));
    assert!(show(expand(&wide)).contains("more than 256 other definitions"));
}

#[test]
fn a_deep_chain_of_imports_ends() {
    let link = |n: usize| {
        value_set(
            &format!("urn:vs:{n}"),
            &format!(r#""compose": {{"include": [{{"valueSet": ["urn:vs:{}"]}}]}}"#, n + 1),
        )
    };
    let root = link(0).expect("a value set");
    let mut known = Definitions::default();
    for n in 1..=30 {
        known.value_sets.insert(Canonical::parse(&format!("urn:vs:{n}")), link(n).ok());
    }
    known.value_sets.insert(Canonical::parse("urn:vs:31"), None);
    assert!(known.wanted(&root).expect("few").is_empty());
    assert!(show(known.expand(&root)).contains("more than 16 deep"));
}

#[test]
fn what_r4_publishes_is_at_hand() {
    let expand = |url: &str| {
        let root = ValueSet::published(&Canonical::parse(url)).expect("R4 publishes it");
        let mut known = Definitions::default();
        loop {
            let wanted = known.wanted(&root).expect("few definitions");
            if wanted.is_empty() {
                return known.expand(&root);
            }
            for wanted in wanted {
                match wanted {
                    Wanted::ValueSet(c) => drop(known.value_sets.insert(c.clone(), ValueSet::published(&c))),
                    Wanted::CodeSystem(c) => {
                        drop(known.code_systems.insert(c.clone(), CodeSystem::published(&c)))
                    }
                }
            }
        }
    };
    for (url, system, inside, outside) in [
        (
            "http://hl7.org/fhir/ValueSet/administrative-gender",
            "http://hl7.org/fhir/administrative-gender",
            "female",
            "Female",
        ),
        (
            "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1",
            "http://hl7.org/fhir/administrative-gender",
            "male",
            "",
        ),
        (
            "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
            "http://terminology.hl7.org/CodeSystem/v3-ActCode",
            "AMB",
            "_ActEncounterCode",
        ),
        // Bound weakly or not at all.
        ("http://hl7.org/fhir/ValueSet/languages", "urn:ietf:bcp:47", "en-US", "xx"),
        (
            "http://terminology.hl7.org/ValueSet/v3-Race",
            "http://terminology.hl7.org/CodeSystem/v3-Race",
            "1002-5",
            "0",
        ),
        ("http://hl7.org/fhir/ValueSet/observation-vitalsignresult", "http://loinc.org", "85354-9", "1"),
    ] {
        let codes = expand(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert!(codes.contains(Some(system), inside), "{url}");
        assert!(!codes.contains(Some(system), outside), "{url}");
        assert!(codes.contains(None, inside) && !codes.contains(Some("urn:other"), inside));
    }
    for (url, reason) in [
        ("http://hl7.org/fhir/ValueSet/condition-code", "http://snomed.info/sct"),
        ("http://hl7.org/fhir/ValueSet/ucum-units", "cannot be listed"),
    ] {
        let shown = show(expand(url));
        assert!(shown.starts_with("422") && shown.contains(reason), "{shown}");
    }
    assert!(ValueSet::published(&Canonical::parse("http://hl7.org/fhir/ValueSet/languages|9")).is_none());
    assert!(ValueSet::published(&Canonical::parse("http://hl7.org/fhir/ValueSet/no-such-set")).is_none());
    let v3 = CodeSystem::published(&Canonical::parse("http://terminology.hl7.org/CodeSystem/v3-ActCode"));
    let below = v3.expect("R4 publishes it").below("_ActEncounterCode").expect("a hierarchy");
    assert!(below.contains(None, "AMB") && below.contains(None, "ACUTE") && !below.contains(None, "OPTIN"));
    let all =
        CodeSystem::published_of_value_set(&Canonical::parse("http://hl7.org/fhir/ValueSet/dicom-dcim"));
    assert_eq!(
        all.map(|system| system.url.into_string()).as_deref(),
        Some("http://dicom.nema.org/resources/ontology/DCM")
    );
}

#[test]
fn a_value_set_of_a_whole_system_holds_all_its_codes() {
    let root = ValueSet::of_system("urn:vs:animals", "urn:circle", None);
    let mut known = Definitions::default();
    let canonical = Canonical::parse("urn:circle");
    assert_eq!(known.wanted(&root).expect("one"), [Wanted::CodeSystem(canonical.clone())]);
    known.code_systems.insert(canonical, Some(system(CIRCLE)));
    assert_eq!(show(known.expand(&root)), "urn:circle: a b c");
}
