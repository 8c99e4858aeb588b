//! Expressions and documents made to take time, memory or the stack: each ends, and where it would
//! not end soon it ends in a refusal that names the limit.
//!
//! `cargo test --release -p remit-fhirpath -- --ignored --nocapture hostile` prints how long each takes.

use std::time::Duration;

use remit_fhir::json::{self, Document};
use remit_spec::Definitions;

use crate::*;

/// How an expression ends.
#[derive(Debug)]
enum End {
    /// It does not compile, for this reason.
    Compile(&'static str),
    /// A limit ends the evaluation: the reason.
    Limit(&'static str),
    /// Its use is wrong: the reason.
    Error(&'static str),
    /// It has this result, at a small cost.
    Result(&'static str),
}
use End::{Compile, Error, Limit, Result as Answer};

const STEPS: End = Limit("more steps than are allowed");
const ITEMS: End = Limit("more than 100000 items");
const STRING: End = Limit("longer than 1048576 bytes");
const DEPTH: End = Compile("nests deeper than 100 levels");

/// A patient with 1,000 names, each with two given names.
fn patient() -> Document {
    let name = r#"{"use":"official","family":"Chalmers","given":["Peter","James"]}"#;
    let names = vec![name; 1000].join(",");
    let text = format!(
        r#"{{"resourceType":"Patient","id":"p","name":[{names}],"birthDate":"1974-12-25","active":true}}"#
    );
    json::parse(text).expect("JSON")
}

fn around(before: &str, middle: &str, after: &str, times: usize) -> String {
    before.repeat(times) + middle + &after.repeat(times)
}

fn then(first: &str, next: &str, times: usize) -> String {
    first.to_owned() + &next.repeat(times)
}

/// Text that recurses, loops or grows without end.
fn forms() -> Vec<(String, End)> {
    vec![
        (around("(", "1", ")", 30_000), DEPTH),
        (around("-", "1", "", 60_000), DEPTH),
        (around("iif(true,", "1", ")", 5_000), DEPTH),
        (around("name[", "0", "]", 5_000), DEPTH),
        (around("name.where(", "true", ")", 4_000), DEPTH),
        (then("1", "+1", 30_000), DEPTH),
        (then("name", ".first()", 5_000), DEPTH),
        (then("1", " is Integer", 5_000), DEPTH),
        (then("1", "[0]", 5_000), DEPTH),
        (then("true", " and true", 5_000), DEPTH),
        (around("{", "", "}", 1_000), Compile("Expected \"}\"")),
        (then(" ", " ", MAX_EXPRESSION_BYTES), Compile("longer than 65536 bytes")),
        (format!("'{}'", "é".repeat(40_000)), Compile("longer than 65536 bytes")),
        ("9".repeat(60_000), Compile("more digits than a decimal holds")),
        (format!("1.{}", "9".repeat(60_000)), Compile("more digits than a decimal holds")),
        (format!("{} 'mg'", "9".repeat(60)), Compile("more digits than a decimal holds")),
        ("a".repeat(60_000), Compile("has no element")),
        (format!("{}()", "a".repeat(60_000)), Compile("There is no function")),
        (format!("1 is {}", "a".repeat(60_000)), Compile("There is no type")),
        ("/* ".repeat(20_000), Compile("not closed")),
        ("'".to_owned() + &"x".repeat(60_000), Compile("not closed")),
        ("\u{202e}name".to_owned(), Compile("has no meaning here")),
        ("'\\u{110000}'".to_owned(), Compile("")),
        ("@99999-01-01".to_owned(), Compile("")),
        ("-9223372036854775808".to_owned(), Compile("more digits")),
    ]
}

/// Collections that grow or circle.
fn collections() -> Vec<(String, End)> {
    let numbers = (0..5_000).map(|n| n.to_string()).collect::<Vec<_>>().join("|");
    let all = "descendants()";
    let given = |text: &str| text.to_owned();
    vec![
        (given("1.repeat($this + 1)"), STEPS),
        (given("name.repeatAll($this)"), ITEMS),
        (given("name.repeatAll(%resource.name)"), ITEMS),
        (given("(1 | 2).repeatAll($this | $this + 10)"), ITEMS),
        (given("repeat($this | name | %resource)"), Answer("?")),
        (given("name.select(%resource.name).select(%resource.name)"), ITEMS),
        (given("name.combine(name).select(%resource.name.combine(%resource.name))"), ITEMS),
        (given("name.where(%resource.name.where(%resource.name.exists()).exists()).count()"), STEPS),
        (given("name.all(%resource.name.all(%resource.name.given.exists()))"), STEPS),
        (given("name.select(%resource.descendants().count())"), STEPS),
        (
            given(
                "descendants().where(%resource.descendants().where(%resource.descendants().exists()).empty())",
            ),
            STEPS,
        ),
        (given("name.aggregate($total.combine(%resource.name), {})"), STEPS),
        (given("name.select(%resource.name.select($index).toChars().distinct().count())"), Error("one item")),
        (given("name.select($index).distinct().count()"), Answer("1000")),
        (given("name.select($index).combine(name.select($index + 1000)).distinct().count()"), STEPS),
        (given("descendants().distinct()"), Answer("?")),
        (given("name.given | descendants() | name.select($index)"), Answer("?")),
        (numbers, STEPS),
        (given("name.sort(family, given.first(), $index)"), Answer("?")),
        (given("name.select(%resource.name.sort(family).first())"), STEPS),
        (given("name ~ name.tail().combine(name.first())"), Answer("true")),
        (given("name.subsetOf(name.select(%resource.name.first()))"), STEPS),
        (then("defineVariable('a0', descendants())", ".select(%a0)", 3), ITEMS),
        (
            (0..40).map(|n| format!("defineVariable('v{n}', descendants())")).collect::<Vec<_>>().join(".")
                + ".count()",
            Answer("1"),
        ),
        (
            given("name.select(defineVariable('v' & $index.toString(), %resource.descendants()).count())"),
            STEPS,
        ),
        (then(&format!("{all}.combine({all})"), ".combine($this)", 90), Answer("?")),
        (given("name.select(%resource.name.tail().tail().tail().count())"), STEPS),
        (given("name[9223372036854775807]"), Answer("")),
        (given("name.skip(-9223372036854775807).count()"), Answer("1000")),
        (given("name.take(9223372036854775807).count()"), Answer("1000")),
        (given("name.trace('a', %resource.descendants()).count()"), Answer("1000")),
        (given("descendants().resolve().descendants().resolve()"), Answer("")),
    ]
}

/// Strings that grow, and patterns.
fn strings() -> Vec<(String, End)> {
    let given = |text: &str| text.to_owned();
    let a9000 = "a".repeat(9_000);
    let hundred = "x".repeat(100);
    vec![
        (then("'a'", ".select($this & $this)", 40), STRING),
        (then("'a'", ".select($this + $this)", 40), STRING),
        (then("'a'", ".replace('', 'yyyyyyyyyyyyyyyyyyyyyyyyyy')", 20), STRING),
        (then("'a'", ".replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaa')", 20), STRING),
        (then("'a'", ".replaceMatches('(.*)', '$1$1$1$1$1$1$1$1$1')", 20), STRING),
        (then("'a'", ".encode('hex')", 40), STRING),
        (
            format!("'{}'.escape('html').escape('html').escape('html').escape('html')", "&".repeat(60_000)),
            STRING,
        ),
        (then("'\"'", ".escape('json')", 40), STRING),
        (
            format!(
                "name.given.join('{}').select($this & $this & $this & $this & $this & $this)",
                hundred.repeat(2)
            ),
            STRING,
        ),
        (given("name.aggregate($total & $total, 'a')"), STRING),
        (format!("name.given.select('{a9000}' & $this).join()"), STRING),
        (format!("name.given.select(%resource.name.select('{a9000}' & $this.family))"), STEPS),
        (format!("name.select('{a9000}'.toChars().select($this & 'b')).count()"), ITEMS),
        (format!("name.select('{a9000}'.split('')).count()"), ITEMS),
        (format!("name.select('{a9000}'.upper() = '{a9000}'.upper()).count()"), Answer("1000")),
        (format!("name.select('{a9000}' ~ '{a9000}A').count()"), Limit("more steps")),
        (format!("'{}'.unescape('html').length()", "&".repeat(60_000)), Answer("60000")),
        (format!("'{}'.htmlChecks()", "<div>".repeat(12_000)), Answer("false")),
        (format!("'{a9000}!'.matches('(a+)+$')"), Answer("false")),
        (format!("'{a9000}!'.matches('(a|a)*$')"), Answer("true")),
        (format!("'{a9000}!'.matches('^(([a-z])+.)+[A-Z]([a-z])+$')"), Answer("false")),
        (format!("'{a9000}'.matches('(a{{0,90}}){{90}}b')"), Limit("")),
        (given("'a'.matches('(((a{100}){100}){100}){100}')"), Limit("")),
        (given("'a'.matches('\\\\pL{1000}\\\\pN{1000}')"), Limit("regular expression takes more than")),
        (given("'a'.matches('(?i)[\\\\w\\\\W]{900}')"), Limit("regular expression takes more than")),
        (format!("'a'.matches('{}')", "(".repeat(4_000)), Error("not understood")),
        (format!("'a'.matches('{}')", "a|".repeat(4_000)), Limit("regular expression is longer than 4096")),
        (given("'a'.matches('(?=a)')"), Error("look-around")),
        (given("'aa'.matches('(a)\\\\1')"), Error("back references")),
        (given("name.select('a'.matches('a{' & $index.toString() & '}'))"), STEPS),
        (given("name.select('a'.replaceMatches('\\\\w{' & $index.toString() & '}', 'b'))"), Limit("")),
    ]
}

/// Numbers, units and times.
fn numbers() -> Vec<(String, End)> {
    let given = |text: &str| text.to_owned();
    vec![
        (given("2.power(9223372036854775807)"), Answer("")),
        (given("1.power(9223372036854775807)"), Answer("1")),
        (given("(-1).power(9223372036854775807)"), Answer("-1")),
        (given("1.0000000001.power(9223372036854775807)"), Answer("")),
        (given("0.9999999999.power(9223372036854775807)"), Answer("0")),
        (given("2.power(-9223372036854775807)"), Answer("")),
        (given("0.power(-1)"), Answer("")),
        (given("100000000.exp()"), Answer("")),
        (given("(-100000000).exp()"), Answer("")),
        (given("0.ln()"), Answer("")),
        (given("2.log(1)"), Answer("")),
        (given("(-1).sqrt()"), Answer("")),
        (given("0.0000000000000000000000000001.sqrt()"), Answer("0.00000000000001")),
        (given("9223372036854775807 * 9223372036854775807"), Answer("")),
        (given("999999999999999999999999999.5 * 999999999999999999999999999.5"), Answer("")),
        (given("9999999999999999999999999999 'm' * 9999999999999999999999999999 'm'"), Answer("")),
        (given("9223372036854775807 div 0"), Answer("")),
        (given("1.round(4294967296)"), Error("")),
        (given("1.0.lowBoundary(9223372036854775807)"), Answer("")),
        (format!("1 '{}' = 1 'm'", "(".repeat(10_000)), Answer("")),
        (format!("1 '{}' = 1 'm'", "m30.".repeat(40)), Answer("")),
        (format!("1 '1{}' = 1 'm'", "0".repeat(150)), Answer("")),
        (format!("name.select(1 '{}m' = 1 '{}').count()", "m.".repeat(90), "s.".repeat(90)), STEPS),
        (given("@9999-12-31 + 9223372036854775807 years"), Answer("")),
        (given("@0001-01-01 - 1 day"), Answer("")),
        (given("@T23:59 + 9223372036854775807 milliseconds"), Answer("07:11")),
        (given("1000000000000000000000000000 years + 1 'ms'"), Answer("")),
    ]
}

fn table() -> Vec<(String, End)> {
    [forms(), collections(), strings(), numbers()].into_iter().flatten().collect()
}

fn evaluate(text: &str, document: &Document) -> std::result::Result<String, (bool, String)> {
    let defs = Definitions::r4();
    let expression =
        compile(text, defs.type_named("Patient"), defs).map_err(|e| (false, format!("compile: {e}")))?;
    let found = expression.evaluate(Item::resource(document.root(), defs), &Environment::new(0));
    let found = found.map_err(|e| (e.is_limit(), e.message().to_owned()))?;
    let texts = found.iter().map(|item| item.text(defs).map_or_else(|| "?".into(), |text| text.into_owned()));
    Ok(texts.collect::<Vec<_>>().join(","))
}

fn short(text: &str) -> String {
    text.chars().take(90).collect()
}

/// Why the end is not the one that was expected.
fn fault(text: &str, end: &End, document: &Document) -> Option<String> {
    let result = evaluate(text, document);
    let fits = match (&result, end) {
        (Ok(_), Answer("?")) => true,
        (Ok(answer), Answer(expected)) => answer == expected,
        (Err((false, message)), Compile(reason)) => {
            message.starts_with("compile: ") && message.contains(reason) && message.len() < 2_000
        }
        (Err((true, message)), Limit(reason)) => message.contains(reason),
        (Err((false, message)), Error(reason)) => {
            !message.starts_with("compile: ") && message.contains(reason)
        }
        _ => false,
    };
    let shown =
        result.map(|answer| short(&answer)).map_err(|(is_limit, message)| (is_limit, short(&message)));
    (!fits).then(|| format!("{}: {shown:?} is not {end:?}", short(text)))
}

#[test]
fn every_hostile_expression_ends_as_it_should() {
    let document = patient();
    let faults: Vec<String> = table().iter().filter_map(|(text, end)| fault(text, end, &document)).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Documents are hostile, too: many members, long strings, deep nesting.
fn documents() -> Vec<(Document, &'static str, End)> {
    let parse = |text: String| json::parse(text).expect("JSON");
    let members = (0..50_000).map(|n| format!(r#","m{n}":1"#)).collect::<String>();
    let wide = format!(r#"{{"resourceType":"Patient"{members},"name":[{{"family":"a"}}]}}"#);
    let wide_twice = format!(
        r#"{{"resourceType":"Patient","contact":[{{"a":1{members}}},{{{}"a":1}}],"name":[{{"family":"a"}}]}}"#,
        members.get(1..).unwrap_or_default().to_owned() + ","
    );
    let siblings = format!(r#"{{"resourceType":"Patient","_id":{{"id":"x"}}{members}}}"#);
    let long = "x".repeat(4 << 20);
    let texts =
        format!(r#"{{"resourceType":"Patient","name":[{{"family":"{long}"}},{{"family":"{long}"}}]}}"#);
    let escaped = format!(r#"{{"resourceType":"Patient","name":[{{"family":"\n{long}"}}]}}"#);
    let many = format!(r#"{{"resourceType":"Patient","name":[{}]}}"#, vec!["{}"; 150_000].join(","));
    vec![
        (parse(wide.clone()), "(1|2|3|4|5|6|7|8|9|10).select(%resource.name.family).count()", Answer("10")),
        (parse(wide), "(1|2|3|4|5|6|7|8|9|10).repeatAll(%resource.name.select($index))", STEPS),
        (parse(wide_twice), "contact[0] = contact[1]", STEPS),
        (parse(siblings), "children().count()", STEPS),
        (
            parse(texts.clone()),
            "name.repeatAll(%resource.name.where(family = %resource.name[1].family))",
            STEPS,
        ),
        (parse(texts.clone()), "name[0] ~ name[1]", STEPS),
        (parse(texts.clone()), "name.family.join().length()", STRING),
        (parse(texts), "name[0].family.matches('(x{1,30}y?){1,30}z')", STEPS),
        (parse(escaped), "name.repeatAll(%resource.name.where(family = 'x'))", Answer("")),
        (parse(many.clone()), "name.count()", ITEMS),
        (parse(many), "children().count()", ITEMS),
    ]
}

#[test]
fn every_hostile_document_ends_as_it_should() {
    let cases = documents();
    let faults: Vec<String> =
        cases.iter().filter_map(|(document, text, end)| fault(text, end, document)).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Values at the edges of their types, and some of each type.
const VALUES: [&str; 26] = [
    "{}",
    "true",
    "0",
    "-1",
    "9223372036854775807",
    "(-9223372036854775807)",
    "0.0",
    "7922816251426433759354395033.5",
    "0.0000000000000000000000000001",
    "(-1.5)",
    "''",
    "'a'",
    "'é\\u0000\\u202e'",
    "'-'",
    "'('",
    "@0001",
    "@9999-12-31",
    "@2024-02-29T23:59:59.999999999+14:00",
    "@T23:59:59.999",
    "1 year",
    "7922816251426433759354395033.5 'mg'",
    "1 'Cel'",
    "$this",
    "name",
    "name.given",
    "1.type()",
];

/// Every function on every value, with every value as argument: each ends, and none panics.
#[test]
fn every_function_takes_every_value() {
    let defs = Definitions::r4();
    let document = json::parse(r#"{"resourceType":"Patient","name":[{"given":["a","b"]}]}"#).expect("JSON");
    let run = |text: &str| {
        if let Ok(expression) = compile(text, None, defs) {
            let _ = expression.evaluate(Item::resource(document.root(), defs), &Environment::new(0));
        }
    };
    for (name, least, most) in crate::function::names() {
        for input in VALUES {
            if least == 0 {
                run(&format!("{input}.{name}()"));
            }
            for first in VALUES.iter().filter(|_| most > 0) {
                run(&format!("{input}.{name}({first})"));
                // Two arguments are of the same kind, or the second is a number.
                if most > 1 {
                    run(&format!("{input}.{name}({first}, {first})"));
                    run(&format!("{input}.{name}({first}, 9223372036854775807)"));
                }
            }
        }
    }
    for operator in
        ["+", "-", "*", "/", "div", "mod", "&", "|", "=", "~", "<", ">=", "in", "contains", "and", "implies"]
    {
        for left in VALUES {
            VALUES.iter().for_each(|right| run(&format!("{left} {operator} {right}")));
        }
    }
}

/// Time that this thread has had of a processor, to some milliseconds.
pub(crate) fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(
        text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or_default(),
    )
}

#[test]
#[ignore = "a measurement"]
fn hostile_times() {
    let document = patient();
    let mut times: Vec<(Duration, String)> = Vec::new();
    let _ = evaluate("name.count()", &document);
    let mut time = |text: &str, document: &Document| {
        let start = on_processor();
        let result = evaluate(text, document).map(|answer| answer.len());
        times.push((on_processor().saturating_sub(start), format!("{} {result:?}", short(text))));
    };
    table().iter().for_each(|(text, _)| time(text, &document));
    documents().iter().for_each(|(document, text, _)| time(text, document));
    times.sort();
    for (took, text) in times.iter().rev() {
        println!("{took:>12.1?}  {}", text.replace('\n', " "));
    }
}
