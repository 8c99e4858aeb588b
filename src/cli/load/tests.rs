use super::answer::{Fate, fates};
use super::client::Url;
use super::journal::{Journal, hash};
use super::parcel::{Packer, Parcel, probes};
use super::target::Target;
use remit_fhir::json;

/// Parcels of a text as (kind, texts of the items), what is left over included.
fn parcels(text: &str) -> Vec<(&'static str, Vec<String>)> {
    let mut packer = Packer::default();
    let mut parcels = packer.take("x.json", text.to_owned().into()).unwrap();
    parcels.extend(packer.rest());
    let shown = parcels.iter().map(|parcel| {
        let kind = match parcel {
            Parcel::Transaction(_) => "transaction",
            Parcel::Entries { together: true, .. } => "pack",
            Parcel::Entries { .. } => "batch",
        };
        (kind, parcel.items().iter().map(|item| item.text.clone()).collect())
    });
    shown.collect()
}

#[test]
fn a_single_resource_is_put_under_its_id_or_posted() {
    let cases = [
        (
            r#"{ "resourceType": "Patient", "id": "a" }"#,
            r#"{"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}}"#,
        ),
        (
            r#"{"resourceType":"Patient"}"#,
            r#"{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}"#,
        ),
    ];
    for (text, entry) in cases {
        assert_eq!(parcels(text), [("pack", vec![entry.to_owned()])]);
    }
}

#[test]
fn a_transaction_goes_as_it_is_and_a_batch_entry_by_entry() {
    let transaction = r#"{"resourceType":"Bundle","type":"transaction","entry":[{"request":{}}]}"#;
    assert_eq!(parcels(transaction), [("transaction", vec![transaction.to_owned()])]);
    let batch = r#"{"resourceType":"Bundle","type":"batch","entry":[{"a":1},{"b":2}]}"#;
    assert_eq!(parcels(batch), [("batch", vec![r#"{"a":1}"#.to_owned(), r#"{"b":2}"#.to_owned()])]);
}

#[test]
fn a_bundle_with_links_inside_becomes_one_transaction() {
    let linked = r#"{"resourceType":"Bundle","type":"collection","entry":[
        {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"}}]}"#;
    let [(kind, texts)] = &parcels(linked)[..] else { panic!("one parcel") };
    assert_eq!(*kind, "transaction");
    assert!(texts[0].contains(r#""fullUrl":"urn:uuid:1""#), "{texts:?}");
    let found = r#"{"resourceType":"Bundle","type":"searchset","entry":[
        {"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1"}},
        {"resource":{"resourceType":"OperationOutcome","issue":[]},"search":{"mode":"outcome"}}]}"#;
    let [(kind, texts)] = &parcels(found)[..] else { panic!("one parcel") };
    assert_eq!((*kind, texts.len()), ("pack", 1));
}

#[test]
fn what_cannot_be_sent_is_refused_with_a_reason() {
    for (text, reason) in [
        ("{", "line 1"),
        ("{}", "resourceType"),
        (r#"{"resourceType":"Bundle"}"#, "no type"),
        (r#"{"resourceType":"Bundle","type":"history"}"#, "history"),
        (r#"{"resourceType":"Patient","id":"a b"}"#, "no resource id"),
        (r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{}}]}"#, "resourceType"),
    ] {
        let error = Packer::default().take("x", text.to_owned().into()).unwrap_err();
        assert!(error.to_string().contains(reason), "{text}: {error}");
    }
}

#[test]
fn a_pack_is_sent_when_it_is_full() {
    let mut packer = Packer::default();
    let mut sent = Vec::new();
    for n in 0..250 {
        let text = format!(r#"{{"resourceType":"Patient","id":"{n}"}}"#);
        sent.extend(packer.take("x", text.into()).unwrap());
    }
    sent.extend(packer.rest());
    assert_eq!(sent.iter().map(|parcel| parcel.items().len()).collect::<Vec<_>>(), [100, 100, 50]);
    assert!(packer.rest().is_none());
}

#[test]
fn doubts_are_looked_up_by_identifiers_of_creations() {
    let transaction = r#"{"resourceType":"Bundle","type":"transaction","entry":[
        {"resource":{"resourceType":"Patient","identifier":[{"value":"x"},{"system":"http://s","value":"a|b"}]},
         "request":{"method":"POST","url":"Patient"}},
        {"resource":{"resourceType":"Claim"},"request":{"method":"POST","url":"Claim"}},
        {"resource":{"resourceType":"Patient","identifier":[{"system":"s","value":"v"}]},
         "request":{"method":"PUT","url":"Patient/1"}}]}"#;
    let parcel = Packer::default().take("x", transaction.to_owned().into()).unwrap();
    assert_eq!(probes(&parcel[0].items()[0]), [r"Patient?identifier=http://s%7Ca%5C%7Cb"]);
}

#[test]
fn answers_tell_the_fate_of_each_entry() {
    let answer = r#"{"resourceType":"Bundle","type":"batch-response","entry":[
        {"response":{"status":"201 Created","location":"http://h/fhir/Patient/1/_history/1"}},
        {"response":{"status":"204"}},
        {"response":{"status":"422","outcome":{"resourceType":"OperationOutcome"}}},
        {}]}"#;
    let fates = fates(&json::parse(answer).unwrap());
    assert_eq!(fates[0], Fate::Done("Patient/1".to_owned()));
    assert_eq!(fates[1], Fate::Done(String::new()));
    assert_eq!(fates[2], Fate::Refused(422, r#"{"resourceType":"OperationOutcome"}"#.to_owned()));
    assert!(matches!(fates[3], Fate::Refused(0, _)));
}

#[tokio::test]
async fn the_journal_remembers_counts_and_doubts() {
    let path = std::env::temp_dir().join(format!("remit-journal-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let target = Target::server("http://127.0.0.1:9/fhir".parse().unwrap());
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|text| hash(text.as_bytes()));
    let mut journal = Journal::open(path.clone(), &target).await.unwrap();
    journal.sending(&[b, c, d]).await.unwrap();
    journal.acknowledged(&a, "").unwrap();
    journal.acknowledged(&a, "").unwrap();
    journal.acknowledged(&b, "").unwrap();
    journal.refused(&d).unwrap();
    drop(journal);
    let mut journal = Journal::open(path.clone(), &target).await.unwrap();
    assert_eq!([0; 3].map(|_| journal.take_done(&a)), [true, true, false]);
    assert_eq!((journal.take_done(&b), journal.take_doubt(&b)), (true, false));
    assert_eq!((journal.take_done(&c), journal.take_doubt(&c), journal.take_doubt(&c)), (false, true, false));
    assert!(!journal.take_doubt(&d));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_base_is_a_plain_http_url() {
    for (text, good) in [
        ("http://127.0.0.1:8080/fhir", true),
        ("http://h/fhir/", true),
        ("https://h/fhir", false),
        ("h/fhir", false),
        ("http://h/fhir?x", false),
        ("", false),
    ] {
        assert_eq!(text.parse::<Url>().is_ok(), good, "{text}");
    }
    assert_eq!("http://h/fhir/".parse::<Url>().unwrap().to_string(), "http://h/fhir");
}
