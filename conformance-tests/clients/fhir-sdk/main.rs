//! A round through the server with the client of fhir-sdk: capability statement, create, read, update,
//! both patches, vread, history, search with pages, transaction, delete.
//! Argument: the FHIR base.

use fhir_sdk::Date;
use fhir_sdk::client::r4b::DateSearch;
use fhir_sdk::client::{Client, ResourceWrite, SearchParameters, TokenSearch};
use fhir_sdk::r4b::codes::{AdministrativeGender, EncounterStatus, SearchComparator};
use fhir_sdk::r4b::resources::{
    BaseResource, Encounter, ParametersParameter, ParametersParameterValue, Patient, ResourceType,
};
use fhir_sdk::r4b::types::{Coding, HumanName, Reference};
use fhir_sdk::version::FhirR4B;
use futures::TryStreamExt;
use std::error::Error;
use std::str::FromStr;

type Done = Result<(), Box<dyn Error>>;

fn named(family: &str) -> HumanName {
    HumanName::builder().family(family.to_owned()).build().unwrap()
}

fn patient() -> Patient {
    let name = vec![Some(named("Sdk"))];
    Patient::builder().active(false).gender(AdministrativeGender::Male).name(name).build().unwrap()
}

async fn writes_and_reads(client: &Client<FhirR4B>) -> Done {
    let mut patient = patient();
    let id = patient.create(client).await?;
    assert_eq!(client.read::<Patient>(&id).await?.expect("it was created").active, Some(false));
    patient.active = Some(true);
    patient.update(true, client).await?;
    let first = client.read_version::<Patient>(&id, "1").await?.expect("the first version stays");
    assert_eq!(first.active, Some(false));
    assert_eq!(client.history::<Patient>(Some(&id)).await?.entries().count(), 2);
    let reference = Reference::relative_to(&patient).expect("it has an id");
    assert_eq!(client.read_referenced(&reference).await?.as_base_resource().id(), patient.id());
    patient.delete(client).await?;
    assert_eq!(client.read::<Patient>(&id).await?, None);
    Ok(())
}

async fn patches(client: &Client<FhirR4B>) -> Done {
    let date = Date::from_str("2021-02-01")?;
    let value = |value| ParametersParameter::builder().name("value".to_owned()).value(value).build().unwrap();
    let id = patient().create(client).await?;
    client
        .patch_via_fhir(ResourceType::Patient, &id)
        .add("Patient", "birthDate", value(ParametersParameterValue::Date(date.clone())))
        .delete("Patient.active")
        .replace("Patient.gender", value(ParametersParameterValue::Code("female".to_owned())))
        .insert("Patient.name", value(ParametersParameterValue::HumanName(named("First"))), 0)
        .send()
        .await?;
    let by_path = client.read::<Patient>(&id).await?.expect("it was patched");
    let other = patient().create(client).await?;
    client
        .patch_via_json(ResourceType::Patient, &other)
        .add("/birthDate", &date)?
        .remove("/active")
        .replace("/gender", AdministrativeGender::Female)?
        .add("/name/0", named("First"))?
        .send()
        .await?;
    let by_json = client.read::<Patient>(&other).await?.expect("it was patched");
    for patched in [by_path, by_json] {
        assert_eq!(patched.birth_date.as_ref(), Some(&date));
        assert_eq!((patched.active, patched.gender.clone()), (None, Some(AdministrativeGender::Female)));
        assert_eq!(patched.name.len(), 2);
    }
    Ok(())
}

async fn searches(client: &Client<FhirR4B>) -> Done {
    let birth = "1923-05-05";
    for _ in 0..5 {
        let mut born = patient();
        born.birth_date = Some(Date::from_str(birth)?);
        born.create(client).await?;
    }
    let active = TokenSearch::Standard { name: "active", system: None, code: Some("false"), not: false };
    let birthdate = DateSearch { name: "birthdate", comparator: Some(SearchComparator::Eq), value: birth };
    let asked = SearchParameters::empty().and(active).and(birthdate).and_raw("_count", "2");
    let found: Vec<Patient> = client.search(asked).await?.all_matches().try_collect().await?;
    assert_eq!(found.len(), 5);
    Ok(())
}

async fn transactions(client: &Client<FhirR4B>) -> Done {
    let gone = patient().create(client).await?;
    let mut kept = patient();
    kept.create(client).await?;
    let mut transaction = client.transaction();
    transaction.delete(ResourceType::Patient, &gone);
    transaction.update(kept, true)?;
    let subject = transaction.create(patient());
    let encounter = Encounter::builder()
        .status(EncounterStatus::Planned)
        .class(Coding::builder().code("AMB".to_owned()).build().unwrap())
        .subject(Reference::builder().reference(subject.clone()).build().unwrap());
    transaction.create(encounter.build().unwrap());
    let entries: Vec<_> = transaction.send().await?.entry.iter().flatten().cloned().collect();
    assert_eq!(entries.len(), 4);
    let location = entries[3].response.as_ref().and_then(|r| r.location.clone()).expect("it was created");
    let id = location.split('/').rev().nth(2).expect("Encounter/id/_history/1");
    let encounter: Encounter = client.read(id).await?.expect("it was created");
    let subject = encounter.subject.as_ref().and_then(|s| s.reference.clone()).expect("it has a subject");
    assert!(subject.starts_with("Patient/"), "{subject} is resolved");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done {
    let base = std::env::args().nth(1).expect("the FHIR base");
    let client: Client<FhirR4B> = Client::new(base.parse()?)?;
    assert_eq!(client.capabilities().await?.fhir_version.as_ref(), "4.0.1");
    writes_and_reads(&client).await?;
    patches(&client).await?;
    searches(&client).await?;
    transactions(&client).await?;
    println!("fhir-sdk: well");
    Ok(())
}
