//! What the official suite does not cover: the definitions' own expressions, limits, references,
//! variables, places, and the functions of later versions and of SQL on FHIR.

use remit_fhir::json::{self, Document};
use remit_spec::Definitions;

use crate::*;

const NOW: i64 = 1_795_336_200_000_000;

fn parse_json(text: &str) -> Document {
    json::parse(text.to_owned()).expect("JSON")
}

fn patient() -> Document {
    parse_json(
        r##"{"resourceType":"Patient","id":"p1","contained":[{"resourceType":"Practitioner","id":"c"}],
        "active":true,"birthDate":"1974-12-25","_birthDate":{"id":"b"},
        "name":[{"use":"official","family":"Chalmers","given":["Peter","James"],
                 "_given":[null,{"extension":[{"url":"http://x","valueCode":"y"}]}]},
                {"use":"usual","given":["Jim"]},
                {"given":[null],"_given":[{"extension":[{"url":"http://x","valueString":"only"}]}]}],
        "generalPractitioner":[{"reference":"#c"},{"reference":"Practitioner/2"},
                {"reference":"http://h/fhir/Organization/3/_history/1"},{"reference":"urn:uuid:1","type":"Practitioner"},
                {"display":"nobody"}],
        "managingOrganization":{"reference":"Organization/9"},
        "extension":[{"url":"http://q","valueQuantity":{"value":5,"system":"http://unitsofmeasure.org","code":"mg"}}],
        "deceasedDateTime":"2024-02-29T10:00:00+01:00","multipleBirthInteger":2}"##,
    )
}

fn shown(result: Result<Collection<'_>, EvaluationError>) -> String {
    let defs = Definitions::r4();
    match result {
        Ok(items) => {
            let text =
                |item: &Item<'_>| item.text(defs).map_or_else(|| "?".to_owned(), |text| text.into_owned());
            items.iter().map(text).collect::<Vec<_>>().join(",")
        }
        Err(error) => format!("error: {error}"),
    }
}

fn evaluate_with(text: &str, mode: Mode, document: &Document) -> String {
    let defs = Definitions::r4();
    let focus = Element::resource(document.root(), defs);
    let options = Options { context: focus.ty, mode, ..Options::default() };
    let strict = match compile_with(text, options, defs) {
        Ok(expression) => shown(expression.evaluate(Item::Element(focus), &Environment::new(NOW))),
        Err(error) => return format!("compile error: {error}"),
    };
    // What is known at compile time must not change the result.
    let options = Options { context: None, mode, ..Options::default() };
    let dynamic = compile_with(text, options, defs).expect("compiles without a context too");
    assert_eq!(shown(dynamic.evaluate(Item::Element(focus), &Environment::new(NOW))), strict, "{text}");
    strict
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let document = patient();
    for (text, expected) in cases {
        assert_eq!(&evaluate_with(text, Mode::Strict, &document), expected, "{text}");
    }
}

#[test]
fn paths_follow_the_definitions() {
    check(&[
        ("Patient.name.given", "Peter,James,Jim,?"),
        ("name[0].given[1].extension('http://x').value", "y"),
        ("name.given.extension.value", "y,only"),
        ("name.where(use = 'official').given.first()", "Peter"),
        ("deceased", "2024-02-29T10:00:00+01:00"),
        ("deceased is dateTime", "true"),
        ("deceased as boolean", ""),
        ("multipleBirth.ofType(integer) + 1", "3"),
        ("birthDate.id", "b"),
        ("contained.id", "c"),
        ("contained.ofType(Practitioner).id", "c"),
        ("(name.given | name.family).count()", "5"),
        ("name.given.where(hasValue()).join('-')", "Peter-James-Jim"),
        ("extension.value > 4 'mg'", "true"),
        ("extension.value = 0.005 'g'", "true"),
        ("extension('http://q').value.value", "5"),
        ("descendants().where($this is Extension).count()", "3"),
        ("name.type().name.distinct()", "HumanName"),
        ("Resource.id", "p1"),
        ("DomainResource.contained.count()", "1"),
        ("`Patient`.`active`", "true"),
    ]);
}

#[test]
fn references_resolve_by_form_without_a_host() {
    check(&[
        ("generalPractitioner.where(resolve() is Practitioner).count()", "3"),
        ("generalPractitioner.where(resolve() is Organization).count()", "1"),
        ("generalPractitioner[0].resolve().id", "c"),
        ("generalPractitioner[1].resolve().exists()", "true"),
        ("generalPractitioner[4].resolve().exists()", "false"),
        ("getResourceKey()", "Patient/p1"),
        ("managingOrganization.getReferenceKey()", "Organization/9"),
        ("managingOrganization.getReferenceKey(Organization)", "Organization/9"),
        ("managingOrganization.getReferenceKey(Patient)", ""),
        ("generalPractitioner.getReferenceKey(Organization)", "Organization/3"),
    ]);
}

struct Ward(Document);

impl Host for Ward {
    fn resolve<'a>(&'a self, reference: &str) -> Result<Resolution<'a>, EvaluationError> {
        Ok(match reference {
            "Organization/9" => Resolution::Resource(self.0.root()),
            _ => Resolution::Unresolved,
        })
    }

    fn member_of(&self, _: &str, _: Option<&str>, code: &str) -> Result<Option<bool>, EvaluationError> {
        Ok(Some(code == "usual"))
    }
}

#[test]
fn a_host_answers_for_other_resources_and_codes() {
    let defs = Definitions::r4();
    let document = patient();
    let ward = Ward(parse_json(r#"{"resourceType":"Organization","id":"9","name":"Ward"}"#));
    let cases = [
        ("managingOrganization.resolve().name", "Ward"),
        ("generalPractitioner[1].resolve().exists()", "false"),
        ("name.where(use.memberOf('http://v')).given", "Jim"),
        ("%resource.id & %context.id & %rootResource.id", "p1p1p1"),
        ("%limit + 1", "6"),
    ];
    let variables = [("limit".to_owned(), vec![Item::Integer(5)])];
    for (text, expected) in cases {
        let expression = compile(text, defs.type_named("Patient"), defs).expect(text);
        let environment = Environment { host: Some(&ward), variables: &variables, ..Environment::new(NOW) };
        let result = expression.evaluate(Item::resource(document.root(), defs), &environment);
        assert_eq!(shown(result), expected, "{text}");
    }
}

#[test]
fn embedded_value_sets_answer_without_a_host() {
    check(&[
        ("name[0].use.memberOf('http://hl7.org/fhir/ValueSet/name-use')", "true"),
        ("id.memberOf('http://hl7.org/fhir/ValueSet/name-use')", "false"),
        (
            "id.memberOf('http://nowhere')",
            "error: The codes of the value set http://nowhere are not known here",
        ),
    ]);
}

#[test]
fn later_functions_work() {
    check(&[
        ("defineVariable('a', name.first()).select(%a.family)", "Chalmers"),
        ("name.defineVariable('n').given.first() & %n.count().toString()", "error: There is no variable %n"),
        ("name.first().defineVariable('n', given).select(%n.count() + 1)", "3"),
        ("(1 | 2 | 3).sum()", "6"),
        ("(1 | 2 | 4).avg()", "2.3333333333333333333333333333"),
        ("(1 / 9).toString()", "0.1111111111111111111111111111"),
        ("(13.5 | 0.5 | -0.5 | -13.5).select(round())", "14,1,-1,-14"),
        ("('a' | 'c' | 'b').max()", "c"),
        ("(3 | 1 | 2).sort(-$this)", "3,2,1"),
        ("(3 | 1 | 2).sort($this desc)", "3,2,1"),
        ("coalesce({}, 5, 6)", "5"),
        ("@2024-05-06T07:08:09.123.millisecondOf()", "123"),
        ("birthDate.yearOf()", "1974"),
        ("'a,b'.split(',').count()", "2"),
        ("'2024-1-5'.replaceMatches('(\\\\d+)-(\\\\d+)', '$2x$1')", "1x2024-5"),
        ("'FHIR'.matches('fhir', 'i')", "true"),
        ("5 'mg'.toQuantity('g')", "0.005 'g'"),
        ("(1 | 2).combine(2 | 3)", "1,2,2,3"),
        ("12L + 1", "13"),
        ("name.select($index)", "0,1,2"),
        ("@2024-01-31 + 1 month", "2024-02-29"),
        ("@2016 + 365 days", "2017"),
        ("@T23:30 + 1 hour", "00:30"),
        ("now()", "2026-11-22T08:30:00.000Z"),
        ("today()", "2026-11-22"),
        ("{} | {}", ""),
        ("9223372036854775807 + 1", ""),
        ("1 year = 12 months", "true"),
        ("1 'wk' + 1 'd'", "8 'd'"),
        ("'<b>'.escape('html')", "&lt;b&gt;"),
        ("'é'.length()", "1"),
        ("'aéb'.indexOf('b')", "2"),
    ]);
}

#[test]
fn a_wrong_name_is_an_error_with_its_place() {
    let cases = [
        ("name.givn", "HumanName has no element \"givn\" (line 1, column 6)"),
        ("name\n  .given2", "HumanName has no element \"given2\" (line 2, column 4)"),
        ("nme", "Patient has no element \"nme\" (line 1, column 1)"),
        ("name.frist()", "There is no function frist() (line 1, column 6)"),
        ("name.where()", "where() takes one argument, not 0 (line 1, column 6)"),
        ("active is boolen", "There is no type boolen (line 1, column 11)"),
        ("Encounter.id", "The expression is evaluated on Patient, not on Encounter (line 1, column 1)"),
        (
            "name.",
            "Expected the name of an element or function, found the end of the expression (line 1, column 6)",
        ),
        ("(name", "Expected \")\", found the end of the expression (line 1, column 6)"),
        ("'x", "The text is not closed by ' (line 1, column 1)"),
        ("#", "\"#\" has no meaning here (line 1, column 1)"),
        ("@2024-13", "There is no such date (line 1, column 1)"),
        ("1 +", "Expected a value or a path, found the end of the expression (line 1, column 4)"),
        ("$that", "There is no $that, only $this, $index and $total (line 1, column 1)"),
        ("'a'.b", "String has no element \"b\" (line 1, column 5)"),
    ];
    let defs = Definitions::r4();
    for (text, expected) in cases {
        let error = compile(text, defs.type_named("Patient"), defs).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let options = Options { variables: Some(&["known"]), ..Options::default() };
    assert!(compile_with("%known", options, defs).is_ok());
    assert!(compile_with("%unknown", options, defs).is_err());
}

#[test]
fn lenient_expressions_are_read_as_search_parameters_mean_them() {
    let document = parse_json(
        r#"{"resourceType":"Observation","valueDateTime":"2024-05-06",
        "component":[{"valueQuantity":{"value":1}},{"valueString":"x"},{"valueQuantity":{"value":2}}]}"#,
    );
    let cases = [
        ("(Observation.component.value as Quantity).value", "1,2"),
        ("Observation.value.as(DateTime)", "2024-05-06"),
        ("Observation.valueDateTime", "2024-05-06"),
        ("Patient.name | Observation.value", "2024-05-06"),
        ("Observation.nothing", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(evaluate_with(text, Mode::Lenient, &document), expected, "{text}");
    }
}

#[test]
fn every_expression_of_the_definitions_compiles() {
    let defs = Definitions::r4();
    let mut failures = Vec::new();
    for (_, parameter) in defs.all_search_parameters() {
        let Some(text) = parameter.expression else { continue };
        let options = Options { mode: Mode::Lenient, ..Options::default() };
        if let Err(error) = compile_with(text, options, defs) {
            failures.push(format!("{}: {text}: {error}", parameter.code));
        }
    }
    for ty in defs.types() {
        let ty_definition = defs.ty(ty);
        let elements = ty_definition.elements.iter();
        let on_elements =
            elements.flat_map(|e| e.invariants.iter().map(|i| (i, e.types.first().map(|t| t.ty))));
        let on_type = ty_definition.invariants.iter().map(|i| (i, Some(ty)));
        for (invariant, context) in on_type.chain(on_elements) {
            let options = Options { context, mode: Mode::Lenient, ..Options::default() };
            if let Err(error) = compile_with(invariant.expression, options, defs) {
                failures.push(format!(
                    "{} {}: {}: {error}",
                    ty_definition.name, invariant.key, invariant.expression
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn an_element_knows_its_place() {
    let defs = Definitions::r4();
    let document = patient();
    let cases = [
        ("name[0].given[1]", "Patient.name[0].given[1]"),
        ("name[2].given", "Patient.name[2].given[0]"),
        ("birthDate", "Patient.birthDate"),
        ("deceased", "Patient.deceasedDateTime"),
        ("contained.id", "Patient.contained[0].id"),
        ("$this", "Patient"),
    ];
    for (text, expected) in cases {
        let expression = compile(text, defs.type_named("Patient"), defs).expect(text);
        let found =
            expression.evaluate(Item::resource(document.root(), defs), &Environment::new(NOW)).expect(text);
        assert_eq!(found[0].element().and_then(Element::path).as_deref(), Some(expected), "{text}");
    }
    let expression = compile("name[0].given[1]", None, defs).expect("compiles");
    let found =
        expression.evaluate(Item::resource(document.root(), defs), &Environment::new(NOW)).expect("a name");
    let place = found[0].element().and_then(Element::place).expect("a place");
    assert_eq!((place.name.as_str(), place.index), ("given", Some(1)));
    assert_eq!(place.member.json(), r#"["Peter","James"]"#);
    assert_eq!(place.parent.get_str("family").as_deref(), Some("Chalmers"));
}

#[test]
fn a_hostile_expression_is_refused_soon() {
    let defs = Definitions::r4();
    let document = patient();
    let deep = "(".repeat(5000) + "1" + &")".repeat(5000);
    let signs = "-".repeat(5000) + "1";
    let chain = "name".to_owned() + &".first()".repeat(5000);
    let sum = "1".to_owned() + &"+1".repeat(5000);
    let nested = "iif(true,".repeat(5000) + "1" + &")".repeat(5000);
    let long = " ".repeat(MAX_EXPRESSION_BYTES) + "1";
    for text in [&deep, &signs, &chain, &sum, &nested, &long] {
        assert!(compile(text, None, defs).is_err(), "{}", &text[..20]);
    }
    let doubling = "'a'".to_owned() + &".select($this & $this)".repeat(40);
    let many = format!("({}).repeat($this + 1)", "1");
    let squares = "descendants().select(%resource.descendants().select(%resource.descendants().select(%resource.descendants())))".to_owned();
    let regex = "'a'.matches('(a{1000}){1000}')".to_owned();
    let growing = "(1 | 2 | 3 | 4).repeatAll($this | ($this + 10))".to_owned();
    let wide = "'x'.replace('', 'yyyyyyyyyy')".to_owned()
        + &".replace('', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyy')".repeat(20);
    let patterns =
        "('a' | descendants()).select('a'.matches('a{' & $index.toString() & '}')).repeatAll($this)"
            .to_owned();
    let search = "(".to_owned() + &"'a'".replace('a', &"a".repeat(9000)) + ").matches('(a{0,90}){90}b')";
    for text in [&doubling, &many, &squares, &regex, &growing, &wide, &patterns, &search] {
        let expression = compile(text, None, defs).expect(text);
        let start = std::time::Instant::now();
        let result = expression.evaluate(Item::resource(document.root(), defs), &Environment::new(NOW));
        println!("{:?} {}", start.elapsed(), &text[..text.len().min(60)]);
        let error = result.map(|items| items.len()).expect_err(text);
        assert!(error.is_limit(), "{text}: {error}");
    }
}

#[test]
fn the_deepest_expressions_fit_on_a_small_stack() {
    let defs = Definitions::r4();
    let levels = MAX_DEPTH - 2;
    let texts = [
        "(".repeat(levels) + "1" + &")".repeat(levels),
        "iif(true,".repeat(levels) + "1" + &")".repeat(levels),
        "where(".repeat(levels) + "true" + &")".repeat(levels),
        "1".to_owned() + &"+1".repeat(levels),
        "-".repeat(levels) + "1",
        "id".to_owned() + &".first()".repeat(levels),
        "iif(true,1)".to_owned() + &"[0]".repeat(levels),
        "name.select(".repeat(levels / 2) + "1" + &")".repeat(levels / 2),
        "not(".repeat(0) + &"id.select($this & ".repeat(levels / 3) + "''" + &")".repeat(levels / 3),
    ];
    let run = move || {
        let document = patient();
        for text in texts {
            let expression = compile(&text, None, defs).unwrap_or_else(|error| panic!("{text}: {error}"));
            let _ = expression.evaluate(Item::resource(document.root(), defs), &Environment::new(NOW));
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread");
    thread.join().expect("the stack holds");
}

proptest::proptest! {
    #[test]
    fn any_text_ends_in_an_answer(text in "[a-c0-9.()'|=<>%$@T:{}\\[\\]`~!&*/+, \\-]{0,40}") {
        let defs = Definitions::r4();
        let document = patient();
        if let Ok(expression) = compile(&text, None, defs) {
            let _ = expression.evaluate(Item::resource(document.root(), defs), &Environment::new(NOW));
        }
    }

    #[test]
    fn known_words_in_any_order_end_in_an_answer(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "name", ".", "given", "where(", ")", "exists()", "=", "'a'", "1", "|", "$this", "and", "is", "Patient",
            "not()", "[", "]", "0", "+", "@2024", "1 day", "%resource", "-", "as", "string", "first()", "(",
        ]), 0..14)
    ) {
        let defs = Definitions::r4();
        let document = patient();
        if let Ok(expression) = compile(&words.join(" "), None, defs) {
            let _ = expression.evaluate(Item::resource(document.root(), defs), &Environment::new(NOW));
        }
    }
}

/// Prints nanoseconds per evaluation: `cargo test --release -p remit-fhirpath -- --ignored --nocapture speed`.
/// `remit bench fhirpath` prints the same beside what is wanted.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let defs = Definitions::r4();
    let document = parse_json(include_str!("../cli/bench/patient.json"));
    let environment = Environment::new(NOW);
    let focus = Item::resource(document.root(), defs);
    println!("an item has {} bytes, a collection {}", size_of::<Item<'_>>(), size_of::<Collection<'_>>());
    for text in [
        "Patient.name.where(use='official').given",
        "Patient.name.given",
        "Patient.identifier",
        "(Patient.name.given | Patient.name.family)",
    ] {
        let expression = compile(text, defs.type_named("Patient"), defs).expect(text);
        let mut best = std::time::Duration::MAX;
        let rounds = 200_000;
        for _ in 0..5 {
            let start = crate::hostile::on_processor();
            for _ in 0..rounds {
                let mut out = Collection::new();
                expression.evaluate_into(std::hint::black_box(&focus), &environment, &mut out).expect(text);
                std::hint::black_box(&out);
            }
            best = best.min(crate::hostile::on_processor() - start);
        }
        println!("{:>6} ns  {text}", best.as_nanos() / rounds);
    }
}
