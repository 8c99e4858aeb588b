//! Pages of other origins: who may read, and what a browser is told before it sends.

use super::{PATIENT, Response, Server};
use crate::http::{Settings, origin};

const OURS: &str = "https://dashboard.example";

async fn server() -> Server {
    Server::with(Settings { allowed_origins: vec![origin(OURS).unwrap()], ..Settings::default() }).await
}

fn allowed(response: &Response) -> Option<&str> {
    response.header("Access-Control-Allow-Origin")
}

#[tokio::test]
async fn only_pages_of_named_origins_may_read_answers() {
    let server = server().await;
    server.put("/fhir/Patient/1", PATIENT).await;
    let cases = [
        (OURS, Some(OURS)),
        ("https://other.example", None),
        ("https://dashboard.example.evil.example", None),
        ("http://dashboard.example", None),
        ("null", None),
    ];
    for (from, expected) in cases {
        for path in ["/fhir/Patient/1", "/fhir/Patient/none", "/fhir/Patient?nonsense=1", "/health/live"] {
            let response = server.send("GET", path, &[("Origin", from)], b"").await;
            assert_eq!(allowed(&response), expected, "{from} {path}");
            assert_eq!(response.header("Access-Control-Allow-Credentials"), None);
            let vary = |(name, value): &(String, String)| {
                name.eq_ignore_ascii_case("Vary") && value.to_lowercase().contains("origin")
            };
            assert!(response.headers.iter().any(vary), "{response:?}");
        }
    }
    let read = server.send("GET", "/fhir/Patient/1", &[("Origin", OURS)], b"").await;
    let exposed = read.header("Access-Control-Expose-Headers").unwrap_or_default();
    assert!(read.status == 200 && exposed.contains("etag") && exposed.contains("location"), "{read:?}");
}

#[tokio::test]
async fn a_browser_is_told_what_a_page_may_send() {
    let server = server().await;
    let ask = |from, method| {
        [
            ("Origin", from),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "content-type, if-match, prefer, authorization"),
        ]
    };
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let told = server.send("OPTIONS", "/fhir/Patient/1", &ask(OURS, method), b"").await;
        let methods = told.header("Access-Control-Allow-Methods").unwrap_or_default();
        let headers = told.header("Access-Control-Allow-Headers").unwrap_or_default();
        assert!(told.status == 200 && methods.contains(method), "{told:?}");
        for name in ["authorization", "content-type", "if-match", "if-none-exist", "prefer"] {
            assert!(headers.contains(name), "{name}: {told:?}");
        }
        assert_eq!((allowed(&told), told.header("Access-Control-Max-Age")), (Some(OURS), Some("600")));
        let other =
            server.send("OPTIONS", "/fhir/Patient/1", &ask("https://other.example", method), b"").await;
        assert_eq!(allowed(&other), None);
    }
    // Without the question of a browser, OPTIONS is the capabilities interaction.
    let capabilities = server.send("OPTIONS", "/fhir", &[("Origin", OURS)], b"").await;
    assert_eq!(capabilities.json()["resourceType"], "CapabilityStatement");
}

#[tokio::test]
async fn where_no_origin_is_named_none_is_allowed() {
    let server = Server::start().await;
    let response = server.send("GET", "/health/live", &[("Origin", OURS)], b"").await;
    assert_eq!((response.status, allowed(&response)), (200, None));
}
