//! Connections: slow headers and idle connections are cut, SIGTERM lets requests finish.

use crate::database::Database;
use crate::http::read_response;
use crate::server::Server;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longer than any time limit that the tests set.
const PATIENCE: Duration = Duration::from_secs(45);

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

#[test]
fn slow_headers_are_cut() {
    let server = Server::fresh(&["--header-timeout", "1"]);
    let mut stream = connect(&server);
    stream.write_all(b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nX-Slow: ").expect("the first part");
    let begin = Instant::now();
    let mut rest = Vec::new();
    // An answer may come before the end; what counts is that the end comes.
    let _ = stream.read_to_end(&mut rest);
    assert!(begin.elapsed() < PATIENCE / 2, "the connection was held for {:?}", begin.elapsed());
}

#[test]
fn idle_connections_are_cut() {
    let server = Server::fresh(&["--header-timeout", "1", "--idle-timeout", "1"]);
    let silent = connect(&server);
    let mut used = connect(&server);
    used.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    let mut used = BufReader::new(used);
    assert_eq!(read_response(&mut used, false).expect("an answer").status, 200);
    for (name, mut stream) in [("silent", silent), ("used", used.into_inner())] {
        let begin = Instant::now();
        let _ = stream.read_to_end(&mut Vec::new());
        assert!(begin.elapsed() < PATIENCE / 2, "the {name} connection was held for {:?}", begin.elapsed());
    }
}

#[test]
fn a_body_that_does_not_come_is_cut() {
    let server = Server::fresh(&[]);
    let mut stream = connect(&server);
    let head = "POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).expect("the first part");
    let begin = Instant::now();
    let answer = read_response(&mut BufReader::new(stream), false);
    assert!(begin.elapsed() < PATIENCE, "the connection was held for {:?}", begin.elapsed());
    assert!(answer.is_err() || answer.is_ok_and(|a| a.status == 408));
}

#[test]
fn sigterm_lets_requests_finish() {
    for database in Database::both() {
        let mut server = Server::start(&database, &[]);
        let body = r#"{"resourceType":"Patient","id":"late"}"#;
        let mut stream = connect(&server);
        let head = format!(
            "PUT /fhir/Patient/late HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        // The request is under way, but not complete, when the signal comes.
        stream.write_all(head.as_bytes()).expect("the head");
        stream.write_all(&body.as_bytes()[..10]).expect("the first part");
        std::thread::sleep(Duration::from_millis(200));
        server.signal("TERM");
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(&body.as_bytes()[10..]).expect("the rest");
        let answer = read_response(&mut BufReader::new(stream), false).expect("an answer after SIGTERM");
        assert_eq!(answer.status, 201, "{}", answer.text());
        let status = server.wait(Duration::from_secs(35)).expect("the server ends within its time");
        assert!(status.success(), "{status}");
        let server = Server::start(&database, &[]);
        server.client().get("Patient/late").expect(200);
    }
}
