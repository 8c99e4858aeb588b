//! No input gives a 5xx or ends the server: changed resources, random bytes, random URLs and headers.

use crate::http::Client;
use crate::server::Server;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;

/// Requests of each kind. `PROPTEST_CASES` asks for more.
const CASES: u32 = 400;

const SEEDS: [&str; 3] = [
    r##"{"resourceType":"Patient","id":"a","meta":{"versionId":"1","profile":["http://p"]},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},"contained":[{"resourceType":"Organization","id":"o"}],"extension":[{"url":"http://e","valueDecimal":1.00}],"active":true,"name":[{"family":"A","given":["B",null],"_given":[null,{"id":"x"}]}],"birthDate":"1970-01-01","multipleBirthInteger":2,"managingOrganization":{"reference":"#o"}}"##,
    r#"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:11111111-1111-4111-8111-111111111111","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=a|b"}},{"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:11111111-1111-4111-8111-111111111111"},"valueQuantity":{"value":1e3,"unit":"mg"}},"request":{"method":"PUT","url":"Observation/a"}},{"request":{"method":"GET","url":"Patient?name=x"}}]}"#,
    r#"<Patient xmlns="http://hl7.org/fhir"><id value="a"/><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">x &amp; y</div></text><active value="true"/><name><family value="A"/></name><deceasedDateTime value="2020-01-01T00:00:00Z"/></Patient>"#,
];

/// Pieces that parsers stumble over.
const PIECES: [&str; 24] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "1e999999",
    "-0",
    "\\u0000",
    "\\ud800",
    "\u{0}",
    "<",
    ">",
    "</",
    "&",
    "&#0;",
    "<!--",
    "]]>",
    "<?x?>",
    "\u{feff}",
    "9223372036854775808",
    "\u{1F600}",
];

#[derive(Clone, Debug)]
enum Edit {
    Delete(usize, usize),
    Insert(usize, usize),
    Byte(usize, u8),
    Repeat(usize, usize, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = 0..2_000usize;
    prop_oneof![
        (place.clone(), 1..30usize).prop_map(|(at, len)| Edit::Delete(at, len)),
        (place.clone(), 0..PIECES.len()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        (place, 1..40usize, 2..40usize).prop_map(|(at, len, times)| Edit::Repeat(at, len, times)),
    ]
}

fn change(text: &str, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for edit in edits {
        let len = bytes.len().max(1);
        match *edit {
            Edit::Delete(at, count) => {
                let at = at % len;
                drop(bytes.drain(at..(at + count).min(bytes.len())));
            }
            Edit::Insert(at, piece) => drop(bytes.splice(at % len..at % len, PIECES[piece].bytes())),
            Edit::Byte(at, byte) => {
                if let Some(place) = bytes.get_mut(at % len) {
                    *place = byte;
                }
            }
            Edit::Repeat(at, count, times) => {
                let at = at % len;
                let part = bytes[at..(at + count).min(bytes.len())].repeat(times);
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

fn run<S: Strategy>(strategy: S, act: impl Fn(&mut Client, S::Value) -> Result<(), TestCaseError>) {
    let server = Server::fresh(&[]);
    let client = RefCell::new(server.client());
    let config = Config { failure_persistence: None, max_shrink_iters: 200, ..Config::with_cases(CASES) };
    let result = TestRunner::new(config).run(&strategy, |input| act(&mut client.borrow_mut(), input));
    if let Err(error) = result {
        panic!("{error}");
    }
    server.client().get("metadata").expect(200);
}

fn answered(
    client: &mut Client,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<(), TestCaseError> {
    match client.send(method, target, headers, body) {
        Ok(answer) => {
            prop_assert!(
                answer.status < 500 || answer.status == 501,
                "{method} {target}: {}: {}",
                answer.status,
                answer.text()
            );
            Ok(())
        }
        Err(e) => Err(TestCaseError::fail(format!("{method} {target}: no answer: {e}"))),
    }
}

#[test]
fn changed_resources_never_give_a_5xx() {
    run((0..SEEDS.len(), vec(edit(), 1..6)), |client, (seed, edits)| {
        let body = change(SEEDS[seed], &edits);
        let (target, kind) = match seed {
            1 => ("", "application/fhir+json"),
            2 => ("Patient", "application/fhir+xml"),
            _ => ("Patient", "application/fhir+json"),
        };
        answered(client, "POST", target, &[("Content-Type", kind)], &body)
    });
}

#[test]
fn random_bytes_never_give_a_5xx() {
    let kinds = [
        "application/fhir+json",
        "application/fhir+xml",
        "application/json-patch+json",
        "application/x-www-form-urlencoded",
    ];
    let targets = [
        "",
        "Patient",
        "Patient/a",
        "Patient/_search",
        "Patient?name=a",
        "_search",
        "$x",
        "Patient/$validate",
    ];
    let methods = ["POST", "PUT", "PATCH", "DELETE"];
    let choice = (0..methods.len(), 0..targets.len(), 0..kinds.len(), vec(any::<u8>(), 0..300));
    run(choice, |client, (method, target, kind, body)| {
        answered(client, methods[method], targets[target], &[("Content-Type", kinds[kind])], &body)
    });
}

#[test]
fn random_urls_and_headers_never_give_a_5xx() {
    let words = "(Patient|Observation|Claim|_history|_search|metadata|\\$everything|\\$x|a|1|[!-~]{0,8})";
    let names = "(_id|_count|_sort|_include|_total|_summary|_elements|_format|_since|_at|_lastUpdated|_cursor|_has:Observation:patient:code|name|family:exact|birthdate|identifier|date|value-quantity|code-value-quantity|subject:Patient.name|near|url|probability|[!-~]{0,8})";
    let values = "((ge|le|ap|sa|eb|ne)?-?[0-9TZ:.+-]{0,24}|[a-z|,$\\\\:%()/']{0,12}|[!-~]{0,20}|%[0-9a-f]{2}|W/\"[0-9]{1,22}\")";
    let choice = (vec(words, 0..5), vec((names, values), 0..4), values, "[!-~]{0,30}");
    run(choice, |client, (path, query, tag, accept)| {
        // What would end the request line or the path is not the server's to read.
        let clean = |text: &str| text.replace(['#', ' ', '?'], "");
        let path: Vec<_> = path.iter().map(|word| clean(word)).collect();
        let query: Vec<_> =
            query.iter().map(|(name, value)| format!("{}={}", clean(name), clean(value))).collect();
        let target = format!("/fhir/{}?{}", path.join("/"), query.join("&"));
        let headers =
            [("If-None-Match", tag.as_str()), ("If-Match", tag.as_str()), ("Accept", accept.as_str())];
        answered(client, "GET", &target, &headers, b"")?;
        answered(client, "DELETE", &target, &headers, b"")
    });
}

#[test]
fn requests_that_are_no_http_do_not_end_the_server() {
    use std::io::{Read, Write};
    let server = Server::fresh(&[]);
    for raw in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /fhir/Patient HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /fhir HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n",
        b"POST /fhir HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff",
        b"\0\0\0\0",
    ] {
        let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(2))).expect("a timeout");
        let _ = stream.write_all(raw);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    server.client().get("metadata").expect(200);
}
