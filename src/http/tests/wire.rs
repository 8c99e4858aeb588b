//! Formats, methods, compression, malformed input, health.

use super::{PATIENT, Server, parse};
use crate::http::gzip;

#[tokio::test]
async fn xml_goes_in_and_out() {
    let server = Server::start().await;
    let xml = r#"<Patient xmlns="http://hl7.org/fhir"><id value="x"/><active value="true"/></Patient>"#;
    let headers = [("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+xml")];
    let made = server.send("PUT", "/fhir/Patient/x", &headers, xml.as_bytes()).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("Content-Type"), Some("application/fhir+xml; charset=utf-8"));
    assert!(made.text().contains("<active value=\"true\"/>"), "{}", made.text());
    let read = server.get("/fhir/Patient/x?_format=xml").await;
    assert_eq!(read.body, made.body);
    assert_eq!(server.get("/fhir/Patient/x").await.json()["active"], true);
    for path in
        ["/fhir/Patient?_format=xml", "/fhir/metadata?_format=xml", "/fhir/Patient/x/_history?_format=xml"]
    {
        let read = server.get(path).await;
        assert!(read.status == 200 && read.text().starts_with("<?xml"), "{path}");
    }
    let error = server.get("/fhir/Patient/none?_format=xml").await;
    assert!(error.status == 404 && error.text().contains("<OperationOutcome"), "{error:?}");
    let broken =
        server.send("PUT", "/fhir/Patient/x", &headers, b"<Patient xmlns='http://hl7.org/fhir'><id").await;
    assert_eq!(broken.status, 400);
}

#[tokio::test]
async fn what_is_not_possible_says_what_is() {
    let server = Server::start().await;
    for (method, path, status, allow) in [
        ("DELETE", "/fhir/metadata", 405, Some("GET, HEAD")),
        ("POST", "/fhir/Patient/1", 405, Some("GET, HEAD, PUT, PATCH, DELETE")),
        ("GET", "/fhir/Patient/_search", 405, Some("POST")),
        ("BREW", "/fhir/Patient/1", 405, Some("GET, HEAD, PUT, PATCH, DELETE")),
        ("GET", "/fhir/Pateint/1", 404, None),
        ("GET", "/fhir/Patient/a_b", 400, None),
        ("GET", "/fhir/Patient/%zz", 400, None),
        ("GET", "/fhir/Patient?name=%FF", 400, None),
        ("GET", "/fhir/Patient?name=%00", 400, None),
        ("GET", "/fhir/Patient/1?_format=ttl", 406, None),
        ("GET", "/fhir/Patient/1?_pretty=x", 400, None),
        ("DELETE", "/fhir/Patient", 400, None),
        ("POST", "/fhir/Patient", 400, None),
        ("GET", "/nothing", 404, None),
    ] {
        let answer = server.send(method, path, &[], b"").await;
        assert_eq!((answer.status, answer.header("Allow")), (status, allow), "{method} {path} {answer:?}");
        if path.starts_with("/fhir") {
            assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{method} {path}");
        }
    }
    let body = server.send("POST", "/fhir/Patient", &[("Content-Type", "text/plain")], b"{}").await;
    assert_eq!(body.status, 415);
    let accept = server.send("GET", "/fhir/Patient/1", &[("Accept", "image/png")], b"").await;
    assert_eq!(accept.status, 406);
    let broken = server.put("/fhir/Patient/1", "{\"resourceType\":\n  \"Patient\",}").await;
    assert!(broken.status == 400 && broken.text().contains("line 2"), "{}", broken.text());
}

#[tokio::test]
async fn gzip_goes_in_and_out() {
    let server = Server::start().await;
    let family = "x".repeat(5000);
    let body = PATIENT.replace("Chalmers", &family);
    let packed = gzip::pack(body.as_bytes()).unwrap();
    let headers = [("Content-Type", "application/fhir+json"), ("Content-Encoding", "gzip")];
    let made = server.send("PUT", "/fhir/Patient/1", &headers, &packed).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("Content-Encoding"), None);
    let accepts = [("Accept-Encoding", "gzip")];
    let read = server.send("GET", "/fhir/Patient/1", &accepts, b"").await;
    assert_eq!(read.header("Content-Encoding"), Some("gzip"));
    let len = gzip::unpacked_len(&read.body, 1 << 20).unwrap();
    assert_eq!(gzip::unpack(&read.body, len).unwrap(), made.body);
    let small = server.send("GET", "/fhir/Patient/0", &accepts, b"").await;
    assert_eq!((small.status, small.header("Content-Encoding")), (404, None));
    let brotli = [("Content-Type", "application/fhir+json"), ("Content-Encoding", "br")];
    assert_eq!(server.send("PUT", "/fhir/Patient/1", &brotli, body.as_bytes()).await.status, 415);
    assert_eq!(server.send("PUT", "/fhir/Patient/1", &headers, body.as_bytes()).await.status, 400);
}

#[tokio::test]
async fn a_request_id_is_given_back() {
    let server = Server::start().await;
    let given = server.send("GET", "/fhir/Patient/1", &[("X-Request-Id", "abc-1")], b"").await;
    assert_eq!(given.header("X-Request-Id"), Some("abc-1"));
    let made = server.get("/health/live").await;
    assert_eq!((made.status, made.header("X-Request-Id").map(str::len)), (200, Some(16)));
}

#[tokio::test]
async fn health_and_metrics_are_there() {
    let server = Server::start().await;
    server.get("/fhir/Patient/secret-id?_elements=name").await;
    assert_eq!(server.get("/health/ready").await.status, 200);
    let metrics = server.get("/metrics").await;
    let line = "remit_http_requests_total{interaction=\"read\",type=\"Patient\",status=\"4xx\"} 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());
    assert!(!metrics.text().contains("secret-id"));
}

#[tokio::test]
async fn what_is_no_http_does_no_harm() {
    let server = Server::start().await;
    for bytes in [
        &b"\x00\x01\x02\r\n\r\n"[..],
        b"GET /fhir/Patient/1\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /fhir HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage garbage garbage",
    ] {
        let answer = server.raw(bytes).await;
        assert!(
            answer.is_empty() || !answer.starts_with(b"HTTP/1.1 2"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    let no_host = parse(&server.raw(b"GET /fhir/Patient/1 HTTP/1.0\r\n\r\n").await);
    assert_eq!(no_host.status, 400);
    let bad_host = parse(&server.raw(b"GET /fhir/Patient/1 HTTP/1.0\r\nHost: a\"b\r\n\r\n").await);
    assert_eq!(bad_host.status, 400);
    assert_eq!(server.get("/health/live").await.status, 200);
}
