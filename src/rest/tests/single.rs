//! Interactions on one resource.

use super::*;
use crate::rest::{ConditionalDelete, Patch, Tags, create, delete, delete_conditional, patch};
use crate::rest::{patch_conditional, update, update_conditional};
use serde_json::json;

fn patient(identifier: &str) -> Document {
    document(json!({
        "resourceType": "Patient",
        "identifier": [{"system": "http://x", "value": identifier}],
        "active": true
    }))
}

fn with_id(id: &str) -> Document {
    document(json!({"resourceType": "Patient", "id": id, "active": true}))
}

fn outcome(result: Result<Answer>) -> String {
    match result {
        Ok(answer) => format!("{} v{}", answer.status, answer.version.unwrap_or_default()),
        Err(error) => format!("{} {}", error.status(), error.issues[0].code.code()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_gives_its_own_id_and_keeps_what_was_sent() {
    let server = Server::open().await;
    let cx = server.cx();
    let body = remit_fhir::json::parse(
        r#"{"resourceType": "Observation", "id": "mine", "meta": {"versionId": "9", "tag": [{"code": "t"}]},
            "status": "final", "code": {"text": "x"}, "valueQuantity": {"value": 1.00}}"#,
    )
    .unwrap();
    let answer = create(&cx, ty_of("Observation"), body, None).await.unwrap();
    assert_eq!((answer.status, answer.version), (201, Some(1)));
    let id = id_of(&answer);
    assert!(id != "mine" && uuid::Uuid::parse_str(&id).unwrap().get_version_num() == 7, "{id}");
    let text = String::from_utf8(answer.body.unwrap().to_vec()).unwrap();
    assert!(text.contains("\"value\":1.00}"), "{text}");
    let stored = server.read(&format!("Observation/{id}")).await.unwrap();
    assert_eq!(stored["id"], id);
    assert_eq!(stored["meta"]["versionId"], "1");
    assert_eq!(stored["meta"]["tag"][0]["code"], "t");
    let updated = remit_fhir::date::instant(answer.updated_us.unwrap());
    assert_eq!(stored["meta"]["lastUpdated"], updated);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_faults_of_a_body_are_told_at_once() {
    let server = Server::open().await;
    let body = json!({"resourceType": "Patient", "birthDate": "yesterday", "colour": "red", "active": "yes"});
    let error = create(&server.cx(), ty_of("Patient"), document(body), None).await.unwrap_err();
    assert_eq!(error.status(), 400);
    let mut places: Vec<_> = error.issues.iter().flat_map(|issue| issue.expression.clone()).collect();
    places.sort();
    assert_eq!(places, ["Patient.active", "Patient.birthDate", "Patient.colour"]);
    let wrong = create(&server.cx(), ty_of("Claim"), patient("1"), None).await;
    assert_eq!(outcome(wrong), "400 invalid");
    let nothing = create(&server.cx(), ty_of("Claim"), document(json!([1])), None).await;
    assert_eq!(outcome(nothing), "400 invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_goes_through_its_life() {
    let server = Server::open().await;
    let (cx, ty) = (server.cx(), ty_of("Patient"));
    let put = async |id: &str, if_match: Option<&str>, if_none_match: Option<&str>| {
        let tags = |text: Option<&str>| text.map(|text| Tags::parse(text).unwrap());
        let (if_match, if_none_match) = (tags(if_match), tags(if_none_match));
        outcome(update(&cx, ty, id, with_id(id), if_match.as_ref(), if_none_match.as_ref()).await)
    };
    let remove = async |id: &str, if_match: Option<&str>| {
        let if_match = if_match.map(|text| Tags::parse(text).unwrap());
        outcome(delete(&cx, ty, id, if_match.as_ref()).await)
    };
    assert_eq!(put("a", Some("W/\"1\""), None).await, "412 conflict");
    assert_eq!(put("a", None, Some("*")).await, "201 v1");
    assert_eq!(put("a", None, Some("*")).await, "412 conflict");
    assert_eq!(put("a", Some("W/\"1\""), None).await, "200 v2");
    assert_eq!(put("a", Some("W/\"1\""), None).await, "412 conflict");
    assert_eq!(put("a", Some("\"1\", \"2\""), None).await, "200 v3");
    assert_eq!(remove("a", Some("2")).await, "412 conflict");
    assert_eq!(remove("a", Some("3")).await, "204 v4");
    assert_eq!(remove("a", None).await, "204 v4");
    assert_eq!(remove("a", Some("4")).await, "412 conflict");
    assert_eq!(remove("never", None).await, "204 v0");
    assert_eq!(server.read("Patient/a").await.unwrap_err().status(), 410);
    assert_eq!(put("a", None, None).await, "201 v5");
    assert_eq!(server.read("Patient/a").await.unwrap()["meta"]["versionId"], "5");
    let other = update(&cx, ty, "b", with_id("a"), None, None).await;
    assert_eq!(outcome(other), "400 invalid");
    let none = update(&cx, ty, "b", patient("1"), None, None).await;
    assert_eq!(outcome(none), "400 required");
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_change_a_resource_or_say_why_not() {
    let server = Server::open().await;
    let (cx, ty) = (server.cx(), ty_of("Patient"));
    let run = async |id: &str, change: Value| {
        let body = document(change);
        let change = if body.root().is_array() { Patch::Json(body) } else { Patch::FhirPath(body) };
        outcome(patch(&cx, ty, id, &change, None).await)
    };
    let replace = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    assert_eq!(run("a", replace("/active", json!(false))).await, "404 not-found");
    update(&cx, ty, "a", with_id("a"), None, None).await.unwrap();
    assert_eq!(run("a", replace("/active", json!(false))).await, "200 v2");
    assert_eq!(run("a", replace("/active", json!("no"))).await.split(' ').next(), Some("422"));
    assert_eq!(run("a", replace("/id", json!("b"))).await, "422 processing");
    assert_eq!(run("a", replace("/resourceType", json!("Group"))).await, "422 processing");
    assert_eq!(run("a", replace("/gender", json!("male"))).await, "422 processing");
    let add = json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "birthDate"}, {"name": "value", "valueDate": "2020-02-03"}]}]});
    assert_eq!(run("a", add.clone()).await, "200 v3");
    assert_eq!(run("a", add).await, "422 processing");
    let stored = server.read("Patient/a").await.unwrap();
    assert_eq!((&stored["active"], &stored["birthDate"]), (&json!(false), &json!("2020-02-03")));
    let stale = Tags::parse("1").unwrap();
    let late = patch(&cx, ty, "a", &Patch::Json(document(json!([]))), Some(&stale)).await;
    assert_eq!(outcome(late), "412 conflict");
    delete(&cx, ty, "a", None).await.unwrap();
    assert_eq!(run("a", replace("/active", json!(true))).await, "410 deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn criteria_name_none_one_or_many() {
    let mut server = Server::open().await;
    let ty = ty_of("Patient");
    let cx = server.cx();
    let made = create(&cx, ty, patient("1"), Some("identifier=http://x|1")).await.unwrap();
    assert_eq!(made.status, 201);
    let again = create(&cx, ty, patient("1"), Some("identifier=http://x|1")).await.unwrap();
    assert_eq!((again.status, id_of(&again)), (200, id_of(&made)));
    let put = update_conditional(&cx, ty, "identifier=http://x|1", patient("1"), None, None).await.unwrap();
    assert_eq!((put.status, id_of(&put), put.version), (200, id_of(&made), Some(2)));
    let new = update_conditional(&cx, ty, "identifier=http://x|2", patient("2"), None, None).await.unwrap();
    assert_eq!((new.status, new.version), (201, Some(1)));
    let named = document(json!({"resourceType": "Patient", "id": "mine", "identifier": [{"value": "3"}]}));
    let third = update_conditional(&cx, ty, "identifier=3", named.clone(), None, None).await.unwrap();
    assert_eq!((third.status, id_of(&third)), (201, "mine".to_owned()));
    let wrong = update_conditional(&cx, ty, "identifier=http://x|2", named.clone(), None, None).await;
    assert_eq!(outcome(wrong), "400 invalid");
    let taken = update_conditional(&cx, ty, "identifier=http://x|none", named, None, None).await;
    assert_eq!(outcome(taken), "409 conflict");
    for criteria in ["active=true", "identifier=http://x|"] {
        let many = "412 multiple-matches";
        assert_eq!(outcome(create(&cx, ty, patient("9"), Some(criteria)).await), many);
        assert_eq!(outcome(update_conditional(&cx, ty, criteria, patient("9"), None, None).await), many);
        let change = Patch::Json(document(json!([])));
        assert_eq!(outcome(patch_conditional(&cx, ty, criteria, &change, None).await), many);
        assert_eq!(outcome(delete_conditional(&cx, ty, criteria, None).await), many);
    }
    for criteria in ["", "nonsense=1", "_sort=name", "_count=1"] {
        let refused = delete_conditional(&cx, ty, criteria, None).await.unwrap_err();
        assert_eq!(refused.status(), 400, "{criteria}");
    }
    let change = Patch::Json(document(json!([{"op": "replace", "path": "/active", "value": false}])));
    let patched = patch_conditional(&cx, ty, "identifier=http://x|1", &change, None).await.unwrap();
    assert_eq!((patched.status, patched.version), (200, Some(3)));
    let none = patch_conditional(&cx, ty, "identifier=http://x|none", &change, None).await;
    assert_eq!(outcome(none), "404 not-found");
    assert_eq!(outcome(delete_conditional(&cx, ty, "identifier=http://x|none", None).await), "204 v0");
    assert_eq!(outcome(delete_conditional(&cx, ty, "identifier=http://x|1", None).await), "204 v4");
    create(&cx, ty, patient("5"), None).await.unwrap();
    server.settings.conditional_delete = ConditionalDelete::Multiple;
    let cx = server.cx();
    assert_eq!(outcome(delete_conditional(&cx, ty, "identifier=http://x|", None).await), "204 v0");
    assert_eq!(outcome(delete_conditional(&cx, ty, "identifier=http://x|", None).await), "204 v0");
    assert_eq!(server.read(&format!("Patient/{}", id_of(&new))).await.unwrap_err().status(), 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditional_writes_of_64_clients_make_one_resource() {
    let server = Server::open().await;
    let (cx, ty) = (server.cx(), ty_of("Patient"));
    let criteria = Some("identifier=http://x|race");
    let runs = (0..64).map(|_| create(&cx, ty, patient("race"), criteria));
    let answers = futures_util::future::join_all(runs).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
    assert!(answers.iter().all(|a| id_of(a) == id_of(&answers[0])));
    let updates =
        (0..64).map(|_| update_conditional(&cx, ty, "identifier=http://x|put", patient("put"), None, None));
    let answers = futures_util::future::join_all(updates).await;
    let mut versions: Vec<_> = answers.into_iter().map(|a| a.unwrap().version.unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_of_32_clients_all_become_versions() {
    let server = Server::open().await;
    let (cx, ty) = (server.cx(), ty_of("Patient"));
    let runs = (0..32).map(|_| update(&cx, ty, "a", with_id("a"), None, None));
    let answers = futures_util::future::join_all(runs).await;
    let mut versions: Vec<_> = answers.into_iter().map(|a| a.unwrap().version.unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=32).collect::<Vec<_>>());
    let tags = Tags::parse("32").unwrap();
    let runs = (0..32).map(|_| update(&cx, ty, "a", with_id("a"), Some(&tags), None));
    let answers = futures_util::future::join_all(runs).await;
    assert_eq!(answers.iter().filter(|a| a.is_ok()).count(), 1);
}
