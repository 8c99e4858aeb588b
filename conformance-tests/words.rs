//! Which words are indexed is a property of the database, and a new choice is filled in by `$reindex`.

use crate::database::{Database, Kind};
use crate::http::Client;
use crate::server::Server;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn condition(id: &str, narrative: &str, note: &str) -> Value {
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{narrative}</div>");
    json!({ "resourceType": "Condition", "id": id, "subject": { "reference": "Patient/x" },
        "text": { "status": "generated", "div": div }, "note": [{ "text": note }] })
}

fn reindex(client: &mut Client) {
    let answer = client.post("$reindex", &json!({ "resourceType": "Parameters" })).expect(202);
    let address = answer.header("content-location").expect("the address of the job").to_owned();
    let until = Instant::now() + PATIENCE;
    while client.get(&address).status == 202 {
        assert!(Instant::now() < until, "the job does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    client.get(&address).expect(200);
}

fn searched(client: &mut Client) -> Vec<String> {
    let statement = client.get("metadata").expect(200).json();
    let types = statement["rest"][0]["resource"].as_array().expect("types");
    let condition = types.iter().find(|t| t["type"] == "Condition").expect("the type");
    let names = condition["searchParam"].as_array().expect("parameters").iter();
    let names = names.filter_map(|p| p["name"].as_str());
    names.filter(|n| matches!(*n, "_text" | "_content")).map(str::to_owned).collect()
}

#[test]
fn a_new_choice_of_words_is_filled_in_by_reindex() {
    for database in Database::both() {
        let server = Server::start(&database, &[]);
        let mut client = server.client();
        client.put("Condition/a", &condition("a", "liver", "night")).expect(201);
        assert_eq!(searched(&mut client), ["_text"], "narratives are indexed by default");
        assert_eq!(client.count("Condition?_text=liver"), 1);
        let refused = client.get("Condition?_content=night").expect(400);
        assert!(refused.text().contains("index-text"), "{}", refused.text());
        drop(server);

        let server = Server::start(&database, &["--index-text", "content"]);
        let mut client = server.client();
        client.put("Condition/b", &condition("b", "bone", "day")).expect(201);
        let refused = client.get("Condition?_content=night").expect(400);
        assert!(refused.text().contains("$reindex"), "{}", refused.text());
        client.get("Condition?_text=liver").expect(400);
        assert!(searched(&mut client).is_empty());
        reindex(&mut client);
        for (query, count) in
            [("_content=night", 1), ("_content=day", 1), ("_text=liver", 1), ("_text=night", 0)]
        {
            assert_eq!(client.count(&format!("Condition?{query}")), count, "{query}");
        }
        assert_eq!(searched(&mut client), ["_text", "_content"]);
        drop(server);

        // Without a choice it stays as it is.
        let server = Server::start(&database, &[]);
        assert_eq!(server.client().count("Condition?_content=night"), 1);
        drop(server);

        let server = Server::start(&database, &["--index-text", "none"]);
        server.client().get("Condition?_text=liver").expect(400);
    }
}

#[test]
fn a_node_that_runs_already_follows_the_choice_of_another() {
    let Some(database) = Database::new(Kind::Postgres) else { return };
    let old = Server::start(&database, &[]);
    let mut one = old.client();
    one.put("Condition/a", &condition("a", "liver", "night")).expect(201);
    let new = Server::start(&database, &["--index-text", "content"]);
    let mut two = new.client();
    // Written by the node that was there before, with what it knew.
    one.put("Condition/b", &condition("b", "bone", "night")).expect(201);
    reindex(&mut two);
    one.put("Condition/c", &condition("c", "bone", "night")).expect(201);
    assert_eq!(two.count("Condition?_content=night"), 3);
    assert_eq!(one.count("Condition?_content=night"), 3);
}
