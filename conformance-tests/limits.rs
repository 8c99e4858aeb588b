//! Limits: what is too large or too deep is refused with its own status, quickly.

use crate::server::Server;
use serde_json::json;

const JSON: [(&str, &str); 1] = [("Content-Type", "application/fhir+json")];
const XML: [(&str, &str); 1] = [("Content-Type", "application/fhir+xml")];

#[test]
fn bodies_over_the_limit_are_413() {
    let server = Server::fresh(&[]);
    let mut client = server.client();
    // Said beforehand: refused before it is sent.
    let declared = [("Content-Type", "application/fhir+json"), ("Content-Length", "999999999999")];
    let answer = client.send("POST", "Patient", &declared, b"").expect("an answer");
    assert!(matches!(answer.status, 400 | 413), "{}", answer.status);
}

#[test]
fn depth_is_bounded_in_json_and_xml() {
    let server = Server::fresh(&[]);
    let mut client = server.client();
    for depth in [200usize, 100_000] {
        let deep = format!(
            r#"{{"resourceType":"Patient","extension":{}{}}}"#,
            r#"[{"url":"u","extension":"#.repeat(depth),
            "1".to_owned() + &"}]".repeat(depth)
        );
        let answer = client.send("POST", "Patient", &JSON, deep.as_bytes()).expect("an answer");
        assert_eq!(answer.status, 400, "JSON, depth {depth}: {}", answer.text());
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
        let deep = format!(
            r#"<Patient xmlns="http://hl7.org/fhir">{}{}</Patient>"#,
            r#"<extension url="u">"#.repeat(depth),
            "</extension>".repeat(depth)
        );
        let answer = client.send("POST", "Patient", &XML, deep.as_bytes()).expect("an answer");
        assert_eq!(answer.status, 400, "XML, depth {depth}: {}", answer.text());
    }
    for depth in [1_000, 10_000] {
        let url = format!("Patient?name={}", "(".repeat(depth));
        let status = client.get(&url).status;
        assert!(status < 500, "nested parentheses, {depth}: {status}");
    }
    client.get("metadata").expect(200);
}

#[test]
fn long_urls_and_headers_are_refused() {
    let server = Server::fresh(&[]);
    let mut client = server.client();
    let answer = client.get(&format!("Patient?name={}", "a".repeat(20_000)));
    assert_eq!(answer.status, 414, "{}", answer.text());
    let long = "a".repeat(200_000);
    let answer = client.send("GET", "metadata", &[("X-Long", long.as_str())], b"");
    assert!(answer.is_ok_and(|a| a.status == 431), "headers over the limit are 431");
}

#[test]
fn a_bundle_over_the_limit_is_413() {
    let server = Server::fresh(&[]);
    let entry = json!({ "request": { "method": "GET", "url": "Patient/1" } });
    let entries = vec![entry; 10_001];
    let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": entries });
    let answer = server.client().post("", &bundle);
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(answer.json()["issue"][0]["code"], "too-long");
}

#[test]
fn gzip_works_both_ways_and_bombs_do_not() {
    use std::io::{Read, Write};
    let server = Server::fresh(&[]);
    let mut client = server.client();
    let pack = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("packing into memory");
        encoder.finish().expect("packing into memory")
    };
    let family = "long ".repeat(2_000);
    let patient = json!({ "resourceType": "Patient", "id": "a", "name": [{ "family": family }] }).to_string();
    let headers = [("Content-Type", "application/fhir+json"), ("Content-Encoding", "gzip")];
    let answer = client.send("PUT", "Patient/a", &headers, &pack(patient.as_bytes())).expect("an answer");
    assert_eq!(answer.status, 201, "{}", answer.text());
    let answer = client.send("GET", "Patient/a", &[("Accept-Encoding", "gzip")], b"").expect("an answer");
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*answer.body).read_to_string(&mut text).expect("gzip");
    assert!(text.contains(&family));
    let bomb = pack(&vec![b' '; 300 << 20]);
    let answer = client.send("POST", "Patient", &headers, &bomb).expect("an answer");
    assert_eq!(answer.status, 413, "{}", answer.text());
    let answer = client.send("POST", "Patient", &headers, b"no gzip").expect("an answer");
    assert_eq!(answer.status, 400, "{}", answer.text());
}
