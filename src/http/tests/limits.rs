//! Bounds in size and time, defects, and stopping.

use super::{Server, Settings, parse};
use crate::http::gzip;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Limits that a test can reach.
fn tight() -> Settings {
    Settings {
        max_body_bytes: 100_000,
        max_url_bytes: 2000,
        max_header_bytes: 16 << 10,
        header_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(300),
        body_grace: Duration::from_millis(300),
        request_timeout: Duration::from_millis(200),
        ..Settings::default()
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let server = Server::with(tight()).await;
    let body = format!(r#"{{"resourceType":"Patient","id":"1","language":"{}"}}"#, "x".repeat(100_000));
    assert_eq!(server.put("/fhir/Patient/1", &body).await.status, 413);
    let bomb = gzip::pack(&vec![b' '; 1 << 20]).unwrap();
    let headers = [("Content-Type", "application/fhir+json"), ("Content-Encoding", "gzip")];
    assert_eq!(server.send("PUT", "/fhir/Patient/1", &headers, &bomb).await.status, 413);
    let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
    let head =
        "PUT /fhir/Patient/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = server.raw(format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
    assert_eq!(parse(&answer).status, 413);
    assert_eq!(server.get(&format!("/fhir/Patient?name={}", "x".repeat(2000))).await.status, 414);
    let long = "x".repeat(20_000);
    assert_eq!(server.send("GET", "/fhir/Patient/1", &[("X-Long", &long)], b"").await.status, 431);
    assert_eq!(server.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn deep_nesting_is_refused_in_every_format() {
    let server = Server::start().await;
    let json = format!("{{\"resourceType\":\"Patient\",\"x\":{}", "[".repeat(500_000));
    assert_eq!(server.put("/fhir/Patient/1", &json).await.status, 400);
    let xml = format!("<Patient xmlns=\"http://hl7.org/fhir\">{}", "<contact>".repeat(100_000));
    let headers = [("Content-Type", "application/fhir+xml")];
    assert_eq!(server.send("PUT", "/fhir/Patient/1", &headers, xml.as_bytes()).await.status, 400);
    let query = "(".repeat(10_000);
    let status = server.get(&format!("/fhir/Patient?_filter={query}")).await.status;
    assert!((400..500).contains(&status), "{status}");
}

/// How long the server keeps a connection on which the client sends this and nothing more.
async fn kept(server: &Server, bytes: &[u8]) -> (Duration, Vec<u8>) {
    let start = Instant::now();
    let answer = tokio::time::timeout(Duration::from_secs(20), server.raw(bytes)).await;
    (start.elapsed(), answer.expect("the server cuts the connection"))
}

#[tokio::test]
async fn slow_and_idle_clients_are_cut() {
    let server = Server::with(tight()).await;
    for bytes in [
        &b""[..],
        b"PRI * HT",
        b"GET /fhir/Patient/1 HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let (elapsed, _) = kept(&server, bytes).await;
        assert!(elapsed < Duration::from_secs(15), "{elapsed:?} {bytes:?}");
    }
    let head = b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 50\r\n\r\n{";
    let (_, answer) = kept(&server, head).await;
    assert_eq!(parse(&answer).status, 408);
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 50\r\n\r\n{";
    stream.write_all(head).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || parse(&answer).status == 400);
    assert_eq!(server.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn work_that_takes_too_long_is_given_up() {
    let server = Server::with(tight()).await;
    let answer = server.get("/fhir/Patient/1/$everything?do=sleep").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["issue"][0]["code"], "timeout");
}

#[tokio::test]
async fn a_panic_is_one_answer_and_the_server_lives_on() {
    let server = Server::start().await;
    let answer = server.get("/fhir/Patient/1/$everything?do=panic").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    assert!(!answer.text().contains("planned"));
    assert_eq!(server.get("/health/live").await.status, 200);
    assert!(server.get("/metrics").await.text().contains("remit_http_panics_total 1"));
}

#[tokio::test]
async fn stopping_lets_requests_finish_and_takes_no_more() {
    let mut server = Server::start().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /fhir/Patient/1/$everything?do=sleep HTTP/1.1\r\nHost: x\r\n\r\n";
    busy.write_all(request).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.take().unwrap().send(()).unwrap();
    let mut answer = Vec::new();
    busy.read_to_end(&mut answer).await.unwrap();
    assert_eq!(parse(&answer).status, 200);
    let mut nothing = Vec::new();
    idle.read_to_end(&mut nothing).await.unwrap();
    assert!(nothing.is_empty());
    tokio::time::timeout(Duration::from_secs(10), &mut server.task).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
