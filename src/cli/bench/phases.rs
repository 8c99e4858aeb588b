//! The steps that are measured, and what a right answer to each is.

use super::loops::drive;
use super::table::Row;
use crate::cli::load::{Answer, Client};
use bytes::Bytes;
use hyper::Method;
use remit_fhir::{Error, Result, json};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Connections of a load, as clinics send their systems' exports.
pub(super) const LOAD_CONNECTIONS: usize = 4;
/// Generated Bundles, when none are given.
const GENERATED_BUNDLES: usize = 200;
/// Observations in a generated Bundle.
const OBSERVATIONS: usize = 100;
/// Resources that reads and searches go over.
const POPULATION: usize = 5_000;
/// Entries of a Bundle that makes the population.
const PACK: usize = 500;
/// Distinct values that searches ask for: each finds POPULATION / this.
const GROUPS: usize = 500;
/// Longer than any load takes.
pub(super) const NO_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A bench of one server.
pub(super) struct Bench {
    pub(super) client: Client,
    pub(super) connections: usize,
    pub(super) time: Duration,
}

pub(super) async fn ask(
    client: &Client,
    method: Method,
    target: &str,
    body: Bytes,
    status: u16,
) -> Result<Answer, String> {
    let answer = client.send(method, target, &[], body).await.map_err(|e| e.to_string())?;
    if answer.status != status {
        let text: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
        return Err(format!("{target}: status {} instead of {status}: {text}", answer.status));
    }
    Ok(answer)
}

fn patient(id: Option<&str>, n: usize, version: usize) -> Bytes {
    let mut patient = json!({
        "resourceType": "Patient", "active": true,
        "identifier": [{ "system": "https://bench.example/mrn", "value": format!("{n:08}") }],
        "name": [{ "family": format!("Family{:04}", n % GROUPS), "given": ["Given", format!("{version}")] }],
        "gender": if n.is_multiple_of(2) { "female" } else { "male" },
        "birthDate": format!("{:04}-{:02}-{:02}", 1930 + n % 90, 1 + n % 12, 1 + n % 28),
    });
    if let Some(id) = id {
        patient["id"] = json!(id);
    }
    Bytes::from(patient.to_string())
}

impl Bench {
    /// Transaction Bundles; the figure is resources a second.
    pub(super) async fn load(&self, folder: Option<&Path>) -> Result<Vec<Row>> {
        let bundles: Arc<Vec<(Bytes, usize)>> = Arc::new(match folder {
            Some(folder) => read_bundles(folder)?,
            None => (0..GENERATED_BUNDLES).map(generated).collect(),
        });
        let resources: usize = bundles.iter().map(|(_, entries)| entries).sum();
        let (client, next) = (self.client.clone(), Arc::new(AtomicUsize::new(0)));
        let count = bundles.len();
        let mut row = drive("load, 4 connections", LOAD_CONNECTIONS, NO_LIMIT, move |_, _| {
            let (client, bundles, next) = (client.clone(), bundles.clone(), next.clone());
            async move {
                let (bundle, entries) = bundles.get(next.fetch_add(1, Relaxed))?;
                Some(post_bundle(&client, bundle.clone(), *entries).await)
            }
        })
        .await;
        row.per_s *= resources as f64 / count.max(1) as f64;
        Ok(vec![row])
    }

    /// The life of a resource, step by step; each step works on what the first one made.
    pub(super) async fn crud(&self) -> Result<Vec<Row>> {
        let ids: Arc<parking_lot::Mutex<Vec<String>>> = Arc::default();
        let (client, made) = (self.client.clone(), ids.clone());
        let workers = self.connections;
        let mut rows = vec![
            drive("create", workers, self.time, move |worker, n| {
                let (client, made) = (client.clone(), made.clone());
                async move {
                    let body = patient(None, n * workers + worker, 1);
                    Some(ask(&client, Method::POST, "Patient", body, 201).await.and_then(|answer| {
                        let location =
                            answer.headers.get("location").and_then(|l| l.to_str().ok()).unwrap_or_default();
                        let id = location.split("/Patient/").nth(1).and_then(|rest| rest.split('/').next());
                        made.lock().push(id.ok_or("create: no Location")?.to_owned());
                        Ok(())
                    }))
                }
            })
            .await,
        ];
        let ids = Arc::new(std::mem::take(&mut *ids.lock()));
        let share = (ids.len() / workers).max(1);
        rows.push(
            self.each("read", &ids, move |client, id, _| async move { read(&client, &id, "").await }).await,
        );
        rows.push(
            self.each("update", &ids, move |client, id, n| async move {
                // Each client goes round its own share, so versions are known.
                let body = patient(Some(&id), n, 2 + n / share);
                let answer = ask(&client, Method::PUT, &format!("Patient/{id}"), body, 200).await?;
                answer.headers.contains_key("etag").then_some(()).ok_or("update: no ETag".to_owned())
            })
            .await,
        );
        rows.push(
            self.each("vread", &ids, |client, id, _| async move { read(&client, &id, "/_history/1").await })
                .await,
        );
        rows.push(self.delete(&ids).await);
        Ok(rows)
    }

    /// Goes round the ids, each client in its own share.
    async fn each<F, G>(&self, name: &str, ids: &Arc<Vec<String>>, act: F) -> Row
    where
        F: Fn(Client, String, usize) -> G + Copy + Send + 'static,
        G: Future<Output = Result<(), String>> + Send + 'static,
    {
        let (client, ids, workers) = (self.client.clone(), ids.clone(), self.connections);
        drive(name, workers, self.time, move |worker, n| {
            let share = (ids.len() / workers).max(1);
            let id = ids.get((worker * share + n % share) % ids.len().max(1)).cloned();
            let client = client.clone();
            async move { Some(act(client, id?, n).await) }
        })
        .await
    }

    async fn delete(&self, ids: &Arc<Vec<String>>) -> Row {
        let (client, ids, next) = (self.client.clone(), ids.clone(), Arc::new(AtomicUsize::new(0)));
        drive("delete", self.connections, NO_LIMIT, move |_, _| {
            let (client, id) = (client.clone(), ids.get(next.fetch_add(1, Relaxed)).cloned());
            async move {
                let id = id?;
                Some(delete(&client, &id).await)
            }
        })
        .await
    }

    /// Reads over a population larger than a client's own.
    pub(super) async fn read(&self) -> Result<Vec<Row>> {
        let ids = Arc::new(self.populate().await?);
        Ok(vec![
            self.each(
                "read, 5000 resources",
                &ids,
                |client, id, _| async move { read(&client, &id, "").await },
            )
            .await,
        ])
    }

    /// Searches whose number of matches is known.
    pub(super) async fn search(&self) -> Result<Vec<Row>> {
        let prefix =
            self.populate().await?.first().and_then(|id| id.rsplit_once('-')).map(|(p, _)| p.to_owned());
        let prefix = prefix.unwrap_or_default();
        let per_group = (POPULATION / GROUPS) as u64;
        let mut rows = Vec::new();
        // From the prefix of the population and the number of the request.
        type Search = fn(&str, usize) -> String;
        let searches: [(&str, Search, u64); 4] = [
            (
                "search token",
                |p, n| format!("Observation?code=https://bench.example/{p}|c{}", n % GROUPS),
                per_group,
            ),
            ("search string", |p, n| format!("Patient?family=Bench{p}x{:04}", n % GROUPS), per_group),
            ("search reference", |p, n| format!("Observation?subject=Patient/{p}-{}", n % POPULATION), 1),
            (
                "search token + date",
                |p, n| {
                    format!(
                        "Observation?code=https://bench.example/{p}|c{}&date=ge2024-01-01&_sort=-date",
                        n % GROUPS
                    )
                },
                per_group,
            ),
        ];
        for (name, query, matches) in searches {
            let (client, prefix) = (self.client.clone(), prefix.clone());
            let row = drive(name, self.connections, self.time, move |worker, n| {
                let (client, query) = (client.clone(), query(&prefix, n * 31 + worker * 7));
                async move { Some(find(&client, &query, matches).await) }
            });
            rows.push(row.await);
        }
        Ok(rows)
    }

    /// Makes patients with an observation each; gives the patients' ids.
    async fn populate(&self) -> Result<Vec<String>> {
        let prefix = uuid::Uuid::new_v4().simple().to_string();
        let prefix = &prefix[..12];
        let ids: Vec<_> = (0..POPULATION).map(|n| format!("{prefix}-{n}")).collect();
        for (pack, chunk) in ids.chunks(PACK).enumerate() {
            let entries: Vec<_> =
                chunk.iter().enumerate().flat_map(|(n, id)| member(prefix, id, pack * PACK + n)).collect();
            let count = entries.len();
            let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
            post_bundle(&self.client, Bytes::from(bundle.to_string()), count)
                .await
                .map_err(Error::unprocessable)?;
        }
        Ok(ids)
    }
}

/// A patient of the population and its observation.
fn member(prefix: &str, id: &str, n: usize) -> [serde_json::Value; 2] {
    let group = n % GROUPS;
    [
        json!({ "request": { "method": "PUT", "url": format!("Patient/{id}") }, "resource": {
            "resourceType": "Patient", "id": id, "name": [{ "family": format!("Bench{prefix}x{group:04}") }] } }),
        json!({ "request": { "method": "PUT", "url": format!("Observation/{id}") }, "resource": {
            "resourceType": "Observation", "id": id, "status": "final",
            "code": { "coding": [{ "system": format!("https://bench.example/{prefix}"), "code": format!("c{group}") }] },
            "subject": { "reference": format!("Patient/{id}") },
            "effectiveDateTime": format!("2024-{:02}-{:02}T08:00:00Z", 1 + n % 12, 1 + n % 28),
            "valueQuantity": { "value": n, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL" } } }),
    ]
}

/// A generated transaction: a patient and observations that point to it.
pub(super) fn generated(n: usize) -> (Bytes, usize) {
    let url = format!("urn:uuid:{}", uuid::Uuid::new_v4());
    let mut entries = vec![json!({ "fullUrl": url, "request": { "method": "POST", "url": "Patient" },
        "resource": { "resourceType": "Patient", "name": [{ "family": format!("Load{n}"), "given": ["Bench"] }],
            "birthDate": "1970-01-01", "gender": "other" } })];
    entries.extend((0..OBSERVATIONS).map(|m| {
        json!({ "request": { "method": "POST", "url": "Observation" }, "resource": {
            "resourceType": "Observation", "status": "final", "subject": { "reference": url },
            "code": { "coding": [{ "system": "http://loinc.org", "code": "8302-2", "display": "Body height" }] },
            "effectiveDateTime": format!("2023-{:02}-{:02}T10:00:00+01:00", 1 + m % 12, 1 + m % 28),
            "valueQuantity": { "value": 170.5, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm" } } })
    }));
    let count = entries.len();
    (
        Bytes::from(json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }).to_string()),
        count,
    )
}

pub(super) fn read_bundles(folder: &Path) -> Result<Vec<(Bytes, usize)>> {
    let fault = |e| Error::unprocessable(format!("{} cannot be read.", folder.display())).because(e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        paths.push(entry.map_err(fault)?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut bundles = Vec::with_capacity(paths.len());
    for path in paths {
        let text = Bytes::from(std::fs::read(&path).map_err(fault)?);
        let document = json::parse(text.clone())?;
        let entries = document.root().get("entry").map_or(0, |list| list.items().count());
        if document.root().get_str("type").as_deref() != Some("transaction") || entries == 0 {
            return Err(Error::invalid(format!("{} is no transaction Bundle with entries.", path.display())));
        }
        bundles.push((text, entries));
    }
    Ok(bundles)
}

pub(super) async fn post_bundle(client: &Client, bundle: Bytes, entries: usize) -> Result<(), String> {
    let answer = ask(client, Method::POST, "", bundle, 200).await?;
    let document = json::parse(answer.body).map_err(|e| e.to_string())?;
    let list = document.root().get("entry");
    let good = list.map_or(0, |list| {
        let status = |entry: remit_fhir::Node<'_>| {
            entry.at(&["response", "status"]).and_then(|s| s.string().map(|s| s.starts_with('2')))
        };
        list.items().filter(|entry| status(*entry) == Some(true)).count()
    });
    if good == entries { Ok(()) } else { Err(format!("{good} of {entries} entries were done")) }
}

async fn read(client: &Client, id: &str, version: &str) -> Result<(), String> {
    let answer = ask(client, Method::GET, &format!("Patient/{id}{version}"), Bytes::new(), 200).await?;
    let document = json::parse(answer.body).map_err(|e| e.to_string())?;
    let is_it = document.root().get_str("id").as_deref() == Some(id);
    is_it.then_some(()).ok_or(format!("read: the body is not {id}"))
}

async fn delete(client: &Client, id: &str) -> Result<(), String> {
    let answer = client.send(Method::DELETE, &format!("Patient/{id}"), &[], Bytes::new()).await;
    match answer.map(|answer| answer.status) {
        Ok(200 | 204) => Ok(()),
        Ok(status) => Err(format!("delete: status {status}")),
        Err(e) => Err(e.to_string()),
    }
}

async fn find(client: &Client, query: &str, matches: u64) -> Result<(), String> {
    let answer = ask(client, Method::GET, &query.replace('|', "%7C"), Bytes::new(), 200).await?;
    let document = json::parse(answer.body).map_err(|e| e.to_string())?;
    let found = document.root().get("entry").map_or(0, |list| list.items().count()) as u64;
    if found == matches { Ok(()) } else { Err(format!("{query}: {found} matches instead of {matches}")) }
}
