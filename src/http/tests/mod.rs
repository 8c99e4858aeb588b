//! The server over real sockets, with a store of its own for each test.

mod cors;
mod interactions;
mod limits;
mod wire;

use super::{AppState, Metrics, Settings, serve};
use crate::operation::{Invocation, Operation, Operations};
use crate::rest::{self, Answer};
use futures_util::future::BoxFuture;
use remit_fhir::Result;
use remit_spec::Definitions;
use remit_store::{Config, Store};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A resource to write.
const PATIENT: &str = r#"{"resourceType":"Patient","id":"1","active":true,"name":[{"family":"Chalmers"}]}"#;

/// A running server.
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A response as it came.
struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = String::from_utf8_lossy(&self.body).chars().take(500).collect();
        write!(f, "{} {:?} {text}", self.status, self.headers)
    }
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// An operation that answers with the names of its parameters, panics, or takes long.
fn echo(call: Invocation<'_>) -> BoxFuture<'_, Result<Answer>> {
    Box::pin(async move {
        match call.parameters.get("do").as_deref() {
            Some("panic") => panic!("planned"),
            Some("sleep") => tokio::time::sleep(Duration::from_millis(400)).await,
            _ => {}
        }
        let names = call.parameters.names().join(",");
        Ok(Answer::of(format!(r#"{{"resourceType":"Basic","code":{{"text":"{names}"}}}}"#)))
    })
}

fn operations() -> Operations {
    let definition = "http://hl7.org/fhir/OperationDefinition/Patient-everything";
    Operations::new(Definitions::r4(), vec![Operation::new(definition, echo)]).unwrap()
}

impl Server {
    async fn start() -> Server {
        Server::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Server {
        let folder = std::env::temp_dir().join(format!("remit-http-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:{}", folder.join("test.db").display());
        let store = Store::open(&Config::new(url.parse().unwrap())).await.unwrap();
        store.add_tenant("north").await.unwrap();
        let rules = rest::Settings::default();
        let state =
            AppState::new(store, settings, rules, operations(), Metrics::default(), axum::Router::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(state, listener, shutdown));
        Server { address, stop: Some(stop), task, folder }
    }

    /// Sends bytes on a new connection and reads what comes until it is closed.
    async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that has heard enough may close before it has read all.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
        parse(&self.raw(&bytes).await)
    }

    async fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], b"").await
    }

    async fn put(&self, path: &str, body: &str) -> Response {
        self.send("PUT", path, &[("Content-Type", "application/fhir+json")], body.as_bytes()).await
    }
}

fn parse(bytes: &[u8]) -> Response {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer");
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Response { status, headers, body: bytes[end + 4..].to_vec() }
}
