//! A small blocking HTTP/1.1 client on the standard library (RFC 9112). It hides nothing and corrects
//! nothing, so that tests can also send what no honest client would.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer may take longer, not even in an unoptimised build on a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(180);

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// In the order and spelling of the server.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("no JSON ({e}), status {}: {}", self.status, self.text()))
    }

    /// The same answer, when it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Response {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Type and id that `Location` names.
    #[track_caller]
    pub(crate) fn location(&self) -> String {
        let location = self.header("location").expect("an answer with Location");
        let path = location.split("/_history").next().unwrap_or_default();
        let mut parts = path.rsplit('/');
        let id = parts.next().unwrap_or_default();
        format!("{}/{id}", parts.next().unwrap_or_default())
    }
}

/// A connection to one server that stays open between requests.
pub(crate) struct Client {
    address: SocketAddr,
    /// Path that goes before relative targets, without a slash at the end.
    root: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, root: &str) -> Client {
        Client { address, root: root.trim_end_matches('/').to_owned(), stream: None }
    }

    /// Path of a target: relative to the root, or from the root of the server, or of a whole URL.
    fn target(&self, target: &str) -> String {
        if let Some(rest) = target.strip_prefix("http://") {
            return rest.find('/').map_or("/".to_owned(), |at| rest[at..].to_owned());
        }
        if target.starts_with('/') {
            return target.to_owned();
        }
        match target {
            "" => self.root.clone(),
            query if query.starts_with('?') => format!("{}{query}", self.root),
            _ => format!("{}/{target}", self.root),
        }
    }

    /// Sends a request; a connection that the server has closed meanwhile is opened again.
    pub(crate) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let mut head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", self.target(target), self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut raw = head.into_bytes();
        raw.extend_from_slice(body);
        let reused = self.stream.is_some();
        match self.exchange(method, &raw) {
            // The server closed a resting connection; nothing of the request was worked on.
            Err(e) if reused && is_closed(&e) => self.exchange(method, &raw),
            other => other,
        }
    }

    fn exchange(&mut self, method: &str, raw: &[u8]) -> io::Result<Response> {
        let result = self.try_exchange(method, raw);
        let keep = result.as_ref().is_ok_and(|r| r.header("connection").is_none_or(|c| c != "close"));
        if !keep {
            self.stream = None;
        }
        result
    }

    fn try_exchange(&mut self, method: &str, raw: &[u8]) -> io::Result<Response> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
            stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
            self.stream = Some(BufReader::new(stream));
        }
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        // A server that refuses a body answers before it has read all of it.
        let written = stream.get_mut().write_all(raw);
        match read_response(stream, method == "HEAD") {
            Ok(response) => Ok(response),
            Err(e) => Err(written.err().unwrap_or(e)),
        }
    }

    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.send("GET", target, &[], b"").unwrap_or_else(|e| panic!("GET {target}: {e}"))
    }

    #[track_caller]
    pub(crate) fn json(&mut self, method: &str, target: &str, body: &Value) -> Response {
        let text = body.to_string();
        self.send(method, target, &[("Content-Type", "application/fhir+json")], text.as_bytes())
            .unwrap_or_else(|e| panic!("{method} {target}: {e}"))
    }

    #[track_caller]
    pub(crate) fn post(&mut self, target: &str, body: &Value) -> Response {
        self.json("POST", target, body)
    }

    #[track_caller]
    pub(crate) fn put(&mut self, target: &str, body: &Value) -> Response {
        self.json("PUT", target, body)
    }

    #[track_caller]
    pub(crate) fn delete(&mut self, target: &str) -> Response {
        self.send("DELETE", target, &[], b"").unwrap_or_else(|e| panic!("DELETE {target}: {e}"))
    }

    /// How many resources a search finds.
    #[track_caller]
    pub(crate) fn count(&mut self, query: &str) -> u64 {
        let mark = if query.contains('?') { '&' } else { '?' };
        let found = self.get(&format!("{query}{mark}_summary=count")).expect(200).json();
        found["total"].as_u64().unwrap_or_else(|| panic!("{query}: no total in {found}"))
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Reads one response.
pub(crate) fn read_response(stream: &mut impl BufRead, is_head: bool) -> io::Result<Response> {
    let status_line = line(stream)?;
    let status = status_line.split(' ').nth(1).and_then(|s| s.parse().ok());
    let status = status.ok_or_else(|| invalid(&format!("no status line: {status_line}")))?;
    let mut headers = Vec::new();
    loop {
        let text = line(stream)?;
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_once(':').ok_or_else(|| invalid(&text))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    if status == 100 {
        return read_response(stream, is_head);
    }
    let mut response = Response { status, headers, body: Vec::new() };
    if is_head || matches!(status, 204 | 304) {
        return Ok(response);
    }
    if response.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        response.body = chunked(stream)?;
    } else if let Some(length) = response.header("content-length").and_then(|v| v.parse().ok()) {
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        response.body = body;
    } else {
        stream.read_to_end(&mut response.body)?;
    }
    Ok(response)
}

fn chunked(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let text = line(stream)?;
        let size = text.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| invalid(&text))?;
        let at = body.len();
        body.resize(at + size, 0);
        stream.read_exact(&mut body[at..])?;
        line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    if stream.read_until(b'\n', &mut bytes)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let text = String::from_utf8(bytes).map_err(|_| invalid("a header that is not UTF-8"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}
