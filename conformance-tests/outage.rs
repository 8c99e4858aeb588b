//! PostgreSQL goes away and comes back: 503 meanwhile, then everything goes on without a restart.

use crate::database::{Cluster, Database, execute};
use crate::server::Server;
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn postgresql_may_go_away_and_come_back() {
    if std::env::var_os("REMIT_TEST_SKIP_POSTGRES").is_some()
        || std::env::var_os("REMIT_TEST_POSTGRES").is_some()
    {
        eprintln!("SKIPPED: stopping PostgreSQL needs a server of our own.");
        return;
    }
    let mut cluster = Cluster::start();
    execute(&format!("{}/postgres", cluster.url()), "create database outage");
    let database = std::mem::ManuallyDrop::new(Database::Postgres(format!("{}/outage", cluster.url())));
    let server = Server::start(&database, &[]);
    let mut client = server.client();
    let patient = json!({ "resourceType": "Patient", "id": "a" });
    client.put("Patient/a", &patient).expect(201);
    cluster.stop();
    for _ in 0..3 {
        for answer in
            [client.get("Patient/a"), client.put("Patient/a", &patient), client.get("Patient?_id=a")]
        {
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert_eq!(answer.json()["resourceType"], "OperationOutcome");
        }
    }
    assert_eq!(client.get("/health/ready").status, 503);
    assert_eq!(client.get("/health/live").status, 200);
    cluster.go();
    let begin = Instant::now();
    while client.get("Patient/a").status != 200 {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not come back");
        std::thread::sleep(Duration::from_millis(50));
    }
    client.put("Patient/a", &patient).expect(200);
    assert_eq!(client.count("Patient"), 1);
    assert_eq!(client.get("/health/ready").status, 200);
    drop(server);
}
