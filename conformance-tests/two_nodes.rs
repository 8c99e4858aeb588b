//! Two nodes on one PostgreSQL database: started at once on an empty one, each sees the other's writes.

use crate::database::{Database, Kind};
use crate::server::Server;
use serde_json::json;

#[test]
fn two_nodes_start_at_once_on_an_empty_database() {
    for _ in 0..3 {
        let Some(database) = Database::new(Kind::Postgres) else { return };
        let mut nodes = [Server::launch(&database, &[]), Server::launch(&database, &[])];
        nodes.iter_mut().for_each(Server::wait_until_ready);
        let [mut one, mut two] = [nodes[0].client(), nodes[1].client()];
        let body = |n: u64| json!({ "resourceType": "Patient", "id": format!("p{n}"), "gender": "male" });
        for n in 0..10 {
            let (writer, reader) = if n % 2 == 0 { (&mut one, &mut two) } else { (&mut two, &mut one) };
            writer.put(&format!("Patient/p{n}"), &body(n)).expect(201);
            reader.get(&format!("Patient/p{n}")).expect(200);
            assert_eq!(reader.count("Patient?gender=male"), n + 1);
        }
        // What one node has worked out of a value set is old when the other changes it.
        for n in 0..10 {
            let (writer, reader) = if n % 2 == 0 { (&mut one, &mut two) } else { (&mut two, &mut one) };
            let code = if n % 3 == 0 { "male" } else { "female" };
            let system = "http://hl7.org/fhir/administrative-gender";
            let include = json!([{ "system": system, "concept": [{ "code": code }] }]);
            let value_set = json!({ "resourceType": "ValueSet", "id": "v", "url": "urn:v", "status": "active",
                "compose": { "include": include } });
            writer.put("ValueSet/v", &value_set);
            let expected = if n % 3 == 0 { 10 } else { 0 };
            assert_eq!(reader.count("Patient?gender:in=urn:v"), expected, "change {n}");
            assert_eq!(writer.count("Patient?gender:in=urn:v"), expected, "change {n}");
        }
        // Both may change the same resource; the version tells who was first.
        let headers = [("Content-Type", "application/fhir+json"), ("If-Match", "W/\"1\"")];
        let text = body(0).to_string();
        let first = one.send("PUT", "Patient/p0", &headers, text.as_bytes()).expect("an answer");
        let second = two.send("PUT", "Patient/p0", &headers, text.as_bytes()).expect("an answer");
        assert_eq!((first.status, second.status), (200, 412));
    }
}
